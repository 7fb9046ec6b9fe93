"""Scores along training as data: points of runs, what bounds them, and the file that holds them whole."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.hdf5 import partial_file

if TYPE_CHECKING:
    import pandas as pd

    from ..metrics.score import Score

FORMAT = 1


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over games.

    Attributes:
        value: of the metric.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, score: "Score") -> "Estimate":
        """What a curve keeps of a score."""
        return cls(score.value, score.low, score.high)


@dataclass(frozen=True)
class Point:
    """One dictionary on its way.

    Attributes:
        run: name of the training run.
        step: steps done; None where only the rows are known.
        rows: activations seen.
        l0: non-zero latents a position on the scored sample.
        scores: of the metrics.
        sha256: checksum of the files that it was read from; None for one that was scored while it trained.
    """

    run: str
    step: int | None
    rows: int
    l0: float
    scores: Mapping[str, Estimate]
    sha256: str | None = None


@dataclass(frozen=True)
class Bounds:
    """What a metric's values of one run stand between.

    Attributes:
        floors: by name, such as `random dictionary (1024, L0 32)`.
        ceilings: by name, such as `probes`.
    """

    floors: Mapping[str, float]
    ceilings: Mapping[str, float]


@dataclass(frozen=True)
class Curve:
    """Points of one run or several, all scored on the same rows.

    Attributes:
        about: what was scored on and how: testbed, games, seeds, versions of the metrics; JSON types.
        runs: by name, what made each: JSON types.
        points: in no particular order.
        bounds: by run and metric; of runs that are done.
    """

    about: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, Any]]
    points: tuple[Point, ...] = ()
    bounds: Mapping[str, Mapping[str, Bounds]] = field(default_factory=dict[str, Mapping[str, Bounds]])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names, in the order they were asked for."""
        return tuple(self.about["metrics"])

    def of(self, run: str) -> list[Point]:
        """The points of a run, as training went."""
        return sorted((point for point in self.points if point.run == run), key=lambda point: point.rows)

    def at(self, run: str, rows: int) -> Point | None:
        """The point of a run after so many rows, if it is there."""
        return next((point for point in self.points if point.run == run and point.rows == rows), None)

    def plus(self, point: Point) -> "Curve":
        """With one point more, in the place of an older one of the same run and rows."""
        kept = tuple(one for one in self.points if (one.run, one.rows) != (point.run, point.rows))
        return replace(self, points=(*kept, point))

    def bounded(self, run: str, bounds: Mapping[str, Bounds]) -> "Curve":
        """With the bounds of a run."""
        return replace(self, bounds={**self.bounds, run: bounds})

    def frame(self) -> "pd.DataFrame":
        """A row a point and metric: run, step, rows, l0, metric, value, low, high, best floor, best ceiling."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for run in self.runs:
            for point in self.of(run):
                for metric, estimate in point.scores.items():
                    known = self.bounds.get(run, {}).get(metric)
                    rows.append(
                        {
                            "run": run,
                            "step": point.step,
                            "rows": point.rows,
                            "l0": point.l0,
                            "metric": metric,
                            **asdict(estimate),
                            "floor": best(known.floors, metric) if known else float("nan"),
                            "ceiling": best(known.ceilings, metric) if known else float("nan"),
                        }
                    )
        columns = ["run", "step", "rows", "l0", "metric", "value", "low", "high", "floor", "ceiling"]
        return pd.DataFrame(rows, columns=columns)

    def save(self, path: str | Path) -> None:
        """JSON lines: first what is common, then a line a point. The file is whole or as it was before."""
        head = {
            "fiducial_curve": FORMAT,
            "about": dict(self.about),
            "runs": {name: dict(made) for name, made in self.runs.items()},
            "bounds": {
                run: {metric: asdict(bounds) for metric, bounds in by_metric.items()}
                for run, by_metric in self.bounds.items()
            },
        }
        lines = [head, *(asdict(point) for run in self.runs for point in self.of(run))]
        with partial_file(path) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in lines))

    @classmethod
    def read(cls, path: str | Path) -> "Curve":
        """A saved curve.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file of something else, or of a later format.
        """
        try:
            head, *lines = (json.loads(line) for line in Path(path).read_text().splitlines())
            if head["fiducial_curve"] != FORMAT:
                raise ValueError(f"{path} is a curve of format {head['fiducial_curve']}, this version reads {FORMAT}")
            bounds = {
                run: {metric: Bounds(**one) for metric, one in by_metric.items()}
                for run, by_metric in head["bounds"].items()
            }
            points = tuple(
                Point(**{**line, "scores": {name: Estimate(**one) for name, one in line["scores"].items()}})
                for line in lines
            )
            return cls(head["about"], head["runs"], points, bounds)
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a curve of scores along training, as `Curve.save` writes it") from error
        except ValueError as error:
            if "format" in str(error):
                raise
            raise ValueError(f"{path} is not a curve of scores along training: it is empty") from error


def joined(curves: Sequence[Curve]) -> Curve:
    """One curve of several that were scored alike.

    Raises:
        ValueError: none, another sample or metric, or a run that two of them have.
    """
    if not curves:
        raise ValueError("no curve to join")
    first = curves[0]
    for other in curves[1:]:
        if differing := differences(first.about, other.about):
            raise ValueError(f"curves of other samples cannot stand in one figure; they differ in {differing}")
    names = [run for curve in curves for run in curve.runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two curves have a run of the same name: {', '.join(twice)}")
    return Curve(
        first.about,
        {name: made for curve in curves for name, made in curve.runs.items()},
        tuple(point for curve in curves for point in curve.points),
        {run: bounds for curve in curves for run, bounds in curve.bounds.items()},
    )


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Keys in which two records differ, with both values; empty where they agree."""
    plain = [json.loads(json.dumps(dict(record))) for record in (one, other)]  # tuples become lists, as in a file
    keys = [key for key in {**plain[0], **plain[1]} if plain[0].get(key) != plain[1].get(key)]
    return ", ".join(f"{key} ({plain[0].get(key)} and {plain[1].get(key)})" for key in keys)


def best(values: Mapping[str, float], metric: str) -> float:
    """The best of floors or ceilings: the lowest of an error, the highest otherwise; NaN for none."""
    found: Iterable[float] = values.values()
    return (min if metric.endswith("_error") else max)(found, default=float("nan"))
