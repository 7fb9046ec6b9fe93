"""Corruptions: each is wrong in its own way, measured on the positions; doses reach the overlap that they say."""

import numpy as np
import pytest
from fiducial.metrics.llm.corruption import (
    CORRUPTIONS,
    always_true,
    corruptions,
    dose,
    matched_random,
    replaced,
)
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.predicate import And, Atom, Not, Or, atoms, canonical, evaluate, literals
from fiducial.metrics.llm.predicate_text import parse
from fiducial.metrics.llm.truth import overlap

RNG = np.random.default_rng(2)
N = 3000
SQUARES = [f"{file}{rank}" for rank in (1, 2, 3) for file in "abc"]
BOARD = RNG.integers(0, 3, (N, 9))  # empty, mine, yours
NAMES = [f"{who} on {s}" for who in ("mine", "yours") for s in SQUARES] + [f"{s} empty" for s in SQUARES]
COLUMNS = np.concatenate([BOARD == 1, BOARD == 2, BOARD == 0], axis=1)
EXTRA = {
    "a1 occupied": BOARD[:, 0] > 0,  # always with mine on a1, twice as often
    "corner occupied": (BOARD[:, 0] > 0) | (BOARD[:, 2] > 0),
    **{f"rare {i}": RNG.random(N) < rate for i, rate in enumerate(np.linspace(0.005, 0.5, 40))},
}
FACTS = Facts(
    (*NAMES, *EXTRA),
    np.packbits(np.column_stack([COLUMNS, *EXTRA.values()]), axis=1, bitorder="little"),
    np.arange(N) // 20,
    np.arange(N) % 20,
    np.arange(N) // 20 % 2 == 0,
    {"ply": np.arange(N) % 20},
)
TRUTHS = [
    "mine on a1",
    "not mine on a1",
    "mine on a1 and yours on b2",
    "mine on a1 or (yours on b2 and c3 empty)",
    "at least 2 of (mine on a1; mine on b1; mine on c1)",
    "rare 0",
]


def read(text):
    return canonical(parse(text, FACTS.names))


def truth(p):
    return evaluate(p, FACTS)


@pytest.mark.parametrize("text", TRUTHS)
def test_every_kind_is_wrong_in_its_own_way(text):
    right = read(text)
    found = corruptions(right, FACTS, seed=1)
    assert list(found) == [kind for kind in CORRUPTIONS if kind in found]
    here = truth(right)
    for wrong in found.values():
        assert canonical(wrong) == wrong
        assert (truth(wrong) != here).any()
    broad, narrow = truth(found["too broad"]), truth(found["too narrow"])
    assert not (here & ~broad).any()
    assert not (narrow & ~here).any()
    assert 0.1 < narrow.sum() / here.sum() < 0.6
    assert np.array_equal(truth(found["other polarity"]), ~here)
    assert truth(found["always true"]).all()
    assert truth(found["random"]).mean() == pytest.approx(here.mean(), rel=0.25)
    assert not set(atoms(found["random"])) & set(atoms(right))
    assert ("one meaning" in found) == isinstance(right, Or)


def test_kinds_by_hand():
    found = corruptions(read("mine on a1"), FACTS)
    assert found["too broad"] == Atom("a1 occupied")  # holds 2 / 3 of the time; `corner occupied` 8 / 9
    assert found["other side"] == Atom("yours on a1")
    assert found["neighbour square"] in {Atom("mine on a2"), Atom("mine on b1"), Atom("mine on b2")}
    both = corruptions(read("rare 30 and not mine on b2"), FACTS)
    assert both["too broad"] == Not(Atom("mine on b2"))  # holds more often than `rare 30`
    assert both["other side"] == And((Atom("rare 30"), Not(Atom("yours on b2"))))
    assert corruptions(read("rare 39 or rare 5"), FACTS)["one meaning"] == Atom("rare 39")
    assert "neighbour square" not in corruptions(read("rare 3"), FACTS)


def test_neighbours_move_all_squares_alike():
    """`mine on a1 and a1 empty` would say nothing any more if one square moved alone."""
    found = corruptions(read("mine on a1 and yours on a2"), FACTS, seed=3)["neighbour square"]
    moved = sorted(name.split()[-1] for name in atoms(found))
    assert moved in (["b1", "b2"], ["b2", "b3"], ["a2", "a3"])


def test_the_same_seed_gives_the_same_and_others_differ():
    right = read("mine on a1 and yours on b2")
    assert corruptions(right, FACTS, seed=4) == corruptions(right, FACTS, seed=4)
    said = {corruptions(right, FACTS, seed=seed)["too narrow"] for seed in range(12)}
    assert len(said) > 3
    assert corruptions(And((right.parts[1], right.parts[0])), FACTS, seed=4) == corruptions(right, FACTS, seed=4)


@pytest.mark.parametrize("text", TRUTHS[:5])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_doses_reach_their_overlap(text, share):
    right = read(text)
    wrong = dose(right, FACTS, share, 2)
    if share == 1:
        assert wrong == matched_random(right, FACTS, seed=2)
        return
    assert overlap(right, wrong, FACTS) == pytest.approx(1 - share, abs=0.08)
    assert (wrong == right) == (share == 0)
    assert wrong == dose(right, FACTS, share, 2)


def test_doses_fall():
    rights = [read(text) for text in TRUTHS[:5]]
    means = [np.mean([overlap(p, dose(p, FACTS, s, 1), FACTS) for p in rights]) for s in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert means == sorted(means, reverse=True)


def test_a_share_of_literals_is_replaced():
    right = read("mine on a1 and mine on b1 and not yours on c1 and c2 empty")
    for share, n in ((0, 0), (0.25, 1), (0.5, 2), (1, 4)):
        wrong = replaced(right, FACTS, share, 5)
        changed = [a != b for a, b in zip(literals(right), literals(wrong), strict=True)]
        assert sum(changed) == n
        assert len(set(atoms(wrong)) & set(atoms(right))) == 4 - n


def test_a_rare_conjunction_is_matched_by_a_conjunction():
    """Mine on all of three squares: 1 / 27; without rare facts only two facts together hold as seldom."""
    plain = Facts(
        tuple(NAMES),
        np.packbits(COLUMNS, axis=1, bitorder="little"),
        FACTS.game_id,
        FACTS.position,
        FACTS.train,
    )
    right = And((Atom("mine on a1"), Atom("mine on b1"), Atom("mine on c1")))
    found = matched_random(right, plain, seed=1)
    assert isinstance(found, And)
    assert evaluate(found, plain).mean() < 0.15 < 1 / 3


def test_always_true_and_errors():
    assert truth(always_true(FACTS)).all()
    plain = Facts(("f",), FACTS.labels[:, :1] & 1, FACTS.game_id, FACTS.position, FACTS.train)
    assert evaluate(always_true(plain), plain).all()
    with pytest.raises(ValueError, match="no other facts than those of 'f'"):
        matched_random(Atom("f"), plain)
    for wrong in (dose, replaced):
        with pytest.raises(ValueError, match=r"0 to 1, got 1\.2"):
            wrong(Atom("mine on a1"), FACTS, 1.2)
    with pytest.raises(KeyError, match="no fact named 'mine on d9'"):
        corruptions(Atom("mine on d9"), FACTS)
