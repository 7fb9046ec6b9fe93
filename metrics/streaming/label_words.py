"""Labels of a sample on disk: 512 features to a file, so that what a row says of them is one cache line."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..inputs import LabelBits
from .spill import Column, Scratch

GROUP = 8
"""Words of 64 features in a row of one file."""


class LabelSpill:
    """Labels of N rows and F features; file k holds words 8 k to 8 k + 8 of every row.

    Args:
        scratch: for the files.
        n_features: F.
    """

    def __init__(self, scratch: Scratch, n_features: int) -> None:
        self.n_features = n_features
        self.n_words = (n_features + 63) // 64
        self.starts = list(range(0, self.n_words, GROUP))
        self.files = [
            scratch.column(f"labels-{start}", np.uint64, min(GROUP, self.n_words - start)) for start in self.starts
        ]

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return len(self.files[0])

    def append(self, bits: LabelBits) -> None:
        """Add the labels of the next rows.

        Raises:
            OSError: the disk is full.
            ValueError: another number of features.
        """
        if bits.n_features != self.n_features:
            raise ValueError(f"labels hold {bits.n_features} features, expected {self.n_features}")
        for start, file in zip(self.starts, self.files, strict=True):
            file.append(bits.words[start : start + file.width].T)

    def read(self, start: int, stop: int) -> LabelBits:
        """Labels of rows start..stop."""
        words = np.empty((self.n_words, stop - start), np.uint64)
        for first, file in zip(self.starts, self.files, strict=True):
            words[first : first + file.width] = file.read(start, stop).reshape(stop - start, file.width).T
        return LabelBits(words, self.n_features)

    def permuted(self, scratch: Scratch, source: Column, rows: int = 1 << 17) -> "LabelSpill":
        """The same labels on other rows: row n of the new ones is row source[n] of these.

        Args:
            scratch: for the new files.
            source: integers [N], on disk.
            rows: how many at a time.
        """
        made = LabelSpill(scratch, self.n_features)
        for start, stop in in_steps(self.n_rows, rows):
            wanted: NDArray[np.int64] = source.read(start, stop).astype(np.int64)
            for old, new in zip(self.files, made.files, strict=True):
                new.append(old.mapped()[wanted])  # mapped anew each time, so that pages read before may go
        return made


def in_steps(n: int, step: int) -> Iterator[tuple[int, int]]:
    """Consecutive (start, stop) of at most `step` that make up n."""
    for start in range(0, n, step):
        yield start, min(start + step, n)
