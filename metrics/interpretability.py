"""Interpretability: which latents stand for a value of a known attribute, and which values have a latent?

Question      The attributes of every prompt (or board) are known. How many latents are explained by one value, a pair
              of values, or a union of values of one attribute, and for how many values is there a latent?
Equations     F1(j, A) = 2 TP / (|F_j| + |A|), F_j the prompts with f_j > 0, A those with the value, pair or union
  interpretable_score    share of live latents whose best explanation has F1 >= threshold
  attribute_found_score  mean over attributes of the share of their values that some latent has at F1 >= threshold
  explained_share_score  share of all firings that come from explained latents
Conventions   Explanations of latents, and the latent of each value, are chosen on train rows and scored on the others.
              A union is a prefix of at most `unions` values sorted by F1 that covers at most half of the rows; pairs
              asked for count as an attribute whose values are pairs. What firing always would score, 2p / (1 + p), has
              to be beaten as well as the threshold: a latent that is always on stands for nothing.
              Of equal F1s the fewest values, then the attribute named first, then the lowest value or latent. Live is
              firing on some row. A value with fewer than `min_positives` rows on either side is rare: in the table, out
              of the score. Attributes with several values a row have no unions. Intervals resample the scored games;
              choices stay, each F1's resamples are centred on its value, and an interval is widened to hold its value,
              since counts above a threshold jump.
Floor         `shuffled prompts`: the same procedure with the attributes of whole games swapped: what choosing is worth.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (unions of up to 10 values, 30 for web text; threshold .8 in
              most tables, .6 for causal keep and remove).
Differences from published code (`protocol="makelov2024"` gives the published form)
              1. There explanations are chosen and scored on the same prompts, without a null: published is higher, most
                 for unions and rare names.
              2. The published formula lets a union cover everything, so that a latent that always fires is explained by
                 both values of a binary attribute, F1 1: published is higher.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contingency import checked_attributes, contingency, paired
from .grouping import shuffled_games
from .inputs import Latents, as_codes, as_games, as_split
from .interpretability_tables import Explained, explain, resampled_f1
from .properties import Properties
from .score import Score, interval, stamped

PROTOCOLS = ("held-out", "makelov2024")
_NEEDS = ("latents", "attributes", "game_id", "train")
_SAME = ("latent permutation", "positive rescaling", "game order")
PROPERTIES: dict[str, Properties] = {
    "interpretable_score": Properties(
        question="Which share of the live latents stands for a value of a known attribute, or a union of values?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="what shuffled prompts score, shown as a floor",
        needs=_NEEDS,
        symmetries=(*_SAME, "dead latent"),
        notices=(),
        limits="Blind to how many latents share a value: many copies of one good latent score 1.",
    ),
    "attribute_found_score": Properties(
        question="For which share of the attribute values is there a latent?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="what shuffled prompts score, shown as a floor",
        needs=_NEEDS,
        symmetries=(*_SAME, "dead latent", "duplicated latent"),
        notices=(),
        limits="Reads activity only: wrong directions and useless extra latents do not lower it.",
    ),
    "explained_share_score": Properties(
        question="Which share of all firings comes from latents that are explained?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="what shuffled prompts score, shown as a floor",
        needs=_NEEDS,
        symmetries=(*_SAME, "dead latent"),
        notices=(),
        limits="Firings, not effects: `keep_explained` asks whether the explained latents carry the task.",
    ),
}


def interpretability(
    latents: Latents,
    attributes: Mapping[str, NDArray[np.integer]],
    values: Mapping[str, Sequence[str]] | None = None,
    *,
    game_id: NDArray[np.integer] | None = None,
    train: NDArray[np.bool_] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    unions: int = 10,
    threshold: float = 0.8,
    min_positives: int = 5,
    null: bool = True,
    protocol: str = "held-out",
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Explanations of latents by attribute values, and latents of attribute values.

    Args:
        latents: Codes or floating [N, H]; a latent fires where it is > 0.
        attributes: by name, integer [N], the value of each row, -1 for none; or [N, m] for m values at once.
        values: by name, names of the values; None numbers them.
        game_id: integer [N]; None means every row is its own game.
        train: bool [N], True where explanations are chosen, False where they are scored; by game. The published
            protocol chooses and scores on the True rows, or on all rows if it is None.
        pairs: attributes whose values are also tried two by two, such as ("IO", "Pos").
        unions: most values in a union, at least 1.
        threshold: F1 from which a latent is explained and a value found.
        min_positives: fewest rows on each side for a value to be averaged.
        null: also compute the floor.
        protocol: `held-out` or `makelov2024`.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap and of the shuffle.

    Returns:
        `interpretable_score`, with a table of latents: best single value, best pair, and explanation (a union where one
        is better), with their F1s; `attribute_found_score`, with a table of the values; `explained_share_score`.

    Raises:
        KeyError: an unknown attribute in `pairs`, or values without names.
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, a split inside a game, too few games, or options out of range.

    Examples:
        >>> import numpy as np
        >>> name = np.arange(60) % 3
        >>> scores = interpretability(np.eye(3)[name], {"IO": name}, {"IO": ["Ann", "Bob", "Eve"]},
        ...                           train=np.arange(60) < 30, n_resamples=20)
        >>> scores["attribute_found_score"].value, scores["interpretable_score"].features["explanation"]
        (1.0, ['IO=Ann', 'IO=Bob', 'IO=Eve'])
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"interpretability has no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if unions < 1 or not 0 < threshold <= 1 or min_positives < 1:
        found = f"unions {unions}, threshold {threshold}, min_positives {min_positives}"
        raise ValueError(f"unions and min_positives must be at least 1 and threshold in (0, 1], got {found}")
    codes = as_codes(latents)
    games = np.arange(codes.n_rows) if game_id is None else as_games(game_id, codes.n_rows)
    every = checked_attributes(attributes, values, codes.n_rows)
    known = {attribute.name: attribute for attribute in every}
    if missing := [name for pair in pairs for name in pair if name not in known]:
        raise KeyError(f"pairs names {missing[0]!r}, which is no attribute; there are {', '.join(known)}")
    every += [paired(known[first], known[second]) for first, second in pairs]
    if protocol == "held-out":
        if train is None:
            raise ValueError("train must say which games to choose on; only the published protocol goes without")
        split = as_split(train, games)
        sides = [np.flatnonzero(split), np.flatnonzero(~split)]
    else:
        rows = np.arange(codes.n_rows) if train is None else np.flatnonzero(as_split(train, games))
        sides = [rows, rows]
    side_codes = [codes.take(rows) for rows in sides]
    side_games = [np.unique(games[rows], return_inverse=True)[1] for rows in sides]
    side_attributes = [[attribute.take(rows) for attribute in every] for rows in sides]
    tables = [contingency(c, a) for c, a in zip(side_codes, side_attributes, strict=True)]
    published = protocol != "held-out"
    found = explain(tables[0], tables[1], every, unions, min_positives, published=published)
    shares = found.shares(threshold)
    again = _replicates(
        found, threshold, *resampled_f1(found, side_codes[1], side_attributes[1], side_games[1], n_resamples, seed)
    )
    floors: dict[str, float] = {}
    if null:
        # chosen and scored on one sample, the published protocol needs one shuffle
        orders = [shuffled_games(g, seed if published else seed + i) for i, g in enumerate(side_games)]
        swapped = [[a.take(order) for a in side] for side, order in zip(side_attributes, orders, strict=True)]
        null_tables = [contingency(c, a) for c, a in zip(side_codes, swapped, strict=True)]
        floors = explain(null_tables[0], null_tables[1], every, unions, min_positives, published=published).shares(
            threshold
        )
    scores: dict[str, Score] = {}
    for name, value in shares.items():
        details: dict[str, Any] = {"threshold": threshold, "unions": unions, "n_live": int(found.live.sum())}
        if np.isnan(value):
            reason = "no latent fires" if not found.live.any() else f"no value has {min_positives} rows on each side"
            scores[name] = Score(name, value, value, value, protocol=protocol, details={**details, "undefined": reason})
            continue
        low, high = interval(again[name])
        scores[name] = Score(
            name,
            value,
            min(low, value),
            max(high, value),
            protocol=protocol,
            details=details,
            floors={"shuffled prompts": floors[name]} if null and not np.isnan(floors[name]) else {},
            ceilings={"perfect": 1.0},
            replicates=again[name],
        )
    return stamped(_with_tables(scores, found, threshold), PROPERTIES)


def explained_latents(score: Score, threshold: float = 0.6) -> NDArray[np.bool_]:
    """Which latents are explained, bool [H]: those of `interpretable_score` with an F1 of at least `threshold`.

    Raises:
        ValueError: another score.
    """
    if score.metric != "interpretable_score" or "value" not in score.features:
        raise ValueError(f"explained_latents reads the table of interpretable_score, got {score.metric}")
    value, always_on = (np.asarray(score.features[name]) for name in ("value", "always_on"))
    return (value >= threshold) & (value > always_on + 1e-9)


def _replicates(
    found: Explained,
    threshold: float,
    latents: NDArray[np.float64],
    values: NDArray[np.float64],
    fires: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """The three shares in every resample."""
    bar, value_bar = found.bars(threshold)
    explained = (latents >= bar) & found.live
    with np.errstate(invalid="ignore"):
        share = np.where(fires.sum(1) > 0, (fires * explained).sum(1) / np.maximum(fires.sum(1), 1), 0.0)
    hit = values >= value_bar
    groups = [hit[:, mask].mean(1) for mask in found.scored_by_attribute().values()]
    return {
        "interpretable_score": explained.sum(1) / max(1, int(found.live.sum())),
        "attribute_found_score": np.mean(groups, axis=0) if groups else np.full(len(hit), np.nan),
        "explained_share_score": share,
    }


def _with_tables(scores: dict[str, Score], found: Explained, threshold: float) -> dict[str, Score]:
    """The scores with their tables, groups and counts."""
    from dataclasses import replace

    bar, value_bar = found.bars(threshold)
    good = found.live & (found.f1 >= bar)
    names = [attribute.name for attribute in found.attributes]
    by_attribute = {name: float((good & (found.attribute == i)).sum()) for i, name in enumerate(names)}
    counts = {f"{at:g}": int((found.live & (found.f1 >= at)).sum()) for at in (0.5, 0.6, 0.8, 0.9)}
    first = scores["interpretable_score"]
    scores["interpretable_score"] = replace(
        first,
        features=found.latent_table(),
        groups={name: count / max(1, int(found.live.sum())) for name, count in by_attribute.items()},
        details={**first.details, "latents_above": counts, "explained_by_attribute": by_attribute},
    )
    second = scores["attribute_found_score"]
    groups = {
        name: float((found.value_f1 >= value_bar)[mask].mean()) for name, mask in found.scored_by_attribute().items()
    }
    rare = int((~found.scored & ~found.of_pairs).sum())
    scores["attribute_found_score"] = replace(
        second, features=found.value_table(), groups=groups, details={**second.details, "n_rare": rare}
    )
    return scores
