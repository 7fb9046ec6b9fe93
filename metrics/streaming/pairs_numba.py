# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""The scoring core on pieces of a sample: the kernels of `counts_numba`, with state carried from piece to piece.

State of one feature, int64 [7]: true positives and entries so far; twice the (negative above positive) pairs, a tie as
half; true positives and entries of the best threshold; true positives and entries among the firing ones (> 0).
"""

from typing import Any

import numpy as np
from numba import njit

from ..counts_numba import ONE, lowest_bit, popcount, refine, scan, transpose

TP, SEEN, ABOVE, BEST_TP, BEST_ON, TP_ON, SEEN_ON = range(7)


@njit(cache=True, nogil=True)
def transposed_blocks(labels: Any, w: Any, block_start: Any, first: Any, last: Any, columns: Any) -> Any:
    """As `gather_blocks`, of labels [n, w] in the order of the entries."""
    square = np.empty(64, np.uint64)
    for block in range(first, last):
        start = block_start[block]
        size = block_start[block + 1] - start
        for k in range(size):
            square[k] = labels[start + k, w]
        square[size:] = 0
        transpose(square)
        for b in range(64):
            columns[b, block - first] = square[b]


@njit(cache=True, nogil=True)
def carry_on(
    column: Any, block_start: Any, block_ends: Any, first: Any, middle: Any, last: Any, p: Any, state: Any
) -> Any:
    """Take the blocks of one latent's piece into the state of one feature."""
    tp, seen = state[TP], state[SEEN]
    if middle > first:
        tp, seen, above, best_tp, best_on = scan(column, block_start, block_ends, first, middle, p, tp, seen)
        if best_tp * (state[BEST_ON] + p) <= state[BEST_TP] * (best_on + p):  # of equal ones the first stays
            best_tp, best_on = state[BEST_TP], state[BEST_ON]
        best_tp, best_on = refine(
            column, block_start, block_ends, first, middle, p, state[TP], state[SEEN], best_tp, best_on
        )
        state[TP_ON] = tp
        state[SEEN_ON] = seen
        state[ABOVE] += above
        state[BEST_TP] = best_tp
        state[BEST_ON] = best_on
    if last > middle:
        shifted = column[middle - first :]
        tp, seen, above, _, _ = scan(shifted, block_start, block_ends, middle, last, p, tp, seen)
        state[ABOVE] += above
    state[TP] = tp
    state[SEEN] = seen


@njit(cache=True, nogil=True)
def auroc_of(state: Any, p: Any, n_rows: Any) -> Any:
    """AUROC from the final state: zeros lie between what fires and what is negative."""
    if p == 0 or p == n_rows:
        return np.nan
    tp_on, seen_on = state[TP_ON], state[SEEN_ON]
    below_tp = state[TP] - tp_on
    n_zero = n_rows - state[SEEN]
    zero_tp = p - state[TP]
    above = state[ABOVE] + zero_tp * (2 * (seen_on - tp_on) + n_zero - zero_tp) + 2 * below_tp * (n_zero - zero_tp)
    return 1 - above / (2.0 * p * (n_rows - p))


@njit(cache=True, nogil=True)
def whole_latents(
    labels: Any, begin: Any, stop: Any, colptr: Any, pointers: Any, first_negative: Any, block_start: Any,
    block_ends: Any, values: Any, positives: Any, n_rows: Any, out_tp: Any, out_on: Any, out_limit: Any,
    out_auroc: Any,
) -> Any:  # fmt: skip
    """Best pairs of latents begin..stop of a piece that holds them whole, for the features of its labels [m, w].

    Args:
        labels: uint64, in the order of the sorted entries.
        begin: first latent, numbered in the piece.
        stop: one after the last.
        colptr: int64 [l + 1], entries of each latent.
        pointers: of blocks, with the next three as `plan_blocks` gives them.
        first_negative: see there.
        block_start: see there.
        block_ends: see there.
        values: float32 [m], sorted.
        positives: int64 [f <= 64 w].
        n_rows: N.
        out_tp: int32 [l, f], filled here; so are the next three.
        out_on: int32 [l, f].
        out_limit: float32 [l, f].
        out_auroc: float64 [l, f].
    """
    widest = 0
    for latent in range(begin, stop):
        widest = max(widest, pointers[latent + 1] - pointers[latent])
    columns = np.zeros((64, widest), np.uint64)
    state = np.zeros(7, np.int64)
    for latent in range(begin, stop):
        first, middle, last = pointers[latent], first_negative[latent], pointers[latent + 1]
        for w in range(labels.shape[1]):
            transposed_blocks(labels, w, block_start, first, last, columns)
            for b in range(min(64, len(positives) - 64 * w)):
                f = 64 * w + b
                p = positives[f]
                state[:] = 0
                if p:
                    carry_on(columns[b], block_start, block_ends, first, middle, last, p, state)
                on = state[BEST_ON]
                out_tp[latent, f] = state[BEST_TP]
                out_on[latent, f] = on
                out_limit[latent, f] = values[colptr[latent] + on - 1] if on else np.float32(np.inf)
                out_auroc[latent, f] = auroc_of(state, p, n_rows)


@njit(cache=True, nogil=True)
def part_of_latent(
    labels: Any, w: Any, pointers: Any, first_negative: Any, block_start: Any, block_ends: Any, values: Any,
    positives: Any, states: Any, limits: Any,
) -> Any:  # fmt: skip
    """Take a piece of one latent into the states [f, 7] and best limits [f] of the features of word w."""
    first, middle, last = pointers[0], first_negative[0], pointers[1]
    columns = np.zeros((64, last - first), np.uint64)
    transposed_blocks(labels, w, block_start, first, last, columns)
    for b in range(len(positives)):
        before = states[b, SEEN]
        carry_on(columns[b], block_start, block_ends, first, middle, last, positives[b], states[b])
        if states[b, BEST_ON] > before:
            limits[b] = values[states[b, BEST_ON] - before - 1]


