"""Chess: plies and labels per second, with python-chess in the same group.

pytest benchmarks/test_bench_chess.py --benchmark-columns=median,ops
"""

import sys
from pathlib import Path

import chess
import numpy as np
import pytest
from fiducial.games import Chess
from fiducial.games.chess_board import Boards
from fiducial.games.chess_labels import Layout, blocks, label_record
from fiducial.games.chess_moves import legal_moves, perft
from fiducial.games.chess_play import play_random, replay

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "games"))
import plain_chess
import plain_chess_tactics

PLIES = 64


def report(benchmark, unit, count):
    benchmark.extra_info[f"{unit}/s"] = round(count / benchmark.stats.stats.median)


def play_plainly(rng, plies=PLIES):
    board = chess.Board()
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[rng.integers(len(moves))])
    return board


@pytest.mark.benchmark(group="random chess")
@pytest.mark.parametrize("batch", [256, 1024, 4096])
def test_play(benchmark, batch):
    record = play_random(batch, PLIES, np.random.default_rng(0))
    benchmark(lambda: play_random(batch, PLIES, np.random.default_rng(0)))
    report(benchmark, "plies", int(record.lengths.sum()))


@pytest.mark.benchmark(group="random chess")
def test_play_plainly(benchmark):
    games = 20
    benchmark.pedantic(lambda: [play_plainly(np.random.default_rng(i)) for i in range(games)], rounds=5)
    plies = sum(len(play_plainly(np.random.default_rng(i)).move_stack) for i in range(games))
    report(benchmark, "plies", plies)


@pytest.mark.benchmark(group="replay of chess, every move checked")
@pytest.mark.parametrize("batch", [1024, 4096])
def test_replay(benchmark, batch):
    record = play_random(batch, PLIES, np.random.default_rng(0))
    moves = record.origin.T, record.target.T, record.promotion.T
    benchmark(lambda: replay(*moves))
    report(benchmark, "plies", int(record.lengths.sum()))


@pytest.mark.benchmark(group="replay of chess, every move checked")
def test_replay_plainly(benchmark):
    record = play_random(20, PLIES, np.random.default_rng(0))
    games = [[chess.Move.from_uci(move) for move in record.uci(game)] for game in range(20)]

    def run():
        for game in games:
            board = chess.Board()
            for move in game:
                assert board.is_legal(move)
                board.push(move)

    benchmark.pedantic(run, rounds=5)
    report(benchmark, "plies", int(record.lengths.sum()))


@pytest.mark.benchmark(group="lists of legal moves")
def test_legal_moves(benchmark):
    boards = play_random(256, PLIES, np.random.default_rng(0)).boards.ravel()
    benchmark(lambda: legal_moves(boards))
    report(benchmark, "boards", len(boards))


@pytest.mark.benchmark(group="lists of legal moves")
def test_legal_moves_plainly(benchmark):
    boards = play_random(8, PLIES, np.random.default_rng(0)).boards.ravel().to_chess()
    benchmark.pedantic(lambda: [list(board.legal_moves) for board in boards], rounds=5)
    report(benchmark, "boards", len(boards))


@pytest.mark.benchmark(group="perft 5 of the start position")
def test_perft(benchmark):
    assert benchmark(lambda: perft(Boards.start(1), 5)) == 4_865_609
    report(benchmark, "leaves", 4_865_609)


@pytest.mark.benchmark(group="labels of all chess features")
@pytest.mark.parametrize("games", [128, 1024])
def test_labels(benchmark, games):
    record, layout = play_random(games, PLIES, np.random.default_rng(0)), Layout(blocks(PLIES), PLIES)
    label_record(record, layout)
    benchmark(lambda: label_record(record, layout))
    report(benchmark, "positions", int(record.lengths.sum()) + games)


@pytest.mark.benchmark(group="labels of all chess features")
def test_labels_plainly(benchmark):
    """The same features by python-chess, position by position; equal, as tests/games hold it."""
    record = play_random(3, PLIES, np.random.default_rng(0))

    def run():
        for game in range(3):
            board = chess.Board()
            for move in [None, *record.uci(game)]:
                if move is not None:
                    board.push_uci(move)
                plain_chess.features(board, board.peek() if board.move_stack else None)
                plain_chess_tactics.features(board)

    benchmark.pedantic(run, rounds=3)
    report(benchmark, "positions", int(record.lengths.sum()) + 3)


@pytest.mark.benchmark(group="sampling with labels")
@pytest.mark.parametrize("tokens", ["moves", "characters"])
def test_sample(benchmark, tokens):
    game = Chess(tokens=tokens)
    game.sample(2, seed=0)
    benchmark.pedantic(lambda: game.sample(200, seed=0), rounds=3)
    report(benchmark, "games", 200)
