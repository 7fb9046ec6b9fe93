"""Chess moves as token ids: 0 is padding, 1 the start of a game, 2..1969 the 1,968 moves that chess can have.

    id 0    <pad>       after the end of a game
    id 1    <start>     the first token of every game: the start position, no move made
    id 2    a1b1        moves in order of origin, target (a1, b1, .. h1, a2, .. h8), then promotion: none, n, b, r, q

A move is a pair of squares that a queen or a knight could cover on an empty board (1,792 pairs), or one of the 44 pairs
by which a pawn promotes, with the piece (176 moves more). Castling is the move of the king: `e1g1`. The same pair
stands for every piece that can make it, so a7a8 is a rook's or a king's move, a7a8q a pawn's.

Token `p` of a game is the move `p`, and the state that it stands for is the one **after** it: position 0 is the start
position. The start token is given, never predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import chess
import numpy as np
from numpy.typing import NDArray

PROMOTIONS = (0, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)
"""Promotion pieces as python-chess numbers them, 0 for none, in the order of the ids."""


def _moves() -> NDArray[np.int64]:
    """Every move as (origin, target, promotion), int64 [1968, 3], in the order of their ids."""
    moves: list[tuple[int, int, int]] = []
    for origin in range(64):
        for target in range(64):
            files = abs(origin % 8 - target % 8)
            ranks = abs(origin // 8 - target // 8)
            line = (files == 0 or ranks == 0 or files == ranks) and origin != target
            if line or {files, ranks} == {1, 2}:
                moves.append((origin, target, 0))
            if (origin // 8, target // 8) in ((6, 7), (1, 0)) and files <= 1:
                moves += [(origin, target, promotion) for promotion in PROMOTIONS[1:]]
    return np.array(moves, dtype=np.int64)


@dataclass(frozen=True)
class UciTokens:
    """Tokenizer of UCI moves, one token a ply.

    Attributes:
        pad_id: the id after the end of a game.
        start_id: the id before the first move.
    """

    pad_id: int = 0
    start_id: int = 1

    def __post_init__(self) -> None:
        if (self.pad_id, self.start_id) != (0, 1):
            raise ValueError(f"UCI tokens pad with 0 and start with 1, got {self.pad_id!r} and {self.start_id!r}")

    @property
    def d_vocab(self) -> int:
        """Number of ids, padding and start included: 1,970."""
        return len(self.vocabulary)

    @property
    def n(self) -> int:
        """The same as `d_vocab`."""
        return self.d_vocab

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Text of every id, in order."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> tuple[str, ...]:
        letters = ("", "", "n", "b", "r", "q")
        names = chess.SQUARE_NAMES
        moves: list[list[int]] = self.moves[2:].tolist()
        return ("<pad>", "<start>", *(names[origin] + names[to] + letters[kind] for origin, to, kind in moves))

    @cached_property
    def moves(self) -> NDArray[np.int64]:
        """Origin, target and promotion of every id, int64 [1970, 3]; -1, -1, 0 for padding and start."""
        return np.concatenate([np.array([[-1, -1, 0], [-1, -1, 0]], dtype=np.int64), _moves()])

    @cached_property
    def id_table(self) -> NDArray[np.int64]:
        """Id of every move, int64 [64, 64, 6] over origin, target, promotion; 0 where there is no such move."""
        table = np.zeros((64, 64, 6), dtype=np.int64)
        origin, target, promotion = self.moves[2:].T
        table[origin, target, promotion] = np.arange(2, self.d_vocab)
        return table

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.vocabulary) if i > 1}

    def id_of_move(
        self, origin: NDArray[np.integer], target: NDArray[np.integer], promotion: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Ids of moves given as squares.

        Args:
            origin: int [...], squares from 0 (a1) to 63 (h8), or negative where no move is made.
            target: int [...], squares; not read where no move is made.
            promotion: int [...], 0 or `chess.KNIGHT` (2) to `chess.QUEEN` (5).

        Returns:
            Int64 [...]; `pad_id` where no move is made.

        Raises:
            ValueError: not a move of any piece.
        """
        origin, target, promotion = np.broadcast_arrays(origin, target, promotion)
        made = origin >= 0
        inside = (origin < 64) & (target >= 0) & (target < 64) & (promotion >= 0) & (promotion < 6)
        safe = made & inside
        ids = self.id_table[np.where(safe, origin, 0), np.where(safe, target, 0), np.where(safe, promotion, 0)]
        bad = made & (~inside | (ids == 0))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            what = f"origin {int(origin[at])}, target {int(target[at])}, promotion {int(promotion[at])}"
            raise ValueError(
                f"{what} at {list(at)} is no move of any piece: squares run from 0 (a1) to 63 (h8), promotion is 0 or "
                f"2 (knight) to 5 (queen) and only for a pawn that reaches the last rank"
            )
        return np.asarray(ids)

    def move_of_id(self, ids: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Origin, target and promotion of token ids of any shape; -1, -1, 0 for padding and start.

        Raises:
            ValueError: not integers, or an unknown id.
        """
        ids = np.asarray(ids)
        if ids.dtype.kind not in "iu":
            raise ValueError(f"token ids must be integers, got {ids.dtype}")
        outside = (ids < 0) | (ids >= self.d_vocab)
        if outside.any():
            at = tuple(int(i) for i in np.argwhere(outside)[0])
            raise ValueError(f"token id {int(ids[at])} at {list(at)}: ids run from 0 to {self.d_vocab - 1}")
        moves = self.moves[ids]
        return moves[..., 0], moves[..., 1], moves[..., 2]

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Token ids of a game, the start token first.

        Args:
            moves: UCI moves such as "e2e4" or "e7e8q", in either case; or one text of them, apart by spaces. Legality
                is not checked: that takes a board.

        Raises:
            ValueError: not a move; names the ply, from 0.
        """
        ids = [self.start_id]
        for ply, move in enumerate(self.split(moves)):
            value = self._ids.get(move.lower())
            if value is None:
                hint = "; castling is the move of the king, such as e1g1" if move.upper().startswith("O-O") else ""
                raise ValueError(f"ply {ply}: {move!r} is no UCI move: those read like e2e4 or e7e8q{hint}")
            ids.append(value)
        return ids

    @staticmethod
    def split(moves: Sequence[str]) -> Sequence[str]:
        """Moves of a game that may be written as one text."""
        return moves.split() if isinstance(moves, str) else moves

    def decode(self, ids: Sequence[int]) -> list[str]:
        """UCI moves of a game; the start token and the padding after the end are dropped.

        Raises:
            ValueError: an unknown id, padding before a move, or a start token anywhere but first.
        """
        values = self._stripped(ids)
        return [self.vocabulary[i] for i in values if i != self.start_id]

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Ply of the state that each token stands for, which is the one after it: 0 for the start token.

        Args:
            ids: a game, with or without its start token; padding after its end has no position.
        """
        values = self._stripped(ids)
        first = 0 if values and values[0] == self.start_id else 1
        return list(range(first, first + len(values)))

    def _stripped(self, ids: Sequence[int]) -> list[int]:
        """Ids of a game without the padding after it, checked."""
        values = [int(i) for i in ids]
        while values and values[-1] == self.pad_id:
            values.pop()
        for position, value in enumerate(values):
            if not 0 < value < self.d_vocab or (value == self.start_id and position):
                why = {
                    self.pad_id: "padding before a move",
                    self.start_id: "the start token stands only at position 0",
                }.get(value, f"ids run from 0 to {self.d_vocab - 1}")
                raise ValueError(f"position {position}: token id {value}: {why}")
        return values
