"""Interventions, intruders and example embedding as scorers of explained latents."""

import numpy as np
import pytest
from fiducial.data.assets import asset
from fiducial.explaining import pushes as module
from fiducial.explaining.pushes import Pushes, spread, why_no_pushes
from fiducial.explaining.rendering import renderer_of
from fiducial.explaining.run import Run, explain, sample_of
from fiducial.metrics.llm.embedders import hashing_encoder
from fiducial.metrics.llm.exams import ExamSettings, best_predicates
from fiducial.models.loading import load_dictionary
from fiducial.testbed_catalogue import testbed as make_testbed

SMALL = ExamSettings(n_shown=10, n_active=50, n_silent=20)


@pytest.fixture(scope="module")
def bed():
    return make_testbed("othello-6x6", n_games=80)


@pytest.fixture(scope="module")
def sample(bed):
    sae = load_dictionary(asset("othello-6x6/topk"), "sae_lens", name="topk")
    return sample_of(sae, bed, n_latents=4, settings=SMALL)


def test_chosen_latents_are_pushed_once_and_the_others_say_so(bed, sample, monkeypatch):
    calls = []
    real = module.intervene
    monkeypatch.setattr(module, "intervene", lambda *a, **k: calls.append(1) or real(*a, **k))
    latents = sample.examiner.latents
    told = best_predicates(sample.examiner.facts, latents).explain([sample.examiner.shown(n) for n in sample.numbers])

    def reader(prefixes, texts):
        return np.array([-float(len(prefix.split())) for prefix in prefixes])

    made = Pushes(bed, sample.source, latents, spread(sample.numbers, 2), reader, n_prompts=4, n_resamples=20)
    truth = made.records("intervention", told)
    score = made.records("intervention by surprisal", told)
    assert len(calls) == 1
    asked = [n for n in sample.numbers if truth[n].get("asked", True)]
    assert asked == [sample.numbers[0], sample.numbers[-1]]
    for number in asked:
        assert -1 <= truth[number]["low"] <= truth[number]["value"] <= truth[number]["high"] <= 1
        assert np.isfinite(truth[number]["null"])
        assert truth[number]["kl"] == pytest.approx(1.0, rel=0.1)
        assert score[number]["value"] == 0  # this reader counts words, and a push changes none of their number
    assert truth[sample.numbers[1]]["undefined"].startswith("not pushed")
    alone = made.records("intervention", told, null=False)
    assert len(calls) == 2
    assert np.isnan(alone[asked[0]]["null"])
    assert alone[asked[0]]["value"] == truth[asked[0]]["value"]


def test_latents_that_were_not_pushed_have_not_failed(bed, sample):
    tools = {"renderer": renderer_of(bed, None), "encoder": hashing_encoder()}
    run = Run(scorers=("intervention", "intruder", "example embedding"), tools=tools, n_pushed=1)
    found = explain(sample, bed, run, n_resamples=20)
    pushed, intruder, alike = found.summaries
    assert (pushed.n, pushed.failed, pushed.details["not_asked"]) == (1, {}, 3)
    assert found.settings["pushed"] == [sample.numbers[0]]
    assert intruder.null == pytest.approx(0.2)
    assert intruder.mean > 0.3  # facts that contexts share tell the odd one
    assert alike.null == 0
    assert alike.n == 4


def test_where_nothing_can_be_pushed_it_is_said():
    bed = make_testbed("hierarchical", n_games=20)
    sample = sample_of(bed.oracle, bed, n_latents=4, settings=SMALL)
    found = explain(sample, bed, Run(scorers=("detection", "intervention")), n_resamples=10)
    assert "no model's" in found.settings["not asked"]["intervention"]
    assert [one.scorer for one in found.summaries] == ["natural F1", "detection"]
    assert "no continuation" in why_no_pushes(make_testbed("ioi-tiny", n_games=8))


def test_what_the_user_must_give_is_asked_for(bed, sample):
    with pytest.raises(ValueError, match="needs a language model"):
        explain(sample, bed, Run(scorers=("intervention by surprisal",)))
    with pytest.raises(ValueError, match="give an encoder"):
        explain(sample, bed, Run(scorers=("example embedding",)))
