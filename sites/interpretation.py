"""What latents at a cross-section mean: attribute values, what hides what, what is split; which are explained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.interpretability import explained_latents, interpretability
from ..metrics.occlusion import occlusion
from ..metrics.score import Score
from ..metrics.splitting import splitting
from ..models.dictionary import Dictionary
from ..models.nodes import Node
from ..supervised_dicts.attributes import AttributeDictionary
from ..supervised_dicts.quality import preserved_variance
from .bench import AxesBench
from .edits import latents_of

ATTRIBUTES = ("IO", "S", "Pos")
SLOTS = ("first name", "second name")  # further attributes that a latent may mean
PAIRS = (("IO", "Pos"), ("S", "Pos"))
EXPLAINED = 0.6  # F1 from which a latent counts as explained when it is kept or removed


@dataclass(frozen=True)
class Interpretation:
    """What latents mean.

    Attributes:
        scores: by metric, by node.
        explained: by node, bool [H], latents whose meaning holds with an F1 of at least `EXPLAINED`.
    """

    scores: dict[str, dict[str, Score]]
    explained: dict[Node, NDArray[np.bool_]]


def interpret(
    bench: AxesBench, by_node: Mapping[Node, Dictionary], *, n_resamples: int = 1000, seed: int = 0
) -> Interpretation:
    """Interpretability, occlusion and splitting on the choosing prompts, half of which choose and half report."""
    prompts = bench.choose
    attributes = {name: prompts.attributes[name] for name in (*ATTRIBUTES, *SLOTS)}
    values = {name: prompts.values[name] for name in attributes}
    split: dict[str, Any] = {
        "train": np.random.default_rng([seed, 1]).random(len(prompts)) < 0.5,
        "game_id": np.arange(len(prompts)),
    }
    scores: dict[str, dict[str, Score]] = {}
    explained: dict[Node, NDArray[np.bool_]] = {}
    for node, dictionary in by_node.items():
        x = bench.choose_x[node]
        latents = latents_of(dictionary, prompts, x).numpy()
        if isinstance(dictionary, AttributeDictionary):  # what it reads off, not what it was told
            latents = dictionary.encode(x).float().cpu().numpy()
        variance = preserved_variance(bench.mean_codes[node], bench.fit_x[node], bench.fit.attributes)
        found = interpretability(latents, attributes, values, pairs=PAIRS, n_resamples=n_resamples, seed=seed, **split)
        explained[node] = explained_latents(found["interpretable_score"], EXPLAINED)
        found |= occlusion(
            latents,
            {name: attributes[name] for name in ATTRIBUTES},
            variance_shares={name: variance[name] for name in ATTRIBUTES},
            effects={name: bench.effect(name) for name in ATTRIBUTES},
            n_resamples=n_resamples,
            seed=seed,
            **split,
        )
        found |= splitting(latents, attributes["Pos"], names=values["Pos"], n_resamples=n_resamples, seed=seed, **split)
        for name, score in found.items():
            scores.setdefault(name, {})[node.name] = score
    return Interpretation(scores, explained)
