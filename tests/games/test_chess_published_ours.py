"""Where the published chess functions and our own features are the same, and where not: the table in the docs."""

import numpy as np
import pytest
from fiducial.games import Chess
from fiducial.games.chess_published import PUBLISHED

SQUARES = [f"{file}{rank}" for rank in range(1, 9) for file in "abcdefgh"]
KINDS = ("pawn", "knight", "bishop", "rook", "queen", "king")
CLASSES = [*(f"black {kind} on {{}}" for kind in KINDS[::-1]), "{} empty", *(f"white {kind} on {{}}" for kind in KINDS)]
WORLD = Chess()


class Ours:
    def __init__(self, transcripts):
        self.labels = transcripts.bool_labels()
        self.features = transcripts.features

    def __call__(self, *names):
        return self.labels[..., [self.features.index(name) for name in names]]

    def mover(self, name):
        """A feature of White or Black, whichever is to move."""
        return np.where(self("white to move"), self(f"white {name}"), self(f"black {name}"))


@pytest.fixture(scope="module")
def games():
    sampled = WORLD.sample(60, 11)
    return sampled.tokens, Ours(sampled), sampled


def published(name, tokens):
    return WORLD.published(name, tokens).bool_labels()


def squares(ours, names):
    return ours(*(name.format(on) for on in SQUARES for name in names))


SAME = {
    "piece": lambda ours: squares(ours, CLASSES),
    "piece colour": lambda ours: squares(ours, ("black piece on {}", "{} empty", "white piece on {}")),
    "check": lambda ours: ours("check"),
    "pin": lambda ours: ours("white piece pinned") | ours("black piece pinned"),
    "castling rights": lambda ours: ours.mover("castling right"),
    "queenside castling rights": lambda ours: ours.mover("queenside castling right"),
    "kingside castling rights": lambda ours: ours.mover("kingside castling right"),
    "legal en passant": lambda ours: ours("legal en passant"),
    "can claim draw": lambda ours: ours("can claim a draw"),
    "can check next": lambda ours: ours("can give check"),
    "has queen": lambda ours: ours.mover("has a queen"),
    "connected rooks": lambda ours: ours.mover("connected rooks"),
    "mate threat": lambda ours: ours("mate in one"),  # the same by another name
    "threat": lambda ours: squares(ours, ("black attacks {}",)),
    "legal moves": lambda ours: squares(ours, ("legal move to {}",)) & ours("white to move"),
}
DIFFER = {  # what is right and not published, what is published and not right
    "specific fork": (lambda ours: ours.mover("knight fork"), False, True),
    "any fork": (lambda ours: ours("fork by the side to move"), True, True),
    "bishop pair": (lambda ours: ours.mover("bishop pair"), False, None),
    "mate threat": (lambda ours: ours("mate threat"), True, True),
    "can capture queen": (lambda ours: ours("can capture a queen"), None, False),
    "ambiguous moves": (lambda ours: ours("ambiguous move"), False, True),
}


def test_every_function_is_in_the_table():
    masked = {"piece, blank masked", "piece, blank and initial masked"}
    assert {*SAME, *DIFFER, *masked, "pseudo-legal moves"} == set(PUBLISHED)


@pytest.mark.parametrize("name", SAME)
def test_same_as_ours(games, name):
    tokens, ours, transcripts = games
    assert np.array_equal(published(name, tokens)[transcripts.scored], SAME[name](ours)[transcripts.scored])


@pytest.mark.parametrize("name", DIFFER)
def test_differ_as_the_table_says(games, name):
    """None: too rare in these games to demand."""
    tokens, ours, transcripts = games
    right, missed, false = DIFFER[name]
    theirs, right = published(name, tokens)[transcripts.scored], right(ours)[transcripts.scored]
    for expected, found in ((missed, right & ~theirs), (false, theirs & ~right)):
        assert expected is None or found.any() == expected


def test_masked_pieces_are_our_group_board(games):
    tokens, ours, transcripts = games
    theirs = published("piece, blank and initial masked", tokens).reshape(*tokens.shape, 64, 13)
    names = [[name.format(on) for name in CLASSES] for on in SQUARES]
    for square, row in enumerate(names):
        for label, name in zip(np.moveaxis(theirs[:, :, square], -1, 0), row, strict=True):
            if name.endswith("empty"):
                assert not label.any()
                continue
            initial = ours.features[ours.features.index(name)].group == "initial board"
            expected = np.zeros_like(label) if initial else ours(name)[..., 0]
            assert np.array_equal(label[transcripts.scored], expected[transcripts.scored])
