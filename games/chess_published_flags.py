"""How the published chess functions read one position: each takes flat positions [n] and gives bool [n, features].

The faults are the published ones and are named where they are made; chess_published.py says what they mean.
"""

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, popcount, unpack_squares
from .chess_bits import (
    FILES,
    RANKS,
    bishop_attacks,
    king_attacks,
    knight_attacks,
    pawn_attacks,
    ray,
    rook_attacks,
    step,
)
from .chess_board import Boards, attacked_by, checkers, ep_capturable, pinned
from .chess_moves import legal_count, legal_targets
from .chess_targets import (
    CASTLE,
    JUMP,
    JUMP_DOWN,
    JUMP_UP,
    JUMPS,
    KING,
    PASSANT_EAST,
    PROMOTE,
    PUSH,
    SLIDE,
    Relative,
    rays_down,
    rays_up,
    relative,
    targets,
)
from .chess_threats import Checking, checking_moves

Labels = NDArray[np.bool_]

KINDS = (chess.PAWN, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN, chess.KING)
BLANK = 6  # class of a blank square among the 13 of a piece
_VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def piece_codes(boards: Boards) -> NDArray[np.int8]:
    """Class of every square, int8 [n, 64]: 0 black king .. 5 black pawn, 6 blank, 7 white pawn .. 12 white king."""
    codes = np.full((*boards.shape, 64), BLANK, np.int8)
    for kind in KINDS:
        codes += unpack_squares(boards.pieces(kind, True)) * np.int8(kind)
        codes -= unpack_squares(boards.pieces(kind, False)) * np.int8(kind)
    return codes


START_CODES = piece_codes(Boards.start(1))[0]


def one_hot(codes: NDArray[np.int8], classes: int) -> Labels:
    """Codes [n, squares] to bool [n, squares * classes], square-major."""
    labels = np.zeros((len(codes), codes.shape[1] * classes), np.bool_)
    labels.ravel()[np.arange(codes.size) * classes + codes.ravel()] = True
    return labels


def masked(codes: NDArray[np.int8]) -> Labels:
    """One-hot pieces without the class of blanks."""
    labels = one_hot(codes, 13)
    labels[:, BLANK::13] = False
    return labels


def piece(boards: Boards) -> Labels:
    """Signed piece on every square."""
    return one_hot(piece_codes(boards), 13)


def piece_blank_masked(boards: Boards) -> Labels:
    """Signed piece, no blanks."""
    return masked(piece_codes(boards))


def piece_initial_masked(boards: Boards) -> Labels:
    """Signed piece where the square differs from the initial position, no blanks."""
    codes = piece_codes(boards)
    return masked(np.where(codes == START_CODES, np.int8(BLANK), codes))


def piece_colour(boards: Boards) -> Labels:
    """Black, blank or white square."""
    planes = np.stack([boards.black, boards.empty, boards.white], axis=-1)
    return unpack_squares(planes).swapaxes(-1, -2).reshape(len(boards), 192)


def threat(boards: Boards) -> Labels:
    """Attacked by Black, whoever is to move."""
    return unpack_squares(attacked_by(boards, white=False))


def legal_move_targets(boards: Boards) -> Labels:
    """Targets of legal moves if White is to move, else nothing."""
    return unpack_squares(legal_targets(boards) * boards.turn)


def pseudo_legal_targets(boards: Boards) -> Labels:
    """Targets of the side to move, whether or not its king is left in check; castling must be legal."""
    own, enemy, empty, turn = boards.own, boards.enemy, boards.empty, boards.turn
    pawns = boards.pawns & own
    once = np.where(turn, pawns << np.uint64(8), pawns >> np.uint64(8)) & empty
    twice = np.where(turn, (once & RANKS[2]) << np.uint64(8), (once & RANKS[5]) >> np.uint64(8)) & empty
    found = (
        knight_attacks(boards.knights & own)
        | king_attacks(boards.kings & own)
        | rook_attacks((boards.rooks | boards.queens) & own, empty)
        | bishop_attacks((boards.bishops | boards.queens) & own, empty)
    ) & ~own
    found |= once | twice | (pawn_attacks(pawns, turn) & (enemy | boards.ep))
    rows = np.flatnonzero(boards.castling & own)
    side = boards[rows]
    castles = targets(relative(side))[CASTLE]
    found[rows] |= np.where(side.turn, castles, castles.byteswap())
    return unpack_squares(found)


