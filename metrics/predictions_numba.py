# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""Reading features off labelled latents, on a CPU: an OR of bit words, or a count of votes."""

from typing import Any

import numpy as np
from numba import njit

from .counts_numba import ONE, lowest_bit


@njit(cache=True, nogil=True)
def predicted_words(indptr: Any, indices: Any, values: Any, limits: Any, masks: Any, out: Any) -> Any:
    """OR the masks of the latents that are on.

    Args:
        indptr: int64 [n + 1].
        indices: int32 [nnz].
        values: float32 [nnz].
        limits: float32 [L, T]; latent l is on at t if its value is > 0 and > limits[l, t].
        masks: uint64 [L, T, W], features that latent l predicts when it is on at t.
        out: uint64 [n, T, W], zeros; filled here.
    """
    n_limits, n_words = masks.shape[1], masks.shape[2]
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            value, latent = values[e], indices[e]
            if value <= 0:
                continue
            for t in range(n_limits):
                if value > limits[latent, t]:
                    for w in range(n_words):
                        out[row, t, w] |= masks[latent, t, w]


@njit(cache=True, nogil=True)
def vote_counts(indptr: Any, indices: Any, values: Any, limits: Any, masks: Any, out: Any) -> Any:
    """Count, instead of OR, the latents that are on and predict a feature: out int32 [n, T, F], zeros at first."""
    n_limits, n_words = masks.shape[1], masks.shape[2]
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            value, latent = values[e], indices[e]
            if value <= 0:
                continue
            for t in range(n_limits):
                if value > limits[latent, t]:
                    for w in range(n_words):
                        word = masks[latent, t, w]
                        while word:
                            out[row, t, 64 * w + lowest_bit(word)] += 1
                            word &= word - ONE


@njit(cache=True, nogil=True)
def mixed_votes(indptr: Any, indices: Any, values: Any, limits: Any, masks: Any, out: Any) -> Any:
    """As `vote_counts`, but each latent votes once, at the highest t it passes that has a label: out int32 [n, F].

    All limits of a latent rise with t. `masks` must hold only the features of one function.
    """
    n_limits, n_words = masks.shape[1], masks.shape[2]
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            value, latent = values[e], indices[e]
            if value <= 0:
                continue
            for t in range(n_limits - 1, -1, -1):
                labelled = False
                if value > limits[latent, t]:
                    for w in range(n_words):
                        word = masks[latent, t, w]
                        while word:
                            labelled = True
                            out[row, 64 * w + lowest_bit(word)] += 1
                            word &= word - ONE
                if labelled:
                    break


@njit(cache=True, nogil=True)
def add_agreement(predicted: Any, true: Any, games: Any, on: Any, tp: Any) -> Any:
    """Add predictions and true ones among them to tables per game and feature, of any integer type.

    Args:
        predicted: uint64 [n, W].
        true: uint64 [W, n].
        games: int64 [n].
        on: integer [G, F].
        tp: integer [G, F].
    """
    for row in range(len(predicted)):
        game = games[row]
        for w in range(predicted.shape[1]):
            word = predicted[row, w]
            hits = word & true[w, row]
            while word:
                on[game, 64 * w + lowest_bit(word)] += 1
                word &= word - ONE
            while hits:
                tp[game, 64 * w + lowest_bit(hits)] += 1
                hits &= hits - ONE


@njit(cache=True, nogil=True)
def agreement_by_game(predicted: Any, true: Any, games: Any, n_games: Any, n_features: Any) -> Any:
    """Predictions and true ones among them per game and feature, int64 [G, F] each.

    Args:
        predicted: uint64 [n, W].
        true: uint64 [W, n].
        games: int64 [n].
        n_games: G.
        n_features: F.
    """
    on = np.zeros((n_games, n_features), np.int64)
    tp = np.zeros((n_games, n_features), np.int64)
    add_agreement(predicted, true, games, on, tp)
    return on, tp
