"""How faithful reconstructions are, over a sample that passes batch by batch."""

import numpy as np
from numpy.typing import NDArray

from ..core import PROPERTIES, checked_pair
from ..core_columns import FIDELITY, fidelity_columns, fidelity_scores, row_sum
from ..game_totals import GameTotals
from ..score import Score, stamped
from .batch import Batch
from .game_sums import GameSums
from .passing import Passing
from .rows import reporting

NAMES = tuple(name for name, record in PROPERTIES.items() if "x_hat" in record.needs)


class StreamedFidelity(Passing):
    """`core_fidelity`, in two passes: the mean activation first, then what is about the mean.

    Args:
        reporting_only: leave out positions that thresholds are chosen on, as reports do.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """

    def __init__(self, *, reporting_only: bool = True, n_resamples: int = 1000, seed: int = 0) -> None:
        super().__init__(NAMES, frozenset({"x", "x_hat"}), passes=2)
        self._reporting_only, self._n_resamples, self._seed = reporting_only, n_resamples, seed
        self._sum: NDArray[np.float64] | None = None
        self._mean = np.zeros(0)
        self._n = 0
        self._games = GameSums(len(FIDELITY))

    @property
    def needs(self) -> frozenset[str]:
        """The mean needs no reconstruction, so that the first pass need not make one."""
        return self._needs if self._turn else self._needs - {"x_hat"}

    def _take(self, batch: Batch) -> None:
        batch = reporting(batch) if self._reporting_only else batch
        if not len(batch):
            return
        x_hat = batch.x if not self._turn and batch.x_hat is None else batch.x_hat
        x, x_hat = checked_pair(batch.x, x_hat)  # type: ignore[arg-type] - needed, so there
        if self._sum is not None and x.shape[1] != len(self._sum):
            raise ValueError(f"x must be [n, {len(self._sum)}] in every batch, got {list(x.shape)}")
        if self._turn == 0:
            self._sum = row_sum(x, self._sum)
            self._n += len(x)
        else:
            self._games.add(batch.game_id, fidelity_columns(x, x_hat, self._mean))

    def _passed(self) -> None:
        if self._sum is None:
            raise ValueError(f"{', '.join(NAMES[:3])}: no position to report on has passed")
        self._mean = self._sum / self._n

    def _scores(self) -> dict[str, Score]:
        totals = GameTotals.over(FIDELITY, self._games.table(), self._n_resamples, self._seed)
        return stamped(fidelity_scores(totals), PROPERTIES)
