"""State dicts of openai/sparse_autoencoder.

Latents are act(encoder(x - pre_bias) + latent_bias) and the output is decoder(latents) + pre_bias. Files whose
activation is TopK were trained on rows that are centred and divided by their standard deviation, and undo that on the
way out; files with ReLU take rows as they are.
"""

from pathlib import Path

from .loading_files import Converted, pick, read_pickle

_KEYS = {
    "W_enc": ("encoder.weight", True),
    "b_enc": ("latent_bias", False),
    "W_dec": ("decoder.weight", True),
    "b_dec": ("pre_bias", False),
}


def convert_openai(path: Path) -> Converted:
    """The weights of a file in sae_lens's terms.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, missing keys, an activation other than ReLU or TopK followed by ReLU.
    """
    state = read_pickle(path)
    weights = pick(state, _KEYS, path)
    metadata = {"training_architecture": "openai"}
    activation = state.get("activation", "ReLU")
    if activation == "ReLU":
        return Converted("standard", weights, {"apply_b_dec_to_input": True}, metadata)
    details = state.get("activation_state_dict")
    if activation != "TopK" or not isinstance(details, dict):
        raise ValueError(f"{path}: activation must be 'ReLU' or 'TopK' with its settings, got {activation!r}")
    k, after = int(details.get("k", 0)), details.get("postact_fn", "ReLU")
    if after != "ReLU" or not 0 < k <= len(weights["W_dec"]):
        raise ValueError(f"{path}: expected a TopK followed by ReLU with 1 <= k <= n_latents, got k {k} and {after!r}")
    config = {"apply_b_dec_to_input": True, "k": k, "rescale_acts_by_decoder_norm": False}
    return Converted("topk", weights, config | {"normalize_activations": "layer_norm"}, metadata)
