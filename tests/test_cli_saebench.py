"""`fiducial saebench`: scores, result files in SAEBench's form, published results beside them."""

import json

import pytest
from chat_server import ChatServer
from fiducial import Report
from fiducial.cli import main
from fiducial.games import Othello
from fiducial.saebench import check_tasks, score_tasks
from fiducial.saebench_files import read_saebench
from fiducial.testbed_catalogue import testbed as make
from predicate_server import PredicateServer


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "-q"])
    return stopped.value.code, capsys.readouterr()


def test_scores_files_and_what_was_published_beside_them(tmp_path, capsys):
    out, again = tmp_path / "out", tmp_path / "again"
    asked = ("saebench", "topk", "-t", "othello-6x6", "-n", "12")
    code, said = run(capsys, *asked, "--tasks", "core,mdl", "-o", str(out))
    assert code == 0, said.err
    report = Report.from_json(out / "topk-othello-6x6.json")
    assert report.score("mdl_score").floors
    results = {one.eval_type: one for one in read_saebench(out / "saebench")}
    assert set(results) == {"core", "mdl"}
    assert results["core"].flat["l0"] == pytest.approx(32.0)
    assert 0 < results["core"].flat["explained_variance"] < 1
    assert results["core"].sae_id == "topk"
    # The files of one run stand for files of SAEBench beside the next.
    code, said = run(capsys, *asked, "--tasks", "core", "-o", str(again), "--beside", str(out / "saebench"))
    assert code == 0, said.err
    assert "explained_variance" in said.out
    assert "SAEBench&#x27;s own results" in (again / "report.html").read_text()
    (path,) = (again / "saebench").rglob("*.json")
    assert json.loads(path.read_text()) == json.loads((out / path.relative_to(again)).read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("topk", "--tasks", "trp"), "no task named 'trp'; did you mean"),
        (("tpok",), "no SAE of that name ships with othello-6x6"),
        (("topk", "-t", "hierarchical"), "ships with hierarchical; topk ships with othello-6x6"),
        (("-t", "hierarchical"), "no SAEs ship with hierarchical"),
        (("topk", "--beside", "nowhere"), "no file or folder nowhere"),
        (("topk", "--tasks", ","), "no task named"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(arguments, message, tmp_path, capsys):
    code, said = run(capsys, "saebench", "-n", "12", "-o", str(tmp_path), *arguments)
    assert code == 2
    assert message in said.err
    assert said.err.count("\n") == 1


def test_tasks_are_checked_against_the_testbed():
    prompts = make("ioi-tiny", n_games=8)
    assert "core" in check_tasks(None, prompts)
    assert "absorption" not in check_tasks(None, prompts)  # no tree of features there
    with pytest.raises(ValueError, match="absorption cannot be posed on ioi-tiny"):
        check_tasks(["absorption"], prompts)
    with pytest.raises(TypeError, match="takes a dictionary"):
        score_tasks("topk", prompts)


def test_scr_with_a_judge_of_meanings(tmp_path, capsys):
    out = tmp_path / "out"
    asked = ("saebench", "topk", "-n", "24", "--tasks", "mdl", "-o", str(out))
    code, said = run(capsys, *asked, "--scr-judge", "predicate")
    assert code == 0, said.err
    assert "latents that the judge kept" in said.out
    offline = json.loads((out / "topk-scr-judged.json").read_text())
    assert 0 < offline["kept"] <= offline["rated"]
    assert not offline["failed"]
    assert offline["scr_score"]["value"] != offline["scr_score without a judge"]["value"]
    code, said = run(capsys, *asked, "--scr-judge", "llm")
    assert code == 2
    assert "--model" in said.err


@pytest.mark.slow
def test_scr_with_a_chat_model_as_judge(tmp_path, capsys):
    asked = ("saebench", "topk", "-n", "24", "--tasks", "mdl", "-o", str(tmp_path / "out"))
    with ChatServer(PredicateServer(Othello(6)).answer) as server:
        judge = ("--scr-judge", "llm", "--model", "predicates", "--base-url", server.url)
        code, said = run(capsys, *asked, *judge, "--plan")
        assert code == 0, said.err
        assert "Plan: predicates" in said.out
        assert server.count == 0
        code, said = run(capsys, *asked, *judge)
        assert code == 2
        assert "nothing is sent unasked" in said.err
        code, said = run(capsys, *asked, *judge, "--yes")
        assert code == 0, said.err
        assert server.count > 0
    judged = json.loads((tmp_path / "out" / "topk-scr-judged.json").read_text())
    assert 0 < judged["kept"] <= judged["rated"]
    assert not judged["failed"]
