"""The pages that are made: one a metric, the API by folder, and what stands at the root of the repository."""

import ast
import re
from pathlib import Path

import site_exercises
from fiducial.metric_homes import ALL, HOMES
from fiducial.metric_page import certificates, metric_page
from fiducial.page_blocks import Block, Heading, Table, Text, escaped, to_markdown
from links import MADE_OF, images_on_site, on_site

# What computes the same another way, the command line and the makers of assets are no interface.
_INTERNAL = re.compile(r"(_numba|_triton\w*|_plain|_torch|_threads)$|^(cli\w*|reproduce_\w+|shipping\w*|report_css)$")
FOLDERS = {
    "": "The root: what `import fiducial as fd` offers, and what stands around it",
    "games": "Worlds that know the truth",
    "data": "Labelled activations, the shipped assets",
    "models": "Models, capture, training, loading, controls",
    "models/architectures": "SAE architectures that sae_lens has not",
    "supervised_dicts": "References that are fitted with the labels",
    "metrics": "One question, one file",
    "metrics/llm": "Explanations, judges and scorers",
    "metrics/streaming": "Metrics batch by batch",
    "sites": "Places in a model where dictionaries are judged",
    "boards": "Boards edited inside a model",
    "tasks": "SAEBench's tasks, posed on testbeds",
    "explaining": "Latents in words",
    "judging": "The judges judged",
    "streaming": "Files larger than memory",
    "sweeps": "Many SAEs on many testbeds",
    "curves": "Scores along training and along games",
    "reporting": "The report page",
    "figures": "Figures of papers",
    "testing": "Assertions and fixtures for your tests",
}


def pages(root: Path) -> dict[str, str | bytes]:
    """All pages that are made, by their place below docs/.

    Args:
        root: of the repository.
    """
    return {
        "readme.md": _at_root(root / "README.md", root),
        "changelog.md": _at_root(root / "CHANGELOG.md", root),
        "benchmarks.md": _at_root(root / "benchmarks" / "RESULTS.md", root),
        **metric_pages(),
        **api_pages(root),
        **site_exercises.pages(root / "examples" / "exercises"),
        **_listings(root / "docs"),
    }


LISTED = {
    "games": (
        "Games",
        "Worlds that know the truth: what is known of a position, how it is written, what ships.",
    ),
    "extending": (
        "Extending fiducial",
        "How to add your own; each is proved by an example in `examples/extending/`.",
    ),
}


def _listings(docs: Path) -> dict[str, str]:
    """A page for each folder of written pages that has none, with the first words of each page in it."""
    found: dict[str, str] = {}
    for folder, (title, about) in LISTED.items():
        pages = [page for page in sorted((docs / folder).glob("*.md")) if page.stem != "index"]
        if (docs / folder / "index.md").exists() or not pages:
            continue
        rows: list[tuple[str, ...]] = []
        for page in pages:
            heading, _, rest = page.read_text().partition("\n")
            words = next((part for part in rest.strip().split("\n\n") if part[:1].isalnum()), "")
            rows.append((f"[{heading.lstrip('# ')}]({page.name})", _first_sentence(words)))
        found[f"{folder}/index.md"] = to_markdown([Heading(title, 1), Text(about), Table(("", ""), tuple(rows))])
    return found


def _first_sentence(text: str) -> str:
    flat = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(text.split()))
    return re.split(r"(?<=[.:]) (?=[A-Z])", flat)[0].rstrip(":")


