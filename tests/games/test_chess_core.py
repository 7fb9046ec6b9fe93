"""The batched core against python-chess: moves, positions, attacks, checks, pins, perft."""

import chess
import numpy as np
import pytest
from fiducial.games import chess_targets
from fiducial.games.chess_board import Boards, attacked_by, attackers, checkers, pinned
from fiducial.games.chess_legal import is_among_all, is_legal
from fiducial.games.chess_moves import apply, legal_count, legal_moves, legal_targets, null_move, perft
from fiducial.games.chess_play import moves_of, play_random, replay
from hypothesis import given
from hypothesis import strategies as st

from .chess_positions import constructed, game_boards, placements

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
# Leaf counts that the chess programming community agrees on.
PERFT = {
    chess.STARTING_FEN: (20, 400, 8_902, 197_281, 4_865_609),
    KIWIPETE: (48, 2_039, 97_862, 4_085_603),
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": (14, 191, 2_812, 43_238, 674_624),
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1": (6, 264, 9_467, 422_333),
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8": (44, 1_486, 62_379, 2_103_487),
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10": (46, 2_079, 89_890, 3_894_594),
}


def plain_perft(board, depth):
    if depth == 0:
        return 1
    total = 0
    for move in board.legal_moves:
        board.push(move)
        total += plain_perft(board, depth - 1)
        board.pop()
    return total


@pytest.fixture(scope="module")
def positions():
    """Random games, random placements, constructed: python-chess boards."""
    _, boards = game_boards(25, 90, seed=1)
    return boards + placements(600, seed=2) + constructed()


def moves_by_board(boards):
    moves = legal_moves(boards)
    assert (np.diff(moves.board) >= 0).all()
    found = [[] for _ in range(boards.turn.size)]
    for b, o, t, p in zip(moves.board, moves.origin, moves.target, moves.promotion, strict=True):
        found[b].append((int(o), int(t), int(p)))
    return found


def plain_moves(board):
    return sorted((m.from_square, m.to_square, m.promotion or 0) for m in board.legal_moves)


