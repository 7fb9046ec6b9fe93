"""Train a small transformer on games fresh from the engine, against the exact distribution of the next move.

In random legal play the next move is uniform over the legal ones and the engine knows them, so the target of every
position is that distribution instead of one draw from it: the same objective in expectation with far less variance.
Matrices inside the blocks are trained by Muon, everything else by AdamW; the learning rate warms up, stays, and falls
linearly over the last part of the run. Every game is new: batch k is a function of (seed, k) alone, which is also why
a run resumed from a checkpoint continues exactly.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from .muon import Muon
from .transformers import TransformerConfig, build_transformer

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


class MoveSource(Protocol):
    """A game that hands out games with the exact set of tokens allowed next."""

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Tokens [n, positions] and the weight of each next token [n, positions, d_vocab] (none: not trained on).

        Weights are truths, or counts where a token begins several moves; over their sum they are the target.
        """
        ...


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the measured ones.

    Attributes:
        games: games seen in all, each once.
        batch_size: games a step.
        seed: of the games and of the initial weights.
        muon_lr: peak learning rate of the matrices inside the blocks.
        adam_lr: peak learning rate of everything else.
        weight_decay: of the Muon matrices.
        warmup_steps: steps of linear warm-up.
        decay_fraction: share of the run, at its end, over which the rates fall linearly to 0.
        grad_clip: largest gradient norm.
        chunk: games generated at a time, which decides what games form a batch.
    """

    games: int
    batch_size: int = 64
    seed: int = 0
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_fraction: float = 0.4
    grad_clip: float = 1.0
    chunk: int = 4096

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.games // self.batch_size

    def rate(self, step: int) -> float:
        """Factor on both learning rates at `step`, in [0, 1]."""
        warmup = min(1.0, (step + 1) / self.warmup_steps)
        decay = min(1.0, (self.steps - step) / max(1.0, self.decay_fraction * self.steps))
        return warmup * max(0.0, decay)


def exact_target_loss(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Mean Kullback-Leibler divergence, in nats, from the true distribution of the next token to the model's.

    Args:
        logits: float [batch, positions, d_vocab].
        allowed: bool or non-negative [batch, positions, d_vocab]; over its sum it is the true distribution. Positions
            with none are left out.
    """
    logits, weight = logits.float(), allowed.to(torch.float32)
    count = weight.sum(-1)
    scored = count > 0
    # The mean log-probability of the allowed tokens without writing out all log-probabilities, which a large
    # vocabulary makes as dear as the model itself.
    mean_logit = torch.einsum("bpv,bpv->bp", logits, weight)[scored] / count[scored]
    negative_entropy = -count[scored].log()
    if allowed.dtype != torch.bool:  # w log w is 0 for truths
        negative_entropy = negative_entropy + torch.xlogy(weight, weight).sum(-1)[scored] / count[scored]
    return (logits.logsumexp(-1)[scored] - mean_logit + negative_entropy).mean()


