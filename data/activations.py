"""LabelledActivations: what a model computed at every scored position, with the truth about it, in memory or on disk.

A file is HDF5: `/activations` float16 [N, d] in chunks of 8192 rows, `/labels` uint8 [N, ceil(F / 8)], `/game_id`
int32 [N], `/position` int16 [N]; the features as JSON and where everything came from as attributes. A file is written
under a temporary name and renamed when it is whole.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..games.features import FeatureSet
from .activation_file import (
    CHUNK_ROWS,
    KIND,
    check_attributes,
    check_block,
    check_finite,
    write_activations,
)
from .hdf5 import check_padding_bits, dataset, feature_attribute, open_checked, text_attribute


class LabelledActivations:
    """Activations of N positions with labels; `open` reads a file lazily, `load` brings it into memory.

    Args:
        activations: floating [N, d], finite; kept as float32.
        labels: packed uint8 [N, ceil(F / 8)]; see FeatureSet.
        game_id: integer [N], the game each position is from.
        position: integer [N], token index inside the game.
        features: what the labels mean.
        attributes: where it came from: at least the names in `ATTRIBUTES`.

    Raises:
        ValueError: lengths that differ, wrong types, NaN or infinity, or a missing attribute.
    """

    def __init__(
        self,
        activations: NDArray[np.floating[Any]],
        labels: NDArray[np.uint8],
        game_id: NDArray[np.integer[Any]],
        position: NDArray[np.integer[Any]],
        features: FeatureSet,
        attributes: Mapping[str, Any],
    ) -> None:
        where = "labelled activations"
        check_block(activations, labels, game_id, position, features, 0, where)
        check_padding_bits(labels, len(features), where)
        check_attributes(attributes, where)
        self.features = features
        self.attributes = MappingProxyType(dict(attributes))
        self.game_id = _read_only(np.asarray(game_id, dtype=np.int32))
        self.position = _read_only(np.asarray(position, dtype=np.int16))
        self.path: Path | None = None
        self._activations: NDArray[np.float32] | None = np.asarray(activations, dtype=np.float32)
        self._labels: NDArray[np.uint8] | None = _read_only(labels)
        self._width = activations.shape[1]

    @classmethod
    def open(cls, path: str | Path) -> "LabelledActivations":
        """Read a file: activations stay on disk until they are asked for.

        Raises:
            FileNotFoundError: no such file.
            ValueError: truncated, foreign, of another version, or its parts disagree.
        """
        with open_checked(path, KIND) as file:
            activations = dataset(file, "activations", "float16", 2)
            labels = dataset(file, "labels", "uint8", 2)
            game_id = dataset(file, "game_id", "int32", 1)[:]
            position = dataset(file, "position", "int16", 1)[:]
            features = feature_attribute(file)
            attributes = json.loads(text_attribute(file, "attributes"))
            check_attributes(attributes, str(path))
            rows = len(game_id)
            if not rows or {len(activations), len(labels), len(position)} != {rows}:
                raise ValueError(
                    f"{path}: /activations, /labels, /game_id and /position must have one length above 0, got "
                    f"{len(activations)}, {len(labels)}, {rows} and {len(position)}"
                )
            if labels.shape[1] != features.n_bytes:
                raise ValueError(
                    f"{path}: labels of {len(features)} features need {features.n_bytes} bytes a row, "
                    f"got {labels.shape[1]}"
                )
            self = cls.__new__(cls)
            self.features, self.attributes = features, MappingProxyType(attributes)
            self.game_id, self.position = _read_only(game_id), _read_only(position)
            self.path = Path(path)
            self._activations = self._labels = None
            self._width = activations.shape[1]
            return self

    def __len__(self) -> int:
        return len(self.game_id)

    def __repr__(self) -> str:
        place = "in memory" if self._activations is not None else f"in {self.path}"
        source = f"{self.attributes['model']} at {self.attributes['hook']}"
        return f"LabelledActivations({len(self)} positions x {self.width} of {source}, {place})"

    @property
    def width(self) -> int:
        """Width d of an activation."""
        return self._width

    @property
    def n_games(self) -> int:
        """Number of different games."""
        return len(np.unique(self.game_id))

    @property
    def activations(self) -> NDArray[np.float32]:
        """All activations, float32 [N, d]; read anew from a file each time, so prefer `batches` or `load`."""
        return self.read()

    @property
    def labels(self) -> NDArray[np.uint8]:
        """All packed labels, read-only uint8 [N, ceil(F / 8)]; kept once read."""
        if self._labels is None:
            with open_checked(self._file, KIND) as file:
                labels = self._same_rows(dataset(file, "labels", "uint8", 2))[:]
            check_padding_bits(labels, len(self.features), str(self.path))
            self._labels = _read_only(labels)
        return self._labels

    def labels_bool(
        self, rows: ArrayLike | None = None, features: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Labels of some positions and features (all by default), bool [rows, features]."""
        packed = self.labels if rows is None else self.labels[self._row_indices(rows)]
        return self.features.unpack(packed) if features is None else self.features.unpack_columns(packed, features)

    def read(self, rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Activations of some positions (all by default), float32 [rows, d].

        Raises:
            ValueError: NaN or infinity, or the file has changed since it was opened.
        """
        indices = None if rows is None else self._row_indices(rows)
        if self._activations is not None:
            return self._activations if indices is None else self._activations[indices]
        with open_checked(self._file, KIND) as file:
            return self._read(self._same_rows(dataset(file, "activations", "float16", 2)), indices)

    def batches(self, batch_size: int = CHUNK_ROWS, rows: ArrayLike | None = None) -> Iterator[torch.Tensor]:
        """Activations a batch at a time, in order.

        Args:
            batch_size: positions a batch; the last may be shorter.
            rows: bool [N] or indices; all by default.

        Yields:
            float32 tensors [batch, d].

        Raises:
            ValueError: `batch_size` below 1, or rows that do not fit.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        indices = None if rows is None else self._row_indices(rows)
        return self._batches(batch_size, indices)

    def _batches(self, batch_size: int, indices: NDArray[np.int64] | None) -> Iterator[torch.Tensor]:
        total = len(self) if indices is None else len(indices)
        pieces = (
            np.arange(start, min(start + batch_size, total)) if indices is None else indices[start : start + batch_size]
            for start in range(0, total, batch_size)
        )
        if self._activations is not None:
            for piece in pieces:
                yield torch.from_numpy(self._activations[piece])
            return
        with open_checked(self._file, KIND) as file:
            stored = self._same_rows(dataset(file, "activations", "float16", 2))
            for piece in pieces:
                yield torch.from_numpy(self._read(stored, piece))

    def take(self, rows: ArrayLike) -> "LabelledActivations":
        """Some positions, in memory.

        Args:
            rows: bool [N], or indices in any order.
        """
        indices = self._row_indices(rows)
        return LabelledActivations(
            self.read(indices),
            self.labels[indices],
            self.game_id[indices],
            self.position[indices],
            self.features,
            self.attributes,
        )

    def load(self) -> "LabelledActivations":
        """The same in memory; itself if it is already there."""
        return self if self._activations is not None else self.take(np.arange(len(self)))

    def save(self, path: str | Path) -> None:
        """Write to a file, whole or not at all; activations become float16.

        Raises:
            ValueError: an activation beyond the range of float16.
        """
        with write_activations(path, self.features, self.attributes) as writer:
            for start in range(0, len(self), CHUNK_ROWS):
                rows = slice(start, start + CHUNK_ROWS)
                block = self.read(np.arange(len(self))[rows])
                writer.append(block, self.labels[rows], self.game_id[rows], self.position[rows])

    def split(self, test_fraction: float = 0.5, seed: int = 0) -> NDArray[np.bool_]:
        """Which positions belong to training games; a game is never divided.

        Args:
            test_fraction: share of the games held out, in (0, 1); at least one game stays on each side.
            seed: which games.

        Returns:
            bool [N]: True for training, False for testing.

        Raises:
            ValueError: fewer than two games, or a fraction outside (0, 1).
        """
        return split_by_game(self.game_id, test_fraction, seed)

    @property
    def _file(self) -> Path:
        assert self.path is not None  # in memory or in a file, never neither
        return self.path

    def _same_rows(self, stored: h5py.Dataset) -> h5py.Dataset:
        if len(stored) != len(self):
            raise ValueError(f"{self.path} has changed since it was opened: {len(stored)} rows, were {len(self)}")
        return stored

    def _row_indices(self, rows: ArrayLike) -> NDArray[np.int64]:
        array = np.asarray(rows)
        if array.dtype == np.bool_:
            if array.shape != (len(self),):
                raise ValueError(f"a row mask must be bool [{len(self)}], got {list(array.shape)}")
            return np.flatnonzero(array)
        if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
            raise ValueError(f"rows must be bool [N] or integers [n], got {array.dtype} {list(array.shape)}")
        outside = array[(array < 0) | (array >= len(self))]
        if outside.size:
            raise ValueError(f"row {outside[0]} is outside 0..{len(self) - 1}")
        return array.astype(np.int64)

    def _read(self, stored: h5py.Dataset, indices: NDArray[np.int64] | None) -> NDArray[np.float32]:
        if indices is None:
            block = stored[:]
        else:
            block = np.empty((len(indices), self.width), np.float16)
            # One slice per touched chunk: h5py's own selection by index is far slower.
            chunk = indices // CHUNK_ROWS
            for number in np.unique(chunk):
                mine = np.flatnonzero(chunk == number)
                first, last = int(indices[mine].min()), int(indices[mine].max())
                block[mine] = stored[first : last + 1][indices[mine] - first]
        values = torch.from_numpy(block).float().numpy()
        check_finite(values, np.arange(len(self)) if indices is None else indices, str(self.path))
        return values


def split_by_game(game_id: NDArray[np.integer[Any]], test_fraction: float = 0.5, seed: int = 0) -> NDArray[np.bool_]:
    """Training mask, bool [N], that never divides a game; see LabelledActivations.split.

    Raises:
        ValueError: fewer than two games, or a fraction outside (0, 1).
    """
    games, of_row = np.unique(game_id, return_inverse=True)
    return training_games(len(games), test_fraction, seed)[of_row]


def training_games(n_games: int, test_fraction: float = 0.5, seed: int = 0) -> NDArray[np.bool_]:
    """Which of some games, in ascending order of their ids, are for training, bool [n_games].

    Raises:
        ValueError: fewer than two games, or a fraction outside (0, 1).
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must lie between 0 and 1, got {test_fraction}")
    if n_games < 2:
        raise ValueError(f"a split by game needs at least 2 games, got {n_games}")
    n_test = min(max(round(test_fraction * n_games), 1), n_games - 1)
    train = np.ones(n_games, np.bool_)
    train[np.random.default_rng(seed).permutation(n_games)[:n_test]] = False
    return train


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
