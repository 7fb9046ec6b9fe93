"""State dicts of published GPTs in the terms of TransformerBridge: nanoGPT, Hugging Face's GPT-2, TransformerLens.

| | nanoGPT | GPT-2 of transformers | TransformerLens |
|---|---|---|---|
| linear weights | [out, in] | [in, out] (Conv1D) | a matrix a head: W_Q [heads, d, d_head], W_O [heads, d_head, d] |
| query, key, value | one matrix `c_attn` | one matrix `c_attn` | apart |
| head | tied to wte | tied to wte | W_U [d, vocab] and b_U, never tied |
| biases | perhaps none | always | always |
| layer norm | with weights | with weights | with weights, or folded into what reads it (LNPre) |
| sizes | model_args | config.json | the shapes |

Every converter takes each tensor once, checks its shape, and refuses what is left over.
"""

import re
from pathlib import Path
from typing import Any

import torch

from .transformers import ACTIVATIONS, TransformerConfig

State = dict[str, torch.Tensor]

_BUFFERS = re.compile(r"\.attn\.(bias|masked_bias|mask|IGNORE)$")  # causal masks and the number they put in
_SAME = {"gelu_pytorch_tanh": "gelu_new"}  # two names of one function


class Taker:
    """Tensors of a state dict, each taken once under its name and checked.

    Args:
        state: what the file holds.
        path: for messages.
    """

    def __init__(self, state: dict[str, Any], path: Path) -> None:
        self.state = {key: value for key, value in state.items() if not _BUFFERS.search(str(key))}
        self.path = path

    def __contains__(self, key: str) -> bool:
        return key in self.state

    def shape(self, key: str, axes: int) -> tuple[int, ...]:
        """Shape of a tensor.

        Raises:
            ValueError: missing, or another number of axes.
        """
        value = self._get(key)
        if value.ndim != axes:
            raise ValueError(f"{self.path}: {key} must have {axes} axes, got shape {list(value.shape)}")
        return tuple(value.shape)

    def take(self, key: str, *shape: int) -> torch.Tensor:
        """A tensor as float32; it is gone afterwards.

        Raises:
            ValueError: missing, not floating, of another shape, or not finite.
        """
        value = self._get(key)
        if tuple(value.shape) != shape:
            raise ValueError(f"{self.path}: {key} has shape {list(value.shape)}, the sizes of the model say {shape}")
        del self.state[key]
        value = value.float()
        if not value.isfinite().all():
            raise ValueError(f"{self.path}: {key} holds a NaN or an infinity")
        return value

    def done(self) -> None:
        """Nothing may be left.

        Raises:
            ValueError: something is.
        """
        if self.state:
            named = ", ".join(map(str, sorted(self.state)[:6]))
            more = f" and {len(self.state) - 6} more" if len(self.state) > 6 else ""
            raise ValueError(f"{self.path}: the model has no place for {named}{more}; is it another architecture?")

    def _get(self, key: str) -> torch.Tensor:
        if key not in self.state:
            raise ValueError(f"{self.path}: {key} is missing; it holds {', '.join(map(str, sorted(self.state)[:8]))}")
        value = self.state[key]
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise ValueError(
                f"{self.path}: {key} must be a floating tensor, got {getattr(value, 'dtype', type(value))}"
            )
        return value


def from_nanogpt(content: dict[str, Any], path: Path) -> tuple[TransformerConfig, State]:
    """A `ckpt.pt` of nanoGPT, with or without biases, compiled or not.

    Raises:
        ValueError: model_args are missing or do not fit the weights.
    """
    sizes, state = content.get("model_args"), content.get("model")
    if not isinstance(sizes, dict) or not isinstance(state, dict):
        raise ValueError(
            f"{path}: a nanoGPT checkpoint holds model and model_args, this one {sorted(map(str, content))}"
        )
    d_model = _size(sizes, "n_embd", path)
    config = TransformerConfig(
        n_layers=_size(sizes, "n_layer", path),
        d_model=d_model,
        n_heads=_size(sizes, "n_head", path),
        d_mlp=4 * d_model,
        n_ctx=_size(sizes, "block_size", path),
        d_vocab=_size(sizes, "vocab_size", path),
    )
    plain = {str(key).removeprefix("_orig_mod."): value for key, value in state.items()}
    # Old nanoGPT wrote no `bias`, and always had them.
    return config, _gpt2_weights(Taker(plain, path), config, transposed=False, bias=bool(sizes.get("bias", True)))


