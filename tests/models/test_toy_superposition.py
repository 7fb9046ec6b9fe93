"""Toy models: superposition appears with sparsity, and the world tells what the model stores."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.games.synthetic_rows import PlantedWorld
from fiducial.models.toy_superposition import TOY_MODELS, ToyConfig, ToySuperposition, train_toy

DENSE = ToyConfig(name="dense", density=1.0, importance=0.7, steps=1200, batch_size=512, lr=6e-3)
SPARSE = ToyConfig(name="sparse", density=0.03, steps=1000, batch_size=512, lr=6e-3)


@pytest.fixture(scope="module")
def dense():
    return ToySuperposition(DENSE)


@pytest.fixture(scope="module")
def sparse():
    return ToySuperposition(SPARSE)


def test_dense_inputs_leave_the_most_important_features_like_pca(dense):
    norms = dense.model.weight.norm(dim=0).numpy()
    assert dense.represented.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(norms[:5], 1, atol=0.05)
    assert norms[5:].max() < 0.15
    cosines = (dense.directions @ dense.directions.T).fill_diagonal_(0).abs()
    assert cosines.max() < 0.05, "the kept features are orthogonal"
    importance = 0.7 ** np.arange(20)
    left_out = (importance[5:] / 12).sum()  # the variance of a number even in [0, 1]
    assert dense.model.losses[-200:].mean() == pytest.approx(left_out, rel=0.1)


def test_sparse_inputs_give_more_features_than_dimensions(dense, sparse):
    assert len(sparse.represented) > 2 * 5
    cosines = (sparse.directions @ sparse.directions.T).fill_diagonal_(0)
    assert cosines.abs().max() > 0.3, "they cannot be orthogonal"
    assert len(sparse.represented) > len(dense.represented)


def test_training_is_a_function_of_the_configuration(sparse):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = train_toy(SPARSE)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(again.weight, sparse.model.weight)
    assert np.array_equal(again.losses, sparse.model.losses)
    assert not torch.equal(
        train_toy(replace(SPARSE, steps=3), seed=1).weight, train_toy(replace(SPARSE, steps=3)).weight
    )
    assert again.losses[-100:].mean() < 0.5 * again.losses[:5].mean()


def test_the_loss_is_that_of_the_paper():
    """One step by hand: sum over features of importance * (x - relu(W'W x + b)) ** 2, averaged over rows."""
    config = ToyConfig(name="x", n_features=6, width=2, density=0.5, importance=0.7, steps=1, batch_size=32)
    model = train_toy(config)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 6, generator=generator) / 6**0.5
    x = torch.rand(32, 6, generator=generator) * (torch.rand(32, 6, generator=generator) < 0.5)
    loss = sum(0.7**i * (x[:, i] - (x @ weight.T @ weight[:, i]).relu()).square().mean() for i in range(6))
    assert model.losses[0] == pytest.approx(float(loss), rel=1e-5)


def test_it_is_a_world_like_the_others(sparse):
    assert isinstance(sparse, PlantedWorld)
    sample = sparse.sample(3000, 0)
    assert sample.magnitudes.shape == (3000, len(sparse.features)) == (3000, len(sparse.directions))
    assert np.array_equal(sample.magnitudes.toarray() > 0, sample.features.unpack(sample.labels))
    np.testing.assert_allclose(sparse.directions.norm(dim=1), 1, atol=1e-6)
    assert np.array_equal(sparse.owner, np.arange(len(sparse.features)))
    rest = sample.activations.numpy() - sample.magnitudes @ sparse.directions.numpy()
    gone = np.setdiff1d(np.arange(20), sparse.represented)
    assert np.abs(rest).max() <= float(sparse.model.weight[:, gone].norm(dim=0).sum()) + 1e-6
    assert sparse.unrepresented == tuple(f"feature {i}" for i in gone)
    rates = sample.features.unpack(sample.labels).mean(0)
    assert np.abs(rates - 0.03).max() < 5 * np.sqrt(0.03 / 3000)
    short = sparse.sample(100, 0)
    assert short.activations.numpy().tobytes() == sample.activations[:100].numpy().tobytes()
    assert next(sparse.batches(10, 0)).shape == (10, 5)
    other = ToySuperposition(replace(SPARSE, steps=100), seed=2)
    assert other.version != sparse.version
    assert not torch.equal(other.model.weight, sparse.model.weight)


def test_behaviour_is_what_the_model_restores(sparse):
    x = torch.zeros(20, 20).fill_diagonal_(1.0)
    restored = sparse.behaviour(sparse.model.hidden(x))
    kept = torch.from_numpy(sparse.represented)
    assert (restored.argmax(1)[kept] == kept).float().mean() > 0.9
    assert restored.min() >= 0
    torch.testing.assert_close(restored, (x @ sparse.model.weight.T @ sparse.model.weight + sparse.model.bias).relu())
    with pytest.raises(ValueError, match="activations"):
        sparse.behaviour(x)


def test_what_cannot_be_is_refused():
    with pytest.raises(KeyError, match="toy-sparse"):
        ToySuperposition("toy-spars")
    with pytest.raises(ValueError, match="represents none"):
        ToySuperposition(replace(SPARSE, steps=1, represented_from=99.0))
    for field, value in (("density", 0.0), ("importance", 1.5), ("width", 0), ("lr", 0.0)):
        with pytest.raises(ValueError, match=field):
            replace(SPARSE, **{field: value})
    assert all(name == config.name for name, config in TOY_MODELS.items())
