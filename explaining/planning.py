"""What a run would ask of language models, counted before the first request."""

from collections.abc import Sequence
from typing import Any

from ..metrics.llm.exams import best_predicates
from ..metrics.llm.nouns import Explanation, Request
from ..metrics.llm.plan import Plan, Prices, plan
from ..metrics.llm.replay import UNSENT
from .run import Run, Sample, translated
from .scorers import JUDGED, Tools, check_scorers, questions_of

_PLACEHOLDER = "it fires at positions like these, and hardly anywhere else; " * 2  # about as long as an answer


def requests_of(
    sample: Sample,
    run: Run,
    *,
    null: bool,
    per_question: int,
    seed: int,
    chunks: Sequence[Sequence[int]] | None = None,
) -> dict[str, list[Request]]:
    """Requests by what they are for, as far as they can be known.

    Nothing is sent. Explanations that are still to be had are stood for by a text of ordinary length; those that a
    cache holds are taken from it, and then everything is exact but for second asks after unreadable answers.
    """
    examiner = sample.examiner
    found: dict[str, list[Request]] = {}
    explainer: Any = run.explainer or best_predicates(examiner.facts, examiner.latents)
    chunks = list(sample.chunks()) if chunks is None else chunks
    numbers = [number for chunk in chunks for number in chunk]
    if not numbers:
        return {}
    shown = [examiner.shown(number) for number in numbers]
    explanations: list[Explanation] = []
    if hasattr(explainer, "requests"):
        found["explanations"] = explainer.requests(shown)
        if run.cached is not None and hasattr(explainer, "from_cache"):
            explanations = [_stood_for(one) for one in explainer.from_cache(run.cached).explain(shown)]
    elif run.judge is not None or run.translator is not None:
        explanations = explainer.explain(shown)
    explanations = explanations or [Explanation(number, _PLACEHOLDER, source="to come") for number in numbers]
    translator: Any = run.translator
    if translator is not None and hasattr(translator, "requests"):
        waiting = [one for one in explanations if one.predicate is None and not one.failure]
        found["translations"] = translator.requests(waiting)
        if waiting and run.cached is not None and hasattr(translator, "from_cache"):
            explanations = translated(explanations, translator.from_cache(run.cached))
    judge: Any = run.judge
    if judge is not None and hasattr(judge, "requests"):
        tools = Tools(judge, per_question=per_question, null=null, seed=seed, **run.tools)
        missing = check_scorers(run.scorers, tools, examiner)
        by_number = {one.latent: one for one in explanations}
        for name in run.scorers:
            if name in JUDGED and name not in missing:
                found[name] = [
                    request
                    for chunk in chunks
                    for request in judge.requests(questions_of(name, [by_number[n] for n in chunk], examiner, tools))
                ]
    return found


def plan_of(
    sample: Sample,
    run: Run,
    *,
    prices: Prices | None = None,
    null: bool = True,
    per_question: int = 5,
    seed: int = 0,
    chunks: Sequence[Sequence[int]] | None = None,
) -> dict[str, Plan]:
    """Requests, tokens and price by what they are for; and what the cache already holds.

    Args:
        sample: what is explained.
        run: who explains and judges.
        prices: USD per million tokens.
        null: whether shuffled explanations are scored too.
        per_question: examples in one question.
        seed: of orders and shuffles.
        chunks: latents as they are taken together, those that are still to be done, such as `run.unfinished` gives;
            all of the sample by default.
    """
    found = requests_of(sample, run, null=null, per_question=per_question, seed=seed, chunks=chunks)
    return {name: plan(requests, run.cached, prices) for name, requests in found.items()}


def _stood_for(one: Explanation) -> Explanation:
    """An explanation, or what stands for one that would have to be asked for."""
    return Explanation(one.latent, _PLACEHOLDER, source="to come") if one.failure == UNSENT else one
