"""How far does the plain difference of two means carry, as a direction for every value of every attribute?

Equation      direction of value v = s (mean of a over prompts with v, minus mean over prompts with another value)
Conventions   s is one strength an attribute; prompts without a value count for neither mean; a value that all or no
              prompts have gets direction 0
References    mass-mean directions of Marks and Tegmark 2023, arXiv 2310.06824
Differences from published code
    1. Published directions have strength 1. As codes they overshoot: taking one of two equally frequent values away and
       adding the other would move twice the distance between their means. By default strengths are those that
       reconstruct the activations best, fitted for all attributes together, so that correlated attributes share.
"""

from collections.abc import Mapping, Sequence

import torch

from .attribute_blocks import Attributes
from .attribute_fitting import Sums, assemble, gather
from .attributes import AttributeDictionary
from .mean import titled


def fit_difference_of_means(
    activations: torch.Tensor,
    attributes: Attributes,
    values: Mapping[str, Sequence[str]],
    *,
    which: Sequence[str] = ("IO", "S", "Pos"),
    parametrisation: str | Sequence[Sequence[str]] = "independent",
    strength: float | None = None,
    name: str | None = None,
) -> AttributeDictionary:
    """Differences of means.

    Args:
        activations: floating [N, d]; give prompts of the fit set only.
        attributes: int64 [N] for every attribute, the value of each prompt; -1 for none.
        values: names of the values of every attribute.
        which: attributes to use.
        parametrisation: "independent", "coupled", "slots", or the attributes of every block; see `attribute_blocks`.
        strength: of every attribute; None fits one for each by least squares.
        name: of the dictionary.

    Raises:
        TypeError: activations that are no tensor.
        KeyError: unknown attribute.
        ValueError: inputs that do not fit each other or are not finite.
    """
    sums = gather(activations, attributes, values, which, parametrisation)
    directions = differences(sums)
    strengths = best_strengths(sums, directions) if strength is None else [strength] * len(sums.blocks)
    for part, s in zip(sums.slices, strengths, strict=True):
        directions[part] *= s
    return assemble(name or titled("difference of means", parametrisation), sums, directions)


def differences(sums: Sums) -> torch.Tensor:
    """Mean with a value minus mean with another one, float64 [H, d]."""
    directions = torch.zeros_like(sums.cross)
    for part in sums.slices:
        count, total = sums.counts[part, None], sums.cross[part]
        rest = count.sum() - count
        difference = total / count.clamp(min=1) - (total.sum(0) - total) / rest.clamp(min=1)
        directions[part] = torch.where((count > 0) & (rest > 0), difference, 0.0)
    return directions


def best_strengths(sums: Sums, directions: torch.Tensor) -> list[float]:
    """Factor of every block's directions with which they reconstruct the activations best together."""
    # With P_b what block b predicts: <P_b, P_c> = sum of G_vw u_v . u_w, and <P_b, A> = sum of u_v . cross_v.
    weighted = sums.gram * (directions @ directions.T)
    gram = torch.stack([torch.stack([weighted[p, q].sum() for q in sums.slices]) for p in sums.slices])
    along = torch.stack([(directions[p] * sums.cross[p]).sum() for p in sums.slices])
    return (torch.linalg.pinv(gram, rtol=1e-9, hermitian=True) @ along).tolist()
