"""Coverage: brute force over every choice, limits, floors, and the published protocols by their equations."""

import importlib

import numpy as np
import pytest
from fiducial.games.features import Feature, FeatureSet
from fiducial.metrics import coverage
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from . import worlds

module = importlib.import_module("fiducial.metrics.coverage")  # the package attribute is the function
FAST = {"n_resamples": 20, "null": False}


def brute_force(latents, labels, train):
    """F1 on test of the (latent, value) with the best F1 on train, in the plainest Python."""
    found = []
    for label in labels.T:
        best, choice = 0.0, None
        for i in range(latents.shape[1]):
            for value in sorted({v for v in latents[train, i] if v > 0}, reverse=True):
                fires = latents[train, i] >= value
                f1 = 2 * (fires & label[train]).sum() / (fires.sum() + label[train].sum())
                if f1 > best + 1e-12:
                    best, choice = f1, (i, value)
        guess = np.zeros((~train).sum(), bool) if choice is None else latents[~train, choice[0]] >= choice[1]
        found.append(f1_score(label[~train], guess, zero_division=0.0))
    return np.array(found)


def test_equals_brute_force():
    x, y, games, train = worlds.sample(n_games=8, n_positions=10, n_latents=6)
    score = coverage(x, y[:, :5], game_id=games, train=train, min_positives=1, min_games=1, **FAST)
    expected = brute_force(x, y[:, :5], train)
    np.testing.assert_allclose(score.features["value"], expected, atol=1e-12)
    assert score.value == pytest.approx(expected.mean(), abs=1e-12)


def test_the_table_says_how_each_value_came_about():
    x, y, games, train = worlds.sample()
    score = coverage(x, y, game_id=games, train=train, features=worlds.features(), **FAST)
    table = score.features
    assert len({len(column) for column in table.values()}) == 1
    for f, (latent, limit) in enumerate(zip(table["latent"], table["threshold"], strict=True)):
        fires = x[:, latent] >= np.float32(limit)
        assert table["value"][f] == pytest.approx(f1_score(y[~train, f], fires[~train]))
        assert table["train_value"][f] == pytest.approx(f1_score(y[train, f], fires[train]))
        assert table["precision"][f] == pytest.approx(y[~train, f][fires[~train]].mean())
        assert table["recall"][f] == pytest.approx(fires[~train & y[:, f]].mean())
        assert table["positives"][f] == y[~train, f].sum()
        p = y[~train, f].mean()
        assert table["floor"][f] == pytest.approx(2 * p / (1 + p))
        assert table["low"][f] <= table["value"][f] <= table["high"][f]
    board, edge = np.mean(table["value"][:8]), np.mean(table["value"][8:])
    assert score.groups == pytest.approx({"board": board, "edge": edge})
    assert score.value == pytest.approx((board + edge) / 2)  # groups weigh the same, however large


def test_limits():
    x, y, games, train = worlds.sample()
    common = {"game_id": games, "train": train, "n_resamples": 20}
    assert coverage(y.astype(float), y, **common).value == 1.0
    assert coverage(np.zeros((len(y), 3)), y, **common).value == 0.0
    assert coverage(np.zeros((len(y), 3)), y, **common).features["latent"] == [None] * 12
    always = coverage(np.ones((len(y), 1)), y, **common)
    assert always.value == pytest.approx(always.floors["always on"])
    noise = np.random.default_rng(5).exponential(size=(len(y), 40))
    permuted = coverage(noise, y, **common)
    assert permuted.value == pytest.approx(permuted.floors["shuffled games"], abs=0.05)
    assert permuted.value < permuted.floors["always on"] + 0.05
    assert coverage(x, y, **common).value > permuted.value + 0.2
    one = coverage(y[:, :1].astype(float), y[:, :1], **common)
    assert (one.value, one.low, one.high) == (1.0, 1.0, 1.0)


def test_shuffled_floor_keeps_what_the_position_says():
    games = np.repeat(np.arange(20), 10)
    late = np.tile(np.arange(10) >= 5, 20)[:, None]
    score = coverage(late.astype(float), late, game_id=games, train=games < 10, n_resamples=20)
    assert score.floors["shuffled games"] == 1.0


def test_nothing_is_chosen_on_test_games():
    x, y, games, train = worlds.sample()
    score = coverage(x, y, game_id=games, train=train, **FAST)
    other = x.copy()
    other[~train] = np.random.default_rng(0).exponential(size=other[~train].shape)
    again = coverage(other, y, game_id=games, train=train, **FAST)
    assert again.features["latent"] == score.features["latent"]
    assert again.features["threshold"] == score.features["threshold"]
    assert again.value < score.value


def test_rare_and_unreachable_features_never_enter_the_average():
    x, y, games, train = worlds.sample()
    y = y.copy()
    y[:, 3] = False
    y[np.flatnonzero(train)[:30], 3] = True  # enough to choose on, none to report on
    score = coverage(x, y, game_id=games, train=train, features=worlds.features(reachable=11), **FAST)
    assert "value 1 of 5" not in score.features["feature"]
    assert score.features["rare"] == [i == 3 for i in range(11)]
    kept = [v for i, v in enumerate(score.features["value"][:8]) if i != 3]
    assert score.groups["board"] == pytest.approx(np.mean(kept))
    assert (score.details["n_scored"], score.details["n_rare"]) == (10, 1)
    y[:, 8:] = False
    score = coverage(x, y, game_id=games, train=train, features=worlds.features(), **FAST)
    assert score.details["groups_without_scored_features"] == ["edge"]
    assert list(score.groups) == ["board"]


