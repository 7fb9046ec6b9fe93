"""What is asked for: directions, ranges, slips, and when a number counts as met."""

import math
from dataclasses import replace

import pytest
from fiducial.metrics.score import Score
from fiducial.testing.requirements import check_by, feature_misses, group_misses, miss, required


def test_a_number_is_a_minimum_where_higher_is_better_and_a_maximum_where_lower_is():
    assert (required("coverage", 0.6).at_least, required("coverage", 0.6).at_most) == (0.6, None)
    assert (required("mse_error", 2).at_least, required("mse_error", 2).at_most) == (None, 2.0)


def test_a_pair_is_a_range():
    one = required("l0", (10, None))
    assert (one.at_least, one.at_most) == (10.0, None)


@pytest.mark.parametrize(
    ("metric", "asked", "error", "says"),
    [
        ("coverge", 0.6, KeyError, "did you mean coverage"),
        ("coverage", 60, ValueError, "0.6, if per cent were meant"),
        ("coverage", -0.1, ValueError, "between 0 and 1"),
        ("coverage", True, TypeError, "give a number"),
        ("coverage", "0.6", TypeError, "give a number"),
        ("coverage", math.nan, TypeError, "give a number"),
        ("l0", 30, ValueError, "no good direction"),
        ("l0", (None, None), TypeError, "pair"),
        ("l0", (1, 2, 3), TypeError, "pair"),
        ("l0", (9, 3), ValueError, "empty"),
    ],
)
def test_slips_are_refused_with_what_was_meant(metric, asked, error, says):
    with pytest.raises(error, match=says):
        required(metric, asked)


def test_by_is_one_of_two_words():
    with pytest.raises(ValueError, match="careful end"):
        check_by("mean")


@pytest.mark.parametrize(
    ("metric", "asked", "by", "met"),
    [
        ("coverage", 0.50, "bound", False),  # the value is above, the low end is not
        ("coverage", 0.50, "value", True),
        ("coverage", 0.45, "bound", True),
        ("coverage", (None, 0.6), "bound", True),
        ("coverage", (None, 0.55), "bound", False),
        ("coverage", (None, 0.55), "value", True),
    ],
)
def test_it_is_met_at_the_careful_end_or_at_the_value(metric, asked, by, met):
    found = miss(required(metric, asked), 0.52, 0.45, 0.58, by)
    assert (found is None) == met


def test_how_far_it_is_away():
    assert miss(required("coverage", 0.6), 0.52, 0.45, 0.58, "bound").short == pytest.approx(0.15)
    assert miss(required("mse_error", 0.5), 0.52, 0.45, 0.58, "bound").short == pytest.approx(0.08)


def test_what_could_not_be_measured_is_never_met():
    found = miss(required("coverage", 0.0), math.nan, math.nan, math.nan, "bound")
    assert math.isnan(found.short)
    assert "could not be measured" in found.sentence("bound")


def test_without_an_interval_the_value_counts():
    assert miss(required("coverage", 0.5), 0.52, math.nan, math.nan, "bound") is None


SCORE = Score(
    "coverage",
    0.5,
    0.4,
    0.6,
    groups={"board": 0.7, "legal": 0.3},
    group_intervals={"board": (0.65, 0.75), "legal": (0.2, 0.4)},
    features={
        "feature": ["mine on a1", "mine on b1", "black won"],
        "value": [0.9, 0.2, 0.0],
        "low": [0.8, 0.1, 0.0],
        "high": [1.0, 0.3, 0.0],
        "floor": [0.4, 0.3, 0.1],
        "rare": [False, False, True],
        "positives": [50, 60, 3],
    },
    details={"min_positives": 20},
)


def test_groups_are_held_to_their_own_numbers():
    assert [one.asked.place for one in group_misses(SCORE, {"board": 0.6, "legal": 0.25}, "bound")] == ["group legal"]
    with pytest.raises(KeyError, match="did you mean board"):
        group_misses(SCORE, {"bord": 0.6}, "bound")


def test_features_are_held_to_their_floor_or_a_number():
    found = feature_misses(SCORE, {"mine on a1": None, "mine on b1": None}, "bound")
    assert [(one.asked.place, one.floor) for one in found] == [("feature mine on b1", 0.3)]
    assert feature_misses(SCORE, {"mine on a1": 0.85}, "bound")
    assert not feature_misses(SCORE, {"mine on a1": 0.85}, "value")


@pytest.mark.parametrize("by", ["bound", "value"])
def test_a_feature_at_its_floor_is_not_found(by):
    features = {**SCORE.features, "value": [0.4, 0.3, 0.0], "low": [0.4, 0.3, 0.0]}  # as an always-on latent has it
    score = replace(SCORE, features=features)
    assert len(feature_misses(score, {"mine on a1": None, "mine on b1": None}, by)) == 2
    assert not feature_misses(score, {"mine on a1": 0.4}, by)


def test_a_feature_that_is_not_there_or_too_rare_is_no_failure_of_the_sae():
    with pytest.raises(KeyError, match="did you mean mine on"):
        feature_misses(SCORE, {"mine on a2": None}, "bound")
    with pytest.raises(ValueError, match=r"too rarely.*3 positives.*20 are needed"):
        feature_misses(SCORE, {"black won": None}, "bound")
