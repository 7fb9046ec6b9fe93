import numpy as np
import pytest
import torch
from fiducial.supervised_dicts.least_squares_codes import fit_mse
from fiducial.supervised_dicts.mean import fit_mean
from fiducial.supervised_dicts.quality import (
    attention_terms,
    best_cosines,
    latent_weights,
    preserved_variance,
    weights,
)
from planted_attributes import TRUE, VALUES, activations, crossed, drawn

ATTRIBUTES = drawn(400)
X = activations(ATTRIBUTES, noise=0.7)


def check_shares(measure):
    """Independent attributes: shares are those of the planted directions and add up to the whole."""
    attributes = crossed(8)
    x = activations(attributes, noise=0.7)
    got = measure(fit_mean(x, attributes, VALUES), x, attributes)
    planted = {name: float(TRUE[name].square().sum(1).mean()) for name in VALUES}
    total = sum(planted.values()) + 12 * 0.7**2
    assert got["all"] == pytest.approx(sum(planted.values()) / total, abs=0.03)
    for name in VALUES:
        assert got[name] == pytest.approx(planted[name] / total, abs=0.03)
    assert sum(got[name] for name in VALUES) == pytest.approx(got["all"], abs=1e-4)


def test_shares_of_independent_attributes_add_up():
    check_shares(preserved_variance)


def test_broken_measures_would_be_noticed():
    def uncentred(made, x, attributes):
        shares = preserved_variance(made, x, attributes)
        ratio = float((x - x.mean(0)).square().sum() / x.square().sum())
        return {name: share * ratio for name, share in shares.items()}

    def permuted(made, x, attributes):
        return preserved_variance(made, x, {k: np.roll(v, 1) for k, v in attributes.items()})

    for broken in (uncentred, permuted):
        with pytest.raises(AssertionError):
            check_shares(broken)


def test_preserved_variance_is_sklearns_r2_weighted_by_variance():
    from sklearn.metrics import r2_score

    made = fit_mse(X[:300], {k: v[:300] for k, v in ATTRIBUTES.items()}, VALUES)
    held = {k: v[300:] for k, v in ATTRIBUTES.items()}
    expected = r2_score(X[300:].numpy(), made.reconstruct(held).numpy(), multioutput="variance_weighted")
    assert preserved_variance(made, X[300:], held)["all"] == pytest.approx(expected, abs=1e-5)
    for form in ("coupled", "slots"):
        made = fit_mse(X, ATTRIBUTES, VALUES, parametrisation=form)
        expected = r2_score(X.numpy(), made.reconstruct(ATTRIBUTES).numpy(), multioutput="variance_weighted")
        assert preserved_variance(made, X, ATTRIBUTES)["all"] == pytest.approx(expected, abs=1e-5)


def test_limits():
    made = fit_mean(activations(crossed()), crossed(), VALUES)
    assert preserved_variance(made, activations(crossed()), crossed())["all"] == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="do not vary"):
        preserved_variance(made, torch.ones(400, 12), ATTRIBUTES)
    with pytest.raises(ValueError, match="10 activations and 400 values"):
        preserved_variance(made, X[:10], ATTRIBUTES)
    with pytest.raises(ValueError, match=r"must be \[N, 12\]"):
        preserved_variance(made, X[:, :3], ATTRIBUTES)


@pytest.mark.parametrize("form", ["independent", "coupled", "slots"])
def test_weights_sum_to_one_and_are_the_plain_ones(form):
    made = fit_mse(X, ATTRIBUTES, VALUES, parametrisation=form)
    got = weights(made, ATTRIBUTES)
    torch.testing.assert_close(got.sum(1), torch.ones(400, dtype=torch.float64))
    codes = made.codes(ATTRIBUTES)
    by_latent = latent_weights(codes, made.directions)
    torch.testing.assert_close(by_latent.sum(1), torch.ones(400, dtype=torch.float64))
    for n in range(20):
        total = (made.reconstruct(ATTRIBUTES)[n] - made.offset).double()
        plain = [float(made.directions[h].double() @ total / (total @ total)) for h in codes[n].nonzero()[:, 0]]
        np.testing.assert_allclose(got[n], plain, atol=1e-5)
        np.testing.assert_allclose(by_latent[n][codes[n] > 0], plain, atol=1e-5)


def test_weights_of_dead_rows_are_zero():
    directions = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    latents = torch.tensor([[0.0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [1, 0, 0, 0, 3]])
    got = latent_weights(latents, directions)
    assert torch.equal(got[0], torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(got[1], torch.tensor([0, 1.0, 0, 0, 0], dtype=torch.float64))
    total = directions[0] + 3 * directions[4]
    assert float(got[2, 4]) == pytest.approx(float(3 * directions[4] @ total / (total @ total)), abs=1e-6)
    with pytest.raises(ValueError, match="do not fit"):
        latent_weights(latents, directions[:4])


def test_best_cosines():
    made = fit_mean(X, ATTRIBUTES, VALUES)
    found = best_cosines(made, torch.cat([-made.directions[:1], 3 * made.directions[2:3]]))
    assert found["IO"].shape == (5,)
    assert float(found["IO"][2]) == pytest.approx(1, abs=1e-6)
    assert float(found["IO"][0]) < 0.99
    assert (found["S"] < 0.999).all()


def test_attention_terms_sum_to_the_score():
    query, key = fit_mse(X, ATTRIBUTES, VALUES), fit_mean(X * 2, ATTRIBUTES, VALUES, which=("S", "Pos"))
    terms = attention_terms(query, key, ATTRIBUTES, ATTRIBUTES)
    assert set(terms) == {(a, b) for a in ("mean", "IO", "S", "Pos") for b in ("mean", "S", "Pos")}
    score = (query.reconstruct(ATTRIBUTES) * key.reconstruct(ATTRIBUTES)).sum(1).double() / 12**0.5
    torch.testing.assert_close(sum(terms.values()), score, atol=1e-4, rtol=1e-5)
    u, v = query.directions[ATTRIBUTES["IO"][3]], key.directions[ATTRIBUTES["S"][3]]
    assert float(terms["IO", "S"][3]) == pytest.approx(float(u @ v) / 12**0.5, abs=1e-5)
    narrow = fit_mean(X[:, :5], ATTRIBUTES, VALUES)
    with pytest.raises(ValueError, match="differ in width"):
        attention_terms(query, narrow, ATTRIBUTES, ATTRIBUTES)
