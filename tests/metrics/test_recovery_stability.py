"""Stability over seeds against sae_lens's coefficient and scipy's angles; chance is zero."""

import numpy as np
import pytest
import torch
from fiducial.metrics.recovery_stability import PROPERTIES, pairwise_mcc, subspace_overlap
from scipy.linalg import subspace_angles

from . import planted


def gaussian(n, d, seed):
    return np.random.default_rng([seed, 7]).normal(size=(n, d))


def test_raw_value_is_the_published_one():
    from sae_lens.synthetic import mean_correlation_coefficient

    a, b = gaussian(30, 12, 0), gaussian(30, 12, 1)
    score = pairwise_mcc([a, b])
    theirs = mean_correlation_coefficient(torch.from_numpy(a), torch.from_numpy(b))
    assert score.details["raw"] == pytest.approx(theirs)
    assert score.metric in PROPERTIES


def test_the_same_up_to_order_sign_and_length_is_one():
    a = gaussian(30, 12, 0)
    again = -a[::-1] * np.linspace(1, 5, 30)[:, None]
    assert pairwise_mcc([a, again, a]).value == pytest.approx(1)
    assert pairwise_mcc([a, again], signed=False).value < 0.5
    assert subspace_overlap([a, again]).value == pytest.approx(1)


def test_chance_is_zero_within_the_interval():
    score = pairwise_mcc([gaussian(40, 16, i) for i in range(4)], n_nulls=5)
    assert score.low <= 0 <= score.high
    assert abs(score.value) < 0.05
    overlap = subspace_overlap([gaussian(40, 16, i) for i in range(4)], rank=6)
    assert abs(overlap.value) < 0.15
    assert overlap.details["chance"] == 6 / 16


def test_unmatched_latents_count_zero():
    a = gaussian(20, 32, 0)
    score = pairwise_mcc([a, a[:10]])
    assert score.details["raw"] == pytest.approx(0.5)
    assert pairwise_mcc([a[:10], a]).details["raw"] == pytest.approx(0.5)


def test_a_turned_dictionary_keeps_its_subspace_but_not_its_latents():
    basis = np.linalg.qr(gaussian(24, 4, 0))[0]
    a, b = gaussian(30, 4, 1) @ basis.T, gaussian(30, 4, 2) @ basis.T
    assert subspace_overlap([a, b], rank=4).value == pytest.approx(1)
    assert pairwise_mcc([a, b]).details["raw"] < 0.98
    angles = subspace_angles(*(np.linalg.svd(planted.units(m))[2][:3].T for m in (a, b)))
    assert subspace_overlap([a, b], rank=3).details["raw"] == pytest.approx((np.cos(angles) ** 2).mean())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: pairwise_mcc([np.eye(3)]), "at least 2"),
        (lambda: pairwise_mcc([np.eye(3), np.eye(4)]), r"directions 1 must be floating \[any, 3\]"),
        (lambda: subspace_overlap([np.eye(3), np.eye(3)], rank=3), "rank must be 1 to 2"),
    ],
)
def test_errors_teach(call, match):
    with pytest.raises(ValueError, match=match):
        call()
