"""Best thresholds from disk are those of the whole arrays to the last integer, however little memory there is."""

import numpy as np
import pytest
from fiducial.metrics.counts import best_thresholds, counts_at
from fiducial.metrics.inputs import as_label_bits
from fiducial.metrics.predictions import label_latents
from fiducial.metrics.reconstruction import labelled_rule
from fiducial.metrics.streaming import pairs, pairs_numba, sorted_pieces
from fiducial.metrics.streaming.label_words import LabelSpill
from fiducial.metrics.streaming.pairs import best_latents_spilled, best_thresholds_spilled, label_counts
from fiducial.metrics.streaming.sorted_pieces import SortedPieces, plan_buckets
from fiducial.metrics.streaming.spill import CodeSpill, Scratch
from fiducial.models.dictionary import Codes
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def scratch():
    made = Scratch()
    yield made
    made.close()


def case(seed, n, n_latents, n_features, decimals):
    """Latents with ties, both signs, dense and dead ones; labels rare, frequent and constant."""
    rng = np.random.default_rng(seed)
    sizes = rng.normal(size=(n, n_latents)) + rng.choice([0, 3], n_latents)
    latents = np.where(rng.random((n, n_latents)) < rng.random(n_latents), np.round(sizes, decimals), 0)
    latents[:, 0] = rng.random(n) < 0.9  # many equal values
    latents[:, -1] = 0  # dead
    labels = rng.random((n, n_features)) < rng.random(n_features)
    labels[:, 0] = True
    labels[:, -1] = False
    return latents.astype(np.float32), labels, rng.random(n) < 0.7


def on_disk(scratch, latents, labels, among, size):
    codes, bits = Codes.from_dense(latents), as_label_bits(labels, len(labels))
    spilled, words = CodeSpill(scratch, latents.shape[1]), LabelSpill(scratch, labels.shape[1])
    for start in range(0, len(labels), size):
        rows = np.arange(start, min(start + size, len(labels)))
        spilled.append(codes.take(rows))
        words.append(bits.take(rows))
    column = scratch.column("among", np.bool_)
    column.append(among)
    return spilled, words, column


def check(latents, labels, among, *, size=100, budget=1, threads=2):
    scratch = Scratch()
    try:
        spilled, words, column = on_disk(scratch, latents, labels, among, size)
        found = best_thresholds_spilled(
            spilled, words, scratch=scratch, among=column, budget_bytes=budget, threads=threads
        )
        expected = best_thresholds(latents[among], labels[among])
        for name in ("tp", "on", "threshold", "auroc", "positives", "f1"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
        np.testing.assert_array_equal(found.n_firing, expected.ordered.n_firing)
        assert found.n_rows == among.sum()
        best = expected.best_latents()
        np.testing.assert_array_equal(found.best_latents(), best)
        (one,) = best_latents_spilled(
            spilled, [words], scratch=scratch, among=column, budget_bytes=budget, threads=threads
        )
        columns = np.arange(labels.shape[1])
        np.testing.assert_array_equal(one.latent, best)
        np.testing.assert_array_equal(one.on, expected.on[best, columns])
        np.testing.assert_array_equal(one.threshold, expected.threshold[best, columns])
        np.testing.assert_array_equal(one.f1, expected.f1[best, columns])
        np.testing.assert_array_equal(one.auroc, expected.auroc[best, columns])
    finally:
        scratch.close()


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 400),
    n_latents=st.integers(2, 9),
    n_features=st.sampled_from([2, 63, 64, 65, 130]),
    decimals=st.integers(0, 4),
    size=st.integers(1, 400),
    budget=st.sampled_from([1, 20_000, 1 << 26]),
)
@settings(max_examples=25, deadline=None)
def test_equal_to_the_whole(seed, n, n_latents, n_features, decimals, size, budget):
    latents, labels, among = case(seed, n, n_latents, n_features, decimals)
    among[:2] = True
    check(latents, labels, among, size=size, budget=budget)


@pytest.mark.parametrize("threads", [1, 3])
def test_more_than_one_file_of_labels(threads):
    check(*case(1, 300, 4, 515, 1), threads=threads)
    check(*case(1, 300, 4, 515, 1), budget=1 << 26, threads=threads)


def test_one_long_run_of_equal_values_and_values_that_share_their_upper_bits():
    rng = np.random.default_rng(0)
    latents = np.ones((1000, 3), np.float32)
    latents[:, 1] = np.float32(1) + rng.integers(0, 9, 1000) * np.float32(2**-23)
    latents[:, 2] = np.where(rng.random(1000) < 0.5, -1, latents[:, 1])
    check(latents, rng.random((1000, 5)) < 0.3, np.ones(1000, bool))


