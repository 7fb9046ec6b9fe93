"""Reports as rich tables: no number stands without its interval and its bounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .report_compare import ABSENT, Row, comparison, control_beats, interval_text, marker, number, printable, standing

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult
    from rich.table import Table
    from rich.text import Text

    from .report import Report

BAR_WIDTH = 8
_FEW, _FEW_PLACES = 4, 3  # sentences about controls, and places in each, before the rest is only counted
_NAME_WIDTH, _CELL_WIDTH = 20, 18
_STYLES = {"ceiling": "green", "dictionary": "bold", "floor": "dim"}
_EIGHTHS = " ▏▎▍▌▋▊▉"


def report_table(report: "Report") -> "Group":
    """One report: a line per metric with value, interval, best floor, best ceiling, 0-1 rescaling and a bar."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(printable(f"{report.dictionary} on {report.testbed}"), style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("metric", no_wrap=True)
    table.add_column("value [95 %]", no_wrap=True)
    table.add_column("best floor", overflow="fold")
    table.add_column("best ceiling", overflow="fold")
    table.add_column("0-1", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for key, score in report.scores.items():
        at = standing(score)
        protocol = f"\n{score.protocol}" if score.protocol != "held-out" else ""
        table.add_row(
            Text(_broken(printable(key), 18) + protocol),
            Text.assemble((number(score.value), "bold"), marker(score), f"\n{interval_text(score.low, score.high)}"),
            _bound(at.floor, at.floor_value, "no floor"),
            _bound(at.ceiling, at.ceiling_value, "no ceiling"),
            Text(number(at.normalised)),
            Text(bar(at.normalised), style="cyan"),
        )
    return _with_notes(table, [report], list(report.warnings))


def compare(
    reports: Sequence["Report"], *, metrics: Sequence[str] | None = None, sort_by: str | None = None
) -> "Group":
    """Several dictionaries on one testbed: ceilings above, floors below, best first.

    Args:
        reports: at least one, all on one testbed.
        metrics: columns; all by default.
        sort_by: metric to sort by; the first column by default.

    Raises:
        ValueError: no reports, or several testbeds.
        KeyError: an unknown metric.
    """
    known, rows = comparison(reports, sort_by or (metrics[0] if metrics else None))
    if unknown := [metric for metric in metrics or () if metric not in known]:
        raise KeyError(f"no metric {unknown[0]!r} in these reports; they have {', '.join(known)}")
    warnings = list(dict.fromkeys(warning for report in reports for warning in report.warnings))
    return _with_notes(_Comparison(reports[0].testbed, metrics or known, rows), reports, warnings)


@dataclass(frozen=True)
class _Comparison:
    """Rows by metrics; where the terminal is too narrow for all metrics, several tables one below the other."""

    testbed: str
    metrics: Sequence[str]
    rows: Sequence[Row]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        fit = max(1, (options.max_width - _NAME_WIDTH) // _CELL_WIDTH)
        for start in range(0, max(1, len(self.metrics)), fit):
            yield self.table(self.metrics[start : start + fit])

    def table(self, metrics: Sequence[str]) -> "Table":
        """The table of some metrics."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        title = Text(printable(self.testbed), style="bold")
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("dictionary", overflow="fold", min_width=_NAME_WIDTH, max_width=2 * _NAME_WIDTH)
        for metric in metrics:
            table.add_column(Text(_broken(printable(metric), _CELL_WIDTH - 2)), min_width=_CELL_WIDTH - 2)
        rows = [row for row in self.rows if row.role == "dictionary" or any(metric in row.scores for metric in metrics)]
        for i, row in enumerate(rows):
            name = Text(printable(row.name), style=_STYLES[row.role])
            if row.role != "dictionary":
                name.append(f"\n{row.role}", style="italic")
            last_of_role = i + 1 < len(rows) and rows[i + 1].role != row.role
            table.add_row(name, *(_cell(row, metric) for metric in metrics), end_section=last_of_role)
        return table


def _cell(row: Row, metric: str) -> "Text":
    from rich.text import Text

    score = row.scores.get(metric)
    if score is None:
        return Text(ABSENT, style="dim")
    mark = marker(score) if row.role == "dictionary" else ""
    return Text.assemble(number(score.value), mark, (f"\n{interval_text(score.low, score.high)}", "dim"))


def _broken(name: str, width: int) -> str:
    """A name in lines of at most `width` columns where its underscores allow."""
    lines = [""]
    for part in name.replace("_", "_ ").split(" "):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part if lines[-1].endswith("_") or not lines[-1] else f" {part}"
    return "\n".join(lines)


def bar(fraction: float, width: int = BAR_WIDTH) -> str:
    """A bar of block characters, `width` wide; `fraction` outside [0, 1] is shown by an arrow at that end."""
    if math.isnan(fraction):
        return ""
    if fraction < 0:
        return "◂" + "·" * (width - 1)
    if fraction > 1:
        return "█" * (width - 1) + "▸"
    whole, part = divmod(round(fraction * width * 8), 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(width, "·")


def _bound(name: str | None, value: float, absent: str) -> "Text":
    from rich.text import Text

    if name is None:
        return Text(absent, style="dim")
    return Text.assemble(number(value), (f"\n{printable(name)}", "dim"))


def _with_notes(table: object, reports: Sequence["Report"], warnings: Sequence[str]) -> "Group":
    """A table, then what its marks mean, which controls win, and the warnings."""
    from rich.console import Group, RenderableType
    from rich.text import Text

    marks = {marker(score) for report in reports for score in report.scores.values()}
    meanings = {"*": "* better than the best floor, beyond noise", "▼": "▼ worse than the best floor, beyond noise"}
    notes: list[RenderableType] = [Text(text, style="dim") for mark, text in meanings.items() if mark in marks]
    won = control_beats(reports, most=_FEW_PLACES)
    notes += [Text(printable(sentence), style="yellow") for sentence in won[:_FEW]]
    if len(won) > _FEW:
        notes.append(Text(f"... and {len(won) - _FEW} more such cases: control_beats(reports)", style="yellow"))
    notes += [Text(f"Warning: {printable(warning)}", style="yellow") for warning in warnings]
    return Group(table, *notes)  # type: ignore[arg-type]
