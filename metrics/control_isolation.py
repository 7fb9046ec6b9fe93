"""Isolation: does an edit leave everything else alone, and does it stay where activations live?

Question      An edit changes one attribute. Do read-outs of the others still say what they said before, and is the
              edited activation as near to natural activations as these are to each other?
Equations     isolation_score     mean over other attributes of the share of prompts whose read-out is unchanged
              off_manifold_error  E min_j ||x_edit - y_j|| / E min_j ||x_nat - y_j||, y_j reference activations, x_nat
                                  natural ones that are not among them (the unedited or the fully patched)
              disentangle_score   mean of edit success and isolation (the two halves of RAVEL)
Conventions   A read-out is anything that names a value per prompt: a probe, a supervised dictionary, the engine's legal
              moves. -1 before the edit means the attribute has no value there: such cells are left out. Floor `another
              prompt`: the agreement with the read-out of a random other prompt, sum over values of p^2. Ceiling `full
              patch`: what natural counterfactual activations score, since read-outs waver. Intervals resample games.
              1 is natural for off_manifold_error; below 1 is possible, as the mean activation lies close to many.
References    Huang et al. 2024, arXiv 2402.17700 (RAVEL: cause and isolation); Li et al. 2023, arXiv 2210.13382.
Differences from published code
              1. RAVEL asks a language model about the other attributes of an entity. Here read-outs of the edited
                 activation say them (or the model, where the caller hands in its answers), with the agreement of
                 another prompt as floor and that of the full patch as ceiling.
              2. off_manifold_error is ours.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core import checked_matrix, ratio_score
from .inputs import as_array, as_games
from .properties import Properties
from .score import Score, stamped

PROPERTIES: dict[str, Properties] = {
    "isolation_score": Properties(
        question="Do the attributes that were not edited stay as they were?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the agreement with another prompt, shown as a floor; 1 for no edit",
        needs=("before", "after", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="As good as its read-outs; an edit that does nothing isolates perfectly.",
    ),
    "off_manifold_error": Properties(
        question="How much further from natural activations is an edited one than they are from each other?",
        direction="down",
        low=0.0,
        high=inf,
        chance="1 for natural activations",
        needs=("edited", "natural", "reference", "game_id"),
        symmetries=("game order", "rotation"),
        notices=(),
        limits="Distance to the nearest neighbour: pulled towards the mean counts as near, and dimensions weigh as is.",
    ),
    "disentangle_score": Properties(
        question="Does the edit change its attribute and nothing else?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="half the agreement of no edit, plus a half",
        needs=("edited_choice", "patched_choice", "before", "after", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="An average: no edit scores above a half.",
    ),
}


def isolation(
    before: Mapping[str, NDArray[np.integer]],
    after: Mapping[str, NDArray[np.integer]],
    *,
    game_id: NDArray[np.integer] | None = None,
    patched: Mapping[str, NDArray[np.integer]] | None = None,
    success: NDArray[np.bool_] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Whether read-outs of the attributes that were not edited stay as they were.

    Args:
        before: by attribute, the read-out on the untouched activation, integer [N]; -1 for none. On a board where every
            row edits another square, put -1 in the cell of the edited one.
        after: the same on the edited activation.
        game_id: integer [N], what to resample; None means every prompt is its own game.
        patched: the same on the true counterfactual activation, for the ceiling.
        success: bool [N], whether the edit took; adds `disentangle_score`.
        n_resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        `isolation_score`, with the value of each attribute as a group, and `disentangle_score` if success is given.

    Raises:
        KeyError: attributes that do not agree.
        TypeError: not arrays.
        ValueError: shapes that do not fit, no attribute, no value in any cell, fewer than two games.

    Examples:
        >>> import numpy as np
        >>> before = {"S": np.array([0, 1, 2, 3]), "Pos": np.array([0, 0, 1, 1])}
        >>> after = {"S": np.array([0, 1, 2, 0]), "Pos": np.array([0, 0, 1, 1])}
        >>> isolation(before, after, n_resamples=20)["isolation_score"].value
        0.875
    """
    if not before:
        raise ValueError("isolation needs at least one attribute that was not edited")
    first = _table(before, list(before), "before")
    n = len(first)
    games = np.arange(n) if game_id is None else as_games(game_id, n)
    there = first >= 0
    empty = [name for name, column in zip(before, there.T, strict=True) if not column.any()]
    if len(empty) == len(before):
        raise ValueError("no attribute has a value anywhere (all -1), so there is nothing to keep")
    same = _same(first, _table(after, list(before), "after", n)) & there
    # an attribute counts by its share, not by how many rows have it; all cells together weigh one a row
    share = there / np.maximum(there.sum(0), 1) * (n / there.any(0).sum())
    unchanged = (same * share).sum(1)
    whole = (there * share).sum(1)
    score = ratio_score("isolation_score", unchanged, whole, games, n_resamples, seed)
    kept = [(float(one.sum() / max(1, there[:, i].sum()))) for i, one in enumerate(same.T)]
    groups = {name: value for name, value in zip(before, kept, strict=True) if name not in empty}
    floors = {
        "another prompt": float(
            np.mean([_agreement(first[there[:, i], i]) for i in range(len(kept)) if there[:, i].any()])
        )
    }
    ceilings = {"no edit": 1.0}
    if patched is not None:
        natural = _same(first, _table(patched, list(before), "patched", n)) & there
        ceilings["full patch"] = float((natural * share).sum() / whole.sum())
    details: dict[str, Any] = {"n_rows": n, "attributes_without_values": empty}
    scores = {"isolation_score": _replaced(score, groups, details).beside(floors=floors, ceilings=ceilings)}
    if success is not None:
        took = np.asarray(as_array(success, "success", "bool [N]"))
        if took.dtype != np.bool_ or took.shape != (n,):
            raise ValueError(f"success must be bool [{n}], got {took.dtype} {list(took.shape)}")
        scores["disentangle_score"] = ratio_score(
            "disentangle_score", unchanged + took, whole + 1, games, n_resamples, seed
        )
    return stamped(scores, PROPERTIES)


