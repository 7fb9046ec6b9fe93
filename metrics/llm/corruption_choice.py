"""Literals to choose from when an explanation is made wrong, with how often each holds where the right one does."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .facts import Facts
from .predicate import Atom, Predicate, negated
from .predicate_bits import AtomBits, atom_bits, pack, popcount
from .seeds import generator_of

_NEAREST = 12  # candidates of nearly equal fit, of which the seed takes one


@dataclass(frozen=True, eq=False)
class Choice:
    """Every fact and its negation beside a right predicate.

    Attributes:
        bits: A facts at all positions.
        n: positions at which the right predicate holds.
        on: int64 [2 A], positions at which a literal holds; facts first, then their negations.
        tp: int64 [2 A], those at which the right predicate holds too.
    """

    bits: AtomBits
    n: int
    on: NDArray[np.int64]
    tp: NDArray[np.int64]

    @property
    def n_atoms(self) -> int:
        """A."""
        return len(self.bits.predicates)

    def literal(self, i: int) -> Predicate:
        """Literal i."""
        atom = self.bits.predicates[i % self.n_atoms]
        return atom if i < self.n_atoms else negated(atom)

    def free(self, used: tuple[str, ...]) -> NDArray[np.bool_]:
        """Literals about other facts than some that hold at some positions and not at others, bool [2 A]."""
        names = set(used)
        other = [not (isinstance(p, Atom) and p.name in names) for p in self.bits.predicates]
        varies = (self.bits.on > 0) & (self.bits.on < self.bits.n_rows)
        return np.tile(np.array(other, np.bool_) & varies, 2)

    def near(
        self,
        free: NDArray[np.bool_],
        distance: NDArray[np.int64] | NDArray[np.float64],
        seed: int,
        *purpose: str | int,
    ) -> Predicate | None:
        """One of the free literals at the least distance, drawn for a purpose; None if none is free."""
        places = np.flatnonzero(free)
        if not len(places):
            return None
        close = places[np.argsort(distance[places], kind="stable")[:_NEAREST]]
        return self.literal(int(generator_of(seed, *purpose).choice(close)))

    def together(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions at which both facts of each pair [n, 2] hold, int64 [n]."""
        return popcount(self.bits.words[pairs[:, 0]] & self.bits.words[pairs[:, 1]])


def choice_of(facts: Facts, truth: NDArray[np.bool_]) -> Choice:
    """All literals beside a predicate that holds at some positions, bool [N]."""
    bits, words, n = _everywhere(facts), pack(truth), int(truth.sum())
    here = np.flatnonzero(words)
    tp = popcount(bits.words[:, here] & words[here])
    return Choice(bits, n, np.concatenate([bits.on, bits.n_rows - bits.on]), np.concatenate([tp, n - tp]))


@lru_cache(maxsize=2)  # facts are told apart by identity; a ladder of corruptions asks for the same ones every time
def _everywhere(facts: Facts) -> AtomBits:
    return atom_bits(facts, np.arange(facts.n_rows))
