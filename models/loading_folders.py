"""All dictionaries below a folder: a whole unzipped release, whose SAEs lie in nested folders."""

import warnings
from pathlib import Path

from .loading_dictionary_learning import is_identity, trainer_of
from .sae_dictionary import CONFIG_FILE, WEIGHTS_FILE

_SKIPPED = ("__MACOSX", "__pycache__")  # what zips and tools leave behind


def find_dictionaries(folder: str | Path, *, incomplete: str = "refuse") -> list[tuple[str, Path]]:
    """Dictionaries in a folder and all folders below it, as dictionary_learning or sae_lens save them.

    A folder counts if it holds ae.pt and config.json, or cfg.json and sae_weights.safetensors, or a config.json of an
    identity dictionary, which has no weights. Other files, such as results and checkpoints, are passed over.

    Args:
        folder: where to look.
        incomplete: what to do about folders of which a part is missing: "refuse", or "skip" with a warning.

    Returns:
        (name, folder) of each, sorted by name; a name is the path below `folder` with "/" between its parts.

    Raises:
        FileNotFoundError: no such folder, or no dictionary in it.
        ValueError: folders with two dictionaries in one, or incomplete ones, all named; another value of `incomplete`.
    """
    root = Path(folder)
    if incomplete not in ("refuse", "skip"):
        raise ValueError(f"incomplete must be 'refuse' or 'skip', got {incomplete!r}")
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder" if root.exists() else f"no folder at {root}")
    found: list[tuple[str, Path]] = []
    broken: list[str] = []
    for place in sorted([root, *(path for path in root.rglob("*") if path.is_dir() and not _left_behind(path, root))]):
        whole, reason = _inspect(place)
        name = place.relative_to(root).as_posix() if place != root else place.resolve().name
        if whole:
            found.append((name, place))
        elif reason:
            broken.append(f"{name} ({reason})")
    if broken:
        listed = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        if incomplete == "refuse" or any("two dictionaries" in reason for reason in broken):
            raise ValueError(f"{root}: {len(broken)} of the folders below are not one whole dictionary: {listed}")
        warnings.warn(f"{root}: skipped {len(broken)} incomplete folders: {listed}", UserWarning, stacklevel=2)
    if not found:
        raise FileNotFoundError(f"{root}: no dictionary below (ae.pt + config.json, or {CONFIG_FILE} + {WEIGHTS_FILE})")
    return sorted(found)


def _left_behind(path: Path, root: Path) -> bool:
    return any(part in _SKIPPED or part.startswith(".") for part in path.relative_to(root).parts)


def _inspect(place: Path) -> tuple[bool, str]:
    """Whether a folder is one whole dictionary; else what is wrong with it, or nothing if it is something else."""
    weights = (place / "ae.pt").is_file()
    config = place / "config.json"
    is_ours = trainer_of(config) is not None
    ours = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if (place / name).is_file()]
    if (weights or is_ours) and ours:
        return False, "two dictionaries in one folder"
    if len(ours) == 2:
        return True, ""
    if ours:
        return False, f"{ours[0]} alone"
    if weights:
        return (True, "") if is_ours else (False, f"ae.pt without {_lack(config)}")
    if not is_ours:
        return False, ""
    return (True, "") if is_identity(config) else (False, "no ae.pt")


def _lack(config: Path) -> str:
    return "a config.json that names its class" if config.is_file() else "config.json"
