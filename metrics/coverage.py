"""Coverage: does each true feature have a latent that fires when it holds?

Equation      coverage = mean over groups of mean over features g of F1(act_i >= v; g)
              with (i, v) = the latent and threshold of the best F1 for g on the training games, and F1 counted on the
              test games: F1 = 2 tp / (on + positives).
Conventions   A latent fires where it is > 0; v is one of its positive values, so each pair has its exactly best
              threshold (of equal F1s the highest one; of equal latents the lowest number). A feature that no latent
              catches scores 0. Only reachable features count. Features with fewer than `min_positives` positives on
              either side, or in fewer than `min_games` test games, are `rare`: they stay in the table and out of every
              average. Groups average inside, then over groups. Intervals resample the test games; the choice stays;
              each feature's resamples are centred on its value.
Floors        `always on`: F1 of predicting the feature everywhere, 2p / (1 + p) on the test games.
              `shuffled games`: the same procedure with labels swapped between games (position by position), so it is
              what choosing among many latents, and knowing the position in the game alone, are worth.
References    Karvonen et al. 2024, arXiv 2408.00113, equations 2 and 3; repository SAE_BoardGameEval.
Differences from published code (see `coverage_karvonen.py`, which reproduces it)
              1. Latent and threshold are chosen on other games than they are scored on: lower.
              2. The threshold is any value, not one of 10 or 11 multiples of a tenth of the largest activation: higher.
              3. Each feature has its own threshold, as in equation 3; the code shares one by function: higher.
              4. Divided by the reachable features with enough positives, not by all that were declared: higher.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .counts import best_thresholds, counts_by_game, f1_score, sort_codes
from .grouping import Averages, Vocabulary, resampled, resampled_sums, shuffled_games, vocabulary
from .inputs import Labels, Latents, as_codes, as_games, as_label_bits, as_split
from .properties import Properties
from .score import Score

if TYPE_CHECKING:
    from ..games.features import FeatureSet

PROTOCOLS = ("held-out", "karvonen2024", "karvonen2024-text", "karvonen2024-code")
PROPERTIES: dict[str, Properties] = {
    "coverage": Properties(
        question="Does each true feature have a latent that fires when it holds?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="about the always-on F1 of 2p / (1 + p) for prevalence p, so read it beside its floors",
        needs=("latents", "labels", "game_id", "train"),
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=("noise", "random", "half", "split", "merged", "absorbed", "dead"),
        limits="Reads activity only: wrong directions do not lower it, and neither do copies or useless extra latents.",
    ),
}


def coverage(
    latents: Latents,
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_] | None = None,
    features: "FeatureSet | None" = None,
    groups: Sequence[str] | None = None,
    protocol: str = "held-out",
    min_positives: int = 20,
    min_games: int = 5,
    null: bool = True,
    maxima: NDArray[np.floating] | None = None,
    denominators: Mapping[str, float] | None = None,
    n_features: int | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """Coverage of true features by latents.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        game_id: integer [N].
        train: bool [N], True where latents and thresholds are chosen, False where they are scored; no game on both
            sides. The published protocols use only the True rows, or all rows if it is None.
        features: names and groups of the labels; None scores all columns as one group.
        groups: score only these groups.
        protocol: one of `PROTOCOLS`.
        min_positives: fewest positives on each side for a feature to be averaged (held-out only).
        min_games: fewest reporting games, of those there are, in which it must hold as well (held-out only): where all
            positives lie in a game or two, neither the value nor a bootstrap over games says much.
        null: also compute the `shuffled games` floor (held-out only).
        maxima: [L], largest absolute activation of each latent in the published code's statistics sample, 0 for a
            latent that is dead there (published protocols only); None takes the scored rows.
        denominators: what to divide a group's sum by (published protocols only); None means its number of features.
        n_features: F of packed labels without `features`.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap and of the shuffle.

    Returns:
        The score, with a table of every feature: `value`, its interval, `floor`, `positives` and so on.

    Raises:
        KeyError: an unknown group.
        TypeError: arguments that are not arrays.
        ValueError: an unknown protocol, arrays that do not fit, a split inside a game, too few games or positives.

    Examples:
        >>> import numpy as np
        >>> labels = np.random.default_rng(0).random((400, 3)) < 0.4
        >>> games = np.repeat(np.arange(20), 20)
        >>> coverage(labels.astype(float), labels, game_id=games, train=games < 10).value  # a perfect dictionary
        1.0
        >>> coverage(np.zeros((400, 5)), labels, game_id=games, train=games < 10).value  # a dead one
        0.0
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"coverage has no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    codes = as_codes(latents)
    n_features = len(features) if features is not None else n_features
    bits = as_label_bits(labels, codes.n_rows, n_features)
    games = as_games(game_id, codes.n_rows)
    if protocol != "held-out":
        from .coverage_karvonen import published_coverage

        words = vocabulary(bits.n_features, features, groups, published=True)
        rows = np.ones(codes.n_rows, np.bool_) if train is None else as_split(train, games)
        return published_coverage(
            codes.take(np.flatnonzero(rows)),
            bits.select(words.indices).take(rows),
            games[rows],
            words,
            protocol,
            maxima=maxima,
            denominators=denominators,
            n_resamples=n_resamples,
            seed=seed,
        )
    if train is None:
        raise ValueError("train must say which games to choose on; only published protocols go without")
    if maxima is not None or denominators is not None:
        raise ValueError(f"maxima and denominators belong to published protocols, not to {protocol!r}")
    train = as_split(train, games)
    words = vocabulary(bits.n_features, features, groups)
    bits = bits.select(words.indices)
    sides = [np.flatnonzero(train), np.flatnonzero(~train)]
    ordered = [sort_codes(codes.take(rows)) for rows in sides]
    side_bits = [bits.take(rows) for rows in sides]
    side_games = [np.unique(games[rows], return_inverse=True)[1] for rows in sides]

    pairs = best_thresholds(ordered[0], side_bits[0])
    columns = np.arange(len(words.names))
    best = pairs.best_latents()
    thresholds = pairs.threshold_at(best, columns)
    chosen = np.where(pairs.on[best, columns] > 0, best, -1)
    on, tp, positives = counts_by_game(ordered[1], side_bits[1], side_games[1], chosen, thresholds)
    shuffled = None
    if null:
        swapped = [
            side.take(shuffled_games(g, seed + i))
            for i, (side, g) in enumerate(zip(side_bits, side_games, strict=True))
        ]
        null_pairs = best_thresholds(ordered[0], swapped[0])
        null_best = null_pairs.best_latents()
        null_chosen = np.where(null_pairs.on[null_best, columns] > 0, null_best, -1)
        null_limits = null_pairs.threshold_at(null_best, columns)
        counts = counts_by_game(ordered[1], swapped[1], side_games[1], null_chosen, null_limits)
        shuffled = f1_score(counts[1].sum(0), counts[0].sum(0), counts[2].sum(0))
    found = CoverageCounts(
        chosen,
        thresholds,
        pairs.f1[best, columns],
        pairs.auroc[best, columns],
        side_bits[0].positives,
        on,
        tp,
        positives,
        shuffled,
        int(side_games[0].max()) + 1,
        len(sides[1]),
    )
    return coverage_from(
        found, words, min_positives=min_positives, min_games=min_games, n_resamples=n_resamples, seed=seed
    )


