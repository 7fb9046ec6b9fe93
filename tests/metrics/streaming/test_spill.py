"""Scratch files: what is read is what was written, a full disk is said, and nothing stays behind."""

import errno
import gc
import os
from dataclasses import replace

import numpy as np
import pytest
from fiducial.metrics.grouping import shuffled_games
from fiducial.metrics.inputs import as_games, as_label_bits
from fiducial.metrics.streaming import sample_spill
from fiducial.metrics.streaming.label_words import LabelSpill
from fiducial.metrics.streaming.sample_spill import SampleSpill, swapped_rows
from fiducial.metrics.streaming.spill import CodeSpill, Scratch
from fiducial.models.dictionary import Codes

from .samples import as_batch, batches


@pytest.fixture
def scratch(tmp_path):
    made = Scratch(tmp_path)
    yield made
    made.close()
    assert not list(tmp_path.iterdir())


def made_up(n=203, n_latents=7, n_features=70, seed=0):
    rng = np.random.default_rng(seed)
    latents = np.where(rng.random((n, n_latents)) < 0.4, rng.normal(size=(n, n_latents)), 0).astype(np.float32)
    latents[50:60] = 0
    return latents, rng.random((n, n_features)) < 0.3


def test_columns(scratch):
    column = scratch.column("numbers", np.int32, 3)
    values = np.arange(30, dtype=np.int32).reshape(10, 3)
    column.append(values[:4])
    column.append(values[:0])
    column.append(values[4:])
    column.write(1, values[7:8])
    expected = values.copy()
    expected[1] = values[7]
    np.testing.assert_array_equal(column.read(0, 10), expected)
    np.testing.assert_array_equal(column.read(3, 7, np.empty(100, np.int32)), expected[3:7])
    np.testing.assert_array_equal(column.mapped(), expected)
    assert column.read(2, 2).shape == (0, 3)
    assert scratch.n_bytes == 120
    with pytest.raises(EOFError, match="ends before row 11"):
        column.read(9, 11)
    column.close()
    with pytest.raises(ValueError, match="closed"):
        column.read(0, 1)


def test_codes_and_labels_come_back(scratch):
    latents, labels = made_up()
    codes, bits = Codes.from_dense(latents), as_label_bits(labels, len(labels))
    spilled, words = CodeSpill(scratch, 7), LabelSpill(scratch, 70)
    for start in range(0, 203, 40):
        rows = np.arange(start, min(start + 40, 203))
        spilled.append(codes.take(rows))
        words.append(bits.take(rows))
    for start, stop in [(0, 203), (0, 1), (49, 61), (202, 203), (5, 5)]:
        np.testing.assert_array_equal(spilled.read(start, stop).to_dense(), latents[start:stop])
        np.testing.assert_array_equal(words.read(start, stop).to_dense(), labels[start:stop])
    assert spilled.n_entries == len(codes.values)
    parts = spilled.segments(20)
    assert parts[0][0] == 0
    assert parts[-1][1] == 203
    assert all(len(spilled.read(*part).values) <= 20 for part in parts)
    source = scratch.column("source", np.int64)
    order = np.random.default_rng(0).permutation(203)
    source.append(order)
    np.testing.assert_array_equal(words.permuted(scratch, source, 30).read(0, 203).to_dense(), labels[order])
    with pytest.raises(ValueError, match="8 latents, expected 7"):
        spilled.append(Codes.from_dense(np.ones((1, 8))))
    with pytest.raises(ValueError, match="3 features, expected 70"):
        words.append(as_label_bits(labels[:, :3], 203))


def test_many_latents_need_wider_numbers(scratch):
    dense = np.zeros((2, 70_000), np.float32)
    dense[1, 69_999] = 1
    spilled = CodeSpill(scratch, 70_000)
    spilled.append(Codes.from_dense(dense))
    assert spilled.read(0, 2).indices.tolist() == [69_999]


@pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
def test_a_full_disk_is_said(scratch, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    column = scratch.column("numbers", np.float64)
    work = {"pwrite": lambda: column.append(np.ones(10)), "posix_fallocate": lambda: column.reserve(10)}[call]
    with pytest.raises(OSError, match=r"no space for scratch files in .* larger disk") as caught:
        work()
    assert caught.value.errno == errno.ENOSPC


def test_other_errors_of_writing_stay(scratch, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", broken)
    with pytest.raises(OSError, match="Input/output") as caught:
        scratch.column("numbers", np.float64).append(np.ones(1))
    assert caught.value.errno == errno.EIO


def test_a_folder_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing folder"):
        Scratch(tmp_path / "missing")


@pytest.mark.parametrize("order", ["in order", "mixed"])
@pytest.mark.parametrize("seed", [0, 5])
def test_swapped_rows_are_those_of_shuffled_games(tmp_path, order, seed):
    rng = np.random.default_rng(seed)
    games = np.repeat(rng.permutation(40) * 3 - 17, rng.integers(1, 12, 40))
    if order == "mixed":
        games = rng.permutation(games)
    train = games % 2 == 0
    latents, labels = made_up(len(games))
    with_files = SampleSpill(7, folder=tmp_path).open()
    for batch in batches(as_batch(latents, labels, game_id=games, train=train), 13)():
        with_files.take(batch)
    expected = np.arange(len(games))
    for side, rows in enumerate((np.flatnonzero(train), np.flatnonzero(~train))):
        expected[rows] = rows[shuffled_games(as_games(games[rows], len(rows)), seed + side)]
    known = with_files.games()
    found = swapped_rows(with_files._games, known, with_files.scratch, seed)
    np.testing.assert_array_equal(found.read(0, len(games)), expected)
    np.testing.assert_array_equal(with_files.swapped_labels(seed).read(0, len(games)).to_dense(), labels[expected])
    assert with_files.swapped_labels(seed) is with_files.swapped_labels(seed)
    with_files.close()
    assert not list(tmp_path.iterdir())


def test_segments_are_the_rows_of_some_games(tmp_path):
    latents, labels = made_up()
    games = np.random.default_rng(1).permutation(np.arange(203) % 9)
    sample = SampleSpill(7, folder=tmp_path).open()
    for batch in batches(as_batch(latents, labels, game_id=games, train=games < 4), 50)():
        sample.take(batch)
        sample.take(batch)  # another accumulator hands over the same batch
    assert sample.n_rows == 203
    chosen = np.isin(np.arange(9), [2, 5, 8])
    rows = np.flatnonzero(np.isin(games, [2, 5, 8]))
    parts = list(sample.segments(chosen, rows=20))
    np.testing.assert_array_equal(np.concatenate([part.codes.to_dense() for part in parts]), latents[rows])
    np.testing.assert_array_equal(np.concatenate([part.labels.to_dense() for part in parts]), labels[rows])
    np.testing.assert_array_equal(np.concatenate([part.games for part in parts]), (games[rows] - 2) // 3)
    np.testing.assert_array_equal(sample.among(chosen).read(0, 203), np.isin(games, [2, 5, 8]))
    assert sample_spill.Games.places(sample.games(), chosen).max() == 2
    sample.close()


def test_what_does_not_fit_is_refused(tmp_path):
    latents, labels = made_up(20)
    games = np.arange(20) // 4
    whole = as_batch(latents, labels, game_id=games, train=games < 2)
    first, second = list(batches(whole, 10)())
    sample = SampleSpill(7, folder=tmp_path).open()
    with pytest.raises(ValueError, match="no batch has come"):
        _ = sample.words
    with pytest.raises(ValueError, match="starts at row 10, expected row 0"):
        sample.take(second)
    with pytest.raises(ValueError, match="must carry labels"):
        sample.take(as_batch(latents, game_id=games, train=games < 2))
    with pytest.raises(ValueError, match=r"must be \[20, 7\], got \[20, 6\]"):
        sample.take(as_batch(latents[:, :6], labels, game_id=games, train=games < 2))
    with pytest.raises(ValueError, match="train must be bool"):
        sample.take(as_batch(latents, labels, game_id=games, train=np.ones(20)))
    sample.take(first)
    narrow = as_batch(latents[10:], labels[10:, :69], game_id=games[10:], train=games[10:] < 2)
    with pytest.raises(ValueError, match="69 features, expected 70"):
        sample.take(replace(narrow, start=10))
    sample.close()
    both = SampleSpill(7, folder=tmp_path).open()
    both.take(as_batch(latents, labels, game_id=games, train=np.arange(20) % 2 == 0))
    with pytest.raises(ValueError, match="5 games stand on both sides"):
        both.games()
    both.close()
    alone = SampleSpill(7, folder=tmp_path).open()
    alone.take(as_batch(latents, labels, game_id=games, train=np.ones(20, bool)))
    with pytest.raises(ValueError, match="got 20 of 20"):
        alone.games()
    alone.close()


def test_files_that_nobody_closes_are_closed_when_they_are_collected(tmp_path):
    def names():
        return {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}

    def mine():
        return [name for name in names() if name.startswith(os.path.realpath(tmp_path))]

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("only Linux says which files are open")
    held = [SampleSpill(7, folder=tmp_path)]
    assert len(mine()) >= 4
    with pytest.warns(ResourceWarning):
        held.clear()
    gc.collect()
    assert not mine()
    assert not list(tmp_path.iterdir())
