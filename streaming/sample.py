"""Samples at rest, read in blocks of rows: activations or latents with the truth about every position."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import KEYS, as_bool, features_of
from ..data.activation_file import KIND, check_finite
from ..data.activations import training_games
from ..data.codes_file import CODES_KIND, LabelledCodes
from ..data.hdf5 import check_padding_bits, dataset, feature_attribute, kind_of, open_checked, text_attribute
from ..games.features import FeatureSet
from ..metrics.inputs import LabelBits, as_label_bits
from ..models.dictionary import Codes
from ..suggestions import no_such_file

ID_ROWS = 1 << 18  # game ids that are read at once


@dataclass(frozen=True)
class Rows:
    """Consecutive positions of a sample; what was not asked for is None.

    Attributes:
        start: row of the first.
        game_id: integer [n].
        position: integer [n].
        labels: truth.
        x: activations, float32 [n, d].
        codes: latents.
    """

    start: int
    game_id: NDArray[np.integer[Any]]
    position: NDArray[np.integer[Any]] | None = None
    labels: LabelBits | None = None
    x: torch.Tensor | None = None
    codes: Codes | None = None


class Sample(Protocol):
    """A sample on disk; opening it reads no rows.

    Attributes:
        path: of the file.
        n_rows: positions.
        features: what the labels mean.
        facts: where it comes from, as JSON types.
        d_in: width of an activation; None where latents are stored.
        n_latents: width of the dictionary whose latents are stored; None where activations are.
        row_bytes: what a row takes while it is read, in memory.
    """

    path: Path
    n_rows: int
    features: FeatureSet
    facts: Mapping[str, Any]
    d_in: int | None
    n_latents: int | None
    row_bytes: int

    def game_ids(self) -> Iterator[NDArray[np.integer[Any]]]:
        """The game of every position, in pieces."""
        ...

    def rows(self, size: int, parts: frozenset[str]) -> Iterator[Rows]:
        """All positions in order, `size` at a time; `parts` names what is read besides games.

        Raises:
            ValueError: the file has changed, is damaged, or holds NaN or infinity.
        """
        ...


class ActivationSample:
    """What `fiducial capture` wrote."""

    n_latents: int | None = None

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_checked(path, KIND) as file:
            parts = self._parts(file)
            self.features = feature_attribute(file)
            self.facts: Mapping[str, Any] = json.loads(text_attribute(file, "attributes"))
            lengths = {name: len(part) for name, part in parts.items()}
            self.n_rows = lengths["game_id"]
            if not self.n_rows or set(lengths.values()) != {self.n_rows}:
                raise ValueError(f"{path}: its parts must have one length above 0, got {lengths}")
            if parts["labels"].shape[1] != self.features.n_bytes:
                raise ValueError(
                    f"{path}: labels of {len(self.features)} features need {self.features.n_bytes} bytes a row, "
                    f"got {parts['labels'].shape[1]}"
                )
            self.d_in: int | None = parts["activations"].shape[1]
        assert self.d_in is not None
        self.row_bytes = 14 * self.d_in + 4 * self.features.n_bytes + 40  # float16, float32, what is rebuilt

    @staticmethod
    def _parts(file: h5py.File) -> dict[str, h5py.Dataset]:
        types = {"activations": "float16", "labels": "uint8", "game_id": "int32", "position": "int16"}
        return {
            name: dataset(file, name, dtype, 2 if name in ("activations", "labels") else 1)
            for name, dtype in types.items()
        }

    def game_ids(self) -> Iterator[NDArray[np.integer[Any]]]:
        """The game of every position, in pieces."""
        with open_checked(self.path, KIND) as file:
            stored = dataset(file, "game_id", "int32", 1)
            yield from (stored[first : first + ID_ROWS] for first in range(0, self.n_rows, ID_ROWS))

    def rows(self, size: int, parts: frozenset[str]) -> Iterator[Rows]:
        """All positions in order, `size` at a time."""
        with open_checked(self.path, KIND) as file:
            stored = self._parts(file)
            _same_length(stored["game_id"], self)
            for first in range(0, self.n_rows, size):
                here = slice(first, min(first + size, self.n_rows))
                x = labels = None
                if "x" in parts:
                    x = torch.from_numpy(stored["activations"][here]).float()
                    check_finite(x.numpy(), np.arange(here.start, here.stop), str(self.path))
                if "labels" in parts:
                    labels = _bits(stored["labels"][here], self)
                position = stored["position"][here] if "position" in parts else None
                yield Rows(first, stored["game_id"][here], position, labels, x)


class CodeSample:
    """Latents in a file of `fiducial.data.codes_file`."""

    d_in: int | None = None

    def __init__(self, path: str | Path) -> None:
        self._file = LabelledCodes.open(path)
        self.path, self.features, self.n_rows = self._file.path, self._file.features, len(self._file)
        self.n_latents: int | None = self._file.n_latents
        self.facts: Mapping[str, Any] = dict(self._file.attributes)
        self.entries_a_row = self._file.n_entries / self.n_rows
        self.row_bytes = int(32 * self.entries_a_row) + 4 * self.features.n_bytes + 40

    def game_ids(self) -> Iterator[NDArray[np.integer[Any]]]:
        """The game of every position, in pieces."""
        return self._file.game_ids(ID_ROWS)

    def rows(self, size: int, parts: frozenset[str]) -> Iterator[Rows]:
        """All positions in order, `size` at a time."""
        first = 0
        for block in self._file.batches(size):
            codes = Codes(block.indptr, block.indices, block.values, self._file.n_latents)
            labels = _bits(block.labels, self) if "labels" in parts else None
            yield Rows(first, block.game_id, block.position, labels, None, codes)
            first += len(block.game_id)


class DenseSample:
    """Dense `latents` [N, L], `labels` [N, F] and `game_id` [N] of an HDF5 file that was made elsewhere."""

    d_in: int | None = None
    n_latents: int | None

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with h5py.File(path, "r") as opened:
            file: Any = opened
            missing = [key for key in KEYS if not isinstance(file.get(key), h5py.Dataset)]
            if missing:
                raise ValueError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(sorted(file)) or 'nothing'}")
            latents, labels, game_id = (file[key] for key in KEYS)
            shapes = {key: list(file[key].shape) for key in KEYS}
            if latents.ndim != 2 or labels.ndim != 2 or game_id.ndim != 1 or len({s[0] for s in shapes.values()}) != 1:
                raise ValueError(
                    f"{path}: latents [N, L], labels [N, F] and game_id [N] must have one row a position each, "
                    f"got {shapes}"
                )
            if not np.issubdtype(game_id.dtype, np.integer):
                raise ValueError(f"{path}: game_id must be integer, got {game_id.dtype}")
            if not np.issubdtype(latents.dtype, np.floating):
                raise ValueError(f"{path}: latents must be floating, got {latents.dtype}")
            names = {key: file[key][()] for key in ("feature_names", "feature_groups") if key in file}
            n_latents, n_features = int(latents.shape[1]), int(labels.shape[1])
            self.n_rows, self.n_latents = int(latents.shape[0]), n_latents
            self.features = features_of(names, n_features, self.path)
            width = latents.dtype.itemsize
        self.facts: Mapping[str, Any] = {}
        self.row_bytes = (3 * width + 8) * n_latents + 4 * n_features + 40

    def game_ids(self) -> Iterator[NDArray[np.integer[Any]]]:
        """The game of every position, in pieces."""
        with h5py.File(self.path, "r") as opened:
            file: Any = opened
            for first in range(0, self.n_rows, ID_ROWS):
                yield file["game_id"][first : first + ID_ROWS]

    def rows(self, size: int, parts: frozenset[str]) -> Iterator[Rows]:
        """All positions in order, `size` at a time."""
        with h5py.File(self.path, "r") as opened:
            file: Any = opened
            _same_length(file["game_id"], self)
            for first in range(0, self.n_rows, size):
                here = slice(first, first + size)
                labels = codes = None
                if "labels" in parts:
                    dense = as_bool(file["labels"][here], self.path)
                    labels = as_label_bits(dense, len(dense))
                if "codes" in parts:
                    try:
                        codes = Codes.from_dense(file["latents"][here])
                    except ValueError as error:
                        raise ValueError(f"{self.path}, rows from {first} on: {error}") from error
                yield Rows(first, file["game_id"][here], None, labels, None, codes)


def open_sample(path: str | Path) -> Sample:
    """A sample in a file, whichever kind it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, or neither activations nor latents with labels.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {path}{no_such_file(path)}")
    kind = kind_of(path)
    if kind == KIND:
        return ActivationSample(path)
    if kind == CODES_KIND:
        return CodeSample(path)
    if kind is not None:
        raise ValueError(f"{path} holds {kind}, expected {KIND} or {CODES_KIND}")
    try:
        return DenseSample(path)
    except OSError as error:
        raise ValueError(f"{path} is truncated or not an HDF5 file: {error}") from error


