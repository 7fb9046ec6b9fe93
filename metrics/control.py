"""Control: does an edit of a few latents make the model do what the true counterfactual activation makes it do?

Question      An attribute is changed by editing activations through a dictionary. Does the model choose what it chooses
              when the activation is replaced by the real counterfactual one (the full patch)?
Equations     e, p, u choice of the model (its argmax) with the edit, with the full patch, untouched; S supervised edit
  edit_success_score             share of prompts with e = p
  edit_success_normalised_score  (share(e = p) - share(u = p)) / (share(S = p) - share(u = p)); without S the patch
  weight_removed_error           mean of the summed weight of removed latents (`weight_removed`)
  weight_rescaled_error          (w - w_S) / (1 - w_S): 0 removes as much as the supervised edit, 1 overwrites all
  minimal_edit_error             mean size of the smallest edit that succeeds, over prompts that the patch changes
Conventions   Floor `no edit`: share(u = p). Where it is high (an attribute on which the choice hardly depends), success
              says nothing; the normalised form is NaN where the reference exceeds the floor by no more than .05.
              Prompts that no budget edits count as one more than the largest budget, a lower bound, and are counted in
              the details. Success on prompts whose choice the patch changes, and calm on the others, stand in the
              details. Intervals resample prompts (games).
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (sparse controllability, edit magnitude).
Differences from published code
              1. The agreement without any edit stands beside every success; the paper gives it in one table.
              2. Intervals; and the smallest budget per prompt, not only shares at fixed budgets.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core import mean_score, ratio_score
from .inputs import as_array, as_games
from .properties import Properties
from .score import Score, game_weights, interval, stamped

APART = 0.05  # the reference must exceed the floor by more for a normalised success
_CHOICES = ("edited_choice", "patched_choice", "unedited_choice", "game_id")
PROPERTIES: dict[str, Properties] = {
    "edit_success_score": Properties(
        question="How often does the edit make the model choose what the true counterfactual makes it choose?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the agreement without an edit, shown as a floor",
        needs=_CHOICES,
        symmetries=("game order",),
        notices=(),
        limits="Overwriting the whole activation succeeds as well: read it beside weight removed and isolation.",
    ),
    "edit_success_normalised_score": Properties(
        question="How far does the edit get from no edit (0) to the supervised edit (1)?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for no edit, 1 for the supervised edit",
        needs=_CHOICES,
        symmetries=("game order",),
        notices=(),
        limits="Undefined where the attribute hardly moves the choice; a weak supervised edit flatters the rest.",
    ),
    "weight_removed_error": Properties(
        question="How much of what the dictionary writes does the edit take out?",
        direction="down",
        low=-inf,
        high=inf,
        chance="0 for no edit, 1 for an edit that overwrites everything",
        needs=("weight_removed", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="An edit that does nothing is the lightest: read it beside its success.",
    ),
    "weight_rescaled_error": Properties(
        question="How much more than the supervised edit does the edit take out?",
        direction="down",
        low=-inf,
        high=inf,
        chance="0 for the supervised edit, 1 for an edit that overwrites everything",
        needs=("weight_removed", "supervised_weight", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="An edit that does nothing is the lightest: read it beside its success.",
    ),
    "minimal_edit_error": Properties(
        question="How many latents have to change before the model's choice follows?",
        direction="down",
        low=0.0,
        high=inf,
        chance="one more than the largest budget for edits that never succeed",
        needs=("choices_by_budget", "patched_choice", "unedited_choice", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="A lower bound where some prompts never follow; blind to what else the edit changes.",
    ),
}


def control(
    edited_choice: NDArray[np.integer],
    patched_choice: NDArray[np.integer],
    unedited_choice: NDArray[np.integer],
    *,
    game_id: NDArray[np.integer] | None = None,
    supervised_choice: NDArray[np.integer] | None = None,
    weight_removed: NDArray[np.floating] | None = None,
    supervised_weight: NDArray[np.floating] | None = None,
    choices_by_budget: Mapping[int, NDArray[np.integer]] | None = None,
    scorable: NDArray[np.bool_] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Success of edits against the ground-truth patch, what they remove, and how small they can be.

    Args:
        edited_choice: integer [N], the model's argmax with the edited activation.
        patched_choice: integer [N], its argmax with the counterfactual activation patched in.
        unedited_choice: integer [N], its argmax untouched.
        game_id: integer [N], what to resample; None means every prompt is its own game.
        supervised_choice: integer [N], its argmax with the supervised edit.
        weight_removed: floating [N], summed weight of the removed latents.
        supervised_weight: floating [N], the same for the supervised edit.
        choices_by_budget: by number of latents changed, the argmax with that edit, integer [N] each; from 1 on.
        scorable: bool [N], rows to score (aware edits of values never seen are not); None means all.
        n_resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        Scores by name, those whose arguments are given. Add `isolation` and `off_manifold` from `control_isolation`.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes or dtypes that do not fit, or fewer than two scorable games.

    Examples:
        >>> import numpy as np
        >>> patched, untouched = np.array([5, 6, 7, 8]), np.array([1, 2, 3, 8])
        >>> scores = control(np.array([5, 6, 3, 8]), patched, untouched, n_resamples=20)
        >>> scores["edit_success_score"].value, scores["edit_success_score"].floors["no edit"]
        (0.75, 0.25)
    """
    patched = _choices(patched_choice, "patched_choice", None)
    n = len(patched)
    edited, untouched = (
        _choices(edited_choice, "edited_choice", n),
        _choices(unedited_choice, "unedited_choice", n),
    )
    rows = np.ones(n, np.bool_) if scorable is None else np.asarray(as_array(scorable, "scorable", "bool [N]"))
    if rows.dtype != np.bool_ or rows.shape != (n,):
        raise ValueError(f"scorable must be bool [{n}], got {rows.dtype} {list(rows.shape)}")
    games = np.arange(n) if game_id is None else as_games(game_id, n)
    if len(np.unique(games[rows])) < 2:
        raise ValueError(f"an interval needs at least 2 scorable games, got {len(np.unique(games[rows]))}")
    games = np.unique(games[rows], return_inverse=True)[1]
    sample = (games, n_resamples, seed)
    agrees, floor = ((choice == patched)[rows].astype(np.float64) for choice in (edited, untouched))
    reference, ceilings = np.ones(len(agrees)), {"full patch": 1.0}
    if supervised_choice is not None:
        reference = (_choices(supervised_choice, "supervised_choice", n) == patched)[rows].astype(np.float64)
        ceilings["supervised edit"] = float(reference.mean())
    none = float(floor.mean())
    details: dict[str, Any] = {
        "n_scored": int(rows.sum()),
        "n_not_scorable": int((~rows).sum()),
        "n_patch_changes": int((floor == 0).sum()),
        "success_where_patch_changes": _mean(agrees[floor == 0]),
        "calm_where_it_does_not": _mean(agrees[floor == 1]),
    }
    success = mean_score("edit_success_score", agrees, *sample).beside(floors={"no edit": none}, ceilings=ceilings)
    scores = {"edit_success_score": _with(success, details)}
    name = "edit_success_normalised_score"
    if reference.mean() - none <= APART:  # below the floor the ratio would turn round: the worse, the higher
        nan, which = float("nan"), "the supervised edit" if supervised_choice is not None else "the full patch"
        reason = f"no edit agrees with the full patch at {none:.3f}, {which} at {reference.mean():.3f}: nothing to gain"
        scores[name] = Score(name, nan, nan, nan, details={"undefined": reason})
    else:
        ratio = ratio_score(name, agrees - floor, reference - floor, *sample)
        scores[name] = ratio.beside(floors={"no edit": 0.0}, ceilings={"reference edit": 1.0})
    if weight_removed is not None:
        weight = _weights(weight_removed, "weight_removed", n)[rows]
        scores["weight_removed_error"] = mean_score("weight_removed_error", weight, *sample).beside(
            floors={"overwriting everything": 1.0}, ceilings={"no edit": 0.0}
        )
        if supervised_weight is not None:
            lightest = _weights(supervised_weight, "supervised_weight", n)[rows]
            name = "weight_rescaled_error"
            scores[name] = ratio_score(name, weight - lightest, 1 - lightest, *sample).beside(
                floors={"overwriting everything": 1.0}, ceilings={"supervised edit": 0.0}
            )
    if choices_by_budget is not None:
        by_budget = {k: _choices(choice, f"choices_by_budget[{k}]", n) for k, choice in choices_by_budget.items()}
        scores["minimal_edit_error"] = _minimal(by_budget, patched, untouched, rows, *sample)
    return stamped(scores, PROPERTIES)


