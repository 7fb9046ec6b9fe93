"""Occlusion: of several attributes written at one place, are the weaker ones found as well as the strongest?

Equations     TP[l, v]  rows on which latent l fires (> 0) and the attribute has value v
              F1(l, v) = 2 TP[l, v] / (|l fires| + |value v|);  a value is found if the F1 of its latent is > threshold
                        and > that of a latent which always fires, 2 p / (1 + p) for a value on a share p of the rows
  found_values_score    share of the values found, mean over the attributes; `groups` has each attribute
  occlusion_error       largest found share of an attribute less that of one that carries less variance, over all pairs
                        of attributes the model uses: 0 if none is found less than a weaker one
Conventions   The latent of a value is the one of highest F1 on the rows that choose, of equals the lowest; it is scored
              on the others. A value -1 means that the row has none. Values on fewer than `min_positives` rows of either
              side are left out and counted. Intervals resample games (prompts), with the chosen latents and the pair
              held, and replicates are centred on the value. Attributes that the model does not use (`effects` below
              `min_effect`) are reported, but take no part in occlusion_error: not to find what does not matter is no
              fault.
References    Makelov, Lange, Nanda 2024 (arXiv 2405.08366), section on feature occlusion; threshold .5 is theirs.
Differences from published code
              1. The paper chooses latents and counts found values on the same rows: protocol "makelov2024" does that.
              2. There, a latent that always fires finds a binary attribute (F1 2/3): under our protocol it does not.
              3. The paper compares two attributes by eye: occlusion_error is ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .grouping import resampled_sums
from .inputs import Latents, as_codes, as_games, as_split
from .properties import Properties
from .score import Score, interval, stamped

if TYPE_CHECKING:
    from ..models.dictionary import Codes

PROPERTIES: dict[str, Properties] = {
    "found_values_score": Properties(
        question="Which share of an attribute's values has a latent of its own?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 for a dead dictionary and for one whose latents fire at random",
        needs=("latents", "attributes", "game_id"),
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=("permuted encoder", "random", "half", "dead"),
        limits="A value spread over several latents counts as not found; splitting tells that case apart.",
    ),
    "occlusion_error": Properties(
        question="How much less is found of an attribute than of one that is written with more variance?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="0 for a dictionary that finds nothing at all: read found_values_score beside it",
        needs=("latents", "attributes", "game_id", "variance_shares"),
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=(),
        limits="Compares attributes with each other: finding nothing of any of them is not occlusion.",
    ),
}


def occlusion(
    latents: Latents,
    attributes: Mapping[str, NDArray[np.integer]],
    game_id: NDArray[np.integer],
    *,
    variance_shares: Mapping[str, float],
    train: NDArray[np.bool_] | None = None,
    effects: Mapping[str, float] | None = None,
    min_effect: float = 0.05,
    threshold: float = 0.5,
    min_positives: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: Literal["fiducial", "makelov2024"] = "fiducial",
) -> dict[str, Score]:
    """Found share of every attribute, against its variance and its effect.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        attributes: values of each attribute, integer [N], from 0; -1 where a row has none.
        game_id: integer [N]; prompts count as games.
        variance_shares: share of the activations' variance that each attribute carries (as `preserved_variance` says).
        train: bool [N], rows that choose latents; needed by "fiducial", not read by "makelov2024".
        effects: causal effect of each attribute, any unit in which `min_effect` is negligible (such as the share of
            the logit difference that is lost when the attribute is ablated); None takes all attributes as used.
        min_effect: attributes below it take no part in `occlusion_error`.
        threshold: F1 above which a value counts as found (if also above that of a latent that always fires).
        min_positives: rows that a value needs, on either side.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
        protocol: "fiducial", held out, or "makelov2024", in sample.

    Returns:
        Scores `found_values_score` (groups: attributes; features: values) and `occlusion_error`, whose details hold
        the worst pair and the rank correlations of the found share with variance share and effect.

    Raises:
        KeyError: an attribute without a variance share or an effect.
        ValueError: arrays that do not fit, no value frequent enough, or no `train` where it is needed.

    Examples:
        >>> import numpy as np
        >>> name, order = np.arange(60) % 3, np.arange(60) // 3 % 2
        >>> shared = dict(variance_shares={"name": 0.6, "order": 0.2}, train=np.arange(60) < 30, n_resamples=20)
        >>> latents = np.eye(3)[name]  # a latent for each name, none for the order
        >>> scores = occlusion(latents, {"name": name, "order": order}, np.arange(60), **shared)
        >>> scores["found_values_score"].value, scores["occlusion_error"].value
        (0.5, 1.0)
    """
    codes = as_codes(latents)
    games = as_games(game_id, codes.n_rows)
    values = {name: as_values(given, codes.n_rows, name) for name, given in attributes.items()}
    if not values:
        raise ValueError("attributes must name at least one attribute")
    for what, mapping in (("variance share", variance_shares), ("effect", effects)):
        if mapping is not None and (missing := sorted(set(values) - set(mapping))):
            raise KeyError(f"no {what} for {missing}; given are {sorted(mapping)}")
    choosing, reporting = split_rows(train, games, protocol)
    if not 0 < threshold < 1 or min_positives < 1:
        raise ValueError(
            f"threshold must lie in (0, 1) and min_positives be at least 1, got {threshold}, {min_positives}"
        )
    tables: list[dict[str, list[Any]]] = []
    found: dict[str, float] = {}
    replicates: dict[str, NDArray[np.float64]] = {}
    left_out: dict[str, int] = {}
    for name, v in values.items():
        chosen = choose(codes, v, choosing, reporting, min_positives)
        f1, f1s = resampled_f1(codes, v, chosen, reporting, games, n_resamples, seed)
        kept = np.flatnonzero(chosen >= 0)
        share = np.bincount(v[reporting] + 1, minlength=len(chosen) + 1)[1:][kept] / reporting.sum()
        limit = np.full(len(kept), threshold)
        if protocol == "fiducial":  # of two even values an always firing latent has F1 2/3
            limit = np.maximum(limit, 2 * share / (1 + share))
        found[name] = float((f1 > limit).mean())
        replicates[name] = centred((f1s > limit).mean(1), found[name])
        left_out[name] = len(np.unique(v[v >= 0])) - len(f1)
        columns = {"feature": [f"{name}={i}" for i in kept], "latent": chosen[kept].tolist(), "f1": f1.tolist()}
        tables.append({**columns, "limit": limit.tolist(), "found": (f1 > limit).tolist()})
    used = [name for name in values if effects is None or effects[name] >= min_effect]
    details = {"threshold": threshold, "left_out_values": left_out, "used": used}
    overall = _over_attributes(found, replicates, {c: [x for t in tables for x in t[c]] for c in tables[0]})
    error = _occlusion_error(found, replicates, variance_shares, used)
    correlations = {"variance_correlation": rank_correlation(found, variance_shares)}
    if effects is not None:
        correlations["effect_correlation"] = rank_correlation(found, effects)
    told = {"variance_shares": {k: float(variance_shares[k]) for k in values}} | correlations
    if effects is not None:
        told["effects"] = {k: float(effects[k]) for k in values}
    scores = {
        "found_values_score": replace(overall, details=details),
        "occlusion_error": replace(error, details={**error.details, **details, **told}),
    }
    name = "held-out" if protocol == "fiducial" else protocol
    return stamped({key: replace(score, protocol=name) for key, score in scores.items()}, PROPERTIES)


def centred(replicates: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Replicates of a share, shifted to have the value as their mean, in 0 to 1.

    A share of values above a threshold is not resampled around itself: if most lie just below, noise lifts some over.
    """
    return (replicates - replicates.mean() + value).clip(0, 1)


