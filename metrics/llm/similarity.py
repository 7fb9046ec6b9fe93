"""Do dictionaries trained independently find latents that mean the same?

Equation      observed   mean over matched pairs (i, j) of s(label_i, label_j)
              null       the same after the labels of one side change places, so that none keeps its own: exactly the
                         mean of s over all pairs (i, j') with j' another pair's partner, inside a stratum
              score      (observed - null) / (1 - null)
              s          label cosine    of the embeddings of the two explanations
                         overlap         IoU of the sets of positions at which the two predicates hold, exactly
                         same concept    1 if both latents stand for the same true feature
Nulls         random permutation; within equal prevalence (labels change places only among pairs whose second label
              holds about as often); an untrained dictionary is the caller's, by the same functions.
Conventions   A latent without a label is left out, and counted. IoU of two empty sets is 0: a label that never holds is
              like nothing. A stratum of a single pair has no other to change places with and joins its neighbour.
              Intervals resample pairs, of observed and null together; a match is the unit, not a position.
References    Nearby layers alike: claimed in the abstract of arXiv 2410.13928 v1; gone from later versions, no code.
              Stability over seeds by directions alone is `recovery_stability.pairwise_mcc`.
Differences from published code
              None was published. The null never lets a latent keep its own label, which released loaders of shuffled
              explanations do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..score import game_weights, interval
from .similarity_matching import Matching, cosines

N_STRATA = 10


@dataclass(frozen=True)
class LabelSimilarity:
    """How alike the labels of matched latents are.

    Attributes:
        score: (observed - null) / (1 - null); NaN with fewer than two labelled pairs.
        low: lower end of its 95 % interval over pairs.
        high: upper end.
        observed: mean similarity of the pairs.
        null: expected if labels change places.
        p: share of permutations that reach the observed mean, itself among them.
        n_pairs: pairs with a label on both sides.
        n_unlabelled: pairs left out for want of one.
    """

    score: float
    low: float
    high: float
    observed: float
    null: float
    p: float
    n_pairs: int
    n_unlabelled: int

    def as_dict(self) -> dict[str, float | int]:
        """JSON types."""
        return dict(vars(self))


def label_similarity(
    matching: Matching,
    similarity: NDArray[np.floating[Any]],
    *,
    labelled_a: NDArray[np.bool_] | None = None,
    labelled_b: NDArray[np.bool_] | None = None,
    prevalence: NDArray[np.floating[Any]] | None = None,
    n_strata: int = N_STRATA,
    n_resamples: int = 1000,
    n_permutations: int = 1000,
    seed: int = 0,
) -> LabelSimilarity:
    """Similarity of the labels of matched latents, chance taken off.

    Args:
        matching: pairs of latents, made without looking at labels.
        similarity: [La, Lb], of every label of the first dictionary with every one of the second, at most 1.
        labelled_a: bool [La], latents that have a label; all by default.
        labelled_b: likewise [Lb].
        prevalence: [Lb], how often each label of the second holds; given, labels change places within equal prevalence.
        n_strata: strata of about as many pairs each.
        n_resamples: bootstrap resamples over pairs.
        n_permutations: for p.
        seed: of both.

    Raises:
        ValueError: arrays of other sizes than the matching names.

    Examples:
        >>> from .similarity_matching import match
        >>> same = label_similarity(match(np.eye(3)), np.eye(3))
        >>> same.observed, same.null, same.score
        (1.0, 0.0, 1.0)
    """
    if similarity.ndim != 2 or (len(matching) and not _covers(similarity.shape, matching)):
        raise ValueError(f"similarity {list(similarity.shape)} does not hold all latents of the matching")
    kept = np.ones(len(matching), np.bool_)
    if labelled_a is not None:
        kept &= labelled_a[matching.a]
    if labelled_b is not None:
        kept &= labelled_b[matching.b]
    a, b = matching.a[kept], matching.b[kept]
    n, missing = len(a), int((~kept).sum())
    nan = float("nan")
    if n < 2:
        return LabelSimilarity(nan, nan, nan, nan, nan, nan, n, missing)
    square = similarity[np.ix_(a, b)].astype(np.float64)
    strata = _strata(None if prevalence is None else prevalence[b], n, n_strata)
    observed, null = _means(square, strata, np.ones((1, n)))
    weights = game_weights(n, n_resamples, seed)
    replicates = _corrected(*_means(square, strata, weights))
    low, high = interval(replicates[np.isfinite(replicates)])
    return LabelSimilarity(
        float(_corrected(observed, null)[0]),
        low,
        high,
        float(observed[0]),
        float(null[0]),
        _p_value(square, strata, float(observed[0]), n_permutations, seed),
        n,
        missing,
    )


def overlaps(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """IoU of every set of positions with every other, float64 [La, Lb]; 0 for two empty ones.

    Args:
        a: bool [La, N], where each predicate of the first dictionary holds.
        b: bool [Lb, N], of the second, at the same positions.

    Raises:
        ValueError: another number of positions.

    Examples:
        >>> overlaps(np.array([[True, True, False]]), np.array([[True, False, False], [False, False, True]])).tolist()
        [[0.5, 0.0]]
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"truth sets must be bool [L, N] on the same N, got {list(a.shape)} and {list(b.shape)}")
    both = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], 1 << 16):  # float32 counts are exact below 2 ** 24
        block = slice(start, start + (1 << 16))
        both += a[:, block].astype(np.float32) @ b[:, block].astype(np.float32).T
    either = a.sum(1)[:, None] + b.sum(1)[None, :] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def same_concept(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 where two latents stand for the same true feature, float64 [La, Lb].

    Args:
        a: int64 [La], feature of each latent of the first dictionary; -1 for none.
        b: int64 [Lb], of the second.
    """
    return ((a[:, None] == b[None, :]) & (a[:, None] >= 0)).astype(np.float64)


def embedding_similarity(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Cosine of every label's embedding with every other, float64 [La, Lb]; see `similarity_matching.cosines`."""
    return cosines(a, b)


def _covers(shape: tuple[int, ...], matching: Matching) -> bool:
    return int(matching.a.max()) < shape[0] and int(matching.b.max()) < shape[1]


def _strata(prevalence: NDArray[np.floating[Any]] | None, n: int, n_strata: int) -> list[NDArray[np.int64]]:
    """Pairs among which labels change places, at least two in each."""
    if prevalence is None:
        return [np.arange(n)]
    order = np.argsort(prevalence, kind="stable").astype(np.int64)
    return list(np.array_split(order, max(1, min(n_strata, n // 2))))


def _means(
    square: NDArray[np.float64], strata: list[NDArray[np.int64]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observed and null mean under weights of the pairs, float64 [R] each.

    A resample draws a pair several times; the copies are one label and do not change places with each other.
    """
    diagonal = np.diagonal(square)
    total = weights.sum(1)
    observed = weights @ diagonal / total
    null = np.zeros(len(weights))
    for part in strata:
        w = weights[:, part]
        own = w**2
        pairs = w.sum(1) ** 2 - own.sum(1)
        moved = ((w @ square[np.ix_(part, part)]) * w).sum(1) - own @ diagonal[part]
        alone = np.divide(w @ diagonal[part], w.sum(1), out=np.zeros(len(w)), where=w.sum(1) > 0)
        null += w.sum(1) * np.where(pairs > 0, moved / np.where(pairs > 0, pairs, 1), alone)
    return observed, null / total


def _corrected(observed: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    room = 1 - null
    return np.divide(observed - null, room, out=np.full_like(observed, np.nan), where=room > 1e-12)


def _p_value(
    square: NDArray[np.float64], strata: list[NDArray[np.int64]], observed: float, n_permutations: int, seed: int
) -> float:
    generator = np.random.default_rng([seed, 1])
    reached = 1
    for _ in range(n_permutations):
        total = sum(float(square[part, generator.permutation(part)].sum()) for part in strata)
        reached += total / len(square) >= observed - 1e-12
    return reached / (n_permutations + 1)
