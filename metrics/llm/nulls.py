"""What explanations score that say nothing about their latent: another latent's, always true, one drawn at random.

A null is asked about the very examples of the latent, by the same judge, so that it holds whatever the exam gives away:
its share of active examples, the judge's errors, features that go together. A random dictionary is a null of the whole
procedure, which is run on it as on any other.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .corruption import always_true as tautology
from .facts import Facts
from .nouns import Explanation
from .predicate import Atom
from .seeds import generator_of


def derangement(n: int, *, seed: int = 0) -> list[int]:
    """A random order in which nothing keeps its place: one cycle through all.

    Args:
        n: how many, at least 2.
        seed: of the order.

    Raises:
        ValueError: fewer than 2, which cannot change places.
    """
    if n < 2:
        raise ValueError(f"at least 2 things are needed to change all places, got {n}")
    order = generator_of(seed, "derangement", n).permutation(n)
    found = np.empty(n, np.int64)
    found[order] = np.roll(order, 1)
    return found.tolist()


def shuffled(explanations: Sequence[Explanation], *, seed: int = 0) -> list[Explanation]:
    """Every latent with the explanation of another one; those that failed take no part.

    The released code of Paulo et al. leaves a latent its own by chance; here none keeps it. Two latents may still have
    the same explanation, and then one of them can get it back: `source` says `shuffled`, and `meta` whose it was.

    Args:
        explanations: of different latents.
        seed: of the order.

    Returns:
        In the same order, for the same latents; failed ones as they were. None of fewer than two is left to shuffle.
    """
    whole = [i for i, one in enumerate(explanations) if not one.failure]
    out = list(explanations)
    if len(whole) < 2:
        return [
            one if one.failure else replace(one, text="", predicate=None, failure="no other latent to take one from")
            for one in explanations
        ]
    for place, other in zip(whole, (whole[i] for i in derangement(len(whole), seed=seed)), strict=True):
        taken = explanations[other]
        out[place] = replace(
            taken, latent=explanations[place].latent, source="shuffled", meta={"taken_from": taken.latent}
        )
    return out


def always_true(latent: int, facts: Facts) -> Explanation:
    """An explanation that holds everywhere; its balanced accuracy is 1/2 before a perfect judge.

    Raises:
        ValueError: no facts to say it with.
    """
    if not facts.names and not facts.counters:
        raise ValueError("a predicate needs at least one fact, got none")
    return Explanation(latent, "always", tautology(facts), source="always true")


def shares_of(facts: Facts) -> NDArray[np.float64]:
    """Share of the choosing positions at which each fact holds, float64 [F]."""
    rows = facts.rows_of(True)
    return facts.bits.take(rows).positives / max(1, len(rows))


def matched_prevalence(
    latent: int,
    share: float,
    facts: Facts,
    *,
    shares: NDArray[np.float64] | None = None,
    nearest: int = 5,
    seed: int = 0,
) -> Explanation:
    """A random fact that holds about as often as the latent fires.

    Args:
        latent: its number.
        share: of the choosing positions at which it fires.
        facts: to choose from.
        shares: what `shares_of` says of them, where many latents are asked about.
        nearest: it is drawn from so many facts, those whose shares are closest.
        seed: of the draw.

    Raises:
        ValueError: no facts, or fewer than one to draw from.
    """
    if not facts.names or nearest < 1:
        raise ValueError(f"a fact is drawn from at least one, got {len(facts.names)} facts and nearest={nearest}")
    known = shares_of(facts) if shares is None else shares
    close = np.argsort(np.abs(known - share), kind="stable")[:nearest]
    name = facts.names[int(generator_of(seed, "matched prevalence", latent).choice(close))]
    return Explanation(latent, name, Atom(name), source="matched prevalence")
