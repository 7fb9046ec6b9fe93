"""The rows an SAE is trained on: taken as they come, checked, split, normalised, and served in shuffled batches."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

STREAM_ROWS = 32_768  # rows of an endless source to take the mean and the scale from


class Rows(Protocol):
    """What a training run reads: normalised batches, and held-out rows in their own units."""

    @property
    def mean(self) -> torch.Tensor:
        """Float32 [d], of the rows as they come."""
        ...

    @property
    def scale(self) -> float:
        """Factor on centred rows that brings their mean squared norm to d."""
        ...

    @property
    def device(self) -> str:
        """Where batches go."""
        ...

    def held_out_rows(self) -> torch.Tensor:
        """Float32 [n, d] never trained on, in their own units."""
        ...

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Endless normalised float32 batches."""
        ...


@runtime_checkable
class ActivationStream(Protocol):
    """An endless source of activations, such as a synthetic world."""

    def sample(self, n_rows: int, seed: int) -> Any:
        """Rows by seed: an object with `activations` [n_rows, d], or the array itself."""
        ...

    def batches(self, batch_size: int, seed: int) -> Iterator[torch.Tensor]:
        """Endless batches [batch_size, d]."""
        ...


@dataclass(frozen=True)
class TrainingRows:
    """Activations to train on, and rows held out to set thresholds and to measure.

    Training happens in units where the rows have mean 0 and mean squared norm d, so that learning rates and penalty
    coefficients mean the same on every model and layer; the change of units is folded into the weights afterwards.

    Attributes:
        activations: floating [N, d], in the dtype they came in.
        train: int64 rows to train on.
        held_out: int64 rows never trained on; whole games where games are known.
        mean: float32 [d], of the training rows.
        scale: factor on centred rows.
        device: where batches go.
    """

    activations: torch.Tensor
    train: torch.Tensor
    held_out: torch.Tensor
    mean: torch.Tensor
    scale: float
    device: str

    def held_out_rows(self) -> torch.Tensor:
        """The held-out activations, float32 [n, d], in their own units."""
        return self.activations[self.held_out].float().to(self.device)

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Endless normalised float32 batches; every training row once an epoch, in a new order each time."""
        mean, scale = self.mean.to(self.device), self.scale
        while True:
            order = self.train[torch.randperm(len(self.train), generator=generator)]
            for start in range(0, len(order) - batch_size + 1, batch_size):
                rows = self.activations[order[start : start + batch_size]]
                yield (rows.to(self.device).float() - mean) * scale


@dataclass(frozen=True)
class StreamRows:
    """Rows of an endless source: each is trained on once, and those held out come from a sample of their own.

    Attributes:
        source: where batches come from.
        held_out: float32 [n, d].
        mean: float32 [d], of another sample.
        scale: factor on centred rows.
        device: where batches go.
    """

    source: ActivationStream
    held_out: torch.Tensor
    mean: torch.Tensor
    scale: float
    device: str

    def held_out_rows(self) -> torch.Tensor:
        """The held-out activations, float32 [n, d], in their own units."""
        return self.held_out.to(self.device)

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Endless normalised float32 batches of fresh rows; the generator gives the seed of the source."""
        mean, seed = self.mean.to(self.device), int(torch.randint(2**31, (), generator=generator))
        for rows in self.source.batches(batch_size, seed):
            yield (rows.to(self.device).float() - mean) * self.scale


def prepare_stream(source: ActivationStream, seed: int, device: str = "cpu") -> StreamRows:
    """Take mean, scale and held-out rows from an endless source.

    Args:
        source: an object with `batches(batch_size, seed)` and `sample(n_rows, seed)`.
        seed: of the samples and, later, of the batches; the seeds that the source sees are made from it.
        device: where batches go.

    Raises:
        TypeError: samples that are not floating numbers.
        ValueError: wrong shape, NaN or infinity, or constant rows.
    """
    seeds = [int(word) for word in np.random.SeedSequence((seed, 4)).generate_state(2, np.uint32) >> 1]
    for_moments, held_out = (
        _checked(_as_tensor(getattr(drawn, "activations", drawn)))
        for drawn in (source.sample(n, part) for n, part in zip((STREAM_ROWS, 8192), seeds, strict=True))
    )
    mean, scale = _moments(for_moments, np.arange(len(for_moments)))
    return StreamRows(source, held_out.float(), mean, scale, device)


