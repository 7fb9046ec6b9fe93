"""Run a model over transcripts and keep what it computes at one hook point; run it with something else put there."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.activation_file import write_activations
from ..data.activations import LabelledActivations
from ..games.transcripts import Transcripts

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


def resolve_hook(model: "TransformerBridge", hook: str) -> str:
    """Canonical name of a hook point: `blocks.1.hook_resid_post` is `blocks.1.hook_out`.

    Raises:
        KeyError: the model has no such hook point; close names are suggested.
    """
    points: dict[str, Any] = model.hook_dict
    if hook not in points:
        close = get_close_matches(hook, points, n=3)
        raise KeyError(f"no hook point {hook!r}; {'did you mean' if close else 'some are'} {close or list(points)[:8]}")
    return points[hook].name or hook


def neuron_hook(layer: int) -> str:
    """Hook point of the MLP neurons of a block, after the activation function."""
    return f"blocks.{layer}.mlp.out.hook_in"


def model_sha256(model: "TransformerBridge") -> str:
    """sha256 of the weights: names, shapes and float32 values, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def model_activations(model: "TransformerBridge", tokens: torch.Tensor | NDArray[np.int64], hook: str) -> torch.Tensor:
    """What the model computes at a hook point.

    Args:
        model: on any device.
        tokens: integer [batch, positions].
        hook: hook point, canonical or legacy name; its value must start with the axes batch and positions.

    Returns:
        float [batch, positions, d], on the model's device; heads and other trailing axes are joined into d.

    Raises:
        KeyError: an unknown hook point.
        ValueError: tokens that the model cannot take, or a hook point without an activation per position.
    """
    tokens = _check_tokens(model, tokens)
    name = resolve_hook(model, hook)
    kept: list[torch.Tensor] = []

    def keep(value: torch.Tensor, hook: Any) -> None:
        kept.append(value.detach())

    with torch.no_grad():
        model.run_with_hooks(tokens, fwd_hooks=[(name, keep)], stop_at_layer=_stop_after(model, name))
    return _per_position(kept, tokens, name).flatten(2)


def run_with_replacement(
    model: "TransformerBridge",
    tokens: torch.Tensor | NDArray[np.int64],
    hook: str,
    replace: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Logits of the model with the value at a hook point replaced: by an SAE's reconstruction, a mean, zeros.

    Args:
        model: on any device.
        tokens: integer [batch, positions].
        hook: hook point, canonical or legacy name.
        replace: from activations [batch, positions, d], as `model_activations` gives them, to what goes on instead.

    Returns:
        float [batch, positions, d_vocab].

    Raises:
        KeyError: an unknown hook point.
        ValueError: tokens that the model cannot take, a hook point without an activation per position, or a
            replacement of another shape.
    """
    tokens = _check_tokens(model, tokens)
    name = resolve_hook(model, hook)
    fired: list[torch.Tensor] = []

    def put(value: torch.Tensor, hook: Any) -> torch.Tensor:
        fired.append(value)
        flat = _per_position([value], tokens, name).flatten(2)
        new = replace(flat)
        if new.shape != flat.shape:
            raise ValueError(f"replacement at {name} must be {list(flat.shape)}, got {list(new.shape)}")
        return new.to(value.dtype).reshape(value.shape)

    with torch.no_grad():
        logits = model.run_with_hooks(tokens, fwd_hooks=[(name, put)], return_type="logits")
    _per_position(fired, tokens, name)
    return logits


def capture(
    model: "TransformerBridge",
    transcripts: Transcripts,
    hook: str,
    *,
    path: str | Path | None = None,
    batch_size: int = 256,
    progress: bool = True,
    device: str | None = None,
    model_name: str = "unnamed",
) -> LabelledActivations:
    """Activations of every scored position, in order of game and position, with their labels.

    Args:
        model: what computes.
        transcripts: games with truth.
        hook: hook point, canonical or legacy name.
        path: HDF5 file to stream to, as float16; None keeps everything in memory, as float32. Nothing is left behind
            if the run is interrupted.
        batch_size: games a forward pass.
        progress: show a bar.
        device: move the model there first; None leaves it where it is.
        model_name: goes into the attributes.

    Returns:
        In memory, or opened from `path`.

    Raises:
        KeyError: an unknown hook point.
        ValueError: no scored position, tokens that the model cannot take, or activations that are not finite.
    """
    from tqdm.auto import tqdm

    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if not transcripts.scored.any():
        raise ValueError(f"none of the {len(transcripts)} transcripts has a scored position")
    if device is not None:
        model.to(device)
    attributes = {
        "game": transcripts.game,
        "version": transcripts.version,
        "model": model_name,
        "hook": resolve_hook(model, hook),
        "seed": transcripts.seed,
        "model_sha256": model_sha256(model),
    }
    parts: list[tuple[NDArray[Any], ...]] = []
    with ExitStack() as stack:
        writer = stack.enter_context(write_activations(path, transcripts.features, attributes)) if path else None
        bar = stack.enter_context(
            tqdm(total=len(transcripts), disable=None if progress else True, unit="game", desc="capture")
        )
        for start in range(0, len(transcripts), batch_size):
            batch = slice(start, start + batch_size)
            scored = transcripts.scored[batch]
            values = model_activations(model, transcripts.tokens[batch], hook).float().cpu().numpy()
            game, position = np.nonzero(scored)
            rows = (values[scored], transcripts.labels[batch][scored], game + start, position)
            if len(game) and writer:
                writer.append(*rows)
            elif len(game):
                parts.append(rows)
            bar.update(len(scored))
    if path:
        return LabelledActivations.open(path)
    activations, labels, game_id, positions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return LabelledActivations(activations, labels, game_id, positions, transcripts.features, attributes)


def _stop_after(model: "TransformerBridge", name: str) -> int | None:
    """First block that need not run for a hook point; None to run the whole model."""
    parts = name.split(".")
    if parts[0] != "blocks" or int(parts[1]) + 1 >= model.cfg.n_layers:
        return None
    return int(parts[1]) + 1


def _check_tokens(model: "TransformerBridge", tokens: torch.Tensor | NDArray[np.int64]) -> torch.Tensor:
    tokens = torch.as_tensor(tokens)
    if tokens.ndim != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool or not tokens.numel():
        raise ValueError(f"tokens must be integer [batch, positions], got {tokens.dtype} {list(tokens.shape)}")
    if tokens.shape[1] > model.cfg.n_ctx:
        raise ValueError(f"tokens have {tokens.shape[1]} positions, the model takes at most {model.cfg.n_ctx}")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= model.cfg.d_vocab:
        raise ValueError(
            f"tokens must lie in 0..{model.cfg.d_vocab - 1}, got {low}..{high}; is it a model of this game?"
        )
    return tokens.to(next(model.parameters()).device)


def _per_position(values: list[torch.Tensor], tokens: torch.Tensor, name: str) -> torch.Tensor:
    if not values:
        raise ValueError(f"hook point {name} exists but the model never passes it")
    if values[0].ndim < 3 or values[0].shape[:2] != tokens.shape:
        raise ValueError(
            f"hook point {name} must hold [batch, positions, ...] = {list(tokens.shape)}, got {list(values[0].shape)}"
        )
    return values[0]
