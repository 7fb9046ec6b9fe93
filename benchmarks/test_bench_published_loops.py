"""The published loops' algorithms against the library, in one run and on the same arrays, with the same results.

    OMP_NUM_THREADS=1 pytest benchmarks/test_bench_published_loops.py --benchmark-timer=time.process_time -s
    FIDUCIAL_BENCH_LARGE=1 ...    four times the latents and rows

A test measures the loop once and the library five times (its median counts), checks that both say the same, and prints
the ratio. SCR and TPP by encoding again: `test_bench_ablated_probes.py`; what a whole family of them costs is there.
"""

import os
import time

import numpy as np
import published_loops as loops
import pytest
import torch
from fiducial.metrics.absorption_published import fit_probes, l1_weights, main_latents, rates
from fiducial.metrics.counts import counts_at, sort_codes
from fiducial.metrics.coverage import coverage
from fiducial.metrics.coverage_karvonen import CODE_GRID, largest_absolute
from fiducial.metrics.inputs import as_label_bits
from fiducial.metrics.predictions import relative_limits
from fiducial.metrics.reconstruction import reconstruction
from fiducial.metrics.sparse_probing import sparse_probing_from
from fiducial.metrics.sparse_probing_tasks import probing_tasks
from fiducial.models.controls import random_dictionary
from fiducial.models.dictionary import Codes, encode_in_batches

LARGE = 4 if os.environ.get("FIDUCIAL_BENCH_LARGE") else 1
GAMES, ROWS, FEATURES, LATENTS, D = 80 * LARGE, 20, 192, 300 * LARGE, 64


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def case():
    """Latents of which a third detect a feature, with noise; float32 [N, L], bool [N, F], games, training rows."""
    rng = np.random.default_rng(0)
    n = GAMES * ROWS
    labels = rng.random((n, FEATURES)) < rng.uniform(0.03, 0.3, FEATURES)
    latents = np.where(rng.random((n, LATENTS)) < 0.08, rng.exponential(size=(n, LATENTS)), 0)
    for i in range(0, LATENTS, 3):
        latents[:, i] = labels[:, i % FEATURES] * (0.5 + rng.random(n)) * (rng.random(n) < 0.9) + 0.1 * latents[:, i]
    games = np.repeat(np.arange(GAMES), ROWS)
    return latents.astype(np.float32), labels, games, games < GAMES // 2


@pytest.fixture(scope="module")
def stream():
    """Activations in which 24 properties are written, and a dictionary of random directions."""
    rng = np.random.default_rng(1)
    n = GAMES * ROWS
    y = rng.random((n, 24)) < 0.25
    written = rng.normal(size=(24, D)) / np.sqrt(D)
    x = torch.from_numpy((3 * y @ written + 0.3 * rng.normal(size=(n, D))).astype(np.float32))
    made = random_dictionary(x, 3 * LATENTS, 16)
    games = np.repeat(np.arange(GAMES), ROWS)
    return x, y, made, games, games < GAMES // 2


def compare(name, plain, fast, record):
    """Seconds of CPU time of both, and their results."""
    fast()  # compile first
    times = []
    for _ in range(5):
        start = time.process_time()
        found = fast()
        times.append(time.process_time() - start)
    start = time.process_time()
    reference = plain()
    slow, quick = time.process_time() - start, float(np.median(times))
    record("loop_s", slow)
    record("ours_s", quick)
    print(f"\n{name}: loop {slow:.3f} s, ours {quick:.4f} s, ratio {slow / quick:.0f}")
    return reference, found


def test_coverage_counts(case, record_property):
    latents, labels, _, _ = case
    codes = Codes.from_dense(latents)
    limits = relative_limits(largest_absolute(codes), CODE_GRID)
    (on, tp), (our_on, our_tp) = compare(
        f"counts at 11 thresholds, {len(latents)} rows x {LATENTS} latents x {FEATURES} features",
        lambda: loops.coverage_counts(latents, labels, limits, ROWS),
        lambda: counts_at(sort_codes(codes), as_label_bits(labels, len(latents)), limits, strict=True),
        record_property,
    )
    np.testing.assert_array_equal(on.T, our_on)
    np.testing.assert_array_equal(tp.transpose(1, 0, 2), our_tp)


