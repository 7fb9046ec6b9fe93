"""References are fitted where they are asked to be: on a device that refuses the CPU's tensors, with equal results."""

import dataclasses

import numpy as np
import pytest
import torch
from fiducial.supervised_dicts.attribute_probes import fit_attribute_probes
from fiducial.supervised_dicts.least_squares import fit_least_squares
from fiducial.supervised_dicts.least_squares_codes import fit_mse
from fiducial.supervised_dicts.minibatch_probes import fit_probes_in_batches
from fiducial.supervised_dicts.probes import fit_probes
from other_device import Elsewhere, OtherDevice

N, D, F = 600, 9, 14
RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(N, D)) @ RNG.normal(size=(D, D)) + RNG.normal(size=D)).float()
Y = (X.numpy() @ RNG.normal(size=(D, F)) + 2 * RNG.normal(size=(N, F))) > np.linspace(-4, 6, F)
Y[:, 3], Y[:, 5] = False, True  # labels that never vary
NAMES = [f"f{i}" for i in range(F)]
FITS = {
    "probes": lambda x, **device: fit_probes(x, Y, feature_names=NAMES, game_id=np.arange(N) // 10, **device),
    "probes, one penalty": lambda x, **device: fit_probes(x, Y, feature_names=NAMES, l2=3.0, **device),
    "least squares": lambda x, **device: fit_least_squares(x, Y, feature_names=NAMES, ridge=0.01, **device),
    "probes in batches": lambda x, **device: fit_probes_in_batches(
        x,
        np.packbits(Y, axis=1, bitorder="little"),
        feature_names=NAMES,
        epochs=2,
        batch_size=64,
        progress=False,
        **device,
    ),
}
ATTRIBUTES = {"a": torch.from_numpy(RNG.integers(0, 3, N)), "b": torch.from_numpy(RNG.integers(-1, 2, N))}
VALUES = {"a": ("x", "y", "z"), "b": ("p", "q")}


def tensors(dictionary):
    parts = {field.name: getattr(dictionary, field.name) for field in dataclasses.fields(dictionary)}
    return {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}


def assert_same(first, second):
    for name, part in tensors(first).items():
        np.testing.assert_array_equal(part.numpy(), tensors(second)[name].numpy(), err_msg=name)


@pytest.mark.parametrize("kind", FITS)
def test_fitted_elsewhere_and_brought_back(kind):
    plain = FITS[kind](X)
    with OtherDevice():
        made = FITS[kind](X, device="cuda")
        assert not any(isinstance(part, Elsewhere) for part in tensors(made).values())
    assert_same(made, plain)


@pytest.mark.parametrize("kind", FITS)
def test_activations_from_elsewhere_keep_the_dictionary_there(kind):
    plain = FITS[kind](X)
    with OtherDevice():
        made = FITS[kind](X.to("cuda"))
        assert all(isinstance(part, Elsewhere) for part in tensors(made).values())
        latents = made.encode(X.to("cuda"))
        assert made.decode(latents).device.type == "cuda"
        back = made.on("cpu")
    assert_same(back, plain)


@pytest.mark.parametrize("kind", ["logistic", "multinomial", "mse"])
def test_codes_of_attributes(kind):
    def fit(x):
        if kind == "mse":
            return fit_mse(x, ATTRIBUTES, VALUES, which=("a", "b"))
        return fit_attribute_probes(x, ATTRIBUTES, VALUES, which=("a", "b"), kind=kind)

    plain = fit(X)
    with OtherDevice():
        made = fit(X.to("cuda"))
        directions = made.directions.cpu()
    np.testing.assert_allclose(directions.numpy(), plain.directions.numpy(), atol=1e-6)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", FITS)
def test_on_a_cuda_device(kind):
    plain, made = FITS[kind](X), FITS[kind](X, device="cuda")
    np.testing.assert_allclose(made.scores(X).numpy(), plain.scores(X).numpy(), atol=2e-2)
