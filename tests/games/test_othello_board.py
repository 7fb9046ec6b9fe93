"""The engine against perft tables, a plain reference and the symmetries of the board."""

import numpy as np
import pytest
from fiducial.games import othello_board as board
from fiducial.games.othello_board import Geometry, play_random, replay
from hypothesis import given
from hypothesis import strategies as st

from . import plain_othello as plain

# A forced pass is one ply; a game that ends earlier is one leaf at the first depth it does not reach.
PERFT = {
    1: 4, 2: 12, 3: 56, 4: 244, 5: 1_396, 6: 8_200, 7: 55_092, 8: 390_216, 9: 3_005_288, 10: 24_571_284,
}  # fmt: skip
sizes = st.sampled_from(board.SIZES)


@pytest.mark.parametrize("depth", range(1, 9))
def test_perft(depth):
    assert board.perft(Geometry(8), depth) == PERFT[depth]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [9, 10])
def test_perft_deep(depth):
    """At depth 10 the 228 games that are over after 9 plies count as one leaf each."""
    assert board.perft(Geometry(8), depth) == PERFT[depth]


@pytest.mark.parametrize(("size", "depth"), [(4, d) for d in range(1, 8)] + [(6, d) for d in range(1, 6)] + [(8, 4)])
def test_perft_against_plain_python(size, depth):
    assert board.perft(Geometry(size), depth) == plain.perft(size, depth)


@pytest.mark.slow
def test_every_4x4_game_against_plain_python():
    """All 4 x 4 games to the end: passes, wipe-outs and double passes included."""
    for depth in (9, 10, 11):
        assert board.perft(Geometry(4), depth) == plain.perft(4, depth)


def to_bits(geometry, discs):
    bits = 0
    for row, column in discs:
        bits |= 1 << int(geometry.bits[geometry.size * row + column])
    return np.array([bits], dtype=np.uint64)


@given(sizes, st.data())
def test_moves_and_flips_on_any_board(size, data):
    """Boards that no game reaches count too: the labels of edited boards rest on them."""
    geometry, squares = Geometry(size), plain.squares(size)
    discs = data.draw(st.lists(st.sampled_from("BW.BW"), min_size=size**2, max_size=size**2))
    position = {s: d for s, d in zip(squares, discs, strict=True) if d != "."}
    own = to_bits(geometry, [s for s, d in position.items() if d == "B"])
    opp = to_bits(geometry, [s for s, d in position.items() if d == "W"])
    expected = plain.moves(position, "B", size)
    assert board.legal_moves(own, opp, geometry.mask)[0] == to_bits(geometry, expected)[0]
    for square in expected:
        turned = board.flips(own, opp, to_bits(geometry, [square]))
        assert turned[0] == to_bits(geometry, plain.all_captured(position, "B", square))[0]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5), st.integers(0, 63))
def test_bits(values, k):
    boards = np.array(values, dtype=np.uint64)
    for value, count, chosen in zip(
        values, board.popcount(boards), board.select_bit(boards, np.full(len(values), k)), strict=True
    ):
        ones = [i for i in range(64) if value >> i & 1]
        assert count == len(ones)
        assert int(chosen) == (1 << ones[k] if k < len(ones) else 0)
    singles = np.array([1 << k, 0], dtype=np.uint64)
    assert board.bit_index(singles).tolist() == [k, -1]


@pytest.mark.parametrize("size", board.SIZES)
def test_geometry(size):
    geometry = Geometry(size)
    assert geometry.names[0] == "a1"
    assert geometry.names[1] == "b1"
    assert geometry.names[-1] == f"{'abcdefgh'[size - 1]}{size}"
    assert int(board.popcount(np.array([geometry.mask]))[0]) == size**2
    assert geometry.unpack(np.array([geometry.mask])).all()
    own, opp = (geometry.unpack(b)[0] for b in geometry.start(1))
    discs = plain.start(size)
    for i, square in enumerate(plain.squares(size)):
        assert own[i] == (discs.get(square) == "B")
        assert opp[i] == (discs.get(square) == "W")
        assert (i in geometry.centre) == (square in discs)
    if size == 8:
        assert geometry.names.index("f5") == 37
        assert np.array_equal(np.flatnonzero(own), [28, 35])


@pytest.mark.parametrize("size", [0, 5, 10, "8"])
def test_refuses_other_sizes(size):
    with pytest.raises(ValueError, match=r"must be one of \(4, 6, 8\)"):
        Geometry(size)


@pytest.mark.parametrize("size", board.SIZES)
def test_records_agree_with_plain_python(size):
    geometry = Geometry(size)
    record = play_random(geometry, 12, np.random.default_rng(size))
    for game in range(12):
        moves = [geometry.names[s] for s in record.squares[game] if s >= 0]
        positions = plain.play(size, moves)
        assert len(positions) == record.lengths[game]
        assert positions[-1].over
        for ply, position in enumerate(positions):
            white = position.player == "W"
            assert record.to_move[ply, game] == white
            assert record.mover[ply, game] == (position.mover == "W")
            assert record.passed[ply, game] == position.passed
            discs = {position.player: record.own, plain.OTHER[position.player]: record.opp}
            for player, planes in discs.items():
                expected = to_bits(geometry, [s for s, d in position.board.items() if d == player])[0]
                assert planes[ply, game] == expected
            expected = to_bits(geometry, plain.moves(position.board, position.player, size))[0]
            assert record.legal[ply, game] == expected
            assert record.turned[ply, game] == to_bits(geometry, position.flipped)[0]


