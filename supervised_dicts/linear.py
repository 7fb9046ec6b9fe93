"""What the references share: label checks, regression that survives collinear columns, the best cut of a read-out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_BLOCK = 128  # features at a time: bounds memory at a few [N, 128] matrices
_ROWS = 2048  # of inputs that are centred at a time


def check_fit_inputs(
    activations: torch.Tensor,
    labels: torch.Tensor | NDArray[np.bool_] | NDArray[np.uint8],
    feature_names: Sequence[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Validate what a reference is fitted on.

    Args:
        activations: floating [N, d], finite.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        feature_names: F unique names.

    Returns:
        float32 [N, d] and bool [N, F], on the device of the activations.

    Raises:
        TypeError: activations that are no tensor.
        ValueError: wrong shapes or types, fewer than 2 rows, NaN or infinity, or a repeated name.
    """
    if not isinstance(activations, torch.Tensor):
        raise TypeError(f"activations must be a torch tensor, got {type(activations).__name__}")
    if activations.ndim != 2 or not activations.is_floating_point() or len(activations) < 2:
        raise ValueError(
            f"activations must be floating [N, d] with N >= 2, got {activations.dtype} {list(activations.shape)}"
        )
    if not activations.isfinite().all():
        row = int((~activations.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"activations of row {row} are not finite")
    if len(set(feature_names)) != len(feature_names) or not feature_names:
        raise ValueError(f"feature_names must be unique and at least one, got {len(feature_names)} names")
    n, n_features = len(activations), len(feature_names)
    array: NDArray[Any] = labels.cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if array.dtype == np.uint8 and array.shape == (n, (n_features + 7) // 8):
        array = np.unpackbits(array, axis=1, count=n_features, bitorder="little").view(np.bool_)
    if array.dtype != np.bool_ or array.shape != (n, n_features):
        raise ValueError(
            f"labels must be bool [{n}, {n_features}] or packed uint8 [{n}, {(n_features + 7) // 8}], "
            f"got {array.dtype} {list(array.shape)}"
        )
    return activations.float(), torch.from_numpy(array).to(activations.device)


def regress(inputs: torch.Tensor, targets: torch.Tensor, ridge: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Least squares with an intercept: targets ~ offset + inputs @ coefficients, the solution of smallest norm.

    Directions in which the centred inputs do not vary (equal or complementary columns, constants) get coefficient 0, so
    collinear inputs share their effect instead of failing.

    Args:
        inputs: float [N, p].
        targets: float [N, q].
        ridge: penalty on the coefficients' squared norm, at least 0, relative to the mean variance of the inputs: added
            as ridge * N * mean variance.

    Returns:
        offset float [q] and coefficients float [p, q].

    Raises:
        ValueError: a negative ridge.
    """
    if ridge < 0:
        raise ValueError(f"ridge must be at least 0, got {ridge}")
    input_mean, target_mean = inputs.mean(0, dtype=torch.float64), targets.mean(0, dtype=torch.float64)
    centred = torch.empty_like(inputs)
    for start in range(0, len(inputs), _ROWS):  # in float64, but never all of the inputs at once
        torch.sub(inputs[start : start + _ROWS].double(), input_mean, out=centred[start : start + _ROWS])
    gram = (centred.T @ centred).double()
    cross = (centred.T @ (targets - target_mean.to(targets.dtype))).double()
    values, vectors = torch.linalg.eigh(gram)
    varies = values > values[-1].clamp(min=1e-300) * len(values) * torch.finfo(inputs.dtype).eps
    shrunk = torch.where(varies, values + ridge * values.clamp(min=0).mean(), torch.inf)
    coefficients = vectors @ ((vectors.T @ cross) / shrunk[:, None])
    offset = target_mean - input_mean @ coefficients
    return offset.to(targets.dtype), coefficients.to(targets.dtype)


def best_cuts(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cut of every feature for which `score > cut` has the largest F1, at least 0; 0 if no score is above 0.

    Args:
        scores: float [N, F].
        labels: bool [N, F].

    Returns:
        float [F], at least 0.
    """
    cuts = scores.new_zeros(scores.shape[1])
    rank = torch.arange(1, len(scores) + 1, device=scores.device)
    for start in range(0, scores.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        ordered, truth = _ordered(scores[:, block].T, labels[:, block].T)
        f1 = 2 * truth.cumsum(1) / (rank + truth.sum(1, keepdim=True))
        f1[:, :-1][ordered[:, :-1] == ordered[:, 1:]] = -1  # equal scores are cut together
        f1[ordered <= 0] = -1  # never fires
        best = f1.argmax(1, keepdim=True)
        here = ordered.gather(1, best)[:, 0]
        below = ordered.gather(1, (best + 1).clamp(max=len(scores) - 1))[:, 0]
        middle = (here + below) / 2
        cut = torch.where(middle < here, middle, below)
        cuts[block] = torch.where(best[:, 0] == len(scores) - 1, 0, cut).clamp(min=0)
    return cuts


def _ordered(scores: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of every feature from the largest down, and the labels in that order, both [F, N].

    On a CPU one integer says both, a score's bits above its label: numpy sorts integers with vector instructions,
    which makes the whole some 2.5 times as fast as sorting numbers and their places.
    """
    if scores.device.type != "cpu" or scores.dtype != torch.float32:
        ordered, order = scores.sort(1, descending=True)
        return ordered, labels.gather(1, order)
    bits = scores.contiguous().numpy().view(np.int32)
    keys = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)  # rises with the score, also below 0
    keys = (keys << 1) | labels.contiguous().numpy()
    keys.sort(1)
    keys = keys[:, ::-1]
    bits = (keys >> 1).astype(np.int32)
    ordered = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(np.float32)
    return torch.from_numpy(ordered), torch.from_numpy((keys & 1).astype(np.bool_))