def _batches(source: MoveSource, recipe: Recipe, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    per_chunk = recipe.chunk // recipe.batch_size
    loaded, tokens, allowed = -1, np.empty(0), np.empty(0)
    for step in range(first, recipe.steps):
        chunk, row = divmod(step, per_chunk)
        if chunk != loaded:
            tokens, allowed = source.next_moves(recipe.chunk, [recipe.seed, chunk])
            loaded = chunk
        rows = slice(row * recipe.batch_size, (row + 1) * recipe.batch_size)
        yield torch.from_numpy(tokens[rows]), torch.from_numpy(allowed[rows])


def _optimizers(model: "TransformerBridge", recipe: Recipe) -> dict[str, torch.optim.Optimizer]:
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        inside = (".attn." in name or ".mlp." in name) and parameter.ndim == 2
        (matrices if inside else rest).append(parameter)
    muon = Muon(matrices, lr=recipe.muon_lr, momentum=0.95, weight_decay=recipe.weight_decay)
    return {"muon": muon, "adamw": torch.optim.AdamW(rest, lr=recipe.adam_lr, betas=(0.9, 0.98), weight_decay=0.0)}


def train_transformer(
    source: MoveSource,
    config: TransformerConfig,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1000,
    evaluate: Callable[["TransformerBridge", int], None] | None = None,
    evaluate_every: int = 2000,
    device: str = "cpu",
    progress: bool = True,
) -> "TransformerBridge":
    """Train a transformer; continue from `checkpoint` if it exists.

    Args:
        source: the game.
        config: shape of the model.
        recipe: how to train. A run may be continued with more `games`: the rate then rises again and falls later.
        checkpoint: file that holds weights, optimiser state and step; rewritten whole every `checkpoint_every` steps
            and on Ctrl-C.
        checkpoint_every: steps.
        evaluate: called with (model, games seen) every `evaluate_every` steps and at the end.
        evaluate_every: steps.
        device: torch device.
        progress: show a bar with the loss in nats above the optimum.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        ValueError: the checkpoint belongs to another config, seed or batch size, or is damaged.
        FloatingPointError: the loss is no longer finite.
    """
    from tqdm.auto import tqdm

    model = build_transformer(config, recipe.seed, device)
    optimizers = _optimizers(model, recipe)
    first = _restore(checkpoint, model, optimizers, config, recipe) if checkpoint and checkpoint.exists() else 0
    bar = tqdm(total=recipe.steps, initial=first, disable=None if progress else True, unit="step", desc="train")
    step, smooth = first, None
    try:
        for tokens, allowed in _batches(source, recipe, first):
            model.train()
            for name, optimizer in optimizers.items():
                peak = recipe.muon_lr if name == "muon" else recipe.adam_lr
                for group in optimizer.param_groups:
                    group["lr"] = peak * recipe.rate(step)
            with torch.autocast(device, torch.bfloat16, enabled=device.startswith("cuda")):
                logits = model(tokens.to(device), return_type="logits")
            loss = exact_target_loss(logits, allowed.to(device))
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
            if not torch.isfinite(norm):
                raise FloatingPointError(f"loss {loss.item()} or its gradient is not finite at step {step}")
            for optimizer in optimizers.values():
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            step += 1
            bar.update()
            if step % 20 == 0:
                smooth = loss.item() if smooth is None else 0.9 * smooth + 0.1 * loss.item()
                bar.set_postfix(loss=f"{smooth:.4f}")
            if checkpoint and step % checkpoint_every == 0:
                _store(checkpoint, step, model, optimizers, config, recipe)
            if evaluate and (step % evaluate_every == 0 or step == recipe.steps):
                model.eval()
                evaluate(model, step * recipe.batch_size)
        if evaluate and first >= recipe.steps:  # the checkpoint was already complete
            model.eval()
            evaluate(model, step * recipe.batch_size)
    finally:
        bar.close()
        if checkpoint and step > first:
            _store(checkpoint, step, model, optimizers, config, recipe)
    model.eval()
    return model


def _identity(config: TransformerConfig, recipe: Recipe) -> dict[str, Any]:
    batches = {"seed": recipe.seed, "batch_size": recipe.batch_size, "chunk": recipe.chunk}
    return {"config": config.to_dict(), **batches}


def _store(
    path: Path,
    step: int,
    model: "TransformerBridge",
    optimizers: dict[str, torch.optim.Optimizer],
    config: TransformerConfig,
    recipe: Recipe,
) -> None:
    state = {"step": step, "model": model.state_dict(), **_identity(config, recipe)}
    state["optimizers"] = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _restore(
    path: Path,
    model: "TransformerBridge",
    optimizers: dict[str, torch.optim.Optimizer],
    config: TransformerConfig,
    recipe: Recipe,
) -> int:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ValueError(f"checkpoint {path} is damaged or not a checkpoint: {error}") from error
    for key, value in _identity(config, recipe).items():
        if state.get(key) != value:
            raise ValueError(f"checkpoint {path} was made with {key} {state.get(key)}, this run has {value}")
    model.load_state_dict(state["model"])
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return int(state["step"])
