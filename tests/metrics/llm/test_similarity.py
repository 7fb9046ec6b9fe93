"""Matching of latents and similarity of their labels: hand-computed cases, oracles, limits."""

import itertools

import numpy as np
import pytest
from fiducial.metrics.llm import similarity as module
from fiducial.metrics.llm.similarity import label_similarity, overlaps, same_concept
from fiducial.metrics.llm.similarity_matching import activation_correlations, cosines, match
from fiducial.models.dictionary import Codes
from hypothesis import given, settings
from hypothesis import strategies as st


def test_matching_by_hand():
    table = np.array([[0.9, 0.8], [0.7, 0.1], [0.3, 0.2]])
    found = match(table)
    assert found.a.tolist() == [0, 1]
    assert found.b.tolist() == [1, 0]
    assert found.similarity.tolist() == [0.8, 0.7]
    assert found.mean == pytest.approx((0.8 + 0.7) / 3)  # the third latent has no partner and counts 0
    nearest = match(table, "mutual nearest")
    assert nearest.a.tolist() == [0]
    assert nearest.b.tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_one_to_one_is_the_best_of_all_matchings(n, m, seed):
    table = np.random.default_rng(seed).uniform(-1, 1, (n, m))
    gain = np.maximum(table, 0)
    small = gain if n <= m else gain.T
    best = max(
        sum(small[i, j] for i, j in enumerate(chosen))
        for chosen in itertools.permutations(range(small.shape[1]), small.shape[0])
    )
    assert match(table).similarity.sum() == pytest.approx(best, abs=1e-12)


def test_latents_can_be_left_out_and_numbers_stay():
    table = np.eye(4)
    found = match(table, a=np.array([1, 3]), b=np.array([3, 2]))
    assert found.a.tolist() == [3]
    assert found.b.tolist() == [3]
    assert (found.n_a, found.n_b) == (2, 2)
    assert not len(match(table, a=np.array([], np.int64)))
    assert not len(match(table, least=1.0))
    assert len(match(table, least=0.99)) == 4
    assert len(match(np.diag([0.2, 0.9])).above(0.5)) == 1


def test_activation_correlation_equals_numpy():
    rng = np.random.default_rng(0)
    a = rng.exponential(size=(200, 5)) * (rng.random((200, 5)) < 0.3)
    b = rng.exponential(size=(200, 4)) * (rng.random((200, 4)) < 0.3)
    a[:, 2] = 0  # dead
    b[:, 1] = 3  # constant
    a[:, 0] = 2 * b[:, 0]
    found = activation_correlations(Codes.from_dense(a), Codes.from_dense(b))
    for i, j in itertools.product(range(5), range(4)):
        if i == 2 or j == 1:
            assert found[i, j] == 0
        else:
            assert found[i, j] == pytest.approx(np.corrcoef(a[:, i], b[:, j])[0, 1], abs=1e-6)
    assert found[0, 0] == pytest.approx(1, abs=1e-6)


def test_cosines_of_nothing_are_zero_and_widths_must_agree():
    assert cosines(np.zeros((1, 2)), np.ones((1, 2))).tolist() == [[0.0]]
    with pytest.raises(ValueError, match=r"\[1, 2\] and \[1, 3\]"):
        cosines(np.ones((1, 2)), np.ones((1, 3)))


def test_overlap_by_hand():
    a = np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)
    b = np.array([[0, 1, 1, 1], [0, 0, 0, 0]], bool)
    assert overlaps(a, b).tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_observed_null_and_score_by_hand():
    # Pairs (0, 0), (1, 1), (2, 2); labels alike by .9, .6, .3; all other pairs .2 but one of .8.
    table = np.full((3, 3), 0.2)
    np.fill_diagonal(table, [0.9, 0.6, 0.3])
    table[0, 2] = 0.8
    found = label_similarity(match(np.eye(3)), table)
    assert found.observed == pytest.approx(0.6)
    assert found.null == pytest.approx((5 * 0.2 + 0.8) / 6)  # .3
    assert found.score == pytest.approx((0.6 - 0.3) / (1 - 0.3))
    assert found.low <= found.score <= found.high
    # 6 permutations: the identity (1.8) and the one that moves nothing else; none other reaches .6 on average
    assert found.p == pytest.approx(1 / 6, abs=0.05)


def test_null_is_the_mean_over_derangements():
    rng = np.random.default_rng(1)
    table = rng.random((4, 4))
    means = [
        np.mean([table[i, j] for i, j in enumerate(order)])
        for order in itertools.permutations(range(4))
        if all(i != j for i, j in enumerate(order))
    ]
    assert label_similarity(match(np.eye(4)), table).null == pytest.approx(np.mean(means))


def test_equal_prevalence_takes_off_what_prevalence_alone_gives():
    """Labels that hold nearly everywhere overlap whatever they mean."""
    rng = np.random.default_rng(2)
    often = np.concatenate([np.full(20, 0.95), np.full(20, 0.02)])
    a = rng.random((40, 4000)) < often[:, None]
    b = rng.random((40, 4000)) < often[:, None]
    pairs = match(np.eye(40))
    free = label_similarity(pairs, overlaps(a, b), seed=1)
    within = label_similarity(pairs, overlaps(a, b), prevalence=b.mean(1), n_strata=2, seed=1)
    assert free.score > 0.2
    assert free.p < 0.01
    assert abs(within.score) < 0.02
    assert within.p > 0.02


def test_limits():
    n = 30
    pairs = match(np.eye(n))
    perfect = label_similarity(pairs, np.eye(n))
    assert (perfect.score, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    chance = label_similarity(pairs, np.random.default_rng(0).random((n, n)))
    assert chance.low < 0 < chance.high
    alike = label_similarity(pairs, np.ones((n, n)))
    assert np.isnan(alike.score)  # labels that are all the same tell nothing
    nothing = label_similarity(match(np.eye(1)), np.eye(1))
    assert np.isnan(nothing.score)
    assert nothing.n_pairs == 1


def test_unlabelled_latents_are_left_out_and_counted():
    found = label_similarity(match(np.eye(4)), np.eye(4), labelled_a=np.array([True, False, True, True]))
    assert (found.n_pairs, found.n_unlabelled, found.score) == (3, 1, 1.0)


def test_same_concept_needs_a_concept():
    assert same_concept(np.array([3, -1]), np.array([3, -1])).tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_order_of_latents_does_not_matter():
    rng = np.random.default_rng(3)
    table, labels = rng.random((12, 12)), rng.random((12, 12))
    order = rng.permutation(12)
    first = label_similarity(match(table), labels)
    second = label_similarity(match(table[order]), labels[order])
    assert second.score == pytest.approx(first.score)
    assert second.null == pytest.approx(first.null)


def test_a_null_that_keeps_own_labels_is_noticed(monkeypatch):
    """The known error of shuffled explanations: some keep their own, which raises the null."""
    table = np.eye(5)
    honest = label_similarity(match(np.eye(5)), table).null

    def broken(square, strata, weights):
        total = weights.sum(1)
        mean = sum(((weights[:, p] @ square[np.ix_(p, p)]) * weights[:, p]).sum(1) for p in strata) / total**2
        return weights @ np.diagonal(square) / total, mean

    monkeypatch.setattr(module, "_means", broken)
    assert honest == 0
    assert label_similarity(match(np.eye(5)), table).null == pytest.approx(0.2)
