# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Greedy edits: the few latents whose change brings one activation closest to another.

Question      Blind to what latents mean: which at most k of them turn a source activation into its counterfactual?
Equation      min over R in supp(f_s), A in supp(f_t), |R u A| <= k of
              || a_s - sum_R f_s,i u_i + sum_A f_t,i u_i - a_t ||, greedily: the exact minimum is a subset sum.
              With r = a_s - a_t (so far), changing the coefficient of latent i by c changes the squared distance by
              g = 2 c (r . u_i) + c^2 ||u_i||^2, with c = -f_s,i (remove), f_t,i (add) or f_t,i - f_s,i (swap).
Conventions   Each step takes the move with the smallest g among latents not used yet and stops when none lowers the
              distance; a latent is used once, so a swap counts once. Moves whose g lie within 1e-9 ||a_s - a_t||^2 of
              each other are equal: the lowest latent wins, then remove before add before swap; a gain below that is
              none. Edits are nested: one run to the largest k serves every smaller one. The edit is added to the
              activation, not to its reconstruction, so what the dictionary does not explain stays as it was.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (sparse controllability); repository amakelov/sae.
Differences from published code
              1. It swaps only: a latent is removed and added at once. Here three moves; being greedy, distances change
                 either way.
              2. It takes exactly k steps; here it stops when nothing helps, so edits may be smaller.
              3. It may take a latent twice and count its weight twice; here each is used once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

REMOVE, ADD, SWAP = 0, 1, 2
GRAM_WIDTH = 8192  # half a gigabyte
_LOOK = 8  # steps between questions whether any row still gains
TIE = 1e-9  # of the squared distance at the start: rounding is far below, any gain worth a latent far above
Array = torch.Tensor | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class GreedyEdits:
    """Edits of B activations, move by move; tensors on the device of the residual.

    Attributes:
        feature: int64 [B, k_max], latent of each move; -1 after the last.
        kind: int8 [B, k_max], `REMOVE`, `ADD` or `SWAP`; -1 after the last.
        change: float64 [B, k_max], what is added to the latent's coefficient; 0 after the last.
        distance: float64 [B, k_max + 1], distance to the target after each number of moves.
        directions: float [H, d], what each latent writes.
    """

    feature: torch.Tensor
    kind: torch.Tensor
    change: torch.Tensor
    distance: torch.Tensor
    directions: torch.Tensor

    @property
    def k_max(self) -> int:
        """Largest budget."""
        return self.feature.shape[1]

    def delta(self, k: int) -> torch.Tensor:
        """What the first k moves add to the source activations, [B, d] in the type of the directions."""
        k = self._checked(k)
        total = torch.zeros((len(self.feature), self.directions.shape[1]), dtype=torch.float64).to(self.change.device)
        for move in range(k):
            rows = self.directions[self.feature[:, move].clamp_min(0)].double()
            total += self.change[:, move, None] * rows
        return total.to(self.directions.dtype)

    def removed(self, k: int) -> torch.Tensor:
        """Latents whose source value the first k moves take away (removed or swapped), bool [B, H]."""
        return self._marked(k, (self.kind == REMOVE) | (self.kind == SWAP))

    def added(self, k: int) -> torch.Tensor:
        """Latents that the first k moves bring in at their target value (added or swapped), bool [B, H]."""
        return self._marked(k, (self.kind == ADD) | (self.kind == SWAP))

    def size(self, k: int) -> torch.Tensor:
        """Moves made within budget k, int64 [B]; fewer than k where nothing helped any more."""
        return (self.feature[:, : self._checked(k)] >= 0).sum(1)

    def _marked(self, k: int, moves: torch.Tensor) -> torch.Tensor:
        k = self._checked(k)
        marked = torch.zeros((len(self.feature), len(self.directions) + 1), dtype=torch.bool).to(moves.device)
        last = len(self.directions)  # a column for moves that are not made
        marked.scatter_(1, torch.where(moves, self.feature, last)[:, :k], True)
        return marked[:, :last]

    def _checked(self, k: int) -> int:
        if not 0 <= k <= self.k_max:
            raise ValueError(f"k must lie in 0 to {self.k_max}, the k_max of these edits, got {k}")
        return k


