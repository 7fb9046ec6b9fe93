# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Edits by meaning: take out the latents that stand for the old value, put in those that stand for the new one.

Question      Do the interpretations of latents, found on training data, say which latents to change?
Equation      delta = - sum over R of f_s,i u_i + sum over A of f_t,i u_i, where R are the k latents active on the
              source with the best F1 for its value, A the k active on the counterfactual with the best for the new one.
              weight of latent i = <f_i u_i, ahat - b> / ||ahat - b||^2 (b the offset); weights of all latents sum to 1.
Conventions   Active means > 0. Equal F1s: the lowest latent. A latent with an F1 of 0 says nothing of the value and is
              never taken, so fewer than k may change. A latent in R and A is swapped and counts in both.
              F1 has to be measured on a sample in which every value occurs: a column of NaN marks a value that did not,
              and edits from or to it are `not scorable`, never arbitrary.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366; repository amakelov/sae.
Differences from published code
              1. It ranks latents for target names that never occur where F1 is measured: 0 / 0, so an arbitrary order.
                 Here such rows are left out and counted.
              2. It takes k latents even if their F1 is 0. Here those are not taken.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from .control_greedy import Array


class AwareEdits(NamedTuple):
    """Edits of B activations.

    Attributes:
        delta: [B, d] in the type of the directions, to add to the source activations; 0 where not scorable.
        scorable: bool [B], whether F1 is known for both values of the row.
        removed: bool [B, H], latents taken out.
        added: bool [B, H], latents put in.
    """

    delta: torch.Tensor
    scorable: torch.Tensor
    removed: torch.Tensor
    added: torch.Tensor


def aware_edits(
    source_latents: Array,
    target_latents: Array | None,
    directions: Array,
    f1: Array,
    source_value: NDArray[np.integer] | torch.Tensor,
    target_value: NDArray[np.integer] | torch.Tensor,
    k: int,
    *,
    magnitudes: Array | None = None,
) -> AwareEdits:
    """Edits of k latents out and k in, chosen by what they mean.

    Args:
        source_latents: float [B, H], of the activations to edit.
        target_latents: float [B, H], of the counterfactual activations; None where there are none (an edited board).
        directions: float [H, d].
        f1: float [H, V], F1 of every latent for every value of the attribute, on training data (`value_f1`); NaN in the
            columns of values that did not occur.
        source_value: integer [B], value of the source, 0 to V - 1; -1 for none, which is not scorable.
        target_value: integer [B], value wanted.
        k: latents out and latents in, at least 0.
        magnitudes: float [H], what added latents are set to without counterfactual activations (mean when active).

    Raises:
        ValueError: shapes or values that do not fit, or neither or both of target_latents and magnitudes.
    """
    vectors = torch.as_tensor(directions).detach()
    device = vectors.device
    source = torch.as_tensor(source_latents).detach().to(device)
    table = torch.as_tensor(f1).detach().to(device, torch.float64)
    n, n_latents = source.shape
    if (target_latents is None) == (magnitudes is None):
        raise ValueError("give target_latents, or magnitudes where there is no counterfactual activation; not both")
    if target_latents is not None:
        target = torch.as_tensor(target_latents).detach().to(device)
    else:
        target = torch.as_tensor(magnitudes).detach().to(device).expand(n, -1)
    if vectors.ndim != 2 or len(vectors) != n_latents or target.shape != source.shape or len(table) != n_latents:
        found = f"{list(source.shape)}, {list(target.shape)}, {list(vectors.shape)} and {list(table.shape)}"
        raise ValueError(f"latents must be [B, H], directions [H, d] and f1 [H, V], got {found}")
    if k < 0:
        raise ValueError(f"k must be at least 0, got {k}")
    before, after = (
        _values(part, name, n, table.shape[1], device)
        for part, name in ((source_value, "source_value"), (target_value, "target_value"))
    )
    known = ~table.isnan().any(0)
    scorable = (before >= 0) & (after >= 0)
    scorable &= known[before.clamp_min(0)] & known[after.clamp_min(0)]
    table = table.nan_to_num(0.0)
    removed = _best_active(source, table, before, k) & scorable[:, None]
    added = _best_active(target, table, after, k) & scorable[:, None]
    change = target * added - source * removed
    return AwareEdits((change.to(vectors.dtype) @ vectors), scorable, removed, added)


def weight_removed(
    latents: Array, directions: Array, reconstruction: Array | None, removed: Array | NDArray[np.bool_]
) -> torch.Tensor:
    """Share of what a dictionary writes that an edit takes out, float64 [B].

    Args:
        latents: float [B, H], of the source activations.
        directions: float [H, d].
        reconstruction: float [B, d], reconstruction without its offset; None means latents @ directions.
        removed: bool [B, H], latents taken out; each counts once.

    Returns:
        Summed weights, about 0 to 1 (negative weights exist); 0 where the dictionary writes nothing.

    Raises:
        ValueError: shapes that do not fit.
    """
    vectors = torch.as_tensor(directions).detach().double()
    values = torch.as_tensor(latents).detach().to(vectors.device).double()
    out = torch.as_tensor(removed).detach().to(vectors.device)
    if out.dtype != torch.bool or out.shape != values.shape or values.shape[1] != len(vectors):
        found = f"{out.dtype} {list(out.shape)}, {list(values.shape)} and {list(vectors.shape)}"
        raise ValueError(f"removed must be bool [B, H] like the latents, and directions [H, d], got {found}")
    whole = values @ vectors if reconstruction is None else torch.as_tensor(reconstruction).detach().double()
    whole = whole.to(vectors.device)
    if whole.shape != (len(values), vectors.shape[1]):
        raise ValueError(f"reconstruction must be [{len(values)}, {vectors.shape[1]}], got {list(whole.shape)}")
    total = whole.square().sum(1)
    part = (((values * out) @ vectors) * whole).sum(1)
    return torch.where(total > 0, part / torch.where(total > 0, total, 1.0), 0.0)


def _best_active(latents: torch.Tensor, f1: torch.Tensor, value: torch.Tensor, k: int) -> torch.Tensor:
    """The k active latents with the best F1 for each row's value, bool [B, H]."""
    ranked = torch.where(latents > 0, f1.T[value.clamp_min(0)], 0.0)
    best = ranked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    chosen = torch.zeros(latents.shape, dtype=torch.bool, device=latents.device)
    return chosen.scatter_(1, best, True) & (ranked > 0)


def _values(
    values: NDArray[np.integer] | torch.Tensor, name: str, n: int, n_values: int, device: torch.device
) -> torch.Tensor:
    """Checked values, int64 [n]."""
    found = torch.as_tensor(values).to(device)
    if found.is_floating_point() or found.shape != (n,):
        raise ValueError(f"{name} must be integers [{n}], got {found.dtype} {list(found.shape)}")
    if n and (int(found.min()) < -1 or int(found.max()) >= n_values):
        raise ValueError(
            f"{name} must lie in -1 (none) to {n_values - 1}, got {int(found.min())} to {int(found.max())}"
        )
    return found.long()
