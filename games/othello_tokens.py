"""Othello moves as OthelloGPT token ids: 0 is padding, 1..60 are the squares that are not filled at the start.

    square (8 x 8)    0 .. 26    27 28 (centre)    29 .. 34    35 36 (centre)    37 .. 63
    id                1 .. 27          -           28 .. 33          -           34 .. 60

There is no token for a pass and none for the start. On a smaller board the ids are 1.. in the same row-major order.

The transposition trap: the public OthelloGPT code reads the letter of a move as its row, so its "f5" has the id that
"e6" has here. The start position is symmetric under that exchange, so a game read the wrong way is still legal and
nothing fails. `OthelloTokens(transpose=True)` has the ids of OthelloGPT's own checkpoints and data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .othello_board import Geometry


@dataclass(frozen=True)
class OthelloTokens:
    """Tokenizer of a `size` x `size` board.

    Attributes:
        size: board side.
        transpose: exchange letter and number, as the public OthelloGPT code does.
        pad_id: the id after the end of a game.
    """

    size: int = 8
    transpose: bool = False
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.pad_id != 0:
            raise ValueError(f"Othello tokens pad with id 0, got pad_id={self.pad_id!r}")
        Geometry(self.size)

    @cached_property
    def geometry(self) -> Geometry:
        """The board."""
        return Geometry(self.size)

    @cached_property
    def square_of_id(self) -> NDArray[np.int64]:
        """Row-major square of every id, int64 [d_vocab]; -1 for padding."""
        squares = [-1] + [s for s in range(self.size**2) if s not in self.geometry.centre]
        if self.transpose:
            squares = [-1] + [s % self.size * self.size + s // self.size for s in squares[1:]]
        return np.array(squares, dtype=np.int64)

    @cached_property
    def id_of_square(self) -> NDArray[np.int64]:
        """Id of every row-major square, int64 [size * size + 1]; 0 for the centre and for -1 (the last entry)."""
        ids = np.zeros(self.size**2 + 1, dtype=np.int64)
        ids[self.square_of_id] = np.arange(self.d_vocab)
        return ids

    @property
    def d_vocab(self) -> int:
        """Number of ids, padding included."""
        return self.size**2 - 3

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Text of every id, in order; "<pad>" first."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> tuple[str, ...]:
        squares: list[int] = self.square_of_id[1:].tolist()
        return ("<pad>", *(self.geometry.names[s] for s in squares))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.vocabulary) if i}

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Token ids of a game.

        Args:
            moves: square names such as "f5", in either case; or one text of them, such as "f5d6c3" or "f5 d6 c3".

        Raises:
            ValueError: not a square of this board, or one that is filled at the start.
        """
        ids: list[int] = []
        for ply, move in enumerate(self.split(moves)):
            name = move.lower()
            if name not in self._ids:
                last = self.geometry.names[-1]
                why = "is filled at the start" if name in self.geometry.names else f"is not a square from a1 to {last}"
                raise ValueError(f"ply {ply}: {move!r} {why}")
            ids.append(self._ids[name])
        return ids

    @staticmethod
    def split(moves: Sequence[str]) -> Sequence[str]:
        """Moves of a game that may be written as one text."""
        if not isinstance(moves, str):
            return moves
        text = "".join(moves.split())
        return [text[i : i + 2] for i in range(0, len(text), 2)]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Square names of a game; padding after its end is dropped.

        Raises:
            ValueError: an unknown id, or padding before a move.
        """
        values = [int(i) for i in ids]
        while values and values[-1] == self.pad_id:
            values.pop()
        for ply, value in enumerate(values):
            if not 0 < value < self.d_vocab:
                why = "padding before a move" if value == 0 else f"ids run from 0 to {self.d_vocab - 1}"
                raise ValueError(f"ply {ply}: token id {value}: {why}")
        return [self.vocabulary[i] for i in values]

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Ply of the board that each token stands for: moves made up to and including it, so 1 for the first."""
        return list(range(1, len(self.decode(ids)) + 1))

    def to_squares(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Row-major squares of token ids of any shape; -1 for padding.

        Raises:
            ValueError: not integers, or an unknown id.
        """
        if ids.dtype.kind not in "iu":
            raise ValueError(f"token ids must be integers, got {ids.dtype}")
        outside = (ids < 0) | (ids >= self.d_vocab)
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            raise ValueError(f"token id {int(ids[index])} at {list(index)}: ids run from 0 to {self.d_vocab - 1}")
        return self.square_of_id[ids]

    def from_squares(self, squares: NDArray[np.integer]) -> NDArray[np.int64]:
        """Token ids of row-major squares of any shape; -1 becomes padding."""
        return self.id_of_square[squares]
