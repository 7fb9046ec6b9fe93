"""Othello as text for a language model.

Moves so far: b4 d5 f5
White (X) to move
  a b c d e f
1 . . . . . .
...
Just played: f5 (O), turning over e4
X, mine: c4
O, theirs: b4, c3, ...
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .othello import Othello
from .othello_board import BLACK, Record, replay
from .serialise_marks import Form, Marks, grid, marked, moves_line, rest_of_marks

STYLES = ("record", "grid", "list", "moves")
PERSPECTIVE = "mover"
COLOURS = ("Black", "White")


def legend(form: Form) -> str:
    """How to read the texts."""
    whose = (
        "X are the discs of the player to move (mine), O those of the opponent (theirs)"
        if form.perspective == "mover"
        else "X are black discs, O white ones"
    )
    board = f"On the board {whose}, . is an empty square, * the disc just played; a1 is at the top left."
    moves = (
        "Othello. Moves so far are squares in the order in which discs were put there, Black first; a player who has "
        "no legal move passes, and a pass is not written."
    )
    return {
        "record": f"{moves} {board} Just played says whose disc it is and which discs it turned over.",
        "grid": f"Othello. {board} Just played says whose disc it is.",
        "list": f"Othello. {whose}; all squares that are not listed are empty. Just played says whose disc it is.",
        "moves": f"{moves} The position is the one after the last move.",
    }[form.style]


class OthelloGames:
    """Games replayed together.

    Args:
        game: the world.
        tokens: int64 [games, positions], padded.

    Raises:
        ValueError: an illegal move; names game and ply.
    """

    def __init__(self, game: Othello, tokens: NDArray[np.int64]) -> None:
        self._record = replay(game.geometry, game.tokenizer.to_squares(tokens)[:, : game.geometry.max_plies])
        self._squares = self._record.squares

    def __getitem__(self, game: int) -> "OthelloGame":
        names, played = self._record.geometry.names, self._squares[game]
        return OthelloGame(self._record, game, tuple(names[int(square)] for square in played[played >= 0]))


@dataclass(frozen=True, eq=False)
class OthelloGame:
    """One game of a record.

    Attributes:
        record: games.
        game: which.
        played: squares of its moves.
    """

    record: Record
    game: int
    played: tuple[str, ...]

    @property
    def n_positions(self) -> int:
        """Moves of the game."""
        return len(self.played)

    def squares(self) -> tuple[str, ...]:
        """Names of all squares."""
        return self.record.geometry.names

    def text(self, position: int, form: Form, marks: Marks) -> str:
        """The board after a move, in one of `STYLES`."""
        at = self._state(position, form.perspective)
        has_moves, has_board = form.style in ("record", "moves"), form.style != "moves"
        lines: list[str] = []
        if has_moves:
            said = self.moves(position)
            written = [f"{i}.{move}" for i, move in enumerate(said, 1)] if form.numbered else said
            lines.append(moves_line(written, {p + 1 for p in marks.marked}, {p + 1 for p in marks.window}))
        if has_board:
            lines.append(self._turn(position, form.perspective))
        if form.style in ("record", "grid"):
            lines.append(self._grid(at, marks))
        if has_board:
            turned = f", turning over {', '.join(at.turned)}" if form.style == "record" else ""
            lines.append(f"Just played: {at.last} ({at.symbols[at.last]}){turned}")
        if form.style in ("record", "list"):
            lines += [f"{who}: {_listed(at.of(who[0]), marks)}" for who in at.sides]
        if not has_moves:
            lines += rest_of_marks("moves", [self.played[p] for p in sorted(marks.marked)])
        if form.style in ("list", "moves"):  # an empty square is in no list
            names = sorted(marks.squares, key=self.squares().index)
            lines += rest_of_marks("squares", [n for n in names if form.style == "moves" or n not in at.symbols])
        return "\n".join(lines)

    def line(self, position: int, form: Form) -> str:
        """The move and the board in one line."""
        at = self._state(position, form.perspective)
        if form.style == "moves":
            return at.last
        if form.style == "list":
            board = "; ".join(f"{who} {' '.join(at.of(who))}" for who in "XO")
        else:
            size, names = self.record.geometry.size, self.squares()
            rows = [names[r : r + size] for r in range(0, len(names), size)]
            board = "/".join("".join(at.symbols.get(name, ".") for name in row) for row in rows)
        return f"{at.last} ({at.symbols[at.last]}): {board}, {self._turn(position, form.perspective)}"

    def occupied(self, position: int) -> tuple[str, ...]:
        """Squares with a disc."""
        return tuple(sorted(self._state(position, "fixed").symbols, key=self.squares().index))

    def moves(self, position: int) -> list[str]:
        """Squares played up to and including a position."""
        return list(self.played[: position + 1])

    def _names(self, board: np.uint64) -> list[str]:
        squares: list[int] = np.flatnonzero(self.record.geometry.unpack(np.array([board]))[0]).tolist()
        return [self.squares()[s] for s in squares]

    def _turn(self, position: int, perspective: str) -> str:
        """Whose turn it is and which discs are that player's, and what became of the other one's turn."""
        record, at = self.record, (position, self.game)
        mover = int(record.to_move[at])
        mine = f"{COLOURS[mover]} ({'XO'[mover] if perspective == 'fixed' else 'X'})"
        if not record.legal[at]:
            return f"The game is over; it would be the turn of {mine}"
        return f"{mine} to move" + (f", {COLOURS[1 - mover]} passes" if record.passed[at] else "")

    def _state(self, position: int, perspective: str) -> "_State":
        record, at = self.record, (position, self.game)
        own, opp = self._names(record.own[at]), self._names(record.opp[at])
        if perspective == "fixed" and record.to_move[at] != BLACK:
            own, opp = opp, own
        sides = ("X, mine", "O, theirs") if perspective == "mover" else ("X, Black", "O, White")
        symbols = dict.fromkeys(own, "X") | dict.fromkeys(opp, "O")
        return _State(symbols, self.played[position], tuple(self._names(record.turned[at])), sides)

    def _grid(self, at: "_State", marks: Marks) -> str:
        size, names = self.record.geometry.size, self.squares()
        shown = {**at.symbols, at.last: "*"}
        rows = [
            (str(r + 1), [(name, shown.get(name, ".")) for name in names[size * r : size * (r + 1)]])
            for r in range(size)
        ]
        return grid(rows, [chr(97 + c) for c in range(size)], marks.squares)


@dataclass(frozen=True)
class _State:
    """A board.

    Attributes:
        symbols: X or O of every square with a disc.
        last: square of the last move.
        turned: squares that it turned over.
        sides: what X and O are.
    """

    symbols: dict[str, str]
    last: str
    turned: tuple[str, ...]
    sides: tuple[str, str]

    def of(self, symbol: str) -> list[str]:
        """Squares of one side, in order of their names."""
        return sorted(name for name, found in self.symbols.items() if found == symbol)


def _listed(names: Sequence[str], marks: Marks) -> str:
    return ", ".join(marked(name, name in marks.squares) for name in names) or "none"
