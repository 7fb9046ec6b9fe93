"""Natural pairs of positions against a search that compares every position with every other."""

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from fiducial.games import Chess, Othello, Synthetic
from fiducial.games import position_pairs as module
from fiducial.games.board_states import board_states, state_codes
from fiducial.games.position_pairs import position_pairs, same_board_pairs

SMALL = Othello(4)
GAMES = SMALL.sample(150, seed=0)
CHESS = Chess(positions=16)


def plain_positions(transcripts):
    """(ply, state of every square by its name, other features of the position, tokens so far) by (game, position)."""
    features = transcripts.features
    squares = {
        i: (f.variable.split()[-1], f.name) for i, f in enumerate(features)
        if (f.variable or "").startswith(("state of", "content of"))
    }  # fmt: skip
    others = {
        i: f.name for i, f in enumerate(features)
        if f.variable in ("player to move", "side to move", "en passant square")
        or (f.group == "castling" and f.name.endswith("side castling right"))
    }  # fmt: skip
    labels = transcripts.bool_labels()
    found = {}
    for row, position in np.argwhere(transcripts.scored).tolist():
        held = np.flatnonzero(labels[row, position]).tolist()
        board = dict(sorted(squares[i] for i in held if i in squares))
        rest = frozenset(others[i] for i in held if i in others)
        history = tuple(transcripts.tokens[row, : position + 1].tolist())
        found[row, position] = (int(transcripts.ply[row, position]), board, rest, history)
    return found


def check(game, transcripts, pairs, same_board=False):
    """Every pair is one: equal ply and all else, boards that differ in the square named, or not at all."""
    positions = plain_positions(transcripts)
    names = transcripts.features.names
    seen = set()
    for i in range(len(pairs)):
        (ply, board, rest, history), (other_ply, other_board, other_rest, other_history) = (
            positions[tuple(side[i].tolist())] for side in (pairs.base, pairs.source)
        )
        assert ply == other_ply == pairs.ply[i]
        assert rest == other_rest
        assert history != other_history
        assert pairs.same_last_move[i] == (history[-1] == other_history[-1])
        differing = [square for square in board if board[square] != other_board[square]]
        if same_board:
            assert not differing
            assert pairs.square[i] == pairs.before[i] == pairs.after[i] == -1
        else:
            assert len(differing) == 1
            assert names[pairs.before[i]] == board[differing[0]]
            assert names[pairs.after[i]] == other_board[differing[0]]
            assert pairs.square[i] == game.square_of(board[differing[0]])
        pair = frozenset([history, other_history])
        assert pair not in seen
        seen.add(pair)


def expected_numbers(transcripts, per_key):
    """How many pairs there must be, of one square and of equal boards, by a table of all boards without each square."""
    by_history = {position[3]: position[:3] for position in plain_positions(transcripts).values()}
    masked, whole = defaultdict(lambda: defaultdict(int)), defaultdict(int)
    for ply, board, rest in by_history.values():
        text = "/".join(board.values())
        whole[ply, text, rest] += 1
        for square, name in board.items():
            masked[ply, square, text.replace(name, "?"), rest][name] += 1
    one_square = 0
    for states in masked.values():
        for rank in range(min(per_key, max(states.values()))):
            m = sum(number > rank for number in states.values())
            one_square += m * (m - 1) // 2
    return one_square, sum(min(per_key, number // 2) for number in whole.values())


@pytest.mark.parametrize(("size", "n", "per_key"), [(4, 400, 1), (4, 400, 2), (4, 400, 1000), (6, 150, 4)])
def test_against_comparing_everything(size, n, per_key):
    game = Othello(size)
    transcripts = game.sample(n, seed=size)
    pairs, same = (f(game, transcripts, seed=0, per_key=per_key) for f in (position_pairs, same_board_pairs))
    check(game, transcripts, pairs)
    check(game, transcripts, same, same_board=True)
    assert (len(pairs), len(same)) == expected_numbers(transcripts, per_key)
    assert len(pairs) >= (1 if size == 6 else 100)
    assert len(same) >= (5 if size == 6 else 100)


def test_chess_against_comparing_everything():
    transcripts = Chess(positions=9).sample(250, seed=1)
    pairs, same = (f(Chess(positions=9), transcripts, seed=0) for f in (position_pairs, same_board_pairs))
    check(CHESS, transcripts, pairs)
    check(CHESS, transcripts, same, same_board=True)
    assert (len(pairs), len(same)) == expected_numbers(transcripts, 4)
    assert len(same) >= 3


def test_an_equal_board_is_not_an_equal_position():
    """Rights and the pawn that may be taken belong to a position; a pawn that nobody can take does not."""
    texts = {
        "rook moved": ("g1f3 g8f6 h1g1 f6g8 g1h1 g8f6", "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6"),
        "en passant": ("e2e4 a7a6 e4e5 d7d5", "e2e4 d7d5 e4e5 a7a6"),
        "nobody can take": ("e2e4 e7e5 d2d4", "d2d4 e7e5 e2e4"),
    }
    last = {}
    for name, games in texts.items():
        transcripts = CHESS.label([text.split() for text in games])
        pairs = same_board_pairs(CHESS, transcripts)
        last[name] = int(transcripts.ply.max()) in pairs.ply.tolist()
    assert last == {"rook moved": False, "en passant": False, "nobody can take": True}


def test_a_promotion_to_another_piece_differs_in_one_square():
    way = "a2a4 b7b5 a4b5 a7a6 b5a6 h7h6 a6a7 h6h5 a7b8"
    transcripts = CHESS.label([f"{way}{piece}".split() for piece in "qrn"])
    pairs = position_pairs(CHESS, transcripts)
    check(CHESS, transcripts, pairs)
    names = transcripts.features.names
    found = {frozenset((names[a], names[b])) for a, b in zip(pairs.before, pairs.after, strict=True)}
    pieces = [f"white {kind} on b8" for kind in ("queen", "rook", "knight")]
    assert found == {frozenset(two) for two in combinations(pieces, 2)}


def test_characters_have_one_position_a_ply():
    game = Chess(tokens="characters", scored="all", positions=40)
    transcripts = game.label([";1.e4 e5 2.d4 d6", ";1.d4 e5 2.e4 d6", ";1.d4 e5 2.e4 a6"])
    same = same_board_pairs(game, transcripts)
    check(game, transcripts, same, same_board=True)
    assert {tuple(sorted(pair)) for pair in zip(same.base[:, 0], same.source[:, 0], strict=True)} <= {(0, 1), (0, 2)}
    assert len(same)
    assert len(np.unique(same.ply)) == len(same)


def test_a_weak_hash_proposes_and_the_boards_decide(monkeypatch):
    """Every position of a ply has one hash: pairs are fewer, as other positions stand in their way, never wrong."""
    monkeypatch.setattr(module, "_ZOBRIST_SEED", np.random.SeedSequence(0))

    class Constant:
        def integers(self, low, high, size, dtype):
            return np.zeros(size, dtype)

    right = np.random.default_rng
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: Constant() if isinstance(seed, np.random.SeedSequence) else right(seed)
    )
    pairs, same = (f(SMALL, GAMES, seed=0, per_key=50) for f in (position_pairs, same_board_pairs))
    check(SMALL, GAMES, pairs)
    check(SMALL, GAMES, same, same_board=True)
    monkeypatch.setattr(module, "_equal_elsewhere", lambda found, left, right, square: np.ones(len(left), bool))
    with pytest.raises(AssertionError):
        check(SMALL, GAMES, position_pairs(SMALL, GAMES, seed=0, per_key=50))


def test_the_same_seed_gives_the_same_pairs():
    def rows(seed, **options):
        pairs = position_pairs(SMALL, GAMES, seed=seed, **options)
        return np.concatenate([pairs.base, pairs.source], axis=1).tolist()

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)
    assert len(rows(0)) == len(rows(1)) or abs(len(rows(0)) - len(rows(1))) < 20
    assert rows(0, n=7) == rows(0, n=7)


