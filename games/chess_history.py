"""What the moves so far say: the last move, castling, repetition, draw claims, how far the game is."""

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_board import Boards
from .chess_moves import apply, legal_count, legal_moves
from .chess_structure import Bools, Values, count, several, some
from .chess_view import View

_LIGHT = np.uint64(0x55AA55AA55AA55AA)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TURN_BIT = np.uint64(1 << 40)  # e6, never a castling rook


def history(view: View) -> Values:
    """Every count [n] and every group of flags, by key; "move number" is the number of moves made."""
    return _state(view) | _last(view) | _draws(view) | {"move number": view.ply}


def _state(view: View) -> Values:
    b, checkers = view.boards, view.relative.checkers
    in_check, white = some(checkers), b.turn
    checkers = view.checkers
    king = some(view.before.kings & view.origin_bit)
    castled = king & (np.abs(view.target - view.origin) == 2)
    rook = np.where(view.target > view.origin, view.target_bit >> np.uint64(1), view.target_bit << np.uint64(1))
    made_move = view.target_bit | rook * castled
    kinds = [b.pawns, b.knights, b.bishops, b.rooks, b.queens]
    h1, a1, h8, a8 = (some(b.castling & np.uint64(1 << square)) for square in (chess.H1, chess.A1, chess.H8, chess.A8))
    short = castled & (view.target > view.origin)
    sides = ((short & ~white), (castled & ~short & ~white), (short & white), (castled & ~short & white))
    return {
        "turn": (white, ~white),
        "check": (
            in_check,
            in_check & white,
            in_check & ~white,
            several(checkers),
            some(checkers & ~made_move) & view.moved,
            *(some(checkers & kind) for kind in kinds),
        ),
        "rights": (h1, a1, h8, a8, h1 | a1, h8 | a8),
        "castled": [np.logical_or.accumulate(view.by_ply(flag), axis=0).ravel() for flag in sides],
    }


def _last(view: View) -> Values:
    before, origin, target = view.before, view.origin_bit, view.target_bit
    pieces = [before.kind(kind) for kind in range(chess.PAWN, chess.KING + 1)]
    movers = [some(kind & origin) for kind in pieces]
    passant = movers[0] & some(target & before.ep)
    taken = [some(kind & target) for kind in pieces[:5]]
    taken[0] |= passant
    captured = np.logical_or.reduce(taken)
    castled = movers[5] & (np.abs(view.target - view.origin) == 2)
    short = view.target > view.origin
    from_, to, took = view.by_ply(view.origin), view.by_ply(view.target), view.by_ply(captured)
    recaptured, again, back = (np.zeros(view.shape, np.bool_) for _ in range(3))
    recaptured[1:] = took[1:] & took[:-1] & (to[1:] == to[:-1])
    again[2:] = (from_[2:] == to[:-2]) & (from_[2:] >= 0)
    back[2:] = again[2:] & (to[2:] == from_[:-2])
    return {
        "last piece": movers,
        "last capture": (captured, *taken, passant),
        "last kind": (
            view.promotion > 0,
            *(view.promotion == kind for kind in range(chess.KNIGHT, chess.KING)),
            castled,
            castled & short,
            castled & ~short,
            movers[0] & (np.abs(view.target - view.origin) == 16),
        ),
        "last two": (recaptured.ravel(), again.ravel(), back.ravel()),
    }


def _draws(view: View) -> Values:
    b = view.boards
    helpless = [_cannot_mate(b, white) for white in (True, False)]
    earlier, claims = repetitions(view)
    fifty = fifty_moves(b)
    return {
        "clock": b.halfmove,
        "draws": (helpless[0] & helpless[1], *helpless, earlier > 0, earlier > 1, claims, claims | fifty),
        "fifty": (fifty,),
    }


def _cannot_mate(b: Boards, white: bool) -> Bools:
    """The rule of python-chess's `has_insufficient_material`."""
    own, other = b.colour(white), b.colour(not white)
    able = some(own & (b.pawns | b.rooks | b.queens))
    knights, bishops = some(own & b.knights), some(own & b.bishops)
    lone_knight = (count(own) <= 2) & ~some(other & ~(b.kings | b.queens))
    one_colour = ~some(b.bishops & _LIGHT) | ~some(b.bishops & ~_LIGHT)
    only_bishops = one_colour & ~some(b.pawns | b.knights)
    return ~able & np.where(knights, lone_knight, ~bishops | only_bishops)


