"""Simulation: one correlation over all positions, by hand and against scipy; nothing undefined becomes a number."""

from math import isnan

import numpy as np
import pytest
from fiducial.metrics.llm.asking import Asked
from fiducial.metrics.llm.nouns import Answer, Example, Explanation, Latent
from fiducial.metrics.llm.simulation import (
    calibrated,
    correlation,
    normalised,
    quantised,
    score_simulation,
    simulation,
    top_and_random,
    windows,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from .judges import AtomJudge, facts_of

FLOATS = st.lists(st.integers(0, 10).map(float), min_size=4, max_size=4)


def asked(pairs, failed=None, sources=None):
    """(simulated, true) of each window."""
    kinds = sources or ["top"] * len(pairs)
    made = tuple(
        Example(tuple(range(len(t))), tuple(t), any(t), source=kind) for (_, t), kind in zip(pairs, kinds, strict=True)
    )
    return Asked(5, "simulation", made, tuple(None if s is None else tuple(s) for s, _ in pairs), failed or {})


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=6))
def test_against_scipy(pairs):
    s, t = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
    one = score_simulation(asked(pairs))
    if np.ptp(s) == 0 or np.ptp(t) == 0:
        assert isnan(one.r)
        assert "constant" in one.undefined
    else:
        assert one.r == pytest.approx(pearsonr(s, t).statistic, abs=1e-9)
        assert one.undefined == ""


def test_by_hand_and_not_the_mean_of_windows():
    # within each window r = 1, but the windows stand at other levels: joined s = 0 1 0 1, t = 0 1 4 5
    pairs = [([0.0, 1.0], [0.0, 1.0]), ([0.0, 1.0], [4.0, 5.0])]
    one = score_simulation(asked(pairs))
    # covariance: deviations +-.5 with (-2.5, -1.5, 1.5, 2.5): 1.25 - .75 - .75 + 1.25 = 1; 1 / sqrt(1 * 17)
    assert one.r == pytest.approx(1 / np.sqrt(17))
    assert (one.n_windows, one.n_positions) == (2, 4)


def test_normalised_forms_by_hand():
    s, t = [np.array([1.0, 3.0])], [np.array([2.0, 2.0])]
    assert normalised(s, t) == (1 - 1 / 4, 1 - 1 / 2)
    assert all(isnan(v) for v in normalised(s, [np.zeros(2)]))


def test_calibration_is_linear_crossed_and_leaves_r():
    rng = np.random.default_rng(0)
    true = [rng.uniform(0, 4, 8) for _ in range(10)]
    said = [np.clip(2 * t + 1 + 0.01 * rng.normal(size=8), 0, 10) for t in true]
    found = calibrated(said, true)
    assert normalised(found, true)[0] > 0.99
    assert normalised(said, true)[0] < 0.5
    whole = score_simulation(asked(list(zip(said, true, strict=True))))
    assert whole.squared > 0.99
    assert whole.absolute > 0.95
    assert whole.r == pytest.approx(pearsonr(np.concatenate(said), np.concatenate(true)).statistic)
    # a window does not calibrate itself: changing what is true in window 0 moves window 1, not window 0
    other = calibrated(said, [10 * true[0], *true[1:]])
    np.testing.assert_array_equal(other[0], found[0])
    assert not np.allclose(other[1], found[1])
    np.testing.assert_array_equal(calibrated(said[:1], true[:1])[0], said[0])


def test_nothing_undefined_becomes_0():
    for pairs, why in (
        ([([0.0] * 4, [0.0, 1.0, 2.0, 0.0])], "simulated activations are constant"),
        ([([0.0, 1.0, 0.0, 0.0], [0.0] * 4)], "true activations are constant"),
    ):
        one = score_simulation(asked(pairs))
        assert isnan(one.r)
        assert why in one.undefined
    failed = score_simulation(asked([(None, [0.0, 1.0]), ([0.0, 9.0], [0.0, 1.0])], {"short": 1}))
    assert isnan(failed.r)
    assert "1 of 2 examples failed" in failed.undefined
    assert isnan(score_simulation(asked([])).r)
    assert correlation(np.ones(1), np.ones(1))[1] == "fewer than 2 positions"


