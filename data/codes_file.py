"""LabelledCodes: latents at rest, sparse, with the truth about every position, for samples larger than memory.

A file is HDF5: `/indptr` int64 [N + 1], `/indices` uint16 or int32 [nnz] (int32 where a dictionary has more than 65,536
latents), `/values` float16 or float32 [nnz], `/labels` uint8 [N, ceil(F / 8)], `/game_id` int32 [N], `/position` int16
[N]; the features as JSON, the width of the dictionary and where everything came from as attributes. Row n holds entries
indptr[n] to indptr[n + 1], latents increasing, none of them 0. A file is written under a temporary name and renamed
when it is whole; it is read in blocks of rows, and nothing of its length is ever held.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from ..games.features import FeatureSet
from .activation_file import ATTRIBUTES, CHUNK_ROWS, check_attributes
from .hdf5 import check_padding_bits, dataset, feature_attribute, open_checked, partial_file, stamp, text_attribute

CODES_KIND = "labelled-codes"
CHUNK_ENTRIES = 1 << 18
CODE_ATTRIBUTES = (*ATTRIBUTES, "dictionary")  # every file states these
_NARROW = 1 << 16  # latents that 16 bits can number


@dataclass(frozen=True)
class CodeRows:
    """Consecutive positions.

    Attributes:
        indptr: int64 [n + 1], from 0.
        indices: int32 [nnz], increasing inside a row.
        values: float32 [nnz], finite, never 0.
        labels: packed uint8 [n, ceil(F / 8)].
        game_id: int32 [n].
        position: int16 [n].
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    labels: NDArray[np.uint8]
    game_id: NDArray[np.int32]
    position: NDArray[np.int16]


class CodesWriter:
    """Appends rows to an open file; made by `write_codes`."""

    def __init__(self, file: h5py.File, n_latents: int, features: FeatureSet, values: str, where: str) -> None:
        self.rows = self.entries = 0
        self._n_latents, self._features, self._where = n_latents, features, where
        kinds = {
            "indptr": ("int64", (), CHUNK_ROWS),
            "indices": ("uint16" if n_latents <= _NARROW else "int32", (), CHUNK_ENTRIES),
            "values": (values, (), CHUNK_ENTRIES),
            "labels": ("uint8", (features.n_bytes,), CHUNK_ROWS),
            "game_id": ("int32", (), CHUNK_ROWS),
            "position": ("int16", (), CHUNK_ROWS),
        }
        self._stored = {
            name: file.create_dataset(name, (0, *tail), dtype, maxshape=(None, *tail), chunks=(chunk, *tail))
            for name, (dtype, tail, chunk) in kinds.items()
        }
        self._add("indptr", np.zeros(1, np.int64))

    def append(
        self,
        indptr: NDArray[np.integer[Any]],
        indices: NDArray[np.integer[Any]],
        values: NDArray[np.floating[Any]],
        labels: NDArray[np.uint8],
        game_id: NDArray[np.integer[Any]],
        position: NDArray[np.integer[Any]],
    ) -> None:
        """Add rows; arguments as in `CodeRows`, of any integer and floating type.

        Raises:
            ValueError: parts that do not fit each other, a latent that does not exist or stands twice in a row, a NaN,
                an infinity or a 0, also after rounding to float16.
        """
        where, n = self._where, len(game_id)
        _check_entries(indptr, indices, values, n, self._n_latents, self.rows, where)
        if labels.dtype != np.uint8 or labels.shape != (n, self._features.n_bytes):
            raise ValueError(
                f"{where}: labels must be packed uint8 [{n}, {self._features.n_bytes}], "
                f"got {labels.dtype} {list(labels.shape)}"
            )
        check_padding_bits(labels, len(self._features), where)
        for name, column, limit in (("game_id", game_id, np.int32), ("position", position, np.int16)):
            if column.shape != (n,) or not np.issubdtype(column.dtype, np.integer):
                raise ValueError(f"{where}: {name} must be integer [{n}], got {column.dtype} {list(column.shape)}")
            if column.min() < 0 or column.max() > np.iinfo(limit).max:
                found = f"{column.min()}..{column.max()}"
                raise ValueError(f"{where}: {name} must lie in 0..{np.iinfo(limit).max}, got {found}")
        with np.errstate(over="ignore"):
            stored = np.asarray(values).astype(self._stored["values"].dtype)
        lost = np.flatnonzero((stored == 0) | ~np.isfinite(stored))
        if lost.size:
            raise ValueError(
                f"{where}: value {values[lost[0]]:g} becomes {stored[lost[0]]} in {stored.dtype}; "
                "write the file with values='float32', or scale the latents"
            )
        self._add("indptr", self.entries + np.asarray(indptr[1:], np.int64))
        for name, column in (("indices", indices), ("values", stored), ("labels", labels)):
            self._add(name, column)
        self._add("game_id", game_id)
        self._add("position", position)
        self.rows += n
        self.entries += len(values)

    def _add(self, name: str, column: NDArray[Any]) -> None:
        stored = self._stored[name]
        before = len(stored)
        stored.resize(before + len(column), axis=0)
        stored[before:] = column.astype(stored.dtype, copy=False)


