"""Copies of positions in other games: counted by hand, dropped on demand, and dropped everywhere."""

import numpy as np
import pytest
from fiducial.metrics.llm.copies import copied, same_facts, same_windows
from fiducial.metrics.llm.examples import LAYOUTS, windows_of
from fiducial.metrics.llm.exams import Examiner, ExamSettings
from fiducial.metrics.llm.nouns import Example, Shown
from fiducial.metrics.llm.sampling import Sampler, shortage
from fiducial.models.dictionary import Codes
from hypothesis import given
from hypothesis import strategies as st

from .small_facts import facts_of, latent_of, random_facts


@given(st.integers(0, 100), st.sampled_from([2, 70]))
def test_positions_are_the_same_exactly_if_all_facts_are(seed, n_facts):
    rng = np.random.default_rng(seed)
    bits = rng.random((30, n_facts)) < (0.5 if n_facts == 2 else 0.01)
    kind = same_facts(facts_of(bits, 5))
    assert np.array_equal(kind[:, None] == kind[None], (bits[:, None] == bits[None]).all(-1))


@given(st.integers(0, 50), st.integers(1, 4), st.sampled_from(LAYOUTS))
def test_windows_are_copies_exactly_if_their_positions_are(seed, size, layout):
    facts = facts_of(np.random.default_rng(seed).random((24, 1)) < 0.5, 6)
    windows, kind = windows_of(facts, size, layout), same_facts(facts)
    same = same_windows(windows, kind)
    held = [tuple(kind[windows.rows(w)].tolist()) for w in range(len(windows))]
    assert np.array_equal(same[:, None] == same[None], np.array([[a == b for a in held] for b in held]))


def test_copies_are_counted():
    kind = np.array([0, 1, 0, 2, 1])
    positives = (Example((0,), (1.0,), active=True, quantile=0),)
    shown = Shown(0, 1.0, positives, (Example((1,), (0.0,), active=False),))
    exam = [Example((2,), (1.0,), active=True), Example((3,), (1.0,), active=True), Example((4,), (0.0,), active=False)]
    assert copied(shown, exam, kind) == (1, 1)  # rows 2 and 4 are copies of rows 0 and 1; nothing is like row 3


def openings():
    """40 games of 5 positions: the first is the same in all, the second one of two, the others are random.

    The latent fires at the first position, and at random later.
    """
    rng = np.random.default_rng(0)
    bits = rng.random((200, 40)) < 0.3
    place = np.arange(200) % 5
    bits[place == 0] = bits[0]
    bits[place == 1] = bits[np.where(np.arange(40) % 4 < 2, 1, 6)]
    return (
        facts_of(bits, 5),
        latent_of(np.where((place == 0) | (rng.random(200) < 0.3), rng.random(200) + 0.1, 0)),
        place,
    )


@pytest.mark.parametrize("window", [1, 2])
def test_dropped_copies_are_asked_about_nowhere(window):
    facts, latent, place = openings()
    kind = same_facts(facts)
    kept, dropped = (Sampler(facts, window=window, copies=copies) for copies in ("keep", "drop"))
    shown, exam = kept.shown(latent), kept.exam(latent)
    if window == 1:
        # All 20 first positions of reporting games are copies of the 20 of choosing games, which were nearly all shown.
        assert copied(shown, exam, kind)[0] >= 20
    shown, exam = dropped.shown(latent), dropped.exam(latent)
    assert copied(shown, exam, kind) == (0, 0)
    for examples in (shown.positives, exam):
        held = [tuple(kind[list(e.rows)]) for e in examples]
        assert len(set(held)) == len(held) > 5
    choosing = {tuple(kind[kept.windows.rows(w)]) for w in np.flatnonzero(kept.windows.train)}
    assert not choosing & {tuple(kind[list(e.rows)]) for e in exam}
    if window == 1:
        assert sum(place[e.rows[0]] == 0 for e in shown.positives) == 1
        assert not any(place[e.rows[0]] < 2 for e in exam)


def test_a_latent_of_the_opening_has_no_exam_without_copies():
    facts, _, place = openings()
    latent = latent_of(place == 0)
    exam = Sampler(facts, copies="drop").exam(latent, n_active=10, n_silent=10)
    assert shortage(exam, 10, 10) == {"active": 10, "silent": 0, "filled": 0}


def test_where_nothing_comes_again_nothing_changes():
    facts = random_facts(n_facts=60)
    latent = latent_of(np.random.default_rng(0).random(facts.n_rows) - 0.6)
    assert len(np.unique(same_facts(facts))) == facts.n_rows
    assert Sampler(facts, copies="drop").exam(latent) == Sampler(facts).exam(latent)
    with pytest.raises(ValueError, match="keep or drop, got 'no'"):
        Sampler(facts, copies="no")


@pytest.mark.parametrize("copies", ["keep", "drop"])
def test_stretches_are_dropped_too(copies):
    """The first two positions of a game are one of two stretches, both known from choosing games."""
    facts, latent, _ = openings()
    codes = Codes.from_dense(latent.dense()[:, None])
    settings = ExamSettings(copies=copies, fuzzing_window=2, simulation_window=2, n_windows=40)
    examiner = Examiner(facts, codes, {0: latent}, settings)
    for stretches in (examiner.marked(0), examiner.stretches(0)):
        openers = [one.rows for one in stretches if one.rows[0] % 5 == 0]
        assert bool(openers) == (copies == "keep")
        assert len(stretches) > 10