def test_coverage(case, record_property):
    latents, labels, games, _ = case
    limits = relative_limits(largest_absolute(Codes.from_dense(latents)), CODE_GRID)
    wanted, found = compare(
        "coverage as published, the same arrays",
        lambda: loops.coverage(*loops.coverage_counts(latents, labels, limits, ROWS), labels.sum(0)),
        lambda: coverage(latents, labels, game_id=games, protocol="karvonen2024-code", n_resamples=100).value,
        record_property,
    )
    assert found == pytest.approx(wanted, abs=1e-5)  # the published F1 has small constants


def test_reconstruction(case, record_property):
    latents, labels, games, train = case
    limits = relative_limits(largest_absolute(Codes.from_dense(latents[train])), CODE_GRID)
    wanted, found = compare(
        "reconstruction as published, with its votes",
        lambda: loops.reconstruction(latents[train], labels[train], latents[~train], labels[~train], limits, ROWS),
        lambda: (
            reconstruction(
                latents, labels, game_id=games, train=train, protocol="karvonen2024-code", n_resamples=100
            ).value
        ),
        record_property,
    )
    assert wanted > 0.1
    assert found == pytest.approx(wanted, abs=1e-5)


def test_sparse_probing(case, record_property):
    latents, labels, games, train = case
    codes, ks = Codes.from_dense(latents), (1, 2, 5)
    tasks = probing_tasks(labels, game_id=games, train=train)

    def ours():
        scores = sparse_probing_from(tasks, codes, ks=ks, protocol="saebench", n_resamples=100)
        return {k: scores[f"sae_top_{k}_test_accuracy"].value for k in ks}

    wanted, found = compare(
        f"sparse probing, {len(tasks.names)} tasks x {len(ks)} sizes",
        lambda: loops.sparse_probing(latents.astype(np.float64), tasks, ks),
        ours,
        record_property,
    )
    assert found == pytest.approx(wanted, abs=2e-3)  # scikit-learn stops a little short of the minimum


def test_absorption(stream, record_property):
    x, y, made, games, train = stream
    n_games = len(np.unique(games))
    directions = made.directions.double().numpy()
    lengths = np.linalg.norm(directions, axis=1)
    unit = directions / lengths[:, None]
    codes = encode_in_batches(made, x)
    folded = Codes(codes.indptr, codes.indices, (codes.values * lengths[codes.indices]).astype(np.float32), len(unit))
    doubles = x.double().numpy()
    probes = fit_probes(doubles[train], y[train])
    weights = l1_weights(folded.take(np.flatnonzero(train)), y[train])
    lines = probes.weights / np.linalg.norm(probes.weights, axis=1)[:, None]
    said = probes.scores(doubles) > 0
    assert n_games == GAMES

    def encode(rows):
        found = made.encode(torch.from_numpy(np.asarray(rows, np.float32))).double().numpy()
        return (found * lengths).astype(np.float32)

    def plain():
        totals = []
        for j in range(y.shape[1]):
            main = loops.main_latents(encode, doubles, y[:, j], train, weights[:, j])
            rows = np.flatnonzero(~train & y[:, j] & said[:, j])
            fraction, full = loops.absorption(encode, doubles[rows], lines[j], unit @ lines[j], main)
            totals.append((len(main), fraction.sum(), full.sum()))
        return np.array(totals)

    def ours():
        totals = []
        columns = folded.to_dense()
        for j in range(y.shape[1]):
            ranked = np.argsort(-weights[:, j], kind="stable")[:10]
            main, _ = main_latents(weights[ranked, j], columns[:, ranked], ranked, y[:, j], train)
            rows = np.flatnonzero(~train & y[:, j] & said[:, j])
            rate = rates(folded.take(rows), unit @ lines[j], doubles[rows] @ lines[j], main)
            totals.append((len(main), rate.fraction.sum(), rate.full.sum()))
        return np.array(totals)

    wanted, found = compare("absorption of 24 properties", plain, ours, record_property)
    np.testing.assert_array_equal(found[:, [0, 2]], wanted[:, [0, 2]])
    np.testing.assert_allclose(found[:, 1], wanted[:, 1], atol=1e-3)
    assert wanted[:, 1].sum() > 0
