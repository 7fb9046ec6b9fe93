"""`fiducial judge-errors` and `fiducial similar`: offline, over HTTP, planned, refused."""

import re

import numpy as np
import pytest
from chat_server import ChatServer
from command_line import assert_refused, inside
from fiducial.games import Othello
from fiducial.judging.serialisation_result import JudgeErrors
from fiducial.judging.similar_result import SaesCompared
from fiducial.metrics.llm.errors import NotInstalled
from predicate_server import PredicateServer

SMALL = ("-n", "40", "--per-group", "1", "--positions", "4")


def test_the_reader_never_errs_and_says_what_it_cannot_see(tmp_path):
    done = inside("judge-errors", *SMALL, "--styles", "grid,moves,grid", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("single facts") == 2  # a style is not measured twice
    assert "legal moves" not in done.stdout  # groups are in the file
    found = JudgeErrors.from_json(tmp_path / "out" / "judge-errors-reader-othello-6x6.json")
    assert {row.style for row in found.rows} == {"grid", "moves"}
    assert all(rate == 0 for row in found.rows for rate in (row.e_pos, row.e_neg) if np.isfinite(rate))
    assert found.of("grid", "board").share_unanswered == 0
    assert found.of("moves", "board").share_unanswered == 1
    every = inside("judge-errors", *SMALL, "--styles", "grid", "--groups", "-o", "out", cwd=tmp_path)
    assert "legal moves" in every.stdout


def test_an_encoder_errs(tmp_path):
    words = (*SMALL, "--styles", "list", "--encoder", "hashing", "-o", "out")
    done = inside("judge-errors", "encoder", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = JudgeErrors.from_json(tmp_path / "out" / "judge-errors-encoder-othello-6x6.json")
    rates = [rate for row in found.rows for rate in (row.e_pos, row.e_neg)]
    assert 0.1 < np.nanmean(rates) < 0.9
    assert not list((tmp_path / "out").glob("*.sqlite*"))


def test_a_language_model_is_planned_asked_and_replayed(tmp_path):
    with ChatServer(PredicateServer(Othello(6)).answer) as server:
        words = (*SMALL, "--styles", "record", "--model", "predicates", "--base-url", server.url, "-o", "out")
        planned = inside("judge-errors", "llm", *words, "--plan", cwd=tmp_path)
        assert planned.returncode == 0, planned.stderr
        assert "to send" in planned.stdout
        assert "requests sent" not in planned.stdout  # nothing was asked, so there is nothing to account for
        assert_refused(inside("judge-errors", "llm", *words, cwd=tmp_path), "--yes")
        assert server.count == 0
        done = inside("judge-errors", "llm", *words, "--yes", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert re.search(rf"requests sent +{server.count}\n", done.stdout)
        assert "USD" not in done.stdout.partition("actual")[2]  # no prices were given
        sent = server.count
        found = JudgeErrors.from_json(tmp_path / "out" / "judge-errors-llm-othello-6x6.json")
        assert sum(row.n_true + row.n_false for row in found.rows) > 100
        assert all(rate == 0 for row in found.rows for rate in (row.e_pos, row.e_neg) if np.isfinite(rate))
        again = inside("judge-errors", "llm", *words, "--offline", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert server.count == sent
        other = inside("judge-errors", "llm", *words, "--seed", "5", "--offline", cwd=tmp_path)
        assert other.returncode == 0  # what the cache does not hold is unanswered, and never scored
        found = JudgeErrors.from_json(tmp_path / "out" / "judge-errors-llm-othello-6x6.json")
        assert all(rate == 0 for row in found.rows for rate in (row.e_pos, row.e_neg) if np.isfinite(rate))
        assert np.mean([row.share_unanswered for row in found.rows]) > 0.5


def test_bad_input_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("fiducial.metrics.llm.client.Client.complete", lambda *_: pytest.fail("something was sent"))
    for words, expected in {
        ("judge-errors", "gpt"): "reader, encoder or llm",
        ("judge-errors", "llm"): "--model",
        ("judge-errors", "encoder"): "--encoder",
        ("judge-errors", "encoder", "--encoder", "minilmm"): "no encoder named 'minilmm'",
        ("judge-errors", "encoder", "--encoder", "endpoint:m", "--base-url", "localhost:1"): "base_url",
        ("judge-errors", "--encoder", "hashing"): "--encoder would do nothing",
        ("judge-errors", "--model", "m", "--yes"): "--model, --yes would do nothing",
        ("judge-errors", "-t", "synthsaebench-64"): "no text",
        ("judge-errors", "-t", "othelo-6x6"): "othello-6x6",
        ("judge-errors", "-n", "20", "--styles", "gird"): "did you mean 'grid'",
        ("judge-errors", "llm", "--model", "m", "--budget-usd", "1"): "prices",
        ("judge-errors", "llm", "--model", "m", "--yes", *SMALL, "--styles", "moves"): "OPENAI_API_KEY",
        ("similar", "nosuch"): "topk",
        ("similar", "--zoo", "nowhere"): "nowhere",
        ("similar", "topk", "--layers", "one"): "--layers",
        ("similar", "topk", "--encoder", "minilmm"): "no encoder named",
        ("similar", "-t", "synthsaebench-64"): "synthetic world",
        ("similar", "--encoder", "endpoint:m"): "nothing is sent",
    }.items():
        assert_refused(inside(*words, cwd=tmp_path), expected)


def test_without_openai_it_is_said_before_anything_is_confirmed(tmp_path, monkeypatch):
    def missing(*_):
        raise NotInstalled("language models need the package openai: pip install 'fiducial[llm]'")

    monkeypatch.setattr("fiducial.metrics.llm.client.secret_of", missing)
    words = ("judge-errors", "llm", "--model", "m", *SMALL, "--styles", "moves")
    assert_refused(inside(*words, cwd=tmp_path), "fiducial[llm]")


def test_shipped_saes_are_compared(tmp_path):
    words = ("similar", "topk", "-n", "60", "--pairs", "8", "--encoder", "hashing", "-q", "-o", "out")
    done = inside(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "untrained-0" in done.stdout
    found = SaesCompared.from_json(tmp_path / "out" / "similar-othello-6x6.json")
    assert {pair.how for pair in found.pairs} == {"decoder", "activation"}
    assert (tmp_path / "out" / "similar-othello-6x6.png").stat().st_size > 5000
