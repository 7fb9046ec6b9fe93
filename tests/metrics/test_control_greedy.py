"""The greedy edit against its definition, against the exact minimum, and in its limits."""

import numpy as np
import pytest
import torch
from fiducial.metrics import control_greedy
from fiducial.metrics.control_greedy import ADD, REMOVE, SWAP, greedy_blocks, greedy_edits
from fiducial.metrics.control_greedy_plain import exhaustive_edits, greedy_edits_plain
from hypothesis import given, settings
from hypothesis import strategies as st
from other_device import Elsewhere, OtherDevice

MOVES = ("feature", "kind", "change")


def case(seed, n=6, width=10, d=5, l0=4, *, whole=False, noise=0.3):
    """Sparse codes and directions; `whole` takes small integers everywhere, so that moves tie."""
    rng = np.random.default_rng(seed)
    draw = (lambda *s: rng.integers(-1, 3, s).astype(float)) if whole else (lambda *s: rng.normal(size=s))
    source, target = (np.abs(draw(n, width)) * (rng.random((n, width)) < l0 / width) for _ in range(2))
    vectors = draw(width, d)
    residual = (source - target) @ vectors + (0 if whole else noise) * rng.normal(size=(n, d))
    return tuple(torch.from_numpy(part) for part in (source, target, vectors, residual))


def same(first, second):
    for name in MOVES:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    np.testing.assert_allclose(first.distance, second.distance, atol=1e-9)


def by_blocks(source, target, vectors, residual, k, elements):
    return control_greedy.GreedyEdits(*greedy_blocks(source, target, vectors, residual, k, elements), vectors)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(1, 14),
    d=st.integers(1, 6),
    l0=st.integers(0, 8),
    k=st.integers(0, 16),
    whole=st.booleans(),
    elements=st.sampled_from([1, 40, 10**6]),
)
def test_every_path_chooses_what_the_definition_chooses(seed, width, d, l0, k, whole, elements):
    arrays = case(seed, 5, width, d, l0, whole=whole)
    plain = greedy_edits_plain(*arrays, k)
    same(greedy_edits(*arrays, k), plain)
    same(by_blocks(*arrays, k, elements), plain)


@pytest.mark.parametrize("dense", [False, True])
def test_kernel_with_and_without_the_gram_matrix(monkeypatch, dense):
    monkeypatch.setattr(control_greedy, "GRAM_WIDTH", 8192 if dense else 0)
    arrays = case(3, 8, 60, 12, 40)
    same(greedy_edits(*arrays, 20), greedy_edits_plain(*arrays, 20))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 3), whole=st.booleans())
def test_never_below_the_exact_minimum_and_equal_for_one_latent(seed, k, whole):
    arrays = case(seed, 3, 5, 3, 3, whole=whole)
    edits, best = greedy_edits(*arrays, k), exhaustive_edits(*arrays, k)
    assert (edits.distance[:, k].numpy() >= best - 1e-9).all()
    np.testing.assert_allclose(edits.distance[:, 1], exhaustive_edits(*arrays, 1), atol=1e-6)


def test_orthogonal_directions_make_greedy_exact():
    source, target, _, _ = case(1, 6, 6, 6, 4)
    vectors = torch.eye(6, dtype=torch.float64)
    residual = source - target
    for k in range(5):
        edits = greedy_edits(source, target, vectors, residual, k)
        np.testing.assert_allclose(edits.distance[:, k], exhaustive_edits(source, target, vectors, residual, k))
    assert float(greedy_edits(source, target, vectors, residual, 6).distance[:, 6].max()) == pytest.approx(0, abs=1e-9)


