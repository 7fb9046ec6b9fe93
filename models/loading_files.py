"""Files to tensors, and tensors to an SAE: the checks that every checkpoint format shares."""

import json
import pickle
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from .sae_dictionary import SAEDictionary


@dataclass(frozen=True)
class Converted:
    """A foreign checkpoint in sae_lens's terms.

    Attributes:
        architecture: of the sae_lens inference class.
        weights: float tensors under sae_lens's names; encoder [d_in, n_latents], decoder [n_latents, d_in].
        config: fields beyond the shared ones, such as `k` or `apply_b_dec_to_input`.
        metadata: kept with the SAE.
        unit_decoder: rescale latents so that every decoder direction has norm 1.
    """

    architecture: str
    weights: dict[str, torch.Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    unit_decoder: bool = False


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def read_pickle(path: Path) -> dict[str, Any]:
    """A state dict from a torch file, read with `weights_only=True` so that no code in it can run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, not a dict, or holds anything but tensors and plain values.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a foreign pickle protocol: what matters is said below, in one line
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"{path} holds more than tensors and plain values, or is damaged, and was not loaded: loading it could run "
            f"code. Save its state_dict as safetensors instead. ({reason})"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]  # of an empty file nothing is said
        raise ValueError(f"{path} is damaged or not a torch file: {reason}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a state dict, got {type(content).__name__}")
    return content


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated or another format.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from error


def pick(state: dict[str, Any], keys: dict[str, tuple[str, bool]], path: Path) -> dict[str, torch.Tensor]:
    """Some tensors under new names.

    Args:
        state: what the file holds.
        keys: new name -> (name in the file, whether to transpose).
        path: for messages.

    Raises:
        ValueError: a key is missing or not a floating tensor.
    """
    missing = [old for old, _ in keys.values() if old not in state]
    if missing:
        raise ValueError(f"{path}: missing {', '.join(missing)}; it holds {', '.join(map(str, sorted(state)))}")
    picked = {}
    for new, (old, transpose) in keys.items():
        value = state[old]
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise ValueError(f"{path}: {old} must be a floating tensor, got {getattr(value, 'dtype', type(value))}")
        picked[new] = (value.T if transpose and value.ndim == 2 else value).float().contiguous()
    return picked


def check_shapes(weights: dict[str, torch.Tensor], d_in: int, n_latents: int, path: Path, source: str) -> None:
    """Every weight that sae_lens knows has the shape that the sizes demand.

    Raises:
        ValueError: one has not.
    """
    expected = {"W_enc": (d_in, n_latents), "W_dec": (n_latents, d_in), "b_dec": (d_in,)}
    expected |= dict.fromkeys(("b_enc", "threshold", "b_gate", "b_mag", "r_mag"), (n_latents,))
    for key, value in weights.items():
        if key in expected and tuple(value.shape) != expected[key]:
            raise ValueError(
                f"{path}: {key} has shape {list(value.shape)}, but {source} say {list(expected[key])} "
                f"(d_in {d_in}, n_latents {n_latents})"
            )


def build_sae(converted: Converted, path: Path, name: str) -> SAEDictionary:
    """The dictionary of a converted checkpoint.

    Raises:
        ValueError: weights that contradict each other or are not finite.
    """
    from sae_lens import SAE

    weights = converted.weights
    n_latents, d_in = weights["W_dec"].shape
    check_shapes(weights, d_in, n_latents, path, "the decoder's sizes")
    config = {
        "architecture": converted.architecture,
        "d_in": d_in,
        "d_sae": n_latents,
        "dtype": "float32",
        "device": "cpu",
        "normalize_activations": "none",
    }
    config |= converted.config
    config["metadata"] = {"sae_lens_version": "6.0.0", **converted.metadata}  # or its pre-6 defaults step in

    def converter(*_: Any, **__: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        return config, weights

    sae = SAE.load_from_disk(path, converter=converter)
    if converted.unit_decoder:
        sae.fold_W_dec_norm()
    try:
        return SAEDictionary(sae, name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
