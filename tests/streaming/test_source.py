import threading
import time

import h5py
import numpy as np
import pytest
import torch
from fiducial.data.activations import split_by_game
from fiducial.metrics.streaming.accumulator import stream
from fiducial.metrics.streaming.sparsity import StreamedSparsity
from fiducial.models.dictionary import Codes
from fiducial.streaming import sample as sample_module
from fiducial.streaming.sample import fits_in_memory, open_sample, split_of
from fiducial.streaming.source import Tally, batches_of, encoded, prefetched, rows_within
from hypothesis import given
from hypothesis import strategies as st

from .samples import (
    FEATURES,
    LATENTS,
    WIDTH,
    Dictionary,
    activation_file,
    codes_file,
    columns,
    dense_file,
    dense_latents,
)

ALL = frozenset({"position", "codes", "labels", "x", "x_hat"})
STORED = frozenset({"codes", "labels"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("samples")
    activation_file(path / "activations.h5")
    codes_file(path / "codes.h5")
    dense_file(path / "dense.h5")
    return path


def one_pass(sample, dictionary, needs, **options):
    return list(batches_of(sample, dictionary, split_of(sample), lambda turn: needs, **options)())


def joined(batches):
    assert [batch.start for batch in batches] == np.cumsum([0, *map(len, batches)])[:-1].tolist()
    return np.concatenate([batch.game_id for batch in batches]), np.concatenate([batch.train for batch in batches])


@given(size=st.integers(30, 1000), ahead=st.booleans())
def test_activations_pass_whole_and_in_order(folder, size, ahead):
    sample, dictionary = open_sample(folder / "activations.h5"), Dictionary()
    batches = one_pass(sample, dictionary, ALL, batch_rows=size, ahead=ahead)
    x, labels, games, position = columns()
    game_id, train = joined(batches)
    np.testing.assert_array_equal(game_id, games)
    np.testing.assert_array_equal(train, split_by_game(games))
    np.testing.assert_array_equal(np.concatenate([batch.position for batch in batches]), position)
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]), x)
    np.testing.assert_array_equal(np.concatenate([batch.labels.to_dense() for batch in batches]), labels)
    latents = dictionary.encode(torch.from_numpy(x))
    found = Codes.concatenate([batch.codes for batch in batches]).to_dense()
    np.testing.assert_allclose(found, latents.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.concatenate([b.x_hat for b in batches]), dictionary.decode(latents), atol=1e-5)


@pytest.mark.parametrize("name", ["codes.h5", "dense.h5"])
@pytest.mark.parametrize("size", [7, 77, 250, 10_000])
def test_stored_latents_pass_whole_and_in_order(folder, name, size):
    batches = one_pass(open_sample(folder / name), None, STORED, batch_rows=size)
    _, labels, games, _ = columns()
    game_id, train = joined(batches)
    np.testing.assert_array_equal(game_id, games)
    np.testing.assert_array_equal(train, split_by_game(games))
    np.testing.assert_array_equal(Codes.concatenate([b.codes for b in batches]).to_dense(), dense_latents())
    np.testing.assert_array_equal(np.concatenate([b.labels.to_dense() for b in batches]), labels)
    assert batches[0].x is batches[0].x_hat is batches[0].position is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_the_split_is_that_of_whole_arrays_whatever_the_pieces(folder, fraction, seed, monkeypatch):
    games = columns()[2]
    for pieces in (1, 50, 1 << 18):
        monkeypatch.setattr(sample_module, "ID_ROWS", pieces)
        for name in ("activations.h5", "codes.h5", "dense.h5"):
            found = split_of(open_sample(folder / name), fraction, seed)
            np.testing.assert_array_equal(found.train_rows(games), split_by_game(games, fraction, seed))
            np.testing.assert_array_equal(found.n_rows, np.unique(games, return_counts=True)[1])


def test_only_what_is_asked_is_made_in_each_pass(folder):
    sample, dictionary, tally = open_sample(folder / "activations.h5"), Dictionary(), Tally()
    asked = [frozenset({"labels"}), frozenset({"codes"}), frozenset({"x", "x_hat"})]
    start = batches_of(sample, dictionary, split_of(sample), asked.__getitem__, batch_rows=400, tally=tally)
    for fields in asked:
        for batch in start():
            there = {field for field in ALL if getattr(batch, field) is not None}
            assert fields <= there <= fields | ({"codes"} if "x_hat" in fields else set())
    assert (tally.rows, tally.encoded) == (2700, 1800)
    latents = dictionary.encode(torch.from_numpy(columns()[0]))
    assert tally.l0 == pytest.approx(int((latents > 0).sum()) / 900, abs=1e-3)


