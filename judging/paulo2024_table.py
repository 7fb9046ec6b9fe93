"""Figures of Paulo et al. 2024 beside ours, for terminals."""

from math import isnan
from typing import TYPE_CHECKING

from .agreement import PUBLISHED_NAMES
from .paulo2024 import MEDIANS, SCORERS, TRUTH, Paulo, published

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_HEADINGS = {True: "explanations found from examples, one a latent", False: "all explanations, corrupted ones too"}


def table(found: Paulo) -> "Group":
    """Agreement between scorers, over found explanations and over all, and medians; published figures in brackets."""
    from rich.console import Group
    from rich.text import Text

    note = (
        f"{found.name}: here (published for latents of a language model, whose truth is not known). 95 % intervals by "
        "bootstrap over latents."
    )
    return Group(Text(note, style="dim"), _agreement(found, True), _agreement(found, False), _medians(found))


def _agreement(made: Paulo, found: bool) -> "Table":
    shown = _table(f"Rank correlations: {_HEADINGS[found]}")
    for name in (TRUTH, *PUBLISHED_NAMES):
        shown.add_column(name, justify="right")
    for a in PUBLISHED_NAMES:
        cells: list[str] = []
        for b in (TRUTH, *PUBLISHED_NAMES):
            if a == b:
                cells.append("")
                continue
            here = "-"
            if "surprisal" not in (a, b):
                one = made.agreement(a, b, found=found)
                here = str(one) if b == TRUTH else str(one).split(" ")[0]
            there = published(a, b)
            cells.append(here if isnan(there) else f"{here} ({there:.2f})")
        shown.add_row(a, *cells)
    return shown


def _medians(made: Paulo) -> "Table":
    shown = _table("Medians (published) and quartiles over latents")
    for name in (TRUTH, *SCORERS):
        shown.add_column(name, justify="right")
    for case in MEDIANS:
        cells: list[str] = []
        for name in (TRUTH, *SCORERS):
            middle, low, high = made.median(case, name)
            there = MEDIANS[case].get(name)
            beside = "" if there is None else f" ({there[0]:.2f})"
            cells.append("-" if isnan(middle) else f"{middle:.2f}{beside} {low:.2f} to {high:.2f}")
        shown.add_row(case, *cells)
    return shown


def _table(title: str) -> "Table":
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE)
    made.add_column("")
    return made
