"""The Triton kernels against the plain definition: interpreted on a CPU, compiled where there is a CUDA device."""

import subprocess
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="TRITON IS NOT INSTALLED: the kernels were not tested")

from fiducial.metrics import counts, counts_plain, counts_triton
from fiducial.metrics.counts import SortedCodes, best_thresholds, choose_implementation, counts_at, sort_codes
from fiducial.metrics.counts_triton import Pieces, Tuning, best_pairs, kernels_for
from fiducial.metrics.counts_triton_codes import codes_on, labels_on, mark_groups, sort_codes_on, value_rank
from fiducial.metrics.counts_triton_work import work_of
from fiducial.metrics.inputs import as_label_bits
from fiducial.models.dictionary import Codes
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = Tuning(piece=40, tile=16, entries=90, cells=64 * 9)  # pieces, tiles and chunks of small inputs


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
    "31 features": {"n": 33, "n_latents": 1, "n_features": 31, "density": 1.0},
    "32 features": {"n": 47, "n_latents": 1, "n_features": 32, "density": 1.0},
    "33 features": {"n": 50, "n_latents": 1, "n_features": 33, "density": 1.0},
    "65 features": {"n": 70, "n_latents": 3, "n_features": 65, "density": 0.2},
    "some ties": {"n": 70, "n_latents": 3, "n_features": 5, "density": 0.9, "decimals": 1},
    "groups above a piece": {"n": 120, "n_latents": 2, "n_features": 6, "density": 1.0, "decimals": 0},
    "signed": {"n": 70, "n_latents": 2, "n_features": 9, "density": 0.6, "signed": True},
    "signed ties": {"n": 120, "n_latents": 2, "n_features": 9, "density": 0.8, "signed": True, "decimals": 1},
    "dead": {"n": 50, "n_latents": 3, "n_features": 5, "density": 0.0},
}


