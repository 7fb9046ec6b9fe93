"""What mkdocs is told before it builds: pages that are made from the code, and the order of all pages."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
if str(ROOT / "docs_site") not in sys.path:
    sys.path.insert(0, str(ROOT / "docs_site"))

import links  # noqa: E402
import site_nav  # noqa: E402 - this folder has to be found first
import site_pages  # noqa: E402

_kept: dict[str, Any] = {}


@event_priority(100)  # before mkdocstrings reads where to look
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show mkdocstrings a folder in which the repository is called fiducial; put all pages in order."""
    if "shown" not in _kept:
        _kept["shown"] = Path(tempfile.mkdtemp(prefix="fiducial-docs-"))
        (_kept["shown"] / "fiducial").symlink_to(ROOT, target_is_directory=True)
        _kept["pages"] = site_pages.pages(ROOT)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(_kept["shown"])]
    written = [path.relative_to(ROOT / "docs").as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    config.nav = site_nav.nav(written, _kept["pages"])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for where, content in _kept["pages"].items():
        if files.get_file_from_path(where) is None:
            files.append(File.generated(config, where, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of written pages that lead out of docs/."""
    where = page.file.src_uri
    return markdown if where in _kept["pages"] else links.on_site(markdown, where, f"docs/{where}")


def on_shutdown() -> None:
    """Leave nothing behind."""
    if "shown" in _kept:
        shutil.rmtree(_kept.pop("shown"), ignore_errors=True)
