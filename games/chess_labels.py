"""Packed labels of every position of a batch of chess games.

Planes are written as whole bitboards, which already are their packed labels; flags are one boolean row a feature,
packed eight rows at a time. Some games at a time are labelled from their first position on, few enough to stay in the
cache, so that what depends on the history of a game finds all of it in one view.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .blocks import Block
from .chess_board import Boards
from .chess_features import planes, square_flags
from .chess_planes import fill_planes
from .chess_planes import square_flags as fill_square_flags
from .chess_play import Record
from .chess_scalars import scalar_blocks
from .chess_view import View
from .chess_whole import scalars

# Positions labelled together.
CHUNK = 8192


@dataclass(frozen=True)
class Layout:
    """Where the blocks of a vocabulary lie in a packed label row: planes first, then whole bytes of the rest.

    Attributes:
        blocks: all of `blocks(plies)`, or those of squares alone.
        plies: moves of a game at most.
    """

    blocks: tuple[Block, ...]
    plies: int = 64

    @cached_property
    def planes(self) -> dict[str, int]:
        """Row of each plane, by key without the word "plane"."""
        return {b.key.removeprefix("plane "): i for i, b in enumerate(b for b in self.blocks if b.is_plane)}

    @cached_property
    def flags(self) -> dict[str, slice]:
        """Rows of each other block."""
        found: dict[str, slice] = {}
        row = 0
        for block in self.blocks:
            if not block.is_plane:
                found[block.key] = slice(row, row + len(block.features))
                row += len(block.features)
        return found

    @cached_property
    def n_plane_bytes(self) -> int:
        """Bytes of all planes."""
        return 8 * len(self.planes)

    @cached_property
    def n_flag_bytes(self) -> int:
        """Bytes of the rest."""
        return (sum(len(b.features) for b in self.blocks if not b.is_plane) + 7) // 8

    @property
    def n_bytes(self) -> int:
        """Bytes of a packed label row."""
        return self.n_plane_bytes + self.n_flag_bytes


def blocks(plies: int = 64) -> tuple[Block, ...]:
    """The whole vocabulary, planes first, for games cut off after a number of plies."""
    return (*planes(), *square_flags(), *scalar_blocks(plies))


def label_record(record: Record, layout: Layout, plies: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
    """Labels of positions of every game.

    Args:
        record: the games, from the initial position.
        layout: the vocabulary.
        plies: which states to label, as moves made before them: int [positions] for all games, or
            [games, positions]; -1 for none. By default all: 0, 1, .. to the most moves of the record.

    Returns:
        Packed uint8 [games, positions, bytes]; 0 where a game does not have that many moves, and where `plies` is -1.

    Raises:
        ValueError: plies of another shape, or outside of the record.
    """
    n_games, n_plies = record.origin.shape[1], len(record.boards)
    if plies is None:
        plies = np.arange(n_plies)
    _check(plies, n_games, n_plies)
    n_positions = int(plies.shape[-1])
    asked: NDArray[np.int64] = np.broadcast_to(plies.astype(np.int64), (n_games, n_positions))
    n_plies = int(asked.max(initial=0)) + 1
    out = np.zeros((*asked.shape, layout.n_bytes), np.uint8)
    # Tokens that are moves come ply by ply: their labels are written where they belong, without a copy.
    order: NDArray[np.int64] = np.broadcast_to(np.arange(n_positions), asked.shape)
    in_order = n_positions >= n_plies and np.array_equal(np.where(asked < 0, order, asked), order)
    width = max(1, min(CHUNK // n_plies, n_games))
    for first in range(0, n_games, width):
        games = slice(first, min(first + width, n_games))
        view = View.of_record(record, games, n_plies)
        ended = (view.by_ply(view.ply) != np.arange(n_plies)[:, None]).T
        found = out[games, :n_plies] if in_order else np.empty((*ended.shape, layout.n_bytes), np.uint8)
        _write(view, layout, found.swapaxes(0, 1))
        found[ended] = 0
        if not in_order:
            out[games] = found[np.arange(len(found))[:, None], asked[games]]
    out[asked < 0] = 0
    return out


def label_boards(boards: Boards, layout: Layout) -> NDArray[np.uint8]:
    """Labels of positions without history, as if each were the first of a game; packed uint8 [..., bytes]."""
    flat = boards.ravel()
    out = np.zeros((len(flat), layout.n_bytes), np.uint8)
    for first in range(0, len(flat), CHUNK):
        part = slice(first, first + CHUNK)
        _write(View.of_boards(flat[part]), layout, out[None, part])
    return out.reshape(*boards.shape, layout.n_bytes)


def _check(plies: NDArray[np.integer], n_games: int, n_plies: int) -> None:
    if plies.ndim not in (1, 2) or (plies.ndim == 2 and len(plies) != n_games):
        raise ValueError(f"plies must be [positions] or [{n_games} games, positions], got {list(plies.shape)}")
    if plies.size and not -1 <= int(plies.min()) <= int(plies.max()) < n_plies:
        limits = f"{int(plies.min())} to {int(plies.max())}"
        raise ValueError(f"plies must be from -1 to {n_plies - 1}, the most moves of these games, got {limits}")


def _write(view: View, layout: Layout, out: NDArray[np.uint8]) -> None:
    """Packed labels of a view, into uint8 [plies, games, bytes]."""
    n = len(view)
    # Turning planes into rows reads with the stride of a plane. The padding keeps that stride off a power of two, where
    # all planes would compete for the same few cache lines.
    words = np.empty((len(layout.planes), n + 8), np.uint64)[:, :n]
    fill_planes(view, {key: words[row] for key, row in layout.planes.items()})
    out[..., : layout.n_plane_bytes].view("<u8")[...] = words.reshape(-1, *out.shape[:2]).transpose(1, 2, 0)
    rows = np.zeros((layout.n_flag_bytes, 8, n), np.bool_)
    _fill_flags(view, layout, rows.reshape(-1, n))
    bits = rows.view(np.uint8)
    packed = np.empty((layout.n_flag_bytes, n + 64), np.uint8)[:, :n]
    packed[...] = bits[:, 0]
    for bit in range(1, 8):
        packed |= bits[:, bit] << np.uint8(bit)
    out[..., layout.n_plane_bytes :] = packed.reshape(-1, *out.shape[:2]).transpose(1, 2, 0)


def _fill_flags(view: View, layout: Layout, rows: NDArray[np.bool_]) -> None:
    """Every flag, into bool [rows, n]."""
    values = fill_square_flags(view)
    if layout.flags.keys() - values.keys():
        values |= scalars(view, layout.plies)
    for key, part in layout.flags.items():
        rows[part] = values[key]
