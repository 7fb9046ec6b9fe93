"""Token ids of OthelloGPT, notation, the transposition trap, and bad input at the doors of Othello."""

import numpy as np
import pytest
from fiducial.games import Othello
from fiducial.games.othello_tokens import OthelloTokens
from hypothesis import given
from hypothesis import strategies as st


def test_ids_are_those_of_othellogpt():
    """tok = square + 1 - 2 * (square > 28) - 2 * (square > 36), no id for 27, 28, 35, 36."""
    tokens = OthelloTokens()
    squares = np.array([s for s in range(64) if s not in (27, 28, 35, 36)])
    expected = squares + 1 - 2 * (squares > 28) - 2 * (squares > 36)
    assert np.array_equal(tokens.from_squares(squares), expected)
    assert np.array_equal(tokens.to_squares(expected), squares)
    assert np.array_equal(np.sort(expected), np.arange(1, 61))
    assert len(tokens.vocabulary) == tokens.d_vocab == 61
    assert tokens.pad_id == 0
    assert tokens.from_squares(np.array([-1, 27, 36])).tolist() == [0, 0, 0]


def test_notation():
    tokens = OthelloTokens()
    assert tokens.encode(["f5", "D6", "a1", "h8"]) == [34, 40, 1, 60]
    assert tokens.encode("f5d6a1h8") == tokens.encode("f5 d6 a1\nh8") == [34, 40, 1, 60]
    assert tokens.decode([34, 40, 0, 0]) == ["f5", "d6"]
    assert tokens.decode([]) == []
    assert tokens.positions([34, 40, 0]) == [1, 2]


@pytest.mark.parametrize(("size", "count"), [(4, 13), (6, 33), (8, 61)])
def test_vocabularies(size, count):
    tokens = OthelloTokens(size)
    assert tokens.d_vocab == len(tokens.vocabulary) == count
    assert tokens.decode(range(1, count)) == list(tokens.vocabulary[1:])


def test_transposition_trap():
    """OthelloGPT's own "f5" is square 5 * 8 + 4 = 44 of its numbering; both readings are legal games."""
    ours, theirs = OthelloTokens(), OthelloTokens(transpose=True)
    assert theirs.encode(["f5"]) == ours.encode(["e6"]) == [44 + 1 - 4]
    assert ours.encode(["f5"]) == [37 + 1 - 4]
    plain, transposed = Othello(), Othello(transpose=True)
    ids = plain.sample(5, seed=0).tokens
    read = transposed.label(ids)
    assert np.array_equal(read.tokens, ids)
    a, b = plain.label(ids).bool_labels(), read.bool_labels()
    assert np.array_equal(a[..., plain.features.index("mine on c5")], b[..., plain.features.index("mine on e3")])
    assert np.array_equal(plain.allowed(ids), transposed.allowed(ids))


@given(st.sampled_from([4, 6, 8]), st.booleans(), st.data())
def test_encode_and_decode_are_inverse(size, transpose, data):
    tokens = OthelloTokens(size, transpose)
    names = data.draw(st.lists(st.sampled_from(tokens.vocabulary[1:]), max_size=10))
    assert tokens.decode([*tokens.encode(names), 0, 0]) == names
    assert tokens.encode("".join(names)) == tokens.encode(names)


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        (["f5", "i1"], r"ply 1: 'i1' is not a square from a1 to h8"),
        (["a0"], r"ply 0: 'a0' is not a square"),
        (["e4"], r"ply 0: 'e4' is filled at the start"),
        (["<pad>"], r"'<pad>' is not a square"),
        ("f5d", r"ply 1: 'd' is not a square"),
    ],
)
def test_bad_notation(moves, message):
    with pytest.raises(ValueError, match=message):
        OthelloTokens().encode(moves)


