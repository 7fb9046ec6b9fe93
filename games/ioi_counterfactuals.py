"""Counterfactual IOI prompts: the same row with exactly one attribute changed.

    IO                 another name in its one place
    S                  another name in both its places
    Pos                the first two names change places
    object, place      another word; rows without one are refused
    template           the other one of the two with object and place; rows of template 1 are refused
    task               plain becomes ordinal and the reverse
    duplicate          the third name repeats neither (an ABC prompt)

New names come from a pool of their own. In the full vocabulary there are four disjoint pools: "base" (half of the
names, for the prompts themselves: `prompts(..., names="base")`), and a sixth each for the names that replace IO, those
that replace S and those that make ABC prompts. The tiny vocabulary is too small for that: its pools are all names.
Either way a name of the row is never drawn.

Every attribute draws from a random stream of its own, so the new IO and the new S of one seed are independent (drawn
with one stream from lists of one length, they would be the same sequence of indices).
"""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from .ioi_prompts import Ints, Prompts, Slots, Words, build, slots_of

CHANGEABLE: tuple[str, ...] = ("IO", "S", "Pos", "object", "place", "template", "task", "duplicate")
"""Attributes that a counterfactual may change; a random stream each, by their order here."""

Seed = int | Sequence[int]


def stream(seed: Seed, purpose: int) -> np.random.Generator:
    """Generator number `purpose` of a seed, independent of its others."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose,)))


def name_pools(n_names: int, disjoint: bool) -> dict[str, Ints]:
    """Indices of the names by use: "base", "IO", "S" and "duplicate".

    Args:
        n_names: number of names, at least 12 if disjoint.
        disjoint: whether the four sets share no name; otherwise each is all names.
    """
    everyone = np.arange(n_names)
    if not disjoint:
        return dict.fromkeys(("base", "IO", "S", "duplicate"), everyone)
    half, sixth = n_names // 2, (n_names - n_names // 2) // 3
    parts = np.split(everyone, [half, half + sixth, half + 2 * sixth])
    return dict(zip(("base", "IO", "S", "duplicate"), parts, strict=True))


def counterfactuals_of(prompts: Prompts, words: Words, pools: dict[str, Ints], attribute: str, seed: Seed) -> Prompts:
    """The same rows with one attribute changed; see the module.

    Raises:
        KeyError: an attribute that cannot be changed alone; close names are suggested.
        ValueError: a row that has no such attribute: an ABC prompt, or one without object and place.
    """
    if attribute not in CHANGEABLE:
        close = get_close_matches(attribute, CHANGEABLE, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(CHANGEABLE)}"
        raise KeyError(f"no counterfactual of {attribute!r}; {hint}")
    slots = slots_of(prompts)
    _require(prompts, attribute)
    generator = stream(seed, 16 + CHANGEABLE.index(attribute))
    return build(words, _changed(slots, words, pools, attribute, generator))


def _changed(
    slots: Slots, words: Words, pools: dict[str, Ints], attribute: str, generator: np.random.Generator
) -> Slots:
    if attribute in ("IO", "S", "duplicate"):
        new = _other_names(pools[attribute], np.stack([slots.io, slots.s]), generator)
        if attribute == "duplicate":
            return slots.changed(third=new)
        return slots.changed(io=new) if attribute == "IO" else slots.changed(s=new, third=new)
    if attribute == "Pos":
        return slots.changed(pos=1 - slots.pos)
    if attribute == "task":
        return slots.changed(task=1 - slots.task)
    if attribute == "template":
        return slots.changed(template=3 - slots.template)  # 1 <-> 2, counted from 0
    if attribute == "object":
        return slots.changed(object=_other_value(slots.object, len(words.objects), generator))
    return slots.changed(place=_other_value(slots.place, len(words.places), generator))


def _require(prompts: Prompts, attribute: str) -> None:
    """Refuse rows that lack what is to be changed."""
    if (prompts.attributes["duplicate"] == 0).any():
        row = int(np.flatnonzero(prompts.attributes["duplicate"] == 0)[0])
        raise ValueError(f"row {row} is an ABC prompt, which has no IO and S; counterfactuals are made from others")
    if attribute in ("object", "place", "template") and (prompts.attributes["place"] < 0).any():
        row = int(np.flatnonzero(prompts.attributes["place"] < 0)[0])
        raise ValueError(
            f"row {row} is of template 1, which has no object and place, so {attribute} alone cannot change; "
            "make the prompts with templates=(2, 3)"
        )


def _other_names(pool: Ints, taken: Ints, generator: np.random.Generator) -> Ints:
    """A name of the pool for every row, uniformly over those not in its column of `taken` [names, N]."""
    order = np.full(int(max(pool.max(), taken.max())) + 1, -1, dtype=np.int64)
    order[pool] = np.arange(len(pool))
    ranks = np.sort(order[taken], axis=0)  # -1: not in the pool
    free = len(pool) - (ranks >= 0).sum(0, dtype=np.int64)
    if (free < 1).any():
        raise ValueError(f"the pool of {len(pool)} names leaves none for row {int(np.argmin(free))}")
    chosen = (generator.random(int(taken.shape[1])) * free).astype(np.int64)
    for rank in ranks:  # in increasing order: skip each taken place that lies at or before the chosen one
        chosen += (rank >= 0) & (chosen >= rank)
    return pool[chosen]


def _other_value(value: Ints, n_values: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Another value for every row, uniformly."""
    return (value + 1 + (generator.random(len(value)) * (n_values - 1)).astype(np.int64)) % n_values
