"""Workers that are processes of this machine."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ..report import Report
from .dispatch import Failed, Lost
from .plan import Task
from .work import score_task

MOST = 4  # each process holds up to 2 GB


def default_workers() -> int:
    """One a core, four at most."""
    return min(os.cpu_count() or 1, MOST)


class ProcessPool:
    """Processes that each keep the testbed of their place; meets `Pool`.

    Args:
        size: how many.
        threads: of each.
        score: what a worker does with a task; a function of a module, so that a process can import it.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, size: int, threads: int = 1, score: Callable[[Task], Report] = score_task) -> None:
        if size < 1 or threads < 1:
            raise ValueError(f"at least one worker with one thread, got {size} and {threads}")
        self._context = multiprocessing.get_context("spawn")  # a forked torch may hang
        self._threads, self._score = threads, score
        self._workers = [self._start() for _ in range(size)]

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self._workers)

    @property
    def pids(self) -> list[int | None]:
        """Process of each worker."""
        return [process.pid for process, _ in self._workers]

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to an idle worker."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended while idle; `wait` finds that and says so
            self._workers[worker][1].send(task)

    def wait(self) -> tuple[int, Report | Failed | Lost]:
        """The next worker that is done, and with what."""
        (ready, *_) = wait([connection for _, connection in self._workers])
        number = next(i for i, (_, connection) in enumerate(self._workers) if connection is ready)
        process, connection = self._workers[number]
        try:
            return number, connection.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            self._workers[number] = self._start()
            return number, Lost(f"its process ended with {process.exitcode}")

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for process, connection in self._workers:
            process.terminate()
            process.join()
            connection.close()

    def _start(self) -> tuple[Any, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._threads, self._score), daemon=True)
        process.start()
        theirs.close()
        return process, ours


def _serve(connection: Connection, threads: int, score: Callable[[Task], Report]) -> None:
    """What a worker does: Ctrl-C is its parent's business, with whom it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TQDM_DISABLE"] = "1"
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)
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


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
