"""What the side to move can do, and what it must fear: mobility, captures, ambiguous moves, checks, mates.

Everything but checks is read off the sets of legal targets. Checks and mates are played out, but only moves that may
give check: to a square from which the enemy king is seen, off a line on which a slider waits, promotions, en passant
and castling.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import flip, knight_attacks, pawn_attacks
from .chess_board import Boards, ep_capturable
from .chess_moves import PROMOTIONS, legal_count, null_move, play
from .chess_structure import Bools, Values, count, several, some
from .chess_targets import (
    CASTLE,
    DOUBLE,
    JUMP,
    N_WAYS,
    PASSANT_EAST,
    PASSANT_WEST,
    PROMOTE,
    PUSH,
    SLIDE,
    TAKE_EAST,
    TAKE_WEST,
    Relative,
    origins,
    rays_down,
    rays_up,
    relative,
    targets,
    weights,
)
from .chess_view import View

_ZERO, _ONE = np.uint64(0), np.uint64(1)


@dataclass(frozen=True)
class Checking:
    """Legal moves that give check.

    Attributes:
        board: int64 [m], which position.
        origin: uint64 [m], single bit.
        target: uint64 [m], single bit.
        castles: bool [m].
        after: the positions [m] after them.
        checkers: uint64 [m], pieces that give the check.
    """

    board: NDArray[np.int64]
    origin: U64
    target: U64
    castles: Bools
    after: Boards
    checkers: U64


def threats(view: View) -> Values:
    """Every count [n] and every group of flags, by key."""
    checking = checking_moves(view.boards, view.relative, view.ways)
    return _moves(view) | _checks(view, checking) | _mates(view, checking)


def _moves(view: View) -> Values:
    b, side, ways = view.boards, view.relative, view.ways
    mobility = weights(ways).sum(axis=0, dtype=np.uint8)
    passant = ways[PASSANT_EAST] | ways[PASSANT_WEST]
    captures = weights(ways & side.them).sum(axis=0, dtype=np.uint8)
    captures += count(ways[PASSANT_EAST]) + count(ways[PASSANT_WEST])
    pieces = [b.kind(kind) for kind in range(chess.PAWN, chess.KING + 1)]
    origins_, taken = view.legal_origins, view.legal_targets & b.enemy
    promote = some(np.bitwise_or.reduce(ways[PROMOTE:], axis=0))
    short, long = some(ways[CASTLE] & np.uint64(0x40)), some(ways[CASTLE] & np.uint64(0x04))
    passes = some(passant)
    white, black = b.turn, ~b.turn
    ambiguous = _ambiguous(side, ways)
    return {
        "castle now": (short & white, long & white, short & black, long & black),
        "en passant": (passes, passes & white, passes & black, some(ep_capturable(b)) & ~passes),
        "mobility": mobility,
        "movers": (mobility == 1, *(some(origins_ & kind) for kind in pieces), promote),
        "captures": captures,
        "captures of": (some(taken & b.pawns) | passes, *(some(taken & kind) for kind in pieces[1:5])),
        "ambiguous": (np.logical_or.reduce(ambiguous), *ambiguous),
    }


def _ambiguous(side: Relative, ways: U64) -> list[Bools]:
    """Whether two knights, bishops, rooks or queens can go to one square."""
    allowed, free = side.evasions & ~side.us, side.us & ~np.bitwise_or.reduce(side.pinned, axis=0)
    found = [_repeated(list(ways[JUMP:SLIDE]))]
    straight, diagonal = side.straight & ~side.diagonal, side.diagonal & ~side.straight
    movers = np.stack([straight, diagonal, straight, diagonal]) & (side.pinned | free)
    seen = (rays_up(movers, side.empty) & allowed, rays_down(movers, side.empty) & allowed)
    found += [_repeated([rows[row] for rows in seen for row in pair]) for pair in ((1, 3), (0, 2))]
    queens = side.straight & side.diagonal
    two = np.flatnonzero(several(queens & side.us))
    ambiguous = np.zeros(len(queens), np.bool_)
    if two.size:
        movers = queens[two] & (side.pinned[:, two] | free[two])
        lines = [*rays_up(movers, side.empty[two]), *rays_down(movers, side.empty[two])]
        ambiguous[two] = _repeated([line & allowed[two] for line in lines])
    return [*found, ambiguous]


def _repeated(sets: Sequence[U64]) -> Bools:
    """Whether some square is in two of the sets."""
    once, twice = sets[0], np.zeros_like(sets[0])
    for squares in sets[1:]:
        twice = twice | (once & squares)
        once = once | squares
    return some(twice)


def checking_moves(boards: Boards, side: Relative, ways: U64) -> Checking:
    """Legal moves of flat positions that give check.

    Args:
        boards: [n].
        side: the same positions turned.
        ways: uint64 [27, n], their legal targets.
    """
    moves = _listed(*_possible(side, ways), side, ways, boards.turn)
    after = play(boards[moves.board], moves.origin, moves.target, moves.promotion)
    checkers = _checkers(after)
    gives = np.flatnonzero(checkers)
    return Checking(
        moves.board[gives],
        moves.origin[gives],
        moves.target[gives],
        moves.castles[gives],
        after[gives],
        checkers[gives],
    )


def _possible(side: Relative, ways: U64) -> tuple[U64, U64]:
    """Targets of moves that may give check, uint64 [27, n], and the pieces whose moves uncover one, [n]."""
    us, empty = side.us, side.empty
    king = side.kings & side.them
    up, down = rays_up(king, empty), rays_down(king, empty)
    straight, diagonal = up[0] | down[0] | up[2] | down[2], up[1] | down[1] | up[3] | down[3]
    sliders = np.stack([side.straight & us, side.diagonal & us] * 2)
    up &= us
    down &= us
    up *= (rays_up(up, empty) & sliders) != 0
    down *= (rays_down(down, empty) & sliders) != 0
    uncovering = np.bitwise_or.reduce(up | down, axis=0)
    queen = some(us & side.straight & side.diagonal)
    wanted = np.zeros_like(ways)
    wanted[JUMP:SLIDE] = knight_attacks(king)
    for first, own, other in ((0, straight, diagonal), (1, diagonal, straight)):
        wanted[SLIDE + first : PUSH : 2] = own | other * queen
    wanted[[PUSH, DOUBLE, TAKE_EAST, TAKE_WEST]] = pawn_attacks(king, False)
    for way in (PASSANT_EAST, PASSANT_WEST, CASTLE, *range(PROMOTE, N_WAYS)):
        wanted[way] = ~_ZERO
    wanted &= ways
    return wanted, uncovering


@dataclass(frozen=True)
class _List:
    """Moves as bits of the board as it is: position [m], origin, target, promotion and castling."""

    board: NDArray[np.int64]
    origin: U64
    target: U64
    promotion: U64
    castles: Bools


def _listed(direct: U64, uncovering: U64, side: Relative, ways: U64, turn: NDArray[np.bool_]) -> _List:
    """All moves to the targets in `direct` and all moves of the pieces in `uncovering`."""
    n = len(turn)
    found = direct.copy()
    uncovers = np.flatnonzero(uncovering)
    found[:, uncovers] = ways[:, uncovers]
    index, target = _single(found)
    way, board = np.divmod(index, max(n, 1))
    starts = np.searchsorted(way, np.arange(N_WAYS + 1))
    origin = np.empty(len(way), np.uint64)
    for w in range(N_WAYS):
        part = slice(starts[w], starts[w + 1])
        if part.stop > part.start:
            origin[part] = origins(w, target[part], side, board[part])
    keep = np.flatnonzero((target & direct.ravel()[index]) | (origin & uncovering[board]))
    way, board, origin, target = way[keep], board[keep], origin[keep], target[keep]
    times = np.where(way >= PROMOTE, len(PROMOTIONS), 1)
    ordinary = int(np.searchsorted(way, PROMOTE))
    promotion = np.zeros(int(times.sum()), np.uint64)
    promotion[ordinary:] = np.tile(np.array(PROMOTIONS, np.uint64), len(way) - ordinary)
    board = np.repeat(board, times)
    black = ~turn[board]
    return _List(
        board,
        flip(np.repeat(origin, times), black),
        flip(np.repeat(target, times), black),
        promotion,
        np.repeat(way == CASTLE, times),
    )


def _single(sets: U64) -> tuple[NDArray[np.int64], U64]:
    """Every member of every set: flat index of the set, ascending, and the member as a single bit."""
    flat = sets.ravel()
    index = np.flatnonzero(flat)
    rest = flat[index]
    indices, bits = [index[:0]], [rest[:0]]
    while index.size:
        low = rest & (~rest + _ONE)
        indices.append(index)
        bits.append(low)
        rest = rest ^ low
        more = np.flatnonzero(rest)
        index, rest = index[more], rest[more]
    index = np.concatenate(indices)
    order = np.argsort(index, kind="stable")
    return index[order], np.concatenate(bits)[order]


def _checkers(boards: Boards) -> U64:
    """Pieces that give check to the side to move; as `chess_board.checkers`, one colour a position."""
    own, enemy, empty = boards.own, boards.enemy, boards.empty
    king = boards.kings & own
    seen = rays_up(king, empty) | rays_down(king, empty)
    found = (seen[0] | seen[2]) & (boards.rooks | boards.queens)
    found |= (seen[1] | seen[3]) & (boards.bishops | boards.queens)
    found |= knight_attacks(king) & boards.knights
    found |= pawn_attacks(king, boards.turn) & boards.pawns
    return found & enemy


def _checks(view: View, checking: Checking) -> Values:
    n, b = len(view), view.boards
    board = checking.board

    def where(rows: Bools) -> Bools:
        found = np.zeros(n, np.bool_)
        found[board[rows]] = True
        return found

    rook = np.where(checking.target > checking.origin, checking.target >> _ONE, checking.target << _ONE)
    moved = checking.target | rook * checking.castles
    captures = some(checking.target & b.occupied[board])
    captures |= some(checking.target & b.ep[board]) & some(checking.origin & b.pawns[board])
    kinds = (some(checking.origin & b.kind(kind)[board]) for kind in range(chess.PAWN, chess.KING + 1))
    return {
        "number of checks": np.bincount(board, minlength=n).astype(np.uint8),
        "checks": (
            where(np.ones(len(board), np.bool_)),
            *(where(kind) for kind in kinds),
            where(some(checking.checkers & ~moved)),
            where(several(checking.checkers)),
            where(captures),
        ),
    }


def _mates(view: View, checking: Checking) -> Values:
    n, b = len(view), view.boards
    stuck = ~some(np.bitwise_or.reduce(view.ways, axis=0))
    in_check = some(view.relative.checkers)
    in_one = _mating(checking, n)
    threat = np.zeros(n, np.bool_)
    quiet = np.flatnonzero(~in_check)
    passed = null_move(b[quiet])
    side = relative(passed)
    threat[quiet] = _mating(checking_moves(passed, side, targets(side)), len(quiet))
    return {"mate": (in_check & stuck, in_one, threat), "stalemate": (~in_check & stuck,)}


def _mating(checking: Checking, n: int) -> Bools:
    """Whether one of the checks is mate, bool [n]."""
    found = np.zeros(n, np.bool_)
    if len(checking.board):
        found[checking.board[legal_count(checking.after) == 0]] = True
    return found
