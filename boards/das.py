"""A subspace for every square, trained so that exchanging it between positions moves the model's moves: DAS on boards.

Equation      x' = x + Q_s Q_s' (x_source - x), with Q_s [d, k] orthonormal for every square s; the loss is the
              cross-entropy of the next move against the uniform distribution over the moves of the edited board
Conventions   The source is a position of the choosing games with about as many moves, in which the square has the
              state asked for; everything else differs. Trained on edits of games that are neither chosen nor reported
              on. Starts at the span of the supervised directions, of which it is a skyline.
References    Geiger et al. 2024, "Finding alignments between interpretable causal variables and distributed neural
              representations" (arXiv 2303.02536).
Differences   There one subspace a variable is trained by itself; here those of all squares are trained together.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .edits import BoardEdits
from .methods import Method, Setting, SquareDirections, View
from .runs import edited_logits

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


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

    def of(self, edits: BoardEdits) -> torch.Tensor:
        """One activation for every changed square, float [n, m, d]; NaN where there is none.

        What is drawn for an edit depends on the edit and the seed, not on its neighbours.
        """
        found = torch.full((*edits.put.shape, self.x.shape[1]), torch.nan)
        for row, (columns, position) in enumerate(zip(edits.put, edits.position, strict=True)):
            generator = np.random.default_rng([self.seed, row])
            for slot, column in enumerate(columns[columns >= 0]):
                shown = np.flatnonzero(self.states[:, column])
                if len(shown):
                    distance = np.abs(self.position[shown] - position)
                    nearest = shown[distance == distance.min()]
                    found[row, slot] = self.x[nearest[generator.integers(len(nearest))]]
        return found


def fit_board_das(
    model: "TransformerBridge",
    hook: str,
    x: torch.Tensor,
    edits: BoardEdits,
    sources: Sources,
    supervised: SquareDirections,
    *,
    k: int | None = None,
    steps: int = 200,
    lr: float = 3e-3,
    batch_size: int = 64,
    seed: int = 0,
) -> tuple[torch.Tensor, list[float]]:
    """Train the subspaces.

    Args:
        model: on any device.
        hook: where the residual stream is edited.
        x: float [n, d], activations at the edits.
        edits: to train on.
        sources: what is exchanged with.
        supervised: where to start.
        k: dimensions a square; None is one less than it has states, at most 4.
        steps: of Adam.
        lr: its rate.
        batch_size: edits a step.
        seed: of the batches.

    Returns:
        Orthonormal bases float32 [S, d, k], and the loss of every step.
    """
    squares = edits.squares
    k = min(squares.n_states - 1, 4) if k is None else k
    cubes = supervised.directions.reshape(len(squares), squares.n_states, -1)
    span = torch.linalg.svd(cubes - cubes.mean(1, keepdim=True), full_matrices=True).Vh[:, :k].transpose(1, 2)
    raw = span.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([raw], lr=lr)
    shown = sources.of(edits)
    truth = torch.from_numpy(edits.allowed_after).float()
    truth = truth / truth.sum(1, keepdim=True)
    generator = np.random.default_rng(seed)
    losses: list[float] = []
    for _ in range(steps):
        rows = generator.choice(len(edits), size=min(batch_size, len(edits)), replace=False)
        part, picked = edits.take(rows), torch.from_numpy(rows)
        new = x[picked] + swap_delta(torch.linalg.qr(raw).Q, x[picked], shown[picked], part)
        logits = edited_logits(model, part.tokens, part.position, {hook: lambda _, at, new=new: new[at]}, gradient=True)
        loss = -(truth[picked] * logits.log_softmax(1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        return torch.linalg.qr(raw).Q.detach(), losses


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


def das_method(bases: torch.Tensor, sources: Sources) -> Method:
    """The edit that exchanges the trained subspaces."""

    def delta(view: View, setting: Setting) -> torch.Tensor:
        return swap_delta(bases, view.x, sources.of(view.edits), view.edits)

    return Method(f"DAS, {bases.shape[2]} dimensions a square", delta)
