"""Sealed worlds: decided by a secret, bound by a commitment, inside the stated ranges."""

import numpy as np
import pytest
from fiducial.games.synthetic import SYNTHETIC_WORLDS, Synthetic
from fiducial.games.synthetic_sealed import SEALED_RANGES, sealed_world, varied, verify_commitment

SECRET = "a secret of some length"
SMALL = [name for name in SYNTHETIC_WORLDS if name != "synthsaebench-16k"]


def test_the_secret_decides_the_world():
    first, again, other = (sealed_world("zipf", s) for s in (SECRET, SECRET, SECRET + "!"))
    assert first.config == again.config
    assert first.commitment == again.commitment
    assert first.sample(100, 0).activations.numpy().tobytes() == again.sample(100, 0).activations.numpy().tobytes()
    assert first.config.seed != other.config.seed
    assert first.config.exponent != other.config.exponent
    assert first.commitment != other.commitment
    assert first.name == "zipf-sealed"
    assert isinstance(first, Synthetic)


def test_only_the_seed_changes_when_nothing_varies():
    world = sealed_world("zipf", SECRET, vary=False)
    base = SYNTHETIC_WORLDS["zipf"]
    assert world.config == base.changed(name="zipf-sealed", seed=world.config.seed)
    assert world.config.seed not in (base.seed, sealed_world("zipf", SECRET).config.seed)


def test_a_commitment_binds_and_tells_nothing():
    world = sealed_world("zipf", SECRET)
    assert verify_commitment(world.commitment, "zipf", SECRET)
    assert not verify_commitment(world.commitment, "zipf", SECRET + " ")
    assert not verify_commitment(world.commitment, "zipf", SECRET, vary=False)
    assert not verify_commitment(world.commitment, "independent", SECRET)
    assert not verify_commitment(world.commitment[:-1] + "g", "zipf", SECRET)
    assert len(world.commitment) == 64
    assert f"{world.config.seed:x}" not in world.commitment
    assert world.version.split("-")[1] not in world.commitment


@pytest.mark.parametrize("name", SMALL)
def test_every_relative_is_a_world_inside_the_ranges(name):
    base = SYNTHETIC_WORLDS[name]
    for seed in range(25):
        config = varied(base, np.random.default_rng(seed))
        world = Synthetic(config)  # its rates can be reached
        assert len(world.owner) == config.n_features + config.n_planes + config.n_circles
        for field, key in (("exponent", "exponent"), ("p_max", "firing"), ("magnitude_std", "magnitude_std")):
            low, high = SEALED_RANGES[key]
            ratio = getattr(config, field) / getattr(base, field)
            assert low * 0.999 <= ratio <= high * 1.001 or getattr(config, field) == 0.5
        assert config.width == base.width
        assert 0.5 <= config.n_features / base.n_features <= 1.5
        if base.correlation is not None and base.correlation.rank:
            low, high = SEALED_RANGES["correlation"]
            assert low <= config.correlation.scale / base.correlation.scale <= high
    drawn = {varied(base, np.random.default_rng(seed)).p_max for seed in range(10)}
    assert len(drawn) > 8


def test_short_secrets_and_unknown_worlds_are_refused():
    with pytest.raises(ValueError, match="8 characters"):
        sealed_world("zipf", "short")
    with pytest.raises(KeyError, match="zipf"):
        sealed_world("zip", SECRET)