def state(board):
    ep = None if board.ep_square is None else board.ep_square
    kinds = (board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    colours = (board.occupied_co[True], board.occupied_co[False])
    return (*kinds, *colours, ep, board.clean_castling_rights(), board.turn, board.halfmove_clock)


def check_moves(boards):
    for board, got in zip(boards, moves_by_board(Boards.of(boards)), strict=True):
        assert sorted(got) == plain_moves(board), board.fen()


def check_applied(boards):
    """Every legal move of every position leads to python-chess's position."""
    batch = Boards.of(boards)
    moves = legal_moves(batch)
    after = apply(batch[moves.board], moves.origin, moves.target, moves.promotion).to_chess()
    for row, got in enumerate(after):
        board = boards[moves.board[row]].copy(stack=False)
        board.push(chess.Move(int(moves.origin[row]), int(moves.target[row]), int(moves.promotion[row]) or None))
        assert state(got) == state(board), (boards[moves.board[row]].fen(), board.fen())


def test_legal_moves_equal_python_chess(positions):
    check_moves(positions)


def test_positions_after_every_move_equal_python_chess(positions):
    check_applied(positions[::4] + constructed())


@pytest.mark.slow
def test_50_000_positions_equal_python_chess():
    _, boards = game_boards(400, 110, seed=5)
    boards += placements(8_000, seed=6)
    assert len(boards) >= 50_000
    check_moves(boards)
    check_applied(boards[::25])


def test_targets_and_counts_summarise_the_moves(positions):
    batch = Boards.of(positions)
    counts, targets = legal_count(batch), legal_targets(batch)
    for i, board in enumerate(positions):
        moves = list(board.legal_moves)
        assert counts[i] == len(moves)
        assert chess.SquareSet(int(targets[i])) == chess.SquareSet(m.to_square for m in moves)


def test_attacks_checks_and_pins_equal_python_chess(positions):
    batch = Boards.of(positions)
    attacks = {white: attacked_by(batch, white) for white in (True, False)}
    pins = {white: pinned(batch, white) for white in (True, False)}
    checks = checkers(batch)
    for i, board in enumerate(positions):
        assert int(checks[i]) == board.checkers_mask()
        for white in (True, False):
            assert int(attacks[white][i]) == chess.SquareSet(s for s in chess.SQUARES if board.is_attacked_by(white, s))
            own = chess.SquareSet(s for s in chess.scan_forward(board.occupied_co[white]) if board.is_pinned(white, s))
            assert int(pins[white][i]) == int(own)


def test_attackers_of_one_square_equal_python_chess(positions):
    boards = positions[::7]
    batch = Boards.of(boards)
    squares = np.random.default_rng(0).integers(0, 64, len(boards))
    found = attackers(batch, np.uint64(1) << squares.astype(np.uint64), white=True)
    for board, square, mask in zip(boards, squares, found, strict=True):
        assert int(mask) == board.attackers_mask(chess.WHITE, int(square))


@pytest.mark.parametrize(("fen", "counts"), PERFT.items(), ids=["start", "kiwipete", "3", "4", "5", "6"])
def test_perft_equals_the_known_counts(fen, counts):
    boards = Boards.of([chess.Board(fen)])
    assert tuple(perft(boards, depth) for depth in range(1, len(counts) + 1)) == counts
    assert perft(boards, 0) == 1


def test_perft_of_random_positions_equals_python_chess(positions):
    boards = [*positions[100:2300:160], *placements(30, seed=9)]
    for board in boards:
        assert perft(Boards.of([board]), 2) == plain_perft(board, 2), board.fen()
    shallow = Boards.of(boards)
    assert perft(shallow, 2) == sum(perft(shallow[i : i + 1], 2) for i in range(len(boards)))
    assert perft(shallow, 2, chunk=7) == perft(shallow, 2)


@pytest.mark.slow
def test_deep_perft_of_random_positions_equals_python_chess():
    _, boards = game_boards(6, 80, seed=3)
    for board in boards[7::40]:
        assert perft(Boards.of([board]), 3) == plain_perft(board, 3), board.fen()


def test_random_play_is_legal_and_python_chess_replays_it():
    record, boards = game_boards(12, 120, seed=4)
    row = iter(boards)
    for game in range(12):
        for ply in range(int(record.lengths[game]) + 1):
            assert state(record.boards[ply : ply + 1, game].to_chess()[0]) == state(next(row))


def test_a_finished_game_stands_still():
    games = [["f2f3", "e7e5", "g2g4", "d8h4"], ["e2e4"]]
    record = replay(*moves_of(games))
    assert record.lengths.tolist() == [4, 1]
    assert [record.uci(game) for game in range(2)] == games
    assert all((array[1, 1] == array[4, 1]).all() for array in record.boards.arrays())
    longer = play_random(2, 3, np.random.default_rng(0), start=record.boards[4])
    assert longer.lengths.tolist() == [0, 3]


def test_random_moves_are_uniform():
    """First moves of 20,000 games: a chi-squared statistic with 19 degrees of freedom, two-sided at 1e-4."""
    record = play_random(20_000, 1, np.random.default_rng(7))
    _, counts = np.unique(record.origin[0].astype(int) * 64 + record.target[0], return_counts=True)
    statistic = ((counts - 1_000) ** 2 / 1_000).sum()
    assert len(counts) == 20
    assert 3.0 < statistic < 52.0


def test_promotions_are_chosen_as_often_as_other_moves():
    board = chess.Board("8/P6k/8/8/8/8/8/K7 w - - 0 1")
    record = play_random(14_000, 1, np.random.default_rng(8), start=Boards.of([board] * 14_000))
    _, counts = np.unique(record.promotion[0], return_counts=True)
    assert len(counts) == 5
    assert np.abs(counts[1:] / 14_000 - 1 / 7).max() < 0.015
    assert abs(counts[0] / 14_000 - 3 / 7) < 0.02


def test_replay_gives_the_positions_of_play():
    record = play_random(60, 100, np.random.default_rng(9))
    again = replay(record.origin.T, record.target.T, record.promotion.T)
    assert all(np.array_equal(a, b) for a, b in zip(record.boards.arrays(), again.boards.arrays(), strict=True))


@given(st.integers(0, 10_000))
def test_the_same_seed_gives_the_same_games_in_any_batch_order(seed):
    a, b = (play_random(5, 12, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(a.origin, b.origin)
    order = np.array([3, 1, 4, 0, 2])
    shuffled = replay(a.origin.T[order], a.target.T[order], a.promotion.T[order])
    assert np.array_equal(shuffled.boards.pawns, a.boards.pawns[:, order])


def test_is_legal_is_membership_in_the_legal_moves(positions):
    boards = positions[::11]
    batch = Boards.of(boards)
    rng = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for _ in range(25):
        pairs = [list(b.legal_moves) for b in boards]
        origin = np.array([m[rng.integers(len(m))].from_square if m else 0 for m in pairs], np.uint64)
        target = rng.integers(0, 64, len(boards)).astype(np.uint64)
        piece = rng.choice([0, 0, 2, 5], len(boards)).astype(np.uint64)
        got = is_legal(batch, np.uint64(1) << origin, np.uint64(1) << target, piece)
        np.testing.assert_array_equal(got, is_among_all(batch, np.uint64(1) << origin, np.uint64(1) << target, piece))
        for row, board in enumerate(boards):
            move = (int(origin[row]), int(target[row]), int(piece[row]))
            want = move in [(m.from_square, m.to_square, m.promotion or 0) for m in pairs[row]]
            assert bool(got[row]) == want, (board.fen(), move)
            seen[want] += 1
    assert min(seen.values()) > 50


def test_null_move_passes_the_turn(positions):
    boards = [board for board in positions[::9] if not board.is_check()]
    for got, board in zip(null_move(Boards.of(boards)).to_chess(), boards, strict=True):
        passed = board.copy(stack=False)
        passed.turn, passed.ep_square = not board.turn, None
        assert state(got) == state(passed)


def test_shapes_are_kept():
    record = play_random(6, 5, np.random.default_rng(0))
    boards = record.boards
    assert boards.shape == legal_count(boards).shape == legal_targets(boards).shape == (6, 6)
    assert np.array_equal(legal_count(boards)[2], legal_count(boards[2]))
    assert len(legal_moves(boards)) == legal_count(boards).sum()
    assert np.array_equal(Boards.stack([boards[i] for i in range(6)]).pawns, boards.pawns)
    assert np.array_equal(Boards.concatenate([boards[0], boards[1]]).kings, boards.kings[:2].ravel())
    assert len(legal_moves(boards[:0])) == 0


@pytest.mark.parametrize(
    ("games", "message"),
    [
        ([["e2e4", "e7e5", "e1e3"]], r"game 0, ply 2: e1e3 is illegal for White, who may play .*g1f3"),
        ([["e2e4"], ["e2e4", "e2e4"]], r"game 1, ply 1: e2e4 is illegal for Black"),
        ([["f2f3", "e7e5", "g2g4", "d8h4", "a2a3"]], r"game 0, ply 4: a2a3 is played after the end of the game"),
        ([["e2e9"]], r"game 0, ply 0: 'e2e9' is no move"),
        ([["0000"]], r"null move"),
        ([["e2e4", "e7e5", "e4e5q"]], r"illegal for White"),
    ],
)
def test_bad_moves_are_named(games, message):
    with pytest.raises(ValueError, match=message):
        replay(*moves_of(games))


def test_bad_arrays_are_named():
    moves = np.array([[12, -1, 52]]), np.array([[28, -1, 36]]), np.array([[0, 0, 0]])
    with pytest.raises(ValueError, match=r"a move at ply 2 follows the end of the game at ply 1"):
        replay(*moves)
    with pytest.raises(ValueError, match=r"\(from, to, promotion\) \(12, 99, 0\) is no move"):
        replay(np.array([[12]]), np.array([[99]]), np.array([[0]]))
    with pytest.raises(ValueError, match=r"must be \[games, plies\] of one shape"):
        replay(np.array([12]), np.array([28]), np.array([0]))
    with pytest.raises(ValueError, match=r"needs exactly one white king, has 0"):
        Boards.of([chess.Board("8/8/8/8/8/8/8/k7 w - - 0 1")])
    with pytest.raises(ValueError, match=r"Chess960 is not supported"):
        Boards.of([chess.Board(chess960=True)])


@pytest.mark.parametrize("fault", ["pins forgotten", "en passant not tried", "danger through the king"])
def test_a_wrong_rule_would_be_noticed(fault, positions, monkeypatch):
    """Mutations: each broken rule is caught by the comparison with python-chess."""
    right = chess_targets.relative

    def wrong(boards):
        side = right(boards)
        fields = vars(side).copy()
        if fault == "pins forgotten":
            fields["pinned"] = np.zeros_like(side.pinned)
        elif fault == "danger through the king":
            fields["danger"] = np.where(boards.turn, attacked_by(boards, False), attacked_by(boards, True).byteswap())
        else:
            fields["ep"] = np.zeros_like(side.ep)
        return chess_targets.Relative(**fields)

    monkeypatch.setattr("fiducial.games.chess_moves.relative", wrong)
    with pytest.raises(AssertionError):
        check_moves(positions)
