"""What a test asks of a score: which number, at least or at most what, on a bound of its interval or on its value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..metrics import METRICS
from ..metrics.score import Score
from ..report_compare import interval_text, number
from ..suggestions import did_you_mean

By = Literal["bound", "value"]
BY = ("bound", "value")


@dataclass(frozen=True)
class Requirement:
    """One number that is asked for.

    Attributes:
        metric: its name.
        place: `""` for the score, else `group board` or `feature mine on c4`.
        at_least: smallest number allowed; None for none.
        at_most: largest number allowed; None for none.
    """

    metric: str
    place: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def label(self) -> str:
        """What it is about, for people."""
        return f"{self.metric}, {self.place}" if self.place else self.metric

    def text(self, by: By) -> str:
        """The requirement in words."""
        ends = {"at_least": "low end of the 95 % interval", "at_most": "high end of the 95 % interval"}
        parts = [
            f"{words} {number(limit)}" + (f" at the {ends[side]}" if by == "bound" else "")
            for side, words, limit in (("at_least", "at least", self.at_least), ("at_most", "at most", self.at_most))
            if limit is not None
        ]
        return " and ".join(parts)


@dataclass(frozen=True)
class Miss:
    """A requirement that is not met.

    Attributes:
        asked: what was required.
        value: what there is; NaN if it could not be measured.
        low: lower end of its interval.
        high: upper end.
        short: by how much it falls short, above 0; NaN if it could not be measured.
        floor: where it stands in a table, or NaN.
    """

    asked: Requirement
    value: float
    low: float
    high: float
    short: float
    floor: float = math.nan

    def sentence(self, by: By) -> str:
        """What came and what was asked for, in one line."""
        if math.isnan(self.short):
            return f"{self.asked.label} could not be measured; asked was {self.asked.text(by)}"
        found = f"{self.asked.label} is {number(self.value)} {interval_text(self.low, self.high)}"
        return f"{found}; asked was {self.asked.text(by)}: {number(self.short)} away"


def check_metric(name: str) -> str:
    """The name, if one metric of the catalogue has it; families have several, and one number is asked for here.

    Raises:
        KeyError: another name; close names are suggested.
    """
    if name not in METRICS:
        raise KeyError(f"no metric named {name!r}; {did_you_mean(str(name), METRICS)}")
    return name


def required(metric: str, asked: Any) -> Requirement:
    """A requirement from what stands behind `metric=`.

    Args:
        metric: a name of the catalogue.
        asked: a number: a minimum where higher is better, a maximum where lower is; or a pair (least, most), either of
            them None.

    Raises:
        KeyError: an unknown metric; close names are suggested.
        TypeError: neither a number nor a pair.
        ValueError: a lone number for a metric without a good direction, or a number that the metric cannot have.
    """
    record = METRICS[check_metric(metric)]
    if isinstance(asked, tuple | list):
        if len(asked) != 2 or all(end is None for end in asked):
            raise TypeError(f"{metric}: a range is a pair (least, most), one of which may be None; got {asked!r}")
        least, most = (None if end is None else _number(metric, end) for end in asked)
        if least is not None and most is not None and least > most:
            raise ValueError(f"{metric}: the range {asked!r} is empty")
        return Requirement(metric, at_least=least, at_most=most)
    limit = _number(metric, asked)
    if record.direction == "none":
        raise ValueError(
            f"{metric} has no good direction, so that {number(limit)} may be meant as a minimum or a maximum: give a "
            f"pair, such as {metric}=({number(limit)}, None)"
        )
    if record.direction == "down":
        return Requirement(metric, at_most=limit)
    return Requirement(metric, at_least=limit)


def _number(metric: str, asked: Any) -> float:
    record = METRICS[metric]
    if isinstance(asked, bool) or not isinstance(asked, int | float) or math.isnan(asked):
        raise TypeError(f"{metric}: asked for {asked!r}; give a number")
    if not record.low <= asked <= record.high:
        hint = f"; {asked / 100:g}, if per cent were meant" if record.high == 1 and 1 < asked <= 100 else ""
        raise ValueError(f"{metric} lies between {record.low:g} and {record.high:g}, got {asked:g}{hint}")
    return float(asked)


def check_by(by: str) -> By:
    """The word, if it says on what a requirement is held.

    Raises:
        ValueError: another word.
    """
    if by not in BY:
        raise ValueError(f"by must be 'bound' (the careful end of the 95 % interval) or 'value', got {by!r}")
    return "value" if by == "value" else "bound"


def miss(asked: Requirement, value: float, low: float, high: float, by: By, floor: float = math.nan) -> Miss | None:
    """The miss, if a number is not what was required; one without an interval is held by its value."""
    careful = by == "bound" and not (math.isnan(low) or math.isnan(high))
    lowest, highest = (low, high) if careful else (value, value)
    if math.isnan(value):
        return Miss(asked, value, low, high, math.nan, floor)
    gaps = [0.0]
    if asked.at_least is not None:
        gaps.append(asked.at_least - lowest)
    if asked.at_most is not None:
        gaps.append(highest - asked.at_most)
    return Miss(asked, value, low, high, max(gaps), floor) if max(gaps) > 0 else None


def group_misses(score: Score, asked: Mapping[str, float], by: By) -> list[Miss]:
    """What groups of one metric miss.

    Raises:
        KeyError: a group that the score does not have; close names are suggested.
    """
    __tracebackhide__ = True  # a slip in the test is a sentence, not our source
    found: list[Miss] = []
    for group, limit in asked.items():
        if group not in score.groups:
            raise KeyError(f"{score.metric} has no group {group!r} here; {did_you_mean(group, score.groups)}")
        one = required(score.metric, limit)
        one = Requirement(score.metric, f"group {group}", one.at_least, one.at_most)
        low, high = score.group_intervals.get(group, (math.nan, math.nan))
        if (short := miss(one, score.groups[group], low, high, by)) is not None:
            found.append(short)
    return found


def feature_misses(score: Score, asked: Mapping[str, float | None], by: By) -> list[Miss]:
    """What features of one metric miss; one without a number has to be above its own floor.

    Raises:
        KeyError: a feature that is not in the score's table; close names are suggested.
        ValueError: a feature that is too rare in these games to be judged.
    """
    table = score.features
    place = {name: row for row, name in enumerate(table.get("feature", []))}
    found: list[Miss] = []
    for name, limit in asked.items():
        if name not in place:
            raise KeyError(f"{score.metric} has no feature {name!r} here; {did_you_mean(name, place)}")
        row = place[name]
        if "rare" in table and table["rare"][row]:
            raise ValueError(
                f"{name!r} holds too rarely here to be judged: {table['positives'][row]} positives in the reporting "
                f"games, {score.details.get('min_positives')} are needed; ask for more games"
            )
        floor = float(table["floor"][row]) if "floor" in table else math.nan
        above = min(math.nextafter(floor, math.inf), METRICS[score.metric].high)  # to reach the floor is no find
        one = required(score.metric, above if limit is None else limit)
        one = Requirement(score.metric, f"feature {name}", one.at_least, one.at_most)
        low, high = (float(table[key][row]) if key in table else math.nan for key in ("low", "high"))
        if (short := miss(one, float(table["value"][row]), low, high, by, floor)) is not None:
            found.append(short)
    return found