@contextmanager
def write_codes(
    path: str | Path,
    n_latents: int,
    features: FeatureSet,
    attributes: Mapping[str, Any],
    *,
    values: Literal["float32", "float16"] = "float32",
) -> Iterator[CodesWriter]:
    """Write labelled codes a block at a time; the file appears under its name only if the block ends well.

    Args:
        path: file to write; replaced if it exists.
        n_latents: width of the dictionary.
        features: what the labels mean.
        attributes: where it comes from: at least the names in `CODE_ATTRIBUTES`; JSON types.
        values: float16 halves the file and rounds the latents, which may make ties.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: a missing attribute, no latents, another type; at the end, no rows.
    """
    _check_origin(attributes, str(path))
    if n_latents < 1:
        raise ValueError(f"{path}: a dictionary has at least 1 latent, got {n_latents}")
    if values not in ("float32", "float16"):
        raise ValueError(f"{path}: values are stored as float32 or float16, got {values!r}")
    with partial_file(path) as partial, h5py.File(partial, "w") as file:
        file.attrs["features"] = features.to_json()
        file.attrs["attributes"] = json.dumps(dict(attributes), sort_keys=True)
        file.attrs["n_latents"] = n_latents
        writer = CodesWriter(file, n_latents, features, values, str(path))
        yield writer
        if not writer.rows:
            raise ValueError(f"{path}: no rows were written")
        stamp(file, CODES_KIND)