def test_latents_that_never_fire():
    check(np.zeros((100, 5), np.float32), case(0, 100, 3, 7, 1)[1], np.ones(100, bool))
    check(-np.ones((100, 2), np.float32), case(0, 100, 3, 7, 1)[1], np.ones(100, bool))


def test_several_labels_share_the_sorting(scratch):
    latents, labels, among = case(4, 300, 6, 70, 1)
    spilled, words, column = on_disk(scratch, latents, labels, among, 90)
    other = LabelSpill(scratch, 70)
    other.append(as_label_bits(labels[::-1].copy(), 300))
    both = best_latents_spilled(spilled, [words, other], scratch=scratch, among=column, budget_bytes=1)
    for one, alone in zip(both, (words, other), strict=True):
        (expected,) = best_latents_spilled(spilled, [alone], scratch=scratch, among=column)
        for name in ("latent", "on", "threshold", "f1", "auroc"):
            np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))
    np.testing.assert_array_equal(label_counts(words, column)[0], labels[among].sum(0))
    np.testing.assert_array_equal(label_counts(words, None)[0], labels.sum(0))


@pytest.mark.parametrize("most", [3, 64, 10_000])
def test_pieces_are_sorted_and_part_no_equal_values(scratch, most):
    latents, labels, among = case(2, 500, 6, 3, 1)
    spilled, _, column = on_disk(scratch, latents, labels, among, 77)
    pieces = SortedPieces(spilled, scratch, column, most_entries=most, most_latents=4)
    kept = np.where(among[:, None], latents, 0)
    seen = {latent: [] for latent in range(6)}
    for piece in pieces:
        rows = np.empty(len(piece.rows), np.int64)
        rows[piece.places] = piece.rows
        assert len(piece.rows) <= most or len(np.unique(piece.values)) == 1
        assert (np.diff(piece.rows.astype(np.int64)) >= 0).all() or piece.stop - piece.first > 1
        for latent in range(piece.first, piece.stop):
            here = slice(*piece.colptr[latent - piece.first :][:2])
            np.testing.assert_array_equal(kept[rows[here], latent], piece.values[here])
            seen[latent].append(piece.values[here])
    for latent, parts in seen.items():
        values = np.concatenate(parts)
        np.testing.assert_array_equal(values, np.sort(kept[:, latent][kept[:, latent] != 0])[::-1])
    pieces.close()
    assert plan_buckets(np.array([5, 5, 0, 20, 1, 1]), 10, 3).tolist() == [0, 3, 4, 6]


def test_counts_at_thresholds_and_masks(scratch):
    from fiducial.metrics.counts import sort_codes
    from fiducial.metrics.streaming.reconstruction import firing_maxima, labelled_masks
    from fiducial.metrics.streaming.sample_spill import SampleSpill

    from .samples import as_batch, batches

    latents, labels, _ = case(3, 600, 5, 70, 1)
    labels[:, 1] = latents[:, 2] > 0.5
    games = np.arange(600) // 10
    sample = SampleSpill(5).open()
    for batch in batches(as_batch(latents, labels, game_id=games, train=games < 30), 64)():
        sample.take(batch)
    among = sample.among(sample.games().train)
    maxima = firing_maxima(sample.codes, among)
    np.testing.assert_array_equal(maxima, np.maximum(latents[:300].max(0), 0))
    limits = (maxima[:, None] * np.linspace(0, 0.9, 4, dtype=np.float32)).astype(np.float32)
    bits = as_label_bits(labels[:300], 300)
    expected = label_latents(sort_codes(Codes.from_dense(latents[:300])), bits, limits, labelled_rule)
    assert expected.any()
    assert counts_at(latents[:300], labels[:300], limits, strict=True)[0].any()
    for budget in (1, 1 << 26):
        (found,) = labelled_masks(sample, [sample.labels], among, limits, budget_bytes=budget, threads=2)
        np.testing.assert_array_equal(found, expected)
    sample.close()


def not_carried(monkeypatch):
    kernel = pairs_numba.part_of_latent

    def broken(labels, w, *rest):
        rest[-2][:] = 0
        kernel(labels, w, *rest)

    monkeypatch.setattr(pairs_numba, "part_of_latent", broken)


MUTANTS = {
    "state is not carried": not_carried,
    "the last of equal latents wins": lambda m: m.setattr(
        pairs, "_better", lambda old, new: new if (new.f1 >= old.f1).all() else old
    ),
    "labels in order of rows": lambda m: m.setattr(
        sorted_pieces, "inverse", lambda order: np.arange(len(order), dtype=np.int32)
    ),
}


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_broken_versions_are_noticed(monkeypatch, mutant):
    latents, labels, among = case(7, 400, 5, 5, 2)
    if mutant is None:
        check(latents, labels, among)
        return
    MUTANTS[mutant](monkeypatch)
    with pytest.raises(AssertionError):
        check(latents, labels, among)
