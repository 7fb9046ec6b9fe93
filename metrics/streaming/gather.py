"""Metrics whose definition works on a bounded sample of rows: whole games, chosen by a seed, kept until the end.

Which games are kept depends on their ids and the seed alone, never on how the sample was cut or in which order it
came: games are put in a seeded order, and the longest beginning of that order that has at most `most_rows` positions
is kept.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..score import Score
from .batch import Batch
from .passing import Passing
from .rows import joined, take

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
    """

    def __init__(
        self,
        measure: Measure,
        fields: Iterable[str],
        most_rows: int = MOST_ROWS,
        seed: int = 0,
        *,
        names: Iterable[str],
    ) -> None:
        if most_rows < 1:
            raise ValueError(f"most_rows must be at least 1, got {most_rows}")
        super().__init__(tuple(names), frozenset(fields))
        self._measure, self._most, self._seed = measure, most_rows, seed
        self._parts: list[Batch] = []
        self._rows_of: dict[int, int] = {}  # of every kept game, by its place in the seeded order
        self._largest: list[int] = []  # heap of the negated places
        self._kept = self._held = self._seen = 0
        self._cut = 1 << 64  # games from here on in the order are left out for good
        self._games = _Distinct()

    def _take(self, batch: Batch) -> None:
        self._seen += len(batch)
        self._games.add(batch.game_id)
        places = seeded_places(batch.game_id, self._seed)
        for place, n in zip(*(column.tolist() for column in np.unique(places, return_counts=True)), strict=True):
            if place >= self._cut:
                continue
            if place not in self._rows_of:
                heapq.heappush(self._largest, -place)
            self._rows_of[place] = self._rows_of.get(place, 0) + n
            self._kept += n
            while self._kept > self._most:
                self._cut = -heapq.heappop(self._largest)
                self._kept -= self._rows_of.pop(self._cut)
        part = take(batch, np.flatnonzero(_below(places, self._cut)), self._needs)
        if len(part):
            self._parts.append(part)
            self._held += len(part)
        if self._held > self._most + self._most // 4:
            self._compact()

    def _compact(self) -> None:
        """Let go of rows of games that were left out since their rows came."""
        kept: list[Batch] = []
        for part in self._parts:
            stays = _below(seeded_places(part.game_id, self._seed), self._cut)
            if stays.any():
                kept.append(part if stays.all() else take(part, np.flatnonzero(stays)))
        self._parts, self._held = kept, sum(len(part) for part in kept)

    def _scores(self) -> dict[str, Score]:
        self._compact()
        if not self._parts:
            raise ValueError(
                f"{', '.join(self._names[:3])}: the first game in the seeded order is longer than {self._most} "
                "positions, so that none could be kept; raise most_rows"
            )
        sample = joined(self._parts)
        self._parts = [sample]
        scores = dict(self._measure(sample))
        if self._held == self._seen:
            return scores
        about = {
            "rows": self._held,
            "of_rows": self._seen,
            "games": len(self._rows_of),
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
