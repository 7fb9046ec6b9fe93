"""What is known about a batch of chess positions: the boards, the moves that led to them, and attack maps on demand.

A view holds whole games from their first position on, so that the history of every position lies inside it: its flat
position `ply * games + game` is the state of one game after `ply` moves, and `by_ply` gives any of its arrays as
[plies, games]. Attack maps, pins and legal moves are computed when first asked for, once for all features.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import flip, king_attacks, knight_attacks, pawn_attacks
from .chess_board import Boards, checkers
from .chess_moves import Moves, legal_moves
from .chess_play import Record
from .chess_targets import (
    CASTLE,
    DOUBLE,
    JUMP,
    JUMPS,
    KING,
    PASSANT_EAST,
    PASSANT_WEST,
    PROMOTE,
    PROMOTE_EAST,
    PROMOTE_WEST,
    PUSH,
    SLIDE,
    TAKE_EAST,
    TAKE_WEST,
    Relative,
    rays_down,
    rays_up,
    relative,
    targets,
)

_ZERO = np.uint64(0)


@dataclass(frozen=True)
class View:
    """Positions of whole games, flat [n] with n = plies * games, ply by ply.

    Attributes:
        boards: the positions [n].
        before: the positions one move earlier [n]; the position itself where no move was made.
        origin: int8 [n], square that the last move started from; -1 where no move was made.
        target: int8 [n], square that it went to (of the king when castling); -1 where none was made.
        promotion: int8 [n], piece that it promoted to, `chess.KNIGHT` to `chess.QUEEN`; 0 if none.
        ply: int16 [n], moves made so far in the game.
        shape: (plies, games).
    """

    boards: Boards
    before: Boards
    origin: NDArray[np.int8]
    target: NDArray[np.int8]
    promotion: NDArray[np.int8]
    ply: NDArray[np.int16]
    shape: tuple[int, int]

    @staticmethod
    def of_record(record: Record, games: slice = slice(None), n_plies: int | None = None) -> "View":
        """The first positions of some games, the ones before the first move included.

        After the end of a game its last position repeats, with no move made (`origin` is -1).

        Args:
            record: the games.
            games: which of them.
            n_plies: positions of each, all by default.
        """
        n_plies = len(record.boards) if n_plies is None else n_plies
        # With the first position twice, boards and the boards before them are two windows on one copy.
        twice = [np.concatenate([array[:1, games], array[:n_plies, games]]) for array in record.boards.arrays()]
        shape = (n_plies, twice[0].shape[1])
        part = slice(n_plies - 1), games
        nothing = np.full((1, shape[1]), -1, np.int8)
        moves = [np.concatenate([nothing, array[part]]) for array in (record.origin, record.target)]
        promotion = np.concatenate([nothing + np.int8(1), record.promotion[part]])
        made = np.cumsum(moves[0] >= 0, axis=0, dtype=np.int16)
        return View(
            Boards(*(array[1:].reshape(-1) for array in twice)),
            Boards(*(array[:-1].reshape(-1) for array in twice)),
            moves[0].reshape(-1),
            moves[1].reshape(-1),
            promotion.reshape(-1),
            made.reshape(-1),
            shape,
        )

    @staticmethod
    def of_boards(boards: Boards) -> "View":
        """Positions without history, as if each were the first of a game; `boards` of any shape, taken flat."""
        flat = boards.ravel()
        n = len(flat)
        none = np.full(n, -1, np.int8)
        return View(flat, flat, none, none, np.zeros(n, np.int8), np.zeros(n, np.int16), (1, n))

    def __len__(self) -> int:
        return len(self.ply)

    def by_ply(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array [..., n] of this view as [..., plies, games]."""
        return array.reshape(*array.shape[:-1], *self.shape)

    @cached_property
    def moved(self) -> NDArray[np.bool_]:
        """Bool [n], a move led to this position (not the first one, and not after the end of the game)."""
        return self.origin >= 0

    @cached_property
    def origin_bit(self) -> U64:
        """Square that the last move started from as a bitboard, 0 if no move was made."""
        return self.moved.astype(np.uint64) << (self.origin & np.int8(63)).astype(np.uint64)

    @cached_property
    def target_bit(self) -> U64:
        """Square that the last move went to as a bitboard, 0 if no move was made."""
        return self.moved.astype(np.uint64) << (self.target & np.int8(63)).astype(np.uint64)

    @cached_property
    def _sliders(self) -> U64:
        """Sliders by colour (White first) and line: straight and diagonal ones by turns; [2, 4, n]."""
        b = self.boards
        straight, diagonal = b.rooks | b.queens, b.bishops | b.queens
        out = np.empty((2, 4, len(self)), np.uint64)
        for side, colour in zip(out, (b.white, b.black), strict=True):
            np.bitwise_and(straight, colour, out=side[0])
            np.bitwise_and(diagonal, colour, out=side[1])
            side[2], side[3] = side[0], side[1]
        return out

    @cached_property
    def _attacks(self) -> tuple[U64, U64]:
        """Squares attacked by White and by Black."""
        b, empty = self.boards, self.boards.empty
        found: list[U64] = []
        for white, colour, sliders in ((True, b.white, self._sliders[0]), (False, b.black, self._sliders[1])):
            lines = rays_up(sliders, empty)
            lines |= rays_down(sliders, empty)
            attacks = np.bitwise_or.reduce(lines, axis=0)
            attacks |= knight_attacks(b.knights & colour)
            attacks |= king_attacks(b.kings & colour)
            attacks |= pawn_attacks(b.pawns & colour, white)
            found.append(attacks)
        return found[0], found[1]

    @property
    def white_attacks(self) -> U64:
        """Squares that White attacks, whoever stands there; pinned pieces attack too."""
        return self._attacks[0]

    @property
    def black_attacks(self) -> U64:
        """Squares that Black attacks, whoever stands there; pinned pieces attack too."""
        return self._attacks[1]

    def attacks(self, white: bool) -> U64:
        """Squares that a colour attacks."""
        return self._attacks[0 if white else 1]

    def _pinned(self, white: bool) -> U64:
        b, empty = self.boards, self.boards.empty
        own, enemies = b.colour(white), self._sliders[1 if white else 0]
        king = b.kings & own
        first_up, first_down = rays_up(king, empty), rays_down(king, empty)
        first_up &= own
        first_down &= own
        first_up *= (rays_up(first_up, empty) & enemies) != 0
        first_down *= (rays_down(first_down, empty) & enemies) != 0
        first_up |= first_down
        return np.bitwise_or.reduce(first_up, axis=0)

    @cached_property
    def white_pinned(self) -> U64:
        """White pieces that are absolutely pinned: taking one off the board would expose the white king to a slider."""
        return self._pinned(True)

    @cached_property
    def black_pinned(self) -> U64:
        """Black pieces that are absolutely pinned."""
        return self._pinned(False)

    def pinned(self, white: bool) -> U64:
        """Pieces of a colour that are absolutely pinned."""
        return self.white_pinned if white else self.black_pinned

    @cached_property
    def checkers(self) -> U64:
        """Pieces that give check to the side to move."""
        return checkers(self.boards)

    def in_check(self, white: bool) -> NDArray[np.bool_]:
        """Bool [n], the king of a colour is attacked."""
        king = self.boards.kings & self.boards.colour(white)
        return (king & self.attacks(not white)) != _ZERO

    @cached_property
    def relative(self) -> Relative:
        """The positions turned so that the side to move plays upwards, with its checks, pins and danger."""
        return relative(self.boards)

    @cached_property
    def ways(self) -> U64:
        """Targets of legal moves by way of stepping, uint64 [27, n], turned as `relative`; see chess_targets.py."""
        return targets(self.relative)

    @cached_property
    def legal_targets(self) -> U64:
        """Squares that the side to move may move to."""
        return flip(np.bitwise_or.reduce(self.ways, axis=0), ~self.boards.turn)

    @cached_property
    def legal_origins(self) -> U64:
        """Squares that the side to move may move from."""
        return flip(_origins(self.ways, self.relative), ~self.boards.turn)

    @cached_property
    def legal_passant(self) -> U64:
        """Squares that a pawn of the side to move may move to by capturing en passant."""
        return flip(self.ways[PASSANT_EAST] | self.ways[PASSANT_WEST], ~self.boards.turn)

    @cached_property
    def moves(self) -> Moves:
        """All legal moves, in the order of the positions."""
        return legal_moves(self.boards)


