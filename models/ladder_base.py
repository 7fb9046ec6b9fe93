"""What the ladder has to know of its base: how often and how strongly each latent fires, and which implies which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from scipy.sparse import csr_array

from ..games.features import FeatureSet
from .dictionary import Codes, Dictionary, encode_in_batches

Parents: TypeAlias = FeatureSet | Sequence[tuple[int, int]] | None


@dataclass(frozen=True)
class LadderBase:
    """A dictionary and what was measured of it on a sample.

    Attributes:
        dictionary: the base itself.
        x: float32 [N, d], the sample.
        codes: its latents there.
        rate: float32 [L], share of rows in which each latent is not 0.
        mean: float32 [L], mean absolute value of each latent where it is not 0; 0 for one that always is.
    """

    dictionary: Dictionary
    x: torch.Tensor
    codes: Codes
    rate: torch.Tensor
    mean: torch.Tensor

    @property
    def n_latents(self) -> int:
        """L."""
        return self.codes.n_latents


def measured(base: Dictionary, x: torch.Tensor, *, fewest: int = 4, signed: bool = False) -> LadderBase:
    """Encode a sample and measure the base on it.

    Args:
        base: the dictionary to be damaged.
        x: float [N, d], choosing rows.
        fewest: latents that it needs.
        signed: whether negative latents are welcome.

    Raises:
        ValueError: too few latents, no rows, rows of another shape, unwelcome latents, or no latent that fires.
    """
    n_latents, d = base.directions.shape
    if n_latents < fewest:
        raise ValueError(f"this needs a dictionary of at least {fewest} latents, {base.name!r} has {n_latents}")
    if x.ndim != 2 or len(x) == 0 or x.shape[1] != d or not x.is_floating_point():
        raise ValueError(f"x must be floating [N, {d}] with at least one row, got {x.dtype} {list(x.shape)}")
    x = x.detach().cpu().float()
    codes = encode_in_batches(base, x, batch_size=max(256, min(8192, (1 << 24) // n_latents)))
    if len(codes.values) == 0:
        raise ValueError(f"no latent of {base.name!r} fires in the {len(x)} rows of x, so there is nothing to change")
    if not signed and codes.values.min() < 0:
        raise ValueError(
            f"{base.name!r} has negative latents, and the rungs are defined for latents >= 0; "
            "split each latent into its positive and negative half first"
        )
    fires = np.bincount(codes.indices, minlength=n_latents)
    total = np.bincount(codes.indices, weights=np.abs(codes.values), minlength=n_latents)
    rate = torch.from_numpy(fires / len(x)).float()
    return LadderBase(base, x, codes, rate, torch.from_numpy(total / np.maximum(fires, 1)).float())


def parent_pairs(base: LadderBase, parents: Parents) -> list[tuple[int, int]]:
    """Pairs (parent latent, child latent) in which the child's firing implies the parent's.

    Args:
        base: the measured base.
        parents: a FeatureSet, whose names are looked up among the names of the latents (or whose features are the
            latents, in order); pairs of latents; or None to find them in the codes (`implied_pairs`).

    Raises:
        ValueError: pairs out of range or of a latent with itself, or features that do not fit the latents.
    """
    if parents is None:
        return implied_pairs(base.codes)
    if not isinstance(parents, FeatureSet):
        pairs = [(int(parent), int(child)) for parent, child in parents]
        wrong = [pair for pair in pairs if pair[0] == pair[1] or not all(0 <= i < base.n_latents for i in pair)]
        if wrong:
            raise ValueError(
                f"parents must be (parent, child) latents, two different ones of 0 to {base.n_latents - 1}, "
                f"got {wrong[0]}"
            )
        return sorted(set(pairs))
    names = base.dictionary.latent_names
    if names is None:
        if len(parents) != base.n_latents:
            raise ValueError(
                f"{base.dictionary.name!r} has {base.n_latents} latents without names and the features are "
                f"{len(parents)}; give pairs of latents instead"
            )
        names = parents.names
    latents: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        latents.setdefault(name, []).append(i)
    found = [
        (above, below)
        for feature in parents
        for parent in feature.parents
        for above in latents.get(parent, ())
        for below in latents.get(feature.name, ())
    ]
    return sorted(set(found))


def implied_pairs(
    codes: Codes, *, confidence: float = 0.99, min_positives: int = 20, min_lift: float = 1.5
) -> list[tuple[int, int]]:
    """Implications that the codes show: wherever the child fires, its parent does.

    Args:
        codes: latents of a sample.
        confidence: smallest share of the child's firings in which the parent fires too.
        min_positives: fewest firings of a child.
        min_lift: how much more often than everywhere the parent has to fire there; keeps always-on latents out.

    Returns:
        One pair (parent, child) for each child that has a parent: its rarest, which fires more often than the child.
    """
    active = csr_array(
        (np.ones(len(codes.values), np.int64), codes.indices, codes.indptr), (codes.n_rows, codes.n_latents)
    )
    together = (active.T @ active).tocoo()
    counts = np.bincount(codes.indices, minlength=codes.n_latents)
    child, parent, both = together.row, together.col, together.data
    holds = (
        (counts[child] >= min_positives)
        & (counts[parent] > counts[child])
        & (both >= confidence * counts[child])
        & (both * codes.n_rows >= min_lift * counts[child] * counts[parent])
    )
    rarest: dict[int, int] = {}
    for p, c in sorted(zip(parent[holds].tolist(), child[holds].tolist(), strict=True)):
        if c not in rarest or counts[p] < counts[rarest[c]]:
            rarest[c] = p
    return sorted((p, c) for c, p in rarest.items())
