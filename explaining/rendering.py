"""Positions of a testbed as text: what language models are shown.

    renderer = renderer_of(bed, style="record")
    renderer.example(example)      # one text, with its marks
    renderer.lines(example)        # one short line for every position of it

Every game is replayed once. What a text may hold is said in games/serialise.py; activations never are in it.
"""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..games.serialise import form_of, legend, replayed, text_of
from ..games.serialise_marks import Replayed
from ..games.transcripts import Transcripts
from ..metrics.llm.nouns import Example

Boards = Literal["auto", "last", "all"]
BOARDS: tuple[Boards, ...] = ("auto", "last", "all")
_KEPT = 1 << 15  # texts that stay in memory: many latents share positions
_WITH_MOVES = ("record", "moves", "sentence")


class GameRenderer:
    """Positions of games, as `Renderer`.

    Args:
        game: the world.
        transcripts: its games.
        game_of_row: int [N], number of the game of every position.
        position_of_row: int [N], its token there.
        style: one of `styles_of(game)`; the first by default.
        boards: for examples of several positions: `last`: one board, and the moves of the example in brackets; `all`:
            one board a position; `auto`: `last` in a style that shows the moves, else `all`.
        perspective: see `form_of`.
        numbered: number the moves.

    Raises:
        ValueError: a world without text, an unknown style, perspective or kind of boards, arrays of other lengths, or
            an illegal move.
    """

    def __init__(
        self,
        game: Any,
        transcripts: Transcripts,
        game_of_row: NDArray[np.integer],
        position_of_row: NDArray[np.integer],
        *,
        style: str | None = None,
        boards: Boards = "auto",
        perspective: str | None = None,
        numbered: bool = False,
    ) -> None:
        if boards not in BOARDS:
            raise ValueError(f"boards must be one of {BOARDS}, got {boards!r}")
        if game_of_row.shape != position_of_row.shape or game_of_row.ndim != 1:
            raise ValueError(
                "game_of_row and position_of_row must be [N], one a position, got "
                f"{list(game_of_row.shape)} and {list(position_of_row.shape)}"
            )
        self.form = form_of(game, style, perspective=perspective, numbered=numbered)
        self._world = game
        self._games = replayed(game, transcripts.tokens)
        self._game_of, self._position_of = game_of_row, position_of_row
        self._all = boards == "all" or (boards == "auto" and self.form.style not in _WITH_MOVES)
        self._plain = lru_cache(_KEPT)(self._plain_text)
        self._line = lru_cache(_KEPT)(self._line_of)

    def __repr__(self) -> str:
        return f"GameRenderer({self._world.name}, style={self.style!r})"

    @property
    def style(self) -> str:
        """Name of the serialisation."""
        return self.form.style

    @property
    def legend(self) -> str:
        """How to read the texts."""
        said = legend(self._world, self.form)
        if self._all:
            return f"{said} An example of several positions shows each of them."
        if self.style == "sentence":
            return said
        return (
            f"{said} If moves stand in [brackets], the example is the positions after each of them, else the last one."
        )

    def example(self, example: Example) -> str:
        """One example, with its marks if it has any.

        Raises:
            ValueError: positions of several games, or none.
        """
        rows = example.rows
        if len(rows) == 1 and not example.marked and not example.squares:
            return self._plain(rows[0])
        game, positions = self._place(rows)
        marks = {positions[i] for i in example.marked}
        if len(rows) == 1 or not self._all:
            return text_of(
                game,
                positions[-1],
                self.form,
                marks=marks,
                window=positions if len(rows) > 1 else (),
                squares=example.squares,
            )
        parts: list[str] = []
        for i, position in enumerate(positions):
            last = i == len(positions) - 1
            stress = " <<marked>>" if position in marks else ""
            text = text_of(game, position, self.form, squares=example.squares if last else ())
            parts.append(f"Position {i + 1} of {len(positions)}{stress}:\n{text}")
        return "\n".join(parts)

    def lines(self, example: Example) -> list[str]:
        """One short line for every position of an example, in order."""
        return [self._line(row) for row in example.rows]

    def occupied(self, row: int) -> list[str]:
        """Squares that are not empty at a position, for marking some of them."""
        game, (position,) = self._place((row,))
        return list(game.occupied(position))

    def _plain_text(self, row: int) -> str:
        game, (position,) = self._place((row,))
        return text_of(game, position, self.form)

    def _line_of(self, row: int) -> str:
        game, (position,) = self._place((row,))
        return game.line(position, self.form)

    def _place(self, rows: tuple[int, ...]) -> tuple[Replayed, list[int]]:
        games = {int(self._game_of[row]) for row in rows}
        if len(games) != 1:
            raise ValueError(f"an example is of one game, got positions of {sorted(games)}")
        return self._games[games.pop()], [int(self._position_of[row]) for row in rows]


def renderer_of(
    bed: Any,
    style: str | None = None,
    *,
    boards: Boards = "auto",
    perspective: str | None = None,
    numbered: bool = False,
) -> GameRenderer:
    """Texts of a testbed's positions, in the order of its activations.

    Args:
        bed: the testbed.
        style: see `GameRenderer`; likewise the others.
        boards: see there.
        perspective: see there.
        numbered: see there.

    Raises:
        ValueError: a synthetic world, which has no text, or an unknown style.
    """
    if not hasattr(bed, "game"):
        name = getattr(bed, "name", "this testbed")
        raise ValueError(
            f"{name} has no text that a language model could read: its features are numbers; explain and judge it with "
            "predicates (PredicateExplainer, PredicateJudge)"
        )
    found = bed.activations
    return GameRenderer(
        bed.game,
        bed.transcripts,
        np.asarray(found.game_id),
        np.asarray(found.position),
        style=style,
        boards=boards,
        perspective=perspective,
        numbered=numbered,
    )
