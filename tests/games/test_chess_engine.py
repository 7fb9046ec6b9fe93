"""Games of a UCI engine: deterministic, legal, varied, and helpful when the engine is missing."""

import stat
import sys

import chess
import pytest
from fiducial.games.chess_engine import engine_games, engine_name, find_engine

try:
    STOCKFISH = find_engine()
except FileNotFoundError:
    STOCKFISH = None

needs_stockfish = pytest.mark.skipif(
    STOCKFISH is None, reason="Stockfish is not installed (apt install stockfish): games of an engine are NOT tested"
)

# A UCI engine that plays the last legal move by name and says what it is told.
TOY = """#!{python}
import sys
import chess

board = chess.Board()
with open({log!r}, "a", encoding="ascii") as log:
    for line in sys.stdin:
        log.write(line)
        log.flush()
        words = line.split()
        if words == ["uci"]:
            print("id name Toy 1\\noption name Hash type spin default 1 min 1 max 64\\nuciok")
        elif words == ["isready"]:
            print("readyok")
        elif words[:1] == ["position"]:
            board = chess.Board()
            for uci in words[3:]:
                board.push_uci(uci)
        elif words[:1] == ["go"]:
            {go}
        elif words == ["quit"]:
            break
        sys.stdout.flush()
"""
PLAY = 'print("bestmove", max(move.uci() for move in board.legal_moves))'


@pytest.fixture
def toy(tmp_path):
    def make(go=PLAY):
        path = tmp_path / "toy"
        path.write_text(TOY.format(python=sys.executable, log=str(tmp_path / "log"), go=go), encoding="ascii")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def boards(game):
    board = chess.Board()
    for uci in game:
        assert not board.is_game_over()
        board.push_uci(uci)
    return board


def test_settings_reach_the_engine(toy, tmp_path):
    games = engine_games(3, 1, nodes=7, opening_plies=(2, 4), plies=10, binary=toy(), progress=False)
    assert [len(game) for game in games] == [10, 10, 10]
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines.count("ucinewgame") == 3
    assert "setoption name Hash value 16" in lines
    assert not any("Threads" in line for line in lines)  # this engine has no such option
    assert {line for line in lines if line.startswith("go")} == {"go nodes 7"}
    assert lines[-1] == "quit"


def test_openings_are_seeded_and_the_rest_is_the_engine(toy):
    binary = toy()
    games = engine_games(6, 5, opening_plies=(1, 5), plies=8, binary=binary, progress=False)
    assert games == engine_games(6, 5, opening_plies=(1, 5), plies=8, binary=binary, progress=False)
    assert games[:2] == engine_games(2, 5, opening_plies=(1, 5), plies=8, binary=binary, progress=False)
    assert games != engine_games(6, 6, opening_plies=(1, 5), plies=8, binary=binary, progress=False)
    assert len({tuple(game) for game in games}) == 6
    for game in games:
        board = chess.Board()
        by_engine = []
        for uci in game:
            by_engine.append(uci == max(move.uci() for move in board.legal_moves))
            board.push_uci(uci)
        assert all(by_engine[5:])
        assert not all(by_engine)


def test_no_opening_and_only_opening(toy):
    binary = toy()
    assert engine_games(1, 0, opening_plies=(0, 0), plies=1, binary=binary, progress=False) == [["h2h4"]]
    short = engine_games(4, 0, opening_plies=(9, 9), plies=3, binary=binary, progress=False)
    assert [len(game) for game in short] == [3] * 4


def test_a_draw_by_repetition_ends_the_game(toy):
    # Knights out and home again: the start position for the third time after eight plies.
    shuffle = 'print("bestmove", ("g1f3", "g8f6", "f3g1", "f6g8")[len(board.move_stack) % 4])'
    [game] = engine_games(1, 0, opening_plies=(0, 0), plies=80, binary=toy(shuffle), progress=False)
    assert len(game) == 8
    assert boards(game).is_repetition(3)


def test_an_engine_that_stops_or_cheats_is_reported(toy):
    with pytest.raises(RuntimeError, match="game 0, ply 0: the engine failed"):
        engine_games(1, 0, opening_plies=(0, 0), binary=toy("sys.exit(3)"), progress=False)
    with pytest.raises(RuntimeError, match="game 0, ply 0: the engine failed"):
        engine_games(1, 0, opening_plies=(0, 0), binary=toy('print("bestmove e2e5")'), progress=False)
    with pytest.raises(RuntimeError, match="it made no move"):
        engine_games(1, 0, opening_plies=(0, 0), binary=toy('print("bestmove (none)")'), progress=False)


def test_a_missing_engine_says_how_to_install_it(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no program .*nope.*apt install stockfish"):
        engine_games(1, 0, binary=tmp_path / "nope", progress=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("fiducial.games.chess_engine._FOLDERS", (str(tmp_path),))
    with pytest.raises(FileNotFoundError, match="Install it with `apt install stockfish`"):
        engine_games(1, 0, progress=False)
    found = tmp_path / "stockfish"
    found.write_text("")
    found.chmod(0o755)
    assert find_engine() == found


def test_what_is_no_engine_is_refused(tmp_path):
    script = tmp_path / "no-engine"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    with pytest.raises(ValueError, match="is no UCI engine"):
        engine_games(1, 0, binary=script, progress=False)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": 0}, "number of games must be at least 1"),
        ({"nodes": 0}, "nodes must be at least 1"),
        ({"plies": 0}, "plies must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"opening_plies": (5, 4)}, "fewest and the most"),
        ({"opening_plies": (-1, 4)}, "fewest and the most"),
    ],
)
def test_numbers_out_of_range(changes, why):
    with pytest.raises(ValueError, match=why):
        engine_games(**({"n": 1, "seed": 0, "progress": False} | changes))


@needs_stockfish
def test_stockfish_games_repeat_and_are_legal():
    games = engine_games(3, 0, plies=24, progress=False)
    assert games == engine_games(3, 0, plies=24, progress=False)
    assert games[:1] == engine_games(1, 0, plies=24, progress=False)
    assert len({tuple(game[:12]) for game in games}) == 3
    for game in games:
        assert len(game) == 24 or boards(game).is_game_over(claim_draw=True)
    assert engine_name().startswith("Stockfish")


@needs_stockfish
def test_other_nodes_play_otherwise():
    # If the limit did not reach the engine, these would be equal.
    few, many = (engine_games(2, 3, nodes=n, plies=24, progress=False) for n in (1, 400))
    assert [game[:4] for game in few] == [game[:4] for game in many]
    assert few != many
