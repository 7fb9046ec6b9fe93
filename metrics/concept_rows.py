# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Rows for tasks about concepts: cells of equal size, drawn alike however the rows were ordered; means over cells.

A cell is what the concepts of a task say of a row: one of four combinations of two bits, or one value of a variable.
Equal cells make accuracies comparable: chance is 1/2 and no concept predicts another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .score import game_weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
VALIDATION = 1 / 3  # of the choosing games; they set strengths and numbers of latents, and fit nothing


@dataclass(frozen=True)
class Sides:
    """Which rows do what.

    Attributes:
        order: int64 [N], rows by game, and inside of a game as given, so that drawing does not depend on the order of
            games.
        fit: bool [N], choosing rows that fit probes.
        validate: bool [N], choosing rows of other games.
        report: bool [N].
        number: int64 [N], number of a row's game among those of its side, reporting or choosing.
    """

    order: Ints
    fit: Bools
    validate: Bools
    report: Bools
    number: Ints

    def n_games(self, side: Bools) -> int:
        """Games of the side that some rows stand on."""
        return int(self.number[side].max()) + 1


def sides_of(games: Ints, train: Bools, seed: int) -> Sides:
    """Deal the choosing games into those that fit and those that validate.

    Raises:
        ValueError: fewer than three choosing games.
    """
    choosing = np.unique(games[train])
    if len(choosing) < 3:
        raise ValueError(f"probes are fitted on some games and validated on others: 3 are needed, got {len(choosing)}")
    mixed = np.random.default_rng([seed, 0]).permutation(choosing)
    validate = train & np.isin(games, mixed[: max(1, round(VALIDATION * len(mixed)))])
    number = np.zeros(len(games), np.int64)
    for side in (train, ~train):
        number[side] = np.unique(games[side], return_inverse=True)[1]
    return Sides(np.argsort(games, kind="stable"), train & ~validate, validate, ~train, number)


def rows_by_cell(cell: Ints, side: Bools, order: Ints, n_cells: int) -> list[Ints]:
    """Rows of one side in each cell, in canonical order; rows with a negative cell belong to none."""
    here = order[side[order]]
    return [here[cell[here] == c] for c in range(n_cells)]


def draw_cells(rows: Sequence[Ints], counts: Sequence[int], generator: np.random.Generator) -> list[Ints]:
    """So many different rows of each cell, at random."""
    return [generator.permutation(one)[:count] for one, count in zip(rows, counts, strict=True)]


@dataclass(frozen=True)
class CellMeans:
    """Averages over rows in which every cell weighs the same, and their bootstrap over games.

    Attributes:
        cell: int64 [n], the cell of each row.
        games: int64 [n], the game of each row, numbered from 0.
        n_cells: C.
        n_games: of the whole sample, so that all tasks of it are resampled alike; some may give no row.
    """

    cell: Ints
    games: Ints
    n_cells: int
    n_games: int

    def by_cell(self, values: Floats) -> Floats:
        """Mean of values [..., n] over the rows of each cell, [..., C]."""
        flags = self.cell[:, None] == np.arange(self.n_cells)
        return values @ (flags / np.maximum(flags.sum(0), 1))

    def resampled(self, values: Floats, n_resamples: int, seed: int) -> Floats:
        """`by_cell` of values [K, n] in every resample of games, [R, K, C]; a cell that one lacks keeps its value."""
        weights = game_weights(self.n_games, n_resamples, seed)
        place = self.games * self.n_cells + self.cell
        size = self.n_games * self.n_cells
        totals = np.stack([np.bincount(place, one, size) for one in values])  # [K, G * C]
        totals = totals.reshape(len(values), self.n_games, self.n_cells)
        counts = weights @ np.bincount(place, minlength=size).reshape(self.n_games, self.n_cells)  # [R, C]
        sums = np.einsum("rg,kgc->rkc", weights, totals, optimize=True)
        return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], self.by_cell(values))


def erased(x: Floats, fitted: Sequence[Floats], held: Sequence[bool], weights: Floats) -> Floats:
    """What erasing a concept linearly takes from the logits of probes, up to a constant, float64 [P, n].

    The shift between the cells where a concept holds and the others is taken out along the reader that tells it best
    (least squares concept erasure, Belrose et al. 2023, 2306.03819, inside of cells), so that no linear probe can read
    the concept and as little else as possible moves. Where activations do not vary inside of cells, the shift itself is
    the reader.

    Args:
        x: float64 [n, d], activations to erase from.
        fitted: activations of each cell, to measure on.
        held: cells in which the concept holds.
        weights: float64 [P, d], of the probes.
    """
    means, where = np.stack([one.mean(0) for one in fitted]), np.asarray(held)
    inside = np.mean([np.cov(one, rowvar=False) for one in fitted], axis=0)
    shift = means[where].mean(0) - means[~where].mean(0)
    ridge = 1e-3 * float(np.trace(inside)) / len(inside) or 1.0  # any will do for cells without spread
    reader = np.linalg.solve(inside + ridge * np.eye(len(inside)), shift)
    return (weights @ shift)[:, None] * (x @ reader) / max(float(reader @ shift), 1e-30)
