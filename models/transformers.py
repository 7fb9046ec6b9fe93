"""Small language models on TransformerBridge: build from a seed, save and load as safetensors, make the random twin."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


ACTIVATIONS = ("gelu", "gelu_new", "relu")
NORMALIZATIONS = ("LN", "LNPre")
_SIZES = ("n_layers", "d_model", "n_heads", "d_mlp", "n_ctx", "d_vocab")


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of a decoder-only transformer with learned positions and layer norm.

    Attributes:
        n_layers: number of blocks.
        d_model: width of the residual stream.
        n_heads: attention heads a block; must divide `d_model`.
        d_mlp: hidden width of the MLP; 0 in a model without.
        n_ctx: longest input, in tokens.
        d_vocab: number of tokens.
        act_fn: of the MLP; one of `ACTIVATIONS`: gelu is the exact one, gelu_new its tanh approximation (GPT-2's).
        normalization: `LN`, or `LNPre` for layer norms whose weights are folded into what reads them.
        eps: added to the variance in layer norms.
        attn_only: blocks have attention and no MLP; `d_mlp` is then 0.
    """

    n_layers: int
    d_model: int
    n_heads: int
    d_mlp: int
    n_ctx: int
    d_vocab: int
    act_fn: str = "gelu"
    normalization: str = "LN"
    eps: float = 1e-5
    attn_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.attn_only, bool) or (self.attn_only and self.d_mlp != 0):
            raise ValueError(
                f"attn_only must be a bool, and d_mlp 0 if it is True, got {self.attn_only!r} and {self.d_mlp!r}"
            )
        for name in _SIZES:
            value = getattr(self, name)
            if name == "d_mlp" and self.attn_only:
                continue
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if self.act_fn not in ACTIVATIONS:
            raise ValueError(f"act_fn must be one of {', '.join(ACTIVATIONS)}, got {self.act_fn!r}")
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {', '.join(NORMALIZATIONS)}, got {self.normalization!r}")
        if not 0 < self.eps < 1:
            raise ValueError(f"eps must lie between 0 and 1, got {self.eps!r}")
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads must divide d_model, got {self.n_heads} and {self.d_model}")

    def to_dict(self) -> dict[str, Any]:
        """The sizes, and what else is not as usual; files written before there was a choice hold the same."""
        usual = {field.name: field.default for field in fields(self)}
        return {key: value for key, value in asdict(self).items() if key in _SIZES or value != usual[key]}


def shape_of(model: "TransformerBridge") -> TransformerConfig:
    """The shape of a model that `build_transformer` made.

    Raises:
        ValueError: a model of another kind, of which no random twin could be built.
    """
    cfg = model.cfg
    try:
        return TransformerConfig(
            **{name: int(getattr(cfg, name) or 0) for name in _SIZES if name != "d_mlp"},
            d_mlp=0 if cfg.attn_only else int(cfg.d_mlp or 0),
            act_fn=str(cfg.act_fn),
            normalization=str(cfg.normalization_type),
            eps=float(cfg.eps),
            attn_only=bool(cfg.attn_only),
        )
    except (AttributeError, ValueError, TypeError) as error:
        raise ValueError(
            f"only fiducial's own transformers are taken as they are ({error}); save the model, and give its path"
        ) from error


def build_transformer(config: TransformerConfig, seed: int, device: str = "cpu") -> "TransformerBridge":
    """A freshly initialised transformer; the same config and seed give the same weights.

    The randomly initialised twin of a trained model is this call with the trained model's config.
    """
    from transformer_lens.model_bridge import TransformerBridge

    settings: dict[str, Any] = {name: getattr(config, name) for name in (*_SIZES, "act_fn", "eps")}
    if config.attn_only:
        settings["attn_only"] = True
        del settings["d_mlp"]
    settings["d_head"] = config.d_model // config.n_heads
    settings |= {"normalization_type": config.normalization, "seed": seed}
    with torch.random.fork_rng(devices=[]):  # boot_native seeds the global generator
        return TransformerBridge.boot_native(settings, device=device)


def save_transformer(
    model: "TransformerBridge",
    config: TransformerConfig,
    path: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write weights and config to one safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    header = {"fiducial_format": "transformer-1", "config": json.dumps(config.to_dict()), **(metadata or {})}
    path = Path(path)
    partial = path.with_suffix(path.suffix + ".partial")
    save_file(tensors, partial, metadata=header)
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(path)


def load_transformer(path: str | Path, device: str = "cpu") -> tuple["TransformerBridge", TransformerConfig]:
    """Read a file of `save_transformer`; weights come back as float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file, or one that `save_transformer` did not write.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    try:
        with safe_open(path, framework="pt", device=device) as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from error
    if header.get("fiducial_format") != "transformer-1":
        raise ValueError(f"{path} holds no transformer saved by fiducial (header {sorted(header)})")
    config = TransformerConfig(**json.loads(header["config"]))
    model = build_transformer(config, seed=0, device=device)
    model.load_state_dict(tensors)
    model.eval()
    return model, config
