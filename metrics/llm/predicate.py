"""Predicates over named facts: a small language in which an explanation can be executed.

Conventions   A literal is an atom, a comparison or the negation of one. Two predicates are equal as written if their
              canonical forms are; they mean the same on a set of positions if they hold at the same ones
              (`truth_hash`). A square is named by a letter a-h and a digit 1-8.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .facts import Facts

_SQUARE = re.compile(r"\b[a-h][1-8]\b", re.IGNORECASE)


@dataclass(frozen=True)
class Atom:
    """A fact by name, such as `mine on c4`."""

    name: str


@dataclass(frozen=True)
class Compare:
    """A counter against a number, such as `ply >= 30`.

    Attributes:
        counter: its name.
        sign: `>=` or `<=`.
        value: the number.
    """

    counter: str
    sign: str
    value: int

    def __post_init__(self) -> None:
        if self.sign not in (">=", "<="):
            raise ValueError(f"a counter is compared by >= or <=, got {self.sign!r}")


@dataclass(frozen=True)
class Not:
    """True where its part is not."""

    part: "Predicate"


@dataclass(frozen=True)
class And:
    """True where all of at least two parts are."""

    parts: tuple["Predicate", ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"And joins at least two parts, got {len(self.parts)}")


@dataclass(frozen=True)
class Or:
    """True where any of at least two parts is."""

    parts: tuple["Predicate", ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"Or joins at least two parts, got {len(self.parts)}")


@dataclass(frozen=True)
class AtLeast:
    """True where at least k of its parts are."""

    k: int
    parts: tuple["Predicate", ...]

    def __post_init__(self) -> None:
        if not 1 <= self.k <= len(self.parts):
            raise ValueError(f"at least k of {len(self.parts)} parts needs k from 1 to {len(self.parts)}, got {self.k}")


Predicate: TypeAlias = Atom | Compare | Not | And | Or | AtLeast
Key: TypeAlias = tuple[Any, ...]


def negated(p: Predicate) -> Predicate:
    """The opposite, without a second `not`."""
    if isinstance(p, Not):
        return p.part
    if isinstance(p, Compare):
        up = p.sign == ">="
        return Compare(p.counter, "<=" if up else ">=", p.value - 1 if up else p.value + 1)
    return Not(p)


def order(p: Predicate) -> Key:
    """Sort key of canonical order: atoms by name, comparisons, negations, then and, or, at least."""
    match p:
        case Atom(name):
            return (0, name)
        case Compare(counter, sign, value):
            return (1, counter, sign, value)
        case Not(part):
            return (2, order(part))
        case And(parts):
            return (3, len(parts), tuple(order(part) for part in parts))
        case Or(parts):
            return (4, len(parts), tuple(order(part) for part in parts))
        case AtLeast(k, parts):
            return (5, k, len(parts), tuple(order(part) for part in parts))


def canonical(p: Predicate) -> Predicate:
    """The same predicate in the one form that decides equality.

    Nested and/or are flattened, parts sorted, repeated parts dropped (not under `at least`, where they count), double
    negations removed, negated comparisons turned round; `at least 1 of` is or, `at least n of n` is and.

    >>> canonical(And((Atom("b"), And((Atom("a"), Not(Not(Atom("b"))))))))
    And(parts=(Atom(name='a'), Atom(name='b')))
    """
    match p:
        case Atom() | Compare():
            return p
        case Not(part):
            return negated(canonical(part))
        case And(parts):
            return _joined(And, parts)
        case Or(parts):
            return _joined(Or, parts)
        case AtLeast(k, parts):
            if k == 1:
                return canonical(_join(Or, parts))
            if k == len(parts):
                return canonical(_join(And, parts))
            return AtLeast(k, tuple(sorted((canonical(part) for part in parts), key=order)))


def _join(kind: type[And] | type[Or], parts: tuple[Predicate, ...]) -> Predicate:
    return kind(parts) if len(parts) > 1 else next(iter(parts))


def _joined(kind: type[And] | type[Or], parts: tuple[Predicate, ...]) -> Predicate:
    found: dict[Predicate, None] = {}
    for part in map(canonical, parts):
        found.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    return _join(kind, tuple(sorted(found, key=order)))


def evaluate(p: Predicate, facts: "Facts", rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.bool_]:
    """Whether the predicate holds at some positions, bool [rows].

    Args:
        p: the predicate.
        facts: what is true there.
        rows: their numbers, or a slice; all by default.

    Raises:
        KeyError: an unknown fact or counter; close names are suggested.
    """
    match p:
        case Atom(name):
            if name not in facts.index:
                raise KeyError(f"no fact named {name!r} among {len(facts.names)}{close_to(name, facts.names)}")
            return facts.column(name, rows)
        case Compare(counter, sign, value):
            if counter not in facts.counters:
                raise KeyError(f"no counter named {counter!r}; there are {', '.join(facts.counters) or 'none'}")
            counted = facts.counters[counter][rows]
            return counted >= value if sign == ">=" else counted <= value
        case Not(part):
            return ~evaluate(part, facts, rows)
        case And(parts):
            return np.logical_and.reduce([evaluate(part, facts, rows) for part in parts])
        case Or(parts):
            return np.logical_or.reduce([evaluate(part, facts, rows) for part in parts])
        case AtLeast(k, parts):
            held = np.stack([evaluate(part, facts, rows) for part in parts]).sum(axis=0, dtype=np.int64)
            return np.asarray(held >= k, np.bool_)


def close_to(name: str, names: tuple[str, ...]) -> str:
    """`; did you mean ...?`, or nothing."""
    close = get_close_matches(name, names, n=3)
    return f"; did you mean {', '.join(map(repr, close))}?" if close else ""


def _leaves(p: Predicate) -> Iterator[Predicate]:
    """Literals, from left to right, with repetitions."""
    match p:
        case Atom() | Compare() | Not(Atom() | Compare()):
            yield p
        case Not(part):
            yield from _leaves(part)
        case And(parts) | Or(parts) | AtLeast(_, parts):
            for part in parts:
                yield from _leaves(part)


def literals(p: Predicate) -> tuple[Predicate, ...]:
    """Atoms, comparisons and negations of one, from left to right, as often as they stand there."""
    return tuple(_leaves(p))


def n_literals(p: Predicate) -> int:
    """How long it is."""
    return len(literals(p))


def atoms(p: Predicate) -> tuple[str, ...]:
    """Names of the facts it speaks of, each once, from left to right."""
    bare = (leaf.part if isinstance(leaf, Not) else leaf for leaf in _leaves(p))
    return tuple(dict.fromkeys(leaf.name for leaf in bare if isinstance(leaf, Atom)))


def with_literal(p: Predicate, place: int, new: Predicate) -> Predicate:
    """The predicate with another literal at a place of `literals(p)`.

    Raises:
        IndexError: no such place.
    """
    if not 0 <= place < n_literals(p):
        raise IndexError(f"literal {place} of {n_literals(p)}")
    return _replaced(p, place, new)


def _replaced(p: Predicate, place: int, new: Predicate) -> Predicate:
    match p:
        case Atom() | Compare() | Not(Atom() | Compare()):
            return new
        case Not(part):
            return Not(_replaced(part, place, new))
        case And(parts):
            return And(_replaced_part(parts, place, new))
        case Or(parts):
            return Or(_replaced_part(parts, place, new))
        case AtLeast(k, parts):
            return AtLeast(k, _replaced_part(parts, place, new))


def _replaced_part(parts: tuple[Predicate, ...], place: int, new: Predicate) -> tuple[Predicate, ...]:
    found: list[Predicate] = []
    for part in parts:
        here = n_literals(part)
        found.append(_replaced(part, place, new) if 0 <= place < here else part)
        place -= here
    return tuple(found)


def one_literal_flipped(p: Predicate) -> list[Predicate]:
    """The predicates that differ from this one in the sign of one literal, from left to right.

    >>> one_literal_flipped(And((Atom("a"), Not(Atom("b")))))[1]
    And(parts=(Atom(name='a'), Atom(name='b')))
    """
    return [with_literal(p, place, negated(leaf)) for place, leaf in enumerate(literals(p))]


def truth_hash(p: Predicate, facts: "Facts") -> str:
    """Where it holds, as a sha256 in hexadecimal: the same for predicates that mean the same on these positions."""
    return hashlib.sha256(np.packbits(evaluate(p, facts)).tobytes()).hexdigest()


def squares_of(p: Predicate) -> frozenset[str]:
    """Squares that its facts name, in lower case.

    >>> sorted(squares_of(Or((Atom("white knight on F3"), Atom("mine control the a1-f6 diagonal")))))
    ['a1', 'f3', 'f6']
    """
    return frozenset(square.lower() for name in atoms(p) for square in _SQUARE.findall(name))
