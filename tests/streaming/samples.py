"""Small samples on disk: games interleaved, a latent that never fires, features of two groups."""

import h5py
import numpy as np
import torch
from fiducial.data.activations import LabelledActivations
from fiducial.data.codes_file import write_codes
from fiducial.games.features import Feature, FeatureSet
from fiducial.models.dictionary import Codes

FEATURES = FeatureSet(
    Feature(name=f"f{i}", group="even" if i % 2 == 0 else "odd", rung=0, definition="holds", reachable=i != 4)
    for i in range(11)
)
ABOUT = {"game": "toy", "version": "1", "model": "m", "hook": "h", "seed": 3, "model_sha256": "00"}
WIDTH, LATENTS = 9, 21


def columns(n=900, seed=0):
    """Activations that write features, labels, games in no order, positions."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n, len(FEATURES))) < 0.3
    labels[:, 4] = False
    x = labels @ rng.normal(size=(len(FEATURES), WIDTH)) + 0.3 * rng.normal(size=(n, WIDTH)) + 0.5
    games = rng.permutation(n) // 13 * 3 + 5
    position = np.zeros(n, np.int64)
    for game in np.unique(games):
        position[games == game] = np.arange((games == game).sum())
    return x.astype(np.float16).astype(np.float32), labels, games, position  # exact in a file


def dense_latents(n=900, seed=0):
    rng = np.random.default_rng(seed + 1)
    labels = columns(n, seed)[1]
    dense = np.maximum(rng.normal(size=(n, LATENTS)) - 1.2, 0)
    dense[:, :6] += labels[:, :6] * rng.integers(1, 5, (n, 6))  # ties
    dense[:, -1] = 0
    return dense.astype(np.float16).astype(np.float32)


def activation_file(path, n=900, seed=0):
    x, labels, games, position = columns(n, seed)
    LabelledActivations(x, FEATURES.pack(labels), games, position, FEATURES, ABOUT).save(path)
    return path


def codes_file(path, n=900, seed=0, size=250):
    _, labels, games, position = columns(n, seed)
    codes = Codes.from_dense(dense_latents(n, seed))
    with write_codes(path, LATENTS, FEATURES, {**ABOUT, "dictionary": "planted"}) as writer:
        for first in range(0, n, size):
            rows = np.arange(first, min(first + size, n))
            part = codes.take(rows)
            writer.append(
                part.indptr, part.indices, part.values, FEATURES.pack(labels[rows]), games[rows], position[rows]
            )
    return path


def dense_file(path, n=900, seed=0, **more):
    _, labels, games, _ = columns(n, seed)
    with h5py.File(path, "w") as file:
        arrays = {"latents": dense_latents(n, seed), "labels": labels, "game_id": games, **more}
        for name, values in arrays.items():
            file[name] = values
    return path


class Dictionary:
    """A plain ReLU dictionary with random directions."""

    latent_names = None

    def __init__(self, n_latents=LATENTS, width=WIDTH, seed=0, name="plain"):
        generator = torch.Generator().manual_seed(seed)
        self.directions = torch.randn(n_latents, width, generator=generator)
        self.name = name

    def encode(self, x):
        return (x @ self.directions.T - 2.5).relu()

    def decode(self, latents):
        return latents @ self.directions * 0.2
