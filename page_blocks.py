"""A page as a list of blocks, written as Markdown for the site or as text for the terminal.

One list, two writers: what `fiducial metrics coverage` prints is what the page of the site says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent, wrap

_KEPT = re.compile(r"(`[^`]*`|\*\*|\]\([^)\s]*\))")  # code, strong, where a link leads
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is that of the page."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; `code`, **strong** and links are written as in Markdown."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines that stay as they are.

    Attributes:
        text: the lines.
        language: what colours them: "python", "sh" or "text".
        marked: numbers of lines that are picked out, from 1.
    """

    text: str
    language: str = "text"
    marked: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; cells hold `code` and links as paragraphs do.

    Attributes:
        heads: of the columns; all empty for a list of pairs.
        rows: as long as `heads` each.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Items:
    """A list.

    Attributes:
        items: paragraphs.
        numbered: whether they have numbers.
    """

    items: tuple[str, ...]
    numbered: bool = False


Block = Heading | Text | Code | Table | Items


def to_markdown(blocks: Sequence[Block]) -> str:
    """The page as Markdown; what could pass for markup is escaped outside of `code` and links."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {escaped(text)}"
        case Text(text):
            return escaped(text)
        case Code(text, language, marked):
            lines = f' hl_lines="{" ".join(map(str, marked))}"' if marked else ""
            return f"```{language}{lines}\n{text}\n```"
        case Table(heads, rows):
            all_rows = [heads, tuple("---" for _ in heads), *rows]
            cells = [[_cell(cell) for cell in row] for row in all_rows]
            return "\n".join(f"| {' | '.join(row)} |" for row in cells)
        case Items(items, numbered):
            return "\n".join(f"{f'{n}.' if numbered else '-'} {escaped(item)}" for n, item in enumerate(items, 1))


def _cell(text: str) -> str:
    return escaped(text).replace("|", r"\|").replace("\n", " ")


def escaped(text: str) -> str:
    r"""Text whose characters stay what they are, but for `code`, **strong** and links.

    >>> escaped("E|x|^2 < 1, w*_i of `a*b`")
    'E|x|^2 &lt; 1, w\\*\\_i of `a*b`'
    """
    return "".join(
        part if kept % 2 else re.sub(r"([*_])", r"\\\1", part.replace("<", "&lt;"))
        for kept, part in enumerate(_KEPT.split(text))
    )


def to_text(blocks: Sequence[Block], width: int = 100) -> str:
    """The page for a terminal.

    Args:
        blocks: of the page.
        width: columns; lines of code and equations may be longer.
    """
    return "\n\n".join(_text(block, width) for block in blocks) + "\n"


def _text(block: Block, width: int) -> str:
    match block:
        case Heading(text, level):
            plain = _plain(text)
            return f"{plain}\n{('=' if level == 1 else '-') * len(plain)}"
        case Text(text):
            return _wrapped(text, width)
        case Code(text, _, marked):
            lines = enumerate(text.splitlines(), 1)
            return "\n".join(f"{'> ' if n in marked else '  '}{line}".rstrip() for n, line in lines)
        case Table(heads, rows):
            return _columns(heads, rows, width)
        case Items(items, numbered):
            return "\n".join(
                _wrapped(item, width, f"{n}. " if numbered else "- ", "   " if numbered else "  ")
                for n, item in enumerate(items, 1)
            )


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("`", "").replace("**", "")


def _wrapped(text: str, width: int, first: str = "", then: str = "") -> str:
    lines = wrap(_plain(text), width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
    return "\n".join(lines)


def _columns(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int) -> str:
    """Columns as wide as they need; the last one takes what is left and wraps."""
    table = [[_plain(cell) for cell in row] for row in rows]
    if any(heads):
        table = [[_plain(head) for head in heads], *table]
    wide = [max(len(row[column]) for row in table) for column in range(len(heads) - 1)]
    before = sum(wide) + 2 * len(wide)
    found: list[str] = []
    for row in table:
        lead = "".join(f"{cell:{size}}  " for cell, size in zip(row, wide, strict=False))
        last = wrap(row[-1], max(30, width - before), break_on_hyphens=False) or [""]
        found.append(f"{lead}{last[0]}".rstrip())
        found += [indent(line, " " * before) for line in last[1:]]
    return "\n".join(found)
