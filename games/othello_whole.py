"""Counts and flags of the whole board, by the keys of the blocks in othello_scalars.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, reduce

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .othello_board import BLACK, Geometry
from .othello_features import DIRECTIONS
from .othello_relations import INNER_FILES, around, shifted
from .othello_scalars import corner_names, near_corners, phases

Bools = NDArray[np.bool_]
Count = NDArray[np.uint8]

_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_ZERO = np.uint64(0)
_FIRST_FILE, _GATHER = np.uint64(0x0101010101010101), np.uint64(0x0102040810204080)


@dataclass(frozen=True)
class Positions:
    """Some positions, flat [n]: columns of a `Record`, whether a pass has happened so far, and the moves made."""

    own: U64
    opp: U64
    legal: U64
    move: U64
    turned: U64
    to_move: NDArray[np.uint8]
    mover: NDArray[np.uint8]
    passed: Bools
    ever_passed: Bools
    ply: NDArray[np.uint8]


@dataclass(frozen=True)
class Regions:
    """Named sets of squares as bitboards."""

    geometry: Geometry

    def board(self, names: Sequence[str]) -> np.uint64:
        """The bitboard of some squares."""
        bits = self.geometry.bits[[self.geometry.names.index(name) for name in names]]
        return np.bitwise_or.reduce(_ONE << bits.astype(np.uint64))

    def where(self, size: int, test: NDArray[np.bool_]) -> np.uint64:
        """The bitboard of the squares of a boolean [size * size]."""
        return np.bitwise_or.reduce(_ONE << self.geometry.bits[test].astype(np.uint64))

    @cached_property
    def corners(self) -> np.uint64:
        """The four corners."""
        return self.board(corner_names(self.geometry))

    @cached_property
    def edges(self) -> tuple[np.uint64, ...]:
        """The north, east, south and west edge."""
        size = self.geometry.size
        rows, columns = np.divmod(np.arange(size**2), size)
        tests = (rows == 0, columns == size - 1, rows == size - 1, columns == 0)
        return tuple(self.where(size, test) for test in tests)

    @cached_property
    def ring(self) -> np.uint64:
        """The outer ring of squares."""
        return reduce(np.bitwise_or, self.edges)

    @cached_property
    def diagonals(self) -> tuple[np.uint64, np.uint64]:
        """The two long diagonals, the one through a1 first."""
        size = self.geometry.size
        rows, columns = np.divmod(np.arange(size**2), size)
        return self.where(size, rows == columns), self.where(size, rows + columns == size - 1)

    @cached_property
    def quadrants(self) -> tuple[np.uint64, ...]:
        """The quarters of the board, in the order of the corners."""
        size = self.geometry.size
        rows, columns = np.divmod(np.arange(size**2), size)
        south, east = rows >= size // 2, columns >= size // 2
        return tuple(self.where(size, (south == s) & (east == e)) for s in (False, True) for e in (False, True))

    @cached_property
    def centre(self) -> np.uint64:
        """The squares filled at the start."""
        return self.board([self.geometry.names[s] for s in self.geometry.centre])

    @cached_property
    def x_squares(self) -> np.uint64:
        """Diagonal neighbours of the corners."""
        return self.board([square for kind, square, _ in near_corners(self.geometry) if kind == "X-square"])

    @cached_property
    def c_squares(self) -> np.uint64:
        """Neighbours of the corners on the edge."""
        return self.board([square for kind, square, _ in near_corners(self.geometry) if kind == "C-square"])

    @cached_property
    def beside(self) -> tuple[tuple[int, int], ...]:
        """Row and column of each square of `near_corners`."""
        names = self.geometry.names
        return tuple(divmod(names.index(square), self.geometry.size) for _, square, _ in near_corners(self.geometry))


@cache
def regions(geometry: Geometry) -> Regions:
    """The regions of a board."""
    return Regions(geometry)


def _count(boards: U64) -> Count:
    counts: Count = np.bitwise_count(boards)
    return counts


def _any(boards: U64) -> Bools:
    return boards != _ZERO


def _wedges(moves: U64, theirs: U64, places: Regions) -> Bools:
    """Some move on an edge, not in a corner, lies between two discs of the other player on that edge."""
    north, east, south, west = places.edges
    across = (theirs << _ONE) & (theirs >> _ONE) & ((north | south) & ~places.corners)
    along = (theirs << _EIGHT) & (theirs >> _EIGHT) & ((east | west) & ~places.corners)
    return _any(moves & (across | along))


def whole_board(
    positions: Positions, board: Mapping[str, U64], geometry: Geometry
) -> dict[str, Count | Sequence[Bools]]:
    """Every count [n] and every group of flags, by key.

    Args:
        positions: flat positions.
        board: their planes by key.
        geometry: the board.
    """
    places, p = regions(geometry), positions
    own, opp, empty, legal, opp_legal = p.own, p.opp, board["empty"], p.legal, board["opp legal"]
    black = p.to_move == BLACK
    danger = around(empty & places.corners) & ~places.corners  # X- and C-squares of the corners that are empty
    # In a direction with an east-west part no disc of an edge file is turned, which also rules out wrapping around.
    inner = p.turned & INNER_FILES
    turned_to = [_any(shifted(p.move, d) & (p.turned if d in ("north", "south") else inner)) for d in DIRECTIONS]
    directions: Count = np.stack(turned_to).sum(axis=0, dtype=np.uint8)
    edges = {"own": _edges(own, geometry), "opp": _edges(opp, geometry)}
    full = (1 << geometry.size) - 1  # a filled edge
    inside = full >> 2 << 1  # the same without its corners
    out: dict[str, Count | Sequence[Bools]] = {
        "turn": (black, ~black),
        "mover": (p.mover == BLACK,),
        "passes": (p.passed, p.ever_passed, p.to_move != (p.ply & 1)),
        "end": (~_any(legal), ~_any(own)),
        "phase": [(p.ply >= first) & (p.ply <= last) for first, last in phases(geometry)],
        "move kind": [
            _any(p.move & region)
            for region in (places.corners, places.ring, places.c_squares, places.x_squares, danger)
        ],
        "flips": _count(p.turned),
        "flip directions": directions,
        "flip direction": turned_to,
        "corner moves": (_any(legal & places.corners), _any(opp_legal & places.corners)),
        "all corners": (~_any(empty & places.corners),),
        "edge full": [own_edge | opp_edge == full for own_edge, opp_edge in zip(*edges.values(), strict=True)],
        "parity": [
            (geometry.max_plies - p.ply) & 1 == 1,
            *(_count(empty & region) & 1 == 1 for region in places.quadrants),
        ],
    }
    mobility = {"own": _count(legal), "opp": _count(opp_legal)}
    discs = {"own": _count(own), "opp": _count(opp)}
    most: Count = np.maximum(discs["own"], discs["opp"])
    lead: dict[str, Count] = {"own": most - discs["opp"], "opp": most - discs["own"]}
    for side, other, mine, theirs in (("own", "opp", own, opp), ("opp", "own", opp, own)):
        out |= {
            f"discs {side}": discs[side],
            f"mobility {side}": mobility[side],
            f"potential {side}": _count(around(theirs) & empty),
            f"frontier {side}": _count(board[f"frontier {side}"]),
            f"stable {side}": _count(board[f"stable {side}"]),
            f"corners {side}": _count(mine & places.corners),
            f"centre {side}": _count(mine & places.centre),
            f"lead {side}": lead[side],
            f"beside {side}": _squares(mine & danger, geometry, places.beside),
            f"edge {side}": [edge == full for edge in edges[side]],
            f"balanced {side}": [
                (edge == inside) & (other_edge == 0) for edge, other_edge in zip(edges[side], edges[other], strict=True)
            ],
            f"diagonal {side}": [~_any(theirs & line) for line in places.diagonals],
        }
    ahead, behind = discs["own"] > discs["opp"], discs["own"] < discs["opp"]
    out |= {
        "balance": (ahead, ~(ahead | behind), behind),
        "compared": (mobility["own"] > mobility["opp"], mobility["own"] < mobility["opp"]),
        "tactics": (
            mobility["own"] == 1,
            mobility["opp"] == 0,
            _any(legal & places.ring),
            _any(legal) & ~_any(legal & ~danger),
            _wedges(legal, opp, places),
            _wedges(opp_legal, own, places),
        ),
    }
    return out


def _row(boards: U64, row: int, geometry: Geometry) -> Count:
    """One row of a board, a bit a column."""
    offset = (8 - geometry.size) // 2
    return (boards >> np.uint64(8 * (row + offset) + offset)).astype(np.uint8) & np.uint8((1 << geometry.size) - 1)


def _column(boards: U64, column: int, geometry: Geometry) -> Count:
    """One column of a board, a bit a row."""
    offset = (8 - geometry.size) // 2
    # The product gathers bits 0, 8, .. 56 of the first file in the top byte.
    gathered = ((boards >> np.uint64(column + offset)) & _FIRST_FILE) * _GATHER >> np.uint64(56 + offset)
    return gathered.astype(np.uint8) & np.uint8((1 << geometry.size) - 1)


def _edges(boards: U64, geometry: Geometry) -> tuple[Count, Count, Count, Count]:
    """The north, east, south and west edge, a bit a square."""
    last = geometry.size - 1
    return (
        _row(boards, 0, geometry), _column(boards, last, geometry),
        _row(boards, last, geometry), _column(boards, 0, geometry),
    )  # fmt: skip


def _squares(boards: U64, geometry: Geometry, places: Sequence[tuple[int, int]]) -> list[Bools]:
    """Single squares of boards, looked up in rows of a byte each."""
    rows = {row: _row(boards, row, geometry) for row in {row for row, _ in places}}
    return [(rows[row] & np.uint8(1 << column)) != 0 for row, column in places]
