"""The comparison on IOI for terminals; published numbers stand beside it and can be compared in order only."""

from math import isnan
from typing import TYPE_CHECKING

from .reproduce_makelov_numbers import FOLLOW_UP, PAPER, Edit

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from .reproduce_makelov2024 import Interval, Reproduction, Row

_BUDGET = 2  # of the published edits
_ABSENT = "-"


def makelov_table(made: "Reproduction") -> "Group":
    """One table a cross-section and attribute, what was refused, then what the columns mean."""
    from rich.console import Group, RenderableType
    from rich.text import Text

    parts: list[RenderableType] = [Text(_task(made), style="bold")]
    for section, attribute in dict.fromkeys((row.section, row.attribute) for row in made.rows):
        parts.append(_table(made, section, attribute))
    if not made.rows:
        parts.append(Text("no cross-section of this model carries an attribute, so nothing can be compared"))
    parts += [
        Text(f"refused: {section} for {attribute}: {reason}", style="dim")
        for section, attribute, reason in made.refused
    ]
    return Group(*parts, *(Text(note, style="dim") for note in notes(made)))


def notes(made: "Reproduction") -> list[str]:
    """What must be known to read the numbers."""
    about = made.about
    return [
        f"{about['n_fit']:,} prompts fit, {about['n_choose']:,} rank features, {about['n_report']:,} others report; "
        f"SAEs of {about['n_latents']} latents, {about['steps']:,} steps. Brackets are 95 % intervals over prompts and "
        "seeds.",
        "edit k: share of prompts whose answer after changing k features a node is that of the full patch; without an "
        "edit: see `no edit`. by meaning: features chosen by their F1. weight: share of the reconstruction removed.",
        "published: GPT-2 small, edit at k = 2 / weight, read from figures (.02); other prompts, sites and training: "
        "compare the order. Of the paper: " + "; ".join(f"{what} {value}" for what, value in PAPER.items()) + ".",
    ]


def published(section: str, attribute: str, dictionary: str) -> str:
    """Published success / weight of a dictionary: of this site, or the range over the sites of this attribute."""
    column = _column(dictionary)
    if column is None:
        return _ABSENT
    same = [edit for edit in FOLLOW_UP if edit.attribute == attribute]
    exact = [edit for edit in same if edit.site == section]
    found = exact or same
    if not found:
        return _ABSENT
    return f"{_span(found, 'success', column)} / {_span(found, 'weight', column)}"


def _column(dictionary: str) -> str | None:
    if dictionary == "supervised":
        return "supervised"
    if "frozen" in dictionary:
        return None
    return "topk" if dictionary.startswith("TopK") else "vanilla"


def _span(edits: list[Edit], which: str, column: str) -> str:
    values = [getattr(edit, which)[column] for edit in edits]
    low, high = min(values), max(values)
    return f"{low:.2f}" if low == high else f"{low:.2f}-{high:.2f}"


def _task(made: "Reproduction") -> str:
    measured = "; ".join(
        f"prompts for {attribute}: accuracy {figures['accuracy']:.3f}, logit difference {figures['difference']:.2f}"
        for attribute, figures in made.task.items()
    )
    return f"{made.name}: {measured}"


def _table(made: "Reproduction", section: str, attribute: str) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [row for row in made.rows if (row.section, row.attribute) == (section, attribute)]
    title = f"{attribute} at {section} (no edit {rows[0].no_edit:.2f})"
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("dictionary", overflow="fold", max_width=24)
    for column in ("seeds", "L0", "sufficiency", "necessity"):
        table.add_column(column, justify="right" if column in ("seeds", "L0") else "left")
    for k in rows[0].success:
        table.add_column(f"edit {k}")
    table.add_column(f"by meaning {_BUDGET}")
    table.add_column(f"weight {_BUDGET}")
    table.add_column("published")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: "Row") -> list[str]:
    return [
        row.dictionary,
        str(row.n_seeds),
        f"{row.l0:.1f}",
        _interval(row.sufficiency),
        _interval(row.necessity),
        *(_interval(score) for score in row.success.values()),
        _interval(row.aware[_BUDGET]),
        _interval(row.weight[_BUDGET]),
        published(row.section, row.attribute, row.dictionary),
    ]


def _interval(found: "Interval") -> str:
    value, low, high = found
    return _ABSENT if isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
