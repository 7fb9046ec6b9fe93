# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""SAEBench's definition of absorption, for any yes-or-no property: its probe, its main latents, its two rates.

Equations     u = unit direction of the probe of a property, a = x . u, c_i = cosine of u and W_i, proj_i = f_i c_i
  probe       one-vs-rest logistic regressions on x, positives weighted by n_neg / n_pos, small penalty on |w|^2
  main        for k = 1 .. 10, the k largest positive weights of an L1 logistic regression on the latents (strength
              .01); on these a class-balanced logistic regression; the largest k reached while its F1 on the reporting
              rows beats the best so far by more than .03
  samples     reporting rows with the property and a positive probe score
  fraction    m = sum of proj over the main latents, T = sum of the 3 largest proj_i > 0 of the others with c_i >= .1.
              0 if m >= a or T / a < .4; 1 if m <= 0; else M / (M + m) with M = min(T, a - m)
  full        1 if every main latent is silent, a >= 0, and the largest proj_i has c_i >= .025 and proj_i / a >= .4
References    SAEBench, evaluation `absorption_first_letter`; Chanin et al. 2024 (arXiv 2409.14507).
Differences from published code
              1. Both regressions that SAEBench trains by a fixed number of Adam steps run to their minimum here, on all
                 rows at once, so that no seed enters (its L1 regression has about 50 steps on few rows).
              2. Main latents have positive weights in the L1 regression. Among weights of exactly 0 the published
                 choice is by their order.
              3. W_i is scaled to unit length and f_i by the same factor, which the published code takes for granted.
              4. One activation a sample serves probe, latents and projection; the published code prompts anew.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .counts import f1_score

if TYPE_CHECKING:
    from ..models.dictionary import Codes

PENALTY = 1e-4  # weight decay of the published probe, per property
L1 = 0.01
MAX_MAIN = 10
JUMP = 0.03
MIN_SHARE = 0.4
MIN_COSINE, MIN_COSINE_FULL = 0.1, 0.025
N_ABSORBERS = 3
PROBE_ROWS = 8000  # choosing rows of the probes at most, evenly spaced
L1_ROWS = 4000  # choosing rows of the L1 regression, evenly spaced; bounds its cost
L1_STEPS = 80


@dataclass(frozen=True)
class Probes:
    """Linear probes of K properties.

    Attributes:
        weights: float64 [K, d].
        bias: float64 [K].
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits [N, K] of x [N, d]."""
        return x @ self.weights.T + self.bias


def evenly(n: int, at_most: int) -> NDArray[np.int64]:
    """Numbers below n, evenly spaced, all of them if they are few enough."""
    return np.unique(np.linspace(0, n - 1, min(at_most, n)).astype(np.int64))


def fit_probes(
    x: NDArray[np.floating], y: NDArray[np.bool_], *, max_iter: int = 150, max_rows: int = PROBE_ROWS
) -> Probes:
    """One-vs-rest probes of all properties at once, by L-BFGS.

    Args:
        x: activations, floating [N, d].
        y: bool [N, K]; a property that always or never holds gets a probe that says so.
        max_iter: steps at most; separable properties have their minimum far out.
        max_rows: rows to fit on at most, evenly spaced.
    """
    from scipy.optimize import minimize  # half a second to import, which listing the metrics should not wait for

    some = evenly(len(x), max_rows)
    x, y = x[some], y[some]
    n, d = x.shape
    k = y.shape[1]
    mean, scale = x.mean(0, dtype=np.float64), float(max(x.std(), 1e-12))
    inputs = np.ascontiguousarray((x - mean) / scale, np.float64)
    positives = y.sum(0)
    mixed = (positives > 0) & (positives < n)
    ratio = np.where(mixed, (n - positives) / np.maximum(positives, 1), 1.0)
    weight = np.where(y, ratio, 1.0) / n
    target = y.astype(np.float64)
    # K times as strong for each property, since the published loss is a mean over properties; in units of scaled x
    decay = PENALTY * k / scale**2

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(k, d + 1)
        z = inputs @ w[:, :d].T + w[:, d]
        small = np.exp(-np.abs(z))  # of it both the loss and its slope are made, without overflow
        value = (weight * (np.maximum(z, 0) + np.log1p(small) - target * z)).sum() + 0.5 * decay * (w[:, :d] ** 2).sum()
        slope = weight * (np.where(z >= 0, 1.0, small) / (1 + small) - target)
        gradient = np.empty_like(w)
        gradient[:, :d] = slope.T @ inputs + decay * w[:, :d]
        gradient[:, d] = slope.sum(0)
        return float(value), gradient.ravel()

    start = np.zeros((k, d + 1))
    start[:, d] = np.where(positives == n, 20.0, np.where(positives == 0, -20.0, 0.0))
    options = {"maxiter": max_iter, "gtol": 1e-9, "ftol": 1e-15, "maxcor": 20}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(k, d + 1)
    weights = found[:, :d] / scale
    return Probes(weights, found[:, d] - weights @ mean)


