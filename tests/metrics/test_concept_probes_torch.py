"""Many concept probes at once equal those fitted one by one, and stay on the device they are sent to."""

import numpy as np
import pytest
import torch
from fiducial.metrics.concept_probes import Standard, fit_probe, fit_probe_l1, standard_of
from fiducial.metrics.concept_probes_torch import fit_probes, fit_probes_l1
from other_device import OtherDevice


def sample(seed=0, n=97, d=6, probes=5, *, own=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(probes, n, d) if own else (n, d)) * 3 + 1
    lines = rng.normal(size=(probes, d))
    z = np.einsum("pnd,pd->pn", np.broadcast_to(x, (probes, n, d)), lines)
    return x, z + 3 * rng.normal(size=z.shape) > np.quantile(z, 0.7), rng.uniform(0.0, 2, z.shape)


def one_by_one(fit, x, y, weights, *more):
    return np.stack([fit(x[p] if x.ndim == 3 else x, y[p], weights[p], *more) for p in range(len(y))])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("l2", [1e-4, 1e-1])
def test_squared_penalty(own, l2):
    x, y, weights = sample(own=own)
    y[0] = x[..., 0].reshape(-1, x.shape[-2])[0] > 1  # a line separates it
    standards = [standard_of(one) for one in x] if own else standard_of(x)
    got = fit_probes(x, y, weights, l2, standards, elements=2 * x.shape[-2] * 7)
    for p, mine in enumerate(got):
        standard = standards[p] if own else standards
        plain = fit_probe(x[p] if own else x, y[p], weights[p], l2, standard)
        np.testing.assert_allclose(mine, plain, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("l1", [1e-3, 2e-2])
def test_published_penalty(own, l1):
    x, y, weights = sample(1, own=own)
    got = fit_probes_l1(x, y, weights, l1)
    np.testing.assert_allclose(got, one_by_one(fit_probe_l1, x, y, weights, l1), rtol=1e-6, atol=1e-7)


def test_each_with_its_own_scale_on_shared_activations():
    x, y, weights = sample(2)
    standards = [Standard(np.full(6, float(p)), 1.0 + p) for p in range(len(y))]
    got = fit_probes(x, y, weights, 1e-2, standards)
    plain = [fit_probe(x, y[p], weights[p], 1e-2, standards[p]) for p in range(len(y))]
    np.testing.assert_allclose(got, np.stack(plain), rtol=1e-7, atol=1e-9)


def test_a_wrong_penalty_would_be_noticed():
    x, y, weights = sample()
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            fit_probes(x, y, weights, 1.01e-2, standard_of(x)),
            one_by_one(fit_probe, x, y, weights, 1e-2, standard_of(x)),
            rtol=1e-7,
            atol=1e-9,
        )


def test_nothing_of_it_stays_on_the_cpu():
    x, y, weights = sample()
    plain, sparse = fit_probes(x, y, weights, 1e-2, standard_of(x)), fit_probes_l1(x, y, weights)
    with OtherDevice():
        got = fit_probes(x, y, weights, 1e-2, standard_of(x), device="cuda")
        got_sparse = fit_probes_l1(x, y, weights, device="cuda")
    np.testing.assert_array_equal(got, plain)
    np.testing.assert_array_equal(got_sparse, sparse)


def test_what_does_not_fit_is_refused():
    x, y, weights = sample()
    with pytest.raises(ValueError, match="l2 must be above 0"):
        fit_probes(x, y, weights, 0.0, standard_of(x))
    with pytest.raises(ValueError, match="all weights"):
        fit_probes(x, y, weights * 0, 1.0, standard_of(x))
    with pytest.raises(ValueError, match="expected x"):
        fit_probes(x, y[:, 1:], weights[:, 1:], 1.0, standard_of(x))
    with pytest.raises(ValueError, match="one for each of 5"):
        fit_probes(x, y, weights, 1.0, [standard_of(x)])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_cuda_device():
    x, y, weights = sample(3, 400, 40)
    got = fit_probes(x, y, weights, 1e-2, standard_of(x), device="cuda")
    np.testing.assert_allclose(got, one_by_one(fit_probe, x, y, weights, 1e-2, standard_of(x)), rtol=1e-6, atol=1e-8)
