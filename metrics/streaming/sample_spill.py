"""A sample that several metrics share, on disk: codes, labels, the game of every row, and labels swapped between games.

What stays in memory grows with the games (their lengths and order), never with the positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...models.dictionary import Codes
from ..grouping import Vocabulary, vocabulary
from ..inputs import LabelBits, as_codes, as_label_bits
from .batch import Batch
from .game_sums import GameSums
from .label_words import LabelSpill, in_steps
from .spill import CodeSpill, Column, Scratch

if TYPE_CHECKING:
    from ...games.features import FeatureSet

SEGMENT = 1 << 16
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Games:
    """The games of a sample, in order of their ids.

    Attributes:
        lengths: int64 [G], positions.
        train: bool [G].
        numbers: int64 [G], where `games` on disk counts each: in order of appearance.
    """

    lengths: NDArray[np.int64]
    train: NDArray[np.bool_]
    numbers: NDArray[np.int64]

    def places(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Number among the chosen games (bool [G]) of each game on disk, in order of ids; -1 for others."""
        found = np.full(len(self.numbers), -1, np.int64)
        found[self.numbers[chosen]] = np.arange(int(chosen.sum()))
        return found


@dataclass(frozen=True)
class Segment:
    """Some rows of consecutive ones, read back.

    Attributes:
        codes: of those rows; None where they were not asked for.
        labels: of those rows.
        games: int64 [n], numbers of their games among the chosen ones.
    """

    codes: Codes | None
    labels: LabelBits
    games: NDArray[np.int64]