def greedy_edits(
    source_latents: Array,
    target_latents: Array,
    directions: Array,
    residual: Array,
    k_max: int,
    *,
    elements: int = 1 << 27,
    device: str | torch.device | None = None,
) -> GreedyEdits:
    """Greedy edits of up to `k_max` latents; `greedy_edits_plain` defines them.

    Only latents that fire on the source or the target can move, so only their directions are read.

    Args:
        source_latents: float [B, H], of the activations to edit.
        target_latents: float [B, H], of the counterfactual activations.
        directions: float [H, d], what each latent writes.
        residual: float [B, d], source minus target activation.
        k_max: largest number of latents to touch, at least 0; may exceed what is there.
        elements: numbers of a block of candidate directions (float64) on a CUDA device, which bounds its memory.
        device: where to search; None for where the residual is. The edits come back to where it is.

    Returns:
        The edits; add `edits.delta(k)` to the source activations.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, or a negative k_max.

    Examples:
        >>> edits = greedy_edits(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.eye(2),
        ...                      torch.tensor([[1.0, -2.0]]), 3)
        >>> edits.feature.tolist(), edits.kind.tolist(), edits.delta(2).tolist()
        ([[1, 0, -1]], [[1, 0, -1]], [[-1.0, 2.0]])
    """
    given, source, target, vectors, start = checked_edit(source_latents, target_latents, directions, residual, k_max)
    home = start.device
    source, target, vectors, start = (part.to(device or home) for part in (source, target, vectors, start))
    if start.device.type == "cpu":
        found = _on_cpu(source, target, vectors, start, k_max)
    else:
        found = greedy_blocks(source, target, vectors, start, k_max, elements)
    feature, kind, change, distance = (part.to(home) for part in found)
    return GreedyEdits(feature, kind, change, distance, given)


