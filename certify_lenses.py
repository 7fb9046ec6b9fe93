"""The lenses through which a metric is looked at: plain functions of numbers, each with the question it answers.

All take scores in which higher is better; turn the sign of an error before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, rankdata

FEWEST = 6  # dictionaries or runs that a rank correlation needs
TWO_SIDED_5, POWER_80 = 1.959964, 0.841621  # normal quantiles of the usual test: 5 % two-sided, power 80 %


@dataclass(frozen=True)
class Measured:
    """A score of one dictionary, higher is better.

    Attributes:
        value: the score.
        replicates: float64 [n_resamples], its bootstrap, paired with those of other dictionaries on the same sample;
            None for a score without one.
    """

    value: float
    replicates: NDArray[np.float64] | None = None


def beaten_by(best: Measured, other: Measured) -> float:
    """By how much the other is better beyond the paired bootstrap: the lower end of the interval, at least 0.

    Without replicates the difference itself counts. NaN where either score is.
    """
    lower = _lower_end(other, best)
    return lower if np.isnan(lower) else max(0.0, lower)


def worse_beyond_noise(better: Measured, worse: Measured) -> bool:
    """Whether the paired difference is above 0 with its whole 95 % interval; without replicates, above 0."""
    return _lower_end(better, worse) > 0


def _lower_end(first: Measured, second: Measured) -> float:
    difference = first.value - second.value
    if not np.isfinite(difference):
        return float("nan")
    a, b = first.replicates, second.replicates
    if a is None or b is None or len(a) != len(b):
        return difference
    spread = a - b
    spread = spread[np.isfinite(spread)]
    if not len(spread):
        return difference
    # Rounding is not a difference: two equal dictionaries may add up in another order.
    return float(min(np.quantile(spread, 0.025), difference)) - 1e-9


@dataclass(frozen=True)
class Order:
    """How far a ladder is in order.

    Attributes:
        right: share of the known pairs in the right order; a tie counts half. NaN without pairs.
        n_pairs: known pairs.
        missed: damages that the metric declares to notice and did not: the strongest dose is not worse than the base
            beyond noise.
        noticed: damages whose strongest dose it did notice, declared or not.
        blind: damages that it did not notice and does not declare.
    """

    right: float
    n_pairs: int
    missed: tuple[str, ...]
    noticed: tuple[str, ...]
    blind: tuple[str, ...]


def order(
    scores: Sequence[Measured],
    damages: Sequence[str],
    levels: Sequence[float],
    pairs: Sequence[tuple[int, int]],
    declared: Sequence[str],
) -> Order:
    """Is the ladder in order?

    Args:
        scores: of every rung; the first is the base.
        damages: of every rung; "none" for the base.
        levels: of every rung.
        pairs: (better, worse) rungs, of which the order is known.
        declared: damages that the metric says it notices.
    """
    right = 0.0
    for better, worse in pairs:
        a, b = scores[better].value, scores[worse].value
        right += 0.5 if abs(a - b) <= 1e-9 * max(1.0, abs(a)) else float(a > b)
    noticed: list[str] = []
    not_noticed: list[str] = []
    for damage in dict.fromkeys(damage for damage in damages if damage != "none"):
        rungs = [i for i, found in enumerate(damages) if found == damage]
        strongest = max(rungs, key=lambda i: levels[i])
        (noticed if worse_beyond_noise(scores[0], scores[strongest]) else not_noticed).append(damage)
    return Order(
        right / len(pairs) if pairs else float("nan"),
        len(pairs),
        tuple(damage for damage in not_noticed if damage in declared),
        tuple(noticed),
        tuple(damage for damage in not_noticed if damage not in declared),
    )


@dataclass(frozen=True)
class Noise:
    """What scoring the same dictionaries on fresh samples changes.

    Attributes:
        sd: standard deviation of a score over samples, pooled over the dictionaries.
        sd_low: lower end of its 95 % interval.
        sd_high: upper end.
        cv: sd over the mean absolute score.
        detectable: smallest difference between two dictionaries, scored on one sample, that is found four times in
            five: (1.96 + .84) times the standard deviation of their difference over samples.
        n_samples: fresh samples.
        n_dictionaries: dictionaries scored on each.
    """

    sd: float
    sd_low: float
    sd_high: float
    cv: float
    detectable: float
    n_samples: int
    n_dictionaries: int


def noise(values: NDArray[np.float64]) -> Noise:
    """Reseed noise of a metric.

    Args:
        values: float [n_dictionaries, n_samples], each dictionary on the same fresh samples.

    Raises:
        ValueError: fewer than 2 dictionaries or samples.
    """
    n_dictionaries, n_samples = values.shape
    if n_dictionaries < 2 or n_samples < 2:
        raise ValueError(f"noise needs at least 2 dictionaries on 2 samples, got {list(values.shape)}")
    freedom = n_dictionaries * (n_samples - 1)
    variance = float(values.var(1, ddof=1).mean())
    sd = float(np.sqrt(variance))
    low, high = (float(np.sqrt(freedom * variance / chi2.ppf(q, freedom))) for q in (0.975, 0.025))
    differences = [values[i] - values[j] for i in range(n_dictionaries) for j in range(i)]
    between = float(np.sqrt(np.mean([d.var(ddof=1) for d in differences])))
    scale = float(np.abs(values).mean())
    return Noise(
        sd,
        low,
        high,
        sd / scale if scale > 0 else float("nan"),
        (TWO_SIDED_5 + POWER_80) * between,
        n_samples,
        n_dictionaries,
    )


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with an interval.

    Attributes:
        value: in [-1, 1]; 0 where either side is constant.
        low: lower end of the 95 % bootstrap interval over dictionaries.
        high: upper end.
        n: dictionaries.
    """

    value: float
    low: float
    high: float
    n: int


