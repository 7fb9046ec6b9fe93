"""Windows of games, the examples made of them, and the marks that fuzzing asks about.

A window is up to `size` scored positions of one game that follow each other. The layouts:

grid      every game is cut into windows from its first position on; no two overlap. A window is as strong as the
          strongest position in it, and stands for its last one.
ending    a window for every position, which is its last. It is as strong as the latent is there.
centre    a window for every position, which is in its middle (before the middle if the size is even); cut short at both
          ends of the game.

Marks     of a positive: positions of at least .3 of the maximum of that example. Of a negative: see `fuzz`.
References  Paulo et al. 2024, arXiv 2410.13928: windows, the share of .3, and fuzzing by marked tokens.
Differences from published code (delphi v0.1.1)
          1. Its option to centre windows is the wrong way round: asked to centre, it cuts by grid. Here centre centres.
          2. Centred windows at the ends of a text are dropped there; here they are cut short and kept.
          3. Marks of negatives are drawn anew from one seed, so that all negatives carry the same ones; here every
             example has its own draw, whatever the order in which examples come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..inputs import as_games
from .facts import Facts
from .nouns import Example, Latent
from .predicate import Predicate, squares_of
from .seeds import generator_of

Layout = Literal["grid", "ending", "centre"]
LAYOUTS: tuple[Layout, ...] = ("grid", "ending", "centre")
HIGHLIGHT = 0.3


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of a sample.

    Attributes:
        order: int64 [N], rows by game and position.
        place: int64 [N], where each row stands in `order`.
        start: int64 [W], first place of each window.
        stop: int64 [W], the place after its last.
        anchor: int64 [W], the row that the window stands for.
        of_row: int64 [N], the window that a row counts for.
        game: int64 [W], numbered from 0.
        train: bool [W], whether its game is a choosing one.
        overlap: whether windows can share rows.
    """

    order: NDArray[np.int64]
    place: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    anchor: NDArray[np.int64]
    of_row: NDArray[np.int64]
    game: NDArray[np.int64]
    train: NDArray[np.bool_]
    overlap: bool

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, window: int) -> NDArray[np.int64]:
        """Rows of one window, in the order of the game."""
        return self.order[self.start[window] : self.stop[window]]

    def strongest(self, latent: Latent) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Windows that count as active: their numbers, rising; how strong each is; the row that makes it so."""
        by_window = np.lexsort((latent.rows, -latent.values, self.of_row[latent.rows]))
        found, first = np.unique(self.of_row[latent.rows][by_window], return_index=True)
        best = by_window[first]
        return found, latent.values[best], latent.rows[best]

    def touched(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Windows that hold any of some rows, bool [W]."""
        marked = np.zeros(len(self.order) + 1, np.int64)
        marked[self.place[rows] + 1] = 1
        before = np.cumsum(marked)
        return before[self.stop] > before[self.start]


def windows_of(facts: Facts, size: int = 1, layout: Layout = "grid") -> Windows:
    """Cut a sample into windows.

    Args:
        facts: games and positions.
        size: scored positions in a window, at most.
        layout: see above.

    Raises:
        ValueError: a size below 1, or an unknown layout.
    """
    if size < 1:
        raise ValueError(f"a window needs at least 1 position, got {size}")
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    n = facts.n_rows
    games = as_games(facts.game_id, n)
    order = np.lexsort((facts.position, games)).astype(np.int64)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    game = games[order]
    length = np.bincount(game, minlength=0)
    first = np.repeat(np.cumsum(length) - length, length)  # place at which the game of each place begins
    end = first + np.repeat(length, length)
    at = np.arange(n)
    if layout == "grid":
        start = at[(at - first) % size == 0]
        stop = np.minimum(start + size, end[start])
        of_row = (np.searchsorted(start, at, side="right") - 1)[place]
        return Windows(
            order, place, start, stop, order[stop - 1], of_row, game[start], facts.train[order[start]], False
        )
    before = size - 1 if layout == "ending" else (size - 1) // 2
    start = np.maximum(at - before, first)
    stop = np.minimum(at - before + size, end)
    return Windows(order, place, start, stop, order, place, game, facts.train[order], size > 1)


def marks_of(values: Sequence[float], share: float = HIGHLIGHT) -> tuple[int, ...]:
    """Places of a window at which the latent fires at least as strongly as a share of the window's maximum.

    >>> marks_of((0.0, 1.0, 0.3, 0.2))
    (1, 2)
    >>> marks_of((0.0, 0.0))
    ()
    """
    highest = max(values, default=0.0)
    return tuple(i for i, value in enumerate(values) if value > 0 and value >= share * highest)


