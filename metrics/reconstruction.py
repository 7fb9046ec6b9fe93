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

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score, sort_codes
from .coverage_karvonen import PAPER_GRID
from .grouping import Averages, Vocabulary, shuffled_games, vocabulary
from .inputs import LabelBits, Labels, Latents, as_codes, as_games, as_label_bits, as_split
from .predictions import agreement, high_precision, label_latents, pack_words, predictions, relative_limits
from .properties import Properties
from .reconstruction_score import RECORD, ReadBack, ReconstructionCounts, reconstruction_from
from .score import Score

if TYPE_CHECKING:
    from ..games.features import FeatureSet
    from ..models.dictionary import Codes

PROTOCOLS = ("held-out", "karvonen2024", "karvonen2024-code")
PROPERTIES: dict[str, Properties] = {
    "reconstruction": RECORD,
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
    scored = scored_features(train_positives, side_bits[2].positives, min_positives, words)
    maxima = np.maximum(*(sort_codes(part).maxima for part in parts[:2]))
    limits = relative_limits(maxima, PAPER_GRID)
    labelled = sort_codes(parts[0])

    def read(labels: Sequence[LabelBits]) -> ReadBack:
        masks = label_latents(labelled, labels[0], limits, labelled_rule)
        on, tp = choosing_counts([(parts[1], labels[1])], limits, masks)
        step = chosen_steps(on, tp, labels[1].positives, words, scored)
        kept = kept_masks(masks, step, words)
        shape = (int(test_games.max()) + 1, len(words.names))
        found = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        add_test_counts([(parts[2], labels[2], test_games)], limits, kept, *found)
        return ReadBack(*found, step, latents_of(kept, len(words.names)))

    shuffled = None
    if null:
        all_train = np.flatnonzero(train)
        swapped_train = np.arange(codes.n_rows)
        swapped_train[all_train] = all_train[shuffled_games(np.unique(games[train], return_inverse=True)[1], seed)]
        swapped = [bits.take(swapped_train[rows]) for rows in sets[:2]]
        swapped.append(side_bits[2].take(shuffled_games(test_games, seed + 1)))
        found = read(swapped)
        shuffled = found.tp.sum(0), found.on.sum(0), swapped[2].positives
    found = ReconstructionCounts(
        read(side_bits),
        agreement(np.ascontiguousarray(side_bits[2].words.T), side_bits[2], test_games, int(test_games.max()) + 1)[0],
        np.bincount(test_games),
        train_positives,
        shuffled,
        [len(np.unique(games[rows])) for rows in sets],
        len(sets[0]) + len(sets[1]),
    )
    return reconstruction_from(found, words, scored, min_positives=min_positives, n_resamples=n_resamples, seed=seed)


def halves(
    games: NDArray[np.int64], train: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Training rows to label latents on and to choose t on: a random half of the training games each.

    Raises:
        ValueError: fewer than two training games.
    """
    first = np.isin(games, labelling_games(np.unique(games[train]), seed)) & train
    return first, train & ~first


def labelling_games(train_games: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The games to label latents on, of the training games in order of their ids.

    Raises:
        ValueError: fewer than two training games.
    """
    if len(train_games) < 2:
        raise ValueError("train must hold at least 2 games: one to label latents on and one to choose t on, got 1")
    return np.random.default_rng(seed).permutation(train_games)[: (len(train_games) + 1) // 2]


def labelled_rule(tp: NDArray[np.integer], on: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether a latent is labelled for a feature, from true positives and predictions."""
    return high_precision(tp, on, least=10)


def scored_features(
    train_positives: NDArray[np.int64], test_positives: NDArray[np.int64], min_positives: int, words: Vocabulary
) -> NDArray[np.bool_]:
    """Features with enough positives on both sides, bool [F].

    Raises:
        ValueError: there is none.
    """
    scored = np.minimum(train_positives, test_positives) >= min_positives
    Averages.over(words, scored)
    return scored


def choosing_counts(
    parts: "Iterable[tuple[Codes, LabelBits]]", limits: NDArray[np.float32], masks: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Predictions and true positives of every feature at every t, int64 [T, F] each.

    Args:
        parts: codes and labels of the rows to choose on.
        limits: float32 [L, T].
        masks: uint64 [L, T, W], features that each latent is labelled for.
    """
    on = tp = np.zeros((limits.shape[1], 1), np.int64)
    for codes, bits in parts:
        for rows, found in predictions(codes, limits, masks):
            here = LabelBits(bits.words[:, rows], bits.n_features)
            nowhere = np.zeros(len(found), np.int64)
            counts = [agreement(found[:, t], here, nowhere, 1) for t in range(limits.shape[1])]
            on = on + np.concatenate([c[0] for c in counts])
            tp = tp + np.concatenate([c[1] for c in counts])
    return on, tp


def chosen_steps(
    on: NDArray[np.int64],
    tp: NDArray[np.int64],
    positives: NDArray[np.int64],
    words: Vocabulary,
    scored: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The t of each group with the highest pooled F1, as an index int64 [groups].

    Args:
        on: int64 [T, F], predictions.
        tp: int64 [T, F].
        positives: int64 [F], on the same rows.
        words: the vocabulary.
        scored: bool [F], features that count.
    """
    pool = np.stack([(words.group_of == i) & scored for i in range(len(words.groups))], 1).astype(np.int64)
    return f1_score(tp @ pool, on @ pool, positives @ pool).argmax(0)


def kept_masks(masks: NDArray[np.uint64], step: NDArray[np.int64], words: Vocabulary) -> NDArray[np.uint64]:
    """Masks [L, T, W] with each feature left only at the t of its group."""
    return masks & pack_words(np.stack([step[words.group_of] == t for t in range(masks.shape[1])]))


def add_test_counts(
    parts: "Iterable[tuple[Codes, LabelBits, NDArray[np.int64]]]",
    limits: NDArray[np.float32],
    kept: NDArray[np.uint64],
    on: NDArray[np.integer],
    tp: NDArray[np.integer],
) -> None:
    """Add predictions and true positives per game and feature to tables [G, F].

    Args:
        parts: codes, labels and games (numbered from 0) of the rows to report on.
        limits: float32 [L, T].
        kept: uint64 [L, T, W].
        on: integer [G, F], of a type that holds the positions of the longest game.
        tp: likewise.
    """
    from .predictions_numba import add_agreement

    for codes, bits, games in parts:
        for rows, found in predictions(codes, limits, kept):
            here = np.ascontiguousarray(bits.words[:, rows])
            add_agreement(np.bitwise_or.reduce(found, axis=1), here, games[rows], on, tp)


def latents_of(kept: NDArray[np.uint64], n_features: int) -> NDArray[np.int64]:
    """How many latents are labelled for each feature, int64 [F]."""
    return LabelBits(np.bitwise_or.reduce(kept, axis=1).T, n_features).positives
