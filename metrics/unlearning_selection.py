# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Which latents are clamped to unlearn a target, and what that adds to the activations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from ..models.dictionary import Codes

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Firing:
    """How often latents fire on rows to forget and on rows to retain.

    Attributes:
        forget: float64 [L], share of the rows to forget.
        retain: float64 [L], share of the rows to retain.
        scale: float64 [L], mean value where it fires on the rows to forget; 0 where it never does.
        f1: float64 [L], of "fires" as a judgement that a row is one to forget.
    """

    forget: NDArray[np.float64]
    retain: NDArray[np.float64]
    scale: NDArray[np.float64]
    f1: NDArray[np.float64]

    @classmethod
    def of(cls, fires: csr_array, values: csr_array, holds: NDArray[np.bool_]) -> "Firing":
        """Counts over rows; `fires` and `values` are [n, L], holds is [n]."""
        mine = holds.astype(np.float64)
        n_forget, n_retain = mine.sum(), (1 - mine).sum()
        total = np.asarray(fires.sum(0)).ravel()
        both = np.asarray(mine @ fires).ravel()
        size = np.asarray(mine @ values).ravel()
        return cls(
            forget=both / max(n_forget, 1),
            retain=(total - both) / max(n_retain, 1),
            scale=np.divide(size, both, out=np.zeros_like(size), where=both > 0),
            f1=2 * both / np.maximum(total + n_forget, 1),
        )

    def rare_elsewhere(self, below: float, n: int, weight: NDArray[np.float64]) -> Ints:
        """The published choice: of latents rarer than `below` on rows to retain, the n that fire most on the others.

        Latents that never fire on rows to forget are not taken; equal frequencies go by `weight`.
        """
        fit = np.flatnonzero((self.retain < below) & (self.forget > 0))
        return np.sort(fit[np.lexsort((-weight[fit], -self.forget[fit]))][:n])

    def best_detectors(self, n: int, weight: NDArray[np.float64]) -> Ints:
        """The n latents whose firing tells best which rows are to be forgotten."""
        fit = np.flatnonzero(self.forget > 0)
        return np.sort(fit[np.lexsort((-weight[fit], -self.f1[fit]))][:n])


@dataclass(frozen=True)
class Clamped:
    """Latents at the asked rows, for edits of a few of them.

    Attributes:
        positive: float32 [n, L] by columns, latents where they fire.
        directions: float32 [L, d].
    """

    positive: "csr_array"
    directions: NDArray[np.float32]

    def change(self, latents: Ints, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """What clamping adds to the activations, float32 [n, d]; the reconstruction's error stays as it is.

        Args:
            latents: int64 [k].
            values: float64 [k], what each is set to wherever it fires.
        """
        found = self.positive[:, latents].toarray()
        moved = np.where(found > 0, values.astype(np.float32) - found, np.float32(0))
        return np.asarray(moved @ self.directions[latents], np.float32)


def as_sparse(codes: "Codes") -> csr_array:
    """Latents where they fire (are above 0), float64 [N, L]."""
    kept = codes.values > 0
    return csr_array(
        (codes.values[kept].astype(np.float64), (codes.rows[kept], codes.indices[kept])),
        shape=(codes.n_rows, codes.n_latents),
    )
