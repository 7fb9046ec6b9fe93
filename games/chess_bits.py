"""Steps, rays and attack sets on 64-bit boards, for arrays of positions.

Squares as in python-chess, one bit each; north is towards rank 8:

     a8 = bit 56 .. h8 = 63
     a1 = bit 0  .. h1 = 7

Every function takes sets of squares and returns the union over their members, in arrays of any one shape. Rays are
filled by doubling (Kogge-Stone): three steps reach all seven squares.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64

BB_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
FILES = tuple(np.uint64(0x0101010101010101 << i) for i in range(8))
RANKS = tuple(np.uint64(0xFF << (8 * i)) for i in range(8))
SQUARES = tuple(f"{file}{rank}" for rank in range(1, 9) for file in "abcdefgh")
DIRECTIONS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
OPPOSITE = {d: DIRECTIONS[(i + 4) % 8] for i, d in enumerate(DIRECTIONS)}

_NOT_A, _NOT_H = BB_ALL ^ FILES[0], BB_ALL ^ FILES[7]
_NOT_AB, _NOT_GH = _NOT_A ^ FILES[1], _NOT_H ^ FILES[6]
# Bits to shift by (left if positive) and squares on which a step may arrive.
_STEPS = {
    "north": (8, BB_ALL),
    "north-east": (9, _NOT_A),
    "east": (1, _NOT_A),
    "south-east": (-7, _NOT_A),
    "south": (-8, BB_ALL),
    "south-west": (-9, _NOT_H),
    "west": (-1, _NOT_H),
    "north-west": (7, _NOT_H),
}
_JUMPS = (
    (17, _NOT_A),
    (15, _NOT_H),
    (10, _NOT_AB),
    (6, _NOT_GH),
    (-17, _NOT_H),
    (-15, _NOT_A),
    (-10, _NOT_GH),
    (-6, _NOT_AB),
)


def _shift(b: U64, by: int, arrive: np.uint64) -> U64:
    return ((b << np.uint64(by)) if by > 0 else (b >> np.uint64(-by))) & arrive


def step(b: U64, direction: str) -> U64:
    """One square in a direction; what leaves the board is lost."""
    return _shift(b, *_STEPS[direction])


def ray(b: U64, empty: U64, direction: str) -> U64:
    """Squares seen along a direction from every member of `b`: through empty squares up to the first other one."""
    by, arrive = _STEPS[direction]
    through = empty & arrive
    reach = b | (through & _shift(b, by, BB_ALL))
    through = through & _shift(through, by, BB_ALL)
    reach |= through & _shift(reach, 2 * by, BB_ALL)
    through &= _shift(through, 2 * by, BB_ALL)
    reach |= through & _shift(reach, 4 * by, BB_ALL)
    return _shift(reach, by, arrive)


def knight_attacks(b: U64) -> U64:
    """Squares a knight's move away."""
    attacks = _shift(b, *_JUMPS[0])
    for by, arrive in _JUMPS[1:]:
        attacks |= _shift(b, by, arrive)
    return attacks


def king_attacks(b: U64) -> U64:
    """The up to eight neighbours of every member."""
    sides = ((b << np.uint64(1)) & _NOT_A) | ((b >> np.uint64(1)) & _NOT_H)
    rank = b | sides
    return sides | (rank << np.uint64(8)) | (rank >> np.uint64(8))


def pawn_attacks(b: U64, white: bool | NDArray[np.bool_]) -> U64:
    """Squares that pawns of a colour attack; `white` is one truth, or one a board."""
    if isinstance(white, np.ndarray):
        return np.where(white, pawn_attacks(b, True), pawn_attacks(b, False))
    return step(b, "north-east") | step(b, "north-west") if white else step(b, "south-east") | step(b, "south-west")


def _union(b: U64, empty: U64, directions: Sequence[str]) -> U64:
    attacks = ray(b, empty, directions[0])
    for direction in directions[1:]:
        attacks |= ray(b, empty, direction)
    return attacks


def rook_attacks(b: U64, empty: U64) -> U64:
    """Squares that rooks on `b` attack, the first piece met included."""
    return _union(b, empty, DIRECTIONS[::2])


def bishop_attacks(b: U64, empty: U64) -> U64:
    """Squares that bishops on `b` attack, the first piece met included."""
    return _union(b, empty, DIRECTIONS[1::2])


def flip(b: U64, where: NDArray[np.bool_] | None = None) -> U64:
    """The board mirrored top to bottom (rank 1 becomes rank 8), only `where` it holds if that is given."""
    turned = b.byteswap()
    return turned if where is None else b ^ ((b ^ turned) * where)