class SampleSpill:
    """Codes, labels and games of a sample on disk.

    Accumulators that share one hand it the same batches; each batch is kept once. It is closed when each that opened
    it has closed it.

    Args:
        n_latents: width of the dictionary.
        features: names and groups of the labels; None takes all columns as one group.
        n_features: F of labels without `features`; None reads it off the first batch.
        groups: keep only these groups.
        folder: where scratch files go; None takes the temporary folder of the system.
    """

    needs = frozenset({"codes", "labels"})

    def __init__(
        self,
        n_latents: int,
        *,
        features: "FeatureSet | None" = None,
        n_features: int | None = None,
        groups: Any = None,
        folder: str | Path | None = None,
    ) -> None:
        self.n_latents = n_latents
        self._features, self._n_features, self._groups = features, n_features, groups
        self.scratch = Scratch(folder)
        self.codes = CodeSpill(self.scratch, n_latents)
        self._games = self.scratch.column("games", np.int32)
        self._sums = GameSums(2, np.int64)
        self._labels: LabelSpill | None = None
        self._words: Vocabulary | None = None
        self._swapped: dict[int, LabelSpill] = {}
        self._users = 0
        if features is not None or n_features is not None:
            self._set_vocabulary(len(features) if features is not None else int(n_features or 0))

    def open(self) -> "SampleSpill":
        """One more user, who will close it."""
        self._users += 1
        return self

    def close(self) -> None:
        """One user less; the last one removes the files."""
        self._users -= 1
        if self._users <= 0:
            self.scratch.close()

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return len(self._games)

    @property
    def words(self) -> Vocabulary:
        """The features that are kept.

        Raises:
            ValueError: no batch has come.
        """
        if self._words is None:
            raise ValueError("no batch has come, so there is nothing to score")
        return self._words

    @property
    def labels(self) -> LabelSpill:
        """Their labels."""
        if self._labels is None:
            raise ValueError("no batch has come, so there is nothing to score")
        return self._labels

    def take(self, batch: Batch) -> None:
        """Keep a batch, unless another user has handed it over already.

        Raises:
            OSError: the disk is full.
            ValueError: a batch that lacks codes or labels, does not follow the last one, or does not fit.
        """
        if batch.start + len(batch) == self.n_rows and batch.start < self.n_rows:
            return
        if batch.start != self.n_rows:
            raise ValueError(f"the batch starts at row {batch.start}, expected row {self.n_rows}; rows must follow")
        if batch.codes is None or batch.labels is None:
            missing = "codes" if batch.codes is None else "labels"
            raise ValueError(f"batches must carry {missing} for this metric")
        if not len(batch):
            return
        codes = as_codes(batch.codes)
        if codes.n_rows != len(batch) or codes.n_latents != self.n_latents:
            found = f"[{codes.n_rows}, {codes.n_latents}]"
            raise ValueError(f"codes of this batch must be [{len(batch)}, {self.n_latents}], got {found}")
        if self._words is None:
            self._set_vocabulary(batch.labels.n_features)
        expected = len(self._features) if self._features is not None else self._n_features
        bits = as_label_bits(batch.labels, len(batch), expected)
        train = np.asarray(batch.train)
        if train.dtype != np.bool_ or train.shape != (len(batch),):
            raise ValueError(f"train must be bool [{len(batch)}], got {train.dtype} {list(train.shape)}")
        self.codes.append(codes)
        self.labels.append(bits.select(self.words.indices))
        self._sums.add(batch.game_id, np.stack([np.ones(len(batch)), train], 1))
        self._games.append(self._sums.rows(batch.game_id))

    def games(self) -> Games:
        """The games so far.

        Raises:
            ValueError: no train or no test rows, or a game on both sides.
        """
        numbers = self._sums.rows(self._sums.game_ids)
        lengths, n_train = self._sums.table().astype(np.int64).T
        if not self.n_rows or not n_train.sum() or n_train.sum() == self.n_rows:
            raise ValueError(
                f"train must hold rows to choose on and rows to report on, got {int(n_train.sum())} of {self.n_rows}"
            )
        if shared := int(((n_train > 0) & (n_train < lengths)).sum()):
            raise ValueError(f"{shared} games stand on both sides of train; split by game, never by position")
        return Games(lengths, n_train > 0, numbers)

    def among(self, chosen: NDArray[np.bool_]) -> Column:
        """Rows of the chosen games (bool [G], in order of ids), as bool [N] on disk."""
        inside = self.games().places(chosen) >= 0
        column = self.scratch.column("rows", np.bool_)
        for start, stop in in_steps(self.n_rows, 1 << 20):
            column.append(inside[self._games.read(start, stop)])
        return column

    def segments(
        self, chosen: NDArray[np.bool_], labels: LabelSpill | None = None, *, codes: bool = True, rows: int = 8192
    ) -> Iterator[Segment]:
        """Rows of the chosen games, in order, part by part.

        Args:
            chosen: bool [G], in order of ids.
            labels: instead of the true ones.
            codes: whether they are wanted.
            rows: at most, of the sample; fewer where they hold very many entries.
        """
        places = self.games().places(chosen)
        step = min(rows, max(1, (1 << 24) // self.codes.densest)) if codes else rows
        for start, stop in in_steps(self.n_rows, step):
            games = places[self._games.read(start, stop)]
            kept = np.flatnonzero(games >= 0)
            if not len(kept):
                continue
            bits = (labels or self.labels).read(start, stop)
            part = self.codes.read(start, stop) if codes else None
            if len(kept) < stop - start:
                bits = bits.take(kept)
                part = None if part is None else part.take(kept)
                games = games[kept]
            yield Segment(part, bits, games)

    def swapped_labels(self, seed: int) -> LabelSpill:
        """Labels swapped between training games and between test games, as `shuffled_games` does with seed, seed + 1.

        Made once for each seed.
        """
        if seed not in self._swapped:
            source = swapped_rows(self._games, self.games(), self.scratch, seed)
            self._swapped[seed] = self.labels.permuted(self.scratch, source)
            source.close()
        return self._swapped[seed]

    def _set_vocabulary(self, n_features: int) -> None:
        self._n_features = n_features
        self._words = vocabulary(n_features, self._features, self._groups)
        self._labels = LabelSpill(self.scratch, len(self._words.names))


def swapped_rows(games: Column, known: Games, scratch: Scratch, seed: int) -> Column:
    """Row whose labels each row gets, int32 [N] on disk: `shuffled_games` of the training rows and of the test rows.

    Args:
        games: int32 [N] on disk, numbers of games in order of appearance.
        known: the games.
        scratch: for the result.
        seed: for the training games; seed + 1 for the test games.
    """
    n = len(games)
    lengths = np.zeros(len(known.numbers), np.int64)
    lengths[known.numbers] = known.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    by_game, source = scratch.column("rows-by-game", np.int32), scratch.column("swapped", np.int32)
    for column in (by_game, source):
        column.reserve(n)
    rows = by_game.mapped(writable=True)
    fill = offsets[:-1].copy()
    for start, stop in in_steps(n, SEGMENT):
        _rows_by_game(games.read(start, stop), start, fill, rows)
    out = source.mapped(writable=True)
    for side, chosen in enumerate((known.train, ~known.train)):
        place = np.random.default_rng(seed + side).permutation(int(chosen.sum()))
        _swap(known.numbers[chosen][np.argsort(place)], lengths, offsets, rows, out)
    by_game.close()
    return source


@njit(cache=True, nogil=True)
def _rows_by_game(games: Any, start: Any, fill: Any, rows: Any) -> Any:
    for i in range(len(games)):
        rows[fill[games[i]]] = start + i
        fill[games[i]] += 1


@njit(cache=True, nogil=True)
def _swap(order: Any, lengths: Any, offsets: Any, rows: Any, source: Any) -> Any:
    """The k-th row of each game gets the k-th row of the next game that is long enough, cyclically."""
    alive = order.copy()
    n_alive = len(alive)
    k = 0
    while n_alive:
        kept = 0
        for i in range(n_alive):
            if lengths[alive[i]] > k:
                alive[kept] = alive[i]
                kept += 1
        n_alive = kept
        for i in range(n_alive):
            following = alive[i + 1] if i + 1 < n_alive else alive[0]
            source[rows[offsets[alive[i]] + k]] = rows[offsets[following] + k]
        k += 1
