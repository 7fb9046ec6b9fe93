"""Entries: made once, whole or absent, made anew when damaged, read from where nothing can be written."""

import multiprocessing
import os
import time

import numpy as np
import pytest
from fiducial.testing.store import Store, digest


def numbers(calls=None):
    def make():
        if calls is not None:
            calls.append(1)
        return {"x": np.arange(3.0), "name": np.array("three")}

    return make


def entry(folder):
    return next(folder.glob("*.npz"))


def test_made_once_and_the_same_when_read(tmp_path):
    calls = []
    first = Store(tmp_path).arrays("some numbers", {"n": 3}, numbers(calls))
    store = Store(tmp_path)
    second = store.arrays("some numbers", {"n": 3}, numbers(calls))
    assert len(calls) == 1
    assert store.gain.read == 1
    assert store.gain.made == 0
    assert set(first) == set(second) == {"x", "name"}
    np.testing.assert_array_equal(first["x"], second["x"])
    assert str(second["name"]) == "three"


def test_other_facts_are_another_entry(tmp_path):
    calls = []
    for n in (3, 4):
        Store(tmp_path).arrays("numbers", {"n": n}, numbers(calls))
    assert len(calls) == 2
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    Store(tmp_path).arrays("numbers", {}, numbers())
    path = entry(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        where = content.find(np.arange(3.0).tobytes())
        content[where + 8] ^= 1
    path.write_bytes({"cut": content[:-40], "emptied": b"", "foreign": b"GIF89a"}.get(damage, bytes(content)))
    store, calls = Store(tmp_path), []
    found = store.arrays("numbers", {}, numbers(calls))
    assert calls == [1]
    assert store.gain.damaged >= 1
    np.testing.assert_array_equal(found["x"], np.arange(3.0))
    assert Store(tmp_path).arrays("numbers", {}, numbers(calls)) is not None
    assert calls == [1]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).arrays("numbers", {}, numbers())
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_full_disk_costs_the_entry_and_not_the_run(tmp_path, monkeypatch):
    def full(file, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    store = Store(tmp_path)
    assert store.arrays("numbers", {}, numbers())["x"].sum() == 3
    assert store.gain.unkept == 1


def test_leftovers_of_killed_runs_and_what_nobody_uses_go(tmp_path):
    Store(tmp_path).arrays("numbers", {}, numbers())
    old, fresh = tmp_path / ".numbers.abc.tmp", tmp_path / ".numbers.def.tmp"
    for path in (old, fresh):
        path.write_bytes(b"half")
    hours = time.time() - 7200
    os.utime(old, (hours, hours))
    Store(tmp_path)
    assert not old.exists()
    assert fresh.exists()  # perhaps another run writes it now
    months = time.time() - 40 * 86_400
    os.utime(entry(tmp_path), (months, months))
    Store(tmp_path)
    assert not list(tmp_path.glob("*.npz"))


def test_a_folder_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    Store(tmp_path).arrays("numbers", {}, numbers())
    (Store(tmp_path).place("scores", {}) / "one.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("fiducial.testing.store._writable", lambda folder: False)  # root may write everywhere
    store, calls = Store(tmp_path), []
    store.arrays("numbers", {}, numbers(calls))
    store.arrays("numbers", {"other": 1}, numbers(calls))
    assert calls == [1]  # only what was missing
    assert (store.place("scores", {}) / "one.json").is_file()
    assert sorted(tmp_path.rglob("*")) == before
    assert "for this run only" in repr(store)


def test_a_file_where_the_folder_should_be_is_no_catastrophe(tmp_path):
    (tmp_path / "cache").write_text("mine")
    store = Store(tmp_path / "cache")
    assert not store.lasting
    assert store.arrays("numbers", {}, numbers())["x"].sum() == 3
    assert (tmp_path / "cache").read_text() == "mine"


def _worker(folder, calls):
    def make():
        with calls.get_lock():
            calls.value += 1
        time.sleep(0.3)
        return {"x": np.arange(3.0)}

    assert Store(folder).arrays("numbers", {}, make)["x"].sum() == 3


def test_of_several_workers_one_makes_and_the_others_wait(tmp_path):
    fork = multiprocessing.get_context("fork")
    calls = fork.Value("i", 0)
    workers = [fork.Process(target=_worker, args=(tmp_path, calls)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert calls.value == 1
