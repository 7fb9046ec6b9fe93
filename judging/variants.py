"""Explanations of varied quality for the same latents: the best, found ones, and known corruptions of the best."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..metrics.llm.corruption import corruptions, dose
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import Explanation, Latent, Sampling, Shown
from ..metrics.llm.nulls import always_true, shuffled
from ..metrics.llm.predicate import Predicate
from ..metrics.llm.predicate_search import PredicateExplainer
from ..metrics.llm.predicate_text import to_text
from ..metrics.llm.sampling import Sampler
from .populations import Population

DOSES = (0.25, 0.5, 0.75, 1.0)  # of the IoU with the right explanation, lost; 1 is another one as common
FOUND: tuple[Sampling, ...] = ("quantile", "top")
BEST, SHUFFLED, ALWAYS, MEANT = "best", "shuffled", "always true", "as meant"


def best(population: Population, facts: Facts) -> list[Explanation]:
    """For each latent the predicate with the best F1 on the choosing games."""
    shown = [Shown(one.number, float(one.values.max(initial=0.0)), ()) for one in population.latents.values()]
    return PredicateExplainer(facts, population.latents, rows="all").explain(shown)


def found(
    latents: Mapping[int, Latent],
    facts: Facts,
    sampler: Sampler,
    sampling: Sampling,
    *,
    n: int = 40,
    n_negative: int = 0,
) -> list[Explanation]:
    """What a predicate explainer makes of a few examples, as a language model is shown them."""
    shown = [sampler.shown(one, sampling=sampling, n=n, n_negative=n_negative) for one in latents.values()]
    return PredicateExplainer(facts, latents, rows="shown").explain(shown)


def variants(
    population: Population, facts: Facts, sampler: Sampler, known: Sequence[Explanation], *, seed: int = 0
) -> dict[str, list[Explanation]]:
    """All explanations that are put to judges, by variant: one a latent, in the order of the latents.

    Args:
        population: whose latents.
        facts: of the positions.
        sampler: of the examples that explainers are shown.
        known: the best explanation of each latent; it is what is corrupted. Of a planted latent its meaning is.
        seed: of corruptions and shuffles.

    Returns:
        A variant that a latent cannot have, such as a dropped conjunct of a single fact, is a failed explanation.
    """
    whole = list(known)
    made: dict[str, list[Explanation]] = {BEST: whole}
    if population.meaning:
        whole = [_given(one.latent, population.meaning[one.latent], MEANT) for one in known]
        made[MEANT] = whole
    for sampling in FOUND:
        made[f"found ({sampling})"] = found(population.latents, facts, sampler, sampling)
    ladder = [{} if one.predicate is None else corruptions(one.predicate, facts, seed=seed) for one in whole]
    for name in dict.fromkeys(name for rung in ladder for name in rung):
        made[name] = [
            _given(one.latent, rung[name], name) if name in rung else _none(one.latent, f"no {name} of this one")
            for one, rung in zip(whole, ladder, strict=True)
        ]
    for share in DOSES:
        made[f"dose {share:g}"] = [
            _none(one.latent, one.failure)
            if one.predicate is None
            else _given(one.latent, dose(one.predicate, facts, share, seed), f"dose {share:g}")
            for one in whole
        ]
    made[SHUFFLED] = shuffled(whole, seed=seed)
    made[ALWAYS] = [replace(always_true(one.latent, facts), source=ALWAYS) for one in whole]
    return made


def _given(latent: int, predicate: Predicate, source: str) -> Explanation:
    return Explanation(latent, to_text(predicate), predicate, source)


def _none(latent: int, why: str) -> Explanation:
    return Explanation(latent, "", None, failure=why or "no explanation")
