"""The scoring core against a dense reference in the same run.

    pytest benchmarks/test_bench_counts.py --benchmark-group-by=group
    FIDUCIAL_BENCH_LARGE=1 pytest ...    adds 200,000 positions x 4,096 latents x 512 features

A group is one size and one task. `counts`: true positives at 10 thresholds, by dense matmul or by the kernel. `best`:
the exact best threshold and AUROC of every pair, where the reference is scikit-learn on a few pairs, to be scaled up.
"""

import os

import numpy as np
import pytest
from fiducial.metrics.counts import best_thresholds, counts_at, sort_codes
from fiducial.metrics.coverage_karvonen import PAPER_GRID
from fiducial.metrics.inputs import as_label_bits
from fiducial.models.dictionary import Codes
from sklearn.metrics import precision_recall_curve, roc_auc_score

SIZES = {
    "small": {"n": 5_000, "n_latents": 256, "l0": 16, "n_features": 64},
    "middle": {"n": 20_000, "n_latents": 1024, "l0": 32, "n_features": 256},
    "dense": {"n": 5_000, "n_latents": 256, "l0": 256, "n_features": 256},
}
if os.environ.get("FIDUCIAL_BENCH_LARGE"):
    SIZES["design"] = {"n": 200_000, "n_latents": 4096, "l0": 32, "n_features": 512}
PREVALENCE = 0.039


def sample(n, n_latents, l0, n_features, seed=0):
    """Codes with `l0` random latents at each position, and random packed labels."""
    rng = np.random.default_rng(seed)
    indices = np.empty((n, l0), np.int32)
    packed = np.empty((n, n_features // 8), np.uint8)
    rate = rng.exponential(PREVALENCE, n_features).clip(0, 0.9)
    for start in range(0, n, 4096):
        rows = slice(start, min(start + 4096, n))
        size = rows.stop - start
        order = rng.random((size, n_latents), dtype=np.float32)
        part = order.argpartition(l0 - 1, axis=1)[:, :l0] if l0 < n_latents else np.tile(np.arange(l0), (size, 1))
        indices[rows] = np.sort(part, axis=1)
        packed[rows] = np.packbits(rng.random((size, n_features)) < rate, axis=1, bitorder="little")
    values = rng.exponential(size=n * l0).astype(np.float32)
    return Codes(np.arange(0, n * l0 + 1, l0), indices.ravel(), values, n_latents), packed


@pytest.fixture(scope="module", params=SIZES)
def case(request):
    codes, packed = sample(**SIZES[request.param])
    return request.param, codes, packed, SIZES[request.param]["n_features"]


def test_best_kernel(benchmark, case):
    name, codes, packed, n_features = case
    benchmark.group = f"best {name}"
    best_thresholds(codes.take(np.arange(50)), packed[:50], n_features=n_features)  # compile first
    pairs = benchmark.pedantic(best_thresholds, (codes, packed), {"n_features": n_features}, rounds=3)
    assert pairs.f1.max() <= 1


def test_best_kernel_without_sorting(benchmark, case):
    name, codes, packed, n_features = case
    benchmark.group = f"best {name}"
    ordered, bits = sort_codes(codes), as_label_bits(packed, codes.n_rows, n_features)
    bits.positives  # noqa: B018 - counted once, outside the timing
    benchmark.pedantic(best_thresholds, (ordered, bits), rounds=3)


def test_best_scikit_learn_on_eight_pairs(benchmark, case):
    """Multiply by latents x features / 8 for the whole."""
    name, codes, packed, n_features = case
    benchmark.group = f"best {name}"
    benchmark.extra_info["scale_by"] = codes.n_latents * n_features / 8
    latents = [codes.values * (codes.indices == i) for i in range(8)]
    columns = [np.add.reduceat(latent, codes.indptr[:-1]) for latent in latents]
    labels = as_label_bits(packed, codes.n_rows, n_features).to_dense()[:, :8]

    def score():
        for column, label in zip(columns, labels.T, strict=True):
            precision_recall_curve(label, column)
            roc_auc_score(label, column)

    benchmark.pedantic(score, rounds=1)


def test_counts_kernel(benchmark, case):
    name, codes, packed, n_features = case
    benchmark.group = f"counts {name}"
    limits = codes.maxima[:, None] * PAPER_GRID
    counts_at(codes.take(np.arange(50)), packed[:50], limits, strict=True, n_features=n_features)
    arguments = {"strict": True, "n_features": n_features}
    benchmark.pedantic(counts_at, (codes, packed, limits), arguments, rounds=3)


def test_counts_dense_matmul(benchmark, case):
    name, codes, packed, n_features = case
    if codes.n_rows * codes.n_latents > 1 << 26:
        pytest.skip("the dense reference needs gigabytes at this size")
    benchmark.group = f"counts {name}"
    limits = codes.maxima[:, None] * PAPER_GRID
    dense = codes.to_dense()
    labels = as_label_bits(packed, codes.n_rows, n_features).to_dense().astype(np.float32)

    def count():
        return [(dense > limit).astype(np.float32).T @ labels for limit in limits.T]

    counts = benchmark.pedantic(count, rounds=1)
    _, tp = counts_at(codes, packed, limits, strict=True, n_features=n_features)
    np.testing.assert_array_equal(np.stack(counts, 1), tp)  # the last integer agrees
