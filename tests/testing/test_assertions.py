"""Assertions on a small world whose true dictionary is known: they pass where they should, and say why not."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.evaluation import evaluate
from fiducial.games.synthetic import Synthetic
from fiducial.models.controls import random_dictionary
from fiducial.report import Report
from fiducial.synthetic_testbed import SyntheticTestbed
from fiducial.testing import (
    Truth,
    assert_beats_floor,
    assert_better,
    assert_near_ceiling,
    assert_not_worse,
    assert_recovers,
    assert_score,
    dictionary_of,
    scored,
)
from fiducial.testing.reports import _state


class Half:
    """The true dictionary with some latents silenced."""

    latent_names = None

    def __init__(self, bed, silent, name):
        self._whole, self._silent, self.name = bed.oracle, silent, name
        self.directions = bed.oracle.directions

    def encode(self, x):
        latents = self._whole.encode(x).clone()
        latents[:, self._silent] = 0
        return latents

    def decode(self, latents):
        return self._whole.decode(latents)


@pytest.fixture(scope="module")
def bed():
    return SyntheticTestbed(Synthetic("superposition-half"), n_games=40, seed=0)


@pytest.fixture(scope="module")
def dictionaries(bed):
    """All of the truth, most of it, some of it, none of it."""
    return {
        "whole": Half(bed, [], "whole"),
        "most": Half(bed, [0], "most"),
        "some": Half(bed, list(range(8)), "some"),
        "random": random_dictionary(bed.x, 16, 2, seed=5, name="random"),
    }


def test_the_truth_passes_everything(bed, dictionaries):
    report = assert_recovers(
        dictionaries["whole"], bed, coverage=0.95, dead_latents_error=0.2, l0=(1, 4), features=["feature 0"]
    )
    assert isinstance(report, Report)
    assert assert_beats_floor(dictionaries["whole"], bed).value > 0.9
    assert_near_ceiling(dictionaries["whole"], bed, within=0.05)
    assert assert_better(dictionaries["whole"], dictionaries["some"], bed, margin=0.2) > 0.2
    assert_not_worse(dictionaries["most"], dictionaries["whole"], bed, tolerance=0.2)
    assert assert_score(dictionaries["whole"], bed, "mse_error", at_most=1e-3).value < 1e-3


def test_a_failure_says_what_was_missed_and_how_the_bounds_stand(bed, dictionaries):
    with pytest.raises(AssertionError) as failure:
        assert_recovers(dictionaries["some"], bed, coverage=0.9, features=["feature 3", "feature 12"])
    said = str(failure.value)
    score = scored(dictionaries["some"], bed).scores["coverage"]
    assert "some on superposition-half (40 games of seed 0, half of which report): 2 of what was asked" in said
    assert f"coverage is {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]; asked was at least 0.900" in said
    assert "feature feature 3 is" in said
    assert "feature 12 is" not in said
    assert "floor" in said
    assert "(oracle)" in said
    assert "it stands below the floor" in said  # PCA finds more than half of the truth does
    table = said.split("would add most")[1]
    listed = {
        line.strip().split("  ")[0] for line in table.splitlines() if line.startswith("    feature ") and "+" in line
    }
    assert listed
    assert listed <= {f"feature {i}" for i in range(8)}  # those that were silenced, and no others
    assert "what to try" in said


def test_a_value_above_with_an_interval_below_is_told_apart(bed, dictionaries):
    score = scored(dictionaries["most"], bed).scores["coverage"]
    between = (score.low + score.value) / 2
    with pytest.raises(
        AssertionError, match=r"(?s)of the way from floor to ceiling.*the value itself meets what was asked"
    ):
        assert_recovers(dictionaries["most"], bed, coverage=between)
    assert_recovers(dictionaries["most"], bed, coverage=between, by="value")


def test_more_than_any_reference_reaches_is_said(bed):
    report = evaluate(random_dictionary(bed.x, 16, 2, seed=5), bed, ["mcc_score"])
    ceilings = {"probes": 0.5}
    score = report.scores["mcc_score"]
    bounded = Report("r", "t", {"mcc_score": replace(score, ceilings=ceilings)}, {})
    with pytest.raises(AssertionError, match=r"no reference reaches 0\.900 here: the best, probes, has 0\.500"):
        assert_recovers(bounded, mcc_score=0.9)


def test_floors_are_beaten_beyond_noise_or_not(bed, dictionaries):
    with pytest.raises(AssertionError, match=r"does not beat .* beyond noise; the difference is"):
        assert_beats_floor(dictionaries["random"], bed)
    name = next(name for name in scored(dictionaries["some"], bed).scores["coverage"].floors if "random" in name)
    assert_beats_floor(dictionaries["some"], bed, floor=name[:10])
    with pytest.raises(KeyError, match=r"no floor of coverage.*there are"):
        assert_beats_floor(dictionaries["some"], bed, floor="neurons")
    with pytest.raises(AssertionError, match=r"by more than 0\.900"):
        assert_beats_floor(dictionaries["whole"], bed, margin=0.9)


def test_far_from_the_ceiling(bed, dictionaries):
    with pytest.raises(AssertionError, match=r"of the way to the ceiling; asked was 0\.900"):
        assert_near_ceiling(dictionaries["some"], bed)
    with pytest.raises(ValueError, match="no ceiling"):
        assert_near_ceiling(dictionaries["some"], bed, "l0")


def test_two_dictionaries_are_compared_in_pairs(bed, dictionaries):
    with pytest.raises(AssertionError, match="some is not better than whole at coverage beyond noise"):
        assert_better(dictionaries["some"], dictionaries["whole"], bed)
    with pytest.raises(AssertionError, match="whole is not better than whole"):
        assert_better(dictionaries["whole"], dictionaries["whole"], bed)
    with pytest.raises(AssertionError, match=r"allowed is 0\.010"):
        assert_not_worse(dictionaries["some"], dictionaries["whole"], bed, tolerance=0.01)
    with pytest.raises(ValueError, match="tolerance must be above 0"):
        assert_not_worse(dictionaries["some"], dictionaries["whole"], bed, tolerance=0)
    with pytest.raises(ValueError, match="no good direction"):
        assert_better(dictionaries["some"], dictionaries["whole"], bed, "l0")
    # lower is better: more of the truth leaves a smaller error
    assert assert_better(dictionaries["whole"], dictionaries["some"], bed, "mse_error") > 0
    with pytest.raises(AssertionError):
        assert_better(dictionaries["some"], dictionaries["whole"], bed, "mse_error")


def test_a_baseline_from_a_file_is_compared_without_pairs(bed, dictionaries, tmp_path):
    path = scored(dictionaries["whole"], bed).to_json(tmp_path / "baseline.json")
    assert_not_worse(dictionaries["whole"], path, bed, tolerance=0.05)
    with pytest.raises(AssertionError, match="not paired"):
        assert_not_worse(dictionaries["some"], path, bed, tolerance=0.05)


def test_reports_on_different_games_are_no_pair(bed, dictionaries):
    other = SyntheticTestbed(Synthetic("superposition-half"), n_games=40, seed=1)
    there = scored(Half(other, list(range(8)), "some"), other)
    with pytest.raises(AssertionError, match="not paired"):
        assert_better(there, scored(dictionaries["whole"], bed))


def test_nothing_asked_and_slips_of_the_pen(bed, dictionaries):
    whole = dictionaries["whole"]
    with pytest.raises(TypeError, match="nothing is asked"):
        assert_recovers(whole, bed)
    with pytest.raises(KeyError, match="did you mean coverage"):
        assert_recovers(whole, bed, covrage=0.5)
    with pytest.raises(KeyError, match="has no feature 'feature 99'"):
        assert_recovers(whole, bed, features=["feature 99"])
    with pytest.raises(ValueError, match="superposition-half cannot be asked legal_move_error"):
        assert_recovers(whole, bed, legal_move_error=0.5)
    with pytest.raises(KeyError, match="did you mean"):
        assert_beats_floor(whole, bed, "tpp")  # a family
    with pytest.raises(KeyError, match="did you mean"):
        assert_recovers(whole, bed, groups={"reconstructio": {"all": 0.5}})
    with pytest.raises(TypeError, match=r"say where it is scored.*got NoneType"):
        assert_recovers(whole, coverage=0.5)
    with pytest.raises(TypeError, match="at_least, at_most or both"):
        assert_score(whole, bed)
    with pytest.raises(TypeError, match="cannot score list as a dictionary: it lacks name"):
        assert_recovers([1], bed, coverage=0.5)
    with pytest.raises(KeyError, match="no file or folder toopk"):
        assert_recovers("toopk", bed, coverage=0.5)


def test_each_state_of_a_dictionary_is_scored_once(bed, monkeypatch):
    calls = []

    def counted(*arguments, **options):
        calls.append(arguments[2])
        return evaluate(*arguments, **options)

    monkeypatch.setattr("fiducial.testing.reports.evaluate", counted)
    dictionary = random_dictionary(bed.x, 16, 2, seed=9, name="changing")
    first = scored(dictionary, bed).scores["coverage"].value
    scored(dictionary, bed)
    scored(dictionary, bed, "l0")
    assert len(calls) == 1
    dictionary.reading.copy_(torch.roll(dictionary.reading, 3, 0))  # as training goes on, in place
    assert scored(dictionary, bed).scores["coverage"].value != first
    assert len(calls) == 2


def test_arrays_beside_their_truth():
    labels = np.random.default_rng(0).random((600, 4)) < 0.4
    games = np.repeat(np.arange(30), 20)
    truth = Truth(labels, games, names=["a", "b", "c", "d"], groups=["x", "x", "y", "y"])
    latents = labels.astype(float)
    assert_recovers(latents, truth, coverage=0.99, groups={"x": 0.99}, features={"a": 0.9})
    latents[:, 2] = 0
    with pytest.raises(AssertionError, match=r"(?s)group y is 0\..*c  .*what to try"):
        assert_recovers(torch.from_numpy(latents), truth, groups={"y": 0.9})
    assert_better(labels.astype(float), latents, truth)
    with pytest.raises(ValueError, match="arrays can be asked coverage"):
        assert_recovers(latents, truth, mse_error=0.1)
    with pytest.raises(ValueError, match="one row a position"):
        assert_recovers(latents[:-1], truth, coverage=0.1)
    with pytest.raises(ValueError, match="whole numbers"):
        assert_recovers(latents, Truth(labels, games / 2), coverage=0.1)
    with pytest.raises(ValueError, match="no ceiling"):
        assert_near_ceiling(latents, truth)


def test_arrays_of_another_truth_are_no_pair():
    draw = np.random.default_rng(0)
    games = np.repeat(np.arange(30), 20)
    labels, other = (draw.random((600, 4)) < 0.4 for _ in range(2))
    here = scored(labels.astype(float), Truth(labels, games))
    there = scored(other.astype(float), Truth(other, games))
    with pytest.raises(AssertionError, match="not paired"):
        assert_better(here, there, margin=0.5)
    with pytest.raises(AssertionError) as failure:
        assert_better(here, scored(labels * 1.0, Truth(labels, games)), margin=0.5)
    assert "not paired" not in str(failure.value)


def test_a_weight_that_shows_in_no_probed_row_is_another_state(bed):
    dictionary = random_dictionary(bed.x, 16, 2, seed=9, name="thresholds")
    dictionary.threshold = torch.full((16,), 1e9)  # of latents that never fire either way
    before = _state(dictionary, bed)
    assert _state(dictionary, bed) == before
    dictionary.threshold[3] = 2e9
    assert _state(dictionary, bed) != before
    wrapped = Half(bed, [], "module")
    wrapped.sae = torch.nn.Linear(2, 2)
    before = _state(wrapped, bed)
    with torch.no_grad():
        wrapped.sae.bias += 1
    assert _state(wrapped, bed) != before


def test_what_is_called_an_sae(tmp_path, bed):
    with pytest.raises(FileNotFoundError):
        dictionary_of(tmp_path / "nothing" / "there", bed)
    (tmp_path / "report.json").write_text(json.dumps({"no": "report"}))
    with pytest.raises(ValueError, match="not a fiducial report"):
        scored(tmp_path / "report.json")
