"""`fiducial explain --two-by-two`: a language model that executes has no error of its own; what is sent was planned."""

import re

import pytest
from chat_server import ChatServer
from command_line import inside
from fiducial.explaining.two_by_two import TwoByTwo
from fiducial.games import Othello
from predicate_server import PredicateServer

SMALL = (
    "explain",
    "topk",
    "-n",
    60,
    "--latents",
    2,
    "--boards",
    0,
    "--scorers",
    "detection",
    "--no-null",
    "--two-by-two",
)


def test_explainers_and_judges_are_crossed_over_http(tmp_path):
    with ChatServer(PredicateServer(Othello(6)).answer) as server:
        words = ("--judge", "llm", "--model", "predicates", "--base-url", server.url, "-o", "out")
        plan = inside(*SMALL, *words, "--plan", cwd=tmp_path)
        assert plan.returncode == 0, plan.stderr
        planned = int(re.search(r"^ *all +([\d,]+)", plan.stdout, re.MULTILINE)[1].replace(",", ""))
        done = inside(*SMALL, *words, "--yes", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert server.count == planned
        again = inside(*SMALL, *words, "--offline", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert server.count == planned
    found = TwoByTwo.from_json(tmp_path / "out" / "topk-othello-6x6.two-by-two.json")
    assert len(found.latents) == 2
    for explainer in found.settings["explainers"]:
        cell = found.cell(explainer, "predicates")
        assert cell.parts["judge"].rms == 0
        assert cell.score.mean == pytest.approx(1 - cell.parts["explanation"].mean - cell.parts["exam"].mean)
    assert "Whose error?" in done.stdout