@pytest.mark.parametrize("elements", [1, LATENTS, 7 * LATENTS + 3, 10**6])
def test_dense_latents_are_never_held_beyond_the_bound(elements):
    seen, dictionary = [], Dictionary()
    plain, x = dictionary.encode, torch.from_numpy(columns(50)[0])

    def encode(part):
        seen.append(len(part))
        return plain(part)

    dictionary.encode = encode
    codes, written = encoded(dictionary, x, rebuilt=True, elements=elements)
    assert max(seen) <= max(1, elements // LATENTS)
    np.testing.assert_allclose(codes.to_dense(), plain(x), atol=1e-5)
    np.testing.assert_allclose(written, dictionary.decode(plain(x)), atol=1e-5)
    assert encoded(dictionary, x, rebuilt=False, elements=elements)[1] is None


def test_nan_latents_and_activations_are_refused(folder, tmp_path):
    dictionary = Dictionary()
    dictionary.directions[3] = torch.nan
    for needs in (frozenset({"codes"}), frozenset({"x_hat"})):
        with pytest.raises(ValueError, match="nan"):
            one_pass(open_sample(folder / "activations.h5"), dictionary, needs)
    activation_file(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["activations"][700, 2] = np.inf
    with pytest.raises(ValueError, match="activation inf in row 700"):
        one_pass(open_sample(tmp_path / "a.h5"), Dictionary(), frozenset({"codes"}), batch_rows=300)
    dense_file(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        file["latents"][700, 2] = np.nan
    with pytest.raises(ValueError, match="rows from 600 on: latents hold nan at row 100"):
        one_pass(open_sample(tmp_path / "d.h5"), None, STORED, batch_rows=300)


def test_what_does_not_fit_is_refused(folder, tmp_path):
    activations, codes = open_sample(folder / "activations.h5"), open_sample(folder / "codes.h5")
    split = split_of(codes)
    for sample, dictionary, says in (
        (activations, None, "holds activations; give the dictionary"),
        (codes, Dictionary(), "holds latents already"),
        (activations, Dictionary(width=WIDTH + 1), f"width {WIDTH + 1}.*width {WIDTH}"),
    ):
        with pytest.raises(ValueError, match=says):
            batches_of(sample, dictionary, split, lambda turn: STORED)
    with pytest.raises(ValueError, match=r"has no x, x_hat; it offers codes, labels, position"):
        one_pass(codes, None, ALL)
    with pytest.raises(ValueError, match="at least 1 row"):
        batches_of(codes, None, split, lambda turn: STORED, batch_rows=-1)
    with pytest.raises(ValueError, match="where in its game"):
        one_pass(open_sample(folder / "dense.h5"), None, frozenset({"position"}))
    with pytest.raises(FileNotFoundError):
        open_sample(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match="truncated or not an HDF5"):
        open_sample(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["latents"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match="lacks labels, game_id"):
        open_sample(tmp_path / "other.h5")
    for name, values, says in (
        ("labels", np.zeros((899, 3), bool), "one row a position each"),
        ("game_id", np.zeros(900), "game_id must be integer"),
        ("latents", np.zeros((900, 2), int), "latents must be floating"),
        ("feature_names", np.array([b"a"]), "one text a label column"),
    ):
        with pytest.raises(ValueError, match=says):
            open_sample(dense_file(tmp_path / "d.h5", **{name: values}))


def test_a_file_that_changed_since_is_noticed(tmp_path):
    for make in (activation_file, codes_file, dense_file):
        sample = open_sample(make(tmp_path / "s.h5"))
        split = split_of(sample)
        make(tmp_path / "s.h5", n=800)
        dictionary = Dictionary() if sample.d_in else None
        with pytest.raises(ValueError, match="changed since it was opened: 800 rows, were 900"):
            next(batches_of(sample, dictionary, split, lambda turn: STORED)())


def test_names_and_groups_of_dense_files(tmp_path):
    names = np.array([f"n{i}".encode() for i in range(11)])
    sample = open_sample(dense_file(tmp_path / "d.h5", feature_names=names, feature_groups=np.array([b"g"] * 11)))
    assert sample.features.names == tuple(f"n{i}" for i in range(11))
    assert sample.features.groups == ("g",)
    assert open_sample(codes_file(tmp_path / "c.h5")).features == FEATURES


def test_batches_are_as_large_as_the_budget_allows(folder):
    sample = open_sample(folder / "activations.h5")
    assert rows_within(1, sample) == 64
    assert rows_within(1 << 40, sample) == 4 * 8192
    assert rows_within(20_000 * sample.row_bytes, sample) == 16_384
    assert rows_within(1000 * sample.row_bytes, sample) == 1000


def test_small_dense_files_are_read_whole(folder):
    size = 900 * (4 * LATENTS + 11 + 8)
    assert fits_in_memory(folder / "dense.h5", 4 * size)
    assert not fits_in_memory(folder / "dense.h5", 4 * size - 1)
    assert not fits_in_memory(folder / "codes.h5", 10**12)  # never dense
    assert fits_in_memory(folder / "none.h5", 1)
    assert fits_in_memory(folder / "x.npz", 1)


def test_the_reader_ends_when_a_metric_refuses_a_batch(folder):
    sample = open_sample(folder / "codes.h5")
    start = batches_of(sample, None, split_of(sample), lambda turn: frozenset({"codes"}), batch_rows=50)
    with pytest.raises(ValueError, match="codes must have 3 latents") as kept:  # and its traceback, with all frames
        stream([StreamedSparsity(3)], start)
    assert kept.tb is not None
    assert not [one for one in threading.enumerate() if one.name.startswith("reader")]


def test_prefetching_hands_on_items_errors_and_the_end():
    assert list(prefetched(iter(range(100)))) == list(range(100))
    assert not list(prefetched(iter(())))

    def failing():
        yield 1
        raise ValueError("no more")

    items = prefetched(failing())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_prefetching_works_ahead_in_one_thread_and_closes():
    closed, made, where = [], [], set()

    def source():
        try:
            for i in range(10):
                made.append(i)
                where.add(threading.get_ident())
                yield i
        finally:
            closed.append(threading.get_ident())

    items = prefetched(source())
    assert next(items) == 0
    for _ in range(100):
        if made == [0, 1]:
            break
        time.sleep(0.01)
    assert made == [0, 1]  # one ahead, no more
    items.close()
    assert closed == list(where)
    assert threading.get_ident() not in where
    assert threading.active_count() < 10
