"""The three axes at one place of an IOI model: approximation, control, interpretability, of any dictionary.

Makelov, Lange and Nanda 2024 (arXiv 2405.08366): does the model still compute through the reconstruction, can it be
steered by few latents, and do latents mean attributes? Every score has one group for each attribute that the place
carries; its value is their mean. Beside it stand the same score of the supervised dictionary, of no edit, and of the
whole counterfactual patched in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics.approximation import approximation
from ..metrics.control import PROPERTIES as CONTROL
from ..metrics.control import control
from ..metrics.control_isolation import isolation, off_manifold
from ..metrics.interpretability_causal import keep_explained
from ..metrics.meaning import meaning as meaning_scores
from ..metrics.score import Score, interval
from ..models.dictionary import Dictionary
from ..models.nodes import Node
from . import edits
from .bench import Aspect, AxesBench, Values, logit_difference
from .edits import Edited, latents_of
from .interpretation import interpret

BUDGETS = (1, 2, 4, 8)
BUDGET = 2  # of the headline scores; the smallest that the paper shows
READABLE = 0.8  # attributes that the reader gets right less often cannot be seen to stay as they were
Scores = dict[str, Score]
Dictionaries = Dictionary | Mapping[Node, Dictionary]
SUPERVISED = "supervised"  # in place of dictionaries: the bench's own mean codes, for every attribute those of its task


@dataclass(frozen=True)
class Axes:
    """What the three axes say of one dictionary.

    Attributes:
        scores: by metric, with one group for each attribute.
        success: by budget and attribute, the score of greedy edits.
        aware: by budget and attribute, the score of edits by meaning.
        weight: by budget and attribute, weight removed by greedy edits.
        by_attribute: approximation and control apart for every attribute, by metric.
    """

    scores: Scores
    success: dict[int, dict[str, Score]]
    aware: dict[int, dict[str, Score]]
    weight: dict[int, dict[str, Score]]
    by_attribute: dict[str, Scores]


def three_axes(
    dictionaries: Dictionaries | Literal["supervised"],
    bench: AxesBench,
    *,
    budgets: Sequence[int] = BUDGETS,
    budget: int = BUDGET,
    aware_budgets: Sequence[int] | None = None,
    meaning: bool = True,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Axes:
    """Score a dictionary, or one for each node of a cross-section.

    Args:
        dictionaries: one, if the section has one node; else one for every node; or "supervised" for the bench's own
            mean codes.
        bench: where.
        budgets: numbers of latents that edits may change at each node; edits by meaning take as many out as in, so up
            to twice the number.
        budget: the one of the headline scores; one of `budgets`.
        aware_budgets: those of `budgets` with which edits by meaning are made as well; None for all.
        meaning: also what latents mean, the slower half; without it only approximation and control.
        n_resamples: of the bootstrap over prompts.
        seed: of the bootstrap.

    Raises:
        KeyError: a node without a dictionary.
        ValueError: a dictionary of another width than its node, or a budget that is not among `budgets`.
    """
    if budget not in budgets or min(budgets) < 1:
        raise ValueError(f"budgets must be at least 1 and hold the headline's, got {list(budgets)} and {budget}")
    by_meaning_at = list(budgets if aware_budgets is None else aware_budgets)
    if not set(by_meaning_at) <= set(budgets) or (meaning and budget not in by_meaning_at):
        raise ValueError(
            f"aware_budgets must be some of {list(budgets)}, the headline's among them, got {by_meaning_at}"
        )
    whole = bench.mean_codes if dictionaries == SUPERVISED else per_node(dictionaries, bench)
    found: dict[str, Scores] = {}
    success: dict[int, dict[str, Score]] = {k: {} for k in budgets}
    aware: dict[int, dict[str, Score]] = {k: {} for k in by_meaning_at}
    weight: dict[int, dict[str, Score]] = {k: {} for k in budgets}
    sampled: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    told = interpret(bench, whole, n_resamples=n_resamples, seed=seed) if meaning else None
    for attribute, aspect in bench.aspects.items():
        by_node = bench.supervised[attribute] if dictionaries == SUPERVISED else whole
        reference = _reference(bench, aspect)
        scores = _approximation(bench, aspect, by_node, sampled)
        greedy = edits.greedy(bench, aspect, by_node, budgets)
        by_meaning = edits.aware(bench, aspect, by_node, by_meaning_at)
        for k in budgets:
            made = _control(aspect, greedy[k], reference, sampled)
            success[k][attribute], weight[k][attribute] = made["edit_success_score"], made["weight_removed_error"]
        for k in by_meaning_at:
            aware[k][attribute] = _control(aspect, by_meaning[k], reference, sampled)["edit_success_score"]
        by_budget = {k: one.choice for k, one in greedy.items()}
        scores |= _control(aspect, greedy[budget], reference, sampled, by_budget)
        if told is not None:
            scores |= _meant(bench, aspect, by_node, told.explained, by_meaning[budget], reference, sampled)
        scores |= _side_effects(bench, aspect, greedy[budget], sampled)
        found[attribute] = scores
    metrics = dict.fromkeys(name for scores in found.values() for name in scores)
    joined = {name: joint(name, {a: scores[name] for a, scores in found.items() if name in scores}) for name in metrics}
    if told is not None:
        joined |= {
            name: next(iter(by_node.values())) if len(by_node) == 1 else joint(name, by_node)
            for name, by_node in told.scores.items()
        }
    return Axes(joined, success, aware, weight, found)


def per_node(dictionaries: Dictionaries, bench: AxesBench) -> dict[Node, Dictionary]:
    """One dictionary for every node of the bench's section.

    Raises:
        KeyError: a node without a dictionary.
        ValueError: one dictionary for several nodes, or one of another width than its node.
    """
    nodes = bench.section.nodes
    if not isinstance(dictionaries, Mapping):
        if len(nodes) > 1:
            raise ValueError(f"{bench.section.name} has {len(nodes)} nodes: give a dictionary for each, by node")
        dictionaries = dict.fromkeys(nodes, dictionaries)
    if missing := [node.name for node in nodes if node not in dictionaries]:
        raise KeyError(f"no dictionary for {', '.join(missing)} of {bench.section.name}")
    for node in nodes:
        width, wanted = dictionaries[node].directions.shape[1], bench.fit_x[node].shape[1]
        if width != wanted:
            raise ValueError(
                f"dictionary {dictionaries[node].name!r} reads activations of width {width}; {node} has {wanted}"
            )
    return {node: dictionaries[node] for node in nodes}


def joint(name: str, by_attribute: Mapping[str, Score]) -> Score:
    """One score of several attributes: the mean, with each attribute as a group; undefined ones are told, not averaged.

    The attributes are measured on the same choices of words, resampled alike, so replicates are averaged one by one.
    The table of single latents is left out where there are several.
    """
    defined = {a: s for a, s in by_attribute.items() if np.isfinite(s.value)}
    reasons = {a: s.details["undefined"] for a, s in by_attribute.items() if "undefined" in s.details}
    details = {"by attribute": {a: dict(s.details) for a, s in by_attribute.items()}}
    if not defined:
        nan = float("nan")
        return Score(name, nan, nan, nan, details={**details, "undefined": "; ".join(map(str, reasons.values()))})
    replicates = [s.replicates for s in defined.values() if s.replicates is not None]
    together = np.mean(replicates, 0) if len(replicates) == len(defined) else None
    value = float(np.mean([s.value for s in defined.values()]))
    first = next(iter(defined.values()))
    low, high = (first.low, first.high) if together is None else interval(together[np.isfinite(together)])
    return replace(
        first,
        metric=name,
        value=value,
        low=min(low, value),
        high=max(high, value),
        groups={a: s.value for a, s in defined.items()},
        features=first.features if len(by_attribute) == 1 else {},
        group_intervals={a: (s.low, s.high) for a, s in defined.items()},
        floors=_mean_bounds([s.floors for s in defined.values()]),
        ceilings=_mean_bounds([s.ceilings for s in defined.values()]),
        details=details | ({"undefined for": reasons} if reasons else {}),
        replicates=together,
    )


def _mean_bounds(bounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Bounds that every attribute has, averaged."""
    shared = [name for name in bounds[0] if all(name in one for one in bounds)]
    return {name: float(np.mean([one[name] for one in bounds])) for name in shared}


