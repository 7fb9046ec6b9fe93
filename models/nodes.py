"""Read and patch what a model computes at named places: one hook point, one semantic position, a head or all of it.

A node says *where*: `L1 z@end` is what the attention heads of block 1 write at the position called "end" of every row
(all heads joined), `L9H6 q@end` the query of one head, `L0 resid@s2` the residual stream after block 0. Positions are
looked up by name in a mapping of one index a row, so that rows whose words stand elsewhere share a node; a board game
has one name, "move".

Conventions
    - `resid` is the stream after a block (`blocks.L.hook_out`), `resid_pre` before it. There is no node for the stream
      between attention and MLP: in TransformerBridge `ln2.hook_in` holds what the second layer norm reads, and a change
      there does not stay in the stream. Patch `attn` instead, which says the same with the stream kept.
    - Everything that is patched together is put there in one forward pass: what lies downstream of one patched node
      is recomputed, unless it is itself patched. All values should come from clean runs.
    - Values are float32, heads joined in the order of the model where a node has no head.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import total_ordering
from typing import TYPE_CHECKING, Any

import torch

from .node_places import Index, Places

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

ROLES = {
    "z": "attn.o.hook_in",
    "q": "attn.q.hook_out",
    "k": "attn.k.hook_out",
    "v": "attn.v.hook_out",
    "attn": "attn.hook_out",
    "mlp": "mlp.hook_out",
    "neurons": "mlp.out.hook_in",
    "resid": "hook_out",
    "resid_pre": "hook_in",
}
HEAD_ROLES = ("z", "q", "k", "v")
_LEGACY = {
    "attn.hook_z": ROLES["z"],
    "attn.hook_q": ROLES["q"],
    "attn.hook_k": ROLES["k"],
    "attn.hook_v": ROLES["v"],
    "hook_attn_out": ROLES["attn"],
    "hook_mlp_out": ROLES["mlp"],
    "mlp.hook_post": ROLES["neurons"],
    "hook_resid_post": ROLES["resid"],
    "hook_resid_pre": ROLES["resid_pre"],
}
_ROLE_OF = {hook: role for role, hook in ROLES.items()}
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_NAME = re.compile(r"L(\d+)(?:H(\d+))? (\w+)@(.+)")
_RAW = re.compile(r"([\w.]+)(?:#(\d+))?@(.+)")


@total_ordering
@dataclass(frozen=True)
class Node:
    """One place in a model.

    Attributes:
        hook: hook point; legacy names of block hooks become the canonical ones.
        position: name of a semantic position, such as "end".
        head: index of one attention head; None for the whole value.
    """

    hook: str
    position: str
    head: int | None = None

    def __post_init__(self) -> None:
        match = _BLOCK.fullmatch(self.hook)
        if match and match[2] in _LEGACY:
            object.__setattr__(self, "hook", f"blocks.{match[1]}.{_LEGACY[match[2]]}")
        if self.head is not None and self.head < 0:
            raise ValueError(f"the head of a node must be at least 0, got {self.head}")
        if self.head is not None and match and self.role not in HEAD_ROLES:
            raise ValueError(f"{self.hook} has no heads: only {', '.join(HEAD_ROLES)} have; got head {self.head}")

    @classmethod
    def of(cls, role: str, layer: int, position: str, head: int | None = None) -> "Node":
        """A node by its role, one of `ROLES`.

        Raises:
            KeyError: an unknown role.
        """
        if role not in ROLES:
            raise KeyError(f"no role {role!r}; expected one of {', '.join(ROLES)}")
        return cls(f"blocks.{layer}.{ROLES[role]}", position, head)

    @classmethod
    def parse(cls, name: str) -> "Node":
        """A node from its name, such as "L9H6 q@end" or "embed.hook_out@s2".

        Raises:
            ValueError: not the name of a node.
        """
        if match := _NAME.fullmatch(name):
            if match[3] not in ROLES:
                close = get_close_matches(match[3], ROLES) or list(ROLES)
                raise ValueError(f"no role {match[3]!r} in node name {name!r}; did you mean {', '.join(close)}?")
            return cls.of(match[3], int(match[1]), match[4], int(match[2]) if match[2] else None)
        if match := _RAW.fullmatch(name):
            return cls(match[1], match[3], int(match[2]) if match[2] else None)
        raise ValueError(f'{name!r} names no node; expected such as "L1 z@end", "L9H6 q@end" or "embed.hook_out@s2"')

    @property
    def layer(self) -> int | None:
        """Block of the node; None outside the blocks."""
        match = _BLOCK.fullmatch(self.hook)
        return int(match[1]) if match else None

    @property
    def role(self) -> str | None:
        """Role in `ROLES`; None for another hook point."""
        match = _BLOCK.fullmatch(self.hook)
        return _ROLE_OF.get(match[2]) if match else None

    @property
    def name(self) -> str:
        """Short name; `parse` reads it back."""
        if self.role is None:
            return f"{self.hook}{'' if self.head is None else f'#{self.head}'}@{self.position}"
        return f"L{self.layer}{'' if self.head is None else f'H{self.head}'} {self.role}@{self.position}"

    def __str__(self) -> str:
        return self.name

    def __lt__(self, other: "Node") -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[int, str, str, int]:
        return (
            -1 if self.layer is None else self.layer,
            self.hook,
            self.position,
            -1 if self.head is None else self.head,
        )


@dataclass(frozen=True)
class CrossSection:
    """Nodes that are patched together: a cut through the model.

    Attributes:
        name: short and readable.
        nodes: at least one, none twice.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes or len(set(self.nodes)) != len(self.nodes):
            raise ValueError(f"cross-section {self.name!r} needs different nodes, got {[n.name for n in self.nodes]}")