def test_counterparts_are_scored_only_when_asked_for():
    x, y, games, train = worlds.sample()
    mixed = FeatureSet(
        Feature(name=f"f{i}", group="old" if i > 5 else "new", rung=0, definition="x", counterpart=i > 5)
        for i in range(12)
    )
    common = {"game_id": games, "train": train, "features": mixed, **FAST}
    assert list(coverage(x, y, **common).groups) == ["new"]
    assert list(coverage(x, y, groups=["old"], **common).groups) == ["old"]
    with pytest.raises(KeyError, match="no feature group 'odl'"):
        coverage(x, y, groups=["odl"], **common)
    with pytest.raises(ValueError, match=r"use \['old'\]"):
        coverage(x, y, groups="old", **common)
    with pytest.raises(ValueError, match="3 features must have 3 columns"):
        coverage(x, y[:, :4], game_id=games, train=train, features=FeatureSet(mixed[:3]))


def test_intervals_hold_and_pair_up():
    x, y, games, train = worlds.sample(n_games=60)
    score = coverage(x, y, game_id=games, train=train, null=False, n_resamples=400)
    assert score.low < score.value < score.high
    assert abs(score.replicates.mean() - score.value) < 0.01
    again = coverage(x, y, game_id=games, train=train, null=False, n_resamples=400)
    np.testing.assert_array_equal(again.replicates, score.replicates)
    worse = coverage(np.where(np.arange(30) == 0, 0, x), y, game_id=games, train=train, null=False, n_resamples=400)
    gap = score.replicates - worse.replicates
    assert gap.std() < score.replicates.std()  # paired by game


def test_features_of_a_few_games_are_rare_and_the_value_lies_in_its_interval():
    """Labels that fill whole games: feature f holds in f + 1 of the reporting games, with one false alarm a game."""
    games = np.repeat(np.arange(40), 20)
    y = (games // 2)[:, None] < np.arange(1, 13)
    x = y.astype(np.float32)
    x[::20] = 1
    score = coverage(x, y, game_id=games, train=games % 2 == 0, min_positives=20, **FAST)
    assert score.features["rare"] == [True] * 4 + [False] * 8
    assert score.low <= score.value <= score.high
    assert score.high - score.low > 0.01
    assert np.isfinite(score.replicates).all()
    everything = coverage(x, y, game_id=games, train=games % 2 == 0, min_positives=20, min_games=1, **FAST)
    assert everything.features["rare"] == [False] * 12
    assert everything.low <= everything.value <= everything.high


@given(seed=st.integers(0, 500), scale=st.sampled_from([0.5, 4.0]))
def test_symmetries(seed, scale):
    x, y, games, train = worlds.sample(n_games=10, n_positions=8, n_latents=15, seed=seed)
    rng = np.random.default_rng(seed)
    common = {"min_positives": 2, "n_resamples": 5, "null": False}
    score = coverage(x, y, game_id=games, train=train, **common)
    order = rng.permutation(10)
    rows = np.concatenate([np.flatnonzero(games == g) for g in order])
    wider = np.concatenate([x, x[:, :2], np.zeros_like(x[:, :1])], 1)
    for other in [
        coverage(x * np.float32(scale), y, game_id=games, train=train, **common),
        coverage(wider, y, game_id=games, train=train, **common),
        coverage(x[rows], y[rows], game_id=games[rows], train=train[rows], **common),
        coverage(x, y, game_id=games * 7 - 3, train=train, **common),
    ]:
        assert other.features["value"] == score.features["value"]
        np.testing.assert_array_equal(other.replicates, score.replicates)
    permuted = coverage(x[:, rng.permutation(15)], y, game_id=games, train=train, **common)
    # Permuting may choose another of several equally good latents, so compare what was optimised.
    assert permuted.features["train_value"] == score.features["train_value"]


MUTANTS = {
    "sides swapped": lambda m: m.setattr(module, "as_split", lambda train, games: ~train),
    "groups not averaged apart": lambda m: m.setattr(module.Averages, "of", lambda self, v: float(v.mean())),
    "worst latent": lambda m: m.setattr(module, "best_thresholds", lambda *a: _worst(*a)),
}


def _worst(*arguments):
    from fiducial.metrics.counts import best_thresholds

    pairs = best_thresholds(*arguments)
    object.__setattr__(pairs, "best_latents", lambda: pairs.f1.argmin(0))
    return pairs


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_broken_versions_are_noticed(monkeypatch, mutant):
    x, y, games, train = worlds.sample(n_games=8, n_positions=10, n_latents=6)
    if mutant:
        MUTANTS[mutant](monkeypatch)
    score = coverage(x, y, game_id=games, train=train, features=worlds.features(), min_positives=1, min_games=1, **FAST)
    expected = brute_force(x, y, train)
    p = y[~train].mean(0)
    floor = 2 * p / (1 + p)
    right = np.allclose(score.features["value"], expected) and score.floors["always on"] == pytest.approx(
        (floor[:8].mean() + floor[8:].mean()) / 2
    )
    assert right == (mutant is None)
