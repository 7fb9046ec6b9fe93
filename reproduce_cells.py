"""One number of the reproduced tables, a table of them, and the best of several SAEs number by number."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .reproduce_labels import STRATEGY
from .reproduce_numbers import STRATEGY_MEAN, published_numbers
from .reproduce_scores import METRICS, WAYS, Sample, Scores

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class Cell:
    """One number of the table.

    Attributes:
        function: published name, or `strategy`, the mean of several.
        row: `random`, `trained` or `probe`.
        way: one of `WAYS`.
        metric: coverage or reconstruction.
        value: the number; None where nothing could be scored.
        low: lower end of its 95 % interval over games; of `held-out` only.
        high: upper end.
        floor: what a prediction scores that ignores the dictionary.
        dictionary: which SAE it is of.
        published: the published number, beside `as published` only.
        n_functions: how many functions it is a mean of; `strategy` leaves out those that never held, or too rarely.
    """

    function: str
    row: str
    way: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    dictionary: str
    published: float | None
    n_functions: int = 1


@dataclass(frozen=True)
class Reproduction:
    """The tables of one model.

    Attributes:
        name: of the model or testbed.
        world: `chess` or `othello`.
        hook: where the activations were read.
        n_games: games in all; half choose or train, the other half test.
        n_dictionaries: how many SAEs each row is the best of.
        cells: the numbers.
        about: where they come from.
    """

    name: str
    world: str
    hook: str
    n_games: int
    n_dictionaries: dict[str, int]
    cells: tuple[Cell, ...]
    about: dict[str, Any] = field(default_factory=dict[str, Any])

    def cell(self, function: str, row: str, way: str, metric: str) -> Cell:
        """One cell.

        Raises:
            KeyError: no such cell.
        """
        for cell in self.cells:
            if (cell.function, cell.row, cell.way, cell.metric) == (function, row, way, metric):
                return cell
        raise KeyError(f"no {metric} of {function!r} for {row!r} {way!r}")

    def table(self) -> "Group":
        """For terminals."""
        from .reproduce_table import reproduction_table

        return reproduction_table(self)

    def to_json(self, path: str | Path) -> None:
        """Write everything to a file, whole or not at all."""
        path = Path(path)
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n")
        partial.replace(path)


def best_cells(row: str, scored: Sequence[tuple[str, Scores]], sample: Sample) -> Iterable[Cell]:
    """The best of a row's dictionaries, number by number."""
    parts: dict[str, tuple[str, ...]] = {function: (function,) for function in sample.functions}
    strategy = STRATEGY[sample.world]
    if strategy and set(strategy) <= set(sample.functions):
        parts[STRATEGY_MEAN] = strategy
    for function, members in parts.items():
        in_paper = published_numbers(sample.world, function).row(row)
        for way in WAYS:
            for metric, number in zip(METRICS, in_paper, strict=True):
                means = [_mean(scores, way, metric, members) for _, scores in scored]
                chosen_by = [mean[0] for mean in means]
                if way == "held-out" and len(scored) > 1:
                    chosen_by = [_inside_mean(scores, metric, members) for _, scores in scored]
                best = int(np.argmax(np.nan_to_num(chosen_by, nan=-1.0)))
                value, low, high, floor = (None if np.isnan(v) else float(v) for v in means[best])
                present = sum((way, metric, member) in scored[best][1].numbers for member in members)
                published = number if way == "as published" else None
                name = scored[best][0]
                yield Cell(function, row, way, metric, value, low, high, floor, name, published, present)


def _mean(scores: Scores, way: str, metric: str, members: Sequence[str]) -> tuple[float, ...]:
    """Value, interval and floor; the mean of several functions has no interval."""
    known = [scores.numbers[way, metric, f] for f in members if (way, metric, f) in scores.numbers]
    if len(known) == len(members) == 1:
        return known[0]
    no = float("nan")
    if not known:
        return (no, no, no, no)
    return (float(np.mean([number[0] for number in known])), no, no, float(np.mean([number[3] for number in known])))


def _inside_mean(scores: Scores, metric: str, members: Sequence[str]) -> float:
    known = [scores.inside[metric, f] for f in members if (metric, f) in scores.inside]
    return float(np.mean(known)) if known else float("nan")
