"""Random generators keyed by what they are for, so that nothing depends on the order in which latents are taken."""

import hashlib
import operator

import numpy as np


def stable_hash(*parts: int | str) -> int:
    """The same 64 bits for the same parts, on every machine and in every process.

    A number is the same whatever holds it: an integer of numpy counts as the plain one.

    >>> stable_hash("topk", 3) == stable_hash("topk", 3), stable_hash("topk", 3) == stable_hash("topk", 4)
    (True, False)
    """
    plain = (str(part) if isinstance(part, str) else int(operator.index(part)) for part in parts)
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in plain)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator_of(seed: int, *parts: int | str) -> np.random.Generator:
    """A generator of one purpose, such as `generator_of(seed, sae, latent, "negatives")`.

    Args:
        seed: the caller's, at least 0.
        parts: what is drawn, for what.

    Raises:
        ValueError: a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stable_hash(*parts)])))
