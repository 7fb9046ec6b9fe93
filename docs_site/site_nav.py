"""The order of the pages: what a newcomer needs first."""

from collections.abc import Mapping, Sequence
from typing import Any

import site_pages
from fiducial.metric_homes import HOMES

_START = {
    "index.md": "What it is",
    "readme.md": "Everything in one page",
    "first-look.md": "A first look: the demo",
    "reading-a-score.md": "How to read a score",
    "commands.md": "All commands",
    "results.md": "What the shipped SAEs show",
}
_TRUST = {
    "certification.md": "Which metrics can be trusted",
    "certification-saebench.md": "SAEBench's tasks, certified",
    "judges-judged.md": "The judges judged",
}
_GUIDES = {
    "report-page.md": "The report page",
    "architectures.md": "Architectures that can be trained",
    "scale.md": "Scale: large samples, GPUs, many SAEs",
    "sweeps.md": "Sweeps",
    "streaming.md": "Samples larger than memory",
    "curves.md": "Along training, along games",
    "saebench-tasks.md": "SAEBench's tasks",
    "latents-in-words.md": "Latents in words: what comes out",
    "explaining.md": "Latents in words: how to",
    "llm-client.md": "The client of language models",
    "serialisation.md": "How positions are shown",
    "sae-similarity.md": "Likeness of SAEs",
}
_FINDINGS = {
    "true-l0-and-width.md": "L0, width and hedging",
    "absorption-and-architectures.md": "Absorption and architectures",
    "ioi-three-axes.md": "Three axes on an IOI model",
    "occlusion-and-over-splitting.md": "Occlusion and over-splitting",
    "board-control.md": "Board control",
    "saebench-directions.md": "SAEBench's findings, asked again",
}
_GAMES = {"synthetic-worlds.md": "Synthetic worlds", "chess-features.md": "Chess features and the published ones"}
_TESTS = {"pytest.md": "Your own tests: pytest"}
_FIGURES = {"paper-figures.md": "Figures of papers"}
PLACED = {**_START, **_TRUST, **_GUIDES, **_FINDINGS, **_GAMES, **_TESTS, **_FIGURES}


def nav(written: Sequence[str], made: Mapping[str, str | bytes]) -> list[Any]:
    """The navigation, of the pages that there are; a page that has no place stands among the guides.

    Args:
        written: pages below docs/.
        made: pages that are made, by place.
    """
    there = {*written, *made}

    def some(titles: Mapping[str, str]) -> list[Any]:
        return [{title: page} for page, title in titles.items() if page in there]

    def below(folder: str) -> list[Any]:
        pages = [page for page in there if page.startswith(f"{folder}/") and page.endswith(".md")]
        return sorted(pages, key=lambda page: (not page.endswith("/index.md"), page))

    known = {*PLACED}
    left = [page for page in written if page not in known and "/" not in page]
    metrics = [
        "metrics/index.md",
        *({home.title: [{name: f"metrics/{name}.md"} for name in home.records]} for home in HOMES),
    ]
    api = [
        "api/index.md",
        *(
            {".".join(["fiducial", *filter(None, folder.split("/"))]): f"api/{folder.replace('/', '-') or 'root'}.md"}
            for folder in site_pages.FOLDERS
        ),
    ]
    sections: dict[str, list[Any]] = {
        "Start": some(_START),
        "Games": [*below("games"), *some(_GAMES)],
        "Metrics": metrics,
        "Trust": some(_TRUST),
        "Guides": [*some(_GUIDES), *some(_TESTS), *some(_FIGURES), *left],
        "Findings": some(_FINDINGS),
        "Extending": below("extending"),
        "Exercises": below("exercises"),
        "API": api,
        "More": some({"benchmarks.md": "Benchmarks", "changelog.md": "Changelog"}),
    }
    return [{title: pages} for title, pages in sections.items() if pages]
