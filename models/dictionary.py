"""The Dictionary contract, and Codes: the latents of a dictionary over a sample, stored sparse."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray


@runtime_checkable
class Dictionary(Protocol):
    """Anything that writes an activation as latents times directions: a trained SAE, a reference, a control.

    Attributes:
        name: short and readable; a column of the report.
        directions: float [n_latents, d_in], what each latent writes.
        latent_names: feature name of every latent, for supervised dictionaries; None otherwise.
    """

    @property
    def name(self) -> str:
        """A column of the report."""
        ...

    @property
    def latent_names(self) -> tuple[str, ...] | None:
        """Feature name of every latent, or None."""
        ...

    @property
    def directions(self) -> torch.Tensor:
        """Float [n_latents, d_in]."""
        ...

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d_in] to latents [N, n_latents]; a latent fires where it is > 0."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations [N, d_in]."""
        ...


@dataclass(frozen=True)
class Codes:
    """Latents of N positions in compressed sparse rows: row n holds values[indptr[n]:indptr[n + 1]].

    Attributes:
        indptr: int64 [N + 1].
        indices: int32 [nnz], latent of each entry, increasing inside a row.
        values: float32 [nnz], never 0; negative only for signed dictionaries.
        n_latents: width of the dictionary.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    n_latents: int

    @property
    def n_rows(self) -> int:
        """Number of positions."""
        return len(self.indptr) - 1

    @property
    def l0(self) -> float:
        """Mean number of non-zero latents a position."""
        return len(self.values) / max(1, self.n_rows)

    @classmethod
    def from_dense(cls, latents: NDArray[np.floating] | torch.Tensor) -> "Codes":
        """Dense latents [N, n_latents] to codes.

        Raises:
            ValueError: not two axes, not floating, or a NaN or infinity.
        """
        dense = latents.detach().cpu().numpy() if isinstance(latents, torch.Tensor) else np.asarray(latents)
        if dense.ndim != 2 or not np.issubdtype(dense.dtype, np.floating):
            raise ValueError(f"latents must be floating [N, n_latents], got {dense.dtype} {list(dense.shape)}")
        if not np.isfinite(dense).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(dense))[0])
            raise ValueError(f"latents hold {dense[row, column]} at row {row}, latent {column}; expected finite values")
        dense = dense.astype(np.float32, copy=False)
        rows, columns = np.nonzero(dense)
        indptr = np.zeros(len(dense) + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=len(dense)), out=indptr[1:])
        return cls(indptr, columns.astype(np.int32), dense[rows, columns], dense.shape[1])

    @classmethod
    def concatenate(cls, parts: Iterable["Codes"]) -> "Codes":
        """Stack codes of consecutive samples.

        Raises:
            ValueError: nothing to stack, or different widths.
        """
        pieces = list(parts)
        widths = {piece.n_latents for piece in pieces}
        if len(widths) != 1:
            raise ValueError(f"codes to stack must share one width, got {sorted(widths)}")
        counts = np.concatenate([np.diff(piece.indptr) for piece in pieces])
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([piece.indices for piece in pieces]),
            np.concatenate([piece.values for piece in pieces]),
            widths.pop(),
        )

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Position of every entry, int64 [nnz]."""
        return np.repeat(np.arange(self.n_rows), np.diff(self.indptr))

    def take(self, rows: NDArray[np.int64]) -> "Codes":
        """Codes of some positions, in the given order."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        entries = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], counts)
        return Codes(indptr, self.indices[entries], self.values[entries], self.n_latents)

    def to_dense(self) -> NDArray[np.float32]:
        """Dense latents [N, n_latents]."""
        dense = np.zeros((self.n_rows, self.n_latents), np.float32)
        dense[self.rows, self.indices] = self.values
        return dense

    @cached_property
    def maxima(self) -> NDArray[np.float32]:
        """Largest value of each latent, float32 [n_latents]; 0 for one that never fires."""
        largest = np.zeros(self.n_latents, np.float32)
        np.maximum.at(largest, self.indices, self.values)
        return largest


def encode_in_batches(
    dictionary: Dictionary, activations: Iterable[torch.Tensor] | torch.Tensor, batch_size: int = 8192
) -> Codes:
    """Codes of a sample, encoded a batch at a time where the dictionary is; see `encoding.encode_sparse` for others.

    Args:
        dictionary: what encodes.
        activations: float [N, d_in], or batches of it.
        batch_size: rows a batch when one tensor is given; fewer where a batch of latents would be large.

    Raises:
        ValueError: no rows, or a latent that is NaN or infinite.
    """
    from .encoding import encode_sparse  # which needs Codes

    batches = activations.split(batch_size) if isinstance(activations, torch.Tensor) else activations
    return encode_sparse(dictionary, batches)
