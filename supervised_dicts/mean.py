"""How much of an activation do the attributes explain when every value gets the mean of the prompts that have it?

Equation      direction of value v = mean over prompts with v of a, minus the mean of all
Conventions   a value that no prompt has gets direction 0; codes are 1
References    mean codes of Makelov, Lange and Nanda 2024, arXiv 2405.08366, section 3
Differences from published code     none in the fit

A value's direction does not depend on which other attributes are taken in, and it is 0 exactly if the attribute cannot
be told linearly. Where attributes are correlated, what they share is counted once for each of them: so with coupled
latents and with the squares of a board. Take `fit_mse` there.
"""

from collections.abc import Mapping, Sequence

import torch

from .attribute_blocks import Attributes
from .attribute_fitting import assemble, gather, value_means
from .attributes import AttributeDictionary


def fit_mean(
    activations: torch.Tensor,
    attributes: Attributes,
    values: Mapping[str, Sequence[str]],
    *,
    which: Sequence[str] = ("IO", "S", "Pos"),
    parametrisation: str | Sequence[Sequence[str]] = "independent",
    name: str | None = None,
) -> AttributeDictionary:
    """Mean codes.

    Args:
        activations: floating [N, d]; give prompts of the fit set only.
        attributes: int64 [N] for every attribute, the value of each prompt; -1 for none.
        values: names of the values of every attribute.
        which: attributes to use.
        parametrisation: "independent", "coupled", "slots", or the attributes of every block; see `attribute_blocks`.
        name: of the dictionary.

    Returns:
        The dictionary, with directions and offset in float32.

    Raises:
        TypeError: activations that are no tensor.
        KeyError: unknown attribute.
        ValueError: inputs that do not fit each other or are not finite.
    """
    sums = gather(activations, attributes, values, which, parametrisation)
    return assemble(name or titled("mean", parametrisation), sums, value_means(sums))


def titled(name: str, parametrisation: str | Sequence[Sequence[str]]) -> str:
    """Name of a dictionary; the independent parametrisation goes without saying."""
    if parametrisation == "independent":
        return name
    return f"{name}, {parametrisation if isinstance(parametrisation, str) else 'own blocks'}"
