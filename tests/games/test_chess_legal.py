"""Whether a given move is legal, for every conceivable move of positions of all kinds, against python-chess."""

import chess
import fiducial.games.chess_legal as chess_legal
import numpy as np
import pytest
from fiducial.games.chess_board import Boards
from fiducial.games.chess_legal import is_among_all, is_legal

from .chess_positions import constructed, game_boards, placements

POSITIONS = constructed()


def all_moves():
    """Every (from, to, promotion) there can be, single bits and pieces."""
    origin, target, piece = np.meshgrid(np.arange(64), np.arange(64), [0, 2, 3, 4, 5], indexing="ij")
    return tuple(array.ravel().astype(np.uint64) for array in (origin, target, piece))


def wrong_ones(boards):
    """Moves about which `is_legal` and python-chess differ, and the number of legal ones."""
    origin, target, piece = all_moves()
    one, wrong, n_legal = np.uint64(1), [], 0
    for board in boards:
        batch = Boards.of([board])[np.zeros(len(origin), np.int64)]
        got = is_legal(batch, one << origin, one << target, piece)
        legal = {(m.from_square, m.to_square, m.promotion or 0) for m in board.legal_moves}
        key = (origin * np.uint64(64) + target) * np.uint64(8) + piece
        want = np.isin(key, [np.uint64((a * 64 + b) * 8 + c) for a, b, c in legal]) if legal else np.zeros_like(got)
        wrong += [(board.fen(), int(i)) for i in np.flatnonzero(got != want)]
        n_legal += len(legal)
    return wrong, n_legal


def test_every_conceivable_move_of_hard_positions():
    wrong, n_legal = wrong_ones(POSITIONS)
    assert not wrong, wrong[:5]
    assert n_legal > 300


def test_every_conceivable_move_of_random_ones():
    _, boards = game_boards(2, 80, seed=5)
    wrong, n_legal = wrong_ones(boards[::5] + placements(20, seed=6))
    assert not wrong, wrong[:5]
    assert n_legal > 300


def test_no_move_is_not_legal():
    board = Boards.start(3)
    zero = np.zeros(3, np.uint64)
    for decide in (is_legal, is_among_all):
        assert not decide(board, zero, zero, zero).any()
    assert is_legal(board[:0], zero[:0], zero[:0], zero[:0]).shape == (0,)


def test_chunks_do_not_change_anything(monkeypatch):
    origin, target, piece = all_moves()
    boards = Boards.of([POSITIONS[9]])[np.zeros(len(origin), np.int64)]
    moves = np.uint64(1) << origin, np.uint64(1) << target, piece
    whole = is_legal(boards, *moves)
    monkeypatch.setattr(chess_legal, "_CHUNK", 777)
    np.testing.assert_array_equal(is_legal(boards, *moves), whole)


MUTANTS = {
    "pieces jump over others": ("BETWEEN", np.zeros(4096, np.uint64)),
    "the king may be left attacked": ("_king_is_safe", lambda boards, *rest: np.ones(len(boards), bool)),
    "nobody fears knights": ("_JUMPS_TO", np.zeros(64, np.uint64)),
    "nobody fears pawns": ("_PAWNS_ON", np.zeros(64, np.uint64)),
    "kings may meet": ("_STEPS_TO", np.zeros(64, np.uint64)),
    "pawns anywhere": ("PAWN_STEPS", np.full(4096, 3, np.uint8)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_broken_rules_are_noticed(monkeypatch, mutant):
    fens = ("8/8/8/3k4/8/3K4/8/8 w - - 0 1", "8/8/8/3n4/8/8/3K4/7k w - - 0 1", "8/8/8/3p4/8/3K4/8/7k w - - 0 1")
    near = [chess.Board(fen) for fen in fens]
    assert not wrong_ones(near)[0]
    monkeypatch.setattr(chess_legal, *MUTANTS[mutant])
    assert wrong_ones([*POSITIONS[::3], *near])[0]
