"""Interventions as scorers: does an explanation say what a latent does to what the model writes next?

Two scores of the same pushes. `intervention`: by how much more often the explanation's predicate holds in the positions
that follow, executed, so that it is the truth about what the latent does. `intervention by surprisal`: how much more
likely a language model finds the explanation after reading the pushed text, the published score, in nats.

Explanations of what a latent fires on need not say what it does: a value near 0 does not make them wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any

import numpy as np

from ..metrics.llm.intervention import Effect
from ..metrics.llm.nouns import Explanation, Latent
from ..metrics.llm.nulls import shuffled
from ..metrics.llm.surprisal import TextModel
from ..model_testbed import Testbed
from ..models.dictionary import Dictionary
from .intervention_run import Intervened, intervene

INTERVENTIONS = ("intervention", "intervention by surprisal")
N_PUSHED = 8  # latents: each takes some seconds
TARGET = 1.0  # nats at the next token
_NOT_PUSHED = "not pushed, to save time"


def why_no_pushes(bed: object) -> str:
    """Why nothing can be continued here; empty if it can."""
    if not isinstance(bed, Testbed):
        return "positions of this world are no model's"
    return "prompts of this testbed have no continuation" if bed.spec.position else ""


def spread(numbers: Sequence[int], n: int = N_PUSHED) -> frozenset[int]:
    """At most n of some latents, evenly spread.

    >>> sorted(spread([1, 2, 3, 5, 8, 13], 3))
    [1, 3, 13]
    """
    places = np.linspace(0, len(numbers) - 1, min(n, len(numbers))).round().astype(int)
    return frozenset(int(numbers[place]) for place in places)


@dataclass
class Pushes:
    """Pushes on some latents of a dictionary, each made once however many scorers ask.

    Attributes:
        bed: a testbed of games.
        dictionary: whose latents.
        latents: where they fire.
        chosen: those that are pushed; the others have no value, and say so.
        model: reads what is written; None leaves `intervention by surprisal` out.
        target: KL at the next token, nats.
        n_prompts: games a latent.
        n_resamples: of the intervals, over prompts.
        seed: of prompts and continuations.
    """

    bed: Testbed
    dictionary: Dictionary
    latents: Mapping[int, Latent]
    chosen: frozenset[int]
    model: TextModel | None = None
    target: float = TARGET
    n_prompts: int = 30
    n_resamples: int = 200
    seed: int = 0
    _made: dict[int, tuple[Explanation, Explanation, Intervened]] = field(default_factory=dict, repr=False)

    def records(
        self, name: str, explanations: Sequence[Explanation], *, null: bool = True
    ) -> dict[int, dict[str, Any]]:
        """One record a latent.

        Args:
            name: of `INTERVENTIONS`.
            explanations: one a latent.
            null: also score another latent's explanation, of all that are given.
        """
        others = shuffled(explanations, seed=self.seed) if null else [_unasked(one) for one in explanations]
        found = self._push(
            [(one, other) for one, other in zip(explanations, others, strict=True) if one.latent in self.chosen]
        )
        return {
            one.latent: _record(found[one.latent], name)
            if one.latent in found
            else {"value": nan, "null": nan, "failed": {}, "undefined": _NOT_PUSHED, "asked": False}
            for one in explanations
        }

    def _push(self, pairs: Sequence[tuple[Explanation, Explanation]]) -> dict[int, Intervened]:
        new = [pair for pair in pairs if self._made.get(pair[0].latent, (None, None))[:2] != pair]
        if new:
            made = intervene(
                self.bed,
                self.dictionary,
                [one for one, _ in new],
                self.latents,
                others=[other for _, other in new],
                model=self.model,
                targets=(self.target,),
                n_prompts=self.n_prompts,
                n_resamples=self.n_resamples,
                seed=self.seed,
            )
            self._made |= {pair[0].latent: (*pair, one) for pair, one in zip(new, made, strict=True)}
        return {pair[0].latent: self._made[pair[0].latent][2] for pair in pairs}


def _record(one: Intervened, name: str) -> dict[str, Any]:
    effect, other = (one.truth, one.truth_null) if name == "intervention" else (one.score, one.null)
    return {
        **_effect(effect),
        "null": other.value,
        "kl": one.kl,
        "c": one.c,
        "n_prompts": one.n_prompts,
        "raises": one.raises,
        "failed": {},
        "undefined": effect.failure,
    }


def _effect(effect: Effect) -> dict[str, float]:
    return {"value": effect.value, "low": effect.low, "high": effect.high}


def _unasked(one: Explanation) -> Explanation:
    return replace(one, text="", predicate=None, failure="not asked")
