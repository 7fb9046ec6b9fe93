"""From sums over each game to scores: ratios and means with intervals over games.

Both ways to a score end here, whole arrays and samples that pass batch by batch, so that they cannot differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grouping import resampled_sums
from .score import Score, interval


def sums_by_game(columns: Mapping[str, NDArray[np.float64]], games: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of columns [N] over games numbered from 0, float64 [G, n_columns], added row after row."""
    n_games = int(games.max()) + 1
    return np.stack([np.bincount(games, column, n_games) for column in columns.values()], 1).astype(
        np.float64, copy=False
    )


@dataclass(frozen=True)
class GameTotals:
    """Sums of named columns over all games and over resamples of them.

    Attributes:
        names: of the columns.
        total: float64 [n_columns], over all games.
        again: float64 [n_resamples, n_columns], over resampled games.
        n_games: G.
    """

    names: tuple[str, ...]
    total: NDArray[np.float64]
    again: NDArray[np.float64]
    n_games: int

    @classmethod
    def over(cls, names: Sequence[str], by_game: NDArray[Any], n_resamples: int, seed: int) -> "GameTotals":
        """Totals of sums by game, float64 [G, n_columns].

        Raises:
            ValueError: fewer than two games.
        """
        return cls(tuple(names), by_game.sum(0), resampled_sums(by_game, n_resamples, seed), len(by_game))

    def sum_of(self, name: str) -> float:
        """Sum of a column over all games."""
        return float(self.total[self.names.index(name)])

    def sums_of(self, name: str) -> NDArray[np.float64]:
        """Sums of a column over resampled games, float64 [n_resamples]."""
        return self.again[:, self.names.index(name)]

    def mean_of(self, name: str, rows: str = "rows") -> float:
        """Mean of a column; `rows` counts the positions."""
        return self.sum_of(name) / self.sum_of(rows)

    def means_of(self, name: str, rows: str = "rows") -> NDArray[np.float64]:
        """Means of a column over resampled games, float64 [n_resamples]."""
        return self.sums_of(name) / self.sums_of(rows)

    def ratio(self, metric: str, top: str, bottom: str = "rows", *, offset: float = 0.0, sign: float = 1.0) -> Score:
        """Score of offset + sign * sum(top) / sum(bottom).

        Where sum(bottom) is 0 the ratio is undefined: the value is NaN and details["undefined"] says why. Resamples in
        which that happens are left out of the interval and counted in the details.
        """
        total, base = self.sum_of(top), self.sum_of(bottom)
        if base == 0:
            nan, reason = float("nan"), "the denominator is 0 on this sample"
            return Score(metric, nan, nan, nan, details={"undefined": reason})
        tops, bases = self.sums_of(top), self.sums_of(bottom)
        defined = bases != 0
        replicates = np.full(len(tops), np.nan)
        replicates[defined] = offset + sign * tops[defined] / bases[defined]
        low, high = interval(replicates[defined])
        details = {} if defined.all() else {"undefined_resamples": int((~defined).sum())}
        return Score(metric, offset + sign * total / base, low, high, details=details, replicates=replicates)
