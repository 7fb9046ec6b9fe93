"""Rows of a world whose dictionary is known: frozen samples with the truth, and endless batches to train on."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch, scipy and sae_lens are not fully typed.

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .features import FeatureSet

if TYPE_CHECKING:
    import torch

BLOCK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class SyntheticSample:
    """Rows of a synthetic world with the truth about them.

    Attributes:
        activations: float32 [N, d].
        magnitudes: csr_array float32 [N, A], coordinate along each axis; at least 0 for lines, signed for planes.
        labels: packed uint8 [N, n_bytes], which features fire; see FeatureSet.
        game_id: int32 [N]; rows are independent, and a "game" is a block of rows, for splits and the bootstrap.
        features: what the labels mean.
        world: name of the world.
        version: of the world.
        seed: of the sample.
    """

    activations: "torch.Tensor"
    magnitudes: Any
    labels: NDArray[np.uint8]
    game_id: NDArray[np.int32]
    features: FeatureSet
    world: str
    version: str
    seed: int

    def __len__(self) -> int:
        return len(self.game_id)

    @property
    def true_l0(self) -> float:
        """Mean number of features that fire in a row."""
        return float(np.bitwise_count(self.labels).sum() / len(self))


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of rows: float32 [n, d], magnitudes csr float32 [n, A], firing features bool [n, F]."""

    activations: NDArray[np.float32]
    magnitudes: Any
    fires: NDArray[np.bool_]


class PlantedWorld(ABC):
    """A world whose activations are magnitudes @ directions + bias, up to noise.

    Rows are drawn in blocks of 1024, each from a seed made of the world, the stream, the caller's seed and the block's
    number. So a shorter sample is the beginning of a longer one, no more than a block is ever dense, and samples and
    batches never share rows.

    Attributes:
        name: of the world.
        version: changes with anything that changes a row.
        config: a dataclass that says what it is made of.
        owner: int64 [A], feature of each axis.
    """

    name: str
    version: str
    config: Any
    owner: NDArray[np.int64]

    @property
    @abstractmethod
    def features(self) -> FeatureSet:
        """The planted features, F of them."""

    @property
    @abstractmethod
    def directions(self) -> "torch.Tensor":
        """The true dictionary, float32 [A, d] unit rows."""

    @property
    @abstractmethod
    def bias(self) -> "torch.Tensor":
        """Float32 [d]."""

    @abstractmethod
    def _draw(self, seed: int) -> Rows:
        """A block of rows from one seed; must leave the global random state as it was."""

    def sample(self, n_rows: int, seed: int, *, rows_per_game: int = 100) -> SyntheticSample:
        """Rows with the truth about them; the same seed gives the same bytes, and a shorter sample is a beginning.

        Args:
            n_rows: N, at least 1.
            seed: of the rows; at least 0.
            rows_per_game: rows in a block that is never split.

        Raises:
            ValueError: a number out of range.
        """
        if n_rows < 1 or rows_per_game < 1:
            raise ValueError(f"n_rows and rows_per_game must be at least 1, got {n_rows} and {rows_per_game}")
        import torch

        activations = torch.empty(n_rows, self.directions.shape[1])
        labels = np.empty((n_rows, self.features.n_bytes), np.uint8)
        pieces: list[Any] = []
        for start in range(0, n_rows, BLOCK_ROWS):
            rows = self._block("sample", seed, start // BLOCK_ROWS)
            n = min(BLOCK_ROWS, n_rows - start)
            activations[start : start + n] = torch.from_numpy(rows.activations[:n])
            labels[start : start + n] = self.features.pack(rows.fires[:n])
            pieces.append(rows.magnitudes[:n])
        return SyntheticSample(
            activations=activations,
            magnitudes=sparse.csr_array(sparse.vstack(pieces, format="csr")),
            labels=labels,
            game_id=(np.arange(n_rows) // rows_per_game).astype(np.int32),
            features=self.features,
            world=self.name,
            version=self.version,
            seed=int(seed),
        )

    def batches(self, batch_size: int, seed: int) -> "Iterator[torch.Tensor]":
        """Endless activations to train on, float32 [batch_size, d]; a stream of its own, apart from every sample.

        The rows do not depend on the size of the batches.

        Raises:
            ValueError: a number out of range.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self._seed_of("batches", seed, 0)  # refuse a wrong seed now, not at the first batch
        return self._batches(batch_size, seed)

    def _batches(self, batch_size: int, seed: int) -> "Iterator[torch.Tensor]":
        import torch

        waiting = torch.empty(0, self.directions.shape[1])
        number = 0
        while True:
            pieces = [waiting]
            held = len(waiting)
            while held < batch_size:
                pieces.append(torch.from_numpy(self._block("batches", seed, number).activations))
                number += 1
                held += BLOCK_ROWS
            whole = torch.cat(pieces)
            yield whole[:batch_size]
            waiting = whole[batch_size:].clone()

    def _block(self, stream: str, seed: int, number: int) -> Rows:
        return self._draw(self._seed_of(stream, seed, number))

    def _seed_of(self, stream: str, seed: int, number: int) -> int:
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        text = f"{self.version}|{stream}|{int(seed)}|{number}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