def same(found, plain):
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_array_equal(found[1], plain[1])
    np.testing.assert_allclose(found[2], plain[2], rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_kernels_equal_the_plain_definition(name):
    x, y = sample(**CASES[name])
    plain = counts_plain.best_pairs(x, y)
    codes, labels = sort_codes_on(DEVICE, x), labels_on(DEVICE, as_label_bits(y, len(y)))
    same(best_pairs(codes, labels, DEVICE, SMALL), plain)
    pairs = best_thresholds(x, y, implementation="triton", device=DEVICE)
    same((pairs.tp, pairs.on, pairs.auroc), plain)
    np.testing.assert_array_equal(pairs.auroc, best_thresholds(x, y).auroc)  # the same fraction, divided alike
    np.testing.assert_array_equal(pairs.threshold, best_thresholds(x, y).threshold)
    np.testing.assert_array_equal(pairs.positives, y.sum(0))


@settings(max_examples=8)
@given(
    n=st.integers(1, 40),
    values=st.integers(1, 12),
    density=st.floats(0, 1),
    prevalence=st.floats(0, 1),
    signed=st.booleans(),
    piece=st.integers(1, 70),
    seed=st.integers(0, 10_000),
)
def test_kernels_equal_plain_on_any_ties_and_cuts(n, values, density, prevalence, signed, piece, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-values if signed else 0, values + 1, (n, 2)) * (rng.random((n, 2)) < density)
    y = rng.random((n, 3)) < prevalence
    codes, labels = sort_codes_on(DEVICE, x.astype(np.float32)), as_label_bits(y, n)
    same(best_pairs(codes, labels, DEVICE, Tuning(piece=piece, tile=8)), counts_plain.best_pairs(x, y))


def test_auroc_with_ties_signs_and_zeros_equals_scikit_learn():
    x, y = sample(100, 2, 7, density=0.7, decimals=0, signed=True)
    pairs = best_thresholds(x, y, implementation="triton", device=DEVICE)
    for latent in range(2):
        for f in np.flatnonzero(y.any(0) & ~y.all(0)):
            assert pairs.auroc[latent, f] == pytest.approx(roc_auc_score(y[:, f], x[:, latent]), abs=1e-12)


def test_constant_labels_have_no_auroc():
    x, _ = sample(40, 2, 1)
    y = np.stack([np.zeros(40, bool), np.ones(40, bool), np.arange(40) < 20], 1)
    pairs = best_thresholds(x, y, implementation="triton", device=DEVICE)
    assert np.isnan(pairs.auroc[:, :2]).all()
    assert not np.isnan(pairs.auroc[:, 2]).any()
    assert (pairs.on[:, 0] == 0).all()
    assert (pairs.tp[:, 1] == pairs.on[:, 1]).all()


def test_the_highest_of_equal_thresholds_wins_across_pieces():
    # F1 is 2/3 with one prediction and with four; by hand.
    x, y = np.array([[4.0], [3.0], [2.0], [1.0]], np.float32), np.array([[True], [False], [False], [True]])
    for piece in (1, 2, 3, 4):
        found = best_pairs(sort_codes_on(DEVICE, x), as_label_bits(y, 4), DEVICE, Tuning(piece=piece, tile=2))
        assert [array.tolist() for array in found] == [[[1]], [[1]], [[0.5]]]


def test_a_tie_that_spans_pieces_counts_as_one_threshold():
    # One group of 9 with 3 positives in its first rows: predicting part of it is not to be had.
    x, y = np.full((9, 1), 2.0, np.float32), (np.arange(9) < 3)[:, None]
    found = best_pairs(sort_codes_on(DEVICE, x), as_label_bits(y, 9), DEVICE, Tuning(piece=2, tile=2))
    assert [array.tolist() for array in found] == [[[3]], [[9]], [[0.5]]]


@pytest.mark.parametrize("name", ["one row", "65 features", "groups above a piece", "signed ties", "dead"])
@pytest.mark.parametrize("strict", [True, False])
def test_counts_at_thresholds_equal_a_dense_matmul(name, strict):
    x, y = sample(**CASES[name])
    rng = np.random.default_rng(1)
    limits = rng.choice(np.r_[x.ravel()[:50], 0, -0.0, -0.5, 0.3, 99, np.inf, -np.inf], (x.shape[1], 5))
    limits = limits.astype(np.float32)
    on, tp = counts_plain.counts_at(x, y, limits, strict)
    codes, labels = sort_codes_on(DEVICE, x), labels_on(DEVICE, as_label_bits(y, len(y)))
    for tuning in (Tuning(), SMALL):
        found = counts_triton.counts_at(codes, labels, limits, strict, DEVICE, tuning)
        np.testing.assert_array_equal(found[0], on)
        np.testing.assert_array_equal(found[1], tp)
    for implementation in ("triton", "torch", "numba", "plain"):
        found = counts_at(x, y, limits, strict=strict, implementation=implementation, device=DEVICE)
        np.testing.assert_array_equal(found[0], on)
        np.testing.assert_array_equal(found[1], tp)


def test_sorting_on_the_device_equals_sorting_on_the_host():
    x, _ = sample(300, 9, 1, density=0.5, decimals=1, signed=True)
    codes = Codes.from_dense(x)
    host = sort_codes(codes)
    for entries in (1 << 27, 100, 1):
        device = sort_codes_on(DEVICE, codes, entries)
        for name in ("colptr", "negative", "rows", "values"):
            np.testing.assert_array_equal(getattr(device.host, name), getattr(host, name))
    uploaded = codes_on(DEVICE, host)
    np.testing.assert_array_equal(uploaded.values_at(np.array([[0, 5]])), host.values[[[0, 5]]])
    values = np.array([3e38, 2.0, 1e-45, -1e-45, -2.0, -3e38], np.float32)
    assert (torch.diff(value_rank(torch.from_numpy(values))) > 0).all()


def test_labels_come_back_from_the_device():
    _, y = sample(77, 1, 70)
    bits = as_label_bits(y, 77)
    device = labels_on(DEVICE, bits)
    np.testing.assert_array_equal(device.host.words, bits.words)
    np.testing.assert_array_equal(device.positives, bits.positives)
    assert device.n_words == 3


def test_codes_and_labels_on_the_device_serve_every_path():
    x, y = sample(80, 2, 40, decimals=1)
    codes, labels = sort_codes_on(DEVICE, x), labels_on(DEVICE, as_label_bits(y, 80))
    expected = best_thresholds(x, y)
    for implementation in ("auto", "triton", "torch", "numba", "plain"):
        found = best_thresholds(codes, labels, implementation=implementation)
        same((found.tp, found.on, found.auroc), (expected.tp, expected.on, expected.auroc))
        assert isinstance(found.ordered, SortedCodes)
        np.testing.assert_array_equal(found.threshold, expected.threshold)


def test_weights_are_twice_the_ranks_between_neighbours():
    # Sorted: 5 5 1 | one zero | -1 -2; positions before and up to the end of each group, by hand.
    x = np.array([[1.0], [5.0], [-1.0], [0.0], [5.0], [-2.0]], np.float32)
    rows, weights = mark_groups(sort_codes_on("cpu", x), 0, 1)
    assert weights.tolist() == [0 + 2, 0 + 2, 2 + 3, 4 + 5, 5 + 6]
    assert (rows & 0x7FFFFFFF).tolist() == [1, 4, 0, 2, 5]
    assert (rows < 0).tolist() == [False, True, True, True, True]


def test_pieces_cover_every_entry_once():
    starts, stops = np.array([0, 5, 5, 12]), np.array([5, 5, 12, 13])
    pieces = Pieces.cut(starts, stops, 3)
    assert list(zip(pieces.starts.tolist(), pieces.stops.tolist(), pieces.owner.tolist(), strict=True)) == [
        (0, 3, 0), (3, 5, 0), (5, 8, 2), (8, 11, 2), (11, 12, 2), (12, 13, 3),
    ]  # fmt: skip
    assert pieces.pointers.tolist() == [0, 2, 2, 5, 6]


def test_large_counts_stay_exact():
    # 70,000 positions: products of counts pass 2^32, and so do sums of weights.
    n = 70_000
    x = np.arange(n, 0, -1).astype(np.float32)[:, None]
    y = np.stack([np.arange(n) < n // 3, np.arange(n) >= n // 3], 1)
    expected = best_thresholds(x, y)
    codes, labels = sort_codes_on(DEVICE, x), as_label_bits(y, n)
    found = best_pairs(codes, labels, DEVICE, Tuning(piece=1 << 14, tile=1 << 8))
    same(found, (expected.tp, expected.on, expected.auroc))
    assert (found[0][0, 0], found[1][0, 0], found[2][0, 0]) == (n // 3, n // 3, 1.0)


def test_weights_that_pass_32_bits_inside_a_tile():
    # A tie in front of 69,900 zeros: each weight of a negative entry is near 140,000, a tile sums 16,384 of them.
    n = 70_000
    x = np.zeros((n, 1), np.float32)
    x[:30_000:2] = -1.0
    y = (np.arange(n) % 3 < 2)[:, None]
    expected = best_thresholds(x, y)
    found = best_pairs(sort_codes_on(DEVICE, x), as_label_bits(y, n), DEVICE, Tuning(piece=1 << 15, tile=1 << 14))
    same(found, (expected.tp, expected.on, expected.auroc))


def test_work_is_counted():
    # By hand: 4 entries in one piece of one tile; all are positives, so that no bound beats the end of the piece.
    x, y = np.array([[4.0], [3.0], [2.0], [1.0], [0.0]], np.float32), np.ones((5, 1), bool)
    work = work_of(x, y, device=DEVICE, tuning=Tuning(piece=4, tile=4))
    assert work.cells == 4
    assert work.walked == 0
    assert work.compulsory_bytes == 8 * 4 + 4 * 5 + 16
    assert work.operations == 32 * (4 * 5 + 13 + 14 + 10)  # counts, bound of the piece, its end, choice
    x, y = sample(200, 2, 3, density=1.0)
    dense = work_of(x, y, device=DEVICE, tuning=Tuning(piece=64, tile=8))
    assert 0 < dense.walked < 16 * x.size  # most entries are passed over
    at = work_of(x, y, device=DEVICE, thresholds=np.full((2, 2), 1.0))
    assert at.cells == 3 * (x >= 1).sum()
    assert at.operations < dense.operations


def test_what_does_not_fit_is_said():
    x, y = sample(30, 2, 3)
    with pytest.raises(ValueError, match=r"rows x features \(30, 3\), expected \(29, 3\)"):
        best_thresholds(x[:29], labels_on(DEVICE, as_label_bits(y, 30)), implementation="triton", device=DEVICE)
    with pytest.raises(ValueError, match="codes lie on cpu, but counting was asked for on meta"):
        best_pairs(sort_codes_on("cpu", x), as_label_bits(y, 30), "meta")
    with pytest.raises(ValueError, match="thresholds must be"):
        counts_at(x, y, np.ones((3, 1)), strict=True, implementation="triton", device=DEVICE)
    broken = Codes.from_dense(x)
    broken.indices[0] = 7
    with pytest.raises(ValueError, match="indices must lie in 0 to 1"):
        sort_codes_on(DEVICE, broken)
    for value, words in ((np.nan, "NaN or an infinity"), (0.0, "explicit 0")):
        broken = Codes.from_dense(x)
        broken.values[3] = value
        with pytest.raises(ValueError, match=words):
            sort_codes_on(DEVICE, broken)


def test_auto_takes_triton_on_a_device_that_has_it(monkeypatch):
    assert choose_implementation("auto", "cuda:1", None) == ("triton", "cuda:1")
    assert choose_implementation("auto", "cpu", None) == ("numba", "cpu")
    assert choose_implementation("torch", "cuda", None) == ("torch", "cuda")
    monkeypatch.setattr(counts, "find_spec", lambda name: None)
    assert choose_implementation("auto", "cuda", None) == ("torch", "cuda")
    codes = sort_codes_on("cpu", np.ones((2, 1), np.float32))
    assert choose_implementation("auto", "cuda", codes) == ("numba", "cpu")  # where the codes lie


def test_triton_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(counts_triton, "is_there", lambda: False)
    counts_triton.load_kernels.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="needs the package triton"):
        best_thresholds(*sample(9, 1, 1), implementation="triton", device=DEVICE)
    counts_triton.load_kernels.cache_clear()


COMPILE = """
import sys
import numpy as np, pytest
from fiducial.metrics.counts import best_thresholds
with pytest.raises(ValueError, match="TRITON_INTERPRET=1"):
    best_thresholds(np.ones((3, 1)), np.ones((3, 1), bool), implementation="triton")
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
import fiducial.metrics.counts_triton_kernels as kernels
for name, options in eval(sys.argv[1]):
    kernel = getattr(kernels, name)
    kinds = {n: "*i64" if n in ("piece_sum", "out_sum", "found_sum") else "*i32" for n in kernel.arg_names}
    kinds |= dict.fromkeys({"n_words", "row_stride"} & set(kinds), "i32") | dict.fromkeys(options, "constexpr")
    source = ASTSource(kernel, kinds, {(kernel.arg_names.index(n),): value for n, value in options.items()}, {})
    done = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    assert len(done.asm["cubin"]) > 1000, name
    assert ".local" not in done.asm["ptx"], f"{name} spills"
"""
COUNTS = [("count_pieces", {"tile": 32, "weigh": weigh, "wide": wide}) for weigh in (True, False) for wide in (0, 1)]


@pytest.mark.parametrize(
    "chosen",
    [
        [("refine_pieces", {"tile": 32})],
        pytest.param([*COUNTS, ("join_pieces", {}), ("choose_pieces", {})], marks=pytest.mark.slow),
    ],
    ids=["refine", "others"],
)
def test_kernels_compile_for_a_device_that_is_not_there(tmp_path, monkeypatch, chosen):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", COMPILE, repr(chosen)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def never(tp, c, n_before, p, best_tp, best_size):
    return c < 0


def unmarked(codes, first, last):
    rows, weights = mark_groups(codes, first, last)
    return rows | -(1 << 31), weights


def untied(codes, first, last):
    rows, weights = mark_groups(codes, first, last)
    return rows, weights | 1


@pytest.mark.skipif(DEVICE == "cuda", reason="compiled kernels cannot be broken from outside")
@pytest.mark.parametrize("mutant", [None, "no look inside pieces", "any cut", "ties ignored"])
def test_broken_kernels_are_noticed(monkeypatch, mutant):
    x, y = sample(40, 1, 6, density=1.0, decimals=1)
    if mutant == "no look inside pieces":
        monkeypatch.setattr(kernels_for(torch.device("cpu")), "hopeful", never)
    elif mutant is not None:
        monkeypatch.setattr(counts_triton, "mark_groups", {"any cut": unmarked, "ties ignored": untied}[mutant])
    fast = best_thresholds(x, y, implementation="triton")
    plain = best_thresholds(x, y, implementation="plain")
    agree = (fast.tp == plain.tp).all() and (fast.on == plain.on).all() and np.allclose(fast.auroc, plain.auroc, 1e-12)
    assert bool(agree) == (mutant is None)


@pytest.mark.cuda
def test_cuda_equals_numba_on_a_larger_sample():
    x, y = sample(20_000, 60, 200, density=0.3, decimals=3, signed=True)
    x[:, 0] = np.random.default_rng(9).normal(size=len(x))  # a dense latent
    gpu, cpu = best_thresholds(x, y, device="cuda"), best_thresholds(x, y)
    same((gpu.tp, gpu.on, gpu.auroc), (cpu.tp, cpu.on, cpu.auroc))
