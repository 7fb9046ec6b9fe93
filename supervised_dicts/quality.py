"""How good is a supervised dictionary, and how much of an activation does each of its features weigh?

Equation      preserved variance = 1 - E |a - ahat|^2 / E |a - abar|^2
              share of an attribute = E |u|^2 / E |a - abar|^2, u the direction that the attribute adds
              weight of a feature = <f u, ahat - offset> / |ahat - offset|^2; weights of a row sum to 1
Conventions   abar is the mean of the rows scored. Shares add up to the preserved variance only if what attributes add
              is uncorrelated over the rows. A row whose reconstruction is the offset has weights 0
References    section 3 of Makelov, Lange and Nanda 2024, arXiv 2405.08366
Differences from published code     none; the mean of the rows scored, so that rows held out get an ordinary R^2
"""

from collections.abc import Mapping

import torch

from .attribute_blocks import Attributes
from .attributes import AttributeDictionary


def preserved_variance(dictionary: AttributeDictionary, x: torch.Tensor, attributes: Attributes) -> dict[str, float]:
    """Preserved variance under "all", and the share of every block.

    Args:
        dictionary: fitted, on other rows if the figures are to be held out.
        x: float [N, d].
        attributes: values of the N prompts.

    Raises:
        KeyError: an attribute is missing.
        ValueError: wrong shapes, or activations that do not vary.
    """
    parts = _parts(dictionary, x, attributes)
    centred = x.double() - x.double().mean(0)
    variance = centred.square().sum(1).mean()
    if not float(variance) > 0:
        raise ValueError("activations do not vary: preserved variance is undefined")
    error = (x.double() - dictionary.offset.double() - parts.sum(1)).square().sum(1).mean()
    shares = parts.square().sum(2).mean(0) / variance
    return {"all": float(1 - error / variance), **dict(zip(dictionary.attribute_names, shares.tolist(), strict=True))}


def weights(dictionary: AttributeDictionary, attributes: Attributes) -> torch.Tensor:
    """Weight of the feature that every block has at every prompt, float64 [N, B]; rows sum to 1."""
    parts = dictionary.parts(attributes).double()
    return _normalised(parts @ parts.sum(1)[:, :, None], parts.sum(1))


def latent_weights(latents: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Weight of every latent of any dictionary at every row, float64 [N, H]; rows sum to 1.

    Args:
        latents: float [N, H].
        directions: float [H, d]; the reconstruction is latents @ directions plus an offset that does not count.

    Raises:
        ValueError: widths that do not agree.
    """
    if latents.ndim != 2 or directions.ndim != 2 or latents.shape[1] != len(directions):
        raise ValueError(f"latents [N, H] and directions [H, d] do not fit: {latents.shape}, {directions.shape}")
    f, u = latents.double(), directions.double()
    total = f @ u
    return _normalised((f * (total @ u.T))[:, :, None], total)


def _normalised(products: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    norm = total.square().sum(1)
    return torch.where(norm[:, None] > 0, products[..., 0] / norm.clamp(min=1e-300)[:, None], 0.0)


def best_cosines(dictionary: AttributeDictionary, directions: torch.Tensor) -> dict[str, torch.Tensor]:
    """Largest cosine of any of some directions with every latent, float [values] for each block; 0 for a zero latent.

    Args:
        dictionary: supervised.
        directions: float [K, d], such as an SAE's.
    """
    unit = torch.nn.functional.normalize(dictionary.directions.double(), dim=1)
    others = torch.nn.functional.normalize(directions.to(unit), dim=1)
    best = torch.where(unit.norm(dim=1) > 0, (unit @ others.T).amax(1), 0.0)
    sizes = [len(block.latent_names) for block in dictionary.blocks]
    return dict(zip(dictionary.attribute_names, best.split(sizes), strict=True))


def attention_terms(
    query: AttributeDictionary,
    key: AttributeDictionary,
    query_attributes: Attributes,
    key_attributes: Attributes,
) -> Mapping[tuple[str, str], torch.Tensor]:
    """What every pair of features adds to the attention score of one head: q . k / sqrt(d) split into dot products.

    Args:
        query: dictionary of the head's queries.
        key: of its keys.
        query_attributes: values of N prompts.
        key_attributes: values of the same prompts.

    Returns:
        Float64 [N] for every pair of blocks, and of the two offsets under the name "mean". They sum to the score of
        the two reconstructions.

    Raises:
        KeyError: an attribute is missing.
        ValueError: dictionaries of different widths.
    """
    if query.directions.shape[1] != key.directions.shape[1]:
        raise ValueError(f"queries and keys differ in width: {query.directions.shape[1]}, {key.directions.shape[1]}")

    def terms(dictionary: AttributeDictionary, attributes: Attributes) -> dict[str, torch.Tensor]:
        parts = dictionary.parts(attributes).double()
        named = dict(zip(dictionary.attribute_names, parts.unbind(1), strict=True))
        return {"mean": dictionary.offset.double().expand(len(parts), -1), **named}

    left, right = terms(query, query_attributes), terms(key, key_attributes)
    scale = query.directions.shape[1] ** 0.5
    return {(a, b): (q * k).sum(1) / scale for a, q in left.items() for b, k in right.items()}


def _parts(dictionary: AttributeDictionary, x: torch.Tensor, attributes: Attributes) -> torch.Tensor:
    if x.ndim != 2 or x.shape[1] != dictionary.directions.shape[1]:
        raise ValueError(f"activations must be [N, {dictionary.directions.shape[1]}], got {list(x.shape)}")
    parts = dictionary.parts(attributes).double()
    if len(parts) != len(x):
        raise ValueError(f"got {len(x)} activations and {len(parts)} values of the attributes")
    return parts
