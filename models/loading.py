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

from pathlib import Path

from .controls import identity_dictionary
from .dictionary import Dictionary
from .kinds import KINDS, kind_of, located
from .loading_dictionary_learning import convert_dictionary_learning
from .loading_files import build_sae
from .loading_openai import convert_openai
from .loading_sae_lens import load_release, load_sae_lens_folder
from .loading_safetensors import convert_safetensors

__all__ = ["KINDS", "load_dictionary"]


def load_dictionary(path_or_release: str | Path, kind: str | None = None, *, name: str | None = None) -> Dictionary:
    """Read a dictionary from disk, or a sae_lens release by name.

    Args:
        path_or_release: a folder, a file, one that ships such as `othello-6x6/topk`, or `release/sae_id`. Something
            that exists is never taken for a release.
        kind: one of `KINDS`; guessed from the files if None.
        name: of the dictionary; by default the name of the folder or file, or the release.

    Returns:
        A Dictionary in float32 on the CPU.

    Raises:
        FileNotFoundError: nothing there, or a part of it is missing.
        ValueError: damaged, contradictory or of a kind that cannot be read; the message says which.
        ConnectionError: a release that is not in the local cache while the hub cannot be reached.
    """
    kind = kind_of(path_or_release, kind)
    if kind == "release":
        return load_release(str(path_or_release), name)
    path = located(path_or_release)
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