def metric_pages() -> dict[str, str]:
    """A page a metric below metrics/, and a list of them by family."""
    made = {f"metrics/{name}.md": _up(to_markdown(metric_page(name))) for name in ALL}
    verdicts = {
        name: [row for one in certificates() for row in one.rows if row.metric == name and row.role != "not asked"]
        for name in ALL
    }
    blocks: list[Block] = [
        Heading("Metrics", 1),
        Text(
            f"{len(ALL)} metrics in {len(HOMES)} families. Each page says what a metric asks, how it is computed and "
            "between which bounds it lies, and how far it can be trusted. The same page in a terminal: "
            "`fiducial metrics NAME`. In doubt begin with [coverage](coverage.md), "
            "[reconstruction](reconstruction.md) and [explained variance](explained_variance_score.md), and read them "
            "beside [l0](l0.md)."
        ),
    ]
    for home in HOMES:
        rows = tuple(
            (
                f"[`{name}`]({name}.md)",
                record.question,
                {"up": "↑", "down": "↓", "none": ""}[record.direction],
                " ".join(f"{row.testbed}: {row.verdict}." for row in verdicts[name]) or "-",
            )
            for name, record in home.records.items()
        )
        asked = ", measured when asked for by name" if home.asked else ""
        blocks += [
            Heading(home.title),
            Text(f"On {home.testbeds}{asked}."),
            Table(("metric", "question", "good", "certified"), rows),
        ]
    return {"metrics/index.md": to_markdown(blocks), **made}


def _up(markdown: str) -> str:
    """Links of a metric's page to guides, which stand one folder further up."""
    names = {f"{name}.md" for name in ALL}
    return re.sub(r"\]\(([\w-]+\.md)\)", lambda m: m.group() if m[1] in names else f"](../{m[1]})", markdown)


def api_pages(root: Path) -> dict[str, str]:
    """A page a public module below api/, and a list of modules a folder."""
    found: dict[str, str] = {}
    for folder, about in FOLDERS.items():
        rows: list[tuple[str, str]] = []
        for path in sorted((root / folder).glob("*.py")):
            module = path.stem
            if module.startswith("_") or _INTERNAL.search(module) or module == "conftest":
                continue
            dotted = ".".join(["fiducial", *Path(folder).parts, module])
            said = ast.get_docstring(ast.parse(path.read_text())) or ""
            rows.append((f"[`{dotted}`]({dotted}.md)", said.splitlines()[0] if said else ""))
            up = f"[All modules of `{dotted.rpartition('.')[0]}`]({folder.replace('/', '-') or 'root'}.md)"
            found[f"api/{dotted}.md"] = f"---\nsearch:\n  boost: 0.5\n---\n\n::: {dotted}\n\n---\n\n{up}\n"
        name = ".".join(["fiducial", *Path(folder).parts])
        inside = root / folder / "__init__.py"
        said = (ast.get_docstring(ast.parse(inside.read_text())) or "") if inside.exists() else ""
        first = said.split("\n\n")[0].replace("\n", " ")
        lines = [f"# `{name}`", escaped(first or about + "."), "| module | what it holds |\n| --- | --- |"]
        table = "\n".join(f"| {link} | {escaped(text).replace('|', chr(92) + '|')} |" for link, text in rows)
        found[f"api/{folder.replace('/', '-') or 'root'}.md"] = "\n\n".join(lines) + "\n" + table + "\n"
    listed = [
        f"| [`{'.'.join(['fiducial', *Path(folder).parts])}`]({folder.replace('/', '-') or 'root'}.md) | {about} |"
        for folder, about in FOLDERS.items()
    ]
    head = (
        "# API reference\n\nEvery public module by its folder; imports run from later worlds to earlier ones and never "
        "back. The names that are fixed are those of `import fiducial as fd`.\n\n::: fiducial\n    options:\n"
        "      heading_level: 2\n      show_root_full_path: true\n      members: false\n\n## Folders\n\n"
        "| folder | what it holds |\n| --- | --- |\n"
    )
    found["api/index.md"] = head + "\n".join(listed) + "\n"
    return found


def _at_root(path: Path, root: Path) -> str:
    """A file of the repository as a page."""
    source = path.relative_to(root).as_posix()
    return images_on_site(on_site(path.read_text(), MADE_OF[source], source))