@pytest.mark.parametrize(
    ("ids", "message"),
    [([0, 34], r"ply 0: token id 0: padding before a move"), ([34, 61], r"ids run from 0 to 60"), ([-1], r"id -1")],
)
def test_bad_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        OthelloTokens().decode(ids)


def test_bad_tokenizers():
    with pytest.raises(ValueError, match=r"must be one of \(4, 6, 8\)"):
        OthelloTokens(7)
    with pytest.raises(ValueError, match=r"pad with id 0, got pad_id=3"):
        OthelloTokens(pad_id=3)


GAME = ["f5", "d6", "c3", "d3"]


def test_every_way_to_write_a_game():
    world = Othello()
    ids = world.tokenizer.encode(GAME)
    squares = world.tokenizer.to_squares(np.array(ids)).tolist()
    expected = world.label([GAME])
    padded = np.array([ids + [0] * 66])
    ways = [
        world.label(["f5d6c3d3"]),
        world.label([ids]),
        world.label(np.array([ids])),
        world.label(padded),
        world.label([squares], integers="squares"),
        world.label(np.array([[*squares, -1]]), integers="squares"),
    ]
    for way in ways:
        assert np.array_equal(way.tokens, expected.tokens)
        assert np.array_equal(way.labels, expected.labels)
    assert expected.scored.sum() == 4
    assert world.allowed(np.array([ids])).shape == (1, 4, 61)


def test_a_whole_game_is_checked_and_its_last_move_left_out():
    world = Othello(4)
    record_tokens = world.sample(20, seed=0).tokens
    row = next(r for r in record_tokens if r.all())
    last = np.flatnonzero(world.allowed(row[None])[0, -1])
    if len(last):
        assert np.array_equal(world.label([[*row, int(last[0])]]).tokens[0], row)
    missing = next(i for i in range(1, 13) if i not in row and i not in last) if not len(last) else int(row[0])
    with pytest.raises(ValueError, match=r"game 0, ply 11"):
        world.label([[*row, missing]])


@pytest.mark.parametrize(
    ("games", "message"),
    [
        ([GAME, ["f5", "d6", "h8"]], r"game 1, ply 2: h8 is illegal for Black, who may play"),
        ([GAME, ["f5", "z9"]], r"game 1, ply 1: 'z9' is not a square"),
        ([[34, 99]], r"game 0, token id 99"),
        ([[34, 40.0]], r"must be integers, got float64"),
        (np.array([[34.0]]), r"must be integers, got float64"),
        (np.array([34, 40]), r"must be \[games, positions\], got \[2\]"),
        (np.array([[34, 0, 40]]), r"game 0: a move at ply 2 follows the end"),
        ("f5d6", r"put a single game in a list"),
        ([], r"no games were given"),
        (np.zeros((0, 59), dtype=np.int64), r"no games were given"),
        ([["f5"] * 61], r"at most 60 moves|is illegal"),
    ],
)
def test_bad_games(games, message):
    with pytest.raises(ValueError, match=message):
        Othello().label(games)


def test_other_bad_arguments():
    world = Othello()
    with pytest.raises(ValueError, match=r"integers must be 'tokens' or 'squares', got 'ids'"):
        world.label([GAME], integers="ids")
    with pytest.raises(ValueError, match=r"vocabulary must be one of .*, got 'all'"):
        Othello(vocabulary="all")
    with pytest.raises(ValueError, match=r"must be one of \(4, 6, 8\), got 5"):
        Othello(5)
    with pytest.raises(ValueError, match=r"must be integers"):
        world.allowed(np.zeros((1, 2)))
    with pytest.raises(KeyError, match=r"no feature named 'mine on c9'.*did you mean"):
        world.features.index("mine on c9")


def test_squares_of_features():
    world = Othello(6)
    assert world.square_of("mine on b1") == 1
    assert world.square_of(world.features[world.features.index("legal move at f6")]) == 35
    assert world.square_of("game over") is None
    assert all(world.geometry.names[s] in name for name, s in world.squares.items())
