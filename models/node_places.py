"""Where the nodes of a call lie in the values at its hook points: reading them, and writing them."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .capture import _check_tokens, resolve_hook

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from .nodes import Node

Index = torch.Tensor | NDArray[np.int64]


class Places:
    """Checked tokens, positions and hook points of a call, and how to read and write a node there."""

    def __init__(
        self,
        model: "TransformerBridge",
        tokens: Index,
        positions: Mapping[str, Index],
        nodes: "list[Node]",
        batch_size: int | None,
        *,
        at: str | None = None,
        values: "Mapping[Node, torch.Tensor] | None" = None,
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

    def take(self, value: torch.Tensor, node: "Node", rows: slice) -> torch.Tensor:
        """Value of a node in a batch, [B, d_node]."""
        value = self._by_head(value, node, rows)
        index = self.index[node.position][rows]
        found = value[torch.arange(len(index), device=value.device), index]
        return found.flatten(1) if node.head is None else found[:, node.head]

    def put(self, value: torch.Tensor, node: "Node", rows: slice, new: torch.Tensor) -> torch.Tensor:
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

    def check_fired(self, parts: "Mapping[Node, list[torch.Tensor]]", rows: slice) -> None:
        """Every node was read in this batch."""
        expected = rows.start // self.batch_size + 1
        missed = sorted({node.hook for node, found in parts.items() if len(found) != expected})
        if missed:
            raise ValueError(f"hook points that the model does not pass exactly once: {', '.join(missed)}")

    def _by_head(self, value: torch.Tensor, node: "Node", rows: slice) -> torch.Tensor:
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

    def _check_apart(self, group: "list[Node]") -> None:
        for i, one in enumerate(group):
            for other in group[:i]:
                overlap = one.head is None or other.head is None or one.head == other.head
                same = self.index[one.position] == self.index[other.position]
                if overlap and bool(same.any()):
                    row = int(same.nonzero()[0])
                    raise ValueError(f"{other} and {one} hold the same place of row {row}; patch only one of them")
