"""A chat model that answers by executing predicates: it knows nothing but the prompt and the rules of the game.

It reads the explanation and the moves out of the text, replays the moves, labels the positions anew, executes the
predicate there and answers in the form asked for. Asked to explain, it searches for the predicate that fits the texts.
Whoever asks it over HTTP must get what the offline judge, and the offline explainer, say.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import chess
import numpy as np
from fiducial.games import Chess, Othello, Transcripts
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Shown
from fiducial.metrics.llm.predicate import Predicate, evaluate, squares_of
from fiducial.metrics.llm.predicate_search import PredicateExplainer
from fiducial.metrics.llm.predicate_text import parse, to_text

MODEL = "predicates"


class PredicateServer:
    """Answers chat messages about one game.

    Args:
        game: whose moves stand in the prompts; of chess, in either form of tokens.
    """

    def __init__(self, game: Othello | Chess) -> None:
        known = game.features.where(reachable=True, counterpart=False)
        self._names = tuple(game.features[int(f)].name for f in known)
        self._game = game if isinstance(game, Othello) else Chess(positions=257)  # one token a move is labelled faster
        self._known: dict[tuple[str, ...], np.ndarray] = {}

    def answer(self, messages: Sequence[Mapping[str, str]] | Sequence[tuple[str, str]]) -> str:
        """The answer to the last message."""
        last = messages[-1]
        asked = last["content"] if isinstance(last, Mapping) else last[1]
        if said := re.search(r"^Sentence: (.*)$", asked, re.MULTILINE):
            return self._translated(said.group(1))
        if asked.startswith("## Active"):
            return self._explained(asked)
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
            plies = _plies(places.partition("\n\n")[0].split("\n"), _words(texts[0])[1])
            return json.dumps((10 * self._holds(predicate, texts[0], plies).astype(int)).tolist())
        if "every marked place" in asked:
            return json.dumps([int(self._fits(predicate, text)) for text in texts])
        return json.dumps([int(self._holds(predicate, text, _words(text)[1]).any()) for text in texts])

    def _explained(self, asked: str) -> str:
        examples: list[Example] = []
        parts: list[Facts] = []
        active, _, silent = asked.rpartition("What makes")[0].partition("## Silent\n")
        for fires, side in ((True, active), (False, silent)):
            for text in re.split(r"^### Text ", side, flags=re.MULTILINE)[1:]:
                moves, window, _ = _words(text)
                told = re.findall(r": (\d+)$", text.partition("Place by place:")[2], re.MULTILINE)
                values = tuple(map(float, told)) or (float(fires),) * len(window)
                start = sum(len(one.rows) for one in examples)
                examples.append(Example(tuple(range(start, start + len(window))), values, fires))
                parts.append(self._facts(tuple(moves), window))
        facts = Facts(
            self._names,
            np.concatenate([part.labels for part in parts]),
            np.repeat(np.arange(len(parts)), [part.n_rows for part in parts]),
            np.concatenate([part.position for part in parts]),
            np.ones(sum(part.n_rows for part in parts), np.bool_),
            {"ply": np.concatenate([part.counters["ply"] for part in parts])},
        )
        shown = Shown(0, 1.0, *(tuple(one for one in examples if one.active is side) for side in (True, False)))
        if not shown.negatives:
            return "Without silent texts I cannot tell."
        return f"EXPLANATION: {PredicateExplainer(facts).explain([shown])[0].text}"

    def _rated(self, asked: str) -> str:
        """4 times the share of marked places at which a concept, which is a fact, holds; rounded down."""
        body, _, rest = asked.partition("\nConcepts:\n")
        held = []
        for text in re.split(r"^### Text ", body, flags=re.MULTILINE)[1:]:
            moves, window, marked = _words(text)
            held += [(tuple(moves), ply) for ply in marked or window]
        rates = {}
        for name in rest.partition("\n\n")[0].split("\n"):
            true = sum(int(self._facts(moves, [ply]).column(name)[0]) for moves, ply in held)
            rates[name] = 4 * true // len(held)
        return json.dumps(rates)

    def _translated(self, sentence: str) -> str:
        try:
            return f"PREDICATE: {to_text(parse(sentence, self._names))}"
        except ValueError:
            return "PREDICATE: NONE"

    def _fits(self, predicate: Predicate, text: str) -> bool:
        _, window, marked = _words(text)
        if marked:
            return bool(self._holds(predicate, text, marked).all())
        return bool(self._holds(predicate, text, window[-1:]).all()) and _squares(text) <= squares_of(predicate)

    def _holds(self, predicate: Predicate, text: str, plies: Sequence[int]) -> np.ndarray:
        return evaluate(predicate, self._facts(tuple(_words(text)[0]), plies))

    def _facts(self, moves: tuple[str, ...], plies: Sequence[int]) -> Facts:
        """The truth after some numbers of moves."""
        if moves not in self._known:
            self._known[moves] = self._labels(moves)
        labels, n = self._known[moves][list(plies)], len(plies)
        return Facts(
            self._names, labels, np.zeros(n, np.int64), np.arange(n), np.ones(n, np.bool_), {"ply": np.array(plies)}
        )

    def _labels(self, moves: tuple[str, ...]) -> np.ndarray:
        """Packed facts by ply, from the start on."""
        if isinstance(self._game, Othello):
            held = self._held(self._game, self._game.label([list(moves)]), slice(0, len(moves)))
            start = np.zeros_like(held[:1])  # no token stands for the start of Othello
        else:
            held = self._held(self._game, self._game.label([_uci(moves)]), slice(1, len(moves) + 1))
            start = self._start
        return np.packbits(np.concatenate([start, held]), axis=1, bitorder="little")

    @cached_property
    def _start(self) -> np.ndarray:
        """Facts of chess before the first move."""
        texts = Chess("characters", scored="all")
        return self._held(texts, texts.label([";"]), slice(0, 1))

    def _held(self, game: Othello | Chess, found: Transcripts, positions: slice) -> np.ndarray:
        """Facts by name; those that a world does not know are false there."""
        assert found.scored[0, positions].all()
        place = {name: i for i, name in enumerate(game.features.names)}
        held = game.features.unpack(found.labels[0, positions])
        return np.stack([held[:, place[n]] if n in place else np.zeros(len(held), bool) for n in self._names], axis=1)


def _words(text: str) -> tuple[list[str], list[int], list[int]]:
    """Moves of a text, plies of the window (the last one unless others are in brackets), and marked plies."""
    line = re.search(r"^Moves so far: (.*)$", text, re.MULTILINE)
    assert line is not None, f"no moves in {text!r}"
    words = line.group(1).split()
    bare = [re.sub(r"^\[?(?:<<)?|(?:>>)?\]?$", "", word) for word in words]
    first = 0 if bare[0] == "none" else 1  # `none` stands for the position before the first move
    window = [ply for ply, word in enumerate(words, first) if word.startswith("[")]
    marked = [ply for ply, word in enumerate(words, first) if "<<" in word]
    moves = bare[1 - first :]
    return moves, window or [len(moves)], marked


def _plies(places: Sequence[str], window: Sequence[int]) -> list[int]:
    """Ply of every place: letters of one move all stand for the board before it, so that a ply may come repeatedly."""
    states = [re.sub(r"^\d+\. | \([^()]* being written\)", "", place) for place in places]
    number = np.cumsum([i > 0 and state != states[i - 1] for i, state in enumerate(states)])
    return [window[i] for i in number.tolist()]


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
