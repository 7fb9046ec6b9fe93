"""A subspace for every square, trained so that exchanging it between positions moves the model's moves: DAS on boards.

Equation      x' = x + Q_s Q_s' (x_source - x), with Q_s [d, k] orthonormal for every square s; the loss is the
              cross-entropy of the next move against the uniform distribution over the moves of the edited board
Conventions   The source is a position of the choosing games with about as many moves, in which the square has the
              state asked for; everything else differs. Trained on edits of games that are neither chosen nor reported
              on. Starts at the span of the supervised directions, of which it is a skyline.
References    Geiger et al. 2024, "Finding alignments between interpretable causal variables and distributed neural
              representations" (arXiv 2303.02536).
Differences   There one subspace a variable is trained by itself; here those of all squares are trained together, and
              towards a distribution over moves instead of one token (supervised_dicts/das.py does the former).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .edits import BoardEdits, Squares
from .last_move import LastMove
from .methods import SIZES, Method, Setting, SquareDirections, View

NEAR = 2  # moves between an edit and its source
CHECK = 50  # steps between looks at the edits held out


class Sources:
    """Positions that show a state of a square, found by how many moves were made.

    Args:
        x: float [N, d], activations.
        states: bool [N, S * C].
        position: int64 [N], token that each was read at.
        seed: which of equally good positions is taken.
    """

    def __init__(self, x: torch.Tensor, states: NDArray[np.bool_], position: NDArray[np.int64], seed: int) -> None:
        self.x, self.states, self.seed = x, states, seed
        self.position = np.asarray(position, np.int64)
        self._nearest: dict[tuple[int, int], NDArray[np.int64]] = {}

    def of(self, edits: BoardEdits, seed: int | None = None) -> torch.Tensor:
        """One activation for every changed square, float [n, m, d]; NaN where there is none.

        What is drawn for an edit depends on its row and the seed, not on its neighbours.

        Args:
            edits: n of them.
            seed: of the draw; None for that of the sources.
        """
        found = torch.full((*edits.put.shape, self.x.shape[1]), torch.nan)
        for row, (columns, position) in enumerate(zip(edits.put, edits.position, strict=True)):
            generator = np.random.default_rng([self.seed if seed is None else seed, row])
            for slot, column in enumerate(columns[columns >= 0].tolist()):
                nearest = self.nearest(column, int(position))
                if len(nearest):
                    found[row, slot] = self.x[nearest[generator.integers(len(nearest))]]
        return found

    def nearest(self, column: int, position: int) -> NDArray[np.int64]:
        """Rows that show a state, read at most two moves before or after a position, or as near as there are."""
        if (column, position) not in self._nearest:
            shown = np.flatnonzero(self.states[:, column])
            distance = np.abs(self.position[shown] - position)
            self._nearest[column, position] = shown[distance <= max(NEAR, distance.min(initial=2**31))]
        return self._nearest[column, position]


@dataclass(frozen=True)
class BoardSubspaces:
    """A trained subspace for every square.

    Attributes:
        bases: float32 [S, d, k], orthonormal.
        losses: float, on edits held out, at the start and after every `CHECK` steps.
        steps: of training, until nothing was gained any more.
    """

    bases: torch.Tensor
    losses: tuple[float, ...]
    steps: int


def fit_board_das(
    run: LastMove,
    edits: BoardEdits,
    sources: Sources,
    supervised: SquareDirections,
    *,
    k: int | None = None,
    steps: int = 400,
    lr: float = 3e-3,
    batch_size: int = 128,
    seed: int = 0,
) -> BoardSubspaces:
    """Train the subspaces until the loss on every fifth edit, held out, has not fallen for three checks.

    Args:
        run: the edits' positions; changed after its first block.
        edits: to train on.
        sources: what is exchanged with, drawn anew every step.
        supervised: where to start.
        k: dimensions a square; None as `das_dimensions` says.
        steps: of Adam, at most.
        lr: its first rate; falls linearly to 0.
        batch_size: edits a step.
        seed: of the batches and sources.

    Returns:
        The subspaces with the smallest loss on the edits held out.
    """
    from tqdm.auto import tqdm

    squares = edits.squares
    k = das_dimensions(squares) if k is None else k
    cubes = supervised.directions.reshape(len(squares), squares.n_states, -1)
    span = torch.linalg.svd(cubes - cubes.mean(1, keepdim=True), full_matrices=True).Vh[:, :k].transpose(1, 2)
    raw = span.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([raw], lr=lr)
    truth = torch.from_numpy(edits.allowed_after).float()
    truth = truth / truth.sum(1, keepdim=True)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(edits))
    held, used = order[: max(1, len(edits) // 5)], order[max(1, len(edits) // 5) :]
    held_sources = sources.of(edits.take(held))

    def loss_of(rows: NDArray[np.int64], shown: torch.Tensor, gradient: bool) -> torch.Tensor:
        picked = torch.from_numpy(rows)
        x = run.x[picked]
        new = x + swap_delta(torch.linalg.qr(raw).Q, x, shown, edits.take(rows))
        logits = run.logits({run.layer: lambda _, at: new[at]}, picked, gradient=gradient)
        return -(truth[picked] * logits.log_softmax(1)).sum(1).mean()

    def check() -> float:
        with torch.no_grad():
            return float(loss_of(held, held_sources, False))

    losses = [check()]
    best = raw.detach().clone()
    done = 0
    for step in tqdm(range(1, steps + 1), desc="DAS", disable=None, leave=False):
        optimiser.param_groups[0]["lr"] = lr * (1 - (step - 1) / steps)
        rows = generator.choice(used, size=min(batch_size, len(used)), replace=False)
        shown = sources.of(edits.take(rows), int(generator.integers(2**31)))
        loss = loss_of(rows, shown, True)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        done = step
        if step % CHECK == 0 or step == steps:
            losses.append(check())
            if losses[-1] <= min(losses):
                best = raw.detach().clone()
            if min(losses[-3:]) > min(losses) and len(losses) > 3:
                break
    return BoardSubspaces(torch.linalg.qr(best).Q, tuple(losses), done)


def swap_delta(bases: torch.Tensor, x: torch.Tensor, shown: torch.Tensor, edits: BoardEdits) -> torch.Tensor:
    """What exchanging the changed squares' subspaces adds, float [B, d].

    Args:
        bases: float [S, d, k].
        x: float [B, d].
        shown: float [B, m, d], activations that show the new states; NaN where there is none.
        edits: B of them.
    """
    total = torch.zeros_like(x)
    for slot in range(edits.put.shape[1]):
        square = torch.from_numpy(np.maximum(edits.put[:, slot], 0) // edits.squares.n_states)
        there = torch.where(shown[:, slot].isfinite(), shown[:, slot], x)
        basis = bases[square]
        coordinates = torch.einsum("bdk,bd->bk", basis, there - x)
        total = total + torch.einsum("bdk,bk->bd", basis, coordinates)
    return total


def das_dimensions(squares: Squares) -> int:
    """Dimensions a square by default: one less than it has states, at most 4."""
    return min(squares.n_states - 1, 4)


def das_names(k: int) -> tuple[str, str]:
    """Of the two methods."""
    return f"DAS, {k} dimensions a square", f"DAS, {k} dimensions a square, sized"


def das_methods(subspaces: BoardSubspaces, sources: Sources) -> list[Method]:
    """The edit that exchanges the trained subspaces, and the same at a size that is chosen on other edits."""

    def delta(view: View, setting: Setting) -> torch.Tensor:
        return setting[0] * swap_delta(subspaces.bases, view.x, sources.of(view.edits), view.edits)

    plain, sized = das_names(subspaces.bases.shape[2])
    return [Method(plain, delta), Method(sized, delta, SIZES, ("x",))]
