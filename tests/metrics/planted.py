"""A small planted world made by hand: true directions, labels, sizes, and dictionaries of known faults."""

import numpy as np

N_GAMES, ROWS = 40, 50


def world(n_features=12, d=32, seed=0, rate=0.15, orthogonal=False, parents=()):
    """Arguments of `recovery` but for latents and directions, and the true codes: (common, codes, directions)."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n_features, d))
    if orthogonal:
        true = np.linalg.qr(true.T)[0].T
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    labels = rng.random((N_GAMES * ROWS, n_features)) < rate
    for parent, child in parents:
        labels[:, parent] |= labels[:, child]
    sizes = np.where(labels, 1 + rng.random(labels.shape), 0.0)
    games = np.repeat(np.arange(N_GAMES), ROWS)
    common = {
        "labels": labels,
        "game_id": games,
        "train": games < N_GAMES // 2,
        "true_directions": true,
        "magnitudes": sizes,
        "n_resamples": 60,
    }
    return common, sizes, true


def random_dictionary(sizes, true, n_latents, seed, k=2):
    """Random directions; the k largest projections of the activation fire."""
    rng = np.random.default_rng([seed, 1])  # of the world's own stream it would draw the true directions
    directions = rng.normal(size=(n_latents, true.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scores = np.maximum((sizes @ true) @ directions.T, 0)
    least = np.sort(scores, axis=1)[:, -k][:, None]
    return np.where(scores >= least, scores, 0.0), directions


def kinds(scores):
    """Kind of every feature."""
    return scores["recovery_score"].features["kind"]


def units(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
