"""Sets of squares as 64-bit integers, in arrays of any one shape: what every board engine here shares."""

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_ONE = np.uint64(1)


def popcount(boards: U64) -> NDArray[np.int64]:
    """Set bits of each board, int64 of the same shape."""
    return np.bitwise_count(boards).astype(np.int64)


def bit_index(single: U64) -> NDArray[np.int64]:
    """Index of the one set bit of each board; -1 for an empty board."""
    return np.where(single == 0, -1, np.bitwise_count(single - _ONE).astype(np.int64))


def select_bit(boards: U64, k: NDArray[np.integer]) -> U64:
    """The k-th lowest set bit (from 0) of each board as a single bit; 0 where there are not that many."""
    rest = k.astype(np.uint8)
    low = np.zeros(boards.shape, np.uint64)  # position reached so far
    window = boards
    for width in (32, 16, 8, 4, 2, 1):
        below = np.bitwise_count(window & np.uint64((1 << width) - 1))
        skip = rest >= below
        rest -= below * skip
        step = skip * np.uint64(width)
        low += step
        window = window >> step
    return (window & _ONE) << low


def unpack_squares(boards: U64) -> NDArray[np.bool_]:
    """Boards [...] to one boolean a bit [..., 64]."""
    contiguous = np.ascontiguousarray(boards).astype("<u8", copy=False)
    return np.unpackbits(contiguous[..., None].view(np.uint8), axis=-1, bitorder="little").view(np.bool_)