def from_gpt2(state: dict[str, Any], sizes: dict[str, Any], path: Path) -> tuple[TransformerConfig, State]:
    """Weights of transformers' GPT2LMHeadModel (or GPT2Model, whose head is tied) and its config.json.

    Raises:
        ValueError: another model type, an option that changes the computation, or weights that do not fit.
    """
    where = path.parent / "config.json"
    if sizes.get("model_type") != "gpt2":
        raise ValueError(f"{where}: expected model_type 'gpt2', got {sizes.get('model_type')!r}")
    usual = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}
    for key, value in usual.items():
        if sizes.get(key, value) != value:
            raise ValueError(f"{where}: {key} {sizes[key]} is not supported, only {value}")
    d_model = _size(sizes, "n_embd", where)
    config = TransformerConfig(
        n_layers=_size(sizes, "n_layer", where),
        d_model=d_model,
        n_heads=_size(sizes, "n_head", where),
        d_mlp=4 * d_model if sizes.get("n_inner") is None else _size(sizes, "n_inner", where),
        n_ctx=_size(sizes, "n_positions", where),
        d_vocab=_size(sizes, "vocab_size", where),
        act_fn=_activation(sizes.get("activation_function", "gelu_new"), where),
        eps=float(sizes.get("layer_norm_epsilon", 1e-5)),
    )
    if "wte.weight" in state:  # GPT2Model, without the prefix
        state = {key if key.startswith("lm_head.") else f"transformer.{key}": value for key, value in state.items()}
    tied = bool(sizes.get("tie_word_embeddings", True))
    return config, _gpt2_weights(Taker(state, path), config, transposed=True, bias=True, tied=tied)


