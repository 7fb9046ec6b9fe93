"""Best thresholds, counts at thresholds and counts by game of a sample on disk, exact, in memory that N does not move.

Sorted pieces of the codes meet their labels, 512 features at a time; what a latent's earlier pieces said is carried
along. The integers, thresholds and AUROCs are those of `best_thresholds` on whole arrays.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from ..counts import f1_score
from ..counts_blocks_numba import plan_blocks
from . import pairs_numba as kernels
from .label_words import GROUP, LabelSpill, in_steps
from .sorted_pieces import BYTES_AN_ENTRY, Gatherer, Piece, SortedPieces, flags
from .spill import CodeSpill, Column, Scratch

DEFAULT_BUDGET = 1 << 30


@dataclass(frozen=True)
class PairBlock:
    """Consecutive latents, each against every feature at its own best threshold.

    Attributes:
        first: the first latent.
        tp: int32 [l, F], positives among the predictions.
        on: int32 [l, F], predictions; 0 where no threshold catches a positive.
        threshold: float32 [l, F], smallest value that predicts; infinity where nothing is predicted.
        auroc: float64 [l, F], NaN where the label is constant.
        n_firing: int64 [l], rows at which each latent fires.
    """

    first: int
    tp: NDArray[np.int32]
    on: NDArray[np.int32]
    threshold: NDArray[np.float32]
    auroc: NDArray[np.float64]
    n_firing: NDArray[np.int64]


@dataclass(frozen=True)
class SpilledPairs:
    """What `PairCounts` holds, without the codes: every array [L, F], and `positives` int64 [F]."""

    tp: NDArray[np.int32]
    on: NDArray[np.int32]
    threshold: NDArray[np.float32]
    auroc: NDArray[np.float64]
    n_firing: NDArray[np.int64]
    positives: NDArray[np.int64]
    n_rows: int

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 tp / (on + positives), float64 [L, F]; 0 where nothing is caught."""
        return f1_score(self.tp, self.on, self.positives)

    def best_latents(self) -> NDArray[np.int64]:
        """Latent with the highest F1 for every feature, int64 [F]; the lowest number wins ties."""
        return self.f1.argmax(0)


@dataclass(frozen=True)
class BestLatents:
    """For every feature its best latent by F1, the lowest number of equal ones; arrays [F].

    Attributes:
        latent: int64, 0 where no latent catches a positive.
        on: int32, its predictions; 0 where no latent catches a positive.
        threshold: float32.
        f1: float64.
        auroc: float64.
    """

    latent: NDArray[np.int64]
    on: NDArray[np.int32]
    threshold: NDArray[np.float32]
    f1: NDArray[np.float64]
    auroc: NDArray[np.float64]


def shown_bar(total: int, what: str, progress: bool | None) -> "tqdm[Any]":
    """A bar of entries; True shows it always, None on a terminal, False never."""
    hidden = None if progress is None else not progress
    return tqdm(total=total, unit="entries", unit_scale=True, desc=what, disable=hidden, leave=False)


def label_counts(labels: LabelSpill, among: Column | None) -> tuple[NDArray[np.int64], int]:
    """Rows at which each feature holds, int64 [F], of how many rows."""
    totals = np.zeros(64 * labels.n_words, np.int64)
    n_rows = 0
    for start, stop in in_steps(labels.n_rows, 1 << 17):
        wanted = flags(among, start, stop)
        n_rows += int(wanted.sum())
        for word, file in zip(labels.starts, labels.files, strict=True):
            part = file.read(start, stop).reshape(stop - start, file.width)
            kernels.positives_of(part, wanted, totals[64 * word : 64 * (word + file.width)])
    return totals[: labels.n_features], n_rows


