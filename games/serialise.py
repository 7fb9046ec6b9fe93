"""Positions as text for a language model.

    tokens = transcripts.tokens[game, : position + 1]
    print(serialise(game_world, tokens, style="record"))

Nothing is shown that would give an answer away: no headers, no result, no length of a game (numbers of moves only on
request), no activations. Squares keep their names whichever side the board is seen from.

Styles: Othello `record`, `grid`, `list`, `moves`; chess these and `fen`; prompts `sentence`. A synthetic world has no
text: its features are numbers, and only predicates can be asked about.
"""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import serialise_chess, serialise_ioi, serialise_othello
from .chess import Chess
from .ioi import IOI
from .othello import Othello
from .serialise_marks import Form, Marks, Replayed

PERSPECTIVES = ("mover", "fixed")
_NO_POSITIONS: frozenset[int] = frozenset()
_NO_SQUARES: frozenset[str] = frozenset()


class ReplayedGames(Protocol):
    """Games by their number."""

    def __getitem__(self, game: int) -> Replayed: ...


def styles_of(game: Any) -> tuple[str, ...]:
    """The styles of a world, the one with most in it first.

    Raises:
        ValueError: a world without text.
    """
    return _module(game).STYLES


def form_of(game: Any, style: str | None = None, *, perspective: str | None = None, numbered: bool = False) -> Form:
    """How to write positions of a world.

    Args:
        game: the world.
        style: one of `styles_of`; the first by default.
        perspective: `mover`: in Othello X is mine and O theirs, in chess the side to move sits below; `fixed`: X is
            Black, White sits below. By default `mover` in Othello and `fixed` in chess.
        numbered: number the moves.

    Raises:
        ValueError: a world without text, an unknown style or perspective.
    """
    module = _module(game)
    styles: tuple[str, ...] = module.STYLES
    style = styles[0] if style is None else style
    if style not in styles:
        close = get_close_matches(style, styles, n=1)
        raise ValueError(
            f"no style {style!r} of {game.name}; "
            + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(styles)}")
        )
    perspective = module.PERSPECTIVE if perspective is None else perspective
    if perspective not in PERSPECTIVES:
        raise ValueError(f"perspective must be one of {PERSPECTIVES}, got {perspective!r}")
    return Form(style, perspective, numbered)


def legend(game: Any, form: Form) -> str:
    """How to read the texts of a world, said once a prompt."""
    return _module(game).legend(form)


def replayed(game: Any, tokens: NDArray[np.int64]) -> ReplayedGames:
    """Games ready to be written; each is replayed once.

    Args:
        game: the world.
        tokens: int64 [games, positions], padded after the end.

    Raises:
        ValueError: a world without text, or an illegal move.
    """
    _module(game)
    if tokens.ndim != 2:
        raise ValueError(f"tokens must be [games, positions], got {list(tokens.shape)}")
    if isinstance(game, Othello):
        return serialise_othello.OthelloGames(game, tokens)
    if isinstance(game, Chess):
        return serialise_chess.ChessGames(game, tokens)
    return serialise_ioi.IOIPrompts(game, tokens)


def serialise(
    game: Any,
    tokens: Sequence[int] | NDArray[np.int64],
    *,
    style: str | None = None,
    marks: Collection[int] = _NO_POSITIONS,
    window: Collection[int] = _NO_POSITIONS,
    squares: Collection[str] = _NO_SQUARES,
    perspective: str | None = None,
    numbered: bool = False,
) -> str:
    """The position that the last token leads to.

    Args:
        game: the world.
        tokens: int [position + 1], a game up to and including the token.
        style: see `form_of`; likewise `perspective` and `numbered`.
        marks: positions, up to the last, whose move or word stands in `<<` and `>>`. A character stands for the last
            complete move.
        window: positions that belong to the example, in `[` and `]`; none if it is the last position alone.
        squares: names of squares that stand in `<<` and `>>` on the board.
        perspective: see `form_of`.
        numbered: see `form_of`.

    Raises:
        ValueError: a world without text, an illegal move, no tokens, an unknown style, square or perspective, or a mark
            behind the last token.
    """
    form = form_of(game, style, perspective=perspective, numbered=numbered)
    found = _one(game, tokens)
    return text_of(found, len(tokens) - 1, form, marks=marks, window=window, squares=squares)


def text_of(
    game: Replayed,
    position: int,
    form: Form,
    *,
    marks: Collection[int] = _NO_POSITIONS,
    window: Collection[int] = _NO_POSITIONS,
    squares: Collection[str] = _NO_SQUARES,
) -> str:
    """As `serialise`, of a game that is replayed already.

    Raises:
        ValueError: a position that the game does not have, an unknown square, or a mark behind the position.
    """
    if not 0 <= position < game.n_positions:
        raise ValueError(f"position must be from 0 to {game.n_positions - 1}, the end of this game, got {position}")
    if outside := [p for p in (*marks, *window) if not 0 <= p <= position]:
        raise ValueError(f"marks and window are positions from 0 to {position}, the last one shown, got {outside[0]}")
    names = frozenset(name.lower() for name in squares)
    if unknown := sorted(names - set(game.squares())):
        known = game.squares()
        where = f"squares run from {known[0]} to {known[-1]}" if known else "there is no board"
        raise ValueError(f"no square {unknown[0]!r}: {where}")
    return game.text(position, form, Marks(frozenset(marks), frozenset(window), names))


def line(
    game: Any,
    tokens: Sequence[int] | NDArray[np.int64],
    position: int | None = None,
    style: str | None = None,
    *,
    perspective: str | None = None,
    numbered: bool = False,
) -> str:
    """One short line about a position: the move and the state in brief.

    Args:
        game: the world.
        tokens: int [n], a game.
        position: which; the last by default.
        style: see `form_of`; `moves` gives the move alone.
        perspective: see `form_of`.
        numbered: see `form_of`.

    Raises:
        ValueError: as `serialise`.
    """
    form = form_of(game, style, perspective=perspective, numbered=numbered)
    found = _one(game, tokens)
    position = len(tokens) - 1 if position is None else position
    if not 0 <= position < found.n_positions:
        raise ValueError(f"position must be from 0 to {found.n_positions - 1}, the end of this game, got {position}")
    return found.line(position, form)


def _one(game: Any, tokens: Sequence[int] | NDArray[np.int64]) -> Replayed:
    row = np.asarray(tokens, np.int64)
    if row.ndim != 1 or not len(row):
        raise ValueError(f"tokens must be one game up to a position, got an array {list(row.shape)}")
    return replayed(game, row[None])[0]


def _module(game: Any) -> ModuleType:
    for world, module in ((Othello, serialise_othello), (Chess, serialise_chess), (IOI, serialise_ioi)):
        if isinstance(game, world):
            return module
    name = getattr(game, "name", type(game).__name__)
    raise ValueError(
        f"{name} has no text that a language model could read: its features are numbers; explain and judge it with "
        "predicates (PredicateExplainer, PredicateJudge)"
    )
