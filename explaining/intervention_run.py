"""What explanations say of what latents do: intervention scores with the truth beside them, latent by latent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from ..metrics.llm.intervention import Effect, change_of_rate, intervention, no_effect
from ..metrics.llm.intervention_tuning import TARGETS
from ..metrics.llm.nouns import Explanation, Latent
from ..metrics.llm.nulls import shuffled
from ..metrics.llm.surprisal import TextModel
from ..model_testbed import Testbed
from ..models.dictionary import Dictionary
from .intervening import Intervener, Pushed, output_text


@dataclass(frozen=True)
class Intervened:
    """One latent under pushes of one strength.

    Attributes:
        latent: its number.
        explanation: its text.
        target: KL asked for at the next token, nats; None for the latent set to 0.
        kl: KL that was reached; NaN for the latent set to 0.
        c: what was added to the latent.
        n_prompts: games that were continued.
        score: drop in the explanation's surprisal, nats, as a language model reads it; without one it says so.
        null: the same with another latent's explanation.
        truth: by how much the explanation's predicate holds more often in the positions that follow.
        truth_null: the same with another latent's predicate.
        illegal_clean: share of untouched continuations with an illegal move.
        illegal_pushed: share of pushed ones.
        raises: the moves that the push makes most likelier, in words; from games that choose.
    """

    latent: int
    explanation: str
    target: float | None
    kl: float
    c: float
    n_prompts: int
    score: Effect
    null: Effect
    truth: Effect
    truth_null: Effect
    illegal_clean: float
    illegal_pushed: float
    raises: str


def intervene(
    bed: Testbed,
    dictionary: Dictionary,
    explanations: Sequence[Explanation],
    latents: Mapping[int, Latent],
    *,
    model: TextModel | None = None,
    others: Sequence[Explanation] | None = None,
    targets: Sequence[float | None] = TARGETS,
    n_prompts: int = 30,
    n_new: int = 8,
    legal: bool = True,
    n_resamples: int = 1000,
    seed: int = 0,
) -> list[Intervened]:
    """Push latents and ask whether their explanations say what changes.

    Args:
        bed: a testbed with games.
        dictionary: whose latents are pushed.
        explanations: one a latent; failed ones have no score.
        latents: where they fire, by number, on the testbed's scored positions.
        model: a `CausalLM` or another function that gives log-probabilities of texts; None leaves the score out and
            keeps the truth, which needs none.
        others: explanations of the same latents in the same order, as a null; None shuffles those given.
        targets: KL at the next token, nats; None sets the latent to 0.
        n_prompts: games a latent, of those that report.
        n_new: most moves that are written.
        legal: draw among legal moves only; else, as published, among all, and the truth ends before an illegal one.
        n_resamples: of the bootstraps over prompts.
        seed: of prompts, continuations, shuffles and bootstraps.

    Returns:
        For every explanation one entry a target, in order. A random dictionary is a floor: run it likewise.

    Raises:
        KeyError: an explanation of a latent that is not given.
        ValueError: a testbed of prompts, a dictionary of another width, nulls of other latents, or options out of
            range.
    """
    if others is not None and [one.latent for one in others] != [one.latent for one in explanations]:
        raise ValueError("the null must be explanations of the same latents in the same order")
    if missing := [one.latent for one in explanations if one.latent not in latents]:
        raise KeyError(f"latent {missing[0]} is explained, but where it fires is not given")
    intervener = Intervener(bed, dictionary, n_new=n_new, legal=legal, seed=seed)
    others = shuffled(explanations, seed=seed) if others is None else others
    options: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    wanted = {one.latent: 0 if one.failure else n_prompts for one in explanations}  # nothing to ask where it failed
    prompts = {number: intervener.prompts(latents[number], n=n) for number, n in wanted.items()}
    choosing = {one.latent: intervener.prompts(latents[one.latent], n=10, train=True) for one in explanations}
    found: list[Intervened] = []
    for target in targets:
        pushed = {number: intervener.written(number, some, target) for number, some in prompts.items()}
        written = {number: one.written for number, one in pushed.items()}
        scores, nulls = (
            [no_effect(one.latent, "no language model reads the texts") for one in who]
            if model is None
            else intervention(who, written, model, **options)
            for who in (explanations, others)
        )
        for one, other, score, null in zip(explanations, others, scores, nulls, strict=True):
            push = pushed[one.latent]
            c = None if target is None else push.written.c
            tokens = (
                intervener.raised(one.latent, choosing[one.latent], c)
                if push.clean is not None and len(choosing[one.latent])
                else []
            )
            found.append(
                Intervened(
                    one.latent,
                    one.text,
                    target,
                    push.written.kl,
                    push.written.c,
                    len(push.prompts),
                    score,
                    null,
                    _truth(intervener, one, push, options),
                    _truth(intervener, other, push, options),
                    *push.illegal(),
                    output_text(tokens),
                )
            )
    return found


def _truth(intervener: Intervener, one: Explanation, push: Pushed, options: Mapping[str, Any]) -> Effect:
    reason = one.failure or push.written.failure or ("" if one.predicate else "its explanation cannot be executed")
    if reason or push.clean is None or push.pushed is None or one.predicate is None:
        return no_effect(one.latent, reason)
    clean, pushed = (intervener.following(push.prompts, side) for side in (push.clean, push.pushed))
    return change_of_rate(one.latent, one.predicate, clean, pushed, n_prompts=len(push.prompts), **options)


def columns(found: Sequence[Intervened]) -> dict[str, list[Any]]:
    """The per-latent table, columns of one length; NaN is None."""
    effects = ("score", "null", "truth", "truth_null")
    rows: list[dict[str, Any]] = []
    for one in found:
        row: dict[str, Any] = {k: v for k, v in asdict(one).items() if k not in effects}
        for name in effects:
            effect: Effect = getattr(one, name)
            row |= {name: effect.value, f"{name}_low": effect.low, f"{name}_high": effect.high}
            row[f"{name}_failure"] = effect.failure
        rows.append({k: None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()})
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def by_strength(found: Sequence[Intervened]) -> dict[str, dict[str, float]]:
    """Medians over the latents for every target: score, null, truth and its null; NaN without any.

    Returns:
        By target (`zero` for latents set to 0): `n`, and the median of each; `pushed`: latents that reach the target.
    """
    said: dict[str, dict[str, float]] = {}
    for target in dict.fromkeys(one.target for one in found):
        mine = [one for one in found if one.target == target]
        row = {"n": float(len(mine)), "pushed": float(sum(bool(one.raises) for one in mine))}
        for name in ("score", "null", "truth", "truth_null"):
            values = [getattr(one, name).value for one in mine if not getattr(one, name).failure]
            row[name] = float(np.median(values)) if values else float("nan")
        said["zero" if target is None else f"{target:g}"] = row
    return said


def to_json(found: Sequence[Intervened]) -> str:
    """Everything, as JSON text with sorted keys."""
    return json.dumps({"latents": columns(found)}, indent=1, sort_keys=True)
