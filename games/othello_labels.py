"""Packed labels of every position of a batch of games, computed on bitboards a ply at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .othello_board import U64, WHITE, Record
from .othello_features import Block

# Games labelled together: small enough that a ply of all planes stays in the cache.
CHUNK = 2048


def label_record(record: Record, blocks: Sequence[Block], n_positions: int) -> NDArray[np.uint8]:
    """Labels of the first `n_positions` plies, packed uint8 [games, n_positions, bytes]; 0 where no move was made."""
    n_bits = sum(len(block.features) for block in blocks)
    n_games, n_bytes = record.move.shape[1], (n_bits + 7) // 8
    out = np.zeros((n_games, n_positions, n_bytes), np.uint8)
    for first in range(0, n_games, CHUNK):
        games = slice(first, min(first + CHUNK, n_games))
        for ply in range(n_positions):
            values = _values(record, ply, games)
            words = _concatenate(record, blocks, values)
            words *= record.played[ply, games]
            out[games, ply] = np.ascontiguousarray(words.T).astype("<u8", copy=False).view(np.uint8)[:, :n_bytes]
    return out


def _values(record: Record, ply: int, games: slice) -> dict[str, U64]:
    own, opp = record.own[ply, games], record.opp[ply, games]
    swap = (own ^ opp) * (record.to_move[ply, games] == WHITE)
    return {
        "own": own,
        "opp": opp,
        "empty": record.geometry.mask & ~(own | opp),
        "black": own ^ swap,
        "white": opp ^ swap,
        "legal": record.legal[ply, games],
    }


def _compact(board: U64, size: int) -> U64:
    """The squares of a board in the middle of the 8 x 8 grid, moved together into the lowest size * size bits."""
    if size == 8:
        return board
    gap = 8 - size
    board = board >> np.uint64(9 * (gap // 2))
    row = np.uint64((1 << size) - 1)
    out = board & row
    for r in range(1, size):
        out |= (board >> np.uint64(gap * r)) & (row << np.uint64(size * r))
    return out


def _concatenate(record: Record, blocks: Sequence[Block], values: dict[str, U64]) -> U64:
    """Bits of all blocks one after another, uint64 [words, n]."""
    n_bits = sum(len(block.features) for block in blocks)
    words = np.zeros(((n_bits + 63) // 64, len(values["own"])), np.uint64)
    offset = 0
    for block in blocks:
        value = _compact(values[block.key], record.geometry.size) if block.is_plane else values[block.key]
        word, shift = divmod(offset, 64)
        words[word] |= value << np.uint64(shift)
        if shift + len(block.features) > 64:
            words[word + 1] |= value >> np.uint64(64 - shift)
        offset += len(block.features)
    return words
