"""How much of an activation do the true features explain when each adds one direction?

Equation      minimise over m, v_f   sum over n of | x_n - m - sum over f of y_nf v_f |^2  (+ ridge |v|^2)
Conventions   y is 0 or 1; of the many solutions that collinear labels allow, the one of smallest norm
References    the supervised dictionaries of Makelov, Lange and Nanda 2024, arXiv 2405.08366
Differences from published code
    1. There the codes of a new position come from its labels. Here `decode(labels)` does that, while `encode` reads
       the labels off the activation by least squares, so that the dictionary can be scored like any other.
    2. There every attribute takes one of several values, each with a vector. Here every feature has one vector and is
       present or absent, which spans the same space once all values of a variable are features.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .dictionary import SupervisedDictionary
from .linear import best_cuts, check_fit_inputs, regress


def fit_least_squares(
    activations: torch.Tensor,
    labels: torch.Tensor | NDArray[np.bool_] | NDArray[np.uint8],
    *,
    feature_names: Sequence[str],
    ridge: float = 0.0,
    name: str = "least squares",
    device: str | torch.device | None = None,
) -> SupervisedDictionary:
    """Fit one direction a feature by least squares, and the linear read-out of the features.

    Args:
        activations: floating [N, d]; give training games only.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        feature_names: name of every feature.
        ridge: penalty of directions and read-outs, at least 0, relative as in `regress`.
        name: of the dictionary.
        device: where to fit; None for where the activations are. The dictionary comes back to where they are.

    Returns:
        Latents are read-outs of the labels, 0 below each one's cut. A feature whose label never varies gets direction 0
        and latent 0.

    Raises:
        TypeError: activations that are no tensor.
        ValueError: inputs that do not fit each other or are not finite, or a negative ridge.
    """
    x, y = check_fit_inputs(activations, labels, feature_names)
    home = x.device
    x, y = x.to(device or home), y.to(device or home)
    truth = y.to(x.dtype)
    offset, directions = regress(truth, x, ridge)
    biases, reads = regress(x, truth, ridge)
    n_features = len(feature_names)
    dictionary = SupervisedDictionary(
        name=name,
        latent_names=tuple(feature_names),
        weights=reads.T.contiguous(),
        biases=biases,
        cuts=x.new_zeros(n_features),
        directions=directions,
        offset=offset,
        link="identity",
        constant=y.all(0) | ~y.any(0),
        converged=torch.ones(n_features, dtype=torch.bool, device=x.device),
        l2=x.new_full((n_features,), torch.nan),
    )
    return dictionary.with_cuts(best_cuts(dictionary.scores(x), y)).on(home)