def fuzz(
    examples: Sequence[Example],
    latent: Latent,
    *,
    marks: Literal["rows", "squares"] = "rows",
    wrong: Literal["silent", "active"] = "silent",
    predicate: Predicate | None = None,
    occupied: Callable[[int], Sequence[str]] | None = None,
    seed: int = 0,
    sae: str = "",
) -> tuple[Example, ...]:
    """The examples of an exam with marks, so that it can be asked whether the explanation fits all that is marked.

    Args:
        examples: positives and negatives of an exam.
        latent: whose they are.
        marks: `rows` marks positions of a window: those of a positive that reach .3 of its maximum, and at random as
            many of a negative as a positive has on average, rounded up. `squares` marks the squares that `predicate` is
            about in one position of a positive, and equally many other occupied ones of a negative; every example is
            cut to that position, its strongest or, in a negative, its last.
        wrong: where the wrong marks stand: in `silent` examples, or in the `active` ones themselves, at positions below
            .3 of the maximum, or on other squares. With `active` every positive comes twice, marked rightly and
            wrongly, as published; negatives of the exam are left out.
        predicate: of which squares are marked. Not that of the explanation under test, which fits its own squares
            by construction: the best known description of the latent.
        occupied: names of squares that are not empty in the position of a row; for marked squares.
        seed: of the marks.
        sae: name of the dictionary.

    Returns:
        Rightly marked examples first. `active` says what the right answer is: wrongly marked ones have it False, also
        where the latent fires, and `source` `wrong marks` there. An example in which nothing can be marked is left
        out; so are all if the predicate names no square.

    Raises:
        ValueError: squares without a predicate or without `occupied`, or an unknown kind of marks.
    """
    if marks not in ("rows", "squares") or wrong not in ("silent", "active"):
        raise ValueError(f"marks must be rows or squares, and wrong silent or active, got {marks!r} and {wrong!r}")
    positives = [example for example in examples if example.active]
    others = positives if wrong == "active" else [example for example in examples if not example.active]
    if marks == "rows":
        right = [replace(example, marked=marks_of(example.values), squares=()) for example in positives]
        count = -(-sum(len(example.marked) for example in right) // len(right)) if right else 1  # mean, rounded up
        places = [_silent_rows(example, wrong) for example in others]
        drawn = [
            _some(free, count, seed, sae, latent.number, "rows", e) for free, e in zip(places, others, strict=True)
        ]
        wrongs = [
            replace(_as_wrong(example, wrong), marked=tuple(chosen), squares=())
            for example, chosen in zip(others, drawn, strict=True)
            if chosen
        ]
        return (*right, *wrongs)
    if predicate is None or occupied is None:
        raise ValueError("marked squares need the predicate that names them, and which squares are occupied")
    named = sorted(squares_of(predicate))
    if not named:
        return ()
    right = [replace(_one_position(example), squares=tuple(named)) for example in positives]
    wrongs: list[Example] = []
    meant = {square.lower() for square in named}
    for example in map(_one_position, others):
        free = sorted({square for square in occupied(example.rows[0]) if square.lower() not in meant})
        chosen = _some(range(len(free)), len(named), seed, sae, latent.number, "squares", example)
        if chosen:
            wrongs.append(replace(_as_wrong(example, wrong), squares=tuple(free[i] for i in chosen)))
    return (*right, *wrongs)


def _one_position(example: Example) -> Example:
    """The strongest position of an example, the last of a silent one; the last of equals."""
    at = max(range(len(example.rows)), key=lambda i: (example.values[i], i))
    return replace(example, rows=example.rows[at : at + 1], values=example.values[at : at + 1], marked=())


def _as_wrong(example: Example, wrong: str) -> Example:
    if wrong == "silent":
        return example
    return replace(example, active=False, quantile=-1, source="wrong marks")


def _silent_rows(example: Example, wrong: str) -> Sequence[int]:
    """Places of an example that a wrong mark may stand at."""
    if wrong == "silent":
        return range(len(example.rows))
    right = set(marks_of(example.values))
    return [i for i in range(len(example.rows)) if i not in right]


def _some(
    places: Sequence[int], count: int, seed: int, sae: str, latent: int, marks: str, example: Example
) -> list[int]:
    """Some places of one example, rising; keyed by its rows, so that the order of the examples does not matter."""
    generator = generator_of(seed, sae, latent, "fuzz", marks, *example.rows)
    chosen: list[int] = generator.permutation(len(places))[:count].tolist()
    return sorted(places[i] for i in chosen)
