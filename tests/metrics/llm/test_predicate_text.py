"""Predicates as text: every name of every world and any tree come back as they were; errors say where."""

import pytest
from fiducial.games import SYNTHETIC_WORLDS, WORLDS, known_features
from fiducial.metrics.llm.predicate import And, AtLeast, Atom, Compare, Not, Or
from fiducial.metrics.llm.predicate_text import grammar, parse, to_text
from hypothesis import given, settings

from .predicates import trees

# Names that hold words of the grammar, begin another name, or look like something else.
NASTY = (
    "white",
    "white in check",
    "check",
    "white and check",
    "at least 4 discs of mine",
    "at least 2 of (white; check)",
    "not check",
    "ply 9 to 16",
    "ply >= 30",
    'a "quoted" one',
    "back\\slash",
    "a1-f6 diagonal",
    "Nf3, or e4",
    "either or",
    "  two  spaces ",
    "(odd",
)
SMALL = [name for name in SYNTHETIC_WORLDS if not name.endswith("16k")]


@pytest.mark.parametrize("world", ["othello", "othello-6x6", "chess", "ioi-tiny", *SMALL[:4]])
def test_every_name_of_a_world_comes_back(world):
    names = known_features(world).names
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        p = Or((And((Atom(name), Not(Atom(other)))), AtLeast(1, (Atom(other), Atom(name)))))
        assert parse(to_text(p), names) == p
        if not to_text(Atom(name)).startswith('"'):
            assert parse(f"  NOT {name.upper().replace(' ', '  ')} . ", names) == Not(Atom(name))


@pytest.mark.slow
@pytest.mark.parametrize("world", sorted({*WORLDS, *SYNTHETIC_WORLDS}))
def test_every_name_of_every_world_comes_back(world):
    names = known_features(world).names
    assert [parse(to_text(Atom(name)), names) for name in names] == [Atom(name) for name in names]


@given(trees(NASTY, ("ply", "ply since castling")))
@settings(max_examples=150, deadline=None)
def test_any_tree_of_any_names_comes_back(p):
    assert parse(to_text(p), NASTY, ("ply", "ply since castling")) == p


def test_it_reads_as_people_would_write():
    names = ("mine on c4", "b3 empty", "white bishop and queen battery", "at least 4 discs of mine")
    c4, b3, battery, four = map(Atom, names)
    assert parse("mine on c4 and b3 empty or mine on c4", names) == Or((And((c4, b3)), c4))
    assert parse("mine on c4 and (b3 empty or mine on c4)", names) == And((c4, Or((b3, c4))))
    assert parse("not mine on c4 and b3 empty", names) == And((Not(c4), b3))
    assert parse("white bishop and queen battery and b3 empty", names) == And((battery, b3))
    assert parse("At least 2 of (mine on c4; b3 empty; at least 4 discs of mine).", names) == AtLeast(2, (c4, b3, four))
    assert parse("ply>=30", names) == Compare("ply", ">=", 30)
    assert parse("ply > 30 and ply ≤ 40", names) == And((Compare("ply", ">=", 31), Compare("ply", "<=", 40)))
    assert parse("ply = 7", names) == And((Compare("ply", ">=", 7), Compare("ply", "<=", 7)))
    assert parse('"Mine  on C4"\n and\tb3 empty', names) == And((c4, b3))


def test_the_longest_name_is_meant():
    names = ("white", "white in check", "white in check by a knight")
    assert parse("white in check", names) == Atom("white in check")
    assert parse("white or white in check by a knight", names) == Or((Atom(names[0]), Atom(names[2])))


def test_a_name_with_a_word_of_the_grammar_loses_against_its_parts():
    names = ("x", "y", "x and y")
    assert parse("x and y", names) == And((Atom("x"), Atom("y")))
    assert to_text(Atom("x and y")) == '"x and y"'
    assert parse('"x and y"', names) == Atom("x and y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine at c4", "expected a fact at character 1, got 'mine at c4'.*did you mean 'mine on c4'"),
        ("mine on c4 and", "expected a fact, but the text ends"),
        ("mine on c4 and nonsense", "expected a fact at character 16, got 'nonsense'"),
        ("(mine on c4", r"expected `\)`, but the text ends"),
        ("mine on c4)", "expected `and`, `or` or the end at character 11"),
        ("at least 3 of (mine on c4; b3 empty)", "at least 3 of 2 facts at character 1"),
        ('b3 empty or "mine on c9"', "no fact named 'mine on c9' at character 13"),
        ('"mine on c4', "quote at character 1 is never closed"),
        ("", "expected a fact, but the text ends"),
        ("ply >= many", "expected a fact at character 1"),
        ("The latent fires when mine on c4", "expected a fact at character 1"),
    ],
)
def test_what_cannot_be_read_is_said_and_never_guessed(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text, ("mine on c4", "b3 empty"))


def test_the_grammar_in_words_holds_examples_that_can_be_read():
    names = ("mine on c4", "b3 empty", "played a1", "black to move")
    text = grammar(names)
    examples = [line.strip() for line in text.split("Brackets")[0].splitlines()[1:]]
    assert len(examples) == 4
    assert [to_text(parse(line, names)) for line in examples] == examples
    assert "ply >= 30" in text
    assert "ply" not in grammar(names, ())
