"""Judges with one known fault each, so that an experiment shows what it would show of a language model with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..metrics.llm.nouns import Answer, Judge, Question
from ..metrics.llm.seeds import generator_of


@dataclass(frozen=True)
class Failing:
    """Gives no answer to a share of the questions.

    Attributes:
        judge: who answers the others.
        share: of the questions, in [0, 1].
        only_hard: fail on questions that hold an active example, where there is something to see; else on any.
        seed: of the failures.
    """

    judge: Judge
    share: float
    only_hard: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """Short."""
        return f"{self.judge.name}, silent on {self.share:g}"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers, or `no answer`."""
        answers = self.judge.answer(questions)
        return [
            Answer((None,) * len(a.values), "no answer") if self._fails(q) else a
            for q, a in zip(questions, answers, strict=True)
        ]

    def _fails(self, question: Question) -> bool:
        if self.only_hard and not any(example.active for example in question.examples):
            return False
        rows = (row for example in question.examples for row in example.rows)
        return bool(generator_of(self.seed, "failing", question.latent, question.mode, *rows).random() < self.share)


@dataclass(frozen=True)
class Repeating:
    """Sometimes gives an example the answer it gave to the one before it in the same question.

    Attributes:
        judge: whose answers they are.
        share: of the examples that follow another one, in [0, 1].
        seed: of the repetitions.
    """

    judge: Judge
    share: float
    seed: int = 0

    @property
    def name(self) -> str:
        """Short."""
        return f"{self.judge.name}, repeats itself {self.share:g}"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers, some of them repeated."""
        return [self._repeated(q, a) for q, a in zip(questions, self.judge.answer(questions), strict=True)]

    def _repeated(self, question: Question, answer: Answer) -> Answer:
        if question.mode == "simulation" or len(answer.values) != len(question.examples):
            return answer
        values = list(answer.values)
        for i in range(1, len(values)):
            example = question.examples[i]
            generator = generator_of(self.seed, "repeating", question.latent, question.mode, *example.rows)
            if generator.random() < self.share:
                values[i] = values[i - 1]
        return replace(answer, values=tuple(values))
