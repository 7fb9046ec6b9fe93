"""One task of a sweep: load the SAE, score it, give the report as text. What is shared between SAEs is kept.

A worker keeps the testbed of its last place, with its captures, probes and the scores of floors and ceilings, so that
only the first SAE of a place pays for them.
"""

from typing import Any

from ..evaluation import evaluate
from ..models.loading import load_dictionary
from ..report import Report
from ..testbed_catalogue import testbed
from .plan import Place, Task

_kept: dict[tuple[Place, str], Any] = {}  # of a worker: one testbed at a time, since each may fill gigabytes


def score_task(task: Task, device: str = "cpu") -> Report:
    """The report of one task, scored on a torch device."""
    bed = _bed(task.place, device)
    dictionary = load_dictionary(task.sae, task.kind, name=task.name)
    return evaluate(dictionary, bed, task.metrics, seed=task.place.seed, sha256=task.sha256)


def _bed(place: Place, device: str) -> Any:
    if (place, device) not in _kept:
        _kept.clear()
        _kept[place, device] = testbed(place.testbed, n_games=place.games, seed=place.seed, device=device)
    return _kept[place, device]
