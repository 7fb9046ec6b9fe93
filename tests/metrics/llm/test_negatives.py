"""Negatives against brute force: nearest boards, neighbours, the boundary of a predicate; all of them silent."""

import numpy as np
import pytest
from fiducial.metrics.llm import negatives as module
from fiducial.metrics.llm.examples import Windows, windows_of
from fiducial.metrics.llm.negatives import boundary, nearest_boards, neighbours, neighbours_of
from fiducial.metrics.llm.predicate import And, Atom, Or
from fiducial.metrics.llm.sampling import Sampler
from fiducial.models.dictionary import Codes
from hypothesis import given
from hypothesis import strategies as st

from .small_facts import facts_of, latent_of, random_facts, random_latent

FACTS = random_facts(n_facts=70)  # more than one word
BITS = FACTS.bits.to_dense()


def silent_of(exam):
    return [example for example in exam if not example.active]


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 100))
def test_nearest_boards_are_the_nearest_of_every_positive(k, n, seed):
    rng = np.random.default_rng(seed)
    rows = rng.choice(FACTS.n_rows, 6, replace=False)
    windows = np.setdiff1d(np.arange(FACTS.n_rows), rows)
    found = nearest_boards(FACTS, rows, windows, windows, n, k, np.random.default_rng(0))
    distance = (BITS[rows][:, None] != BITS[windows][None]).sum(-1)
    assert len(found) >= n
    taken = np.isin(windows, found)
    for one in distance:  # nothing that was left out is nearer than the k-th of any positive
        assert one[~taken].min() >= np.sort(one)[k - 1]
    if len(found) > 6 * k:
        assert n > 6 * k  # the pool grows only if it must
    assert len(np.unique(found)) == len(found)


def test_blocks_change_nothing(monkeypatch):
    rows, windows = np.arange(0, 60, 7), np.arange(100, 1000)
    whole = nearest_boards(FACTS, rows, windows, windows, 40, 5, np.random.default_rng(3))
    for size in (1, 3, 64, 899, 900):
        monkeypatch.setattr(module, "_BLOCK", size)
        assert np.array_equal(nearest_boards(FACTS, rows, windows, windows, 40, 5, np.random.default_rng(3)), whole)


def test_nearest_boards_are_near_every_positive_and_not_only_the_strongest():
    # Positives are two clusters, strong ones of all zeros and weak ones of all ones; so are silent positions, and a
    # third, half-way cluster is near nobody.
    board = np.repeat(np.array([[0] * 8, [1] * 8, [0, 1] * 4]), 200, axis=0)
    values = np.concatenate([np.where(np.arange(200) % 2, 2.0, 0), np.where(np.arange(200) % 2, 1.0, 0), np.zeros(200)])
    exam = Sampler(facts_of(board, 10)).exam(latent_of(values), n_active=40, n_silent=40, negatives="nearest board")
    rows = np.array([example.rows[0] for example in silent_of(exam)])
    assert len(rows) == 40
    assert (rows < 200).any()
    assert ((rows >= 200) & (rows < 400)).any()
    assert (rows < 400).all()


def test_hard_negatives_are_nearer_than_random_ones():
    latent = random_latent(FACTS, rate=0.1)

    def mean_distance(kind):
        exam = Sampler(FACTS).exam(latent, negatives=kind)
        mine = [e.rows[0] for e in exam if e.active]
        others = [e.rows[0] for e in silent_of(exam)]
        return (BITS[mine][:, None] != BITS[others][None]).sum(-1).min(0).mean()

    assert mean_distance("nearest board") < mean_distance("random") - 1


def test_same_game_keeps_to_the_games_of_the_positives():
    latent = random_latent(FACTS, rate=0.02)
    exam = Sampler(FACTS).exam(latent, n_active=6, negatives="same game")
    games = {int(FACTS.game_id[e.rows[0]]) for e in exam if e.active}
    assert len(games) <= 6
    assert {int(FACTS.game_id[e.rows[0]]) for e in silent_of(exam)} <= games


@pytest.mark.parametrize("window", [1, 4])
def test_a_neighbour_fires_where_the_latent_does_not(window):
    latent, others = random_latent(FACTS, rate=0.1), [random_latent(FACTS, i, rate=0.2) for i in (1, 2)]
    exam = Sampler(FACTS, window=window).exam(latent, n_silent=15, negatives="neighbour latent", neighbours=others)
    fires = others[0].active() | others[1].active()
    assert len(silent_of(exam)) == 15
    assert all(fires[list(e.rows)].any() for e in silent_of(exam))
    assert not any(latent.active()[list(e.rows)].any() for e in silent_of(exam))


def test_the_strongest_windows_of_every_neighbour_are_pooled_and_the_pool_grows_if_it_must():
    one, two = (latent_of(np.arange(1, FACTS.n_rows + 1) * (np.arange(FACTS.n_rows) % 3 == i), i) for i in (1, 2))
    latent = latent_of(np.arange(FACTS.n_rows) % 3 == 0)
    few = Sampler(FACTS, nearest=4).exam(latent, n_silent=8, negatives="neighbour latent", neighbours=[one, two])
    rows = {e.rows[0] for e in silent_of(few)}
    for other in (one, two):
        mine = other.rows[~FACTS.train[other.rows]]
        assert rows & set(mine.tolist()) == set(mine[-4:].tolist())
    more = Sampler(FACTS, nearest=4).exam(latent, n_silent=30, negatives="neighbour latent", neighbours=[one, two])
    assert len(silent_of(more)) == 30
    assert not silent_of(Sampler(FACTS).exam(latent, negatives="neighbour latent", neighbours=[]))


