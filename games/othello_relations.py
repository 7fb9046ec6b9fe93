"""Relations between discs on batches of bitboards: lines, neighbours, filled lines, stable discs.

Boards are uint64 arrays [n] on the grid of othello_board.py. `<<` by 1, 7, 8, 9 goes east, south-west, south,
south-east, and `>>` the opposite way.
"""

from functools import cache

import numpy as np

from .bitboards import U64
from .othello_board import Geometry

STEPS = (1, 7, 8, 9)
# Direction seen from the empty end of a line that a flood by each step reaches: `<<` first, then `>>`.
LINE_DIRECTIONS = (
    ("west", "north-east", "north", "north-west"),
    ("east", "south-west", "south", "south-east"),
)  # fmt: skip
INNER_FILES = np.uint64(0x7E7E7E7E7E7E7E7E)
_NOT_FIRST_FILE, _NOT_LAST_FILE = np.uint64(0xFEFEFEFEFEFEFEFE), np.uint64(0x7F7F7F7F7F7F7F7F)
_ONE, _EIGHT = np.uint64(1), np.uint64(8)


def lines(own: U64, opp: U64, empty: U64, out: dict[str, U64]) -> U64:
    """Empty squares from which a run of `opp` discs, closed by an `own` disc, goes in each direction.

    Args:
        own: discs of the player who would move, [..., n].
        opp: discs of the other one, [..., n].
        empty: empty squares of the board, [n].
        out: filled: boards [..., n] for each direction, as seen from the empty square.

    Returns:
        The union over directions: the legal moves.
    """
    moves = np.zeros_like(own)
    for i, step in enumerate(STEPS):
        one, two = np.uint64(step), np.uint64(2 * step)
        run = opp if step == 8 else opp & INNER_FILES
        pairs = run << one
        pairs &= run
        reach, buffer = own << one, np.empty_like(own)
        reach &= run
        reach |= np.bitwise_and(run, np.left_shift(reach, one, out=buffer), out=buffer)
        reach |= np.bitwise_and(pairs, np.left_shift(reach, two, out=buffer), out=buffer)
        reach |= np.bitwise_and(pairs, np.left_shift(reach, two, out=buffer), out=buffer)
        found = out[LINE_DIRECTIONS[0][i]]
        np.bitwise_and(np.left_shift(reach, one, out=buffer), empty, out=found)
        moves |= found
        np.right_shift(pairs, one, out=pairs)  # now run & (run >> step)
        np.right_shift(own, one, out=reach)
        reach &= run
        reach |= np.bitwise_and(run, np.right_shift(reach, one, out=buffer), out=buffer)
        reach |= np.bitwise_and(pairs, np.right_shift(reach, two, out=buffer), out=buffer)
        reach |= np.bitwise_and(pairs, np.right_shift(reach, two, out=buffer), out=buffer)
        found = out[LINE_DIRECTIONS[1][i]]
        np.bitwise_and(np.right_shift(reach, one, out=buffer), empty, out=found)
        moves |= found
    return moves


def shifted(boards: U64, direction: str) -> U64:
    """Every disc moved one square in a direction; those that leave the grid to the east or west wrap around."""
    # A line to the west is found by going east, so a step to the west is the right shift.
    if direction in LINE_DIRECTIONS[0]:
        return boards >> np.uint64(STEPS[LINE_DIRECTIONS[0].index(direction)])
    return boards << np.uint64(STEPS[LINE_DIRECTIONS[1].index(direction)])


def towards(boards: U64, direction: str) -> U64:
    """Every disc moved one square in a direction; those that leave the 8 x 8 grid are dropped."""
    moved = shifted(boards, direction)
    if "east" in direction:
        moved &= _NOT_FIRST_FILE
    if "west" in direction:
        moved &= _NOT_LAST_FILE
    return moved


_OPPOSITE = {a: b for pair in zip(*LINE_DIRECTIONS, strict=True) for a, b in (pair, pair[::-1])}


def length_lines(own: U64, opp: U64, empty: U64, longest: int, out: dict[str, U64]) -> None:
    """Fill `out["length <n> <direction>"]`: empty squares from which a line turns over exactly n discs."""
    for direction, back in _OPPOSITE.items():
        closed = own
        for length in range(1, longest + 1):
            closed = opp & towards(closed, back)
            out[f"length {length} {direction}"][...] = empty & towards(closed, back)


