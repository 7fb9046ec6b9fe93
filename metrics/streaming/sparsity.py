"""How sparse the latents are, over a sample that passes batch by batch."""

import numpy as np

from ..core import PROPERTIES
from ..core_columns import SPARSITY, sparsity_scores
from ..game_totals import GameTotals
from ..inputs import as_codes
from ..score import Score, stamped
from .batch import Batch
from .game_sums import GameSums
from .passing import Passing
from .rows import reporting

NAMES = tuple(name for name, record in PROPERTIES.items() if "latents" in record.needs)


class StreamedSparsity(Passing):
    """`core_sparsity`: L0 and the shares of alive, dead and dense latents.

    Args:
        n_latents: width of the dictionary.
        dense_above: fraction of positions above which a latent is dense.
        reporting_only: leave out positions that thresholds are chosen on, as reports do.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """

    def __init__(
        self,
        n_latents: int,
        *,
        dense_above: float = 0.1,
        reporting_only: bool = True,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        if not 0 < dense_above <= 1:
            raise ValueError(f"dense_above must be a fraction above 0 and at most 1, got {dense_above}")
        super().__init__(NAMES, frozenset({"codes"}))
        self._dense_above, self._reporting_only = dense_above, reporting_only
        self._n_resamples, self._seed = n_resamples, seed
        self._fired = np.zeros(n_latents, np.int64)
        self._games = GameSums(len(SPARSITY))

    def _take(self, batch: Batch) -> None:
        batch = reporting(batch) if self._reporting_only else batch
        if not len(batch):
            return
        codes = as_codes(batch.codes)  # type: ignore[arg-type] - needed, so there
        if codes.n_latents != len(self._fired):
            raise ValueError(f"codes must have {len(self._fired)} latents, got {codes.n_latents}")
        self._fired += np.bincount(codes.indices[codes.values > 0], minlength=codes.n_latents)
        self._games.add(batch.game_id, np.stack([np.diff(codes.indptr), np.ones(len(batch), np.int64)], 1))

    def _scores(self) -> dict[str, Score]:
        totals = GameTotals.over(SPARSITY, self._games.table(), self._n_resamples, self._seed)
        return stamped(sparsity_scores(totals, self._fired, self._dense_above), PROPERTIES)
