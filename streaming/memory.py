"""How much memory and disk there is to work in: read from text, measured, and checked before the work begins."""

import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX, LOCK = "fiducial-scratch-", "in-use"
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
RESERVE = 150_000_000  # what libraries and compiled kernels still take once the work begins
LEAST = 100_000_000  # below it the pieces of a sample become so small that nothing is gained


def parse_memory(text: str | int) -> int:
    """Bytes of "2GB", "500 MB", "1.5GiB" or a number.

    Raises:
        ValueError: something else, or nothing above 0.

    Examples:
        >>> parse_memory("2GB"), parse_memory("1 GiB"), parse_memory(1000)
        (2000000000, 1073741824, 1000)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", str(text), re.IGNORECASE)
    if found is None or found[2].lower() not in UNITS:
        raise ValueError(f"memory must look like 2GB, 500MB or 1.5GiB, got {text!r}")
    size = int(float(found[1]) * UNITS[found[2].lower()])
    if size < 1:
        raise ValueError(f"memory must be above 0, got {text!r}")
    return size


def as_text(size: float) -> str:
    """Bytes for a reader.

    Examples:
        >>> as_text(2_000_000_000), as_text(1_234_567), as_text(12)
        ('2.0 GB', '1.2 MB', '12 bytes')
    """
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"


def resident() -> dict[str, int]:
    """Bytes of this process in memory: `anonymous`, its own, and `all`, with mapped files that the system may drop.

    Where the system does not tell them apart (anything but Linux), both are the highest ever seen.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "RssAnon" in fields:
            return {
                "anonymous": int(fields["RssAnon"].split()[0]) * 1024,
                "all": int(fields["VmRSS"].split()[0]) * 1024,
            }
    import resource  # not on every system

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"anonymous": highest, "all": highest}


class PeakMemory:
    """The most memory that is taken while the block runs, looked at again and again by a thread.

    Args:
        every: seconds between two looks; a shorter peak may pass unseen.

    Attributes:
        anonymous: highest number of bytes of the process's own.
        all: the same with mapped files.
    """

    def __init__(self, every: float = 0.02) -> None:
        self.anonymous = self.all = 0
        self._every, self._over = every, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="peak memory")

    def _watch(self) -> None:
        while True:
            self._look()
            if self._over.wait(self._every):
                return

    def _look(self) -> None:
        now = resident()
        self.anonymous, self.all = max(self.anonymous, now["anonymous"]), max(self.all, now["all"])

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()


def budget_of(memory: str | int) -> int:
    """Bytes to work in, so that the process as a whole stays below `memory`.

    Args:
        memory: of the whole process, without mapped files, as `parse_memory` reads it.

    Raises:
        ValueError: too little is left beside what the process holds already.
    """
    whole = parse_memory(memory)
    held = resident()["anonymous"]
    left = whole - held - RESERVE
    if left < LEAST:
        needed = held + RESERVE + LEAST
        raise ValueError(
            f"memory {memory} is too little: this process holds {as_text(held)} before it begins, libraries take "
            f"about {as_text(RESERVE)} more, and the work needs {as_text(LEAST)}; give at least {as_text(needed)}"
        )
    return left


def check_folder(folder: str | Path | None) -> None:
    """Refuse a folder for scratch files that is not there.

    Raises:
        FileNotFoundError: `folder` does not exist.
        NotADirectoryError: `folder` is a file.
    """
    if folder is not None and not Path(folder).is_dir():
        kind = NotADirectoryError if Path(folder).exists() else FileNotFoundError
        raise kind(f"scratch files need a folder that exists, got {folder}")


def check_disk(folder: str | Path | None, needed: int) -> None:
    """Refuse, before the work, a folder whose disk cannot hold what will be written.

    Args:
        folder: where; None is the system's folder for temporary files.
        needed: bytes.

    Raises:
        ValueError: too little is free.
    """
    where = Path(folder or tempfile.gettempdir())
    free = shutil.disk_usage(where).free
    if needed > free:
        raise ValueError(
            f"about {as_text(needed)} of scratch files are needed in {where}, where {as_text(free)} are free; "
            "choose another folder for them (--scratch, folder=)"
        )


@contextmanager
def stopped_like_interrupted() -> Iterator[None]:
    """While the block runs, a request to stop (SIGTERM) ends it as Ctrl-C does, so that scratch files go.

    Only the main thread may ask for this; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def scratch_folder(folder: str | Path | None = None) -> Iterator[Path]:
    """A folder of its own for files that nobody needs afterwards; removed with all in it, whatever happens.

    Folders of processes that were killed (`kill -9`, a power cut) are removed when the next one is made in the same
    place: each holds a lock file that its process keeps locked for as long as it lives.

    Args:
        folder: where to make it; None is the system's folder for temporary files.

    Raises:
        FileNotFoundError: `folder` does not exist.
        NotADirectoryError: `folder` is a file.
    """
    check_folder(folder)
    where = Path(folder or tempfile.gettempdir())
    remove_abandoned(where)
    made, lock = _own_folder(where)
    # Another process may have taken the new folder for an abandoned one, and be done with removing it.
    if not _locked(lock) or not made.is_dir():
        lock.close()
        made, lock = _own_folder(where)
        _locked(lock)  # not everywhere are there locks
    try:
        yield made
    finally:
        lock.close()
        shutil.rmtree(made, ignore_errors=True)


def remove_abandoned(where: Path) -> list[Path]:
    """Remove scratch folders whose process is gone; those that live on, and what is not ours, stay.

    Returns:
        What was removed.
    """
    gone: list[Path] = []
    for left in sorted(where.glob(f"{PREFIX}*/{LOCK}")):
        try:
            with left.open("r+") as lock:
                if _locked(lock):
                    shutil.rmtree(left.parent, ignore_errors=True)
                    gone.append(left.parent)
        except OSError:  # of somebody else, or gone meanwhile
            continue
    return gone


def _own_folder(where: Path) -> tuple[Path, IO[str]]:
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
    return made, (made / LOCK).open("w")


def _locked(lock: IO[str]) -> bool:
    """Whether a file could be locked; never on systems without such locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
