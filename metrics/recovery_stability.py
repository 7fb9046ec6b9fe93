"""Stability over seeds: do two dictionaries trained alike hold the same directions, or at least the same subspace?

Equations     pairwise_mcc      mean |cos| over the one-to-one matching of two dictionaries with the largest sum,
                                divided by the larger number of latents: a latent without a partner counts 0
              subspace_overlap  |A^T B|^2 / r, where A and B are the r leading principal directions of the two
                                dictionaries (of the rows at length 1, not centred): 1 for the same subspace
Conventions   All pairs of the dictionaries weigh alike. Rows are brought to length 1; by default cosines count without
              their sign. The rank r is half of d unless given. Intervals of pairwise_mcc resample latents of the larger
              dictionary with the matching held; that of subspace_overlap is the range over pairs.
Chance        Random Gaussian directions of the same shapes, `n_nulls` pairs of them; r / d for subspaces, exactly.
              Values are (raw - chance) / (1 - chance).
References    PW-MCC: Song et al. 2025, arXiv 2505.20254. Unstable latents, stable subspaces: arXiv 2606.12138.
Differences from published code
              Divided by the larger number of latents, not by the smaller: lower for unequal widths, else the same.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .properties import Properties
from .recovery_matching import assign, unit_rows
from .recovery_sample import as_directions, drawn
from .score import Score, interval

PROPERTIES: dict[str, Properties] = {
    "pairwise_mcc_score": Properties(
        question="Do dictionaries of different seeds hold the same directions?",
        direction="up",
        low=-np.inf,
        high=1.0,
        chance="0 after correction by random directions of the same shapes",
        needs=("directions_a", "directions_b"),
        symmetries=("latent permutation", "rotation"),
        notices=(),
        limits="Agreement is not truth: two dictionaries may be wrong in the same way.",
    ),
    "subspace_overlap_score": Properties(
        question="Do dictionaries of different seeds span the same leading subspace?",
        direction="up",
        low=-np.inf,
        high=1.0,
        chance="0 after correction by r / d",
        needs=("directions_a", "directions_b"),
        symmetries=("latent permutation", "rotation"),
        notices=(),
        limits="Reads the span only; which directions in it the latents have does not matter.",
    ),
}


def pairwise_mcc(
    directions: Sequence[Any], *, signed: bool = True, n_nulls: int = 3, n_resamples: int = 1000, seed: int = 0
) -> Score:
    """Mean agreement of all pairs of dictionaries, chance taken off.

    Args:
        directions: two or more of floating [L, d], with one d.
        signed: count |cos|, as published; False counts max(0, cos).
        n_nulls: pairs of random dictionaries for each pair of shapes.
        n_resamples: bootstrap resamples over latents of the larger dictionary of each pair.
        seed: of nulls and resamples.

    Returns:
        The score; `raw`, `chance` and the value of each pair in its details.

    Raises:
        TypeError: not arrays.
        ValueError: fewer than two, or different d.

    Examples:
        >>> import numpy as np
        >>> a = np.random.default_rng(0).normal(size=(20, 8))
        >>> pairwise_mcc([a, -3 * a[::-1]]).value  # order, sign and length do not count
        1.0
    """
    checked = _checked(directions)
    rng = np.random.default_rng([seed, 0])
    raw: list[float] = []
    expected: list[float] = []
    spread = np.zeros(n_resamples)
    chance: dict[tuple[int, int], float] = {}
    pairs = list(combinations(range(len(checked)), 2))
    for i, j in pairs:
        values = _matched(checked[i], checked[j], signed)
        shape = (len(checked[i]), len(checked[j]))
        if shape not in chance:
            d = checked[i].shape[1]
            nulls = [_matched(*(rng.normal(size=(n, d)) for n in shape), signed).mean() for _ in range(n_nulls)]
            chance[shape] = float(np.mean(nulls)) if nulls else 0.0
        raw.append(float(values.mean()))
        expected.append(chance[shape])
        weights = drawn(len(values), n_resamples, [seed, 1])
        spread += _corrected(weights @ values / len(values), chance[shape]) / len(pairs)
    each = [float(_corrected(r, c)) for r, c in zip(raw, expected, strict=True)]
    return _score("pairwise_mcc_score", pairs, raw, expected, each, spread)


def subspace_overlap(directions: Sequence[Any], rank: int | None = None) -> Score:
    """Mean overlap of the leading subspaces of all pairs of dictionaries, chance taken off.

    Args:
        directions: two or more of floating [L, d], with one d.
        rank: r, 1 to d - 1; None takes half of d. No more than the smallest rank of the dictionaries.

    Returns:
        The score, whose interval is the range over pairs; details as in `pairwise_mcc`.

    Raises:
        TypeError: not arrays.
        ValueError: fewer than two, different d, or a rank out of range.

    Examples:
        >>> import numpy as np
        >>> axes = np.eye(6)
        >>> subspace_overlap([axes[:2], axes[1::-1]], rank=2).value  # the same plane
        1.0
        >>> round(subspace_overlap([axes[:2], axes[2:4]], rank=2).value, 3)  # planes at right angles, below chance
        -0.5
    """
    checked = _checked(directions)
    d = checked[0].shape[1]
    r = max(1, d // 2) if rank is None else rank
    most = min(d - 1, *(int(np.linalg.matrix_rank(c)) for c in checked))
    if not 1 <= r <= most:
        raise ValueError(f"rank must be 1 to {most} for these dictionaries, got {r}")
    bases = [np.linalg.svd(unit_rows(c), full_matrices=False)[2][:r] for c in checked]
    pairs = list(combinations(range(len(checked)), 2))
    raw = [float(min(1.0, np.sum((bases[i] @ bases[j].T) ** 2) / r)) for i, j in pairs]
    each = [float(_corrected(v, r / d)) for v in raw]
    return _score("subspace_overlap_score", pairs, raw, [r / d] * len(pairs), each, None)


def _matched(a: NDArray[np.float64], b: NDArray[np.float64], signed: bool) -> NDArray[np.float64]:
    """Cosine of every latent of the larger dictionary with its partner, 0 without one."""
    large, small = (a, b) if len(a) >= len(b) else (b, a)
    cos = unit_rows(small) @ unit_rows(large).T
    cos = np.minimum(np.abs(cos) if signed else np.maximum(cos, 0.0), 1.0)
    found = assign(cos)
    return np.where(found >= 0, cos[found, np.arange(len(large))], 0.0)


def _corrected(raw: Any, chance: float) -> Any:
    return (raw - chance) / (1 - chance) if chance < 1 - 1e-9 else 0.0 * raw


def _checked(directions: Sequence[Any]) -> list[NDArray[np.float64]]:
    if len(directions) < 2:
        raise ValueError(f"stability needs at least 2 dictionaries, got {len(directions)}")
    first = as_directions(directions[0], "directions 0")
    rest = [as_directions(d, f"directions {i}", None, first.shape[1]) for i, d in enumerate(directions[1:], 1)]
    return [first, *rest]


def _score(
    name: str,
    pairs: list[tuple[int, int]],
    raw: list[float],
    chance: list[float],
    each: list[float],
    spread: NDArray[np.float64] | None,
) -> Score:
    value = float(np.mean(each))
    low, high = (min(each), max(each)) if spread is None else interval(spread)
    return Score(
        metric=name,
        value=value,
        low=min(low, value),
        high=max(high, value),
        floors={"random dictionary": 0.0},
        ceilings={"the same dictionary": 1.0},
        version=PROPERTIES[name].version,
        details={
            "raw": float(np.mean(raw)),
            "chance": float(np.mean(chance)),
            "pairs": [f"{i} and {j}" for i, j in pairs],
            "pair_values": each,
        },
        replicates=spread,
    )
