"""Whose error: parts add up, a perfect judge has none, nor has an exam of everything; requests are as planned."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.data.assets import asset
from fiducial.explaining.rendering import renderer_of
from fiducial.explaining.run import Run, sample_of
from fiducial.explaining.two_by_two import MEASURES, PARTS, TwoByTwo, extra_requests, two_by_two
from fiducial.games import Othello
from fiducial.metrics.llm.detection import asked_about
from fiducial.metrics.llm.exams import ExamSettings, best_predicates
from fiducial.metrics.llm.llm_judge import LLMJudge
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.predicate_judge import PredicateJudge
from fiducial.metrics.llm.predicate_search import PredicateExplainer
from fiducial.metrics.llm.replay import ScriptedChat
from fiducial.models.loading import load_dictionary
from fiducial.testbed_catalogue import testbed as make_testbed
from predicate_server import PredicateServer
from rich.console import Console

SMALL = ExamSettings(n_shown=10, n_active=20, n_silent=20)


@pytest.fixture(scope="module")
def bed():
    return make_testbed("othello-6x6", n_games=60)


@pytest.fixture(scope="module")
def sae():
    return load_dictionary(asset("othello-6x6/topk"), "sae_lens", name="topk")


@pytest.fixture(scope="module")
def sample(bed, sae):
    return sample_of(sae, bed, n_latents=12, settings=SMALL)


@pytest.fixture(scope="module")
def run(sample):
    facts, latents = sample.examiner.facts, sample.examiner.latents
    return Run(PredicateExplainer(facts, latents, rows="shown"), PredicateJudge(facts, e_pos=0.1, e_neg=0.3, seed=1))


@pytest.fixture(scope="module")
def found(sample, run):
    return two_by_two(sample, run, testbed="othello-6x6", n_resamples=50)


def test_parts_add_up_for_every_latent_and_in_the_mean(found, run):
    assert len(found.cells) == 2 * 2 * len(MEASURES)
    assert len(found.latents) == 12
    for cell in found.cells:
        assert sum(cell.parts[name].mean for name in PARTS) == pytest.approx(1 - cell.score.mean)
        assert cell.score.low <= cell.score.mean <= cell.score.high
        if cell.judge == "predicate":
            assert cell.parts["judge"].rms == 0
    for name in found.settings["explainers"]:
        seen = found.cell(name, run.judge.name, "balanced accuracy")
        exam = found.cell(name, "predicate", "balanced accuracy").score.mean
        # errors shrink what is above chance by 1 - .1 - .3
        assert seen.parts["judge"].mean == pytest.approx(0.4 * (exam - 0.5), abs=0.06)
    with pytest.raises(KeyError, match="there are"):
        found.cell("nobody", "predicate")


def test_the_best_predicates_are_truer_than_what_examples_show(found, run):
    shown, best = (found.cell(name, "predicate").parts["explanation"].mean for name in found.settings["explainers"])
    assert shown > best + 0.1


def test_an_exam_of_all_positions_has_no_error(bed, sae, sample):
    every = sample_of(sae, bed, sample.numbers[:3], settings=replace(SMALL, n_active=100_000, n_silent=100_000))
    found = two_by_two(every, Run(judge=PredicateJudge(every.examiner.facts, e_pos=0.5)), n_resamples=10)
    for cell in found.cells:
        assert cell.parts["exam"].rms == pytest.approx(0, abs=1e-12)


def test_a_language_model_that_executes_has_no_error_and_is_asked_what_was_planned(sample, bed):
    chat = ScriptedChat(PredicateServer(Othello(6)).answer, "predicates")
    judge = LLMJudge(chat, renderer_of(bed, None))
    few = replace(sample, numbers=sample.numbers[:2])
    facts, latents = sample.examiner.facts, sample.examiner.latents
    explainer = PredicateExplainer(facts, latents, rows="shown")
    run = Run(explainer, judge)
    planned = extra_requests(few, run)
    found = two_by_two(few, run, n_resamples=10)
    assert found.cell("predicate (shown)", "predicates").parts["judge"].rms == 0
    asked = explainer.explain([few.examiner.shown(number) for number in few.numbers])
    exams = {number: few.examiner.positions(number) for number in few.numbers}
    own = judge.requests(asked_about("detection", asked, exams, 5, 0))
    assert chat.requests == own + planned
    assert extra_requests(few, Run(judge=judge)) == own  # of the other explainer here
    assert extra_requests(few, Run(explainer)) == []


def test_what_cannot_be_executed_is_left_out_and_counted(sample, tmp_path):
    best = best_predicates(sample.examiner.facts, sample.examiner.latents)

    class Words:
        name = "words"

        def explain(self, shown):
            made = best.explain(shown)
            made[0] = Explanation(made[0].latent, "something", None, "words")
            made[1] = Explanation(made[1].latent, "", failure="unreadable")
            return made

    found = two_by_two(sample, Run(Words()), n_resamples=10)
    assert len(found.latents) == 10
    assert found.left_out == {"what words says cannot be executed": 1, "words gave no explanation: unreadable": 1}
    back = TwoByTwo.from_json(found.to_json(tmp_path / "two.json"))
    assert back.cells == found.cells
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(found.table())
    assert "left out: 1 latents" in console.export_text()
    (tmp_path / "two.json").write_text("[]")
    with pytest.raises(ValueError, match="no explainers crossed"):
        TwoByTwo.from_json(tmp_path / "two.json")


def test_nobody_able_leaves_no_number(sample):
    class Silent:
        name = "silent"

        def explain(self, shown):
            return [Explanation(one.latent, "", failure="asleep") for one in shown]

    found = two_by_two(sample, Run(Silent()), n_resamples=10)
    assert not found.latents
    assert all(np.isnan(one.score.mean) for one in found.cells)


def test_without_a_language_model_what_examples_show_stands_against_the_best(sample):
    found = two_by_two(sample, Run(), n_resamples=10)
    assert found.settings["explainers"] == ["predicate (shown)", "predicate (all)"]
    assert found.settings["judges"] == ["predicate"]
    with pytest.raises(ValueError, match="both explainers are named"):
        two_by_two(sample, Run(best_predicates(sample.examiner.facts, sample.examiner.latents)))
