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

import numpy as np
import torch
from numpy.typing import NDArray

from .capture import _check_tokens, resolve_hook

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Index = torch.Tensor | NDArray[np.int64]

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
    places = _Places(model, tokens, positions, wanted, batch_size)
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
    places = _Places(model, tokens, positions, list(values), batch_size, at=at, values=values)
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
    places = _Places(model, tokens, positions, list(values), None, at=at, values=values)
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


def _logits(places: "_Places", values: Mapping[Node, torch.Tensor], rows: slice, at: str) -> torch.Tensor:
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


class _Places:
    """Checked tokens, positions and hook points of a call, and how to read and write a node there."""

    def __init__(
        self,
        model: "TransformerBridge",
        tokens: Index,
        positions: Mapping[str, Index],
        nodes: list[Node],
        batch_size: int | None,
        *,
        at: str | None = None,
        values: Mapping[Node, torch.Tensor] | None = None,
    ) -> None:
        self.model = model
        self.tokens = _check_tokens(model, tokens)
        self.batch_size = len(self.tokens) if batch_size is None else batch_size
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.by_hook: dict[str, list[Node]] = {}
        names: dict[str, str] = {}
        for node in nodes:
            hook = names.setdefault(node.hook, "") or resolve_hook(model, node.hook)
            names[node.hook] = hook
            self.by_hook.setdefault(hook, []).append(node)
        used = dict.fromkeys([node.position for node in nodes] + ([at] if at is not None else []))
        self.index = {name: self._position(positions, name) for name in used}
        if values is not None:
            for node, value in values.items():
                if value.ndim != 2 or len(value) != len(self.tokens):
                    raise ValueError(
                        f"values of {node} must be [{len(self.tokens)}, d_node], one row a prompt; "
                        f"got {list(value.shape)}"
                    )
            for group in self.by_hook.values():
                self._check_apart(group)

    def batches(self) -> Iterator[slice]:
        """Rows of every forward pass, the last one shorter."""
        return (slice(start, start + self.batch_size) for start in range(0, len(self.tokens), self.batch_size))

    def take(self, value: torch.Tensor, node: Node, rows: slice) -> torch.Tensor:
        """Value of a node in a batch, [B, d_node]."""
        value = self._by_head(value, node, rows)
        index = self.index[node.position][rows]
        found = value[torch.arange(len(index), device=value.device), index]
        return found.flatten(1) if node.head is None else found[:, node.head]

    def put(self, value: torch.Tensor, node: Node, rows: slice, new: torch.Tensor) -> torch.Tensor:
        """The batch's value with a node's part replaced; a copy."""
        parts = self._by_head(value, node, rows).clone()
        index = self.index[node.position][rows]
        row = torch.arange(len(index), device=value.device)
        old = parts[row, index] if node.head is None else parts[row, index, node.head]
        if new[0].numel() != old[0].numel():
            raise ValueError(f"values of {node} must be [N, {old[0].numel()}], got [N, {new[0].numel()}]")
        new = new.to(parts.device, parts.dtype).reshape(old.shape)
        where = (row, index) if node.head is None else (row, index, torch.full_like(row, node.head))
        return parts.index_put(where, new).reshape(value.shape)

    def check_fired(self, parts: Mapping[Node, list[torch.Tensor]], rows: slice) -> None:
        """Every node was read in this batch."""
        expected = rows.start // self.batch_size + 1
        missed = sorted({node.hook for node, found in parts.items() if len(found) != expected})
        if missed:
            raise ValueError(f"hook points that the model does not pass exactly once: {', '.join(missed)}")

    def _by_head(self, value: torch.Tensor, node: Node, rows: slice) -> torch.Tensor:
        batch = self.tokens[rows]
        if value.ndim < 3 or value.shape[:2] != batch.shape:
            raise ValueError(f"{node} must hold [batch, positions, ...] = {list(batch.shape)}, got {list(value.shape)}")
        if node.head is None:
            return value
        n_heads = int(self.model.cfg.n_heads)
        if node.role in ("k", "v"):
            n_heads = int(getattr(self.model.cfg, "n_key_value_heads", None) or n_heads)
        if node.head >= n_heads:
            raise ValueError(f"{node}: the model has {n_heads} heads a block there, 0..{n_heads - 1}")
        return value if value.ndim == 4 else value.reshape(*batch.shape, n_heads, -1)

    def _position(self, positions: Mapping[str, Index], name: str) -> torch.Tensor:
        if name not in positions:
            close = get_close_matches(name, positions) or sorted(positions)
            raise KeyError(f"no semantic position {name!r}; did you mean {', '.join(close)}?")
        index = torch.as_tensor(positions[name])
        n, length = self.tokens.shape
        if index.shape != (n,) or index.is_floating_point() or index.dtype == torch.bool:
            raise ValueError(f"positions of {name!r} must be integer [{n}], got {index.dtype} {list(index.shape)}")
        if n and (int(index.min()) < 0 or int(index.max()) >= length):
            raise ValueError(
                f"positions of {name!r} must lie in 0..{length - 1}, got {int(index.min())}..{int(index.max())}"
            )
        return index.to(self.tokens.device, torch.int64)

    def _check_apart(self, group: list[Node]) -> None:
        for i, one in enumerate(group):
            for other in group[:i]:
                overlap = one.head is None or other.head is None or one.head == other.head
                same = self.index[one.position] == self.index[other.position]
                if overlap and bool(same.any()):
                    row = int(same.nonzero()[0])
                    raise ValueError(f"{other} and {one} hold the same place of row {row}; patch only one of them")


def _stop_after(model: "TransformerBridge", nodes: list[Node]) -> int | None:
    """First block that need not run to read nodes; None to run the whole model."""
    last = -1
    for node in nodes:
        if node.layer is None and not node.hook.startswith(("embed", "pos_embed", "hook_embed", "hook_pos_embed")):
            return None
        last = max(last, node.layer if node.layer is not None else 0)
    return last + 1 if last + 1 < int(model.cfg.n_layers) else None
