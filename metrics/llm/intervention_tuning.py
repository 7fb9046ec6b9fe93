"""How hard to push a latent so that interventions on different latents are equally strong.

Equation      sigma(c) = E_x KL(p_clean(. | x) || p_c(. | x)) at the next token; find c with sigma(c) = target
Conventions   c is searched between 10^-3 and 10^4 by interpolation of log sigma in log10 c, at most 10 steps inside a
              bracket, until sigma is within 10 % of the target. A latent that cannot reach it is said not to.
References    Paulo et al. 2025, arXiv 2410.13928 (ICML), targets .1, .33, 1 and 3 nats: strong interventions are
              trivially interpretable, so only equally strong ones compare.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGETS = (0.1, 0.33, 1.0, 3.0)  # nats


@dataclass(frozen=True)
class Tuned:
    """The strength that was found.

    Attributes:
        c: what is added to the latent.
        kl: sigma(c), nats.
        target: what was asked for.
        n_runs: how often the model was run.
        failure: why the target is not met; empty if it is.
    """

    c: float
    kl: float
    target: float
    n_runs: int
    failure: str = ""


def kl(clean: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Mean KL(clean || other) over rows, in nats.

    Args:
        clean: floating [n, V], log-probabilities.
        other: likewise.

    Raises:
        ValueError: shapes that differ, no rows, or rows that are no log-probabilities.

    Examples:
        >>> import numpy as np
        >>> round(kl(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])), 4)  # .5 log 2 + .5 log(2/3)
        0.1438
    """
    if clean.shape != other.shape or clean.ndim != 2 or not len(clean):
        raise ValueError(f"log-probabilities must be [n, V] alike, got {list(clean.shape)} and {list(other.shape)}")
    p, log_p, log_q = np.exp(clean.astype(np.float64)), clean.astype(np.float64), other.astype(np.float64)
    for name, sums in (("clean", p.sum(1)), ("other", np.exp(log_q).sum(1))):
        if not np.allclose(sums, 1, atol=1e-3):
            raise ValueError(
                f"rows of {name} must be log-probabilities; they sum to {sums.min():.3g} to {sums.max():.3g}"
            )
    with np.errstate(invalid="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), 0.0)
    return float(max(0.0, terms.sum(1).mean()))


def tuned_strength(
    run: Callable[[float], NDArray[np.floating[Any]]],
    clean: NDArray[np.floating[Any]],
    target: float,
    *,
    low: float = -3.0,
    high: float = 4.0,
    steps: int = 10,
    tolerance: float = 0.1,
) -> Tuned:
    """The strength at which an intervention changes the next token by a given KL.

    Args:
        run: from c to next-token log-probabilities [n, V] of the same n prompts.
        clean: the same without intervention.
        target: sigma, nats, above 0.
        low: log10 of the smallest c.
        high: log10 of the largest c.
        steps: most runs between the two ends.
        tolerance: share of the target that sigma may be off.

    Returns:
        The strength nearest to the target in log sigma, of those that were tried.

    Raises:
        ValueError: a target or limits out of range.
    """
    if target <= 0 or low >= high or steps < 0 or not 0 < tolerance < 1:
        found = f"target {target}, low {low}, high {high}, steps {steps}, tolerance {tolerance}"
        raise ValueError(f"target must be above 0, low below high, steps >= 0 and tolerance in (0, 1), got {found}")
    tried: list[tuple[float, float]] = []  # log10 c, sigma

    def at(where: float) -> float:
        tried.append((where, kl(clean, run(10.0**where))))
        return tried[-1][1]

    def done() -> Tuned | None:
        where, sigma = min(tried, key=lambda t: abs(log(max(t[1], 1e-12) / target)))
        return Tuned(10.0**where, sigma, target, len(tried)) if abs(sigma - target) <= tolerance * target else None

    ends = [(low, at(low)), (high, at(high))]
    if ends[1][1] < target * (1 - tolerance):
        return Tuned(10.0**high, ends[1][1], target, 2, f"even c = 1e{high:g} reaches a KL of {ends[1][1]:.3g} only")
    if ends[0][1] > target * (1 + tolerance):
        return Tuned(10.0**low, ends[0][1], target, 2, f"already c = 1e{low:g} gives a KL of {ends[0][1]:.3g}")
    if found := done():
        return found
    (left, below), (right, above) = ends
    for step in range(steps):
        # sigma grows like c^2 while it is small and is flat at both ends, so that every third step halves
        share = 0.5 if step % 3 == 2 else log(target / max(below, 1e-12)) / log(above / max(below, 1e-12))
        middle = left + (right - left) * min(0.9, max(0.1, share))
        sigma = at(middle)
        if found := done():
            return found
        if sigma < target:
            left, below = middle, sigma
        else:
            right, above = middle, sigma
    where, sigma = min(tried, key=lambda t: abs(log10(max(t[1], 1e-12) / target)))
    return Tuned(10.0**where, sigma, target, len(tried), f"a KL of {sigma:.3g} after {steps} steps")
