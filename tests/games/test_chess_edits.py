"""Chess positions with a piece changed: python-chess finds them valid, and agrees on their moves and features."""

import chess
import numpy as np
import pytest
from fiducial.games import Chess, chess_edits
from fiducial.games.chess_board import Boards
from fiducial.games.chess_counterfactuals import replace_content
from fiducial.games.chess_edits import possible
from fiducial.games.chess_labels import label_boards, label_record
from fiducial.games.chess_play import play_random

from . import plain_chess, plain_chess_tactics
from .chess_positions import constructed, placements

WORLD = Chess()
NAMES = np.array(WORLD.features.names)


def content_of(feature):
    """(square, piece or None) of a feature of a square."""
    words = WORLD.features[int(feature)].name.split()
    if words[-1] == "empty":
        return chess.parse_square(words[0]), None
    return chess.parse_square(words[-1]), chess.Piece(chess.PIECE_NAMES.index(words[1]), words[0] == "white")


def edited(board, changes):
    """The plain edit: set the squares, then drop the rights that the board no longer supports."""
    board = board.copy(stack=False)
    for square, piece in changes:
        board.set_piece_at(square, piece)
    board.castling_rights = board.clean_castling_rights()
    if board.status() & chess.STATUS_INVALID_EP_SQUARE:
        board.ep_square = None
    return board


def kind_of(changes):
    """What an edit is called, from (square, piece before, piece afterwards) of its squares."""
    if len(changes) == 1:
        _, old, new = changes[0]
        return "place" if old is None else "remove" if new is None else "replace"
    (_, old, new), (_, other_old, other_new) = changes
    assert other_new == old
    assert new == other_old
    return "move" if other_old is None else "swap"


def check(edits, world=WORLD):
    names = np.array(world.features.names)
    before, after = (world.features.unpack(packed) for packed in (edits.labels_before, edits.labels_after))
    known = set(names[edits.recomputed])
    squares, removed, added = edits.changes
    for i in range(len(edits)):
        at = int(edits.position[i])
        assert not edits.tokens[i, at + 1 :].any()
        board = chess.Board()
        for move in WORLD.tokenizer.decode(edits.tokens[i, : at + 1]):
            board.push_uci(move)
        changes = []
        for square, old, new in zip(squares[i], removed[i], added[i], strict=True):
            if square < 0:
                assert old == new == -1
                continue
            (was_on, was), (is_on, piece) = content_of(old), content_of(new)
            assert was_on == is_on == square
            assert board.piece_at(was_on) == was != piece
            assert chess.KING not in [p.piece_type for p in (was, piece) if p]
            changes.append((was_on, was, piece))
        assert edits.kind[i] == kind_of(changes)
        made = edited(board, [(square, piece) for square, _, piece in changes])
        assert made.is_valid(), made.fen()
        moves = [{m.uci() for m in b.legal_moves} for b in (board, made)]
        for expected, allowed in zip(moves, (edits.allowed_before[i], edits.allowed_after[i]), strict=True):
            assert {world.tokenizer.vocabulary[t] for t in np.flatnonzero(allowed)} == expected
        assert moves[1]
        assert moves[0] != moves[1]
        expected = plain_chess.features(made) | plain_chess_tactics.features(made)
        assert set(names[after[i] & edits.recomputed]) == expected & known
        assert np.array_equal(after[i][~edits.recomputed], before[i][~edits.recomputed])


def test_against_python_chess():
    edits = WORLD.square_edits(150, seed=1)
    assert len(edits) == 150
    check(edits)
    assert set(edits.kind) == set(chess_edits.KINDS)
    assert np.array_equal(WORLD.label(edits.tokens).labels[np.arange(150), edits.position], edits.labels_before)


@pytest.mark.slow
def test_many_edits_against_python_chess():
    check(WORLD.square_edits(3000, seed=5))
    check(Chess(positions=128).square_edits(200, seed=6), Chess(positions=128))


def any_edit(boards, seed):
    """Boards with up to three squares changed, kings aside, valid or not."""
    rng = np.random.default_rng(seed)
    n = len(boards)
    for _ in range(3):
        square = rng.integers(0, 64, n)
        kings = ((boards.kings >> square.astype(np.uint64)) & np.uint64(1)).astype(bool)
        kind, white = rng.integers(0, 6, n), rng.random(n) < 0.5
        made = replace_content(boards, square, kind, white)
        boards = Boards(*(np.where(kings, a, b) for a, b in zip(boards.arrays(), made.arrays(), strict=True)))
    return boards


def verdicts(boards):
    return possible(boards), np.array([board.is_valid() for board in boards.to_chess()])


