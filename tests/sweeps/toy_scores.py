"""What workers of tests do instead of scoring: reports made of the task alone, after a while, or trouble."""

import os
import signal
import time
from pathlib import Path

from fiducial.metrics.score import Score
from fiducial.provenance import provenance
from fiducial.report import Report
from fiducial.sweeps.shared import SharedScores


def toy_score(task):
    """A report that depends on the task alone; who asked for it, and when, goes into a log."""
    log = os.environ.get("TOY_LOG")
    if log:
        with open(log, "a") as file:
            file.write(f"{os.getpid()} {task.name} {task.place.seed}\n")
    time.sleep(float(os.environ.get("TOY_SECONDS", "0.1")))
    if task.name == "bad":
        raise ValueError("this one cannot be read")
    value = len(task.name) / 100 + task.place.seed
    return Report(task.name, task.place.testbed, {"coverage": Score("coverage", value, value - 0.1, value + 0.1)})


def busy_score(task):
    """A report after so many seconds of this core's work, whatever else the machine does."""
    begun = time.process_time()
    while time.process_time() - begun < float(os.environ.get("TOY_SECONDS", "0.1")):
        pass
    return toy_score(task)


def dies_once(task):
    """Its process is killed the first time that this task comes."""
    marker = os.path.join(os.environ["TOY_FOLDER"], f"{task.name}-{task.place.seed}")
    if task.name == "mortal" and not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return toy_score(task)


def dies_always(task):
    """Its process is killed whenever this task comes."""
    if task.name == "mortal":
        os.kill(os.getpid(), signal.SIGKILL)
    return toy_score(task)


def versioned(task):
    """A report that says of what versions it is; `b` was made before."""
    about = provenance(seed=0)
    about["versions"]["fiducial"] = "0.0" if task.name == "b" else about["versions"]["fiducial"]
    return Report(task.name, task.place.testbed, {}, about)


def weighs(task):
    """Says how large the SAE is that it was handed."""
    size = sum(file.stat().st_size for file in Path(task.sae).rglob("*") if file.is_file())
    return Report(task.name, task.place.testbed, {"coverage": Score("coverage", size, size, size)})


def divides(folder, start, queue):
    """One of several workers at a place of eight floors; says which it scored itself."""
    start.wait()
    mine = []

    def scored(name):
        mine.append(name)
        time.sleep(0.2)
        return {"coverage": Score("coverage", 0.5, 0.4, 0.6)}

    kept = SharedScores(folder, {})
    for name in kept.order([f"floor {i}" for i in range(8)]):
        kept.scores(name, ["coverage"], 0, lambda asked, name=name: scored(name))
    queue.put((os.getpid(), mine))
