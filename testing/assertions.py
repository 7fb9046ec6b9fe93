"""Assertions about dictionaries, for pytest, unittest or a script: each failure says what was found and what was not.

A requirement holds at the careful end of the 95 % interval: a minimum at its low end, a maximum at its high end. With
`by="value"` it holds at the value. All take a dictionary, a sae_lens SAE, a path, the name of an SAE that ships with
the testbed, latents beside a `Truth`, or a report; and a testbed, the name of one, or a `Truth`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..metrics import METRICS
from ..metrics.score import Score, interval
from ..report import Report
from ..report_compare import best, lower_is_better, number, standing
from .explain import best_floor, difference_text, not_ordered, not_recovered, not_standing
from .reports import scored
from .requirements import Miss, check_by, check_metric, feature_misses, group_misses, miss, required
from .session import current

_NORMAL = 1.959964  # half width of a 95 % interval in standard errors


def assert_recovers(
    sae: Any,
    testbed: Any = None,
    *,
    groups: Mapping[str, Any] | None = None,
    features: Iterable[str] | Mapping[str, float] | None = None,
    by: str = "bound",
    seed: int | None = None,
    **metrics: Any,
) -> Report:
    """Assert that a dictionary recovers what is true: `assert_recovers(sae, testbed, coverage=0.6)`.

    Args:
        sae: see the module.
        testbed: likewise; None for a report.
        groups: least coverage of feature groups, such as `{"board": 0.6}`; or of other metrics,
            `{"reconstruction": {"board": 0.6}}`.
        features: names of features that must be found, so that coverage of each is above its own floor; or least F1 by
            name.
        by: "bound", the careful end of the interval, or "value".
        seed: of the bootstrap.
        metrics: what is asked of each metric of the catalogue, in its own units: a minimum where higher is better, a
            maximum where lower is, or a pair (least, most).

    Returns:
        The report, for more of the same.

    Raises:
        AssertionError: something is not met; says what was missed and how floor and ceiling stand.
        KeyError: an unknown metric, group, feature, SAE or testbed; close names are suggested.
        TypeError: arguments that cannot be meant.
        ValueError: a number that a metric cannot have, or a metric that the testbed cannot be asked.
    """
    __tracebackhide__ = True
    held = check_by(by)
    asked = [required(name, limit) for name, limit in metrics.items()]
    by_group = _groups_by_metric(groups or {})
    wanted = _features(features)
    found_in: list[str] = [*metrics, *by_group, *(["coverage"] if wanted else [])]
    names = tuple(dict.fromkeys(found_in))
    if not names:
        raise TypeError("assert_recovers: nothing is asked; say for instance coverage=0.6")
    report = scored(sae, testbed, names, seed=seed)
    misses: list[Miss | None] = []
    for one in asked:
        score = report.scores[one.metric]
        misses.append(miss(one, score.value, score.low, score.high, held))
    for metric, limits in by_group.items():
        misses += group_misses(report.scores[metric], limits, held)
    if wanted:
        misses += feature_misses(report.scores["coverage"], wanted, held)
    current().remember(report, names)
    if found := [one for one in misses if one is not None]:
        raise AssertionError(not_recovered(report, found, held))
    return report


def assert_score(
    sae: Any,
    testbed: Any = None,
    metric: str = "coverage",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    by: str = "bound",
    seed: int | None = None,
) -> Score:
    """Assert that one score lies in a range; returns it.

    Args:
        sae: see the module.
        testbed: likewise.
        metric: any of the catalogue.
        at_least: smallest number allowed.
        at_most: largest number allowed.
        by: "bound" or "value".
        seed: of the bootstrap.

    Raises:
        AssertionError: it does not; says what was missed and how floor and ceiling stand.
        TypeError: neither end is given.
    """
    __tracebackhide__ = True
    if at_least is None and at_most is None:
        raise TypeError("assert_score: say at_least, at_most or both")
    limits: dict[str, Any] = {metric: (at_least, at_most)}
    return assert_recovers(sae, testbed, by=by, seed=seed, **limits).scores[metric]


def assert_beats_floor(
    sae: Any,
    testbed: Any = None,
    metric: str = "coverage",
    *,
    floor: str | None = None,
    margin: float = 0.0,
    seed: int | None = None,
) -> Score:
    """Assert that a score is better than what deserves no credit, beyond noise (paired over games).

    Args:
        sae: see the module.
        testbed: likewise.
        metric: any with a good direction.
        floor: part of the name of one floor, such as "neurons"; the best one by default.
        margin: by how much, at the careful end of the difference's interval.
        seed: of the bootstrap.

    Raises:
        AssertionError: it is not.
        KeyError: no such floor.
        ValueError: a metric that has no floor here.
    """
    __tracebackhide__ = True
    report = scored(sae, testbed, check_metric(metric), seed=seed)
    score = report.scores[metric]
    if not score.floors:
        raise ValueError(f"{metric} has no floor on {report.testbed}, so that nothing can be beaten")
    if floor is None:
        name, value = best(score, score.floors)
        found = best_floor(report, metric)
        low, high, paired = (found["low"], found["high"], found["paired"]) if found else (math.nan, math.nan, False)
    else:
        name = _one_of(floor, score.floors, f"floor of {metric} on {report.testbed}")
        value = score.floors[name]
        low, high, paired = _difference(score, report.controls.get(name, {}).get(metric), value)
    current().remember(report, (metric,))
    careful = -high if lower_is_better(score) else low
    if math.isnan(careful) or careful <= margin:
        found_text = difference_text(score.value - value, low, high, paired)
        beyond = f" by more than {number(margin)}" if margin else " beyond noise"
        raise AssertionError(
            not_standing(report, metric, f"{metric} does not beat {name}{beyond}; the difference is {found_text}")
        )
    return score


def assert_near_ceiling(
    sae: Any,
    testbed: Any = None,
    metric: str = "coverage",
    *,
    within: float = 0.1,
    by: str = "bound",
    seed: int | None = None,
) -> Score:
    """Assert that a score comes near what could be had.

    Args:
        sae: see the module.
        testbed: likewise.
        metric: any with a ceiling here.
        within: how much of the way from the best floor to the best ceiling may be left, 0 to 1.
        by: "bound", the careful end of the interval, or "value".
        seed: of the bootstrap.

    Raises:
        AssertionError: too far, or floor and ceiling leave no room to judge by.
        ValueError: a metric without a ceiling or floor here, or `within` outside [0, 1].
    """
    __tracebackhide__ = True
    held = check_by(by)
    if not 0 <= within <= 1:
        raise ValueError(f"within is a share of the way from floor to ceiling, 0 to 1; got {within}")
    report = scored(sae, testbed, check_metric(metric), seed=seed)
    score = report.scores[metric]
    at = standing(score)
    if at.ceiling is None or at.floor is None:
        lacks = "ceiling" if at.ceiling is None else "floor"
        raise ValueError(f"{metric} has no {lacks} on {report.testbed}, so that nothing can be near it")
    current().remember(report, (metric,))
    if math.isnan(at.normalised):
        room = f"{number(at.floor_value)} ({at.floor}) and {number(at.ceiling_value)} ({at.ceiling})"
        raise AssertionError(not_standing(report, metric, f"floor and ceiling of {metric} leave no room: {room}"))
    careful = score.high if lower_is_better(score) else score.low
    used = score.value if held == "value" or math.isnan(careful) else careful
    place = (used - at.floor_value) / (at.ceiling_value - at.floor_value)
    if place < 1 - within:
        end = "value" if held == "value" else "careful end of its interval"
        raise AssertionError(
            not_standing(
                report,
                metric,
                f"the {end} stands at {number(place)} of the way to the ceiling; asked was {number(1 - within)}",
            )
        )
    return score


def assert_better(
    a: Any, b: Any, testbed: Any = None, metric: str = "coverage", *, margin: float = 0.0, seed: int | None = None
) -> float:
    """Assert that one dictionary scores better than another, beyond noise.

    Both are resampled on the same games, so that what they share cancels. A report read from a file keeps no resamples;
    the difference is then taken as if the two were independent, which is careful.

    Args:
        a: the better one; see the module.
        b: the other.
        testbed: of both; None for reports.
        metric: any with a good direction.
        margin: by how much, at the careful end of the difference's interval.
        seed: of the bootstrap.

    Returns:
        By how much `a` is better; above 0.

    Raises:
        AssertionError: it is not.
        ValueError: a metric without a good direction, or reports on different testbeds.
    """
    __tracebackhide__ = True
    first, second, value, low, high, paired = _compared(a, b, testbed, metric, seed)
    careful = -high if METRICS[metric].direction == "down" else low
    if math.isnan(careful) or careful <= margin:
        beyond = f"by more than {number(margin)}" if margin else "beyond noise"
        sentence = f"{first.dictionary} is not better than {second.dictionary} at {metric} {beyond}"
        raise AssertionError(not_ordered(first, second, metric, sentence, difference_text(value, low, high, paired)))
    return -value if METRICS[metric].direction == "down" else value


def assert_not_worse(
    a: Any, baseline: Any, testbed: Any = None, metric: str = "coverage", *, tolerance: float, seed: int | None = None
) -> float:
    """Assert that a dictionary is no worse than a baseline by more than a tolerance, at the careful end.

    Args:
        a: see the module.
        baseline: another dictionary, or the JSON file of an earlier report.
        testbed: of both; None for reports.
        metric: any with a good direction.
        tolerance: what may be lost, in units of the metric; above 0, since noise can never be excluded to the last bit.
        seed: of the bootstrap.

    Returns:
        By how much `a` is better; below 0 if it is a little worse.

    Raises:
        AssertionError: it may be worse by more.
        ValueError: a tolerance of 0 or less, a metric without a good direction, or reports on different testbeds.
    """
    __tracebackhide__ = True
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}; to demand more than equality use assert_better")
    first, second, value, low, high, paired = _compared(a, baseline, testbed, metric, seed)
    down = METRICS[metric].direction == "down"
    loss = high if down else -low
    if math.isnan(loss) or loss > tolerance:
        sentence = (
            f"{first.dictionary} may be worse than {second.dictionary} at {metric} by {number(loss)}; "
            f"allowed is {number(tolerance)}"
        )
        raise AssertionError(not_ordered(first, second, metric, sentence, difference_text(value, low, high, paired)))
    return -value if down else value


def _compared(
    a: Any, b: Any, testbed: Any, metric: str, seed: int | None
) -> tuple[Report, Report, float, float, float, bool]:
    """Both reports, and the difference a - b with its interval and whether it is paired."""
    if METRICS[check_metric(metric)].direction == "none":
        raise ValueError(f"{metric} has no good direction, so that neither of two is better at it")
    first, second = (scored(one, testbed, metric, seed=seed) for one in (a, b))
    if first.testbed != second.testbed:
        raise ValueError(f"two scores are compared on one testbed, got {first.testbed} and {second.testbed}")
    for report in (first, second):
        current().remember(report, (metric,))
    mine, other = first.scores[metric], second.scores[metric]
    alike = all(
        first.provenance.get(key) == second.provenance.get(key) for key in ("testbed", "seed", "games", "truth")
    )
    low, high, paired = _difference(mine, other if alike else replace(other, replicates=None), other.value)
    return first, second, mine.value - other.value, low, high, paired


def _difference(score: Score, other: Score | None, value: float) -> tuple[float, float, bool]:
    """Interval of a score minus another, and whether it is paired; one that is a bare number counts as exact."""
    mine = score.replicates
    theirs = None if other is None else other.replicates
    if mine is not None and theirs is not None and mine.shape == theirs.shape:
        return (*interval(mine - theirs), True)
    if other is None or math.isnan(other.low):
        return score.low - value, score.high - value, False
    error = math.hypot(score.high - score.low, other.high - other.low) / 2 / _NORMAL
    middle = score.value - other.value
    return middle - _NORMAL * error, middle + _NORMAL * error, False


def _groups_by_metric(groups: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Requirements of groups by metric; bare ones are of coverage."""
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups: give names and numbers, such as {{'board': 0.6}}; got {groups!r}")
    found: dict[str, dict[str, Any]] = {}
    for name, limit in groups.items():
        if isinstance(limit, Mapping):
            found.setdefault(check_metric(name), {}).update(limit)
        else:
            found.setdefault("coverage", {})[name] = limit
    return found


def _features(features: Iterable[str] | Mapping[str, float] | None) -> dict[str, float | None]:
    if features is None:
        return {}
    if isinstance(features, str):
        return {features: None}
    return dict(features) if isinstance(features, Mapping) else dict.fromkeys(features)


def _one_of(part: str, names: Iterable[str], what: str) -> str:
    """The only name that holds a part of it.

    Raises:
        KeyError: none or several.
    """
    known = list(names)
    found = [name for name in known if part == name] or [name for name in known if part in name]
    if len(found) != 1:
        raise KeyError(
            f"{'no' if not found else 'more than one'} {what} is called {part!r}; there are {', '.join(known)}"
        )
    return found[0]
