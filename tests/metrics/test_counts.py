"""The scoring core against scikit-learn, a dense matmul and its plain twin."""

import fiducial.metrics.counts_numba as counts_numba
import numpy as np
import pytest
import torch
from fiducial.metrics import counts_plain
from fiducial.metrics.counts import best_thresholds, counts_at, counts_by_game, f1_score, sort_codes, to_dense
from fiducial.metrics.inputs import as_label_bits
from fiducial.models.dictionary import Codes
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score as sklearn_f1
from sklearn.metrics import precision_recall_curve, roc_auc_score


def sample(n, n_latents, n_features, *, density=0.3, decimals=None, signed=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_latents))
    x = x if signed else np.abs(x)
    x = x if decimals is None else np.round(x, decimals)
    x = np.where(rng.random(x.shape) < density, x, 0.0)
    y = rng.random((n, n_features)) < rng.random(n_features) ** 2
    y[:, 0] = x[:, 0] > 0.4
    return x.astype(np.float32), y


CASES = {
    "one row": {"n": 1, "n_latents": 1, "n_features": 1},
    "63 rows": {"n": 63, "n_latents": 2, "n_features": 3, "density": 1.0},
    "64 rows": {"n": 64, "n_latents": 2, "n_features": 64, "density": 1.0},
    "65 rows": {"n": 65, "n_latents": 2, "n_features": 65, "density": 1.0},
    "sparse": {"n": 700, "n_latents": 7, "n_features": 70, "density": 0.05},
    "dense": {"n": 300, "n_latents": 2, "n_features": 129, "density": 1.0},
    "some ties": {"n": 500, "n_latents": 4, "n_features": 40, "density": 0.9, "decimals": 2},
    "groups above a word": {"n": 999, "n_latents": 3, "n_features": 20, "density": 1.0, "decimals": 0},
    "groups near a word": {"n": 640, "n_latents": 4, "n_features": 20, "density": 1.0, "decimals": 1},
    "signed": {"n": 333, "n_latents": 4, "n_features": 33, "density": 0.6, "signed": True},
    "signed ties": {"n": 900, "n_latents": 4, "n_features": 33, "density": 0.8, "signed": True, "decimals": 1},
    "dead": {"n": 50, "n_latents": 3, "n_features": 5, "density": 0.0},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("implementation", ["numba", "torch"])
def test_fast_paths_equal_the_plain_definition(name, implementation):
    x, y = sample(**CASES[name])
    fast, plain = (best_thresholds(x, y, implementation=path) for path in (implementation, "plain"))
    np.testing.assert_array_equal(fast.tp, plain.tp)
    np.testing.assert_array_equal(fast.on, plain.on)
    np.testing.assert_allclose(fast.auroc, plain.auroc, rtol=1e-13)


@given(
    n=st.integers(1, 150),
    values=st.integers(1, 12),
    density=st.floats(0, 1),
    prevalence=st.floats(0, 1),
    signed=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_numba_equals_plain_on_any_ties(n, values, density, prevalence, signed, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-values if signed else 0, values + 1, (n, 2)) * (rng.random((n, 2)) < density)
    y = rng.random((n, 3)) < prevalence
    fast, plain = (best_thresholds(x.astype(np.float32), y, implementation=path) for path in ("numba", "plain"))
    np.testing.assert_array_equal(fast.tp, plain.tp)
    np.testing.assert_array_equal(fast.on, plain.on)
    np.testing.assert_allclose(fast.auroc, plain.auroc, rtol=1e-13)


@pytest.mark.parametrize("name", ["sparse", "some ties", "groups above a word", "dense"])
def test_best_f1_equals_scikit_learn(name):
    x, y = sample(**CASES[name])
    pairs = best_thresholds(x, y)
    for latent in range(x.shape[1]):
        for f in np.flatnonzero(y.any(0))[:10]:
            precision, recall, thresholds = precision_recall_curve(y[:, f], x[:, latent])
            positive = np.r_[thresholds > 0, False]  # only positive values may predict
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-30)
            assert pairs.f1[latent, f] == pytest.approx(f1[positive].max(initial=0.0), abs=1e-12)
            fires = x[:, latent] >= pairs.threshold[latent, f]
            assert pairs.f1[latent, f] == pytest.approx(sklearn_f1(y[:, f], fires, zero_division=0.0), abs=1e-12)
            assert pairs.precision[latent, f] == pytest.approx((y[:, f] & fires).sum() / max(fires.sum(), 1), abs=1e-12)
            assert pairs.recall[latent, f] == pytest.approx((y[:, f] & fires).sum() / y[:, f].sum(), abs=1e-12)


@pytest.mark.parametrize("name", ["sparse", "dense", "signed", "signed ties", "groups above a word", "dead"])
def test_auroc_equals_scikit_learn(name):
    x, y = sample(**CASES[name])
    pairs = best_thresholds(x, y)
    for latent in range(x.shape[1]):
        for f in range(min(12, y.shape[1])):
            if y[:, f].all() or not y[:, f].any():
                assert np.isnan(pairs.auroc[latent, f])
            else:
                assert pairs.auroc[latent, f] == pytest.approx(roc_auc_score(y[:, f], x[:, latent]), abs=1e-12)


@pytest.mark.parametrize("name", ["one row", "sparse", "some ties", "groups above a word", "signed ties", "dead"])
@pytest.mark.parametrize("strict", [True, False])
def test_counts_equal_a_dense_matmul(name, strict):
    x, y = sample(**CASES[name])
    rng = np.random.default_rng(1)
    thresholds = rng.choice(np.r_[x.ravel()[:50], 0, -0.5, 0.3, 99], (x.shape[1], 6)).astype(np.float32)
    on, tp = counts_at(x, y, thresholds, strict=strict)
    plain_on, plain_tp = counts_plain.counts_at(x, y, thresholds, strict)
    np.testing.assert_array_equal(on, plain_on)
    np.testing.assert_array_equal(tp, plain_tp)


def test_strict_and_loose_differ_at_the_threshold_itself():
    x, y = np.array([[0.5], [0.5], [0.7]]), np.array([[True], [False], [True]])
    half = np.array([[0.5]], np.float32)
    assert [int(counts_at(x, y, half, strict=s)[0][0, 0]) for s in (True, False)] == [1, 3]
    assert [int(counts_at(x, y, half, strict=s)[1][0, 0, 0]) for s in (True, False)] == [1, 2]


def test_counts_by_game_add_up_and_match_masks():
    x, y = sample(400, 5, 66, density=0.5, decimals=1)
    games = np.random.default_rng(2).integers(0, 7, 400)
    chosen = np.random.default_rng(3).integers(-1, 5, 66)
    limits = np.random.default_rng(4).choice([0.1, 0.5, 1.0], 66)
    for strict in (True, False):
        on, tp, positives = counts_by_game(x, y, games, chosen, limits, strict=strict)
        for f in range(66):
            value = x[:, chosen[f]]
            above = value > np.float32(limits[f]) if strict else value >= np.float32(limits[f])
            fires = above if chosen[f] >= 0 else np.zeros(400, bool)
            for game in range(7):
                here = games == game
                assert on[game, f] == (fires & here).sum()
                assert tp[game, f] == (fires & here & y[:, f]).sum()
                assert positives[game, f] == (y[:, f] & here).sum()


def test_huge_counts_stay_exact():
    n = 1_000_001
    codes = Codes(np.arange(n + 1), np.zeros(n, np.int32), np.full(n, 2.0, np.float32), 1)
    y = np.zeros((n, 1), bool)
    y[: n // 3] = True
    pairs = best_thresholds(codes, y)
    assert (pairs.tp[0, 0], pairs.on[0, 0], pairs.auroc[0, 0]) == (n // 3, n, 0.5)
    distinct = Codes(codes.indptr, codes.indices, np.arange(n, 0, -1).astype(np.float32), 1)
    pairs = best_thresholds(distinct, y)
    assert (pairs.tp[0, 0], pairs.on[0, 0], pairs.auroc[0, 0]) == (n // 3, n // 3, 1.0)
    assert best_thresholds(distinct, ~y).auroc[0, 0] == 0.0


def test_the_highest_of_equal_thresholds_wins():
    # F1 is 2/3 with one prediction and with four.
    x = np.array([[4.0], [3.0], [2.0], [1.0]])
    y = np.array([[True], [False], [False], [True]])
    pairs = best_thresholds(x, y)
    assert (pairs.tp[0, 0], pairs.on[0, 0], pairs.threshold[0, 0]) == (1, 1, 4.0)
    assert best_thresholds(x, y, implementation="torch").on[0, 0] == 1


def test_limits():
    y = np.random.default_rng(0).random((300, 9)) < 0.3
    perfect = best_thresholds(y.astype(np.float32), y)
    assert (np.diag(perfect.f1) == 1).all()
    assert (np.diag(perfect.auroc) == 1).all()
    np.testing.assert_array_equal(perfect.best_latents(), np.arange(9))
    dead = best_thresholds(np.zeros((300, 2)), y)
    assert not dead.f1.any()
    assert (dead.auroc == 0.5).all()
    assert np.isinf(dead.threshold).all()
    always = best_thresholds(np.ones((300, 1)), y)
    p = y.mean(0)
    np.testing.assert_allclose(always.f1[0], 2 * p / (1 + p))
    never = best_thresholds(np.ones((300, 1)), np.zeros((300, 1), bool))
    assert never.f1[0, 0] == 0
    assert np.isnan(never.auroc[0, 0])
    assert f1_score(np.array([0]), np.array([0]), np.array([0]))[0] == 0


@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_symmetries(seed, scale):
    x, y = sample(120, 4, 6, density=0.6, decimals=1, signed=True, seed=seed)
    pairs = best_thresholds(x, y)
    order = np.random.default_rng(seed).permutation(4)
    rows = np.random.default_rng(seed).permutation(120)
    for other, back in [
        (best_thresholds(x[:, order], y), np.argsort(order)),
        (best_thresholds(x * np.float32(scale), y), np.arange(4)),
        (best_thresholds(x[rows], y[rows]), np.arange(4)),
        (best_thresholds(np.concatenate([x, x[:, :1], np.zeros((120, 1), np.float32)], 1), y), np.arange(4)),
    ]:
        np.testing.assert_array_equal(other.tp[back], pairs.tp)
        np.testing.assert_array_equal(other.on[back], pairs.on)
        np.testing.assert_allclose(other.auroc[back], pairs.auroc, rtol=1e-13)


def test_input_forms_agree():
    x, y = sample(200, 5, 13, density=0.4)
    packed = np.packbits(y, axis=1, bitorder="little")
    packed[:, -1] |= 0b11100000  # bits beyond the last feature must not count
    expected = best_thresholds(x, y)
    codes = Codes.from_dense(x)
    for array in (codes.indptr, codes.indices, codes.values, packed):
        array.flags.writeable = False
    for latents, labels, width in [
        (codes, packed, 13),
        (x.astype(np.float64), y, None),
        (torch.from_numpy(x), torch.from_numpy(y), None),
        (sort_codes(codes), as_label_bits(y, 200), None),
    ]:
        found = best_thresholds(latents, labels, n_features=width)
        np.testing.assert_array_equal(found.tp, expected.tp)
        np.testing.assert_array_equal(found.on, expected.on)
    np.testing.assert_array_equal(to_dense(sort_codes(codes)), x)
    assert as_label_bits(packed, 200).n_features == 16


def test_sorting_is_by_value_then_row():
    x = np.array([[1.0, -2.0], [3.0, 0.0], [1.0, -1.0], [0.0, 5.0]], np.float32)
    ordered = sort_codes(Codes.from_dense(x))
    assert ordered.rows.tolist() == [1, 0, 2, 3, 2, 0]
    assert ordered.values.tolist() == [3, 1, 1, 5, -1, -2]
    assert ordered.negative.tolist() == [3, 4]
    assert ordered.maxima.tolist() == [3, 5]
    assert ordered.slice(1, 2).rows.tolist() == [3, 2, 0]


def test_torch_chunks_do_not_change_anything():
    from fiducial.metrics.counts_torch import best_pairs

    x, y = sample(300, 9, 70, density=0.4, decimals=1)
    ordered, bits = sort_codes(Codes.from_dense(x)), as_label_bits(y, 300)
    whole, parts = best_pairs(ordered, bits, "cpu"), best_pairs(ordered, bits, "cpu", elements=64 * 150)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.cuda
def test_cuda_equals_numba():
    x, y = sample(5000, 40, 130, density=0.3, decimals=2, signed=True)
    gpu, cpu = best_thresholds(x, y, device="cuda"), best_thresholds(x, y)
    np.testing.assert_array_equal(gpu.tp, cpu.tp)
    np.testing.assert_array_equal(gpu.on, cpu.on)
    np.testing.assert_allclose(gpu.auroc, cpu.auroc, rtol=1e-13)


def _unjitted(monkeypatch):
    """Run the kernels as plain Python, so that one of them can be broken."""
    for name in (
        "ones",
        "position_sum",
        "tie_correction",
        "scan",
        "refine",
        "gather_blocks",
        "transpose",
        "best_pairs",
    ):
        monkeypatch.setattr(counts_numba, name, getattr(counts_numba, name).py_func)
    monkeypatch.setattr(counts_numba, "popcount", lambda word: int(word).bit_count())
    monkeypatch.setattr(counts_numba, "lowest_bit", lambda word: (int(word) & -int(word)).bit_length() - 1)


MUTANTS = {
    "ties ignored": ("tie_correction", lambda word, ends, full: 0),
    "no look inside blocks": ("refine", lambda *arguments: arguments[-2:]),
    "blocks not transposed": ("transpose", lambda square: None),
}


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_broken_kernels_are_noticed(monkeypatch, mutant):
    _unjitted(monkeypatch)
    x, y = sample(100, 2, 6, density=1.0, decimals=1)
    if mutant is not None:
        monkeypatch.setattr(counts_numba, *MUTANTS[mutant])
    fast, plain = best_thresholds(x, y), best_thresholds(x, y, implementation="plain")
    same = bool(
        (fast.tp == plain.tp).all()
        and (fast.on == plain.on).all()
        and np.allclose(fast.auroc, plain.auroc, rtol=1e-12, equal_nan=True)
    )
    assert same == (mutant is None)
