"""Small made-up samples for the metric tests."""

import numpy as np
from fiducial.games.features import Feature, FeatureSet


def sample(n_games=24, n_positions=20, n_latents=30, seed=0, noise=0.15):
    """Sparse latents that partly follow labels: latents [N, L], labels [N, 12], games [N], train [N]."""
    rng = np.random.default_rng(seed)
    n = n_games * n_positions
    labels = rng.random((n, 12)) < np.linspace(0.15, 0.6, 12)
    latents = np.where(rng.random((n, n_latents)) < noise, rng.exponential(size=(n, n_latents)), 0.0)
    for f in range(min(10, n_latents)):
        latents[:, f] = np.where(labels[:, f], 1 + latents[:, f], 0.6 * latents[:, f])
    latents[:, -2] = 0.0  # dead
    games = np.repeat(np.arange(n_games), n_positions)
    return latents.astype(np.float32), labels, games, games < n_games // 2


def features(reachable=12):
    """Twelve features in two groups: six squares of two values, in `board` and `edge`."""
    return FeatureSet(
        Feature(
            name=f"value {i % 2} of {i // 2}",
            group="board" if i < 8 else "edge",
            rung=1,
            definition="made up",
            variable=f"square {i // 2}",
            reachable=i < reachable,
        )
        for i in range(12)
    )