def reconstructions(bench: AxesBench, aspect: Aspect, by_node: Mapping[Node, Dictionary]) -> Values:
    """What the dictionaries make of the reporting prompts' activations, float32 [N, d] by node."""
    found: Values = {}
    for node, dictionary in by_node.items():
        latents = latents_of(dictionary, aspect.prompts, aspect.base[node])
        with torch.no_grad():
            found[node] = dictionary.decode(latents.to(dictionary.directions.device)).to(aspect.base[node])
    return found


def _approximation(
    bench: AxesBench, aspect: Aspect, by_node: Mapping[Node, Dictionary], sampled: Mapping[str, Any]
) -> Scores:
    kept = reconstructions(bench, aspect, by_node)
    missed = {node: aspect.mean[node] + aspect.base[node] - x_hat for node, x_hat in kept.items()}
    with_it, without = (logit_difference(bench.logits(aspect.prompts, v), aspect.prompts) for v in (kept, missed))
    return approximation(aspect.clean, with_it, aspect.ablated, without, **sampled)


def _reference(bench: AxesBench, aspect: Aspect) -> Edited:
    key = f"supervised edit of {aspect.attribute}"
    if key not in bench.cache:
        bench.cache[key] = edits.supervised(bench, aspect)
    return bench.cache[key]


