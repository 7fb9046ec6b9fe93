import math

import numpy as np
import pytest
from fiducial.metrics.score import Score, game_weights, interval


def score(metric="x_score", value=0.5, **bounds):
    return Score(metric, value, value - 0.1, value + 0.1, **bounds)


@pytest.mark.parametrize(
    ("metric", "floors", "ceilings", "expected"),
    [
        ("x_score", {"a": 0.2, "b": 0.4}, {"c": 0.9, "d": 0.6}, 0.2),
        ("x_error", {"a": 0.9, "b": 2.0}, {"c": 0.1, "d": 0.3}, 0.5),
        ("x_score", {"a": 0.5}, {"c": 0.5}, math.nan),
        ("x_score", {"a": 0.6}, {"c": 0.5}, math.nan),
        ("x_score", {}, {"c": 0.5}, math.nan),
        ("x_score", {"a": 0.0}, {}, math.nan),
    ],
)
def test_normalised_is_between_best_floor_and_best_ceiling(metric, floors, ceilings, expected):
    found = score(metric, floors=floors, ceilings=ceilings).normalised()
    assert found == pytest.approx(expected, nan_ok=True)


def test_beside_adds_and_keeps():
    wide = score(floors={"a": 0.1}).beside(floors={"b": 0.2}, ceilings={"c": 0.9})
    assert wide.floors == {"a": 0.1, "b": 0.2}
    assert wide.ceilings == {"c": 0.9}
    assert "floor a 0.100" in str(wide)
    assert "[0.400, 0.600]" in str(wide)


def test_weights_are_draws_of_games():
    weights = game_weights(7, 200, seed=3)
    assert weights.shape == (200, 7)
    assert np.array_equal(weights.sum(1), np.full(200, 7))
    assert np.array_equal(weights, game_weights(7, 200, seed=3))
    assert not np.array_equal(weights, game_weights(7, 200, seed=4))
    with pytest.raises(ValueError, match="at least 2 games, got 1"):
        game_weights(1, 10, 0)


def test_bootstrap_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(size=400)
    replicates = game_weights(400, 4000, seed=1) @ values / 400
    low, high = interval(replicates)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)
