# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""Entries of a latent in order, and cut into blocks: what the kernels of counts_numba.py run over."""

from typing import Any

import numpy as np
from numba import njit

ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def keys_by_latent(indptr: Any, indices: Any, values: Any, n_latents: Any) -> Any:
    """Sort keys of all entries, grouped by latent: largest value first, equal values by row.

    Returns:
        colptr int64 [L + 1] and keys uint64 [nnz]: the bits of the value, mapped so that larger values get smaller
        numbers, above 32 bits of row.
    """
    colptr = np.zeros(n_latents + 1, np.int64)
    for e in range(len(indices)):
        colptr[indices[e] + 1] += 1
    for latent in range(n_latents):
        colptr[latent + 1] += colptr[latent]
    fill = colptr[:-1].copy()
    keys = np.empty(len(indices), np.uint64)
    bits = values.view(np.uint32)
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            # Bits of a positive float rise with it, those of a negative one fall: flip so that descending is ascending.
            b = np.uint64(bits[e])
            rank = b if b >> np.uint64(31) else np.uint64(0x7FFFFFFF) - b
            keys[fill[indices[e]]] = (rank << np.uint64(32)) | np.uint64(row)
            fill[indices[e]] += 1
    return colptr, keys


@njit(cache=True, nogil=True)
def read_keys(colptr: Any, keys: Any) -> Any:
    """Rows int32, values float32 of sorted keys, and the index of the first negative entry of each latent."""
    rows = np.empty(len(keys), np.int32)
    bits = np.empty(len(keys), np.uint32)
    for e in range(len(keys)):
        rank = keys[e] >> np.uint64(32)
        rows[e] = np.int32(keys[e] & np.uint64(0xFFFFFFFF))
        bits[e] = np.uint32(rank if rank >> np.uint64(31) else np.uint64(0x7FFFFFFF) - rank)
    values = bits.view(np.float32)
    negative = np.empty(len(colptr) - 1, np.int64)
    for latent in range(len(colptr) - 1):
        low, high = colptr[latent], colptr[latent + 1]
        while low < high:
            middle = (low + high) // 2
            if values[middle] > 0:
                low = middle + 1
            else:
                high = middle
        negative[latent] = low
    return rows, values, negative


@njit(cache=True, nogil=True)
def cut_blocks(values: Any, start: Any, stop: Any, block_start: Any, block_ends: Any, n_blocks: Any) -> Any:
    """Cut entries start..stop of one latent into blocks of at most 64 entries that hold whole groups of equal values.

    A group above 64 entries gets blocks of its own. Bit k of `block_ends` says that entry k is the last of its group.
    Returns the number of blocks so far.
    """
    group = start
    block = start
    ends = np.uint64(0)
    while group < stop:
        end = group + 1
        while end < stop and values[end] == values[group]:
            end += 1
        if end - block > 64:
            if group > block:
                block_start[n_blocks], block_ends[n_blocks] = block, ends
                n_blocks += 1
            block, ends = group, np.uint64(0)
            while end - block > 64:
                block_start[n_blocks], block_ends[n_blocks] = block, np.uint64(0)
                n_blocks += 1
                block += 64
        ends |= ONE << np.uint64(end - block - 1)
        if end - group > 64 or end - block == 64:
            block_start[n_blocks], block_ends[n_blocks] = block, ends
            n_blocks += 1
            block, ends = end, np.uint64(0)
        group = end
    if stop > block:
        block_start[n_blocks], block_ends[n_blocks] = block, ends
        n_blocks += 1
    return n_blocks


@njit(cache=True, nogil=True)
def plan_blocks(colptr: Any, negative: Any, values: Any) -> Any:
    """Blocks of all latents: pointers [L + 1], first negative block [L], entry offsets [B + 1], group ends [B]."""
    n_latents = len(colptr) - 1
    capacity = 4 * (len(values) // 64) + 8 * n_latents + 8
    block_start = np.empty(capacity, np.int64)
    block_ends = np.empty(capacity, np.uint64)
    pointers = np.zeros(n_latents + 1, np.int64)
    first_negative = np.empty(n_latents, np.int64)
    n_blocks = 0
    for latent in range(n_latents):
        n_blocks = cut_blocks(values, colptr[latent], negative[latent], block_start, block_ends, n_blocks)
        first_negative[latent] = n_blocks
        n_blocks = cut_blocks(values, negative[latent], colptr[latent + 1], block_start, block_ends, n_blocks)
        pointers[latent + 1] = n_blocks
    block_start[n_blocks] = len(values)
    return pointers, first_negative, block_start[: n_blocks + 1].copy(), block_ends[:n_blocks].copy()
