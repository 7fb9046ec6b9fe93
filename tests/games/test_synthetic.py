"""Rows of synthetic worlds: frozen, true, and as frequent and related as asked."""

import random

import numpy as np
import pytest
import torch
from fiducial.games.synthetic import SYNTHETIC_WORLDS, Synthetic, SyntheticConfig
from fiducial.games.synthetic_config import Correlation, Hierarchy
from fiducial.games.synthetic_rows import BLOCK_ROWS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, kstest, multivariate_normal, norm, rayleigh

SMALL = [name for name in SYNTHETIC_WORLDS if name != "synthsaebench-16k"]
NAMED = ("independent", "zipf", "correlated", "hierarchical", "hierarchical-exclusive", "noisy", "planes", "circles")
CLOSED = [name for name in SMALL if Synthetic(name).expected_rates is not None]
N = 10_000


@pytest.fixture(scope="module")
def made():
    """Each small world with a sample of 10,000 rows, made once."""
    return {name: (world := Synthetic(name), world.sample(N, 3)) for name in SMALL}


def fires(sample):
    return sample.features.unpack(sample.labels)


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_bytes_and_a_shorter_sample_is_a_beginning(made, name):
    _, whole = made[name]
    short = Synthetic(name).sample(BLOCK_ROWS + 7, 3)
    n = len(short)
    assert short.activations.numpy().tobytes() == whole.activations[:n].numpy().tobytes()
    assert (short.magnitudes != whole.magnitudes[:n]).nnz == 0
    assert np.array_equal(short.labels, whole.labels[:n])
    assert np.array_equal(short.game_id, whole.game_id[:n])
    assert short.version == whole.version
    assert not torch.equal(short.activations, Synthetic(name).sample(n, 4).activations)


@pytest.mark.parametrize("name", SMALL)
def test_activations_are_magnitudes_times_directions_exactly(made, name):
    world, sample = made[name]
    assert sample.activations.dtype == torch.float32
    assert sample.magnitudes.dtype == np.float32
    assert sample.magnitudes.shape == (N, len(world.owner))
    rest = sample.activations.numpy() - (sample.magnitudes @ world.directions.numpy() + world.bias.numpy())
    if world.config.noise:
        assert kstest(rest[::7].ravel() / world.config.noise, "norm").pvalue > 1e-4
    else:
        assert not rest.any()


@pytest.mark.parametrize("name", SMALL)
def test_labels_are_where_magnitudes_are(made, name):
    world, sample = made[name]
    seen = np.zeros((N, len(world.features)), np.bool_)
    row, axis = sample.magnitudes.nonzero()
    seen[row, world.owner[axis]] = True
    assert np.array_equal(seen, fires(sample))
    lines = np.bincount(world.owner)[world.owner] == 1
    assert (sample.magnitudes[:, np.flatnonzero(lines)].data > 0).all()
    assert sample.true_l0 == pytest.approx(seen.sum(1).mean())


@pytest.mark.parametrize("name", CLOSED)
def test_firing_rates_are_those_asked(made, name):
    world, sample = made[name]
    asked = world.expected_rates
    spec = world.config.hierarchy
    if spec is None or spec.compensation == "exact":
        np.testing.assert_allclose(asked, world.asked_rates, rtol=2e-5)  # a magnitude may fall below 0
    counts = fires(sample).sum(0)
    tails = 2 * np.minimum(binom.cdf(counts, N, asked), binom.sf(counts - 1, N, asked))
    assert tails.min() > 1e-3 / len(counts), "a feature's rate is off"
    z = (counts - N * asked) / np.sqrt(N * asked * (1 - asked))
    if not world.config.correlation and not spec:  # independent: the sum of squares is chi-squared
        assert 1e-4 < chi2.sf((z**2).sum(), len(z)) < 1 - 1e-4


def test_a_wrong_rate_is_noticed(made):
    """Mutation: the rates of another compensation fail the test above."""
    world, sample = made["hierarchical-exclusive"]
    counts = fires(sample).sum(0)
    uncompensated = world.config.changed(
        hierarchy=Hierarchy(roots=8, branching=3, depth=2, exclusive=1, child_rate=0.3, compensation="none")
    )
    wrong = Synthetic(uncompensated).expected_rates
    assert binom.sf(counts - 1, N, wrong).min() < 1e-12


