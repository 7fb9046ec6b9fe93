"""What the results say, in a sentence or two for someone who has never seen such a page."""

import math
from collections.abc import Mapping, Sequence

from ..metrics.score import Score
from ..report import Report
from ..report_compare import better, interval_text, lower_is_better, marker, number, standing

_MOST = 5  # testbeds that get a sentence
# The first of these that a report has speaks for it; each with what its number is about.
_SPEAKS = {
    "recovery_score": "recovers the true features",
    "coverage": "finds the known features",
    "edit_success_score": "steers the model",
    "reconstruction": "lets the known state be read back",
    "explained_variance_score": "rebuilds the activations",
}


def headline(testbeds: Mapping[str, Sequence[Report]]) -> list[str]:
    """Sentences about all reports: the first says what is asked, then one a testbed, those with most results first."""
    reports = [report for of in testbeds.values() for report in of]
    if len(reports) == 1:
        return _one(reports[0])
    ordered = sorted(testbeds.items(), key=lambda item: -len(item[1]))
    said = ["How much of a known truth each of them found, beside what deserves no credit and what labels can reach."]
    said += [sentence for name, of in ordered[:_MOST] if (sentence := _best(name, of))]
    if len(ordered) > _MOST:
        said.append(f"{len(ordered) - _MOST} more testbeds stand in the chart.")
    return said


def main_metric(report: Report) -> str | None:
    """The metric that speaks for a report; None if it has none with bounds."""
    known = [name for name in _SPEAKS if name in report.scores and not math.isnan(report.scores[name].value)]
    return known[0] if known else next((key for key, score in report.scores.items() if score.floors), None)


def _one(report: Report) -> list[str]:
    metric = main_metric(report)
    if metric is None:
        return [f"{report.dictionary} was scored on {report.testbed}; nothing here has a floor to be judged by."]
    score = report.scores[metric]
    how = _SPEAKS.get(metric, "scores")
    said = [f"{report.dictionary} {how} of {report.testbed} with {metric} {_value(score)}{_between(score)}."]
    won = {"*": "better than its best floor beyond noise", "▼": "worse than its best floor beyond noise"}
    bounded = [one for one in report.scores.values() if one.floors]
    n_better = sum(marker(one) == "*" for one in bounded)
    verdict = won.get(marker(score), "not told apart from its best floor")
    said.append(
        f"That is {verdict}; {n_better} of {len(bounded)} scores with a floor are better than theirs beyond noise."
    )
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
    floored = sum(bool(report.scores[metric].floors) for report in scored)
    told = f" {beyond} of {floored} beat their best floor beyond noise." if floored else ""
    leads = " leads" if len(scored) > 1 else ""
    near = sum(_overlap(report.scores[metric], score) for report in scored if report is not top)
    close = f" The interval{'s' * (near > 1)} of {near} other{'s' * (near > 1)} overlap{'s' * (near == 1)} its own."
    leading = f"{testbed}: {top.dictionary}{leads} with {metric} {_value(score)}{_between(score)}."
    return leading + (close if near else "") + told


def _overlap(one: Score, other: Score) -> bool:
    """Whether two intervals have a value in common; False where one is not known."""
    return one.low <= other.high and other.low <= one.high


def _value(score: Score) -> str:
    return f"{number(score.value)} {interval_text(score.low, score.high)}"


def _between(score: Score) -> str:
    """The best bounds of a score in words, and on which side of them it stands."""
    at = standing(score)
    floor = f"best floor {number(at.floor_value)} ({at.floor})" if at.floor is not None else ""
    ceiling = f"best ceiling {number(at.ceiling_value)} ({at.ceiling})" if at.ceiling is not None else ""
    if floor and better(score, at.floor_value, score.value):
        return f", worse than its {floor}" + (f"; {ceiling}" if ceiling else "")
    if floor and ceiling and not better(score, score.value, at.ceiling_value):
        return f", between {floor} and {ceiling}"
    return "".join(f"; {bound}" for bound in (floor, ceiling) if bound)
