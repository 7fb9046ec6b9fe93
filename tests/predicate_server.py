"""A chat model that answers by executing predicates: it knows nothing but the prompt and the rules of the game.

It reads the explanation and the moves out of the text, replays the moves, labels the positions anew, executes the
predicate there and answers in the form asked for. Whoever asks it over HTTP must get what the offline judge says.
"""

import json
import re
from collections.abc import Mapping, Sequence

import chess
import numpy as np
from fiducial.games import Chess, Othello
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.predicate import Predicate, evaluate, squares_of
from fiducial.metrics.llm.predicate_text import parse, to_text

MODEL = "predicates"


class PredicateServer:
    """Answers chat messages about one game.

    Args:
        game: whose moves stand in the prompts, with moves as tokens.
    """

    def __init__(self, game: Othello | Chess) -> None:
        self._game = game
        self._features = game.features.where(reachable=True, counterpart=False)
        self._names = tuple(game.features[int(f)].name for f in self._features)
        self._known: dict[tuple[str, ...], Facts] = {}

    def answer(self, messages: Sequence[Mapping[str, str]] | Sequence[tuple[str, str]]) -> str:
        """The answer to the last message."""
        last = messages[-1]
        asked = last["content"] if isinstance(last, Mapping) else last[1]
        if said := re.search(r"^Sentence: (.*)$", asked, re.MULTILINE):
            return self._translated(said.group(1))
        if "\nConcepts:\n" in asked:
            return self._rated(asked)
        explanation = re.search(r"^Explanation: (.*)$", asked, re.MULTILINE)
        if explanation is None:
            return "I was given no explanation."
        try:
            predicate = parse(explanation.group(1), self._names)
        except ValueError as error:
            return f"I cannot read this: {error}"
        body, _, places = asked.partition("### Places\n")
        texts = [part.partition("\n")[2] for part in re.split(r"^### Text ", body, flags=re.MULTILINE)[1:]]
        if places:
            values = 10 * self._holds(predicate, texts[0], _words(texts[0])[1]).astype(int)
            return json.dumps(values.tolist())
        if "every marked place" in asked:
            return json.dumps([int(self._fits(predicate, text)) for text in texts])
        return json.dumps([int(self._holds(predicate, text, _words(text)[1]).any()) for text in texts])

    def _rated(self, asked: str) -> str:
        """4 times the share of marked places at which a concept, which is a fact, holds; rounded down."""
        body, _, rest = asked.partition("\nConcepts:\n")
        held = []
        for text in re.split(r"^### Text ", body, flags=re.MULTILINE)[1:]:
            moves, _, marked = _words(text)
            held += [(tuple(moves), ply) for ply in marked or [len(moves)]]
        rates = {}
        for name in rest.partition("\n\n")[0].split("\n"):
            true = sum(int(self._facts(moves).column(name)[ply - 1]) for moves, ply in held)
            rates[name] = 4 * true // len(held)
        return json.dumps(rates)

    def _translated(self, sentence: str) -> str:
        try:
            return f"PREDICATE: {to_text(parse(sentence, self._names))}"
        except ValueError:
            return "PREDICATE: NONE"

    def _fits(self, predicate: Predicate, text: str) -> bool:
        moves, _, marked = _words(text)
        if marked:
            return bool(self._holds(predicate, text, marked).all())
        return bool(self._holds(predicate, text, [len(moves)]).all()) and _squares(text) <= squares_of(predicate)

    def _holds(self, predicate: Predicate, text: str, plies: Sequence[int]) -> np.ndarray:
        facts = self._facts(tuple(_words(text)[0]))
        assert len(facts.position) >= max(plies)
        return evaluate(predicate, facts)[np.array(plies) - 1]

    def _facts(self, moves: tuple[str, ...]) -> Facts:
        """The truth after every move, the first move in row 0."""
        if moves not in self._known:
            game = [list(moves)] if isinstance(self._game, Othello) else [_uci(moves)]
            found = self._game.label(game)
            ply = found.ply[0]
            at = [int(np.flatnonzero(found.scored[0] & (ply == p))[0]) for p in range(1, len(moves) + 1)]
            held = self._game.features.unpack_columns(found.labels[0, at], self._features)
            n = len(at)
            self._known[moves] = Facts(
                self._names,
                np.packbits(held, axis=1, bitorder="little"),
                np.zeros(n, np.int64),
                np.arange(n),
                np.ones(n, np.bool_),
                {"ply": np.arange(1, n + 1)},
            )
        return self._known[moves]


def _words(text: str) -> tuple[list[str], list[int], list[int]]:
    """Moves of a text, plies of the window (the last one unless others are in brackets), and marked plies."""
    line = re.search(r"^Moves so far: (.*)$", text, re.MULTILINE)
    assert line is not None, f"no moves in {text!r}"
    words = line.group(1).split()
    window = [i for i, word in enumerate(words, 1) if word.startswith("[")]
    marked = [i for i, word in enumerate(words, 1) if "<<" in word]
    return [re.sub(r"^\[?(?:<<)?|(?:>>)?\]?$", "", word) for word in words], window or [len(words)], marked


def _squares(text: str) -> set[str]:
    """Marked squares of the board; its files stand above, its ranks on the left."""
    lines = text.split("\n")
    top = next(i for i, line in enumerate(lines) if re.fullmatch(r" ( [a-h])+", line))
    files = lines[top].split()
    found: set[str] = set()
    for line in lines[top + 1 : top + 1 + len(files)]:
        rank, *symbols = line.split()
        found |= {file + rank for file, symbol in zip(files, symbols, strict=True) if symbol.startswith("<<")}
    return found


def _uci(sans: Sequence[str]) -> list[str]:
    board = chess.Board()
    return [board.push_san(san).uci() for san in sans]