def _origins(ways: U64, side: Relative) -> U64:
    """Squares that legal moves start from, turned as `side`: every way undone for all targets at once."""
    origins = np.bitwise_or.reduce(rays_down(ways[SLIDE : SLIDE + 4], side.empty), axis=0)
    origins |= np.bitwise_or.reduce(rays_up(ways[SLIDE + 4 : PUSH], side.empty), axis=0)
    origins &= side.us  # a ray back from a target passes empty squares and ends at the slider
    origins |= np.bitwise_or.reduce(ways[JUMP : JUMP + 4] >> JUMPS, axis=0)
    origins |= np.bitwise_or.reduce(ways[JUMP + 4 : SLIDE] << JUMPS, axis=0)
    origins |= (ways[PUSH] | ways[PROMOTE]) >> np.uint64(8)
    origins |= ways[DOUBLE] >> np.uint64(16)
    origins |= (ways[TAKE_EAST] | ways[PASSANT_EAST] | ways[PROMOTE_EAST]) >> np.uint64(9)
    origins |= (ways[TAKE_WEST] | ways[PASSANT_WEST] | ways[PROMOTE_WEST]) >> np.uint64(7)
    origins |= side.kings & side.us * ((ways[KING] | ways[CASTLE]) != _ZERO)
    return origins
