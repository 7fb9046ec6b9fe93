"""Reconstruction: the three-set procedure in plain numpy, limits, floors, symmetries."""

import importlib
from itertools import combinations

import numpy as np
import pytest
from fiducial.metrics import reconstruction
from fiducial.metrics.grouping import Averages, vocabulary
from fiducial.metrics.predictions import high_precision, pack_words
from fiducial.metrics.reconstruction import halves
from fiducial.metrics.reconstruction_score import best_constant
from hypothesis import given
from hypothesis import strategies as st

from . import worlds

module = importlib.import_module("fiducial.metrics.reconstruction")  # the package attribute is the function
FAST = {"n_resamples": 20, "null": False}
GRID = np.float32([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def pooled_f1(guess, label):
    total = guess.sum() + label.sum()
    return 2 * (guess & label).sum() / total if total else 0.0


def brute_force(x, y, games, train, groups, seed=0):
    """Value of every group: label on one half, choose t on the other, predict the test games."""
    first, second = halves(games, train, seed)
    maxima = x[train].max(0).clip(0)

    def predict(rows, t):
        on = (x > t * maxima) & (maxima > 0)
        labelled = np.zeros((x.shape[1], y.shape[1]), bool)
        for i in range(x.shape[1]):
            for f in range(y.shape[1]):
                tp, count = (on[first, i] & y[first, f]).sum(), on[first, i].sum()
                labelled[i, f] = tp >= 10 and tp / count >= 0.95 - 1e-12
        return (on[rows].astype(int) @ labelled.astype(int)) > 0

    values = []
    for members in groups:
        f1 = [pooled_f1(predict(second, t)[:, members], y[second][:, members]) for t in GRID]
        guess = predict(~train, GRID[int(np.argmax(f1))])
        values.append(pooled_f1(guess[:, members], y[~train][:, members]))
    return values


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_brute_force(seed):
    x, y, games, train = worlds.sample(n_positions=30, seed=seed)
    score = reconstruction(x, y, game_id=games, train=train, features=worlds.features(), seed=seed, **FAST)
    values = brute_force(x, y, games, train, [np.arange(8), np.arange(8, 12)], seed)
    assert 0.1 < values[0] < 1
    assert list(score.groups.values()) == pytest.approx(values, abs=1e-12)
    assert score.value == pytest.approx(np.mean(values), abs=1e-12)


def test_limits():
    x, y, games, train = worlds.sample(n_positions=40)
    common = {"game_id": games, "train": train, "n_resamples": 20}
    perfect = reconstruction(y.astype(float), y, **common)
    assert perfect.value == 1.0
    assert perfect.features["value"] == [1.0] * 12
    assert perfect.details["above floor"]["value"] == 1.0
    dead = reconstruction(np.zeros((len(y), 3)), y, **common)
    assert dead.value == 0.0
    assert dead.details["above floor"]["value"] < 0
    noise = np.random.default_rng(3).exponential(size=(len(y), 30))
    assert reconstruction(noise, y, **common).value < 0.05
    shuffled = reconstruction(x, y, **common).floors["shuffled games"]
    assert shuffled < 0.1


def test_best_constant_is_the_best_of_all_subsets():
    rng = np.random.default_rng(0)
    y = rng.random((200, 7)) < rng.random(7)
    words = vocabulary(7, None, None)
    named = best_constant(y.sum(0), 200, words, Averages.over(words, np.ones(7, bool)))[:, 0].astype(bool)
    best = max(
        pooled_f1(np.tile(np.isin(np.arange(7), chosen), (200, 1)), y)
        for k in range(1, 8)
        for chosen in combinations(range(7), k)
    )
    assert pooled_f1(np.tile(named, (200, 1)), y) == pytest.approx(best)


def test_floor_is_the_constant_prediction_on_test():
    x, y, games, train = worlds.sample()
    score = reconstruction(x, y, game_id=games, train=train, **FAST)
    words = vocabulary(12, None, None)
    named = best_constant(y[train].sum(0), int(train.sum()), words, Averages.over(words, np.ones(12, bool)))[:, 0] > 0
    floor = pooled_f1(np.tile(named, ((~train).sum(), 1)), y[~train])
    assert score.floors["best constant"] == pytest.approx(floor)
    assert score.details["above floor"]["value"] == pytest.approx((score.value - floor) / (1 - floor))
    assert score.details["above floor"]["low"] < score.details["above floor"]["high"]


def test_halves_are_disjoint_whole_games_and_follow_the_seed():
    _, _, games, train = worlds.sample()
    first, second = halves(games, train, 0)
    assert not set(games[first]) & set(games[second])
    np.testing.assert_array_equal(first | second, train)
    np.testing.assert_array_equal(first, halves(games, train, 0)[0])
    assert (first != halves(games, train, 1)[0]).any()


def test_nothing_is_chosen_on_test_games():
    x, y, games, train = worlds.sample()
    score = reconstruction(x, y, game_id=games, train=train, **FAST)
    other = x.copy()
    other[~train] *= 3
    again = reconstruction(other, y, game_id=games, train=train, **FAST)
    assert again.details["relative_thresholds"] == score.details["relative_thresholds"]
    assert again.features["n_latents"] == score.features["n_latents"]


def test_rare_features_are_listed_and_not_pooled():
    x, y, games, train = worlds.sample()
    y = y.copy()
    y[~train, 2] = False
    score = reconstruction(x, y, game_id=games, train=train, **FAST)
    assert score.features["rare"] == [f == 2 for f in range(12)]
    without = reconstruction(x, np.delete(y, 2, 1), game_id=games, train=train, **FAST)
    assert score.value == pytest.approx(without.value)


@given(seed=st.integers(0, 300), scale=st.sampled_from([0.25, 8.0]))
def test_symmetries(seed, scale):
    x, y, games, train = worlds.sample(n_games=8, n_positions=30, n_latents=15, seed=seed)
    rng = np.random.default_rng(seed)
    common = {"min_positives": 2, "n_resamples": 5, "null": False}
    score = reconstruction(x, y, game_id=games, train=train, **common)
    rows = np.concatenate([np.flatnonzero(games == g) for g in rng.permutation(8)])
    wider = np.concatenate([x, x[:, :2], np.zeros_like(x[:, :1])], 1)
    for other in [
        reconstruction(x[:, rng.permutation(15)], y, game_id=games, train=train, **common),
        reconstruction(x * np.float32(scale), y, game_id=games, train=train, **common),
        reconstruction(wider, y, game_id=games, train=train, **common),
        reconstruction(x[rows], y[rows], game_id=games[rows], train=train[rows], **common),
    ]:
        assert other.features["value"] == score.features["value"]
        np.testing.assert_array_equal(other.replicates, score.replicates)


def test_pack_words_and_precision():
    y = np.random.default_rng(0).random((3, 4, 130)) < 0.5
    words = pack_words(y)
    assert words.shape == (3, 4, 3)
    for f in (0, 63, 64, 129):
        np.testing.assert_array_equal((words[..., f // 64] >> np.uint64(f % 64)) & np.uint64(1), y[..., f])
    assert high_precision(np.array([19, 18, 9, 437, 0]), np.array([20, 19, 9, 460, 0]), 10).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


MUTANTS = {
    "labelled on all training games": lambda m: m.setattr(module, "halves", lambda g, train, seed: (train, train)),
    "any precision": lambda m: m.setattr(module, "high_precision", lambda tp, on, least: tp >= least),
    "threshold not chosen": lambda m: m.setattr(module, "PAPER_GRID", np.zeros(10, np.float32)),
}


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_broken_versions_are_noticed(monkeypatch, mutant):
    x, y, games, train = worlds.sample(n_positions=30)
    expected = brute_force(x, y, games, train, [np.arange(12)])
    if mutant:
        MUTANTS[mutant](monkeypatch)
    score = reconstruction(x, y, game_id=games, train=train, **FAST)
    assert (score.value == pytest.approx(expected[0], abs=1e-12)) == (mutant is None)