def _control(
    aspect: Aspect,
    edited: Edited,
    reference: Edited,
    sampled: Mapping[str, Any],
    by_budget: Mapping[int, np.ndarray] | None = None,
) -> Scores:
    scorable = edited.scorable & reference.scorable  # one set of rows for an edit and what it is compared with
    if scorable.sum() < 2:
        nan = float("nan")
        reason = "no edit is scorable: the values wanted never occur where codes are fitted or latents are ranked"
        return {name: Score(name, nan, nan, nan, details={"undefined": reason}) for name in CONTROL}
    return control(
        edited.choice,
        aspect.patched,
        aspect.unedited,
        supervised_choice=reference.choice,
        weight_removed=edited.weight,
        supervised_weight=reference.weight,
        choices_by_budget=by_budget,
        scorable=scorable,
        **sampled,
    )


def _side_effects(bench: AxesBench, aspect: Aspect, edited: Edited, sampled: Mapping[str, Any]) -> Scores:
    """What the edit does beside its aim: other attributes as a linear reader sees them, and natural activations."""
    before, after, patched = (_read(bench, values) for values in (aspect.base, edited.values, aspect.source))
    right = {name: before[name] == aspect.prompts.attributes[name] for name in before}
    others = [name for name in before if name != aspect.attribute and right[name].mean() >= READABLE]
    nan, names = float("nan"), ("isolation_score", "disentangle_score")
    reason = {"undefined": f"no attribute but {aspect.attribute} can be read off the activation"}
    found: Scores = {name: Score(name, nan, nan, nan, details=reason) for name in names}
    if others:
        found = isolation(
            {name: np.where(right[name], before[name], -1) for name in others},
            {name: after[name] for name in others},
            patched={name: patched[name] for name in others},
            success=edited.choice == aspect.patched,
            **sampled,
        )
        found = {name: replace(score, groups={}, group_intervals={}) for name, score in found.items()}
    natural, reference = bench.joined(aspect.source), bench.joined(bench.choose_x)
    return found | off_manifold(
        bench.joined(edited.values).double().numpy(), natural.double().numpy(), reference.double().numpy(), **sampled
    )


def _read(bench: AxesBench, values: Values) -> dict[str, np.ndarray]:
    """Value of every attribute as the bench's reader sees it, int64 [N] each; -1 for none."""
    latents = bench.reader.encode(bench.joined(values))
    found: dict[str, np.ndarray] = {}
    for i, name in enumerate(bench.reader.attribute_names):
        inside = latents[:, bench.reader.attribute_of == i]
        found[name] = torch.where(inside.any(1), inside.argmax(1), -1).cpu().numpy()
    return found


def _meant(
    bench: AxesBench,
    aspect: Aspect,
    by_node: Mapping[Node, Dictionary],
    explained: Mapping[Node, NDArray[np.bool_]],
    edited: Edited,
    reference: Edited,
    sampled: Mapping[str, Any],
) -> Scores:
    """Edits by meaning, and what the explained latents carry of the answer.

    What is not kept, or is removed, stands at its mean over the fit prompts of the task, as in mean ablation. At zero a
    dictionary would be judged by its offset as well, which is the mean activation for mean codes but not for SAEs.
    """
    rows = bench.fit_rows(bench.task_of(aspect.attribute))
    known = bench.fit.take(rows)
    kept: Values = {}
    removed: Values = {}
    for node, dictionary in by_node.items():
        latents = latents_of(dictionary, aspect.prompts, aspect.base[node])
        directions = dictionary.directions.detach().cpu().float()
        usual = latents_of(dictionary, known, bench.fit_x[node][torch.from_numpy(rows)]).mean(0)
        stand = torch.from_numpy(explained[node])
        written = usual[stand] @ directions[stand]
        made = keep_explained(aspect.base[node].cpu(), latents, directions, stand, aspect.mean[node].cpu() - written)
        kept[node] = made["keep_clean"].to(aspect.base[node])
        removed[node] = (made["remove"] + written).to(aspect.base[node])
    differences = {
        "clean": aspect.clean,
        "kept": logit_difference(bench.logits(aspect.prompts, kept), aspect.prompts),
        "mean_ablated": aspect.ablated,
        "removed": logit_difference(bench.logits(aspect.prompts, removed), aspect.prompts),
    }
    choices = {
        "edited": edited.choice,
        "patched": aspect.patched,
        "unedited": aspect.unedited,
        "supervised": reference.choice,
    }
    return meaning_scores(differences, choices, scorable=edited.scorable & reference.scorable, **sampled)