def _key(b: Boards, passant: U64) -> tuple[U64, ...]:
    """What makes two positions the same."""
    return (
        b.white, b.black, b.pawns, b.knights, b.bishops, b.rooks, b.queens, b.kings, passant,
        b.castling | b.turn * _TURN_BIT,
    )  # fmt: skip


def _hash(key: tuple[U64, ...]) -> U64:
    mixed = np.zeros_like(key[0])
    for part in key:
        mixed = (mixed ^ part) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _same(a: tuple[U64, ...], i: NDArray[np.int64], b: tuple[U64, ...], j: NDArray[np.int64]) -> Bools:
    """Whether position i of one key is position j of another, for arrays of indices."""
    equal = np.ones(len(i), np.bool_)
    for left, right in zip(a, b, strict=True):
        equal &= left[i] == right[j]
    return equal


def repetitions(view: View) -> tuple[NDArray[np.int16], Bools]:
    """How often each position occurred earlier in its game, int16 [n], and claims of threefold repetition, bool [n].

    A repetition may be claimed if the position occurred twice before, or if a legal move leads to one that occurred
    twice. Hashes only choose whom to compare; positions count as the same if all their parts are.
    """
    key = _key(view.boards, view.legal_passant)
    plies, games = view.shape
    hashes = view.by_ply(_hash(key))
    alive = view.by_ply(view.ply) == np.arange(plies)[:, None]  # after the end of a game its last position repeats
    earlier = np.zeros((plies, games), np.int16)
    for lag in range(4, plies, 2):
        later = np.flatnonzero((hashes[lag:] == hashes[:-lag]) & alive[lag:])
        if later.size:
            later = later[_same(key, later + lag * games, key, later)]
            earlier[lag:].reshape(-1)[later] += 1
    claims = (earlier > 1).ravel()
    rows = np.flatnonzero(_near_third(earlier > 0, alive, view.by_ply(view.boards.halfmove)))
    if rows.size:
        claims[rows] |= _third_by_move(view, key, earlier > 0, rows)
    return earlier.ravel(), claims


def _near_third(again: Bools, alive: Bools, halfmove: NDArray[np.int16]) -> Bools:
    """Positions since whose last capture or pawn move some position with the other side to move occurred twice."""
    plies = len(again)
    last = np.where(again, np.arange(plies, dtype=np.int16)[:, None], np.int16(-1))
    for parity in (0, 1):
        last[parity::2] = np.maximum.accumulate(last[parity::2], axis=0)
    found = np.zeros_like(again)
    found[1:] = alive[1:] & (last[:-1] >= 0) & (np.arange(1, plies)[:, None] - last[:-1] <= halfmove[1:])
    return found


def _third_by_move(view: View, key: tuple[U64, ...], again: Bools, rows: NDArray[np.int64]) -> Bools:
    """Whether a legal move leads to a position that occurred twice, for some positions."""
    games = view.shape[1]
    boards = view.boards[rows]
    moves = legal_moves(boards)
    after = apply(boards[moves.board], moves.origin, moves.target, moves.promotion)
    quiet = np.flatnonzero(after.halfmove > 0)
    after, board = after[quiet], moves.board[quiet]
    new = _key(after, np.zeros_like(after.ep))  # a quiet move leaves nothing to take en passant
    hashes, old = _hash(new), _hash(key)
    found = np.zeros(len(rows), np.bool_)
    repeated = again.ravel()
    window = int(view.boards.halfmove[rows].max())
    for lag in range(1, window + 1, 2):
        earlier = rows[board] - lag * games
        fits = np.flatnonzero(earlier >= 0)
        fits = fits[repeated[earlier[fits]]]
        fits = fits[old[earlier[fits]] == hashes[fits]]
        fits = fits[_same(new, fits, key, earlier[fits])]
        found[board[fits]] = True
    return found


def fifty_moves(boards: Boards) -> Bools:
    """Whether the fifty-move rule allows a claim at once or by a legal move, bool [n]."""
    found = np.zeros(len(boards), np.bool_)
    rows = np.flatnonzero(boards.halfmove >= 99)
    if not rows.size:
        return found
    now = boards[rows]
    claims = (now.halfmove >= 100) & (legal_count(now) > 0)
    moves = legal_moves(now)
    after = apply(now[moves.board], moves.origin, moves.target, moves.promotion)
    quiet = (after.halfmove >= 100) & (legal_count(after) > 0)
    claims[moves.board[quiet]] = True
    found[rows] = claims
    return found
