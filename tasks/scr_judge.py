"""Judges for spurious correlation removal: who says which latents have to do with a concept.

    renderer = renderer_of(bed)
    tasks.scr.measure(about, judge=llm_judge(about, chat, renderer))
    tasks.scr.measure(about, judge=predicate_judge(about))  # the same without a language model

Both rate the latents that attribution puts first for each concept, in any of its pairs; see
metrics/llm/shift_judge.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.concept_latents import latent_facts
from ..metrics.llm.latents import latents_of
from ..metrics.llm.nouns import Chat, Explainer, Renderer, Request
from ..metrics.llm.predicate_search import PredicateExplainer
from ..metrics.llm.sampling import Sampler
from ..metrics.llm.shift_judge import N_LATENTS, THRESHOLD, LLMRater, Rated, rated_by_predicates
from ..metrics.scr_measure import attributed
from ..subject import Subject
from .facts import facts_of
from .scr import Posed, posed
from .truth import bits


def candidates(about: Subject, n: int = N_LATENTS) -> dict[int, tuple[int, ...]]:
    """Concepts that each latent is to be rated for: those for which it is among the `n` with the largest attribution.

    A concept has one attribution for every pair that it is in, and every draw of its probes; a latent that is among the
    first in any pair, by the first draw, is rated.

    Args:
        about: the dictionary with the truth around it.
        n: latents of a concept and pair.

    Returns:
        Concepts by latent, both rising.
    """
    prepared = posed(about).prepared
    found: dict[int, set[int]] = {}
    for pair in prepared.pairs:
        rankings = attributed(
            pair, latent_facts(about.codes, pair.choosing), about.directions.astype(np.float64), (None, None)
        )
        for concept, ranking in zip(pair.concepts, rankings[0], strict=True):
            for latent in ranking[:n].tolist():
                found.setdefault(latent, set()).add(concept)
    return {latent: tuple(sorted(found[latent])) for latent in sorted(found)}


def llm_judge(
    about: Subject,
    chat: Chat,
    renderer: Renderer,
    *,
    n: int = N_LATENTS,
    threshold: float = THRESHOLD,
    promoted: Callable[[int], Sequence[str]] | None = None,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
) -> Rated:
    """A chat model says which latents have to do with a concept.

    Args:
        about: the dictionary with the truth around it.
        chat: the model.
        renderer: positions as text, such as `explaining.rendering.renderer_of(bed)`.
        n: latents that are rated for a concept and pair.
        threshold: share of the scale of 4 above which a latent is kept.
        promoted: tokens that a latent makes likelier.
        seed: sent along.
        params: of the requests.

    Returns:
        A judge for `tasks.scr.measure`; it says what failed.
    """
    asked = candidates(about, n)
    rater = LLMRater(chat, renderer, promoted=promoted, seed=seed, params=params)
    names = [one.name for one in posed(about).concepts]
    latents = latents_of(about.codes, list(asked))
    return rater.rate(
        asked, latents, names, facts_of(about.bed, about.labels), n_latents=about.codes.n_latents, threshold=threshold
    )


def plan_requests(
    about: Subject, chat: Chat, renderer: Renderer, *, n: int = N_LATENTS, seed: int = 0
) -> list[Request]:
    """What `llm_judge` would send, for plans."""
    asked = candidates(about, n)
    names = [one.name for one in posed(about).concepts]
    rater = LLMRater(chat, renderer, seed=seed)
    return rater.requests(asked, latents_of(about.codes, list(asked)), names, facts_of(about.bed, about.labels))


def predicate_judge(
    about: Subject,
    *,
    explainer: Explainer | None = None,
    n: int = N_LATENTS,
    threshold: float = THRESHOLD,
    n_shown: int = 40,
    seed: int = 0,
) -> Rated:
    """Executed predicates say which latents have to do with a concept: no language model, the same decision.

    Args:
        about: the dictionary with the truth around it.
        explainer: gives the predicates; by default the best ones of up to two literals for the shown examples.
        n: latents that are rated for a concept and pair.
        threshold: share of the scale above which a latent is kept.
        n_shown: examples that the explainer sees.
        seed: of the examples.

    Returns:
        A judge for `tasks.scr.measure`.
    """
    asked = candidates(about, n)
    facts = facts_of(about.bed, about.labels)
    latents = latents_of(about.codes, list(asked))
    sampler = Sampler(facts, seed=seed)
    shown = [sampler.shown(latents[one], n=n_shown, n_negative=n_shown) for one in asked]
    said = (explainer or PredicateExplainer(facts, latents, max_literals=2)).explain(shown)
    predicates = {one.latent: None if one.failure else one.predicate for one in said}
    return rated_by_predicates(
        asked, predicates, _held(about, posed(about)), facts, n_latents=about.codes.n_latents, threshold=threshold
    )


def _held(about: Subject, task: Posed) -> NDArray[np.bool_]:
    columns = [bits(about, one.features).any(1) for one in task.concepts]
    return np.array(columns, np.bool_).reshape(-1, len(about.train)).T
