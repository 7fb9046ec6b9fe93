"""Predicates: canonical form keeps the meaning, execution by hand, literals and squares."""

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.predicate import (
    And,
    AtLeast,
    Atom,
    Compare,
    Not,
    Or,
    atoms,
    canonical,
    evaluate,
    literals,
    n_literals,
    negated,
    one_literal_flipped,
    squares_of,
    truth_hash,
    with_literal,
)
from hypothesis import given, settings

from .predicates import trees

NAMES = ("a", "b", "c", "d")
# Every combination of four facts and of ply 0 to 3, once.
GRID = np.array([[i >> k & 1 for k in range(6)] for i in range(64)], bool)
FACTS = Facts(
    NAMES,
    np.packbits(GRID[:, :4], axis=1, bitorder="little"),
    np.arange(64) // 8,
    np.arange(64) % 8,
    np.arange(64) < 32,
    {"ply": (GRID[:, 4] + 2 * GRID[:, 5]).astype(np.int64)},
)
A, B, C, D = map(Atom, NAMES)


def by_hand(p, row):
    """The plainest execution there is."""
    if isinstance(p, Atom):
        return bool(GRID[row, NAMES.index(p.name)])
    if isinstance(p, Compare):
        ply = int(FACTS.counters["ply"][row])
        return ply >= p.value if p.sign == ">=" else ply <= p.value
    if isinstance(p, Not):
        return not by_hand(p.part, row)
    held = [by_hand(part, row) for part in p.parts]
    return {And: all(held), Or: any(held)}.get(type(p), sum(held) >= getattr(p, "k", 0))


@given(trees(NAMES))
@settings(max_examples=80, deadline=None)
def test_execution_is_that_of_a_plain_interpreter(p):
    assert evaluate(p, FACTS).tolist() == [by_hand(p, row) for row in range(64)]
    rows = np.array([40, 3, 3, 17])
    assert evaluate(p, FACTS, rows).tolist() == [by_hand(p, row) for row in rows]


@given(trees(NAMES))
@settings(max_examples=80, deadline=None)
def test_the_canonical_form_means_the_same_and_is_its_own(p):
    once = canonical(p)
    assert np.array_equal(evaluate(once, FACTS), evaluate(p, FACTS))
    assert canonical(once) == once
    assert truth_hash(once, FACTS) == truth_hash(p, FACTS)


@given(trees(NAMES))
@settings(max_examples=60, deadline=None)
def test_flipping_a_literal_twice_gives_the_predicate_back(p):
    flipped = one_literal_flipped(p)
    assert len(flipped) == n_literals(p)
    for place, other in enumerate(flipped):
        assert other != p
        back = with_literal(other, place, negated(literals(other)[place]))
        assert canonical(back) == canonical(p)


def test_equality_is_decided_by_the_canonical_form():
    assert canonical(And((B, And((A, B))))) == canonical(And((A, B))) == And((A, B))
    assert canonical(And((A, A))) == A
    assert canonical(Not(Not(Not(A)))) == Not(A)
    assert canonical(Not(Compare("ply", ">=", 30))) == Compare("ply", "<=", 29)
    assert canonical(AtLeast(1, (B, A))) == Or((A, B))
    assert canonical(AtLeast(2, (B, A))) == And((A, B))
    assert canonical(Or((And((B, A)), C))) != canonical(And((Or((B, A)), C)))


def test_repeated_parts_count_under_at_least():
    twice = AtLeast(2, (A, A, B))  # a alone is two of them, b alone is not
    assert np.array_equal(evaluate(canonical(twice), FACTS), evaluate(A, FACTS))


def test_the_same_meaning_in_other_words_has_the_same_hash():
    assert truth_hash(Not(And((A, B))), FACTS) == truth_hash(Or((Not(A), Not(B))), FACTS)
    assert truth_hash(A, FACTS) != truth_hash(B, FACTS)


def test_literals_and_atoms():
    p = Or((And((A, Not(B))), Not(Or((C, A))), Compare("ply", ">=", 2)))
    assert literals(p) == (A, Not(B), C, A, Compare("ply", ">=", 2))
    assert n_literals(p) == 5
    assert atoms(p) == ("a", "b", "c")
    assert with_literal(p, 3, D) == Or((And((A, Not(B))), Not(Or((C, D))), Compare("ply", ">=", 2)))
    with pytest.raises(IndexError, match="literal 5 of 5"):
        with_literal(p, 5, D)


def test_squares_are_named_in_lower_case():
    p = And((Atom("mine at C4"), Not(Atom("at least 4 discs of mine")), Atom("mine on X-square b2 beside empty a1")))
    assert squares_of(p) == {"c4", "b2", "a1"}
    assert squares_of(Atom("white pawn on the a-file")) == frozenset()


def test_errors_teach():
    with pytest.raises(KeyError, match="no fact named 'aa' among 4; did you mean 'a'"):
        evaluate(Atom("aa"), FACTS)
    with pytest.raises(KeyError, match="no counter named 'move'; there are ply"):
        evaluate(Compare("move", ">=", 1), FACTS)
    with pytest.raises(ValueError, match="k from 1 to 2, got 3"):
        AtLeast(3, (A, B))
    with pytest.raises(ValueError, match="at least two parts, got 1"):
        And((A,))
    with pytest.raises(ValueError, match="compared by >= or <=, got '>'"):
        Compare("ply", ">", 3)
