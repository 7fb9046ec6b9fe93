"""Othello: games and labels per second, with plain Python in the same group.

pytest benchmarks/test_bench_othello.py --benchmark-columns=median,ops
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from fiducial.games import Othello
from fiducial.games.othello_board import play_random, replay
from fiducial.games.othello_labels import Layout, label_record

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "games"))
import plain_othello as plain

BATCH = 4096


def report(benchmark, unit, count):
    benchmark.extra_info[f"{unit}/s"] = round(count / benchmark.stats.stats.median)


def play_plainly(rng):
    position = plain.Position(8)
    while not position.over:
        legal = plain.moves(position.board, position.player, 8)
        position = position.after(legal[rng.integers(len(legal))])
    return position


@pytest.mark.benchmark(group="random 8x8 games")
@pytest.mark.parametrize("batch", [256, BATCH])
def test_play(benchmark, batch):
    geometry = Othello().geometry
    benchmark(lambda: play_random(geometry, batch, np.random.default_rng(0)))
    report(benchmark, "games", batch)


@pytest.mark.benchmark(group="random 8x8 games")
def test_play_plainly(benchmark):
    benchmark.pedantic(play_plainly, args=(np.random.default_rng(0),), rounds=3)
    report(benchmark, "games", 1)


@pytest.mark.benchmark(group="replay of 8x8 games")
def test_replay(benchmark):
    geometry = Othello().geometry
    squares = play_random(geometry, BATCH, np.random.default_rng(0)).squares
    benchmark(lambda: replay(geometry, squares))
    report(benchmark, "games", BATCH)


@pytest.mark.benchmark(group="replay of 8x8 games")
def test_replay_plainly(benchmark):
    world = Othello()
    moves = world.tokenizer.decode(world.sample(1, 0).tokens[0])
    benchmark.pedantic(plain.play, args=(8, moves), rounds=3)
    report(benchmark, "games", 1)


@pytest.mark.benchmark(group="labels of 8x8 positions")
@pytest.mark.parametrize(("vocabulary", "n"), [("standard", 1024), ("standard", BATCH), ("full", 1024)])
def test_labels(benchmark, vocabulary, n):
    """At 4,096 games the result is 64 MB of fresh memory, whose page faults are part of the time."""
    world = Othello(vocabulary=vocabulary)
    record = play_random(world.geometry, n, np.random.default_rng(0))
    layout = Layout(world.geometry, world.blocks)
    benchmark(lambda: label_record(record, layout, world.n_positions))
    report(benchmark, "positions", n * world.n_positions)


@pytest.mark.benchmark(group="labels of 8x8 positions")
def test_labels_plainly(benchmark):
    world = Othello()
    positions = plain.play(8, world.tokenizer.decode(world.sample(1, 0).tokens[0]))
    benchmark.pedantic(lambda: [plain.features(p) for p in positions], rounds=2)
    report(benchmark, "positions", len(positions))


@pytest.mark.benchmark(group="labels of 6x6 positions")
def test_labels_6x6(benchmark):
    world = Othello(6)
    record = play_random(world.geometry, BATCH, np.random.default_rng(0))
    layout = Layout(world.geometry, world.blocks)
    benchmark(lambda: label_record(record, layout, world.n_positions))
    report(benchmark, "positions", BATCH * world.n_positions)
