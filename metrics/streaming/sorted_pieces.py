"""The entries of every latent from the largest value down, in pieces of bounded size: a distribution sort on disk.

Entries are first written bucket by bucket, a bucket being consecutive latents that together fit. A latent that does
not fit alone is divided by value, along a histogram of the upper and, where needed, of the lower 16 bits of its values.
So equal values never part, except where those of one latent alone are too many: they come as pieces of their own,
marked `equal`, which need no order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..counts_blocks_numba import read_keys
from .label_words import GROUP, LabelSpill, in_steps
from .sorting_numba import by_bucket, count_entries, inverse, ranks_of, scatter, sort_into, sort_keys_of
from .spill import CodeSpill, Column, Scratch

BYTES_AN_ENTRY = 128
"""What a piece needs at most an entry while it is counted: 64 for its labels, the rest for sorting and blocks."""


@dataclass(frozen=True)
class Piece:
    """Sorted entries of consecutive latents, or of a part of one latent.

    Attributes:
        first: the first latent.
        stop: one after the last.
        colptr: int64 [stop - first + 1], entries of each latent.
        values: float32 [m], sorted.
        negative: int64 [stop - first], first negative entry of each latent.
        rows: uint32 [m], ascending: rows of the sample.
        places: int32 [m], where in the sorted order each of `rows` stands.
        whole: whether it holds all entries of its latents.
        equal: whether it is a part of a group of equal values, in no order.
        ends: whether no further piece of the same latent (or of the same group, if `equal`) follows.
    """

    first: int
    stop: int
    colptr: NDArray[np.int64]
    values: NDArray[np.float32]
    negative: NDArray[np.int64]
    rows: NDArray[np.uint32]
    places: NDArray[np.int32]
    whole: bool = True
    equal: bool = False
    ends: bool = True


def entry_counts(codes: CodeSpill, among: Column | None, entries: int = 1 << 22) -> NDArray[np.int64]:
    """Entries of every latent on some rows, int64 [L].

    Args:
        codes: on disk.
        among: bool [N] on disk; None takes all rows.
        entries: how many to read at a time.
    """
    counts = np.zeros(codes.n_latents, np.int64)
    for start, stop in codes.segments(entries):
        part = codes.read(start, stop)
        count_entries(part.indptr, part.indices, flags(among, start, stop), counts)
    return counts


def flags(among: Column | None, start: int, stop: int) -> NDArray[np.bool_]:
    """Which of rows start..stop count."""
    return np.ones(stop - start, np.bool_) if among is None else among.read(start, stop)


def plan_buckets(counts: NDArray[np.int64], most_entries: int, most_latents: int) -> NDArray[np.int64]:
    """First latent of every bucket, and L at the end: as many latents as fit together, at least one."""
    bounds = [0]
    held = 0
    for latent, count in enumerate(counts.tolist()):
        if latent > bounds[-1] and (held + count > most_entries or latent - bounds[-1] >= most_latents):
            bounds.append(latent)
            held = 0
        held += count
    return np.array([*bounds, len(counts)], np.int64)


class SortedPieces:
    """Entries of some rows, written by bucket; iterating sorts them piece by piece.

    Args:
        codes: on disk.
        scratch: for the files, 12 bytes an entry.
        among: bool [N] on disk, rows that count; None takes all.
        most_entries: of a piece.
        most_latents: of a piece.
    """

    def __init__(
        self, codes: CodeSpill, scratch: Scratch, among: Column | None, *, most_entries: int, most_latents: int
    ) -> None:
        self.most_entries = most_entries
        self.counts = entry_counts(codes, among, most_entries)
        self.bounds = plan_buckets(self.counts, most_entries, most_latents)
        self._scratch = scratch
        sizes = np.add.reduceat(self.counts, self.bounds[:-1])
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])
        self._entries = scratch.column("entries", np.uint32, 3)
        self._entries.reserve(int(self._offsets[-1]))
        bucket_of = np.repeat(np.arange(len(sizes)), np.diff(self.bounds))
        fill = self._offsets[:-1].copy()
        for start, stop in codes.segments(most_entries):
            part = codes.read(start, stop)
            ends, table = by_bucket(
                part.indptr, part.indices, part.values, flags(among, start, stop), start, bucket_of, len(sizes)
            )
            _spread(self._entries, fill, ends, table)

    @property
    def n_entries(self) -> int:
        """Entries in all."""
        return int(self._offsets[-1])

    def close(self) -> None:
        """Give back the disk."""
        self._entries.close()

    def __iter__(self) -> Iterator[Piece]:
        for i, (first, stop) in enumerate(zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True)):
            start, end = int(self._offsets[i]), int(self._offsets[i + 1])
            if end - start <= self.most_entries:
                yield _sorted(self._entries.read(start, end), first, stop)
            else:
                yield from self._of_large(first, start, end)

    def _of_large(self, latent: int, start: int, end: int) -> Iterator[Piece]:
        """Pieces of a latent with more entries than a piece may have."""
        uppers, sizes = self._cuts(start, end)
        parts = self._scratch.column("parts", np.uint32, 3)
        parts.reserve(end - start)
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        fill = offsets[:-1].copy()
        for a, b in in_steps(end - start, self.most_entries):
            table = self._entries.read(start + a, start + b)
            ranks: NDArray[np.uint32] = ranks_of(np.ascontiguousarray(table[:, 2]))
            part_of: NDArray[np.int64] = np.searchsorted(uppers, ranks)
            _spread(parts, fill, *sort_into(table, part_of, len(sizes)))
        for k, size in enumerate(sizes.tolist()):
            last = k == len(sizes) - 1
            if size <= self.most_entries:
                yield _sorted(parts.read(int(offsets[k]), int(offsets[k + 1])), latent, latent + 1, False, last)
                continue
            for a, b in in_steps(size, self.most_entries):
                table = parts.read(int(offsets[k]) + a, int(offsets[k]) + b)
                rows = np.ascontiguousarray(table[:, 1])
                values = np.ascontiguousarray(table[:, 2]).view(np.float32)
                there = np.array([0, len(rows)])
                order = np.arange(len(rows), dtype=np.int32)
                sign = np.array([len(rows) if values[0] > 0 else 0])
                yield Piece(latent, latent + 1, there, values, sign, rows, order, False, True, b == size)
        parts.close()

    def _cuts(self, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Highest rank of each part of a large latent, and its entries: at most a piece, or of one rank."""
        coarse = np.zeros(1 << 16, np.int64)
        for a, b in in_steps(end - start, self.most_entries):
            ranks = self._ranks(start + a, start + b)
            coarse += np.bincount(ranks >> 16, minlength=1 << 16)
        fine: dict[int, NDArray[np.int64]] = {
            int(high): np.zeros(1 << 16, np.int64) for high in np.flatnonzero(coarse > self.most_entries)
        }
        if fine:
            for a, b in in_steps(end - start, self.most_entries):
                ranks = self._ranks(start + a, start + b)
                for high in fine:
                    fine[high] += np.bincount(ranks[ranks >> 16 == high] & 0xFFFF, minlength=1 << 16)
        uppers: list[int] = []
        sizes: list[int] = []
        held = previous = 0

        def close(upper: int) -> None:
            nonlocal held
            if held:
                uppers.append(upper)
                sizes.append(held)
            held = 0

        for high in np.flatnonzero(coarse).tolist():
            bins = [(high << 16 | 0xFFFF, int(coarse[high]))]
            if high in fine:
                bins = [(high << 16 | int(low), int(fine[high][low])) for low in np.flatnonzero(fine[high])]
            for upper, count in bins:
                if held and held + count > self.most_entries:
                    close(previous)
                held += count
                previous = upper
                if held > self.most_entries:  # equal values that do not fit stand alone
                    close(upper)
        close(previous)
        return np.array(uppers, np.int64), np.array(sizes, np.int64)

    def _ranks(self, start: int, stop: int) -> NDArray[np.int64]:
        return ranks_of(np.ascontiguousarray(self._entries.read(start, stop)[:, 2])).astype(np.int64)


