"""Whether given moves of chess are legal: cheaper than listing all, since only the squares that matter are looked at.

A move is legal if its piece can step that way over empty squares, and no enemy attacks the king afterwards. Tables over
pairs of squares answer the first, rays from the king the second. Castling and en passant, which touch more squares and
are rare, are decided by the move generator.
"""

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, bit_index
from .chess_bits import RANKS, flip
from .chess_board import Boards
from .chess_targets import N_WAYS, PROMOTE, Relative, origins, rays_down, rays_up, relative, targets

_ONE = np.uint64(1)
_CHUNK = 8192  # positions looked at together; their arrays stay in the cache
_LAST = RANKS[0] | RANKS[7]
_STRAIGHT, _DIAGONAL, _JUMP, _STEP, _CASTLE = (np.uint8(1 << bit) for bit in range(5))
_PUSH, _TAKE = np.uint8(1), np.uint8(2)


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], U64]:
    """How one square is seen from another, index 64 from + to: pieces' steps, white pawns' steps, squares between."""
    square = np.arange(64)
    steps, pawns, between = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint64)
    right = square % 8 - square[:, None] % 8
    up = square // 8 - square[:, None] // 8
    far = np.maximum(np.abs(right), np.abs(up))
    steps[((right == 0) ^ (up == 0))] |= _STRAIGHT
    steps[(np.abs(right) == np.abs(up)) & (up != 0)] |= _DIAGONAL
    steps[(np.abs(right * up) == 2)] |= _JUMP
    steps[far == 1] |= _STEP
    for king in (chess.E1, chess.E8):
        steps[king, [king - 2, king + 2]] |= _CASTLE
    pawns[(right == 0) & (up == 1)] |= _PUSH
    pawns[chess.A2 : chess.H2 + 1][(right == 0)[8:16] & (up == 2)[8:16]] |= _PUSH
    pawns[(np.abs(right) == 1) & (up == 1)] |= _TAKE
    lined = (steps & (_STRAIGHT | _DIAGONAL)) != 0
    for start, end in np.argwhere(lined & (far > 1)).tolist():
        one = np.sign(end % 8 - start % 8) + 8 * np.sign(end // 8 - start // 8)
        between[start, end] = sum(1 << s for s in range(start + one, end, one))
    return steps.ravel(), pawns.ravel(), between.ravel()


STEPS, PAWN_STEPS, BETWEEN = _tables()
_JUMPS_TO, _STEPS_TO = (
    np.array([sum(1 << int(t) for t in np.flatnonzero(row & kind)) for row in STEPS.reshape(64, 64)], np.uint64)
    for kind in (_JUMP, _STEP)
)
_PAWNS_ON = np.array(  # white pawns that attack a square
    [sum(1 << int(s) for s in np.flatnonzero(column & _TAKE)) for column in PAWN_STEPS.reshape(64, 64).T], np.uint64
)


def is_legal(boards: Boards, origin: U64, target: U64, promotion: U64) -> NDArray[np.bool_]:
    """Whether one move a position, given as single bits, is legal; bool [n]. No move (0) is not.

    Args:
        boards: flat positions [n].
        origin: uint64 [n].
        target: uint64 [n].
        promotion: uint64 [n], `chess.KNIGHT` to `chess.QUEEN`, 0 if none.
    """
    legal, rare = np.empty((2, len(boards)), np.bool_)
    for start in range(0, len(boards), _CHUNK):
        part = slice(start, start + _CHUNK)
        legal[part], rare[part] = _is_legal(boards[part], origin[part], target[part], promotion[part])
    rows = np.flatnonzero(rare)
    if rows.size:
        legal[rows] = is_among_all(boards[rows], origin[rows], target[rows], promotion[rows])
    return legal


def _is_legal(boards: Boards, origin: U64, target: U64, promotion: U64) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the moves are legal, and which of them are not decided here: castling and en passant."""
    own, enemy, black = boards.own, boards.enemy, ~boards.turn
    pair = np.maximum((bit_index(origin) << 6) | bit_index(target), 0)
    steps, occupied = STEPS[pair], own | enemy
    pawn, king = (boards.pawns & origin) != 0, (boards.kings & origin) != 0
    kinds = ((boards.rooks | boards.queens) & origin) != 0, ((boards.bishops | boards.queens) & origin) != 0
    able = kinds[0] * _STRAIGHT | kinds[1] * _DIAGONAL | ((boards.knights & origin) != 0) * _JUMP | king * _STEP
    takes = (enemy & target) != 0
    # The ranks of a pair of squares, turned about, are those that Black's pawns see.
    pawn_steps = PAWN_STEPS[pair ^ (black * np.int64(0o7070))] & np.where(takes, _TAKE, _PUSH)
    reached = np.where(pawn, pawn_steps, steps & able) != 0
    reached &= (BETWEEN[pair] & occupied) == 0
    there = ((own & origin) != 0) & ((own & target) == 0)
    there &= (pawn & ((target & _LAST) != 0)) == (promotion != 0)
    legal = there & reached & _king_is_safe(boards, own, enemy, occupied, origin, target, king)
    rare = king & ((steps & _CASTLE) != 0) | pawn & (target == boards.ep)
    return legal, there & rare


def _king_is_safe(
    boards: Boards, own: U64, enemy: U64, occupied: U64, origin: U64, target: U64, moves: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether no enemy attacks the king once a piece (the king itself, where `moves`) went from origin to target."""
    king = np.where(moves, target, boards.kings & own)
    square = bit_index(king)
    empty, left = ~((occupied & ~origin) | target), enemy & ~target
    seen = rays_up(king, empty) | rays_down(king, empty)
    attack = (seen[0] | seen[2]) & (boards.rooks | boards.queens)
    attack |= (seen[1] | seen[3]) & (boards.bishops | boards.queens)
    attack |= _JUMPS_TO[square] & boards.knights | _STEPS_TO[square] & boards.kings
    # Black pawns attack as white ones do on the board turned over.
    pawns = _PAWNS_ON[np.where(boards.turn, square ^ 56, square)]
    attack |= flip(pawns, boards.turn) & boards.pawns
    return (attack & left) == 0


def is_among_all(boards: Boards, origin: U64, target: U64, promotion: U64) -> NDArray[np.bool_]:
    """As `is_legal`, by way of all legal moves of every position."""
    black = ~boards.turn
    side = relative(boards)
    from_, to = flip(origin, black), flip(target, black)
    hits = targets(side) & to
    hits[:PROMOTE] *= promotion == 0
    hits[PROMOTE:] *= promotion != 0
    return _by_square(hits, from_, to, side)


def _by_square(hits: U64, origin: U64, target: U64, side: Relative) -> NDArray[np.bool_]:
    """Whether any of the ways that reach the target starts from the origin."""
    legal = np.zeros(len(origin), np.bool_)
    for way in range(N_WAYS):
        rows = np.flatnonzero(hits[way])
        if rows.size:
            legal[rows] |= origins(way, target[rows], side, rows) == origin[rows]
    return legal
