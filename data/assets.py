"""Shipped checkpoints: name -> file or folder, sha256 of every file, and a card that says how it was made.

The manifest is one JSON file beside the assets. `register_asset` is called by the commands that remake them.
"""

import hashlib
import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parent / "assets"
MANIFEST = "manifest.json"


def asset(name: str, root: Path = ASSETS) -> Path:
    """Path of a shipped file or folder, its checksums verified once a process.

    Args:
        name: such as `othello-small/model`; `list_assets()` has them all.
        root: folder with the manifest.

    Raises:
        KeyError: unknown name; close names are suggested.
        FileNotFoundError: a file of the asset is missing.
        ValueError: a file differs from the one that shipped, or the manifest is damaged.
    """
    return _verified(name, root)


def list_assets(root: Path = ASSETS) -> dict[str, dict[str, Any]]:
    """The manifest: `path`, `kind`, `files` (name -> sha256) and `card` of every asset, by name.

    Raises:
        ValueError: the manifest is damaged.
    """
    path = root / MANIFEST
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def register_asset(name: str, path: Path, *, kind: str, card: Mapping[str, Any], root: Path = ASSETS) -> None:
    """Enter a file or folder below `root` in the manifest, or replace its entry.

    Args:
        name: of the asset.
        path: file or folder, below `root`.
        kind: what reads it: `transformer` or `sae_lens`.
        card: how it was made: command, seed, scores; JSON types.
        root: folder with the manifest.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: the path is not below `root`, or the folder is empty.
    """
    if not path.exists():
        raise FileNotFoundError(f"nothing to register at {path}")
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"an asset must lie below {root}, got {path}")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path} is empty")
    manifest = list_assets(root)
    manifest[name] = {
        "path": path.resolve().relative_to(root.resolve()).as_posix(),
        "kind": kind,
        "files": {file.resolve().relative_to(root.resolve()).as_posix(): file_sha256(file) for file in files},
        "card": dict(card),
    }
    partial = root / (MANIFEST + ".partial")
    partial.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    partial.replace(root / MANIFEST)
    _verified.cache_clear()


def file_sha256(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_sha256(path: Path) -> str | None:
    """sha256 of a file, or of the names and checksums of all files of a folder; None if there is nothing there."""
    if path.is_file():
        return file_sha256(path)
    if not path.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


@cache
def _verified(name: str, root: Path) -> Path:
    manifest = list_assets(root)
    if name not in manifest:
        close = get_close_matches(name, manifest, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(manifest) or 'none'}"
        raise KeyError(f"no shipped asset {name!r}; {hint}")
    for file, expected in manifest[name]["files"].items():
        path = root / file
        if not path.is_file():
            raise FileNotFoundError(f"asset {name!r} lacks {path}; reinstall fiducial or remake it")
        found = file_sha256(path)
        if found != expected:
            raise ValueError(f"asset {name!r}: {path} has sha256 {found[:12]}..., the shipped one {expected[:12]}...")
    return root / manifest[name]["path"]
