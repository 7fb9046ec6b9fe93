"""What every metric accepts, checked once at the door: latents as codes, labels as bits, games as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..models.dictionary import Codes

Latents: TypeAlias = "Codes | NDArray[np.floating[Any]]"
Labels: TypeAlias = "NDArray[np.bool_] | NDArray[np.uint8] | LabelBits"


@dataclass(frozen=True)
class LabelBits:
    """Labels of N positions, 64 features to a word: feature f of position n is bit f % 64 of words[f // 64, n].

    Attributes:
        words: uint64 [ceil(F / 64), N]; unused bits are 0.
        n_features: F.
    """

    words: NDArray[np.uint64]
    n_features: int

    @property
    def n_rows(self) -> int:
        """Number of positions."""
        return self.words.shape[1]

    @cached_property
    def positives(self) -> NDArray[np.int64]:
        """Positions at which each feature holds, int64 [F]."""
        counts = np.zeros(self.n_features, np.int64)
        for start in range(0, self.n_rows, 1 << 16):
            counts += self.to_dense(slice(start, start + (1 << 16))).sum(0)
        return counts

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "LabelBits":
        """Labels of some positions, in the given order."""
        return LabelBits(np.ascontiguousarray(self.words[:, rows]), self.n_features)

    def select(self, features: NDArray[np.int64]) -> "LabelBits":
        """Labels of some features, in the given order."""
        if len(features) == self.n_features and np.array_equal(features, np.arange(self.n_features)):
            return self
        words = np.zeros(((len(features) + 63) // 64, self.n_rows), np.uint64)
        for new, old in enumerate(features.tolist()):
            bits = (self.words[old // 64] >> np.uint64(old % 64)) & np.uint64(1)
            words[new // 64] |= bits << np.uint64(new % 64)
        return LabelBits(words, len(features))

    def to_dense(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """Boolean labels [rows, F]."""
        block = np.ascontiguousarray(self.words[:, rows].T).astype("<u8", copy=False)
        return np.unpackbits(block.view(np.uint8), axis=-1, count=self.n_features, bitorder="little").view(np.bool_)


def as_codes(latents: Latents) -> "Codes":
    """Latents as codes, refused if they hold anything but finite numbers.

    Args:
        latents: Codes, or floating [N, n_latents]; compared as float32. A latent fires where it is > 0.

    Raises:
        TypeError: neither Codes nor an array.
        ValueError: wrong shape or dtype, no rows, no latents, NaN, infinity, or codes that contradict themselves.
    """
    from ..models.dictionary import Codes  # brings torch, which listing the metrics should not wait for

    if not isinstance(latents, Codes):
        latents = Codes.from_dense(as_array(latents, "latents", "Codes or floating [N, n_latents]"))
    n, nnz = latents.n_rows, len(latents.values)
    if n < 1 or latents.n_latents < 1:
        raise ValueError(f"latents must have at least one row and one latent, got [{n}, {latents.n_latents}]")
    if latents.values.dtype != np.float32 or latents.indptr[0] != 0 or latents.indptr[-1] != nnz:
        raise ValueError(
            f"codes must hold float32 values and an indptr from 0 to {nnz}, got {latents.values.dtype} and "
            f"{latents.indptr[0]} to {latents.indptr[-1]}"
        )
    if len(latents.indices) != nnz or (np.diff(latents.indptr) < 0).any():
        raise ValueError(f"codes must hold one index for each of {nnz} values and an indptr that never falls")
    if nnz and (latents.indices.min() < 0 or latents.indices.max() >= latents.n_latents):
        found = f"{latents.indices.min()} to {latents.indices.max()}"
        raise ValueError(f"code indices must lie in 0 to {latents.n_latents - 1}, got {found}")
    if not np.isfinite(latents.values).all():
        raise ValueError("latents hold a NaN or an infinity (after rounding to float32); expected finite values")
    if not latents.values.all():
        raise ValueError("codes hold an explicit 0; store only latents that differ from 0")
    return latents


def as_label_bits(labels: Labels, n_rows: int, n_features: int | None = None) -> LabelBits:
    """Labels as bits.

    Args:
        labels: bool [N, F], or uint8 [N, ceil(F / 8)] with feature f in bit f % 8 of byte f // 8.
        n_rows: N that the latents have.
        n_features: F; needed for packed labels only, where None means every bit of every byte.

    Raises:
        TypeError: not an array.
        ValueError: wrong shape or dtype, or another number of rows than the latents.
    """
    if isinstance(labels, LabelBits):
        bits = labels
    else:
        array = as_array(labels, "labels", "bool [N, F] or packed uint8 [N, ceil(F / 8)]")
        is_packed = array.dtype == np.uint8
        if array.ndim != 2 or not (is_packed or array.dtype == np.bool_) or array.shape[1] == 0:
            raise ValueError(
                "labels must be bool [N, F] or packed uint8 [N, ceil(F / 8)], "
                f"got {array.dtype} {list(array.shape)}; for 0/1 numbers use labels.astype(bool)"
            )
        width = array.shape[1] * (8 if is_packed else 1) if n_features is None else n_features
        expected = (width + 7) // 8 if is_packed else width
        if array.shape[1] != expected:
            raise ValueError(
                f"labels of {width} features must have {expected} columns as {array.dtype}, got {array.shape[1]}"
            )
        bits = LabelBits(_words(array if is_packed else np.packbits(array, axis=-1, bitorder="little"), width), width)
    if n_features is not None and bits.n_features != n_features:
        raise ValueError(f"labels hold {bits.n_features} features, expected {n_features}")
    if bits.n_rows != n_rows:
        raise ValueError(f"labels have {bits.n_rows} rows but the latents {n_rows}; both need one row a position")
    return bits


def as_games(game_id: NDArray[np.integer] | Sequence[int], n_rows: int) -> NDArray[np.int64]:
    """Games numbered from 0 in order of their ids, int64 [N].

    Raises:
        TypeError: not integers.
        ValueError: another number of rows.
    """
    games = np.asarray(game_id)
    if not np.issubdtype(games.dtype, np.integer):
        raise TypeError(f"game_id must be integers [N], got {games.dtype}")
    if games.shape != (n_rows,):
        raise ValueError(f"game_id must be [{n_rows}], one game a position, got {list(games.shape)}")
    return np.unique(games, return_inverse=True)[1].astype(np.int64)


def as_split(train: NDArray[np.bool_], games: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A split by game: True chooses, False reports.

    Raises:
        ValueError: not bool [N], an empty side, or a game on both sides.
    """
    train = np.asarray(train)
    if train.dtype != np.bool_ or train.shape != games.shape:
        raise ValueError(f"train must be bool [{len(games)}], got {train.dtype} {list(train.shape)}")
    if train.all() or not train.any():
        raise ValueError(f"train must hold rows to choose on and rows to report on, got all {bool(train.all())}")
    shared = np.intersect1d(games[train], games[~train])
    if len(shared):
        raise ValueError(f"{len(shared)} games stand on both sides of train; split by game, never by position")
    return train


def as_array(value: Any, name: str, expected: str) -> NDArray[Any]:
    """The argument itself if it is a numpy array or a torch tensor.

    Raises:
        TypeError: anything else.
    """
    array: NDArray[Any] = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    if not isinstance(array, np.ndarray):  # type: ignore[unnecessary] - callers may pass anything
        raise TypeError(f"{name} must be {expected}, got {type(value).__name__}")
    return array


def _words(packed: NDArray[np.uint8], n_features: int) -> NDArray[np.uint64]:
    """Packed bytes [N, ceil(F / 8)] to words [ceil(F / 64), N], with unused bits cleared."""
    n_words = (n_features + 63) // 64
    padded = np.zeros((len(packed), 8 * n_words), np.uint8)
    padded[:, : packed.shape[1]] = packed
    if n_features % 8:
        padded[:, n_features // 8] &= (1 << (n_features % 8)) - 1
    return np.ascontiguousarray(padded.view("<u8").astype(np.uint64, copy=False).T)
