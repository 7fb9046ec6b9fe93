"""Oracle encoders: equal to scipy's and sklearn's solvers, non-negative, the same in any batch."""

import numpy as np
import pytest
import torch
from fiducial.models.controls import LinearDictionary
from fiducial.models.dictionary import Dictionary
from fiducial.models.oracle_encoder import with_oracle_directions, with_oracle_encoder
from scipy.optimize import nnls
from sklearn.linear_model import Lasso


def made(n=20, d=12, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n, d)) * scale
    units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    offset = torch.from_numpy(rng.normal(size=d)).float()
    weights = torch.from_numpy(directions).float()
    base = LinearDictionary("base", weights.T.contiguous(), weights, offset, offset)
    codes = np.where(rng.random((200, n)) < 0.08, 1 + rng.random((200, n)), 0.0)
    x = torch.from_numpy(codes @ units).float() + offset
    return base, units, codes, x


BASE, UNITS, CODES, X = made()
MAKERS = [{"l0": 4}, {"method": "lasso", "alpha": 0.05}]


@pytest.mark.parametrize("options", MAKERS)
def test_contract(options):
    coded = with_oracle_encoder(BASE, **options)
    assert isinstance(coded, Dictionary)
    latents = coded.encode(X)
    assert latents.shape == (200, 20)
    assert latents.dtype == torch.float32
    assert (latents >= 0).all()
    torch.testing.assert_close(coded.encode(X[3:4]), latents[3:4])
    torch.testing.assert_close(coded.directions.norm(dim=1), torch.ones(20))
    torch.testing.assert_close(coded.decode(torch.zeros(1, 20))[0], BASE.offset)
    assert coded.decode(latents).shape == X.shape
    assert coded.encode(X[:0]).shape == (0, 20) if "l0" in options else True


def test_matching_pursuit_finds_the_code_on_orthogonal_directions():
    directions = torch.eye(8)
    base = LinearDictionary("eye", directions, directions, torch.zeros(8), torch.zeros(8))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 8))).float()
    latents = with_oracle_encoder(base, l0=8, tolerance=0.0).encode(x)
    torch.testing.assert_close(latents, x.relu())
    two = with_oracle_encoder(base, l0=2, tolerance=0.0).encode(x)
    assert ((two > 0).sum(1) <= 2).all()
    torch.testing.assert_close(two.max(1).values, x.relu().max(1).values)


def test_sizes_are_those_of_non_negative_least_squares_on_the_chosen():
    latents = with_oracle_encoder(BASE, l0=3).encode(X).double().numpy()
    centred = (X - BASE.offset).double().numpy()
    for row in range(0, 200, 7):
        chosen = np.flatnonzero(latents[row])
        if len(chosen):
            best = nnls(UNITS[chosen].T, centred[row])[1]
            ours = np.linalg.norm(centred[row] - latents[row] @ UNITS)
            assert ours <= best + 0.03 * np.linalg.norm(centred[row])
            assert ours >= best - 1e-5
    right = ((latents > 0.3) == (CODES > 0)).mean()
    assert right > 0.97


def test_it_ends_where_nothing_is_left_and_never_takes_a_dead_direction():
    weights = BASE.directions.clone()
    weights[0] = 0
    base = LinearDictionary("base", weights.T.contiguous(), weights, BASE.offset, BASE.offset)
    latents = with_oracle_encoder(base, l0=10).encode(X)
    assert (latents[:, 0] == 0).all()
    assert (with_oracle_encoder(base, l0=10).encode(BASE.offset[None]) == 0).all()
    single = BASE.offset + 2 * torch.from_numpy(UNITS[5:6]).float()
    found = with_oracle_encoder(base, l0=10).encode(single)[0]
    assert found.nonzero().flatten().tolist() == [5]
    assert float(found[5]) == pytest.approx(2, rel=1e-5)


def test_lasso_equals_sklearn():
    coded = with_oracle_encoder(BASE, method="lasso", alpha=0.1).encode(X[:20])
    for row in range(20):
        model = Lasso(alpha=0.1 / 12, positive=True, fit_intercept=False, max_iter=5000, tol=1e-6)
        model.fit(UNITS.T, (X[row] - BASE.offset).double().numpy())
        np.testing.assert_allclose(coded[row].numpy(), model.coef_, atol=2e-3)


def test_true_directions_are_projections_on_what_is_matched():
    true = torch.from_numpy(np.random.default_rng(4).normal(size=(6, 12))).float()
    assignment = np.array([0, 1, -1, 4] + [-1] * 16)
    owner = np.array([0, 1, 2, 3, 4, 4])
    exchanged = with_oracle_directions(BASE, true, assignment, owner=owner)
    assert isinstance(exchanged, Dictionary)
    unit = true / true.norm(dim=1, keepdim=True)
    for latent in (0, 1):
        along = float(BASE.directions[latent] @ unit[latent])
        torch.testing.assert_close(exchanged.directions[latent], max(along, 0) * unit[latent])
    basis = np.linalg.qr(true[4:].numpy().T)[0]
    expected = basis @ basis.T @ BASE.directions[3].numpy()
    np.testing.assert_allclose(exchanged.directions[3].numpy(), expected, atol=1e-4)
    latents = exchanged.encode(X)
    silent = (exchanged.directions == 0).all(1)
    assert silent[2]
    assert (latents[:, silent] == 0).all()
    torch.testing.assert_close(latents[:, ~silent], BASE.encode(X)[:, ~silent])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: with_oracle_encoder(BASE), "needs l0 from 1 to 20"),
        (lambda: with_oracle_encoder(BASE, l0=21), "needs l0 from 1 to 20"),
        (lambda: with_oracle_encoder(BASE, method="lasso"), "lasso needs alpha > 0"),
        (lambda: with_oracle_encoder(BASE, method="magic"), "method must be"),
        (lambda: with_oracle_encoder(BASE, l0=2).encode(X[:, :3]), r"must be \[N, 12\]"),
        (lambda: with_oracle_encoder(BASE, l0=2).encode(X * float("nan")), "NaN"),
        (lambda: with_oracle_encoder(BASE, l0=2).decode(X), r"must be \[N, 20\]"),
        (lambda: with_oracle_directions(BASE, torch.eye(12), np.zeros(3, int)), r"assignment must be \[20\]"),
        (lambda: with_oracle_directions(BASE, torch.eye(12), np.full(20, 40)), "own no true direction"),
    ],
)
def test_errors_teach(call, match):
    with pytest.raises(ValueError, match=match):
        call()