def l1_weights(codes: "Codes", y: NDArray[np.bool_], *, steps: int = L1_STEPS) -> NDArray[np.float32]:
    """Weights of L1 logistic regressions on the latents, float32 [L, K], by accelerated proximal gradients.

    For every property the minimum of mean(s_n * loss_n) + .01 * |w|_1, with s_n = n_neg / n_pos for positives, else 1.

    Args:
        codes: latents of N rows, in units in which directions have length 1.
        y: bool [N, K].
        steps: of the descent, all properties together.
    """
    n, k = y.shape
    x = csr_array((codes.values, codes.indices, codes.indptr), (n, codes.n_latents))
    back = x.T.tocsr()
    positives = y.sum(0)
    weight = (np.where(y, (n - positives) / np.maximum(positives, 1), 1.0) / n).astype(np.float32)
    signed = np.where(y, -weight, weight)  # the slope of the loss is this times the probability of the other value
    signs = np.where(y, np.float32(-0.5), np.float32(0.5))
    vector = np.ones((codes.n_latents, k), np.float32)
    curvature = np.ones(k, np.float32)
    for _ in range(12):  # power iteration: the largest curvature of each property's loss
        vector = back @ (weight * (x @ vector))
        curvature = np.linalg.norm(vector, axis=0)
        vector /= np.maximum(curvature, 1e-30)
    rate = 1 / np.maximum(0.3 * curvature + 0.25 * weight.sum(0), 1e-12)  # .25 bounds p (1 - p), with a reserve
    w, bias = np.zeros((codes.n_latents, k), np.float32), np.zeros(k, np.float32)
    ahead, ahead_bias, momentum = w, bias, 1.0
    for _ in range(steps):
        slope = signed * (0.5 + 0.5 * np.tanh(signs * (x @ ahead + ahead_bias)))
        moved = ahead - rate * (back @ slope)
        new = np.sign(moved) * np.maximum(np.abs(moved) - rate * np.float32(L1), 0)
        new_bias = ahead_bias - rate * slope.sum(0)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        push = np.float32((momentum - 1) / following)
        ahead, ahead_bias = new + push * (new - w), new_bias + push * (new_bias - bias)
        w, bias, momentum = new, new_bias, following
    return w


