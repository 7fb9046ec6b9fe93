# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""The scoring core on a CPU: label bits of 64 sorted positions at a time, so that counting is popcounting.

The entries of a latent, sorted from the largest value down, are cut into blocks of at most 64 that never part equal
values. A block of label words [64 positions] is transposed into one word a feature [64 positions to a bit each]. Then,
for every feature, counts come from popcounts, and the F1 at the end of each block gives a best so far. Inside a block
F1 cannot exceed the value it would have if all its positives came first; only blocks whose bound beats the best are
walked bit by bit, which is rare. All arithmetic is on integers, F1s are compared by cross-multiplication.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .counts_blocks_numba import ONE

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
# Bit k of a position is 1 where POSITION_BITS[k] has a 1: sums of positions are sums of popcounts.
POSITION_BITS = np.array(
    [sum(1 << position for position in range(64) if position >> k & 1) for k in range(6)], dtype=np.uint64
)
# Level k of a transpose swaps halves of 32 >> k bits; these are the low halves.
LOW_HALVES = np.array(
    [sum(1 << bit for bit in range(64) if not bit & width) for width in (32, 16, 8, 4, 2, 1)], dtype=np.uint64
)


@intrinsic
def popcount(typingctx: Any, word: Any) -> Any:
    """Number of set bits."""
    return types.int64(types.uint64), lambda context, builder, signature, args: builder.ctpop(args[0])


