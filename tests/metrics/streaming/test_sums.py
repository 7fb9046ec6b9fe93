"""Metrics that are sums over positions: batch by batch they are what they are on the whole, to the last bit."""

import numpy as np
import pytest
from fiducial.metrics import approximation, board_approximation, core_behaviour, core_fidelity, core_sparsity
from fiducial.metrics.core_columns import row_sum
from fiducial.metrics.streaming.accumulator import stream
from fiducial.metrics.streaming.behaviour import StreamedApproximation, StreamedBehaviour, StreamedBoards
from fiducial.metrics.streaming.fidelity import StreamedFidelity
from fiducial.metrics.streaming.sparsity import StreamedSparsity
from fiducial.models.dictionary import Codes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from .samples import as_batch, batches, interleaved, same

RNG = np.random.default_rng(3)
N, L, D, V = 211, 17, 6, 9
GAMES = np.sort(RNG.integers(0, 13, N)) * 7 - 20
ORDER = interleaved(GAMES)
TRAIN = GAMES < 0
LATENTS = np.where(RNG.random((N, L)) < 0.2, RNG.normal(size=(N, L)), 0).astype(np.float32)
LATENTS[:, 5] = 0
LATENTS[:, 6] = np.abs(LATENTS[:, 6]) + 1
X = (RNG.normal(size=(N, D)) + 1).astype(np.float32)
X_HAT = (0.7 * X + 0.2 * RNG.normal(size=(N, D))).astype(np.float32)
X[40] = X_HAT[41] = 0
ALLOWED = RNG.random((N, V)) < 0.4
ALLOWED[:, 2] |= ~ALLOWED.any(1)
GAINS = {"clean_logprobs": 4, "sae_logprobs": 3, "zero_logprobs": 0, "mean_logprobs": 1, "error_logprobs": 1}
PREDICTED = {name: log_softmax(RNG.normal(size=(N, V)) + gain * ALLOWED, 1) for name, gain in GAINS.items()}
PLAYED = np.array([RNG.choice(np.flatnonzero(row)) for row in ALLOWED])
SIZES = (1, 7, 64, 1000)
FAST = {"n_resamples": 20, "seed": 5}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", [np.arange(N), ORDER], ids=["in order", "interleaved"])
def test_sparsity(size, order):
    whole = as_batch(LATENTS[order], game_id=GAMES[order], train=TRAIN[order])
    found = stream([StreamedSparsity(L, reporting_only=False, **FAST)], batches(whole, size))
    same(found, core_sparsity(LATENTS[order], GAMES[order], **FAST))
    found = stream([StreamedSparsity(L, **FAST)], batches(whole, size))
    kept = order[~TRAIN[order]]
    same(found, core_sparsity(LATENTS[kept], GAMES[kept], **FAST))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", [np.arange(N), ORDER], ids=["in order", "interleaved"])
def test_fidelity(size, order):
    whole = as_batch(game_id=GAMES[order], train=TRAIN[order], x=X[order], x_hat=X_HAT[order])
    found = stream([StreamedFidelity(reporting_only=False, **FAST)], batches(whole, size))
    same(found, core_fidelity(X[order], X_HAT[order], GAMES[order], **FAST))
    found = stream([StreamedFidelity(**FAST)], batches(whole, size))
    kept = order[~TRAIN[order]]
    same(found, core_fidelity(X[kept], X_HAT[kept], GAMES[kept], **FAST))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("targets", [None, PLAYED], ids=["uniform", "played"])
def test_behaviour_and_boards(size, targets):
    played = {} if targets is None else {"targets": PLAYED[ORDER]}
    values = {name: array[ORDER] for name, array in PREDICTED.items()}
    whole = as_batch(game_id=GAMES[ORDER], allowed=ALLOWED[ORDER], **values, **played)
    asked = {"targets": targets is not None, **FAST}
    found = stream([StreamedBehaviour(**asked), StreamedBoards(**asked)], batches(whole, size))
    given = [values[name] for name in GAINS]
    expected = {
        **core_behaviour(*given[:4], ALLOWED[ORDER], GAMES[ORDER], **played, **FAST),
        **board_approximation(
            given[0], given[1], given[3], given[4], ALLOWED[ORDER], game_id=GAMES[ORDER], **played, **FAST
        ),
    }
    same(found, expected)


