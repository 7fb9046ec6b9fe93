"""Reports as one self-contained, static HTML page: inline SVG, a table beneath every chart, no script, no network.

The page sets a content security policy that forbids both, and every piece of text from a report is escaped.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .metrics.score import Score
from .report import Report, write_atomically
from .report_compare import (
    ABSENT,
    NAN,
    Row,
    Standing,
    comparison,
    control_beats,
    group_standing,
    interval_text,
    lower_is_better,
    marker,
    number,
    standing,
)
from .report_css import CSS
from .report_svg import Bar, bar_chart, board, escape, square

_MIN_SQUARES = 4  # a group that names fewer squares is no map
_FEW = 4  # sentences, and places in each, before the rest is folded away or counted
_BAR_HEADINGS = ("", "value", "95 %", "best floor", "best ceiling", "0-1")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_HOW_TO_READ = """
<p>No number here stands alone. Each line of a chart spans from the best <b class="floor">floor</b> ( [ ), the strongest
thing that deserves no credit, to the best <b class="ceiling">ceiling</b> ( ] ), the strongest reference. The bar starts
at the floor and ends at the value; a dashed, hollow bar is a value on the wrong side of its floor. The thin line is the
95&nbsp;% interval (bootstrap over games). The number in brackets rescales the value: 0 at the floor, 1 at the ceiling;
it is left out where the two are closer than the ends of the interval.
Circles are floors, diamonds are ceilings, and an arrow at the edge is one that lies beyond it.</p>
<p><b>*</b> better than the best floor beyond noise, <b>▼</b> worse beyond noise: the 95&nbsp;% interval of the
difference leaves out 0 (resampled in pairs; a floor that is a single number counts as exact). No mark means within
noise, or nothing to tell by. Names that end in <code>_error</code> are better when lower. A metric without a floor only
describes: its bar starts at 0.</p>
<p>On a board a stronger colour is a higher value, the mean over the features of that square. A crossed square has no
score: its features are never true there, or too rarely.</p>
"""


def write_html(reports: Sequence[Report], path: str | os.PathLike[str], *, extra: str = "") -> Path:
    """Write one page about any number of reports, one section per testbed.

    Args:
        reports: at least one.
        path: of the file.
        extra: ready-made HTML that stands before the provenance, such as `beside_section`.

    Raises:
        ValueError: no reports.
    """
    return write_atomically(path, page(reports, extra=extra))


def page(reports: Sequence[Report], *, extra: str = "") -> str:
    """The whole page as text.

    Raises:
        ValueError: no reports.
    """
    if not reports:
        raise ValueError("a page needs at least one report, got none")
    testbeds: dict[str, list[Report]] = {}
    for report in reports:
        testbeds.setdefault(report.testbed, []).append(report)
    title = f"fiducial: {reports[0].dictionary if len(reports) == 1 else f'{len(reports)} dictionaries'}"
    title += f" on {', '.join(testbeds) if len(testbeds) < 5 else f'{len(testbeds)} testbeds and samples'}"
    warnings = list(dict.fromkeys(f"{r.testbed}: {warning}" for r in reports for warning in r.warnings))
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<details open><summary>How to read this page</summary>{_HOW_TO_READ}</details>",
        _sentences("Warnings", warnings),
        *(_testbed(name, of, f"t{i}") for i, (name, of) in enumerate(testbeds.items())),
        extra,
        _provenance(reports),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{CSS}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def beside_section(report: Report, rows: Sequence[Mapping[str, Any]]) -> str:
    """Figures that SAEBench published beside ours of one dictionary.

    Args:
        report: whose.
        rows: as from `saebench_files.side_by_side`.
    """

    def published(row: Mapping[str, Any]) -> str:
        many = row["n"] > 1 and row["published_low"] != row["published_high"]
        span = f" <small>{number(row['published_low'])} to {number(row['published_high'])}</small>" if many else ""
        return number(row["published"]) + span

    body = [
        [escape(row["metric"]), escape(row["evaluation"]), published(row), str(row["n"]), number(row["ours"])]
        for row in rows
    ]
    head = escape(f"SAEBench's own results beside {report.dictionary} on {report.testbed}")
    note = "Other models, SAEs and data: read directions across rows, never differences of values."
    return (
        f"<section><h2>{head}</h2><p>{note}</p>"
        f"{table(('metric', 'evaluation', 'published (median, range)', 'SAEs', 'ours'), body)}</section>"
    )


def _sentences(heading: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = [f"<li>{escape(sentence)}</li>" for sentence in sentences]
    listed = f"<ul>{''.join(items[:_FEW])}</ul>"
    if more := items[_FEW:]:
        listed += f"<details><summary>{len(more)} more</summary><ul>{''.join(more)}</ul></details>"
    return f'<section class="notes"><h3>{heading}</h3>{listed}</section>'


def _testbed(name: str, reports: Sequence[Report], identifier: str) -> str:
    """Everything about one testbed."""
    metrics, rows = comparison(reports)
    parts = [f'<section id="{identifier}"><h2>{escape(name)}</h2>', _overview(metrics, rows)]
    parts.append(_sentences("Controls that beat a dictionary", control_beats(reports, most=_FEW)))
    parts.append('<h3>Scores</h3><div class="cards">')
    parts += [_metric(metric, rows, f"{identifier}-m{i}") for i, metric in enumerate(metrics)]
    parts.append("</div>")
    top = first_rank_on_top(reports[0])
    for details in (
        [_groups(metric, rows, f"{identifier}-g{i}") for i, metric in enumerate(metrics)],
        [_boards(metric, rows, top, f"{identifier}-b{i}") for i, metric in enumerate(metrics)],
    ):
        shown = [part for part in details if part]
        parts += [part.replace("<details>", "<details open>", 1) for part in shown[:1]] + shown[1:]
    return "\n".join([*parts, "</section>"])


def first_rank_on_top(report: Report) -> bool:
    """Whether the world of a report draws its first rank on top: Othello does, chess has it below.

    The world is the one in the provenance of the testbed, so that a testbed may have any name.
    """
    about = report.provenance.get("testbed")
    named = about.get("game") if isinstance(about, dict) else None
    return "othello" in str(named or report.provenance.get("game") or report.testbed).lower()


def _overview(metrics: Sequence[str], rows: Sequence[Row]) -> str:
    """Dictionaries, floors and ceilings by metrics."""

    def cell(row: Row, metric: str) -> str:
        score = row.scores.get(metric)
        if score is None:
            return ABSENT
        mark = marker(score) if row.role == "dictionary" else ""
        low_high = escape(interval_text(score.low, score.high))
        return f"{number(score.value)}{mark} <small>{low_high}</small>"

    body = [[_name(row.name, row.role), *(cell(row, metric) for metric in metrics)] for row in rows]
    return table(["", *(escape(metric).replace("_", "_<wbr>") for metric in metrics)], body, "overview")


def _metric(metric: str, rows: Sequence[Row], identifier: str) -> str:
    """One metric: chart of all rows and its table."""
    shown = [(row, row.scores[metric]) for row in rows if metric in row.scores]
    nowhere = Standing(None, NAN, None, NAN, NAN)
    lines = [(row, score, standing(score) if row.role == "dictionary" else nowhere) for row, score in shown]
    bars = [_bar(row, score.value, score.low, score.high, at, marker(score)) for row, score, at in lines]
    numbers = table(_BAR_HEADINGS, [_cells(row, score.value, score.low, score.high, at) for row, score, at in lines])
    scored = next((score for row, score in shown if row.role == "dictionary"), shown[0][1])
    chart = bar_chart(bars, title=metric, description=_said(bars), identifier=identifier)
    return figure(_heading(metric, scored), chart, numbers)


def _groups(metric: str, rows: Sequence[Row], identifier: str) -> str:
    """One metric, one small chart per feature group; nothing if it has no groups."""
    shown = [(row, row.scores[metric]) for row in rows if metric in row.scores and row.role == "dictionary"]
    charts: dict[str, tuple[list[Bar], list[list[str]]]] = {}
    for group in dict.fromkeys(group for _, score in shown for group in score.groups):
        bars, body = charts.setdefault(group, ([], []))
        for row, score in shown:
            if group in score.groups:
                at = group_standing(score, group, row.controls, metric)
                low, high = score.group_intervals.get(group, (NAN, NAN))
                bars.append(_bar(row, score.groups[group], low, high, at))
                body.append(_cells(row, score.groups[group], low, high, at))
    beside = [bar for bars, _ in charts.values() for bar in bars]  # one axis for all groups
    cards = [
        figure(
            escape(group),
            bar_chart(
                bars,
                title=f"{metric}, {group}",
                description=_said(bars),
                identifier=f"{identifier}-{i}",
                beside=beside,
            ),
            table(_BAR_HEADINGS, body),
        )
        for i, (group, (bars, body)) in enumerate(charts.items())
    ]
    return _part(f"{metric} by group", f'<div class="cards">{"".join(cards)}</div>') if cards else ""


def _boards(metric: str, rows: Sequence[Row], first_rank_on_top: bool, identifier: str) -> str:
    """One metric on the squares that its features name, one row of boards per group; nothing without such features."""
    tables = [(row, square_values(row.scores[metric])) for row in rows if metric in row.scores]
    tables = [(row, by_group) for row, by_group in tables if by_group]
    size = max((max(at) + 1 for _, by_group in tables for values in by_group.values() for at in values), default=0)
    parts: list[str] = []
    for i, group in enumerate(dict.fromkeys(group for _, by_group in tables for group in by_group)):
        shown = [(row, by_group[group]) for row, by_group in tables if group in by_group]
        finite = [value for _, values in shown for value in values.values() if math.isfinite(value)]
        limits = min([0.0, *finite]), max([1.0, *finite])
        boards: list[str] = []
        for j, (row, values) in enumerate(shown):
            mean = [value for value in values.values() if math.isfinite(value)]
            svg = board(
                values,
                size=size,
                first_rank_on_top=first_rank_on_top,
                title=f"{metric} of {group} by square: {row.name}",
                description=f"mean over squares {number(sum(mean) / len(mean) if mean else NAN)}; numbers in the table",
                identifier=f"{identifier}-{i}-{j}",
                limits=limits,
            )
            boards.append(f"<div>{_name(row.name, row.role)}{svg}</div>")
        ranks = range(size) if first_rank_on_top else reversed(range(size))
        squares = [(file, rank) for rank in ranks for file in range(size)]
        body = [
            [f"{chr(ord('a') + file)}{rank + 1}", *(number(values.get((file, rank), NAN)) for _, values in shown)]
            for file, rank in squares
            if any((file, rank) in values for _, values in shown)
        ]
        numbers = table(["square", *(escape(row.name) for row, _ in shown)], body)
        key = f'<span class="key">{number(limits[0])}<i></i>{number(limits[1])}</span>'
        parts.append(figure(f"{escape(group)} {key}", f'<div class="boards">{"".join(boards)}</div>', numbers))
    return _part(f"{metric} by square", "".join(parts)) if parts else ""


def _part(heading: str, content: str) -> str:
    return f"<details><summary><h3>{escape(heading)}</h3></summary>{content}</details>"


def square_values(score: Score) -> dict[str, dict[tuple[int, int], float]]:
    """Values of a per-feature table on the squares that its features name: group -> (file, rank) from 0 -> value.

    A square has the mean over its features (`mine on c4` and `yours on c4`); features marked rare or without a value
    count as NaN. Groups of which most features name no square, or that name fewer than 4, are left out.
    """
    if "feature" not in score.features:  # a table of tasks, pairs or families
        return {}
    names = [str(name) for name in score.features["feature"]]
    empty: list[Any] = [None] * len(names)
    values, rare = score.features.get("value", empty), score.features.get("rare", empty)
    groups = [str(group) for group in score.features.get("group", ["features"] * len(names))]
    found: dict[str, dict[tuple[int, int], list[float]]] = {}
    for name, group, value, is_rare in zip(names, groups, values, rare, strict=True):
        at = square(name)
        if at is not None:
            usable = not is_rare and isinstance(value, int | float)
            found.setdefault(group, {}).setdefault(at, []).append(float(value) if usable else NAN)
    named = {group: sum(map(len, squares.values())) for group, squares in found.items()}
    return {
        group: {at: _mean(numbers) for at, numbers in squares.items()}
        for group, squares in found.items()
        if len(squares) >= _MIN_SQUARES and 2 * named[group] > groups.count(group)
    }


def _mean(numbers: Iterable[float]) -> float:
    known = [number for number in numbers if not math.isnan(number)]
    return sum(known) / len(known) if known else NAN


def _bar(row: Row, value: float, low: float, high: float, at: Standing, mark: str = "") -> Bar:
    mark = mark if row.role == "dictionary" else ""
    return Bar(row.name, row.role, value, low, high, at.floor_value, at.ceiling_value, at.normalised, mark)


def _cells(row: Row, value: float, low: float, high: float, at: Standing) -> list[str]:
    """What a bar shows, as cells under `_BAR_HEADINGS`."""
    bounds = [_bound(at.floor, at.floor_value), _bound(at.ceiling, at.ceiling_value), number(at.normalised)]
    return [_name(row.name, row.role), number(value), escape(interval_text(low, high)), *bounds]


def _said(bars: Sequence[Bar]) -> str:
    """A bar chart in words."""
    own = [bar for bar in bars if bar.role == "dictionary"]
    return "; ".join(f"{bar.label} {number(bar.value)} {interval_text(bar.low, bar.high)}" for bar in own)


def _heading(metric: str, score: Score) -> str:
    side = "lower is better" if lower_is_better(score) else "higher is better" if score.floors else "describes"
    return f"{escape(metric)} <small>{side}; {escape(score.protocol)}, version {score.version}</small>"


def _name(name: str, role: str) -> str:
    return escape(name) if role == "dictionary" else f'{escape(name)} <small class="{role}">{role}</small>'


def _bound(name: str | None, value: float) -> str:
    return "none" if name is None else f"{number(value)} <small>{escape(name)}</small>"


def figure(heading: str, chart: str, numbers: str) -> str:
    """A chart with its numbers as a table beneath; all three are ready-made HTML."""
    return f"<figure><h4>{heading}</h4>{chart}<details><summary>Table</summary>{numbers}</details></figure>"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], name: str = "") -> str:
    """A table of ready-made HTML cells; the first of each row is its heading."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in headings)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _provenance(reports: Sequence[Report]) -> str:
    """What is needed to repeat the scores: once what all reports share, then what is particular to each."""
    flat = [dict(_flatten(report.provenance)) for report in reports]
    shared = {key: value for key, value in flat[0].items() if all(other.get(key) == value for other in flat)}
    parts = ['<section id="provenance"><h2>Provenance</h2>']
    if shared:
        parts.append(table(["shared by all", ""], [[escape(k), escape(v)] for k, v in shared.items()], "facts"))
    for report, facts in zip(reports, flat, strict=True):
        if own := [[escape(key), escape(value)] for key, value in facts.items() if key not in shared]:
            summary = escape(f"{report.dictionary} on {report.testbed}")
            parts.append(f"<details><summary>{summary}</summary>{table(['', ''], own, 'facts')}</details>")
    return "".join([*parts, "</section>"])


def _flatten(value: Any, key: str = "") -> Iterable[tuple[str, str]]:
    """Nested JSON as (dotted key, text)."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flatten(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        yield key, ", ".join(map(str, value))
    else:
        yield key, str(value)
