# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""RAVEL: can one attribute be exchanged through a dictionary while all others stay?

Question      Latents of one attribute are taken from another entity. Does a read-out then say that entity's value of
              the attribute (cause), and do the read-outs of other attributes stay (isolation)?
Equations     x' = x_base + sum over latents i of mask_A (f_i(source) - f_i(base)) W_i         the error is kept
              x' = decode of the patched latents                                              the error is dropped
  ravel_cause_score      share of pairs with said_A(x') = value_A(source)
  ravel_isolation_score  mean over pairs of the share of other attributes B with said_B(x') = value_B(base)
  ravel_score            mean of both, masks by label F1, error kept
  ravel_mdbm_score       the same with masks that are learned (MDBM), error kept
  ravel_saebench_score   the same, error dropped, as published
              Each is a mean over attributes. Score .5 is what does nothing (cause 0, isolation 1) and what exchanges
              everything (cause 1, isolation 0).
Conventions   Base and source are of different games and differ in A; every value is drawn as often as any other. Only
              B in which they differ count: the others stay even when everything is exchanged. Reporting pairs are those
              whose values of A, and of B at the base, are read right. Masks, and how many latents a greedy one has, are
              chosen on pairs of choosing games and reported on pairs of reporting games. Lengths of directions are
              folded into the latents. Floors: no exchange, a random mask of equal size. Ceilings: what is handed in;
              exchanging the true directions of the values stands in `edit_ceiling`, learned subspaces (MDAS) in
              `ravel_skyline.py`. Decoders must be linear. Intervals resample the games of the bases.
References    Huang et al. 2024, arXiv 2402.17700 (RAVEL, MDAS); Chaudhary and Geiger 2024, arXiv 2409.04478 (masks of
              SAE latents); Karvonen et al. 2025, SAEBench, evaluation `ravel`.
Differences from published code
              1. Pairs are split by game. Published: by pair, so that entities and templates stand on both sides.
              2. The error is kept, and dropped only by name: with the error dropped, reconstruction enters isolation
                 and the score rises with L0.
              3. Read-outs stand where a language model writes tokens; a mask is judged on values that really differ.
              4. All attributes learn their masks together, 200 steps of 8 pairs each; published two epochs of 10,000
                 pairs one attribute after another. Rate, start, temperatures and the lack of a price are as published.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .inputs import Latents
from .properties import Damage, Properties
from .ravel_masks import (
    Exchange,
    Outcome,
    by_attribute,
    exchange,
    f1_ranks,
    greedy_masks,
    mdbm_masks,
    outcome,
    random_masks,
    unit_codes,
)
from .ravel_pairs import Pairs, RavelTask
from .score import Score, game_weights, interval, stamped

_NEEDS = ("latents", "directions", "x", "labels", "train", "game_id")
_SEEN: tuple[Damage, ...] = (
    "noise",
    "permuted decoder",
    "permuted encoder",
    "random",
    "frozen decoder",
    "half",
    "merged",
    "dead",
)
_HALF = "about .5: what exchanges nothing and what exchanges everything alike"
_BLIND = "As good as its read-outs, and blind to latents outside of the attributes that are asked."
PROPERTIES: dict[str, Properties] = {
    "ravel_score": Properties(
        question="Can one attribute be exchanged through the latents that tell it, while all others stay?",
        direction="up",
        low=0.0,
        high=1.0,
        chance=_HALF,
        needs=_NEEDS,
        symmetries=("latent permutation", "dead latent"),
        notices=(*_SEEN, "absorbed"),
        limits=_BLIND,
    ),
    "ravel_cause_score": Properties(
        question="Does an attribute become that of the source when the latents that tell it are exchanged?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="about 0 for what exchanges nothing; 1 for what exchanges everything",
        needs=_NEEDS,
        symmetries=("latent permutation", "dead latent"),
        notices=_SEEN,
        limits="Exchanging everything scores 1: read it beside isolation.",
    ),
    "ravel_isolation_score": Properties(
        question="Do the other attributes stay when the latents that tell one are exchanged?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="1 for what exchanges nothing, 0 for what exchanges everything",
        needs=_NEEDS,
        symmetries=("latent permutation", "dead latent"),
        notices=("absorbed",),
        limits="Exchanging nothing scores 1: read it beside cause.",
    ),
    "ravel_mdbm_score": Properties(
        question="Can one attribute be exchanged through some latents, found by descent, while all others stay?",
        direction="up",
        low=0.0,
        high=1.0,
        chance=_HALF,
        needs=_NEEDS,
        symmetries=("latent permutation", "dead latent"),
        notices=(*_SEEN, "absorbed"),
        limits="The mask is fitted on the read-outs themselves, so that it finds what works, not what means something.",
    ),
    "ravel_saebench_score": Properties(
        question="The same as published: masks by descent, and what the dictionary does not rebuild is dropped.",
        direction="up",
        low=0.0,
        high=1.0,
        chance=_HALF,
        needs=(*_NEEDS, "x_hat"),
        symmetries=("latent permutation", "dead latent"),
        notices=(*_SEEN, "absorbed"),
        limits="Reconstruction enters isolation: a faithful dictionary scores well without parting anything.",
    ),
}


def ravel(
    latents: Latents,
    directions: NDArray[np.floating[Any]],
    task: RavelTask,
    *,
    x_hat: NDArray[np.floating[Any]] | None = None,
    masks: NDArray[np.bool_] | None = None,
    ceilings: Mapping[str, float] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: Literal["fiducial", "saebench"] = "fiducial",
) -> dict[str, Score]:
    """Exchange of single attributes through the latents of a dictionary with a linear decoder.

    Args:
        latents: Codes or floating [N, L], on the rows of the task.
        directions: floating [L, d], what each latent writes.
        task: from `ravel_task`.
        x_hat: floating [N, d], reconstructions; without them nothing is said of the error dropped.
        masks: bool [A, L], latents of every attribute for `ravel_score`; by default the greedy ones.
        ceilings: to stand beside `ravel_score`, such as `edit_ceiling` gives.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap, the random masks and the order of pairs in learning masks.
        protocol: "saebench" gives the published figures under their names.

    Returns:
        Scores by name: those of `PROPERTIES`, or `disentanglement_score`, `cause_score`, `isolation_score`.

    Raises:
        TypeError: latents that are neither codes nor an array.
        ValueError: shapes that do not fit, no reconstructions for the published protocol, or one that is unknown.

    Examples:
        >>> import numpy as np
        >>> from fiducial.metrics.ravel_pairs import ravel_task
        >>> held = np.random.default_rng(0).random((600, 2)) < 0.5  # two attributes, written along two axes
        >>> games = np.repeat(np.arange(20), 30)
        >>> task = ravel_task(held * 1.0, held.astype(int), (2, 2), game_id=games, train=games < 10)
        >>> perfect, dead = ravel(held * 1.0, np.eye(2), task), ravel(np.zeros((600, 2)), np.eye(2), task)
        >>> perfect["ravel_score"].value, dead["ravel_score"].value  # .5 is what exchanges nothing
        (1.0, 0.5)
    """
    codes, rows = unit_codes(latents, directions)
    if codes.n_rows != len(task.x) or rows.shape[1] != task.x.shape[1]:
        raise ValueError(
            f"latents [{codes.n_rows}, {codes.n_latents}] and directions {list(rows.shape)} do not fit the task's "
            f"activations {list(task.x.shape)}"
        )
    if protocol not in ("fiducial", "saebench"):
        raise ValueError(f"protocol must be 'fiducial' or 'saebench', got {protocol!r}")
    rebuilt = None if x_hat is None else np.asarray(x_hat, np.float32)
    if rebuilt is not None and rebuilt.shape != task.x.shape:
        raise ValueError(f"x_hat must be {list(task.x.shape)}, got {list(rebuilt.shape)}")
    if protocol == "saebench" and rebuilt is None:
        raise ValueError("the published protocol drops the error, so it needs x_hat")
    names = tuple(PROPERTIES) if rebuilt is not None else tuple(PROPERTIES)[:-1]
    if not len(task.asked):
        return stamped({name: _undefined(name) for name in names}, PROPERTIES)
    kept = [exchange(task, pairs, codes, rows, task.x) for pairs in (task.choosing, task.reporting)]
    sample = (n_resamples, seed)
    scores: dict[str, Score] = {}
    dropped: list[Exchange] = []
    if rebuilt is not None:
        dropped = [_from(task, change, pairs, rebuilt) for change, pairs in _both(task, kept)]
        found = _judged(task, dropped[1], mdbm_masks(task, dropped[0], seed=seed))
        if protocol == "saebench":
            return {name: replace(s, protocol="saebench") for name, s in _published(task, *found, sample).items()}
        scores["ravel_saebench_score"] = _score("ravel_saebench_score", task, *found, sample)
    found = _judged(task, kept[1], mdbm_masks(task, kept[0], seed=seed))
    scores["ravel_mdbm_score"] = _score("ravel_mdbm_score", task, *found, sample)
    by_size: dict[str, float] = {}
    if masks is None:
        masks, by_size = chosen_masks(latents, directions, task)
    elif masks.shape != (len(task.names), codes.n_latents) or masks.dtype != np.bool_:
        expected = [len(task.names), codes.n_latents]
        raise ValueError(f"masks must be bool {expected}, got {masks.dtype} {list(masks.shape)}")
    alive = np.bincount(codes.indices, minlength=codes.n_latents) > 0
    chance = [_judged(task, kept[1], random_masks(masks, alive, seed + i))[0] for i in range(3)]
    floors = {"random mask": float(np.mean([_value(task, one) for one in chance]))}
    found = _judged(task, kept[1], masks)
    untouched = outcome(task.read_outs, task.reporting, kept[1].start)
    none = {"no exchange": _value(task, untouched)}
    for name in ("ravel_score", "ravel_cause_score", "ravel_isolation_score"):
        made = _score(name, task, *found, sample)
        scores[name] = replace(made, details={**made.details, "choosing_by_size": by_size})
    scores["ravel_score"] = scores["ravel_score"].beside(floors={**none, **floors}, ceilings=ceilings)
    if dropped:
        rest = outcome(task.read_outs, task.reporting, dropped[1].start)
        scores["ravel_saebench_score"] = scores["ravel_saebench_score"].beside(
            floors={"no exchange": _value(task, rest)}, ceilings=ceilings
        )
        part = _value(task, _judged(task, dropped[1], masks)[0])
        made = scores["ravel_score"]
        scores["ravel_score"] = replace(made, details={**made.details, "error_dropped": part})
    scores["ravel_mdbm_score"] = scores["ravel_mdbm_score"].beside(floors=none, ceilings=ceilings)
    return stamped({name: scores[name] for name in names}, PROPERTIES)


def chosen_masks(
    latents: Latents, directions: NDArray[np.floating[Any]], task: RavelTask
) -> tuple[NDArray[np.bool_], dict[str, float]]:
    """Latents of every attribute, by the F1 of their firing, as many as serve the choosing pairs best.

    Returns:
        bool [A, L]; and, by number of latents, the mean of cause and isolation on the choosing pairs.
    """
    codes, rows = unit_codes(latents, directions)
    change = exchange(task, task.choosing, codes, rows, task.x)
    masks, sizes = greedy_masks(task, f1_ranks(task, codes), change)
    return masks, {str(size): float(np.nanmean(values)) for size, values in sizes.items()}


def edit_ceiling(task: RavelTask, shifts: NDArray[np.floating[Any]]) -> float:
    """`ravel_score` of an edit by meaning: the direction of the base's value goes, that of the source's comes.

    Args:
        task: the task.
        shifts: floating [C, d], by column of the read-outs what holding a value adds to an activation.
    """
    pairs, starts = task.reporting, task.read_outs.starts
    rows = np.arange(len(pairs))
    old = starts[pairs.attribute] + pairs.before[rows, pairs.attribute]
    new = starts[pairs.attribute] + pairs.wanted
    edited = task.x[pairs.base] + (shifts[new] - shifts[old]).astype(np.float32)
    return _value(task, outcome(task.read_outs, pairs, task.read_outs.scores(edited))) if len(task.asked) else np.nan


def _both(task: RavelTask, kept: list[Exchange]) -> list[tuple[Exchange, Pairs]]:
    return list(zip(kept, (task.choosing, task.reporting), strict=True))


def _from(task: RavelTask, change: Exchange, pairs: Pairs, x: NDArray[np.float32]) -> Exchange:
    """The same exchange that begins at other activations."""
    return replace(change, start=task.read_outs.scores(x[pairs.base]))


def _judged(task: RavelTask, change: Exchange, masks: NDArray[np.bool_]) -> tuple[Outcome, NDArray[np.bool_]]:
    return outcome(task.read_outs, task.reporting, change.after(masks, task.reporting.attribute)), masks


def _value(task: RavelTask, found: Outcome) -> float:
    return float(by_attribute(found, task.reporting, len(task.names))[task.asked].mean())


def _score(name: str, task: RavelTask, found: Outcome, masks: NDArray[np.bool_], sample: tuple[int, int]) -> Score:
    """A score with its interval and the table of attributes."""
    half = {"ravel_cause_score": (1.0, 0.0), "ravel_isolation_score": (0.0, 1.0)}.get(name, (0.5, 0.5))
    place = np.searchsorted(task.asked, task.reporting.attribute)
    ones = np.ones(len(place))
    parts = [
        (half[0], found.cause, ones),
        (half[1], found.isolation * found.isolated, found.isolated.astype(np.float64)),
    ]
    weights = np.concatenate([np.ones((1, task.n_games)), game_weights(task.n_games, *sample)])
    means: list[NDArray[np.float64]] = []
    for _, top, bottom in parts:
        tops, bottoms = (weights @ _summed(task, place, values) for values in (top, bottom))
        means.append(np.where(bottoms > 0, tops / np.maximum(bottoms, 1e-300), np.nan))
    both = np.sum([share * mean for (share, _, _), mean in zip(parts, means, strict=True) if share], axis=0)
    if name not in ("ravel_cause_score", "ravel_isolation_score"):  # nothing has to stay: cause alone
        both = np.where(np.isnan(means[1]), means[0], both)
    defined = ~np.isnan(both)
    counts = defined.sum(1)
    values = np.where(counts > 0, np.where(defined, both, 0.0).sum(1) / np.maximum(counts, 1), np.nan)
    if np.isnan(values[0]):
        return _undefined(name)
    replicates = values[1:]
    table = {
        "feature": [task.names[a] for a in task.asked.tolist()],
        "n": np.bincount(place, minlength=len(task.asked)).tolist(),
        "value": both[0].tolist(),
        "cause": means[0][0].tolist(),
        "isolation": means[1][0].tolist(),
        "latents": masks[task.asked].sum(1).tolist(),
        "read_out_accuracy": task.accuracy[task.asked].tolist(),
    }
    details = {
        "n_pairs": len(place),
        "cause": float(means[0][0].mean()),
        "isolation": float(np.nanmean(means[1][0])) if not np.isnan(means[1][0]).all() else None,
        "attributes_not_asked": [task.names[a] for a in sorted(set(range(len(task.names))) - set(task.asked.tolist()))],
    }
    low, high = interval(replicates[np.isfinite(replicates)])
    return Score(
        name, float(values[0]), low, high, features=table, details=details, replicates=replicates, protocol="held-out"
    )


def _summed(task: RavelTask, place: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums by game and asked attribute, float64 [G, asked]."""
    n = len(task.asked)
    sums = np.bincount(task.game * n + place, weights=values, minlength=task.n_games * n)
    return sums.reshape(task.n_games, n).astype(np.float64)


def _published(task: RavelTask, found: Outcome, masks: NDArray[np.bool_], sample: tuple[int, int]) -> dict[str, Score]:
    """The figures of the published result file."""
    names = {
        "disentanglement_score": "ravel_saebench_score",
        "cause_score": "ravel_cause_score",
        "isolation_score": "ravel_isolation_score",
    }
    return {theirs: replace(_score(ours, task, found, masks, sample), metric=theirs) for theirs, ours in names.items()}


def _undefined(name: str) -> Score:
    nan = float("nan")
    reason = "no attribute has enough pairs of other games whose values differ and are read right"
    return Score(name, nan, nan, nan, details={"undefined": reason})
