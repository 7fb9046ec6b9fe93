"""A small planted world whose dictionary is exact: orthonormal directions, and parents that imply."""

import numpy as np
import torch

N_FEATURES, D = 24, 32
PAIRS = [(0, 1), (0, 2), (1, 3), (4, 5), (6, 7), (8, 9), (8, 10), (11, 12)]  # parent, child; 0 -> 1 -> 3 is a chain


class Planted:
    """Exact on its own activations: each latent is the magnitude of a feature."""

    name = "planted"

    def __init__(self, directions, named=True):
        self.directions = directions
        self.latent_names = tuple(f"feature {i}" for i in range(len(directions))) if named else None

    def encode(self, x):
        latents = (x - 1.0) @ self.directions.T
        return torch.where(latents > 0.05, latents, 0.0)  # magnitudes are .5 or more; less is rounding

    def decode(self, latents):
        return latents @ self.directions + 1.0


def world(n_rows=3000, seed=0, named=True):
    """A dictionary, activations [N, D] and labels bool [N, F]."""
    rng = np.random.default_rng(seed)
    directions = torch.from_numpy(np.linalg.qr(rng.normal(size=(D, D)))[0][:N_FEATURES]).float()
    labels = rng.random((n_rows, N_FEATURES)) < np.linspace(0.1, 0.25, N_FEATURES)
    for parent, child in PAIRS:  # in order, so that a chain holds all the way
        labels[:, child] = labels[:, parent] & (rng.random(n_rows) < 0.5)
    magnitudes = labels * rng.uniform(0.5, 2.0, labels.shape)
    return Planted(directions, named), torch.from_numpy(magnitudes).float() @ directions + 1.0, labels
