"""Core measures by closed forms, limits, and sampling by game."""

import importlib

import numpy as np
import pytest
import torch
from fiducial.metrics import core_behaviour, core_fidelity, core_sparsity
from fiducial.metrics.game_totals import GameTotals
from scipy.special import log_softmax, rel_entr
from sklearn.metrics import explained_variance_score, log_loss
from sklearn.metrics.pairwise import paired_cosine_distances

core = importlib.import_module("fiducial.metrics.core")
RNG = np.random.default_rng(0)
GAMES = np.repeat(np.arange(12), 10)
X = RNG.normal(size=(120, 6)) + 2.0
X_HAT = X * 0.8 + RNG.normal(size=(120, 6)) * 0.3
FAST = {"n_resamples": 50}


def test_sparsity_counts():
    x = np.zeros((120, 4))
    x[:, 0] = 1.0
    x[:12, 1] = 2.0
    x[5, 2] = -1.0
    scores = core_sparsity(x, GAMES, **FAST)
    assert scores["l0"].value == pytest.approx((120 + 12 + 1) / 120)
    assert scores["alive_latents_score"].value == 0.5  # the negative one never fires
    assert scores["dead_latents_error"].value == 0.5
    assert scores["dense_latents"].value == 0.25  # exactly a tenth is not above a tenth
    assert core_sparsity(x, GAMES, dense_above=0.05, **FAST)["dense_latents"].value == 0.5
    assert scores["l0"].low <= scores["l0"].value <= scores["l0"].high
    dead = core_sparsity(np.zeros((120, 3)), GAMES, **FAST)
    assert (dead["l0"].value, dead["dead_latents_error"].value, dead["dense_latents"].value) == (0, 1, 0)


def test_fidelity_closed_forms():
    scores = {name: score.value for name, score in core_fidelity(X, X_HAT, GAMES, **FAST).items()}
    error = ((X - X_HAT) ** 2).sum(1)
    about_mean = ((X - X.mean(0)) ** 2).sum(1)
    assert scores["mse_error"] == pytest.approx(error.mean())
    assert scores["explained_variance_score"] == pytest.approx(1 - error.sum() / about_mean.sum())
    assert scores["explained_variance_legacy_score"] == pytest.approx((1 - error / about_mean).mean())
    assert scores["cosine_score"] == pytest.approx(1 - paired_cosine_distances(X, X_HAT).mean())
    norms = np.linalg.norm(X, axis=1), np.linalg.norm(X_HAT, axis=1)
    assert scores["l2_ratio"] == pytest.approx((norms[1] / norms[0]).mean())
    assert scores["reconstruction_bias"] == pytest.approx((X_HAT**2).sum() / (X * X_HAT).sum())


def test_explained_variance_equals_scikit_learn_for_unbiased_errors():
    x_hat = X_HAT - (X_HAT - X).mean(0)  # scikit-learn forgives a constant error, we do not
    ours = core_fidelity(X, x_hat, GAMES, **FAST)["explained_variance_score"].value
    assert ours == pytest.approx(explained_variance_score(X, x_hat, multioutput="variance_weighted"))
    shifted = core_fidelity(X, x_hat + 1.0, GAMES, **FAST)["explained_variance_score"].value
    assert shifted < ours


def test_fidelity_limits():
    perfect = core_fidelity(X, X, GAMES, **FAST)
    for name, value in [
        ("explained_variance_score", 1),
        ("explained_variance_legacy_score", 1),
        ("mse_error", 0),
        ("cosine_score", 1),
        ("l2_ratio", 1),
        ("reconstruction_bias", 1),
    ]:
        assert perfect[name].value == pytest.approx(value)
        assert (perfect[name].low, perfect[name].high) == pytest.approx((value, value))
    mean = core_fidelity(X, np.tile(X.mean(0), (120, 1)), GAMES, **FAST)
    assert mean["explained_variance_score"].value == pytest.approx(0)
    assert mean["cosine_score"].value == pytest.approx(mean["cosine_score"].floors["mean activation"])
    assert mean["mse_error"].value == pytest.approx(mean["mse_error"].floors["mean activation"])
    dead = core_fidelity(X, np.zeros_like(X), GAMES, **FAST)
    assert (dead["cosine_score"].value, dead["l2_ratio"].value) == (0, 0)
    assert np.isnan(dead["reconstruction_bias"].value)
    assert "denominator" in dead["reconstruction_bias"].details["undefined"]
    double = core_fidelity(X, 2 * X, GAMES, **FAST)
    assert (double["l2_ratio"].value, double["reconstruction_bias"].value) == pytest.approx((2, 2))


def test_fidelity_is_independent_of_batches_rotation_and_type():
    whole = core_fidelity(X, X_HAT, GAMES, **FAST)
    order = np.random.default_rng(1).permutation(120)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    for other in [
        core_fidelity(X[order], X_HAT[order], GAMES[order], **FAST),
        core_fidelity(X @ turn, X_HAT @ turn, GAMES, **FAST),
        core_fidelity(torch.from_numpy(X), torch.from_numpy(X_HAT), GAMES, **FAST),
    ]:
        for name, score in whole.items():
            assert other[name].value == pytest.approx(score.value)
            assert (other[name].low, other[name].high) == pytest.approx((score.low, score.high))


