"""Windows against brute force; marks of fuzzing by hand, and none of the published slips."""

import numpy as np
import pytest
from fiducial.metrics.llm.examples import LAYOUTS, fuzz, marks_of, windows_of
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example
from fiducial.metrics.llm.predicate import And, Atom, Compare
from hypothesis import given
from hypothesis import strategies as st

from .small_facts import facts_of, latent_of

# Two games: rows 0, 2, 4, 6, 7 (in this order of positions: 6, 0, 2, 7, 4) and rows 1, 3, 5.
GAME = np.array([9, 4, 9, 4, 9, 4, 9, 9])
POSITION = np.array([2, 0, 5, 3, 9, 4, 1, 7])
TRAIN = GAME == 9


def shuffled():
    return Facts(("a",), np.zeros((8, 1), np.uint8), GAME, POSITION, TRAIN)


def rows_of(windows):
    return [windows.rows(w).tolist() for w in range(len(windows))]


def test_a_grid_cuts_every_game_from_its_first_position_on():
    windows = windows_of(shuffled(), 2)
    assert rows_of(windows) == [[1, 3], [5], [6, 0], [2, 7], [4]]
    assert windows.anchor.tolist() == [3, 5, 0, 7, 4]
    assert windows.train.tolist() == [False, False, True, True, True]
    assert [windows.of_row[row] for row in (1, 3, 5, 6, 0, 2, 7, 4)] == [0, 0, 1, 2, 2, 3, 3, 4]


def test_centre_centres_and_keeps_the_ends():
    windows = windows_of(shuffled(), 3, "centre")
    of = {int(windows.anchor[w]): windows.rows(w).tolist() for w in range(len(windows))}
    assert of == {1: [1, 3], 3: [1, 3, 5], 5: [3, 5], 6: [6, 0], 0: [6, 0, 2], 2: [0, 2, 7], 7: [2, 7, 4], 4: [7, 4]}
    ending = windows_of(shuffled(), 3, "ending")
    of = {int(ending.anchor[w]): ending.rows(w).tolist() for w in range(len(ending))}
    assert of == {1: [1], 3: [1, 3], 5: [1, 3, 5], 6: [6], 0: [6, 0], 2: [6, 0, 2], 7: [0, 2, 7], 4: [2, 7, 4]}


