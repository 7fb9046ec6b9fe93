"""A bare safetensors file: W_enc [d_in, n_latents], b_enc, W_dec [n_latents, d_in], b_dec, and perhaps threshold.

With a threshold (one number or one a latent) it is read as JumpReLU that does not subtract b_dec from its input, as
Gemma Scope's files are; without one as a ReLU SAE that does, as sae_lens's are. The header of the file may say
otherwise: `apply_b_dec_to_input` ("true" or "false"), and `k` for a TopK.
"""

from pathlib import Path

from .loading_files import Converted, pick, read_safetensors

_KEYS = {key: (key, False) for key in ("W_enc", "b_enc", "W_dec", "b_dec")}


def convert_safetensors(path: Path) -> Converted:
    """The weights of a file in sae_lens's terms.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, missing keys, weights the other way round, or a header that makes no sense.
    """
    state, header = read_safetensors(path)
    weights = pick(state, _KEYS | ({"threshold": ("threshold", False)} if "threshold" in state else {}), path)
    n_latents, d_in = weights["b_enc"].numel(), weights["b_dec"].numel()
    for key, shape in (("W_enc", (d_in, n_latents)), ("W_dec", (n_latents, d_in))):
        got = tuple(weights[key].shape)
        if got != shape:
            hint = "; it is transposed" if got == shape[::-1] else ""
            raise ValueError(f"{path}: {key} must be {list(shape)} by its biases, got {list(got)}{hint}")
    if "threshold" in weights:
        if weights["threshold"].numel() not in (1, n_latents):
            raise ValueError(f"{path}: threshold must be one number or {n_latents}, got {weights['threshold'].numel()}")
        weights["threshold"] = weights["threshold"].flatten().expand(n_latents).contiguous()
    subtract = header.get("apply_b_dec_to_input", str("threshold" not in weights)).lower()
    if subtract not in ("true", "false"):
        raise ValueError(f"{path}: header apply_b_dec_to_input must be true or false, got {subtract!r}")
    config: dict[str, object] = {"apply_b_dec_to_input": subtract == "true"}
    if "k" not in header:
        return Converted("jumprelu" if "threshold" in weights else "standard", weights, config)
    if "threshold" in weights or not header["k"].isdecimal() or not 0 < int(header["k"]) <= n_latents:
        raise ValueError(f"{path}: header k must be 1 to {n_latents} and excludes a threshold, got {header['k']!r}")
    return Converted("topk", weights, config | {"k": int(header["k"]), "rescale_acts_by_decoder_norm": False})
