"""How a dictionary was saved, told from the names of its files alone: refusing a slip of the pen takes no library."""

from pathlib import Path

from ..data.assets import asset, list_assets
from ..suggestions import did_you_mean, either, no_such_file

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
KINDS = ("sae_lens", "dictionary_learning", "openai", "safetensors", "release")


def kind_of(path_or_release: str | Path, kind: str | None = None) -> str:
    """The kind of a dictionary, guessed from its files unless given.

    Args:
        path_or_release: a folder, a file, or `release/sae_id`. Something that exists is never taken for a release.
        kind: one of `KINDS`, or None.

    Raises:
        FileNotFoundError: nothing there, or a part of it is missing.
        ValueError: an unknown kind, or files that are none.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(KINDS)}; {did_you_mean(kind, KINDS)}")
    path = located(path_or_release)
    found = kind or _guess(path, str(path_or_release))
    if found != "release" and not path.exists():
        raise FileNotFoundError(f"{path} does not exist{no_such_file(path)}")
    return found


def located(path_or_release: str | Path) -> Path:
    """Where a dictionary lies: a path as it is, or the place of one that ships, named as in `othello-6x6/topk`."""
    path = Path(path_or_release)
    if not path.exists() and path.as_posix() in shipped_dictionaries():
        return asset(path.as_posix())
    return path


def shipped_dictionaries() -> list[str]:
    """Names of the SAEs that ship, such as `othello-6x6/topk`."""
    return [name for name, entry in list_assets().items() if entry["kind"] == "sae_lens"]


def _guess(path: Path, text: str) -> str:
    if path.is_dir():
        return _guess_folder(path)
    if path.is_file():
        if path.name in (CONFIG_FILE, WEIGHTS_FILE) and (path.parent / CONFIG_FILE).exists():
            return "sae_lens"
        if path.name == "ae.pt" and (path.parent / "config.json").exists():
            return "dictionary_learning"
        if path.suffix == ".safetensors":
            return "safetensors"
        if path.suffix in (".pt", ".pth"):
            return "openai"
        raise ValueError(
            f"{path}: cannot guess the kind of a {path.suffix or 'nameless'} file; expected a folder, "
            ".safetensors or .pt, or give kind, one of " + ", ".join(KINDS)
        )
    if "/" in text and path.parent.is_dir():  # in a folder that is there, so a slip of the pen rather than a release
        raise FileNotFoundError(f"{text} does not exist{no_such_file(path)}")
    if path.is_absolute() or text.startswith((".", "~")) or "/" not in text:
        ships = [name for name in shipped_dictionaries() if name.endswith(f"/{text}")]
        ships += [name for name in shipped_dictionaries() if name.startswith(f"{text.rstrip('/')}/")]
        hint = f"; did you mean {either(ships[:3])}, which ship?" if ships else no_such_file(path)
        raise FileNotFoundError(f"{text} does not exist, and a sae_lens release is written release/sae_id{hint}")
    owners = {name.partition("/")[0] for name in shipped_dictionaries()}
    if text.partition("/")[0] in owners:  # of a testbed, so a slip of the pen rather than a release
        raise FileNotFoundError(f"no SAE named {text} ships; {did_you_mean(text, shipped_dictionaries())}")
    return "release"


def _guess_folder(path: Path) -> str:
    pairs = {"sae_lens": (CONFIG_FILE, WEIGHTS_FILE), "dictionary_learning": ("config.json", "ae.pt")}
    present = {kind: [file for file in pair if (path / file).exists()] for kind, pair in pairs.items()}
    whole = [kind for kind, files in present.items() if len(files) == 2]
    if len(whole) == 2:
        raise ValueError(f"{path} holds both a sae_lens and a dictionary_learning dictionary; give kind")
    if whole:
        return whole[0]
    if present["dictionary_learning"] == ["config.json"]:
        from .loading_dictionary_learning import is_identity

        if is_identity(path / "config.json"):
            return "dictionary_learning"  # it has no weights
    for kind, files in present.items():
        if files:
            missing = next(file for file in pairs[kind] if file not in files)
            raise FileNotFoundError(f"{path} looks like a {kind} folder ({files[0]}), but {missing} is missing")
    found = sorted(p.name for p in path.iterdir())[:5]
    raise ValueError(
        f"{path} is not a dictionary folder: expected cfg.json + sae_weights.safetensors (sae_lens) or ae.pt + "
        f"config.json (dictionary_learning), found {', '.join(found) or 'nothing'}"
    )
