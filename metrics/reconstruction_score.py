"""From the counts of reconstruction to its score, however the sample was gone through."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score
from .coverage_karvonen import PAPER_GRID
from .grouping import Averages, Vocabulary, resampled, resampled_sums
from .properties import Properties
from .score import Score, interval

RECORD = Properties(
    question="Can the true state be read back from the latents?",
    direction="up",
    low=0.0,
    high=1.0,
    chance="0 for latents that predict nothing; a constant prediction scores the floor `best constant`",
    needs=("latents", "labels", "game_id", "train"),
    symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
    notices=("noise", "random", "half", "merged", "dead"),
    limits="Reads activity only, and any precise latents will do: it cannot tell one latent a feature from many.",
)


@dataclass(frozen=True)
class ReadBack:
    """What latents predict on the test games.

    Attributes:
        on: integer [G, F], predictions.
        tp: integer [G, F], those that are right.
        step: int64 [groups], chosen t of each group as an index.
        n_latents: int64 [F], latents that are labelled for each feature there.
    """

    on: NDArray[np.integer]
    tp: NDArray[np.integer]
    step: NDArray[np.int64]
    n_latents: NDArray[np.int64]


@dataclass(frozen=True)
class ReconstructionCounts:
    """All that reconstruction reads off a sample.

    Attributes:
        read: predictions on the test games.
        positives: integer [G, F].
        played: int64 [G], positions of each test game.
        train_positives: int64 [F].
        shuffled: true positives, predictions and positives int64 [F] of the same procedure with labels swapped between
            games; None leaves that floor out.
        n_games: games to label latents on, to choose t on, and to report on.
        n_train_rows: positions of the first two.
    """

    read: ReadBack
    positives: NDArray[np.integer]
    played: NDArray[np.int64]
    train_positives: NDArray[np.int64]
    shuffled: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None
    n_games: list[int]
    n_train_rows: int


def reconstruction_from(
    found: ReconstructionCounts,
    words: Vocabulary,
    scored: NDArray[np.bool_],
    *,
    min_positives: int,
    n_resamples: int,
    seed: int,
) -> Score:
    """The held-out score from its counts; `scored` says which features count, the rest is as in `reconstruction`."""
    step, played, train_positives = found.read.step, found.played, found.train_positives
    tables = found.read.tp, found.read.on, found.positives
    tp, on, positives = (table.sum(0, dtype=np.int64) for table in tables)
    averages = Averages.over(words, scored)
    n_test = int(played.sum())
    pool = (averages.weights > 0).astype(np.float64).T  # [F, n_groups]
    by_group = f1_score(tp @ pool, on @ pool, positives @ pool)
    sums = [resampled_sums(counts, n_resamples, seed) for counts in tables]
    replicates = f1_score(*(total @ pool for total in sums))
    spread = resampled(averages.groups, replicates)
    constant = best_constant(train_positives, found.n_train_rows, words, averages)
    floor = f1_score(positives @ constant, n_test * constant.sum(0), positives @ pool)
    resampled_played = resampled_sums(played[:, None].astype(np.int64), n_resamples, seed)
    floor_replicates = f1_score(sums[2] @ constant, resampled_played * constant.sum(0), sums[2] @ pool)
    above = ((by_group - floor) / np.maximum(1 - floor, 1e-12)).mean()
    above_interval = interval(((replicates - floor_replicates) / np.maximum(1 - floor_replicates, 1e-12)).mean(-1))
    floors = {"best constant": float(floor.mean())}
    if found.shuffled is not None:
        floors["shuffled games"] = float(f1_score(*(counts @ pool for counts in found.shuffled)).mean())

    value = f1_score(tp, on, positives)
    always_on = f1_score(positives, np.full(len(value), n_test), positives)
    table: dict[str, list[Any]] = {
        "feature": list(words.names),
        "group": words.group_names,
        "value": value.tolist(),
        "floor": always_on.tolist(),
        "positives": positives.tolist(),
        "train_positives": train_positives.tolist(),
        "rare": (~scored).tolist(),
        "n_latents": found.read.n_latents.tolist(),
        "relative_threshold": [round(float(t), 1) for t in PAPER_GRID[step[words.group_of]]],
        "precision": (tp / np.maximum(on, 1)).tolist(),
        "recall": (tp / np.maximum(positives, 1)).tolist(),
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
        protocol="held-out",
        version=RECORD.version,
        details={
            "above floor": {"value": float(above), "low": above_interval[0], "high": above_interval[1]},
            "macro": averages.of(value),
            "relative_thresholds": {group: chosen[group] for group in averages.groups},
            "n_scored": int(scored.sum()),
            "n_rare": int((~scored).sum()),
            "min_positives": min_positives,
            "groups_without_scored_features": [g for g in words.groups if g not in averages.groups],
            "n_games": found.n_games,
            "n_test_positions": n_test,
            "group_floors": dict(zip(averages.groups, floor.tolist(), strict=True)),
        },
        replicates=spread.replicates,
    )


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
