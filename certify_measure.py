"""What certification measures: many dictionaries on one testbed, each by every metric, kept on disk as it goes."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .certify_lenses import Measured
from .metrics import METRICS, Score
from .metrics.properties import Properties
from .models.dictionary import Dictionary
from .references import Candidate, Null, References
from .scoring import FAMILIES, Subject, score_subject, subject
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed

Measure = Callable[[Subject], Score]
Tamper = Callable[[Subject], Subject]


@dataclass(frozen=True)
class Newcomer:
    """A metric that is not in the catalogue: its record and its function.

    Attributes:
        record: what it declares.
        measure: computes it.
    """

    record: Properties
    measure: Measure


@dataclass
class Bench:
    """Measures dictionaries on one testbed and keeps what it has measured.

    Attributes:
        bed: where.
        metrics: names of the catalogue to measure.
        newcomers: metrics from elsewhere, by name; never kept on disk.
        n_resamples: of each bootstrap.
        seed: of each bootstrap.
        folder: where measurements are kept; None keeps none.
        context: whatever else the measurements depend on; part of their key.
    """

    bed: AnyTestbed
    metrics: Sequence[str]
    newcomers: Mapping[str, Newcomer]
    n_resamples: int = 200
    seed: int = 0
    folder: Path | None = None
    context: str = ""

    def measure(
        self, name: str, make: Callable[[], Dictionary], *, identity: str = "", tamper: Tamper | None = None
    ) -> dict[str, Measured]:
        """Every metric of one dictionary.

        Args:
            name: of the dictionary; unique among those measured here.
            make: gives it; not called where a measurement is kept.
            identity: what tells it from another of that name, such as a checksum.
            tamper: changes what the metrics are handed.
        """
        path = self._path(name, identity)
        if path is not None and path.exists() and not self.newcomers:
            return _read(path)
        about = self._subject(name, make())
        if tamper is not None:
            about = tamper(about)
        scores = score_subject(about, self.metrics)
        scores |= {key: newcomer.measure(about) for key, newcomer in self.newcomers.items()}
        found = {key: _measured(score) for key, score in scores.items()}
        if path is not None and not self.newcomers:
            _write(path, found)
        return found

    def _subject(self, name: str, dictionary: Dictionary) -> Subject:
        candidate = Candidate(name, "tested", dictionary, self.bed.x)
        return subject(
            candidate,
            self.bed,
            nulls=self._nulls(candidate),
            null=False,
            n_resamples=self.n_resamples,
            seed=self.seed,
        )

    def _nulls(self, candidate: Candidate) -> list[Null]:
        wanted = any(name in FAMILIES["recovery"].metrics for name in self.metrics) or bool(self.newcomers)
        if not wanted or not isinstance(self.bed, SyntheticTestbed):
            return []
        l0 = 2.0 ** round(math.log2(max(candidate.codes.l0, 1)))  # few different ones, so that they are shared
        return References(self.bed, candidate.codes.n_latents, l0).nulls(1)

    def _path(self, name: str, identity: str) -> Path | None:
        if self.folder is None:
            return None
        versions = {key: METRICS[key].version for key in self.metrics}
        sample = [self.bed.name, self.bed.seed, self.bed.n_games, self.n_resamples, self.seed]
        key = json.dumps([name, identity, *sample, self.context, versions], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def shuffled_choosing_labels(about: Subject) -> Subject:
    """The same, but the labels and magnitudes of the choosing rows belong to other choosing rows."""
    return _reordered(about, np.flatnonzero(about.train))


def shuffled_labels(about: Subject) -> Subject:
    """The same, but all labels and magnitudes belong to other rows."""
    return _reordered(about, np.arange(len(about.train)))


def _reordered(about: Subject, rows: NDArray[np.int64]) -> Subject:
    order = np.arange(len(about.train))
    order[rows] = np.random.default_rng(about.seed).permutation(rows)
    magnitudes = None if about.magnitudes is None else about.magnitudes[order]
    return replace(about, labels=np.asarray(about.labels)[order], magnitudes=magnitudes)


def _measured(score: Score) -> Measured:
    replicates = None if score.replicates is None else np.asarray(score.replicates, np.float32).astype(np.float64)
    return Measured(float(score.value), replicates)


def _write(path: Path, found: Mapping[str, Measured]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"value {name}": np.float64(one.value) for name, one in found.items()}
    arrays |= {
        f"spread {k}": one.replicates.astype(np.float32) for k, one in found.items() if one.replicates is not None
    }
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}.npz")
    try:
        np.savez(partial, **arrays)  # type: ignore[arg-type] - arrays by name
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Measured]:
    with np.load(path, allow_pickle=False) as file:
        names = [key.removeprefix("value ") for key in file.files if key.startswith("value ")]
        return {
            name: Measured(
                float(file[f"value {name}"]),
                file[f"spread {name}"].astype(np.float64) if f"spread {name}" in file.files else None,
            )
            for name in names
        }


def signed(found: Mapping[str, Measured], records: Mapping[str, Properties]) -> dict[str, Measured]:
    """Scores turned so that higher is better; those without a good direction stay as they are."""
    turned: dict[str, Measured] = {}
    for name, one in found.items():
        sign = -1.0 if records[name].direction == "down" else 1.0
        turned[name] = Measured(sign * one.value, None if one.replicates is None else sign * one.replicates)
    return turned


Item = TypeVar("Item")


def watched(items: Sequence[Item], what: str) -> Iterable[Item]:
    """The items, with a progress bar."""
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, disable=None, leave=False)