def test_fewer_pairs_are_spread_over_the_plies():
    all_of_them = position_pairs(SMALL, GAMES, seed=0)
    pairs = position_pairs(SMALL, GAMES, n=20, seed=0)
    assert len(pairs) == 20
    assert (np.diff(pairs.ply) >= 0).all()
    plies, numbers = np.unique(pairs.ply, return_counts=True)
    there = np.bincount(all_of_them.ply)
    assert set(plies.tolist()) == set(np.flatnonzero(there).tolist())
    smaller = there[plies] > numbers
    assert numbers[smaller].max() - numbers[smaller].min() <= 1
    assert len(position_pairs(SMALL, GAMES, n=10**6, seed=0)) == len(all_of_them)
    assert 0.2 < np.mean(all_of_them.before < all_of_them.after) < 0.8  # either board may be the base


def test_games_played_alike_make_no_pair():
    transcripts = Othello(4).label(np.repeat(GAMES.tokens[:1], 5, axis=0))
    assert len(position_pairs(SMALL, transcripts)) == len(same_board_pairs(SMALL, transcripts)) == 0


def test_rows_can_be_taken():
    pairs = position_pairs(SMALL, GAMES, seed=0)
    part = pairs.take(pairs.square < 8)
    assert 0 < len(part) < len(pairs)
    assert np.array_equal(part.base, pairs.base[pairs.square < 8])


def test_states_of_squares_by_square():
    states = board_states(SMALL)
    games, positions = np.argwhere(GAMES.scored).T
    codes, _ = state_codes(GAMES.labels, games, positions, states)
    labels = GAMES.bool_labels()[games, positions]
    for square, name in enumerate(SMALL.geometry.names):
        assert states.squares[square] == square
        for code, text in enumerate(("mine on {}", "yours on {}", "{} empty")):
            held = labels[:, SMALL.features.index(text.format(name))]
            assert np.array_equal(codes[:, square] == code, held)
    chess = board_states(CHESS)
    assert chess.features.shape == (64, 13)
    assert sorted(chess.squares.tolist()) == list(range(64))
    assert len(chess.rest) == 2 + 4 + 16


def test_refusals():
    with pytest.raises(ValueError, match="independent is not a board game"):
        board_states(Synthetic("independent"))
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 4"):
        position_pairs(SMALL, GAMES, n=0)
    with pytest.raises(ValueError, match="must be at least 1, got None and 0"):
        same_board_pairs(SMALL, GAMES, per_key=0)
    with pytest.raises(ValueError, match=r"all features of othello-6x6 \(1269\), got 629 of othello-4x4"):
        position_pairs(Othello(6), GAMES)
    blank = SMALL.label(GAMES.tokens[:3])
    blank.labels[...] = 0
    with pytest.raises(ValueError, match="not exactly one state"):
        position_pairs(SMALL, blank)
