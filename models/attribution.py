"""Which places of a model carry a difference between two inputs? One backward pass ranks them all, patching checks.

Equation      attributed(node) = < d score / d a_base, a_source - a_base >
              patched(node) = score[a_base <- a_source] - score[clean base];      both per pair, in nats
Conventions   `score` is that of `PatchPairs`. Attribution is the first-order guess at patching: exact where the score
              is linear in the node, wrong where an attention pattern or a layer norm saturates, so what ranks high is
              always patched.
References    attribution patching: Nanda 2023 (neelnanda.io); Syed, Rager and Conmy 2023, arXiv 2310.10348
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .capture import resolve_hook
from .nodes import HEAD_ROLES, CrossSection, Node, read_nodes, run_patched
from .patch_pairs import PatchPairs

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Floats = NDArray[np.float64]

ROLES = ("z", "q", "k", "v", "mlp", "resid")


def components(
    model: "TransformerBridge", positions: Sequence[str], *, roles: Sequence[str] = ROLES, heads: bool = True
) -> tuple[Node, ...]:
    """Every node of some roles that a model has.

    Args:
        model: the model.
        positions: semantic positions.
        roles: what to list; a role that the model lacks (MLPs of an attention-only one) is left out.
        heads: one node a head where the role has heads; False for all heads together.
    """
    points = model.hook_dict
    found: list[Node] = []
    for layer in range(int(model.cfg.n_layers)):
        for role in roles:
            n_heads = int(model.cfg.n_heads)
            if role in ("k", "v"):
                n_heads = int(getattr(model.cfg, "n_key_value_heads", None) or n_heads)
            split: Sequence[int | None] = range(n_heads) if heads and role in HEAD_ROLES else (None,)
            for position in positions:
                found += [node for head in split if (node := Node.of(role, layer, position, head)).hook in points]
    return tuple(found)


def attribute(
    model: "TransformerBridge", pairs: PatchPairs, nodes: Iterable[Node], *, batch_size: int = 128
) -> dict[Node, Floats]:
    """First-order effect of patching every node, from one forward and one backward pass a batch.

    Args:
        model: on any device.
        pairs: base and source.
        nodes: any, also such as contain each other.
        batch_size: pairs a pass.

    Returns:
        float64 [N] of every node, nats.

    Raises:
        KeyError: an unknown hook point or semantic position.
        ValueError: pairs that the model cannot take.
        RuntimeError: a node that the score cannot depend on in the model's graph.
    """
    wanted = list(dict.fromkeys(nodes))
    parts: dict[Node, list[Floats]] = {node: [] for node in wanted}
    for start in range(0, len(pairs), batch_size):
        batch = pairs.take(slice(start, start + batch_size))
        base = read_nodes(model, batch.base, batch.base_positions, wanted)
        source = read_nodes(model, batch.source, batch.source_positions, wanted)
        for node, gradient in _gradients(model, batch, wanted).items():
            parts[node].append((gradient * (source[node] - base[node])).double().sum(1).cpu().numpy())
    return {node: np.concatenate(found) for node, found in parts.items()}


def clean_scores(model: "TransformerBridge", pairs: PatchPairs, *, batch_size: int = 512) -> tuple[Floats, Floats]:
    """Scores of base and source as they are, float64 [N] each: where a patch starts, and what the source's run has."""
    base = run_patched(model, pairs.base, pairs.base_positions, {}, at=pairs.at, batch_size=batch_size)
    source = run_patched(model, pairs.source, pairs.source_positions, {}, at=pairs.at, batch_size=batch_size)
    return _scored(pairs, base), _scored(pairs, source)


def patch(
    model: "TransformerBridge",
    pairs: PatchPairs,
    sections: Iterable[CrossSection | Node],
    *,
    clean: Floats | None = None,
    batch_size: int = 512,
) -> dict[str, Floats]:
    """True effect of patching every section (or single node) from source into base, by name.

    Args:
        model: on any device.
        pairs: base and source.
        sections: what to patch, each on its own.
        clean: float64 [N], scores of the bases as `clean_scores` gives them; None computes them.
        batch_size: pairs a pass.

    Returns:
        float64 [N], nats: score with the patch minus score of the clean base.

    Raises:
        KeyError: an unknown hook point or semantic position.
        ValueError: pairs that the model cannot take.
    """
    if clean is None:
        clean, _ = clean_scores(model, pairs, batch_size=batch_size)
    effects: dict[str, Floats] = {}
    for section in sections:
        nodes = (section,) if isinstance(section, Node) else section.nodes
        values = read_nodes(model, pairs.source, pairs.source_positions, nodes, batch_size=batch_size)
        logits = run_patched(model, pairs.base, pairs.base_positions, values, at=pairs.at, batch_size=batch_size)
        effects[section.name] = _scored(pairs, logits) - clean
    return effects


def _scored(pairs: PatchPairs, logits: torch.Tensor) -> Floats:
    return pairs.score(logits.double()).cpu().numpy()


def _gradients(model: "TransformerBridge", pairs: PatchPairs, nodes: list[Node]) -> dict[Node, torch.Tensor]:
    """Gradient of every pair's score with respect to every node of the base, float [N, d_node]."""
    held: dict[str, torch.Tensor] = {}
    hooks: list[Any] = []  # of pairs of a name and a function

    def begin(value: torch.Tensor, hook: Any) -> torch.Tensor:  # a graph even where no weight asks for one
        return value if value.requires_grad else value.detach().requires_grad_()

    hooks.append(("embed.hook_out", begin))
    names = {node.hook: resolve_hook(model, node.hook) for node in nodes}
    for name in dict.fromkeys(names.values()):

        def hold(value: torch.Tensor, hook: Any, name: str = name) -> torch.Tensor:
            held[name] = value
            return value  # given back, so that the held tensor is the one that the rest is computed from

        hooks.append((name, hold))
    device = next(model.parameters()).device
    tokens = torch.from_numpy(pairs.base).to(device)
    with torch.enable_grad():
        logits = model.run_with_hooks(tokens, fwd_hooks=hooks, return_type="logits")
        rows = torch.arange(len(pairs), device=device)
        at = torch.from_numpy(pairs.base_positions[pairs.at]).to(device)
        total = pairs.score(logits[rows, at].float()).sum()
        found = torch.autograd.grad(total, list(held.values()), allow_unused=True)
    gradients: Mapping[str, torch.Tensor | None] = dict(zip(held, found, strict=True))
    result: dict[Node, torch.Tensor] = {}
    for node in nodes:
        gradient = gradients.get(names[node.hook])
        if gradient is None:
            raise RuntimeError(f"the score does not depend on {node} in the model's graph")
        index = torch.from_numpy(np.asarray(pairs.base_positions[node.position])).to(device)
        if node.head is not None and gradient.ndim == 3:
            gradient = gradient.reshape(*gradient.shape[:2], int(model.cfg.n_heads), -1)
        here = gradient[rows, index]
        result[node] = (here.flatten(1) if node.head is None else here[:, node.head]).float()
    return result