def check(boards: Boards) -> Labels:
    """The side to move is in check."""
    return _flag(checkers(boards))


def pin(boards: Boards) -> Labels:
    """Any piece is pinned to its own king."""
    return _flag(pinned(boards, True) | pinned(boards, False))


def _kinds(side: Relative) -> dict[int, U64]:
    """Pieces of both sides by kind, as the side to move sees the board."""
    return {
        chess.PAWN: side.pawns,
        chess.KNIGHT: side.knights,
        chess.BISHOP: side.diagonal & ~side.straight,
        chess.ROOK: side.straight & ~side.diagonal,
        chess.QUEEN: side.straight & side.diagonal,
        chess.KING: side.kings,
    }


def _reach(side: Relative, attackers: tuple[int, ...]) -> dict[int, U64]:
    """Attacks of unpinned pieces by kind, uint64 [directions, n].

    In one direction no square is attacked by two pieces (the nearer slider hides the farther), so set bits summed over
    directions count pairs of attacker and victim.
    """
    free = {kind: b & side.us & ~np.bitwise_or.reduce(side.pinned, axis=0) for kind, b in _kinds(side).items()}
    found: dict[int, U64] = {}
    for kind in attackers:
        b = free[kind]
        if kind == chess.PAWN:
            found[kind] = np.stack([step(b, "north-west"), step(b, "north-east")])
        elif kind == chess.KNIGHT:
            found[kind] = np.concatenate([(b << JUMPS) & JUMP_UP, (b >> JUMPS) & JUMP_DOWN])
        else:
            lines = slice(0, None, 2) if kind == chess.ROOK else slice(1, None, 2)
            found[kind] = np.concatenate([rays_up(b, side.empty)[lines], rays_down(b, side.empty)[lines]])
    return found


def _twice(reach: U64, victims: U64) -> Labels:
    return np.bitwise_count(reach & victims).sum(axis=0) >= 2


def specific_fork(boards: Boards) -> Labels:
    """Unpinned knights of the side to move attack at least two enemy rooks, queens or kings between them.

    The fault: the attacks of all knights are summed.
    """
    side = relative(boards)
    kinds = _kinds(side)
    victims = side.them & (kinds[chess.ROOK] | kinds[chess.QUEEN] | kinds[chess.KING])
    return _twice(_reach(side, (chess.KNIGHT,))[chess.KNIGHT], victims)[:, None]


_FORK_VICTIMS = {
    chess.PAWN: (chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN, chess.KING),
    chess.KNIGHT: (chess.ROOK, chess.QUEEN, chess.KING),
    chess.BISHOP: (chess.ROOK, chess.QUEEN, chess.KING),
    chess.ROOK: (chess.QUEEN, chess.KING),
}


def any_fork(boards: Boards) -> Labels:
    """Unpinned pieces of one kind of the side to move attack at least two enemy pieces of one kind between them.

    The faults: one kind of victim at a time, so a knight on king and queen is missed; attackers are summed.
    """
    side = relative(boards)
    kinds = _kinds(side)
    reach = _reach(side, tuple(_FORK_VICTIMS))
    found = np.zeros(len(boards), np.bool_)
    for attacker, victims in _FORK_VICTIMS.items():
        for victim in victims:
            found |= _twice(reach[attacker], side.them & kinds[victim])
    return found[:, None]


def castling_rights(boards: Boards) -> Labels:
    """The side to move may still castle some day."""
    return _flag(boards.castling & boards.own)


def queenside_castling(boards: Boards) -> Labels:
    """The same on the queen's side."""
    return _flag(boards.castling & boards.own & FILES[0])


def kingside_castling(boards: Boards) -> Labels:
    """The same on the king's side."""
    return _flag(boards.castling & boards.own & FILES[7])


