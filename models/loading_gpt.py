"""Read a small GPT from whatever it was published as, into one TransformerBridge with hooks at the usual names.

| kind | looks like |
|---|---|
| `fiducial` | a .safetensors file of `save_transformer` |
| `nanogpt` | a .pt file with `model` and `model_args`; or a folder with ckpt.pt |
| `gpt2` | a folder with config.json and model.safetensors or pytorch_model.bin, as transformers saves GPT-2 |
| `transformer_lens` | a .pth, .pt or .safetensors state dict of HookedTransformer, perhaps beside its config.json |

The eight-layer chess and Othello models of Karvonen et al. 2024 are among them (`PUBLISHED_GPTS`). Pickles are read
with `weights_only=True` and never otherwise.
"""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..games.transcripts import Game
from .loading_files import read_json, read_pickle, read_safetensors
from .loading_gpt_formats import State, from_gpt2, from_nanogpt, from_transformer_lens
from .loading_gpt_hub import PUBLISHED_GPTS, fetch_model
from .transformers import TransformerConfig, build_transformer, load_transformer

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

__all__ = ["MODEL_KINDS", "PUBLISHED_GPTS", "load_model"]

MODEL_KINDS = ("fiducial", "nanogpt", "gpt2", "transformer_lens")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "ckpt.pt")  # in a folder, in this order
_CONFIGS = ("config.json", "cfg.json")


def load_model(
    path_or_name: str | Path, *, kind: str | None = None, game: Game | None = None, device: str = "cpu"
) -> tuple["TransformerBridge", TransformerConfig]:
    """Read a model from disk, or by its name on the Hugging Face hub.

    Args:
        path_or_name: a file, a folder, or `owner/repository` (`owner/repository/file` where it holds several models).
            Something that exists is never taken for a name.
        kind: one of `MODEL_KINDS`; told from the contents if None.
        game: the world it should play; a model of another vocabulary or a shorter context is refused.
        device: torch device.

    Returns:
        The model in float32 and evaluation mode, and its shape.

    Raises:
        FileNotFoundError: nothing there, or a part of it is missing.
        ValueError: damaged, weights missing or left over, shapes that contradict each other, another architecture, a
            pickle that holds more than tensors, or not a model of `game`.
        ConnectionError: a name that is not in the local cache while the hub cannot be reached.
    """
    if kind is not None and kind not in MODEL_KINDS:
        near = difflib.get_close_matches(kind, MODEL_KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown kind of model {kind!r}, expected one of {', '.join(MODEL_KINDS)}{hint}")
    file = _weights_file(_locate(path_or_name))
    found = _read(file, kind)
    if isinstance(found, Path):
        model, config = load_transformer(found, device)
    else:
        config, state = found
        model = build_transformer(config, seed=0, device=device)
        _fill(model, state, file)
    if game is not None:
        check_plays(config, game, str(path_or_name))
    return model.eval(), config


def check_plays(config: TransformerConfig, game: Game, name: str) -> None:
    """A model of this shape can read the transcripts of a game.

    Raises:
        ValueError: another number of tokens, or a shorter context.
    """
    wanted = len(game.tokenizer.vocabulary)
    if config.d_vocab != wanted:
        raise ValueError(f"{name} knows {config.d_vocab} tokens, {game.name} has {wanted}; is it a model of this game?")
    if config.n_ctx < game.n_positions:
        raise ValueError(f"{name} reads {config.n_ctx} tokens, a transcript of {game.name} has {game.n_positions}")


def _locate(path_or_name: str | Path) -> Path:
    path, text = Path(path_or_name).expanduser(), str(path_or_name)
    if path.exists():
        return path
    if path.is_absolute() or text.startswith((".", "~")) or "/" not in text:
        raise FileNotFoundError(f"{text} does not exist, and a model on the Hugging Face hub is owner/repository")
    return fetch_model(text)


def _weights_file(path: Path) -> Path:
    """The file with the weights: the path itself, or the one in a folder."""
    if path.is_file():
        return path
    for name in _WEIGHTS:
        if (path / name).is_file():
            return path / name
    if any(path.glob("*.index.json")):
        raise ValueError(f"{path}: weights split over several files are not supported; save them as one")
    found = sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".pt", ".pth", ".bin"))
    if not found:
        held = ", ".join(sorted(p.name for p in path.iterdir())[:6])
        raise FileNotFoundError(f"{path} holds no weights (.safetensors, .pt, .pth, .bin), only {held or 'nothing'}")
    if len(found) > 1:
        raise ValueError(f"{path} holds several files of weights, name one: {', '.join(p.name for p in found[:6])}")
    return found[0]


def _read(file: Path, kind: str | None) -> tuple[TransformerConfig, State] | Path:
    """Config and weights; or the file itself if it is one of ours."""
    content: dict[str, Any]
    if file.suffix == ".safetensors":
        content, header = read_safetensors(file)
        if "fiducial_format" in header or kind == "fiducial":
            if kind not in (None, "fiducial"):
                raise ValueError(f"{file} is a model of kind 'fiducial', not {kind!r}")
            return file
    else:
        content = read_pickle(file)
    inner = content.get("state_dict")
    if isinstance(inner, dict):
        content = inner
    found = _kind_of(content, file)
    if kind not in (None, found):
        raise ValueError(f"{file} is a model of kind {found!r}, not {kind!r}")
    if found == "nanogpt":
        return from_nanogpt(content, file)
    beside = next((file.parent / name for name in _CONFIGS if (file.parent / name).is_file()), None)
    if found == "gpt2":
        if beside is None:
            raise FileNotFoundError(f"{file} holds weights of GPT-2, but no config.json lies beside it")
        return from_gpt2(content, read_json(beside), file)
    settings = read_json(beside) if beside else {}
    return from_transformer_lens(content, settings, file)


def _kind_of(content: dict[str, Any], file: Path) -> str:
    if "model_args" in content or "model" in content:
        return "nanogpt"
    if "embed.W_E" in content:
        return "transformer_lens"
    if "transformer.wte.weight" in content or "wte.weight" in content:
        return "gpt2"
    if any(str(key).removeprefix("_orig_mod.") == "transformer.wte.weight" for key in content):
        raise ValueError(f"{file} holds weights of nanoGPT without model_args; give the whole checkpoint")
    keys = ", ".join(map(str, sorted(content, key=str)[:6]))
    raise ValueError(f"{file} is not a model of a kind that is known ({', '.join(MODEL_KINDS)}); it holds {keys}")


def _fill(model: "TransformerBridge", state: State, file: Path) -> None:
    """Put converted weights into a model of the same shape, all of them."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if wanted != given:
        differing = sorted(key for key in {*wanted, *given} if wanted.get(key) != given.get(key))
        raise ValueError(f"{file}: weights do not fit the model at {', '.join(differing[:6])}")
    model.load_state_dict({key: value.contiguous() for key, value in state.items()})
