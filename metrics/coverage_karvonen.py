"""Coverage as published: in-sample, on a grid of thresholds relative to the largest activation of each latent.

Equation      on_{i,t} = act_i > t * max_i (strict, the product in float32), F1 = 2 tp / (on + positives)
  karvonen2024        mean over features g of max over t in {0, .1, .., .9} and latents i of F1(on_{i,t}; g)
  karvonen2024-text   max over t of (mean over g of max over i): one t for the sum of a group
  karvonen2024-code   the same with the 11 thresholds 0, .1, .., 1, only latents alive in the statistics sample,
                      float32 precision P = tp / (tp + fp + 1e-8), recall R = tp / (tp + fn + 1e-8) and
                      F1 = 2PR / (P + R + 1e-8), a denominator that may differ from the number of features
Conventions   A group is one published function; groups then average with weight 1 each. No minimum count, unreachable
              features count 0 (they are part of the published denominators). Intervals resample the games with the
              chosen latents and thresholds held, so they do not show the selection.
References    Karvonen et al. 2024, arXiv 2408.00113, equations 2 and 3; SAE_BoardGameEval (analysis of the counts).
Differences from published code
              1. No crash below three alive latents or two thresholds: a check there compares unrelated entries.
              2. Latents are numbered as in the dictionary, not among the alive ones.
              3. The denominator of a group with a masked class is what the caller says (192 or 128 for Othello).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .counts import SortedCodes, counts_at, counts_by_game, f1_score, sort_codes
from .grouping import Averages, Vocabulary, resampled, resampled_sums
from .inputs import LabelBits
from .score import Score

if TYPE_CHECKING:
    from ..models.dictionary import Codes

PAPER_GRID = (np.arange(10) / 10).astype(np.float32)
CODE_GRID = (np.arange(11) / 10).astype(np.float32)
F1Function = Callable[[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]], NDArray[np.floating]]


def largest_absolute(codes: "Codes") -> NDArray[np.float32]:
    """Largest absolute activation of each latent, float32 [L]; 0 for one that is never active."""
    found = np.zeros(codes.n_latents, np.float32)
    np.maximum.at(found, codes.indices, np.abs(codes.values))
    return found


def released_f1(
    tp: NDArray[np.integer], on: NDArray[np.integer], positives: NDArray[np.integer]
) -> NDArray[np.float32]:
    """F1 with the small constants of the released code, in float32."""
    tp32, eps = tp.astype(np.float32), np.float32(1e-8)
    precision = tp32 / (tp32 + (on - tp).astype(np.float32) + eps)
    recall = tp32 / (tp32 + (positives - tp).astype(np.float32) + eps)
    return (2 * precision * recall / (precision + recall + eps)).astype(np.float32)


def best_by_threshold(
    ordered: SortedCodes,
    bits: LabelBits,
    maxima: NDArray[np.float32],
    grid: NDArray[np.float32],
    f1: F1Function = f1_score,
    chunk: int = 512,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Best F1 over alive latents at each relative threshold, float64 [T, F], and the latent, int64 [T, F] or -1."""
    shape = (len(grid), bits.n_features)
    best, latent = np.zeros(shape), np.full(shape, -1, np.int64)
    for start in range(0, ordered.n_latents, chunk):
        stop = min(start + chunk, ordered.n_latents)
        limits = maxima[start:stop, None] * grid
        on, tp = counts_at(ordered.slice(start, stop), bits, limits, strict=True)
        values = f1(tp, on[:, :, None], bits.positives).astype(np.float64)
        values[maxima[start:stop] <= 0] = 0.0
        here = values.max(0)
        better = here > best
        latent[better] = start + values.argmax(0)[better]
        best[better] = here[better]
    return best, latent


def published_coverage(
    codes: "Codes",
    bits: LabelBits,
    games: NDArray[np.int64],
    words: Vocabulary,
    protocol: str,
    *,
    maxima: NDArray[np.floating] | None,
    denominators: Mapping[str, float] | None,
    n_resamples: int,
    seed: int,
) -> Score:
    """Coverage by one of the published protocols; `coverage` explains the arguments.

    Raises:
        ValueError: maxima of another shape, or not finite.
    """
    if maxima is None:
        largest = largest_absolute(codes)
    else:
        largest = np.asarray(maxima, np.float32)
        if largest.shape != (codes.n_latents,) or not np.isfinite(largest).all() or (largest < 0).any():
            raise ValueError(f"maxima must be finite, >= 0 and [{codes.n_latents}], got {list(largest.shape)}")
    is_code = protocol == "karvonen2024-code"
    grid = CODE_GRID if is_code else PAPER_GRID
    ordered = sort_codes(codes)
    by_t, latent_by_t = best_by_threshold(ordered, bits, largest, grid, released_f1 if is_code else f1_score)
    columns = np.arange(bits.n_features)
    averages = Averages.over(words, np.ones(bits.n_features, np.bool_), denominators)
    # Equation 3 lets each feature have its threshold; the text and the code have one a group.
    step = by_t.argmax(0) if protocol == "karvonen2024" else averages.by_group(by_t).argmax(0)[words.group_of]
    value, chosen = by_t[step, columns], latent_by_t[step, columns]
    thresholds = np.where(chosen >= 0, grid[step] * largest[chosen], np.float32(np.inf)).astype(np.float32)

    games = np.unique(games, return_inverse=True)[1]
    on, tp, positives = counts_by_game(ordered, bits, games, chosen, thresholds, strict=True)
    sums = [resampled_sums(counts, n_resamples, seed) for counts in (tp, on, positives)]
    spread = resampled(averages.groups, averages.by_group(f1_score(*sums)))
    n_positive = positives.sum(0)
    always_on = f1_score(n_positive, np.full(len(n_positive), codes.n_rows), n_positive)
    by_group = averages.by_group(value)
    table: dict[str, list[Any]] = {
        "feature": list(words.names),
        "group": words.group_names,
        "value": value.tolist(),
        "floor": always_on.tolist(),
        "positives": n_positive.tolist(),
        "rare": [False] * len(n_positive),
        "latent": [int(i) if i >= 0 else None for i in chosen],
        "threshold": [float(v) if i >= 0 else None for i, v in zip(chosen, thresholds, strict=True)],
        "relative_threshold": [round(float(t), 1) for t in grid[step]],
        "precision": (tp.sum(0) / np.maximum(on.sum(0), 1)).tolist(),
        "recall": (tp.sum(0) / np.maximum(n_positive, 1)).tolist(),
    }
    return Score(
        metric="coverage",
        value=float(by_group.mean()),
        low=spread.low,
        high=spread.high,
        groups=dict(zip(averages.groups, by_group.tolist(), strict=True)),
        group_intervals=spread.group_intervals,
        features=table,
        floors={"always on": averages.of(always_on)},
        protocol=protocol,
        details={
            "n_scored": len(columns),
            "alive_latents": int((largest > 0).sum()),
            "features_above": {f"{t:.1f}": int((by_t.max(0) > t).sum()) for t in grid.tolist()},
            "group_floors": dict(zip(averages.groups, averages.by_group(always_on).tolist(), strict=True)),
        },
        replicates=spread.replicates,
    )
