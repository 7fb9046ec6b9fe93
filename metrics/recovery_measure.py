"""Raw recovery of one dictionary: every value with its replicates, before chance is taken off."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import SortedCodes, best_thresholds, counts_by_game, f1_score, sort_codes
from .inputs import Latents, as_codes
from .recovery_matching import as_units, assign, fitted_thresholds
from .recovery_sample import Sample, as_directions
from .recovery_taxonomy import FEATURE_KINDS, LATENT_KINDS, Rules, classify

Averaged = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Measured:
    """What one dictionary scores.

    Attributes:
        scores: name -> value [C] and replicates [R, C]; the first column is the mean over all features, the others
            are over groups. Scores of latents have one column.
        features: columns of the per-feature table.
        latent_kinds: kind of every latent.
        own: column of the labels that each latent is nearest to, by activity among similar directions; -1 for none.
        feature_of_latent: column of the labels that each latent is matched to, one-to-one; -1 for none.
        signed: whether some latent is negative.
    """

    scores: dict[str, Averaged]
    features: dict[str, list[Any]]
    latent_kinds: list[str]
    own: list[int]
    feature_of_latent: list[int]
    signed: bool


def measure(
    sample: Sample, latents: Latents, directions: Any, *, covered: float, rules: Rules, implied: list[NDArray[np.int64]]
) -> Measured:
    """Every raw score of one dictionary.

    Args:
        sample: the truth.
        latents: Codes or floating [N, L].
        directions: [L, d].
        covered: cosine from which a direction counts as covered.
        rules: of the taxonomy.
        implied: features that hold wherever each feature does.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit.
    """
    codes = as_codes(latents)
    n_rows = len(sample.rows[0]) + len(sample.rows[1])
    if codes.n_rows != n_rows:
        raise ValueError(f"latents have {codes.n_rows} rows but the labels {n_rows}; both need the same rows")
    width = sample.truth.lines.shape[1]
    rows_of = as_directions(directions, "directions", codes.n_latents, width)
    units = as_units(codes, rows_of, sample.truth)
    similarity = units.similarity
    chosen_on, held_out = (sort_codes(units.codes.take(rows)) for rows in sample.rows)
    pairs = best_thresholds(chosen_on, sample.bits[0])
    columns: NDArray[np.int64] = np.arange(similarity.shape[1], dtype=np.int64)
    everything = np.ones(len(columns), np.bool_)

    matched = assign(similarity * pairs.f1)
    cosine = np.where(matched >= 0, similarity[matched, columns], 0.0)
    thresholds = fitted_thresholds(pairs, matched, columns)
    on, tp, positives = counts_by_game(held_out, sample.bits[1], sample.games, matched, thresholds)
    f1, f1_spread = _f1(sample, tp, on, positives)
    scores: dict[str, Averaged] = {
        "recovery_score": sample.averaged(cosine * f1, cosine * f1_spread, sample.scored, over_features=True),
        "recovery_f1_score": sample.averaged(f1, f1_spread, sample.scored, over_features=False),
    }
    limits = np.quantile(cosine * f1_spread, [0.025, 0.975], axis=0)
    ratios: dict[str, NDArray[np.float64]] = {}
    for name, below in (("precision", on), ("recall", positives)):
        ratios[name], spread = _ratio(sample, tp, below)
        scores[f"recovery_{name}_score"] = sample.averaged(ratios[name], spread, sample.scored, over_features=False)

    best = pairs.best_latents()
    best = np.where(pairs.on[best, columns] > 0, best, -1)
    counts = counts_by_game(held_out, sample.bits[1], sample.games, best, fitted_thresholds(pairs, best, columns))
    best_f1, spread = _f1(sample, counts[1], counts[0], counts[2])
    scores["activation_coverage_score"] = sample.averaged(best_f1, spread, sample.scored, over_features=False)

    one_to_one = assign(similarity)
    nearest = similarity.max(0)
    for name, values in {
        "mcc_score": np.where(one_to_one >= 0, similarity[one_to_one, columns], 0.0),
        "mmcs_true_score": nearest,
        "direction_coverage_score": (nearest >= covered).astype(np.float64),
    }.items():
        scores[name] = sample.averaged(values, None, everything, over_features=True)
    real = np.unique(units.unit_of)
    scores["mmcs_latents_score"] = _over_latents(sample, similarity[real].max(1))
    alive = np.bincount(units.codes.indices, minlength=len(similarity)) > 0
    pointing = real[alive[real] & (similarity[real].max(1) > 0)]
    tracked = np.zeros(len(columns))
    tracked[similarity[pointing].argmax(1)] = len(columns) / len(real)
    value, replicates = sample.averaged(tracked, None, everything, over_features=True)
    scores["uniqueness_score"] = value, np.minimum(replicates, 1.0)

    magnitude = None
    if sample.magnitudes is not None:
        magnitude, spread = _magnitude_correlation(sample, held_out, matched)
        defined = sample.scored & ~np.isnan(magnitude)
        scores["magnitude_correlation_score"] = sample.averaged(magnitude, spread, defined, over_features=False)

    dead = np.bincount(codes.indices, minlength=codes.n_latents) == 0
    kinds = classify(units, rows_of, sample.truth, pairs, (held_out, sample.bits[1]), dead, implied, rules)
    for i, kind in enumerate(FEATURE_KINDS):
        name = f"{kind}_score" if kind == "found" else f"{kind}_error"
        scores[name] = sample.averaged((kinds.features == i) * 1.0, None, sample.scored, over_features=True)
    for name, kind in (("matched_latents_score", 0), ("spurious_latents_error", 1), ("dead_recovery_error", 2)):
        scores[name] = _over_latents(sample, (kinds.latents == kind) * 1.0)

    first = {int(u): int(np.flatnonzero(units.unit_of == u)[0]) for u in np.unique(matched[matched >= 0])}
    table: dict[str, list[Any]] = {
        "feature": list(sample.words.names),
        "group": sample.words.group_names,
        "value": (cosine * f1).tolist(),
        "low": limits[0].tolist(),
        "high": limits[1].tolist(),
        "kind": [FEATURE_KINDS[i] for i in kinds.features],
        "cosine": cosine.tolist(),
        "f1": f1.tolist(),
        "precision": ratios["precision"].tolist(),
        "recall": ratios["recall"].tolist(),
        "best_cosine": nearest.tolist(),
        "best_f1": best_f1.tolist(),
        "positives": sample.bits[1].positives.tolist(),
        "train_positives": sample.bits[0].positives.tolist(),
        "rare": (~sample.scored).tolist(),
        "latent": [first[int(u)] if u >= 0 else None for u in matched],
        "threshold": [float(v) if u >= 0 else None for u, v in zip(matched, thresholds, strict=True)],
    }
    if magnitude is not None:
        table["magnitude_correlation"] = [None if np.isnan(r) else float(r) for r in magnitude]
    numbers = np.append(sample.words.indices, -1)  # columns of the labels, with none at the end
    feature_of_unit = np.full(len(similarity), -1)
    feature_of_unit[matched[matched >= 0]] = columns[matched >= 0]
    return Measured(
        scores,
        table,
        [LATENT_KINDS[i] for i in kinds.latents],
        numbers[kinds.own].tolist(),
        numbers[feature_of_unit[units.unit_of]].tolist(),
        units.signed,
    )


def _f1(
    sample: Sample, tp: NDArray[np.int64], on: NDArray[np.int64], positives: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 [F] and its replicates [R, F] from counts [G, F]."""
    value = f1_score(tp.sum(0), on.sum(0), positives.sum(0))
    sums = [sample.game_weights @ counts for counts in (tp, on, positives)]
    return value, _centred(np.where(sums[2] > 0, f1_score(sums[0], sums[1], sums[2]), value), value)


