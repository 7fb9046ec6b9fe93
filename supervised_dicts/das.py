"""Which subspace of an activation carries an attribute, as the model itself uses it? A skyline for control.

Equation      minimise over orthonormal B [k, d]   the mean cross-entropy of the wanted token under the model run on
              base + (source - base) B' B
              boundless: base + (source - base) R' diag(m) R, R a full rotation, m_i = sigmoid((w - i - 1/2) / T),
              with a width w learned as well, a price on w / d, and a temperature T that falls until m is 0 or 1
Conventions   rows are drawn without replacement, every row once an epoch; the last directions of a boundless
              rotation are dropped where m < 1/2, so that the result is a projection like any other
References    Geiger et al. 2023, arXiv 2303.02536; Wu et al. 2023, arXiv 2305.08809
Differences from published code
    1. Rotations are the Q of a free matrix. Published: torch's orthogonal parametrisation, which draws its start
       from the global generator.
    2. The price is on the share of the dimensions. The width found is an upper bound: directions that the model does
       not read cost little to swap, so a few of them stay.

Unlike the dictionaries, it is fitted on what the model does with the edit. It says what can be had at a site, not what
a feature is: any subspace that moves the output will do, also one that the model itself does not use.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..models.seeds import generator_of

Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Subspace:
    """An orthonormal basis of what is swapped.

    Attributes:
        name: short and readable.
        basis: float [k, d], orthonormal rows; k is 0 if a boundless fit found that nothing is worth its price.
        losses: float [steps], cross-entropy in nats before each step.
    """

    name: str
    basis: torch.Tensor
    losses: torch.Tensor

    def __repr__(self) -> str:
        return f"Subspace({self.name}, {len(self.basis)} of {self.basis.shape[1]} dimensions)"

    def swap(self, base: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """Base activations [N, d] with what the subspace holds taken from the source [N, d].

        Raises:
            ValueError: shapes that do not agree.
        """
        if base.shape != source.shape or base.ndim != 2 or base.shape[1] != self.basis.shape[1]:
            raise ValueError(
                f"{self.name}: base and source must be [N, {self.basis.shape[1]}], got {list(base.shape)} and "
                f"{list(source.shape)}"
            )
        basis = self.basis.to(base)
        return base + (source - base) @ basis.T @ basis


def fit_das(
    forward: Forward,
    base: torch.Tensor,
    source: torch.Tensor,
    target: torch.Tensor,
    *,
    k: int | None = None,
    boundless: bool | None = None,
    steps: int = 300,
    lr: float = 0.05,
    batch_size: int = 128,
    seed: int = 0,
    width_price: float = 0.5,
    progress: bool = False,
    name: str | None = None,
) -> Subspace:
    """Learn a subspace by gradient descent through the model.

    Args:
        forward: activations [B, d] and their rows int64 [B] to logits [B, V], differentiable in the activations.
        base: float [N, d], activations of the prompts that are run.
        source: float [N, d], of the prompts that values are taken from.
        target: int64 [N], token wanted after the swap, below V.
        k: dimensions, 1 to d; None learns the width.
        boundless: whether to learn the width; by default, if `k` is None.
        steps: of Adam.
        lr: first step size; falls linearly to 0.
        batch_size: rows a step.
        seed: of the first rotation and of the order of rows.
        width_price: loss in nats for swapping everything, at least 0; used where the width is learned.
        progress: show a bar.
        name: of the subspace.

    Returns:
        The subspace after the last step.

    Raises:
        ValueError: inputs that do not fit each other or are not finite, or both or neither of k and boundless.
    """
    d = _check(base, source, target, k, boundless)
    learned = k is None
    if steps < 1 or batch_size < 1 or not lr > 0 or width_price < 0:
        raise ValueError(f"needs steps, batch_size and lr above 0, got {steps}, {batch_size}, {lr}, {width_price}")
    generator = generator_of("das", seed)
    base, source = base.detach().float(), source.detach().float()
    free = torch.randn(d, d if k is None else k, generator=generator).to(base.device).requires_grad_()
    width = torch.zeros((), device=base.device, requires_grad=True)  # its sigmoid is the share of dimensions
    groups = [{"params": [free], "lr": lr}, *([{"params": [width], "lr": 5 * lr}] if learned else [])]
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    losses: list[torch.Tensor] = []
    order = torch.empty(0, dtype=torch.int64)
    for step in _steps(steps, progress):
        if not len(order):
            order = torch.randperm(len(base), generator=generator)
        rows, order = order[:batch_size], order[batch_size:]
        at = rows.to(base.device)
        with torch.enable_grad():
            basis = torch.linalg.qr(free).Q.T
            difference = (source[at] - base[at]) @ basis.T
            price = base.new_zeros(())
            if learned:
                difference = difference * _mask(width, d, _temperature(step / steps, d))
                price = width_price * width.sigmoid()
            logits = forward(base[at] + difference @ basis, rows)
            loss = torch.nn.functional.cross_entropy(logits, target[rows.to(target.device)].to(logits.device))
            gradients = torch.autograd.grad(loss + price, [free, *([width] if learned else [])])
        for parameter, gradient in zip([free, width], gradients, strict=False):
            parameter.grad = gradient
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    kept = d if k is None else k
    if learned:
        kept = int((_mask(width.detach(), d, 1e-3) > 0.5).sum())
    basis = torch.linalg.qr(free.detach()).Q.T[:kept].contiguous()
    return Subspace(name or ("boundless DAS" if learned else f"DAS {k}"), basis, torch.stack(losses))


def _mask(width: torch.Tensor, d: int, temperature: float) -> torch.Tensor:
    """How much of every dimension is swapped, float [d]."""
    place = torch.arange(d, device=width.device) + 0.5
    return ((d * width.sigmoid() - place) / temperature).sigmoid()


def _temperature(done: float, d: int) -> float:
    """From a quarter of the dimensions to a tenth of one, geometrically."""
    first, last = d / 4, 0.1
    return first * (last / first) ** done


def _steps(steps: int, progress: bool):  # noqa: ANN202 - a bar or a range
    from tqdm.auto import tqdm

    return tqdm(range(steps), desc="DAS", disable=None if progress else True)


def _check(
    base: torch.Tensor, source: torch.Tensor, target: torch.Tensor, k: int | None, boundless: bool | None
) -> int:
    """Width of the activations.

    Raises:
        ValueError: see `fit_das`.
    """
    if base.ndim != 2 or base.shape != source.shape or not len(base) or not base.shape[1]:
        raise ValueError(f"base and source must be alike [N, d], got {list(base.shape)} and {list(source.shape)}")
    if target.shape != (len(base),) or target.is_floating_point():
        raise ValueError(f"target must be int64 [{len(base)}], got {target.dtype} {list(target.shape)}")
    if not (base.isfinite().all() and source.isfinite().all()):
        raise ValueError("base and source must be finite")
    if boundless is None:
        boundless = k is None
    if boundless == (k is not None):
        raise ValueError(f"give either k or boundless=True, got k={k} and boundless={boundless}")
    if k is not None and not 1 <= k <= base.shape[1]:
        raise ValueError(f"k must be from 1 to {base.shape[1]}, got {k}")
    return base.shape[1]
