"""What the SAEs of a place share beyond one process: the scores of floors and ceilings, kept in files.

They cost several times what an SAE costs. A second worker, and a sweep that goes on after an interruption, read them
instead; two workers at one place divide them. A file holds all scores of one floor or ceiling, with their replicates,
and is written whole under a lock.
"""

import base64
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics import METRICS
from ..metrics.score import Score
from ..report import Report

Scores = dict[str, Score]


class SharedScores:
    """Scores of the floors and ceilings of one place, in a folder; meets `KeptScores`.

    Args:
        folder: is made.
        facts: everything that the scores depend on besides name, seed and metric, as JSON types.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        text = json.dumps(facts, sort_keys=True)
        self._folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._seen: dict[tuple[str, int], dict[str, Score | None]] = {}

    def order(self, names: Sequence[str]) -> Iterator[str]:
        """Those first that no other worker is busy with; what is left then is mostly done."""
        left = list(names)
        while left:
            yield left.pop(next((i for i, name in enumerate(left) if not self._busy(name)), 0))

    def scores(self, name: str, asked: Sequence[str], seed: int, make: Callable[[Sequence[str]], Scores]) -> Scores:
        """Scores of a floor or ceiling; what is in no file is made and written."""
        if self._missing(name, asked, seed):
            with self._locked(name):
                path = self._path(name, seed)
                self._seen[name, seed] = _read(path)
                missing = self._missing(name, asked, seed)
                if missing:
                    made = make(missing)
                    known = {**self._seen[name, seed], **{metric: made.get(metric) for metric in missing}}
                    _write(path, name, known)
                    self._seen[name, seed] = known
        known = self._seen[name, seed]
        return {metric: score for metric in asked if (score := known[metric]) is not None}

    def _missing(self, name: str, asked: Iterable[str], seed: int) -> list[str]:
        known = self._seen.get((name, seed), {})
        return [metric for metric in asked if metric not in known]

    def _path(self, name: str, seed: int) -> Path:
        return self._folder / f"{_safe(name)}-{seed}.json"

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Ends with the process that holds it, however it ends."""
        with (self._folder / f"{_safe(name)}.lock").open("a") as file:
            with suppress(OSError):  # a file system without locks: something may be made twice, never half
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _busy(self, name: str) -> bool:
        with (self._folder / f"{_safe(name)}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:  # nobody can say
                return False
        return False


def _write(path: Path, name: str, known: Mapping[str, Score | None]) -> None:
    """All scores of one floor or ceiling; those that it cannot be asked are remembered as such."""
    kept = {metric: score for metric, score in known.items() if score is not None}
    replicates = {
        metric: base64.b64encode(np.ascontiguousarray(score.replicates, np.float64).tobytes()).decode()
        for metric, score in kept.items()
        if score.replicates is not None
    }
    facts = {
        "versions": {metric: METRICS[metric].version for metric in known},
        "not asked": [metric for metric, score in known.items() if score is None],
        "replicates": replicates,
    }
    Report(name, "shared", {m: replace(score, replicates=None) for m, score in kept.items()}, facts).to_json(path)


def _read(path: Path) -> dict[str, Score | None]:
    """What such a file holds; nothing if it is missing, damaged, or of other versions of the metrics."""
    try:
        stored = Report.from_json(path)
        facts = stored.provenance
        same = {metric for metric, made in facts["versions"].items() if METRICS[metric].version == made}
        found: dict[str, Score | None] = {metric: None for metric in facts["not asked"] if metric in same}
        for metric, score in stored.scores.items():
            if metric in same:
                text = facts["replicates"].get(metric)
                replicates = None if text is None else np.frombuffer(base64.b64decode(text, validate=True), np.float64)
                found[metric] = replace(score, replicates=replicates)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
    return found


def _safe(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-.") + f"-{digest}"