def spearman(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's rho with ties along the last axis; NaN where either side is constant or there are fewer than 3.

    Args:
        scores: float [..., n].
        truth: float [..., n].
    """
    if scores.shape[-1] < 3:
        return np.full(scores.shape[:-1], np.nan)
    a, b = rankdata(scores, axis=-1), rankdata(truth, axis=-1)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    length = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.where(length > 0, (a * b).sum(-1) / np.where(length > 0, length, 1.0), np.nan)


def agreement(
    scores: NDArray[np.float64], truth: NDArray[np.float64], *, n_resamples: int = 1000, seed: int = 0
) -> Correlation | None:
    """Does the metric rank dictionaries as the truth does?

    A resample in which either side is constant ranks nothing: it counts 0, so that a metric that hardly moves has no
    agreement by default.

    Args:
        scores: float [n], one a dictionary.
        truth: float [n].
        n_resamples: bootstrap resamples over dictionaries.
        seed: of the bootstrap.

    Returns:
        None for fewer than `FEWEST` dictionaries: an interval over fewer means little.
    """
    keep = np.isfinite(scores) & np.isfinite(truth)
    scores, truth = scores[keep], truth[keep]
    if len(scores) < FEWEST:
        return None
    rows = np.random.default_rng(seed).integers(0, len(scores), (n_resamples, len(scores)))
    drawn = np.nan_to_num(spearman(scores[rows], truth[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float(np.nan_to_num(spearman(scores, truth)))
    return Correlation(value, min(float(low), value), max(float(high), value), len(scores))


def agreement_within(
    runs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], *, n_resamples: int = 1000, seed: int = 0
) -> Correlation | None:
    """Along training, does the metric move with the truth? Mean of the runs' own rank correlations.

    A run in which either side is constant counts 0.

    Args:
        runs: (scores, truth) of the checkpoints of each run.
        n_resamples: bootstrap resamples over runs.
        seed: of the bootstrap.

    Returns:
        None for fewer than `FEWEST` runs.
    """
    if len(runs) < FEWEST:
        return None
    rhos = np.nan_to_num(np.array([float(spearman(scores, truth)) for scores, truth in runs]))
    drawn = np.random.default_rng(seed).choice(rhos, (n_resamples, len(rhos))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Correlation(float(rhos.mean()), float(low), float(high), len(rhos))


@dataclass(frozen=True)
class Gaming:
    """The random edit that raises the score most without raising the truth.

    Attributes:
        gain: by how much, in units of the distance from floor to ceiling; 0 if none does.
        edit: its name; empty if none does.
        truth_change: what the edit does to the truth.
        n_edits: edits tried.
    """

    gain: float
    edit: str
    truth_change: float
    n_edits: int


def gaming(
    before: Sequence[Measured],
    after: Sequence[Measured],
    truth_change: Sequence[float],
    names: Sequence[str],
    span: float,
    *,
    tolerance: float = 0.005,
) -> Gaming:
    """Can the score be raised without raising the truth?

    Args:
        before: score of the dictionary that each edit was made to.
        after: score of the edited one.
        truth_change: change of the true recovery, edited minus original.
        names: of the edits.
        span: ceiling minus floor of the metric.
        tolerance: a rise of the truth up to this still counts as none.
    """
    best = Gaming(0.0, "", 0.0, len(names))
    if not (np.isfinite(span) and span > 0):
        return Gaming(float("nan"), "", float("nan"), len(names))
    for one, two, change, name in zip(before, after, truth_change, names, strict=True):
        gain = beaten_by(one, two) / span
        if np.isfinite(gain) and change <= tolerance and gain > best.gain:
            best = Gaming(gain, name, change, len(names))
    return best


@dataclass(frozen=True)
class Leak:
    """Does a metric read labels that it should not?

    Attributes:
        kept: share of the distance from floor to ceiling that is left when the labels of the choosing rows are
            shuffled (and the directions are another's, if it reads them): what an honest metric could choose by is
            gone, what is reported is not. 1 for one whose score does not move at all when only those labels are
            shuffled: then it chooses by others. NaN for one that chooses nothing by labels.
        moved: change of the score when all labels are shuffled, for a metric that says it reads none; NaN otherwise.
    """

    kept: float
    moved: float


def leak(
    ceiling: float, floor: float, *, astray: float, tampered: float, unread: float, reads: bool, chooses: bool
) -> Leak:
    """Is anything chosen on the labels that are reported, or read that was not declared?

    Args:
        ceiling: score of the base.
        floor: score of a random dictionary.
        astray: score with nothing left to choose by.
        tampered: score of the base with the choosing rows' labels shuffled.
        unread: score of the base with all labels shuffled.
        reads: whether the metric declares that it reads labels.
        chooses: whether it declares that it is given rows to choose on.
    """
    nan = float("nan")
    if not reads:
        return Leak(nan, abs(unread - ceiling))
    span = ceiling - floor
    if not chooses or not span > 0:
        return Leak(nan, nan)
    unmoved = abs(tampered - ceiling) <= 1e-12 * max(1.0, abs(ceiling))
    return Leak(1.0 if unmoved else (astray - floor) / span, nan)