def as_values(given: NDArray[np.integer], n_rows: int, name: str) -> NDArray[np.int64]:
    """Values of an attribute, checked.

    Raises:
        TypeError: not integers.
        ValueError: another number of rows, a value below -1, or no row with a value.
    """
    v = np.asarray(given)
    if not np.issubdtype(v.dtype, np.integer):
        raise TypeError(f"values of {name!r} must be integers [N], -1 for none, got {v.dtype}")
    if v.shape != (n_rows,) or v.min() < -1 or v.max() < 0:
        bounds = f"{list(v.shape)}, {v.min()} to {v.max()}" if v.size else f"{list(v.shape)}"
        raise ValueError(f"values of {name!r} must be [{n_rows}], from 0, -1 for none, got {bounds}")
    return v.astype(np.int64)


def split_rows(
    train: NDArray[np.bool_] | None, games: NDArray[np.int64], protocol: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows that choose and rows that report, bool [N]: all of them twice under "makelov2024".

    Raises:
        ValueError: an unknown protocol, or no split where one is needed.
    """
    if protocol == "makelov2024":
        return np.ones(len(games), np.bool_), np.ones(len(games), np.bool_)
    if protocol != "fiducial":
        raise ValueError(f"protocol must be 'fiducial' or 'makelov2024', got {protocol!r}")
    if train is None:
        raise ValueError("train must say which rows choose latents; to choose in sample ask for protocol='makelov2024'")
    chosen = as_split(train, games)
    return chosen, ~chosen


def contingency(codes: "Codes", values: NDArray[np.int64], rows: NDArray[np.bool_], n_values: int) -> NDArray[np.int64]:
    """Rows on which a latent fires and the attribute has a value, int64 [L, V + 1]; the last column: rows with none."""
    fires = (codes.values > 0) & rows[codes.rows]
    column = np.where(values < 0, n_values, values)[codes.rows[fires]]
    cells = codes.indices[fires].astype(np.int64) * (n_values + 1) + column
    return np.bincount(cells, minlength=codes.n_latents * (n_values + 1)).reshape(codes.n_latents, n_values + 1)


def f1_table(table: NDArray[np.int64], positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of every latent as a detector of every value, float64 [L, V], from `contingency` and the values' rows."""
    return 2 * table[:, :-1] / np.maximum(table.sum(1, keepdims=True) + positives, 1)


def best_f1(latents: Latents, values: NDArray[np.integer]) -> NDArray[np.float64]:
    """Best F1 of any latent for every value, on the rows given (in sample), float64 [V]; 0 for a value without rows.

    Args:
        latents: Codes or floating [N, L].
        values: integer [N], from 0; -1 where a row has none.
    """
    codes = as_codes(latents)
    v = as_values(values, codes.n_rows, "values")
    n_values = int(v.max()) + 1
    table = contingency(codes, v, np.ones(len(v), np.bool_), n_values)
    return f1_table(table, np.bincount(v[v >= 0], minlength=n_values)).max(0)


def choose(
    codes: "Codes",
    values: NDArray[np.int64],
    choosing: NDArray[np.bool_],
    reporting: NDArray[np.bool_],
    min_positives: int,
) -> NDArray[np.int64]:
    """Latent of highest F1 for every value, int64 [V]; -1 for values that are too rare on either side.

    Raises:
        ValueError: all values are too rare.
    """
    n_values = int(values.max()) + 1
    counts = [np.bincount(values[rows & (values >= 0)], minlength=n_values) for rows in (choosing, reporting)]
    f1 = f1_table(contingency(codes, values, choosing, n_values), counts[0])
    frequent = np.minimum(*counts) >= min_positives
    if not frequent.any():
        raise ValueError(f"no value has {min_positives} rows on both sides; give more rows or a lower min_positives")
    return np.where(frequent, f1.argmax(0), -1)


def resampled_f1(
    codes: "Codes",
    values: NDArray[np.int64],
    chosen: NDArray[np.int64],
    reporting: NDArray[np.bool_],
    games: NDArray[np.int64],
    n_resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of the chosen latents on the rows that report, float64 [K], and its replicates [n_resamples, K]."""
    kept = np.flatnonzero(chosen >= 0)
    fires = fires_at(codes, chosen[kept])[reporting]
    return detector_f1(fires, values[reporting, None] == kept[None], games[reporting], n_resamples, seed)


def detector_f1(
    fires: NDArray[np.bool_], has: NDArray[np.bool_], games: NDArray[np.int64], n_resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of detectors [N, K] of labels [N, K], float64 [K], and its replicates over games [n_resamples, K]."""
    game = np.unique(games, return_inverse=True)[1]
    tp = sums_by_game(fires & has, game)
    both = sums_by_game(fires, game) + sums_by_game(has, game)
    tops, bottoms = (resampled_sums(counts, n_resamples, seed) for counts in (tp, both))
    return 2 * tp.sum(0) / np.maximum(both.sum(0), 1), 2 * tops / np.maximum(bottoms, 1)


def fires_at(codes: "Codes", latents: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where some latents fire, bool [N, len(latents)]; a latent may be asked for twice."""
    wanted, column = np.unique(latents, return_inverse=True)
    where = np.full(codes.n_latents, -1, np.int64)
    where[wanted] = np.arange(len(wanted))
    positive = (codes.values > 0) & (where[codes.indices] >= 0)
    dense = np.zeros((codes.n_rows, len(wanted)), np.bool_)
    dense[codes.rows[positive], where[codes.indices[positive]]] = True
    return dense[:, column]


def rank_correlation(found: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Spearman's correlation over attributes; None with fewer than three attributes or a constant side."""
    pairs = np.array([[found[name], other[name]] for name in found], np.float64).T
    above = (pairs[:, :, None] > pairs[:, None, :]).sum(2)
    ranks = above + (pairs[:, :, None] == pairs[:, None, :]).sum(2) / 2  # equal values share their mean rank
    if len(found) < 3 or not ranks.std(1).all():
        return None
    return float(np.corrcoef(ranks)[0, 1])


def sums_by_game(flags: NDArray[np.bool_], game: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the rows of each game, int64 [G, K]; `game` numbers them from 0 without gaps."""
    order = np.argsort(game, kind="stable")
    first = np.searchsorted(game[order], np.arange(int(game.max()) + 1))
    return np.add.reduceat(flags[order], first, axis=0, dtype=np.int64)


def _over_attributes(
    found: Mapping[str, float], replicates: Mapping[str, NDArray[np.float64]], features: Mapping[str, list[Any]]
) -> Score:
    whole = np.mean(list(replicates.values()), axis=0)
    value = float(np.mean(list(found.values())))
    return Score(
        "found_values_score",
        value,
        *_holding(whole, value),
        groups=dict(found),
        group_intervals={name: _holding(values, found[name]) for name, values in replicates.items()},
        features=features,
        replicates=whole,
    )


def _occlusion_error(
    found: Mapping[str, float],
    replicates: Mapping[str, NDArray[np.float64]],
    variance_shares: Mapping[str, float],
    used: list[str],
) -> Score:
    pairs = [(a, b) for a, b in permutations(used, 2) if variance_shares[a] > variance_shares[b]]
    if not pairs:
        nan = float("nan")
        reason = f"needs two attributes that the model uses, of different variance share; used are {used}"
        return Score("occlusion_error", nan, nan, nan, details={"undefined": reason})
    strong, weak = max(pairs, key=lambda pair: found[pair[0]] - found[pair[1]])
    gaps = (replicates[strong] - replicates[weak]).clip(0)
    value = max(0.0, found[strong] - found[weak])
    worst = {"found_more": strong, "found_less": weak} if value > 0 else {}
    return Score("occlusion_error", value, *_holding(gaps, value), details=worst, replicates=gaps)


def _holding(replicates: NDArray[np.float64], value: float) -> tuple[float, float]:
    """Interval, widened to hold the value: shares jump, so that nearly all replicates may lie a little beside it."""
    low, high = interval(replicates)
    return min(low, value), max(high, value)
