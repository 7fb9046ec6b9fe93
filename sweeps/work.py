"""One task of a sweep: load the SAE, score it, give the report. What is shared between SAEs is kept.

A worker keeps the testbed of its last place, with its captures, probes and the scores of floors and ceilings, so that
only the first SAE of a place pays for them; the scores are also kept in files, for other workers and later runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.assets import path_sha256
from ..evaluation import evaluate
from ..models.loading import load_dictionary
from ..provenance import provenance
from ..report import Report
from ..testbed_catalogue import testbed
from .shared import SharedScores
from .task import SCHEMA, Place, Task

_kept: dict[tuple[Place, str], Any] = {}  # of a worker: one testbed at a time, since each may fill gigabytes


@dataclass(frozen=True)
class Scoring:
    """What a worker does with tasks; can be pickled.

    Attributes:
        shared: folder for the scores of floors and ceilings; None keeps them in the worker only.
        device: torch device.
        check: refuse an SAE that has changed since the plan was made.
    """

    shared: Path | None = None
    device: str = "cpu"
    check: bool = True

    def __call__(self, task: Task) -> Report:
        """The report of a task.

        Raises:
            ValueError: the SAE is not the one that the task was planned for.
        """
        bed = _bed(task.place, self.device)
        dictionary = load_dictionary(task.sae, task.kind, name=task.name)
        if self.check and task.sha256 is not None and path_sha256(Path(task.sae)) != task.sha256:
            raise ValueError(
                f"{task.sae} has changed or gone since the sweep began; run it again to score what is there"
            )
        kept = None if self.shared is None else SharedScores(self.shared, _facts(task, bed.device))
        return evaluate(dictionary, bed, task.metrics, seed=task.place.seed, sha256=task.sha256, kept=kept)


def _bed(place: Place, device: str) -> Any:
    if (place, device) not in _kept:
        _kept.clear()
        _kept[place, device] = testbed(place.testbed, n_games=place.games, seed=place.seed, device=device)
    return _kept[place, device]


def _facts(task: Task, device: str) -> dict[str, Any]:
    """What floors and ceilings of a place depend on."""
    place = task.place
    return {
        "schema": SCHEMA,
        "testbed": place.testbed,
        "truth": task.truth,
        "games": place.games,
        "device": device,
        **provenance(seed=place.seed),
    }
