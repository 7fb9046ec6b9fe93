"""Reconstruction as published: threshold chosen on the boards that are scored.

Labels        on the training games: latent i at t (act > t * max_i, strict, the product in float32) is labelled for g
              if tp / on >= 0.95; the code adds tp >= 10.
Prediction    g at t, where any latent that is on at t is labelled for g at t.
  karvonen2024        mean over test boards of max over t in {0, .1, .., .9} of F1(predicted board; true board), by
                      group; a board without positives counts 0 (equation 5 read as it stands). max_i is taken over all
                      rows given, training and test (equation 2: "the data set").
  karvonen2024-code   11 thresholds 0, .1, .., 1 on alive latents. At each t, tp, fp and fn are pooled over all boards
                      and classes; t = the best of {0, .., .9} by the per-square F1 (tp less the squares, that is
                      categorical variables, with exactly one tp and one fp); the value is the per-class F1 at that t.
                      max_i and which latents are alive come from `maxima`, by default from the training rows.
                      `details["last"]` is the mixed mode, in which each latent votes once, with its labels at the
                      highest of the 11 thresholds it passes that has any label in the group.
Floor         `always on`: the same F1 of predicting every feature on every board.
Conventions   A group is one published function. Unreachable features stay in. Intervals resample the test games with t
              held.
References    Karvonen et al. 2024, arXiv 2408.00113, equations 2, 4, 5; SAE_BoardGameEval (board reconstruction).
Faults of the released code kept in karvonen2024-code, and their switches
              1. Votes are added in int8, so 128 to 255 votes for a class read as no, 256 too, 257 as yes
                 (vote_overflow=False counts any vote): lower for dense dictionaries.
              2. 95 % is decided in float32 as tp * (1 / on) >= 0.95, which refuses exactly 95 % for 73 of the counts up
                 to 60,000, the first 460 (float32_precision=False decides in integers): hardly any effect.
              3. A square with one tp and two fp keeps its tp in the per-square F1; only t depends on it.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score, sort_codes
from .coverage_karvonen import CODE_GRID, PAPER_GRID, largest_absolute, released_f1
from .grouping import Vocabulary, resampled, resampled_sums
from .inputs import LabelBits
from .predictions import (
    agreement,
    high_precision,
    label_latents,
    mixed_votes,
    pack_words,
    predictions,
    relative_limits,
    released_high_precision,
    votes,
)
from .score import Score, game_weights

if TYPE_CHECKING:
    from ..models.dictionary import Codes


def published_reconstruction(
    codes: "Codes",
    bits: LabelBits,
    games: NDArray[np.int64],
    train: NDArray[np.bool_],
    words: Vocabulary,
    protocol: str,
    *,
    maxima: NDArray[np.floating] | None,
    vote_overflow: bool,
    float32_precision: bool,
    n_resamples: int,
    seed: int,
) -> Score:
    """Reconstruction by one of the published protocols; `reconstruction` explains the arguments.

    Raises:
        ValueError: maxima of another shape, or not finite.
    """
    is_code = protocol == "karvonen2024-code"
    learning = codes.take(np.flatnonzero(train))
    if maxima is None:
        largest = largest_absolute(learning if is_code else codes)
    else:
        largest = np.asarray(maxima, np.float32)
        if largest.shape != (codes.n_latents,) or not np.isfinite(largest).all() or (largest < 0).any():
            raise ValueError(f"maxima must be finite, >= 0 and [{codes.n_latents}], got {list(largest.shape)}")
    limits = relative_limits(largest, CODE_GRID if is_code else PAPER_GRID)
    test = np.flatnonzero(~train)
    test_codes, test_bits = codes.take(test), bits.take(test)
    test_games = np.unique(games[test], return_inverse=True)[1]
    rule = released_high_precision if is_code and float32_precision else partial(high_precision, least=9 * is_code + 1)
    masks = label_latents(sort_codes(learning), bits.take(train), limits, rule)
    if is_code:
        return _released(test_codes, test_bits, test_games, limits, masks, words, vote_overflow, n_resamples, seed)
    return _paper(test_codes, test_bits, test_games, limits, masks, words, n_resamples, seed)


def _paper(
    codes: "Codes",
    bits: LabelBits,
    games: NDArray[np.int64],
    limits: NDArray[np.float32],
    masks: NDArray[np.uint64],
    words: Vocabulary,
    n_resamples: int,
    seed: int,
) -> Score:
    """Equation 5: F1 of each board at its best t, averaged over boards."""
    inside = pack_words(np.stack([words.group_of == i for i in range(len(words.groups))]))  # [groups, W]
    by_board = np.zeros((codes.n_rows, len(words.groups)))
    board_floor = np.zeros((codes.n_rows, len(words.groups)))
    for rows, found in predictions(codes, limits, masks):
        true = np.ascontiguousarray(bits.words[:, rows].T)[:, None]  # [n, 1, W]
        for i, mask in enumerate(inside):
            on = np.bitwise_count(found & mask).sum(-1, dtype=np.int64)
            tp = np.bitwise_count(found & true & mask).sum(-1, dtype=np.int64)
            positives = np.bitwise_count(true & mask).sum(-1, dtype=np.int64)
            by_board[rows, i] = f1_score(tp, on, positives).max(-1)
            everything = np.bitwise_count(mask).sum(dtype=np.int64)
            board_floor[rows, i] = f1_score(positives, everything, positives)[:, 0]
    value = by_board.mean(0)
    n_games = int(games.max()) + 1
    sums = np.stack([np.bincount(games, by_board[:, i], n_games) for i in range(len(words.groups))], 1)
    weights = game_weights(n_games, n_resamples, seed)
    spread = resampled(words.groups, (weights @ sums) / (weights @ np.bincount(games))[:, None])
    positives = bits.positives
    always_on = f1_score(positives, np.full(len(positives), codes.n_rows), positives)
    return Score(
        metric="reconstruction",
        value=float(value.mean()),
        low=spread.low,
        high=spread.high,
        groups=dict(zip(words.groups, value.tolist(), strict=True)),
        group_intervals=spread.group_intervals,
        features={
            "feature": list(words.names),
            "group": words.group_names,
            "floor": always_on.tolist(),
            "positives": positives.tolist(),
            "rare": [False] * len(positives),
            "n_latents": LabelBits(np.bitwise_or.reduce(masks, axis=1).T, bits.n_features).positives.tolist(),
        },
        floors={"always on": float(board_floor.mean())},
        protocol="karvonen2024",
        details={"n_test_positions": codes.n_rows, "n_scored": len(positives)},
        replicates=spread.replicates,
    )


def _released(
    codes: "Codes",
    bits: LabelBits,
    games: NDArray[np.int64],
    limits: NDArray[np.float32],
    masks: NDArray[np.uint64],
    words: Vocabulary,
    vote_overflow: bool,
    n_resamples: int,
    seed: int,
) -> Score:
    """Pooled F1 with the released choice of t and the mixed mode."""
    n_steps, n_features, n_groups = limits.shape[1], bits.n_features, len(words.groups)
    n_games = int(games.max()) + 1
    on = np.zeros((n_steps, n_games, n_features), np.int64)
    tp = np.zeros((n_steps, n_games, n_features), np.int64)
    mixed_squares = np.zeros((n_steps, n_groups), np.int64)
    for rows, counts in votes(codes, limits, masks, n_features):
        said = heard(counts, vote_overflow)
        mixed_squares += one_right_one_wrong(said, bits.to_dense(rows)[:, None], words).sum(0)
        here = LabelBits(np.ascontiguousarray(bits.words[:, rows]), n_features)
        packed = pack_words(said)
        for t in range(n_steps):
            part = agreement(packed[:, t], here, games[rows], n_games)
            on[t] += part[0]
            tp[t] += part[1]
    positives = agreement(np.ascontiguousarray(bits.words.T), bits, games, n_games)[0]
    pool = np.stack([words.group_of == i for i in range(n_groups)], 1).astype(np.int64)
    pooled_tp, pooled_on, pooled_positives = tp.sum(1) @ pool, on.sum(1) @ pool, positives.sum(0) @ pool
    per_class = released_f1(pooled_tp, pooled_on, pooled_positives).astype(np.float64)  # [T, groups]
    per_square = _square_f1(pooled_tp, pooled_on, pooled_positives, mixed_squares)
    step = per_square[:10].argmax(0)
    columns = np.arange(n_groups)
    value = per_class[step, columns]

    feature_step = step[words.group_of]
    chosen_tp = np.stack([tp[t, :, f] for f, t in enumerate(feature_step)], 1)
    chosen_on = np.stack([on[t, :, f] for f, t in enumerate(feature_step)], 1)
    sums = [resampled_sums(c, n_resamples, seed) @ pool for c in (chosen_tp, chosen_on, positives)]
    spread = resampled(words.groups, f1_score(*sums))
    last = _mixed_mode(codes, bits, limits, masks, words, vote_overflow)
    n_positive = positives.sum(0)
    return Score(
        metric="reconstruction",
        value=float(value.mean()),
        low=spread.low,
        high=spread.high,
        groups=dict(zip(words.groups, value.tolist(), strict=True)),
        group_intervals=spread.group_intervals,
        features={
            "feature": list(words.names),
            "group": words.group_names,
            "value": f1_score(chosen_tp.sum(0), chosen_on.sum(0), n_positive).tolist(),
            "floor": f1_score(n_positive, np.full(n_features, codes.n_rows), n_positive).tolist(),
            "positives": n_positive.tolist(),
            "rare": [False] * n_features,
            "precision": (chosen_tp.sum(0) / np.maximum(chosen_on.sum(0), 1)).tolist(),
            "recall": (chosen_tp.sum(0) / np.maximum(n_positive, 1)).tolist(),
        },
        floors={"always on": float(f1_score(pooled_positives, codes.n_rows * pool.sum(0), pooled_positives).mean())},
        protocol="karvonen2024-code",
        details={
            "relative_thresholds": {g: round(float(t), 1) for g, t in zip(words.groups, CODE_GRID[step], strict=True)},
            "per_square": dict(zip(words.groups, per_square[step, columns].tolist(), strict=True)),
            "per_class_by_threshold": {g: per_class[:10, i].tolist() for i, g in enumerate(words.groups)},
            "last": last,
            "vote_overflow": vote_overflow,
            "n_test_positions": codes.n_rows,
            "n_scored": n_features,
        },
        replicates=spread.replicates,
    )


def heard(counts: NDArray[np.int32], overflow: bool) -> NDArray[np.bool_]:
    """Whether votes read as a prediction: any vote, or as an 8-bit signed sum reads."""
    return counts.astype(np.int8) > 0 if overflow else counts > 0


def one_right_one_wrong(said: NDArray[np.bool_], true: NDArray[np.bool_], words: Vocabulary) -> NDArray[np.int64]:
    """Squares with exactly one right and one wrong prediction, int64 [..., n_groups], from bool [..., F]."""
    key = words.group_of * (words.variable_of.max() + 1) + words.variable_of
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) > 0])
    hits, misses = (said & true)[..., order], (said & ~true)[..., order]
    right = np.add.reduceat(hits, starts, axis=-1, dtype=np.int64)
    wrong = np.add.reduceat(misses, starts, axis=-1, dtype=np.int64)
    both = (right == 1) & (wrong == 1)
    group = words.group_of[order][starts]
    return np.stack([both[..., group == i].sum(-1) for i in range(len(words.groups))], -1)


def _square_f1(
    tp: NDArray[np.int64], on: NDArray[np.int64], positives: NDArray[np.int64], squares: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Per-square F1: fewer tp, the same fp and fn."""
    return released_f1(tp - squares, on - squares, positives - squares).astype(np.float64)


def _mixed_mode(
    codes: "Codes",
    bits: LabelBits,
    limits: NDArray[np.float32],
    masks: NDArray[np.uint64],
    words: Vocabulary,
    vote_overflow: bool,
) -> dict[str, dict[str, float]]:
    """Per-class and per-square F1 of the mixed mode, by group."""
    true = bits.to_dense()
    found: dict[str, dict[str, float]] = {}
    for i, group in enumerate(words.groups):
        inside = words.group_of == i
        said = heard(mixed_votes(codes, limits, masks & pack_words(inside), bits.n_features), vote_overflow)
        tp = (said & true).sum()
        on, positives = said.sum(), true[:, inside].sum()
        squares = one_right_one_wrong(said, true, words)[:, i].sum()
        found[group] = {
            "per_class": float(released_f1(tp, on, positives)),
            "per_square": float(_square_f1(tp, on, positives, squares)),
        }
    return found
