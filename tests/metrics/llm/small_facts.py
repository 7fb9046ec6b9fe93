"""Small worlds of facts: games of a few positions, random or named facts, latents made by hand."""

import numpy as np
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Latent


def facts_of(bits, per_game, *, train=None, names=None):
    """Facts [N, F] in games of `per_game` positions; every other game chooses."""
    bits = np.asarray(bits, bool)
    game = np.arange(len(bits)) // per_game
    return Facts(
        tuple(names or (f"fact {i}" for i in range(bits.shape[1]))),
        np.packbits(bits, axis=1, bitorder="little"),
        game,
        np.arange(len(bits)) % per_game,
        (game % 2 == 0) if train is None else np.asarray(train, bool),
    )


def random_facts(n_games=40, per_game=25, n_facts=30, seed=0, rate=0.2):
    rng = np.random.default_rng(seed)
    return facts_of(rng.random((n_games * per_game, n_facts)) < rate, per_game)


def latent_of(values, number=0):
    """A latent with these activations [N]; fires where they are above 0."""
    values = np.asarray(values, np.float32)
    rows = np.flatnonzero(values > 0)
    return Latent(number, rows, values[rows], len(values))


def random_latent(facts, number=0, rate=0.3, seed=0):
    rng = np.random.default_rng([seed, number])
    return latent_of(np.where(rng.random(facts.n_rows) < rate, rng.random(facts.n_rows) + 0.01, 0), number)