def prepare_rows(activations: Any, batch_size: int, seed: int, device: str = "cpu") -> TrainingRows:
    """Check activations and make them ready to train on.

    Args:
        activations: floating [N, d] tensor or array, or an object with `activations` [N, d] and perhaps `game_id` [N],
            such as LabelledActivations. Read into memory in its own dtype.
        batch_size: rows a batch.
        seed: of the choice of held-out rows.
        device: where batches go.

    Raises:
        TypeError: not an array of floating numbers.
        ValueError: wrong shape, NaN or infinity, constant rows, or too few rows for one batch.
    """
    game_id = getattr(activations, "game_id", None)
    matrix = _checked(_as_tensor(getattr(activations, "activations", activations)))
    train, held_out = _split(len(matrix), None if game_id is None else np.asarray(game_id[:]), seed)
    if len(train) < batch_size:
        raise ValueError(
            f"batch_size {batch_size} needs at least as many training rows, got {len(train)} "
            f"({len(matrix)} rows less {len(held_out)} held out); capture more games or lower batch_size"
        )
    mean, scale = _moments(matrix, train)
    return TrainingRows(matrix, torch.from_numpy(train), torch.from_numpy(held_out), mean, scale, device)


def _as_tensor(values: Any) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        tensor = values.detach().cpu()
    else:
        array = np.asarray(values[:]) if hasattr(values, "__getitem__") else np.asarray(values)
        if not np.issubdtype(array.dtype, np.floating):
            raise TypeError(f"activations must be floating [N, d], got {type(values).__name__} of {array.dtype}")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is only read
            tensor = torch.from_numpy(np.ascontiguousarray(array))
    if not tensor.is_floating_point():
        raise TypeError(f"activations must be floating [N, d], got a tensor of {tensor.dtype}")
    return tensor


def _checked(matrix: torch.Tensor) -> torch.Tensor:
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"activations must be [N, d], got {list(matrix.shape)}")
    for start in range(0, len(matrix), 65536):
        finite = torch.isfinite(matrix[start : start + 65536]).all(1)
        if not finite.all():
            raise ValueError(f"activations hold NaN or infinity, first in row {start + int((~finite).nonzero()[0, 0])}")
    return matrix


def _split(n_rows: int, game_id: NDArray[Any] | None, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and held-out rows; about 5 % are held out, at most 8,192, whole games where games are known."""
    generator = np.random.default_rng(seed)
    wanted = max(1, min(n_rows // 20, 8192))
    if game_id is None:
        held = np.zeros(n_rows, bool)
        held[generator.permutation(n_rows)[:wanted]] = True
    else:
        if game_id.shape != (n_rows,):
            raise ValueError(f"game_id must have one entry a row, {n_rows}, got {list(game_id.shape)}")
        games, counts = np.unique(game_id, return_counts=True)
        order = generator.permutation(len(games))
        n_games = int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1
        held = np.isin(game_id, games[order[:n_games]])
    return np.flatnonzero(~held).astype(np.int64), np.flatnonzero(held).astype(np.int64)


def _moments(matrix: torch.Tensor, train: NDArray[np.int64]) -> tuple[torch.Tensor, float]:
    total, square, d = torch.zeros(matrix.shape[1], dtype=torch.float64), 0.0, matrix.shape[1]
    for chunk in np.array_split(train, max(1, len(train) // 65536)):
        rows = matrix[torch.from_numpy(chunk)].double()
        total += rows.sum(0)
        square += float(rows.square().sum())
    mean = total / len(train)
    variance = square / len(train) - float(mean.square().sum())
    if variance <= 1e-12 * max(1.0, float(mean.square().sum())):
        raise ValueError("activations do not vary: every row is the same, so there is nothing to learn")
    return mean.float(), (d / variance) ** 0.5
