"""Reconstruction of a sample that passes batch by batch: one pass, then counts from disk.

Latents are labelled from sorted pieces of the labelling games; t is chosen, and the test games are predicted, by
reading the sample once more in order of its rows.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from ...models.dictionary import Codes
from ..counts import SortedCodes
from ..coverage_karvonen import PAPER_GRID
from ..inputs import LabelBits
from ..predictions import pack_words, relative_limits
from ..reconstruction import (
    add_test_counts,
    choosing_counts,
    chosen_steps,
    kept_masks,
    labelled_rule,
    labelling_games,
    latents_of,
    scored_features,
)
from ..reconstruction_score import ReadBack, ReconstructionCounts, reconstruction_from
from ..score import Score
from .coverage import OnDisk
from .label_words import GROUP, LabelSpill, in_steps
from .pairs import DEFAULT_BUDGET, label_counts, shown_bar
from .pairs_numba import add_bits_by_game, add_firing_maxima, counts_at_cuts
from .sample_spill import SampleSpill
from .sorted_pieces import BYTES_AN_ENTRY, Gatherer, Piece, SortedPieces, flags
from .spill import CodeSpill, Column

if TYPE_CHECKING:
    from ...games.features import FeatureSet


class StreamedReconstruction(OnDisk):
    """`reconstruction` by its held-out protocol, equal to it on the whole arrays.

    Args:
        n_latents: width of the dictionary.
        features: names and groups of the labels; None scores all columns as one group.
        n_features: F of labels without `features`; None reads it off the first batch.
        groups: score only these groups.
        min_positives: fewest positives on each side for a feature to be pooled.
        null: also compute the `shuffled games` floor.
        n_resamples: bootstrap resamples over games.
        seed: of the split of the training games, the shuffle and the bootstrap.
        budget_bytes: memory for sorting and counting.
        folder: where scratch files go; None takes the temporary folder of the system.
        sample: a sample on disk that others share; `features`, `groups` and `folder` are its own then.
        progress: whether to show bars; None shows them on a terminal.
        threads: that count at once.
    """

    names = ("reconstruction",)

    def __init__(
        self,
        n_latents: int,
        *,
        features: "FeatureSet | None" = None,
        n_features: int | None = None,
        groups: Sequence[str] | None = None,
        min_positives: int = 20,
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
        self._min_positives, self._null, self._n_resamples, self._seed = min_positives, null, n_resamples, seed
        self._budget, self._progress, self._threads = budget_bytes, progress, threads

    def compute(self) -> dict[str, Score]:
        """The score.

        Raises:
            ValueError: no rows on a side, a game on both sides, fewer than two training games, or too few positives.
        """
        sample, games = self.sample, self._games()
        test = ~games.train
        labelling = np.zeros(len(test), np.bool_)
        labelling[labelling_games(np.flatnonzero(games.train), self._seed)] = True
        choosing = games.train & ~labelling
        columns = [sample.among(chosen) for chosen in (games.train, labelling, choosing)]
        played = games.lengths[test]
        dtype = np.min_scalar_type(int(played.max()))
        n_features = len(sample.words.names)
        positives = np.zeros((len(played), n_features), dtype)
        for part in sample.segments(test, codes=False):
            add_bits_by_game(part.labels.words, part.games, positives)
        train_positives = label_counts(sample.labels, columns[0])[0]
        scored = scored_features(train_positives, positives.sum(0, dtype=np.int64), self._min_positives, sample.words)
        limits = relative_limits(firing_maxima(sample.codes, columns[0]), PAPER_GRID)
        labels = [sample.labels] + ([sample.swapped_labels(self._seed)] if self._null else [])
        masks = labelled_masks(
            sample, labels, columns[1], limits, budget_bytes=self._budget, threads=self._threads,
            progress=self._progress,
        )  # fmt: skip
        read: list[ReadBack] = []
        to_read = len(labels) * round(sample.codes.n_entries * games.lengths[~labelling].sum() / sample.n_rows)
        with shown_bar(to_read, "reading back", self._progress) as bar:
            for one, mask in zip(labels, masks, strict=True):
                on, tp = choosing_counts(_parts(sample, choosing, one, bar), limits, mask)
                step = chosen_steps(on, tp, label_counts(one, columns[2])[0], sample.words, scored)
                kept = kept_masks(mask, step, sample.words)
                by_game = one is sample.labels  # of shuffled ones the sums are enough
                shape, kind = (positives.shape, dtype) if by_game else ((1, n_features), np.int64)
                found = np.zeros(shape, kind), np.zeros(shape, kind)
                parts = _parts_with_games(sample, test, one, bar, by_game=by_game)
                add_test_counts(parts, limits, kept, *found)
                read.append(ReadBack(*found, step, latents_of(kept, n_features)))
        shuffled = None
        if self._null:
            sums = [table.sum(0, dtype=np.int64) for table in (read[1].tp, read[1].on)]
            among = sample.among(test)
            shuffled = sums[0], sums[1], label_counts(labels[1], among)[0]
            among.close()
        counts = ReconstructionCounts(
            read[0], positives, played, train_positives, shuffled,
            [int(side.sum()) for side in (labelling, choosing, test)],
            int(games.lengths[games.train].sum()),
        )  # fmt: skip
        for column in columns:
            column.close()
        score = reconstruction_from(
            counts, sample.words, scored, min_positives=self._min_positives, n_resamples=self._n_resamples,
            seed=self._seed,
        )  # fmt: skip
        return {"reconstruction": score}


def firing_maxima(codes: CodeSpill, among: Column, entries: int = 1 << 22) -> NDArray[np.float32]:
    """Largest value of each latent on some rows, float32 [L]; 0 if it never fires."""
    found = np.zeros(codes.n_latents, np.float32)
    for start, stop in codes.segments(entries):
        part = codes.read(start, stop)
        add_firing_maxima(part.indptr, part.indices, part.values, flags(among, start, stop), found)
    return found


def labelled_masks(
    sample: SampleSpill,
    labels: Sequence[LabelSpill],
    among: Column,
    limits: NDArray[np.float32],
    *,
    budget_bytes: int,
    threads: int,
    progress: bool | None = False,
) -> list[NDArray[np.uint64]]:
    """Features that each latent detects at each limit, as `label_latents`, for several sets of labels.

    Args:
        sample: on disk.
        labels: of its rows.
        among: rows to label on, bool [N] on disk.
        limits: float32 [L, T], rising with t.
        budget_bytes: memory for a piece.
        threads: that count at once.
        progress: whether to show a bar; None shows it on a terminal.
    """
    n_steps, n_features = limits.shape[1], labels[0].n_features
    masks = [np.zeros((sample.n_latents, n_steps, one.n_words), np.uint64) for one in labels]
    pieces = SortedPieces(
        sample.codes, sample.scratch, among, most_entries=max(64, budget_bytes // BYTES_AN_ENTRY),
        most_latents=max(1, budget_bytes // (64 * n_steps * n_features)),
    )  # fmt: skip
    # Of a latent in several pieces: on [1, T], then tp [1, T, F] of each labels.
    held: list[NDArray[np.integer[Any]]] = []
    seen = 0
    gather = Gatherer()
    try:
        with (
            ThreadPoolExecutor(threads) as pool,
            shown_bar(pieces.n_entries, "labelling latents", progress) as bar,
        ):
            for piece in pieces:
                cuts = _cuts(piece, limits[piece.first : piece.stop])
                found: list[NDArray[np.integer[Any]]] = [cuts]
                found += [_counts(piece, one, cuts, gather, pool) for one in labels]
                bar.update(len(piece.rows))
                if not piece.whole:
                    held = [old + new for old, new in zip(held, found, strict=True)] if seen else found
                    seen += len(piece.rows)
                    if seen < pieces.counts[piece.first]:
                        continue
                    found, seen = held, 0
                for tp, mask in zip(found[1:], masks, strict=True):
                    for a, b in in_steps(len(tp), 512):
                        here = labelled_rule(tp[a:b].astype(np.int64), found[0][a:b, :, None])
                        mask[piece.first + a : piece.first + b] = pack_words(here)
    finally:
        pieces.close()
    return masks


def _cuts(piece: Piece, limits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Entries of a piece above the limits of its latents, int64 [l, T]."""
    return SortedCodes(piece.colptr, piece.places, piece.values, piece.negative, 0).n_above(limits, strict=True)


