"""A judge that executes predicates, with error rates that can be set; and what a judge's errors do to scores.

Question      What would a judge who reads positions perfectly, or errs at a known rate, say to the same questions?
Equation      e+ = P(no | true), e- = P(yes | false); BA_seen - 1/2 = (1 - e+ - e-) (BA_true - 1/2)
Conventions   detection   yes if the predicate holds at any position of the example
              fuzzing     yes if it holds at every marked position; with marked squares, if it holds at the last
                          position and speaks of every marked square
              simulation  10 where it holds, 0 elsewhere
              Errors depend on seed, latent, explanation, mode and example alone: asking in another order or in other
              batches gives the same answers, and another explanation of the latent meets errors of its own, so that
              a score and its null are not wrong at the same examples. Of 0.5 and more a probability says yes.
References    The correction is that of Rogan and Gladen (1978) for a prevalence, here applied to both classes.
Differences   Published scorers count unreadable answers as wrong, or drop them unseen; here an explanation that cannot
              be executed gives a failed answer, which is counted and never scored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .asking import YES
from .facts import Facts
from .nouns import Answer, Example, Question
from .predicate import Predicate, evaluate, squares_of
from .predicate_text import to_text
from .seeds import stable_hash

_Z = 1.959963984540054  # of a 95 % interval
STRONGEST = 10.0  # of a simulated activation


@dataclass(frozen=True)
class PredicateJudge:
    """Answers by executing the explanation's predicate; meets `Judge`.

    Attributes:
        facts: what is true at every position.
        e_pos: probability of no where it is true, 0 to 1.
        e_neg: probability of yes where it is false, 0 to 1.
        seed: of the errors.
    """

    facts: Facts
    e_pos: float = 0.0
    e_neg: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.e_pos <= 1 and 0 <= self.e_neg <= 1):
            raise ValueError(f"error rates must lie in 0 to 1, got e_pos={self.e_pos}, e_neg={self.e_neg}")

    @property
    def name(self) -> str:
        """With its error rates, if it has any."""
        return "predicate" if not self.e_pos and not self.e_neg else f"predicate (e+ {self.e_pos:g}, e- {self.e_neg:g})"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each question, in order; a failed one says why."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        simulated = question.mode == "simulation"
        n = len(question.examples[0].rows) if simulated and question.examples else len(question.examples)
        failure = _unanswerable(question)
        if failure:
            return Answer((None,) * n, failure)
        predicate = question.explanation.predicate
        assert predicate is not None
        try:
            truths = self._truths(question, predicate)
        except KeyError as error:
            return Answer((None,) * n, f"no predicate that can be executed: {error.args[0]}")
        about = (question.latent, to_text(predicate), question.mode) if self.e_pos or self.e_neg else ()
        if simulated:
            (example,) = question.examples
            said = [self._err(truth, (*about, row)) for truth, row in zip(truths, example.rows, strict=True)]
            return Answer(tuple(STRONGEST * yes for yes in said))
        keys = [(*about, *_key(example)) for example in question.examples]
        return Answer(tuple(float(self._err(t, key)) for t, key in zip(truths, keys, strict=True)))

    def _truths(self, question: Question, predicate: Predicate) -> list[bool]:
        """What a perfect judge says: one an example, or one a position for simulation."""
        rows = np.array([row for example in question.examples for row in example.rows], np.int64)
        holds = evaluate(predicate, self.facts, rows).tolist()
        if question.mode == "simulation":
            return holds
        spoken = squares_of(predicate) if question.mode == "fuzzing" else frozenset[str]()
        found: list[bool] = []
        for example in question.examples:
            here, holds = holds[: len(example.rows)], holds[len(example.rows) :]
            if question.mode == "detection":
                found.append(any(here))
            elif example.squares:
                found.append(here[-1] and all(square.lower() in spoken for square in example.squares))
            else:
                found.append(all(here[place] for place in example.marked))
        return found

    def _err(self, truth: bool, key: tuple[int | str, ...]) -> bool:
        """The truth, or its opposite at the rate of errors, as drawn for what is asked."""
        rate = self.e_pos if truth else self.e_neg
        if not rate:
            return truth
        drawn = stable_hash(self.seed, *key) / 2**64
        return truth != (drawn < rate)


def _key(example: Example) -> tuple[int | str, ...]:
    """What tells an example from others: its positions and its marks."""
    return (*example.rows, "marked", *example.marked, *example.squares)


def _unanswerable(question: Question) -> str:
    """Why there can be no answer; empty if there can."""
    explanation = question.explanation
    if explanation.predicate is None:
        return f"no predicate: {explanation.failure or 'the explanation is free text that nobody has translated'}"
    if question.mode == "simulation" and len(question.examples) != 1:
        return f"simulation takes one example a question, got {len(question.examples)}"
    if question.mode == "fuzzing" and not all(example.marked or example.squares for example in question.examples):
        return "nothing is marked in an example for fuzzing"
    if question.mode not in ("detection", "fuzzing", "simulation"):
        return f"unknown mode {question.mode!r}"
    return ""


def corrected_ba(ba: float, e_pos: float, e_neg: float) -> float:
    """The balanced accuracy that a judge without errors would have seen.

    Args:
        ba: as seen, 0 to 1.
        e_pos: P(no | true).
        e_neg: P(yes | false).

    Returns:
        1/2 + (ba - 1/2) / (1 - e_pos - e_neg), not clipped: noise may take it past 1. NaN for a judge whose errors add
        up to 1 or more, who says nothing about the truth or the opposite of it.

    >>> round(corrected_ba(0.9, 0.1, 0.1), 9)
    1.0
    """
    left = 1 - e_pos - e_neg
    return 0.5 + (ba - 0.5) / left if left > 0 else float("nan")


@dataclass(frozen=True)
class ErrorRates:
    """How often a judge is wrong; NaN where it was never asked.

    Attributes:
        e_pos: P(no | true).
        e_pos_interval: Wilson, 95 %.
        e_neg: P(yes | false).
        e_neg_interval: Wilson, 95 %.
        n_pos: answers where it is true.
        n_neg: answers where it is false.
        n_failed: questions without an answer, in neither.
    """

    e_pos: float
    e_pos_interval: tuple[float, float]
    e_neg: float
    e_neg_interval: tuple[float, float]
    n_pos: int
    n_neg: int
    n_failed: int


def error_rates(answers: Sequence[float | None], truths: Sequence[bool]) -> ErrorRates:
    """Error rates of a judge from questions whose answers are known.

    Args:
        answers: probabilities of yes; None where there was none.
        truths: whether yes is right, as many.

    Raises:
        ValueError: another number of truths.
    """
    if len(answers) != len(truths):
        raise ValueError(f"expected a truth for each of {len(answers)} answers, got {len(truths)}")
    said = [(answer >= YES, truth) for answer, truth in zip(answers, truths, strict=True) if answer is not None]
    positive = [yes for yes, truth in said if truth]
    negative = [yes for yes, truth in said if not truth]
    misses, alarms = len(positive) - sum(positive), sum(negative)
    return ErrorRates(
        misses / len(positive) if positive else float("nan"),
        wilson(misses, len(positive)),
        alarms / len(negative) if negative else float("nan"),
        wilson(alarms, len(negative)),
        len(positive),
        len(negative),
        len(answers) - len(said),
    )


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share k / n (Wilson 1927); NaN without trials.

    >>> tuple(round(end, 4) for end in wilson(1, 10))
    (0.0179, 0.4042)
    """
    if not n:
        return float("nan"), float("nan")
    share, z2 = k / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return (0.0 if not k else centre - half), (1.0 if k == n else centre + half)
