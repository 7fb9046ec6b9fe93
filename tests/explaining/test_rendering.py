"""Texts of a testbed's positions: windows, marks, every game replayed once."""

from types import SimpleNamespace

import numpy as np
import pytest
from fiducial.explaining.rendering import GameRenderer, renderer_of
from fiducial.games import Chess, Othello, serialise_chess
from fiducial.games.serialise import serialise
from fiducial.metrics.llm.nouns import Example
from fiducial.synthetic_testbed import SyntheticTestbed

CHESS = Chess()
SAMPLE = CHESS.sample(6, seed=1)
GAME, POSITION = np.nonzero(SAMPLE.scored)


def renderer(style=None, **options):
    return GameRenderer(CHESS, SAMPLE, GAME, POSITION, style=style, **options)


def example(*rows, **options):
    return Example(rows, (1.0,) * len(rows), True, **options)


def rows_of(game, *positions):
    return [int(np.flatnonzero((game == GAME) & (position == POSITION))[0]) for position in positions]


def test_one_position_is_its_serialisation():
    (row,) = rows_of(2, 9)
    tokens = SAMPLE.tokens[2, :10]
    for style in ("record", "grid", "list", "fen", "moves"):
        shown = renderer(style)
        assert shown.style == style
        assert shown.example(example(row)) == serialise(CHESS, tokens, style=style)
        marked = shown.example(example(row, marked=(0,), squares=("e1",)))
        assert marked == serialise(CHESS, tokens, style=style, marks=[9], squares=["e1"])
        assert shown.legend.startswith("Chess.")


def test_windows_are_in_brackets_or_one_board_each():
    rows = rows_of(1, 4, 5, 6)
    window = example(*rows, marked=(1,))
    moves = renderer().example(window).splitlines()[0].split()
    assert [word[0] == "[" for word in moves[3:]] == [False] * 3 + [True] * 3
    assert moves[-2].startswith("[<<")
    assert renderer("moves").example(example(*rows)).count("[") == 3
    boards = renderer("fen").example(window).splitlines()
    assert boards[::2] == ["Position 1 of 3:", "Position 2 of 3 <<marked>>:", "Position 3 of 3:"]
    assert boards[1::2] == [serialise(CHESS, SAMPLE.tokens[1, : p + 1], style="fen") for p in (4, 5, 6)]
    assert renderer(boards="all").example(window).count("Moves so far") == 3
    assert renderer("fen", boards="last").example(example(*rows)) == boards[-1]
    squares = renderer("fen").example(example(*rows, squares=("e1",)))
    assert squares.endswith("Marked squares: <<e1>>")
    assert squares.count("e1") == 1


def test_one_line_a_position():
    rows = rows_of(3, 7, 8)
    lines = renderer().lines(example(*rows))
    assert len(lines) == 2
    assert not any("\n" in text for text in lines)
    assert lines[1].startswith(renderer("moves").lines(example(*rows))[1] + ": ")


def test_activations_and_sources_leave_no_trace():
    rows = rows_of(0, 10, 11)
    a = Example(tuple(rows), (7.25, 0.0), True, 3, "top")
    b = Example(tuple(rows), (0.0, 0.0), False, -1, "nearest board")
    for style in ("record", "fen"):
        assert renderer(style).example(a) == renderer(style).example(b)
        assert renderer(style).lines(a) == renderer(style).lines(b)


def test_a_game_is_replayed_once(monkeypatch):
    replays = []
    plain = serialise_chess.ChessGame.__init__

    def counted(self, game, ids):
        replays.append(tuple(ids))
        plain(self, game, ids)

    monkeypatch.setattr(serialise_chess.ChessGame, "__init__", counted)
    shown = renderer()
    for row in range(len(GAME)):
        shown.example(example(row))
        shown.example(example(row, marked=(0,)))
        shown.lines(example(row))
    assert len(replays) == len(set(replays)) == 6


def test_occupied_squares():
    (row,) = rows_of(0, 1)
    assert len(renderer().occupied(row)) == 32


def test_of_a_testbed_rows_are_those_of_its_activations():
    world = Othello(4)
    transcripts = world.sample(10, seed=0)
    game, position = np.nonzero(transcripts.scored)
    shuffled = np.random.default_rng(0).permutation(len(game))  # any order will do
    held = SimpleNamespace(game_id=game[shuffled], position=position[shuffled])
    bed = SimpleNamespace(name="tiny", game=world, transcripts=transcripts, activations=held)
    shown = renderer_of(bed)
    for row in range(0, len(game), 7):
        tokens = transcripts.tokens[held.game_id[row], : held.position[row] + 1]
        assert shown.example(example(row)) == serialise(world, tokens)
    assert "Moves so far: 1." in renderer_of(bed, "moves", numbered=True).example(example(0))
    assert renderer_of(bed, "grid", perspective="fixed").form.perspective == "fixed"


def test_refusals():
    with pytest.raises(ValueError, match=r"boards must be one of .*, got 'some'"):
        renderer(boards="some")
    with pytest.raises(ValueError, match=r"an example is of one game, got positions of \[0, 1\]"):
        renderer().example(example(*rows_of(0, 3), *rows_of(1, 3)))
    with pytest.raises(ValueError, match=r"must be \[N\], one a position, got \[2\] and \[3\]"):
        GameRenderer(CHESS, SAMPLE, np.zeros(2, np.int64), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="has no text that a language model could read"):
        renderer_of(SyntheticTestbed.__new__(SyntheticTestbed))
