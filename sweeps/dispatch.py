"""Tasks to workers and results back: the same for processes of this machine and for actors of a cluster."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..report import Report
from .plan import Place, Task


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


class Pool(Protocol):
    """Workers, numbered from 0; one that was lost is there again when its loss has been told."""

    @property
    def size(self) -> int:
        """Number of workers."""
        ...

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to an idle worker."""
        ...

    def wait(self) -> tuple[int, Report | Failed | Lost]:
        """The next worker that is done, and with what."""
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
    """

    total: dict[Place, int] = field(default_factory=dict)
    done: Counter[Place] = field(default_factory=Counter)
    failed: Counter[Place] = field(default_factory=Counter)
    running: dict[int, Task] = field(default_factory=dict)
    lost: int = 0


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

    for worker in range(pool.size):
        give(worker)
    while progress.running:
        worker, outcome = pool.wait()
        task = progress.running.pop(worker)
        if isinstance(outcome, Lost):
            progress.lost += 1
            losses[task] += 1
            at.pop(worker, None)
            if losses[task] <= retries:
                waiting.setdefault(task.place, []).append(task)
            else:
                outcome = Failed(f"its worker was lost {losses[task]} times, the last time: {outcome.reason}")
        if isinstance(outcome, Failed):
            progress.failed[task.place] += 1
            yield task, outcome
        elif not isinstance(outcome, Lost):
            progress.done[task.place] += 1
            yield task, outcome
        for idle in range(pool.size):
            if idle not in progress.running:
                give(idle)


def _next_place(last: Place | None, waiting: dict[Place, list[Task]], progress: Progress) -> Place | None:
    """The place that a worker knows already; else one where few work and much is to be done."""
    if last in waiting:
        return last
    busy = Counter(task.place for task in progress.running.values())
    return max(waiting, key=lambda place: len(waiting[place]) / (1 + busy[place]), default=None)
