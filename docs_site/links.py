"""Links of pages that are also read in the repository: what lies outside of docs/ has its own page, or is named."""

import re
from pathlib import PurePosixPath

MADE_OF = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "examples/exercises/README.md": "exercises/index.md",
    "examples/exercises": "exercises/index.md",
    "docs": "index.md",
}
_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_site(markdown: str, page: str, source: str) -> str:
    """The Markdown of a page with links that hold on the site.

    Args:
        markdown: of the page.
        page: its place on the site, below docs/.
        source: the file that it is made of, below the root of the repository.

    >>> on_site("[all](../benchmarks/RESULTS.md), [code](../examples/a.py)", "scale.md", "docs/scale.md")
    '[all](benchmarks.md), code'
    >>> on_site("[all](docs/scale.md#gpus)", "readme.md", "README.md")
    '[all](scale.md#gpus)'
    """

    def changed(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith(("mailto:", "/")):
            return match.group()
        file = _joined(PurePosixPath(source).parent, target)
        if file.startswith("docs/") and "." not in PurePosixPath(file).name:
            file += "/index.md"  # a folder
        if file in MADE_OF:
            place = MADE_OF[file]
        elif file.startswith("docs/"):
            place = file.removeprefix("docs/")
        elif source.startswith("docs/") and not file.startswith(("..", "/")) and not target.startswith("../"):
            return match.group()
        else:
            return text  # a file of the repository that is no page of the site
        return f"[{text}]({_relative(place, page)}{anchor})"

    return _LINK.sub(changed, markdown)


def images_on_site(markdown: str) -> str:
    """Images of a file at the root of the repository, which names them below docs/."""
    return markdown.replace("](docs/figures/", "](figures/")


def _joined(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = []
    for part in (folder / target).parts:
        if part == "..":
            if not parts:
                return f"../{target}"
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _relative(place: str, page: str) -> str:
    return "../" * (len(PurePosixPath(page).parts) - 1) + place
