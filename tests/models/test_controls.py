"""Controls: what each keeps and what each destroys."""

import numpy as np
import pytest
import torch
from fiducial.models.controls import (
    LinearDictionary,
    PermutedDictionary,
    identity_dictionary,
    neuron_dictionary,
    neurons_of,
    pca_dictionary,
    random_dictionary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

D = 7


def sample(n=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=generator) @ torch.randn(D, D, generator=generator) + 3.0


X = sample()


def explained_variance(dictionary, x):
    error = (dictionary.decode(dictionary.encode(x)) - x).square().sum()
    return 1 - float(error / (x - x.mean(0)).square().sum())


def test_random_dictionary_has_the_shape_and_l0_it_was_asked_for():
    made = random_dictionary(X, 20, 4, seed=1)
    latents = made.encode(X)
    assert made.directions.shape == (20, D)
    torch.testing.assert_close(made.directions.norm(dim=1), torch.ones(20))
    assert (latents > 0).sum(1).tolist() == [4] * len(X)
    # the k largest projections, by a plain sort
    projections = (X - X.mean(0)) @ made.directions.T
    for row, values in zip(latents[:20], projections[:20], strict=True):
        assert set(row.nonzero().flatten().tolist()) == set(np.argsort(-values.numpy())[:4].tolist())
    assert torch.equal(random_dictionary(X, 20, 4, seed=1).directions, made.directions)
    assert not torch.equal(random_dictionary(X, 20, 4, seed=2).directions, made.directions)


def test_the_gain_of_a_random_dictionary_is_the_best_one():
    made = random_dictionary(X, 20, 4)
    best = explained_variance(made, X)
    assert best > 0
    for factor in (0.9, 1.1):
        other = LinearDictionary("x", made.reading * factor, made.directions, made.centre, made.offset, made.k)
        assert explained_variance(other, X) < best


def test_random_dictionary_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_dictionary(X, 20, 4)
    assert torch.equal(torch.rand(3), expected)


def test_pca_agrees_with_scikit_learn():
    from sklearn.decomposition import PCA

    reference = PCA().fit(X.double().numpy())
    made = pca_dictionary(X)
    assert made.directions.shape == (2 * D, D)
    assert torch.equal(made.directions[:D], -made.directions[D:])
    cosines = np.abs((made.directions[:D].double().numpy() * reference.components_).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    scores = made.encode(X)[:, :D] - made.encode(X)[:, D:]
    np.testing.assert_allclose(np.abs(scores.numpy()), np.abs(reference.transform(X.double().numpy())), atol=2e-3)
    torch.testing.assert_close(made.decode(made.encode(X)), X, rtol=1e-4, atol=1e-3)
    two = pca_dictionary(X, n_components=2)
    assert explained_variance(two, X) == pytest.approx(reference.explained_variance_ratio_[:2].sum(), abs=1e-4)


def test_pca_is_fitted_on_what_it_was_given():
    held_out = sample(seed=9)
    made = pca_dictionary(X, n_components=3)
    assert explained_variance(made, held_out) < explained_variance(pca_dictionary(held_out, n_components=3), held_out)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=D, max_size=D), min_size=1, max_size=5))
def test_splitting_loses_nothing(rows):
    x = torch.tensor(rows)
    made = identity_dictionary(D)
    latents = made.encode(x)
    assert (latents >= 0).all()
    assert torch.equal(latents[:, :D] - latents[:, D:], x)
    assert not ((latents[:, :D] > 0) & (latents[:, D:] > 0)).any()
    assert torch.equal(made.decode(latents), x)


def test_keeping_k_keeps_the_largest_coordinates():
    latents = identity_dictionary(D, k=2).encode(X - 3.0)
    signed = latents[:, :D] - latents[:, D:]
    for row, x in zip(signed[:50], (X - 3.0)[:50], strict=True):
        kept = set(np.argsort(-np.abs(x.numpy()))[:2].tolist())
        assert set(row.nonzero().flatten().tolist()) == kept


def test_neurons_write_the_output_of_their_mlp():
    from fiducial.models.transformers import TransformerConfig, build_transformer

    model = build_transformer(TransformerConfig(2, 16, 2, 32, 10, 11), seed=0)
    hooks = ["blocks.1.mlp.out.hook_in", "blocks.1.mlp.hook_out"]
    _, cache = model.run_with_cache(torch.arange(10)[None], names_filter=hooks)
    neurons, output = (cache[hook].detach().flatten(0, 1) for hook in hooks)
    made = neurons_of(model, 1)
    assert made.name == "neurons of layer 1"
    latents = made.encode(neurons)
    assert torch.equal(latents[:, :32], neurons.relu())
    torch.testing.assert_close(made.decode(latents), output, rtol=1e-4, atol=1e-5)
    assert (neurons_of(model, 1, k=5).encode(neurons) > 0).sum(1).tolist() == [5] * 10
    with pytest.raises(ValueError, match="layer must be 0 to 1, got 2"):
        neurons_of(model, 2)


@given(st.integers(2, 40), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_permutation_leaves_no_latent_its_own_direction(n_latents, seed):
    base = random_dictionary(X, n_latents, 1, seed=0)
    decoder = PermutedDictionary(base, "decoder", seed=seed)
    encoder = PermutedDictionary(base, "encoder", seed=seed)
    assert torch.equal(decoder.encode(X), base.encode(X))
    assert torch.equal(encoder.directions, base.directions)
    same = (decoder.directions[:, None] == base.directions[None]).all(2)  # [new latent, old latent]
    assert same.sum(0).tolist() == [1] * n_latents
    assert not same.diagonal().any()
    assert torch.equal(encoder.encode(X)[:, 0] > 0, base.encode(X)[:, int(encoder._other[0])] > 0)


def test_permutations_spoil_the_reconstruction():
    base = identity_dictionary(D)
    for side in ("decoder", "encoder"):
        made = PermutedDictionary(base, side)
        assert made.name == f"identity, permuted {side}"
        assert explained_variance(made, X) < 0 < explained_variance(base, X)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="side must be 'decoder' or 'encoder', got 'left'"):
        PermutedDictionary(identity_dictionary(3), "left")
    with pytest.raises(ValueError, match="needs at least 2 latents, got 1"):
        PermutedDictionary(identity_dictionary(1, split=False), "encoder")
    with pytest.raises(ValueError, match="k must be 1 to 5, got 6"):
        random_dictionary(X, 5, 6)
    with pytest.raises(ValueError, match="n_components must be 1 to 7, got 8"):
        pca_dictionary(X, n_components=8)
    with pytest.raises(ValueError, match="activations hold NaN or infinity"):
        pca_dictionary(torch.full((4, 3), float("nan")))
    with pytest.raises(ValueError, match=r"must be floating \[N, d\], got torch.int64"):
        pca_dictionary(torch.zeros(4, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="the shapes do not fit together"):
        neuron_dictionary(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(ValueError, match="d_in must be at least 1, got 0"):
        identity_dictionary(0)


def test_a_random_dictionary_is_not_the_world_of_the_same_seed():
    """Both are drawn with numbers of a seed; one stream for both made chance level out of the truth."""
    from fiducial.games.synthetic import Synthetic

    for name in ("independent", "synthsaebench-64"):
        world = Synthetic(name)
        rows = world.sample(500, seed=0).activations
        made = random_dictionary(rows, 64, 4, seed=world.config.seed)
        nearest = (made.directions @ world.directions.T).max(0).values.mean()
        chance = (random_dictionary(rows, 64, 4, seed=1234).directions @ world.directions.T).max(0).values.mean()
        assert float(nearest) == pytest.approx(float(chance), abs=0.05)