@intrinsic
def lowest_bit(typingctx: Any, word: Any) -> Any:
    """Position of the lowest set bit of a word that has one."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, 1))

    return types.int64(types.uint64), codegen


@njit(cache=True, nogil=True)
def ones(size: Any) -> Any:
    """A word whose lowest `size` bits are set, 1 <= size <= 64."""
    return ALL >> np.uint64(64 - size)


@njit(cache=True, nogil=True)
def transpose(square: Any) -> Any:
    """Transpose a 64 x 64 bit matrix in place: bit b of word k becomes bit k of word b."""
    width = 32
    for level in range(6):
        mask = LOW_HALVES[level]
        shift = np.uint64(width)
        for base in range(0, 64, 2 * width):
            for k in range(base, base + width):
                swap = ((square[k] >> shift) ^ square[k + width]) & mask
                square[k] ^= swap << shift
                square[k + width] ^= swap
        width //= 2


@njit(cache=True, nogil=True)
def gather_blocks(label_word: Any, rows: Any, block_start: Any, first: Any, last: Any, columns: Any) -> Any:
    """Label words of blocks first..last, transposed: columns[b, k] holds feature b of block first + k."""
    square = np.empty(64, np.uint64)
    for block in range(first, last):
        start = block_start[block]
        size = block_start[block + 1] - start
        for k in range(size):
            square[k] = label_word[rows[start + k]]
        square[size:] = 0
        transpose(square)
        for b in range(64):
            columns[b, block - first] = square[b]


@njit(cache=True, nogil=True)
def position_sum(word: Any) -> Any:
    """Sum of the positions of the set bits."""
    return (
        popcount(word & POSITION_BITS[0])
        + 2 * popcount(word & POSITION_BITS[1])
        + 4 * popcount(word & POSITION_BITS[2])
        + 8 * popcount(word & POSITION_BITS[3])
        + 16 * popcount(word & POSITION_BITS[4])
        + 32 * popcount(word & POSITION_BITS[5])
    )


@njit(cache=True, nogil=True)
def tie_correction(word: Any, ends: Any, full: Any) -> Any:
    """What ties inside a block change in twice the number of negatives above positives."""
    change = 0
    tied = full & ~ends
    while tied:
        start = lowest_bit(tied)
        size = lowest_bit(ends >> np.uint64(start)) + 1
        group = ones(size) << np.uint64(start)
        tied &= ~group
        dt = popcount(word & group)
        if 0 < dt < size:
            change += dt * (size - dt) - 2 * (position_sum(word & group) - dt * start) + dt * (dt - 1)
    return change


@njit(cache=True, nogil=True)
def scan(
    column: Any, block_start: Any, block_ends: Any, first: Any, last: Any, positives: Any, tp: Any, n_before: Any
) -> Any:
    """Run down the blocks of one latent for one feature, after `n_before` entries with `tp` positives among them.

    Returns:
        tp, entries seen, twice the number of (negative above positive) pairs with a tie as half, and the best
        (tp, on) by F1 = 2 tp / (on + positives) at block ends, the fewest `on` winning ties.
    """
    above = 0
    best_tp = 0
    best_on = 0
    pending = 0
    pending_tp = 0
    for k in range(last - first):
        word = column[k]
        ends = block_ends[first + k]
        size = block_start[first + k + 1] - block_start[first + k]
        c = popcount(word)
        if pending == 0 and ends >> np.uint64(size - 1):
            if c:
                above += 2 * (c * (n_before - tp) + position_sum(word)) - c * (c - 1)
                if ends != ones(size):
                    above += tie_correction(word, ends, ones(size))
                tp += c
            n_before += size
        else:
            pending += size
            pending_tp += c
            if ends == 0:
                continue
            c = pending_tp
            above += c * (2 * (n_before - tp) + pending - c)
            tp += c
            n_before += pending
            pending = 0
            pending_tp = 0
        if c and tp * (best_on + positives) > best_tp * (n_before + positives):
            best_tp = tp
            best_on = n_before
    return tp, n_before, above, best_tp, best_on


@njit(cache=True, nogil=True)
def refine(
    column: Any, block_start: Any, block_ends: Any, first: Any, last: Any, positives: Any, tp: Any, n_before: Any,
    best_tp: Any, best_on: Any,
) -> Any:  # fmt: skip
    """Look inside the blocks whose bound allows a better F1 (or the same F1 with fewer `on`) than the best so far.

    The blocks follow `n_before` entries with `tp` positives among them.
    """
    for k in range(last - first):
        word = column[k]
        size = block_start[first + k + 1] - block_start[first + k]
        c = popcount(word)
        if c:
            bound = (tp + c) * (best_on + positives) - best_tp * (n_before + c + positives)
            if bound > 0 or (bound == 0 and n_before < best_on):
                ends = block_ends[first + k]
                tp_here = tp
                while word:
                    step = ends >> np.uint64(lowest_bit(word))
                    if step == 0:  # the group goes on in the next block: its end was seen by scan
                        break
                    end = lowest_bit(word) + lowest_bit(step) + 1
                    taken = word & ones(end)
                    tp_here += popcount(taken)
                    word ^= taken
                    on = n_before + end
                    gain = tp_here * (best_on + positives) - best_tp * (on + positives)
                    if gain > 0 or (gain == 0 and on < best_on):
                        best_tp = tp_here
                        best_on = on
            tp += c
        n_before += size
    return best_tp, best_on


@njit(cache=True, nogil=True)
def best_pairs(
    words: Any,
    n_features: Any,
    positives: Any,
    rows: Any,
    pointers: Any,
    first_negative: Any,
    block_start: Any,
    block_ends: Any,
    start: Any,
    stop: Any,
    out_tp: Any,
    out_on: Any,
    out_auroc: Any,
) -> Any:
    """Best (tp, on) by F1 and AUROC of every feature with latents start..stop, into int32, int32, float64 [L, F]."""
    n_rows = words.shape[1]
    none = np.int64(0)  # a literal 0 would be compiled apart
    widest = 0
    for latent in range(start, stop):
        widest = max(widest, pointers[latent + 1] - pointers[latent])
    columns = np.zeros((64, widest), np.uint64)
    for j in range(words.shape[0]):
        n_here = min(64, n_features - 64 * j)
        for latent in range(start, stop):
            first, middle, last = pointers[latent], first_negative[latent], pointers[latent + 1]
            gather_blocks(words[j], rows, block_start, first, last, columns)
            for b in range(n_here):
                f = 64 * j + b
                p = positives[f]
                if p == 0:
                    out_tp[latent, f] = 0
                    out_on[latent, f] = 0
                    out_auroc[latent, f] = np.nan
                    continue
                column = columns[b]
                tp, n_on, above, best_tp, best_on = scan(column, block_start, block_ends, first, middle, p, none, none)
                best_tp, best_on = refine(
                    column, block_start, block_ends, first, middle, p, none, none, best_tp, best_on
                )
                out_tp[latent, f] = best_tp
                out_on[latent, f] = best_on
                if p == n_rows:
                    out_auroc[latent, f] = np.nan
                    continue
                below_tp = 0
                n_below = 0
                if last > middle:
                    shifted = column[middle - first :]
                    all_tp, n_all, below, _, _ = scan(shifted, block_start, block_ends, middle, last, p, tp, n_on)
                    above += below
                    below_tp = all_tp - tp
                    n_below = n_all - n_on
                n_zero = n_rows - n_on - n_below
                zero_tp = p - tp - below_tp
                above += zero_tp * (2 * (n_on - tp) + n_zero - zero_tp) + 2 * below_tp * (n_zero - zero_tp)
                out_auroc[latent, f] = 1 - above / (2.0 * p * (n_rows - p))


@njit(cache=True, nogil=True)
def counts_at_cuts(
    words: Any, n_features: Any, rows: Any, colptr: Any, cuts: Any, start_latent: Any, stop_latent: Any, out: Any
) -> Any:
    """True positives among the first cuts[l, t] entries of latents start..stop, into int32 [L, T, F].

    Cuts fall with t.
    """
    n_cuts = cuts.shape[1]
    square = np.empty(64, np.uint64)
    for j in range(words.shape[0]):
        n_here = min(64, n_features - 64 * j)
        for latent in range(start_latent, stop_latent):
            counted = 0
            total = np.zeros(64, np.int32)
            for t in range(n_cuts - 1, -1, -1):
                while counted < cuts[latent, t]:
                    size = min(64, cuts[latent, t] - counted)
                    start = colptr[latent] + counted
                    for k in range(size):
                        square[k] = words[j, rows[start + k]]
                    square[size:] = 0
                    transpose(square)
                    for b in range(64):
                        total[b] += popcount(square[b])
                    counted += size
                for b in range(n_here):
                    out[latent, t, 64 * j + b] = total[b]


@njit(cache=True, nogil=True)
def pair_counts_by_game(words: Any, rows: Any, colptr: Any, latents: Any, on: Any, games: Any, n_games: Any) -> Any:
    """Counts per game of the pairs (latents[f], its first on[f] entries) against feature f: on, tp int64 [G, F]."""
    n_features = len(latents)
    out_on = np.zeros((n_games, n_features), np.int64)
    out_tp = np.zeros((n_games, n_features), np.int64)
    for f in range(n_features):
        if latents[f] < 0:
            continue
        start = colptr[latents[f]]
        for e in range(start, start + on[f]):
            row = rows[e]
            out_on[games[row], f] += 1
            out_tp[games[row], f] += np.int64((words[f // 64, row] >> np.uint64(f % 64)) & ONE)
    return out_on, out_tp


@njit(cache=True, nogil=True)
def bits_by_game(words: Any, n_features: Any, games: Any, n_games: Any) -> Any:
    """Set bits of every feature in every game, int64 [G, F]."""
    out = np.zeros((n_games, n_features), np.int64)
    for j in range(words.shape[0]):
        for row in range(words.shape[1]):
            word = words[j, row]
            while word:
                out[games[row], 64 * j + lowest_bit(word)] += 1
                word &= word - ONE
    return out
