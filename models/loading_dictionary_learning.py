"""Folders of dictionary_learning (ae.pt + config.json), without depending on it.

Equations of the seven classes, x an activation, f its latents (read from the released code, version 0.1.0):

| class | f | x-hat |
|---|---|---|
| AutoEncoder | relu(E(x - b) + e), decoder scaled to unit norm | D f + b |
| AutoEncoderNew | relu(E x + e) | D f + b |
| GatedAutoEncoder | [E(x - b) + g > 0] relu(exp(r) E(x - b) + m) | D f + b |
| AutoEncoderTopK | the k largest of relu(E(x - b) + e) | D f + b |
| BatchTopKSAE, MatryoshkaBatchTopKSAE | a [a > t], a = relu(E(x - b) + e), one threshold t | D f + b |
| JumpReluAutoEncoder | relu(a [a > t]), a = E x + e, a threshold a latent | D f + b |

and IdentityDict, f = x, called Identity in the board-game release.
"""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from .loading_files import Converted, check_shapes, pick, read_json, read_pickle

IDENTITIES = ("IdentityDict", "Identity")
_LINEAR = {"W_enc": ("encoder.weight", True), "W_dec": ("decoder.weight", True)}
_MATRICES = {"W_enc": ("W_enc", False), "W_dec": ("W_dec", False), "b_enc": ("b_enc", False), "b_dec": ("b_dec", False)}


def convert_dictionary_learning(folder: Path) -> Converted | int:
    """The weights of a folder in sae_lens's terms, or the width of an IdentityDict.

    Raises:
        FileNotFoundError: ae.pt or config.json is missing.
        ValueError: unknown class, missing keys, sizes that contradict config.json, a threshold never set, a pickle
            that holds more than tensors.
    """
    file, config_file = folder / "ae.pt", folder / "config.json"
    config = read_json(config_file)
    trainer = config.get("trainer")
    if not isinstance(trainer, dict) or not isinstance(trainer.get("dict_class"), str):
        raise ValueError(f"{config_file}: expected the class of the dictionary at trainer.dict_class")
    dict_class = trainer["dict_class"].rsplit(".", 1)[-1]
    if dict_class in IDENTITIES:
        return _size(trainer, "activation_dim", config_file)
    if dict_class not in _CLASSES:
        near = get_close_matches(dict_class, _CLASSES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join([*_CLASSES, "IdentityDict"])
        raise ValueError(f"{config_file}: unknown dict_class {dict_class!r}, expected one of {known}{hint}")
    converted = _CLASSES[dict_class](read_pickle(file), trainer, file)
    for key, axis in (("activation_dim", 1), ("dict_size", 0)):
        if key in trainer and _size(trainer, key, config_file) != converted.weights["W_dec"].shape[axis]:
            raise ValueError(
                f"{file}: the decoder has shape {list(converted.weights['W_dec'].shape)} (latents, activations), but "
                f"config.json says {key} {trainer[key]}"
            )
    n_latents, d_in = converted.weights["W_dec"].shape
    check_shapes(converted.weights, d_in, n_latents, file, "the decoder's sizes")
    converted.metadata.update(
        training_architecture=dict_class,
        model_name=trainer.get("lm_name"),
        hook_layer=trainer.get("layer"),
        context_size=(config.get("buffer") or {}).get("ctx_len"),
        dictionary_learning_config=config,
    )
    return converted


def trainer_of(config: Path) -> dict[str, Any] | None:
    """The part of a config.json that names the class of the dictionary; None if it is another file or damaged."""
    try:
        trainer = read_json(config).get("trainer")
    except (FileNotFoundError, ValueError):
        return None
    return trainer if isinstance(trainer, dict) and isinstance(trainer.get("dict_class"), str) else None


def is_identity(config: Path) -> bool:
    """Whether a config.json is that of an identity dictionary, which needs no weights beside it."""
    trainer = trainer_of(config)
    return trainer is not None and trainer["dict_class"].rsplit(".", 1)[-1] in IDENTITIES


def _size(trainer: dict[str, Any], key: str, path: Path) -> int:
    value = trainer.get(key)
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{path}: trainer.{key} must be a positive integer, got {value!r}")
    return value


def _auto_encoder(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    keys = _LINEAR | {"b_enc": ("encoder.bias", False), "b_dec": ("bias", False)}
    return Converted("standard", pick(state, keys, path), {"apply_b_dec_to_input": True}, unit_decoder=True)


def _auto_encoder_new(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    keys = _LINEAR | {"b_enc": ("encoder.bias", False), "b_dec": ("decoder.bias", False)}
    return Converted("standard", pick(state, keys, path), {"apply_b_dec_to_input": False})


def _gated(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    keys = _LINEAR | {
        "b_gate": ("gate_bias", False),
        "b_mag": ("mag_bias", False),
        "r_mag": ("r_mag", False),
        "b_dec": ("decoder_bias", False),
    }
    return Converted("gated", pick(state, keys, path), {"apply_b_dec_to_input": True})


def _topk(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    weights = pick(state, _LINEAR | {"b_enc": ("encoder.bias", False), "b_dec": ("b_dec", False)}, path)
    k = state.get("k", trainer.get("k"))
    k = int(k) if isinstance(k, int | float | torch.Tensor) else k
    if not isinstance(k, int) or not 0 < k <= len(weights["W_dec"]):
        raise ValueError(f"{path}: k must be between 1 and {len(weights['W_dec'])}, got {k!r}")
    config = {"apply_b_dec_to_input": True, "k": k, "rescale_acts_by_decoder_norm": False}
    return Converted("topk", weights, config)


def _batch_topk(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    weights = pick(state, _LINEAR | {"b_enc": ("encoder.bias", False), "b_dec": ("b_dec", False)}, path)
    return _one_threshold(weights, state, path)


def _matryoshka(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    converted = _one_threshold(pick(state, _MATRICES, path), state, path)
    groups = state.get("group_sizes")
    if isinstance(groups, torch.Tensor):
        converted.metadata["group_sizes"] = groups.tolist()
    return converted


def _one_threshold(weights: dict[str, torch.Tensor], state: dict[str, Any], path: Path) -> Converted:
    threshold = pick(state, {"threshold": ("threshold", False)}, path)["threshold"]
    if threshold.numel() != 1:
        raise ValueError(f"{path}: threshold must be one number, got shape {list(threshold.shape)}")
    if not float(threshold) >= 0:
        raise ValueError(
            f"{path}: the threshold is {float(threshold)}, so it was never set during training and the activity of a "
            "single row is undefined; train past threshold_start_step"
        )
    weights["threshold"] = threshold.reshape(1).repeat(len(weights["W_dec"]))
    return Converted("jumprelu", weights, {"apply_b_dec_to_input": True})


def _jump_relu(state: dict[str, Any], trainer: dict[str, Any], path: Path) -> Converted:
    weights = pick(state, _MATRICES | {"threshold": ("threshold", False)}, path)
    return Converted("jumprelu", weights, {"apply_b_dec_to_input": False})


_CLASSES: dict[str, Callable[[dict[str, Any], dict[str, Any], Path], Converted]] = {
    "AutoEncoder": _auto_encoder,
    "AutoEncoderNew": _auto_encoder_new,
    "GatedAutoEncoder": _gated,
    "AutoEncoderTopK": _topk,
    "BatchTopKSAE": _batch_topk,
    "MatryoshkaBatchTopKSAE": _matryoshka,
    "JumpReluAutoEncoder": _jump_relu,
}
