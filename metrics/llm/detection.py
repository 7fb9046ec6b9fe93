"""Detection: can somebody who reads the explanation alone say which examples the latent fires in?

Equation      balanced accuracy of a latent = (TPR + TNR) / 2 over active and silent examples; see `per_latent`.
Conventions   The question is whether the explanation holds somewhere in the example. Nothing is marked. Examples are
              of games that the explainer has not seen. Beside every score stands the null: another latent's explanation
              put to the same judge about the same examples.
References    Paulo et al. 2025 (2410.13928), detection.
Differences from published code
              1. There, examples to explain and examples to ask about come from one list: up to 20 of 50 are the same.
                 Here games are split first.
              2. A last question with fewer examples than the others is thrown away there. Here it counts.
              3. A failure is counted by its reason, and an explanation that could not be read has no score; there it
                 is scored as a placeholder.
              4. The paper's silent examples are random. What they cannot tell, harder ones show: see `negatives`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan

from .asking import Failures, ask, questions
from .nouns import Example, Explanation, Judge, Mode, Question
from .nulls import shuffled
from .per_latent import LatentScore, score_latent, unscored

Exams = Mapping[int, Sequence[Example]]


def detection(
    explanations: Sequence[Explanation],
    exams: Exams,
    judge: Judge,
    *,
    per_question: int = 5,
    failures: Failures = "drop",
    prevalence: Mapping[int, float] | None = None,
    rates: tuple[float, float] | None = None,
    null: bool = True,
    seed: int = 0,
) -> list[LatentScore]:
    """Detection of every latent.

    Args:
        explanations: one a latent.
        exams: examples by latent, active and silent ones.
        judge: who answers.
        per_question: examples in one question.
        failures: what is done with examples that have no answer: `drop`, `wrong` or `raise`.
        prevalence: by latent, the share of reporting positions at which it fires.
        rates: the judge's (e_pos, e_neg), where they are known.
        null: also put shuffled explanations to the judge.
        seed: of the order of the examples and of the shuffle.

    Returns:
        In the order of the explanations; one without explanation or examples is NaN and says why.

    Raises:
        KeyError: a latent without exam.
        RuntimeError: a failure, where `raise` was asked for.
        ValueError: a latent explained twice, or options out of range.
    """
    return judged(
        "detection", explanations, exams, judge, per_question, failures, prevalence or {}, rates, null=null, seed=seed
    )


def asked_about(
    mode: Mode, explanations: Sequence[Explanation], exams: Exams, per_question: int, seed: int
) -> list[Question]:
    """Every question that scoring puts to a judge, before any is put: for plans, and for all at once.

    Raises:
        KeyError: a latent without exam.
        ValueError: a latent explained twice, or options out of range.
    """
    numbers = [one.latent for one in explanations]
    if len(set(numbers)) != len(numbers):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        raise ValueError(f"one explanation a latent; there are several of {twice}")
    if missing := [number for number in numbers if number not in exams]:
        raise KeyError(f"no exam for latents {missing}")
    return [
        question
        for one in explanations
        for question in questions(one, exams[one.latent], mode, per_question=per_question, seed=seed)
    ]


def judged(
    mode: Mode,
    explanations: Sequence[Explanation],
    exams: Exams,
    judge: Judge,
    per_question: int,
    failures: Failures,
    prevalence: Mapping[int, float],
    rates: tuple[float, float] | None,
    *,
    null: bool,
    seed: int,
) -> list[LatentScore]:
    """Detection or fuzzing of every latent, beside its null; see `detection`."""
    collected = ask(judge, asked_about(mode, explanations, exams, per_question, seed), failures=failures)
    nulls: dict[int, LatentScore] = {}
    if null:
        others = shuffled(explanations, seed=seed)
        for number, asked in ask(
            judge, asked_about(mode, others, exams, per_question, seed), failures=failures
        ).items():
            nulls[number] = score_latent(asked)
    found: list[LatentScore] = []
    for one in explanations:
        share = prevalence.get(one.latent, nan)
        if one.latent in collected:
            other = nulls.get(one.latent)
            score = score_latent(collected[one.latent], prevalence=share, rates=rates)
            if other is not None:
                score = replace(score, null=other.balanced_accuracy, null_rates=(other.tpr, other.tnr))
            found.append(score)
        else:
            reason = f"no explanation: {one.failure}" if one.failure else "no examples"
            found.append(replace(unscored(one.latent, mode, reason), prevalence=share))
    return found
