# pyright: basic, reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeStubs=false
"""Sorting entries into buckets and keys, and bringing labels into their order."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_entries(indptr: Any, indices: Any, wanted: Any, counts: Any) -> Any:
    """Add the entries of the wanted rows (bool [n]) to the counts of their latents, int64 [L]."""
    for row in range(len(indptr) - 1):
        if wanted[row]:
            for e in range(indptr[row], indptr[row + 1]):
                counts[indices[e]] += 1


@njit(cache=True, nogil=True)
def by_bucket(indptr: Any, indices: Any, values: Any, wanted: Any, start: Any, bucket_of: Any, n_buckets: Any) -> Any:
    """Entries of the wanted rows, bucket by bucket: offsets int64 [B + 1] and (latent, row, value bits) uint32 [n, 3].

    Inside a bucket they keep their order. `start` is the number of the first row; bucket -1 is left out.
    """
    offsets = np.zeros(n_buckets + 1, np.int64)
    for row in range(len(indptr) - 1):
        if wanted[row]:
            for e in range(indptr[row], indptr[row + 1]):
                bucket = bucket_of[indices[e]]
                if bucket >= 0:
                    offsets[bucket + 1] += 1
    for bucket in range(n_buckets):
        offsets[bucket + 1] += offsets[bucket]
    fill = offsets[:-1].copy()
    out = np.empty((offsets[-1], 3), np.uint32)
    bits = values.view(np.uint32)
    for row in range(len(indptr) - 1):
        if wanted[row]:
            for e in range(indptr[row], indptr[row + 1]):
                bucket = bucket_of[indices[e]]
                if bucket >= 0:
                    k = fill[bucket]
                    out[k, 0] = indices[e]
                    out[k, 1] = start + row
                    out[k, 2] = bits[e]
                    fill[bucket] += 1
    return offsets, out


@njit(cache=True, nogil=True)
def ranks_of(bits: Any) -> Any:
    """Numbers that rise as floats fall, uint32: 0 x 7fff... minus the bits of a positive one, those of a negative."""
    out = np.empty(len(bits), np.uint32)
    for i in range(len(bits)):
        b = bits[i]
        out[i] = b if b >> np.uint32(31) else np.uint32(0x7FFFFFFF) - b
    return out


@njit(cache=True, nogil=True)
def sort_into(entries: Any, part_of: Any, n_parts: Any) -> Any:
    """Rows of a table [n, k] part by part, in their order: offsets int64 [P + 1] and the table."""
    offsets = np.zeros(n_parts + 1, np.int64)
    for i in range(len(entries)):
        offsets[part_of[i] + 1] += 1
    for part in range(n_parts):
        offsets[part + 1] += offsets[part]
    fill = offsets[:-1].copy()
    out = np.empty_like(entries)
    for i in range(len(entries)):
        out[fill[part_of[i]]] = entries[i]
        fill[part_of[i]] += 1
    return offsets, out


@njit(cache=True, nogil=True)
def scatter(labels: Any, start: Any, rows: Any, places: Any, first: Any, last: Any, out: Any) -> Any:
    """Labels [n, w] of rows start.. to where the entries first..last want them: out[places[e]] = labels of rows[e]."""
    if labels.shape[1] == 8:
        for e in range(first, last):  # a cache line at a time
            source, target = labels[np.int64(rows[e]) - start], out[places[e]]
            target[0], target[1], target[2], target[3] = source[0], source[1], source[2], source[3]
            target[4], target[5], target[6], target[7] = source[4], source[5], source[6], source[7]
        return
    for e in range(first, last):
        row = np.int64(rows[e]) - start
        for w in range(labels.shape[1]):
            out[places[e], w] = labels[row, w]


@njit(cache=True, nogil=True)
def sort_keys_of(table: Any, first: Any, n_latents: Any) -> Any:
    """As `keys_by_latent`, of entries (latent, row, value bits) uint32 [n, 3], with the entry's number for its row."""
    colptr = np.zeros(n_latents + 1, np.int64)
    for e in range(len(table)):
        colptr[np.int64(table[e, 0]) - first + 1] += 1
    for latent in range(n_latents):
        colptr[latent + 1] += colptr[latent]
    fill = colptr[:-1].copy()
    keys = np.empty(len(table), np.uint64)
    for e in range(len(table)):
        latent = np.int64(table[e, 0]) - first
        b = np.uint64(table[e, 2])
        rank = b if b >> np.uint64(31) else np.uint64(0x7FFFFFFF) - b
        keys[fill[latent]] = (rank << np.uint64(32)) | np.uint64(e)
        fill[latent] += 1
    return colptr, keys


@njit(cache=True, nogil=True)
def inverse(order: Any) -> Any:
    """Place of every number in a permutation, int32."""
    out = np.empty(len(order), np.int32)
    for i in range(len(order)):
        out[order[i]] = i
    return out