def off_manifold(
    edited: NDArray[np.floating],
    natural: NDArray[np.floating],
    reference: NDArray[np.floating],
    *,
    game_id: NDArray[np.integer] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """How far edited activations lie from natural ones.

    Args:
        edited: floating [N, d].
        natural: floating [N, d], of the same prompts without an edit, or fully patched.
        reference: floating [M, d], natural activations of other prompts.
        game_id: integer [N], what to resample; None means every prompt is its own game.
        n_resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        `off_manifold_error`.

    Raises:
        TypeError: not arrays.
        ValueError: shapes that do not fit, NaN or infinity, fewer than two games.
    """
    matrices = [
        checked_matrix(part, name)
        for part, name in ((edited, "edited"), (natural, "natural"), (reference, "reference"))
    ]
    if matrices[0].shape != matrices[1].shape or matrices[0].shape[1] != matrices[2].shape[1]:
        found = " and ".join(str(list(part.shape)) for part in matrices)
        raise ValueError(f"edited and natural must be [N, d] and reference [M, d], got {found}")
    n = len(matrices[0])
    games = np.arange(n) if game_id is None else as_games(game_id, n)
    far, near = (nearest_distance(part, matrices[2]) for part in matrices[:2])
    score = ratio_score("off_manifold_error", far, near, games, n_resamples, seed)
    details = {"n_reference": len(matrices[2]), "natural_distance": float(near.mean())}
    score = _replaced(score, {}, {**score.details, **details}).beside(ceilings={"natural": 1.0})
    return stamped({"off_manifold_error": score}, PROPERTIES)


def nearest_distance(
    points: NDArray[np.float64], reference: NDArray[np.float64], elements: int = 1 << 22
) -> NDArray[np.float64]:
    """Euclidean distance of each point to the nearest reference point, float64 [N]."""
    square = (reference**2).sum(1)
    nearest = np.empty(len(points), np.int64)
    step = max(1, elements // len(reference))
    for start in range(0, len(points), step):
        block = points[start : start + step]
        nearest[start : start + step] = (square - 2 * block @ reference.T).argmin(1)
    return np.linalg.norm(points - reference[nearest], axis=1)  # not from the squares: they cancel near 0


def _table(
    values: Mapping[str, NDArray[np.integer]], names: list[str], which: str, n: int | None = None
) -> NDArray[np.int64]:
    """Read-outs as int64 [N, attributes]."""
    if set(values) != set(names):
        raise KeyError(f"{which} must hold the attributes {', '.join(names)}, got {', '.join(values)}")
    columns = [as_array(values[name], f"{which}[{name!r}]", "an integer array [N]") for name in names]
    for name, column in zip(names, columns, strict=True):
        n = len(column) if n is None else n
        if column.shape != (n,) or not np.issubdtype(column.dtype, np.integer):
            raise ValueError(f"{which}[{name!r}] must be integers [{n}], got {column.dtype} {list(column.shape)}")
    return np.stack(columns, 1).astype(np.int64)


def _same(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    return first == second


def _agreement(values: NDArray[np.int64]) -> float:
    """Chance that two random rows agree."""
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float((share**2).sum())


def _replaced(score: Score, groups: Mapping[str, float], details: Mapping[str, Any]) -> Score:
    from dataclasses import replace

    return replace(score, groups=dict(groups), details=dict(details))
