"""Reconstruction: can the true state be read back from the latents?

Equation      reconstruction = mean over groups of F1 pooled over the features of a group and all test positions,
              F1 = 2 tp / (predictions + positives). A feature is predicted where any latent labelled for it is on,
              and a latent is on at t where act > t * max, t in {0, .1, .., .9}.
Conventions   Three sets of games: a random half of the training games labels latents (precision >= 95 % and at least 10
              true positives, in integers), the other half chooses one t a group, the test games are scored. max is the
              largest activation on all training games. A latent fires where it is > 0. Only reachable features count;
              those with fewer than `min_positives` positives in training or test games are `rare`: in the table, not
              pooled. Groups weigh the same. Intervals resample the test games.
Floors        `best constant`: the same F1 of the best prediction that ignores the latents (the set of features to
              predict everywhere, chosen on the training games). details["above floor"] is (F1 - floor) / (1 - floor)
              averaged over groups, with its interval: 0 is what ignoring the dictionary scores.
              `shuffled games`: the same procedure with labels swapped between games.
References    Karvonen et al. 2024, arXiv 2408.00113, equations 4 and 5; repository SAE_BoardGameEval.
Differences from published code (see `reconstruction_karvonen.py`, which reproduces it)
              1. t is chosen on games that are not scored: lower.
              2. Predictions are a logical OR: votes do not overflow. Higher for dense dictionaries.
              3. Precision is compared in integers: exactly 95 % always counts. Slightly higher.
              4. Pooled by class like the released value, but t is chosen by the value that is reported.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score, sort_codes
from .coverage_karvonen import PAPER_GRID
from .grouping import Averages, Vocabulary, resampled, resampled_sums, shuffled_games, vocabulary
from .inputs import LabelBits, Labels, Latents, as_codes, as_games, as_label_bits, as_split
from .predictions import agreement, high_precision, label_latents, pack_words, predictions, relative_limits
from .properties import Properties
from .score import Score, interval

if TYPE_CHECKING:
    from ..games.features import FeatureSet
    from ..models.dictionary import Codes

PROTOCOLS = ("held-out", "karvonen2024", "karvonen2024-code")
PROPERTIES: dict[str, Properties] = {
    "reconstruction": Properties(
        question="Can the true state be read back from the latents?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 for latents that predict nothing; a constant prediction scores the floor `best constant`",
        needs=("latents", "labels", "game_id", "train"),
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=("noise", "random", "half", "merged", "dead"),
        limits="Reads activity only, and any precise latents will do: it cannot tell one latent a feature from many.",
    ),
}


def reconstruction(
    latents: Latents,
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    features: "FeatureSet | None" = None,
    groups: Sequence[str] | None = None,
    protocol: str = "held-out",
    min_positives: int = 20,
    null: bool = True,
    maxima: NDArray[np.floating] | None = None,
    vote_overflow: bool = True,
    float32_precision: bool = True,
    n_features: int | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Reconstruction of the true state from high-precision latents.

    Args:
        latents: "Codes" or floating [N, L]; a latent fires where it is > 0.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        game_id: integer [N].
        train: bool [N], True where latents are labelled and t is chosen, False where they are scored; no game on both
            sides.
        features: names, groups and variables of the labels; None scores all columns as one group.
        groups: score only these groups.
        protocol: one of `PROTOCOLS`.
        min_positives: fewest positives on each side for a feature to be pooled (held-out only).
        null: also compute the `shuffled games` floor (held-out only).
        maxima: [L], largest absolute activation of each latent in the published code's statistics sample, 0 for a
            latent that is dead there (published protocols only).
        vote_overflow: add votes in 8 bits as the released code does (`karvonen2024-code` only).
        float32_precision: decide 95 % in float32 as the released code does (`karvonen2024-code` only).
        n_features: F of packed labels without `features`.
        n_resamples: bootstrap resamples over games.
        seed: of the split of the training games, the shuffle and the bootstrap.

    Returns:
        The score, with a table of every feature.

    Raises:
        KeyError: an unknown group.
        TypeError: arguments that are not arrays.
        ValueError: an unknown protocol, arrays that do not fit, a split inside a game, too few games or positives.

    Examples:
        >>> import numpy as np
        >>> labels = np.random.default_rng(0).random((600, 3)) < 0.4
        >>> games = np.repeat(np.arange(20), 30)
        >>> reconstruction(labels.astype(float), labels, game_id=games, train=games < 10).value  # a perfect dictionary
        1.0
        >>> reconstruction(np.zeros((600, 5)), labels, game_id=games, train=games < 10).value  # a dead one
        0.0
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"reconstruction has no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    codes = as_codes(latents)
    bits = as_label_bits(labels, codes.n_rows, len(features) if features is not None else n_features)
    games = as_games(game_id, codes.n_rows)
    train = as_split(train, games)
    words = vocabulary(bits.n_features, features, groups, published=protocol != "held-out")
    bits = bits.select(words.indices)
    if protocol != "held-out":
        from .reconstruction_karvonen import published_reconstruction

        return published_reconstruction(
            codes,
            bits,
            games,
            train,
            words,
            protocol,
            maxima=maxima,
            vote_overflow=vote_overflow,
            float32_precision=float32_precision,
            n_resamples=n_resamples,
            seed=seed,
        )
    if maxima is not None:
        raise ValueError(f"maxima belong to published protocols, not to {protocol!r}")
    labelling, choosing = halves(games, train, seed)
    test = np.flatnonzero(~train)
    sets = [np.flatnonzero(labelling), np.flatnonzero(choosing), test]
    parts = [codes.take(rows) for rows in sets]
    test_games = np.unique(games[test], return_inverse=True)[1]
    side_bits = [bits.take(rows) for rows in sets]
    train_positives = side_bits[0].positives + side_bits[1].positives
    rare = np.minimum(train_positives, side_bits[2].positives) < min_positives
    averages = Averages.over(words, ~rare)
    maxima = np.maximum(*(sort_codes(part).maxima for part in parts[:2]))
    limits = relative_limits(maxima, PAPER_GRID)

    on, tp, step, n_latents = read_back(parts, side_bits, test_games, limits, words, ~rare)
    positives = agreement(np.ascontiguousarray(side_bits[2].words.T), side_bits[2], test_games, len(on))[0]
    pool = (averages.weights > 0).astype(np.float64).T  # [F, n_groups]
    by_group = f1_score(tp.sum(0) @ pool, on.sum(0) @ pool, positives.sum(0) @ pool)
    sums = [resampled_sums(counts, n_resamples, seed) for counts in (tp, on, positives)]
    replicates = f1_score(*(total @ pool for total in sums))
    spread = resampled(averages.groups, replicates)
    constant = best_constant(train_positives, len(sets[0]) + len(sets[1]), words, averages)
    played = np.bincount(test_games).astype(np.float64)  # positions of each test game
    floor = f1_score(positives.sum(0) @ constant, len(test) * constant.sum(0), positives.sum(0) @ pool)
    resampled_played = resampled_sums(played[:, None].astype(np.int64), n_resamples, seed)
    floor_replicates = f1_score(sums[2] @ constant, resampled_played * constant.sum(0), sums[2] @ pool)
    above = ((by_group - floor) / np.maximum(1 - floor, 1e-12)).mean()
    above_interval = interval(((replicates - floor_replicates) / np.maximum(1 - floor_replicates, 1e-12)).mean(-1))
    floors = {"best constant": float(floor.mean())}
    if null:
        all_train = np.flatnonzero(train)
        swapped_train = np.arange(codes.n_rows)
        swapped_train[all_train] = all_train[shuffled_games(np.unique(games[train], return_inverse=True)[1], seed)]
        swapped = [bits.take(swapped_train[rows]) for rows in sets[:2]]
        swapped.append(side_bits[2].take(shuffled_games(test_games, seed + 1)))
        null_on, null_tp, _, _ = read_back(parts, swapped, test_games, limits, words, ~rare)
        null_by_group = f1_score(null_tp.sum(0) @ pool, null_on.sum(0) @ pool, swapped[2].positives @ pool)
        floors["shuffled games"] = float(null_by_group.mean())

    value = f1_score(tp.sum(0), on.sum(0), positives.sum(0))
    always_on = f1_score(positives.sum(0), np.full(len(value), len(test)), positives.sum(0))
    table: dict[str, list[Any]] = {
        "feature": list(words.names),
        "group": words.group_names,
        "value": value.tolist(),
        "floor": always_on.tolist(),
        "positives": positives.sum(0).tolist(),
        "train_positives": train_positives.tolist(),
        "rare": rare.tolist(),
        "n_latents": n_latents.tolist(),
        "relative_threshold": [round(float(t), 1) for t in PAPER_GRID[step[words.group_of]]],
        "precision": (tp.sum(0) / np.maximum(on.sum(0), 1)).tolist(),
        "recall": (tp.sum(0) / np.maximum(positives.sum(0), 1)).tolist(),
    }
    chosen = dict(zip(words.groups, (round(float(t), 1) for t in PAPER_GRID[step]), strict=True))
    return Score(
        metric="reconstruction",
        value=float(by_group.mean()),
        low=spread.low,
        high=spread.high,
        groups=dict(zip(averages.groups, by_group.tolist(), strict=True)),
        group_intervals=spread.group_intervals,
        features=table,
        floors=floors,
        protocol=protocol,
        version=PROPERTIES["reconstruction"].version,
        details={
            "above floor": {"value": float(above), "low": above_interval[0], "high": above_interval[1]},
            "macro": averages.of(value),
            "relative_thresholds": {group: chosen[group] for group in averages.groups},
            "n_scored": int((~rare).sum()),
            "n_rare": int(rare.sum()),
            "min_positives": min_positives,
            "groups_without_scored_features": [g for g in words.groups if g not in averages.groups],
            "n_games": [len(np.unique(games[rows])) for rows in sets],
            "n_test_positions": len(test),
            "group_floors": dict(zip(averages.groups, floor.tolist(), strict=True)),
        },
        replicates=spread.replicates,
    )


def halves(
    games: NDArray[np.int64], train: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Training rows to label latents on and to choose t on: a random half of the training games each.

    Raises:
        ValueError: fewer than two training games.
    """
    train_games = np.unique(games[train])
    if len(train_games) < 2:
        raise ValueError("train must hold at least 2 games: one to label latents on and one to choose t on, got 1")
    labelling = np.random.default_rng(seed).permutation(train_games)[: (len(train_games) + 1) // 2]
    first = np.isin(games, labelling) & train
    return first, train & ~first


def read_back(
    parts: "Sequence[Codes]",
    bits: Sequence[LabelBits],
    test_games: NDArray[np.int64],
    limits: NDArray[np.float32],
    words: Vocabulary,
    scored: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Label latents on the first part, choose t of each group on the second, predict the third.

    Args:
        parts: codes of the three sets of games.
        bits: their labels.
        test_games: int64 [n], games of the third, numbered from 0.
        limits: float32 [L, T].
        words: the vocabulary.
        scored: bool [F], features that choose t.

    Returns:
        Predictions and true positives int64 [G, F] on the third part, chosen t of each group as an index int64, and how
        many latents are labelled for each feature there, int64 [F].
    """
    masks = label_latents(sort_codes(parts[0]), bits[0], limits, partial(high_precision, least=10))
    n_steps, n_features = limits.shape[1], bits[0].n_features
    on = np.zeros((n_steps, n_features), np.int64)
    tp = np.zeros((n_steps, n_features), np.int64)
    for rows, found in predictions(parts[1], limits, masks):
        here = LabelBits(bits[1].words[:, rows], n_features)
        nowhere = np.zeros(len(found), np.int64)
        for t in range(n_steps):
            counts = agreement(found[:, t], here, nowhere, 1)
            on[t] += counts[0][0]
            tp[t] += counts[1][0]
    pool = np.stack([(words.group_of == i) & scored for i in range(len(words.groups))], 1).astype(np.int64)
    step = f1_score(tp @ pool, on @ pool, bits[1].positives @ pool).argmax(0)

    keep = pack_words(np.stack([step[words.group_of] == t for t in range(n_steps)]))  # [T, W], features that use t
    kept = masks & keep
    n_games = int(test_games.max()) + 1
    test_on = np.zeros((n_games, n_features), np.int64)
    test_tp = np.zeros((n_games, n_features), np.int64)
    for rows, found in predictions(parts[2], limits, kept):
        here = LabelBits(np.ascontiguousarray(bits[2].words[:, rows]), n_features)
        counts = agreement(np.bitwise_or.reduce(found, axis=1), here, test_games[rows], n_games)
        test_on += counts[0]
        test_tp += counts[1]
    n_latents = LabelBits(np.bitwise_or.reduce(kept, axis=1).T, n_features).positives
    return test_on, test_tp, step, n_latents


def best_constant(
    positives: NDArray[np.int64], n_rows: int, words: Vocabulary, averages: Averages
) -> NDArray[np.float64]:
    """Features of each group that a constant prediction should name for the highest pooled F1, 0 or 1 [F, n_groups].

    The best set of k features is the k most frequent ones, so only k is to be found.

    Args:
        positives: int64 [F], on the games where the set is chosen.
        n_rows: positions there.
        words: the vocabulary.
        averages: which features of which groups are scored.
    """
    named = np.zeros((len(positives), len(averages.groups)))
    for i in range(len(averages.groups)):
        members = np.flatnonzero(averages.weights[i] > 0)
        falling = members[np.argsort(-positives[members], kind="stable")]
        caught = positives[falling].cumsum()
        k = int(f1_score(caught, n_rows * np.arange(1, len(members) + 1), positives[members].sum()).argmax()) + 1
        named[falling[:k], i] = 1.0
    return named
