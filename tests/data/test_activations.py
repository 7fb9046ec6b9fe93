import json

import fiducial.data.activations as activations_module
import h5py
import numpy as np
import pytest
import torch
from fiducial.data.activation_file import ATTRIBUTES, CHUNK_ROWS, write_activations
from fiducial.data.activations import LabelledActivations, split_by_game
from fiducial.games.features import Feature, FeatureSet
from hypothesis import given
from hypothesis import strategies as st

FEATURES = FeatureSet(Feature(name=f"f{i}", group="g", rung=0, definition="holds") for i in range(11))
ABOUT = {"game": "toy", "version": "1", "model": "m", "hook": "h", "seed": 3, "model_sha256": "00"}
WIDTH = 3


def columns(n, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, WIDTH)).astype(np.float16).astype(np.float32)  # exact in a file
    labels = FEATURES.pack(rng.random((n, len(FEATURES))) < 0.3)
    return values, labels, np.arange(n) // 7, np.arange(n) % 7


def in_memory(n=50, seed=0):
    return LabelledActivations(*columns(n, seed), FEATURES, ABOUT)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.h5"
    in_memory().save(path)
    return path


def test_file_layout_is_the_documented_one(saved):
    with h5py.File(saved) as file:
        kinds = {name: (stored.dtype, stored.shape) for name, stored in file.items()}
        assert kinds == {
            "activations": (np.float16, (50, WIDTH)),
            "labels": (np.uint8, (50, 2)),
            "game_id": (np.int32, (50,)),
            "position": (np.int16, (50,)),
        }
        assert file["activations"].chunks == (CHUNK_ROWS, WIDTH)
        assert json.loads(file.attrs["attributes"]) == ABOUT
        assert FeatureSet.from_json(file.attrs["features"]) == FEATURES


def test_memory_file_and_loaded_file_agree(saved):
    memory, file = in_memory(), LabelledActivations.open(saved)
    for other in (file, file.load(), file.take(np.arange(50)), memory.take(np.ones(50, bool))):
        np.testing.assert_array_equal(other.activations, memory.activations)
        np.testing.assert_array_equal(other.labels, memory.labels)
        np.testing.assert_array_equal(other.game_id, memory.game_id)
        np.testing.assert_array_equal(other.position, memory.position)
        assert other.features == FEATURES
        assert dict(other.attributes) == ABOUT
        assert (len(other), other.width, other.n_games) == (50, WIDTH, 8)
        np.testing.assert_array_equal(other.split(0.3, 1), memory.split(0.3, 1))
    assert memory.load() is memory
    assert "in memory" in repr(memory)
    assert str(saved) in repr(file)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_batches_are_the_whole_in_order(saved, lazy, batch_size):
    data = LabelledActivations.open(saved) if lazy else in_memory()
    batches = list(data.batches(batch_size))
    assert all(batch.dtype == torch.float32 and len(batch) <= batch_size for batch in batches)
    np.testing.assert_array_equal(torch.cat(batches).numpy(), in_memory().activations)


def test_rows_in_any_order_across_chunks(tmp_path):
    n = 2 * CHUNK_ROWS + 100
    memory = in_memory(n)
    memory.save(tmp_path / "big.h5")
    file = LabelledActivations.open(tmp_path / "big.h5")
    rows = np.random.default_rng(5).integers(0, n, 300)
    np.testing.assert_array_equal(file.read(rows), memory.activations[rows])
    np.testing.assert_array_equal(torch.cat(list(file.batches(64, rows))).numpy(), memory.activations[rows])
    mask = np.random.default_rng(6).random(n) < 0.5
    np.testing.assert_array_equal(torch.cat(list(file.batches(4096, mask))).numpy(), memory.activations[mask])
    np.testing.assert_array_equal(file.take(rows).labels, memory.labels[rows])


def test_labels_bool_picks_rows_and_features(saved):
    data = LabelledActivations.open(saved)
    whole = FEATURES.unpack(in_memory().labels)
    np.testing.assert_array_equal(data.labels_bool(), whole)
    np.testing.assert_array_equal(data.labels_bool([4, 2], np.array([9, 0])), whole[[4, 2]][:, [9, 0]])


