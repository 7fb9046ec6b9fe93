"""The oracle is exact on the rows of its sample and refuses all others."""

import numpy as np
import pytest
import torch
from fiducial.games.synthetic import Synthetic, SyntheticConfig
from fiducial.models.dictionary import Codes, Dictionary, encode_in_batches
from fiducial.models.oracle import OracleDictionary, oracle_dictionary
from fiducial.models.toy_superposition import ToyConfig, ToySuperposition


@pytest.fixture(scope="module", params=["synthsaebench-64", "circles", "planes", "superposition-8", "hierarchical"])
def made(request):
    world = Synthetic(request.param)
    sample = world.sample(3000, 0)
    return world, sample, oracle_dictionary(sample, world)


def test_it_decodes_every_row_and_says_which_features_fire(made):
    world, sample, oracle = made
    assert isinstance(oracle, Dictionary)
    latents = oracle.encode(sample.activations)
    assert latents.dtype == torch.float32
    assert latents.min() == 0
    torch.testing.assert_close(oracle.decode(latents), sample.activations, atol=2e-5, rtol=0)
    fires = np.zeros((3000, len(world.features)), np.bool_)
    for latent, owner in enumerate(oracle.latent_owner):
        fires[:, owner] |= latents[:, latent].numpy() > 0
    assert np.array_equal(fires, sample.features.unpack(sample.labels))
    assert oracle.latent_names == tuple(world.features.names[i] for i in oracle.latent_owner)
    assert oracle.directions.shape == (oracle.n_latents, oracle.d_in)


def test_lines_are_one_latent_and_planes_two_halves_an_axis(made):
    world, sample, oracle = made
    dims = np.bincount(world.owner)
    assert np.array_equal(np.bincount(oracle.latent_owner), np.where(dims == 2, 4, 1))
    if (dims == 1).all():
        assert torch.equal(oracle.directions, world.directions)
        codes = encode_in_batches(oracle, sample.activations)
        assert np.array_equal(codes.to_dense(), sample.magnitudes.toarray())
    else:
        first = int(np.flatnonzero(dims[oracle.latent_owner] == 2)[0])
        assert torch.equal(oracle.directions[first], -oracle.directions[first + 1])
        pairs = oracle.encode(sample.activations)[:, first : first + 2]
        assert (pairs.prod(1) == 0).all(), "both halves of an axis fire"


def test_a_row_encodes_the_same_in_any_batch_and_order(made):
    _, sample, oracle = made
    whole = oracle.encode(sample.activations)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(oracle.encode(sample.activations[order]), whole[order])
    assert torch.equal(oracle.encode(sample.activations[17:18]), whole[17:18])
    assert torch.equal(oracle.encode(sample.activations[5:5]), whole[5:5])
    assert torch.equal(oracle.encode(sample.activations.T.contiguous().T), whole)


def test_other_rows_are_refused_with_the_reason(made):
    world, sample, oracle = made
    for x in (
        sample.activations.half().float(),
        sample.activations + 1e-4,
        next(world.batches(64, 0)) + world.bias + 1,
    ):
        with pytest.raises(ValueError, match="float32 bytes"):
            oracle.encode(x)
    changed = sample.activations[:8].clone()
    changed[3, 0] += 1
    with pytest.raises(ValueError, match="row 3 "):
        oracle.encode(changed)
    with pytest.raises(ValueError, match="must be"):
        oracle.encode(sample.activations[:, 1:])
    with pytest.raises(ValueError, match="must be"):
        oracle.decode(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="the world is"):
        oracle_dictionary(sample, Synthetic(world.config, seed=world.config.seed + 1))


def test_rows_in_which_nothing_fires_are_alike_and_fine():
    world = Synthetic(SyntheticConfig(name="rare", n_features=8, width=8, p_max=0.01, magnitude_std=0.0, bias=1.0))
    sample = world.sample(2000, 0)
    oracle = oracle_dictionary(sample, world)
    assert len(np.unique(sample.activations.numpy(), axis=0)) < 100
    assert np.array_equal(oracle.encode(sample.activations).numpy(), sample.magnitudes.toarray())


def test_alike_rows_with_different_truth_are_noticed():
    """Mutation: a sample whose magnitudes were shuffled among equal rows."""
    world = Synthetic(SyntheticConfig(name="rare", n_features=8, width=8, p_max=0.2, magnitude_std=0.0))
    sample = world.sample(500, 0)
    sample.activations[:] = 0.0
    with pytest.raises(ValueError, match="told apart"):
        OracleDictionary(sample, world)


def test_it_serves_toy_models_too():
    world = ToySuperposition(ToyConfig(name="toy", n_features=40, width=10, density=0.01, importance=1.0, steps=400))
    sample = world.sample(2000, 0)
    oracle = oracle_dictionary(sample, world)
    codes = Codes.from_dense(oracle.encode(sample.activations))
    assert codes.l0 == pytest.approx(sample.true_l0)
    torch.testing.assert_close(oracle.decode(oracle.encode(sample.activations)), sample.activations, atol=1e-5, rtol=0)
