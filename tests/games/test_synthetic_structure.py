"""What is drawn once for a world: compared with sae_lens, brute force and the published figures."""

import itertools
import json
import time

import numpy as np
import pytest
import torch
from fiducial.games.synthetic import SYNTHETIC_WORLDS, Synthetic, SyntheticConfig
from fiducial.games.synthetic_config import Correlation, Hierarchy
from fiducial.games.synthetic_structure import exclusive_win, push_apart
from sae_lens.synthetic import (
    FeatureDictionary,
    FoldedNormalMagnitudeConfig,
    HierarchyConfig,
    LinearMagnitudeConfig,
    LowRankCorrelationConfig,
    OrthogonalizationConfig,
    SyntheticModel,
    SyntheticModelConfig,
    ZipfianFiringProbabilityConfig,
    orthogonalize_embeddings,
)

PUBLISHED = SYNTHETIC_WORLDS["synthsaebench-16k"]


def model_of(config: SyntheticConfig) -> SyntheticModelConfig:
    """The same numbers in sae_lens's own configuration."""
    return SyntheticModelConfig(
        num_features=config.n_features,
        hidden_dim=config.width,
        firing_probability=ZipfianFiringProbabilityConfig(
            exponent=config.exponent, max_prob=config.p_max, min_prob=config.p_min
        ),
        hierarchy=HierarchyConfig(
            total_root_nodes=config.hierarchy.roots,
            branching_factor=config.hierarchy.branching,
            max_depth=config.hierarchy.depth,
            mutually_exclusive_portion=config.hierarchy.exclusive,
            compensate_probabilities=True,
            scale_children_by_parent=config.hierarchy.scale_by_parent,
        ),
        orthogonalization=OrthogonalizationConfig(num_steps=config.orthogonal_steps, lr=config.orthogonal_lr),
        correlation=LowRankCorrelationConfig(rank=config.correlation.rank, correlation_scale=config.correlation.scale),
        mean_firing_magnitudes=LinearMagnitudeConfig(*config.magnitude),
        std_firing_magnitudes=FoldedNormalMagnitudeConfig(config.magnitude_std, config.magnitude_std_spread),
        bias=config.bias,
        seed=config.seed,
    )


def test_the_16k_world_is_the_published_one_field_by_field():
    """Figures of arXiv 2602.14687, version 2 of the released configuration."""
    assert (PUBLISHED.n_features, PUBLISHED.width) == (16_384, 768)
    assert (PUBLISHED.frequency, PUBLISHED.exponent, PUBLISHED.p_min, PUBLISHED.p_max) == ("zipf", 0.5, 5e-4, 0.4)
    assert PUBLISHED.hierarchy == Hierarchy(
        roots=128, branching=4, depth=3, exclusive=1.0, compensation="published", scale_by_parent=True
    )
    assert PUBLISHED.hierarchy.size == 10_880
    assert PUBLISHED.correlation == Correlation(rank=25, scale=0.1)
    assert (PUBLISHED.orthogonal_steps, PUBLISHED.orthogonal_lr) == (100, 3e-4)
    assert PUBLISHED.magnitude == (5.0, 4.0)
    assert (PUBLISHED.magnitude_std, PUBLISHED.magnitude_std_spread) == (0.5, 0.5)
    assert (PUBLISHED.bias, PUBLISHED.noise, PUBLISHED.seed) == (0.5, 0.0, 42)


@pytest.mark.parametrize("name", ["synthsaebench-64", "synthsaebench-256"])
def test_parameters_equal_those_of_sae_lens(name):
    config = SYNTHETIC_WORLDS[name].changed(orthogonal_steps=25)  # theirs takes seconds for 100
    ours, theirs = Synthetic(config), SyntheticModel(model_of(config))
    generator = theirs.activation_generator
    torch.testing.assert_close(ours._generator.firing_probabilities, generator.firing_probabilities)
    torch.testing.assert_close(ours._generator.mean_firing_magnitudes, generator.mean_firing_magnitudes)
    torch.testing.assert_close(ours._generator.std_firing_magnitudes, generator.std_firing_magnitudes)
    for mine, other in zip(ours._generator.low_rank_correlation, generator.low_rank_correlation, strict=True):
        assert torch.equal(mine, other)
    assert ours._forest.nodes == theirs.hierarchy
    assert torch.equal(ours.bias, theirs.feature_dict.bias)
    off = ours.directions - theirs.feature_dict.feature_vectors.detach()
    assert off.abs().max() < 2e-3
    assert off.abs().mean() < 2e-6


