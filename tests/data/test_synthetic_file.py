"""A saved sample comes back whole, or is refused with one clear error."""

import h5py
import numpy as np
import pytest
import torch
from fiducial.data.synthetic import load_sample, load_world, save_sample
from fiducial.games.synthetic import Synthetic
from fiducial.games.synthetic_structure import directions_and_bias

NAMES = ("synthsaebench-64", "circles", "noisy", "hierarchical-exclusive", "correlated-pairs")


@pytest.fixture(scope="module", params=NAMES)
def saved(request, tmp_path_factory):
    world = Synthetic(request.param)
    sample = world.sample(3000, 5, rows_per_game=70)
    path = tmp_path_factory.mktemp("samples") / f"{request.param}.h5"
    save_sample(sample, world, path)
    return world, sample, path


def test_it_comes_back_the_same(saved):
    _, sample, path = saved
    back = load_sample(path)
    assert back.activations.numpy().tobytes() == sample.activations.numpy().tobytes()
    assert np.array_equal(back.labels, sample.labels)
    assert np.array_equal(back.game_id, sample.game_id)
    for part in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(back.magnitudes, part), getattr(sample.magnitudes, part))
    assert back.magnitudes.shape == sample.magnitudes.shape
    assert back.features == sample.features
    assert (back.world, back.version, back.seed) == (sample.world, sample.version, sample.seed)


def test_its_world_comes_back_and_draws_the_same_rows(saved, monkeypatch):
    world, sample, path = saved
    monkeypatch.setattr("fiducial.games.synthetic.directions_and_bias", None)  # must not be made again
    back = load_world(path)
    assert back.config == world.config
    assert torch.equal(back.directions, world.directions)
    assert back.sample(50, 5).activations.numpy().tobytes() == sample.activations[:50].numpy().tobytes()


def test_truncated_and_foreign_files_are_refused(saved, tmp_path):
    world, sample, path = saved
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"truncated|whole"):
        load_sample(cut)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["activations"] = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="not one that fiducial wrote"):
        load_sample(tmp_path / "foreign.h5")
    (tmp_path / "text.h5").write_text("no data")
    with pytest.raises(ValueError, match="not an HDF5"):
        load_world(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError):
        load_sample(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="the world is"):
        save_sample(sample, Synthetic(world.config, seed=world.config.seed + 1), tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("name", "change", "hint"),
    [
        ("labels", lambda a: a[:-1], "do not fit"),
        ("labels", lambda a: a | 255, "bits beyond"),
        ("activations", lambda a: a * np.nan, "NaN"),
        ("magnitudes_indices", lambda a: a + 9999, "sparse matrix"),
        ("magnitudes_indptr", lambda a: a[:-1], "do not fit"),
        ("magnitudes_data", lambda a: a.astype(np.float64), "float32"),
    ],
)
def test_damaged_parts_are_named(tmp_path, name, change, hint):
    world = Synthetic("planes")  # 36 features: its labels have padding bits
    path = tmp_path / "damaged.h5"
    save_sample(world.sample(200, 0), world, path)
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        del file[name]
        file[name] = change(values)
    with pytest.raises(ValueError, match=hint):
        load_sample(path)


def test_other_rules_and_other_directions_are_refused(tmp_path):
    world = Synthetic("planes")
    path = tmp_path / "old.h5"
    save_sample(world.sample(20, 0), world, path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = "0-older"
    with pytest.raises(ValueError, match="version 0-older"):
        load_world(path)
    assert load_sample(path).version == "0-older"
    directions, bias = directions_and_bias(world.config, world.owner)
    with pytest.raises(ValueError, match="directions"):
        world.use_dictionary(directions[1:], bias, world.owner[1:])


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    world = Synthetic("independent")
    path = tmp_path / "kept.h5"
    save_sample(world.sample(100, 0), world, path)
    before = path.read_bytes()
    monkeypatch.setattr("fiducial.data.synthetic.stamp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_sample(world.sample(100, 1), world, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["kept.h5"]
