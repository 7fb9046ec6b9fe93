# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""The greedy edit as a definition, and the exact one: slow, short, and what the fast form is tested against."""

from itertools import combinations, product

import numpy as np
import torch
from numpy.typing import NDArray

from .control_greedy import TIE, Array, GreedyEdits, checked_edit


def greedy_edits_plain(
    source_latents: Array, target_latents: Array, directions: Array, residual: Array, k_max: int
) -> GreedyEdits:
    """As `greedy_edits`, by computing the distance that every move of every latent would leave, at every step."""
    given, *tensors = checked_edit(source_latents, target_latents, directions, residual, k_max)
    sources, targets, vectors, residuals = (tensor.cpu().numpy() for tensor in tensors)
    n, n_latents = sources.shape
    feature = np.full((n, k_max), -1, np.int64)
    kind = np.full((n, k_max), -1, np.int8)
    change = np.zeros((n, k_max))
    distance = np.tile(np.linalg.norm(residuals, axis=1)[:, None], (1, k_max + 1))
    for row in range(n):
        source, target, rest = sources[row], targets[row], residuals[row]
        tie = TIE * (rest**2).sum()
        both = (source != 0) & (target != 0) & (source != target)
        moves = np.stack([-source, target, target - source], 1)  # remove, add, swap
        possible = np.stack([source != 0, target != 0, both], 1)
        for step in range(k_max):
            left = np.full((n_latents, 3), np.inf)
            for way in range(3):
                left[:, way] = ((rest + moves[:, way, None] * vectors) ** 2).sum(1)
            gain = np.where(possible, left - (rest**2).sum(), np.inf)
            if not gain.size or gain.min() >= -tie:
                break
            move = int(np.flatnonzero(gain.ravel() <= gain.min() + tie)[0])
            latent, way = divmod(move, 3)
            rest = rest + moves[latent, way] * vectors[latent]
            feature[row, step], kind[row, step], change[row, step] = latent, way, moves[latent, way]
            distance[row, step + 1 :] = np.linalg.norm(rest)
            possible[latent] = False
    parts = [torch.from_numpy(part).to(given.device) for part in (feature, kind, change, distance)]
    return GreedyEdits(parts[0], parts[1], parts[2], parts[3], given)


def exhaustive_edits(
    source_latents: Array, target_latents: Array, directions: Array, residual: Array, k: int
) -> NDArray[np.float64]:
    """Smallest distance that any edit of at most k latents leaves, float64 [B]; every subset is tried, so H <= ~12."""
    _, *tensors = checked_edit(source_latents, target_latents, directions, residual, k)
    sources, targets, vectors, residuals = (tensor.cpu().numpy() for tensor in tensors)
    best = np.linalg.norm(residuals, axis=1)
    for row in range(len(best)):
        source, target = sources[row], targets[row]
        for size in range(1, min(k, len(vectors)) + 1):
            for chosen in combinations(range(len(vectors)), size):
                # each latent of the subset is removed, added or swapped; a move it does not have changes nothing
                for ways in product(*((-source[i], target[i], target[i] - source[i]) for i in chosen)):
                    left = residuals[row] + np.asarray(ways) @ vectors[list(chosen)]
                    best[row] = min(best[row], float(np.linalg.norm(left)))
    return best