class Gatherer:
    """Labels of pieces in their order, in memory that is used again: fresh memory costs more than the gathering.

    Args:
        rows: how many to read at a time.
    """

    def __init__(self, rows: int = 1 << 17) -> None:
        self._rows = rows
        self._read = np.empty(0, np.uint64)
        self._out = np.empty(0, np.uint64)

    def __call__(self, piece: Piece, labels: LabelSpill, file: int) -> NDArray[np.uint64]:
        """Labels of one file, uint64 [m, words of the file], read from disk in order of the rows.

        What the last call gave is overwritten.

        Args:
            piece: of the same sample.
            labels: on disk.
            file: which of its files.
        """
        column, m = labels.files[file], len(piece.rows)
        if len(self._out) < m * column.width:
            self._out = np.empty(0, np.uint64)  # let go of the old one first
            self._out = np.empty(m * GROUP, np.uint64)
        if not len(self._read):
            self._read = np.empty(self._rows * GROUP, np.uint64)
        out = self._out[: m * column.width].reshape(m, column.width)
        edges = np.searchsorted(piece.rows, np.arange(0, labels.n_rows + self._rows, self._rows))
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if last > first:
                low, high = int(piece.rows[first]), int(piece.rows[last - 1]) + 1
                words = column.read(low, high, self._read).reshape(high - low, column.width)
                scatter(words, low, piece.rows, piece.places, first, last, out)
        return out


def _spread(file: Column, fill: NDArray[np.int64], offsets: NDArray[np.int64], table: NDArray[np.uint32]) -> None:
    """Write the parts of a table where the last ones ended."""
    for part in np.flatnonzero(np.diff(offsets)).tolist():
        here = table[offsets[part] : offsets[part + 1]]
        file.write(int(fill[part]), here)
        fill[part] += len(here)


def _sorted(table: NDArray[np.uint32], first: int, stop: int, whole: bool = True, ends: bool = True) -> Piece:
    """Sort the entries (latent, row, value bits) of latents first..stop."""
    rows = np.ascontiguousarray(table[:, 1])
    colptr, keys = sort_keys_of(table, first, stop - first)
    for a, b in zip(colptr[:-1].tolist(), colptr[1:].tolist(), strict=True):
        keys[a:b].sort()
    order, ordered, negative = read_keys(colptr, keys)
    return Piece(first, stop, colptr, ordered, negative, rows, inverse(order), whole, False, ends)