@pytest.mark.parametrize("name", [n for n in SMALL if SYNTHETIC_WORLDS[n].hierarchy])
def test_children_imply_parents_and_exclusive_siblings_never_meet(made, name):
    world, sample = made[name]
    labels, features = fires(sample), sample.features
    children = np.flatnonzero(world.parents >= 0)
    assert len(children) > 8
    for child in children:
        assert features[int(child)].parents == (features.names[world.parents[child]],)
        assert labels[labels[:, child], world.parents[child]].all()
    exclusive = world.config.hierarchy.exclusive == 1
    assert bool(features.variables) == exclusive
    for members in features.variables.values():
        assert labels[:, list(members)].sum(1).max() == 1
    if not exclusive:
        brothers = [np.flatnonzero(world.parents == parent) for parent in range(world.config.hierarchy.roots)]
        assert all(labels[:, some].sum(1).max() > 1 for some in brothers)


def test_non_exclusive_children_fire_independently_given_their_parent(made):
    world, sample = made["hierarchical"]
    labels = fires(sample)
    z = []
    for parent in range(8):
        first, second, _ = np.flatnonzero(world.parents == parent)
        given_parent = labels[labels[:, parent]]
        both, p = (given_parent[:, first] & given_parent[:, second]).sum(), 0.16
        z.append((both - p * len(given_parent)) / np.sqrt(p * (1 - p) * len(given_parent)))
    assert chi2.sf(np.square(z).sum(), 8) > 1e-3


def test_children_scale_with_their_parents(made):
    world, sample = made["synthsaebench-64"]
    labels, values = fires(sample), sample.magnitudes.toarray()
    children = np.flatnonzero(world.parents >= 0)
    related = [
        np.corrcoef(values[on, child], values[on, world.parents[child]])[0, 1]
        for child in children[:24]
        if (on := labels[:, child]).sum() > 100 and values[on, world.parents[child]].std() > 0.3
    ]
    assert len(related) > 5
    assert np.mean(related) > 0.3


def test_pairs_meet_as_often_as_the_copula_says(made):
    world, sample = made["correlated-pairs"]
    labels, p = fires(sample), world.config.p_max
    threshold = norm.isf(p)
    for first, second, value in world.config.correlation.pairs:
        asked = multivariate_normal([0, 0], [[1, value], [value, 1]]).cdf([-threshold, -threshold])
        both = int((labels[:, first] & labels[:, second]).sum())
        assert binom.cdf(both, N, asked) > 1e-4, (first, second)
        assert binom.sf(both - 1, N, asked) > 1e-4, (first, second)
        independent = p * p * N
        assert both > 4 * independent if value > 0 else both < independent / 4


def test_low_rank_correlations_have_the_sign_asked(made):
    world, sample = made["correlated"]
    factor = world._generator.low_rank_correlation[0].numpy()
    copula = factor @ factor.T
    seen = np.corrcoef(fires(sample).T)
    pairs = np.triu_indices(64, 1)
    assert np.corrcoef(copula[pairs], seen[pairs])[0, 1] > 0.8
    strong = np.abs(copula[pairs]) > 0.3
    assert strong.sum() > 20
    assert (np.sign(copula[pairs][strong]) == np.sign(seen[pairs][strong])).mean() > 0.95


