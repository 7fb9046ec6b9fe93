"""Scorers that ask about a latent without any explanation: do its contexts go together at all?

They bound what an explanation can be worth: a latent whose contexts have nothing in common has no short explanation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.llm.embedders import Encoder
from ..metrics.llm.example_embedding import example_embedding
from ..metrics.llm.facts import Facts
from ..metrics.llm.intruder import facts_picker, intruder, lineups
from ..metrics.llm.nouns import Example, Renderer

UNEXPLAINED = ("intruder", "example embedding")


def unexplained(
    name: str,
    exams: Mapping[int, Sequence[Example]],
    facts: Facts,
    renderer: Renderer | None,
    encoder: Encoder | None,
    *,
    seed: int = 0,
) -> dict[int, dict[str, Any]]:
    """One record a latent; what guessing gives stands where others have shuffled explanations.

    Args:
        name: of `UNEXPLAINED`.
        exams: examples by latent.
        facts: by which an intruder is picked, the one that lacks what the others share.
        renderer: positions as text, for example embedding.
        encoder: of texts, likewise.
        seed: of the draws.
    """
    if name == "intruder":
        picked = intruder(lineups(exams, seed=seed), facts_picker(facts))
        return {
            one.latent: {
                "value": one.accuracy,
                "low": one.low,
                "high": one.high,
                "null": one.chance,
                "failed": {"no answer": one.n_failed} if one.n_failed else {},
                "undefined": one.failure,
            }
            for one in picked
        }
    assert renderer is not None
    assert encoder is not None
    return {
        one.latent: {
            "value": one.score,
            "lowest_draws": one.low,
            "highest_draws": one.high,
            "null": 0.0,
            "delta_plus": one.delta_plus,
            "delta_minus": one.delta_minus,
            "failed": {},
            "undefined": one.failure,
        }
        for one in example_embedding(exams, renderer, encoder, seed=seed)
    }
