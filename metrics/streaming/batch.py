"""What an accumulator is handed: consecutive positions of a sample, with what is known and computed there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.dictionary import Codes
from ..inputs import LabelBits


@dataclass(frozen=True)
class Batch:
    """Consecutive positions of a sample; the same positions in the same order in every pass.

    Attributes:
        start: row of the first position in the whole sample.
        game_id: integer [n], as stored; games need not be contiguous.
        train: bool [n], True where thresholds and latents are chosen; no game on both sides.
        position: integer [n], token index inside the game; None where it is unknown.
        codes: latents at these positions; None for accumulators that do not read them.
        labels: truth at these positions; None likewise.
        x: activations, float32 [n, d]; None likewise.
        x_hat: reconstructions, float32 [n, d]; None likewise.
    """

    start: int
    game_id: NDArray[np.integer]
    train: NDArray[np.bool_]
    position: NDArray[np.integer] | None = None
    codes: Codes | None = None
    labels: LabelBits | None = None
    x: NDArray[np.float32] | None = None
    x_hat: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.game_id)