def balanced_logistic(x: NDArray[np.floating], y: NDArray[np.bool_], *, c: float = 1.0) -> NDArray[np.float64]:
    """Logistic regression with both classes of equal weight, float64 [k + 1], bias last, by Newton's method.

    The minimum of |w|^2 / 2 + c * sum of s_n * loss_n with s_n = N / (2 * rows of its class), as scikit-learn has it.

    Args:
        x: floating [N, k], few columns.
        y: bool [N], both values present.
        c: inverse of the penalty.
    """
    from scipy.special import expit

    weight = c * np.where(y, len(y) / (2 * y.sum()), len(y) / (2 * (~y).sum()))
    busy = (x != 0).any(1)  # rows in which no latent fires differ in their class alone: one row each stands for all
    inputs = np.concatenate([x[busy], np.zeros((2, x.shape[1]))])
    inputs = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
    idle = [weight[~busy & ~y].sum(), weight[~busy & y].sum()]
    weight, target = np.append(weight[busy], idle), np.append(y[busy], [False, True])
    penalty = np.append(np.ones(x.shape[1]), 0.0)
    w = np.zeros(inputs.shape[1])

    def loss(w: NDArray[np.float64]) -> float:
        z = inputs @ w
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + 0.5 * (penalty * w**2).sum())

    value = loss(w)
    for _ in range(50):
        p = expit(inputs @ w)
        gradient = inputs.T @ (weight * (p - target)) + penalty * w
        hessian = (inputs * (weight * p * (1 - p))[:, None]).T @ inputs + np.diag(penalty + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6 and loss(w - size * step) > value + 1e-12 * abs(value):
            size /= 2
        w = w - size * step
        value = loss(w)
        if float(np.abs(gradient).max()) < 1e-8 * float(weight.sum()):
            break
    return w


def main_latents(
    weights: NDArray[np.floating],
    latents: NDArray[np.float32],
    ranked: NDArray[np.int64],
    y: NDArray[np.bool_],
    train: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], float]:
    """Main latents of one property, and the F1 of the regression on them.

    Args:
        weights: floating [k], of the L1 regression for the latents below.
        latents: float32 [N, k], latents by falling weight.
        ranked: int64 [k], their numbers.
        y: bool [N].
        train: bool [N], rows that fit; the others say which k is taken, as published.
    """
    usable = int((weights > 0).sum())
    best, n_main = -np.inf, 0
    held = y[~train]
    for k in range(1, min(MAX_MAIN, usable) + 1):
        w = balanced_logistic(latents[train, :k], y[train])
        said = latents[~train, :k] @ w[:k] + w[k] > 0
        f1 = float(f1_score(*(np.array(one.sum()) for one in (said & held, said, held))))
        if not f1 > best + JUMP:
            break
        best, n_main = f1, k
    return ranked[:n_main], max(best, 0.0)


@dataclass(frozen=True)
class Rates:
    """Published absorption of N samples of one property.

    Attributes:
        fraction: float64 [N].
        full: bool [N].
    """

    fraction: NDArray[np.float64]
    full: NDArray[np.bool_]


def rates(codes: "Codes", cosines: NDArray[np.float64], amount: NDArray[np.float64], main: NDArray[np.int64]) -> Rates:
    """Fraction and full absorption of every sample.

    Args:
        codes: latents of N samples, in units in which directions have length 1.
        cosines: float64 [L], of each direction with the probe.
        amount: float64 [N], a = x . u.
        main: int64, main latents.
    """
    n = codes.n_rows
    is_main = np.zeros(codes.n_latents, np.bool_)
    is_main[main] = True
    projection = codes.values * cosines[codes.indices]
    mains = is_main[codes.indices]
    m = np.bincount(codes.rows[mains], projection[mains], n)
    fires = np.bincount(codes.rows[mains & (np.abs(codes.values) >= 1e-8)], minlength=n) > 0
    eligible = np.flatnonzero(~mains & (cosines[codes.indices] >= MIN_COSINE) & (projection > 0))
    order = eligible[np.lexsort((-projection[eligible], codes.rows[eligible]))]
    rows = codes.rows[order]
    first = np.searchsorted(rows, np.arange(n))
    among_top = np.arange(len(order)) - first[rows] < N_ABSORBERS
    total = np.bincount(rows[among_top], projection[order[among_top]], n)
    with np.errstate(divide="ignore", invalid="ignore"):
        enough = total / amount >= MIN_SHARE
        taken = np.minimum(total, amount - m)
        part = np.clip(taken / (taken + m), 0.0, 1.0)
    fraction = np.where((m >= amount) | ~enough, 0.0, np.where(m <= 0, 1.0, part))
    largest, aligned = np.zeros(n), np.zeros(n, np.bool_)
    if len(codes.values):
        by_size = np.lexsort((projection, codes.rows))
        last = np.flatnonzero(np.r_[np.diff(codes.rows[by_size]) > 0, True])
        top = by_size[last]
        largest[codes.rows[top]] = projection[top]
        aligned[codes.rows[top]] = cosines[codes.indices[top]] >= MIN_COSINE_FULL
    with np.errstate(divide="ignore", invalid="ignore"):
        carries = (largest / amount >= MIN_SHARE) & (largest > 0)
    return Rates(fraction, ~fires & aligned & (amount >= 0) & carries)
