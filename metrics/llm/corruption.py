"""Explanations made wrong in known ways, so that scorers can be asked whether they notice.

Conventions   Only the language is changed: a fact is dropped, added, exchanged or negated. What a corruption does to
              the truth is measured on the given positions (`truth.overlap`), never assumed. A kind that a predicate
              does not allow is left out, and so is one that changes nothing. The same seed gives the same corruptions
              of a predicate, whatever else is corrupted.
References    The pitfalls that published scores are warned of: labels too broad (top-activating examples of a rarer
              latent), too narrow, one meaning of several.
"""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .corruption_choice import Choice, choice_of
from .facts import Facts
from .predicate import (
    And,
    Atom,
    Compare,
    Not,
    Or,
    Predicate,
    atoms,
    canonical,
    evaluate,
    literals,
    n_literals,
    with_literal,
)
from .predicate_text import to_text
from .seeds import generator_of

CORRUPTIONS = (
    "too broad",
    "too narrow",
    "one meaning",
    "other polarity",
    "other side",
    "neighbour square",
    "always true",
    "random",
)
_SIDES = {"mine": "yours", "yours": "mine", "white": "black", "black": "white", "IO": "S", "S": "IO"}
_SIDE = re.compile(r"\b(mine|yours|white|black|IO|S)\b")
_SQUARE = re.compile(r"\b([a-h])([1-8])\b")
_STEPS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
_MATCHED = 0.25  # difference in prevalence, relative, up to which a literal holds about as often
_PAIRS = 400  # conjunctions tried for a prevalence that no literal has


def corruptions(predicate: Predicate, facts: Facts, *, seed: int = 0) -> dict[str, Predicate]:
    """The predicate made wrong in every way that it allows.

    Args:
        predicate: the right one.
        facts: what is true.
        seed: of the choices.

    Returns:
        By kind, in the order of `CORRUPTIONS`; all mean something else than the predicate on these positions:
        too broad: the part of an `and` dropped without which it holds most often; else the rarest fact that always
            holds with it and holds 1.5 times as often; else another fact allowed as well, to hold twice as often.
        too narrow: a fact demanded as well that holds at about a third of its positions.
        one meaning: all of an `or` forgotten but the part that holds most often.
        other polarity: negated. other side: mine for yours, white for black. neighbour square: every square moved by
            one step. always true. random: another predicate that holds about as often.

    Raises:
        KeyError: an unknown fact.
    """
    right = canonical(predicate)
    truth = evaluate(right, facts)
    choice = choice_of(facts, truth)
    kinds = {
        "too broad": _too_broad(right, facts, choice, seed),
        "too narrow": _too_narrow(right, choice, seed),
        "one meaning": _one_meaning(right, facts),
        "other polarity": Not(right),
        "other side": _renamed(right, facts, lambda name: _SIDE.sub(lambda found: _SIDES[found[0]], name)),
        "neighbour square": _neighbour_square(right, facts, seed),
        "always true": always_true(facts),
        "random": _matched(right, choice, seed),
    }
    found = {kind: canonical(wrong) for kind, wrong in kinds.items() if wrong is not None}
    return {kind: wrong for kind, wrong in found.items() if (evaluate(wrong, facts) != truth).any()}


def always_true(facts: Facts) -> Predicate:
    """A predicate that holds everywhere: a counter of at least its smallest value, or a fact or its opposite."""
    for counter, counted in sorted(facts.counters.items()):
        return Compare(counter, ">=", int(counted.min()))
    atom = Atom(facts.names[0])
    return Or((atom, Not(atom)))


def matched_random(predicate: Predicate, facts: Facts, *, seed: int = 0) -> Predicate:
    """Another predicate, of other facts, that holds about as often: a literal, or two facts together.

    Raises:
        KeyError: an unknown fact.
        ValueError: no other facts that vary.
    """
    right = canonical(predicate)
    found = _matched(right, choice_of(facts, evaluate(right, facts)), seed)
    if found is None:
        raise ValueError(f"no other facts than those of {to_text(right)!r} hold at some positions and not at others")
    return found


