"""The sums that core measures are made of, and the scores made of the sums; `core.py` has the equations.

One position at a time, so that it does not matter in which parts a sample comes.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .game_totals import GameTotals
from .score import Score

FIDELITY = (
    "error",
    "variance",
    "legacy",
    "moving",
    "cosine",
    "nonzero",
    "length ratio",
    "squared length",
    "inner",
    "to mean",
    "rows",
)
SPARSITY = ("active", "rows")
_BLOCK = 1 << 17  # entries a block: what one pass touches stays in the cache


def row_sum(x: NDArray[np.floating], so_far: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Sum of rows, float64 [d], added to what came before row after row: parts of a sample give what the whole gives.

    Args:
        x: floating [N, d].
        so_far: float64 [d], the sum of the rows before.
    """
    step = max(1, _BLOCK // x.shape[1])
    for start in range(0, len(x), step):
        block = x[start : start + step].astype(np.float64)
        rows = block if so_far is None else np.concatenate([so_far[None], block])
        so_far = np.add.reduce(np.ascontiguousarray(rows), axis=0)
    assert so_far is not None
    return so_far


def fidelity_columns(
    x: NDArray[np.floating], x_hat: NDArray[np.floating], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each position adds, float64 [N, 11], columns as in `FIDELITY`.

    Args:
        x: floating [N, d], finite.
        x_hat: floating [N, d], finite.
        mean: float64 [d], mean activation of the whole sample.
    """
    step = max(1, _BLOCK // x.shape[1])
    parts = [
        _columns(
            np.ascontiguousarray(x[start : start + step], np.float64),
            np.ascontiguousarray(x_hat[start : start + step], np.float64),
            mean,
        )
        for start in range(0, len(x), step)
    ]
    return np.concatenate(parts)


def _columns(x: NDArray[np.float64], x_hat: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    error = ((x - x_hat) ** 2).sum(1)
    variance = ((x - mean) ** 2).sum(1)
    inner, length, length_hat = (x * x_hat).sum(1), np.linalg.norm(x, axis=1), np.linalg.norm(x_hat, axis=1)
    both = length * length_hat
    moving, nonzero = variance > 0, length > 0
    legacy = 1 - error / np.where(moving, variance, 1.0)
    columns = {
        "error": error,
        "variance": variance,
        "legacy": legacy * moving,
        "moving": moving,
        "cosine": np.where(both > 0, inner / np.where(both > 0, both, 1.0), 0.0),
        "nonzero": nonzero,
        "length ratio": np.where(nonzero, length_hat / np.where(nonzero, length, 1.0), 0.0),
        "squared length": length_hat**2,
        "inner": inner,
        "to mean": (x * mean).sum(1) / np.maximum(length * np.linalg.norm(mean), 1e-30),
        "rows": np.ones(len(x)),
    }
    return np.stack([columns[name].astype(np.float64) for name in FIDELITY], 1)


def fidelity_scores(totals: GameTotals) -> dict[str, Score]:
    """Scores of `core_fidelity` from sums of `FIDELITY`.

    Raises:
        ValueError: activations that are the same at every position.
    """
    if totals.sum_of("variance") == 0:
        raise ValueError("x is the same at every position, so there is no variance to explain")
    return {
        "explained_variance_score": totals.ratio(
            "explained_variance_score", "error", "variance", offset=1.0, sign=-1.0
        ).beside(floors={"mean activation": 0.0}, ceilings={"perfect": 1.0}),
        "explained_variance_legacy_score": totals.ratio("explained_variance_legacy_score", "legacy", "moving"),
        "mse_error": totals.ratio("mse_error", "error").beside(floors={"mean activation": totals.mean_of("variance")}),
        "cosine_score": totals.ratio("cosine_score", "cosine").beside(
            floors={"mean activation": totals.mean_of("to mean")}, ceilings={"perfect": totals.mean_of("nonzero")}
        ),
        "l2_ratio": totals.ratio("l2_ratio", "length ratio", "nonzero"),
        "reconstruction_bias": totals.ratio("reconstruction_bias", "squared length", "inner"),
    }


def sparsity_scores(totals: GameTotals, fired: NDArray[np.int64], dense_above: float) -> dict[str, Score]:
    """Scores of `core_sparsity` from sums of `SPARSITY`.

    Args:
        totals: of the positions.
        fired: int64 [L], positions at which each latent fires.
        dense_above: fraction of positions above which a latent is dense.
    """
    frequency = fired / totals.sum_of("rows")
    alive, dense = float((fired > 0).mean()), float((frequency > dense_above).mean())
    counts = {"n_latents": len(fired), "n_alive": int((fired > 0).sum())}
    return {
        "l0": totals.ratio("l0", "active"),
        "alive_latents_score": _share("alive_latents_score", alive, counts),
        "dead_latents_error": _share("dead_latents_error", 1 - alive, counts),
        "dense_latents": _share("dense_latents", dense, {**counts, "dense_above": dense_above}),
    }


def _share(name: str, value: float, details: Mapping[str, float]) -> Score:
    return Score(name, value, value, value, details=details)
