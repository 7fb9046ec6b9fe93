"""Moves that give check or mate, found without playing all the others."""

import numpy as np
from numpy.typing import NDArray

from .chess_bits import bishop_attacks, knight_attacks, rook_attacks
from .chess_board import Boards, checkers
from .chess_moves import Moves, apply, legal_count, legal_moves

_ONE = np.uint64(1)


def checking_moves(boards: Boards) -> tuple[Moves, Boards]:
    """Legal moves of flat positions that give check, and the positions after them.

    Args:
        boards: [n].

    Returns:
        The moves, [m], sorted by position, and the positions [m] after them.
    """
    moves = legal_moves(boards)
    king = boards.kings & boards.enemy
    lines = rook_attacks(king, boards.empty) | bishop_attacks(king, boards.empty)
    # Only these can: a move to a square that sees the king, one off a line to it, promotions, en passant, castling.
    reach = lines | knight_attacks(king) | boards.ep
    leave = boards.own & (lines | np.where(boards.castling & boards.own, boards.kings, 0))
    possible = (moves.promotion > 0) | _has(reach[moves.board], moves.target) | _has(leave[moves.board], moves.origin)
    moves = moves[possible]
    after = apply(boards[moves.board], moves.origin, moves.target, moves.promotion)
    check = checkers(after) != 0
    return moves[check], after[check]


def _has(b: NDArray[np.uint64], square: NDArray[np.int8]) -> NDArray[np.bool_]:
    return (b >> square.astype(np.uint64)) & _ONE != 0


def can_check(boards: Boards) -> NDArray[np.bool_]:
    """Whether a legal move gives check, bool [n] of flat positions."""
    found = np.zeros(len(boards), np.bool_)
    found[checking_moves(boards)[0].board] = True
    return found


def mate_in_one(boards: Boards) -> NDArray[np.bool_]:
    """Whether a legal move gives mate, bool [n] of flat positions."""
    moves, after = checking_moves(boards)
    found = np.zeros(len(boards), np.bool_)
    found[moves.board[legal_count(after) == 0]] = True
    return found
