"""How much of an activation can the attributes explain at best, with one direction for every value?

Equation      U = argmin |A - C U|^2 = (C'C)^+ C'A     C one-hot blocks [N, H], A activations minus their mean
Conventions   of the many solutions, the one of smallest norm; then, where every row has a value of every attribute,
              each block is shifted to average to zero over the rows fitted, which changes no reconstruction
References    MSE codes of Makelov, Lange and Nanda 2024, arXiv 2405.08366, section 3
Differences from published code
    1. Solved through the eigenvectors of C'C, which hold counts and are exact, so that the rank is known and
       no constant can run away; published: pseudo-inverse or Adam.
    2. The shift: without it a constant may sit in any block, and shares of variance by attribute would depend on it.
       With it mean and MSE codes are equal if attributes are independent.
"""

from collections.abc import Mapping, Sequence

import torch

from .attribute_blocks import Attributes
from .attribute_fitting import assemble, cutoff, gather
from .attributes import AttributeDictionary
from .mean import titled


def fit_mse(
    activations: torch.Tensor,
    attributes: Attributes,
    values: Mapping[str, Sequence[str]],
    *,
    which: Sequence[str] = ("IO", "S", "Pos"),
    parametrisation: str | Sequence[Sequence[str]] = "independent",
    ridge: float = 0.0,
    name: str | None = None,
) -> AttributeDictionary:
    """Least-squares codes.

    Args:
        activations: floating [N, d]; give prompts of the fit set only.
        attributes: int64 [N] for every attribute, the value of each prompt; -1 for none.
        values: names of the values of every attribute.
        which: attributes to use.
        parametrisation: "independent", "coupled", "slots", or the attributes of every block; see `attribute_blocks`.
        ridge: penalty on the squared norm of the directions, at least 0, times the mean number of rows of a value
            that occurs.
        name: of the dictionary.

    Returns:
        The dictionary, with directions and offset in float32. A value that no prompt has gets direction 0.

    Raises:
        TypeError: activations that are no tensor.
        KeyError: unknown attribute.
        ValueError: inputs that do not fit each other or are not finite, or a negative ridge.
    """
    if not 0 <= ridge < torch.inf:
        raise ValueError(f"ridge must be at least 0 and finite, got {ridge}")
    sums = gather(activations, attributes, values, which, parametrisation)
    counts = sums.counts
    seen = (counts > 0).nonzero()[:, 0]
    eigenvalues, basis = torch.linalg.eigh(sums.gram[seen][:, seen])
    varies = eigenvalues > cutoff(eigenvalues)
    shrunk = torch.where(varies, eigenvalues + ridge * counts[seen].mean().nan_to_num(), torch.inf)
    directions = torch.zeros_like(sums.cross)
    directions[seen] = basis @ ((basis.T @ sums.cross[seen]) / shrunk[:, None])
    if sums.complete:
        for part in sums.slices:
            centre = counts[part] @ directions[part] / sums.n
            directions[part] -= torch.where(counts[part] > 0, 1.0, 0.0)[:, None] * centre
    return assemble(name or titled("mse", parametrisation), sums, directions, int(varies.sum()))