def read_nodes(
    model: "TransformerBridge",
    tokens: Index,
    positions: Mapping[str, Index],
    nodes: Iterable[Node],
    *,
    batch_size: int = 512,
) -> dict[Node, torch.Tensor]:
    """Values of nodes on a sample, all from one forward pass.

    Args:
        model: on any device.
        tokens: integer [N, P].
        positions: integer [N] for every semantic position.
        nodes: what to read.
        batch_size: rows a forward pass.

    Returns:
        Float32 [N, d_node] of every node, on the model's device.

    Raises:
        KeyError: an unknown hook point or semantic position.
        ValueError: tokens or positions that do not fit, or a head that the model does not have.
    """
    wanted = list(dict.fromkeys(nodes))
    places = Places(model, tokens, positions, wanted, batch_size)
    stop = _stop_after(model, wanted)
    parts: dict[Node, list[torch.Tensor]] = {node: [] for node in wanted}
    with torch.no_grad():
        for rows in places.batches():
            hooks: list[Any] = []  # of pairs of a name and a function
            for hook, group in places.by_hook.items():

                def keep(value: torch.Tensor, hook: Any, group: list[Node] = group, rows: slice = rows) -> None:
                    for node in group:
                        parts[node].append(places.take(value, node, rows).detach().float().clone())

                hooks.append((hook, keep))
            model.run_with_hooks(places.tokens[rows], fwd_hooks=hooks, stop_at_layer=stop)
            places.check_fired(parts, rows)
    return {node: torch.cat(parts[node]) for node in wanted}


def run_patched(
    model: "TransformerBridge",
    tokens: Index,
    positions: Mapping[str, Index],
    values: Mapping[Node, torch.Tensor],
    *,
    at: str = "end",
    batch_size: int = 512,
) -> torch.Tensor:
    """Logits at one semantic position while nodes hold given values, all at once.

    Args:
        model: on any device.
        tokens: integer [N, P].
        positions: integer [N] for every semantic position.
        values: float [N, d_node] of every node to patch; empty for the clean run.
        at: semantic position whose logits are wanted.
        batch_size: rows a forward pass.

    Returns:
        Float32 [N, d_vocab], on the model's device.

    Raises:
        KeyError: an unknown hook point or semantic position.
        ValueError: inputs that do not fit, or two nodes that hold the same place of some row.
    """
    places = Places(model, tokens, positions, list(values), batch_size, at=at, values=values)
    with torch.no_grad():
        return torch.cat([_logits(places, values, rows, at).float() for rows in places.batches()])


def patched_logits(
    model: "TransformerBridge",
    tokens: Index,
    positions: Mapping[str, Index],
    values: Mapping[Node, torch.Tensor],
    *,
    at: str = "end",
) -> torch.Tensor:
    """The same as `run_patched` in one batch, differentiable in `values`; weights get no gradient.

    Returns:
        Float32 [N, d_vocab].

    Raises:
        KeyError: an unknown hook point or semantic position.
        ValueError: inputs that do not fit, or two nodes that hold the same place of some row.
    """
    places = Places(model, tokens, positions, list(values), None, at=at, values=values)
    with frozen(model):
        return _logits(places, values, slice(None), at).float()


@contextmanager
def frozen(model: "TransformerBridge") -> Iterator[None]:
    """Weights need no gradient inside: a backward pass is cheaper and leaves nothing in their `.grad`."""
    needed = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in needed:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in needed:
            weight.requires_grad_(True)


def _logits(places: "Places", values: Mapping[Node, torch.Tensor], rows: slice, at: str) -> torch.Tensor:
    fired: set[str] = set()
    hooks: list[Any] = []  # of pairs of a name and a function
    for hook, group in places.by_hook.items():

        def put(value: torch.Tensor, hook: Any, group: list[Node] = group, key: str = hook) -> torch.Tensor:
            fired.add(key)
            for node in group:
                value = places.put(value, node, rows, values[node][rows])
            return value

        hooks.append((hook, put))

    def only(value: torch.Tensor, hook: Any) -> torch.Tensor:  # the unembedding of one position a row is enough
        index = places.index[at][rows]
        return value[torch.arange(len(index), device=value.device), index][:, None]

    hooks.append(("unembed.hook_in", only))
    logits = places.model.run_with_hooks(places.tokens[rows], fwd_hooks=hooks, return_type="logits")
    if missed := set(places.by_hook) - fired:
        raise ValueError(f"hook points that the model never passes: {', '.join(sorted(missed))}")
    return logits[:, 0]


def _stop_after(model: "TransformerBridge", nodes: list[Node]) -> int | None:
    """First block that need not run to read nodes; None to run the whole model."""
    last = -1
    for node in nodes:
        if node.layer is None and not node.hook.startswith(("embed", "pos_embed", "hook_embed", "hook_pos_embed")):
            return None
        last = max(last, node.layer if node.layer is not None else 0)
    return last + 1 if last + 1 < int(model.cfg.n_layers) else None
