"""Packed labels of every position of a batch of games, computed on bitboards.

Planes are written as whole bitboards, which on the 8 x 8 board already are the packed labels; counts and flags are
one boolean row a feature, packed eight rows at a time. Positions are taken in groups that stay in the cache.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .blocks import Block
from .othello_board import WHITE, Geometry, Record
from .othello_features import DIRECTIONS
from .othello_relations import around, length_lines, lines, stable
from .othello_whole import Positions, whole_board

# Positions labelled together.
CHUNK = 8192


@dataclass(frozen=True)
class Layout:
    """Where the blocks of a vocabulary lie in a packed label row: planes first, then whole bytes of the rest."""

    geometry: Geometry
    blocks: tuple[Block, ...]

    @cached_property
    def planes(self) -> dict[str, int]:
        """Row of each plane, by key without the word "plane"."""
        return {b.key.removeprefix("plane "): i for i, b in enumerate(b for b in self.blocks if b.is_plane)}

    @cached_property
    def scalars(self) -> dict[str, tuple[slice, NDArray[np.uint8] | None]]:
        """Rows of each other block, and its thresholds as a column."""
        found: dict[str, tuple[slice, NDArray[np.uint8] | None]] = {}
        row = 0
        for block in self.blocks:
            if not block.is_plane:
                limits = None if block.thresholds is None else np.array(block.thresholds, np.uint8)[:, None]
                found[block.key] = (slice(row, row + len(block.features)), limits)
                row += len(block.features)
        return found

    @cached_property
    def n_plane_bytes(self) -> int:
        """Bytes of all planes."""
        return len(self.planes) * self.geometry.size**2 // 8

    @cached_property
    def n_scalar_bytes(self) -> int:
        """Bytes of the rest."""
        return (sum(len(b.features) for b in self.blocks if not b.is_plane) + 7) // 8

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of a packed label row."""
        return self.n_plane_bytes + self.n_scalar_bytes


