# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""The two steps of a sparse probe: order the latents of every task, fit on the first k of them and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .counts import best_thresholds, f1_score
from .sparse_logistic import fit_sparse_logistic
from .sparse_probing_tasks import Draw, ProbingTasks

if TYPE_CHECKING:
    from ..models.dictionary import Codes

Selection = Literal["auroc", "mean difference", "raw mean difference"]
SELECTIONS: tuple[Selection, ...] = ("auroc", "mean difference", "raw mean difference")
FULL_L2 = (100.0, 10.0, 1.0, 0.1)  # penalties of the probe on all of x, in units of its spread


@dataclass(frozen=True)
class Strengths:
    """How far each latent goes with each task on the choosing rows.

    Attributes:
        codes: latents at all rows of the sample.
        tasks: what they are compared with.
    """

    codes: "Codes"
    tasks: ProbingTasks

    @cached_property
    def matrix(self) -> csr_array:
        """The codes as a matrix, float64 [N, L]."""
        codes = self.codes
        shape = (codes.n_rows, codes.n_latents)
        return csr_array((codes.values.astype(np.float64), codes.indices, codes.indptr), shape=shape)

    @cached_property
    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        draw = self.tasks.train
        n_tasks = len(draw.rows)
        mean, contrast = (np.zeros((self.codes.n_rows, n_tasks)) for _ in range(2))
        for task in range(n_tasks):
            rows, y = draw.rows_of(task), draw.y[task, draw.there[task]]
            mean[rows, task] = 1 / len(rows)
            contrast[rows, task] = np.where(y, 2, -2) / len(rows)  # as many positives as negatives
        difference = np.asarray(self.matrix.T @ contrast)
        centre = np.asarray(self.matrix.T @ mean)
        square = np.asarray(self.matrix.power(2).T @ mean)
        variance = square - centre**2
        return difference, np.sqrt(np.where(variance > 1e-12 * square, variance, 0.0))

    @property
    def difference(self) -> NDArray[np.float64]:
        """Mean where the feature holds less mean where it does not, float64 [L, T]."""
        return self._moments[0]

    @property
    def standardised(self) -> NDArray[np.float64]:
        """The same in standard deviations of the latent, float64 [L, T]; 0 for a latent that does not vary."""
        difference, spread = self._moments
        return difference / np.where(spread > 0, spread, np.inf)

    @cached_property
    def auroc(self) -> NDArray[np.float64]:
        """How well the latent ranks all choosing rows, float64 [L, T]."""
        return best_thresholds(self.codes.take(self.tasks.choosing), self.tasks.truth).auroc

    def order(self, selection: Selection, k: int) -> NDArray[np.int64]:
        """The k strongest latents of every task, strongest first, int64 [T, k]; ties go to the larger shift.

        Raises:
            ValueError: an unknown selection.
        """
        if selection not in SELECTIONS:
            raise ValueError(f"selection must be one of {', '.join(SELECTIONS)}, got {selection!r}")
        if selection == "raw mean difference":
            first = second = np.abs(self.difference)
        else:
            second = np.abs(self.standardised)
            first = second if selection == "mean difference" else np.round(np.abs(self.auroc - 0.5), 12)
        return np.lexsort((-second, -first), axis=0)[:k].T


@dataclass(frozen=True)
class Outcome:
    """Probes on the test rows: counts of each game and task, and what follows.

    Attributes:
        tp: positives that are called positive, int64 [G, T].
        tn: negatives that are called negative, int64 [G, T].
        positives: int64 [G, T].
        negatives: int64 [G, T].
        auc: area under the ROC of the logits, float64 [T].
        weights: float64 [T, k + 1], bias last, in units of the columns that the probe read.
    """

    tp: NDArray[np.int64]
    tn: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    auc: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of the balanced test rows that are right, float64 [T]."""
        return (self.tp.sum(0) / self.positives.sum(0) + self.tn.sum(0) / self.negatives.sum(0)) / 2

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 on the balanced test rows, float64 [T]."""
        positives, tp = self.positives.sum(0), self.tp.sum(0)
        return f1_score(tp, tp + (self.negatives - self.tn).sum(0), positives)


