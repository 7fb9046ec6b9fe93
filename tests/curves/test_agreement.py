"""Rank agreement against scipy and brute force; detectable differences against planted ones."""

from itertools import combinations

import numpy as np
import pytest
from fiducial.curves.agreement import (
    agreement_between,
    detectable,
    kendall,
    mean_over_samples,
    paired_spread,
    rank_agreement,
    spearman,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats


def tau_b(one, other):
    """The definition, pair by pair."""
    agree = differ = ties_one = ties_other = 0
    for i, j in combinations(range(len(one)), 2):
        a, b = np.sign(one[i] - one[j]), np.sign(other[i] - other[j])
        agree += a * b > 0
        differ += a * b < 0
        ties_one += a == 0
        ties_other += b == 0
    pairs = len(one) * (len(one) - 1) / 2
    return (agree - differ) / np.sqrt((pairs - ties_one) * (pairs - ties_other))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_kendall_is_its_definition(pairs):
    one, other = (np.array(column, float) for column in zip(*pairs, strict=True))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert np.isnan(kendall(one, other))
        assert np.isnan(spearman(one, other))
    else:
        assert kendall(one, other) == pytest.approx(tau_b(one, other), abs=1e-12)
        ranks = [stats.rankdata(values) for values in (one, other)]
        assert spearman(one, other) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)


def test_mean_with_students_interval():
    values = np.array([0.1, 0.4, 0.3, 0.35, np.nan])
    found = mean_over_samples(values)
    low, high = stats.ttest_1samp(values[:4], 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.2875, low, high, 4))
    assert mean_over_samples(np.array([0.9, 1.0, 0.5]), highest=1.0).high == 1.0


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [np.nan]])
def test_too_few_samples_have_no_interval(values):
    found = mean_over_samples(np.array(values, float))
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(found.value) == (not np.isfinite(values).any())


def test_agreement_with_a_reference_by_hand():
    reference = np.array([1.0, 2.0, 3.0])
    samples = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 1.0, 3.0]])
    found = rank_agreement(samples, reference)
    assert found.value == pytest.approx((1 - 1 + 1 / 3) / 3)
    assert found.n == 3
    assert rank_agreement(samples, reference, spearman).value == pytest.approx((1 - 1 + 0.5) / 3)


def test_agreement_between_samples_takes_every_pair():
    rng = np.random.default_rng(0)
    samples = rng.random((6, 5))
    found = agreement_between(samples)
    pairs = [tau_b(samples[i], samples[j]) for i, j in combinations(range(6), 2)]
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.n == 15
    apart = [tau_b(samples[i], samples[i + 1]) for i in (0, 2, 4)]
    margin = stats.t.ppf(0.975, 2) * np.std(apart, ddof=1) / np.sqrt(3)
    assert found.low == pytest.approx(max(found.value - margin, -1))
    assert np.isnan(agreement_between(samples[:1]).value)
    assert np.isnan(agreement_between(samples[:4]).low)  # two disjoint pairs


def test_spread_of_pairs_is_the_mean_over_all_pairs():
    """The two-way residuals give what every pair's variance gives on average."""
    samples = np.random.default_rng(1).random((7, 5))
    variances = [np.var(samples[:, i] - samples[:, j], ddof=1) for i, j in combinations(range(5), 2)]
    assert paired_spread(samples) == pytest.approx(np.sqrt(np.mean(variances)))
    assert np.isnan(paired_spread(samples[:1]))
    assert np.isnan(paired_spread(samples[:, :1]))


def test_what_a_sample_does_to_all_cancels():
    rng = np.random.default_rng(2)
    samples = rng.normal(0, 0.01, (8, 6))
    shifted = samples + rng.normal(0, 10, (8, 1)) + rng.normal(0, 10, 6)
    assert paired_spread(shifted) == pytest.approx(paired_spread(samples))


def test_a_detectable_difference_is_detected_four_times_in_five():
    """Pairs whose true difference is the one given are told from 0 by a z-test in 80 % of draws."""
    rng = np.random.default_rng(3)
    noise = 0.05
    wanted = detectable(rng.normal(0, noise, (2000, 20)))
    assert wanted == pytest.approx((1.959964 + 0.841621) * noise * np.sqrt(2), rel=0.02)
    differences = wanted + rng.normal(0, noise, 20_000) - rng.normal(0, noise, 20_000)
    assert np.mean(differences > 1.959964 * noise * np.sqrt(2)) == pytest.approx(0.8, abs=0.02)