def transposed(size, squares):
    return np.where(squares < 0, -1, squares % size * size + squares // size)


def rotated(size, squares):
    """By half a turn; a quarter turn would exchange the colours of the start position."""
    return np.where(squares < 0, -1, size**2 - 1 - squares)


@given(sizes, st.integers(0, 2**32))
def test_transposing_and_rotating_a_game(size, seed):
    geometry = Geometry(size)
    record = play_random(geometry, 3, np.random.default_rng(seed))
    grid = np.arange(size**2)
    for move_squares in (transposed, rotated):
        other = replay(geometry, move_squares(size, record.squares))
        for key in ("own", "opp", "legal", "turned", "move"):
            before, after = geometry.unpack(getattr(record, key)), geometry.unpack(getattr(other, key))
            assert np.array_equal(before, after[..., move_squares(size, grid)])
        for key in ("to_move", "mover", "passed", "played"):
            assert np.array_equal(getattr(record, key), getattr(other, key))


@given(sizes, st.integers(0, 2**32), st.integers(1, 5))
def test_replay_gives_the_same_record(size, seed, n):
    geometry = Geometry(size)
    record = play_random(geometry, n, np.random.default_rng(seed))
    again = replay(geometry, record.squares)
    for key in ("move", "turned", "own", "opp", "legal", "to_move", "mover", "passed", "played"):
        assert np.array_equal(getattr(record, key), getattr(again, key))
    # A prefix has the same positions.
    part = replay(geometry, record.squares[:, :5])
    assert np.array_equal(part.own[:5], record.own[:5])
    assert (part.lengths == 5).all()


def test_random_games_have_the_known_frequencies():
    """35.1 % of random games contain a pass, 1.0 % are shorter than 60 plies, 8.54 legal moves on average.

    Each interval is about five standard errors of 16,384 games wide on either side.
    """
    record = play_random(Geometry(8), 16_384, np.random.default_rng(0))
    assert abs(record.passed.any(0).mean() - 0.351) < 0.019
    assert abs((record.lengths < 60).mean() - 0.010) < 0.004
    parity = np.arange(60)[:, None] % 2
    wrong = (record.mover != parity)[record.played].mean()
    assert abs(wrong - 0.0119) < 0.0015
    last = record.played[59]
    assert abs((record.mover[59] != 1)[last].mean() - 0.28) < 0.018
    counts = board.popcount(record.legal[:59])[record.played[:59]]
    assert abs(counts.mean() - 8.54) < 0.3


def test_random_moves_are_uniform():
    """The four first moves, and the twelve of two plies, within five standard errors."""
    record = play_random(Geometry(8), 20_000, np.random.default_rng(7))
    first = np.unique(record.squares[:, 0], return_counts=True)[1]
    assert len(first) == 4
    assert np.abs(first / 20_000 - 1 / 4).max() < 5 * np.sqrt(0.25 * 0.75 / 20_000)
    second = np.unique(record.squares[:, :2], axis=0, return_counts=True)[1]
    assert len(second) == 12
    assert np.abs(second / 20_000 - 1 / 12).max() < 5 * np.sqrt(1 / 12 * 11 / 12 / 20_000)


@pytest.mark.parametrize(
    ("squares", "message"),
    [
        ([[37, 0]], r"game 0, ply 1: a1 is illegal for White, who may play f4, d6, f6"),
        ([[37], [28]], r"game 1, ply 0: e4 is illegal for Black"),
        ([[37, -1, 43]], r"game 0: a move at ply 2 follows the end of the game at ply 1"),
        ([[64]], r"game 0, ply 0: square 64 is not on a board of 64 squares"),
        ([[-2]], r"square -2 is not on a board"),
        ([[37] + [-1] * 60], r"at most 60 moves, got rows of 61"),
    ],
)
def test_bad_games(squares, message):
    with pytest.raises(ValueError, match=message):
        replay(Geometry(8), np.array(squares))


def test_a_move_after_the_end_is_refused():
    geometry = Geometry(4)
    record = play_random(geometry, 500, np.random.default_rng(0))
    game = int(np.argmin(record.lengths))
    length = record.lengths[game]
    assert length < 12
    squares = record.squares[game].copy()
    squares[length] = next(s for s in range(16) if s not in squares[:length] and s not in geometry.centre)
    with pytest.raises(ValueError, match=rf"game 0, ply {length}: .* is played after the end of the game"):
        replay(geometry, squares[None])


def test_a_broken_engine_is_noticed(monkeypatch):
    """Mutation: without the guard against wrapping around the edge files, perft no longer agrees."""
    monkeypatch.setattr(board, "_RUN_MASK", np.full((4, 1), 0xFFFFFFFFFFFFFFFF, dtype=np.uint64))
    with pytest.raises(AssertionError):
        test_perft(7)
