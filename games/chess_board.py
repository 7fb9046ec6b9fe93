"""Arrays of chess positions as bitboards, to and from `chess.Board`, with attacks, checks and pins."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import DIRECTIONS, bishop_attacks, king_attacks, knight_attacks, pawn_attacks, ray, rook_attacks

_START = chess.Board()
_ZERO = np.uint64(0)


@dataclass(frozen=True)
class Boards:
    """Chess positions, one an array element; all fields have one shape.

    Attributes:
        pawns: uint64, both colours; likewise the other five kinds.
        white: uint64, all white pieces.
        black: uint64, all black pieces.
        ep: uint64, the square behind a pawn that has just moved two squares, 0 if none did.
        castling: uint64, rooks (a1, h1, a8, h8) with which castling is still allowed.
        turn: bool, True if White is to move.
        halfmove: int16, plies since the last capture or pawn move.
    """

    pawns: U64
    knights: U64
    bishops: U64
    rooks: U64
    queens: U64
    kings: U64
    white: U64
    black: U64
    ep: U64
    castling: U64
    turn: NDArray[np.bool_]
    halfmove: NDArray[np.int16]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every field."""
        return self.turn.shape

    def __len__(self) -> int:
        return len(self.turn)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The fields in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def __getitem__(self, index: Any) -> "Boards":
        return Boards(*(array[index] for array in self.arrays()))

    def reshape(self, *shape: int) -> "Boards":
        """The same positions in another shape."""
        return Boards(*(array.reshape(*shape) for array in self.arrays()))

    def ravel(self) -> "Boards":
        """The same positions in one row."""
        return self.reshape(-1)

    @property
    def occupied(self) -> U64:
        """Squares with a piece."""
        return self.white | self.black

    @property
    def empty(self) -> U64:
        """Squares without one."""
        return ~(self.white | self.black)

    def colour(self, white: bool) -> U64:
        """All pieces of a colour."""
        return self.white if white else self.black

    def kind(self, kind: int) -> U64:
        """Pieces of a kind (`chess.PAWN` to `chess.KING`), both colours."""
        return getattr(self, ("pawns", "knights", "bishops", "rooks", "queens", "kings")[kind - 1])

    def pieces(self, kind: int, white: bool) -> U64:
        """Pieces of a kind and a colour."""
        return self.kind(kind) & self.colour(white)

    @property
    def own(self) -> U64:
        """Pieces of the side to move."""
        return np.where(self.turn, self.white, self.black)

    @property
    def enemy(self) -> U64:
        """Pieces of the other side."""
        return np.where(self.turn, self.black, self.white)

    @staticmethod
    def start(n: int) -> "Boards":
        """The initial position, `n` times."""
        return Boards(*(np.repeat(array, n) for array in Boards.of([_START]).arrays()))

    @staticmethod
    def of(boards: Sequence[chess.Board]) -> "Boards":
        """Positions of python-chess, [n]. Castling rights without king or rook in place are dropped.

        Raises:
            ValueError: a Chess960 board, or one without exactly one king a side.
        """
        rows = np.array([_numbers(board, i) for i, board in enumerate(boards)], np.uint64).reshape(len(boards), 10)
        turn = np.array([board.turn for board in boards], np.bool_)
        halfmove = np.array([min(board.halfmove_clock, 32_767) for board in boards], np.int16)
        columns: list[Any] = [*(np.ascontiguousarray(column) for column in rows.T), turn, halfmove]
        return Boards(*columns)

    def to_chess(self) -> list[chess.Board]:
        """Positions as python-chess boards, in flat order; they have no history and start at move 1."""
        found: list[chess.Board] = []
        columns = [array.ravel().tolist() for array in self.arrays()]
        for pawns, knights, bishops, rooks, queens, kings, white, black, ep, castling, turn, halfmove in zip(
            *columns, strict=True
        ):
            board = chess.Board.empty()
            board.pawns, board.knights, board.bishops = pawns, knights, bishops
            board.rooks, board.queens, board.kings = rooks, queens, kings
            board.occupied_co[chess.WHITE], board.occupied_co[chess.BLACK] = white, black
            board.occupied = white | black
            board.ep_square = ep.bit_length() - 1 if ep else None
            board.castling_rights, board.turn, board.halfmove_clock = castling, turn, halfmove
            found.append(board)
        return found

    @staticmethod
    def stack(boards: Sequence["Boards"]) -> "Boards":
        """Positions of one shape along a new first axis."""
        return Boards(*(np.stack(arrays) for arrays in zip(*(b.arrays() for b in boards), strict=True)))

    @staticmethod
    def concatenate(boards: Sequence["Boards"]) -> "Boards":
        """Positions one after another along the first axis."""
        return Boards(*(np.concatenate(arrays) for arrays in zip(*(b.arrays() for b in boards), strict=True)))


def _numbers(board: chess.Board, index: int) -> tuple[int, ...]:
    if board.chess960:
        raise ValueError(f"board {index}: Chess960 is not supported, only standard chess")
    for colour in chess.COLORS:
        kings = chess.popcount(board.kings & board.occupied_co[colour])
        if kings != 1:
            side = chess.COLOR_NAMES[colour]
            raise ValueError(f"board {index} ({board.fen()}): needs exactly one {side} king, has {kings}")
    kinds = (board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    ep = 0 if board.ep_square is None else chess.BB_SQUARES[board.ep_square]
    return (
        *kinds,
        board.occupied_co[chess.WHITE],
        board.occupied_co[chess.BLACK],
        ep,
        board.clean_castling_rights(),
    )


def attacked_by(boards: Boards, white: bool) -> U64:
    """Squares that a colour attacks, whoever stands there; pinned pieces attack too, as in python-chess."""
    own, empty = boards.colour(white), boards.empty
    return (
        pawn_attacks(boards.pawns & own, white)
        | knight_attacks(boards.knights & own)
        | king_attacks(boards.kings & own)
        | rook_attacks((boards.rooks | boards.queens) & own, empty)
        | bishop_attacks((boards.bishops | boards.queens) & own, empty)
    )


def attackers(boards: Boards, target: U64, white: bool) -> U64:
    """Pieces of a colour that attack any of the squares in `target`."""
    own, empty = boards.colour(white), boards.empty
    return own & (
        (pawn_attacks(target, not white) & boards.pawns)
        | (knight_attacks(target) & boards.knights)
        | (king_attacks(target) & boards.kings)
        | (rook_attacks(target, empty) & (boards.rooks | boards.queens))
        | (bishop_attacks(target, empty) & (boards.bishops | boards.queens))
    )


def checkers(boards: Boards) -> U64:
    """Pieces that give check to the side to move."""
    white = attackers(boards, boards.kings & boards.white, white=False) * boards.turn
    return white | (attackers(boards, boards.kings & boards.black, white=True) * ~boards.turn)


def pinned(boards: Boards, white: bool) -> U64:
    """Pieces of a colour that are absolutely pinned to their own king."""
    own, enemy, empty = boards.colour(white), boards.colour(not white), boards.empty
    king = boards.kings & own
    found = np.full(boards.shape, _ZERO)
    for i, direction in enumerate(DIRECTIONS):
        sliders = enemy & (boards.queens | (boards.bishops if i % 2 else boards.rooks))
        first = ray(king, empty, direction) & own
        found |= first * ((ray(first, empty, direction) & sliders) != 0)
    return found


def ep_capturable(boards: Boards) -> U64:
    """Pawns of the side to move that stand beside a pawn which has just moved two squares (pins aside)."""
    return pawn_attacks(boards.ep, ~boards.turn) & boards.pawns & boards.own
