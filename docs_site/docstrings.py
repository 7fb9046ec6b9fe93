"""Docstrings as the API pages show them: columns of a metric's module become headings, doctests become code."""

import re
from typing import Any

from fiducial.metric_sections import LABELS, paragraphs, sections
from fiducial.page_blocks import Block, Code, Heading, Items, Text, to_markdown
from griffe import Extension, Module, Object

_PAIR = re.compile(r"(\w\]\s?)\[(?=\w+\])")  # a[b][c] is no link
_DOCTEST = re.compile(r"(?m)(?:^>>> .*\n?(?:^(?:\.\.\. |\.\.\.$|(?!>>>)\S).*\n?)*)+")


class Readable(Extension):
    """Rewrites docstrings as Markdown that says the same."""

    def on_module(self, *, mod: Module, **_: Any) -> None:
        """Set the parts of a module in columns apart; what is indented keeps its lines."""
        if mod.docstring is None:
            return
        mod.docstring.value = readable_module(mod.docstring.value)

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fence doctests that stand outside of `Examples`."""
        if obj.docstring is None or obj.is_module:
            return
        obj.docstring.value = fenced(_PAIR.sub(r"\1\\[", obj.docstring.value))


def readable_module(text: str) -> str:
    """A module's docstring as Markdown."""
    found = sections(text)
    if set(found.parts) <= {"Question"}:
        return fenced(kept_lines(text))
    blocks: list[Block] = [Text(found.title), *_paragraphs(found.prose)]
    for label in LABELS:
        if label in found.parts and not (label == "Question" and found.title.endswith("?")):
            part = found.parts[label]
            blocks.append(Heading(label, 3))
            if label == "Equation":
                blocks.append(Code(part))
                continue
            lead, items = paragraphs(part)
            blocks += [*([Text(lead)] if lead else []), *([Items(items, numbered=True)] if items else [])]
    return "\n\n".join(
        to_markdown([one]).strip().replace("### ", "**", 1) + ("**" if isinstance(one, Heading) else "")
        for one in blocks
    )


def _paragraphs(text: str) -> list[Block]:
    return [Text(" ".join(part.split())) for part in text.split("\n\n") if part.strip()]


def kept_lines(text: str) -> str:
    """Paragraphs whose later lines are indented, such as tables in columns, as code; the rest as it is."""
    found: list[str] = []
    for part in text.split("\n\n"):
        lines = part.splitlines()
        hanging = (
            len(lines) > 1
            and not lines[0].startswith((" ", "-", "*", ">"))
            and any(line.startswith("   ") for line in lines[1:])
        )
        indented = bool(lines) and all(line.startswith("  ") for line in lines) and not part.startswith("    ")
        found.append(f"```text\n{part}\n```" if hanging or indented else part)
    return "\n\n".join(found)


def fenced(text: str) -> str:
    """Doctests that begin at the margin, as code; those below a heading such as `Examples:` are indented and stay."""
    return _DOCTEST.sub(lambda match: f"```pycon\n{match.group().rstrip()}\n```\n", text)