@njit(cache=True, nogil=True)
def add_equal(labels: Any, w: Any, totals: Any) -> Any:
    """Add the positives among entries of equal value, labels [m, w] of word w, to totals int64 [f]."""
    square = np.empty(64, np.uint64)
    for start in range(0, len(labels), 64):
        size = min(64, len(labels) - start)
        for k in range(size):
            square[k] = labels[start + k, w]
        square[size:] = 0
        transpose(square)
        for b in range(len(totals)):
            totals[b] += popcount(square[b])


@njit(cache=True, nogil=True)
def end_of_equal(states: Any, totals: Any, size: Any, value: Any, positives: Any, limits: Any) -> Any:
    """Take a whole group of `size` equal values with these positives [f] among them into states and best limits."""
    for b in range(len(totals)):
        c, p = totals[b], positives[b]
        state = states[b]
        state[ABOVE] += c * (2 * (state[SEEN] - state[TP]) + size - c)
        state[TP] += c
        state[SEEN] += size
        if value > 0:
            state[TP_ON], state[SEEN_ON] = state[TP], state[SEEN]
            if c and state[TP] * (state[BEST_ON] + p) > state[BEST_TP] * (state[SEEN] + p):
                state[BEST_TP], state[BEST_ON] = state[TP], state[SEEN]
                limits[b] = value


@njit(cache=True, nogil=True)
def aurocs(states: Any, positives: Any, n_rows: Any) -> Any:
    """AUROC of every feature from its final state, float64 [f]."""
    out = np.empty(len(positives))
    for b in range(len(positives)):
        out[b] = auroc_of(states[b], positives[b], n_rows)
    return out


@njit(cache=True, nogil=True)
def positives_of(words: Any, wanted: Any, totals: Any) -> Any:
    """Add the set bits of the wanted rows of words [n, w] to totals int64 [64 w]."""
    for row in range(len(words)):
        if wanted[row]:
            for w in range(words.shape[1]):
                word = words[row, w]
                while word:
                    totals[64 * w + lowest_bit(word)] += 1
                    word &= word - ONE


@njit(cache=True, nogil=True)
def add_pairs_by_game(
    indptr: Any, indices: Any, values: Any, words: Any, games: Any, pointers: Any, features: Any, limits: Any,
    on: Any, tp: Any,
) -> Any:  # fmt: skip
    """Add, per game, predictions `value >= limit` of the one latent of each feature, and the right ones among them.

    Args:
        indptr: int64 [n + 1].
        indices: int32 [nnz].
        values: float32 [nnz].
        words: uint64 [W, n].
        games: int64 [n].
        pointers: int64 [L + 1]: features pointers[l] to pointers[l + 1] have chosen latent l.
        features: int64, features in order of their latent.
        limits: float32, their thresholds, all > 0.
        on: integer [G, F].
        tp: integer [G, F].
    """
    for row in range(len(indptr) - 1):
        game = games[row]
        for e in range(indptr[row], indptr[row + 1]):
            for k in range(pointers[indices[e]], pointers[indices[e] + 1]):
                if values[e] >= limits[k]:
                    f = features[k]
                    on[game, f] += 1
                    tp[game, f] += (words[f // 64, row] >> np.uint64(f % 64)) & ONE


@njit(cache=True, nogil=True)
def add_bits_by_game(words: Any, games: Any, out: Any) -> Any:
    """Add the set bits of words [W, n] to a table per game and feature, integer [G, F]."""
    for w in range(words.shape[0]):
        for row in range(words.shape[1]):
            word = words[w, row]
            while word:
                out[games[row], 64 * w + lowest_bit(word)] += 1
                word &= word - ONE


@njit(cache=True, nogil=True)
def add_firing_maxima(indptr: Any, indices: Any, values: Any, wanted: Any, out: Any) -> Any:
    """Raise out float32 [L] to the largest value of each latent on the wanted rows."""
    for row in range(len(indptr) - 1):
        if wanted[row]:
            for e in range(indptr[row], indptr[row + 1]):
                if values[e] > out[indices[e]]:
                    out[indices[e]] = values[e]


@njit(cache=True, nogil=True)
def counts_at_cuts(labels: Any, w: Any, colptr: Any, cuts: Any, out: Any) -> Any:
    """Positives among the first cuts[l, t] entries of each latent, for the features of word w of labels [m, w].

    Args:
        labels: in the order of the sorted entries.
        w: word.
        colptr: int64 [l + 1].
        cuts: int64 [l, T], falling with t.
        out: int32 [l, T, f <= 64], filled here.
    """
    square = np.empty(64, np.uint64)
    total = np.zeros(64, np.int32)
    n_cuts = cuts.shape[1]
    for latent in range(len(cuts)):
        counted = 0
        total[:] = 0
        for t in range(n_cuts - 1, -1, -1):
            while counted < cuts[latent, t]:
                size = min(64, cuts[latent, t] - counted)
                start = colptr[latent] + counted
                for k in range(size):
                    square[k] = labels[start + k, w]
                square[size:] = 0
                transpose(square)
                for b in range(64):
                    total[b] += popcount(square[b])
                counted += size
            for b in range(out.shape[2]):
                out[latent, t, b] = total[b]