def label_record(record: Record, layout: Layout, n_positions: int) -> NDArray[np.uint8]:
    """Labels of the first plies of every game.

    Args:
        record: the games.
        layout: the vocabulary.
        n_positions: plies to label.

    Returns:
        Packed uint8 [games, n_positions, bytes]; 0 where no move was made.
    """
    n_games = record.move.shape[1]
    out = np.zeros((n_games, n_positions, layout.n_bytes), np.uint8)
    ever_passed = np.logical_or.accumulate(record.passed, axis=0)
    width = max(1, min(CHUNK, n_games))
    height = max(1, CHUNK // width)
    for first in range(0, n_games, width):
        games = slice(first, min(first + width, n_games))
        for start in range(0, n_positions, height):
            plies = slice(start, min(start + height, n_positions))
            part = (plies, games)
            shape = record.move[part].shape
            ply = np.broadcast_to(np.arange(plies.start + 1, plies.stop + 1, dtype=np.uint8)[:, None], shape)
            positions = Positions(
                own=record.own[part].ravel(),
                opp=record.opp[part].ravel(),
                legal=record.legal[part].ravel(),
                move=record.move[part].ravel(),
                turned=record.turned[part].ravel(),
                to_move=record.to_move[part].ravel(),
                mover=record.mover[part].ravel(),
                passed=record.passed[part].ravel(),
                ever_passed=ever_passed[part].ravel(),
                ply=ply.ravel(),
            )
            _write_labels(positions, layout, out[games, plies].swapaxes(0, 1))
    out[~record.played[:n_positions].T] = 0
    return out


def label_positions(positions: Positions, layout: Layout) -> NDArray[np.uint8]:
    """Labels of single positions, whatever they come from; packed uint8 [n, bytes]."""
    n = len(positions.own)
    out = np.zeros((n, layout.n_bytes), np.uint8)
    for first in range(0, n, CHUNK):
        part = slice(first, first + CHUNK)
        columns = {field.name: getattr(positions, field.name)[part] for field in fields(positions)}
        _write_labels(Positions(**columns), layout, out[None, part])
    return out


def _write_labels(positions: Positions, layout: Layout, out: NDArray[np.uint8]) -> None:
    """Packed labels of flat positions, into uint8 [plies, games, bytes]."""
    n = positions.own.size
    # Turning planes into rows reads with the stride of a plane. The padding keeps that stride off a power of two, where
    # all planes would compete for the same few cache lines: without it the copy is 20 times slower.
    planes = np.empty((len(layout.planes), n + 8), np.uint64)[:, :n]
    _fill_planes(positions, layout, planes)
    rows = np.zeros((layout.n_scalar_bytes, 8, n), np.bool_)
    _fill_scalars(positions, layout, planes, rows.reshape(-1, n))
    words = _compact(planes, layout.geometry.size).reshape(-1, *out.shape[:2]).transpose(1, 2, 0)
    whole = layout.n_plane_bytes // 8
    out[..., : 8 * whole].view("<u8")[...] = words[..., :whole]
    if layout.n_plane_bytes > 8 * whole:
        rest = np.ascontiguousarray(words[..., whole:]).astype("<u8", copy=False).view(np.uint8)
        out[..., 8 * whole : layout.n_plane_bytes] = rest[..., : layout.n_plane_bytes - 8 * whole]
    bits = rows.view(np.uint8)
    packed = np.empty((layout.n_scalar_bytes, n + 64), np.uint8)[:, :n]
    packed[...] = bits[:, 0]
    for bit in range(1, 8):
        packed |= bits[:, bit] << np.uint8(bit)
    out[..., layout.n_plane_bytes :] = packed.reshape(-1, *out.shape[:2]).transpose(1, 2, 0)


def _fill_planes(positions: Positions, layout: Layout, planes: U64) -> None:
    """Every plane on the 8 x 8 grid, into uint64 [planes, n]."""
    geometry, row = layout.geometry, layout.planes
    own, opp = positions.own, positions.opp
    board = {key: planes[i] for key, i in row.items()}
    swap = (own ^ opp) * (positions.to_move == WHITE)
    board["own"][...], board["opp"][...] = own, opp
    occupied = np.bitwise_or(own, opp, out=board["occupied"])
    empty = np.bitwise_and(geometry.mask, ~occupied, out=board["empty"])
    np.bitwise_xor(own, swap, out=board["black"])
    np.bitwise_xor(opp, swap, out=board["white"])
    board["move"][...], board["turned"][...] = positions.move, positions.turned
    board["legal"][...] = positions.legal
    # Both players at once: the planes "line north" .. "opp line north-west" as [player, direction, n].
    first = row["line north"]
    players = planes[first : first + 2 * len(DIRECTIONS)].reshape(2, len(DIRECTIONS), -1)
    each = {direction: players[:, i] for i, direction in enumerate(DIRECTIONS)}
    board["opp legal"][...] = lines(np.stack([own, opp]), np.stack([opp, own]), empty, each)[1]
    board["stable own"][...], board["stable opp"][...] = stable(own, opp, geometry)
    exposed = around(empty)
    np.bitwise_and(own, exposed, out=board["frontier own"])
    np.bitwise_and(opp, exposed, out=board["frontier opp"])
    if "length 1 north" in board:
        length_lines(own, opp, empty, geometry.size - 2, board)


def _fill_scalars(positions: Positions, layout: Layout, planes: U64, rows: NDArray[np.bool_]) -> None:
    """Every count and flag, into bool [rows, n]."""
    board = {key: planes[i] for key, i in layout.planes.items()}
    values = whole_board(positions, board, layout.geometry)
    for key, (block, thresholds) in layout.scalars.items():
        if thresholds is None:
            for row, flag in zip(rows[block], values[key], strict=True):
                row[...] = flag
        else:
            np.greater_equal(values[key], thresholds, out=rows[block])


def _compact(boards: U64, size: int) -> U64:
    """Planes on the 8 x 8 grid, uint64 [planes, n], to their squares one after another, uint64 [words, n]."""
    if size == 8:
        return boards
    gap = 8 - size
    boards = boards >> np.uint64(9 * (gap // 2))
    row = np.uint64((1 << size) - 1)
    squares = boards & row
    for r in range(1, size):
        squares |= (boards >> np.uint64(gap * r)) & (row << np.uint64(size * r))
    width = size**2
    n = boards.shape[1]
    words = np.zeros(((len(boards) * width + 63) // 64, n + 8), np.uint64)[:, :n]
    for i in range(len(boards)):
        word, shift = divmod(i * width, 64)
        words[word] |= squares[i] << np.uint64(shift)
        if shift + width > 64:
            words[word + 1] |= squares[i] >> np.uint64(64 - shift)
    return words
