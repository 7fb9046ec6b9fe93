"""Pairs of chess positions that differ in what stands on one square, with the moves that an edit should bring about.

The base is a position of a random legal game. The source is a position of another one after the same number of moves,
so that the same side is to move. The edit takes one square on which a piece of the source is not what the base has
there (another piece, or nothing), and puts that piece on the base; the other squares and the side to move stay.
Castling with a rook that the edit replaced is gone, and so is an en passant capture of which the edit touched a square.
Kings are never put or replaced. The edited position is legal as python-chess judges it (`Board.is_valid`: at most
sixteen pieces and eight pawns a side, no pawn on the back ranks, the side that has just moved not in check, checks
that a move can have given), though no game need reach it. Only edits count that change the set of legal moves and
leave at least one.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import unpack_squares
from .chess_board import Boards
from .chess_moves import Moves, legal_moves
from .chess_play import Record, play_random

# Games drawn at a time, each the base of one pair at most; and rounds without a single pair before giving up.
_POOL, _ROUNDS = 512, 50
_KINDS = 6


@dataclass(frozen=True)
class Replacements:
    """Pairs of positions, one a row.

    Attributes:
        base: int8 [3, n, plies], the game to edit: origins, targets and promotions, -1, -1 and 0 after its end.
        source: int8 [3, n, plies], the game that shows the changed content.
        ply: int64 [n], moves made in both.
        square: int64 [n], from 0 (a1) to 63 (h8).
        kind: int64 [n], `chess.PAWN` to `chess.QUEEN`: what stands there in the source and after the edit.
        white: bool [n], its colour.
        before: [n], base positions.
        after: [n], base positions with the edit.
    """

    base: NDArray[np.int8]
    source: NDArray[np.int8]
    ply: NDArray[np.int64]
    square: NDArray[np.int64]
    kind: NDArray[np.int64]
    white: NDArray[np.bool_]
    before: Boards
    after: Boards

    def __len__(self) -> int:
        return len(self.ply)

    @cached_property
    def moves_before(self) -> Moves:
        """Legal moves of the base positions; `board` is the row."""
        return legal_moves(self.before)

    @cached_property
    def moves_after(self) -> Moves:
        """Legal moves after the edit; `board` is the row."""
        return legal_moves(self.after)

    @property
    def names(self) -> list[str]:
        """Feature of every row, such as "white knight on f3": false in the base, true in the source."""
        rows = zip(self.white.tolist(), self.kind.tolist(), self.square.tolist(), strict=True)
        return [f"{chess.COLOR_NAMES[w]} {chess.piece_name(k)} on {chess.SQUARE_NAMES[s]}" for w, k, s in rows]


def content_pairs(n: int, plies: int, generator: np.random.Generator) -> Replacements:
    """Draw `n` pairs among the positions after 1 to `plies` moves of random games of at most `plies` moves.

    Args:
        n: number of pairs, >= 1.
        plies: length of the games, >= 1.
        generator: source of randomness; the same state gives the same pairs, and a longer draw begins with a shorter.

    Raises:
        ValueError: `n` or `plies` below 1.
        RuntimeError: too few pairs exist, as in games of a single move.
    """
    if n < 1 or plies < 1:
        raise ValueError(f"the number of counterfactual pairs and of plies must be at least 1, got {n} and {plies}")
    rounds: list[Replacements] = []
    found = 0
    while found < n:
        rounds.append(_one_round(plies, generator))
        found += len(rounds[-1])
        if not found and len(rounds) == _ROUNDS:
            raise RuntimeError(f"found no counterfactual pair in {_ROUNDS * _POOL} games of at most {plies} plies")
    return _first(rounds, n)


def replace_content(
    boards: Boards, square: NDArray[np.int64], kind: NDArray[np.int64], white: NDArray[np.bool_]
) -> Boards:
    """The positions with another content of one square each, castling and en passant adjusted to it.

    Args:
        boards: flat positions [n].
        square: int64 [n].
        kind: int64 [n], `chess.PAWN` to `chess.KING`; 0 empties the square.
        white: bool [n], colour of the piece.
    """
    bit = np.uint64(1) << square.astype(np.uint64)
    kinds = [(boards.kind(k) & ~bit) | bit * (kind == k) for k in range(1, _KINDS + 1)]
    put = bit * (kind > 0)
    # En passant needs the square behind the pawn, the pawn in front of it and the square it came from as they were.
    around = boards.ep | boards.ep << np.uint64(8) | boards.ep >> np.uint64(8)
    return Boards(
        *kinds,
        white=(boards.white & ~bit) | put * white,
        black=(boards.black & ~bit) | put * ~white,
        ep=boards.ep * (around & bit == 0),
        castling=boards.castling & ~bit,
        turn=boards.turn,
        halfmove=boards.halfmove,
    )


def contents(boards: Boards) -> NDArray[np.int8]:
    """What stands on every square: 0 nothing, 1 to 6 White's pawn to king, 7 to 12 Black's; int8 [..., 64]."""
    found = np.zeros((*boards.shape, 64), np.int8)
    for k in range(1, _KINDS + 1):
        found += np.int8(k) * unpack_squares(boards.kind(k))
    return found + np.int8(_KINDS) * unpack_squares(boards.black)


def _one_round(plies: int, generator: np.random.Generator) -> Replacements:
    record = play_random(_POOL, plies, generator)
    games = np.arange(_POOL)
    source = (games + generator.integers(1, _POOL, size=_POOL)) % _POOL
    ply = generator.integers(1, plies + 1, size=_POOL)
    base_boards = record.boards[ply, games]
    here, there = contents(base_boards), contents(record.boards[ply, source])
    movable = (there > 0) & (there % _KINDS != 0) & ((here == 0) | (here % _KINDS != 0))  # a king is 6 or 12
    going_on = record.played[ply - 1, games] & record.played[ply - 1, source]
    fits: NDArray[np.bool_] = (here != there) & movable & going_on[:, None]
    square = np.argmax(np.where(fits, generator.random(fits.shape), -1.0), axis=1)
    code = there[games, square].astype(np.int64)
    edited = replace_content(base_boards, square, (code - 1) % _KINDS + 1, code <= _KINDS)

    rows = np.flatnonzero(fits.any(axis=1))
    rows = rows[np.array([board.is_valid() for board in edited[rows].to_chess()], np.bool_)]
    before, after = (_signatures(legal_moves(boards[rows]), len(rows)) for boards in (base_boards, edited))
    rows = rows[np.array([bool(a and b and a != b) for a, b in zip(before, after, strict=True)], np.bool_)]
    return Replacements(
        base=_moves(record, games[rows]),
        source=_moves(record, source[rows]),
        ply=ply[rows],
        square=square[rows],
        kind=(code[rows] - 1) % _KINDS + 1,
        white=code[rows] <= _KINDS,
        before=base_boards[rows],
        after=edited[rows],
    )


def _signatures(moves: Moves, n: int) -> list[set[int]]:
    """The moves of every position, each as one number."""
    numbers = moves.origin.astype(np.int64) << 16 | moves.target.astype(np.int64) << 8 | moves.promotion
    ends = np.searchsorted(moves.board, np.arange(n + 1))
    return [set(numbers[a:b].tolist()) for a, b in pairwise(ends.tolist())]


def _moves(record: Record, games: NDArray[np.int64]) -> NDArray[np.int8]:
    return np.stack([column[:, games].T for column in (record.origin, record.target, record.promotion)])


def _first(rounds: list[Replacements], n: int) -> Replacements:
    """The first `n` pairs of several draws."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in rounds])[:n]
        for name in ("ply", "square", "kind", "white")
    }
    for name in ("base", "source"):
        columns[name] = np.concatenate([getattr(part, name) for part in rounds], axis=1)[:, :n]
    for name in ("before", "after"):
        columns[name] = Boards.concatenate([getattr(part, name) for part in rounds])[:n]
    return Replacements(**columns)
