"""A judge made of a text encoder: yes where a position's text is near enough to the explanation.

Question      How far does likeness of texts alone go, without any reading?
Equation      v = cos(e(explanation), e(text)), or the largest over the facts that hold: cos(e(explanation), e(fact));
              P(yes) = 1 / (1 + exp(-(v - t) / s)), so that yes is said above the threshold t
Conventions   t is the threshold of best balanced accuracy, and s the standard deviation of v, on choosing games and on
              predicates given for that; one for all explanations, since a judge is told nothing else about them.
Limits        Marks mean nothing to an encoder, so that fuzzing has no answer. Negations are hardly seen. By facts, the
              judge is handed the vocabulary: it has to match words, and to read no board.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.embedders import Encoder, unit
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import Answer, Example, Question, Renderer
from ..metrics.llm.predicate import Predicate
from ..metrics.llm.predicate_text import to_text
from .serialisation import examples_of

UNMARKED = "an encoder sees no marks"


@dataclass(frozen=True, eq=False)
class EncoderJudge:
    """Answers by cosine.

    Attributes:
        encoder: texts to vectors.
        renderer: positions as text; None if facts are taken instead.
        facts: what holds at positions, in the place of a text; hidden ones are left out.
        threshold: cosine above which the answer is yes.
        scale: of the probability, above 0.
    """

    encoder: Encoder
    renderer: Renderer | None
    facts: Facts
    threshold: float = 0.0
    scale: float = 1.0

    @property
    def name(self) -> str:
        """With what it looks at."""
        return f"{self.encoder.name} on {'facts' if self.renderer is None else 'texts'}"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each question; none in fuzzing."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        n = len(question.examples[0].rows) if question.mode == "simulation" else len(question.examples)
        if question.mode == "fuzzing":
            return Answer((None,) * n, UNMARKED)
        if question.mode == "simulation":
            rows = [Example((row,), (0.0,), False) for row in question.examples[0].rows]
            return Answer(tuple(10 * p for p in self._yes(question.explanation.text, rows)))
        return Answer(tuple(self._yes(question.explanation.text, question.examples)))

    def _yes(self, explanation: str, examples: Sequence[Example]) -> list[float]:
        steps = (self.cosines(explanation, examples) - self.threshold) / self.scale
        return [1 / (1 + math.exp(-step)) if step > -700 else 0.0 for step in steps.tolist()]

    def cosines(self, explanation: str, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Likeness of an explanation to some examples, float64 [n]."""
        query = unit(self.encoder.encode([explanation]))[0]
        if self.renderer is not None:
            return (unit(self.encoder.encode([self.renderer.example(e) for e in examples])) @ query).astype(np.float64)
        shown = np.array([name not in self.facts.hidden for name in self.facts.names])
        near = np.where(shown, unit(self.encoder.encode(list(self.facts.names))) @ query, -1.0)
        rows = [np.array(e.rows, np.int64) for e in examples]
        held = [np.unpackbits(self.facts.labels[r], axis=1, count=len(near), bitorder="little").any(0) for r in rows]
        return np.array([near[on].max(initial=-1.0) for on in held], np.float64)


def encoder_judge(
    encoder: Encoder,
    facts: Facts,
    renderer: Renderer | None,
    *,
    predicates: Mapping[str, Sequence[Predicate]],
    n_per_predicate: int = 10,
    seed: int = 0,
) -> EncoderJudge:
    """A judge whose threshold is chosen on choosing games.

    Args:
        encoder: texts to vectors.
        facts: what is true.
        renderer: positions as text; None takes the facts that hold.
        predicates: by kind; their truth on choosing games sets the threshold.
        n_per_predicate: positions a predicate, half of them with it.
        seed: of the positions.

    Raises:
        ValueError: no predicate both holds and fails on the choosing games.
    """
    judge = EncoderJudge(encoder, renderer, facts)
    values: list[NDArray[np.float64]] = []
    truths: list[bool] = []
    for p in (p for some in predicates.values() for p in some):
        exam = examples_of(p, facts, n_per_predicate, seed, train=True)
        if len({e.active for e in exam}) == 2:
            values.append(judge.cosines(to_text(p), exam))
            truths += [e.active for e in exam]
    if not values:
        raise ValueError("no predicate both holds and fails on the choosing games, so there is no threshold to choose")
    v, truth = np.concatenate(values), np.array(truths)
    return EncoderJudge(encoder, renderer, facts, best_threshold(v, truth), float(v.std()) or 1.0)


def best_threshold(values: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """The threshold of best balanced accuracy, in the middle between two values; the lowest of equally good ones.

    >>> best_threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, False, True, True]))
    0.5
    """
    known = np.unique(values)
    between = np.concatenate([[known[0] - 1], (known[1:] + known[:-1]) / 2, [known[-1] + 1]])
    yes = values > between[:, None]
    balanced = yes[:, truth].mean(1) + (~yes)[:, ~truth].mean(1)
    return float(between[int(balanced.argmax())])
