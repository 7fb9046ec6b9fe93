"""The documentation's site: every page has its place, links leave docs/ only for pages, and mkdocs has no complaint."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fiducial.metric_homes import ALL

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site():
    sys.path.insert(0, str(ROOT / "docs_site"))
    try:
        import links
        import site_exercises
        import site_nav
        import site_pages

        yield {"links": links, "exercises": site_exercises, "nav": site_nav, "pages": site_pages}
    finally:
        sys.path.remove(str(ROOT / "docs_site"))


def flat(nav):
    for one in nav:
        values = one.values() if isinstance(one, dict) else [one]
        for value in values:
            yield from [value] if isinstance(value, str) else flat(value)


def test_every_page_has_one_place(site):
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    made = {"metrics/index.md": "", "readme.md": "", "changelog.md": "", "benchmarks.md": "", "api/index.md": ""}
    made |= {f"metrics/{name}.md": "" for name in ALL}
    placed = list(flat(site["nav"].nav(written, made)))
    assert len(placed) == len(set(placed))
    assert set(written) <= set(placed)
    assert {f"metrics/{name}.md" for name in ALL} <= set(placed)


def test_a_page_without_a_place_is_a_guide(site):
    nav = site["nav"].nav(["index.md", "of-my-own.md"], {})
    assert "of-my-own.md" in next(one["Guides"] for one in nav if "Guides" in one)


def test_links_that_leave_docs(site):
    on_site = site["links"].on_site
    assert on_site("[a](../benchmarks/RESULTS.md#x)", "scale.md", "docs/scale.md") == "[a](benchmarks.md#x)"
    assert on_site("[a](../examples/a.py), ![b](c.svg)", "scale.md", "docs/scale.md") == "a, ![b](c.svg)"
    assert on_site("[a](docs/extending)", "readme.md", "README.md") == "[a](extending/index.md)"
    assert (
        on_site("[a](https://x.y/z) [b](sweeps.md)", "scale.md", "docs/scale.md") == "[a](https://x.y/z) [b](sweeps.md)"
    )


def test_api_pages_are_of_modules_that_are_there(site):
    pages = site["pages"].api_pages(ROOT)
    assert "api/fiducial.metrics.coverage.md" in pages
    assert not any("cli_scoring" in page or "_numba" in page for page in pages)
    for folder, about in site["pages"].FOLDERS.items():
        assert (ROOT / folder).is_dir(), folder
        assert about
    packages = re.findall(r'"fiducial\.([\w.]+)",', (ROOT / "pyproject.toml").read_text().split("[tool.ruff]")[0])
    assert {one.replace(".", "/") for one in packages} <= set(site["pages"].FOLDERS)


def test_metric_pages_reach_guides_one_folder_up(site):
    page = site["pages"].metric_pages()["metrics/absorption_error.md"]
    assert "](../saebench-tasks.md)" in page
    assert "](absorption_missed_error.md)" in page


def test_docstrings_in_columns_become_parts(site):
    pytest.importorskip("griffe", reason="the extra [docs] is not installed")
    import docstrings

    text = docstrings.readable_module("X: is it?\n\nEquation   a = b\n           c\nReferences   A paper.")
    assert "**Equation**\n\n```text\na = b\nc\n```" in text
    assert docstrings.fenced("Do.\n\n>>> f(1)\n2\n\nMore.") == "Do.\n\n```pycon\n>>> f(1)\n2\n```\n\nMore."


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    if shutil.which("mkdocs") is None and not (Path(sys.executable).parent / "mkdocs").exists():
        pytest.skip("mkdocs is missing: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "metrics" / "coverage.html").exists()
