"""GPT-2 through TransformerBridge, and the nodes of its circuit for indirect object identification.

Which head does what is from Wang et al. 2023 (arXiv 2211.00593), the cross-sections that are edited together from
Makelov, Lange and Nanda 2024 (arXiv 2405.08366). They are of GPT-2 small, 12 layers of 12 heads, and mean nothing in
another model, which is why the size is checked.

What processing was possible. The published work loaded the model with layer norms folded into what reads them, writing
weights centred, the unembedding centred, value biases folded, and the attention matrices refactored (which changes the
basis of q, k and v). TransformerBridge offers all five, the last one as experimental and off by default; `load_gpt2`
applies all. On random GPT-2 weights of three layers the log-probabilities stay within 2e-5 of transformers' own; the
logits differ by a constant a position, which no logit difference and no argmax sees. Where two singular values of a
head's query-key matrix are equal, the refactored basis is not unique, so directions of q and k need not agree with
those of a machine or library that chose otherwise; results on them do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .nodes import CrossSection, Node

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Head = tuple[int, int]

CIRCUIT_HEADS: dict[str, tuple[Head, ...]] = {  # (layer, head)
    "previous token": ((2, 2), (4, 11)),
    "duplicate token": ((0, 1), (0, 10), (3, 0)),
    "induction": ((5, 5), (5, 8), (5, 9), (6, 9)),
    "S-inhibition": ((7, 3), (7, 9), (8, 6), (8, 10)),
    "name mover": ((9, 6), (9, 9), (10, 0)),
    "negative name mover": ((10, 7), (11, 10)),
    "backup name mover": ((9, 0), (9, 7), (10, 1), (10, 2), (10, 10), (11, 2), (11, 9)),
}
CIRCUIT_SIZE = (12, 12)  # layers, heads a layer
CIRCUIT_ATTRIBUTES: dict[str, tuple[str, ...]] = {  # attributes that were edited at each cross-section
    "(B)NM out": ("IO",),
    "(B)NM qk": ("Pos",),
    "(B)NM q": ("Pos",),
    "S-I out": ("Pos",),
    "S-I v": ("Pos",),
    "Ind+DT out": ("Pos", "S"),
}


def load_gpt2(path_or_name: str | Path = "gpt2", *, processed: bool = True, device: str = "cpu") -> "TransformerBridge":
    """GPT-2 from a folder that transformers wrote, or from the Hugging Face hub by name.

    Args:
        path_or_name: a folder with config.json and weights; something that exists is never taken for a name.
        processed: fold, centre and refactor as the published work did (see the top of this file); False keeps the
            weights as they are.
        device: torch device.

    Returns:
        The model in float32 and evaluation mode.

    Raises:
        FileNotFoundError: a path without a model.
        ValueError: not a GPT-2.
        ConnectionError: a name that is neither in the local cache nor reachable.
    """
    from transformer_lens.model_bridge import TransformerBridge

    folder = Path(path_or_name)
    looks_local = folder.exists() or folder.is_absolute() or str(path_or_name).startswith(".")
    if looks_local and not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no config.json in {folder}; expected a folder written by save_pretrained of GPT-2")
    try:
        model = TransformerBridge.boot_transformers(str(path_or_name), device=device)
    except OSError as error:
        if looks_local:
            raise FileNotFoundError(f"{folder} holds no model that transformers can read: {error}") from error
        raise ConnectionError(
            f"{path_or_name!r} is neither a folder nor in the local cache, and the hub was not reached; download the "
            f"model elsewhere with save_pretrained and give the folder: {error}"
        ) from error
    if "gpt2" not in str(model.cfg.architecture).lower():
        raise ValueError(f"{path_or_name} holds {model.cfg.architecture}, expected GPT2LMHeadModel")
    if processed:
        model.enable_compatibility_mode(disable_warnings=True, refactor_factored_attn_matrices=True)
    return model.eval()


def circuit_sections(model: "TransformerBridge | None" = None) -> dict[str, CrossSection]:
    """The six cross-sections that were edited, 55 nodes in all, by name.

    Args:
        model: checked to be of the size of GPT-2 small; None to look at the names alone.

    Raises:
        ValueError: a model of another size.
    """
    if model is not None:
        size = int(model.cfg.n_layers), int(model.cfg.n_heads)
        if size != CIRCUIT_SIZE:
            raise ValueError(
                f"the circuit is that of GPT-2 small with {CIRCUIT_SIZE[0]} layers of {CIRCUIT_SIZE[1]} heads; this "
                f"model has {size[0]} of {size[1]}. Use find_sites to look for sites of its own"
            )
    movers = CIRCUIT_HEADS["name mover"] + CIRCUIT_HEADS["backup name mover"]
    inhibition = CIRCUIT_HEADS["S-inhibition"]
    detectors = CIRCUIT_HEADS["induction"] + CIRCUIT_HEADS["duplicate token"]
    queries = nodes_of(movers, "q", ("end",))
    nodes = {
        "(B)NM out": nodes_of(movers, "z", ("end",)),
        "(B)NM qk": queries + nodes_of(movers, "k", ("io", "s1")),
        "(B)NM q": queries,
        "S-I out": nodes_of(inhibition, "z", ("end",)),
        "S-I v": nodes_of(inhibition, "v", ("s2",)),
        "Ind+DT out": nodes_of(detectors, "z", ("s2",)),
    }
    return {name: CrossSection(name, found) for name, found in nodes.items()}


def nodes_of(heads: Sequence[Head], role: str, positions: Sequence[str]) -> tuple[Node, ...]:
    """One node for every head and position, in order."""
    return tuple(Node.of(role, layer, position, head) for position in positions for layer, head in sorted(heads))
