"""Files that stand in for arrays of the whole sample: numbers appended batch by batch, read back in parts.

They live in a temporary folder that goes when it is closed, also after an error or an interrupt. Nothing is mapped
into memory for writing, and reads go into arrays of the size that was asked for, so that memory does not grow with the
sample. Reading right after writing mostly meets the page cache of the system.
"""

import errno
import os
import weakref
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.dictionary import Codes

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Scratch:
    """A folder for files of one run; closing it removes them.

    Args:
        folder: where to make it; None takes the temporary folder of the system.

    Raises:
        FileNotFoundError: there is no such folder.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise FileNotFoundError(f"scratch files need an existing folder, got {str(folder)!r}")
        # It also goes when the object is collected or the interpreter ends.
        self._holder = TemporaryDirectory(prefix="fiducial-", dir=folder, ignore_cleanup_errors=True)
        self._columns: list[Column] = []

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._holder.name)

    @property
    def n_bytes(self) -> int:
        """Bytes in its files."""
        return sum(column.n_bytes for column in self._columns)

    def column(self, name: str, dtype: Any, width: int = 1) -> "Column":
        """A new file of numbers; of two with one name the later gets a number too."""
        made = Column(self.path / f"{len(self._columns):03d}-{name}", dtype, width)
        self._columns.append(made)
        return made

    def close(self) -> None:
        """Remove all files; may be called twice."""
        for column in self._columns:
            column.close()
        self._columns.clear()
        self._holder.cleanup()


class Column:
    """Rows of numbers in a file.

    Args:
        path: of a file that does not exist yet.
        dtype: of the numbers.
        width: numbers in a row.
    """

    def __init__(self, path: Path, dtype: Any, width: int = 1) -> None:
        self.dtype = np.dtype(dtype)
        self.width = width
        self._path = path
        self._rows = 0
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._closing = weakref.finalize(self, os.close, self._file)  # also where nobody closes it

    def __len__(self) -> int:
        return self._rows

    @property
    def n_bytes(self) -> int:
        """Bytes of its rows."""
        return self._rows * self.width * self.dtype.itemsize

    def reserve(self, rows: int) -> None:
        """Ask for room for this many rows, so that a full disk is noticed before the work.

        Raises:
            OSError: the disk is full.
        """
        size = rows * self.width * self.dtype.itemsize
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._handle, 0, size)
            except OSError as error:
                if error.errno in FULL:
                    raise self._no_space(size, error) from error  # other systems may simply not know the call
        self._rows = max(self._rows, rows)

    def append(self, values: NDArray[np.generic]) -> None:
        """Add rows at the end; errors as `write`."""
        self.write(self._rows, values)

    def write(self, start: int, values: NDArray[np.generic]) -> None:
        """Write rows, [n] or [n, width], from row `start` on.

        Raises:
            OSError: the disk is full.
        """
        flat = np.ascontiguousarray(values, self.dtype).reshape(-1)
        if not len(flat):
            return
        left = flat.data.cast("B")
        place = start * self.width * self.dtype.itemsize
        while len(left):
            try:
                done = os.pwrite(self._handle, left, place)
            except OSError as error:
                raise (self._no_space(len(left), error) if error.errno in FULL else error) from error
            left, place = left[done:], place + done
        self._rows = max(self._rows, start + len(flat) // self.width)

    def read(self, start: int, stop: int, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Rows start..stop, [n] or [n, width] where the width is above 1.

        Args:
            start: first row.
            stop: one after the last.
            into: memory to use, one axis, of the same type and large enough: fresh memory costs more than reading does.
        """
        shape = (stop - start,) if self.width == 1 else (stop - start, self.width)
        found = np.empty(shape, self.dtype) if into is None else into[: (stop - start) * self.width].reshape(shape)
        if not found.size:
            return found
        left = found.reshape(-1).data.cast("B")
        place = start * self.width * self.dtype.itemsize
        while len(left):
            done = os.preadv(self._handle, [left], place)
            if done == 0:
                raise EOFError(f"scratch file {self._path} ends before row {stop}; was it changed from outside?")
            left, place = left[done:], place + done
        return found

    def mapped(self, *, writable: bool = False) -> NDArray[Any]:
        """The whole file as an array that the system pages in and out, for access in no order."""
        shape = (self._rows,) if self.width == 1 else (self._rows, self.width)
        if not self._rows:
            return np.empty(shape, self.dtype)
        return np.asarray(np.memmap(self._path, self.dtype, "r+" if writable else "r", shape=shape))

    def close(self) -> None:
        """Close and remove the file; may be called twice."""
        if self._file is not None:
            self._closing()
            self._file = None
            self._path.unlink(missing_ok=True)

    @property
    def _handle(self) -> int:
        if self._file is None:
            raise ValueError(f"scratch file {self._path.name} is closed")
        return self._file

    def _no_space(self, n_bytes: int, error: OSError) -> OSError:
        where = self._path.parent.parent
        return OSError(
            error.errno,
            f"no space for scratch files in {where} ({n_bytes / 1e9:.2f} GB more are wanted); "
            "name a folder on a larger disk",
        )


class CodeSpill:
    """Codes of a sample on disk, in order of its rows.

    Args:
        scratch: for the files.
        n_latents: width of the dictionary.
    """

    def __init__(self, scratch: Scratch, n_latents: int) -> None:
        self.n_latents = n_latents
        self.densest = 1
        self._ends = scratch.column("row-ends", np.int64)
        self._latents = scratch.column("latents", np.uint16 if n_latents <= 1 << 16 else np.int32)
        self._values = scratch.column("values", np.float32)

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return len(self._ends)

    @property
    def n_entries(self) -> int:
        """Entries so far."""
        return len(self._values)

    def append(self, codes: Codes) -> None:
        """Add the codes of the next rows.

        Raises:
            OSError: the disk is full.
            ValueError: another width.
        """
        if codes.n_latents != self.n_latents:
            raise ValueError(f"codes have {codes.n_latents} latents, expected {self.n_latents}")
        if self.n_rows + codes.n_rows >= 1 << 31:
            raise ValueError("a sample may have at most 2 ** 31 - 1 rows")
        if not codes.n_rows:
            return
        before = self.n_entries
        self._latents.append(codes.indices)
        self._values.append(codes.values)
        self._ends.append(codes.indptr[1:] - codes.indptr[0] + before)
        self.densest = max(self.densest, int(np.diff(codes.indptr).max()))

    def read(self, start: int, stop: int) -> Codes:
        """Codes of rows start..stop."""
        indptr = np.zeros(stop - start + 1, np.int64)
        if stop > start:
            first = int(self._ends.read(start - 1, start)[0]) if start else 0
            indptr[1:] = self._ends.read(start, stop) - first
            last = first + int(indptr[-1])
            indices = self._latents.read(first, last).astype(np.int32)
            return Codes(indptr, indices, self._values.read(first, last), self.n_latents)
        return Codes(indptr, np.empty(0, np.int32), np.empty(0, np.float32), self.n_latents)

    def segments(self, entries: int, most_rows: int = 1 << 20) -> list[tuple[int, int]]:
        """Consecutive rows that hold at most `entries` entries (or one row), as (start, stop)."""
        step = min(most_rows, max(1, entries // self.densest))
        return [(start, min(start + step, self.n_rows)) for start in range(0, self.n_rows, step)]