def test_intervals_resample_games_not_positions():
    alike = np.repeat(np.random.default_rng(0).normal(size=(12, 6)), 10, axis=0)
    noise = np.repeat(np.random.default_rng(1).normal(size=(12, 6)), 10, axis=0)
    by_game = core_fidelity(alike, alike + noise, GAMES, n_resamples=500)["mse_error"]
    by_row = core_fidelity(alike, alike + noise, np.arange(120), n_resamples=500)["mse_error"]
    assert (by_game.high - by_game.low) > 2 * (by_row.high - by_row.low)


def logits(scale, seed, n=120, width=7):
    return np.random.default_rng(seed).normal(size=(n, width)) * scale


ALLOWED = np.random.default_rng(5).random((120, 7)) < 0.4
ALLOWED[:, 0] |= ~ALLOWED.any(1)
CLEAN = log_softmax(np.where(ALLOWED, 4.0, 0.0) + logits(0.3, 1), axis=1)
SAE = log_softmax(np.where(ALLOWED, 2.5, 0.0) + logits(0.5, 2), axis=1)
ZERO = log_softmax(logits(1.5, 3), axis=1)
MEAN = log_softmax(logits(0.7, 4), axis=1)


def test_behaviour_closed_forms():
    targets = np.array([np.random.default_rng(i).choice(np.flatnonzero(row)) for i, row in enumerate(ALLOWED)])
    scores = core_behaviour(CLEAN, SAE, ZERO, MEAN, ALLOWED, GAMES, targets=targets, **FAST)
    ce = {
        k: log_loss(targets, np.exp(v), labels=range(7)) for k, v in zip("pqzm", (CLEAN, SAE, ZERO, MEAN), strict=True)
    }
    kl = {k: rel_entr(np.exp(CLEAN), np.exp(v)).sum(1).mean() for k, v in zip("qzm", (SAE, ZERO, MEAN), strict=True)}
    value = {name: score.value for name, score in scores.items()}
    assert value["ce_recovered_zero_score"] == pytest.approx((ce["z"] - ce["q"]) / (ce["z"] - ce["p"]))
    assert value["ce_recovered_mean_score"] == pytest.approx((ce["m"] - ce["q"]) / (ce["m"] - ce["p"]))
    assert value["kl_recovered_zero_score"] == pytest.approx(1 - kl["q"] / kl["z"])
    assert value["kl_recovered_mean_score"] == pytest.approx(1 - kl["q"] / kl["m"])
    assert value["kl_error"] == pytest.approx(kl["q"])
    assert value["legal_top1_score"] == ALLOWED[np.arange(120), SAE.argmax(1)].mean()
    assert value["legal_mass_score"] == pytest.approx(np.exp(SAE)[ALLOWED].sum() / 120)
    assert scores["legal_mass_score"].ceilings["model"] == pytest.approx(np.exp(CLEAN)[ALLOWED].sum() / 120)
    for score in scores.values():
        assert score.low <= score.value <= score.high


def test_without_targets_the_truth_is_uniform_over_allowed_tokens():
    uniform = core_behaviour(CLEAN, SAE, ZERO, MEAN, ALLOWED, GAMES, **FAST)["ce_recovered_zero_score"].value
    truth = ALLOWED / ALLOWED.sum(1, keepdims=True)
    ce = [-(truth * v).sum(1).mean() for v in (CLEAN, SAE, ZERO)]
    assert uniform == pytest.approx((ce[2] - ce[1]) / (ce[2] - ce[0]))


@pytest.mark.parametrize(("stand_in", "zero", "mean"), [(CLEAN, 1, 1), (ZERO, 0, None), (MEAN, None, 0)])
def test_behaviour_limits(stand_in, zero, mean):
    scores = core_behaviour(CLEAN, stand_in, ZERO, MEAN, ALLOWED, GAMES, **FAST)
    for kind, value in (("zero", zero), ("mean", mean)):
        if value is not None:
            assert scores[f"ce_recovered_{kind}_score"].value == pytest.approx(value)
            assert scores[f"kl_recovered_{kind}_score"].value == pytest.approx(value)


def test_an_untrained_model_has_no_cross_entropy_to_recover():
    scores = core_behaviour(ZERO, ZERO, CLEAN, CLEAN, ALLOWED, GAMES, **FAST)
    assert np.isnan(scores["ce_recovered_zero_score"].value)
    assert "costs no cross-entropy" in scores["ce_recovered_zero_score"].details["undefined"]
    assert scores["kl_recovered_zero_score"].value == pytest.approx(1)


@pytest.mark.parametrize("broken", [False, True])
def test_a_mean_over_dimensions_is_noticed(monkeypatch, broken):
    if broken:
        real = core.fidelity_columns
        monkeypatch.setattr(core, "fidelity_columns", lambda *given: real(*given) / np.r_[6, np.ones(10)])
    value = core_fidelity(X, X_HAT, GAMES, **FAST)["mse_error"].value
    assert (value == pytest.approx(((X - X_HAT) ** 2).sum(1).mean())) == (not broken)


@pytest.mark.parametrize("broken", [False, True])
def test_a_lost_sign_is_noticed(monkeypatch, broken):
    if broken:
        real = GameTotals.ratio
        monkeypatch.setattr(GameTotals, "ratio", lambda *a, sign=1.0, **rest: real(*a, sign=abs(sign), **rest))
    value = core_fidelity(X, X, GAMES, **FAST)["explained_variance_score"].value
    perfect = value == pytest.approx(1.0)
    shifted = core_fidelity(X, X_HAT, GAMES, **FAST)["explained_variance_score"].value
    assert (perfect and shifted < 1) == (not broken)
