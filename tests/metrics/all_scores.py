"""Arrays for every metric that there is, and every score of them."""

import numpy as np
from fiducial.metrics import METRICS, core_behaviour, core_fidelity, core_sparsity, coverage, reconstruction, recovery
from fiducial.metrics.occlusion import occlusion
from fiducial.metrics.splitting import splitting
from scipy.special import log_softmax

from . import worlds
from .absorption_inputs import absorption_scores
from .autointerp_inputs import autointerp_scores
from .axes_inputs import axes_inputs, axes_scores
from .mdl_inputs import mdl_scores
from .ravel_inputs import ravel_scores
from .scr_inputs import scr_scores
from .sparse_probing_inputs import sparse_probing_scores
from .tpp_inputs import tpp_scores
from .unlearning_inputs import unlearning_scores

TASKS = (
    sparse_probing_scores,
    scr_scores,
    tpp_scores,
    absorption_scores,
    ravel_scores,
    unlearning_scores,
    mdl_scores,
    autointerp_scores,
)  # each gives all scores of a task

N_RESAMPLES = 20


def inputs(seed=0):
    """Arrays that any metric may need, by name."""
    latents, labels, games, train = worlds.sample(n_positions=30, seed=seed)
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(latents.shape[1], 8))
    x_hat = latents @ directions
    axes = axes_inputs(seed)
    allowed = axes["allowed"]
    noise = [log_softmax(rng.normal(size=allowed.shape) + k * allowed, axis=1) for k in (3, 2, 0, 1)]
    names = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs")
    return {
        **axes,
        "latents": latents,
        "labels": labels,
        "game_id": games,
        "train": train,
        "x": x_hat + rng.normal(size=x_hat.shape),
        "x_hat": x_hat,
        "allowed": allowed,
        "directions": directions,
        "true_directions": directions[: labels.shape[1]] + 0.3 * rng.normal(size=(labels.shape[1], 8)),
        "magnitudes": labels * rng.uniform(1, 2, labels.shape),
        **dict(zip(names, noise, strict=True)),
    }


def scores(arrays):
    """Every score that there is."""
    common = {"game_id": arrays["game_id"], "n_resamples": N_RESAMPLES}
    labelled = {**common, "train": arrays["train"], "null": False}
    attributes = {name: arrays["values"][:, i] for i, name in enumerate(("first", "second"))}
    behaviour = [arrays[name] for name in METRICS["kl_error"].needs[:5]]
    found = {
        "coverage": coverage(arrays["latents"], arrays["labels"], **labelled),
        "reconstruction": reconstruction(arrays["latents"], arrays["labels"], **labelled),
        **recovery(
            arrays["latents"],
            arrays["labels"],
            train=arrays["train"],
            **{name: arrays[name] for name in ("directions", "true_directions", "magnitudes")},
            **common,
        ),
        **core_sparsity(arrays["latents"], **common),
        **core_fidelity(arrays["x"], arrays["x_hat"], **common),
        **core_behaviour(*behaviour, **common),
        **axes_scores(arrays, N_RESAMPLES),
        **occlusion(
            arrays["latents"],
            attributes,
            variance_shares={"first": 0.6, "second": 0.3},
            train=arrays["train"],
            threshold=0.2,
            **common,
        ),
        **splitting(
            arrays["latents"],
            attributes["first"],
            train=arrays["train"],
            min_precision=0.5,
            min_frequency=0.001,
            **common,
        ),
    }
    for task in TASKS:
        found |= task(arrays, N_RESAMPLES)
    return found


def reordered(arrays, rows):
    """The arrays with their rows in another order."""
    return {name: array if name.endswith("directions") else array[rows] for name, array in arrays.items()}
