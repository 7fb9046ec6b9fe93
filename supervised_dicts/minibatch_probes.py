"""Linear probes for many features at many positions: logistic regression by Adam on small batches.

`fit_probes` solves each probe exactly and needs all labels at once; where a feature holds in a few games of a hundred,
as on a chess board, what limits a probe is not its optimiser but the number of games. This form streams through far
more of them at the price of an approximate optimum. It fits no penalty: the passes over the data are few.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .dictionary import SupervisedDictionary
from .linear import best_cuts, regress

CUT_ROWS = 40_000  # positions on which cuts and directions are fitted


def fit_probes_in_batches(
    activations: torch.Tensor,
    labels: NDArray[np.uint8],
    *,
    feature_names: Sequence[str],
    columns: NDArray[np.int64] | None = None,
    epochs: int = 6,
    batch_size: int = 1024,
    lr: float = 0.02,
    seed: int = 0,
    name: str = "probes",
    progress: bool = True,
    device: str | torch.device | None = None,
) -> SupervisedDictionary:
    """Fit a logistic probe for every feature.

    Args:
        activations: float [N, d]; give training games only.
        labels: packed uint8 [N, bytes], little-endian bits as of `FeatureSet.pack`.
        feature_names: name of every feature fitted.
        columns: int64 [F], bit of each feature; by default 0, 1, ...
        epochs: passes over the data.
        batch_size: positions a step.
        lr: first step size of Adam; falls linearly to 0. Activations are scaled to unit variance first.
        seed: of the order of positions.
        name: of the dictionary.
        progress: show a bar.
        device: where to fit, batch by batch; None for where the activations are. The dictionary comes back to these.

    Returns:
        Latents are probabilities, 0 below each probe's cut; directions and offset are the least-squares decoder from
        those latents on the first `CUT_ROWS` positions of a random order, where the cuts are chosen too.

    Raises:
        ValueError: inputs that do not fit each other or are not finite.
    """
    from tqdm.auto import tqdm

    n, d = activations.shape
    bits = np.arange(len(feature_names), dtype=np.int64) if columns is None else columns
    if labels.dtype != np.uint8 or len(labels) != n or len(bits) != len(feature_names):
        raise ValueError(
            f"labels must be packed uint8 [{n}, bytes] with one column a name, got {labels.dtype} "
            f"{list(labels.shape)} for {len(feature_names)} names and {len(bits)} columns"
        )
    if not len(bits) or int(bits.max()) >= 8 * labels.shape[1]:
        raise ValueError(f"columns must lie within the {8 * labels.shape[1]} bits of the labels")
    if n < batch_size or epochs < 1:
        raise ValueError(f"needs at least one batch of {batch_size} positions and one epoch, got {n} and {epochs}")
    if not torch.isfinite(activations).all():
        raise ValueError("activations hold NaN or infinite values")

    home = activations.device
    there = torch.device(device or home)

    def truth(rows: torch.Tensor) -> torch.Tensor:
        packed = labels[rows.numpy()]
        return torch.from_numpy((packed[:, bits // 8] >> (bits % 8).astype(np.uint8)) & 1).to(there)

    mean, std = activations.mean(0).to(there), activations.std(0).to(there)
    std = torch.where(std > 1e-6 * std.max(), std, torch.inf)
    weights = torch.zeros(d, len(bits), device=there, requires_grad=True)
    biases = torch.full((len(bits),), -4.0, device=there, requires_grad=True)
    optimizer = torch.optim.Adam([weights, biases], lr=lr)
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * (n // batch_size)
    bar = tqdm(total=steps, desc="probes", disable=None if progress else True)
    for step in range(steps):
        if step % (n // batch_size) == 0:
            order = torch.randperm(n, generator=generator)
        start = step % (n // batch_size) * batch_size
        rows = order[start : start + batch_size]  # type: ignore[possibly-undefined] - made at step 0
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / steps)
        logits = torch.addmm(biases, (activations[rows].to(there) - mean) / std, weights)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth(rows).float(), reduction="sum")
        optimizer.zero_grad(set_to_none=True)
        (loss / batch_size).backward()
        optimizer.step()
        bar.update()
    bar.close()
    some = torch.randperm(n, generator=generator)[:CUT_ROWS]
    x, y = activations[some].to(there), truth(some).bool()
    reads = (weights.detach() / std[:, None]).T.contiguous()
    made = SupervisedDictionary(
        name=name,
        latent_names=tuple(feature_names),
        weights=reads,
        biases=biases.detach() - reads @ mean,
        cuts=x.new_zeros(len(bits)),
        directions=x.new_zeros(len(bits), d),
        offset=x.new_zeros(d),
        link="logistic",
        constant=y.all(0) | ~y.any(0),
        converged=torch.ones(len(bits), dtype=torch.bool, device=there),
        l2=x.new_full((len(bits),), torch.nan),
    )
    made = made.with_cuts(best_cuts(made.scores(x), y))
    offset, directions = regress(made.encode(x), x, 1e-3)
    return SupervisedDictionary(**{**vars(made), "offset": offset, "directions": directions}).on(home)
