"""Every metric has a record, and every record is true."""

import ast
import importlib
from pathlib import Path

import fiducial
import numpy as np
import pytest
from fiducial.metrics import METRICS, METRICS_BETWEEN

from .all_scores import N_RESAMPLES, inputs, reordered, scores

ROTATED = ("x", "x_hat", "directions", "true_directions", "natural_directions")


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
    return reordered(arrays, rows)


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
    "reconstruction_score",
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
