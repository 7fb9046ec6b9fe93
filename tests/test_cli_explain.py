"""`fiducial explain`: offline, over HTTP with the same scores, planned, paid for, interrupted, refused."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from chat_server import ChatServer
from command_line import FIDUCIAL, assert_refused
from command_line import inside as command
from fiducial.explaining.result import Explained
from fiducial.games import Othello
from fiducial.reporting.latents import latents_from
from predicate_server import PredicateServer

SMALL = ("topk", "-n", "60", "--only", "{numbers}", "--boards", "0")
KEY = "sk-never-to-be-seen"


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """Three latents explained offline, and their numbers."""
    folder = tmp_path_factory.mktemp("offline")
    done = command("explain", "topk", "-n", 60, "--latents", 3, "--boards", 2, "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "fires when" in done.stdout
    assert "shuffled" in done.stdout
    assert not list((folder / "out").glob("*.sqlite*"))  # nothing was to be sent
    page = (folder / "out" / "topk-othello-6x6.html").read_text()
    assert page.count("<section") == 2
    content = json.loads((folder / "out" / "topk-othello-6x6.latents.json").read_text())
    blocks = latents_from(content)
    found = Explained.from_json(folder / "out" / "topk-othello-6x6.explanations.json")
    assert [block["latent"] for block in blocks] == [one.latent for one in found.best()]
    assert [bool(block["examples"]) for block in blocks] == [True, True, False]  # for `fiducial report`
    return found


def arguments(found, *more):
    only = ",".join(str(one.latent) for one in found.latents)
    return [part.format(numbers=only) for part in SMALL] + list(map(str, more))


@pytest.fixture(scope="module")
def server():
    with ChatServer(PredicateServer(Othello(6)).answer) as one:
        yield one


def run(found, server, folder, *more):
    words = ("--model", "predicates", "--base-url", server.url, "--key-variable", "FIDUCIAL_TEST_KEY", *more)
    return command("explain", *arguments(found, *words), "-o", "out", cwd=folder, FIDUCIAL_TEST_KEY=KEY)


def test_over_http_the_scores_are_those_of_the_offline_judge(offline, server, tmp_path):
    before = server.count
    done = run(offline, server, tmp_path, "--judge", "llm", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Plan: predicates" in done.stdout
    sent = server.count - before
    found = Explained.from_json(tmp_path / "out" / "topk-othello-6x6.explanations.json")
    assert [one.text for one in found.latents] == [one.text for one in offline.latents]
    for online, here in zip(found.latents, offline.latents, strict=True):
        assert online.scores == here.scores  # to the last bit: detection, fuzzing and simulation with their nulls
        assert online.exact == here.exact
    (tmp_path / "out" / "topk-othello-6x6.latents.jsonl").unlink()
    again = run(offline, server, tmp_path, "--judge", "llm", "--offline")
    assert again.returncode == 0, again.stderr
    assert server.count == before + sent  # all from the cache
    assert Explained.from_json(tmp_path / "out" / "topk-othello-6x6.explanations.json").latents == found.latents
    for path in (tmp_path / "out").iterdir():
        assert KEY.encode() not in path.read_bytes()
    assert KEY not in done.stdout + done.stderr + again.stdout + again.stderr


def test_a_language_model_explains_and_is_executed(offline, server, tmp_path):
    more = ("--explainer", "llm", "--predicates", "--contrast", "20", "--scorers", "detection", "--yes")
    done = run(offline, server, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    found = Explained.from_json(tmp_path / "out" / "topk-othello-6x6.explanations.json")
    assert found.settings["explainer"] == "predicates (predicates)"
    assert all(one.exact for one in found.latents)
    f1 = np.mean([one.exact["f1"][0] for one in found.latents])
    best = np.mean([one.exact["f1"][0] for one in offline.latents])
    assert 0.2 < f1 <= best + 0.02  # from sixty positions instead of all


def test_a_plan_sends_nothing(offline, server, tmp_path):
    before = server.count
    done = run(offline, server, tmp_path, "--judge", "llm", "--plan", "--price-in", "1", "--price-out", "4")
    assert done.returncode == 0, done.stderr
    assert "input tokens" in done.stdout
    assert "no prices" not in done.stdout
    assert server.count == before
    assert_refused(run(offline, server, tmp_path, "--judge", "llm"), "nothing is sent unasked", "--yes")
    assert server.count == before


def test_the_budget_stops_it_and_the_rest_is_sent_later(offline, server, tmp_path):
    before = server.count
    stopped = run(offline, server, tmp_path, "--judge", "llm", "--scorers", "detection", "--max-requests", "10")
    assert stopped.returncode == 1
    assert "run again" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert server.count - before == 10
    done = run(offline, server, tmp_path, "--judge", "llm", "--scorers", "detection", "--yes")
    assert done.returncode == 0, done.stderr
    sent = [json.dumps(body["messages"]) for body in server.bodies[before:]]
    assert len(sent) > 10
    assert len(set(sent)) == len(sent)  # nothing was sent twice


@pytest.mark.slow  # the client's own test of a kill is fast, and always runs
def test_a_killed_run_goes_on(offline, tmp_path):
    with ChatServer(PredicateServer(Othello(6)).answer, delay=0.05) as slow:
        words = [
            str(FIDUCIAL), "explain",
            *arguments(offline, "--judge", "llm", "--model", "predicates", "--base-url", slow.url, "--yes"),
            "--scorers", "detection", "--concurrency", "2", "-o", "out",
        ]  # fmt: skip
        process = subprocess.Popen(
            words, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
        )
        while slow.count < 15:
            time.sleep(0.02)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        first = slow.count
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = Explained.from_json(tmp_path / "out" / "topk-othello-6x6.explanations.json")
        texts = {json.dumps(body["messages"]) for body in slow.bodies}
        assert slow.count - len(texts) <= 2  # no more than was in flight is asked twice
        assert len(texts) > first - 2
    for online, here in zip(found.latents, offline.latents, strict=True):
        assert online.scores["detection"] == here.scores["detection"]


def test_bad_input_is_refused_in_one_line(offline, tmp_path):
    for words, expected in {
        ("--explainer", "gpt"): "--explainer is predicate or llm",
        ("--judge", "llm"): "--model",
        ("--negatives", "hard"): "nearest board",
        ("--sampling", "best"): "quantile",
        ("--scorers", "detektion"): "did you mean detection",
        ("--scorers", "embedding"): "encoder",
        ("--scorers", "surprisal", "--language-model", "nowhere"): "nowhere",
        ("--only", "9999"): "0 to 1023",
        ("--price-in", "1", "--judge", "llm", "--model", "m"): "--price-out",
    }.items():
        assert_refused(command("explain", "topk", "-n", 60, *words, cwd=tmp_path), expected)
    assert_refused(command("explain", "tokp", cwd=tmp_path), "topk")
