"""Latents on which judges are judged: of shipped SAEs, of the random twin's SAE, and planted ones of known meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..data.assets import asset
from ..metrics.llm.facts import Facts
from ..metrics.llm.latents import eligible, latents_of, pick
from ..metrics.llm.negatives import neighbours
from ..metrics.llm.nouns import Latent
from ..metrics.llm.predicate import And, Atom, Or, Predicate, canonical, evaluate
from ..metrics.llm.seeds import generator_of
from ..model_testbed import Testbed
from ..models.dictionary import Codes, encode_in_batches
from ..models.loading import load_dictionary
from ..references import References
from ..testbed_catalogue import AnyTestbed

PLANTED_RATES = (0.01, 0.3)  # of the facts and predicates that are planted
NOISE = 0.02  # share of positions at which a noisy planted latent fires for no reason
NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class Population:
    """Latents of one dictionary.

    Attributes:
        name: of the dictionary.
        kind: `trained`, `random model`, `random dictionary` or `planted`.
        latents: by number.
        neighbours: latents close to each, by firing on the choosing games, closest first.
        dropped: latents that fire too seldom, counted by reason.
        meaning: what planted latents were made to fire on.
    """

    name: str
    kind: str
    latents: Mapping[int, Latent]
    neighbours: Mapping[int, Sequence[Latent]]
    dropped: Mapping[str, int] = field(default_factory=dict)
    meaning: Mapping[int, Predicate] = field(default_factory=dict)


def of_codes(codes: Codes, facts: Facts, *, name: str, kind: str, n: int, seed: int) -> Population:
    """A random sample of a dictionary's latents that fire often enough."""
    able = eligible(codes, facts)
    numbers = pick(codes, facts, n, seed, sae=name, among=able)
    near = {one: neighbours(codes, None, one, k=NEIGHBOURS, rows=facts.rows_of(True)) for one in numbers}
    known = latents_of(codes, sorted({*numbers, *(other for others in near.values() for other in others)}))
    return Population(
        name,
        kind,
        {one: known[one] for one in numbers},
        {one: [known[other] for other in near[one]] for one in numbers},
        {reason: count for reason, count in able.dropped.items() if count},
    )


def populations(
    bed: AnyTestbed, facts: Facts, *, saes: Sequence[str] | None = None, n: int = 24, seed: int = 0
) -> list[Population]:
    """All populations of a testbed.

    Args:
        bed: where; its shipped SAEs, one of its random twin and a random dictionary, if it has them.
        facts: of its positions.
        saes: names of shipped SAEs; all by default.
        n: latents of each, at most.
        seed: of the choice of latents.

    Raises:
        KeyError: an SAE that does not ship.
    """
    found: list[Population] = []
    if isinstance(bed, Testbed):
        there = bed.spec.dictionaries
        if unknown := [name for name in saes or () if name not in there]:
            raise KeyError(f"no SAE named {unknown[0]!r} ships with {bed.name}; there are {', '.join(there)}")
        l0 = 32.0
        for name in there if saes is None else saes:
            codes = encode_in_batches(load_dictionary(asset(there[name]), "sae_lens", name=name), bed.x)
            found.append(of_codes(codes, facts, name=name, kind="trained", n=n, seed=seed))
            l0 = codes.l0
        for name, where in bed.spec.twin_dictionaries.items():
            codes = encode_in_batches(load_dictionary(asset(where), "sae_lens", name=name), bed.twin.x)
            found.append(of_codes(codes, facts, name=name, kind="random model", n=n, seed=seed))
        random = References(bed, 1024, l0).floors()[0]
        found.append(of_codes(random.codes, facts, name="random", kind="random dictionary", n=n, seed=seed))
    found.append(planted(facts, n=n, seed=seed))
    return found


def planted(facts: Facts, *, n: int = 24, seed: int = 0) -> Population:
    """Latents that fire exactly where a predicate holds: single facts, pairs by and / or, and single facts with noise.

    Args:
        facts: to make them from; they hold at 1 to 30 % of the choosing positions.
        n: how many; a quarter of each kind. Where no pair of a kind holds as often, single facts stand for it.
        seed: of the choice, of the noise and of the activations.

    Raises:
        ValueError: no fact that holds often enough.
    """
    generator = generator_of(seed, "planted")
    rows = facts.rows_of(True)
    rates = facts.bits.take(rows).positives / len(rows)
    common = np.flatnonzero((rates >= PLANTED_RATES[0]) & (rates <= PLANTED_RATES[1]))
    if len(common) < 4:
        raise ValueError(f"planted latents need facts that hold at 1 to 30 % of the positions, got {len(common)}")
    meaning: dict[int, Predicate] = {}
    columns: dict[int, NDArray[np.bool_]] = {}
    for number in range(n):
        kind = ("fact", "and", "or", "noisy")[number % 4]
        predicate = _drawn(kind, common, facts, generator)
        if predicate is None:  # values that exclude each other, such as names, make no pair
            predicate = _drawn("fact", common, facts, generator)
        if predicate is None:
            raise ValueError("no fact holds at 1 to 30 % of the positions on both sides of the split")
        meaning[number] = predicate
        columns[number] = evaluate(predicate, facts)
        if kind == "noisy":
            columns[number] = columns[number] | (generator.random(facts.n_rows) < NOISE)
    latents = {
        number: Latent(
            number,
            np.flatnonzero(column),
            generator.gamma(4.0, 0.25, int(column.sum())).astype(np.float32) + np.float32(0.05),
            facts.n_rows,
        )
        for number, column in columns.items()
    }
    share = np.stack([column[rows] for column in columns.values()]).astype(np.float32)
    both = share @ share.T
    close = both / np.maximum(share.sum(1)[:, None] + share.sum(1)[None, :] - both, 1)
    np.fill_diagonal(close, -1)
    near = {
        number: [
            latents[int(other)]
            for other in np.argsort(-close[number], kind="stable")[:NEIGHBOURS]
            if close[number, other] > 0
        ]
        for number in latents
    }
    return Population("planted", "planted", latents, near, {}, meaning)


def _drawn(kind: str, common: NDArray[np.int64], facts: Facts, generator: np.random.Generator) -> Predicate | None:
    """A predicate of its kind that holds at 1 to 30 % of the positions of either side; None if none is found."""
    for _ in range(1000):
        names = [Atom(facts.names[int(i)]) for i in generator.choice(common, 2, replace=False)]
        found: Predicate = names[0]
        if kind == "and":
            found = And(tuple(names))
        elif kind == "or":
            found = Or(tuple(names))
        holds = evaluate(found, facts)
        parts = [evaluate(part, facts) for part in names]
        # A pair must be more than one of its parts, or the other part says nothing.
        own = kind not in ("and", "or") or all((holds ^ part).mean() > 0.2 * holds.mean() for part in parts)
        inside = all(
            PLANTED_RATES[0] <= holds[facts.train == side].mean() <= PLANTED_RATES[1] for side in (True, False)
        )
        if own and inside:
            return canonical(found)
    return None
