"""Scores along training: logged while an SAE trains, or read afterwards from the checkpoints that it left.

The sample is small and fixed, so that a point costs as much as a few steps and points can be compared: their
difference is over the same games. Sizes are stated with the curve, and the time that scoring took can be asked for.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.assets import path_sha256
from ..evaluation import evaluate
from ..metrics import METRICS
from ..models.dictionary import Dictionary
from ..models.loading import load_dictionary
from ..models.loading_folders import find_dictionaries
from ..models.sae_dictionary import CONFIG_FILE
from ..references import Candidate
from ..scoring import score_subject, supported
from ..subject import subject
from ..testbed_catalogue import AnyTestbed
from .result import Bounds, Curve, Estimate, Point, differences

N_RESAMPLES = 200  # enough for an interval that is drawn; a report takes 1,000
SHARED = ("arch", "k", "batch_size", "lr", "seed", "frozen_decoder", "options", "lead")
SNAPSHOT_ROWS = 2048  # held-out rows for the threshold and the figures of an SAE on its way


class ScoreLog:
    """Scores an SAE while it trains. Give it to `train_sae` as `on_snapshot`, with `snapshots=log.stops(steps)`.

    Where `path` holds a log of the same run and sample already, its points are kept and not computed again: the same
    training passes through the same weights.

    Args:
        bed: the fixed sample to score on; never the games that are trained on.
        metrics: names; few and cheap ones.
        every: steps between two points; 0 for those of `at` only. The first and the last step are always scored.
        at: steps to score at as well.
        batch_size: rows a step.
        path: JSON lines, written whole after every point; None keeps nothing.
        run: name of the training run.
        made: what tells this run from others of its name: architecture, L0, seed, ...; JSON types.
        seed: of the bootstrap and the splits.
        n_resamples: of the bootstrap.

    Attributes:
        curve: what was scored so far.
        seconds: CPU time that scoring took.

    Raises:
        KeyError: an unknown metric.
        ValueError: a metric that the testbed cannot be asked, numbers out of range, or a file that holds the log of
            another run or sample.

    Examples:
        >>> from fiducial import testbed
        >>> from fiducial.models.training import train_sae
        >>> bed = testbed("toy-sparse", n_games=20)
        >>> log = ScoreLog(bed, ("coverage",), every=20, batch_size=200, run="a topk SAE")
        >>> sae = train_sae("topk", bed.world, n_latents=24, k=2, samples=8_000, batch_size=200, progress=False,
        ...     snapshots=log.stops(40), on_snapshot=log)
        >>> [point.step for point in log.curve.of("a topk SAE")]
        [0, 20, 40]
    """

    def __init__(
        self,
        bed: AnyTestbed,
        metrics: Sequence[str] = ("coverage",),
        *,
        every: int = 0,
        at: Iterable[int] = (),
        batch_size: int = 1024,
        path: str | Path | None = None,
        run: str = "run",
        made: Mapping[str, Any] | None = None,
        seed: int = 0,
        n_resamples: int = N_RESAMPLES,
    ) -> None:
        if every < 0 or batch_size < 1:
            raise ValueError(f"every must be at least 0 steps and batch_size at least 1 row, got {every}, {batch_size}")
        self.bed, self.every, self.at, self.batch_size = bed, every, tuple(at), batch_size
        self.path = None if path is None else Path(path)
        self.run, self.seconds = run, 0.0
        self.curve = Curve(about_sample(bed, metrics, seed, n_resamples), {run: dict(made or {})})
        if self.path is not None and self.path.exists():
            self.curve = _continued(self.curve, Curve.read(self.path), self.path)

    def stops(self, steps: int) -> tuple[int, ...]:
        """Steps of a run of this length after which to score; the first is 0, before any training."""
        regular = range(0, steps, self.every) if self.every else ()
        return tuple(sorted({0, *regular, *(step for step in self.at if 0 <= step <= steps), steps}))

    def __call__(self, step: int, dictionary: Dictionary) -> None:
        """Score the dictionary as it stands after `step` steps, unless the log has it already."""
        rows = step * self.batch_size
        if self.curve.at(self.run, rows) is not None:
            return
        started = time.process_time()
        self._take(self.curve.plus(scored(dictionary, self.bed, self.curve.about, self.run, rows, step)))
        self.seconds += time.process_time() - started

    def finish(self, dictionary: Dictionary) -> Curve:
        """Add the floors and ceilings, which are those of a dictionary of the final width and L0.

        Args:
            dictionary: the trained SAE.
        """
        if self.run not in self.curve.bounds:
            self._take(self.curve.bounded(self.run, bounds_of(dictionary, self.bed, self.curve.about)))
        return self.curve

    def _take(self, curve: Curve) -> None:
        self.curve = curve
        if self.path is not None:
            curve.save(self.path)


@dataclass(frozen=True)
class Checkpoint:
    """A dictionary that training left on its way.

    Attributes:
        run: name of the training run.
        step: steps done; None where only the rows are known.
        rows: activations seen.
        folder: where it is.
    """

    run: str
    step: int | None
    rows: int
    folder: Path


_AT_STEP = re.compile(r"(?P<run>.*)@(?P<step>\d+)")
_AT_ROWS = re.compile(r"(?:final_)?(?P<rows>\d+)")


def find_checkpoints(folder: str | Path) -> list[Checkpoint]:
    """The checkpoints below a folder, by run, as training went.

    A folder named `RUN@STEP` is a checkpoint of RUN (as `fiducial zoo --checkpoints` leaves them); one named by a
    number, or `final_` and a number, one of the folder that it is in, after that many rows (as sae_lens leaves them);
    any other is the end of the run of its name. What `train_sae` made says how many rows it has seen.

    Raises:
        FileNotFoundError: no such folder, or no dictionary in it.
        ValueError: incomplete dictionaries, or one that does not say after how many rows it was saved.
    """
    root = Path(folder)
    found: list[Checkpoint] = []
    for name, place in find_dictionaries(root):
        own = name.rpartition("/")[2]
        parent = name.rpartition("/")[0] or root.resolve().name
        made = _training(place)
        rows, batch_size = made.get("samples"), made.get("batch_size")
        step = rows // batch_size if rows is not None and batch_size else None
        run = name
        if match := _AT_STEP.fullmatch(name):
            run, step = match["run"], int(match["step"])
        elif match := _AT_ROWS.fullmatch(own):
            run, rows = parent, int(match["rows"])
        if rows is None:
            raise ValueError(
                f"{place} does not say how many rows it has seen: name its folder RUN/ROWS, as sae_lens does"
            )
        found.append(Checkpoint(run, step, rows, place))
    return sorted(found, key=lambda one: (one.run, one.rows))


def score_checkpoints(
    bed: AnyTestbed,
    checkpoints: Sequence[Checkpoint],
    metrics: Sequence[str] = ("coverage",),
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    path: str | Path | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Curve:
    """Scores of stored checkpoints, with floors and ceilings for the end of each run.

    Args:
        bed: the sample to score on.
        checkpoints: as `find_checkpoints` gives them.
        metrics: names.
        seed: of the bootstrap and the splits.
        n_resamples: of the bootstrap.
        path: JSON lines, written whole after every checkpoint; what it holds of the same files already is kept.
        progress: show a bar.
        say: told of each run as it is done.

    Raises:
        KeyError, ValueError: as `ScoreLog` says; no checkpoints.
    """
    from tqdm.auto import tqdm

    if not checkpoints:
        raise ValueError("no checkpoints to score")
    by_run: dict[str, list[Checkpoint]] = {}
    for one in checkpoints:
        by_run.setdefault(one.run, []).append(one)
    made = {run: _settings(end[-1].folder) for run, end in by_run.items()}
    curve = Curve(about_sample(bed, metrics, seed, n_resamples), made)
    if path is not None and Path(path).exists():
        curve = _continued(curve, Curve.read(path), Path(path))

    def keep(more: Curve) -> Curve:
        if path is not None:
            more.save(path)
        return more

    with tqdm(total=len(checkpoints), disable=None if progress else True, desc=f"checkpoints on {bed.name}") as bar:
        for run, stops in by_run.items():
            for one in stops:
                known, checksum = curve.at(run, one.rows), path_sha256(one.folder)
                new = known is None or known.sha256 != checksum  # a folder may hold another training by now
                ends = one is stops[-1] and (new or run not in curve.bounds)
                if new or ends:
                    dictionary = load_dictionary(one.folder, name=run)
                    if new:
                        point = scored(dictionary, bed, curve.about, run, one.rows, one.step)
                        curve = keep(curve.plus(replace(point, sha256=checksum)))
                    if ends:
                        curve = keep(curve.bounded(run, bounds_of(dictionary, bed, curve.about)))
                bar.update()
            say(_told(curve, run))
    return curve


def about_sample(bed: AnyTestbed, metrics: Sequence[str], seed: int, n_resamples: int) -> dict[str, Any]:
    """What a curve is scored on and how.

    Raises:
        KeyError: an unknown metric.
        ValueError: metrics that the testbed cannot be asked.
    """
    names = supported(bed, metrics)
    if missing := [name for name in metrics if name in METRICS and name not in names]:
        raise ValueError(f"{bed.name} cannot be asked {', '.join(missing)}")
    return {
        "testbed": bed.name,
        "hook": bed.hook,
        "games": bed.n_games,
        "games_seed": bed.seed,
        "positions": len(bed.x),
        "vocabulary_sha256": bed.features.digest,
        "metrics": {name: METRICS[name].version for name in names},
        "seed": seed,
        "n_resamples": n_resamples,
    }


def scored(
    dictionary: Dictionary, bed: AnyTestbed, about: Mapping[str, Any], run: str, rows: int, step: int | None
) -> Point:
    """The point of a dictionary: its scores without floors, which are the run's."""
    candidate = Candidate(dictionary.name, "tested", dictionary, bed.x)
    task = subject(candidate, bed, null=False, n_resamples=about["n_resamples"], seed=about["seed"])
    found = score_subject(task, list(about["metrics"]))
    return Point(run, step, rows, candidate.codes.l0, {name: Estimate.of(score) for name, score in found.items()})


