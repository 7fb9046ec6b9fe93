"""How far samples agree: rank correlations of dictionaries, their intervals over samples, detectable differences.

Values are an array [samples, dictionaries] of one metric, every sample scored on games of its own.

Rank       Kendall's tau-b and Spearman's rho; NaN where all dictionaries are equal.
Interval   Student's t over samples that share no game, cut at 1; NaN below three samples.
Detectable the smallest true difference of two dictionaries that one sample of this size tells from 0 with 80 % power at
           5 % (two-sided), (1.960 + 0.842) times the standard deviation of a paired difference. What a sample does to
           all dictionaries alike cancels in a pair, so that deviation comes from what is left of the values when the
           mean of each dictionary and of each sample is taken away: sd^2 = 2 * residuals^2 / ((R - 1) (M - 1)).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

POWER = 1.959964 + 0.841621


@dataclass(frozen=True)
class Mean:
    """A mean over samples.

    Attributes:
        value: the mean; NaN for none.
        low: lower end of its 95 % interval.
        high: upper end.
        n: samples, or pairs of samples.
    """

    value: float
    low: float
    high: float
    n: int


def kendall(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Kendall's tau-b of two lists of values."""
    return _correlation(_stats().kendalltau, one, other)


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's rho of two lists of values."""
    return _correlation(_stats().spearmanr, one, other)


def _correlation(statistic: Callable[..., Any], one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(statistic(one, other).statistic)


def mean_over_samples(values: NDArray[np.floating], *, highest: float = math.inf) -> Mean:
    """Mean of independent values with Student's interval, cut at `highest`; NaN are left out.

    Below three values there is no interval: two ranks often agree by chance, and then it would have no width.
    """
    kept = np.asarray(values, np.float64)[~np.isnan(values)]
    if not len(kept):
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    mean = float(kept.mean())
    if len(kept) < 3:
        return Mean(mean, float("nan"), float("nan"), len(kept))
    margin = float(_stats().t.ppf(0.975, len(kept) - 1) * kept.std(ddof=1) / math.sqrt(len(kept)))
    return Mean(mean, max(mean - margin, -highest), min(mean + margin, highest), len(kept))


def rank_agreement(
    samples: NDArray[np.floating],
    reference: NDArray[np.floating],
    correlation: Callable[[NDArray[np.floating], NDArray[np.floating]], float] = kendall,
) -> Mean:
    """Rank correlation of each sample [R, M] with a reference [M], averaged."""
    return mean_over_samples(np.array([correlation(row, reference) for row in samples]), highest=1.0)


def agreement_between(
    samples: NDArray[np.floating],
    correlation: Callable[[NDArray[np.floating], NDArray[np.floating]], float] = kendall,
) -> Mean:
    """Rank correlation between two samples that share no game, averaged over the pairs of samples.

    Pairs of samples overlap, so the interval is that of the disjoint pairs (0, 1), (2, 3), ...: wider, and fair.
    """
    found = {pair: correlation(samples[pair[0]], samples[pair[1]]) for pair in combinations(range(len(samples)), 2)}
    values = np.array(list(found.values()), np.float64)
    if not len(values) or np.isnan(values).all():
        return mean_over_samples(np.empty(0))
    mean = float(np.nanmean(values))
    apart = mean_over_samples(np.array([found[i, i + 1] for i in range(0, len(samples) - 1, 2)]))
    margin = apart.high - apart.value
    return Mean(mean, max(mean - margin, -1.0), min(mean + margin, 1.0), int((~np.isnan(values)).sum()))


def paired_spread(samples: NDArray[np.floating]) -> float:
    """Standard deviation of the difference of two dictionaries on one sample, over samples [R, M]; NaN below 2 x 2."""
    n_samples, n_dictionaries = samples.shape
    if n_samples < 2 or n_dictionaries < 2:
        return float("nan")
    left = samples - samples.mean(0) - samples.mean(1, keepdims=True) + samples.mean()
    return math.sqrt(2 * float(np.square(left).sum()) / ((n_samples - 1) * (n_dictionaries - 1)))


def detectable(samples: NDArray[np.floating]) -> float:
    """Smallest true difference of two dictionaries that one such sample detects with 80 % power; NaN below 2 x 2."""
    return POWER * paired_spread(samples)


def _stats() -> Any:
    from scipy import stats  # half a second, only where it is needed

    return stats
