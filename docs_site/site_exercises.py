"""The exercises as pages: text, code and figures of the executed notebooks, each solution folded away."""

import base64
import json
import re
from pathlib import Path
from typing import Any

_FIGURE = "image/png"
_PATH = re.compile(r"import sys\n\nsys\.path\.insert\([^\n]*\n+")  # by which a solution finds the checks
_LOCAL = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?://)[^)]*\)")


def pages(folder: Path) -> dict[str, str | bytes]:
    """Pages and figures of the exercises, and a page that lists them; none where there are no exercises yet.

    Args:
        folder: that of the exercises: notebooks for students, executed ones of the same names in `solutions/`.
    """
    found: dict[str, str | bytes] = {}
    listed: list[str] = []
    for solved in sorted((folder / "solutions").glob("*.ipynb")):
        open_ones = folder / solved.name
        if not open_ones.exists():
            continue
        cells = json.loads(solved.read_text())["cells"]
        shown = {_source(cell) for cell in json.loads(open_ones.read_text())["cells"]}
        page, figures = _page(solved.stem, cells, shown)
        found |= {f"exercises/{solved.stem}.md": page, **figures}
        title, about = _head(cells)
        listed.append(f"| [{title}]({solved.stem}.md) | {about} |")
    if listed:
        found["exercises/index.md"] = _INTRODUCTION + "\n".join(listed) + "\n"
    return found


_INTRODUCTION = """# Exercises

Notebooks on dictionary learning, of 20 to 40 minutes each. They are in `examples/exercises/`, with cells to fill in and
checks that say what is wrong and give hints. The pages here show them with the solutions folded away.

```sh
pip install -c constraints.txt '.[exercises]'
```

Then open `examples/exercises/01_by_hand.ipynb` in your notebook editor, with this environment as its kernel.

| exercise | what it is about |
| --- | --- |
"""


def _head(cells: list[dict[str, Any]]) -> tuple[str, str]:
    lines = _source(cells[0]).splitlines()
    after = "\n".join(lines[1:]).strip().split("\n\n")[0]
    return lines[0].lstrip("# ").strip(), " ".join(after.split()).replace("|", r"\|")


def _source(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _page(name: str, cells: list[dict[str, Any]], shown: set[str]) -> tuple[str, dict[str, bytes]]:
    """One notebook: what its student sees stands open, what the student writes is folded with what it gives."""
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for number, cell in enumerate(cells):
        source = _source(cell)
        if cell["cell_type"] == "markdown":
            if not source.startswith("*The solution of"):
                parts.append(_LOCAL.sub(r"\1", source))
            continue
        source = _PATH.sub("", source)
        body = [f"```python\n{source}\n```"]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if _FIGURE in data:
                where = f"exercises/{name}-{number}.png"
                figures[where] = base64.b64decode("".join(data[_FIGURE]))
                body.append(f"![figure]({Path(where).name})")
            else:
                text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
                body += [f"```text\n{text}\n```"] if text else []
        whole = "\n\n".join(body)
        parts.append(whole if source in shown else _folded(whole))
    return "\n\n".join(parts) + "\n", figures


def _folded(text: str) -> str:
    indented = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return f'??? success "A solution"\n\n{indented}'