def test_three_moves_and_a_swap_counts_once():
    vectors = torch.eye(3)
    source, target = torch.tensor([[3.0, 2.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    edits = greedy_edits(source, target, vectors, source - target, 5)
    assert edits.feature.tolist() == [[0, 1, 2, -1, -1]]  # equal gains of 4: the lower latent first
    assert edits.kind.tolist() == [[SWAP, REMOVE, ADD, -1, -1]]
    assert edits.change.tolist() == [[-2, -2, 1, 0, 0]]
    assert edits.size(5).tolist() == [3]
    assert edits.removed(5).tolist() == [[True, True, False]]
    assert edits.added(5).tolist() == [[True, False, True]]
    assert edits.removed(1).tolist() == [[True, False, False]]
    torch.testing.assert_close(source + edits.delta(5), target)
    assert edits.delta(0).abs().max() == 0
    assert edits.delta(5).dtype == torch.float32


def test_ties_go_to_the_lowest_latent_then_remove_before_add():
    vectors = torch.tensor([[1.0], [1.0], [1.0]])
    both = torch.tensor([[0.0, 1.0, 1.0]])
    # removing by 1 (residual 1) from latents 1 or 2 is equal; latent 0 cannot move
    edits = greedy_edits(both, torch.zeros(1, 3), vectors, torch.tensor([[1.0]]), 3)
    assert edits.feature.tolist() == [[1, -1, -1]]
    # one latent whose removal and whose addition help alike: -f_s u = f_t u only if f_s = -f_t (signed dictionaries)
    edits = greedy_edits(torch.tensor([[-1.0]]), torch.tensor([[1.0]]), torch.ones(1, 1), torch.tensor([[-1.0]]), 1)
    assert edits.kind.tolist() == [[REMOVE]]


def test_stops_when_nothing_helps():
    source, target, vectors, _ = case(5, 4, 8, 4, 8)
    nothing = torch.zeros(4, 4, dtype=torch.float64)
    still = greedy_edits(source, target, vectors, nothing, 4)
    assert (still.feature == -1).all()
    assert float(still.delta(4).abs().max()) == 0
    edits = greedy_edits(*case(5, 40, 30, 4, 20), 30)
    assert (np.diff(edits.distance, axis=1) <= 1e-9).all()
    assert (edits.size(30) < 30).all()
    for row in edits.feature.tolist():  # no latent twice, nothing after the end
        made = [i for i in row if i >= 0]
        assert len(set(made)) == len(made)
        assert row == made + [-1] * (30 - len(made))


def test_budgets_are_nested():
    arrays = case(7, 10, 20, 6, 8)
    whole = greedy_edits(*arrays, 8)
    for k in (1, 2, 4):
        part = greedy_edits(*arrays, k)
        np.testing.assert_array_equal(part.feature, whole.feature[:, :k])
        torch.testing.assert_close(part.delta(k), whole.delta(k))
        np.testing.assert_allclose((arrays[3] + whole.delta(k)).norm(dim=1), whole.distance[:, k], atol=1e-9)


def test_dead_dictionary_no_rows_and_more_budget_than_latents():
    zero = torch.zeros(3, 4)
    edits = greedy_edits(zero, zero, torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.ones(3, 2), 2)
    assert (edits.feature == -1).all()
    np.testing.assert_allclose(edits.distance, np.sqrt(2))
    empty = greedy_edits(zero[:0], zero[:0], torch.ones(4, 2), torch.ones(0, 2), 2)
    assert empty.delta(2).shape == (0, 2)
    one = greedy_edits(torch.ones(1, 1), torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1), 5)
    assert one.feature.tolist() == [[0, -1, -1, -1, -1]]


def test_arrays_are_accepted_and_bad_ones_refused():
    source, target, vectors, residual = (part.numpy() for part in case(2))
    same(greedy_edits(source, target, vectors, residual, 3), greedy_edits_plain(source, target, vectors, residual, 3))
    with pytest.raises(ValueError, match=r"directions \[H, d\]"):
        greedy_edits(source, target, vectors[:-1], residual, 3)
    with pytest.raises(ValueError, match="residual must be"):
        greedy_edits(source, target, vectors, residual[:, :-1], 3)
    with pytest.raises(ValueError, match="finite"):
        greedy_edits(source * np.nan, target, vectors, residual, 3)
    with pytest.raises(ValueError, match="at least 0"):
        greedy_edits(source, target, vectors, residual, -1)
    with pytest.raises(ValueError, match="0 to 3"):
        greedy_edits(source, target, vectors, residual, 3).delta(4)


def swaps_only(source, target, vectors, residual, k):
    """As published: every move is a swap, k of them, and a latent may be taken again."""
    rest = residual.clone()
    for _ in range(k):
        left = ((rest[:, None] + (target - source)[:, :, None] * vectors).square().sum(2)).min(1)
        rest = rest + (target - source).gather(1, left.indices[:, None]) * vectors[left.indices]
    return rest.norm(dim=1)


def test_the_published_rule_is_noticed():
    arrays = case(11, 60, 20, 6, 8)
    apart = swaps_only(*arrays, 8) - greedy_edits(*arrays, 8).distance[:, 8]
    assert (apart.abs() > 1e-6).float().mean() > 0.5
    one, zero, two = torch.ones(1, 1), torch.zeros(1, 1), torch.full((1, 1), 2.0)
    assert swaps_only(one, zero, one, two, 2).tolist() == [0]  # the latent is taken out twice
    assert greedy_edits(one, zero, one, two, 2).distance.tolist() == [[2, 1, 1]]
    assert swaps_only(one, zero, one, zero, 1).tolist() == [1]  # a step although nothing helps
    assert greedy_edits(one, zero, one, zero, 1).distance.tolist() == [[0, 0]]


@pytest.mark.cuda
def test_cuda_chooses_the_same():
    arrays = case(3, 50, 200, 32, 30)
    plain = greedy_edits_plain(*arrays, 8)
    found = greedy_edits(*(part.cuda() for part in arrays), 8)
    assert found.change.is_cuda
    for name in MOVES:
        np.testing.assert_array_equal(getattr(found, name).cpu(), getattr(plain, name))
    torch.testing.assert_close(found.delta(8).cpu(), plain.delta(8))


@pytest.mark.parametrize("k", [0, 3, 20])
def test_searched_on_another_device_and_brought_back(k):
    arrays = case(5, 9, 30, 7, 9)  # rows of more candidates than dimensions, and of fewer
    plain = greedy_edits_plain(*arrays, k)
    with OtherDevice():
        found = greedy_edits(*arrays, k, device="cuda", elements=400)
        assert not isinstance(found.feature, Elsewhere)
        there = greedy_edits(*(part.to("cuda") for part in arrays), k)
        assert there.distance.device.type == "cuda"
        moved = control_greedy.GreedyEdits(*(getattr(there, name).cpu() for name in (*MOVES, "distance", "directions")))
    same(found, plain)
    same(moved, plain)