@pytest.mark.parametrize(("n", "width", "lr"), [(24, 32, 0.01), (100, 16, 0.01), (80, 32, 3e-4)])
def test_pushing_apart_is_that_of_sae_lens(n, width, lr):
    start = FeatureDictionary(n, width, False, initializer=None, seed=1).feature_vectors.detach()
    kept = start.clone()
    ours, theirs = push_apart(start, 50, lr), orthogonalize_embeddings(start, 50, lr, chunk_size=16)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)
    assert torch.equal(start, kept)
    assert (ours - start).abs().max() > 1e-3, "the test would not notice a function that does nothing"


def test_exclusive_win_by_brute_force():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 8):
        active = rng.uniform(size=n)
        wanted = np.zeros(n)
        for states in itertools.product((0, 1), repeat=n):
            chances = np.where(states, active, 1 - active)
            for i in range(n):
                if states[i]:
                    wanted[i] += np.delete(chances, i).prod() / sum(states)
        np.testing.assert_allclose(exclusive_win(active), wanted, rtol=1e-12)


def test_published_compensation_misses_the_rates_and_expectation_knows_by_how_much():
    base = SYNTHETIC_WORLDS["synthsaebench-64"].changed(correlation=None)
    world = Synthetic(base)
    assert np.abs(world.expected_rates / world.asked_rates - 1).max() > 0.2
    sample = world.sample(20_000, 0)
    seen = sample.features.unpack(sample.labels).mean(0)
    z = (seen - world.expected_rates) / np.sqrt(world.expected_rates / 20_000)
    assert np.abs(z).max() < 4.5
    assert np.abs((seen - world.asked_rates) / np.sqrt(world.asked_rates / 20_000)).max() > 10


def test_what_cannot_be_is_refused():
    base = SYNTHETIC_WORLDS["hierarchical-exclusive"]
    spec = Hierarchy(roots=8, branching=3, depth=2, exclusive=1.0, child_rate=0.4)
    with pytest.raises(ValueError, match="exclusive siblings do not allow"):
        Synthetic(base.changed(hierarchy=spec))
    contradiction = Correlation(pairs=((0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)))
    with pytest.raises(ValueError, match="contradict"):
        Synthetic(base.changed(hierarchy=None, correlation=contradiction)).sample(1, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("p_max", 0.0), ("p_max", 1.5), ("n_features", 0), ("width", 0), ("frequency", "zipfian"), ("exponent", 0.0),
        ("magnitude", (0.0, 1.0)), ("noise", -1.0), ("noise", float("nan")), ("n_planes", 99), ("seed", -1),
    ],
)  # fmt: skip
def test_fields_out_of_range_are_named(field, value):
    with pytest.raises(ValueError, match=field if field != "n_planes" else "planes"):
        SyntheticConfig(**{"name": "x", "n_features": 4, "width": 4, "p_max": 0.1, field: value})


def test_more_refusals():
    for make, hint in (
        (lambda: Hierarchy(roots=0, branching=2, depth=1), "roots"),
        (lambda: Hierarchy(roots=1, branching=1, depth=1), "branching"),
        (lambda: Hierarchy(roots=1, branching=2, depth=1, compensation="some"), "compensation"),
        (lambda: Correlation(), "rank"),
        (lambda: Correlation(rank=25, scale=0.3), "variance"),
        (lambda: Correlation(pairs=((0, 0, 0.5),)), "pair"),
    ):
        with pytest.raises(ValueError, match=hint):
            make()


def test_configurations_survive_json_and_their_digest_is_of_what_matters():
    for config in SYNTHETIC_WORLDS.values():
        again = SyntheticConfig.from_dict(json.loads(json.dumps(config.to_dict())))
        assert again == config
        assert again.digest == config.digest
        assert config.changed(about="other words").digest == config.digest
    digests = {config.digest for config in SYNTHETIC_WORLDS.values()}
    assert len(digests) == len(SYNTHETIC_WORLDS)


@pytest.mark.slow
def test_the_16k_world_streams():
    world = Synthetic(PUBLISHED.changed(orthogonal_steps=1))
    started = time.process_time()
    sample = world.sample(4096, 0)
    assert time.process_time() - started < 120
    assert sample.true_l0 == pytest.approx(34.6, abs=0.5)  # published: about 34
    rest = sample.activations.numpy() - (sample.magnitudes @ world.directions.numpy() + world.bias.numpy())
    assert not rest.any()
