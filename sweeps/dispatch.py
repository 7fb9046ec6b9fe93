"""Tasks to workers and results back: the same for processes of this machine and for actors of a cluster."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..report import Report
from .task import Place, Task


@dataclass(frozen=True)
class Failed:
    """A task that cannot be done, however often it is tried.

    Attributes:
        reason: one line.
        details: the traceback.
    """

    reason: str
    details: str = ""


@dataclass(frozen=True)
class Lost:
    """A worker that ended in the middle of a task, through no fault that it could report.

    Attributes:
        reason: one line.
    """

    reason: str


@dataclass(frozen=True)
class Ready:
    """A worker that can take a task now and could not before: it has come up, or has come back."""


Outcome = Report | Failed | Lost | Ready


class Pool(Protocol):
    """Workers, numbered from 0."""

    @property
    def size(self) -> int:
        """Number of workers."""
        ...

    def ready(self, worker: int) -> bool:
        """Whether a worker takes a task; one that does not is told of by `wait` when it does."""
        ...

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to a worker that is ready and has none."""
        ...

    def wait(self) -> tuple[int, Outcome]:
        """The next worker that has news; one without a task may be lost too."""
        ...

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        ...


@dataclass
class Progress:
    """Where a sweep stands, for whoever shows it.

    Attributes:
        total: tasks of each place.
        done: of them, those that have a result.
        failed: of them, those that have none and will not get one in this run.
        running: what each worker does.
        lost: how often a worker was lost.
        damaged: files of results that cannot be read, and are computed anew.
        older: files of results that were made with other versions of fiducial or its libraries, and are kept.
    """

    total: dict[Place, int] = field(default_factory=dict)
    done: Counter[Place] = field(default_factory=Counter)
    failed: Counter[Place] = field(default_factory=Counter)
    running: dict[int, Task] = field(default_factory=dict)
    lost: int = 0
    damaged: tuple[Path, ...] = ()
    older: tuple[Path, ...] = ()


def dispatch(
    tasks: Sequence[Task], pool: Pool, progress: Progress, *, retries: int = 2
) -> Iterator[tuple[Task, Report | Failed]]:
    """Have tasks done; a worker stays at a place as long as there is something to do.

    Args:
        tasks: what is to be done.
        pool: who does it.
        progress: kept up to date.
        retries: how often a task is given out again whose worker was lost.

    Yields:
        Each task once, in the order in which they end.
    """
    waiting: dict[Place, list[Task]] = {}
    for task in tasks:
        waiting.setdefault(task.place, []).append(task)
    for queue in waiting.values():
        queue.reverse()  # taken from the end
    at: dict[int, Place] = {}
    losses: Counter[Task] = Counter()

    def give(worker: int) -> None:
        place = _next_place(at.get(worker), waiting, progress)
        if place is None:
            return
        task = waiting[place].pop()
        if not waiting[place]:
            del waiting[place]
        at[worker] = place
        progress.running[worker] = task
        pool.submit(worker, task)

    while True:
        for worker in range(pool.size):
            if worker not in progress.running and pool.ready(worker):
                give(worker)
        if not progress.running and not waiting:
            return
        worker, outcome = pool.wait()
        if isinstance(outcome, Ready):
            continue
        if isinstance(outcome, Lost):
            progress.lost += 1
            at.pop(worker, None)
        task = progress.running.pop(worker, None)
        if task is None:
            continue  # lost while it had nothing to do
        if isinstance(outcome, Lost):
            losses[task] += 1
            if losses[task] <= retries:
                waiting.setdefault(task.place, []).append(task)
                continue
            outcome = Failed(f"its worker was lost {losses[task]} times, the last time: {outcome.reason}")
        (progress.failed if isinstance(outcome, Failed) else progress.done)[task.place] += 1
        yield task, outcome


def _next_place(last: Place | None, waiting: dict[Place, list[Task]], progress: Progress) -> Place | None:
    """The place that a worker knows already; else one where few work and much is to be done."""
    if last in waiting:
        return last
    busy = Counter(task.place for task in progress.running.values())
    return max(waiting, key=lambda place: len(waiting[place]) / (1 + busy[place]), default=None)
