"""A score is never a bare number: value, interval over games, per-group and per-feature values, floors and ceilings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .properties import Properties


@dataclass(frozen=True)
class Score:
    """What a metric says of one dictionary.

    Attributes:
        metric: name of the metric; ends in `_error` if lower is better.
        value: the headline value.
        low: lower end of the 95 % interval (bootstrap over games).
        high: upper end.
        groups: value of every feature group.
        group_intervals: (low, high) of every group.
        features: columns of the per-feature table, all of one length; `feature` holds names or indices.
        floors: what does not deserve credit, such as `always on` or `random dictionary`.
        ceilings: what could be had, such as `probes`.
        protocol: which definition; `held-out` unless a published one was asked for.
        version: of the metric; changes when its numbers do.
        details: whatever else is worth keeping (counts, thresholds, vocabulary); JSON types only.
        replicates: float64 [n_resamples], the bootstrap values. Two scores on the same games and seed are resampled
            alike, so the difference of their replicates is the paired one. Not stored in files.
    """

    metric: str
    value: float
    low: float
    high: float
    groups: Mapping[str, float] = field(default_factory=dict[str, float])
    group_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    features: Mapping[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    floors: Mapping[str, float] = field(default_factory=dict[str, float])
    ceilings: Mapping[str, float] = field(default_factory=dict[str, float])
    protocol: str = "held-out"
    version: int = 1
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    replicates: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    def beside(
        self, *, floors: Mapping[str, float] | None = None, ceilings: Mapping[str, float] | None = None
    ) -> "Score":
        """The same score with more floors and ceilings beside it."""
        return replace(self, floors={**self.floors, **(floors or {})}, ceilings={**self.ceilings, **(ceilings or {})})

    def normalised(self) -> float:
        """Where the value stands between the best floor (0) and the best ceiling (1); NaN without both.

        Best is highest, or lowest for a metric whose name ends in `_error`.
        """
        if not self.floors or not self.ceilings:
            return float("nan")
        best = min if self.metric.endswith("_error") else max
        floor, ceiling = best(self.floors.values()), best(self.ceilings.values())
        ordered = ceiling < floor if best is min else ceiling > floor
        return (self.value - floor) / (ceiling - floor) if ordered else float("nan")

    def __str__(self) -> str:
        bounds = [f"floor {name} {value:.3f}" for name, value in self.floors.items()]
        bounds += [f"ceiling {name} {value:.3f}" for name, value in self.ceilings.items()]
        return f"{self.metric} {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] ({', '.join(bounds) or 'no bounds'})"


def stamped(scores: Mapping[str, Score], records: Mapping[str, Properties]) -> dict[str, Score]:
    """The scores, each with the version that its record states."""
    return {name: replace(score, version=records[name].version) for name, score in scores.items()}


@lru_cache(maxsize=8)  # every score of a report asks for the same weights, which cost more than most scores
def game_weights(n_games: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Bootstrap weights over games, float64 [n_resamples, n_games]: how often each game is drawn.

    Games, not tokens, are resampled, because positions of one game are alike. The same `n_games`, `n_resamples` and
    `seed` give the same weights, which makes the difference of two scores a paired one. Read-only.

    Raises:
        ValueError: fewer than two games.
    """
    if n_games < 2:
        raise ValueError(f"an interval over games needs at least 2 games, got {n_games}")
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(n_games, np.full(n_games, 1 / n_games), size=n_resamples).astype(np.float64)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=1)
def compact_game_weights(n_games: int, n_resamples: int, seed: int) -> NDArray[np.unsignedinteger[Any]]:
    """The weights of `game_weights`, drawn some resamples at a time and kept in one byte each where they fit.

    Raises:
        ValueError: fewer than two games.
    """
    if n_games < 2:
        raise ValueError(f"an interval over games needs at least 2 games, got {n_games}")
    generator = np.random.default_rng(seed)
    shares = np.full(n_games, 1 / n_games)
    weights: NDArray[np.unsignedinteger[Any]] = np.empty((n_resamples, n_games), np.uint8)
    step = max(1, (1 << 21) // n_games)
    for start in range(0, n_resamples, step):
        # The generator draws one resample after the other, so that parts give the numbers of the whole.
        drawn = generator.multinomial(n_games, shares, size=min(step, n_resamples - start))
        if drawn.max() > np.iinfo(weights.dtype).max:
            weights = weights.astype(np.uint32)
        weights[start : start + step] = drawn
    weights.setflags(write=False)
    return weights


def interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile interval of bootstrap replicates; NaN without any."""
    if not len(replicates):
        return float("nan"), float("nan")
    low, high = np.quantile(replicates, [0.025, 0.975])
    return float(low), float(high)
