# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Keep or remove the explained latents: activations to run the model on, scored as sufficiency and necessity.

Question      Do the explained latents carry the task? Keep only them (does it still work?), or remove only them (does
              it fail?); see `approximation` for the scores.
Conventions   `keep` subtracts what unexplained latents write from the activation, so what the dictionary misses stays;
              that is the published form. `keep_clean` is the offset plus what the explained latents write, without
              it. `remove` subtracts what the explained latents write.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (causal evaluation of interpretations; F1 threshold .6).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from .control_greedy import Array


def keep_explained(
    activations: Array,
    latents: Array,
    directions: Array,
    explained: NDArray[np.bool_] | torch.Tensor,
    offset: Array | None = None,
) -> dict[str, torch.Tensor]:
    """Activations with only the explained latents kept, or only they removed.

    Args:
        activations: float [N, d].
        latents: float [N, H].
        directions: float [H, d].
        explained: bool [H] (`explained_latents`).
        offset: float [d] of the reconstruction; None means 0.

    Returns:
        `keep`, `keep_clean` and `remove`, [N, d] each, in the type of the activations.

    Raises:
        ValueError: shapes that do not fit.

    Examples:
        >>> made = keep_explained(torch.ones(1, 2), torch.tensor([[1.0, 0.5]]), torch.eye(2), np.array([True, False]))
        >>> made["keep"].tolist(), made["keep_clean"].tolist(), made["remove"].tolist()
        ([[1.0, 0.5]], [[1.0, 0.0]], [[0.0, 1.0]])
    """
    x = torch.as_tensor(activations).detach()
    vectors = torch.as_tensor(directions).detach().to(x)
    codes = torch.as_tensor(latents).detach().to(x)
    mask = torch.as_tensor(explained).to(x.device)
    n_latents = len(vectors)
    if codes.shape != (len(x), n_latents) or vectors.shape != (n_latents, x.shape[1]):
        found = f"{list(codes.shape)}, {list(vectors.shape)} and {list(x.shape)}"
        raise ValueError(f"latents must be [N, H], directions [H, d] and activations [N, d], got {found}")
    if mask.dtype != torch.bool or mask.shape != (n_latents,):
        raise ValueError(f"explained must be bool [{n_latents}], got {mask.dtype} {list(mask.shape)}")
    written = codes[:, mask] @ vectors[mask]
    base = torch.zeros_like(x[0]) if offset is None else torch.as_tensor(offset).detach().to(x)
    return {"keep": x - codes[:, ~mask] @ vectors[~mask], "keep_clean": base + written, "remove": x - written}
