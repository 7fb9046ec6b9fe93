"""Do scores agree with the truth, and with each other? Rank correlations with intervals over latents.

Several explanations of one latent are no independent cases, so intervals resample latents, each with all of its
explanations. Ranks are those of the whole sample; a resample weighs them.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.separation import auroc
from ..metrics.score import game_weights

PUBLISHED_NAMES = ("fuzzing", "detection", "simulation", "embedding", "surprisal")
PUBLISHED = np.array(  # Paulo et al. 2025, arXiv 2410.13928: Spearman over 800 explanations of latents of Gemma
    [
        [1.00, 0.73, 0.75, 0.41, 0.30],
        [0.73, 1.00, 0.44, 0.71, 0.62],
        [0.75, 0.44, 1.00, 0.28, 0.15],
        [0.41, 0.71, 0.28, 1.00, 0.79],
        [0.30, 0.62, 0.15, 0.79, 1.00],
    ]
)
FEWEST = 5  # cases; an interval over fewer means little


@dataclass(frozen=True)
class Figure:
    """A number with its interval.

    Attributes:
        value: NaN if it is not defined.
        low: lower end of the 95 % interval.
        high: upper end.
        n: cases.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "-"
        ends = f" [{self.low:.2f}, {self.high:.2f}]" if np.isfinite(self.low) else ""
        return f"{self.value:.2f}{ends}"


def spearman(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Rank correlation with ties; NaN where a side is constant or there are fewer than 3 pairs.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0]))
    0.5
    """
    from scipy.stats import rankdata

    if len(a) < 3:
        return float("nan")
    return _pearson(rankdata(a), rankdata(b))


def rank_agreement(
    score: NDArray[np.floating[Any]],
    truth: NDArray[np.floating[Any]],
    clusters: Sequence[Hashable],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Figure:
    """Spearman's rho of a score with the truth, with an interval over clusters.

    Args:
        score: [n]; NaN is left out.
        truth: [n].
        clusters: what each case belongs to, such as its latent; these are resampled.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    from scipy.stats import rankdata

    score, truth, number = _known(score, truth, clusters)
    value = spearman(score, truth)
    if not np.isfinite(value) or number.max(initial=-1) + 1 < FEWEST:
        return Figure(value, n=len(score))
    a, b = rankdata(score) - (len(score) + 1) / 2, rankdata(truth) - (len(truth) + 1) / 2
    sums = np.stack([np.bincount(number, part) for part in (np.ones(len(a)), a, b, a * a, b * b, a * b)], axis=1)
    n, sa, sb, aa, bb, ab = (game_weights(len(sums), n_resamples, seed) @ sums).T
    spread = (aa - sa * sa / n) * (bb - sb * sb / n)
    drawn = np.divide(
        ab - sa * sb / n, np.sqrt(np.maximum(spread, 0)), out=np.full(len(n), np.nan), where=spread > 1e-9
    )
    return _figure(value, drawn, len(score))


def tells_good(
    score: NDArray[np.floating[Any]],
    truth: NDArray[np.floating[Any]],
    clusters: Sequence[Hashable],
    *,
    good: float = 0.8,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Figure:
    """AUROC with which a score tells explanations whose truth is at least `good` from the others."""
    score, truth, number = _known(score, truth, clusters)
    right = truth >= good
    value = auroc(score, right)
    if not np.isfinite(value) or number.max(initial=-1) + 1 < FEWEST:
        return Figure(value, n=len(score))
    order = np.argsort(score, kind="stable")
    weights = game_weights(int(number.max()) + 1, n_resamples, seed)[:, number[order]]
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # of every run of equal scores
    ahead = np.add.reduceat(weights * right[order], starts, axis=1)
    below = np.add.reduceat(weights * ~right[order], starts, axis=1)
    wins = (ahead * (np.cumsum(below, axis=1) - below / 2)).sum(1)
    pairs = ahead.sum(1) * below.sum(1)
    drawn = np.divide(wins, pairs, out=np.full(len(wins), np.nan), where=pairs > 0)
    return _figure(value, drawn, len(score))


def within_latent(
    score: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], clusters: Sequence[Hashable], *,
    n_resamples: int = 1000, seed: int = 0,
) -> Figure:  # fmt: skip
    """Mean over latents of the rank correlation over the explanations of one: can a score choose among them?"""
    number = _numbers(clusters)
    kept = np.isfinite(score) & np.isfinite(truth)
    each = [
        spearman(score[mine], truth[mine]) for mine in (kept & (number == c) for c in range(number.max(initial=-1) + 1))
    ]
    return mean_figure(np.array([rho for rho in each if np.isfinite(rho)]), n_resamples=n_resamples, seed=seed)


def mean_figure(values: NDArray[np.floating[Any]], *, n_resamples: int = 1000, seed: int = 0) -> Figure:
    """Mean with a bootstrap interval over its cases; NaN values are left out."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return Figure(float("nan"))
    value = float(known.mean())
    if len(known) < FEWEST:
        return Figure(value, n=len(known))
    drawn = game_weights(len(known), n_resamples, seed) @ known / len(known)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, float(low), float(high), len(known))


def matrix(columns: Mapping[str, NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
    """Spearman's rho of every column with every other, pairs without NaN, float64 [C, C]."""
    names = list(columns)
    found = np.eye(len(names))
    for i, first in enumerate(names):
        for j in range(i):
            a, b = columns[first], columns[names[j]]
            kept = np.isfinite(a) & np.isfinite(b)
            found[i, j] = found[j, i] = spearman(a[kept], b[kept])
    return found


def reliability(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """How much of a score is the latent, and how much the draw of examples.

    Args:
        values: [latents, repeats], one score for each reseeded exam; latents with a NaN are left out.

    Returns:
        `reseed_sd`: root of the mean variance over repeats; `between_sd`: of the latents' means, the noise taken off;
        `discriminability`: share of the variance of a single score that is between latents, ICC(1).
    """
    known = values[np.isfinite(values).all(1)].astype(np.float64)
    if len(known) < 2 or known.shape[1] < 2:
        return dict.fromkeys(("reseed_sd", "between_sd", "discriminability"), float("nan"))
    within = float(known.var(1, ddof=1).mean())
    between = max(0.0, float(known.mean(1).var(ddof=1)) - within / known.shape[1])
    share = between / (between + within) if between + within > 0 else float("nan")
    return {"reseed_sd": within**0.5, "between_sd": between**0.5, "discriminability": share}


def _known(
    score: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Cases with both numbers, and the cluster of each, numbered from 0."""
    kept = np.isfinite(score) & np.isfinite(truth)
    number = np.unique(_numbers(clusters)[kept], return_inverse=True)[1].astype(np.int64)
    return score[kept].astype(np.float64), truth[kept].astype(np.float64), number


def _figure(value: float, drawn: NDArray[np.float64], n: int) -> Figure:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Figure(value, n=n)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, min(float(low), value), max(float(high), value), n)


def _numbers(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(one, len(seen)) for one in clusters], np.int64)


def _pearson(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length > 0 else float("nan")