def test_a_writer_in_blocks_equals_one_block(tmp_path, saved):
    whole = columns(50)
    with write_activations(tmp_path / "b.h5", FEATURES, ABOUT) as writer:
        for start in range(0, 50, 11):
            writer.append(*(column[start : start + 11] for column in whole))
    np.testing.assert_array_equal(
        LabelledActivations.open(tmp_path / "b.h5").activations, LabelledActivations.open(saved).activations
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interrupted_writer_leaves_nothing_and_keeps_the_old_file(tmp_path, saved, failure):
    before = saved.read_bytes()

    def interrupted(path):
        with write_activations(path, FEATURES, ABOUT) as writer:
            writer.append(*columns(20, seed=9))
            raise failure

    for path in (saved, tmp_path / "new.h5"):
        with pytest.raises(failure):
            interrupted(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    assert saved.read_bytes() == before


def test_a_writer_without_rows_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no rows"), write_activations(tmp_path / "e.h5", FEATURES, ABOUT):
        pass
    assert not list(tmp_path.iterdir())


def test_truncated_files_are_refused_at_every_length(tmp_path, saved):
    whole = saved.read_bytes()
    lengths = [0, 1, 8, 100, 511, 512, 513, len(whole) // 4, len(whole) // 2, len(whole) - 1000, len(whole) - 1]
    for length in lengths:
        cut = tmp_path / "cut.h5"
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated or not an HDF5 file"):
            LabelledActivations.open(cut)


def test_foreign_files_are_refused(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("hello " * 500)
    with pytest.raises(ValueError, match="not an HDF5 file"):
        LabelledActivations.open(text)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["activations"] = np.zeros((3, 2), np.float16)
    with pytest.raises(ValueError, match="not one that fiducial wrote"):
        LabelledActivations.open(other)
    with pytest.raises(FileNotFoundError, match=r"no file .*missing\.h5"):
        LabelledActivations.open(tmp_path / "missing.h5")


def drop(name):
    def edit(file):
        del file[name]

    return edit


def put(name, values):
    def edit(file):
        del file[name]
        file[name] = values

    return edit


def attribute(name, value):
    def edit(file):
        file.attrs[name] = value

    return edit


EDITS = {
    "another version": (attribute("format_version", 99), "format version 99"),
    "another kind": (attribute("fiducial_format", "transcripts"), "holds transcripts, expected labelled-activations"),
    "no labels": (drop("labels"), "no dataset /labels"),
    "no activations": (drop("activations"), "no dataset /activations"),
    "short labels": (put("labels", np.zeros((49, 2), np.uint8)), "one length above 0"),
    "short game_id": (put("game_id", np.zeros(49, np.int32)), "one length above 0"),
    "long position": (put("position", np.zeros(51, np.int16)), "one length above 0"),
    "float64": (put("activations", np.zeros((50, 3))), "/activations must be float16 with 2 axes"),
    "flat labels": (put("labels", np.zeros(50, np.uint8)), "/labels must be uint8 with 2 axes"),
    "wide labels": (put("labels", np.zeros((50, 3), np.uint8)), "need 2 bytes a row"),
    "no features": (attribute("features", "[]"), "cannot read its features"),
    "broken features": (attribute("features", "{"), "cannot read its features"),
    "numeric features": (attribute("features", 3), "cannot read its features"),
    "no seed": (attribute("attributes", json.dumps({k: 0 for k in ATTRIBUTES if k != "seed"})), r"lack \['seed'\]"),
}


@pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)
def test_inconsistent_files_are_refused(saved, edit, message):
    with h5py.File(saved, "r+") as file:
        edit(file)
    with pytest.raises(ValueError, match=message):
        LabelledActivations.open(saved)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_activations_that_are_not_finite_are_refused_with_their_row(tmp_path, saved, bad):
    values, *rest = columns(50)
    values[31, 1] = bad
    with pytest.raises(ValueError, match=r"activation -?(nan|inf) in row 31"):
        LabelledActivations(values, *rest, FEATURES, ABOUT)
    with write_activations(tmp_path / "x.h5", FEATURES, ABOUT) as writer:
        writer.append(*columns(20))
        with pytest.raises(ValueError, match="in row 51"):
            writer.append(values, *rest)
    with h5py.File(saved, "r+") as file:
        file["activations"][31, 1] = bad
    data = LabelledActivations.open(saved)
    assert len(data.read(np.arange(31))) == 31
    for read in (data.read, data.load, lambda: list(data.batches(10)), lambda: data.read([2, 31, 5])):
        with pytest.raises(ValueError, match="in row 31"):
            read()


def test_float16_overflow_is_an_error_in_files_only(tmp_path):
    values, *rest = columns(50)
    values[12, 2] = -65536.0
    data = LabelledActivations(values, *rest, FEATURES, ABOUT)
    with pytest.raises(ValueError, match=r"65536 of row 12 is beyond float16 \(65504\)"):
        data.save(tmp_path / "big.h5")
    assert not list(tmp_path.iterdir())
    values[12, 2] = 65504.0
    LabelledActivations(values, *rest, FEATURES, ABOUT).save(tmp_path / "big.h5")
    assert LabelledActivations.open(tmp_path / "big.h5").activations[12, 2] == 65504.0


def replaced(position, value):
    parts = list(columns(50))
    parts[position] = value
    return parts


BAD = {
    "one axis": (replaced(0, np.zeros(50)), r"floating \[N, d\]"),
    "integers": (replaced(0, np.zeros((50, 3), int)), r"floating \[N, d\].*int64"),
    "no rows": ([column[:0] for column in columns(50)], "N, d >= 1"),
    "bool labels": (replaced(1, np.zeros((50, 11), bool)), r"packed uint8 \[50, 2\], got bool \[50, 11\]"),
    "stray bits": (replaced(1, np.full((50, 2), 255, np.uint8)), "bits beyond the 11 features"),
    "short game_id": (replaced(2, np.zeros(49, int)), r"game_id must be integer \[50\]"),
    "float game_id": (replaced(2, np.zeros(50)), "game_id must be integer"),
    "negative game": (replaced(2, np.full(50, -1)), r"game_id must lie in 0\.\.2147483647"),
    "late position": (replaced(3, np.full(50, 40000)), r"position must lie in 0\.\.32767, got 40000"),
}


@pytest.mark.parametrize(("parts", "message"), BAD.values(), ids=BAD)
def test_bad_columns_are_refused_in_memory_and_by_the_writer(tmp_path, parts, message):
    with pytest.raises(ValueError, match=message):
        LabelledActivations(*parts, FEATURES, ABOUT)
    with pytest.raises(ValueError, match=message), write_activations(tmp_path / "x.h5", FEATURES, ABOUT) as writer:
        writer.append(*parts)
    assert not list(tmp_path.iterdir())


def test_other_bad_input(tmp_path, saved):
    data = in_memory()
    with pytest.raises(ValueError, match="attributes lack"):
        LabelledActivations(*columns(5), FEATURES, {"game": "toy"})
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        data.batches(0)
    with pytest.raises(ValueError, match=r"mask must be bool \[50\], got \[49\]"):
        data.read(np.ones(49, bool))
    with pytest.raises(ValueError, match=r"row 50 is outside 0\.\.49"):
        data.take([3, 50])
    with pytest.raises(ValueError, match="rows must be bool"):
        data.take([0.5])
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.save(tmp_path / "nowhere" / "a.h5")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        data.save(tmp_path)
    lazy = LabelledActivations.open(saved)
    in_memory(30).save(saved)
    with pytest.raises(ValueError, match="has changed since it was opened: 30 rows, were 50"):
        lazy.read()
    with write_activations(tmp_path / "x.h5", FEATURES, ABOUT) as writer:
        writer.append(*columns(20))
        with pytest.raises(ValueError, match="activations had 3 columns before, got 5"):
            writer.append(np.zeros((2, 5)), *(column[:2] for column in columns(20)[1:]))


@given(
    st.lists(st.integers(0, 12), min_size=2, max_size=80).filter(lambda games: len(set(games)) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
)
def check_split(split, games, fraction, seed):
    games = np.array(games)
    train = split(games, fraction, seed)
    assert train.shape == games.shape
    assert train.dtype == np.bool_
    on, off = set(games[train].tolist()), set(games[~train].tolist())
    assert on
    assert off
    assert not on & off  # a game is never divided
    n = len(on | off)
    assert len(off) == min(max(round(fraction * n), 1), n - 1)
    np.testing.assert_array_equal(train, split(games, fraction, seed))
    shuffle = np.random.default_rng(0).permutation(len(games))
    np.testing.assert_array_equal(split(games[shuffle], fraction, seed), train[shuffle])


def test_split_properties():
    check_split(split_by_game)


def test_a_split_by_token_would_be_noticed():
    def by_token(games, fraction, seed):
        return np.random.default_rng(seed).random(len(games)) > fraction

    with pytest.raises(AssertionError, match="& "):
        check_split.hypothesis.inner_test(by_token, [0, 1, 2] * 20, 0.5, 0)


def test_split_seeds_and_limits():
    games = np.repeat(np.arange(40), 3)
    assert (split_by_game(games, 0.5, 0) != split_by_game(games, 0.5, 1)).any()
    with pytest.raises(ValueError, match="at least 2 games, got 1"):
        split_by_game(np.zeros(9, int))
    for fraction in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="test_fraction"):
            split_by_game(games, fraction)


def test_reading_the_wrong_rows_would_be_noticed(saved, monkeypatch):
    good = LabelledActivations._read
    monkeypatch.setattr(activations_module.LabelledActivations, "_read", lambda self, s, i: good(self, s, i)[::-1])
    with pytest.raises(AssertionError):
        test_memory_file_and_loaded_file_agree(saved)