def test_planes_are_normal_and_circles_are_rings():
    for name, ring in (("planes", False), ("circles", True)):
        world = Synthetic(SYNTHETIC_WORLDS[name].changed(magnitude_std=0.0))
        sample = world.sample(N, 0)
        values = sample.magnitudes.toarray()
        flat = np.flatnonzero(np.bincount(world.owner) == 2)
        assert len(flat) == 12
        assert {sample.features[int(i)].group for i in flat} == {name[:-1]}
        first = np.searchsorted(world.owner, flat)
        axes = world.directions.numpy()[first], world.directions.numpy()[first + 1]
        np.testing.assert_allclose((axes[0] * axes[1]).sum(1), 0, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(axes[1], axis=1), 1, atol=1e-6)
        on = values[:, first] != 0
        x, y = values[:, first][on], values[:, first + 1][on]
        assert kstest(np.arctan2(y, x), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3
        radius = np.hypot(x, y)
        if ring:
            np.testing.assert_allclose(radius, 1, rtol=1e-6)
        else:
            assert kstest(radius, rayleigh(scale=1 / np.sqrt(np.pi / 2)).cdf).pvalue > 1e-3


def test_batches_do_not_depend_on_their_size_and_are_never_rows_of_a_sample():
    world = Synthetic("independent")
    sizes = (64, 1000, 2500)
    streams = [
        torch.cat([next(stream) for _ in range(5000 // size)]) for size in sizes if (stream := world.batches(size, 0))
    ]
    for stream in streams:
        assert stream.dtype == torch.float32
        assert torch.equal(stream[:4900], streams[0][:4900])
    assert not torch.equal(next(world.batches(64, 1)), streams[0][:64])
    rows = {row.tobytes() for row in world.sample(5000, 0).activations.numpy() if row.any()}
    assert not rows & {row.tobytes() for row in streams[0].numpy() if row.any()}


def test_global_random_state_is_neither_read_nor_changed():
    world, twin = Synthetic("synthsaebench-64"), Synthetic("synthsaebench-64")
    states = []
    for number, current in enumerate((world, twin)):
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002
        random.seed(number)
        before = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
        sample = current.sample(2000, 0)
        assert torch.equal(before[0], torch.get_rng_state())
        assert before[1:] == (np.random.get_state()[1].tobytes(), random.getstate())  # noqa: NPY002
        states.append(sample.activations)
    assert torch.equal(*states)
    assert torch.equal(world.directions, twin.directions)


def test_another_seed_is_another_world_of_the_same_kind():
    base, other = Synthetic("zipf"), Synthetic("zipf", seed=9)
    assert other.config.seed == 9
    assert base.version != other.version
    assert np.array_equal(base.asked_rates, other.asked_rates)
    assert (base.directions * other.directions).sum(1).abs().max() < 0.7
    with pytest.raises(ValueError, match="seed"):
        Synthetic("zipf", seed=-1)


@pytest.mark.parametrize("name", SMALL)
def test_directions_are_unit_rows_and_orthogonal_where_they_can_be(made, name):
    directions = made[name][0].directions
    assert directions.dtype == torch.float32
    np.testing.assert_allclose(directions.norm(dim=1), 1, atol=1e-6)
    cosines = (directions @ directions.T).fill_diagonal_(0).abs()
    if len(directions) <= directions.shape[1]:
        assert cosines.max() < 1e-3
    else:  # the Welch bound: no set of so many unit rows has a smaller root mean square
        n, d = directions.shape
        welch = np.sqrt((n - d) / (d * (n - 1)))
        assert welch * 0.999 < cosines.square().sum().div(n * (n - 1)).sqrt() < 1.6 * welch


def test_names_and_numbers_teach():
    with pytest.raises(KeyError, match="hierarchical"):
        Synthetic("hierachical")
    world = Synthetic("independent")
    for wrong in (lambda: world.sample(0, 0), lambda: world.batches(0, 0), lambda: world.sample(5, 0, rows_per_game=0)):
        with pytest.raises(ValueError, match="at least 1"):
            wrong()
    for wrong in (lambda: world.sample(5, -1), lambda: world.batches(5, -1)):
        with pytest.raises(ValueError, match="seed"):
            wrong()
    assert set(NAMED) <= set(SYNTHETIC_WORLDS)
    assert all(name == config.name and config.about for name, config in SYNTHETIC_WORLDS.items())


def test_games_are_blocks_of_rows():
    sample = Synthetic("independent").sample(250, 0, rows_per_game=100)
    assert np.bincount(sample.game_id).tolist() == [100, 100, 50]
    assert sample.game_id.dtype == np.int32


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 40),
    width=st.integers(2, 12),
    p=st.floats(0.01, 1.0),
    frequency=st.sampled_from(("constant", "zipf", "linear")),
    std=st.floats(0, 2),
    noise=st.sampled_from((0.0, 0.3)),
    flat=st.integers(0, 3),
    rank=st.integers(0, 2),
)
def test_any_configuration_keeps_the_contract(n, width, p, frequency, std, noise, flat, rank):
    config = SyntheticConfig(
        name="any", n_features=n, width=width, p_max=p, p_min=p / 2, frequency=frequency, magnitude_std=std,
        noise=noise, n_planes=min(flat, n) // 2, n_circles=min(flat, n) - min(flat, n) // 2, orthogonal_steps=3,
        correlation=Correlation(rank=rank, scale=0.2) if rank else None,
    )  # fmt: skip
    assert SyntheticConfig.from_dict(config.to_dict()) == config
    world = Synthetic(config)
    sample = world.sample(50, 0)
    assert len(world.directions) == len(world.owner) == sample.magnitudes.shape[1]
    assert set(world.owner) == set(range(n))
    assert len(sample.features) == n
    rest = sample.activations.numpy() - (sample.magnitudes @ world.directions.numpy() + world.bias.numpy())
    assert rest.any() == bool(noise)
    assert np.isfinite(sample.activations.numpy()).all()