def bounds_of(dictionary: Dictionary, bed: AnyTestbed, about: Mapping[str, Any]) -> dict[str, Bounds]:
    """Floors and ceilings of a dictionary, as `evaluate` finds them."""
    report = evaluate(dictionary, bed, list(about["metrics"]), seed=about["seed"])
    return {name: Bounds(dict(score.floors), dict(score.ceilings)) for name, score in report.scores.items()}


def _continued(wanted: Curve, found: Curve, path: Path) -> Curve:
    """What a file holds of a wanted curve.

    Raises:
        ValueError: it was scored on another sample, or holds another run of the same name.
    """
    if differing := differences(found.about, wanted.about):
        raise ValueError(f"{path} was scored otherwise, so its points cannot go on: it differs in {differing}")
    for run, made in wanted.runs.items():
        if run in found.runs and (differing := differences(found.runs[run], made)):
            raise ValueError(
                f"{path} holds another run named {run}: it differs in {differing}; delete it to begin anew"
            )
    known = {run: bounds for run, bounds in found.bounds.items() if run in wanted.runs}
    points = tuple(point for point in found.points if point.run in wanted.runs)
    return Curve(wanted.about, wanted.runs, points, known)


def _training(folder: Path) -> dict[str, Any]:
    """How `train_sae` made what a folder holds; empty for SAEs of others."""
    file = folder / CONFIG_FILE
    return dict(json.loads(file.read_text()).get("metadata", {}).get("fiducial") or {}) if file.is_file() else {}


def _settings(folder: Path) -> dict[str, Any]:
    """Of that what all checkpoints of a run share."""
    return {name: value for name, value in _training(folder).items() if name in SHARED}


def _told(curve: Curve, run: str) -> str:
    first, last = curve.of(run)[0], curve.of(run)[-1]
    parts = [
        f"{metric} {first.scores[metric].value:.3f} -> {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
        for metric, estimate in last.scores.items()
        if metric in first.scores
    ]
    return f"{run}: {', '.join(parts)} after {first.rows:,} -> {last.rows:,} rows"
