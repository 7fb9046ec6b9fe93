"""Predicates as text and back: `(mine on c4 and not b3 empty) or ply >= 30`.

Grammar       any     = all ("or" all)*
              all     = one ("and" one)*
              one     = "not" one | "at least" K "of" "(" any (";" any)* ")" | "(" any ")" | COUNTER SIGN NUMBER | fact
              fact    = a name as it stands, or in double quotes
Conventions   Case and width of spaces do not matter; a full stop at the end is allowed. Of several names that fit, the
              longest is meant. A name that holds a word or sign of the grammar, such as `white bishop and queen
              battery`, is written in quotes; without them it is still read where nothing else fits.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from .predicate import And, AtLeast, Atom, Compare, Not, Or, Predicate, close_to

_RESERVED = re.compile(r"\b(?:and|or|not)\b|at\s+least\s+\d+\s+of\s*\(|[^\w\s'-]", re.IGNORECASE)
_AT_LEAST = re.compile(r"at\s+least\s+(\d+)\s+of\s*\(", re.IGNORECASE)
_WORD = re.compile(r"[\w'-]+|\S")
_END = re.compile(r"\s*(?:$|[();,.]|\b(?:and|or)\b)", re.IGNORECASE)
_SIGNS = {">=": ">=", "<=": "<=", "≥": ">=", "≤": "<=", "=>": ">=", "=<": "<=", ">": ">", "<": "<", "==": "=", "=": "="}
_COMPARE = re.compile(r"\s*(>=|<=|=>|=<|==|≥|≤|>|<|=)\s*(-?\d+)(?!\w)")


def to_text(p: Predicate) -> str:
    """The predicate in words; `parse` reads it back as the same tree.

    >>> to_text(Or((And((Atom("mine on c4"), Not(Atom("b3 empty")))), Compare("ply", ">=", 30))))
    '(mine on c4 and not b3 empty) or ply >= 30'
    """
    match p:
        case Atom(name):
            plain = name and not _RESERVED.search(name) and name == " ".join(name.split())
            return name if plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Compare(counter, sign, value):
            return f"{counter} {sign} {value}"
        case Not(part):
            return f"not {_inside(part)}"
        case And(parts):
            return " and ".join(map(_inside, parts))
        case Or(parts):
            return " or ".join(map(_inside, parts))
        case AtLeast(k, parts):
            return f"at least {k} of ({'; '.join(map(to_text, parts))})"


def _inside(p: Predicate) -> str:
    return f"({to_text(p)})" if isinstance(p, And | Or) else to_text(p)


def parse(text: str, names: tuple[str, ...], counters: tuple[str, ...] = ("ply",)) -> Predicate:
    """The predicate that a text stands for, as it is written (see `canonical`).

    Args:
        text: in the grammar above.
        names: of all facts.
        counters: names of counters.

    Raises:
        ValueError: what cannot be read, where, and which names are close.

    >>> parse("Mine on c4 AND not  b3 empty.", ("mine on c4", "b3 empty"))
    And(parts=(Atom(name='mine on c4'), Not(part=Atom(name='b3 empty'))))
    """
    trimmed = text.rstrip()
    reader = _Reader(trimmed.removesuffix("."), _lexicon(tuple(names)), tuple(counters))
    found = reader.any_of()
    if reader.rest():
        raise reader.error("expected `and`, `or` or the end")
    return found


def grammar(names_sample: tuple[str, ...] = (), counters: tuple[str, ...] = ("ply",)) -> str:
    """The language in words, for people and for prompts.

    Args:
        names_sample: some names of facts, as examples.
        counters: names of counters.
    """
    a, b, c = (*names_sample, "fact A", "fact B", "fact C")[:3] if len(names_sample) < 3 else names_sample[:3]
    lines = [
        "An explanation is written with names of facts, exactly as they are listed, joined by these words:",
        f"  not {a}",
        f"  {a} and {b}",
        f"  {a} or {b}",
        f"  at least 2 of ({a}; {b}; {c})",
        f"Brackets group: ({a} or {b}) and not {c}. `and` binds closer than `or`, `not` closest.",
    ]
    if counters:
        lines.append(f"A counter ({', '.join(counters)}) is compared with a whole number: {counters[0]} >= 30.")
    if names_sample:
        lines += ["Some of the facts:", *(f"  {name}" for name in names_sample)]
    return "\n".join(lines)


@dataclass(frozen=True)
class _Lexicon:
    """How names are spelled, by their words in lower case; those that hold words of the grammar apart."""

    names: tuple[str, ...]
    known: frozenset[str]
    plain: dict[tuple[str, ...], tuple[str, ...]]
    odd: dict[tuple[str, ...], tuple[str, ...]]
    longest: int


@lru_cache(maxsize=16)
def _lexicon(names: tuple[str, ...]) -> _Lexicon:
    plain: dict[tuple[str, ...], tuple[str, ...]] = {}
    odd: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in names:
        words = tuple(_WORD.findall(name.lower()))
        part = odd if _RESERVED.search(name) else plain
        part[words] = (*part.get(words, ()), name)
    longest = max((len(words) for words in [*plain, *odd]), default=0)
    return _Lexicon(names, frozenset(names), plain, odd, longest)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str, lexicon: _Lexicon, counters: tuple[str, ...]) -> None:
        self.text, self.lexicon, self.place = text, lexicon, 0
        self.counters = sorted(counters, key=lambda name: (-len(name), name))

    def rest(self) -> str:
        """What has not been read, from its first letter on."""
        return self.text[self.place :].lstrip()

    def skip(self) -> None:
        self.place = len(self.text) - len(self.rest())

    def takes(self, sign: str) -> bool:
        """Reads a word or a sign if it comes next."""
        self.skip()
        end = self.place + len(sign)
        if self.text[self.place : end].lower() != sign:
            return False
        if sign.isalpha() and re.match(r"[\w'-]", self.text[end : end + 1]):
            return False
        self.place = end
        return True

    def error(self, wanted: str) -> ValueError:
        self.skip()
        rest = self.rest()
        if not rest:
            return ValueError(f"{wanted}, but the text ends: {self.text!r}")
        upto = re.split(r"\s+(?:and|or)\s+|[();]", rest, maxsplit=1, flags=re.IGNORECASE)[0].strip() or rest[0]
        hint = close_to(upto.lower(), self.lexicon.names)
        return ValueError(f"{wanted} at character {self.place + 1}, got {upto!r} in {self.text!r}{hint}")

    def any_of(self) -> Predicate:
        parts = [self.all_of()]
        while self.takes("or"):
            parts.append(self.all_of())
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def all_of(self) -> Predicate:
        parts = [self.one()]
        while self.takes("and"):
            parts.append(self.one())
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def one(self) -> Predicate:
        self.skip()
        if self.text[self.place : self.place + 1] in ('"', "“", "”"):
            return self.quoted()
        if (name := self.name(self.lexicon.plain)) is not None:
            return Atom(name)
        if (compared := self.compared()) is not None:
            return compared
        if found := _AT_LEAST.match(self.text, self.place):
            return self.at_least(found)
        if self.takes("("):
            inner = self.any_of()
            self.closes()
            return inner
        if self.takes("not"):
            return Not(self.one())
        if (name := self.name(self.lexicon.odd)) is not None:
            return Atom(name)
        raise self.error("expected a fact")

    def closes(self) -> None:
        if not self.takes(")"):
            raise self.error("expected `)`")

    def at_least(self, found: re.Match[str]) -> Predicate:
        start, self.place = self.place, found.end()
        parts = [self.any_of()]
        while self.takes(";") or self.takes(","):
            parts.append(self.any_of())
        self.closes()
        k = int(found[1])
        if not 1 <= k <= len(parts):
            raise ValueError(f"at least {k} of {len(parts)} facts at character {start + 1} of {self.text!r}")
        return AtLeast(k, tuple(parts))

    def quoted(self) -> Predicate:
        start, letters = self.place, list[str]()
        self.place += 1
        while self.place < len(self.text):
            letter = self.text[self.place]
            self.place += 1
            if letter == "\\" and self.text[self.place : self.place + 1] in ("\\", '"'):
                letters.append(self.text[self.place])
                self.place += 1
            elif letter in ('"', "“", "”"):
                return Atom(self.known("".join(letters), start))
            else:
                letters.append(letter)
        raise ValueError(f"the quote at character {start + 1} is never closed: {self.text!r}")

    def known(self, name: str, start: int) -> str:
        """The fact of a quoted name: exactly this one, or the only one that differs in case or spaces alone."""
        if name in self.lexicon.known:
            return name
        words = tuple(_WORD.findall(name.lower()))
        spelled = (*self.lexicon.plain.get(words, ()), *self.lexicon.odd.get(words, ()))
        if len(spelled) == 1:
            return spelled[0]
        hint = close_to(name, self.lexicon.names)
        raise ValueError(f"no fact named {name!r} at character {start + 1} of {self.text!r}{hint}")

    def name(self, names: dict[tuple[str, ...], tuple[str, ...]]) -> str | None:
        """The longest name that stands here and is followed by a word of the grammar or by the end."""
        found = list(islice(_WORD.finditer(self.text, self.place), self.lexicon.longest))
        words = tuple(word[0].lower() for word in found)
        for n in range(len(found), 0, -1):
            if words[:n] in names and _END.match(self.text, found[n - 1].end()):
                written = " ".join(self.text[self.place : found[n - 1].end()].split())
                self.place = found[n - 1].end()
                return written if written in names[words[:n]] else names[words[:n]][0]
        return None

    def compared(self) -> Predicate | None:
        for counter in self.counters:
            end = self.place + len(counter)
            if self.text[self.place : end].lower() != counter.lower():
                continue
            if found := _COMPARE.match(self.text, end):
                self.place = found.end()
                return _comparison(counter, _SIGNS[found[1]], int(found[2]))
        return None


def _comparison(counter: str, sign: str, value: int) -> Predicate:
    if sign == ">":
        return Compare(counter, ">=", value + 1)
    if sign == "<":
        return Compare(counter, "<=", value - 1)
    if sign == "=":
        return And((Compare(counter, ">=", value), Compare(counter, "<=", value)))
    return Compare(counter, sign, value)
