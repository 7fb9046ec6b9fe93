"""GPT-2 with IOI prompts in its own tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..games.ioi import IOI
from ..models.nodes_gpt2 import load_gpt2
from ..models.transformers import TransformerConfig

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


def gpt2_with_world(model: str | Path, device: str = "cpu") -> tuple["TransformerBridge", IOI]:
    """GPT-2 from a folder or by name, and IOI prompts in its own tokens.

    Raises:
        FileNotFoundError: no model at a path, or one without a tokenizer.
        ConnectionError: a name that is not in the cache while the hub cannot be reached.
        ValueError: not a GPT-2, or a tokenizer that splits a word of the prompts.
    """
    from transformers import AutoTokenizer

    bridge = load_gpt2(model, device=device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(model))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(f"{model} comes without the tokenizer that IOI prompts need: {error}") from error
    if tokenizer.vocab_size < 2:  # what some versions of transformers make of a folder without one
        raise FileNotFoundError(f"{model} comes without the tokenizer that IOI prompts need: it knows no words")
    return bridge, IOI(vocabulary="full", tokenizer=tokenizer)


def config_of(model: "TransformerBridge") -> TransformerConfig:
    """The shape of a loaded GPT-2, as testbeds and random twins need it."""
    cfg = model.cfg
    return TransformerConfig(
        n_layers=int(cfg.n_layers),
        d_model=int(cfg.d_model),
        n_heads=int(cfg.n_heads),
        d_mlp=int(cfg.d_mlp or 4 * cfg.d_model),
        n_ctx=int(cfg.n_ctx),
        d_vocab=int(cfg.d_vocab),
        act_fn="gelu_new",
    )
