# pyright: basic, reportUntypedFunctionDecorator=false, reportIndexIssue=false, reportInvalidTypeForm=false
# ruff: noqa: ANN001, ANN201 (Triton reads annotations of kernels as types of its own)
"""Triton kernels of the scoring core: counts of sorted entries against packed labels, 32 features a program.

A latent's entries are cut into pieces of bounded length, so that a dense latent is many programs and not one long
one. A piece may part equal values: counts before a piece are exact wherever it starts, and a prediction may end only
at an entry marked as the last of its group. The marks are the sign bits of `rows`.

AUROC needs no order inside a piece. With s and e the entries before and up to the end of the group of an entry (zeros
counted as one group), twice the number of negatives above positives, a tie as a half, is the sum of s + e over the
positives less P^2: the sum over groups of dt (2 tp + dt) is P^2 (the rank-sum form of Mann and Whitney, 1947).

F1 2 tp / (on + P) is kept as the fraction tp / (on + P) in int32, compared by cross-multiplication in int64: exact for
fewer than 2^30 positions. Imported only where it runs: Triton reads TRITON_INTERPRET when a kernel is decorated.
"""

from importlib import import_module
from typing import Any

triton: Any = import_module("triton")  # by name: it need not be there for checkers
tl: Any = import_module("triton.language")


@triton.jit
def load_rows(rows, labels, at, stop, word, row_stride, tile: tl.constexpr):
    """Label bits int32 [tile, 32] of entries at..at + tile of one word; those from `stop` on have none."""
    entries = at + tl.arange(0, tile)
    inside = entries < stop
    row = tl.load(rows + entries, mask=inside, other=0) & 0x7FFFFFFF
    words = tl.load(labels + row.to(tl.int64) * row_stride + word, mask=inside, other=0)
    return (words[:, None] >> tl.arange(0, 32)[None, :]) & 1


@triton.jit
def cells_of(index, n_words, lanes):
    """Offsets of features `lanes` in row `index` of [rows, 32 n_words], int64 [32]."""
    return (tl.zeros([32], tl.int64) + index) * n_words * 32 + lanes


@triton.jit
def count_pieces(
    labels,
    rows,
    weights,
    starts,
    stops,
    out_tp,
    out_sum,
    n_words,
    row_stride,
    tile: tl.constexpr,
    weigh: tl.constexpr,
    wide: tl.constexpr,
):
    """Positives of each (piece, feature), and the sum of their weights: int32 and int64 [pieces, 32 n_words].

    `wide` sums weights in int64 inside a tile too; without it tile x 2 N must stay below 2^31.
    """
    program = tl.program_id(0)
    piece = program // n_words
    word = program % n_words
    start = tl.load(starts + piece)
    stop = tl.load(stops + piece)
    tp = tl.zeros([32], tl.int32)
    total = tl.zeros([32], tl.int64)
    for at in range(start, stop, tile):
        bits = load_rows(rows, labels, at, stop, word, row_stride, tile)
        tp += tl.sum(bits, 0)
        if weigh:
            entries = at + tl.arange(0, tile)
            weight = tl.load(weights + entries, mask=entries < stop, other=0)
            if wide:
                weight = weight.to(tl.int64)
            total += tl.sum(bits * weight[:, None], 0).to(tl.int64)
    cells = cells_of(piece, n_words, word * 32 + tl.arange(0, 32))
    tl.store(out_tp + cells, tp)
    if weigh:
        tl.store(out_sum + cells, total)


@triton.jit
def better(tp, size, best_tp, best_size):
    """Whether tp / size is above best_tp / best_size, or equal with a smaller size."""
    gain = tp.to(tl.int64) * best_size - best_tp.to(tl.int64) * size
    return (gain > 0) | ((gain == 0) & (size < best_size))


@triton.jit
def join_pieces(
    rows,
    stops,
    piece_tp,
    piece_sum,
    firing,
    negative,
    latent_start,
    positives,
    before,
    found_tp,
    found_sum,
    best_tp,
    best_size,
    n_words,
):
    """Running counts over the pieces of one latent, and its best F1 at the ends of pieces.

    Writes the positives before each firing piece, and of each (latent, feature) all positives, the sum of weights, and
    the best (tp, on + P); (0, P) predicts nothing.
    """
    program = tl.program_id(0)
    latent = program // n_words
    lanes = (program % n_words) * 32 + tl.arange(0, 32)
    base = tl.load(latent_start + latent)
    p = tl.load(positives + lanes)
    tp = tl.zeros([32], tl.int32)
    total = tl.zeros([32], tl.int64)
    top_tp = tl.zeros([32], tl.int32)
    top_size = p
    for piece in range(tl.load(firing + latent), tl.load(firing + latent + 1)):
        stop = tl.load(stops + piece)
        cells = cells_of(piece, n_words, lanes)
        tl.store(before + cells, tp)
        tp += tl.load(piece_tp + cells)
        total += tl.load(piece_sum + cells)
        size = p + (stop - base)
        take = better(tp, size, top_tp, top_size) & (tl.load(rows + stop - 1) < 0)
        top_tp = tl.where(take, tp, top_tp)
        top_size = tl.where(take, size, top_size)
    for piece in range(tl.load(negative + latent), tl.load(negative + latent + 1)):
        cells = cells_of(piece, n_words, lanes)
        tp += tl.load(piece_tp + cells)
        total += tl.load(piece_sum + cells)
    cells = cells_of(latent, n_words, lanes)
    tl.store(found_tp + cells, tp)
    tl.store(found_sum + cells, total)
    tl.store(best_tp + cells, top_tp)
    tl.store(best_size + cells, top_size)


