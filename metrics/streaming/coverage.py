"""Coverage of a sample that passes batch by batch: one pass, then counts from disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..counts import f1_score
from ..coverage import CoverageCounts, coverage_from
from ..score import Score
from .batch import Batch
from .label_words import LabelSpill
from .pairs import DEFAULT_BUDGET, BestLatents, best_latents_spilled, label_counts
from .pairs_numba import add_bits_by_game, add_pairs_by_game
from .sample_spill import Games, SampleSpill

if TYPE_CHECKING:
    from ...games.features import FeatureSet


@dataclass(frozen=True)
class ByGame:
    """Counts per game and feature, in the smallest integers that hold the longest game: on, tp, positives [G, F]."""

    on: NDArray[np.integer[Any]]
    tp: NDArray[np.integer[Any]]
    positives: NDArray[np.integer[Any]]


class OnDisk:
    """What accumulators that keep the sample on disk share; arguments as `StreamedCoverage`."""

    names: tuple[str, ...] = ()
    needs = SampleSpill.needs
    passes = 1

    def __init__(
        self,
        n_latents: int,
        features: "FeatureSet | None",
        n_features: int | None,
        groups: Sequence[str] | None,
        folder: str | Path | None,
        sample: SampleSpill | None,
    ) -> None:
        made = sample or SampleSpill(n_latents, features=features, n_features=n_features, groups=groups, folder=folder)
        self._sample: SampleSpill | None = made.open()
        self._next = 0
        self._passed = False

    @property
    def sample(self) -> SampleSpill:
        """The sample on disk.

        Raises:
            ValueError: it is closed.
        """
        if self._sample is None:
            raise ValueError(f"the accumulator of {', '.join(self.names)} is closed")
        return self._sample

    def accumulate(self, batch: Batch) -> None:
        """Keep the next positions on disk.

        Raises:
            OSError: the disk is full.
            ValueError: a batch that lacks something, does not follow the last one, or holds NaN.
        """
        if self._passed:
            raise ValueError(f"{', '.join(self.names)}: the pass is over; make a new accumulator for another sample")
        if batch.start != self._next:  # the sample may have it from another accumulator, and cannot tell
            raise ValueError(
                f"{', '.join(self.names)}: the batch starts at row {batch.start}, expected row {self._next}; "
                "rows must follow"
            )
        self.sample.take(batch)
        self._next += len(batch)

    def end_pass(self) -> None:
        """The sample has passed."""
        self._passed = True

    def _games(self) -> Games:
        """The games, after the pass."""
        if not self._passed:
            raise ValueError(f"{', '.join(self.names)}: the sample has not passed; call end_pass first")
        return self.sample.games()

    def close(self) -> None:
        """Give back the files; may be called twice."""
        if self._sample is not None:
            self._sample.close()
            self._sample = None

    def __enter__(self):  # noqa: ANN204 - the type of the class itself
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class StreamedCoverage(OnDisk):
    """`coverage` by its held-out protocol, equal to it on the whole arrays.

    Args:
        n_latents: width of the dictionary.
        features: names and groups of the labels; None scores all columns as one group.
        n_features: F of labels without `features`; None reads it off the first batch.
        groups: score only these groups.
        min_positives: fewest positives on each side for a feature to be averaged.
        min_games: fewest test games, of those there are, in which it must hold as well.
        null: also compute the `shuffled games` floor.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap and of the shuffle.
        budget_bytes: memory for sorting and counting.
        folder: where scratch files go; None takes the temporary folder of the system.
        sample: a sample on disk that others share; `features`, `groups` and `folder` are its own then.
        progress: whether to show a bar; None shows it on a terminal.
        threads: that count at once.
    """

    names = ("coverage",)

    def __init__(
        self,
        n_latents: int,
        *,
        features: "FeatureSet | None" = None,
        n_features: int | None = None,
        groups: Sequence[str] | None = None,
        min_positives: int = 20,
        min_games: int = 5,
        null: bool = True,
        n_resamples: int = 1000,
        seed: int = 0,
        budget_bytes: int = DEFAULT_BUDGET,
        folder: str | Path | None = None,
        sample: SampleSpill | None = None,
        progress: bool | None = False,
        threads: int = 2,
    ) -> None:
        super().__init__(n_latents, features, n_features, groups, folder, sample)
        self._limits = {"min_positives": min_positives, "min_games": min_games}
        self._null, self._n_resamples, self._seed = null, n_resamples, seed
        self._budget, self._progress, self._threads = budget_bytes, progress, threads

    def compute(self) -> dict[str, Score]:
        """The score.

        Raises:
            ValueError: no rows on a side, a game on both sides, or too few positives.
        """
        sample, games = self.sample, self._games()
        among = sample.among(games.train)
        labels = [sample.labels] + ([sample.swapped_labels(self._seed)] if self._null else [])
        best = best_latents_spilled(
            sample.codes, labels, scratch=sample.scratch, among=among, budget_bytes=self._budget,
            threads=self._threads, progress=self._progress,
        )  # fmt: skip
        true = counts_by_game_spilled(sample, best[0], ~games.train)
        shuffled = None
        if self._null:
            null = counts_by_game_spilled(sample, best[1], ~games.train, labels[1], by_game=False)
            sums = [counts.sum(0, dtype=np.int64) for counts in (null.tp, null.on, null.positives)]
            shuffled = f1_score(*sums)
        found = CoverageCounts(
            np.where(best[0].on > 0, best[0].latent, -1),
            best[0].threshold,
            best[0].f1,
            best[0].auroc,
            label_counts(sample.labels, among)[0],
            true.on,
            true.tp,
            true.positives,
            shuffled,
            int(games.train.sum()),
            int(games.lengths[~games.train].sum()),
        )
        among.close()
        score = coverage_from(found, sample.words, **self._limits, n_resamples=self._n_resamples, seed=self._seed)
        return {"coverage": score}


def counts_by_game_spilled(
    sample: SampleSpill,
    best: BestLatents,
    chosen: NDArray[np.bool_],
    labels: LabelSpill | None = None,
    *,
    by_game: bool = True,
) -> ByGame:
    """Counts of one latent at one threshold a feature in some games, as `counts_by_game` gives them.

    Args:
        sample: on disk.
        best: latent and threshold of every feature.
        chosen: bool [G], the games, in order of ids.
        labels: instead of the true ones.
        by_game: whether the counts of games are kept apart; otherwise all is one game.
    """
    known = sample.games()
    longest = int(known.lengths[chosen].max())
    dtype = np.min_scalar_type(longest) if by_game else np.dtype(np.int64)
    shape = (int(chosen.sum()) if by_game else 1, len(best.latent))
    on, tp, positives = (np.zeros(shape, dtype) for _ in range(3))
    there = np.flatnonzero(best.on > 0)
    features = there[np.argsort(best.latent[there], kind="stable")]
    pointers = np.concatenate([[0], np.cumsum(np.bincount(best.latent[there], minlength=sample.n_latents))])
    limits = best.threshold[features]
    for part in sample.segments(chosen, labels):
        games = part.games if by_game else np.zeros_like(part.games)
        codes, words = part.codes, part.labels.words
        if codes is not None:
            add_pairs_by_game(
                codes.indptr, codes.indices, codes.values, words, games, pointers, features, limits, on, tp
            )
        add_bits_by_game(words, games, positives)
    return ByGame(on, tp, positives)
