"""The definition of the scoring core, in plain numpy on dense arrays: what the fast paths are tested against."""

import numpy as np
from numpy.typing import NDArray


def best_pair(latent: NDArray[np.floating], label: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Best threshold of one latent for one feature.

    The threshold v is one of the positive values of the latent, and `latent >= v` is the prediction. The best F1 wins;
    of equal ones the highest threshold. F1 is compared as the fraction 2 tp / (on + P).

    Args:
        latent: floating [N].
        label: bool [N].

    Returns:
        True positives and predictions at the best threshold (0 and 0 if no threshold catches a positive), and AUROC,
        NaN if the label is constant.
    """
    positives = int(label.sum())
    best_tp, best_on = 0, 0
    for value in np.unique(latent[latent > 0])[::-1]:
        fires = latent >= value
        tp, on = int((fires & label).sum()), int(fires.sum())
        if tp * (best_on + positives) > best_tp * (on + positives):
            best_tp, best_on = tp, on
    return best_tp, best_on, auroc(latent, label)


def auroc(latent: NDArray[np.floating], label: NDArray[np.bool_]) -> float:
    """Chance that a random positive lies above a random negative, ties as a half; NaN if the label is constant."""
    inside, outside = latent[label], np.sort(latent[~label])
    if not len(inside) or not len(outside):
        return float("nan")
    twice = np.searchsorted(outside, inside, "left").sum() + np.searchsorted(outside, inside, "right").sum()
    return float(twice / (2 * len(inside) * len(outside)))


def best_pairs(
    latents: NDArray[np.floating], labels: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """`best_pair` of every latent of [N, L] and every feature of [N, F]: tp, on and AUROC, each [L, F]."""
    shape = (latents.shape[1], labels.shape[1])
    tp, on, auc = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape)
    for latent in range(shape[0]):
        for feature in range(shape[1]):
            pair = best_pair(latents[:, latent], labels[:, feature])
            tp[latent, feature], on[latent, feature], auc[latent, feature] = pair
    return tp, on, auc


def counts_at(
    latents: NDArray[np.floating], labels: NDArray[np.bool_], thresholds: NDArray[np.floating], strict: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Counts at thresholds [L, T]: on [L, T] and tp [L, T, F], by one dense matmul a threshold."""
    on: list[NDArray[np.int64]] = []
    tp: list[NDArray[np.int64]] = []
    for column in thresholds.T:
        fires = (latents > 0) & ((latents > column) if strict else (latents >= column))
        on.append(fires.sum(0))
        tp.append(fires.T.astype(np.int64) @ labels.astype(np.int64))
    return np.stack(on, 1).astype(np.int32), np.stack(tp, 1).astype(np.int32)
