"""Structure of the directions, over a sample that passes batch by batch: of it only who fires is read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.dictionary import Codes
from ..inputs import as_codes
from ..meta_structure import PROPERTIES, meta_structure
from ..score import Score
from .batch import Batch
from .passing import Passing


class StreamedMeta(Passing):
    """`meta_structure`: how much of the directions of latents that fire a small SAE explains.

    Args:
        directions: floating [L, d], what each latent writes.
        n_resamples: bootstrap resamples over latents.
        seed: of the trainings and the bootstrap.
        options: further arguments of `meta_structure`.
    """

    def __init__(
        self, directions: NDArray[np.floating], *, n_resamples: int = 1000, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(tuple(PROPERTIES), frozenset({"codes"}))
        self._directions = directions
        self._options: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed, **options}
        self._fires = np.zeros(len(directions), np.bool_)

    def _take(self, batch: Batch) -> None:
        codes = as_codes(batch.codes)  # type: ignore[arg-type] - needed, so there
        if codes.n_latents != len(self._fires):
            raise ValueError(f"codes must have {len(self._fires)} latents, one a direction, got {codes.n_latents}")
        self._fires[codes.indices[codes.values > 0]] = True

    def _scores(self) -> dict[str, Score]:
        fires = np.flatnonzero(self._fires).astype(np.int32)
        once = Codes(np.array([0, len(fires)]), fires, np.ones(len(fires), np.float32), len(self._fires))
        return meta_structure(once, self._directions, **self._options)
