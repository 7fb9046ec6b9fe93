"""Legal moves of a batch of chess positions, and the positions they lead to."""

from dataclasses import dataclass, replace
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, bit_index, select_bit, unpack_squares
from .chess_bits import RANKS, flip
from .chess_board import Boards
from .chess_targets import N_WAYS, PROMOTE, Relative, origins, relative, targets, weights

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_CHUNK = 4096  # positions whose moves are listed together; keeps the unpacked targets in the cache
PROMOTIONS = (chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)


@dataclass(frozen=True)
class Moves:
    """Moves in one list, by position.

    Attributes:
        board: int64 [m], flat index of the position, ascending.
        origin: int8 [m], square from.
        target: int8 [m], square to; of the king when castling.
        promotion: int8 [m], `chess.KNIGHT` to `chess.QUEEN`, 0 if none.
    """

    board: NDArray[np.int64]
    origin: NDArray[np.int8]
    target: NDArray[np.int8]
    promotion: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.board)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Moves":
        return Moves(self.board[index], self.origin[index], self.target[index], self.promotion[index])


def legal_moves(boards: Boards) -> Moves:
    """Every legal move of every position; [m] in all, sorted by position.

    Args:
        boards: of any shape; taken in flat order.
    """
    flat = boards.ravel()
    parts = [_listed(flat[i : i + _CHUNK], i) for i in range(0, max(len(flat), 1), _CHUNK)]
    return Moves(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _listed(boards: Boards, first: int) -> tuple[NDArray[Any], ...]:
    side = relative(boards)
    found = targets(side)
    n = len(boards)
    way, board, square = np.unravel_index(np.flatnonzero(unpack_squares(found)), (N_WAYS, n, 64))
    bits = _ONE << square.astype(np.uint64)
    starts = np.searchsorted(way, np.arange(N_WAYS + 1))
    origin = np.empty(len(way), np.uint64)
    for w in range(N_WAYS):
        part = slice(starts[w], starts[w + 1])
        if part.stop > part.start:
            origin[part] = origins(w, bits[part], side, board[part])
    mirror = np.where(boards.turn, 0, 56)[board]
    columns = (board, bit_index(origin) ^ mirror, square ^ mirror)
    ordinary = starts[PROMOTE]
    board, origin_, target = (np.concatenate([c[:ordinary], np.repeat(c[ordinary:], 4)]) for c in columns)
    promotion = np.zeros(len(board), np.int8)
    promotion[ordinary:] = np.tile(np.array(PROMOTIONS, np.int8), len(way) - ordinary)
    order = np.argsort(board, kind="stable")
    return (
        board[order].astype(np.int64) + first,
        origin_[order].astype(np.int8),
        target[order].astype(np.int8),
        promotion[order],
    )


def legal_targets(boards: Boards) -> U64:
    """Squares that the side to move may legally move to, of the shape of `boards`."""
    flat = boards.ravel()
    found = np.bitwise_or.reduce(targets(relative(flat)), axis=0)
    return flip(found, ~flat.turn).reshape(boards.shape)


def legal_count(boards: Boards) -> NDArray[np.int64]:
    """Number of legal moves, promotions counted four times, of the shape of `boards`."""
    counts = weights(targets(relative(boards.ravel())))
    return counts.sum(axis=0, dtype=np.int64).reshape(boards.shape)


def choose(side: Relative, found: U64, turn: NDArray[np.bool_], draws: NDArray[np.uint32]) -> tuple[U64, U64, U64]:
    """One legal move a position, uniformly by 32 random bits each.

    Args:
        side: flat positions, turned.
        found: uint64 [27, n], their `targets`.
        turn: bool [n], White to move.
        draws: uint32 [n].

    Returns:
        Origin and target as single bits of the board as it is (0 where there is no move), and the promotion piece.
    """
    counts = weights(found)
    ends = counts.astype(np.uint16)
    for row in range(1, N_WAYS):  # np.cumsum walks along the short axis, ten times slower
        ends[row] += ends[row - 1]
    # 32 random bits times at most 218 moves: the bias of this scaling is below 1e-7.
    pick = ((draws.astype(np.uint64) * ends[-1]) >> np.uint64(32)).astype(np.uint16)
    way = np.minimum(np.add.reduce((ends <= pick).view(np.uint8), axis=0, dtype=np.uint8), N_WAYS - 1)
    columns = np.arange(len(turn))
    within = pick - (ends[way, columns] - counts[way, columns])
    promotes = way >= PROMOTE
    target = select_bit(found[way, columns], within >> (promotes * np.uint16(2)))
    promotion = np.where(promotes, (within & 3) + chess.KNIGHT, 0).astype(np.uint64)
    origin = np.zeros(len(turn), np.uint64)
    order = np.argsort(way, kind="stable")
    starts = np.searchsorted(way[order], np.arange(N_WAYS + 1))
    for w in range(N_WAYS):
        rows = order[starts[w] : starts[w + 1]]
        if rows.size:
            origin[rows] = origins(w, target[rows], side, rows)
    moved = ends[-1] > 0
    return flip(origin * moved, ~turn), flip(target * moved, ~turn), promotion * moved


def apply(
    boards: Boards, origin: NDArray[np.integer], target: NDArray[np.integer], promotion: NDArray[np.integer]
) -> Boards:
    """The positions after one legal move each.

    Args:
        boards: positions.
        origin: squares from, of the same shape; below 0: no move, the position stays.
        target: squares to.
        promotion: `chess.KNIGHT` to `chess.QUEEN`, 0 if none.
    """
    moves = origin >= 0
    one = moves.astype(np.uint64)
    return play(
        boards,
        one << (origin * moves).astype(np.uint64),
        one << (target * moves).astype(np.uint64),
        promotion.astype(np.uint64),
    )


def play(boards: Boards, origin: U64, target: U64, promotion: U64) -> Boards:
    """As `apply`, with squares as single bits; 0 for no move."""
    turn, moved = boards.turn, origin != 0
    kept, both = ~(origin | target), origin | target
    pawn = (boards.pawns & origin) != 0
    king = (boards.kings & origin) != 0
    capture = (boards.occupied & target) != 0
    passed = np.where(turn, target >> np.uint64(8), target << np.uint64(8)) * (pawn & (target == boards.ep))
    kept &= ~passed
    kinds = (boards.pawns, boards.knights, boards.bishops, boards.rooks, boards.queens, boards.kings)
    pieces = [(b & kept) | target * ((b & origin) != 0) for b in kinds]
    for i, kind in enumerate(PROMOTIONS, 1):
        pieces[i] |= target * (promotion == np.uint64(kind))
    pieces[0] &= ~(target * (promotion != 0))
    castles_short = king & (target == origin << np.uint64(2))
    castles_long = king & (target == origin >> np.uint64(2))
    rook_from = (origin << np.uint64(3)) * castles_short | (origin >> np.uint64(4)) * castles_long
    rook_to = (origin << _ONE) * castles_short | (origin >> _ONE) * castles_long
    pieces[3] = (pieces[3] & ~rook_from) | rook_to
    white, black = boards.white & kept & ~rook_from, boards.black & kept & ~rook_from
    arrived = (target | rook_to) * moved
    white |= arrived * turn
    black |= arrived * ~turn
    home = np.where(turn, RANKS[0], RANKS[7])
    double = pawn & ((target == origin << np.uint64(16)) | (target == origin >> np.uint64(16)))
    pawns, knights, bishops, rooks, queens, kings = pieces
    return Boards(
        pawns,
        knights,
        bishops,
        rooks,
        queens,
        kings,
        white,
        black,
        np.where(moved, np.where(turn, origin << np.uint64(8), origin >> np.uint64(8)) * double, boards.ep),
        boards.castling & ~both & ~(home * king),
        turn ^ moved,
        np.where(moved, np.where(pawn | capture, 0, boards.halfmove + 1), boards.halfmove).astype(np.int16),
    )


def null_move(boards: Boards) -> Boards:
    """The positions with the other side to move and no en passant."""
    return replace(boards, ep=np.zeros_like(boards.ep), turn=~boards.turn)


def perft(boards: Boards, depth: int, chunk: int = 1 << 15) -> int:
    """Leaves of the game trees below flat positions, `depth` plies down."""
    if depth == 0:
        return len(boards)
    if len(boards) > chunk:
        return sum(perft(boards[i : i + chunk], depth, chunk) for i in range(0, len(boards), chunk))
    if depth == 1:
        return int(legal_count(boards).sum())
    moves = legal_moves(boards)
    return perft(apply(boards[moves.board], moves.origin, moves.target, moves.promotion), depth - 1, chunk)
