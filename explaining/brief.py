"""A few latents in words, for the terminal and for the page of a report; all of them are `fiducial explain`'s."""

from math import isnan
from typing import TYPE_CHECKING

from ..report_compare import ABSENT, interval_text, number, printable
from ..report_html import table as html_table
from ..report_svg import escape
from .result import Explained, ExplainedLatent

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 72
_MEASURES = ("precision", "recall")


def spread(found: Explained, n: int) -> list[ExplainedLatent]:
    """Latents from the truest explanation to the falsest, at even steps, so that the best do not stand for all."""
    ranked = [one for one in found.best() if one.exact]
    if len(ranked) <= n or n < 2:
        return ranked[:n]
    return [ranked[round(i * (len(ranked) - 1) / (n - 1))] for i in range(n)]


def heading(found: Explained) -> str:
    """What is shown, with the mean of the exact F1 of all explained latents."""
    f1 = [one.exact["f1"][0] for one in found.latents if one.exact and not isnan(one.exact["f1"][0])]
    mean = number(sum(f1) / len(f1)) if f1 else ABSENT
    return f"Latents of {found.dictionary} on {found.testbed} in words; F1 {mean}, mean of {len(f1)}"


def few(found: Explained, n: int = 5) -> "Table":
    """Some latents, from the truest explanation to the falsest, with precision and recall on games not explained from.

    Args:
        found: explained latents.
        n: how many are shown.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(printable(heading(found)), style="bold")
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("latent", justify="right")
    made.add_column("fires when", overflow="fold", max_width=_WIDTH)
    for name in _MEASURES:
        made.add_column(f"{name} [95 %]", justify="right", no_wrap=True)
    for one in spread(found, n):
        made.add_row(str(one.latent), printable(one.text), *(_measure(one, name) for name in _MEASURES))
    made.caption = f"from the truest to the falsest; all by `fiducial explain {found.dictionary} -t {found.testbed}`"
    return made


def explained_section(found: Explained, n: int = 8) -> str:
    """The same as HTML; texts are escaped."""
    rows = [
        [str(one.latent), escape(one.text), *(escape(_measure(one, name)) for name in _MEASURES)]
        for one in spread(found, n)
    ]
    note = (
        "Explanations are the best predicates over known facts on one half of the games; precision and recall are of "
        "the other half. From the truest to the falsest; all by "
        f"fiducial explain {found.dictionary} -t {found.testbed}."
    )
    columns = ("latent", "fires when", *(f"{name} [95 %]" for name in _MEASURES))
    return (
        f"<section><h2>{escape(heading(found))}</h2><p>{escape(note)}</p>"
        f'<div class="facts">{html_table(columns, rows)}</div></section>'
    )


def _measure(one: ExplainedLatent, name: str) -> str:
    value, low, high = one.exact[name]
    return ABSENT if isnan(value) else f"{number(value)} {interval_text(low, high)}"
