"""Interpretation-aware edits and the weight they remove, by hand and by independent sums."""

import numpy as np
import pytest
import torch
from fiducial.metrics.contingency import value_f1
from fiducial.metrics.control_aware import aware_edits, weight_removed

RNG = np.random.default_rng(0)


def perfect(n=200, n_values=6, seed=0):
    """One latent a value, and as many that fire at random: values, latents, directions."""
    rng = np.random.default_rng(seed)
    value = rng.integers(0, n_values, n)
    latents = np.concatenate([2.0 * np.eye(n_values)[value], (rng.random((n, n_values)) < 0.3) * 1.0], 1)
    return value, latents, rng.normal(size=(2 * n_values, 5))


def test_a_perfect_dictionary_swaps_the_two_values():
    value, latents, directions = perfect()
    f1 = value_f1(latents, value, 6)
    other = (value + 1) % 6
    _, target, _ = perfect(seed=0)
    target = target.copy()
    target[:, :6] = 3.0 * np.eye(6)[other]
    edits = aware_edits(latents, target, directions, f1, value, other, 1)
    assert edits.scorable.all()
    np.testing.assert_array_equal(edits.removed[:, :6], np.eye(6, dtype=bool)[value])
    np.testing.assert_array_equal(edits.added[:, :6], np.eye(6, dtype=bool)[other])
    np.testing.assert_allclose(edits.delta, 3 * directions[other] - 2 * directions[value])


def test_against_a_plain_loop():
    rng = np.random.default_rng(1)
    source, target = (rng.random((30, 12)) * (rng.random((30, 12)) < 0.5) for _ in range(2))
    directions, f1 = rng.normal(size=(12, 4)), rng.integers(0, 4, (12, 5)) / 4
    before, after = rng.integers(0, 5, 30), rng.integers(0, 5, 30)
    for k in (0, 1, 3, 20):
        edits = aware_edits(source, target, directions, f1, before, after, k)
        for row in range(30):
            delta = np.zeros(4)
            for latents, value, sign in ((source, before, -1), (target, after, 1)):
                ranked = sorted(range(12), key=lambda i, v=value[row]: (-f1[i, v], i))
                active = [i for i in ranked if latents[row, i] > 0 and f1[i, value[row]] > 0]
                delta += sign * sum((latents[row, i] * directions[i] for i in active[:k]), np.zeros(4))
            np.testing.assert_allclose(edits.delta[row], delta, atol=1e-12)


def test_a_value_that_was_never_seen_is_not_scorable():
    value, latents, directions = perfect()
    f1 = value_f1(latents, value, 8)  # values 6 and 7 do not occur
    assert np.isnan(f1[:, 6:]).all()
    after = np.where(np.arange(200) % 2 == 0, 7, (value + 1) % 6)
    edits = aware_edits(latents, latents, directions, f1, value, after, 2)
    np.testing.assert_array_equal(edits.scorable, np.arange(200) % 2 == 1)
    assert float(edits.delta[::2].abs().max()) == 0
    assert not edits.removed[::2].any()
    none = aware_edits(latents, latents, directions, f1, np.full(200, -1), value, 2)
    assert not none.scorable.any()
    # the published ranking, with 0 where F1 is 0 / 0, would call every row scorable
    assert aware_edits(latents, latents, directions, np.nan_to_num(f1), value, after, 2).scorable.all()


def test_magnitudes_stand_in_where_there_is_no_counterfactual():
    value, latents, directions = perfect()
    f1, other = value_f1(latents, value, 6), (value + 1) % 6
    mean_active = latents.sum(0) / (latents > 0).sum(0)
    edits = aware_edits(latents, None, directions, f1, value, other, 1, magnitudes=mean_active)
    np.testing.assert_allclose(edits.delta, 2 * (directions[other] - directions[value]), atol=1e-12)
    with pytest.raises(ValueError, match="not both"):
        aware_edits(latents, latents, directions, f1, value, other, 1, magnitudes=mean_active)
    with pytest.raises(ValueError, match="target_latents, or magnitudes"):
        aware_edits(latents, None, directions, f1, value, other, 1)


def test_bad_arguments_are_refused():
    value, latents, directions = perfect()
    f1 = value_f1(latents, value, 6)
    with pytest.raises(ValueError, match="-1 \\(none\\) to 5"):
        aware_edits(latents, latents, directions, f1, value, value + 1, 1)
    with pytest.raises(ValueError, match="at least 0"):
        aware_edits(latents, latents, directions, f1, value, value, -1)
    with pytest.raises(ValueError, match="integers"):
        aware_edits(latents, latents, directions, f1, value * 1.0, value, 1)
    with pytest.raises(ValueError, match=r"f1 \[H, V\]"):
        aware_edits(latents, latents, directions, f1[:-1], value, value, 1)


def test_weights_sum_to_one_and_count_once():
    latents, directions = RNG.random((20, 7)), RNG.normal(size=(7, 4))
    whole = latents @ directions
    each = [weight_removed(latents, directions, None, np.arange(7)[None].repeat(20, 0) == i) for i in range(7)]
    np.testing.assert_allclose(torch.stack(each).sum(0), 1.0)
    by_hand = latents[:, 2] * (directions[2] * whole).sum(1) / (whole**2).sum(1)
    np.testing.assert_allclose(each[2], by_hand)
    np.testing.assert_allclose(weight_removed(latents, directions, whole, np.ones((20, 7), bool)), 1.0)
    # half the reconstruction, as for a dictionary whose decoder is not the plain product
    np.testing.assert_allclose(weight_removed(latents, directions, 2 * whole, np.ones((20, 7), bool)), 0.5)
    assert weight_removed(np.zeros((2, 7)), directions, None, np.ones((2, 7), bool)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="removed must be bool"):
        weight_removed(latents, directions, None, np.ones((20, 7)))
    with pytest.raises(ValueError, match="reconstruction must be"):
        weight_removed(latents, directions, whole[:, :2], np.ones((20, 7), bool))
