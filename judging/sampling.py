"""Which examples an explainer sees: top, by tenths, mixed or random; with contrast; and with the exam's own games."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from ..metrics.llm.detection import detection
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import SAMPLINGS, Explanation, Judge, Latent
from ..metrics.llm.predicate import evaluate, n_literals
from ..metrics.llm.sampling import Sampler
from ..metrics.llm.truth_counts import counts
from .populations import Population
from .variants import found

N_SHOWN = 20  # few, so that it matters which; contrast is as many again


def by_sampling(
    population: Population, facts: Facts, judge: Judge, *, n_examples: int = 50, seed: int = 0
) -> list[dict[str, Any]]:
    """One record a latent and way to sample: the truth of what was found, and its detection.

    `leak` draws the examples of explainer and exam from all games, as released code does. The truth is always that of
    the reporting games; with the leak, positions that the explainer has seen count there too.

    Args:
        population: whose latents.
        facts: of the positions.
        judge: asked about the explanations that were found.
        n_examples: active examples of an exam, and as many silent ones.
        seed: of the draws.
    """
    records: list[dict[str, Any]] = []
    for leak in (False, True):
        sampler = Sampler(facts, split=not leak, seed=seed, sae=population.name)
        for sampling in SAMPLINGS:
            for contrast in (False, True):
                if leak and (contrast or sampling not in ("quantile", "top")):
                    continue
                made = found(
                    population.latents, facts, sampler, sampling, n=N_SHOWN, n_negative=N_SHOWN if contrast else 0
                )
                exams = {
                    number: sampler.exam(latent, n_active=n_examples, n_silent=n_examples)
                    for number, latent in population.latents.items()
                }
                said = detection(made, exams, judge, null=False, seed=seed)
                seen = {"sampling": sampling, "contrast": contrast, "leak": leak}
                records += [
                    {"sae": population.name, "kind": population.kind, **seen, **_truth(one, facts, population.latents),
                     "detection": _number(score.balanced_accuracy)}
                    for one, score in zip(made, said, strict=True)
                ]  # fmt: skip
    return records


def _truth(one: Explanation, facts: Facts, latents: Mapping[int, Latent]) -> dict[str, Any]:
    names = ("precision", "recall", "iou")
    if one.predicate is None:
        return {"latent": one.latent, "literals": 0, "f1": None, **dict.fromkeys(names)}
    rows = facts.rows_of(False)
    held = counts(evaluate(one.predicate, facts, rows), latents[one.latent].active()[rows])
    shown = {name: _number(held[name]) for name in names}
    return {"latent": one.latent, "literals": n_literals(one.predicate), "f1": _number(held["exact_f1"]), **shown}


def overlap_of_leak(population: Population, facts: Facts, *, n_shown: int = 40, n_examples: int = 50) -> float:
    """Share of an exam's active examples that the explainer has seen, when both are drawn from all games."""
    sampler = Sampler(facts, split=False, sae=population.name)
    shares: list[float] = []
    for latent in population.latents.values():
        seen = {one.rows for one in sampler.shown(latent, n=n_shown).positives}
        exam = [one.rows for one in sampler.exam(latent, n_active=n_examples, n_silent=0)]
        shares.append(float(np.mean([rows in seen for rows in exam])) if exam else 0.0)
    return float(np.mean(shares)) if shares else 0.0


def _number(value: float) -> float | None:
    return round(float(value), 6) if isfinite(value) else None
