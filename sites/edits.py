"""Edits of one attribute at a cross-section, by what a dictionary offers: greedy, by meaning, or one supervised swap.

Each node gets a budget of its own, all nodes of the section are edited from clean activations and patched together, as
in Makelov, Lange and Nanda 2024 (arXiv 2405.08366), section 4. The edit is added to the activation, so that what the
dictionary does not explain stays as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.ioi_prompts import Prompts
from ..metrics.contingency import value_f1
from ..metrics.control_aware import aware_edits, weight_removed
from ..metrics.control_greedy import greedy_edits
from ..models.dictionary import Dictionary
from ..models.nodes import Node
from ..supervised_dicts.attributes import AttributeDictionary
from .bench import Aspect, AxesBench, Values

_ROWS = 8192  # encoded at once


@dataclass(frozen=True)
class Edited:
    """What one kind of edit did to the prompts that report.

    Attributes:
        choice: int64 [N], the model's choice afterwards.
        values: edited activations of every node, float32 [N, d].
        weight: float64 [N], weight removed from the dictionary's reconstruction, mean over nodes.
        size: float64 [N], latents touched, mean over nodes.
        scorable: bool [N], rows on which the edit is defined.
    """

    choice: NDArray[np.int64]
    values: Values
    weight: NDArray[np.float64]
    size: NDArray[np.float64]
    scorable: NDArray[np.bool_]


def latents_of(dictionary: Dictionary, prompts: Prompts, x: torch.Tensor) -> torch.Tensor:
    """Latents of prompts, float32 [N, H]: the true codes of a supervised dictionary, what any other reads off x."""
    if isinstance(dictionary, AttributeDictionary):
        return dictionary.codes(prompts.attributes).float().cpu()
    with torch.no_grad():  # dense throughout: sparse codes are made for many more rows than a bench has
        return torch.cat([dictionary.encode(rows).float().cpu() for rows in x.to(_device(dictionary)).split(_ROWS)])


def _device(dictionary: Dictionary) -> torch.device:
    return dictionary.directions.device


def greedy(
    bench: AxesBench, aspect: Aspect, dictionaries: Mapping[Node, Dictionary], budgets: Sequence[int]
) -> dict[int, Edited]:
    """Edits blind to meaning: at most k latents a node, chosen to come closest to the counterfactual's activation."""
    made = {}
    for node, dictionary in dictionaries.items():
        source = latents_of(dictionary, aspect.prompts, aspect.base[node])
        target = latents_of(dictionary, aspect.changed, aspect.source[node])
        directions = dictionary.directions.detach().cpu().float()
        residual = (aspect.base[node] - aspect.source[node]).cpu()
        edits = greedy_edits(source, target, directions, residual, max(budgets), device=aspect.base[node].device)
        made[node] = (source, edits)
    found: dict[int, Edited] = {}
    for k in budgets:
        values, weights, sizes = {}, [], []
        for node, (source, edits) in made.items():
            values[node] = aspect.base[node] + edits.delta(k).to(aspect.base[node])
            weights.append(weight_removed(source, edits.directions, None, edits.removed(k)).cpu().numpy())
            sizes.append(edits.size(k).cpu().double().numpy())
        found[k] = _answer(bench, aspect, values, weights, sizes)
    return found


def aware(
    bench: AxesBench, aspect: Aspect, dictionaries: Mapping[Node, Dictionary], budgets: Sequence[int]
) -> dict[int, Edited]:
    """Edits by meaning: k latents out that stand for the old value, k in that stand for the new one.

    Latents are ranked by their F1 on the bench's choosing prompts, where every value occurs.
    """
    found: dict[int, Edited] = {}
    known = {}
    for node, dictionary in dictionaries.items():
        ranked_on = latents_of(dictionary, bench.choose, bench.choose_x[node])
        n_values = len(bench.choose.values[aspect.attribute])
        f1 = value_f1(ranked_on.numpy(), bench.choose.attributes[aspect.attribute], n_values)
        source = latents_of(dictionary, aspect.prompts, aspect.base[node])
        target = latents_of(dictionary, aspect.changed, aspect.source[node])
        known[node] = (source, target, dictionary.directions.detach().cpu().float(), f1)
    before, after = aspect.prompts.attributes[aspect.attribute], aspect.changed.attributes[aspect.attribute]
    for k in budgets:
        values, weights, sizes, scorable = {}, [], [], np.ones(len(before), np.bool_)
        for node, (source, target, directions, f1) in known.items():
            edits = aware_edits(source, target, directions, f1, before, after, k)
            values[node] = aspect.base[node] + edits.delta.to(aspect.base[node])
            weights.append(weight_removed(source, directions, None, edits.removed).cpu().numpy())
            sizes.append((edits.removed | edits.added).sum(1).double().cpu().numpy())
            scorable &= edits.scorable.cpu().numpy()
        found[k] = _answer(bench, aspect, values, weights, sizes, scorable)
    return found


def supervised(bench: AxesBench, aspect: Aspect) -> Edited:
    """One swap of the attribute's mean codes: what the other edits are compared with.

    Not scorable are prompts that need the code of a value which the fit prompts do not have.
    """
    values, weights = {}, []
    before, after = aspect.prompts.attributes, aspect.changed.attributes
    scorable = np.ones(len(aspect.unedited), np.bool_)
    for node, dictionary in bench.supervised[aspect.attribute].items():
        values[node] = dictionary.edit(aspect.base[node], aspect.attribute, before, after)
        scorable &= dictionary.editable(aspect.attribute, before, after)
        source, target = dictionary.codes(before), dictionary.codes(after)
        weights.append(weight_removed(source, dictionary.directions, None, (source > 0) & (target == 0)).cpu().numpy())
    return _answer(bench, aspect, values, weights, [np.ones(len(aspect.unedited))], scorable)


def _answer(
    bench: AxesBench,
    aspect: Aspect,
    values: Values,
    weights: list[NDArray[np.float64]],
    sizes: list[NDArray[np.float64]],
    scorable: NDArray[np.bool_] | None = None,
) -> Edited:
    choice = bench.logits(aspect.prompts, values).argmax(1).cpu().numpy()
    every = np.ones(len(choice), np.bool_) if scorable is None else scorable
    return Edited(choice, values, np.mean(weights, 0), np.mean(sizes, 0), every)
