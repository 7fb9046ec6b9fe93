"""Predicates over named facts: a small language in which an explanation can be executed."""

from dataclasses import dataclass
from typing import TypeAlias


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


@dataclass(frozen=True)
class Not:
    """True where its part is not."""

    part: "Predicate"


@dataclass(frozen=True)
class And:
    """True where all of at least two parts are."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True)
class Or:
    """True where any of at least two parts is."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True)
class AtLeast:
    """True where at least k of its parts are."""

    k: int
    parts: tuple["Predicate", ...]


Predicate: TypeAlias = Atom | Compare | Not | And | Or | AtLeast
