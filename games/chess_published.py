"""The board-state properties of Karvonen et al. 2024 (arXiv 2408.00113) for chess, as published, for comparison only.

They are labelled apart from the vocabulary that is scored, because several are wrong (docs/chess-features.md lists each
with the right definition). Every feature here is a counterpart. Order as published: squares a1, b1, .., h8 (row 0 is
rank 1), then class. Nothing is turned to the side to move.

Published scores read only positions with White to move, at the first 20 `.` of a game: before White's moves 1 to 20,
`PUBLISHED_PLIES`. The first is the initial position of every game.

Scoring a function with a masked class as published takes its denominator as well:
`coverage(..., groups=[name], protocol="karvonen2024-code", denominators=published_denominators([name]))`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from . import chess_published_flags as flags
from .chess_bits import SQUARES
from .chess_board import Boards
from .chess_history import fifty_moves, repetitions
from .chess_play import Record
from .chess_view import View
from .features import Feature, FeatureSet

_CHUNK = 4096  # positions labelled together
PUBLISHED_PLIES = tuple(range(0, 40, 2))

_PIECES = (
    *(f"black {chess.piece_name(kind)}" for kind in reversed(chess.PIECE_TYPES)),
    "blank",
    *(f"white {chess.piece_name(kind)}" for kind in chess.PIECE_TYPES),
)
_COLOURS = ("black", "blank", "white")


@dataclass(frozen=True)
class PublishedFunction:
    """One published function: properties that are scored together.

    Attributes:
        meaning: what it says of a square or of the board, faults included.
        labels: its reading of flat positions, bool [n, features]; None if it needs the game.
        classes: of each square, or of the board, in the published order.
        rung: how abstract it is; a key of `features.RUNGS`.
        on_squares: one variable a square; else one for the board.
        masked: index of the class that never holds and is left out of the denominator, None if there is none.
    """

    meaning: str
    labels: Callable[[Boards], NDArray[np.bool_]] | None
    classes: tuple[str, ...] = ("yes",)
    rung: int = 2
    on_squares: bool = False
    masked: int | None = None

    @property
    def n_classes(self) -> int:
        """Classes of each variable, the masked one included; 1 for a yes-or-no function."""
        return len(self.classes)

    @property
    def n_features(self) -> int:
        """Features in all, masked ones included."""
        return self.n_classes * (64 if self.on_squares else 1)

    @property
    def denominator(self) -> int:
        """What published means divide by: variables times classes that are not masked."""
        return (64 if self.on_squares else 1) * (self.n_classes - (self.masked is not None))


def _piece(
    meaning: str, labels: Callable[[Boards], NDArray[np.bool_]] | None, masked: bool = False
) -> PublishedFunction:
    return PublishedFunction(meaning, labels, _PIECES, 1, True, _PIECES.index("blank") if masked else None)


def _squares(meaning: str, labels: Callable[[Boards], NDArray[np.bool_]], yes: str) -> PublishedFunction:
    return PublishedFunction(meaning, labels, (yes,), 2, True)


FUNCTIONS: dict[str, PublishedFunction] = {
    "piece": _piece("the piece on the square", flags.piece),
    "piece, blank masked": _piece("the piece on the square, blanks never true", flags.piece_blank_masked, True),
    "piece, blank and initial masked": _piece(
        "the piece on the square, blanks never true and a square with its initial content counted as blank",
        flags.piece_initial_masked,
        True,
    ),
    "piece colour": PublishedFunction(
        "black, white or no piece on the square", flags.piece_colour, _COLOURS, rung=1, on_squares=True
    ),
    "threat": _squares("attacked by Black, whoever is to move", flags.threat, "attacked"),
    "legal moves": _squares(
        "target of a legal move if White is to move; never true with Black to move", flags.legal_move_targets, "target"
    ),
    "pseudo-legal moves": _squares(
        "target of a pseudo-legal move of the side to move", flags.pseudo_legal_targets, "target"
    ),
    "check": PublishedFunction("the side to move is in check", flags.check),
    "pin": PublishedFunction("a piece of either colour is absolutely pinned to its king", flags.pin),
    "specific fork": PublishedFunction(
        "attacks of unpinned knights of the side to move on enemy rooks, queens and kings, all knights summed, are "
        "at least two",
        flags.specific_fork,
        rung=3,
    ),
    "any fork": PublishedFunction(
        "unpinned pieces of one kind of the side to move, summed, attack at least two enemy pieces of one kind (pawns: "
        "N B R Q K; knights and bishops: R Q K; rooks: Q K)",
        flags.any_fork,
        rung=3,
    ),
    "castling rights": PublishedFunction("the side to move has any castling right", flags.castling_rights),
    "queenside castling rights": PublishedFunction(
        "the side to move has the right to castle on the queen's side", flags.queenside_castling
    ),
    "kingside castling rights": PublishedFunction(
        "the side to move has the right to castle on the king's side", flags.kingside_castling
    ),
    "legal en passant": PublishedFunction("the side to move has a legal en passant capture", flags.legal_en_passant),
    "can claim draw": PublishedFunction(
        "the side to move may claim a draw by repetition or the fifty moves, now or with its next move", None, rung=3
    ),
    "can check next": PublishedFunction("a legal move of the side to move gives check", flags.can_check_next, rung=3),
    "bishop pair": PublishedFunction(
        "the side to move has at least two bishops, on squares of any colour", flags.bishop_pair, rung=3
    ),
    "mate threat": PublishedFunction("the side to move can give mate in one", flags.mate_threat, rung=3),
    "can capture queen": PublishedFunction(
        "a legal move takes the enemy queen that stands on the highest square (a1 lowest, h8 highest)",
        flags.can_capture_queen,
    ),
    "has queen": PublishedFunction("the side to move has a queen", flags.has_queen),
    "connected rooks": PublishedFunction(
        "two rooks of the side to move stand on one rank or file with nothing between", flags.connected_rooks, rung=3
    ),
    "ambiguous moves": PublishedFunction(
        "two pieces of one kind of the side to move, pawns included, may legally move to one square",
        flags.ambiguous_moves,
    ),
}
PUBLISHED = tuple(FUNCTIONS)
# Defined in the released code but never scored.
UNUSED_FUNCTIONS: dict[str, PublishedFunction] = {
    "stalemate": PublishedFunction("the side to move has no legal move and is not in check", flags.stalemate),
    "material": PublishedFunction(
        "material of the side to move in points (pawn 1, knight and bishop 3, rook 5, queen 9); no class above 39",
        flags.material,
        tuple(f"{points} points" for points in range(40)),
    ),
    "number of pieces": PublishedFunction(
        "pieces of the side to move, pawns included and the king not",
        flags.number_of_pieces,
        tuple(f"{n} pieces" for n in range(16)),
    ),
    "piece 25 plies back": _piece("the piece on the square 25 plies ago; blank before that", None),
    "last moved piece": _piece("the piece that has just moved, on its square; every other square blank", None),
}
UNUSED = tuple(UNUSED_FUNCTIONS)

# The two groups of functions that the paper's Table 1 and Table 3 average over.
BOARD_STATE = ("piece, blank and initial masked",)
STRATEGY = (
    "check",
    "can check next",
    "can capture queen",
    "has queen",
    "bishop pair",
    "castling rights",
    "kingside castling rights",
    "queenside castling rights",
    "any fork",
    "pin",
    "legal en passant",
    "ambiguous moves",
    "threat",
    "legal moves",
)


def published_function(name: str) -> PublishedFunction:
    """One of `PUBLISHED` or `UNUSED`.

    Raises:
        KeyError: unknown name.
    """
    found = FUNCTIONS.get(name) or UNUSED_FUNCTIONS.get(name)
    if found is None:
        raise KeyError(
            f"no published chess function {name!r}; there are {'; '.join(PUBLISHED)}; unused: {'; '.join(UNUSED)}"
        )
    return found


def published_denominators(names: Sequence[str]) -> dict[str, float]:
    """What published means of these functions divide by, which leaves masked classes out.

    Raises:
        KeyError: an unknown name.
    """
    return {name: float(published_function(name).denominator) for name in names}


def published_features(name: str) -> FeatureSet:
    """The properties of one published function, in the published order: square, class.

    The classes of a square (or of the board) share a variable, which the released reconstruction needs. The masked
    class is kept as an unreachable feature.

    Raises:
        KeyError: unknown name.
    """
    function = published_function(name)
    places = SQUARES if function.on_squares else ("",)
    return FeatureSet(
        Feature(
            name=f"{name}: {place} {kind}" if place else f"{name}: {kind}",
            group=name,
            rung=function.rung,
            definition=f"Published class {kind!r}{f' of {place}' if place else ''}: {function.meaning}.",
            variable=f"{name}: {place}" if function.n_classes > 1 else None,
            reachable=_reachable(name, function, place, kind),
            counterpart=True,
        )
        for place in places
        for kind in function.classes
    )


def _reachable(name: str, function: PublishedFunction, square: str, kind: str) -> bool:
    """Whether a class can hold at all: not the masked one, not a pawn of rank 1 or 8, not a masked initial content."""
    if function.masked is not None and kind == function.classes[function.masked]:
        return False
    if "initial" in name and kind == _PIECES[flags.START_CODES[SQUARES.index(square)]]:
        return False
    return not (kind.endswith("pawn") and square[1] in "18")


def published_labels(record: Record, name: str, plies: Sequence[int] | None = None) -> NDArray[np.bool_]:
    """Labels of one published function at the given plies of every game.

    Args:
        record: the games.
        name: one of `PUBLISHED` or `UNUSED`.
        plies: moves made before each labelled position, in any order; None means 0 to the last ply of the record.

    Returns:
        Bool [games, plies, features], in the order of `published_features`; all False after the end of a game.

    Raises:
        KeyError: unknown name.
        ValueError: a ply that the record does not reach.
    """
    function = published_function(name)
    n_plies, n_games = record.boards.shape
    chosen = np.arange(n_plies) if plies is None else np.asarray(plies, np.int64)
    if ((chosen < 0) | (chosen >= n_plies)).any():
        raise ValueError(f"plies must be from 0 to {n_plies - 1}, the plies of this record, got {chosen.tolist()}")
    boards = Boards(*(np.ascontiguousarray(array[chosen].T) for array in record.boards.arrays())).ravel()
    if function.labels is not None:
        labels = _chunked(function.labels, boards)
    elif name == "can claim draw":
        labels = np.ascontiguousarray(_draw_claims(record)[chosen].T)
    elif name == "last moved piece":
        labels = _last_moved(record, chosen)
    else:
        labels = _earlier(record, chosen)
    labels = labels.reshape(n_games, len(chosen), function.n_features)
    labels[chosen > record.lengths[:, None]] = False
    return labels


def board_labels(boards: Boards, name: str) -> NDArray[np.bool_]:
    """Labels of one published function on single positions, bool [..., features] for boards of any shape.

    Raises:
        KeyError: unknown name.
        ValueError: the function looks at the game so far.
    """
    function = published_function(name)
    if function.labels is None:
        raise ValueError(f"{name!r} looks at the game so far: a position is not enough, use published_labels")
    return _chunked(function.labels, boards.ravel()).reshape(*boards.shape, function.n_features)


def _chunked(labels: Callable[[Boards], NDArray[np.bool_]], boards: Boards) -> NDArray[np.bool_]:
    """Labels of flat positions, taken in parts that stay in the cache."""
    starts = range(0, max(len(boards), 1), _CHUNK)
    return np.concatenate([labels(boards[i : i + _CHUNK]) for i in starts])


def _draw_claims(record: Record, together: int = 512) -> NDArray[np.bool_]:
    """Whether a draw may be claimed, bool [plies, games], taking some games together."""
    parts: list[NDArray[np.bool_]] = []
    for first in range(0, record.boards.shape[1], together):
        view = View.of_record(record, slice(first, first + together))
        parts.append(view.by_ply(repetitions(view)[1] | fifty_moves(view.boards)))
    return np.concatenate(parts, axis=1)


def _earlier(record: Record, plies: NDArray[np.int64], back: int = 25) -> NDArray[np.bool_]:
    """Pieces some plies earlier in the game; blank where the game had not begun."""
    codes = flags.piece_codes(record.boards[np.maximum(plies - back, 0)])  # [plies, games, 64]
    codes[plies < back] = flags.BLANK
    return flags.one_hot(codes.swapaxes(0, 1).reshape(-1, 64), 13)


def _last_moved(record: Record, plies: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The piece on the target of the last move; blank elsewhere."""
    codes = flags.piece_codes(record.boards[plies])
    last = np.where((plies > 0)[:, None], record.target[np.maximum(plies - 1, 0)], -1)
    codes[last[..., None] != np.arange(64)] = flags.BLANK
    return flags.one_hot(codes.swapaxes(0, 1).reshape(-1, 64), 13)