def around(boards: U64) -> U64:
    """The discs and the up to eight squares around each, on the 8 x 8 grid."""
    wide = (boards << _ONE) & _NOT_FIRST_FILE
    wide |= (boards >> _ONE) & _NOT_LAST_FILE
    wide |= boards
    high = wide << _EIGHT
    high |= wide >> _EIGHT
    high |= wide
    return high


@cache
def _ends(step: int, reach: int) -> tuple[np.uint64, np.uint64]:
    """Squares of the 8 x 8 grid from which `reach` steps by `>> step` (`<< step`) lead off it."""
    dr, dc = {1: (0, 1), 7: (1, -1), 8: (1, 0), 9: (1, 1)}[step]
    off = [0, 0]
    for square in range(64):
        row, column = divmod(square, 8)
        for side, sign in enumerate((1, -1)):
            inside = 0 <= row + sign * reach * dr < 8 and 0 <= column + sign * reach * dc < 8
            off[side] |= (not inside) << square
    return np.uint64(off[0]), np.uint64(off[1])


def filled_lines(occupied: U64, geometry: Geometry) -> list[U64]:
    """For the four lines (as in `STEPS`) through each square: the squares whose whole line is occupied."""
    filled = occupied | ~geometry.mask
    found: list[U64] = []
    for step in STEPS:
        # Doubling: a square is kept while it and 1, 3, 7 more squares towards one end are filled; then the other end.
        there, back = filled, filled
        for reach in (1, 2, 4):
            shift = np.uint64(step * reach)
            off_there, off_back = _ends(step, reach)
            there = there & ((there >> shift) | off_there)
            back = back & ((back << shift) | off_back)
        found.append(there & back)
    return found


@cache
def _borders(geometry: Geometry) -> tuple[np.uint64, ...]:
    """For the four lines: squares with a neighbour on the line that is off the board."""
    found: list[np.uint64] = []
    for step in STEPS:
        dr, dc = {1: (0, 1), 7: (1, -1), 8: (1, 0), 9: (1, 1)}[step]
        border = 0
        for square, bit in enumerate(geometry.bits):
            row, column = divmod(square, geometry.size)
            for sign in (1, -1):
                if not (0 <= row + sign * dr < geometry.size and 0 <= column + sign * dc < geometry.size):
                    border |= 1 << int(bit)
        found.append(np.uint64(border))
    return tuple(found)


def stable(own: U64, opp: U64, geometry: Geometry) -> tuple[U64, U64]:
    """Stable discs of each player.

    They are the smallest set that contains a disc if, along each of the four lines through it, the whole line is
    filled, or a neighbour on the line is off the board or a disc of the same player in the set.
    """
    n = own.size
    borders = _borders(geometry)
    safe: list[U64] = [line | border for line, border in zip(filled_lines(own | opp, geometry), borders, strict=True)]
    everywhere = safe[0] & safe[1] & safe[2] & safe[3]
    result = np.concatenate([own & everywhere, opp & everywhere])
    # Only boards with such a disc can have more, and only while the last rounds have found something new.
    active = np.flatnonzero(result)
    current = result.take(active)
    discs = np.concatenate([own, opp]).take(active)
    safe = [line.take(active % n) for line in safe]
    while active.size:
        found = current
        for _ in range(2):
            found = _grown(found, discs, safe)
        changed = np.flatnonzero(found != current)
        active, current, discs = active.take(changed), found.take(changed), discs.take(changed)
        safe = [line.take(changed) for line in safe]
        result[active] = current
    return result[:n], result[n:]


def _grown(current: U64, discs: U64, safe: list[U64]) -> U64:
    """One round: the discs that rest on the border, on filled lines, and on the stable discs found so far."""
    grown, buffer, beside = discs.copy(), np.empty_like(discs), np.empty_like(discs)
    for step, line in zip(STEPS, safe, strict=True):
        # A shift that wraps around an edge lands on the border, where `line` holds already.
        np.left_shift(current, np.uint64(step), out=beside)
        beside |= np.right_shift(current, np.uint64(step), out=buffer)
        beside |= line
        grown &= beside
    return grown
