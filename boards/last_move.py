"""Edits at the last move, run the short way: only the last position goes through the blocks above the edit.

An edit at the last position changes nothing at the positions before it, so that their keys and values in every later
block are those of the untouched model. They are computed once a game; each edit then costs one position instead of all.
The long way, `runs.edited_logits`, defines what comes out. The two are compared on untouched rows, and where they
differ (a model with other blocks than those of `models.transformers`) the long way is taken.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.capture import resolve_hook
from .runs import Change, block_hook, edited_logits

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

TOLERANCE = 1e-3  # of logits, between the two ways
Cache = dict[int, tuple[torch.Tensor, torch.Tensor]]
Keeper = Callable[..., None]


class LastMove:
    """Positions that are run again and again, with the residual stream of the last move changed each time.

    Args:
        model: on any device; the short way keeps its caches there.
        tokens: int64 [G, positions].
        position: int64 [n], the last move of every row: changed and read here.
        layer: the first block after which anything is changed.
        game: int64 [n], which of the games every row is; None if row i is game i.
        hooks: further hook points to read.

    Attributes:
        clean: float32 [n, d_vocab], logits of the untouched model, on the CPU.
        found: activations of the untouched model at the rows, float32 [n, d], on the CPU, by hook point.
    """

    def __init__(
        self,
        model: "TransformerBridge",
        tokens: NDArray[np.int64],
        position: NDArray[np.int64],
        layer: int,
        *,
        game: NDArray[np.int64] | None = None,
        hooks: Sequence[str] = (),
    ) -> None:
        self.model, self.tokens, self.layer = model, tokens, layer
        self.position = np.asarray(position, np.int64)
        self.game = np.arange(len(tokens)) if game is None else np.asarray(game, np.int64)
        if self.position.shape != self.game.shape:
            raise ValueError(f"one position a row is needed, got {len(self.position)} for {len(self.game)}")
        self.clean = torch.empty(0)
        self.found: dict[str, torch.Tensor] = {}
        self.cache: Cache | None = {}
        self._run_untouched([block_hook(layer), *hooks])
        if not self._short_way_agrees():
            self.cache = None

    def __len__(self) -> int:
        return len(self.position)

    @property
    def x(self) -> torch.Tensor:
        """Activations after the first block, float32 [n, d], on the CPU."""
        return self.found[block_hook(self.layer)]

    @property
    def short(self) -> bool:
        """Whether the short way is taken."""
        return self.cache is not None

    def with_x(self, x: torch.Tensor) -> torch.Tensor:
        """Logits float32 [n, d_vocab] with the activations [n, d] after the first block put in place of its own."""
        return self.logits({self.layer: lambda _, rows: x[rows]})

    def logits(
        self, changes: Mapping[int, Change], rows: torch.Tensor | None = None, *, gradient: bool = False
    ) -> torch.Tensor:
        """Logits with what is there after blocks changed.

        Args:
            changes: what goes on instead, by block; each sees what arrives, with all earlier changes in it, and which
                of the rows run they are.
            rows: int64 [B], of the rows to run; None for all.
            gradient: keep the graph.

        Returns:
            float32 [B, d_vocab], on the CPU.

        Raises:
            ValueError: a block below the first one, or a change that returns another shape.
        """
        if any(block < self.layer for block in changes):
            raise ValueError(f"changes must be after block {self.layer} or later, got {sorted(changes)}")
        rows = torch.arange(len(self)) if rows is None else rows
        if self.cache is None:
            picked = rows.numpy()
            hooks = {block_hook(block): change for block, change in changes.items()}
            tokens = self.tokens[self.game[picked]]
            return edited_logits(self.model, tokens, self.position[picked], hooks, gradient=gradient)
        with torch.set_grad_enabled(gradient):
            return torch.cat([self._short(changes, rows, part) for part in torch.arange(len(rows)).split(512)])

    def _short(self, changes: Mapping[int, Change], rows: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """One batch: rows [B] of all, of which `part` is run."""
        assert self.cache is not None  # asked before
        model: Any = self.model
        device = next(model.parameters()).device
        mine = rows[part]
        game = torch.from_numpy(self.game)[mine].to(device)
        last = torch.from_numpy(self.position)[mine].to(device)
        width = int(last.max()) + 1
        x = self.x[mine].to(device)
        for block in range(self.layer, len(model.blocks)):
            if block > self.layer:
                keys, values = (kept[game, :width] for kept in self.cache[block])
                x = _block(model.blocks[block], x, keys, values, last)
            if block in changes:
                new = changes[block](x, part).to(x)
                if new.shape != x.shape:
                    raise ValueError(f"a change after block {block} must give {list(x.shape)}, got {list(new.shape)}")
                x = new
        return model.unembed(model.ln_final(x[:, None]))[:, 0].float().cpu()

    def _run_untouched(self, hooks: Sequence[str]) -> None:
        """One pass for logits, activations, keys and values; games in order of their length."""
        model: Any = self.model
        device = next(model.parameters()).device
        longest = np.zeros(len(self.tokens), np.int64)
        np.maximum.at(longest, self.game, self.position)
        blocks = range(self.layer + 1, len(model.blocks)) if hasattr(model, "blocks") else ()
        width = int(self.position.max(initial=0)) + 1
        kept: dict[str, torch.Tensor] = {}
        heads = getattr(model.cfg, "n_heads", 1)

        def reader(name: str, rows: torch.Tensor, games: torch.Tensor, at: torch.Tensor) -> Keeper:
            def read(value: torch.Tensor, hook: Any) -> None:
                here = value.detach()[games.to(value.device), at.to(value.device)].flatten(1).float().cpu()
                self.found.setdefault(name, torch.empty(len(self), here.shape[1]))[rows] = here

            return read

        def keeper(name: str, games: torch.Tensor) -> Keeper:
            def keep(value: torch.Tensor, hook: Any) -> None:
                parts = value.detach().reshape(*value.shape[:2], heads, -1)
                if name not in kept:
                    kept[name] = torch.zeros(len(self.tokens), width, *parts.shape[2:], device=device)
                kept[name][games.to(device), : parts.shape[1]] = parts

            return keep

        names = {name: resolve_hook(model, name) for name in hooks}
        known = set(model.hook_dict)
        sides = [(b, role, f"blocks.{b}.attn.{role}.hook_out") for b in blocks for role in "kv"]
        sides = sides if all(name in known for _, _, name in sides) else []
        with torch.no_grad():
            for games in torch.from_numpy(np.argsort(longest, kind="stable")).split(256):
                rows = torch.from_numpy(np.flatnonzero(np.isin(self.game, games.numpy())))
                place = torch.full((len(self.tokens),), -1)
                place[games] = torch.arange(len(games))
                which, at = place[torch.from_numpy(self.game)[rows]], torch.from_numpy(self.position)[rows]
                wanted: list[Any] = [(names[name], reader(name, rows, which, at)) for name in hooks]
                wanted += [(name, keeper(f"{b}{role}", games)) for b, role, name in sides]
                part = torch.from_numpy(self.tokens)[games, : int(longest[games.numpy()].max()) + 1].to(device)
                logits = model.run_with_hooks(part, fwd_hooks=wanted, return_type="logits")
                here = logits[which.to(device), at.to(device)].float().cpu()
                self.clean = self.clean if len(self.clean) else torch.empty(len(self), here.shape[1])
                self.clean[rows] = here
        if sides or not len(blocks):
            self.cache = {b: (kept[f"{b}k"], kept[f"{b}v"]) for b in blocks}
        else:
            self.cache = None

    def _short_way_agrees(self) -> bool:
        """Whether both ways give the same logits on untouched rows, up to 64 of them."""
        if self.cache is None:
            return False
        rows = torch.linspace(0, len(self) - 1, min(64, len(self))).long()
        try:
            again = self.logits({}, rows)
        except (AttributeError, RuntimeError):  # other blocks than ours
            return False
        return float((again - self.clean[rows]).abs().max()) <= TOLERANCE


def _block(block: Any, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """One position [B, d] through a block, with keys and values [B, P, H, d_head] of the positions before it."""
    n, _, n_heads, d_head = keys.shape
    inner = block.ln1(x[:, None])
    query, key, value = (getattr(block.attn, name)(inner).reshape(n, n_heads, d_head) for name in "qkv")
    before = torch.einsum("bhd,bphd->bhp", query, keys) / d_head**0.5
    hidden = torch.arange(keys.shape[1], device=x.device) >= last[:, None]
    before = before.masked_fill(hidden[:, None], -torch.inf)
    own = (query * key).sum(2, keepdim=True) / d_head**0.5
    pattern = torch.cat([before, own], 2).softmax(2)
    z = torch.einsum("bhp,bphd->bhd", pattern[:, :, :-1], values) + pattern[:, :, -1:] * value
    middle = x + block.attn.o(z.reshape(n, 1, -1))[:, 0]
    if not hasattr(block, "mlp"):
        return middle
    return middle + block.mlp(block.ln2(middle[:, None]))[:, 0]
