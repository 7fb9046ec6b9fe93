"""The figures of SynthSAEBench by their published definitions and names, on given rows.

Equations     n(i) = argmax over true directions g of |cos(d_i, t_g)|, the feature of latent i
  mcc                 mean |cos| of the min(L, F) pairs of the one-to-one matching with the largest sum
  uniqueness          number of different n(i) / L
  precision, recall, f1_score, accuracy   of "latent i is not 0" against "n(i) holds", mean over all latents; 0 / 0 = 0
  explained_variance  1 - E|x - x'|^2 / (E|x|^2 - |E x|^2)
  shrinkage           E[|x'| / |x|] over rows with |x| > 1e-6
  dead_latents        number of latents that are 0 on all rows;  sae_l0, true_l0: mean number that are not 0
Conventions   All rows are scored; nothing is chosen or corrected. The sign of a direction never counts, dead latents
              enter the means over latents as 0. Intervals resample games and hold the matching; mcc, uniqueness and
              dead_latents belong to the dictionary and the sample: low = high = value.
References    SynthSAEBench, arXiv 2602.14687; sae_lens.synthetic, eval_sae_on_synthetic_data (6.54).
Differences from published code
              1. float64 where that has float32: either direction, by rounding.
              2. Of equal nearest features the one with the lower number is taken, as there; cosines in float64 may
                 break a tie that float32 leaves.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score
from .inputs import LabelBits, Labels, Latents, as_array, as_codes, as_games, as_label_bits
from .recovery_matching import unit_rows
from .recovery_sample import as_directions
from .score import Score, game_weights, interval

VERSION = 1
FIGURES = (
    "explained_variance",
    "mcc",
    "uniqueness",
    "precision",
    "recall",
    "f1_score",
    "dead_latents",
    "shrinkage",
    "accuracy",
    "true_l0",
    "sae_l0",
)


def synthsaebench_scores(
    latents: Latents,
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    directions: Any,
    true_directions: Any,
    x: Any,
    x_hat: Any,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """The eight figures of the benchmark, and accuracy and both L0s that its code prints beside them.

    Args:
        latents: Codes or floating [N, L].
        labels: bool [N, F], packed uint8 [N, ceil(F / 8)], or true sizes, floating dense [N, F]: a feature holds where
            its size is > 0.
        game_id: integer [N], what the bootstrap resamples.
        directions: floating [L, d].
        true_directions: floating [F, d].
        x: floating [N, d], activations.
        x_hat: floating [N, d], their reconstructions.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit.
    """
    codes = as_codes(latents)
    true = as_directions(true_directions, "true_directions")
    learned = as_directions(directions, "directions", codes.n_latents, true.shape[1])
    if not isinstance(labels, LabelBits) and np.issubdtype(as_array(labels, "labels", "labels").dtype, np.floating):
        labels = np.asarray(labels) > 0
    bits = as_label_bits(labels, codes.n_rows, len(true))
    games = as_games(game_id, codes.n_rows)
    if x is None or x_hat is None:
        raise ValueError("synthsaebench needs x and x_hat, for explained variance and shrinkage")
    clean = as_directions(x, "x", codes.n_rows, true.shape[1])
    written = as_directions(x_hat, "x_hat", codes.n_rows, true.shape[1])
    n_games = int(games.max()) + 1
    weights = game_weights(n_games, n_resamples, seed)

    cos = np.abs(unit_rows(learned) @ unit_rows(true).T)
    nearest = cos.argmax(1)
    matched = _one_to_one(cos)
    fires = np.bincount(games[codes.rows] * codes.n_latents + codes.indices, minlength=n_games * codes.n_latents)
    fires = fires.reshape(n_games, codes.n_latents)
    feature = nearest[codes.indices]
    hit = (bits.words[feature // 64, codes.rows] >> (feature % 64).astype(np.uint64)) & np.uint64(1)
    tp = np.bincount(
        games[codes.rows] * codes.n_latents + codes.indices, hit.astype(np.float64), n_games * codes.n_latents
    ).reshape(n_games, codes.n_latents)
    by_game = _positives(bits, games, n_games)
    positives = by_game[:, nearest]
    rows = np.bincount(games, minlength=n_games).astype(np.float64)

    def rates(tp: Any, on: Any, p: Any, n: Any) -> dict[str, Any]:
        # float64 [..., L] counts to means over latents
        return {
            "precision": (tp / np.maximum(on, 1.0)).mean(-1),
            "recall": (tp / np.maximum(p, 1.0)).mean(-1),
            "f1_score": f1_score(tp, on, p).mean(-1),
            "accuracy": ((n - on - p + 2 * tp) / n).mean(-1),
        }

    n = float(codes.n_rows)
    values = rates(tp.sum(0), fires.sum(0).astype(np.float64), positives.sum(0), n)
    spreads = rates(weights @ tp, weights @ fires, weights @ positives, (weights @ rows)[:, None])
    for name, counts in (("sae_l0", fires.sum(1)), ("true_l0", by_game.sum(1))):
        values[name], spreads[name] = counts.sum() / n, (weights @ counts) / (weights @ rows)
    values["explained_variance"], spreads["explained_variance"] = _variance(clean, written, games, weights)
    values["shrinkage"], spreads["shrinkage"] = _shrinkage(clean, written, games, weights)
    values["mcc"] = cos[matched].mean()
    values["uniqueness"] = len(np.unique(nearest)) / len(nearest)
    values["dead_latents"] = (fires.sum(0) == 0).sum()
    return {name: _score(name, values[name], spreads.get(name), codes.n_latents, len(true)) for name in FIGURES}


def _score(name: str, value: Any, spread: Any, n_latents: int, n_features: int) -> Score:
    low, high = (value, value) if spread is None else interval(spread)
    return Score(
        metric=name,
        value=float(value),
        low=float(low),
        high=float(high),
        protocol="synthsaebench",
        version=VERSION,
        details={"n_latents": n_latents, "n_features": n_features},
        replicates=spread,
    )


def _one_to_one(cos: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cos, maximize=True)
    return np.asarray(rows, np.int64), np.asarray(columns, np.int64)


def _positives(bits: LabelBits, games: NDArray[np.int64], n_games: int) -> NDArray[np.float64]:
    from .counts_numba import bits_by_game

    return bits_by_game(bits.words, bits.n_features, games, n_games).astype(np.float64)


def _variance(
    x: NDArray[np.float64], x_hat: NDArray[np.float64], games: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    n_games = weights.shape[1]
    centred = x - x.mean(0)  # the variance is the same, and sums of squares lose no digits
    error = np.bincount(games, ((x - x_hat) ** 2).sum(1), n_games)
    square = np.bincount(games, (centred**2).sum(1), n_games)
    rows = np.bincount(games, minlength=n_games)
    sums = np.zeros((n_games, x.shape[1]))
    np.add.at(sums, games, centred)

    def explained(w: NDArray[np.float64]) -> NDArray[np.float64]:
        variance = w @ square - ((w @ sums) ** 2).sum(-1) / (w @ rows)
        flat = variance <= 1e-10 * (w @ rows)
        perfect = (w @ error <= 1e-10 * (w @ rows)).astype(np.float64)
        return np.where(flat, perfect, 1 - (w @ error) / np.where(flat, 1.0, variance))

    return float(explained(np.ones((1, n_games)))[0]), explained(weights)


def _shrinkage(
    x: NDArray[np.float64], x_hat: NDArray[np.float64], games: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    length = np.linalg.norm(x, axis=1)
    counted = length > 1e-6
    if not counted.any():
        return 0.0, np.zeros(len(weights))
    ratio = np.where(counted, np.linalg.norm(x_hat, axis=1) / np.where(counted, length, 1.0), 0.0)
    top = np.bincount(games, ratio, weights.shape[1])
    bottom = np.bincount(games, counted, weights.shape[1])
    return float(top.sum() / bottom.sum()), (weights @ top) / np.maximum(weights @ bottom, 1.0)