def test_the_boundary_of_a_predicate_by_hand():
    # Rows are the four truth values of (a, b), twice.
    facts = facts_of(np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (2, 1)), 4, names=("a", "b"))
    a, b = Atom("a"), Atom("b")
    holds, near = boundary(And((a, b)), facts)
    assert holds.tolist() == [False, False, False, True] * 2
    assert near.tolist() == [False, True, True, False] * 2  # exactly one literal is off
    _, near = boundary(Or((a, b)), facts)
    assert near.tolist() == [True, False, False, False] * 2
    _, near = boundary(a, facts)
    assert near.tolist() == [True, True, False, False] * 2


@pytest.mark.parametrize("window", [1, 3])
def test_one_literal_is_off_in_negatives_one_literal_away(window):
    rng = np.random.default_rng(0)
    both = BITS[:, 0] & BITS[:, 1]
    latent = latent_of(both & (rng.random(FACTS.n_rows) < 0.8))  # silent at some positions at which the predicate holds
    predicate = And((Atom("fact 0"), Atom("fact 1")))
    exam = Sampler(FACTS, window=window).exam(latent, n_silent=40, negatives="one literal away", predicate=predicate)
    assert len(silent_of(exam)) > 20
    for example in silent_of(exam):
        rows = list(example.rows)
        assert (BITS[rows, 0] ^ BITS[rows, 1]).any()
        assert not both[rows].any()
        assert not latent.active()[rows].any()


def test_close_boards_tell_a_broad_explanation_from_a_right_one_and_random_ones_do_not():
    """A latent is a and b, each at 10 %; the explanation a has TNR .91 among random negatives, by chance of a alone."""
    facts = random_facts(n_games=400, n_facts=2, rate=0.1)
    a, both = facts.column("fact 0"), facts.column("fact 0") & facts.column("fact 1")
    latent, truth = latent_of(both), And((Atom("fact 0"), Atom("fact 1")))

    def tnr(kind):
        silent = silent_of(Sampler(facts).exam(latent, n_silent=200, negatives=kind, predicate=truth))
        return 1 - np.mean([a[e.rows[0]] for e in silent])

    assert tnr("random") == pytest.approx(1 - 0.09 / 0.99, abs=0.07)
    assert tnr("one literal away") == pytest.approx(0.5, abs=0.12)
    assert tnr("nearest board") < 0.6


def dense_codes(seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((300, 40)) < rng.random(40) * 0.4, rng.normal(size=(300, 40)), 0).astype(np.float32)
    dense[:, 5] = -np.abs(dense[:, 5])  # never fires
    return dense, rng.normal(size=(40, 8))


@pytest.mark.parametrize("rows", [None, np.arange(0, 300, 2)])
def test_neighbours_are_those_of_the_full_product(rows):
    dense, directions = dense_codes()
    codes, fires = Codes.from_dense(dense), (dense if rows is None else dense[rows]) > 0
    both = fires.T.astype(int) @ fires.astype(int)
    either = fires.sum(0)[:, None] + fires.sum(0)[None] - both
    jaccard = both / np.maximum(either, 1)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    cosine = unit @ unit.T
    for latent in range(40):
        others = [i for i in range(40) if i != latent]
        expected = sorted((i for i in others if both[latent, i]), key=lambda i: (-jaccard[latent, i], i))
        assert neighbours(codes, None, latent, k=7, rows=rows) == expected[:7]
        expected = sorted((i for i in others if fires[:, i].any()), key=lambda i: (-cosine[latent, i], i))
        assert neighbours(codes, directions, latent, "decoder", k=7, rows=rows) == expected[:7]
    assert neighbours(codes, None, 5) == []
    assert neighbours_of(codes, None, [7, 5], rows=rows) == {7: neighbours(codes, None, 7, rows=rows), 5: []}


def test_neighbours_that_do_not_exist_are_refused():
    dense, directions = dense_codes()
    codes = Codes.from_dense(dense)
    with pytest.raises(ValueError, match="firing or decoder, got 'cosine'"):
        neighbours(codes, directions, 0, "cosine")
    with pytest.raises(ValueError, match=r"0 to 39, got \[40\]"):
        neighbours(codes, directions, 40)
    with pytest.raises(ValueError, match="each of 40 latents, got none"):
        neighbours(codes, None, 0, "decoder")
    with pytest.raises(ValueError, match="got 3 of them"):
        neighbours(codes, directions[:3], 0, "decoder")


def test_an_unchecked_sample_would_be_noticed(monkeypatch):
    """Mutation: drawn unchecked, as in SAEBench, random windows hold firings as often as all windows do."""
    latent = random_latent(FACTS, rate=0.1)
    windows = windows_of(FACTS, 4)
    share = windows.touched(latent.rows)[~windows.train].mean()

    def share_that_fires():
        silent = Sampler(FACTS, window=4).exam(latent, n_active=0, n_silent=100)[-100:]
        return np.mean([latent.active()[list(e.rows)].any() for e in silent])

    assert share_that_fires() == 0
    monkeypatch.setattr(Windows, "touched", lambda windows, rows: np.zeros(len(windows), bool))
    assert share_that_fires() == pytest.approx(share, abs=0.1)
    assert share > 0.2