def _on_cpu(
    source: torch.Tensor, target: torch.Tensor, vectors: torch.Tensor, start: torch.Tensor, k_max: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Feature, kind, change and distance by the numba kernel."""
    from .control_greedy_numba import greedy_rows

    (n, width), d = source.shape, vectors.shape[1]
    n_candidates = int(((source != 0) | (target != 0)).sum())
    # all inner products at once cost one product of matrices, which runs some five times faster than the kernel's own
    dense = width * width * d < 5 * n_candidates * d * k_max and width <= GRAM_WIDTH
    gram = vectors @ vectors.T if dense else torch.zeros((0, 0), dtype=torch.float64)
    feature, kind = np.full((n, k_max), -1, np.int64), np.full((n, k_max), -1, np.int8)
    change, distance = np.zeros((n, k_max)), np.zeros((n, k_max + 1))
    greedy_rows(
        source.contiguous().numpy(),
        target.contiguous().numpy(),
        vectors.contiguous().numpy(),
        vectors.square().sum(1).numpy(),
        gram.numpy(),
        start.clone(memory_format=torch.contiguous_format).numpy(),
        TIE,
        feature,
        kind,
        change,
        distance,
    )
    found = [torch.from_numpy(part) for part in (feature, kind, change, distance)]
    return found[0], found[1], found[2], found[3]


def greedy_blocks(
    source: torch.Tensor, target: torch.Tensor, vectors: torch.Tensor, start: torch.Tensor, k_max: int, elements: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Feature, kind, change and distance in torch, many rows at a time: for CUDA; float64 arguments."""
    n, device = len(source), start.device
    feature = torch.full((n, k_max), -1, dtype=torch.int64, device=device)
    kind = torch.full((n, k_max), -1, dtype=torch.int8, device=device)
    change = torch.zeros((n, k_max), dtype=torch.float64, device=device)
    distance = start.norm(dim=1)[:, None].repeat(1, k_max + 1)
    active = (source != 0) | (target != 0)
    counts, order = active.sum(1).sort(stable=True)  # rows of like width together, so that little is padded
    widths = counts.tolist()
    first = 0
    while first < n and k_max > 0:
        last = first + 1
        while last < n and (last + 1 - first) * widths[last] * vectors.shape[1] <= elements:
            last += 1
        if widths[last - 1] > 0:
            rows = order[first:last]
            # a stable sort puts the active latents first, lowest number first; the rest cannot move
            index = (~active[rows]).to(torch.uint8).sort(dim=1, stable=True).indices[:, : widths[last - 1]]
            candidates = source[rows].gather(1, index), target[rows].gather(1, index)
            found = _greedy_block(*candidates, vectors[index], start[rows], k_max)
            place, kind[rows], change[rows], distance[rows] = found
            feature[rows] = torch.where(place >= 0, index.gather(1, place.clamp_min(0)), -1)
        first = last
    return feature, kind, change, distance


def _greedy_block(
    source: torch.Tensor, target: torch.Tensor, vectors: torch.Tensor, residual: torch.Tensor, k_max: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Edits of b rows over their own w candidates: source, target [b, w], vectors [b, w, d], residual [b, d]."""
    n, width = source.shape
    device = residual.device
    every = torch.arange(n, device=device)
    changes = torch.stack([-source, target, target - source], 2)
    open_moves = torch.stack([source != 0, target != 0, (source != 0) & (target != 0) & (source != target)], 2)
    quadratic = changes**2 * vectors.square().sum(2)[:, :, None]
    changes, quadratic, open_moves = (part.reshape(n, 3 * width) for part in (changes, quadratic, open_moves))
    tie = TIE * residual.square().sum(1)
    residual = residual.clone()
    place = torch.full((n, k_max), -1, dtype=torch.int64, device=device)
    kind = torch.full((n, k_max), -1, dtype=torch.int8, device=device)
    change = torch.zeros((n, k_max), dtype=torch.float64, device=device)
    distance = residual.norm(dim=1)[:, None].repeat(1, k_max + 1)
    numbers = torch.arange(3 * width, device=device)
    inner = torch.bmm(vectors, residual[:, :, None])[:, :, 0]
    # one product of matrices, after which a step reads w numbers a row instead of w d
    gram = torch.bmm(vectors, vectors.mT) if width <= vectors.shape[2] else None
    for step in range(min(k_max, width)):
        gain = torch.where(open_moves, 2 * changes * inner.repeat_interleave(3, 1) + quadratic, torch.inf)
        least = gain.min(1).values
        helps = least < -tie
        # asking a device waits for it; once nothing helps, further steps change nothing
        if (device.type == "cpu" or step % _LOOK == 0) and not bool(helps.any()):
            break
        equal = gain <= (least + tie)[:, None]
        move = torch.where(equal, numbers, 3 * width).min(1).values.clamp_max(3 * width - 1)
        amount = torch.where(helps, changes[every, move], 0.0)
        latent = torch.div(move, 3, rounding_mode="floor")
        taken = vectors[every, latent]
        residual += amount[:, None] * taken
        along = torch.bmm(vectors, taken[:, :, None])[:, :, 0] if gram is None else gram[every, latent]
        inner += amount[:, None] * along
        place[:, step] = torch.where(helps, latent, -1)
        kind[:, step] = torch.where(helps, move - 3 * latent, -1).to(torch.int8)
        change[:, step] = amount
        distance[:, step + 1 :] = residual.norm(dim=1)[:, None]
        open_moves = open_moves & (numbers[None] // 3 != latent[:, None])
        open_moves &= helps[:, None]
    return place, kind, change, distance


def checked_edit(
    source_latents: Array, target_latents: Array, directions: Array, residual: Array, k_max: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The directions as given, then source, target, directions and residual as float64 on the residual's device.

    Raises:
        ValueError: as in `greedy_edits`.
    """
    start = torch.as_tensor(residual).detach()
    given = torch.as_tensor(directions).detach().to(start.device)
    source, target = (torch.as_tensor(part).detach().to(start.device) for part in (source_latents, target_latents))
    if source.ndim != 2 or given.ndim != 2 or source.shape != target.shape or source.shape[1] != len(given):
        found = f"{list(source.shape)}, {list(target.shape)} and {list(given.shape)}"
        raise ValueError(f"source and target latents must be [B, H] and directions [H, d], got {found}")
    if start.shape != (len(source), given.shape[1]):
        raise ValueError(f"residual must be [{len(source)}, {given.shape[1]}], got {list(start.shape)}")
    for name, part in zip(("source", "target", "directions", "residual"), (source, target, given, start), strict=True):
        if not part.is_floating_point() or not bool(torch.isfinite(part).all()):
            raise ValueError(f"{name} must be finite floating numbers, got {part.dtype} or a NaN or infinity in it")
    if k_max < 0:
        raise ValueError(f"k_max must be at least 0, got {k_max}")
    return given, source.double(), target.double(), given.double(), start.double()
