"""Statistics of judged judges: hand-computed values, scipy as oracle, limits."""

import numpy as np
import pytest
from fiducial.judging.agreement import (
    PUBLISHED,
    matrix,
    mean_figure,
    rank_agreement,
    reliability,
    spearman,
    tells_good,
    within_latent,
)
from scipy.stats import spearmanr


def test_spearman_equals_scipy_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, 12).astype(float), rng.integers(0, 5, 12).astype(float)
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))
    assert np.isnan(spearman(np.arange(2.0), np.arange(2.0)))


def test_interval_is_over_clusters_not_cases():
    """Ten copies of each case add nothing: the interval over clusters stays, one over cases would shrink."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20)
    score = truth + rng.normal(size=20)
    once = rank_agreement(score, truth, list(range(20)))
    again = rank_agreement(np.repeat(score, 10), np.repeat(truth, 10), list(np.repeat(np.arange(20), 10)))
    naive = rank_agreement(np.repeat(score, 10), np.repeat(truth, 10), list(range(200)))
    assert again.value == pytest.approx(once.value, abs=1e-9)
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=0.15)
    assert naive.high - naive.low < 0.5 * (once.high - once.low)  # the mutant is noticed


def test_within_latent_by_hand():
    score = np.array([1.0, 2, 3, 3, 2, 1, 1, 1])
    truth = np.array([1.0, 2, 3, 1, 2, 3, 5, 6])
    found = within_latent(score, truth, ["a"] * 3 + ["b"] * 3 + ["c"] * 2)
    assert found.value == pytest.approx((1 - 1) / 2)  # +1 and -1; two cases are too few
    assert found.n == 2


def test_tells_good_by_hand():
    found = tells_good(np.array([0.9, 0.7, 0.8, 0.1]), np.array([1.0, 0.9, 0.5, 0.2]), list("abcd"))
    assert found.value == pytest.approx(3 / 4)  # .9 beats both, .7 one of two


def test_nan_is_left_out():
    found = rank_agreement(np.array([1, 2, np.nan, 3, 4]), np.array([1, 2, 0, 3, 4.0]), list("abcde"))
    assert (found.value, found.n) == (1.0, 4)
    assert np.isnan(mean_figure(np.array([np.nan])).value)
    assert str(mean_figure(np.array([np.nan]))) == "-"


def test_reliability_by_hand():
    # Within variances 0.02 / 1 = .005 * ...: rows (0, .2) and (1, 1.2): each has variance .02; means .1 and 1.1.
    found = reliability(np.array([[0.0, 0.2], [1.0, 1.2], [np.nan, 1.0]]))
    assert found["reseed_sd"] == pytest.approx(0.02**0.5)
    between = 0.5 - 0.02 / 2
    assert found["between_sd"] == pytest.approx(between**0.5)
    assert found["discriminability"] == pytest.approx(between / (between + 0.02))
    noise = reliability(np.random.default_rng(0).normal(size=(400, 4)))
    assert noise["discriminability"] < 0.1


def test_published_table_is_symmetric():
    assert np.array_equal(PUBLISHED, PUBLISHED.T)
    assert (np.diagonal(PUBLISHED) == 1).all()
    found = matrix({"a": np.arange(5.0), "b": -np.arange(5.0), "c": np.full(5, np.nan)})
    assert found[0, 1] == pytest.approx(-1)
    assert np.isnan(found[0, 2])


def test_weighted_resamples_equal_drawn_ones():
    """The interval of AUROC against one made by drawing clusters and counting pairs anew."""
    rng = np.random.default_rng(2)
    truth = rng.uniform(size=60)
    score = np.round(truth + rng.normal(scale=0.3, size=60), 1)
    cluster = np.repeat(np.arange(20), 3)
    found = tells_good(score, truth, cluster.tolist(), good=0.5)
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(cluster == c) for c in rng.integers(0, 20, 20)])
        good, bad = score[rows][truth[rows] >= 0.5], score[rows][truth[rows] < 0.5]
        drawn.append(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
