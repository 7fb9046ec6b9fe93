"""Putting examples before a judge, and bringing its answers back to them.

Examples of a latent are shuffled, a few go into one question, and the last question may hold fewer. What a judge does
not answer, or answers in another form than asked for, is a failure: counted by its reason, and never scored unless
`wrong` was asked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from .nouns import Answer, Example, Explanation, Judge, Mode, Question
from .seeds import generator_of

Failures = Literal["drop", "wrong", "raise"]
FAILURES: tuple[Failures, ...] = ("drop", "wrong", "raise")
MODES: tuple[Mode, ...] = ("detection", "fuzzing", "simulation")
YES = 0.5  # a probability of at least this says yes, wherever answers are counted
MOST_FAILED = 0.05  # share of a latent's examples; above it there is no score


@dataclass(frozen=True)
class Asked:
    """Examples of one latent with what the judge said of them.

    Attributes:
        latent: its number.
        mode: what was asked.
        examples: all that were asked about.
        values: one tuple an example: the probability of yes, or a value for every position of it; None where the
            example has failed and is left out.
        failed: number of examples by reason.
        n_questions: put to the judge.
        n_asked: requests that the judge made for them, re-asks included.
    """

    latent: int
    mode: Mode
    examples: tuple[Example, ...]
    values: tuple[tuple[float, ...] | None, ...]
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    n_questions: int = 0
    n_asked: int = 0

    @property
    def n_failed(self) -> int:
        """Examples without an answer, also those that count as wrong."""
        return sum(self.failed.values())

    @property
    def undefined(self) -> str:
        """Why there is no score; empty if there may be one."""
        if not self.examples:
            return "no examples"
        if self.n_failed > MOST_FAILED * len(self.examples):
            first = max(sorted(self.failed), key=lambda reason: self.failed[reason])
            return f"{self.n_failed} of {len(self.examples)} examples failed, most often: {first}"
        return ""

    def answered(self) -> list[tuple[Example, tuple[float, ...]]]:
        """Examples that have an answer, with it."""
        pairs = zip(self.examples, self.values, strict=True)
        return [(example, value) for example, value in pairs if value is not None]


def questions(
    explanation: Explanation, examples: Sequence[Example], mode: Mode, *, per_question: int = 5, seed: int = 0
) -> list[Question]:
    """Questions about the examples of one latent.

    Args:
        explanation: what is to be recognised; one that failed has no questions.
        examples: of the latent that the explanation is for.
        mode: `detection`, `fuzzing` or `simulation`; a simulation is asked about one example at a time.
        per_question: most examples in one question; they share a prompt, and may influence each other.
        seed: of their order, which depends on the seed, the latent and the mode alone.

    Returns:
        Questions that hold every example once; the last may hold fewer.

    Raises:
        ValueError: an unknown mode, or fewer than one example a question.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if per_question < 1:
        raise ValueError(f"a question holds at least one example, got per_question={per_question}")
    if explanation.failure:
        return []
    size = 1 if mode == "simulation" else per_question
    order = generator_of(seed, "order of questions", explanation.latent, mode).permutation(len(examples))
    shuffled = [examples[int(i)] for i in order]
    return [
        Question(explanation.latent, explanation, tuple(shuffled[start : start + size]), mode)
        for start in range(0, len(shuffled), size)
    ]


def collect(asked: Sequence[Question], answers: Sequence[Answer], *, failures: Failures = "drop") -> dict[int, Asked]:
    """Answers brought back to the examples, by latent.

    Args:
        asked: questions, in any order; all of one mode.
        answers: one each, in the same order.
        failures: `drop` leaves failed examples out, `wrong` counts them as answered wrongly, `raise` refuses them.

    Returns:
        By latent, in order of first appearance.

    Raises:
        RuntimeError: a failure, where `raise` was asked for.
        ValueError: another number of answers than questions, questions of several modes, a policy that does not exist,
            or `wrong` for a simulation, where nothing is right or wrong.
    """
    if len(asked) != len(answers):
        raise ValueError(f"{len(asked)} questions need as many answers, got {len(answers)}")
    if failures not in FAILURES:
        raise ValueError(f"failures must be one of {', '.join(FAILURES)}, got {failures!r}")
    if len(modes := {question.mode for question in asked}) > 1:
        raise ValueError(f"questions of one mode are collected at a time, got {', '.join(sorted(modes))}")
    if failures == "wrong" and "simulation" in modes:
        raise ValueError("a simulation is neither right nor wrong; failures can be dropped or raised")
    by_latent: dict[int, list[tuple[Question, Answer]]] = {}
    for question, answer in zip(asked, answers, strict=True):
        by_latent.setdefault(question.latent, []).append((question, answer))
    return {latent: _collected(latent, pairs, failures) for latent, pairs in by_latent.items()}


def _collected(latent: int, pairs: Sequence[tuple[Question, Answer]], failures: Failures) -> Asked:
    examples: list[Example] = []
    values: list[tuple[float, ...] | None] = []
    failed: Counter[str] = Counter()
    for question, answer in pairs:
        found, reasons = _read(question, answer)
        for example, value, reason in zip(question.examples, found, reasons, strict=True):
            if reason and failures == "raise":
                raise RuntimeError(f"latent {latent}, {question.mode}: {reason}")
            if reason:
                failed[reason] += 1
            wrong = (0.0 if example.active else 1.0,) if failures == "wrong" else None
            examples.append(example)
            values.append(wrong if reason else value)
    mode = pairs[0][0].mode
    asked = sum(answer.asked for _, answer in pairs)
    return Asked(latent, mode, tuple(examples), tuple(values), dict(failed), len(pairs), asked)


def _read(question: Question, answer: Answer) -> tuple[list[tuple[float, ...] | None], list[str]]:
    """Value and reason of failure of every example in a question; one of the two."""
    n = len(question.examples)
    simulated = question.mode == "simulation"
    expected = len(question.examples[0].rows) if simulated else n
    if answer.failure and all(value is None for value in answer.values):
        return [None] * n, [answer.failure] * n
    if len(answer.values) != expected:
        return [None] * n, ["another number of values than asked for"] * n
    top = 10.0 if simulated else 1.0
    known = [_reason(value, top, answer.failure) for value in answer.values]
    if simulated:
        worst = next((reason for reason in known if reason), "")
        return [None if worst else tuple(float(v) for v in answer.values if v is not None)], [worst]
    return [None if r else (float(v or 0.0),) for v, r in zip(answer.values, known, strict=True)], known


def _reason(value: float | None, top: float, said: str) -> str:
    if value is None:
        return said or "no value"
    return "" if isfinite(value) and 0 <= value <= top else f"a value outside of 0 to {top:g}"


def ask(judge: Judge, asked: Sequence[Question], *, failures: Failures = "drop") -> dict[int, Asked]:
    """Put questions of one mode to a judge, all at once, and collect its answers.

    Raises:
        RuntimeError: a failure, where `raise` was asked for.
        ValueError: a judge that gives another number of answers than there are questions.
    """
    return collect(asked, judge.answer(asked), failures=failures) if asked else {}