def outcome(logits: NDArray[np.float64], test: Draw, weights: NDArray[np.float64]) -> Outcome:
    """What logits [T, m] on the test rows are worth; above 0 calls a row positive."""
    from scipy.stats import rankdata  # a second to import, as torch is below: listing the metrics does not wait

    called, shape = logits > 0, (len(logits), test.n_games)
    cell = (np.arange(len(logits))[:, None] * test.n_games + test.games)[test.there]

    def by_game(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        counted = np.bincount(cell[mask[test.there]], minlength=shape[0] * shape[1])
        return counted.reshape(shape).T

    auc = np.empty(len(logits))
    for task, there in enumerate(test.there):
        y = test.y[task, there]
        n, ranks = int(y.sum()), rankdata(logits[task, there])
        auc[task] = (ranks[y].sum() - n * (n + 1) / 2) / (n * (len(y) - n))
    no = ~test.y
    return Outcome(by_game(called & test.y), by_game(~called & no), by_game(test.y), by_game(no), auc, weights)


def probe(
    matrix: csr_array,
    tasks: ProbingTasks,
    order: NDArray[np.int64],
    ks: Sequence[int],
    *,
    standardise: bool,
    c: float = 1.0,
) -> dict[int, Outcome]:
    """Logistic probes on the first k latents of every task.

    Args:
        matrix: latents, [N, L].
        tasks: rows to fit and test on.
        order: int64 [T, at least max(ks)], latents of every task, strongest first.
        ks: how many of them; more than there are takes all.
        standardise: divide each latent by its standard deviation on the rows that a probe is fitted on, so that the
            penalty does not see its scale.
        c: inverse strength of the L2 penalty.

    Returns:
        Outcome of every k.
    """
    order = order[:, : max(ks)]
    columns, sides = matrix.tocsc(), (tasks.train, tasks.test)
    x, x_test = (np.zeros((*side.rows.shape, order.shape[1])) for side in sides)
    for task, latents in enumerate(order):
        read = columns[:, latents].toarray()
        x[task], x_test[task] = read[tasks.train.rows[task]], read[tasks.test.rows[task]]
    if standardise:
        there = tasks.train.there[:, :, None]
        n = there.sum(1, keepdims=True)
        mean = (x * there).sum(1, keepdims=True) / n
        spread = np.sqrt((((x - mean) * there) ** 2).sum(1, keepdims=True) / n)
        # A latent that never varies here says nothing here, and must not weigh on the test rows either.
        usable = spread > 1e-9 * np.maximum(np.abs(mean), 1e-30)
        factor = np.where(usable, 1 / np.where(usable, spread, 1.0), 0.0)
        x, x_test = x * factor, x_test * factor
    found: dict[int, Outcome] = {}
    weights: NDArray[np.float64] | None = None
    for k in sorted(set(ks)):
        width = min(k, order.shape[1])
        if weights is not None:  # the latents of a smaller k are among those of a larger one
            shared = weights.shape[1] - 1
            start = np.zeros((len(order), width + 1))
            start[:, :shared], start[:, -1] = weights[:, :-1], weights[:, -1]
            weights = start
        read = x[:, :, :width]
        weights = fit_sparse_logistic(read, tasks.train.y, tasks.train.there, c=c, initial=weights)
        logits = (x_test[:, :, :width] @ weights[:, :-1, None])[:, :, 0] + weights[:, -1:]
        found[k] = outcome(logits, tasks.test, weights)
    return found


def full_probe(
    x: NDArray[np.floating], tasks: ProbingTasks, *, grid: Sequence[float] = FULL_L2, seed: int = 0
) -> Outcome:
    """Logistic probes on all columns of x [N, d], fitted on all choosing rows at once.

    All columns are divided by one number, their root mean square spread. Of the penalties (l2 times half of the squared
    norm) each task takes the one with the least log-loss on a fifth of the choosing games, then is fitted again on all
    of them. The test rows are balanced and the choosing rows are not, so the log odds of the feature on the choosing
    rows are taken off the logits.
    """
    import torch
    from torch.nn.functional import softplus

    from ..supervised_dicts.logistic import fit_logistic

    values = torch.from_numpy(np.asarray(x, np.float32))
    chosen = values[torch.from_numpy(tasks.choosing)]
    mean, scale = chosen.mean(0), chosen.var(0).mean().sqrt().clamp(min=1e-30)
    scaled, truth = (chosen - mean) / scale, torch.from_numpy(tasks.truth)
    aside = np.random.default_rng(seed).permutation(int(tasks.choosing_games.max()) + 1) % 5 == 0
    held_out = torch.from_numpy(aside[tasks.choosing_games])
    losses: list[torch.Tensor] = []
    for l2 in grid:
        weights, _ = fit_logistic(scaled[~held_out], truth[~held_out], torch.full((truth.shape[1],), l2))
        z = scaled[held_out] @ weights[:, :-1].T + weights[:, -1]
        losses.append((softplus(z) - truth[held_out] * z).mean(0))
    penalty = torch.tensor(list(grid))[torch.stack(losses).argmin(0)]
    weights, _ = fit_logistic(scaled, truth, penalty)
    z = (((values - mean) / scale) @ weights[:, :-1].T + weights[:, -1]).double().numpy()  # [N, T]
    share = tasks.truth.mean(0)
    column = np.arange(len(tasks.names))[:, None]
    logits = z[tasks.test.rows, column] - np.log(share / (1 - share))[:, None]
    return outcome(logits, tasks.test, weights.double().numpy())
