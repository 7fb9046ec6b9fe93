"""A sweep from its plan to its results: what is there is not computed again, what comes is written whole."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..provenance import provenance
from ..report import Report, write_atomically
from .dispatch import Failed, Pool, Progress, dispatch
from .task import SweepPlan, Task

LOCK, FAILURES, SHARED = ".sweep.lock", "failures.json", ".shared"


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has come to.

    Attributes:
        reports: by task, in the order of the plan; those that failed are missing.
        failures: reason by task.
        computed: results that this run added.
        lost: workers that were lost on the way.
        damaged: files that were there but no reports, and were computed anew.
        older: results that were there and were made with other versions of fiducial or its libraries.
    """

    reports: Mapping[Task, Report]
    failures: Mapping[Task, Failed]
    computed: int
    lost: int
    damaged: tuple[Path, ...] = ()
    older: tuple[Path, ...] = ()


def sweep(
    plan: SweepPlan,
    make_pool: Callable[[int], Pool],
    *,
    retries: int = 2,
    started: Callable[[Progress], None] = lambda progress: None,
    told: Callable[[Task, Report | Failed], None] = lambda task, outcome: None,
) -> SweepResult:
    """Do what is left of a plan.

    Results are files below `plan.out`, each written under another name and renamed when it is whole, so that a sweep
    may be killed at any point: the next one finds them, and does the rest.

    Args:
        plan: all tasks.
        make_pool: makes the workers, when there is something to do; handed the number of tasks.
        retries: how often a task is given out again whose worker was lost.
        started: told where things stand before the first task; the same object is kept up to date.
        told: told of each task as it ends.

    Raises:
        ValueError: the folder is a file, or another sweep is at work in it.
        OSError: a result cannot be written.
    """
    with locked(plan.out):
        for torn in plan.out.rglob(".*.tmp"):  # of a sweep that was killed while it wrote
            torn.unlink(missing_ok=True)
        reports: dict[Task, Report] = {}
        damaged: list[Path] = []
        for task in plan.tasks:
            report = kept(plan.out / task.file, task)
            if report is not None:
                reports[task] = report
            elif (plan.out / task.file).exists():
                damaged.append(plan.out / task.file)
        left = [task for task in plan.tasks if task not in reports]
        progress = Progress({place: len(tasks) for place, tasks in plan.places.items()})
        progress.done.update(task.place for task in reports)
        progress.damaged = tuple(damaged)
        here = provenance(seed=0)["versions"]
        older = [task for task, report in reports.items() if report.provenance.get("versions", here) != here]
        progress.older = tuple(plan.out / task.file for task in older)
        started(progress)
        failures: dict[Task, Failed] = {}
        if left:
            pool = make_pool(len(left))
            try:
                for task, outcome in dispatch(left, pool, progress, retries=retries):
                    if isinstance(outcome, Failed):
                        failures[task] = outcome
                    else:
                        reports[task] = _written(plan.out / task.file, task, outcome)
                    told(task, outcome)
            finally:
                pool.close()
        _write_failures(plan.out / FAILURES, failures)
        ordered = {task: reports[task] for task in plan.tasks if task in reports}
        return SweepResult(ordered, failures, len(left) - len(failures), progress.lost, tuple(damaged), progress.older)


def kept(path: Path, task: Task) -> Report | None:
    """The result of a task, if it is there and its own."""
    if not path.is_file():
        return None
    try:
        report = Report.from_json(path)
    except (ValueError, KeyError, TypeError, OSError):  # of an older version, or not ours: computed anew
        return None
    return report if report.provenance.get("sweep") == task.key else None


def _written(path: Path, task: Task, report: Report) -> Report:
    """The report as it stands in its file.

    Raises:
        OSError: it cannot be written; what is there already stays.
    """
    marked = replace(report, provenance={**report.provenance, "sweep": task.key})
    try:
        marked.to_json(path)
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise OSError(
            f"{path} cannot be written: {why}; all earlier results are whole, so the same command goes on from there"
        ) from error
    return Report.from_json(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other sweeps out of a folder; a killed one leaves no lock behind.

    Raises:
        ValueError: the folder is a file, or another sweep is at work in it.
    """
    import fcntl

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"results go into a folder, but {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(f"another sweep is at work in {folder}, process {file.read() or '?'}") from None
        except OSError as error:
            raise ValueError(
                f"{folder} lies on a file system without locks ({error.strerror}), where two sweeps could meet; "
                "put the results on another with -o"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _write_failures(path: Path, failures: Mapping[Task, Failed]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    content = [
        {
            "sae": task.name,
            "testbed": task.place.testbed,
            "seed": task.place.seed,
            "reason": one.reason,
            "details": one.details,
        }
        for task, one in failures.items()
    ]
    write_atomically(path, json.dumps(content, indent=1) + "\n")