def _gpt2_weights(taker: Taker, config: TransformerConfig, *, transposed: bool, bias: bool, tied: bool = True) -> State:
    """Weights under GPT-2's names; `transposed` is Conv1D's order."""
    d, inner = config.d_model, config.d_mlp
    found: State = {}

    def linear(key: str, n_in: int, n_out: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (n_in, n_out) if transposed else (n_out, n_in)
        weight = taker.take(f"{key}.weight", *shape)
        return weight.T if transposed else weight, taker.take(f"{key}.bias", n_out) if bias else torch.zeros(n_out)

    def norm(ours: str, theirs: str) -> None:
        found[f"{ours}.weight"] = taker.take(f"{theirs}.weight", d)
        found[f"{ours}.bias"] = taker.take(f"{theirs}.bias", d) if bias else torch.zeros(d)

    for i in range(config.n_layers):
        ours, theirs = f"blocks.{i}", f"transformer.h.{i}"
        norm(f"{ours}.ln1", f"{theirs}.ln_1")
        norm(f"{ours}.ln2", f"{theirs}.ln_2")
        weight, offset = linear(f"{theirs}.attn.c_attn", d, 3 * d)
        for name, w, b in zip("qkv", weight.split(d), offset.split(d), strict=True):
            found |= {f"{ours}.attn.{name}.weight": w, f"{ours}.attn.{name}.bias": b}
        for name, key, n_in, n_out in (
            ("attn.o", "attn.c_proj", d, d),
            ("mlp.in", "mlp.c_fc", d, inner),
            ("mlp.out", "mlp.c_proj", inner, d),
        ):
            weight, offset = linear(f"{theirs}.{key}", n_in, n_out)
            found |= {f"{ours}.{name}.weight": weight, f"{ours}.{name}.bias": offset}
    norm("ln_final", "transformer.ln_f")
    found["pos_embed.weight"] = taker.take("transformer.wpe.weight", config.n_ctx, d)
    found["embed.weight"] = taker.take("transformer.wte.weight", config.d_vocab, d)
    has_head = "lm_head.weight" in taker or not tied  # a file may leave a tied head out
    head = taker.take("lm_head.weight", config.d_vocab, d) if has_head else found["embed.weight"].clone()
    if has_head and tied and not torch.equal(head, found["embed.weight"]):
        raise ValueError(f"{taker.path}: lm_head.weight and wte.weight are tied in this format, but differ")
    found |= {"unembed.weight": head, "unembed.bias": torch.zeros(config.d_vocab)}
    taker.done()
    return found


def from_transformer_lens(
    state: dict[str, Any], settings: dict[str, Any], path: Path
) -> tuple[TransformerConfig, State]:
    """A state dict of HookedTransformer: LN, or LNPre with the layer norms folded.

    Args:
        state: weights; the sizes are read from their shapes.
        settings: its config if there is one, else empty: then the activation is gelu, as in OthelloGPT.
        path: for messages.

    Raises:
        ValueError: an option that is not supported, or weights that do not fit each other or the config.
    """
    taker = Taker(state, path)
    d_vocab, d = taker.shape("embed.W_E", 2)
    heads, _, d_head = taker.shape("blocks.0.attn.W_Q", 3)
    if heads * d_head != d:
        raise ValueError(f"{path}: {heads} heads of width {d_head} do not make up d_model {d}, which is not supported")
    layers = [int(block[1]) for key in taker.state if (block := re.match(r"blocks\.(\d+)\.", str(key)))]
    folded = "blocks.0.ln1.w" not in taker
    config = TransformerConfig(
        n_layers=max(layers) + 1,
        d_model=d,
        n_heads=heads,
        d_mlp=taker.shape("blocks.0.mlp.W_in", 2)[1],
        n_ctx=taker.shape("pos_embed.W_pos", 2)[0],
        d_vocab=d_vocab,
        act_fn=_activation(settings.get("act_fn", "gelu"), path),
        normalization="LNPre" if folded else "LN",
        eps=float(settings.get("eps", 1e-5)),
    )
    _check_settings(config, settings, path)
    found: State = {}

    def norm(name: str) -> None:
        if not folded:
            found.update({f"{name}.weight": taker.take(f"{name}.w", d), f"{name}.bias": taker.take(f"{name}.b", d)})

    for i in range(config.n_layers):
        attn, mlp = f"blocks.{i}.attn", f"blocks.{i}.mlp"
        norm(f"blocks.{i}.ln1")
        norm(f"blocks.{i}.ln2")
        for letter in "QKV":
            weight = taker.take(f"{attn}.W_{letter}", heads, d, d_head)
            found[f"{attn}.{letter.lower()}.weight"] = weight.transpose(1, 2).reshape(d, d)
            found[f"{attn}.{letter.lower()}.bias"] = taker.take(f"{attn}.b_{letter}", heads, d_head).reshape(d)
        found[f"{attn}.o.weight"] = taker.take(f"{attn}.W_O", heads, d_head, d).reshape(d, d).T
        found[f"{attn}.o.bias"] = taker.take(f"{attn}.b_O", d)
        for name, n_in, n_out in (("in", d, config.d_mlp), ("out", config.d_mlp, d)):
            found[f"{mlp}.{name}.weight"] = taker.take(f"{mlp}.W_{name}", n_in, n_out).T
            found[f"{mlp}.{name}.bias"] = taker.take(f"{mlp}.b_{name}", n_out)
    norm("ln_final")
    found["embed.weight"] = taker.take("embed.W_E", d_vocab, d)
    found["pos_embed.weight"] = taker.take("pos_embed.W_pos", config.n_ctx, d)
    found["unembed.weight"] = taker.take("unembed.W_U", d, d_vocab).T
    found["unembed.bias"] = taker.take("unembed.b_U", d_vocab)
    taker.done()
    return config, found


def _check_settings(config: TransformerConfig, settings: dict[str, Any], path: Path) -> None:
    """What a TransformerLens config says must be what the weights say, and nothing that is not computed here."""
    said = {
        "n_layers": config.n_layers,
        "d_model": config.d_model,
        "n_heads": config.n_heads,
        "d_mlp": config.d_mlp,
        "n_ctx": config.n_ctx,
        "d_vocab": config.d_vocab,
        "normalization_type": config.normalization,
        "positional_embedding_type": "standard",
        "attn_only": False,
        "gated_mlp": False,
        "parallel_attn_mlp": False,
        "attention_dir": "causal",
        "use_attn_scale": True,
        "scale_attn_by_inverse_layer_idx": False,
        "final_rms": False,
        "attn_scores_soft_cap": -1.0,
        "output_logits_soft_cap": -1.0,
    }
    for key, value in said.items():
        if key in settings and settings[key] != value:
            raise ValueError(
                f"{path}: its config says {key} {settings[key]!r}, the weights and what is supported {value!r}"
            )


def _activation(name: Any, path: Path) -> str:
    name = _SAME.get(name, name)
    if name not in ACTIVATIONS:
        raise ValueError(f"{path}: activation {name!r} is not supported, only {', '.join(ACTIVATIONS)}")
    return name


def _size(sizes: dict[str, Any], key: str, path: Path) -> int:
    value = sizes.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{path}: {key} must be a positive integer, got {value!r}")
    return value