def pair_blocks(
    codes: CodeSpill,
    labels: Sequence[LabelSpill],
    *,
    scratch: Scratch,
    among: Column | None = None,
    budget_bytes: int = DEFAULT_BUDGET,
    threads: int = 2,
    progress: bool | None = False,
) -> Iterator[tuple[PairBlock, ...]]:
    """Best thresholds of consecutive latents, one block for each of several sets of labels.

    Args:
        codes: on disk.
        labels: of the same rows, all with the same features; sorting is shared between them.
        scratch: for the sorted entries, 12 bytes each (twice that for a latent that does not fit).
        among: bool [N] on disk, rows that count; None takes all.
        budget_bytes: memory for a piece.
        threads: that count at once.
        progress: whether to show a bar; None shows it on a terminal.
    """
    width = labels[0].n_features
    most_latents = max(1, budget_bytes // (4 * 20 * len(labels) * width))
    most_entries = max(64, budget_bytes // (BYTES_AN_ENTRY + 8 * threads))
    positives = [label_counts(one, among) for one in labels]
    pieces = SortedPieces(codes, scratch, among, most_entries=most_entries, most_latents=most_latents)
    carried: list[_Carried] = []
    gather = Gatherer()
    try:
        with (
            ThreadPoolExecutor(threads) as pool,
            shown_bar(pieces.n_entries, "pairs", progress) as bar,
        ):
            for piece in pieces:
                if piece.whole:
                    yield tuple(
                        _whole(piece, one, *counted, gather, pool, threads)
                        for one, counted in zip(labels, positives, strict=True)
                    )
                else:
                    if not carried:
                        carried = [_Carried(piece.first, one, *counted) for one, counted in zip(labels, positives,
                                   strict=True)]  # fmt: skip
                    for one in carried:
                        one.take(piece, gather, pool)
                    if carried[0].seen == pieces.counts[piece.first]:
                        yield tuple(one.finished() for one in carried)
                        carried = []
                bar.update(len(piece.rows))
    finally:
        pieces.close()


def best_thresholds_spilled(
    codes: CodeSpill,
    labels: LabelSpill,
    *,
    scratch: Scratch,
    among: Column | None = None,
    budget_bytes: int = DEFAULT_BUDGET,
    threads: int = 2,
    progress: bool | None = False,
) -> SpilledPairs:
    """Every (latent, feature) pair at its own best threshold; arguments as `pair_blocks`."""
    shape = (codes.n_latents, labels.n_features)
    tp, on = np.empty(shape, np.int32), np.empty(shape, np.int32)
    threshold, auroc = np.empty(shape, np.float32), np.empty(shape)
    n_firing = np.empty(codes.n_latents, np.int64)
    for (block,) in pair_blocks(
        codes, [labels], scratch=scratch, among=among, budget_bytes=budget_bytes, threads=threads, progress=progress
    ):
        here = slice(block.first, block.first + len(block.tp))
        tp[here], on[here], threshold[here] = block.tp, block.on, block.threshold
        auroc[here], n_firing[here] = block.auroc, block.n_firing
    positives, n_rows = label_counts(labels, among)
    return SpilledPairs(tp, on, threshold, auroc, n_firing, positives, n_rows)


def best_latents_spilled(
    codes: CodeSpill,
    labels: Sequence[LabelSpill],
    *,
    scratch: Scratch,
    among: Column | None = None,
    budget_bytes: int = DEFAULT_BUDGET,
    threads: int = 2,
    progress: bool | None = False,
) -> list[BestLatents]:
    """The best latent of every feature, for each of several sets of labels; arguments as `pair_blocks`."""
    best: list[BestLatents] = []
    positives = [label_counts(one, among)[0] for one in labels]
    columns = np.arange(labels[0].n_features)
    for blocks in pair_blocks(
        codes, labels, scratch=scratch, among=among, budget_bytes=budget_bytes, threads=threads, progress=progress
    ):
        for i, (block, p) in enumerate(zip(blocks, positives, strict=True)):
            f1 = f1_score(block.tp, block.on, p)
            row = f1.argmax(0)
            at = (row, columns)
            new = BestLatents(row + block.first, block.on[at], block.threshold[at], f1[at], block.auroc[at])
            if i == len(best):
                best.append(new)
            else:
                best[i] = _better(best[i], new)
    return best


def _better(old: BestLatents, new: BestLatents) -> BestLatents:
    """Feature by feature the better of two; the first of equal ones."""
    wins = new.f1 > old.f1
    return BestLatents(
        np.where(wins, new.latent, old.latent),
        np.where(wins, new.on, old.on),
        np.where(wins, new.threshold, old.threshold),
        np.where(wins, new.f1, old.f1),
        np.where(wins, new.auroc, old.auroc),
    )


def _words(labels: LabelSpill, file: int) -> list[tuple[int, slice]]:
    """Words of one file: their number in it, and the features they hold."""
    first = GROUP * 64 * file
    return [
        (w, slice(first + 64 * w, min(first + 64 * (w + 1), labels.n_features)))
        for w in range(labels.files[file].width)
    ]


def _whole(
    piece: Piece,
    labels: LabelSpill,
    positives: NDArray[np.int64],
    n_rows: int,
    gather: Gatherer,
    pool: ThreadPoolExecutor,
    threads: int,
) -> PairBlock:
    """Count the pairs of latents that lie in one piece."""
    shape = (piece.stop - piece.first, labels.n_features)
    tp, on = np.empty(shape, np.int32), np.empty(shape, np.int32)
    threshold, auroc = np.empty(shape, np.float32), np.empty(shape)
    blocks: Any = plan_blocks(piece.colptr, piece.negative, piece.values)
    pointers, first_negative, starts, ends = blocks
    for file, word in enumerate(labels.starts):
        there = gather(piece, labels, file)
        f = slice(64 * word, min(64 * (word + GROUP), labels.n_features))

        def count(latents: tuple[int, int], there: Any = there, f: slice = f) -> None:
            kernels.whole_latents(
                there, latents[0], latents[1], piece.colptr, pointers, first_negative, starts, ends, piece.values,
                positives[f], n_rows, tp[:, f], on[:, f], threshold[:, f], auroc[:, f],
            )  # fmt: skip

        list(pool.map(count, _shares(piece.colptr, 4 * threads if threads > 1 else 1)))
    return PairBlock(piece.first, tp, on, threshold, auroc, piece.negative - piece.colptr[:-1])


def _shares(colptr: NDArray[np.int64], n: int) -> list[tuple[int, int]]:
    """Consecutive latents with about as many entries each."""
    load = colptr + 64 * np.arange(len(colptr))
    edges: NDArray[np.int64] = np.unique(np.searchsorted(load, np.linspace(0, int(load[-1]), n + 1)))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


class _Carried:
    """One latent that comes in several pieces, against all features."""

    def __init__(self, latent: int, labels: LabelSpill, positives: NDArray[np.int64], n_rows: int) -> None:
        self.latent, self.labels, self.positives, self.n_rows = latent, labels, positives, n_rows
        self.seen = 0
        self._states = np.zeros((labels.n_features, 7), np.int64)
        self._limits = np.full(labels.n_features, np.inf, np.float32)
        self._equal = np.zeros(labels.n_features, np.int64)
        self._n_equal = 0
        self._n_firing = 0

    def take(self, piece: Piece, gather: Gatherer, pool: ThreadPoolExecutor) -> None:
        """The next piece."""
        self.seen += len(piece.rows)
        self._n_firing += int(piece.negative[0])
        plan: Any = None if piece.equal else plan_blocks(piece.colptr, piece.negative, piece.values)
        for file in range(len(self.labels.files)):
            there = gather(piece, self.labels, file)
            list(pool.map(partial(self._take_word, piece, plan, there), _words(self.labels, file)))
        if piece.equal:
            self._n_equal += len(piece.rows)
            if piece.ends:
                kernels.end_of_equal(
                    self._states, self._equal, self._n_equal, piece.values[0], self.positives, self._limits
                )
                self._equal[:] = 0
                self._n_equal = 0

    def _take_word(self, piece: Piece, plan: Any, there: NDArray[np.uint64], word: tuple[int, slice]) -> None:
        w, f = word
        if piece.equal:
            kernels.add_equal(there, w, self._equal[f])
        else:
            pointers, first_negative, starts, ends = plan
            kernels.part_of_latent(
                there, w, pointers, first_negative, starts, ends, piece.values, self.positives[f], self._states[f],
                self._limits[f],
            )  # fmt: skip

    def finished(self) -> PairBlock:
        """After the last piece."""
        counts = self._states[None, :, [kernels.BEST_TP, kernels.BEST_ON]].astype(np.int32)
        auroc = kernels.aurocs(self._states, self.positives, self.n_rows)
        return PairBlock(
            self.latent, counts[..., 0], counts[..., 1], self._limits[None], auroc[None], np.array([self._n_firing])
        )
