"""What spurious correlation removal needs of a pair of concepts, before any dictionary is looked at.

A target T and a concept S that came to go with it. Probes of T and of S are fitted where all four combinations are
equally frequent; a biased probe where T and S agree with probability rho. Rows, probes and accuracies are kept here, so
that every dictionary is judged on the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .concept_probes import STRENGTHS, Standard, fit_probe, fit_probe_l1, read, standard_of
from .concept_rows import Bools, CellMeans, Floats, Ints, Sides, draw_cells, rows_by_cell

CELLS = 4  # cell = 2 T + S
SHARE_DRAWN = 0.8  # of the smallest cell, so that another seed means other rows in every cell
FEWEST = 20  # rows in a cell


@dataclass(frozen=True)
class Rules:
    """How the task is posed.

    Attributes:
        rhos: how often T and S agree in the biased rows.
        sizes: numbers of latents that are taken out.
        n_seeds: draws of rows, each with its own probes.
        fit_cap: rows of a cell that fit, at most.
        report_cap: rows of a cell that report (and that validate), at most.
        l1: strength of the published penalty; None for the squared one, its strength validated.
    """

    rhos: tuple[float, ...] = (0.8, 0.9, 1.0)
    sizes: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    n_seeds: int = 3
    fit_cap: int = 400
    report_cap: int = 300
    l1: float | None = None


GROUND_TRUTH = Rules()
PUBLISHED = Rules((1.0,), (2, 5, 10, 20, 50, 100, 500), 1, 1000, 250, 1e-3)


@dataclass(frozen=True)
class Pair:
    """Two concepts, their rows and their probes. Concept 0 is T, concept 1 is S.

    Attributes:
        concepts: columns of T and S among the labels.
        rows: int64 [n], balanced rows: those that validate, then those that report.
        bits: bool [2, n], T and S there.
        report: bool [n], which of the rows report.
        choosing: rows of each cell on the choosing side, all of them.
        probes: float64 [seeds, 2, d + 1], of T and of S.
        biased: float64 [seeds, 2, rhos, d + 1], biased probes labelled by T and by S.
        base: float64 [seeds, 2, rhos, n], logits of the biased probes.
        oracle: float64 [seeds, 2, n], logits of the probes of T and of S.
        validated: cell means over the rows that validate.
        reported: over those that report.
        strength: of the squared penalty, or of the published one.
    """

    concepts: tuple[int, int]
    rows: Ints
    bits: Bools
    report: Bools
    choosing: tuple[Ints, ...]
    probes: Floats
    biased: Floats
    base: Floats
    oracle: Floats
    validated: CellMeans
    reported: CellMeans
    strength: float

    @cached_property
    def biased_right(self) -> Bools:
        """Whether the biased probes are right before ablation, bool [seeds, 2, rhos, n]."""
        return (self.base > 0) == self.bits[None, :, None]

    @cached_property
    def oracle_right(self) -> Bools:
        """Whether the probes of the concepts themselves are right, bool [seeds, 2, n]."""
        return (self.oracle > 0) == self.bits[None]

    @cached_property
    def a_biased(self) -> Floats:
        """Accuracy of the biased probes at the reporting rows, float64 [seeds, 2, rhos]."""
        return self.biased_right[..., self.report].mean(-1)

    @cached_property
    def a_oracle(self) -> Floats:
        """Accuracy of the probes of the concepts themselves at the reporting rows, float64 [seeds, 2]."""
        return self.oracle_right[..., self.report].mean(-1)


def prepare_pair(
    x: NDArray[np.floating],
    labels: Bools,
    concepts: tuple[int, int],
    sides: Sides,
    rules: Rules,
    seed: int,
    device: str = "cpu",
) -> Pair | str:
    """One pair with its probes, or why it cannot be asked."""
    cell = (2 * labels[:, concepts[0]] + labels[:, concepts[1]]).astype(np.int64)
    fit, validate, report = (
        rows_by_cell(cell, side, sides.order, CELLS) for side in (sides.fit, sides.validate, sides.report)
    )
    smallest = [min(len(one) for one in rows) for rows in (fit, validate, report)]
    if smallest[0] < FEWEST or smallest[1] < FEWEST // 2 or smallest[2] < FEWEST:
        return (
            f"the rarest combination has {smallest[0]} rows to fit, {smallest[1]} to validate and {smallest[2]} to "
            f"report; {FEWEST}, {FEWEST // 2} and {FEWEST} are needed"
        )
    judged = np.random.default_rng([seed, 1, *concepts])
    drawn = [
        np.concatenate(draw_cells(rows, [min(rules.report_cap, n)] * CELLS, judged))
        for rows, n in ((validate, smallest[1]), (report, smallest[2]))
    ]
    rows = np.concatenate(drawn)
    is_report = np.arange(len(rows)) >= len(drawn[0])
    bits = np.stack([cell[rows] // 2 == 1, cell[rows] % 2 == 1])
    means = [
        CellMeans(cell[rows[part]], sides.number[rows[part]], CELLS, sides.n_games(side))
        for part, side in ((~is_report, ~sides.report), (is_report, sides.report))
    ]
    size = max(FEWEST, min(rules.fit_cap, int(SHARE_DRAWN * smallest[0])))
    wide = np.asarray(x[rows], np.float64)
    strength: float | None = rules.l1
    probes: list[Floats] = []
    biased: list[Floats] = []
    for number in range(rules.n_seeds):
        generator = np.random.default_rng([seed, 2, *concepts, number])
        balanced = draw_cells(fit, [size] * CELLS, generator)
        skewed = [draw_cells(fit, _biased_counts(size, rho), generator) for rho in rules.rhos]
        standard = standard_of(np.asarray(x[np.concatenate(balanced)], np.float64))
        if strength is None:
            held = rows[~is_report]
            strength = _strength(x, cell, np.concatenate(balanced), held, standard, device)
        probes.append(_probes(x, cell, [np.concatenate(balanced)], strength, standard, rules, device)[:, 0])
        biased.append(_probes(x, cell, [np.concatenate(s) for s in skewed], strength, standard, rules, device))
    assert strength is not None
    concept_probes, biased_probes = np.stack(probes), np.stack(biased)
    return Pair(
        concepts,
        rows,
        bits,
        is_report,
        tuple(np.concatenate([a, b]) for a, b in zip(fit, validate, strict=True)),
        concept_probes,
        biased_probes,
        np.moveaxis(read(wide, biased_probes.reshape(-1, wide.shape[1] + 1)), -1, 0).reshape(
            *biased_probes.shape[:-1], len(rows)
        ),
        np.moveaxis(read(wide, concept_probes.reshape(-1, wide.shape[1] + 1)), -1, 0).reshape(
            *concept_probes.shape[:-1], len(rows)
        ),
        means[0],
        means[1],
        strength,
    )


def _biased_counts(size: int, rho: float) -> list[int]:
    """Rows of the cells (neither, S alone, T alone, both): 2 size in all, of which a share rho agrees."""
    agree = round(rho * size)
    return [agree, size - agree, size - agree, agree]


def _labels_of(cell: Ints, rows: Ints, concept: int) -> Bools:
    return (cell[rows] // 2 if concept == 0 else cell[rows] % 2) == 1


def _probes(
    x: NDArray[np.floating],
    cell: Ints,
    draws: Sequence[Ints],
    strength: float,
    standard: Standard,
    rules: Rules,
    device: str,
) -> Floats:
    """Probes of T and of S on each draw of rows, all of one size, float64 [2, draws, d + 1]."""
    inputs = [np.asarray(x[rows], np.float64) for rows in draws]
    truths = [[_labels_of(cell, rows, concept) for rows in draws] for concept in (0, 1)]
    ones = np.ones(len(draws[0]))
    if device != "cpu":
        from .concept_probes_torch import fit_probes, fit_probes_l1

        y = np.concatenate([np.stack(truth) for truth in truths])
        both, weights = np.stack([*inputs, *inputs]), np.broadcast_to(ones, y.shape)
        if rules.l1 is not None:
            found = fit_probes_l1(both, y, weights, strength, device=device)
        else:
            found = fit_probes(both, y, weights, strength, standard, device=device)
        return found.reshape(2, len(draws), -1)

    def fit(one: Floats, truth: Bools) -> Floats:
        if rules.l1 is not None:
            return fit_probe_l1(one, truth, ones, strength)
        return fit_probe(one, truth, ones, strength, standard)

    fitted = [[fit(one, truth) for one, truth in zip(inputs, of, strict=True)] for of in truths]
    return np.stack([np.stack(one) for one in fitted])


def _strength(x: NDArray[np.floating], cell: Ints, rows: Ints, held: Ints, standard: Standard, device: str) -> float:
    """The strength with the least loss of both probes on rows of other games."""
    losses: list[float] = []
    for strength in STRENGTHS:
        loss = 0.0
        for concept, probe in enumerate(_probes(x, cell, [rows], strength, standard, GROUND_TRUTH, device)[:, 0]):
            z = read(np.asarray(x[held], np.float64), probe)
            loss += float((np.logaddexp(0, z) - _labels_of(cell, held, concept) * z).mean())
        losses.append(loss)
    return float(STRENGTHS[int(np.argmin(losses))])