def dose(predicate: Predicate, facts: Facts, share: float, seed: int = 0) -> Predicate:
    """The predicate made wrong by degrees: its truth set keeps about `1 - share` of IoU with the right one.

    A fact is demanded as well, allowed as well, or put in place of a single one: whichever comes within .02 of the
    closest to that IoU, of which the seed takes one. What was reached is `truth.overlap` of the two.

    Args:
        predicate: the right one.
        facts: what is true.
        share: 0 leaves it as it is, 1 puts a random predicate of the same prevalence in its place.
        seed: of the choice.

    Raises:
        KeyError: an unknown fact.
        ValueError: a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a dose is a share from 0 to 1, got {share}")
    right = canonical(predicate)
    if share == 0:
        return right
    if share == 1:
        return matched_random(right, facts, seed=seed)
    choice = choice_of(facts, evaluate(right, facts))
    free, n = choice.free(atoms(right)), choice.n
    joined = np.maximum(n + choice.on - choice.tp, 1)
    ious = {"and": choice.tp / max(n, 1), "or": n / joined, "instead": choice.tp / joined}
    if n_literals(right) > 1:
        del ious["instead"]
    distance = np.stack([np.where(free, np.abs(iou - (1 - share)), np.inf) for iou in ious.values()])
    close = np.argwhere(distance <= distance.min() + 0.02)
    if not np.isfinite(distance.min()):
        return right
    kind, i = close[int(generator_of(seed, to_text(right), "dose", f"{share:.6f}").integers(len(close)))].tolist()
    literal = choice.literal(i)
    made = {"and": And((right, literal)), "or": Or((right, literal)), "instead": literal}
    return canonical(made[list(ious)[kind]])


def replaced(predicate: Predicate, facts: Facts, share: float, seed: int = 0) -> Predicate:
    """The predicate with a share of its literals exchanged for others that hold about as often.

    Args:
        predicate: the right one.
        facts: what is true.
        share: of the literals, rounded to whole ones; 0 to 1.
        seed: of the choice.

    Raises:
        KeyError: an unknown fact.
        ValueError: a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies in 0 to 1, got {share}")
    wrong, leaves = predicate, literals(predicate)
    order = generator_of(seed, to_text(predicate), "replaced").permutation(len(leaves))
    places: list[int] = order[: round(share * len(leaves))].tolist()
    for place in places:
        choice = choice_of(facts, evaluate(leaves[place], facts))
        other = choice.near(
            choice.free(atoms(predicate)), np.abs(choice.on - choice.n), seed, to_text(predicate), place
        )
        if other is not None:
            wrong = with_literal(wrong, place, other)
    return wrong


def _too_broad(right: Predicate, facts: Facts, choice: Choice, seed: int) -> Predicate | None:
    if isinstance(right, And):
        kept = [[part for part in right.parts if part is not left] for left in right.parts]
        return _most_common([And(tuple(parts)) if len(parts) > 1 else parts[0] for parts in kept], facts)
    n, free = choice.n, choice.free(atoms(right))
    implied = np.flatnonzero(free & (choice.tp == n) & (choice.on >= 1.5 * n))
    implied = implied[implied < choice.n_atoms]  # facts, not the absence of others
    if n and len(implied):
        return choice.literal(int(implied[np.argmin(choice.on[implied])]))
    other = choice.near(free, np.abs(choice.on - choice.tp - n), seed, to_text(right), "too broad")
    return None if other is None else Or((right, other))


def _too_narrow(right: Predicate, choice: Choice, seed: int) -> Predicate | None:
    if choice.n < 2:
        return None
    other = choice.near(choice.free(atoms(right)), np.abs(choice.tp - choice.n / 3), seed, to_text(right), "too narrow")
    return None if other is None else And((right, other))


def _one_meaning(right: Predicate, facts: Facts) -> Predicate | None:
    return _most_common(list(right.parts), facts) if isinstance(right, Or) else None


def _most_common(some: list[Predicate], facts: Facts) -> Predicate:
    """The one that holds most often; of equal ones the first by its text."""
    return min(some, key=lambda p: (-int(evaluate(p, facts).sum()), to_text(p)))


def _renamed(right: Predicate, facts: Facts, rename: Callable[[str], str]) -> Predicate | None:
    """Every fact under another name, where that is one; None if none is."""
    return _renamed_as_far_as_possible(right, facts, rename)[0]


def _renamed_as_far_as_possible(
    right: Predicate, facts: Facts, rename: Callable[[str], str]
) -> tuple[Predicate | None, int]:
    """The same, and how many literals have another name."""
    wrong, changed = right, 0
    for place, leaf in enumerate(literals(right)):
        atom = leaf.part if isinstance(leaf, Not) else leaf
        if isinstance(atom, Atom) and (name := rename(atom.name)) != atom.name and name in facts.index:
            wrong = with_literal(wrong, place, Not(Atom(name)) if isinstance(leaf, Not) else Atom(name))
            changed += 1
    return (wrong if changed else None), changed


def _neighbour_square(right: Predicate, facts: Facts, seed: int) -> Predicate | None:
    """All squares moved by the same step: of the steps that move most facts, the first in a seeded order."""
    found: list[tuple[Predicate | None, int]] = []
    steps: list[int] = generator_of(seed, to_text(right), "neighbour square").permutation(len(_STEPS)).tolist()
    for step in steps:
        across, up = _STEPS[step]

        def moved(name: str, across: int = across, up: int = up) -> str:
            return _SQUARE.sub(lambda found: chr(ord(found[1]) + across) + chr(ord(found[2]) + up), name)

        found.append(_renamed_as_far_as_possible(right, facts, moved))
    return max(found, key=lambda one: one[1])[0]


def _matched(right: Predicate, choice: Choice, seed: int) -> Predicate | None:
    free, text = choice.free(atoms(right)), to_text(right)
    distance = np.abs(choice.on - choice.n)
    close = free & (distance <= _MATCHED * choice.n)
    single = choice.near(close if close.any() else free, distance, seed, text, "random")
    places = np.flatnonzero(free[: choice.n_atoms])
    if single is None or len(places) < 2 or close.any():
        return single
    generator = generator_of(seed, text, "random pairs")
    pairs = np.stack([generator.choice(places, 2, replace=False) for _ in range(_PAIRS)])
    together: NDArray[np.int64] = choice.together(pairs)
    gaps = np.where(together > 0, np.abs(together - choice.n), np.iinfo(np.int64).max)
    best = int(gaps.argmin())
    if gaps[best] >= distance[free].min():
        return single
    return And(tuple(choice.literal(int(i)) for i in pairs[best]))
