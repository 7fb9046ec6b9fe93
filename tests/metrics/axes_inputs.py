"""Arrays for every score of approximation, control and interpretability, and those scores, for tests of properties."""

import numpy as np
from fiducial.metrics.approximation import approximation
from fiducial.metrics.approximation_boards import board_approximation
from fiducial.metrics.control import control
from fiducial.metrics.control_isolation import isolation, off_manifold
from fiducial.metrics.interpretability import interpretability
from fiducial.metrics.meaning import meaning

from . import worlds


def axes_inputs(seed=0):
    """Arrays by name, rows first; names that end in `directions` have no rows of the sample."""
    latents, labels, games, train = worlds.sample(n_positions=30, seed=seed)
    rng = np.random.default_rng(seed)
    n = len(latents)
    allowed = rng.random((n, 6)) < 0.5
    allowed[:, 0] |= ~allowed.any(1)
    logits = {
        name: rng.normal(size=allowed.shape) + gain * allowed
        for name, gain in (("clean", 3), ("rebuilt", 2), ("ablated", 0), ("error", 0.3))
    }
    patched, untouched = rng.integers(0, 9, n), rng.integers(0, 9, n)
    followed = {
        name: np.where(rng.random(n) < share, patched, untouched)
        for name, share in (("supervised", 0.95), ("one", 0.5), ("two", 0.8))
    }
    return {
        "latents": latents,
        "values": labels[:, ::2] + 2 * labels[:, 1::2].astype(np.int64),
        "game_id": games,
        "train": train,
        "allowed": allowed,
        **logits,
        "differences": rng.normal(size=(n, 4)) + np.array([4, 3.5, 1, 1.3]),
        "patched": patched,
        "untouched": untouched,
        **followed,
        "weight": rng.random(n),
        "supervised_weight": 0.4 * rng.random(n),
        "before": rng.integers(0, 3, n),
        "after": rng.integers(0, 3, n),
        "x": rng.normal(size=(n, 8)),
        "x_hat": 1.5 * rng.normal(size=(n, 8)),
        "natural_directions": rng.normal(size=(300, 8)),
    }


def axes_scores(arrays, n_resamples=20):
    """Every score of the three axes."""
    common = {"game_id": arrays["game_id"], "n_resamples": n_resamples}
    logits = [arrays[name] for name in ("clean", "rebuilt", "ablated", "error", "allowed")]
    attributes = {f"attribute {i}": column for i, column in enumerate(arrays["values"].T)}
    return {
        **approximation(*arrays["differences"].T, **common),
        **board_approximation(*logits, **common),
        **control(
            arrays["two"],
            arrays["patched"],
            arrays["untouched"],
            supervised_choice=arrays["supervised"],
            weight_removed=arrays["weight"],
            supervised_weight=arrays["supervised_weight"],
            choices_by_budget={1: arrays["one"], 2: arrays["two"]},
            **common,
        ),
        **isolation(
            {"Pos": arrays["before"]}, {"Pos": arrays["after"]}, success=arrays["two"] == arrays["patched"], **common
        ),
        **meaning(
            dict(zip(("clean", "kept", "mean_ablated", "removed"), arrays["differences"].T, strict=True)),
            {"edited": arrays["one"], "patched": arrays["patched"], "unedited": arrays["untouched"]},
            **common,
        ),
        **off_manifold(arrays["x_hat"], arrays["x"], arrays["natural_directions"], **common),
        **interpretability(
            arrays["latents"],
            attributes,
            train=arrays["train"],
            threshold=0.5,
            pairs=[("attribute 0", "attribute 1")],
            null=False,
            **common,
        ),
    }
