"""Edits of what the latents write: directions turned, replaced, swapped, mixed, or an offset added. None adds truth."""

import numpy as np
import torch

from .edited_dictionary import EditedDictionary, directions_of, random_rows, same, unit_rows
from .edits_latents import edited, rebuilding_error
from .ladder_base import LadderBase
from .seeds import generator_of

ROTATION = 0.2  # radians that a direction is turned by, about
MIX = 0.8


def rotate(base: LadderBase, seed: int) -> EditedDictionary:
    """All directions turned by one random rotation, each by about 0.2 radians, so that their cosines are about .98."""
    directions = directions_of(base.dictionary)
    d = directions.shape[1]
    if d < 2:
        raise ValueError(f"a rotation needs at least 2 dimensions, got {d}")
    noise = torch.randn(d, d, generator=generator_of("rotation", seed), dtype=torch.float64).triu(1)
    # each unit vector u moves by |S u|, whose mean square is that of d - 1 entries of S
    rotation = torch.linalg.matrix_exp((noise - noise.T) * ROTATION / np.sqrt(d - 1))
    return edited(base, same, directions=(directions.double() @ rotation).float())


def replace_some(base: LadderBase, seed: int) -> EditedDictionary:
    """A tenth of the directions replaced by random ones of the same length."""
    directions = directions_of(base.dictionary).clone()
    n = base.n_latents
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(n)[: max(1, round(0.1 * n))])
    fresh = random_rows(len(rows), directions.shape[1], seed)
    directions[rows] = fresh * directions[rows].norm(dim=1, keepdim=True)
    return edited(base, same, directions=directions)


def swap_neighbours(base: LadderBase, seed: int) -> EditedDictionary:
    """Half of the latents swap directions in pairs, each with the nearest direction that is still free.

    Raises:
        ValueError: fewer than 2 latents.
    """
    directions = directions_of(base.dictionary)
    units = unit_rows(directions)
    _needs_two(base, "swapping neighbours")
    order = torch.arange(base.n_latents)
    free = torch.ones(base.n_latents, dtype=torch.bool)
    for i in np.random.default_rng(seed).permutation(base.n_latents).tolist():
        if int(free.sum()) <= max(base.n_latents // 2, base.n_latents % 2):
            break
        if not free[i]:
            continue
        free[i] = False
        j = int((units @ units[i]).masked_fill(~free, -2.0).argmax())
        free[j] = False
        order[i], order[j] = j, i
    return edited(base, same, directions=directions[order])


def mix_pairs(base: LadderBase, seed: int) -> EditedDictionary:
    """Half of the latents mixed in random pairs, .8 of one and .2 of the other; their directions undo it exactly.

    Raises:
        ValueError: fewer than 2 latents.
    """
    _needs_two(base, "mixing")
    chosen = torch.from_numpy(
        np.random.default_rng(seed).permutation(base.n_latents)[: max(2, base.n_latents // 4 * 2)]
    )
    first, second = chosen[0::2], chosen[1::2]
    directions = directions_of(base.dictionary).clone()
    a, b = directions[first], directions[second]
    scale = MIX**2 - (1 - MIX) ** 2  # determinant of [[.8, .2], [.2, .8]]
    directions[first], directions[second] = (MIX * a - (1 - MIX) * b) / scale, (MIX * b - (1 - MIX) * a) / scale

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        del x
        one, two = latents[:, first], latents[:, second]
        mixed = torch.cat([MIX * one + (1 - MIX) * two, MIX * two + (1 - MIX) * one], 1)
        return latents.index_copy(1, torch.cat([first, second]), mixed)

    return edited(base, edit, directions=directions)


def correct_bias(base: LadderBase, seed: int) -> EditedDictionary:
    """The mean error of the reconstruction added to everything decoded."""
    del seed
    return edited(base, same, offset=rebuilding_error(base).mean(0))


def _needs_two(base: LadderBase, what: str) -> None:
    if base.n_latents < 2:
        raise ValueError(f"{what} needs at least 2 latents, {base.dictionary.name!r} has {base.n_latents}")
