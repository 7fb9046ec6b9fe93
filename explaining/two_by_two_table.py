"""Explainers crossed with judges, for terminals."""

from typing import TYPE_CHECKING

from ..report_compare import interval_text, number, printable
from .two_by_two import MEASURES, PARTS, Part, TwoByTwo

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


def table(found: TwoByTwo) -> "Group":
    """One table a measure: the score of every explainer before every judge, and whose its shortfall is."""
    from rich.console import Group
    from rich.text import Text

    lines = [
        f"{len(found.latents)} latents of {found.dictionary}. Explanation, exam and judge add up to 1 - score; in "
        "brackets the root mean square over latents, what a part does to a single one."
    ]
    if found.settings.get("negatives", "random") != "random":
        lines.append(f"Silent examples are of kind {found.settings['negatives']}: the exam's part holds that too.")
    lines += [f"left out: {count} latents: {reason}" for reason, count in found.left_out.items()]
    return Group(
        *(_of(found, measure) for measure in MEASURES), *(Text(printable(line), style="dim") for line in lines)
    )


def _of(found: TwoByTwo, measure: str) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"Whose error? {measure}", style="bold")
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("explained by")
    made.add_column("judged by")
    for name in ("score [95 %]", *PARTS):
        made.add_column(name, justify="right", no_wrap=True)
    for one in found.cells:
        if one.measure == measure:
            score = f"{number(one.score.mean)} {interval_text(one.score.low, one.score.high)}"
            cells = (_part(one.parts[name]) for name in PARTS)
            made.add_row(printable(one.explainer), printable(one.judge), score, *cells)
    return made


def _part(one: Part) -> str:
    return f"{number(one.mean)} ({number(one.rms)})"