def test_quantised_truth():
    np.testing.assert_array_equal(quantised(np.array([0.0, 0.01, 0.5, 0.51, 1.0, 2.0]), 1.0), [0, 1, 5, 6, 10, 10])
    np.testing.assert_array_equal(quantised(np.zeros(2), 0.0), [0, 0])
    pairs = [([0.0, 1.0, 5.0, 10.0], [0.0, 0.001, 0.42, 1.0])]
    assert score_simulation(asked(pairs), truth="quantised").r == pytest.approx(1)
    assert score_simulation(asked(pairs)).r < 0.999
    with pytest.raises(ValueError, match="quantised"):
        score_simulation(asked(pairs), truth="rounded")


LABELS = np.random.default_rng(2).random((600, 3)) < 0.2
GAMES = np.repeat(np.arange(30), 20)
FACTS = facts_of(LABELS, GAMES, GAMES < 15, np.tile(np.arange(20), 30))


def latent(f, scale=1.0):
    rows = np.flatnonzero(LABELS[:, f])
    return Latent(f, rows, (scale * (1 + rows % 3)).astype(np.float32), len(LABELS))


def test_windows_follow_games_and_split():
    order = np.random.default_rng(0).permutation(600)
    mixed = facts_of(LABELS[order], GAMES[order], (GAMES < 15)[order], np.tile(np.arange(20), 30)[order])
    found = windows(mixed, 8)
    assert [len(rows) for rows in found[:3]] == [8, 8, 4]
    assert len(found) == 15 * 3
    for rows in found:
        assert len(set(mixed.game_id[rows])) == 1
        assert (np.diff(mixed.position[rows]) == 1).all()
        assert not mixed.train[rows].any()
    assert all(len(rows) > 1 for rows in windows(FACTS, 19))  # the twentieth stands alone
    with pytest.raises(ValueError, match="at least 2"):
        windows(FACTS, 1)


def test_half_of_the_windows_are_the_strongest():
    pieces = windows(FACTS, 5)
    one = latent(0)
    found = top_and_random(one, pieces, n=9, seed=0)
    assert [e.source for e in found] == ["top"] * 5 + ["random"] * 4
    assert len({e.rows for e in found}) == 9
    dense = one.dense()
    assert all(max(e.values) == 3.0 for e in found[:5])
    assert all(e.values == tuple(dense[list(e.rows)]) and e.active == any(e.values) for e in found)
    assert found == top_and_random(one, pieces, n=9, seed=0)
    assert found[5:] != top_and_random(one, pieces, n=9, seed=1)[5:]
    few = top_and_random(one, pieces[:3], n=10)
    assert len(few) == 3
    silent = Latent(7, np.zeros(0, np.int64), np.zeros(0, np.float32), len(LABELS))
    assert all(e.source == "random" for e in top_and_random(silent, pieces, n=10))


def test_planted_latents_from_end_to_end():
    pieces = windows(FACTS, 5)
    exams = {f: top_and_random(latent(f), pieces, n=20) for f in range(3)}
    said = [Explanation(f, f"fact {f}") for f in range(3)]
    found = simulation(said, exams, AtomJudge(LABELS))
    for f, one in enumerate(found):
        s = np.concatenate([LABELS[list(e.rows), f] for e in exams[f]])
        t = np.concatenate([e.values for e in exams[f]])
        assert one.r == pytest.approx(pearsonr(s, t).statistic)
        assert one.r > 0.85
        assert one.r_top > 0.7
        assert -0.5 < one.null < 0.5
    assert np.mean([one.null for one in found]) == pytest.approx(0, abs=0.2)
    rescaled = {f: top_and_random(latent(f, 8.0), pieces, n=20) for f in range(3)}
    assert [one.r for one in simulation(said, rescaled, AtomJudge(LABELS))] == pytest.approx([o.r for o in found])


def test_wrong_lengths_are_failures_and_no_zeros():
    class Short(AtomJudge):
        def one(self, question):
            return Answer(super().one(question).values[:-1])

    exams = {0: top_and_random(latent(0), windows(FACTS, 5), n=6)}
    one = simulation([Explanation(0, "fact 0")], exams, Short(LABELS), null=False)[0]
    assert isnan(one.r)
    assert one.failed == {"another number of values than asked for": 6}
    lost = simulation([Explanation(0, "", failure="unreadable")], exams, AtomJudge(LABELS))[0]
    assert lost.undefined == "no explanation: unreadable"
    with pytest.raises(ValueError, match="only a simulation"):
        score_simulation(Asked(0, "detection", (), ()))