def legal_en_passant(boards: Boards) -> Labels:
    """The side to move has a legal en passant capture."""
    found = np.zeros((len(boards), 1), np.bool_)
    rows = np.flatnonzero(ep_capturable(boards))
    found[rows, 0] = targets(relative(boards[rows]))[PASSANT_EAST : PASSANT_EAST + 2].any(axis=0)
    return found


def can_check_next(boards: Boards) -> Labels:
    """A legal move gives check."""
    found = np.zeros((len(boards), 1), np.bool_)
    found[_checks(boards).board] = True
    return found


def bishop_pair(boards: Boards) -> Labels:
    """At least two bishops of the side to move, on squares of any colour."""
    return popcount(boards.bishops & boards.own)[:, None] >= 2


def mate_threat(boards: Boards) -> Labels:
    """The side to move can give mate.

    The fault: the board is mirrored so that the other side moves, but that mirror swaps the turn as well.
    """
    found, checks = np.zeros((len(boards), 1), np.bool_), _checks(boards)
    found[checks.board[legal_count(checks.after) == 0]] = True
    return found


def _checks(boards: Boards) -> Checking:
    side = relative(boards)
    return checking_moves(boards, side, targets(side))


def can_capture_queen(boards: Boards) -> Labels:
    """A legal move takes the enemy queen on the highest square (h8 the highest, a1 the lowest).

    The fault: other queens are not looked at.
    """
    queen = boards.queens & boards.enemy
    for by in (1, 2, 4, 8, 16, 32):
        queen |= queen >> np.uint64(by)
    return _flag(legal_targets(boards) & (queen ^ (queen >> np.uint64(1))))


def has_queen(boards: Boards) -> Labels:
    """At least one queen of the side to move."""
    return _flag(boards.queens & boards.own)


def connected_rooks(boards: Boards) -> Labels:
    """Two rooks of the side to move on one rank or file with nothing between."""
    rooks = boards.rooks & boards.own
    return _flag((ray(rooks, boards.empty, "north") | ray(rooks, boards.empty, "east")) & rooks)


def ambiguous_moves(boards: Boards) -> Labels:
    """Two pieces of one kind of the side to move, pawns included, may legally move to one square."""
    side = relative(boards)
    found = targets(side)
    kinds, free = _kinds(side), ~np.bitwise_or.reduce(side.pinned, axis=0)
    short = kinds[chess.ROOK], kinds[chess.BISHOP]  # along straight and diagonal lines, in turn
    reach = [
        np.concatenate([rays_up(movers, side.empty), rays_down(movers, side.empty)])
        for movers in (
            np.stack(rows) & side.us & (side.pinned | free) for rows in (short * 2, (kinds[chess.QUEEN],) * 4)
        )
    ]
    shared = (
        _shared(found[JUMP:SLIDE])
        | _shared(np.concatenate([found[PUSH:KING], found[PROMOTE:]]))
        | ((_shared(reach[0][::2]) | _shared(reach[0][1::2]) | _shared(reach[1])) & side.evasions & ~side.us)
    )
    return _flag(shared)


def _shared(sets: U64) -> U64:
    """Squares in at least two of the sets [k, n]."""
    once, twice = sets[0], np.zeros_like(sets[0])
    for b in sets[1:]:
        twice |= once & b
        once = once | b
    return twice


def stalemate(boards: Boards) -> Labels:
    """No legal move and no check."""
    return ((legal_count(boards) == 0) & (checkers(boards) == 0))[:, None]


def material(boards: Boards) -> Labels:
    """Material of the side to move, 0 to 39 points; after promotions it may be more, and then no class holds."""
    points = sum(value * popcount(boards.kind(kind) & boards.own) for kind, value in _VALUES.items())
    return np.asarray(points)[:, None] == np.arange(40)


def number_of_pieces(boards: Boards) -> Labels:
    """Pieces of the side to move apart from the king, 0 to 15."""
    return popcount(boards.own & ~boards.kings)[:, None] == np.arange(16)


def _flag(b: U64) -> Labels:
    return (b != 0)[:, None]
