"""What a sweep is made of: places, tasks, and the name of each task's result. Imports little, since workers do."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..metrics import METRICS

SCHEMA = 1  # raised when a result of the same task would come out otherwise


@dataclass(frozen=True)
class Place:
    """A testbed with games of its own: what is captured once for all SAEs on it.

    Attributes:
        testbed: its name.
        games: to score on.
        seed: of the games.
    """

    testbed: str
    games: int
    seed: int

    def __str__(self) -> str:
        return f"{self.testbed}, {self.games} games of seed {self.seed}"


@dataclass(frozen=True)
class Task:
    """One SAE on one testbed with one seed.

    Attributes:
        place: where.
        sae: path, or name of a release.
        name: of the SAE, unique on its testbed.
        kind: see `load_dictionary`; None is guessed.
        sha256: of its file or folder; None for a release.
        metrics: names.
        truth: checksum of the testbed: of its model and controls that ship, or of the secret of a sealed world.
    """

    place: Place
    sae: str
    name: str
    kind: str | None
    sha256: str | None
    metrics: tuple[str, ...]
    truth: str = ""

    @property
    def key(self) -> str:
        """Everything that the result depends on, as 16 hexadecimal digits."""
        facts = {
            "schema": SCHEMA,
            "testbed": self.place.testbed,
            "truth": self.truth,
            "games": self.place.games,
            "seed": self.place.seed,
            "sae": self.sha256 or self.sae,
            "name": self.name,
            "kind": self.kind,
            "metrics": {name: METRICS[name].version for name in sorted(self.metrics)},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def file(self) -> str:
        """Of its result, below the folder of the sweep."""
        safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.name).strip("-.")[:100]
        place = self.place
        return f"{place.testbed.replace(':', '-')}/{safe}-seed-{place.seed}-{self.key}.json"


@dataclass(frozen=True)
class SweepPlan:
    """All tasks of a sweep, those of a place together.

    Attributes:
        tasks: in order.
        out: folder of the results.
    """

    tasks: tuple[Task, ...]
    out: Path

    @property
    def places(self) -> dict[Place, list[Task]]:
        """Tasks by place, in order."""
        found: dict[Place, list[Task]] = {}
        for task in self.tasks:
            found.setdefault(task.place, []).append(task)
        return found
