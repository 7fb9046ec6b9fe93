"""Synthetic worlds: rows per second, and recovery against the same matching done plainly with scikit-learn and scipy.

pytest benchmarks/test_bench_synthetic.py --benchmark-columns=median,ops
"""

import numpy as np
import pytest
import torch
from fiducial.games import Synthetic
from fiducial.metrics import recovery
from fiducial.models.controls import random_dictionary
from fiducial.models.dictionary import encode_in_batches
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import f1_score, precision_recall_curve

N_ROWS, WIDTH, L0 = 20_000, 1024, 20
PLAIN_LATENTS = 4  # of 1,024: the plain way takes minutes for all


@pytest.mark.benchmark(group="rows of a world")
@pytest.mark.parametrize("name", ["independent", "hierarchical", "synthsaebench-64", "synthsaebench-256"])
def test_rows(benchmark, name):
    world = Synthetic(name)
    batches = world.batches(1024, seed=0)
    next(batches)
    benchmark.pedantic(lambda: next(batches), rounds=20)
    benchmark.extra_info["rows/s"] = round(1024 / benchmark.stats.stats.median)


@pytest.fixture(scope="module")
def case():
    world = Synthetic("synthsaebench-64")
    sample = world.sample(N_ROWS, seed=0)
    made = random_dictionary(sample.activations, WIDTH, L0, seed=1)
    return world, sample, made, encode_in_batches(made, sample.activations)


@pytest.mark.benchmark(group="recovery, 20,000 rows x 1,024 latents x 256 features")
def test_recovery(benchmark, case):
    world, sample, made, codes = case
    arguments = {
        "game_id": sample.game_id,
        "train": sample.game_id < 100,
        "directions": made.directions.numpy(),
        "true_directions": world.directions.numpy(),
        "magnitudes": sample.magnitudes,
    }
    benchmark.pedantic(lambda: recovery(codes, sample.labels, **arguments), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="recovery, 20,000 rows x 1,024 latents x 256 features")
def test_recovery_plainly(benchmark, case):
    """Best-threshold F1 of a few latents with every feature; multiply by 256 for all of them."""
    _, sample, _, codes = case
    labels = sample.features.unpack(sample.labels)
    dense = codes.take(np.arange(N_ROWS)).to_dense()[:, :PLAIN_LATENTS]
    train = sample.game_id < 100

    def plainly():
        table = np.zeros((PLAIN_LATENTS, labels.shape[1]))
        for i in range(PLAIN_LATENTS):
            for f in range(labels.shape[1]):
                precision, recall, limits = precision_recall_curve(labels[train, f], dense[train, i])
                best = np.argmax(2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-9))
                predicted = dense[~train, i] >= limits[best]
                table[i, f] = f1_score(labels[~train, f], predicted, zero_division=0)
        return linear_sum_assignment(-table)

    torch.set_num_threads(1)
    benchmark.pedantic(plainly, rounds=1)