def fits_in_memory(path: str | Path, memory: int) -> bool:
    """Whether `score-arrays` should read a file whole: arrays in a .npz always, dense ones in HDF5 where they fit.

    Four times their size is asked for: as read, as codes, sorted, and what is counted.
    """
    path = Path(path)
    if path.suffix not in (".h5", ".hdf5") or not path.is_file():
        return True  # also a file that reading will complain about
    try:
        with h5py.File(path, "r") as file:
            if "fiducial_format" in file.attrs:
                return False
            return 4 * sum(part.nbytes for part in file.values() if isinstance(part, h5py.Dataset)) <= memory
    except OSError:
        return True


@dataclass(frozen=True)
class GameSplit:
    """The games of a sample, and which of them choose; memory grows with the games only.

    Attributes:
        ids: integer [G], ascending.
        n_rows: int64 [G], positions of each.
        train: bool [G], as `split_by_game` draws them.
    """

    ids: NDArray[np.integer[Any]]
    n_rows: NDArray[np.int64]
    train: NDArray[np.bool_]

    def train_rows(self, game_id: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Whether each position chooses, bool [n]."""
        return self.train[np.searchsorted(self.ids, game_id)]


def split_of(sample: Sample, test_fraction: float = 0.5, seed: int = 0) -> GameSplit:
    """The split by game that `split_by_game` makes of the whole sample.

    Raises:
        ValueError: fewer than two games, or a fraction outside (0, 1).
    """
    counts: dict[int, int] = {}
    for piece in sample.game_ids():
        for game, n in zip(*(column.tolist() for column in np.unique(piece, return_counts=True)), strict=True):
            counts[game] = counts.get(game, 0) + n
    ids = np.fromiter(counts, np.int64, len(counts))
    order = np.argsort(ids)
    n_rows = np.fromiter(counts.values(), np.int64, len(counts))
    return GameSplit(ids[order], n_rows[order], training_games(len(ids), test_fraction, seed))


def _bits(packed: NDArray[np.uint8], sample: Sample) -> LabelBits:
    check_padding_bits(packed, len(sample.features), str(sample.path))
    return as_label_bits(packed, len(packed), len(sample.features))


def _same_length(stored: Any, sample: Sample) -> None:
    if len(stored) != sample.n_rows:
        raise ValueError(f"{sample.path} has changed since it was opened: {len(stored)} rows, were {sample.n_rows}")
