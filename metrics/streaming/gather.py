"""Metrics whose definition works on a bounded sample of rows: whole games, chosen by a seed, kept until the end.

Which games are kept depends on their ids and the seed alone, never on how the sample was cut or in which order it
came: games are put in a seeded order, and the longest beginning of that order that has at most `most_rows` positions,
and at most `most_bytes`, is kept.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...models.dictionary import Codes
from ..inputs import LabelBits
from ..score import Score
from .batch import Batch
from .passing import Passing
from .rows import joined, take, value_of

MOST_ROWS = 200_000
Measure = Callable[[Batch], Mapping[str, Score]]


class Gathered(Passing):
    """Scores of a bounded sample: the function on whole arrays, handed the kept games in their original order.

    A sample of at most `most_rows` positions is kept whole, so that the scores are those of the whole. Where games had
    to be left out the details of every score say so under `sampled`.

    Args:
        measure: the function on whole arrays; gets one batch that starts at 0 and gives scores by name.
        fields: of a batch, or names of what is measured in it, that it reads.
        most_rows: positions to keep at most; at times a quarter more are held.
        seed: of the order of games.
        names: of the scores to give; others that `measure` gives are left out.
        most_bytes: of what is kept of the positions; None for any number.
    """

    def __init__(
        self,
        measure: Measure,
        fields: Iterable[str],
        most_rows: int = MOST_ROWS,
        seed: int = 0,
        *,
        names: Iterable[str],
        most_bytes: int | None = None,
    ) -> None:
        if most_rows < 1 or (most_bytes is not None and most_bytes < 1):
            raise ValueError(f"most_rows and most_bytes must be at least 1, got {most_rows} and {most_bytes}")
        super().__init__(tuple(names), frozenset(fields))
        self._measure, self._seed = measure, seed
        self._most = np.array([most_rows, (1 << 62) if most_bytes is None else most_bytes])
        self._parts: list[Batch] = []
        self._size_of: dict[int, NDArray[np.int64]] = {}  # rows and bytes of every kept game, by its place in the order
        self._largest: list[int] = []  # heap of the negated places
        self._kept = np.zeros(2, np.int64)
        self._held = np.zeros(2, np.int64)
        self._seen = 0
        self._cut = 1 << 64  # games from here on in the order are left out for good
        self._games = _Distinct()

    def _take(self, batch: Batch) -> None:
        self._seen += len(batch)
        self._games.add(batch.game_id)
        places = seeded_places(batch.game_id, self._seed)
        for place, size in zip(*_sizes(places, bytes_by_row(batch, self._needs)), strict=True):
            if place >= self._cut:
                continue
            if place not in self._size_of:
                heapq.heappush(self._largest, -place)
            self._size_of[place] = self._size_of.get(place, 0) + size
            self._kept += size
            while (self._kept > self._most).any():
                self._cut = -heapq.heappop(self._largest)
                self._kept -= self._size_of.pop(self._cut)
        part = take(batch, np.flatnonzero(_below(places, self._cut)), self._needs)
        if len(part):
            self._parts.append(part)
            self._held += (len(part), int(bytes_by_row(part, self._needs).sum()))
        if (self._held > self._most + self._most // 4).any():
            self._compact()

    def _compact(self) -> None:
        """Let go of rows of games that were left out since their rows came."""
        kept: list[Batch] = []
        for part in self._parts:
            stays = _below(seeded_places(part.game_id, self._seed), self._cut)
            if stays.any():
                kept.append(part if stays.all() else take(part, np.flatnonzero(stays)))
        self._parts = kept
        self._held[:] = self._kept

    def _scores(self) -> dict[str, Score]:
        self._compact()
        if not self._parts:
            raise ValueError(
                f"{', '.join(self._names[:3])}: the first game in the seeded order takes more than {self._most[0]} "
                f"positions or {self._most[1]} bytes, so that none could be kept; raise most_rows or the memory"
            )
        sample = joined(self._parts)
        self._parts = [sample]
        scores = dict(self._measure(sample))
        rows = len(sample)
        if rows == self._seen:
            return scores
        about = {
            "rows": rows,
            "of_rows": self._seen,
            "games": len(self._size_of),
            "of_games": len(self._games),
            "seed": self._seed,
        }
        return {name: replace(score, details={**score.details, "sampled": about}) for name, score in scores.items()}


def seeded_places(game_id: NDArray[np.integer], seed: int) -> NDArray[np.uint64]:
    """A place in a random order for every game, uint64 [n]; different for different ids.

    SplitMix64 (Steele, Lea, Flood 2014) of the id, which is a one-to-one map of 64 bits, shifted by the seed's own.
    """
    shift = _mixed(np.array([seed], np.int64).view(np.uint64))
    return _mixed(np.asarray(game_id).astype(np.int64).view(np.uint64) + shift)


def bytes_by_row(batch: Batch, names: Iterable[str]) -> NDArray[np.int64]:
    """What keeping some fields of each position takes, int64 [n]."""
    found = np.full(len(batch), batch.game_id.itemsize + batch.train.itemsize, np.int64)
    for name in names:
        value = value_of(batch, name)
        if isinstance(value, Codes):
            found += 8 + 8 * np.diff(value.indptr)
        elif isinstance(value, LabelBits):
            found += 8 * len(value.words)
        else:
            found += value[:1].nbytes
    return found


def _sizes(places: NDArray[np.uint64], n_bytes: NDArray[np.int64]) -> tuple[list[int], list[NDArray[np.int64]]]:
    """Places that occur, ascending, and rows and bytes of each."""
    found, of_row, rows = np.unique(places, return_inverse=True, return_counts=True)
    sizes = np.zeros((len(found), 2), np.int64)
    sizes[:, 0] = rows
    np.add.at(sizes[:, 1], of_row, n_bytes)
    return found.tolist(), list(sizes)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _below(places: NDArray[np.uint64], cut: int) -> NDArray[np.bool_]:
    return np.ones(len(places), np.bool_) if cut >> 64 else places < np.uint64(cut)


class _Distinct:
    """How many different games there were: sorted ids, merged when enough new ones have come."""

    def __init__(self) -> None:
        self._known = np.zeros(0, np.int64)
        self._new: list[NDArray[np.int64]] = []
        self._n_new = 0

    def add(self, game_id: NDArray[np.integer]) -> None:
        self._new.append(np.unique(game_id).astype(np.int64))
        self._n_new += len(self._new[-1])
        if self._n_new > len(self._known) + 4096:
            self._merge()

    def _merge(self) -> None:
        self._known = np.unique(np.concatenate([self._known, *self._new]))
        self._new, self._n_new = [], 0

    def __len__(self) -> int:
        self._merge()
        return len(self._known)
