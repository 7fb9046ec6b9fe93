"""Which latents are high-precision detectors of which features, and what they say together about a position.

A latent is labelled for a feature at a relative threshold t if, where it is on at t, the feature holds at least 95 % of
the time. A feature is predicted at t if any latent that is on at t is labelled for it at t.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .counts import SortedCodes, counts_at
from .inputs import LabelBits

if TYPE_CHECKING:
    from ..models.dictionary import Codes

PrecisionRule = Callable[[NDArray[np.integer], NDArray[np.integer]], NDArray[np.bool_]]


def high_precision(tp: NDArray[np.integer], on: NDArray[np.integer], least: int = 1) -> NDArray[np.bool_]:
    """Precision of at least 95 % with at least `least` true positives, decided on integers."""
    return (20 * tp >= 19 * on) & (tp >= least)


def released_high_precision(tp: NDArray[np.integer], on: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The same as the released code decides it, in float32: exactly 95 % is refused for some counts, 460 the first."""
    reciprocal = np.float32(1) / np.maximum(on, 1).astype(np.float32)
    return (tp.astype(np.float32) * reciprocal >= np.float32(0.95)) & (tp >= 10)


def pack_words(labels: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Boolean [..., F] to words [..., ceil(F / 64)], feature f in bit f % 64 of word f // 64."""
    packed = np.packbits(labels, axis=-1, bitorder="little")
    padded = np.zeros((*packed.shape[:-1], 8 * ((labels.shape[-1] + 63) // 64)), np.uint8)
    padded[..., : packed.shape[-1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def relative_limits(maxima: NDArray[np.float32], grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thresholds t * max of every latent, float32 [L, T]; infinity for a latent whose maximum is 0."""
    limits = (maxima[:, None] * grid).astype(np.float32)
    limits[maxima <= 0] = np.inf
    return limits


def label_latents(
    ordered: SortedCodes, bits: LabelBits, limits: NDArray[np.float32], rule: PrecisionRule, chunk: int = 64
) -> NDArray[np.uint64]:
    """Features that each latent detects at each limit, uint64 [L, T, W].

    Args:
        ordered: latents of the positions to label on.
        bits: labels of the same positions.
        limits: float32 [L, T]; a latent is on above its limit, strictly.
        rule: from true positives and predictions to labelled or not.
        chunk: latents at a time; few, so that their tables stay in the cache.
    """
    masks = np.zeros((ordered.n_latents, limits.shape[1], len(bits.words)), np.uint64)
    integer = np.int32 if 20 * ordered.n_rows < 2**31 else np.int64  # rules multiply counts by 20 at most
    for start in range(0, ordered.n_latents, chunk):
        part = slice(start, min(start + chunk, ordered.n_latents))
        on, tp = counts_at(ordered.slice(part.start, part.stop), bits, limits[part], strict=True)
        masks[part] = pack_words(rule(tp.astype(integer, copy=False), on.astype(integer, copy=False)[:, :, None]))
    return masks


def predictions(
    codes: "Codes", limits: NDArray[np.float32], masks: NDArray[np.uint64], chunk: int = 8192
) -> Iterator[tuple[slice, NDArray[np.uint64]]]:
    """Predicted features of every position at every limit: slices of rows with words uint64 [rows, T, W]."""
    from .predictions_numba import predicted_words

    for rows in _slices(codes.n_rows, chunk):
        out = np.zeros((rows.stop - rows.start, *masks.shape[1:]), np.uint64)
        predicted_words(*_entries(codes, rows), limits, masks, out)
        yield rows, out


def votes(
    codes: "Codes", limits: NDArray[np.float32], masks: NDArray[np.uint64], n_features: int, chunk: int = 1024
) -> Iterator[tuple[slice, NDArray[np.int32]]]:
    """How many latents predict each feature: slices of rows with counts int32 [rows, T, F]."""
    from .predictions_numba import vote_counts

    for rows in _slices(codes.n_rows, chunk):
        out = np.zeros((rows.stop - rows.start, masks.shape[1], n_features), np.int32)
        vote_counts(*_entries(codes, rows), limits, masks, out)
        yield rows, out


def mixed_votes(
    codes: "Codes", limits: NDArray[np.float32], masks: NDArray[np.uint64], n_features: int
) -> NDArray[np.int32]:
    """Votes when each latent speaks once, at the highest limit it passes that has a label: int32 [N, F]."""
    from .predictions_numba import mixed_votes as count

    out = np.zeros((codes.n_rows, n_features), np.int32)
    count(codes.indptr, codes.indices, codes.values, limits, masks, out)
    return out


def agreement(
    predicted: NDArray[np.uint64], bits: LabelBits, games: NDArray[np.int64], n_games: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Predictions and true positives of predicted words [n, W] per game and feature: int64 [G, F] each."""
    from .predictions_numba import agreement_by_game

    return agreement_by_game(np.ascontiguousarray(predicted), bits.words, games, n_games, bits.n_features)


def _slices(n: int, chunk: int) -> Iterator[slice]:
    for start in range(0, n, chunk):
        yield slice(start, min(start + chunk, n))


def _entries(codes: "Codes", rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Compressed rows of a slice, without copying the entries."""
    first, last = int(codes.indptr[rows.start]), int(codes.indptr[rows.stop])
    return codes.indptr[rows.start : rows.stop + 1] - first, codes.indices[first:last], codes.values[first:last]
