"""The chess vocabulary: names, groups, what can hold, and what implies what."""

from functools import cache

import chess
import numpy as np
import pytest
from fiducial.games import chess_features, chess_labels
from fiducial.games.blocks import feature_set
from fiducial.games.chess_bits import SQUARES
from fiducial.games.chess_play import play_random

BLOCKS = chess_labels.blocks(64)
FEATURES = feature_set(BLOCKS)


@cache
def labels():
    """Labels of random games, one row a state."""
    record = play_random(150, 64, np.random.default_rng(0))
    packed = chess_labels.label_record(record, chess_labels.Layout(BLOCKS, 64))
    states = np.arange(len(record.boards)) <= record.lengths[:, None]
    return FEATURES.unpack(packed[..., : FEATURES.n_bytes][states])


def broken_implications(features, values):
    """(feature, parent) where the feature holds and the parent does not."""
    return [
        (f.name, parent)
        for f, own in zip(features, values.T, strict=True)
        for parent in f.parents
        if (own & ~values[:, features.index(parent)]).any()
    ]


def test_masked_board_state_has_704_reachable_features():
    assert len(FEATURES.where(group="board")) == 12 * 64 - 32
    assert len(FEATURES.where(group="board", reachable=True)) == 704
    start = {
        f"{chess.COLOR_NAMES[piece.color]} {chess.piece_name(piece.piece_type)} on {chess.square_name(square)}"
        for square, piece in chess.Board().piece_map().items()
    }
    assert {FEATURES[int(i)].name for i in FEATURES.where(group="initial board")} == start


def test_only_pawns_on_the_last_ranks_and_pinned_pieces_in_corners_are_unreachable_among_squares():
    features = feature_set((*chess_features.planes(), *chess_features.square_flags()))
    assert len(features) == 26 * 64 + 16
    unreachable = {f.name for f in features if not f.reachable}
    pawns = {f"{c} pawn on {f}{r}" for c in ("white", "black") for f in "abcdefgh" for r in (1, 8)}
    assert unreachable == pawns | {
        f"{c} pinned piece on {s}" for c in ("white", "black") for s in ("a1", "a8", "h1", "h8")
    }


@pytest.mark.parametrize(
    ("name", "group", "rung"),
    [
        ("white knight on f3", "board", 1),
        ("white rook on a1", "initial board", 1),
        ("black piece on e5", "colour", 1),
        ("e4 occupied", "occupied", 1),
        ("e4 empty", "empty", 1),
        ("white attacks e4", "attacked by white", 2),
        ("black pinned piece on d7", "pinned pieces", 2),
        ("hanging white piece on b2", "hanging pieces", 3),
        ("legal move to e4", "legal moves", 2),
        ("legal move from e2", "movable pieces", 2),
        ("moved from e2", "last move", 0),
        ("moved to e4", "last move", 0),
        ("en passant on e3", "en passant", 2),
    ],
)
def test_names_groups_and_rungs(name, group, rung):
    feature = FEATURES[FEATURES.index(name)]
    assert (feature.group, feature.rung, feature.reachable) == (group, rung, True)


def test_every_square_has_one_content_and_every_definition_its_feature():
    assert {f"content of {square}" for square in SQUARES} <= FEATURES.variables.keys()
    assert all(len(FEATURES.variables[f"content of {square}"]) == 13 for square in SQUARES)
    for square in SQUARES:
        assert (labels()[:, FEATURES.variables[f"content of {square}"]].sum(1) == 1).all()
    definitions = [f.definition for f in FEATURES]
    assert len(set(definitions)) == len(definitions)
    assert all(text.endswith(".") and "{" not in text for text in definitions)


def test_planes_come_first_and_name_the_square_they_are_labelled_for():
    planes = [block.is_plane for block in BLOCKS]
    assert planes == sorted(planes, reverse=True)
    for block in BLOCKS:
        if block.squares is not None:
            for feature, square in zip(block.features, block.squares, strict=True):
                assert SQUARES[square] in feature.name.split()


def test_every_parent_is_a_feature_and_no_feature_implies_itself():
    parents = {f.name: f.parents for f in FEATURES}
    done = set()

    def visit(name, above):
        assert name in parents, above
        assert name not in above, above
        if name not in done:
            for parent in parents[name]:
                visit(parent, (*above, name))
            done.add(name)

    for name in parents:
        visit(name, ())


def test_what_is_said_to_imply_does():
    assert broken_implications(FEATURES, labels()) == []


def test_a_wrong_parent_would_be_noticed():
    wrong = labels().copy()
    wrong[:, FEATURES.index("white piece on e4")] = False
    assert ("white pawn on e4", "white piece on e4") in broken_implications(FEATURES, wrong)


def test_unreachable_features_never_hold_and_values_of_a_variable_exclude_each_other():
    assert not labels()[:, FEATURES.where(reachable=False)].any()
    for name, values in FEATURES.variables.items():
        assert (labels()[:, list(values)].sum(1) <= 1).all(), name


def test_the_vocabulary_says_the_same_every_time():
    assert feature_set(chess_labels.blocks(64)) == FEATURES
