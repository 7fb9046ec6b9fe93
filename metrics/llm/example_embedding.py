"""Example embedding: do contexts of a latent look alike, without any explanation?

Equations     delta+ = E[sim(p, p')] - E[sim(p, n)]   p a context in which the latent fires, p' others of the same tenth
              delta- = E[sim(n, p')] - E[sim(n, n')]  n a context in which it is silent, n' other such contexts
  score       delta+ - delta-, over a number of draws; 0 is chance for both, the sign says which kind the rest is nearer
Conventions   sim is the cosine of encoded texts. What the latent fires on is marked, as the encoder should see it. A
              query is never compared with itself. A latent needs two silent examples and a tenth with two active ones.
References    Paulo, Belrose 2025, arXiv 2507.08473 (20 batches).
Differences from published code
              Draws come from a generator of the latent's own. The difference of the two, as one number, is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .embedders import Encoder, unit
from .nouns import Example, Renderer
from .seeds import generator_of
from .separation import Exams


@dataclass(frozen=True)
class ExampleEmbedding:
    """How alike the contexts of one latent are.

    Attributes:
        latent: its number.
        delta_plus: mean over the draws, in [-2, 2]; NaN if there is none.
        delta_minus: likewise.
        low: 2.5 % quantile of delta+ - delta- over single draws: where a draw lies, not an interval of the mean.
        high: 97.5 % quantile.
        n_draws: pairs of queries.
        failure: why there is none; empty if there is.
    """

    latent: int
    delta_plus: float
    delta_minus: float
    low: float
    high: float
    n_draws: int
    failure: str = ""

    @property
    def score(self) -> float:
        """delta+ - delta-."""
        return self.delta_plus - self.delta_minus


def example_embedding(
    exams: Exams,
    renderer: Renderer,
    encoder: Encoder,
    *,
    n_draws: int = 20,
    n_shown: int = 5,
    seed: int = 0,
    sae: str = "",
) -> list[ExampleEmbedding]:
    """How alike the contexts of every latent are.

    Args:
        exams: examples of each latent.
        renderer: examples as text, marks included.
        encoder: texts to vectors.
        n_draws: draws of one active and one silent query.
        n_shown: most contexts of each kind that a query is compared with.
        seed: of the draws.
        sae: name of the dictionary, part of the generator's key.

    Returns:
        One a latent, in the order of `exams`.

    Raises:
        ValueError: fewer than 1 draw or context.
    """
    if n_draws < 1 or n_shown < 1:
        raise ValueError(f"n_draws and n_shown must be at least 1, got {n_draws} and {n_shown}")
    return [
        _of_latent(latent, examples, renderer, encoder, n_draws, n_shown, seed, sae)
        for latent, examples in exams.items()
    ]


def _of_latent(
    latent: int,
    examples: Sequence[Example],
    renderer: Renderer,
    encoder: Encoder,
    n_draws: int,
    n_shown: int,
    seed: int,
    sae: str,
) -> ExampleEmbedding:
    active = np.array([example.active for example in examples], np.bool_)
    tenth = np.array([example.quantile for example in examples], np.int64)
    silent = np.flatnonzero(~active)
    queries = [i for i in np.flatnonzero(active) if (active & (tenth == tenth[i])).sum() > 1]
    nan = float("nan")
    if len(silent) < 2 or not queries:
        reason = f"{len(silent)} silent examples and {len(queries)} active ones with another of their tenth"
        return ExampleEmbedding(latent, nan, nan, nan, nan, 0, reason)
    vectors = unit(encoder.encode([renderer.example(example) for example in examples]))
    near: NDArray[np.float64] = (vectors @ vectors.T).astype(np.float64)
    generator = generator_of(seed, sae, latent, "example embedding")
    plus, minus = np.zeros(n_draws), np.zeros(n_draws)
    for draw in range(n_draws):
        query = int(generator.choice(queries))
        alike = np.flatnonzero(active & (tenth == tenth[query]))
        alike = _some(alike[alike != query], n_shown, generator)
        plus[draw] = near[query, alike].mean() - near[query, _some(silent, n_shown, generator)].mean()
        query = int(generator.choice(silent))
        others = _some(silent[silent != query], n_shown, generator)
        minus[draw] = near[query, alike].mean() - near[query, others].mean()
    low, high = np.quantile(plus - minus, [0.025, 0.975])
    return ExampleEmbedding(latent, float(plus.mean()), float(minus.mean()), float(low), float(high), n_draws)


def _some(among: NDArray[np.int64], n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    return among if len(among) <= n else generator.choice(among, n, replace=False)
