"""Fuzzing: can somebody who reads the explanation alone say whether the marks are where the latent fires?

Equation      balanced accuracy of a latent = (TPR + TNR) / 2 over right and wrong marks; see `per_latent`.
Conventions   The question is whether the explanation fits everything that is marked. In right examples, places with at
              least .3 of that example's largest activation are marked; in wrong ones as many others. Detection asks
              about the context, fuzzing about the place. There is no precision at natural prevalence: the share of
              wrong marks is the examiner's choice.
References    Paulo et al. 2025 (2410.13928), fuzzing.
Differences from published code
              1. There, every wrong example of a latent has the same places marked, because the generator starts anew
                 each time. Here they are drawn for each example (see `sampling`).
              2. As for detection: split by game, the last question counts, failures are counted.
"""

from collections.abc import Sequence

from .asking import Failures
from .detection import Exams, judged
from .nouns import Explanation, Judge
from .per_latent import LatentScore


def fuzzing(
    explanations: Sequence[Explanation],
    exams: Exams,
    judge: Judge,
    *,
    per_question: int = 5,
    failures: Failures = "drop",
    rates: tuple[float, float] | None = None,
    null: bool = True,
    seed: int = 0,
) -> list[LatentScore]:
    """Fuzzing of every latent; see `detection` for the arguments that it shares.

    Args:
        explanations: one a latent.
        exams: examples by latent, all with marks; `active` says whether they are the right ones.
        judge: who answers.
        per_question: examples in one question.
        failures: what is done with examples that have no answer.
        rates: the judge's (e_pos, e_neg), where they are known.
        null: also put shuffled explanations to the judge.
        seed: of the order of the examples and of the shuffle.

    Raises:
        KeyError: a latent without exam.
        RuntimeError: a failure, where `raise` was asked for.
        ValueError: an example without marks.
    """
    for latent, examples in exams.items():
        if bare := sum(not one.marked and not one.squares for one in examples):
            raise ValueError(
                f"fuzzing asks about marks; {bare} of {len(examples)} examples of latent {latent} have none"
            )
    return judged("fuzzing", explanations, exams, judge, per_question, failures, {}, rates, null=null, seed=seed)
