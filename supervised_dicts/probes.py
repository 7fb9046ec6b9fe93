"""Can the feature be read from the activation linearly? One logistic probe a feature: the ceiling of what is decodable.

Equation      minimise  sum log(1 + exp(z)) - y z + l2 / 2 |w|^2,  z = w . (x - mean) / std + b,  for every feature
Conventions   inputs standardised on the positions fitted on; the bias is free of penalty; constant labels get latent 0
References    Alain and Bengio 2016, arXiv 1610.01644; scikit-learn's LogisticRegression with C = 1 / l2
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ..data.activations import split_by_game
from .dictionary import SupervisedDictionary
from .linear import best_cuts, check_fit_inputs, regress
from .logistic import fit_logistic

L2_GRID = (100.0, 10.0)
DECODER_RIDGE = 0.01  # held-out explained variance is best near here on Othello models, and flat


def fit_probes(
    activations: torch.Tensor,
    labels: torch.Tensor | NDArray[np.bool_] | NDArray[np.uint8],
    *,
    feature_names: Sequence[str],
    l2: float | Sequence[float] | None = None,
    game_id: NDArray[np.integer] | None = None,
    seed: int = 0,
    tolerance: float = 1e-2,
    max_iter: int = 50,
    name: str = "probes",
    device: str | torch.device | None = None,
) -> SupervisedDictionary:
    """Fit a logistic probe for every feature at once.

    Args:
        activations: floating [N, d]; give training games only.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        feature_names: name of every feature.
        l2: penalty, above 0; or several, of which every feature takes the one with the lowest log-loss on a fifth of
            the games, then is fitted again on all. None is `L2_GRID` if `game_id` is given, else 10.
        game_id: integer [N], game of every position; needed to choose a penalty.
        seed: which games a penalty is chosen on.
        tolerance: gradient norm at which a probe is done, relative to sqrt(N); the default is about scikit-learn's at
            10,000 positions.
        max_iter: Newton steps at most.
        name: of the dictionary.
        device: where to fit; None for where the activations are. The dictionary comes back to where they are.

    Returns:
        Latents are probabilities, 0 below each probe's cut; directions and offset are the least-squares decoder from
        those latents, with a small ridge.

    Raises:
        TypeError: activations that are no tensor.
        ValueError: inputs that do not fit each other or are not finite, a penalty not above 0, or several penalties
            without `game_id`.
    """
    x, y = check_fit_inputs(activations, labels, feature_names)
    if l2 is None:
        l2 = L2_GRID if game_id is not None else 10.0
    grid = sorted(np.atleast_1d(np.asarray(l2, dtype=np.float64)).tolist(), reverse=True)
    if not grid or not all(0 < value < np.inf for value in grid):
        raise ValueError(f"l2 must be above 0 and finite, got {l2}")
    home = x.device
    x, y = x.to(device or home), y.to(device or home)
    mean, std = x.mean(0), x.std(0)
    std = torch.where(std > 1e-6 * std.max(), std, torch.inf)  # a dimension that never varies says nothing
    scaled = (x - mean) / std
    positives = y.sum(0)
    constant = (positives == 0) | (positives == len(y))
    live = (~constant).nonzero()[:, 0]

    weights = x.new_zeros(len(feature_names), x.shape[1] + 1)
    chosen = x.new_full((len(feature_names),), torch.nan)
    met = torch.ones(len(feature_names), dtype=torch.bool, device=x.device)
    if len(live):
        chosen[live], start = _choose_l2(scaled, y[:, live], grid, game_id, seed, tolerance, max_iter)
        weights[live], met[live] = fit_logistic(
            scaled, y[:, live], chosen[live], initial=start, tolerance=tolerance, max_iter=max_iter
        )
    reads = weights[:, :-1] / std
    biases = weights[:, -1] - reads @ mean
    blank = x.new_zeros(len(feature_names))
    probes = SupervisedDictionary(
        name=name,
        latent_names=tuple(feature_names),
        weights=reads,
        biases=biases,
        cuts=blank,
        directions=torch.zeros_like(reads),
        offset=mean,
        link="logistic",
        constant=constant,
        converged=met,
        l2=chosen,
    )
    cut = probes.with_cuts(best_cuts(probes.scores(x), y))
    offset, directions = regress(cut.encode(x), x, DECODER_RIDGE)
    return replace(cut, offset=offset, directions=directions).on(home)


def _choose_l2(
    x: torch.Tensor,
    y: torch.Tensor,
    grid: Sequence[float],
    game_id: NDArray[np.integer] | None,
    seed: int,
    tolerance: float,
    max_iter: int,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Penalty of every feature, strongest first in `grid`, and weights to start the final fit from."""
    if len(grid) == 1:
        return x.new_full((y.shape[1],), grid[0]), None
    if game_id is None or np.shape(game_id) != (len(x),):
        got = "none" if game_id is None else list(np.shape(game_id))
        raise ValueError(f"choosing among {len(grid)} penalties needs game_id [{len(x)}], got {got}")
    train = torch.from_numpy(split_by_game(np.asarray(game_id), 0.2, seed)).to(x.device)
    # A label that is constant on either part says nothing about the penalty: it keeps the strongest.
    both = torch.stack([part.any(0) & ~part.all(0) for part in (y[train], y[~train])]).all(0).nonzero()[:, 0]
    best = x.new_full((y.shape[1],), grid[0])
    start = x.new_zeros(y.shape[1], x.shape[1] + 1)
    if not len(both):
        return best, start
    lowest = x.new_full((len(both),), torch.inf)
    current = None
    held_x, held_y = x[~train], y[~train][:, both].to(x.dtype)
    for value in grid:
        penalty = x.new_full((len(both),), value)
        current, _ = fit_logistic(
            x[train], y[train][:, both], penalty, initial=current, tolerance=tolerance, max_iter=max_iter
        )
        z = held_x @ current[:, :-1].T + current[:, -1]
        loss = (F.softplus(z) - held_y * z).mean(0)
        better = loss < lowest
        lowest[better] = loss[better]
        best[both[better]] = value
        start[both[better]] = current[better]
    return best, start
