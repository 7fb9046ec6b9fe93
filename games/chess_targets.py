"""Where the side to move may go: legal targets of a batch of chess positions, by kind of step.

Boards are turned so that the side to move always plays upwards. The targets of all legal moves are kept in 27 sets a
board, one for every way to step: 8 knight jumps, 8 slider directions, pawn pushes, double pushes and captures, the
two en passant captures, king moves, castling, and the three ways to promote. Way and target together fix the square
that a move starts from: a jump or pawn step is undone; a slider is the nearest one looking back along its direction,
since it blocks those behind it.

Legality: the king moves to squares that the enemy does not attack once the king is lifted off the board; other pieces
go where they end a single check; a pinned piece stays on its line; en passant, which takes two pieces off one rank, is
tried out. Four directions are computed at a time, as the rows of one array.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import BB_ALL, FILES, RANKS, flip, king_attacks, knight_attacks
from .chess_board import Boards

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_NOT_A, _NOT_H = BB_ALL ^ FILES[0], BB_ALL ^ FILES[7]
_NOT_AB, _NOT_GH = _NOT_A ^ FILES[1], _NOT_H ^ FILES[6]


def _column(*values: int | np.uint64) -> U64:
    return np.array([[value] for value in values], np.uint64)


# Lines north-south, north-east, east-west, north-west: left shifts go up (or east), right shifts the other way.
LINES = _column(8, 9, 1, 7)
LINES2, LINES4 = LINES * np.uint64(2), LINES * np.uint64(4)
LINE_UP = _column(BB_ALL, _NOT_A, _NOT_A, _NOT_H)
LINE_DOWN = _column(BB_ALL, _NOT_H, _NOT_H, _NOT_A)
JUMPS = _column(17, 15, 10, 6)
JUMP_UP = _column(_NOT_A, _NOT_H, _NOT_AB, _NOT_GH)
JUMP_DOWN = _column(_NOT_H, _NOT_A, _NOT_GH, _NOT_AB)
_STRAIGHT = np.array([[True], [False], [True], [False]])

# Rows of the targets.
JUMP, SLIDE = 0, 8
PUSH, DOUBLE, TAKE_EAST, TAKE_WEST, PASSANT_EAST, PASSANT_WEST, KING, CASTLE = range(16, 24)
PROMOTE, PROMOTE_EAST, PROMOTE_WEST = range(24, 27)
N_WAYS = 27


@dataclass(frozen=True)
class Relative:
    """Positions turned so that the side to move plays upwards, and what limits its moves.

    Attributes:
        us: uint64 [n], pieces of the side to move.
        them: uint64 [n], pieces of the other side.
        pawns: uint64 [n], both sides; likewise the other kinds.
        empty: uint64 [n].
        checkers: uint64 [n], enemy pieces that give check.
        evasions: uint64 [n], targets that end the check: all if there is none, none if it is double.
        pinned: uint64 [4, n], own pieces pinned to the king, by line.
        danger: uint64 [n], squares the enemy attacks with our king lifted off the board.
    """

    us: U64
    them: U64
    pawns: U64
    knights: U64
    kings: U64
    straight: U64
    diagonal: U64
    empty: U64
    ep: U64
    castling: U64
    checkers: U64
    evasions: U64
    pinned: U64
    danger: U64


def rays_up(b: U64, empty: U64) -> U64:
    """Squares seen north, north-east, east and north-west of `b` ([n] or [4, n]), first piece included; [4, n]."""
    through = empty & LINE_UP
    reach = b | (through & (b << LINES))
    through &= through << LINES
    reach |= through & (reach << LINES2)
    through &= through << LINES2
    reach |= through & (reach << LINES4)
    reach <<= LINES
    reach &= LINE_UP
    return reach


def rays_down(b: U64, empty: U64) -> U64:
    """Squares seen south, south-west, west and south-east of `b`, first piece included; [4, n]."""
    through = empty & LINE_DOWN
    reach = b | (through & (b >> LINES))
    through &= through >> LINES
    reach |= through & (reach >> LINES2)
    through &= through >> LINES2
    reach |= through & (reach >> LINES4)
    reach >>= LINES
    reach &= LINE_DOWN
    return reach


def _sliders(straight: U64, diagonal: U64) -> U64:
    """Sliders that move along each line, [4, n]."""
    return np.stack([straight, diagonal, straight, diagonal])


def relative(boards: Boards) -> Relative:
    """Turn flat positions towards the side to move and find checks, pins and danger."""
    black = ~boards.turn
    us, them = flip(boards.own, black), flip(boards.enemy, black)
    pawns, knights, kings = (flip(b, black) for b in (boards.pawns, boards.knights, boards.kings))
    straight = flip(boards.rooks | boards.queens, black)
    diagonal = flip(boards.bishops | boards.queens, black)
    empty = ~(us | them)
    king = kings & us
    enemies = _sliders(straight & them, diagonal & them)
    up, down = rays_up(king, empty), rays_down(king, empty)
    check_up, check_down = (up & enemies), (down & enemies)
    theirs = pawns & them
    checkers = (knight_attacks(king) & knights & them) | (
        (((king << np.uint64(7)) & _NOT_H) | ((king << np.uint64(9)) & _NOT_A)) & theirs
    )
    between = checkers | np.bitwise_or.reduce(up * (check_up != 0) | down * (check_down != 0), axis=0)
    checkers |= np.bitwise_or.reduce(check_up | check_down, axis=0)
    evasions = np.where(checkers == 0, BB_ALL, between * (checkers & (checkers - _ONE) == 0))
    first_up, first_down = up & us, down & us
    pinned = first_up * ((rays_up(first_up, empty) & enemies) != 0)
    pinned |= first_down * ((rays_down(first_down, empty) & enemies) != 0)
    open_ = empty | king
    seen = np.bitwise_or.reduce(rays_up(enemies, open_) | rays_down(enemies, open_), axis=0)
    danger = (
        seen
        | ((theirs >> np.uint64(7)) & _NOT_A)
        | ((theirs >> np.uint64(9)) & _NOT_H)
        | knight_attacks(knights & them)
        | king_attacks(kings & them)
    )
    return Relative(
        us,
        them,
        pawns,
        knights,
        kings,
        straight,
        diagonal,
        empty,
        flip(boards.ep, black),
        flip(boards.castling, black),
        checkers,
        evasions,
        pinned,
        danger,
    )


def targets(side: Relative) -> U64:
    """Targets of all legal moves by way of stepping, uint64 [27, n], still turned towards the side to move."""
    n = side.us.shape[0]
    out = np.empty((N_WAYS, n), np.uint64)
    us, empty, pinned = side.us, side.empty, side.pinned
    bound = np.bitwise_or.reduce(pinned, axis=0)
    allowed = side.evasions & ~us

    knights = side.knights & us & ~bound
    np.bitwise_and((knights << JUMPS) & JUMP_UP, allowed, out=out[0:4])
    np.bitwise_and((knights >> JUMPS) & JUMP_DOWN, allowed, out=out[4:8])

    free = us & ~bound
    movers = _sliders(side.straight, side.diagonal) & (pinned | free)
    np.bitwise_and(rays_up(movers, empty), allowed, out=out[8:12])
    np.bitwise_and(rays_down(movers, empty), allowed, out=out[12:16])

    pawns, last = side.pawns & us, RANKS[7]
    push = ((pawns & (free | pinned[0])) << np.uint64(8)) & empty
    out[DOUBLE] = ((push & RANKS[2]) << np.uint64(8)) & empty & allowed
    takes = side.them & side.evasions
    push &= allowed
    east = ((pawns & (free | pinned[1])) << np.uint64(9)) & _NOT_A & takes
    west = ((pawns & (free | pinned[3])) << np.uint64(7)) & _NOT_H & takes
    for way, found in ((PUSH, push), (TAKE_EAST, east), (TAKE_WEST, west)):
        np.bitwise_and(found, ~last, out=out[way])
        np.bitwise_and(found, last, out=out[way - PUSH + PROMOTE if way == PUSH else way - TAKE_EAST + PROMOTE_EAST])
    _passant(side, pawns, out)

    king = side.kings & us
    out[KING] = king_attacks(king) & ~us & ~side.danger
    rights, blocked = side.castling * (side.checkers == 0), ~empty
    short = ((rights & np.uint64(0x80)) != 0) & ((blocked | side.danger) & np.uint64(0x60) == 0)
    long = ((rights & _ONE) != 0) & (blocked & np.uint64(0x0E) == 0) & (side.danger & np.uint64(0x0C) == 0)
    out[CASTLE] = short * np.uint64(0x40) | long * np.uint64(0x04)
    return out


def _passant(side: Relative, pawns: U64, out: U64) -> None:
    """En passant captures that do not leave the king attacked, tried out one by one."""
    out[PASSANT_EAST] = ((pawns << np.uint64(9)) & _NOT_A) & side.ep
    out[PASSANT_WEST] = ((pawns << np.uint64(7)) & _NOT_H) & side.ep
    for way, back in ((PASSANT_EAST, 9), (PASSANT_WEST, 7)):
        rows = np.flatnonzero(out[way])
        if not rows.size:
            continue
        target = out[way, rows]
        taken = target >> np.uint64(8)
        empty = (side.empty[rows] | taken | (target >> np.uint64(back))) & ~target
        king, them = side.kings[rows] & side.us[rows], side.them[rows] & ~taken
        enemies = _sliders(side.straight[rows] & them, side.diagonal[rows] & them)
        seen = (rays_up(king, empty) | rays_down(king, empty)) & enemies
        near = knight_attacks(king) & side.knights[rows] & them
        near |= (((king << np.uint64(7)) & _NOT_H) | ((king << np.uint64(9)) & _NOT_A)) & side.pawns[rows] & them
        safe = (near == 0) & ~seen.any(axis=0)
        out[way, rows] = target * safe


def weights(found: U64) -> NDArray[np.uint8]:
    """Legal moves by way of stepping, uint8 [27, n]: targets, four times for promotions."""
    counts = np.bitwise_count(found)
    counts[PROMOTE:] *= np.uint8(4)
    return counts


def origins(way: int, target: U64, side: Relative, rows: NDArray[np.int64] | slice) -> U64:
    """The square that a move of one way starts from.

    Args:
        way: row of `targets`.
        target: uint64 [m], single bits.
        side: the positions.
        rows: which position each target belongs to.
    """
    if way < SLIDE:
        by = JUMPS[way % 4, 0]
        return target >> by if way < 4 else target << by
    if way < PUSH:
        return _back(way - SLIDE, target, side.empty[rows])
    if way in (KING, CASTLE):
        return (side.kings & side.us)[rows]
    by = {PUSH: 8, PROMOTE: 8, DOUBLE: 16}.get(way, 9 if way in (TAKE_EAST, PASSANT_EAST, PROMOTE_EAST) else 7)
    return target >> np.uint64(by)


def _back(direction: int, target: U64, empty: U64) -> U64:
    """The first piece looking back along a slider's direction."""
    line, up = direction % 4, direction < 4
    by, by2, by4 = LINES[line, 0], LINES2[line, 0], LINES4[line, 0]
    if up:
        through = empty & LINE_DOWN[line, 0]
        reach = target | (through & (target >> by))
        through &= through >> by
        reach |= through & (reach >> by2)
        through &= through >> by2
        reach |= through & (reach >> by4)
        return (reach >> by) & LINE_DOWN[line, 0] & ~empty
    through = empty & LINE_UP[line, 0]
    reach = target | (through & (target << by))
    through &= through << by
    reach |= through & (reach << by2)
    through &= through << by2
    reach |= through & (reach << by4)
    return (reach << by) & LINE_UP[line, 0] & ~empty
