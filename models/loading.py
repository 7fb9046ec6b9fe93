"""Read a dictionary from whatever it was saved as: sae_lens, dictionary_learning, openai, safetensors, a release.

| kind | looks like |
|---|---|
| `sae_lens` | a folder with cfg.json and sae_weights.safetensors |
| `dictionary_learning` | a folder with ae.pt and config.json |
| `openai` | a .pt file of openai/sparse_autoencoder |
| `safetensors` | a .safetensors file with W_enc, b_enc, W_dec, b_dec and perhaps threshold |
| `release` | no file: `release/sae_id` of sae_lens, fetched from the Hugging Face hub |

Every one becomes one inference object in float32. Pickles are read with `weights_only=True` and never otherwise.
"""

import difflib
from pathlib import Path

from .controls import identity_dictionary
from .dictionary import Dictionary
from .loading_dictionary_learning import convert_dictionary_learning, is_identity
from .loading_files import build_sae
from .loading_openai import convert_openai
from .loading_sae_lens import load_release, load_sae_lens_folder
from .loading_safetensors import convert_safetensors
from .sae_dictionary import CONFIG_FILE, WEIGHTS_FILE

KINDS = ("sae_lens", "dictionary_learning", "openai", "safetensors", "release")


def load_dictionary(path_or_release: str | Path, kind: str | None = None, *, name: str | None = None) -> Dictionary:
    """Read a dictionary from disk, or a sae_lens release by name.

    Args:
        path_or_release: a folder, a file, or `release/sae_id`. Something that exists is never taken for a release.
        kind: one of `KINDS`; guessed from the files if None.
        name: of the dictionary; by default the name of the folder or file, or the release.

    Returns:
        A Dictionary in float32 on the CPU.

    Raises:
        FileNotFoundError: nothing there, or a part of it is missing.
        ValueError: damaged, contradictory or of a kind that cannot be read; the message says which.
        ConnectionError: a release that is not in the local cache while the hub cannot be reached.
    """
    if kind is not None and kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(KINDS)}{_did_you_mean(near)}")
    path = Path(path_or_release)
    kind = kind or _guess(path, str(path_or_release))
    if kind == "release":
        return load_release(str(path_or_release), name)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if kind in ("sae_lens", "dictionary_learning"):
        folder = path if path.is_dir() else path.parent
        label = name or folder.resolve().name
        if kind == "sae_lens":
            return load_sae_lens_folder(folder, label)
        converted = convert_dictionary_learning(folder)
        if isinstance(converted, int):
            return identity_dictionary(converted, split=False, name=label)
        return build_sae(converted, folder, label)
    if path.is_dir():
        raise ValueError(f"kind {kind!r} is one file, {path} is a folder")
    convert = convert_openai if kind == "openai" else convert_safetensors
    return build_sae(convert(path), path, name or path.stem)


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean {near[0]!r}?" if near else ""


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
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
        raise FileNotFoundError(f"{text} does not exist{_did_you_mean(near)}")
    if path.is_absolute() or text.startswith((".", "~")) or "/" not in text:
        raise FileNotFoundError(f"{text} does not exist, and a sae_lens release is written release/sae_id")
    return "release"


def _guess_folder(path: Path) -> str:
    pairs = {"sae_lens": (CONFIG_FILE, WEIGHTS_FILE), "dictionary_learning": ("config.json", "ae.pt")}
    present = {kind: [file for file in pair if (path / file).exists()] for kind, pair in pairs.items()}
    whole = [kind for kind, files in present.items() if len(files) == 2]
    if len(whole) == 2:
        raise ValueError(f"{path} holds both a sae_lens and a dictionary_learning dictionary; give kind")
    if whole:
        return whole[0]
    if present["dictionary_learning"] == ["config.json"] and is_identity(path / "config.json"):
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
