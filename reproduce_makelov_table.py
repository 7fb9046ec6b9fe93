"""The comparison on IOI for terminals; published numbers stand beside it and can be compared in order only."""

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from .reproduce_makelov_numbers import FOLLOW_UP, PAPER, Edit
from .sites.qualification import MAX_NO_EDIT, MIN_DROP, MIN_EDIT, MIN_SUFFICIENCY

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from .reproduce_makelov2024 import Interval, Reproduction, Row

_BUDGET = 2  # of the published edits
_ABSENT = "-"


def makelov_table(made: "Reproduction") -> "Group":
    """One table a cross-section and attribute, what each place carries, then what the columns mean."""
    from rich.console import Group, RenderableType
    from rich.text import Text

    parts: list[RenderableType] = [Text(_task(made), style="bold")]
    for section, attribute in dict.fromkeys((row.section, row.attribute) for row in made.rows):
        parts.append(_table(made, section, attribute))
    if not made.rows:
        parts.append(Text("no cross-section of this model carries an attribute, so nothing can be compared"))
    if made.about.get("qualified"):
        parts.append(_places(made))
    return Group(*parts, *(Text(note, style="dim") for note in notes(made)))


def notes(made: "Reproduction") -> list[str]:
    """What must be known to read the numbers."""
    about = made.about
    return [
        f"{about['n_fit']:,} prompts fit, {about['n_choose']:,} rank features, {about['n_report']:,} others report; "
        f"{len(about['sae_seeds'])} SAEs of each kind, {about['n_latents']} latents, {about['steps']:,} steps. "
        "Brackets are 95 % intervals over prompts and seeds; those of 3 seeds hold the mean of all in about 85 % of "
        "cases where seeds differ more than prompts. 3,000 steps are a short training.",
        "edit k: share of prompts whose answer after changing k features a node (a swap of two values changes 2) is "
        "that of the full patch; without an edit: see `no edit`. by meaning: features chosen by their F1. weight: "
        "share of the reconstruction removed. Edits of other sizes are in the JSON. DAS: swap of a subspace learned "
        "through the model, its L0 the dimensions.",
        "places: `carried`, or the first thing missing. unmoved: the full patch leaves the answer in that share of "
        f"prompts (must be < {MAX_NO_EDIT}); not needed: mean ablation takes that share of the logit difference "
        f"(> {MIN_DROP}); holds more: features of IO, S and Pos keep that share (> {MIN_SUFFICIENCY}); edit: agreement "
        f"of the supervised edit with the patch (> {MIN_EDIT}).",
        "published: GPT-2 small, edit at k = 2 / weight, read from figures (.02); other prompts, sites and training: "
        "compare the order. Of the paper: " + "; ".join(f"{what} {value}" for what, value in PAPER.items()) + ".",
    ]


def missing(figures: Mapping[str, Any]) -> str:
    """`carried`, or in short what a place lacks for an attribute.

    Args:
        figures: a `SiteQualification` as a mapping.
    """
    if figures["qualified"]:
        return "carried"
    rules = (
        ("unmoved", "no_edit_agreement", lambda value: value < MAX_NO_EDIT),
        ("not needed", "mean_ablation_drop", lambda value: value > MIN_DROP),
        ("holds more", "sufficiency", lambda value: value > MIN_SUFFICIENCY),
        ("edit", "edit_agreement", lambda value: value > MIN_EDIT),
    )
    for word, name, holds in rules:
        value = figures[name]
        if value is None or not holds(value):
            return f"{word} {_ABSENT if value is None else _short(value)}"
    raise ValueError(f"{figures['section']} meets every rule for {figures['attribute']}, yet is not qualified")


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
    return f"{_span(found, 'success', column)}/{_span(found, 'weight', column)}"


def _column(dictionary: str) -> str | None:
    if dictionary == "supervised":
        return "supervised"
    if "frozen" in dictionary or dictionary.startswith("DAS"):
        return None
    return "topk" if dictionary.startswith("TopK") else "vanilla"


def _span(edits: list[Edit], which: str, column: str) -> str:
    values = [getattr(edit, which)[column] for edit in edits]
    low, high = min(values), max(values)
    return _short(low) if low == high else f"{_short(low)}-{_short(high)}"


def _task(made: "Reproduction") -> str:
    measured = "; ".join(
        f"prompts for {attribute}: accuracy {figures['accuracy']:.3f}, logit difference {figures['difference']:.2f}"
        for attribute, figures in made.task.items()
    )
    return f"{made.name}: {measured}"


def _places(made: "Reproduction") -> "Table":
    """What each cross-section carries."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found: dict[str, dict[str, str]] = {}
    for one in made.about["qualified"]:
        found.setdefault(one["section"], {})[one["attribute"]] = missing(one)
    table = Table(title=Text("places", style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("place", no_wrap=True)
    attributes = list(dict.fromkeys(name for cells in found.values() for name in cells))
    for attribute in attributes:
        table.add_column(attribute)
    for section, cells in found.items():
        table.add_row(section, *(cells.get(attribute, _ABSENT) for attribute in attributes))
    return table


def _table(made: "Reproduction", section: str, attribute: str) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [row for row in made.rows if (row.section, row.attribute) == (section, attribute)]
    title = f"{attribute} at {section} (no edit {_short(rows[0].no_edit)})"
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("dictionary", no_wrap=True)
    table.add_column("L0", justify="right")
    for column in ("sufficiency", "necessity"):
        table.add_column(column, overflow="fold")
    for k in _shown(rows[0]):
        table.add_column(f"edit {k}", overflow="fold")
    table.add_column(f"by meaning {_BUDGET}", overflow="fold")
    table.add_column(f"weight {_BUDGET}", overflow="fold")
    table.add_column("published", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _shown(row: "Row") -> list[int]:
    """Budgets in the table: two, for 140 columns; one feature changes no value into another."""
    return [k for k in row.success if k > 1][:2]


def _cells(row: "Row") -> list[str]:
    return [
        row.dictionary.replace("frozen decoder", "frozen"),
        f"{row.l0:.1f}",
        _interval(row.sufficiency),
        _interval(row.necessity),
        *(_interval(row.success[k]) for k in _shown(row)),
        _interval(row.aware[_BUDGET]),
        _interval(row.weight[_BUDGET]),
        published(row.section, row.attribute, row.dictionary),
    ]


def _interval(found: "Interval") -> str:
    value, low, high = found
    return _ABSENT if isnan(value) else f"{_short(value)} [{_short(low)},{_short(high)}]"


def _short(value: float) -> str:
    """Two digits without the 0 before the point; 1 for 1.00."""
    text = f"{value:.2f}"
    if text.lstrip("-") == "1.00":
        return text.removesuffix(".00")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
