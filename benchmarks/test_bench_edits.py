"""Greedy edits against the naive form in the same run, with identical choices.

    pytest benchmarks/test_bench_edits.py --benchmark-columns=median,ops

Naive: the distance that every move of every latent would leave, computed anew at every step (`greedy_edits_plain`).
200 prompts, 1,024 latents, 128 dimensions, 8 moves; latents of 3, 32 or 64 active at a prompt.
"""

import time

import numpy as np
import pytest
import torch
from fiducial.metrics.control_greedy import greedy_edits
from fiducial.metrics.control_greedy_plain import greedy_edits_plain

N, WIDTH, D, K = 200, 1024, 128, 8
WANTED = 40


def sample(l0, seed=0):
    """Source and target codes with `l0` active latents, unit directions, and a residual that they explain in part."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(WIDTH, D))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    codes = [np.zeros((N, WIDTH)) for _ in range(2)]
    for part in codes:
        for row in part:
            row[rng.permutation(WIDTH)[:l0]] = rng.uniform(0.5, 1.5, l0)
    residual = (codes[0] - codes[1]) @ directions + 0.1 * rng.normal(size=(N, D))
    return tuple(torch.from_numpy(part.astype(np.float32)) for part in (*codes, directions, residual))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("l0", [3, 32, 64])
def test_greedy(benchmark, l0):
    benchmark.group = f"edits, {l0} active"
    arrays = sample(l0)
    greedy_edits(*(part[:2] for part in arrays[:2]), arrays[2], arrays[3][:2], K)  # compile first
    edits = benchmark.pedantic(greedy_edits, (*arrays, K), rounds=10, warmup_rounds=1)
    start = time.perf_counter()
    plain = greedy_edits_plain(*arrays, K)
    naive = time.perf_counter() - start
    np.testing.assert_array_equal(edits.feature, plain.feature)
    np.testing.assert_array_equal(edits.kind, plain.kind)
    if benchmark.stats is None:  # run with --benchmark-disable
        return
    times = naive / benchmark.stats.stats.median
    benchmark.extra_info["naive, s"] = round(naive, 3)
    benchmark.extra_info["times the naive form"] = round(times)
    assert times >= WANTED
