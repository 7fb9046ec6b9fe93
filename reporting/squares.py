"""Scores on the squares that features name: what the heat maps of boards show.

A square has the mean over its features: `mine on c4` and `yours on c4` are one square of the group `board`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..metrics.score import Score

MIN_SQUARES = 4  # a group that names fewer squares is no map
_SQUARE = re.compile(r"\b([a-p])([1-9][0-9]?)\b")

Square = tuple[int, int]  # file and rank, both from 0


def square(name: str) -> Square | None:
    """File and rank, from 0, of the one square that a feature name mentions; None for none and for several.

    >>> square("mine on c4"), square("knight attacks c4 from e5"), square("check")
    ((2, 3), None, None)
    """
    found = set(_SQUARE.findall(name))
    if len(found) != 1:
        return None
    file, rank = found.pop()
    return ord(file) - ord("a"), int(rank) - 1


def square_values(score: Score) -> dict[str, dict[Square, float]]:
    """Values of a per-feature table on the squares that its features name: group -> (file, rank) -> value.

    Features marked rare or without a value count as NaN. Groups of which most features name no square, or that name
    fewer than 4, are left out.
    """
    if "feature" not in score.features:  # a table of tasks, pairs or families
        return {}
    names = [str(name) for name in score.features["feature"]]
    empty: list[Any] = [None] * len(names)
    values, rare = score.features.get("value", empty), score.features.get("rare", empty)
    groups = [str(group) for group in score.features.get("group", ["features"] * len(names))]
    found: dict[str, dict[Square, list[float]]] = {}
    for name, group, value, is_rare in zip(names, groups, values, rare, strict=True):
        at = square(name)
        if at is not None:
            usable = not is_rare and isinstance(value, int | float)
            found.setdefault(group, {}).setdefault(at, []).append(float(value) if usable else math.nan)
    named = {group: sum(map(len, squares.values())) for group, squares in found.items()}
    return {
        group: {at: _mean(numbers) for at, numbers in squares.items()}
        for group, squares in found.items()
        if len(squares) >= MIN_SQUARES and 2 * named[group] > groups.count(group)
    }


def board_size(by_group: Iterable[Mapping[Square, float]]) -> int:
    """Side of the smallest square board that holds all squares; 0 for none."""
    return max((max(at) + 1 for values in by_group for at in values), default=0)


def as_list(values: Mapping[Square, float], size: int) -> list[float | None]:
    """The values of a board as a list at index `rank * size + file`, both from 0; None where there is none.

    Raises:
        ValueError: a square that a board of that size does not have.
    """
    found: list[float | None] = [None] * (size * size)
    for (file, rank), value in values.items():
        if not (0 <= file < size and 0 <= rank < size):
            raise ValueError(f"a board of size {size} has no file {file} and rank {rank} (both from 0)")
        found[rank * size + file] = None if math.isnan(value) else value
    return found


def squares_of(scores: Mapping[str, Score], size: int | None = None) -> dict[str, dict[str, list[float | None]]]:
    """Maps of all metrics of a report that have any: metric -> group -> value at index `rank * size + file`.

    Args:
        scores: metric -> score.
        size: of the board; None takes the smallest that holds all squares. Groups that name squares beyond it are
            left out.
    """
    found = {metric: square_values(score) for metric, score in scores.items()}
    side = board_size(values for by_group in found.values() for values in by_group.values()) if size is None else size
    maps = {
        metric: {group: as_list(values, side) for group, values in by_group.items() if board_size([values]) <= side}
        for metric, by_group in found.items()
    }
    return {metric: by_group for metric, by_group in maps.items() if by_group}


def _mean(numbers: Iterable[float]) -> float:
    known = [number for number in numbers if not math.isnan(number)]
    return sum(known) / len(known) if known else math.nan
