"""What a metric's module says of it, read from its docstring: question, equations, conventions, references, and so on.

The docstrings are written by hand in one form: a first line, then parts that begin at the margin with one of `LABELS`.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

LABELS = (
    "Question",
    "Equation",
    "Chance",
    "Conventions",
    "Intervals",
    "Floors",
    "Ceilings",
    "References",
    "Differences from published code",
)
NEEDED = ("Question", "Equation", "Conventions", "References", "Differences from published code")
_START = re.compile(
    r"^(Question|Equations?|Chance|Conventions|Intervals|Floors?|Ceilings?|References|Differences from published code)"
    r"(?=\s|$)(.*)$"
)
_ITEM = re.compile(r"^\s*(\d+)\. ")


@dataclass(frozen=True)
class Sections:
    """The parts of a docstring.

    Attributes:
        title: the first line.
        prose: what stands before the first part.
        parts: text of each part by its label in `LABELS`, dedented; a `Question` that only the first line asks is that.
    """

    title: str
    prose: str
    parts: Mapping[str, str]


def sections(docstring: str) -> Sections:
    r"""The parts of a module's docstring.

    Args:
        docstring: cleaned, as `ast.get_docstring` gives it.

    >>> found = sections("Coverage: is it there?\n\nEquation  a = b\n          c = d\nReferences  A paper.")
    >>> found.parts["Question"], found.parts["Equation"].splitlines(), found.parts["References"]
    ('Is it there?', ['a = b', 'c = d'], 'A paper.')
    """
    lines = docstring.splitlines()
    parts: dict[str, list[str]] = {}
    prose: list[str] = []
    current = prose
    for line in lines[1:]:
        start = _START.match(line)
        if start:
            label = next(one for one in LABELS if one.startswith(start[1].rstrip("s")))
            # The first line goes on where its label ended, so that the columns of what follows stay true.
            current = parts.setdefault(label, [])
            current.append(" " * len(start[1]) + start[2])
        else:
            current.append(line)
    found = {label: _dedented(text) for label, text in parts.items()}
    first = lines[0].strip()
    asked = first.split(": ", 1)[-1]
    if "Question" not in found and asked.endswith("?"):
        found["Question"] = asked[0].upper() + asked[1:]
    return Sections(first, "\n".join(prose).strip("\n"), found)


def _dedented(lines: list[str]) -> str:
    """Without the margin that all lines but the first share; the first starts where its text does."""
    rest = [line for line in lines[1:] if line.strip()]
    shared = min((len(line) - len(line.lstrip()) for line in rest), default=0)
    first = lines[0].strip()
    body = [line[shared:].rstrip() for line in lines[1:]]
    return "\n".join([first, *body] if first else body).strip("\n")


@cache
def of_module(name: str) -> Sections:
    """The parts of the docstring of `fiducial.metrics.NAME`, read without importing it."""
    found = find_spec(f"{__package__}.metrics.{name}")
    assert found is not None
    assert found.origin is not None
    return sections(ast.get_docstring(ast.parse(Path(found.origin).read_text())) or "")


def paragraphs(text: str) -> tuple[str, tuple[str, ...]]:
    r"""A part as running text and the numbered points that follow it.

    >>> paragraphs("Some words\n1. first\n   goes on\n2. second")
    ('Some words', ('first goes on', 'second'))
    """
    lead: list[str] = []
    items: list[list[str]] = []
    for line in text.splitlines():
        if start := _ITEM.match(line):
            items.append([line[start.end() :].strip()])
        else:
            (items[-1] if items else lead).append(line.strip())
    return " ".join(filter(None, lead)), tuple(" ".join(filter(None, item)) for item in items)


def lines_about(equations: str, metric: str) -> tuple[int, ...]:
    """Numbers of the lines, from 1, that define one metric of several: its own line and what is indented below it."""
    found = _lines_named(equations, metric)
    return found or _lines_named(equations, re.sub(r"_(score|error)$", "", metric))  # written `recovery = ...`


def _lines_named(equations: str, metric: str) -> tuple[int, ...]:
    found: list[int] = []
    within = -1
    for number, line in enumerate(equations.splitlines(), 1):
        depth = len(line) - len(line.lstrip())
        if re.search(rf"(?<![\w]){re.escape(metric)}(?![\w])", line.split("=")[0]):
            within = depth
            found.append(number)
        elif within >= 0 and line.strip() and depth > within:
            found.append(number)
        else:
            within = -1
    return tuple(found)
