"""Pieces of the static pages about latents and explanations: policy, tables, charts with their numbers.

These pages have no script; the report page of many results is made in `reporting/`. Every text from data is escaped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .report import Report
from .report_compare import number
from .report_svg import escape

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
