"""What the results say, in a sentence or two for someone who has never seen such a page."""

import math
from collections.abc import Mapping, Sequence

from ..metrics.score import Score
from ..report import Report
from ..report_compare import interval_text, lower_is_better, marker, number, standing

# The first of these that a report has speaks for it; each with what its number is about.
_SPEAKS = {
    "recovery_score": "recovers the true features",
    "coverage": "finds the known features",
    "edit_success_score": "steers the model",
    "reconstruction": "lets the known state be read back",
    "explained_variance_score": "rebuilds the activations",
}


def headline(testbeds: Mapping[str, Sequence[Report]]) -> list[str]:
    """Sentences about all reports, by testbed: at most one a testbed and one more for each of the first three."""
    reports = [report for of in testbeds.values() for report in of]
    if len(reports) == 1:
        return _one(reports[0])
    said = [f"{len(reports)} results on {_places(list(testbeds))}."]
    for name, of in list(testbeds.items())[:3]:
        if sentence := _best(name, of):
            said.append(sentence)
    if len(testbeds) > 3:
        said.append(f"{len(testbeds) - 3} more testbeds stand in the chart.")
    return said


def main_metric(report: Report) -> str | None:
    """The metric that speaks for a report; None if it has none with bounds."""
    known = [name for name in _SPEAKS if name in report.scores and not math.isnan(report.scores[name].value)]
    return known[0] if known else next((key for key, score in report.scores.items() if score.floors), None)


def _places(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} testbeds"


def _one(report: Report) -> list[str]:
    metric = main_metric(report)
    if metric is None:
        return [f"{report.dictionary} was scored on {report.testbed}; nothing here has a floor to be judged by."]
    score = report.scores[metric]
    how = _SPEAKS.get(metric, "scores")
    said = [f"{report.dictionary} {how} of {report.testbed} with {metric} {_value(score)}{_between(score)}."]
    won = {"*": "better than its best floor beyond noise", "▼": "worse than its best floor beyond noise"}
    bounded = [one for one in report.scores.values() if one.floors]
    better = sum(marker(one) == "*" for one in bounded)
    verdict = won.get(marker(score), "not told apart from its best floor")
    said.append(f"That is {verdict}; {better} of {len(bounded)} scores with a floor are better than theirs.")
    return said


def _best(testbed: str, reports: Sequence[Report]) -> str | None:
    counts: dict[str, int] = {}
    for report in reports:
        if metric := main_metric(report):
            counts[metric] = counts.get(metric, 0) + 1
    if not counts:
        return None
    metric = max(counts, key=lambda name: counts[name])
    scored = [report for report in reports if metric in report.scores]
    scored = [report for report in scored if not math.isnan(report.scores[metric].value)]
    if not scored:
        return None
    lower = lower_is_better(scored[0].scores[metric])
    top = (min if lower else max)(scored, key=lambda report: report.scores[metric].value)
    score = top.scores[metric]
    beyond = sum(marker(report.scores[metric]) == "*" for report in scored)
    told = f"{beyond} of {len(scored)} are better than their best floor beyond noise"
    who = f"On {testbed}, {top.dictionary} leads" if len(scored) > 1 else f"On {testbed} there is {top.dictionary}"
    return f"{who} with {metric} {_value(score)}{_between(score)}; {told}."


def _value(score: Score) -> str:
    return f"{number(score.value)} {interval_text(score.low, score.high)}"


def _between(score: Score) -> str:
    """The bounds of a score in words."""
    at = standing(score)
    parts: list[str] = []
    if at.floor is not None:
        parts.append(f"floor {number(at.floor_value)} ({at.floor})")
    if at.ceiling is not None:
        parts.append(f"ceiling {number(at.ceiling_value)} ({at.ceiling})")
    return f", between {' and '.join(parts)}" if len(parts) == 2 else f", {parts[0]}" if parts else ""
