"""Two workers against one: `python benchmarks/sweep_workers.py [--ray] [--tasks 16] [--seconds 1]`.

Independent tasks, dealt to processes or to actors of a Ray cluster of this machine. `waiting` tasks need no core, so
that they show what handing out costs; `computing` tasks each take a core for so many seconds of its time, so that they
show what the cores allow. Starting the workers is not counted: a sweep takes minutes.
"""

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.sweeps.dispatch import Pool, Progress, dispatch
from fiducial.sweeps.processes import ProcessPool
from fiducial.sweeps.task import Place, Task


def work(task: Task, seconds: float, computing: bool) -> Report:
    begun = time.process_time()
    if computing:
        while time.process_time() - begun < seconds:
            sum(range(1000))
    else:
        time.sleep(seconds)
    return Report(task.name, task.place.testbed, {"l0": Score("l0", 1.0, 0.9, 1.1)})


def tasks(n: int) -> list[Task]:
    place = Place("othello-6x6", 8, 0)
    return [Task(place, "/nowhere", f"sae {i}", None, None, ("l0",)) for i in range(n)]


def seconds_of(pool: Pool, n: int) -> float:
    try:
        for _ in dispatch(tasks(pool.size), pool, Progress()):  # all workers are up
            pass
        begun = time.perf_counter()
        done = sum(1 for _ in dispatch(tasks(n), pool, Progress()))
        assert done == n
        return time.perf_counter() - begun
    finally:
        pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0)
    asked = parser.parse_args()
    print(f"{asked.tasks} tasks of {asked.seconds:g} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("| workers are | tasks are | one, s | two, s | ratio |\n|---|---|---|---|---|")
    for kind in ["processes", *(["Ray actors"] if asked.ray else [])]:
        for computing in (False, True):
            score = partial(work, seconds=asked.seconds, computing=computing)
            spent = [seconds_of(_pool(kind, size, score), asked.tasks) for size in (1, 2)]
            what = "computing" if computing else "waiting"
            print(f"| {kind} | {what} | {spent[0]:.1f} | {spent[1]:.1f} | {spent[0] / spent[1]:.2f} |", flush=True)


def _pool(kind: str, size: int, score: "partial[Report]") -> Pool:
    if kind == "processes":
        return ProcessPool(size, score=score)
    import ray
    from fiducial.sweeps.on_ray import RayPool

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return RayPool(size, local_cpus=2, score=score)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(Path(folder))
        main()
