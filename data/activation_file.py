"""The HDF5 file of LabelledActivations: what its parts must be, and how it is written a block at a time."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..games.features import FeatureSet
from .hdf5 import check_padding_bits, partial_file, stamp

KIND = "labelled-activations"
CHUNK_ROWS = 8192
ATTRIBUTES = ("game", "version", "model", "hook", "seed", "model_sha256")  # every file states these
_FLOAT16_MAX = float(np.finfo(np.float16).max)


class ActivationWriter:
    """Appends rows to an open file; made by `write_activations`."""

    def __init__(self, file: h5py.File, features: FeatureSet, where: str) -> None:
        self.rows = 0
        self._file, self._features, self._where = file, features, where

    def append(
        self,
        activations: NDArray[np.floating[Any]],
        labels: NDArray[np.uint8],
        game_id: NDArray[np.integer[Any]],
        position: NDArray[np.integer[Any]],
    ) -> None:
        """Add rows; arguments as for LabelledActivations.

        Raises:
            ValueError: lengths or widths that differ, NaN or infinity, or a value beyond float16.
        """
        where = self._where
        check_block(activations, labels, game_id, position, self._features, self.rows, where)
        check_padding_bits(labels, len(self._features), where)
        beyond = np.flatnonzero((np.abs(activations) > _FLOAT16_MAX).any(1))
        if beyond.size:
            largest = np.abs(activations[beyond[0]]).max()
            raise ValueError(
                f"{where}: activation {largest:g} of row {self.rows + beyond[0]} is beyond "
                f"float16 ({_FLOAT16_MAX:g}); scale the activations down, or keep them in memory"
            )
        columns = {
            "activations": activations.astype(np.float16),
            "labels": labels,
            "game_id": game_id.astype(np.int32),
            "position": position.astype(np.int16),
        }
        for name, values in columns.items():
            tail = values.shape[1:]
            if name not in self._file:
                self._file.create_dataset(
                    name, (0, *tail), values.dtype, maxshape=(None, *tail), chunks=(CHUNK_ROWS, *tail)
                )
            stored: Any = self._file[name]
            if stored.shape[1:] != tail:
                raise ValueError(f"{where}: {name} had {stored.shape[1]} columns before, got {tail[0]}")
            stored.resize(self.rows + len(values), axis=0)
            stored[self.rows :] = values
        self.rows += len(activations)


@contextmanager
def write_activations(
    path: str | Path, features: FeatureSet, attributes: Mapping[str, Any]
) -> Iterator[ActivationWriter]:
    """Write labelled activations a block at a time; the file appears under its name only if the block ends well.

    Args:
        path: file to write; replaced if it exists.
        features: what the labels mean.
        attributes: where it comes from: at least the names in `ATTRIBUTES`; JSON types.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: a missing attribute; at the end, no rows.
    """
    check_attributes(attributes, str(path))
    with partial_file(path) as partial, h5py.File(partial, "w") as file:
        file.attrs["features"] = features.to_json()
        file.attrs["attributes"] = json.dumps(dict(attributes), sort_keys=True)
        writer = ActivationWriter(file, features, str(path))
        yield writer
        if not writer.rows:
            raise ValueError(f"{path}: no rows were written")
        stamp(file, KIND)


def check_attributes(attributes: Mapping[str, Any], where: str) -> None:
    """Refuse attributes that do not say where the activations come from.

    Raises:
        ValueError: a name of `ATTRIBUTES` is missing.
    """
    missing = [name for name in ATTRIBUTES if name not in attributes]
    if missing:
        raise ValueError(f"{where}: attributes lack {missing}; they must name {list(ATTRIBUTES)}")


def check_finite(values: NDArray[Any], rows: NDArray[np.int64], where: str) -> None:
    """Refuse NaN and infinity; `rows` are the row numbers to name.

    Raises:
        ValueError: names the first row.
    """
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{where}: activation {values[row, column]} in row {rows[row]}; expected finite values")


def check_block(
    activations: NDArray[Any],
    labels: NDArray[Any],
    game_id: NDArray[Any],
    position: NDArray[Any],
    features: FeatureSet,
    first: int,
    where: str,
) -> None:
    """Refuse a block of rows whose parts do not fit each other; it starts at row `first`.

    Raises:
        ValueError: names the part, what it must be and what came.
    """
    if activations.ndim != 2 or not np.issubdtype(activations.dtype, np.floating) or not activations.size:
        raise ValueError(
            f"{where}: activations must be floating [N, d] with N, d >= 1, "
            f"got {activations.dtype} {list(activations.shape)}"
        )
    rows = len(activations)
    if labels.dtype != np.uint8 or labels.shape != (rows, features.n_bytes):
        raise ValueError(
            f"{where}: labels must be packed uint8 [{rows}, {features.n_bytes}], "
            f"got {labels.dtype} {list(labels.shape)}"
        )
    for name, column, limit in (("game_id", game_id, np.int32), ("position", position, np.int16)):
        if column.shape != (rows,) or not np.issubdtype(column.dtype, np.integer):
            raise ValueError(f"{where}: {name} must be integer [{rows}], got {column.dtype} {list(column.shape)}")
        if column.min() < 0 or column.max() > np.iinfo(limit).max:
            raise ValueError(
                f"{where}: {name} must lie in 0..{np.iinfo(limit).max}, got {column.min()}..{column.max()}"
            )
    check_finite(activations, np.arange(first, first + rows), where)
