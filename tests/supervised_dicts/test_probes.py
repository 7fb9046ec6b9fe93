import dataclasses

import fiducial.supervised_dicts.probes as probes_module
import numpy as np
import pytest
import torch
from fiducial.models.dictionary import Dictionary
from fiducial.supervised_dicts.logistic import fit_logistic
from fiducial.supervised_dicts.probes import fit_probes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

N, D, F = 1200, 12, 20
NAMES = [f"f{i}" for i in range(F)]


def world(seed=0, sharpness=2.0):
    """Correlated activations with an offset, labels by noisy lines at prevalences from 2 % to 90 %."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, D)) @ (rng.normal(size=(D, D)) * np.linspace(0.1, 2, D)) + rng.normal(size=D) * 5
    lines = rng.normal(size=(F, D))
    margin = (x - x.mean(0)) @ lines.T
    margin /= margin.std(0)
    noise = rng.logistic(size=(N, F)) / sharpness
    shift = np.quantile(margin + noise, 1 - np.linspace(0.02, 0.9, F), axis=0).diagonal()
    return torch.from_numpy(x).float(), margin + noise > shift


X, Y = world()
GAME = np.arange(N) // 20


def check_against_sklearn(l2=3.0, **fields):
    probes = fit_probes(X, Y, feature_names=NAMES, l2=l2, tolerance=1e-5, **fields)
    assert probes.converged.all()
    scaled = ((X - X.mean(0)) / X.std(0)).double().numpy()
    for f in range(0, F, 3):
        theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=5000).fit(scaled, Y[:, f])
        ours = (probes.weights[f] * X.std(0)).numpy()
        np.testing.assert_allclose(ours, theirs.coef_[0], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(probes.scores(X)[:, f], theirs.predict_proba(scaled)[:, 1], atol=1e-3)


@pytest.mark.parametrize("l2", [0.1, 3.0, 300.0])
def test_probes_are_scikit_learns_logistic_regression(l2):
    check_against_sklearn(l2)


def test_a_wrong_objective_would_be_noticed(monkeypatch):
    def doubled(x, y, l2, **fields):
        return fit_logistic(x, y, 2 * l2, **fields)

    monkeypatch.setattr(probes_module, "fit_logistic", doubled)
    with pytest.raises(AssertionError):
        check_against_sklearn()


def test_features_that_a_line_separates_converge():
    y = (X @ torch.ones(D, 3) + torch.tensor([0.0, 5.0, -5.0])) > X.sum(1).mean()
    probes = fit_probes(X, y.numpy(), feature_names=["a", "b", "c"], l2=1e-3)
    assert probes.converged.all()
    assert ((probes.encode(X) > 0) == y).float().mean() > 0.995


def test_features_do_not_depend_on_each_other():
    alone = fit_probes(X, Y[:, 4:5], feature_names=["f4"], l2=3.0, tolerance=1e-4)
    together = fit_probes(X, np.tile(Y, 10), feature_names=[str(i) for i in range(10 * F)], l2=3.0, tolerance=1e-4)
    for copy in (4, 4 + 7 * F):  # in different blocks
        torch.testing.assert_close(together.weights[copy], alone.weights[0], atol=2e-3, rtol=2e-3)


def test_latents_are_probabilities_that_fire_where_f1_is_best():
    probes = fit_probes(X, Y, feature_names=NAMES, l2=3.0)
    assert isinstance(probes, Dictionary)
    latents, scores = probes.encode(X), probes.scores(X)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert torch.equal(latents, torch.where(scores > probes.cuts, scores, 0))
    assert torch.equal(probes.with_cuts(torch.zeros(F)).encode(X), scores)
    for f in range(F):
        fires, truth = latents[:, f].numpy() > 0, Y[:, f]
        best = max(
            2 * (truth & (scores[:, f].numpy() >= t)).sum() / (truth.sum() + (scores[:, f].numpy() >= t).sum())
            for t in scores[:, f].numpy()
        )
        assert 2 * (truth & fires).sum() / (truth.sum() + fires.sum()) == pytest.approx(best, abs=2e-3)


def test_decode_adds_directions_and_reconstructs():
    probes = fit_probes(X, Y, feature_names=NAMES, l2=3.0)
    latents = probes.encode(X)
    nothing = probes.decode(torch.zeros(1, F))
    torch.testing.assert_close(probes.decode(torch.eye(F)) - nothing, probes.directions, atol=1e-4, rtol=1e-4)
    error = (X - probes.decode(latents)).square().sum()
    assert 1 - error / (X - X.mean(0)).square().sum() > 0.3
    permuted = probes.decode(latents[torch.randperm(N, generator=torch.Generator().manual_seed(0))])
    assert (X - permuted).square().sum() > 1.2 * error


def test_permuted_labels_give_chance_on_held_out_games():
    train = GAME < 40
    shuffled = Y[np.random.default_rng(1).permutation(N)]

    def area(labels):
        probes = fit_probes(X[train], labels[train], feature_names=NAMES, l2=3.0)
        scores = probes.scores(X[~train]).numpy()
        return np.mean([roc_auc_score(labels[~train, f], scores[:, f]) for f in range(F)])

    assert area(Y) > 0.8
    assert area(shuffled) == pytest.approx(0.5, abs=0.05)


def test_constant_labels_are_flagged_and_stay_silent():
    labels = Y.copy()
    labels[:, 3], labels[:, 7] = True, False
    probes = fit_probes(X, labels, feature_names=NAMES, game_id=GAME)
    assert probes.constant.nonzero()[:, 0].tolist() == [3, 7]
    assert probes.l2[[3, 7]].isnan().all()
    assert (probes.encode(X)[:, [3, 7]] == 0).all()
    assert torch.isfinite(probes.decode(probes.encode(X))).all()
    nothing = fit_probes(X, np.zeros((N, F), bool), feature_names=NAMES)
    assert nothing.constant.all()
    torch.testing.assert_close(nothing.decode(nothing.encode(X)), X.mean(0).expand(N, D), atol=1e-4, rtol=1e-4)


def test_a_dimension_that_never_varies_and_a_repeated_one_do_no_harm():
    x = torch.cat([X, torch.full((N, 1), 7.0), X[:, :1]], 1)
    probes = fit_probes(x, Y, feature_names=NAMES, l2=3.0, tolerance=1e-4)
    assert (probes.weights[:, D] == 0).all()
    assert torch.isfinite(probes.weights).all()
    torch.testing.assert_close(probes.weights[:, 0], probes.weights[:, -1], atol=1e-3, rtol=1e-2)


def test_the_penalty_is_chosen_on_held_out_games_of_the_given_ones():
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(N, 60))).float()
    noisy = (x[:, :1].numpy() + 4 * rng.normal(size=(N, 10))) > 0  # little to learn in 60 dimensions
    clear = (x[:, :10] + x[:, 10:20] > 0).numpy()
    names = [str(i) for i in range(20)]
    probes = fit_probes(x, np.c_[noisy, clear], feature_names=names, l2=(1.0, 1e4), game_id=GAME, seed=0)
    assert (probes.l2[:10] == 1e4).float().mean() > 0.7
    assert (probes.l2[10:] == 1.0).all()
    again = fit_probes(x, np.c_[noisy, clear], feature_names=names, l2=(1e4, 1.0), game_id=GAME, seed=0)
    assert torch.equal(again.weights, probes.weights)


def test_packed_labels_are_the_same():
    packed = np.packbits(Y, axis=1, bitorder="little")
    a, b = (fit_probes(X, labels, feature_names=NAMES, l2=3.0) for labels in (Y, packed))
    assert all(torch.equal(getattr(a, f), getattr(b, f)) for f in ("weights", "biases", "cuts", "directions"))


def test_bad_input():
    with pytest.raises(ValueError, match=r"labels must be bool \[1200, 19\]"):
        fit_probes(X, Y, feature_names=NAMES[1:])
    for bad in (0.0, -1.0, float("inf"), float("nan"), (1.0, 0.0), ()):
        with pytest.raises(ValueError, match="l2 must be above 0"):
            fit_probes(X, Y, feature_names=NAMES, l2=bad)
    with pytest.raises(ValueError, match=r"needs game_id \[1200\], got none"):
        fit_probes(X, Y, feature_names=NAMES, l2=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"needs game_id \[1200\], got \[3\]"):
        fit_probes(X, Y, feature_names=NAMES, game_id=np.arange(3))
    probes = fit_probes(X, Y, feature_names=NAMES)
    with pytest.raises(ValueError, match=r"activations must be \[N, 12\], got \[5, 11\]"):
        probes.encode(torch.zeros(5, 11))
    with pytest.raises(ValueError, match=r"latents must be \[N, 20\], got \[5, 12\]"):
        probes.decode(torch.zeros(5, 12))


def test_too_few_steps_are_reported():
    probes = fit_probes(X, Y, feature_names=NAMES, l2=0.1, max_iter=1)
    assert not probes.converged.any()
    assert dataclasses.replace(probes, name="x").name == "x"
