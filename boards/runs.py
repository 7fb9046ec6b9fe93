"""A model run with its residual stream edited at one position of every row: the last move."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.capture import resolve_hook

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From activations [B, d] and which rows they are [B] to what goes on instead [B, d]."""


def block_hook(layer: int) -> str:
    """Hook point of the residual stream after a block."""
    return f"blocks.{layer}.hook_out"


def read_at(
    model: "TransformerBridge",
    tokens: NDArray[np.int64],
    position: NDArray[np.int64],
    hooks: Sequence[str],
    batch_size: int = 256,
) -> dict[str, torch.Tensor]:
    """Activations at one position of every row, at several hook points in one pass.

    Args:
        model: on any device.
        tokens: int64 [n, positions].
        position: int64 [n].
        hooks: hook points.
        batch_size: rows a forward pass.

    Returns:
        float32 [n, d] on the CPU, by hook point as given.
    """
    kept: dict[str, torch.Tensor] = {}

    def keeper(name: str, rows: torch.Tensor, at: torch.Tensor) -> Callable[..., None]:
        def keep(value: torch.Tensor, hook: Any) -> None:
            found = value.detach()[torch.arange(len(at), device=value.device), at].flatten(1).float().cpu()
            kept.setdefault(name, torch.empty(len(tokens), found.shape[1]))[rows] = found

        return keep

    names = {name: resolve_hook(model, name) for name in hooks}
    with torch.no_grad():
        for rows, part, at in _batches(model, tokens, position, batch_size):
            model.run_with_hooks(part, fwd_hooks=[(names[name], keeper(name, rows, at)) for name in hooks])
    return kept


def edited_logits(
    model: "TransformerBridge",
    tokens: NDArray[np.int64],
    position: NDArray[np.int64],
    changes: Mapping[str, Change],
    *,
    batch_size: int = 256,
    gradient: bool = False,
) -> torch.Tensor:
    """Logits at one position of every row with what the model computes there changed, at one hook point or several.

    Each change sees the activation as it arrives, with all earlier changes in it.

    Args:
        model: on any device.
        tokens: int64 [n, positions].
        position: int64 [n]; read and changed here.
        changes: what goes on instead, by hook point. Nothing for the untouched model.
        batch_size: rows a forward pass.
        gradient: keep the graph.

    Returns:
        float32 [n, d_vocab], on the CPU.

    Raises:
        KeyError: an unknown hook point.
        ValueError: a change that returns another shape.
    """

    def putter(name: str, change: Change, rows: torch.Tensor, at: torch.Tensor) -> Callable[..., torch.Tensor]:
        def put(value: torch.Tensor, hook: Any) -> torch.Tensor:
            here = torch.arange(len(at), device=value.device)
            old = value[here, at]
            new = change(old, rows).to(value)
            if new.shape != old.shape:
                raise ValueError(f"a change at {name} must give {list(old.shape)}, got {list(new.shape)}")
            return value.index_put((here, at), new)

        return put

    names = {name: resolve_hook(model, name) for name in changes}
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.set_grad_enabled(gradient):
        for rows, part, at in _batches(model, tokens, position, batch_size):
            hooks: list[Any] = [(names[name], putter(name, change, rows, at)) for name, change in changes.items()]
            logits = model.run_with_hooks(part, fwd_hooks=hooks, return_type="logits")
            found.append((rows, logits[torch.arange(len(at), device=logits.device), at].float().cpu()))
    order = torch.cat([rows for rows, _ in found]).argsort()
    return torch.cat([logits for _, logits in found])[order]


def _batches(model: "TransformerBridge", tokens: NDArray[np.int64], position: NDArray[np.int64], batch_size: int):  # noqa: ANN202
    """Rows in order of their position, so that what follows it need not be run."""
    if len(tokens) != len(position):
        raise ValueError(f"one position a row is needed, got {len(position)} for {len(tokens)}")
    device = next(model.parameters()).device
    for rows in torch.from_numpy(np.argsort(position, kind="stable")).split(batch_size):
        at = torch.from_numpy(position)[rows]
        part = torch.from_numpy(tokens)[rows, : int(at.max()) + 1]
        yield rows, part.to(device), at.to(device)
