"""Every metric has a record, and every record is true."""

import ast
import importlib
from pathlib import Path

import fiducial
import numpy as np
import pytest
from fiducial.metrics import (
    METRICS,
    METRICS_BETWEEN,
    core_behaviour,
    core_fidelity,
    core_sparsity,
    coverage,
    reconstruction,
    recovery,
)
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
ROTATED = ("x", "x_hat", "directions", "true_directions", "natural_directions")


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


def permuted(arrays):
    order = np.random.default_rng(1).permutation(arrays["latents"].shape[1])
    return {**arrays, "latents": arrays["latents"][:, order], "directions": arrays["directions"][order]}


def rescaled(arrays):
    powers = 2.0 ** np.random.default_rng(1).integers(-3, 4, arrays["latents"].shape[1])
    return {**arrays, "latents": (arrays["latents"] * powers).astype(np.float32)}


def duplicated(arrays):
    return {
        **arrays,
        "latents": np.concatenate([arrays["latents"], arrays["latents"][:, :1]], 1),
        "directions": np.concatenate([arrays["directions"], arrays["directions"][:1]]),
    }


def with_a_dead_one(arrays):
    return {
        **arrays,
        "latents": np.concatenate([arrays["latents"], np.zeros_like(arrays["latents"][:, :1])], 1),
        "directions": np.concatenate([arrays["directions"], arrays["directions"][-1:]]),
    }


def games_reordered(arrays):
    games = arrays["game_id"]
    rows = np.concatenate([np.flatnonzero(games == g) for g in np.random.default_rng(1).permutation(games.max() + 1)])
    return {name: array if name.endswith("directions") else array[rows] for name, array in arrays.items()}


def rotated(arrays):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    return {**arrays, **{name: arrays[name] @ turn for name in ROTATED}}


CHANGES = {
    "latent permutation": permuted,
    "positive rescaling": rescaled,
    "duplicated latent": duplicated,
    "dead latent": with_a_dead_one,
    "game order": games_reordered,
    "rotation": rotated,
}
BASE = scores(inputs())
OVER_LATENTS = {"mmcs_latents_score", "uniqueness_score", "dead_recovery_error"} | {
    name for name in METRICS if "latents" in name
}


def test_records_and_scores_are_the_same_set():
    assert set(BASE) == set(METRICS)
    for name, score in BASE.items():
        assert score.metric == name
        assert score.version == METRICS[name].version


def returned_scores(tree):
    """Public functions of a module that return a Score or Scores, by their annotation."""
    kinds = {"Score", "dict[str, Score]"}
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.returns is not None]
    return [f.name for f in functions if not f.name.startswith("_") and ast.unparse(f.returns) in kinds]


PARTS = {
    "score",
    "scr_score",
    "tpp_score",
    "autointerp_score",
    "core_columns",
}  # they make the scores of records that stand elsewhere
PROTOCOLS = ("_karvonen", "_synthsaebench", "_saebench")  # of metrics that have a record


def test_no_metric_without_a_record_beside_it():
    found = {}
    root = Path(fiducial.__file__).parent
    for path in sorted((root / "metrics").rglob("*.py")):
        module = importlib.import_module(".".join(("fiducial", *path.relative_to(root).with_suffix("").parts)))
        made = returned_scores(ast.parse(path.read_text()))
        published = path.stem.endswith(PROTOCOLS)
        streamed = path.parent.name == "streaming"  # they give scores of records that stand with the functions
        if made and path.stem not in PARTS and not published and not streamed:
            assert module.PROPERTIES, f"{path.stem} returns scores ({', '.join(made)}) and has no PROPERTIES"
        found |= getattr(module, "PROPERTIES", {})
    assert found == METRICS | METRICS_BETWEEN


@pytest.mark.parametrize("name", METRICS)
def test_record_is_filled_and_true(name):
    record = METRICS[name]
    assert record.question
    assert record.chance
    assert record.needs
    assert record.limits
    assert record.direction != "none" or not record.held_to
    assert not set(record.notices) & set(record.claims)
    assert record.direction == ("down" if name.endswith("_error") else record.direction)
    assert record.direction == ("up" if name.endswith("_score") else record.direction)
    assert name.endswith("_error") or record.direction != "down"
    score = BASE[name]
    assert record.low <= score.low <= score.value <= score.high <= record.high


@pytest.mark.parametrize("change", CHANGES)
def test_symmetries_hold_where_they_are_claimed(change):
    claimed = [name for name, record in METRICS.items() if change in record.symmetries]
    assert claimed
    changed = scores(CHANGES[change](inputs()))
    for name in claimed:
        assert changed[name].value == pytest.approx(BASE[name].value, rel=1e-9), name
        if change == "latent permutation" and name in OVER_LATENTS:
            continue  # other latents are drawn
        assert (changed[name].low, changed[name].high) == pytest.approx((BASE[name].low, BASE[name].high)), name


def test_same_seed_same_score_and_paired_replicates():
    for name, again in scores(inputs()).items():
        assert again == BASE[name]
        if again.replicates is not None:
            np.testing.assert_array_equal(again.replicates, BASE[name].replicates)
            assert again.replicates.shape == (N_RESAMPLES,)


def test_damages_that_records_may_name_are_those_of_the_ladder():
    from typing import get_args

    from fiducial.metrics.properties import Damage
    from fiducial.models.ladder import DAMAGES

    assert ("none", *get_args(Damage)) == DAMAGES
