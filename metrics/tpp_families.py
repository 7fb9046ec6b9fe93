# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""What targeted probe perturbation needs of a family of classes, before any dictionary is looked at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .concept_probes import STRENGTHS, Standard, fit_probe, fit_probe_l1, read, standard_of
from .concept_rows import CellMeans, Floats, Ints, Sides, draw_cells, rows_by_cell

SHARE_DRAWN = 0.8  # of the smallest class, so that another seed means other rows
FEWEST = 12  # rows of a class that fit, and that report


@dataclass(frozen=True)
class Rules:
    """How the task is posed.

    Attributes:
        sizes: numbers of latents that are taken out.
        n_seeds: draws of rows, each with its own probes.
        fit_cap: rows of a class that fit, at most.
        report_cap: rows of all classes together that report (and that validate), about, at most.
        l1: strength of the published penalty; None for the squared one, its strength validated.
    """

    sizes: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    n_seeds: int = 3
    fit_cap: int = 200
    report_cap: int = 480
    l1: float | None = None


GROUND_TRUTH = Rules()
PUBLISHED = Rules((2, 5, 10, 20, 50, 100, 500), 1, 1000, 1000, 1e-3)


@dataclass(frozen=True)
class Family:
    """Classes of which each row has one, their rows and their probes.

    Attributes:
        classes: columns of the classes among the labels.
        rows: int64 [n], as many of each class: those that validate, then those that report.
        cell: int64 [n], the class of each row, from 0.
        report: bool [n], which of the rows report.
        choosing: rows of each class on the choosing side, all of them.
        probes: float64 [seeds, C, d + 1], one class against the others.
        base: float64 [seeds, C, n], their logits.
        reported: cell means over the rows that report.
        strength: of the penalty.
    """

    classes: tuple[int, ...]
    rows: Ints
    cell: Ints
    report: NDArray[np.bool_]
    choosing: tuple[Ints, ...]
    probes: Floats
    base: Floats
    reported: CellMeans
    strength: float

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.classes)


def prepare_family(
    x: Floats,
    labels: NDArray[np.bool_],
    classes: tuple[int, ...],
    sides: Sides,
    rules: Rules,
    seed: int,
    device: str = "cpu",
) -> Family | str:
    """One family with its probes, or why it cannot be asked."""
    held, n_classes = labels[:, list(classes)], len(classes)
    cell = np.where(held.sum(1) == 1, held.argmax(1), -1).astype(np.int64)
    fit, validate, report = (
        rows_by_cell(cell, side, sides.order, n_classes) for side in (sides.fit, sides.validate, sides.report)
    )
    smallest = [min(len(one) for one in rows) for rows in (fit, validate, report)]
    if smallest[0] < FEWEST or smallest[1] < FEWEST // 2 or smallest[2] < FEWEST:
        return (
            f"the rarest class has {smallest[0]} rows to fit, {smallest[1]} to validate and {smallest[2]} to report; "
            f"{FEWEST}, {FEWEST // 2} and {FEWEST} are needed"
        )
    judged = np.random.default_rng([seed, 4, *classes])
    cap = max(FEWEST, rules.report_cap // n_classes)
    drawn = [
        np.concatenate(draw_cells(rows, [min(cap, n)] * n_classes, judged))
        for rows, n in ((validate, smallest[1]), (report, smallest[2]))
    ]
    rows = np.concatenate(drawn)
    is_report = np.arange(len(rows)) >= len(drawn[0])
    size = max(FEWEST, min(rules.fit_cap, int(SHARE_DRAWN * smallest[0])))
    strength, probes = rules.l1, list[Floats]()
    for number in range(rules.n_seeds):
        chosen = np.concatenate(draw_cells(fit, [size] * n_classes, np.random.default_rng([seed, 5, *classes, number])))
        standard = standard_of(x[chosen])
        if strength is None:
            strength = _strength(x, cell, chosen, rows[~is_report], standard, n_classes, device)
        published = rules.l1 is not None
        probes.append(_probes(x[chosen], cell[chosen], n_classes, strength, standard, device, published=published))
    assert strength is not None
    stacked, wide = np.stack(probes), x[rows]
    return Family(
        classes,
        rows,
        cell[rows],
        is_report,
        tuple(np.concatenate([a, b]) for a, b in zip(fit, validate, strict=True)),
        stacked,
        np.stack([read(wide, one).T for one in stacked]),
        CellMeans(cell[drawn[1]], sides.number[drawn[1]], n_classes, sides.n_games(sides.report)),
        strength,
    )


def row_weights(cell: Ints, n_classes: int, *, positive: float = 0.5, negative: float = 0.5) -> Floats:
    """Weights of rows for each class, float64 [C, n]: those of the class share one number, all others another."""
    mine = cell == np.arange(n_classes)[:, None]
    return np.where(mine, positive / mine.sum(1, keepdims=True), negative / (~mine).sum(1, keepdims=True))


def _probes(
    x: Floats, cell: Ints, n_classes: int, strength: float, standard: Standard, device: str, *, published: bool
) -> Floats:
    """One class against the others, both sides weighing the same, float64 [C, d + 1]."""
    weights = row_weights(cell, n_classes)
    if device != "cpu":
        from .concept_probes_torch import fit_probes, fit_probes_l1

        mine = cell == np.arange(n_classes)[:, None]
        if published:
            return fit_probes_l1(x, mine, weights, strength, device=device)
        return fit_probes(x, mine, weights, strength, standard, device=device)
    if published:
        return np.stack([fit_probe_l1(x, cell == c, weights[c], strength) for c in range(n_classes)])
    return np.stack([fit_probe(x, cell == c, weights[c], strength, standard) for c in range(n_classes)])


def _strength(
    x: Floats, cell: Ints, chosen: Ints, held: Ints, standard: Standard, n_classes: int, device: str
) -> float:
    """The strength with the least loss on rows of other games."""
    weights, truth = row_weights(cell[held], n_classes), cell[held] == np.arange(n_classes)[:, None]
    losses: list[float] = []
    for strength in STRENGTHS:
        z = read(x[held], _probes(x[chosen], cell[chosen], n_classes, strength, standard, device, published=False)).T
        losses.append(float((weights * (np.logaddexp(0, z) - truth * z)).sum()))
    return float(STRENGTHS[int(np.argmin(losses))])