@dataclass(frozen=True)
class CoverageCounts:
    """All that coverage reads off a sample, however it was gone through.

    Attributes:
        chosen: int64 [F], latent of each feature; -1 for none.
        thresholds: float32 [F].
        train_f1: float64 [F], of these pairs where they were chosen.
        train_auroc: float64 [F], likewise; NaN where the label is constant.
        train_positives: int64 [F].
        on: integer [G, F], predictions in every test game.
        tp: integer [G, F], those that are right.
        positives: integer [G, F].
        shuffled: float64 [F], F1 of the same procedure with labels swapped between games; None leaves that floor out.
        n_train_games: games to choose on.
        n_test_rows: positions that are reported on.
    """

    chosen: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    train_f1: NDArray[np.float64]
    train_auroc: NDArray[np.float64]
    train_positives: NDArray[np.int64]
    on: NDArray[np.integer]
    tp: NDArray[np.integer]
    positives: NDArray[np.integer]
    shuffled: NDArray[np.float64] | None
    n_train_games: int
    n_test_rows: int


def coverage_from(
    found: CoverageCounts, words: Vocabulary, *, min_positives: int, min_games: int, n_resamples: int, seed: int
) -> Score:
    """The held-out score from its counts; arguments as in `coverage`."""
    tp, on, n_positive = (counts.sum(0, dtype=np.int64) for counts in (found.tp, found.on, found.positives))
    train_positives, n_games = found.train_positives, len(found.positives)
    rare = np.minimum(train_positives, n_positive) < min_positives
    rare |= (found.positives > 0).sum(0) < min(min_games, n_games)
    averages = Averages.over(words, ~rare)

    value = f1_score(tp, on, n_positive)
    sums = [resampled_sums(counts, n_resamples, seed) for counts in (found.tp, found.on, found.positives)]
    # A resample without a positive of a feature says nothing of it: its value stands in, not a 0. And F1 is concave in
    # its counts, so that where few games hold a feature it falls under resampling; the spread is kept, the fall is not.
    replicates = np.where(sums[2] > 0, f1_score(*sums), value)
    replicates = np.clip(replicates + (value - replicates.mean(axis=0)), 0, 1)
    spread = resampled(averages.groups, averages.by_group(replicates))
    limits = np.quantile(replicates, [0.025, 0.975], axis=0)
    always_on = f1_score(n_positive, np.full(len(n_positive), found.n_test_rows), n_positive)
    floors = {"always on": averages.of(always_on)}
    table: dict[str, list[Any]] = {
        "feature": list(words.names),
        "group": words.group_names,
        "value": value.tolist(),
        "low": limits[0].tolist(),
        "high": limits[1].tolist(),
        "floor": always_on.tolist(),
        "positives": n_positive.tolist(),
        "train_positives": train_positives.tolist(),
        "rare": rare.tolist(),
        "latent": [int(i) if i >= 0 else None for i in found.chosen],
        "threshold": [float(v) if i >= 0 else None for i, v in zip(found.chosen, found.thresholds, strict=True)],
        "precision": (tp / np.maximum(on, 1)).tolist(),
        "recall": (tp / np.maximum(n_positive, 1)).tolist(),
        "train_value": found.train_f1.tolist(),
        "train_auroc": [None if np.isnan(v) else float(v) for v in found.train_auroc],
    }
    if found.shuffled is not None:
        floors["shuffled games"] = averages.of(found.shuffled)
        table["shuffled"] = found.shuffled.tolist()
    by_group = averages.by_group(value)
    return Score(
        metric="coverage",
        value=float(by_group.mean()),
        low=spread.low,
        high=spread.high,
        groups=dict(zip(averages.groups, by_group.tolist(), strict=True)),
        group_intervals=spread.group_intervals,
        features=table,
        floors=floors,
        protocol="held-out",
        version=PROPERTIES["coverage"].version,
        details={
            "n_scored": int((~rare).sum()),
            "n_rare": int(rare.sum()),
            "min_positives": min_positives,
            "min_games": min_games,
            "groups_without_scored_features": [g for g in words.groups if g not in averages.groups],
            "n_train_games": found.n_train_games,
            "n_test_games": n_games,
            "n_test_positions": found.n_test_rows,
            "group_floors": dict(zip(averages.groups, averages.by_group(always_on).tolist(), strict=True)),
        },
        replicates=spread.replicates,
    )