@pytest.mark.parametrize("size", SIZES)
def test_approximation(size):
    columns = RNG.normal(size=(N, 4)) + np.array([4, 3.5, 1, 1.3])
    names = ("clean_difference", "reconstructed_difference", "mean_difference", "error_difference")
    whole = as_batch(game_id=GAMES, **dict(zip(names, columns.T, strict=True)))
    found = stream([StreamedApproximation(**FAST)], batches(whole, size))
    same(found, approximation(*columns.T, game_id=GAMES, **FAST))


@given(d=st.integers(2, 9), n=st.integers(1, 40), cut=st.integers(0, 40), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_sum_of_rows_does_not_depend_on_the_cut(d, n, cut, seed):
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32) * 1e3
    first, second = x[:cut], x[cut:]
    so_far = row_sum(first) if len(first) else None
    found = row_sum(second, so_far) if len(second) else so_far
    expected = np.zeros(d)
    for row in x:
        expected += row.astype(np.float64)
    np.testing.assert_array_equal(found, row_sum(x))
    np.testing.assert_array_equal(found, expected)


def test_all_dead_latents():
    whole = as_batch(np.zeros((N, L), np.float32), game_id=GAMES)
    found = stream([StreamedSparsity(L, **FAST)], batches(whole, 50))
    assert found["dead_latents_error"].value == 1
    assert found["l0"].value == 0


def test_a_mean_of_each_batch_is_noticed(monkeypatch):
    whole = as_batch(game_id=GAMES, x=X, x_hat=X_HAT)
    real = StreamedFidelity._take

    def broken(self, batch):
        self._mean = batch.x.mean(0, dtype=np.float64)
        real(self, batch)

    monkeypatch.setattr(StreamedFidelity, "_take", broken)
    found = stream([StreamedFidelity(**FAST)], batches(whole, 30))["explained_variance_score"].value
    assert found != pytest.approx(core_fidelity(X, X_HAT, GAMES, **FAST)["explained_variance_score"].value, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 5}, "must start at row 100, got one that starts at 5"),
        ({"codes": None}, "must hold codes; the one at row 100 does not"),
        ({"train": np.zeros(3, bool)}, "as many rows everywhere"),
        ({"codes": Codes.from_dense(LATENTS[100:, :4])}, "codes must have 17 latents, got 4"),
    ],
)
def test_a_wrong_batch_is_refused(change, message):
    from dataclasses import replace

    first, second, _ = batches(as_batch(LATENTS, game_id=GAMES), 100)()
    if "codes" in change and change["codes"] is not None:
        change = {"codes": change["codes"].take(np.arange(100))}
    one = StreamedSparsity(L)
    one.accumulate(first)
    with pytest.raises(ValueError, match=message):
        one.accumulate(replace(second, **change))


def test_passes_are_counted():
    whole = as_batch(game_id=GAMES, x=X, x_hat=X_HAT)
    one = StreamedFidelity(**FAST)
    with pytest.raises(ValueError, match="no batch has passed"):
        one.end_pass()
    one.accumulate(whole)
    one.end_pass()
    with pytest.raises(ValueError, match="1 of 2 passes are over"):
        one.compute()
    one.accumulate(next(batches(whole, 100)()))
    with pytest.raises(ValueError, match="every pass must bring the same rows"):
        one.end_pass()


def test_nan_is_refused():
    x = X.copy()
    x[7, 2] = np.nan
    with pytest.raises(ValueError, match="x holds nan"):
        stream([StreamedFidelity()], batches(as_batch(game_id=GAMES, x=x, x_hat=X_HAT), 10))
