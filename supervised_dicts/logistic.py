"""Many logistic regressions on the same inputs at once, by Newton's method with conjugate gradients.

For every feature f, with labels y in {0, 1}, minimise

    sum over n of log(1 + exp(z_n)) - y_n z_n   +   l2_f / 2 |w_f|^2,      z_n = x_n . w_f + b_f,

which is scikit-learn's LogisticRegression with C = 1 / l2_f; the bias is not penalised. All features share two matrix
products an inner step, so 700 of them cost little more than a few dozen.
"""

import torch
import torch.nn.functional as F

_BLOCK = 128  # features at a time: bounds memory at a few [N, 128] matrices
_MAX_INNER = 30
_MAX_HALVINGS = 30


def fit_logistic(
    x: torch.Tensor,
    y: torch.Tensor,
    l2: torch.Tensor,
    *,
    initial: torch.Tensor | None = None,
    tolerance: float = 1e-2,
    max_iter: int = 50,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of all regressions.

    Args:
        x: float [N, d], columns with mean 0 and about one scale.
        y: bool [N, F]; every column holds both values.
        l2: float [F], above 0.
        initial: weights to start from, float [F, d + 1], bias last; zeros by default.
        tolerance: stop once the gradient norm is below this times sqrt(N) for every feature.
        max_iter: Newton steps at most.

    Returns:
        float [F, d + 1], bias last; and bool [F], whether the tolerance was met. Both on the device of x, where all of
        it is computed.
    """
    n, d = x.shape
    y, l2 = y.to(x.device), l2.to(x.device)
    # In the eigenbasis of the covariance the Hessian is nearly diagonal, which is what makes few inner steps enough.
    scale, basis = torch.linalg.eigh((x.T @ x).double())
    basis = basis.to(x.dtype)
    rotated = torch.cat([x @ basis, x.new_ones(n, 1)], 1)
    curvature = torch.cat([scale.clamp(min=0), scale.new_tensor([float(n)])]).to(x.dtype)  # of the loss, up to p(1 - p)
    weights = x.new_zeros(y.shape[1], d + 1)
    if initial is not None:
        initial = initial.to(weights)
        weights[:, :d], weights[:, d] = initial[:, :d] @ basis, initial[:, d]
    met = torch.zeros(y.shape[1], dtype=torch.bool, device=x.device)
    for start in range(0, y.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        penalty = l2[block, None].to(x.dtype).expand(-1, d + 1).clone()
        penalty[:, d] = 0
        weights[block], met[block] = _newton(
            rotated, y[:, block].to(x.dtype), penalty, curvature, weights[block], tolerance * n**0.5, max_iter
        )
    weights[:, :d] = weights[:, :d] @ basis.T
    return weights, met


def _newton(
    x: torch.Tensor,
    y: torch.Tensor,
    penalty: torch.Tensor,
    curvature: torch.Tensor,
    weights: torch.Tensor,
    tolerance: float,
    max_iter: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Newton's method on one block of features; those that have converged leave it."""
    weights = weights.clone()
    open_ = torch.arange(len(weights), device=x.device)
    met = torch.zeros(len(weights), dtype=torch.bool, device=x.device)
    z = x @ weights.T
    loss = _loss(z, y, weights, penalty)
    for _ in range(max_iter):
        p = z.sigmoid()
        gradient = (p - y).T @ x + penalty * weights[open_]
        norm = gradient.norm(dim=1)
        rest = norm > tolerance
        met[open_[~rest]] = True
        if not rest.any():
            break
        if not rest.all():
            open_, z, y, p, penalty = open_[rest], z[:, rest], y[:, rest], p[:, rest], penalty[rest]
            gradient, norm, loss = gradient[rest], norm[rest], loss[rest]
        variance = p.mul_(1 - p)
        # Solve each system only as well as its outer progress deserves (Eisenstat and Walker 1996).
        forcing = (norm / (x.shape[0] ** 0.5)).sqrt().clamp(max=0.3)
        direction = _conjugate_gradients(x, variance, penalty, curvature, -gradient, forcing * norm)
        step_z = x @ direction.T
        step = x.new_ones(len(open_), 1)
        slope = (gradient * direction).sum(1)
        current = weights[open_]
        trial = loss
        for _ in range(_MAX_HALVINGS):
            trial = _loss(z + step_z * step.T, y, current + step * direction, penalty)
            # Float rounding hides decreases far below the loss itself, hence the second term.
            worse = trial > loss + 1e-4 * step[:, 0] * slope + 1e-6 * loss.abs()
            if not worse.any():
                break
            step[worse] /= 2
        weights[open_] = current + step * direction
        z = z + step_z * step.T
        loss = trial
    return weights, met


def _loss(z: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    return (F.softplus(z) - y * z).sum(0) + 0.5 * (penalty * weights**2).sum(1)


def _conjugate_gradients(
    x: torch.Tensor,
    variance: torch.Tensor,
    penalty: torch.Tensor,
    curvature: torch.Tensor,
    target: torch.Tensor,
    tolerance: torch.Tensor,
) -> torch.Tensor:
    """Solve (X' diag(variance_f) X + penalty_f) s_f = target_f for every feature, preconditioned by the diagonal."""
    inverse = 1 / (variance.mean(0)[:, None].clamp(min=1e-8) * curvature + penalty).clamp(min=1e-8)
    solution = torch.zeros_like(target)
    residual = target.clone()
    scaled = inverse * residual
    direction = scaled
    product = (residual * scaled).sum(1)
    for _ in range(_MAX_INNER):
        image = ((x @ direction.T).mul_(variance)).T @ x + penalty * direction
        rate = (product / (direction * image).sum(1).clamp(min=1e-30))[:, None]
        solution += rate * direction
        residual = residual - rate * image
        open_ = residual.norm(dim=1) > tolerance
        if not open_.any():
            break
        scaled = inverse * residual
        new = (residual * scaled).sum(1)
        # A system that is solved well enough stands still.
        direction = torch.where(open_[:, None], scaled + (new / product.clamp(min=1e-30))[:, None] * direction, 0)
        product = torch.where(open_, new, 0)
    return solution
