"""What a failed assertion says: the numbers, how floor and ceiling stand, what was missed, and what to try."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics import METRICS
from ..metrics.score import Score
from ..report import Report
from ..report_compare import better, group_standing, interval_text, number, over_floor, printable, standing
from .requirements import By, Miss

MOST_FEATURES, MOST_OF_A_GROUP, MOST_GROUPS = 8, 3, 6
_NAME = 44  # characters of a name in a table


def not_recovered(report: Report, misses: Sequence[Miss], by: By) -> str:
    """The message of `assert_recovers`."""
    lines = [f"{_about(report)}: {len(misses)} of what was asked {'is' if len(misses) == 1 else 'are'} not met", ""]
    for one in misses:
        lines.append(f"  {one.sentence(by)}")
        if not one.asked.place:
            lines.append(f"      {bounds(report.scores[one.asked.metric])}")
        elif not math.isnan(one.floor):
            lines.append(f"      its floor, predicting it everywhere, is {number(one.floor)}")
    for metric in dict.fromkeys(one.asked.metric for one in misses):
        lines += tables(report, metric)
    advised = [line for one in misses for line in advice(report, one, by)]
    return _finished(lines, advised)


def not_standing(report: Report, metric: str, sentence: str, advised: Sequence[str] = ()) -> str:
    """The message of an assertion about one score and its bounds."""
    score = report.scores[metric]
    lines = [f"{_about(report)}: {sentence}", "", f"  {metric} {number(score.value)} {_interval(score)}"]
    lines += [f"      {bounds(score)}", *tables(report, metric)]
    return _finished(lines, advised or general(report, metric))


def not_ordered(a: Report, b: Report, metric: str, sentence: str, difference: str) -> str:
    """The message of an assertion about two dictionaries."""
    lines = [f"on {a.testbed}: {sentence}", "", f"  difference {difference}"]
    for report in (a, b):
        score = report.scores[metric]
        lines += [f"  {report.dictionary}: {metric} {number(score.value)} {_interval(score)}", f"      {bounds(score)}"]
    lines += _worse_groups(a.scores[metric], b.scores[metric], a.dictionary, b.dictionary)
    return _finished(lines, ())


def bounds(score: Score) -> str:
    """Best floor and ceiling of a score and where it stands between them, in one line."""
    at = standing(score)
    floor = f"floor {number(at.floor_value)} ({at.floor})" if at.floor else "no floor"
    ceiling = f"ceiling {number(at.ceiling_value)} ({at.ceiling})" if at.ceiling else "no ceiling"
    if math.isnan(at.normalised):
        return f"{floor}, {ceiling}"
    if at.normalised < 0:
        return f"{floor}, {ceiling}; it stands below the floor"
    return f"{floor}, {ceiling}; it stands at {number(at.normalised)} of the way from floor to ceiling"


def tables(report: Report, metric: str) -> list[str]:
    """Groups, worst first, and the features whose loss weighs most; nothing where a metric has neither."""
    score = report.scores[metric]
    lines: list[str] = []
    if len(score.groups) > 1:
        rows = [_group_row(report, metric, group) for group in _worst_first(score)[:MOST_GROUPS]]
        left = len(score.groups) - len(rows)
        title = f"groups of {metric}, worst first" + (f" ({left} more are better)" if left > 0 else "")
        lines += ["", f"  {title}", *_aligned(("group", "value", "95 %", "floor", "ceiling"), rows)]
    features = _weightiest(score)
    if features:
        title = f"features of {metric} that would add most if they were found ({_counted(score)})"
        headings = ("feature", "would add", "F1", "95 %", "floor", "best latent", "precision", "recall", "holds at")
        lines += ["", f"  {title}", *_aligned(headings, features)]
    return lines


def advice(report: Report, one: Miss, by: By) -> list[str]:
    """What to try about one miss, most telling first."""
    score = report.scores[one.asked.metric]
    if math.isnan(one.short):
        return [f"{one.asked.metric} is not a number here: {METRICS[one.asked.metric].limits}"]
    said: list[str] = []
    limit = one.asked.at_least if one.asked.at_least is not None else one.asked.at_most
    at = standing(score)
    if not one.asked.place and at.ceiling is not None and limit is not None and better(score, limit, at.ceiling_value):
        said.append(
            f"no reference reaches {number(limit)} here: the best, {at.ceiling}, has {number(at.ceiling_value)}. Ask "
            "for less, or read another layer or model"
        )
    met = (one.asked.at_least is None or one.value >= one.asked.at_least) and (
        one.asked.at_most is None or one.value <= one.asked.at_most
    )
    if by == "bound" and met:
        said.append(
            f"the value itself meets what was asked, its interval does not: more games narrow it (--fiducial-games), "
            f"or ask by the value with by='value', or leave {number(one.short)} of room"
        )
    return [*said, *general(report, one.asked.metric)]


def general(report: Report, metric: str) -> list[str]:
    """What a score's floors and its features' precision and recall say."""
    score = report.scores[metric]
    said: list[str] = []
    at = standing(score)
    if at.floor is not None and better(score, at.floor_value, score.value):
        said.append(
            f"{at.floor} alone reaches {number(at.floor_value)}, more than this dictionary: what it found deserves no "
            "credit yet. Compare floors in `print(report)`, and train longer, wider, or at another L0"
        )
    said += _habits(score)
    dead = report.scores.get("dead_latents_error")
    if dead is not None and dead.value > 0.2:
        said.append(f"{dead.value:.0%} of the latents {_interval(dead)} never fire: more training, or a narrower SAE")
    l0 = report.scores.get("l0")
    if l0 is not None and said:
        said.append(f"its L0 is {number(l0.value)} {_interval(l0)}: a sweep over L0 shows whether another suits better")
    return said or [f"what {metric} cannot tell: {METRICS[metric].limits}"]


def _habits(score: Score) -> list[str]:
    """Whether missed features are caught too broadly or too narrowly."""
    table = score.features
    if not {"precision", "recall", "value"} <= set(table):
        return []
    rows = [i for i in _scored_rows(table) if table["value"][i] < 0.5]
    if not rows:
        return []
    broad = sum(table["precision"][i] < table["recall"][i] for i in rows)
    if broad > 0.75 * len(rows):
        return [
            f"{broad} of {len(rows)} features below 0.5 have a best latent that fires too broadly (precision below "
            "recall): several features share it. Try a wider SAE"
        ]
    if broad < 0.25 * len(rows):
        return [
            f"{len(rows) - broad} of {len(rows)} features below 0.5 have a best latent that fires too narrowly (recall "
            "below precision): they are split, or absorbed by others. Try a narrower SAE or a higher L0"
        ]
    return []


def difference_text(value: float, low: float, high: float, paired: bool) -> str:
    """A difference with its interval, and whether its two sides were resampled alike."""
    return f"{value:+.3f} {interval_text(low, high)}" + ("" if paired else " (not paired: one side has no replicates)")


def best_floor(report: Report, metric: str) -> dict[str, Any] | None:
    """The difference of a score from its best floor; see `report_compare.over_floor`."""
    score = report.scores[metric]
    known = score.details.get("over_floor")
    controls = {name: by_metric[metric] for name, by_metric in report.controls.items() if metric in by_metric}
    return known or over_floor(score, controls)


def _about(report: Report) -> str:
    bed = report.provenance.get("testbed")
    detail = ""
    if isinstance(bed, Mapping) and "games" in bed:
        detail = f" ({bed['games']} games of seed {bed.get('seed')}, half of which report)"
    return printable(f"{report.dictionary} on {report.testbed}{detail}")


def _interval(score: Score) -> str:
    return interval_text(score.low, score.high)


def _worst_first(score: Score) -> list[str]:
    sign = -1 if METRICS[score.metric].direction == "down" else 1
    return sorted(score.groups, key=lambda group: sign * score.groups[group])


def _group_row(report: Report, metric: str, group: str) -> tuple[str, ...]:
    score = report.scores[metric]
    at = group_standing(score, group, report.controls, metric)
    low, high = score.group_intervals.get(group, (math.nan, math.nan))
    floor = f"{number(at.floor_value)} {at.floor}" if at.floor else "\N{EN DASH}"
    ceiling = f"{number(at.ceiling_value)} {at.ceiling}" if at.ceiling else "\N{EN DASH}"
    return (_short(group), number(score.groups[group]), interval_text(low, high), floor, ceiling)


def _scored_rows(table: Mapping[str, Sequence[Any]]) -> list[int]:
    rare = table.get("rare")
    return [i for i in range(len(table["feature"])) if rare is None or not rare[i]]


def _weightiest(score: Score) -> list[tuple[str, ...]]:
    """Features by what the score would gain if they had F1 1: groups average inside, so those of small groups weigh."""
    table = score.features
    if score.metric not in ("coverage",) or not {"feature", "group", "value", "latent"} <= set(table):
        return []
    rows = _scored_rows(table)
    sizes: dict[str, int] = {}
    for i in rows:
        sizes[table["group"][i]] = sizes.get(table["group"][i], 0) + 1
    gain = {i: (1 - table["value"][i]) / sizes[table["group"][i]] / len(sizes) for i in rows}
    shown: list[tuple[str, ...]] = []
    used: dict[str, int] = {}
    for i in sorted(rows, key=lambda i: -gain[i]):
        group = table["group"][i]
        if used.get(group, 0) >= MOST_OF_A_GROUP or len(shown) == MOST_FEATURES:
            continue
        used[group] = used.get(group, 0) + 1
        latent = table["latent"][i]
        shown.append(
            (
                _short(table["feature"][i]),
                f"+{gain[i]:.4f}",
                number(table["value"][i]),
                interval_text(table["low"][i], table["high"][i]),
                number(table["floor"][i]),
                "none" if latent is None else str(latent),
                number(table["precision"][i]),
                number(table["recall"][i]),
                f"{table['positives'][i]}",
            )
        )
    return shown


def _counted(score: Score) -> str:
    table = score.features
    rows = _scored_rows(table)
    above = sum(table["value"][i] > table["floor"][i] for i in rows)
    return f"{above} of {len(rows)} are above their own floor"


def _worse_groups(a: Score, b: Score, name_a: str, name_b: str) -> list[str]:
    common = [group for group in a.groups if group in b.groups]
    sign = -1 if METRICS[a.metric].direction == "down" else 1
    ordered = sorted(common, key=lambda group: sign * (a.groups[group] - b.groups[group]))[:MOST_GROUPS]
    if len(common) < 2:
        return []
    rows = []
    for group in ordered:
        ends = [interval_text(*s.group_intervals.get(group, (math.nan, math.nan))) for s in (a, b)]
        rows.append((_short(group), number(a.groups[group]), ends[0], number(b.groups[group]), ends[1]))
    return ["", f"  groups, worst for {name_a} first", *_aligned(("group", name_a, "95 %", name_b, "95 %"), rows)]


def _aligned(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    return [
        "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _NAME else name[: _NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _finished(lines: list[str], advised: Sequence[str]) -> str:
    said = list(dict.fromkeys(advised))
    return "\n".join([*lines, *(["", "  what to try"] if said else []), *(f"    - {line}" for line in said)])
