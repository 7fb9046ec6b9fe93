"""What moves a score although neither latent nor explanation changes: draw of the exam, prompt, failures."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ..metrics.llm.asking import Failures
from ..metrics.llm.detection import detection
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import Example, Explanation, Judge
from ..metrics.llm.sampling import Sampler
from .model_judges import Failing, Repeating
from .populations import Population

PER_QUESTION = (1, 5, 20)
FAILED = (0.03, 0.2)  # shares of questions without an answer: one that is let pass, one that is not
REPEATED = 0.2


def reseeds(
    population: Population,
    facts: Facts,
    known: Sequence[Explanation],
    judges: Mapping[str, Judge],
    *,
    n: int,
    n_examples: int,
    seed: int,
) -> dict[str, list[list[float | None]]]:
    """Detection of the same explanations on exams that are drawn anew: by judge, a row a latent, a column a draw."""
    found: dict[str, list[list[float | None]]] = {}
    exams = [
        {
            number: sampler.exam(latent, n_active=n_examples, n_silent=n_examples)
            for number, latent in population.latents.items()
        }
        for sampler in (Sampler(facts, seed=seed + 1 + r, sae=population.name) for r in range(n))
    ]
    for label, judge in judges.items():
        columns = [
            [_number(one.balanced_accuracy) for one in detection(known, exam, judge, null=False, seed=seed)]
            for exam in exams
        ]
        found[f"detection | {label}" if label else "detection"] = [list(row) for row in zip(*columns, strict=True)]
    return found


def questions_and_failures(
    population: Population,
    known: Sequence[Explanation],
    exams: Mapping[int, Sequence[Example]],
    judge: Judge,
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """Mean detection by examples in a question and by what is done with failures; one record a setting.

    The judge that executes predicates neither fails nor minds its neighbours, so both faults are given to it: one that
    repeats its last answer in the same question now and then, and ones that leave questions unanswered, any of them or
    those with an active example.
    """
    records: list[dict[str, Any]] = []

    def add(what: str, setting: str, who: Judge, *, per_question: int = 5, failures: Failures = "drop") -> None:
        made = detection(known, exams, who, per_question=per_question, failures=failures, null=False, seed=seed)
        values = np.array([one.balanced_accuracy for one in made])
        good = values[np.isfinite(values)]
        records.append(
            {
                "sae": population.name,
                "kind": population.kind,
                "what": what,
                "setting": setting,
                "detection": _number(float(good.mean())) if len(good) else None,
                "scored": len(good),
                "latents": len(values),
                "failed": int(sum(sum(one.failed.values()) for one in made)),
            }
        )

    for size in PER_QUESTION:
        add("examples a question", f"{size}", judge, per_question=size)
        repeating = Repeating(judge, REPEATED, seed=seed)
        add("examples a question", f"{size}, repeats {REPEATED:g}", repeating, per_question=size)
    for share in FAILED:
        for hard in (False, True):
            failing = Failing(judge, share, hard, seed)
            which = "with something to see" if hard else "any"
            for policy in ("drop", "wrong"):
                add("failures", f"{share:g} of {which}: {policy}", failing, failures=policy)
    return records


def _number(value: float) -> float | None:
    return round(float(value), 6) if isfinite(value) else None
