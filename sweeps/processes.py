"""Workers that are processes of this machine."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ..report import Report
from .dispatch import Failed, Lost
from .task import Task

MOST = 4  # each process holds up to 2 GB
PATIENCE = 5.0  # seconds that a worker has to end when it is told to


def default_workers() -> int:
    """One a core, four at most."""
    return min(os.cpu_count() or 1, MOST)


class ProcessPool:
    """Processes that each keep the testbed of their place; meets `Pool`.

    Args:
        size: how many.
        threads: of each.
        score: what a worker does with a task; can be pickled, so that a process can import it.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, size: int, threads: int = 1, score: Callable[[Task], Report] | None = None) -> None:
        if size < 1 or threads < 1:
            raise ValueError(f"at least one worker with one thread, got {size} and {threads}")
        self._context = multiprocessing.get_context("spawn")  # a forked torch may hang
        if score is None:
            from .work import Scoring

            score = Scoring()
        self._threads, self._score = threads, score
        self._workers: dict[int, tuple[Any, Connection]] = {}
        self._busy: set[int] = set()
        for number in range(size):
            self._start(number)
        self._size = size

    @property
    def size(self) -> int:
        """Number of workers."""
        return self._size

    @property
    def pids(self) -> list[int | None]:
        """Process of each worker; None for one that ended and is not needed."""
        return [self._workers[i][0].pid if i in self._workers else None for i in range(self.size)]

    def ready(self, worker: int) -> bool:
        """Always: a process that ended is started anew when there is a task for it."""
        return True

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to an idle worker."""
        if worker not in self._workers:
            self._start(worker)
        self._busy.add(worker)
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended while idle; `wait` finds that and says so
            self._workers[worker][1].send(task)

    def wait(self) -> tuple[int, Report | Failed | Lost]:
        """The next worker that is done, and with what."""
        numbers = {id(connection): number for number, (_, connection) in self._workers.items()}
        (ready, *_) = wait([connection for _, connection in self._workers.values()])
        number = numbers[id(ready)]
        process, connection = self._workers[number]
        self._busy.discard(number)
        try:
            return number, connection.recv()
        except (EOFError, OSError):  # it ended, perhaps in the middle of its answer
            _end(process)
            connection.close()
            del self._workers[number]
            return number, Lost(_how_it_ended(process.exitcode))

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for number, (process, connection) in self._workers.items():
            if number in self._busy:
                process.terminate()
            connection.close()  # the others read that there is nothing more to do, and tidy up
        for process, _ in self._workers.values():
            _end(process)
        self._workers = {}

    def _start(self, number: int) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._threads, self._score), daemon=True)
        with _environment(threads=self._threads):  # libraries count their threads when they are loaded
            process.start()
        theirs.close()
        self._workers[number] = process, ours


def _end(process: Any) -> None:
    process.join(PATIENCE)
    if process.is_alive():  # it does not listen
        process.terminate()
        process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            return f"its process was ended by {name}{memory}"
    return f"its process ended with {code}"


def _serve(connection: Connection, threads: int, score: Callable[[Task], Report]) -> None:
    """What a worker does: Ctrl-C is its parent's business, with whom it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from threadpoolctl import threadpool_limits

    leave_no_semaphore()
    with threadpool_limits(threads):
        while True:
            try:
                task = connection.recv()
            except EOFError:
                return
            try:
                outcome: Report | Failed = score(task)
            except Exception as error:  # said, and the sweep goes on with the others
                outcome = Failed(f"{type(error).__name__}: {error}", traceback.format_exc())
            connection.send(outcome)


def leave_no_semaphore() -> None:
    """Bars of a worker need no lock between processes; theirs is a semaphore, left behind when the worker is ended."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What a process started meanwhile finds in its environment."""
    counted = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    mine = {"TQDM_DISABLE": "1", **dict.fromkeys(counted, str(threads))}
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
