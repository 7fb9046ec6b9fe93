"""What stands on every square of a board game, as one number a square, read from labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .transcripts import Game

_VARIABLES = ("state of ", "content of ")
_CHUNK = 8192  # positions unpacked together


@dataclass(frozen=True)
class BoardStates:
    """The state of every square as a categorical variable.

    Attributes:
        names: the variables, one a square, such as "state of c4".
        squares: int64 [squares], number of each square as in `game.square_of`.
        features: int64 [squares, states], feature of every state: in Othello mine, yours and empty, in chess twelve
            pieces and empty.
        rest: int64 [m], features that also make two positions the same: the player to move, in chess the castling
            rights and the legal en passant captures.
    """

    names: tuple[str, ...]
    squares: NDArray[np.int64]
    features: NDArray[np.int64]
    rest: NDArray[np.int64]


def board_states(game: Game) -> BoardStates:
    """The states of the squares of Othello or chess.

    Raises:
        ValueError: a world without a board.
    """
    features = game.features
    found = {name: values for name, values in features.variables.items() if name.startswith(_VARIABLES)}
    square_of = getattr(game, "square_of", None)
    if not found or square_of is None:
        raise ValueError(f"{game.name} is not a board game: none of its features are states of squares")
    rest = [i for i, name in enumerate(features.names) if _belongs_to_position(name)]
    return BoardStates(
        names=tuple(found),
        squares=np.array([square_of(features[values[0]]) for values in found.values()], np.int64),
        features=np.array(list(found.values()), np.int64),
        rest=np.array(rest, np.int64),
    )


def _belongs_to_position(name: str) -> bool:
    return name in ("black to move", "white to move") or name.endswith("side castling right") or name.startswith(
        "en passant on "
    )  # fmt: skip


def state_codes(
    labels: NDArray[np.uint8], games: NDArray[np.int64], positions: NDArray[np.int64], states: BoardStates
) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """State of every square at some positions, and the rest of what makes positions the same.

    Args:
        labels: packed uint8 [games, positions, bytes], all features of the game.
        games: int64 [N].
        positions: int64 [N].
        states: of the game.

    Returns:
        int8 [N, squares], column of `states.features`; and packed uint8 [N, bytes], the truth of `states.rest`.

    Raises:
        ValueError: a position where a square does not have exactly one state, as where nothing was labelled.
    """
    columns = np.concatenate([states.features.ravel(), states.rest])
    n_states = states.features.size
    codes = np.empty((len(games), len(states.names)), np.int8)
    rest = np.empty((len(games), (len(states.rest) + 7) // 8), np.uint8)
    for first in range(0, len(games), _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = labels[games[part], positions[part]]
        bits = ((rows[:, columns // 8] >> (columns % 8).astype(np.uint8)) & 1).view(np.bool_)
        board = bits[:, :n_states].reshape(-1, *states.features.shape)
        if not (board.sum(axis=2) == 1).all():
            raise ValueError("a square has not exactly one state: these positions were not labelled by their game")
        codes[part] = board.argmax(axis=2)
        rest[part] = np.packbits(bits[:, n_states:], axis=1, bitorder="little")
    return codes, rest
