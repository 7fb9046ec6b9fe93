"""The reproduced tables for terminals; published numbers stand only beside what they may be compared with."""

from typing import TYPE_CHECKING

from .reproduce_labels import FUNCTIONS

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from .reproduce_cells import Cell, Reproduction

ROWS = {"random": "SAE, random model", "trained": "SAE, trained model", "probe": "linear probe"}
_WAYS = ("as published", "corrected", "held-out")
_METRICS = ("coverage", "reconstruction")
_ABSENT = "-"


def reproduction_table(made: "Reproduction") -> "Group":
    """Table 1 (the masked board state), the other functions below it, then what the columns mean."""
    from rich.console import Group, RenderableType
    from rich.text import Text

    first, *others = dict.fromkeys(cell.function for cell in made.cells)
    board = FUNCTIONS[made.world][0]
    tables: list[RenderableType] = []
    if first == board:
        tables.append(_table(made, f"{made.name}: Table 1 of Karvonen et al. 2024, board state ({board})", [first]))
    else:
        others = [first, *others]
    if others:
        tables.append(_table(made, f"{made.name}: the other published functions", others))
    return Group(*tables, *(Text(note, style="dim") for note in notes(made)))


def notes(made: "Reproduction") -> list[str]:
    """What must be known to read the numbers."""
    counts = ", ".join(f"{ROWS[row]} {n}" for row, n in made.n_dictionaries.items() if row != "probe")
    return [
        f"{made.n_games} games of {made.about['game']}, {made.about['positions']} positions, at {made.hook}; half of "
        "the games train and choose, the other half test. Pairs are coverage / reconstruction.",
        "paper: the best SAEs of a sweep of over 500, on an 8-layer model, by the protocol of `as published`; to be "
        "compared with that column only, and between different models only in order.",
        f"as published: the released protocol with its faults, best of the SAEs given ({counts or 'none'}) for each "
        "number apart; thresholds, latents and SAEs are chosen on what is scored.",
        "corrected: the same formulas with right labels, reachable features only, votes without overflow. held-out: "
        "also latents, thresholds and the SAE chosen on other games; with 95 % intervals over games.",
        "linear probe: ours, scored as a dictionary. The paper's (in brackets) come from a procedure that was not "
        "released and have another denominator: not comparable.",
        "ignoring the latents: predicting every property everywhere; for held-out reconstruction the best fixed set of "
        "them. A dash is a function that never held, or held too rarely to be reported.",
    ]


def _table(made: "Reproduction", title: str, functions: list[str]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("function", overflow="fold", max_width=32)
    table.add_column("row", no_wrap=True)
    for column in ("paper", *_WAYS):
        table.add_column(column, no_wrap=column != "held-out")
    cells = {(c.function, c.row, c.way, c.metric): c for c in made.cells}
    for function in functions:
        rows = [row for row in ROWS if (function, row, _WAYS[0], _METRICS[0]) in cells]
        for i, row in enumerate(rows):
            pairs = {way: [cells[function, row, way, metric] for metric in _METRICS] for way in _WAYS}
            table.add_row(
                function if i == 0 else "",
                ROWS[row],
                _paper(pairs[_WAYS[0]], row),
                *(_pair(pairs[way]) for way in _WAYS),
            )
        floors = {way: [cells[function, rows[-1], way, metric].floor for metric in _METRICS] for way in _WAYS}
        table.add_row(
            "",
            Text("ignoring the latents", style="dim italic"),
            "",
            *(Text(" / ".join(_number(v) for v in floors[way]), style="dim") for way in _WAYS),
            end_section=True,
        )
    return table


def _paper(pair: "list[Cell]", row: str) -> str:
    if all(cell.published is None for cell in pair):
        return _ABSENT
    text = " / ".join(_number(cell.published) for cell in pair)
    return f"({text})" if row == "probe" else text


def _pair(pair: "list[Cell]") -> str:
    text = " / ".join(_number(cell.value) + _interval(cell) for cell in pair)
    return text + (f" ({pair[0].n_functions} functions)" if pair[0].n_functions > 1 else "")


def _interval(cell: "Cell") -> str:
    return "" if cell.low is None or cell.high is None else f" [{cell.low:.3f}, {cell.high:.3f}]"


def _number(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"