@pytest.mark.parametrize("seed", [0, 1])
def test_valid_is_what_python_chess_calls_valid(seed):
    record = play_random(120, 60, np.random.default_rng(seed))
    natural = record.boards.ravel()
    assert possible(natural).all()
    ours, theirs = verdicts(any_edit(natural, seed))
    assert np.array_equal(ours, theirs)
    assert 0.2 < theirs.mean() < 0.8
    ours, theirs = verdicts(any_edit(Boards.of(constructed() * 20 + placements(300, seed)), seed))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("fen", "valid"),
    [
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", True),
        ("4k3/8/8/8/8/8/8/P3K3 w - - 0 1", False),  # a pawn on the back rank
        ("4k3/8/8/8/8/8/PPPPPPPP/P3K3 w - - 0 1", False),
        ("4k3/8/8/8/8/P7/PPPPPPPP/4K3 w - - 0 1", False),  # nine pawns
        ("4k3/8/8/8/8/NNNNNNNN/NNNNNNNN/4K3 w - - 0 1", False),  # seventeen pieces
        ("4k3/8/8/8/8/8/4R3/4K3 w - - 0 1", False),  # the side that waits is in check
        ("4k3/4r3/8/8/8/8/8/4K3 w - - 0 1", True),
        ("4k3/4r3/8/8/7b/8/5n2/4K3 w - - 0 1", True),  # one check, two shielded
        ("4k3/4r3/8/8/7b/2n5/8/4K3 w - - 0 1", True),  # two checks from different lines
        ("4k3/4r3/8/8/7b/3n4/8/4K3 w - - 0 1", False),  # three checks
        ("4k3/8/8/8/8/8/8/r3K2r w - - 0 1", False),  # from both sides of one line
        ("4k3/8/1b6/8/3K4/4p3/8/8 w - - 0 1", True),  # a bishop behind nothing, a pawn that does not check
        ("4k3/8/1b6/4p3/3K4/8/8/8 w - - 0 1", True),  # two checks, not on one line
        ("4k3/8/8/2p5/3K4/8/8/6b1 w - - 0 1", False),  # pawn and bishop on one diagonal
        ("4k3/8/8/3pP3/4K3/8/8/8 w - d6 0 1", True),  # by the pawn that has stepped
        ("4k3/8/8/r2pP2K/8/8/8/8 w - d6 0 1", True),
        ("4k3/8/8/3pP3/8/6n1/8/7K w - d6 0 1", False),  # by a knight that was there before
        ("3rk3/8/8/3pP3/3K4/8/8/8 w - d6 0 1", True),
    ],
)
def test_positions_that_decide_one_rule_each(fen, valid):
    board = chess.Board(fen)
    assert board.is_valid() == valid, board.status()
    assert possible(Boards.of([board]))[0] == valid


def test_recomputed_features_depend_on_the_position_alone():
    """On boards of games they are the same without the moves so far, and every other group depends on those."""
    record = play_random(250, WORLD.plies, np.random.default_rng(1))
    with_history = WORLD.features.unpack(label_record(record, WORLD._layout)).swapaxes(0, 1)
    without = WORLD.features.unpack(label_boards(record.boards, WORLD._layout))
    played = np.concatenate([np.ones((1, 250), bool), record.played])
    differs = (with_history != without)[played].any(axis=0)
    known = chess_edits.recomputed(WORLD._layout)
    assert not (differs & known).any()
    assert set(NAMES[~known & ~differs]) <= {"threefold repetition", "can claim repetition", "can claim a draw"}


def test_the_kinds_asked_for():
    for kind in chess_edits.KINDS:
        assert set(WORLD.square_edits(12, seed=0, kinds=kind).kind) == {kind}
    edits = WORLD.square_edits(2000, seed=0)
    for kind in chess_edits.KINDS:
        assert 0.12 < (edits.kind == kind).mean() < 0.28


def test_squares_and_pieces_are_spread():
    edits = WORLD.square_edits(1500, seed=2)
    assert len(np.unique(edits.square)) >= 62
    assert set(edits.position.tolist()) >= set(range(2, 64))
    pieces = {" ".join(NAMES[f].split()[:2]) for f in edits.removed if "empty" not in NAMES[f]}
    assert len(pieces) == 10
    added = {" ".join(NAMES[f].split()[:2]) for f in edits.added[np.isin(edits.kind, ["replace", "place"])]}
    assert len(added) == 10
    two = edits.other_square >= 0
    assert set(edits.kind[two]) == {"move", "swap"}
    assert (edits.square != edits.other_square).all()


def test_a_longer_draw_begins_with_the_shorter_one():
    few, many, other = (WORLD.square_edits(n, seed=s) for n, s in ((10, 2), (600, 2), (10, 3)))
    for name in ("tokens", "position", "square", "added", "other_added", "labels_after", "allowed_after", "kind"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:10])
    assert not np.array_equal(few.tokens, other.tokens)


@pytest.mark.parametrize(
    ("world", "n", "kinds", "message"),
    [
        (WORLD, 0, None, "at least 1, got 0"),
        (WORLD, 3, "flip", "no square edit of the kind 'flip'; there are remove, move, swap, replace, place"),
        (Chess(tokens="characters"), 3, None, 'tokens="moves", got tokens="characters"'),
    ],
)
def test_refusals(world, n, kinds, message):
    with pytest.raises(ValueError, match=message):
        world.square_edits(n, seed=0, kinds=kinds)


def test_gives_up_where_no_edit_can_be_found(monkeypatch):
    monkeypatch.setattr(chess_edits, "ROUNDS", 1)
    monkeypatch.setattr(chess_edits, "possible", lambda boards: np.zeros(len(boards), bool))
    with pytest.raises(RuntimeError, match="found no square edit of the kinds swap in 512 games"):
        WORLD.square_edits(1, seed=0, kinds="swap")


def careless(boards, square, kind, white, right=replace_content):
    """Rights stay although rook or pawn is gone."""
    made = right(boards, square, kind, white)
    return Boards(*made.arrays()[:8], boards.ep, boards.castling, *made.arrays()[10:])


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("possible", lambda boards: np.ones(len(boards), bool)),
        ("replace_content", careless),
        ("replace_content", lambda b, s, k, w, right=replace_content: right(b, s, k, ~w)),
        ("kind_of", lambda codes: np.where(codes > 0, 1, 0)),
    ],
    ids=["any position will do", "rights kept", "colour", "pawns only"],
)
def test_a_broken_edit_is_noticed(monkeypatch, name, broken):
    monkeypatch.setattr(chess_edits, name, broken)
    with pytest.raises(AssertionError):
        check(WORLD.square_edits(150, seed=1))