def _counts(
    piece: Piece, labels: LabelSpill, cuts: NDArray[np.int64], gather: Gatherer, pool: ThreadPoolExecutor
) -> NDArray[np.int32]:
    """Positives among the first entries of every latent of a piece, int32 [l, T, F]."""
    tp = np.empty((*cuts.shape, labels.n_features), np.int32)
    for file in range(len(labels.files)):
        there = gather(piece, labels, file)

        def count(w: int, first: int = 64 * GROUP * file, there: NDArray[np.uint64] = there) -> None:
            f = slice(first + 64 * w, min(first + 64 * (w + 1), labels.n_features))
            counts_at_cuts(there, w, piece.colptr, cuts, tp[:, :, f])

        list(pool.map(count, range(there.shape[1])))
    return tp


def _parts(
    sample: SampleSpill, chosen: NDArray[np.bool_], labels: LabelSpill, bar: "tqdm[Any]"
) -> Iterator[tuple[Codes, LabelBits]]:
    for codes, bits, _ in _parts_with_games(sample, chosen, labels, bar):
        yield codes, bits


def _parts_with_games(
    sample: SampleSpill, chosen: NDArray[np.bool_], labels: LabelSpill, bar: "tqdm[Any]", *, by_game: bool = True
) -> Iterator[tuple[Codes, LabelBits, NDArray[np.int64]]]:
    for part in sample.segments(chosen, labels):
        if part.codes is not None:
            yield part.codes, part.labels, part.games if by_game else np.zeros_like(part.games)
            bar.update(len(part.codes.values))
