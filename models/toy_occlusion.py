"""The toy of occlusion: two attributes written into one space, one of them with a larger norm.

    a = ratio * u_i + v_j        i, j uniform and independent, u and v random unit vectors

After the toy of Makelov, Lange and Nanda (arXiv 2405.08366), in which both attributes have 216 values in 64 dimensions,
as the names of the indirect object and of the subject have in a query of GPT-2. `weakened` is their intervention on
real activations: take a share of what an attribute writes away, and see whether the other attribute is found.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .seeds import generator_of


@dataclass(frozen=True)
class TwoAttributes:
    """Rows of the toy.

    Attributes:
        x: float32 [N, d], activations.
        attributes: `high` (written with norm `ratio`) and `low` (with norm 1), int64 [N] each.
        directions: of each attribute, float32 [n_values, d], with the norms they are written with.
        ratio: of the norms.
    """

    x: torch.Tensor
    attributes: dict[str, NDArray[np.int64]]
    directions: dict[str, torch.Tensor]
    ratio: float

    @property
    def variance_shares(self) -> dict[str, float]:
        """Share of the variance of x that each attribute carries when all values are equally frequent."""
        carried = {name: float((d - d.mean(0)).square().sum(1).mean()) for name, d in self.directions.items()}
        return {name: value / sum(carried.values()) for name, value in carried.items()}


def two_attributes(
    ratio: float,
    *,
    n: int = 40_000,
    n_values: int = 216,
    width: int = 64,
    seed: int = 1,
    rows_seed: int = 0,
) -> TwoAttributes:
    """Draw the toy.

    Args:
        ratio: norm of the directions of `high`; those of `low` have norm 1.
        n: rows.
        n_values: values of each attribute.
        width: d.
        seed: of the directions, in a stream of their own: the same for every ratio.
        rows_seed: of the rows; training and scoring take two.

    Raises:
        ValueError: a ratio that is not positive, or sizes below 1 (n_values below 2).
    """
    if not ratio > 0 or min(n, width) < 1 or n_values < 2:
        raise ValueError(
            "ratio must be above 0, n and width at least 1 and n_values at least 2, "
            f"got {ratio}, {n}, {width} and {n_values}"
        )
    directions = {
        "high": ratio * _units(n_values, width, generator_of("directions of high", seed)),
        "low": _units(n_values, width, generator_of("directions of low", seed)),
    }
    drawn = {
        name: torch.randint(n_values, (n,), generator=generator_of(f"rows of {name} under {seed}", rows_seed))
        for name in directions
    }
    x = sum((directions[name][values] for name, values in drawn.items()), torch.zeros(n, width))
    return TwoAttributes(x, {name: values.numpy() for name, values in drawn.items()}, directions, ratio)


def weakened(x: torch.Tensor, directions: torch.Tensor, values: NDArray[np.integer], alpha: float) -> torch.Tensor:
    """Take the share alpha of what an attribute writes out of activations: a - alpha u_v.

    Args:
        x: float [N, d].
        directions: float [V, d], what each value writes (such as the blocks of a supervised dictionary).
        values: integer [N], in 0 to V - 1; -1 takes nothing.
        alpha: 0 leaves x as it is, 1 takes all that the dictionary knows of the attribute.

    Raises:
        ValueError: shapes that do not fit, or values out of range.
    """
    index = torch.as_tensor(np.asarray(values), dtype=torch.int64)
    if x.ndim != 2 or directions.ndim != 2 or directions.shape[1] != x.shape[1] or index.shape != (len(x),):
        raise ValueError(
            "x must be [N, d], directions [V, d] and values [N], "
            f"got {list(x.shape)}, {list(directions.shape)} and {list(index.shape)}"
        )
    if int(index.min()) < -1 or int(index.max()) >= len(directions):
        raise ValueError(
            f"values must lie in -1 to {len(directions) - 1}, got {int(index.min())} to {int(index.max())}"
        )
    written = torch.where((index >= 0)[:, None], directions[index.clamp(min=0)], 0.0)
    return x - alpha * written


def _units(n: int, width: int, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randn(n, width, generator=generator)
    return drawn / drawn.norm(dim=1, keepdim=True)