def _ratio(
    sample: Sample, above: NDArray[np.int64], below: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of counts by sum of counts, 0 for nothing by nothing, with replicates."""
    value = above.sum(0) / np.maximum(below.sum(0), 1)
    top, bottom = sample.game_weights @ above, sample.game_weights @ below
    return value, _centred(np.where(bottom > 0, top / np.maximum(bottom, 1.0), value), value)


def _centred(replicates: NDArray[np.float64], value: NDArray[np.float64], low: float = 0.0) -> NDArray[np.float64]:
    # As in coverage: F1 is concave in its counts, so it falls under resampling; the spread is kept, the fall is not.
    return np.clip(replicates + (value - replicates.mean(0)), low, 1.0)


def _over_latents(sample: Sample, values: NDArray[np.float64]) -> Averaged:
    weights = sample.latent_weights(len(values))
    return np.array([values.mean()]), (weights @ values)[:, None] / len(values)


def _magnitude_correlation(
    sample: Sample, held_out: SortedCodes, matched: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pearson correlation of matched latent and true magnitude where the feature holds, [F] with replicates [R, F].

    NaN where the true magnitude does not vary; 0 without a latent, or for one that does not vary.
    """
    n_games, n_features = int(sample.games.max()) + 1, len(matched)
    sums = np.zeros((6, n_games, n_features))
    act, size = np.zeros(held_out.n_rows), np.zeros(held_out.n_rows)
    for f, unit in enumerate(matched.tolist()):
        start, stop = sample.magnitudes.indptr[f : f + 2]
        size[:] = 0.0
        size[sample.magnitudes.indices[start:stop]] = sample.magnitudes.data[start:stop]
        act[:] = 0.0
        if unit >= 0:
            entries = slice(held_out.colptr[unit], held_out.colptr[unit + 1])
            act[held_out.rows[entries]] = held_out.values[entries]
        word = sample.bits[1].words[f // 64]
        holds = np.flatnonzero((word >> np.uint64(f % 64)) & np.uint64(1))
        if not len(holds):
            continue
        a, m, games = act[holds], size[holds], sample.games[holds]
        a, m = a - a.mean(), m - m.mean()  # sums of squares about the mean lose no digits
        if m.std() <= 1e-6 * size[holds].mean():
            m[:] = 0.0
        for i, values in enumerate((np.ones(len(a)), a, m, a * a, m * m, a * m)):
            sums[i, :, f] = np.bincount(games, values, n_games)
    value = _pearson(sums.sum(1))
    replicates = _pearson(np.einsum("rg,kgf->krf", sample.game_weights, sums, optimize=True))
    replicates = np.where(np.isnan(replicates), value, replicates)
    return value, _centred(replicates, value, -1.0)


def _pearson(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation from (n, a, m, aa, mm, am) along the first axis; NaN without variance of m."""
    n = np.maximum(sums[0], 1.0)
    var_a = np.maximum(sums[3] / n - (sums[1] / n) ** 2, 0.0)
    var_m = np.maximum(sums[4] / n - (sums[2] / n) ** 2, 0.0)
    both = sums[5] / n - sums[1] * sums[2] / n**2
    varies = var_a > 1e-12 * np.maximum(sums[3] / n, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(varies, both / np.sqrt(np.where(varies, var_a, 1.0) * var_m), 0.0)
    return np.where(sums[4] > 0, np.clip(r, -1.0, 1.0), np.nan)