def minimal_edit(
    choices_by_budget: Mapping[int, NDArray[np.integer]],
    patched_choice: NDArray[np.integer],
    unedited_choice: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Smallest budget at which each prompt's choice is that of the patch, int64 [N]: 0 without any edit, -1 never.

    Args:
        choices_by_budget: by number of latents changed, the argmax with that edit, integer [N] each.
        patched_choice: integer [N].
        unedited_choice: integer [N].

    Raises:
        ValueError: a budget below 1.
    """
    size = np.full(len(patched_choice), -1, np.int64)
    for k in sorted(choices_by_budget, reverse=True):
        if k < 1:
            raise ValueError(f"budgets must be at least 1 latent, got {k}")
        size[choices_by_budget[k] == patched_choice] = k
    size[unedited_choice == patched_choice] = 0
    return size


def _minimal(
    by_budget: Mapping[int, NDArray[np.int64]],
    patched: NDArray[np.int64],
    untouched: NDArray[np.int64],
    rows: NDArray[np.bool_],
    games: NDArray[np.int64],
    n_resamples: int,
    seed: int,
) -> Score:
    """Mean smallest edit over prompts that the patch changes."""
    name = "minimal_edit_error"
    if not by_budget:
        raise ValueError("choices_by_budget must hold at least one budget")
    size = minimal_edit(by_budget, patched, untouched)[rows]
    changed, largest = size != 0, max(by_budget)
    details: dict[str, Any] = {
        "budgets": sorted(by_budget),
        "n_prompts": int(changed.sum()),
        "never": _mean((size[changed] < 0).astype(np.float64)),
        "share_by_budget": {
            str(k): _mean(((size > 0) & (size <= k))[changed].astype(np.float64)) for k in sorted(by_budget)
        },
    }
    if not changed.any():
        nan = float("nan")
        return Score(name, nan, nan, nan, details={**details, "undefined": "the patch changes no prompt's choice"})
    counted = np.where(size < 0, largest + 1, size) * changed
    score = ratio_score(name, counted.astype(np.float64), changed * 1.0, games, n_resamples, seed)
    return _with(score.beside(floors={"never": float(largest + 1)}, ceilings={"one latent": 1.0}), details)


def paired_difference(first: Score, second: Score) -> tuple[float, float, float]:
    """First minus second score, with its 95 % interval, from replicates over the same games and seed.

    Raises:
        ValueError: a score without replicates, or from another number of resamples.
    """
    if first.replicates is None or second.replicates is None or len(first.replicates) != len(second.replicates):
        raise ValueError(
            f"{first.metric} and {second.metric} need replicates of one length, on the same games and seed"
        )
    apart = first.replicates - second.replicates
    return (first.value - second.value, *interval(apart[np.isfinite(apart)]))


def mean_over_seeds(scores: Sequence[Score], *, n_resamples: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of one score over dictionaries of several training seeds, with a 95 % interval over seeds *and* prompts.

    Each resample draws seeds, and takes each drawn seed's replicate of that number; so the interval holds both what
    another training and what other prompts would change. A bootstrap of few seeds is narrow: where seeds differ far
    more than prompts make them, an interval of 3 seeds holds the mean of all seeds in about 85 % of cases, one of 2
    in 75 %.

    Raises:
        ValueError: no scores, undefined ones, or replicates of different lengths.
    """
    values = np.array([score.value for score in scores])
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"a mean over seeds needs defined scores, got {values.tolist()}")
    replicates = [score.replicates for score in scores if score.replicates is not None]
    if len(replicates) != len(scores) or any(len(one) != n_resamples for one in replicates):
        raise ValueError(f"every score needs {n_resamples} replicates; pass their n_resamples")
    table = np.stack(replicates)
    if len(scores) == 1:
        return (float(values[0]), *interval(table[0][np.isfinite(table[0])]))
    drawn = game_weights(len(scores), n_resamples, seed) / len(scores)
    means = (drawn.T * table).sum(0)
    low, high = interval(means[np.isfinite(means)])
    return float(values.mean()), low, high


def _choices(values: NDArray[np.integer], name: str, n: int | None) -> NDArray[np.int64]:
    """Checked choices, int64 [N]."""
    array = as_array(values, name, "an integer array [N]")
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (n is not None and len(array) != n):
        expected = "N" if n is None else n
        raise ValueError(f"{name} must be integers [{expected}], got {array.dtype} {list(array.shape)}")
    return array.astype(np.int64)


def _weights(values: NDArray[np.floating], name: str, n: int) -> NDArray[np.float64]:
    """Checked weights, float64 [N]."""
    array = as_array(values, name, "a floating array [N]")
    if array.shape != (n,) or not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite and floating [{n}], got {array.dtype} {list(array.shape)}")
    return array.astype(np.float64)


def _mean(values: NDArray[np.float64]) -> float | None:
    """Mean, or None of nothing."""
    return float(values.mean()) if len(values) else None


def _with(score: Score, details: Mapping[str, Any]) -> Score:
    """The score with more details."""
    from dataclasses import replace

    return replace(score, details={**score.details, **details})
