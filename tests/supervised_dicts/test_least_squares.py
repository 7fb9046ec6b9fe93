import fiducial.supervised_dicts.least_squares as module
import numpy as np
import pytest
import torch
from fiducial.models.dictionary import Dictionary
from fiducial.supervised_dicts.least_squares import fit_least_squares

N, D, F = 500, 8, 6
NAMES = [f"f{i}" for i in range(F)]
GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.rand(N, F, generator=GENERATOR) < torch.linspace(0.1, 0.8, F)
DIRECTIONS = torch.randn(F, D, generator=GENERATOR)
MEAN = torch.randn(D, generator=GENERATOR) * 10
X = MEAN + LABELS.float() @ DIRECTIONS


def check_planted(fit):
    found = fit(X, LABELS, feature_names=NAMES)
    torch.testing.assert_close(found.directions, DIRECTIONS, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.offset, MEAN, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.decode(LABELS.float()), X, atol=1e-4, rtol=0)
    assert ((found.encode(X) > 0) == LABELS).all()
    torch.testing.assert_close(found.encode(X), LABELS.float(), atol=1e-4, rtol=0)


def test_planted_directions_come_back():
    check_planted(fit_least_squares)


def test_broken_fits_would_be_noticed(monkeypatch):
    good = module.regress
    broken = {
        "no offset": lambda i, t, r=0.0: (torch.zeros(t.shape[1]), good(i, t, r)[1]),
        "sign": lambda i, t, r=0.0: (good(i, t, r)[0], -good(i, t, r)[1]),
        "shuffled": lambda i, t, r=0.0: (good(i, t, r)[0], good(i, t, r)[1].roll(1, 0)),
    }
    for wrong in broken.values():
        monkeypatch.setattr(module, "regress", wrong)
        with pytest.raises(AssertionError):
            check_planted(fit_least_squares)


def test_noise_leaves_the_directions_of_numpys_least_squares():
    noisy = X + torch.randn(N, D, generator=torch.Generator().manual_seed(1))
    found = fit_least_squares(noisy, LABELS, feature_names=NAMES)
    expected = np.linalg.lstsq(np.c_[np.ones(N), LABELS.numpy()], noisy.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.directions, expected[1:], atol=1e-4)
    np.testing.assert_allclose(found.offset, expected[0], atol=1e-4)


def test_collinear_and_constant_labels_are_no_trouble():
    labels = torch.cat([LABELS, ~LABELS[:, :1], LABELS[:, 1:2], torch.ones(N, 1, dtype=torch.bool)], 1)
    found = fit_least_squares(X, labels, feature_names=[str(i) for i in range(F + 3)])
    torch.testing.assert_close(found.decode(labels.float()), X, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.directions[1], DIRECTIONS[1] / 2, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.directions[1], found.directions[F + 1], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.directions[0], -found.directions[F], atol=1e-4, rtol=0)
    assert found.constant.nonzero().tolist() == [[F + 2]]
    assert found.directions[F + 2].norm() < 1e-5
    assert (found.encode(X)[:, F + 2] == 0).all()


def test_more_features_than_dimensions():
    labels = torch.rand(N, 40, generator=torch.Generator().manual_seed(2)) < 0.3
    found = fit_least_squares(X, labels, feature_names=[str(i) for i in range(40)], ridge=0.01)
    assert torch.isfinite(found.encode(X)).all()
    assert torch.isfinite(found.directions).all()


def test_permuted_labels_explain_nothing_on_held_out_rows():
    labels = LABELS[torch.randperm(N, generator=torch.Generator().manual_seed(3))]

    def explained(y):
        found = fit_least_squares(X[:250], y[:250], feature_names=NAMES)
        rest = X[250:]
        error = (rest - found.decode(y[250:].float())).square().sum()
        return float(1 - error / (rest - rest.mean(0)).square().sum())

    assert explained(LABELS) > 0.999
    assert explained(labels) < 0.05


def test_it_is_a_dictionary():
    found = fit_least_squares(X, LABELS, feature_names=NAMES)
    assert isinstance(found, Dictionary)
    assert found.latent_names == tuple(NAMES)
    assert (found.encode(X) >= 0).all()
    torch.testing.assert_close(found.decode(torch.eye(F)) - found.decode(torch.zeros(1, F)), found.directions)
    assert "6 latents on 8 dimensions" in repr(found)
    with pytest.raises(ValueError, match="ridge must be at least 0"):
        fit_least_squares(X, LABELS, feature_names=NAMES, ridge=-0.1)
    with pytest.raises(ValueError, match="labels must be bool"):
        fit_least_squares(X, LABELS.float(), feature_names=NAMES)