@triton.jit
def hopeful(tp, c, n_before, p, best_tp, best_size):
    """Whether a cut among entries with `c` positives, after `n_before` with `tp`, could beat the best.

    At the k-th entry F1 is at most (tp + min(c, k)) / (n_before + k + P), which is largest at k = max(c, 1) alone.
    """
    return better(tp + c, n_before + tl.maximum(c, 1) + p, best_tp, best_size)


@triton.jit
def refine_pieces(
    labels,
    rows,
    starts,
    stops,
    owner,
    latent_start,
    positives,
    piece_tp,
    before,
    best_tp,
    best_size,
    out_tp,
    out_size,
    out_work,
    n_words,
    row_stride,
    tile: tl.constexpr,
):
    """The best (tp, on + P) of one firing piece, no worse than the best at ends of pieces of its latent.

    Where the bound of one of 32 features allows a better F1 in the piece, F1 at the ends of tiles comes first: the
    better the best so far, the fewer tiles are walked entry by entry, again only where a bound allows it.
    Writes of each program int32 [4]: tiles counted, entries in them, entries walked, and ends of groups among these.
    """
    program = tl.program_id(0)
    piece = program // n_words
    word = program % n_words
    lanes = word * 32 + tl.arange(0, 32)
    start = tl.load(starts + piece)
    stop = tl.load(stops + piece)
    latent = tl.load(owner + piece)
    base = tl.load(latent_start + latent)
    cells = cells_of(piece, n_words, lanes)
    of_latent = cells_of(latent, n_words, lanes)
    p = tl.load(positives + lanes)
    tp = tl.load(before + cells)
    top_tp = tl.load(best_tp + of_latent)
    top_size = tl.load(best_size + of_latent)
    tiles = 0
    seen = 0
    walked = 0
    ends = 0
    could = hopeful(tp, tl.load(piece_tp + cells), start - base, p, top_tp, top_size)
    if tl.max(could.to(tl.int32), 0) > 0:
        so_far = tp
        for at in range(start, stop, tile):
            tiles += 1
            so_far += tl.sum(load_rows(rows, labels, at, stop, word, row_stride, tile), 0)
            end = tl.minimum(at + tile, stop)
            size = p + (end - base)
            take = better(so_far, size, top_tp, top_size) & (tl.load(rows + end - 1) < 0)
            top_tp = tl.where(take, so_far, top_tp)
            top_size = tl.where(take, size, top_size)
        for at in range(start, stop, tile):
            c = tl.sum(load_rows(rows, labels, at, stop, word, row_stride, tile), 0)
            n = tl.minimum(tile, stop - at)
            seen += n
            could = hopeful(tp, c, at - base, p, top_tp, top_size)
            if tl.max(could.to(tl.int32), 0) > 0:
                here = tp
                walked += n
                for entry in range(at, at + n):
                    row = tl.load(rows + entry)
                    bits = tl.load(labels + (row & 0x7FFFFFFF).to(tl.int64) * row_stride + word)
                    here += (bits >> tl.arange(0, 32)) & 1
                    if row < 0:
                        ends += 1
                        size = p + (entry + 1 - base)
                        take = better(here, size, top_tp, top_size)
                        top_tp = tl.where(take, here, top_tp)
                        top_size = tl.where(take, size, top_size)
            tp += c
    tl.store(out_tp + cells, top_tp)
    tl.store(out_size + cells, top_size)
    work = out_work + tl.cast(program, tl.int64) * 4
    tl.store(work, tiles)
    tl.store(work + 1, seen)
    tl.store(work + 2, walked)
    tl.store(work + 3, ends)


@triton.jit
def choose_pieces(piece_tp, piece_size, firing, best_tp, best_size, n_words):
    """The best of the pieces of each latent, in place of what was found at their ends."""
    program = tl.program_id(0)
    latent = program // n_words
    lanes = (program % n_words) * 32 + tl.arange(0, 32)
    of_latent = cells_of(latent, n_words, lanes)
    top_tp = tl.load(best_tp + of_latent)
    top_size = tl.load(best_size + of_latent)
    for piece in range(tl.load(firing + latent), tl.load(firing + latent + 1)):
        cells = cells_of(piece, n_words, lanes)
        tp = tl.load(piece_tp + cells)
        size = tl.load(piece_size + cells)
        take = better(tp, size, top_tp, top_size)
        top_tp = tl.where(take, tp, top_tp)
        top_size = tl.where(take, size, top_size)
    tl.store(best_tp + of_latent, top_tp)
    tl.store(best_size + of_latent, top_size)
