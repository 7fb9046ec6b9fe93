"""Judges that read the texts and nothing else: what a style shows, and what it hides.

The literal reader takes from a text what stands there: what is on a square, what was played, whose turn it is. Of
anything else it says that it is not visible. The replaying reader makes the moves of the text again and knows all that
follows from them. Neither ever errs, so their unanswered questions are the bound for any judge: what the literal one
cannot see has to be worked out, what the replaying one cannot see is not in the text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from ..games import IOI, Chess, Othello
from ..games.chess_characters import CharacterTokens, game_text
from ..games.serialise_marks import MOVES, NONE
from ..metrics.llm.nouns import Answer, Example, Explanation, Mode, Question, Renderer
from ..metrics.llm.predicate import And, AtLeast, Atom, Compare, Not, Or, Predicate, squares_of
from .reader_texts import Seen, read_chess, read_othello, read_sentence

HIDDEN = "not visible in the text"


@dataclass(frozen=True)
class Line:
    """The line of moves of a text.

    Attributes:
        moves: as written, without marks and numbers.
        window: plies that belong to the example; the last one, if none is in brackets.
        marked: plies whose move is marked.
    """

    moves: tuple[str, ...]
    window: tuple[int, ...]
    marked: tuple[int, ...]


def read_moves(text: str) -> Line | None:
    """The moves in a text, None if there are none."""
    found = next((line for line in text.splitlines() if line.startswith(MOVES)), None)
    if found is None:
        return None
    moves: list[str] = []
    window: list[int] = []
    marked: list[int] = []
    for word in found.removeprefix(MOVES).split():
        bare = re.sub(r"^\d+\.", "", word.strip("[]").removeprefix("<<").removesuffix(">>"))
        if bare != NONE:
            moves.append(bare)
        if word.startswith("["):
            window.append(len(moves))
        if "<<" in word:
            marked.append(len(moves))
    return Line(tuple(moves), tuple(window) or (len(moves),), tuple(marked))


class ReaderJudge:
    """Answers from the texts of a renderer alone.

    Args:
        game: the world that the texts are of.
        renderer: makes the texts.
        replays: whether moves are made again, by the rules of the game.
    """

    def __init__(self, game: Any, renderer: Renderer, *, replays: bool = False) -> None:
        self._game, self._renderer, self._replays = game, renderer, replays

    @property
    def name(self) -> str:
        """Such as `reader`."""
        return "replaying reader" if self._replays else "reader"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each question; what cannot be seen has no value."""
        texts = {e: self._renderer.example(e) for q in questions for e in q.examples}
        seen = self._replayed(texts) if self._replays else {e: self._read(text, e) for e, text in texts.items()}
        return [_answer(q.explanation, q.examples, q.mode, seen) for q in questions]

    def _read(self, text: str, example: Example) -> list[Seen]:
        """What is seen of every position of an example; nothing where no board is shown."""
        read = read_othello if isinstance(self._game, Othello) else read_chess
        read = read_sentence if isinstance(self._game, IOI) else read
        parts = re.split(r"^Position \d+ of \d+(?: <<marked>>)?:$", text, flags=re.MULTILINE)[1:]
        if parts:
            return [read(part) for part in parts]
        return [Seen()] * (len(example.rows) - 1) + [read(text)]

    def _replayed(self, texts: dict[Example, str]) -> dict[Example, list[Seen]]:
        lines = {e: read_moves(text) for e, text in texts.items()}
        told = [(e, line) for e, line in lines.items() if line is not None]
        found = {e: [Seen()] * len(e.rows) for e in texts}
        # only characters are scored before the first move; elsewhere that position has no labels
        starts = isinstance(self._game, Chess) and isinstance(self._game.tokenizer, CharacterTokens)
        asked = [(e, i, line.moves[:ply]) for e, line in told for i, ply in enumerate(line.window) if ply or starts]
        if not asked or isinstance(self._game, IOI):
            return found
        for (example, place, moves), row in zip(asked, self._labels([moves for *_, moves in asked]), strict=True):
            true = frozenset(self._game.features[int(f)].name for f in np.flatnonzero(row))
            found[example] = [*found[example]]
            found[example][place] = Seen(true, (re.compile(".*"),), len(moves))
        return found

    def _labels(self, games: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
        """What holds after the last move of every game, bool [games, F]."""
        if isinstance(self._game, Othello):
            given, last = [list(moves) for moves in games], [len(moves) - 1 for moves in games]
        elif isinstance(self._game, Chess) and isinstance(self._game.tokenizer, CharacterTokens):
            given = [game_text(moves) + f"{len(moves) // 2 + 1}." * (len(moves) % 2 == 0) for moves in games]
            last = [len(text) - 1 for text in given]
        else:
            given, last = [_uci(moves) for moves in games], [len(moves) for moves in games]
        found = self._game.label(given)
        return self._game.features.unpack(found.labels[np.arange(len(given)), last])


def _uci(sans: Iterable[str]) -> list[str]:
    board = chess.Board()
    return [board.push_san(san).uci() for san in sans]


def _answer(
    explanation: Explanation, examples: Sequence[Example], mode: Mode, seen: dict[Example, list[Seen]]
) -> Answer:
    n = len(examples[0].rows) if mode == "simulation" and examples else len(examples)
    if explanation.predicate is None:
        return Answer((None,) * n, f"no predicate: {explanation.failure or explanation.text}")
    p = explanation.predicate
    if mode == "simulation":
        holds = [_holds(p, at) for at in seen[examples[0]]]
        values = [None if h is None else 10.0 * h for h in holds]
    else:
        held = [_fits(p, e, mode, seen[e]) for e in examples]
        values = [None if h is None else float(h) for h in held]
    return Answer(tuple(values), HIDDEN if None in values else "")


def _fits(p: Predicate, example: Example, mode: Mode, at: Sequence[Seen]) -> bool | None:
    """Whether the answer about one example is yes; None if it cannot be seen."""
    if mode == "detection":
        return _any([_holds(p, one) for one in at])
    if example.squares:
        return set(example.squares) <= squares_of(p) and _holds(p, at[-1])
    return _not(_any([_not(_holds(p, at[i])) for i in example.marked]))


def _holds(p: Predicate, at: Seen) -> bool | None:
    """Three-valued truth of a predicate."""
    match p:
        case Atom(name):
            return at.holds(name)
        case Compare(counter, sign, value):
            if counter != "ply" or at.ply is None:
                return None
            return at.ply >= value if sign == ">=" else at.ply <= value
        case Not(part):
            return _not(_holds(part, at))
        case And(parts):
            return _not(_any([_not(_holds(part, at)) for part in parts]))
        case Or(parts):
            return _any([_holds(part, at) for part in parts])
        case AtLeast(k, parts):
            held = [_holds(part, at) for part in parts]
            if held.count(True) >= k:
                return True
            return False if held.count(True) + held.count(None) < k else None


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _any(values: Sequence[bool | None]) -> bool | None:
    if True in values:
        return True
    return None if None in values else False
