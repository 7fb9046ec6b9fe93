"""Counting on several threads gives what counting on one gives, to the last bit."""

import os
import sys
import threading

import fiducial.metrics.counts_threads as counts_threads
import numpy as np
import pytest
from fiducial.metrics.counts import best_thresholds, counts_at, sort_codes
from fiducial.metrics.counts_threads import over_latents, thread_count
from fiducial.models.dictionary import Codes


def sample(n, n_latents, n_features, seed=0):
    draw = np.random.default_rng(seed)
    x = np.where(draw.random((n, n_latents)) < 0.3, np.round(draw.normal(size=(n, n_latents)), 1), 0)
    x[:, ::5] = 0  # dead
    y = draw.random((n, n_features)) < draw.random(n_features) ** 3
    y[:, :2] = False, True  # constant
    return Codes.from_dense(x), y


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("shape", [(201, 1, 3), (333, 47, 131), (64, 5, 64), (10, 30, 65)])
def test_counts_do_not_depend_on_threads(monkeypatch, shape, threads):
    monkeypatch.setattr(counts_threads, "SMALL", 0)
    codes, y = sample(*shape)
    one, many = (best_thresholds(sort_codes(codes, count), y, threads=count) for count in (1, threads))
    for name in ("tp", "on", "auroc", "threshold"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
    limits = np.random.default_rng(1).normal(size=(shape[1], 3)).astype(np.float32)
    for a, b in zip(*(counts_at(codes, y, limits, strict=True, threads=t) for t in (1, threads)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_all_dead_latents_on_threads(monkeypatch):
    monkeypatch.setattr(counts_threads, "SMALL", 0)
    pairs = best_thresholds(np.zeros((20, 9)), np.ones((20, 3), bool), threads=4)
    assert not pairs.tp.any()
    assert not pairs.on.any()
    assert np.isnan(pairs.auroc).all()


@pytest.mark.parametrize("entries", [[0, 0, 0], [5, 0, 0, 100000, 1], [1] * 50, [1000]])
def test_ranges_are_all_latents_once(monkeypatch, entries):
    monkeypatch.setattr(counts_threads, "SMALL", 0)
    seen, lock = [], threading.Lock()

    def work(start, stop):
        with lock:
            seen.extend(range(start, stop))

    over_latents(work, np.concatenate([[0], np.cumsum(entries)]).astype(np.int64), 3, 4)
    assert sorted(seen) == list(range(len(entries)))


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(counts_threads, "SMALL", 0)

    def work(start, stop):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        over_latents(work, np.arange(10), 1, 2)


def test_as_many_threads_as_torch_uses(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert thread_count() == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert thread_count() == counts_threads.MOST_THREADS
    assert thread_count(17) == 17
    with pytest.raises(ValueError, match="at least 1, got 0"):
        thread_count(0)


def test_without_torch_the_environment_or_the_cores_say(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "2")
    assert thread_count() == 2
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "all")
    assert 1 <= thread_count() <= counts_threads.MOST_THREADS