class LabelledCodes:
    """A file of labelled codes; opening it reads no rows.

    Attributes:
        path: of the file.
        features: what the labels mean.
        attributes: where it comes from.
        n_latents: width of the dictionary.
        n_entries: latents that differ from 0, over all positions.
    """

    def __init__(self, path: Path, features: FeatureSet, attributes: Mapping[str, Any], n_latents: int) -> None:
        self.path, self.features, self.n_latents = path, features, n_latents
        self.attributes = MappingProxyType(dict(attributes))
        self._rows = self.n_entries = 0

    @classmethod
    def open(cls, path: str | Path) -> "LabelledCodes":
        """Open a file.

        Raises:
            FileNotFoundError: no such file.
            ValueError: truncated, foreign, of another version, or its parts disagree.
        """
        with open_checked(path, CODES_KIND) as file:
            attributes = json.loads(text_attribute(file, "attributes"))
            _check_origin(attributes, str(path))
            n_latents = int(file.attrs.get("n_latents", 0))
            if n_latents < 1:
                raise ValueError(f"{path}: attribute n_latents must be at least 1, got {n_latents}")
            self = cls(Path(path), feature_attribute(file), attributes, n_latents)
            parts = _parts(file)
            rows, lengths = len(parts["game_id"]), {name: len(part) for name, part in parts.items()}
            expected = {"indptr": rows + 1, "labels": rows, "position": rows, "indices": lengths["values"]}
            wrong = {name: lengths[name] for name, length in expected.items() if lengths[name] != length}
            if wrong or not rows:
                raise ValueError(
                    f"{path}: /labels, /game_id, /position and /indptr (one more) must have one row a position, "
                    f"/indices and /values one length, got {lengths}"
                )
            if parts["labels"].shape[1] != self.features.n_bytes:
                raise ValueError(
                    f"{path}: labels of {len(self.features)} features need {self.features.n_bytes} bytes a row, "
                    f"got {parts['labels'].shape[1]}"
                )
            if (parts["indptr"][0], parts["indptr"][rows]) != (0, lengths["values"]):
                raise ValueError(f"{path}: /indptr must run from 0 to the {lengths['values']} entries")
            self._rows, self.n_entries = rows, lengths["values"]
            return self

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"LabelledCodes({len(self)} positions x {self.n_latents} latents of {self.attributes['dictionary']})"

    def batches(self, batch_size: int = CHUNK_ROWS) -> Iterator[CodeRows]:
        """All rows in order, a batch at a time; the last may be shorter.

        Raises:
            ValueError: `batch_size` below 1, a file that has changed, or rows that no dictionary can have written.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        with open_checked(self.path, CODES_KIND) as file:
            parts = _parts(file)
            if len(parts["game_id"]) != len(self):
                raise ValueError(
                    f"{self.path} has changed since it was opened: {len(parts['game_id'])} rows, were {len(self)}"
                )
            for first in range(0, len(self), batch_size):
                yield self._block(parts, first, min(first + batch_size, len(self)))

    def game_ids(self, batch_size: int = 1 << 18) -> Iterator[NDArray[np.int32]]:
        """The game of every position, a batch at a time."""
        with open_checked(self.path, CODES_KIND) as file:
            stored = dataset(file, "game_id", "int32", 1)
            for first in range(0, len(self), batch_size):
                yield stored[first : first + batch_size]

    def _block(self, parts: Mapping[str, h5py.Dataset], first: int, stop: int) -> CodeRows:
        indptr: NDArray[np.int64] = parts["indptr"][first : stop + 1]
        if (np.diff(indptr) < 0).any() or indptr[-1] > self.n_entries:
            raise ValueError(f"{self.path}: /indptr falls between rows {first} and {stop}; the file is damaged")
        entries = slice(int(indptr[0]), int(indptr[-1]))
        rows = CodeRows(
            indptr - indptr[0],
            parts["indices"][entries].astype(np.int32),
            parts["values"][entries].astype(np.float32),
            parts["labels"][first:stop],
            parts["game_id"][first:stop],
            parts["position"][first:stop],
        )
        _check_entries(rows.indptr, rows.indices, rows.values, stop - first, self.n_latents, first, str(self.path))
        if not rows.values.all():
            raise ValueError(f"{self.path}: a stored 0 between rows {first} and {stop}; only what fires is stored")
        check_padding_bits(rows.labels, len(self.features), str(self.path))
        return rows


def _parts(file: h5py.File) -> dict[str, h5py.Dataset]:
    """The datasets of a file, each of a type that it may have."""
    types = {"labels": "uint8", "indptr": "int64", "game_id": "int32", "position": "int16"}
    narrow = {"indices": ("uint16", "int32"), "values": ("float16", "float32")}
    for name, allowed in narrow.items():
        found = file.get(name)
        types[name] = str(found.dtype) if isinstance(found, h5py.Dataset) and found.dtype in allowed else allowed[1]
    return {name: dataset(file, name, dtype, 2 if name == "labels" else 1) for name, dtype in types.items()}


def _check_origin(attributes: Mapping[str, Any], where: str) -> None:
    check_attributes(attributes, where)
    if "dictionary" not in attributes:
        raise ValueError(f"{where}: attributes lack ['dictionary']; they must name {list(CODE_ATTRIBUTES)}")


def _check_entries(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    values: NDArray[Any],
    n_rows: int,
    n_latents: int,
    first: int,
    where: str,
) -> None:
    """Refuse entries that are no codes of `n_rows` rows; they start at row `first`."""
    nnz = len(values)
    if not np.issubdtype(values.dtype, np.floating) or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"{where}: values must be floating and indices integer, got {values.dtype}, {indices.dtype}")
    if not n_rows or len(indptr) != n_rows + 1 or indptr[0] != 0 or indptr[-1] != nnz or len(indices) != nnz:
        raise ValueError(
            f"{where}: {n_rows} rows with {nnz} values need an indptr of {n_rows + 1} numbers from 0 to {nnz} and "
            f"{nnz} indices, got {len(indptr)} numbers and {len(indices)} indices"
        )
    counts = np.diff(indptr)
    if (counts < 0).any():
        raise ValueError(f"{where}: indptr falls after row {first + int(np.argmax(counts < 0))}")
    if nnz and (indices.min() < 0 or indices.max() >= n_latents):
        found = f"{indices.min()} to {indices.max()}"
        raise ValueError(f"{where}: indices must lie in 0 to {n_latents - 1}, got {found} from row {first} on")
    rises = np.diff(indices.astype(np.int64)) > 0
    starts = np.asarray(indptr[1:-1], np.int64)
    rises[starts[(starts > 0) & (starts < nnz)] - 1] = True  # a new row may start anywhere
    if not rises.all():
        row = first + int(np.searchsorted(indptr, np.argmin(rises), "right")) - 1
        raise ValueError(f"{where}: the latents of row {row} must increase; each stands once")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        row = first + int(np.searchsorted(indptr, bad[0], "right")) - 1
        raise ValueError(f"{where}: value {values[bad[0]]} in row {row}; expected finite values")
