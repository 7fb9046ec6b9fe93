# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""The greedy edit on a CPU: every row over its own candidates, inner products kept up to date move by move."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=True)
def _dot(a: Any, b: Any) -> Any:
    """Inner product; the order of the sum is the compiler's."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def greedy_rows(
    source: Any,
    target: Any,
    vectors: Any,
    squares: Any,
    gram: Any,
    residual: Any,
    tie_share: float,
    feature: Any,
    kind: Any,
    change: Any,
    distance: Any,
) -> None:
    """Fill the edits of all rows.

    Args:
        source: float64 [B, H].
        target: float64 [B, H].
        vectors: float64 [H, d].
        squares: float64 [H], squared norms of the vectors.
        gram: float64 [H, H], vectors @ vectors.T; [0, 0] computes its entries where they are needed.
        residual: float64 [B, d], source minus target; changed here.
        tie_share: gains within this share of the squared distance at the start are equal.
        feature: int64 [B, k], -1 at first.
        kind: int8 [B, k], -1 at first.
        change: float64 [B, k], 0 at first.
        distance: float64 [B, k + 1], filled here.
    """
    n_latents, k_max = len(vectors), feature.shape[1]
    candidates = np.empty(n_latents, np.int64)
    inner = np.empty(n_latents)
    for row in range(len(source)):
        rest = residual[row]
        start = _dot(rest, rest)
        distance[row, :] = np.sqrt(start)
        tie = tie_share * start
        count = 0
        for i in range(n_latents):
            if source[row, i] != 0.0 or target[row, i] != 0.0:
                candidates[count] = i
                inner[count] = _dot(vectors[i], rest)
                count += 1
        for step in range(k_max):
            # two passes: the least gain, then the first move that is as good; the inner products stay as they are
            least = 0.0
            for j in range(count):
                i = candidates[j]
                s, t = source[row, i], target[row, i]
                gain = 2.0 * -s * inner[j] + s * s * squares[i]
                least = min(least, gain)
                gain = 2.0 * t * inner[j] + t * t * squares[i]
                least = min(least, gain)
                if s != 0.0 and t != 0.0:
                    c = t - s
                    gain = 2.0 * c * inner[j] + c * c * squares[i]
                    least = min(least, gain)
            if least >= -tie:
                break
            place, way, amount = -1, -1, 0.0
            for j in range(count):
                i = candidates[j]
                s, t = source[row, i], target[row, i]
                if s != 0.0 and 2.0 * -s * inner[j] + s * s * squares[i] <= least + tie:
                    place, way, amount = j, 0, -s
                elif t != 0.0 and 2.0 * t * inner[j] + t * t * squares[i] <= least + tie:
                    place, way, amount = j, 1, t
                elif s != 0.0 and t != 0.0 and s != t:
                    c = t - s
                    if 2.0 * c * inner[j] + c * c * squares[i] <= least + tie:
                        place, way, amount = j, 2, c
                if place >= 0:
                    break
            chosen = candidates[place]
            feature[row, step], kind[row, step], change[row, step] = chosen, way, amount
            for i in range(len(rest)):
                rest[i] += amount * vectors[chosen, i]
            distance[row, step + 1 :] = np.sqrt(_dot(rest, rest))
            for j in range(place, count - 1):  # used once; the others stay in order
                candidates[j], inner[j] = candidates[j + 1], inner[j + 1]
            count -= 1
            if len(gram):
                for j in range(count):
                    inner[j] += amount * gram[chosen, candidates[j]]
            else:
                for j in range(count):
                    inner[j] = _dot(vectors[candidates[j]], rest)