@given(st.integers(1, 5), st.sampled_from(LAYOUTS), st.integers(0, 1000))
def test_windows_are_of_one_game_and_know_what_they_hold(size, layout, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    game = rng.integers(0, 4, n)
    facts = Facts(("a",), np.zeros((n, 1), np.uint8), game, rng.permutation(n), game < 2)
    values = np.where(rng.random(n) < 0.3, rng.integers(1, 4, n), 0)
    latent = latent_of(values)
    windows = windows_of(facts, size, layout)
    touched = windows.touched(latent.rows)
    for w, rows in enumerate(map(np.array, rows_of(windows))):
        assert 1 <= len(rows) <= size
        assert len(set(game[rows])) == 1
        inside = facts.position[game == game[rows[0]]]
        assert (np.diff(np.searchsorted(np.sort(inside), facts.position[rows])) == 1).all()
        assert touched[w] == (values[rows] > 0).any()
        assert windows.train[w] == facts.train[rows[0]]
        assert windows.anchor[w] in rows
    if layout == "grid":
        assert sorted(np.concatenate(rows_of(windows))) == list(range(n))
    found, strength, at = windows.strongest(latent)
    assert (np.diff(found) > 0).all()
    for w, value, row in zip(found, strength, at, strict=True):
        assert values[row] == value > 0
        assert row in windows.rows(w)
        assert value == (values[windows.rows(w)].max() if layout == "grid" else values[windows.anchor[w]])


def test_wrong_windows_are_refused():
    with pytest.raises(ValueError, match="at least 1 position"):
        windows_of(shuffled(), 0)
    with pytest.raises(ValueError, match="grid, ending, centre, got 'middle'"):
        windows_of(shuffled(), 2, "middle")


def test_marks_are_relative_to_the_maximum_of_the_example():
    assert marks_of((0.1, 0.29, 1.0, 0.3)) == (2, 3)
    assert marks_of((0.01, 0.029, 0.1, 0.03)) == (2, 3)


def exam():
    """Positives with 1 and 2 marks of 4 (1.5 on average, so 2), and 30 negatives of 4 rows."""
    positives = [
        Example((0, 1, 2, 3), (0, 1.0, 0.2, 0), active=True, quantile=0),
        Example((4, 5, 6, 7), (0.5, 0.4, 0, 0.1), active=True, quantile=9),
    ]
    negatives = [
        Example(tuple(range(i, i + 4)), (0.0,) * 4, active=False, source="same game") for i in range(8, 128, 4)
    ]
    values = np.zeros(128)
    values[[1, 2, 4, 5, 7]] = 1.0, 0.2, 0.5, 0.4, 0.1
    return [*positives, *negatives], latent_of(values)


def test_rows_of_silent_examples_are_marked_as_often_as_those_of_active_ones_and_drawn_for_each():
    examples, latent = exam()
    found = fuzz(examples, latent)
    assert [e.marked for e in found[:2]] == [(1,), (0, 1)]
    wrong = [e.marked for e in found[2:]]
    assert all(len(marked) == 2 for marked in wrong)
    assert len(set(wrong)) >= 4  # of 6 pairs; published code marks the same places in every negative
    assert [e.source for e in found[2:]] == ["same game"] * 30
    assert [(e.rows, e.values, e.active) for e in found] == [(e.rows, e.values, e.active) for e in examples]


def test_marks_do_not_depend_on_the_order_of_the_examples_but_on_seed_and_dictionary():
    examples, latent = exam()
    straight, turned = fuzz(examples, latent), fuzz(examples[::-1], latent)
    assert set(straight) == set(turned)
    assert fuzz(examples, latent, seed=1) != straight
    assert fuzz(examples, latent, sae="other") != straight


def test_wrong_marks_of_active_examples_stand_below_the_threshold():
    examples, latent = exam()
    found = fuzz(examples, latent, wrong="active")
    assert len(found) == 4
    for right, wrong in zip(found[:2], found[2:], strict=True):
        assert right.rows == wrong.rows
        assert right.active
        assert (wrong.active, wrong.quantile, wrong.source) == (False, -1, "wrong marks")
        assert len(wrong.marked) == 2
        assert not set(right.marked) & set(wrong.marked)
    full = [Example((0, 1), (1.0, 1.0), active=True, quantile=0)]
    assert len(fuzz(full, latent, wrong="active")) == 1  # nothing is left to mark wrongly


def test_squares_are_those_of_the_predicate_or_as_many_others():
    examples, latent = exam()
    predicate = And((Atom("mine on C4"), Atom("legal move at d3")))
    found = fuzz(
        examples, latent, marks="squares", predicate=predicate, occupied=lambda row: ["c4", "D3", "e5", "f6", "a1"]
    )
    assert [e.squares for e in found[:2]] == [("c4", "d3")] * 2
    assert [e.rows for e in found[:3]] == [(1,), (4,), (11,)]  # the strongest position; the last of a negative
    assert {s for e in found[2:] for s in e.squares} == {"a1", "e5", "f6"}
    assert all(len(e.squares) == 2 and not e.active for e in found[2:])
    few = fuzz(
        examples, latent, marks="squares", predicate=predicate, occupied=lambda row: ["c4", "e5"] if row < 60 else []
    )
    assert {e.squares for e in few[2:]} == {("e5",)}  # fewer where there are fewer; left out where there are none
    assert len(few) == 2 + sum(e.rows[-1] < 60 for e in examples[2:])
    same = fuzz(examples, latent, marks="squares", wrong="active", predicate=predicate, occupied=lambda row: ["e5"])
    assert [e.squares for e in same] == [("c4", "d3")] * 2 + [("e5",)] * 2
    assert fuzz(examples, latent, marks="squares", predicate=Compare("ply", ">=", 3), occupied=lambda row: ["e5"]) == ()


def test_wrong_marks_are_refused():
    examples, latent = exam()
    with pytest.raises(ValueError, match="need the predicate"):
        fuzz(examples, latent, marks="squares")
    with pytest.raises(ValueError, match="got 'stars'"):
        fuzz(examples, latent, marks="stars")


def test_an_exam_without_positives_marks_one_row():
    examples, latent = exam()
    assert [len(e.marked) for e in fuzz(examples[2:], latent)] == [1] * 30
    assert fuzz([], latent) == ()


def test_single_positions_are_marked_as_they_are():
    values = np.tile([1.0, 0.0], 10)
    facts = facts_of(np.zeros((20, 1)), 5)
    examples = [Example((r,), (float(values[r]),), active=values[r] > 0) for r in range(20)]
    assert {e.marked for e in fuzz(examples, latent_of(values))} == {(0,)}
    assert len(windows_of(facts)) == 20
