"""What a folder holds for a page: result files, certificates and explained latents, told apart by what is in them."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..report import Report
from .certificates import is_certificate
from .latents import SUFFIX, is_latents, latents_from, merge

REPORT = "fiducial report"
_NAMED = 3  # paths in a sentence
_BROKEN = object()  # instead of the content of a file


@dataclass
class Found:
    """What was read.

    Attributes:
        reports: in the order of their files.
        sources: the file of each report, below the folder that was searched.
        certificates: contents of certificate files.
        explanations: blocks about latents, each latent once.
        foreign: JSON files that hold none of these; they are left out.
        broken: files that are no whole JSON, such as one that a full disk cut off; they are left out, too.
        repeated: result files that say the same as one before them.
    """

    reports: list[Report] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    certificates: list[Any] = field(default_factory=list)
    explanations: list[dict[str, Any]] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)


def json_files(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[Path, str]]:
    """Files to read, each once, with the name that the page gives them.

    Args:
        paths: files, or folders that are searched with all their folders; hidden ones are passed over.

    Raises:
        FileNotFoundError: a path that is not there.
        ValueError: no paths, or no JSON file in any.
    """
    if not paths:
        raise ValueError("name at least one result file or a folder of results")
    found: dict[Path, tuple[Path, str]] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no file or folder {path}{_nearby(path)}")
        if path.is_dir():
            inside = sorted(
                one
                for one in path.rglob("*.json")
                if one.is_file() and not any(p.startswith(".") for p in one.relative_to(path).parts)
            )
            for one in inside:
                found.setdefault(one.resolve(), (one, one.relative_to(path).as_posix()))
        else:
            found.setdefault(path.resolve(), (path, path.name))
    if not found:
        where = ", ".join(map(str, paths[:_NAMED]))
        raise ValueError(
            f"no JSON file in {where}: `fiducial score`, `sweep` and `demo` write result files that a page is made of"
        )
    return list(found.values())


def read(files: Iterable[tuple[Path, str]], told: Callable[[Path], None] = lambda path: None) -> Found:
    """Read files and tell them apart.

    Args:
        files: as from `json_files`.
        told: called with each file once it is read.

    Raises:
        ValueError: a result, certificate or file of latents that is damaged or of a newer version; or none at all.
    """
    found = Found()
    blocks: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    for path, name in files:
        content = _content(path)
        if isinstance(content, dict) and content.get("kind") == REPORT:
            text = path.read_bytes()
            if text in seen:
                found.repeated.append(path)
            else:
                seen.add(text)
                found.reports.append(Report.from_json(path))
                found.sources.append(name)
        elif is_certificate(content):
            found.certificates.append(content)
        elif is_latents(content):
            blocks += latents_from(content, str(path))
        else:
            (found.broken if content is _BROKEN else found.foreign).append(path)
        told(path)
    found.explanations = merge(blocks)
    if not found.reports:
        there = [
            f"{len(found.certificates)} certificate(s)" if found.certificates else "",
            f"{len(found.explanations)} explained latent(s)" if found.explanations else "",
            f"JSON of other programs ({_some(found.foreign)})" if found.foreign else "",
            f"no whole JSON ({_some(found.broken)})" if found.broken else "",
        ]
        raise ValueError(
            "a page needs at least one result file, as `fiducial score` writes it; found only "
            f"{', '.join(part for part in there if part)}"
        )
    return found


def _some(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(map(str, paths[:_NAMED]))}{more}"


def latents_in(folder: Path) -> list[dict[str, Any]]:
    """Explained latents that lie beside results; a damaged file is passed over, for what was scored is not lost by it.

    Args:
        folder: of results; only itself is searched.
    """
    blocks: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            blocks += latents_from(_content(path), str(path))
        except ValueError:
            continue
    return merge(blocks)


def _content(path: Path) -> Any:
    """The JSON of a file; `_BROKEN` for what is no JSON, unless it says that it is a report and breaks off."""
    text = path.read_bytes()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if REPORT.encode() in text:
            raise ValueError(f"{path}: a fiducial report that is truncated or damaged: {error}") from error
        return _BROKEN


def _nearby(path: Path) -> str:
    from difflib import get_close_matches

    parent = path.parent
    names = [one.name for one in parent.iterdir()] if parent.is_dir() else []
    near = get_close_matches(path.name, names, n=1)
    return f"; did you mean {parent / near[0]}?" if near else ""
