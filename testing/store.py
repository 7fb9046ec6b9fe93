"""What test runs share: arrays and scores in a folder, each file whole or absent, made once and read by all workers.

An entry is named by a checksum of everything that it depends on, so that nothing stale is ever read: a setting that
changes names another entry. A file that cannot be read, or whose checksum is wrong, is made anew.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]

UNUSED_DAYS = 30  # after which an entry is removed
LEFTOVER_HOURS = 1  # after which the temporary file of a run that was killed is removed
_SECONDS = "seconds it took"
_BROKEN = (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error)


@dataclass
class Gain:
    """What a store was good for in this process; seconds are of the wall clock and stand in no result.

    Attributes:
        made: entries that were made.
        made_s: seconds that took.
        read: entries that were read.
        read_s: seconds that took.
        spared_s: seconds that making them took when they were made.
        damaged: files that could not be read and were made anew.
        unkept: entries that could not be written.
    """

    made: int = 0
    made_s: float = 0.0
    read: int = 0
    read_s: float = 0.0
    spared_s: float = 0.0
    damaged: int = 0
    unkept: int = 0


class Store:
    """A folder of entries that test runs share.

    Args:
        folder: is made. One that cannot be written is read, and what it lacks is kept for this process only. None
            keeps nothing beyond this process.

    Attributes:
        folder: where entries are written.
        beneath: a folder that can only be read, or None.
        gain: what the store was good for.
    """

    def __init__(self, folder: Path | None) -> None:
        self.gain = Gain()
        self.lasting = folder is not None and _writable(folder)
        self._own = None if self.lasting else tempfile.TemporaryDirectory(prefix="fiducial-")
        self.folder = Path(self._own.name) if self._own is not None else Path(folder or "")
        self.beneath = folder if folder is not None and not self.lasting else None
        if self.lasting:
            _tidy(self.folder)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})" if self.lasting else f"Store({str(self.folder)!r}, for this run only)"

    def arrays(self, kind: str, facts: Mapping[str, Any], make: "Callable[[], Arrays]") -> "Arrays":
        """Arrays that are kept; made if they are not there, by one worker while others wait.

        Args:
            kind: what they are, in a word or two; part of the file's name.
            facts: everything that they depend on, as JSON types, versions and seeds included.
            make: makes them.

        Returns:
            The arrays by name.
        """
        name = f"{kind.replace(' ', '-')}-{digest(facts)}.npz"
        if (found := self._read(name)) is not None:
            return found
        with self.locked(name):
            if (found := self._read(name)) is not None:  # another worker has made them meanwhile
                return found
            began = time.perf_counter()
            made = make()
            self.made(seconds := time.perf_counter() - began)
            self._write(name, made, seconds)
        return made

    def place(self, kind: str, facts: Mapping[str, Any]) -> Path:
        """A folder of its own for what is kept in other forms; what a read-only folder has of it is copied there."""
        name = f"{kind.replace(' ', '-')}-{digest(facts)}"
        place = self.folder / name
        if self.beneath is not None and not place.exists() and (self.beneath / name).is_dir():
            shutil.copytree(self.beneath / name, place, ignore=shutil.ignore_patterns("*.lock", ".*"))
        place.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            os.utime(place)
        return place

    def made(self, seconds: float) -> None:
        """Count an entry that was made."""
        self.gain.made += 1
        self.gain.made_s += seconds

    def read(self, seconds: float, spared: float) -> None:
        """Count an entry that was read instead of being made."""
        self.gain.read += 1
        self.gain.read_s += seconds
        self.gain.spared_s += spared

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One process at a time; ends with the process that holds it, however it ends."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)  # `pytest --cache-clear` may have removed it
        with (locks / name).open("a") as file:
            try:
                import fcntl
            except ImportError:  # Windows: something may be made twice, never half
                yield
                return
            with suppress(OSError):  # a file system without locks, likewise
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> "Arrays | None":
        import numpy as np

        for folder in (self.folder, self.beneath):
            path = None if folder is None else folder / name
            if path is None or not path.is_file():
                continue
            began = time.perf_counter()
            try:
                with np.load(path, allow_pickle=False) as file:  # an archive: every part has a checksum
                    found = {key: file[key] for key in file.files}
                seconds = float(found.pop(_SECONDS))
            except _BROKEN:
                self.gain.damaged += 1
                continue
            with suppress(OSError):
                os.utime(path)  # it was used today
            self.read(time.perf_counter() - began, seconds)
            return found
        return None

    def _write(self, name: str, arrays: "Arrays", seconds: float) -> None:
        import numpy as np

        temporary = self.folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            with temporary.open("wb") as file:
                np.savez(file, **arrays, **{_SECONDS: np.float64(seconds)})  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / name)
        except OSError:  # a full disk: the run goes on without
            self.gain.unkept += 1
        finally:
            temporary.unlink(missing_ok=True)


def digest(facts: Mapping[str, Any]) -> str:
    """Name of an entry by what it depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _writable(folder: Path) -> bool:
    probe = folder / f".{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _tidy(folder: Path) -> None:
    """Remove what a killed run left half written, and what nobody has used for a long time."""
    now = time.time()
    for path in folder.iterdir():
        with suppress(OSError):  # another worker tidies, too
            days = (now - path.stat().st_mtime) / 86_400
            if path.name.startswith(".") and days * 24 > LEFTOVER_HOURS:
                path.unlink()
            elif days > UNUSED_DAYS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
