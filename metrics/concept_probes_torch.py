# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Linear probes of many concepts at once, for a CUDA device: the same minima as `concept_probes`, one batch of systems.

Everything is float64, as there: a probe is solved to the end, and float32 would end before it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .concept_probes import PUBLISHED_L1, Floats, Standard, raw_weights

_MAX_NEWTON, _MAX_HALVINGS, _MAX_PROXIMAL = 60, 30, 400
ELEMENTS = 1 << 27  # a gigabyte of float64


def fit_probes(
    x: Floats,
    y: NDArray[np.bool_],
    weights: Floats,
    l2: float,
    standards: Standard | Sequence[Standard],
    *,
    device: str | torch.device = "cpu",
    elements: int = ELEMENTS,
) -> Floats:
    """`concept_probes.fit_probe` for every row of y.

    Args:
        x: raw activations, float64 [n, d] for all probes, or [P, n, d].
        y: bool [P, n].
        weights: float64 [P, n], at least 0; each row is scaled to add up to 1.
        l2: strength of the penalty, above 0.
        standards: centre and scale of the activations, one for all probes or one for each.
        device: where to fit.
        elements: numbers of weighted inputs held at a time.

    Returns:
        float64 [P, d + 1], to be read with raw activations; the bias is last.

    Raises:
        ValueError: no strength, weights that are all 0, or shapes that do not fit.
    """
    if l2 <= 0:
        raise ValueError(f"l2 must be above 0, got {l2}: without a penalty a separable concept has no probe")
    share = _shares(x, y, weights)
    each = [standards] * len(y) if isinstance(standards, Standard) else list(standards)
    if len(each) != len(y):
        raise ValueError(f"standards must be one, or one for each of {len(y)} probes, got {len(each)}")
    fitted: list[Floats] = []
    size = max(1, elements // (x.shape[-2] * (x.shape[-1] + 1)))
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        centre = np.stack([one.centre for one in each[part]])
        scale = np.array([one.scale for one in each[part]])
        inputs = (x[None] if x.ndim == 2 else x[part]) if x.ndim == 3 or _alike(each[part]) else _expanded(x, part, y)
        if len(inputs) == 1:
            centre, scale = centre[:1], scale[:1]
        inputs = torch.from_numpy((inputs - centre[:, None]) / scale[:, None, None]).to(device)
        target = torch.from_numpy(y[part]).to(device, torch.float64)
        fitted.append(_newton(inputs, target, torch.from_numpy(share[part]).to(device), l2).cpu().numpy())
    out = np.concatenate(fitted)
    return np.stack([raw_weights(one, standard) for one, standard in zip(out, each, strict=True)])


def fit_probes_l1(
    x: Floats,
    y: NDArray[np.bool_],
    weights: Floats,
    l1: float = PUBLISHED_L1,
    *,
    device: str | torch.device = "cpu",
) -> Floats:
    """`concept_probes.fit_probe_l1` for every row of y; the arguments of `fit_probes`."""
    share_rows = _shares(x, y, weights)
    mean = np.broadcast_to(x.mean(-2), (len(y), x.shape[-1]))
    inputs = torch.from_numpy((x - x.mean(-2, keepdims=True)).reshape(-1, *x.shape[-2:])).to(device)
    inputs = torch.cat([inputs, inputs.new_ones(*inputs.shape[:2], 1)], 2)  # [1 or P, n, d + 1]
    target, share = (torch.from_numpy(part).to(inputs) for part in (y, share_rows))
    largest = [
        torch.linalg.eigvalsh((inputs[p % len(inputs)] * share[p, :, None]).T @ inputs[p % len(inputs)])[-1]
        for p in range(len(y))
    ]
    rate = 4.0 / torch.stack(largest).clamp(min=1e-12)[:, None]
    threshold = (rate * l1).repeat(1, inputs.shape[2])
    threshold[:, -1] = 0.0
    fitted = torch.zeros_like(threshold)
    ahead, momentum = fitted.clone(), torch.ones_like(rate)
    running = torch.ones(len(y), dtype=torch.bool, device=inputs.device)
    for _ in range(_MAX_PROXIMAL):
        gradient = _columns(inputs, share * (_logits(inputs, ahead).sigmoid() - target))
        moved = ahead - rate * gradient
        new = moved.sign() * (moved.abs() - threshold).clamp(min=0.0)
        overshot = ((ahead - new) * (new - fitted)).sum(1, keepdim=True) > 0
        momentum = torch.where(overshot, torch.ones_like(momentum), momentum)
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        further = new + (momentum - 1) / following * (new - fitted)
        still = (new - fitted).abs().amax(1) < 1e-7
        fitted = torch.where(running[:, None], new, fitted)
        ahead = torch.where(running[:, None], further, ahead)
        momentum = following
        running &= ~still
        if not bool(running.any()):
            break
    out = fitted.cpu().numpy()
    out[:, -1] -= (out[:, :-1] * mean).sum(1)
    return out


def _shares(x: Floats, y: NDArray[np.bool_], weights: Floats) -> Floats:
    if y.ndim != 2 or weights.shape != y.shape or x.shape[-2] != y.shape[1] or (x.ndim == 3 and len(x) != len(y)):
        raise ValueError(
            f"expected x [n, d] or [P, n, d] with y and weights [P, n], got {x.shape}, {y.shape} and {weights.shape}"
        )
    total = weights.sum(1, keepdims=True)
    if not (total > 0).all():
        raise ValueError("all weights of the rows are 0")
    return weights / total


def _alike(standards: Sequence[Standard]) -> bool:
    return all(one is standards[0] for one in standards)


def _expanded(x: Floats, part: slice, y: NDArray[np.bool_]) -> Floats:
    """The same activations for every probe, where each has a scale of its own."""
    return np.broadcast_to(x, (len(y[part]), *x.shape))


def _logits(inputs: torch.Tensor, fitted: torch.Tensor) -> torch.Tensor:
    """[P, n] of inputs [1 or P, n, D] and weights [P, D]."""
    if len(inputs) == 1:
        return fitted @ inputs[0].T
    return (inputs @ fitted[:, :, None])[:, :, 0]


def _columns(inputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """[P, D]: inputs [1 or P, n, D] summed with the weights rows [P, n]."""
    if len(inputs) == 1:
        return rows @ inputs[0]
    return (rows[:, None] @ inputs)[:, 0]


def _newton(x: torch.Tensor, target: torch.Tensor, share: torch.Tensor, l2: float) -> torch.Tensor:
    """Probes [P, d + 1] on standardised inputs [1 or P, n, d]; each leaves once it is solved."""
    inputs = torch.cat([x, x.new_ones(*x.shape[:2], 1)], 2)
    penalty = inputs.new_full((inputs.shape[2],), l2)
    penalty[-1] = 0.0
    out = inputs.new_zeros(len(target), inputs.shape[2])
    open_ = torch.arange(len(target), device=x.device)
    fitted = out.clone()

    def objective(z: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        rows = torch.nn.functional.softplus(z, threshold=40.0) - target * z
        return (share * rows).sum(1) + 0.5 * (penalty * at**2).sum(1)

    loss = objective(_logits(inputs, fitted), fitted)
    for _ in range(_MAX_NEWTON):
        p = _logits(inputs, fitted).sigmoid()
        gradient = _columns(inputs, share * (p - target)) + penalty * fitted
        curvature = (inputs * (share * p * (1 - p))[:, :, None]).transpose(1, 2) @ inputs
        curvature.diagonal(dim1=1, dim2=2).add_(penalty + 1e-12)
        step = torch.linalg.solve(curvature, gradient)
        size = loss.new_ones(len(open_), 1)
        trial, trial_loss = fitted, loss
        for _ in range(_MAX_HALVINGS):
            trial = fitted - size * step
            trial_loss = objective(_logits(inputs, trial), trial)
            worse = ~(trial_loss <= loss + 1e-14)
            if not bool(worse.any()):
                break
            size[worse] /= 2
        done = (gradient.abs().amax(1) < 1e-11)[:, None]
        fitted = torch.where(done, fitted, trial)
        loss = torch.where(done[:, 0], loss, trial_loss)
        rest = ~done[:, 0] & ((size * step).abs().amax(1) >= 1e-12)
        out[open_] = fitted
        if not bool(rest.any()):
            break
        if not bool(rest.all()):
            open_, fitted, loss, target, share = open_[rest], fitted[rest], loss[rest], target[rest], share[rest]
            inputs = inputs if len(inputs) == 1 else inputs[rest]
    return out
