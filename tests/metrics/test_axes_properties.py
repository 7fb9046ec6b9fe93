"""The records of approximation, control and interpretability are true of their scores."""

import importlib

import numpy as np
import pytest

from .axes_inputs import axes_inputs, axes_scores

MODULES = ("approximation", "approximation_boards", "control", "control_isolation", "interpretability", "meaning")
RECORDS = {}
for one in MODULES:
    RECORDS |= importlib.import_module(f"fiducial.metrics.{one}").PROPERTIES
BASE = axes_scores(axes_inputs())


def of_latents(change):
    return lambda arrays: {**arrays, "latents": change(arrays["latents"])}


def games_reordered(arrays):
    games = arrays["game_id"]
    rows = np.concatenate([np.flatnonzero(games == g) for g in np.random.default_rng(1).permutation(games.max() + 1)])
    return {name: array if name.endswith("directions") else array[rows] for name, array in arrays.items()}


def rotated(arrays):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    return {**arrays, **{name: arrays[name] @ turn for name in ("x", "x_hat", "natural_directions")}}


CHANGES = {
    "latent permutation": of_latents(lambda z: z[:, np.random.default_rng(1).permutation(z.shape[1])]),
    "positive rescaling": of_latents(lambda z: z * np.float32(2) ** (np.arange(z.shape[1]) % 7 - 3).astype(np.float32)),
    "duplicated latent": of_latents(lambda z: np.concatenate([z, z[:, :1]], 1)),
    "dead latent": of_latents(lambda z: np.concatenate([z, 0 * z[:, :1]], 1)),
    "game order": games_reordered,
    "rotation": rotated,
}


def test_records_and_scores_are_the_same_set():
    assert set(BASE) == set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_record_is_filled_and_true(name):
    record, score = RECORDS[name], BASE[name]
    assert all((record.question, record.chance, record.needs, record.limits))
    assert record.direction == ("down" if name.endswith("_error") else "up")
    assert name.endswith(("_score", "_error"))
    assert (score.metric, score.version) == (name, record.version)
    assert record.low <= score.low <= score.value <= score.high <= record.high


@pytest.mark.parametrize("change", CHANGES)
def test_symmetries_hold_where_they_are_claimed(change):
    claimed = [name for name, record in RECORDS.items() if change in record.symmetries]
    assert claimed
    changed = axes_scores(CHANGES[change](axes_inputs()))
    for name in claimed:
        assert changed[name].value == pytest.approx(BASE[name].value, rel=1e-9), name
        assert (changed[name].low, changed[name].high) == pytest.approx((BASE[name].low, BASE[name].high)), name


def test_same_seed_same_scores():
    assert axes_scores(axes_inputs()) == BASE
