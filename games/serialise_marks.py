"""What the texts of all games share: how they are asked for, and how moves, words and squares are marked.

`<<Nf3>>` is marked for a question; `[Nf3]` says that the position after this move belongs to the example, where an
example is more than the last position.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

MOVES = "Moves so far: "
NONE = "none"  # stands for the position before the first move


@dataclass(frozen=True)
class Form:
    """How a position is written.

    Attributes:
        style: such as `record`; every game has its own.
        perspective: `mover`: seen by the player to move; `fixed`: the same for both players.
        numbered: whether moves carry their number, which tells how long a game has lasted.
    """

    style: str
    perspective: str
    numbered: bool = False


@dataclass(frozen=True)
class Marks:
    """What is marked in a text.

    Attributes:
        marked: positions of the game whose move or word is marked.
        window: positions that belong to the example, if it is more than the last one.
        squares: names of marked squares of the last position.
    """

    marked: frozenset[int] = frozenset()
    window: frozenset[int] = frozenset()
    squares: frozenset[str] = frozenset()


class Replayed(Protocol):
    """One game, made once, of which any position can be written."""

    @property
    def n_positions(self) -> int:
        """Tokens of the game."""
        ...

    def text(self, position: int, form: Form, marks: Marks) -> str:
        """The position that a token leads to."""
        ...

    def line(self, position: int, form: Form) -> str:
        """The same in one short line: the move or word, and the state in brief."""
        ...

    def occupied(self, position: int) -> tuple[str, ...]:
        """Squares that are not empty there, in order; none where there is no board."""
        ...

    def squares(self) -> tuple[str, ...]:
        """Names of all squares; none where there is no board."""
        ...


def marked(text: str, yes: bool) -> str:
    """A text between `<<` and `>>`, if it is marked."""
    return f"<<{text}>>" if yes else text


def word(text: str, place: int, stressed: Collection[int], window: Collection[int]) -> str:
    """A move or word with its marks.

    Args:
        text: as written.
        place: its number.
        stressed: numbers of marked ones.
        window: numbers of those that belong to the example.
    """
    text = marked(text, place in stressed)
    return f"[{text}]" if place in window else text


def moves_line(moves: Sequence[str], stressed: Collection[int], window: Collection[int]) -> str:
    """The line of moves.

    Args:
        moves: in order, numbered already if they shall be; move i led to the position after i + 1 moves.
        stressed: plies whose move is marked; 0 stands for the position before the first move.
        window: plies that belong to the example.
    """
    words = [word(move, ply, stressed, window) for ply, move in enumerate(moves, start=1)]
    if not words or 0 in stressed or 0 in window:
        words.insert(0, word(NONE, 0, stressed, window))
    return MOVES + " ".join(words)


def grid(rows: Sequence[tuple[str, Sequence[tuple[str, str]]]], files: Sequence[str], squares: Collection[str]) -> str:
    """A board with the names of its files above and of its ranks on the left, a space between any two squares.

    Args:
        rows: from the top, the name of each rank and (square, symbol) from the left.
        files: from the left.
        squares: the marked ones.
    """
    lines = ["  " + " ".join(files)]
    if squares:
        rows = [(name, [(on, marked(symbol, on in squares)) for on, symbol in row]) for name, row in rows]
    lines += [f"{name} " + " ".join([symbol for _, symbol in row]) for name, row in rows]
    return "\n".join(lines)


def rest_of_marks(what: str, texts: Sequence[str]) -> list[str]:
    """A line for marks that have no place in a style: moves where no moves stand, squares where no board does.

    Args:
        what: `moves` or `squares`.
        texts: what is marked.
    """
    return [f"Marked {what}: " + ", ".join(marked(text, True) for text in texts)] if texts else []
