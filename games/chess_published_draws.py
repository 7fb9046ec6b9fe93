"""Draw claims as python-chess decides them, which is what the published function asks: they need the whole game.

A draw may be claimed if the position has occurred three times, or a legal move makes it so, or if a hundred plies have
passed without capture or pawn move, or a legal move makes it so; positions without a legal move do not count for the
hundred plies. Two positions are the same if pieces, side to move, castling rights and *legal* en passant captures are.
"""

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_board import Boards, ep_capturable
from .chess_moves import Moves, apply, legal_count, legal_moves
from .chess_play import Record
from .chess_targets import PASSANT_EAST, relative, targets

_ODD = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(2)  # b1, never a castling rook


def claimable_draws(record: Record) -> NDArray[np.bool_]:
    """Whether the side to move may claim a draw, bool [plies + 1, games]; False after the end of a game."""
    plies, games = record.boards.shape
    alive = np.arange(plies)[:, None] <= record.lengths
    found = _third_time(record.boards, alive)
    found.ravel()[_hundred(record.boards, alive)] = True
    return found.reshape(plies, games)


def _hundred(boards: Boards, alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Flat indices of positions where the fifty moves may be claimed."""
    rows = np.flatnonzero(alive & (boards.halfmove >= 99))
    now = boards.ravel()[rows]
    claimed = (now.halfmove >= 100) & (legal_count(now) > 0)
    moves, after = _quiet(now)
    claimed[moves.board[(after.halfmove >= 100) & (legal_count(after) > 0)]] = True
    return rows[claimed]


def _quiet(boards: Boards) -> tuple[Moves, Boards]:
    """Legal moves that are neither captures nor of a pawn, and the positions after them."""
    moves = legal_moves(boards)
    after = apply(boards[moves.board], moves.origin, moves.target, moves.promotion)
    quiet = after.halfmove > 0
    return moves[quiet], after[quiet]


def _third_time(boards: Boards, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Positions that have occurred three times or that a move turns into such a one, bool [plies, games]."""
    plies, games = boards.shape
    found = np.zeros((plies, games), np.bool_)
    flat, hashes = boards.ravel(), _hashes(_keys(boards.ravel()))
    rows = np.flatnonzero(alive)
    rows = rows[np.lexsort((rows, hashes[rows], rows % games))]  # by game, position, ply
    again = _same(hashes[rows]) & _same(rows % games)
    rows = rows[again | np.r_[again[1:], False]]
    if not rows.size:
        return found
    # Hashes only chose whom to compare: from here on whole positions are equal or not.
    position = _numbered(_keys(flat[rows]), rows % games)
    rows = rows[np.lexsort((rows, position))]
    position = np.sort(position)
    first = np.flatnonzero(~_same(position))
    times = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)])) + 1
    found.ravel()[rows[times >= 3]] = True
    second = rows[times == 2]

    # A move can bring a position back only if its second time lies in the present run of quiet moves, and the other
    # side was to move. Latest such ply, by the parity of the ply:
    latest = np.full((2, plies, games), -1)
    latest[second // games % 2, second // games, second % games] = second // games
    latest = np.maximum.accumulate(latest, axis=1)
    ply = np.arange(plies)
    other = latest[1 - ply % 2, ply]
    asked = np.flatnonzero(alive & ~found & (other >= 0) & (other >= ply[:, None] - boards.halfmove))
    moves, after = _quiet(flat[asked])
    after_keys = _keys(after)
    likely = np.isin(_hashes(after_keys), hashes[second])
    origin = asked[moves.board[likely]]
    keys = np.concatenate([_keys(flat[second]), after_keys[likely]])
    position = _numbered(keys, np.concatenate([second, origin]) % games)
    ply_of = np.full(position.max(initial=-1) + 1, plies)
    ply_of[position[: len(second)]] = second // games
    found.ravel()[origin[ply_of[position[len(second) :]] <= origin // games]] = True
    return found


def _same(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether each value equals the one before it."""
    return np.r_[False, values[1:] == values[:-1]]


def _keys(boards: Boards) -> U64:
    """What makes two positions the same, uint64 [n, 9]."""
    ep = boards.ep.copy()
    rows = np.flatnonzero(ep)
    asked = rows[ep_capturable(boards[rows]) != 0]
    legal = targets(relative(boards[asked]))[PASSANT_EAST : PASSANT_EAST + 2].any(axis=0)
    ep[rows] = 0
    ep[asked] = boards.ep[asked] * legal
    pieces = boards.arrays()[:7]  # six kinds and White: black follows
    return np.stack([*pieces, ep, boards.castling | (_TURN * boards.turn)], axis=-1)


def _hashes(keys: U64) -> U64:
    found = np.zeros(len(keys), np.uint64)
    for column in keys.T:
        found = (found ^ column) * _ODD
        found ^= found >> np.uint64(29)
    return found


def _numbered(keys: U64, game: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for every row, the same for the same position of the same game."""
    if not len(keys):
        return np.zeros(0, np.int64)
    whole = np.concatenate([keys, game.astype(np.uint64)[:, None]], axis=1)
    return np.unique(whole, axis=0, return_inverse=True)[1].reshape(-1)
