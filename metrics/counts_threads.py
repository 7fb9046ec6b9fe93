"""The kernels of counts_numba.py on several threads: each takes latents of its own, so that the counts are the same.

The kernels let go of the interpreter's lock, so threads of one process share labels and codes without a copy.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .inputs import LabelBits

MOST_THREADS = 8
SHARES = 4  # pieces of work a thread, so that none waits long for the last
SMALL = 1 << 21  # entries times words of labels, some 10 ms of counting; below, threads cost more than they bring


def thread_count(threads: int | None = None) -> int:
    """How many threads count: as asked, else as many as torch uses where it is loaded, else OMP_NUM_THREADS or cores.

    Args:
        threads: as many as that, at least 1; None to find out.

    Raises:
        ValueError: fewer than one.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        return threads
    torch = sys.modules.get("torch")
    if torch is not None:
        return max(1, min(MOST_THREADS, int(torch.get_num_threads())))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_THREADS, int(asked) if asked.isdigit() else cores))


def over_latents(
    work: Callable[[int, int], object], colptr: NDArray[np.int64], n_words: int, threads: int | None
) -> None:
    """Call `work(start, stop)` for ranges of latents that together are all, side by side where it is worth it.

    Args:
        work: fills in what belongs to latents start..stop, and nothing else.
        colptr: int64 [L + 1], entries of the latents: ranges hold about as many each.
        n_words: words of labels that each entry is compared with.
        threads: as in `thread_count`.
    """
    n_latents, entries = len(colptr) - 1, int(colptr[-1])
    count = thread_count(threads)
    if count == 1 or n_latents < 2 or entries * n_words < SMALL:
        work(0, n_latents)
        return
    load = colptr - colptr[0] + 64 * np.arange(n_latents + 1)  # a latent without entries takes its time, too
    shares = int(load[-1]) * np.arange(1, count * SHARES) // (count * SHARES)
    edges = sorted({0, n_latents, *np.searchsorted(load, shares).tolist()})
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, a, b) for a, b in pairwise(edges)]:
            done.result()


def best_pairs(
    colptr: NDArray[np.int64],
    negative: NDArray[np.int64],
    rows: NDArray[np.int32],
    values: NDArray[np.float32],
    bits: LabelBits,
    threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Best (tp, on) by F1 and AUROC of every (latent, feature) pair: int32, int32, float64 [L, F].

    Args:
        colptr: int64 [L + 1], first entry of each latent.
        negative: int64 [L], first negative entry of each latent.
        rows: int32 [nnz], position of each entry, largest value of a latent first.
        values: float32 [nnz].
        bits: labels of the positions.
        threads: as in `thread_count`.
    """
    from .counts_blocks_numba import plan_blocks
    from .counts_numba import best_pairs as kernel

    pointers, first_negative, block_start, block_ends = plan_blocks(colptr, negative, values)
    shape = (len(colptr) - 1, bits.n_features)
    tp, on, auroc = np.empty(shape, np.int32), np.empty(shape, np.int32), np.empty(shape, np.float64)

    def work(start: int, stop: int) -> None:
        truth = bits.words, bits.n_features, bits.positives
        kernel(*truth, rows, pointers, first_negative, block_start, block_ends, start, stop, tp, on, auroc)

    over_latents(work, colptr, len(bits.words), threads)
    return tp, on, auroc


def counts_at_cuts(
    colptr: NDArray[np.int64],
    rows: NDArray[np.int32],
    bits: LabelBits,
    cuts: NDArray[np.int64],
    threads: int | None = None,
) -> NDArray[np.int32]:
    """True positives among the first cuts[l, t] entries of each latent, int32 [L, T, F].

    Args:
        colptr: int64 [L + 1], first entry of each latent.
        rows: int32 [nnz], position of each entry.
        bits: labels of the positions.
        cuts: int64 [L, T], falling with t.
        threads: as in `thread_count`.
    """
    from .counts_numba import counts_at_cuts as kernel

    out = np.empty((*cuts.shape, bits.n_features), np.int32)

    def work(start: int, stop: int) -> None:
        kernel(bits.words, bits.n_features, rows, colptr, cuts, start, stop, out)

    counted = np.concatenate([[0], np.cumsum(cuts.max(1, initial=0))])
    over_latents(work, counted, len(bits.words), threads)
    return out


def sort_keys(keys: NDArray[np.uint64], colptr: NDArray[np.int64], threads: int | None = None) -> None:
    """Sort the keys of every latent, in place.

    Args:
        keys: uint64 [nnz], grouped by latent.
        colptr: int64 [L + 1], first key of each latent.
        threads: as in `thread_count`.
    """

    def work(start: int, stop: int) -> None:
        for low, high in pairwise(colptr[start : stop + 1].tolist()):
            keys[low:high].sort()  # numpy lets go of the lock while it sorts

    over_latents(work, colptr, 8, threads)
