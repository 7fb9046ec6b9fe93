"""Random generators with streams of their own: two parts of the house that are given one seed do not draw alike.

A world whose true directions are drawn with seed 0 and a random dictionary of seed 0 would be the same directions,
bit for bit, if both simply seeded a generator with 0; then chance level would be the truth.
"""

import hashlib

import torch


def generator_of(purpose: str, seed: int) -> torch.Generator:
    """A generator on the CPU for one purpose.

    Args:
        purpose: what is drawn, in a word or two.
        seed: the caller's.
    """
    derived = hashlib.sha256(f"{purpose}|{seed}".encode()).digest()[:8]
    return torch.Generator().manual_seed(int.from_bytes(derived, "big") >> 1)
