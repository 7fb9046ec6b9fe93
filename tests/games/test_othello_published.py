"""The published definitions, faults included, on hand-computed boards and against the plain reference."""

import numpy as np
import pytest
from fiducial.games import Othello, othello_board
from fiducial.games.othello_published import PUBLISHED

from . import plain_othello as plain

WORLD = Othello()
COUNTS = {
    "absolute": 192, "mine/yours": 192, "mine/yours, blank masked": 192, "valid moves": 64,
    "lines mine": 512, "lines yours": 512, "length lines": 3072, "opponent length lines": 3072,
}  # fmt: skip


@pytest.fixture(scope="module")
def tokens():
    record = othello_board.play_random(WORLD.geometry, 500, np.random.default_rng(0))
    with_passes = np.flatnonzero(record.passed[:54].any(0))[:4]
    assert len(with_passes) == 4
    return WORLD.tokenizer.from_squares(record.squares[with_passes, :59])


def names_after(name, moves, ply):
    transcripts = WORLD.published(name, [moves])
    held = transcripts.bool_labels()[0, ply]
    return {n.removeprefix(f"{name}: ") for n, h in zip(transcripts.features.names, held, strict=True) if h}


def test_names_and_sizes():
    assert set(PUBLISHED) == set(COUNTS) == set(WORLD.published_names)
    for name, count in COUNTS.items():
        features = WORLD.published(name, ["f5"]).features
        assert len(features) == count
        assert all(f.counterpart and f.group == name for f in features)
        assert not set(features.names) & set(WORLD.features.names)


def test_after_the_first_move_by_hand():
    """f5: black on e4, d5, e5, f5; white on d4; White to move may play d6, f4, f6."""
    assert names_after("valid moves", "f5", 0) == {"d6 valid", "f4 valid", "f6 valid"}
    absolute = names_after("absolute", "f5", 0)
    assert {n for n in absolute if not n.endswith("blank")} == {
        "e4 black", "d5 black", "e5 black", "f5 black", "d4 white",
    }  # fmt: skip
    assert len(absolute) == 64
    # Black has just moved: black discs are "moved", the published +1.
    relative = names_after("mine/yours", "f5", 0)
    assert {n for n in relative if not n.endswith("blank")} == {
        "e4 moved", "d5 moved", "e5 moved", "f5 moved", "d4 next",
    }  # fmt: skip
    masked = names_after("mine/yours, blank masked", "f5", 0)
    assert masked == {n for n in relative if not n.endswith("blank")}
    # Runs of black closed by the white disc on d4.
    assert names_after("lines mine", "f5", 0) == {"d6 north", "f4 west", "f6 north-west"}
    assert names_after("length lines", "f5", 0) == {"d6 1 north", "f4 1 west", "f6 1 north-west"}
    # Runs of the white disc d4 closed by a black one: c4 eastwards to e4, d3 southwards to d5, c3 to e5.
    assert names_after("lines yours", "f5", 0) == {"c4 east", "d3 south", "c3 south-east"}


def test_fault_e8_on_the_start_board():
    """470 of the 480 labels that the published code gives the start board are false.

    The start board itself is never labelled; after f5 the same fault gives each of the 59 blank squares a label in all
    eight directions, of which only those with a run are true.
    """
    held = names_after("opponent length lines", "f5", 0)
    assert len(held) == 59 * 8
    board = plain.play(8, ["f5"])[-1].board
    true = 0
    for square in plain.squares(8):
        for direction in plain.DIRECTIONS if square not in board else ():
            length = 0
            while board.get(plain.step(square, direction, length + 1)) == "B":
                length += 1
            kind = length if length else 6
            assert f"{plain.name(square)} {min(kind, 6)} {direction}" in held
            true += length > 0
    assert true < 30
    from fiducial.games.othello_published import _length_lines

    start = np.zeros((1, 1, 8, 8), dtype=np.int8)
    start[0, 0, 3, 4] = start[0, 0, 4, 3] = 1
    start[0, 0, 3, 3] = start[0, 0, 4, 4] = -1
    labels = _length_lines(start, closed_only=False)
    assert labels.sum() == 480
    assert labels[..., :40].sum() == 10  # eight runs of one disc, two of two


def test_fault_e2_colours_after_a_pass(tokens):
    """By parity the colours are wrong exactly where the player to move is against parity."""
    ours, theirs = WORLD.label(tokens), WORLD.published("mine/yours", tokens)
    mine = ours.bool_labels()[..., ours.features.where(group="board")][..., :64]
    moved = theirs.bool_labels().reshape(*ours.tokens.shape, 64, 3)
    wrong = ours.bool_labels()[..., ours.features.index("turn against parity")]
    assert wrong.any()
    next_class = moved[..., 0]
    agree = (mine == next_class).all(-1)
    assert np.array_equal(agree[ours.scored], ~wrong[ours.scored])
    swapped = (mine == moved[..., 2]).all(-1)
    assert swapped[wrong & ours.scored].all()


def test_valid_moves_and_absolute_boards_are_the_right_ones(tokens):
    ours = WORLD.label(tokens)
    labels = ours.bool_labels()
    valid = WORLD.published("valid moves", tokens).bool_labels()
    assert np.array_equal(valid, labels[..., ours.features.where(group="legal moves")])
    absolute = WORLD.published("absolute", tokens).bool_labels().reshape(*valid.shape[:2], 64, 3)
    colours = ours.features.where(group="colour")
    assert np.array_equal(absolute[..., 2], labels[..., colours[:64]])
    assert np.array_equal(absolute[..., 0], labels[..., colours[64:]])
    assert np.array_equal(absolute[..., 1], labels[..., ours.features.where(group="empty")])


def test_lines_are_the_corrected_ones_unless_parity_is_wrong(tokens):
    full = Othello(vocabulary="full")
    ours = full.label(tokens)
    labels = ours.bool_labels()
    right = ours.scored & ~labels[..., full.features.index("turn against parity")]
    for name, group in (("lines mine", "lines"), ("lines yours", "opponent lines"), ("length lines", "length lines")):
        published = full.published(name, tokens)
        prefix = {"lines": "line from", "opponent lines": "opponent line from"}
        columns = []
        for text in published.features.names:
            square, *length, direction = text.removeprefix(f"{name}: ").split(" ")
            start = prefix[group] if not length else f"line of {length[0]} from"
            columns.append(full.features.index(f"{start} {square} to the {direction}"))
        assert np.array_equal(published.bool_labels()[right], labels[..., columns][right])


def test_unknown_name():
    with pytest.raises(KeyError, match="no published Othello function 'lines'"):
        WORLD.published("lines", ["f5"])
