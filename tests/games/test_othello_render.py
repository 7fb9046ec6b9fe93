"""Boards as text and SVG."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from fiducial.games import Othello, othello_board

WORLD = Othello()
SVG = "{http://www.w3.org/2000/svg}"


def test_start_and_first_move_as_text():
    assert WORLD.render("f5", 0) == "\n".join(
        [
            "   a b c d e f g h",
            " 1 . . . . . . . .",
            " 2 . . . . . . . .",
            " 3 . . . * . . . .",
            " 4 . . * O X . . .",
            " 5 . . . X O * . .",
            " 6 . . . . * . . .",
            " 7 . . . . . . . .",
            " 8 . . . . . . . .",
            "Start: Black to move",
        ]
    )
    assert WORLD.render("f5", 1) == "\n".join(
        [
            "   a b c d e f g h",
            " 1 . . . . . . . .",
            " 2 . . . . . . . .",
            " 3 . . . . . . . .",
            " 4 . . . O X * . .",
            " 5 . . . X X(X). .",
            " 6 . . . * . * . .",
            " 7 . . . . . . . .",
            " 8 . . . . . . . .",
            "After 1 move, f5 by Black: White to move",
        ]
    )


@pytest.mark.parametrize("size", [4, 6, 8])
def test_svg_shows_what_the_labels_say(size):
    world = Othello(size)
    transcripts = world.sample(3, seed=0)
    moves = world.tokenizer.decode(transcripts.tokens[0])
    labels = transcripts.bool_labels()[0]
    for ply in (1, len(moves) // 2, len(moves)):
        root = ElementTree.fromstring(world.render(moves, ply, format="svg"))
        titles = [t.text for t in root.iter(f"{SVG}title")]
        shown = {t for t in titles if t.startswith(("black on", "white on", "legal move at", "played"))}
        groups = world.features.where(group=["colour", "legal moves", "last move"])
        assert shown == {world.features[int(i)].name for i in groups if labels[ply - 1, i]}
        assert root.attrib["role"] == "img"
        assert root.find(f"{SVG}title").text == root.attrib["aria-label"] == titles[0]


def test_text_says_passes_and_ends():
    record = othello_board.play_random(Othello(6).geometry, 300, np.random.default_rng(0))
    game = int(np.flatnonzero(record.passed.any(0))[0])
    ply = int(np.flatnonzero(record.passed[:, game])[0]) + 1
    world = Othello(6)
    moves = [world.geometry.names[s] for s in record.squares[game] if s >= 0]
    mover, other = ("Black", "White")[:: 1 if record.mover[ply - 1, game] == 0 else -1]
    assert f"by {mover}: {other} passes, {mover} to move" in world.render(moves, ply)
    last = world.render(moves, len(moves)).splitlines()
    assert "game over" in last[-1]
    board = "".join(last[1:-1])
    assert f"Black {board.count('X')}, White {board.count('O')}" in last[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f5d6", 3), r"ply must be from 0 to 2, the length of this game, got 3"),
        (("f5d6", -1), r"got -1"),
        (("f5d6", 1, "png"), r"format must be 'text' or 'svg', got 'png'"),
        (("f5a1", 1), r"game 0, ply 1: a1 is illegal"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        WORLD.render(*arguments)
