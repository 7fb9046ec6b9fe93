"""Matching: brute force over all assignments, scipy's principal angles, features of several axes."""

from itertools import permutations

import numpy as np
import pytest
from fiducial.metrics.counts import best_thresholds
from fiducial.metrics.recovery import recovery
from fiducial.metrics.recovery_matching import Truth, assign, fitted_thresholds, principal_cosine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from . import planted


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
def test_assignment_is_the_best_of_all(n_units, n_features, seed):
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random((n_units, n_features)) < 0.3, 0.0, rng.random((n_units, n_features)))
    found = assign(weights)
    used = found[found >= 0]
    assert len(set(used.tolist())) == len(used)
    assert (weights[used, np.flatnonzero(found >= 0)] > 0).all()
    total = weights[used, np.flatnonzero(found >= 0)].sum()
    square = np.zeros((max(weights.shape),) * 2)
    square[:n_units, :n_features] = weights
    best = max(sum(square[i, p] for i, p in enumerate(order)) for order in permutations(range(len(square))))
    assert total == pytest.approx(best)


def test_principal_cosines_equal_scipy():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(10, 2)))[0]
    directions = planted.units(rng.normal(size=(2, 10)))
    expected = np.cos(subspace_angles(directions.T, basis)).mean()
    assert principal_cosine(directions, basis) == pytest.approx(expected)
    assert principal_cosine(np.array([basis[:, 0], -basis[:, 0]]), basis) == pytest.approx(0.5)
    assert principal_cosine(np.concatenate([basis.T, -basis.T]), basis) == pytest.approx(1)


def test_projection_is_cosine_for_lines_and_length_for_planes():
    true = np.eye(6)
    truth = Truth.of(true, np.array([0, 1, 1, 2, 3, 4]), np.arange(5))
    directions = np.array([[3.0, 4, 0, 0, 0, 0], [0, 0, -2, 0, 0, 0], [0, 0, 0, -1, 0, 0], [0, 0, 0, 0, 0, 0]])
    expected = [[0.6, 0.8, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(truth.projections(directions, signed=False), expected, atol=1e-12)
    assert truth.projections(directions, signed=True)[2, 2] == 1
    assert truth.overlap(0, 1, signed=False) == 0
    with pytest.raises(ValueError, match="own no axis"):
        Truth.of(true, np.zeros(6, int), np.arange(2))
    with pytest.raises(ValueError, match="are dependent"):
        Truth.of(np.ones((2, 6)), np.zeros(2, int), np.arange(1))


def plane_world():
    """Eight lines and a plane in 32 dimensions: codes of a perfect dictionary, four latents for the plane."""
    common, sizes, true = planted.world(n_features=9)
    rng = np.random.default_rng(5)
    angle = rng.random(len(sizes)) * 2 * np.pi
    plane = sizes[:, [8]] * np.stack([np.cos(angle), np.sin(angle)], 1)
    true = np.vstack([true, planted.units(rng.normal(size=(1, 32)))])
    common |= {
        "true_directions": true,
        "owner": np.array([*range(9), 8]),
        "magnitudes": np.hstack([sizes[:, :8], plane]),
    }
    # The axes are not orthogonal, so the true size is the length of what both write.
    halves = np.hstack([sizes[:, :8], np.maximum(plane, 0), np.maximum(-plane, 0)])
    return common, halves, np.vstack([true[:8], true[8:], -true[8:]]), angle


def test_a_plane_is_recovered_by_its_latents_together():
    common, codes, directions, angle = plane_world()
    scores = recovery(codes, directions=directions, **common)
    for name, score in scores.items():
        assert score.value == pytest.approx(0 if name.endswith("error") else 1, abs=1e-6), name
    assert scores["recovery_score"].details["feature_of_latent"] == [*range(8), 8, 8, 8, 8]
    order = np.random.default_rng(0).permutation(12)
    again = recovery(codes[:, order], directions=directions[order], **common)
    assert again["recovery_score"].value == pytest.approx(1, abs=1e-6)

    # Other directions of the same plane serve as well: three latents, a third of the circle each.
    size = np.linalg.norm(common["magnitudes"][:, 8:], axis=1)
    q = np.linalg.qr(common["true_directions"][8:].T)[0]
    sector = (angle // (2 * np.pi / 3)).astype(int)
    tiles = np.where(sector[:, None] == np.arange(3), size[:, None], 0.0)
    middles = (np.arange(3) + 0.5) * 2 * np.pi / 3
    tiled = np.stack([np.cos(middles), np.sin(middles)], 1) @ q.T
    scores = recovery(np.hstack([codes[:, :8], tiles]), directions=np.vstack([directions[:8], tiled]), **common)
    assert scores["recovery_score"].value == pytest.approx(1, abs=0.01)
    assert scores["found_score"].value == 1


def test_one_axis_is_half_of_a_plane():
    common, codes, directions, _ = plane_world()
    kept = [*range(8), 8, 10]  # both halves of one axis
    scores = recovery(codes[:, kept], directions=directions[kept], **common)
    assert scores["mcc_score"].value == pytest.approx(8.5 / 9)
    assert scores["recovery_score"].features["cosine"][8] == pytest.approx(0.5)


def test_a_threshold_at_the_least_value_is_any_value():
    latents = np.array([[3.0], [2.0], [1.0], [0.0], [0.0]])
    labels = np.array([[True, True], [True, False], [True, False], [False, False], [False, False]])
    pairs = best_thresholds(latents, labels)
    found = fitted_thresholds(pairs, np.array([0, 0]), np.array([0, 1]))
    assert 0 < found[0] < 1e-30
    assert found[1] == 3
