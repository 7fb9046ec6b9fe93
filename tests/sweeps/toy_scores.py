"""What workers of tests do instead of scoring: reports made of the task alone, after a while, or trouble."""

import os
import signal
import time

from fiducial.metrics.score import Score
from fiducial.report import Report


def toy_score(task):
    """A report that depends on the task alone."""
    time.sleep(0.15)
    log = os.environ.get("TOY_LOG")
    if log:
        with open(log, "a") as file:
            file.write(f"{task.name} {task.place.seed}\n")
    if task.name == "bad":
        raise ValueError("this one cannot be read")
    value = len(task.name) / 100 + task.place.seed
    return Report(task.name, task.place.testbed, {"coverage": Score("coverage", value, value - 0.1, value + 0.1)})


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
