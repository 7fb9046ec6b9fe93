"""Othello boards with one square changed: moves and labels are those of the plain rules on the edited board."""

from copy import copy

import numpy as np
import pytest
from fiducial.games import Othello, othello_edits, square_edits

from . import plain_othello as plain

STATES = ("mine", "yours", "empty")
HISTORY_GROUPS = {"last move", "flipped", "last move kind", "flip counts", "flip directions", "passes", "phase"}


def state_of(world, feature):
    """(square, state) of a feature of a square."""
    name = world.features[int(feature)].name
    if name.endswith(" empty"):
        return plain.square_of(name.split()[0]), "empty"
    return plain.square_of(name.split()[-1]), name.split()[0]


def held_by(position, spot):
    disc = position.board.get(spot)
    return "empty" if disc is None else "mine" if disc == position.player else "yours"


def edited_position(position, spot, state):
    """The plain edit; as many moves as discs, so that the parity is that of the board."""
    made = copy(position)
    made.board = dict(position.board)
    made.board.pop(spot, None)
    if state != "empty":
        made.board[spot] = position.player if state == "mine" else plain.OTHER[position.player]
    made.ply = len(made.board) - 4
    return made


def check(world, edits, labels=True):
    vocabulary, names = world.tokenizer.vocabulary, np.array(world.features.names)
    before, after = (world.features.unpack(packed) for packed in (edits.labels_before, edits.labels_after))
    known = set(names[edits.recomputed])
    for i in range(len(edits)):
        at = int(edits.position[i])
        assert not edits.tokens[i, at + 1 :].any()
        position = plain.play(world.size, world.tokenizer.decode(edits.tokens[i, : at + 1]))[-1]
        (spot, old), (same, new) = state_of(world, edits.removed[i]), state_of(world, edits.added[i])
        assert spot == same == divmod(int(edits.square[i]), world.size)
        assert held_by(position, spot) == old != new
        kind = {(False, False): "flip", (True, False): "place", (False, True): "remove"}[old == "empty", new == "empty"]
        assert edits.kind[i] == kind
        made = edited_position(position, spot, new)
        moves = [{plain.name(s) for s in plain.moves(p.board, p.player, world.size)} for p in (position, made)]
        for expected, allowed in zip(moves, (edits.allowed_before[i], edits.allowed_after[i]), strict=True):
            assert {vocabulary[t] for t in np.flatnonzero(allowed)} == expected
        assert moves[1]
        assert moves[0] != moves[1]
        if labels:
            assert set(names[before[i]]) == plain.features(position) & set(names)
            assert set(names[after[i] & edits.recomputed]) == plain.features(made) & known
            assert np.array_equal(after[i][~edits.recomputed], before[i][~edits.recomputed])


@pytest.mark.parametrize(("size", "n"), [(4, 90), (6, 60), (8, 25)])
def test_against_plain_python(size, n):
    world = Othello(size)
    edits = world.square_edits(n, seed=1)
    assert len(edits) == n
    check(world, edits)
    assert (edits.other_square == -1).all()
    assert (edits.other_removed == -1).all()
    assert (edits.other_added == -1).all()


def test_tokens_of_the_published_models():
    """Ids of the transposed tokenizer: the moves of the edit are still those of the plain rules."""
    check(Othello(8, transpose=True), Othello(8, transpose=True).square_edits(15, seed=3), labels=False)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_labels_of_natural_boards_are_reproduced_from_the_board_alone(size):
    """Nothing called recomputed depends on the moves so far: labels with another history are the same there."""
    world = Othello(size)
    edits = othello_edits.state_edits(world.geometry, 500, world.n_positions, ("flip",), np.random.default_rng(0))
    right = world.square_edits(500, seed=0, kinds="flip")
    other = np.random.default_rng(1).permutation(500)
    p = edits.before
    blank = othello_edits.Positions(
        p.own, p.opp, p.legal, p.move[other], p.turned[other], p.to_move, p.mover[other], p.passed[other],
        p.ever_passed[other], (othello_edits.popcount(p.own | p.opp) - 4).astype(np.uint8),
    )  # fmt: skip
    found = world.features.unpack(othello_edits.label_positions(blank, world._layout))
    assert np.array_equal(found[:, right.recomputed], world.features.unpack(right.labels_before)[:, right.recomputed])
    assert (found != world.features.unpack(right.labels_before)).any()


def test_what_the_moves_alone_can_tell_is_not_recomputed():
    world = Othello(6)
    known = world.square_edits(1, seed=0).recomputed
    for feature, recomputed in zip(world.features, known, strict=True):
        assert recomputed == (feature.group not in HISTORY_GROUPS and feature.name != "black moved last")


def test_the_kinds_asked_for():
    world = Othello(6)
    for kind in ("flip", "place", "remove"):
        assert set(world.square_edits(40, seed=0, kinds=kind).kind) == {kind}
    assert set(world.square_edits(80, seed=0, kinds=["remove", "flip"]).kind) == {"flip", "remove"}
    shares = np.unique(world.square_edits(3000, seed=0).kind, return_counts=True)[1] / 3000
    assert shares == pytest.approx([1 / 3] * 3, abs=0.05)


def test_squares_plies_and_states_are_spread():
    world = Othello(6)
    edits = world.square_edits(4000, seed=0)
    assert set(edits.square.tolist()) == set(range(36))
    assert set(edits.position.tolist()) == set(range(world.n_positions))
    states = [state_of(world, f)[1] for f in edits.added]
    for state in STATES:
        assert states.count(state) > 600
    centre = np.isin(edits.square, world.geometry.centre)
    assert "remove" not in set(edits.kind[centre])
    assert "flip" in set(edits.kind[centre])
    assert len(np.unique(edits.tokens[edits.position > 8], axis=0)) == (edits.position > 8).sum()  # games of their own


def test_a_longer_draw_begins_with_the_shorter_one():
    world = Othello(6)
    few, many, other = (world.square_edits(n, seed=s) for n, s in ((10, 2), (1100, 2), (10, 3)))
    for name in ("tokens", "position", "square", "added", "labels_after", "allowed_after", "kind"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:10])
    assert not np.array_equal(few.tokens, other.tokens)


def test_rows_can_be_taken():
    edits = Othello(4).square_edits(20, seed=0)
    part = edits.take(edits.kind == "place")
    assert 0 < len(part) < 20
    assert set(part.kind) == {"place"}
    assert np.array_equal(part.recomputed, edits.recomputed)
    assert np.array_equal(part.labels_after, edits.labels_after[edits.kind == "place"])
    squares, removed, added = part.changes
    assert np.array_equal(squares[:, 0], part.square)
    assert np.array_equal(removed[:, 0], part.removed)
    assert np.array_equal(added[:, 0], part.added)
    assert (squares[:, 1] == -1).all()


@pytest.mark.parametrize(
    ("n", "kinds", "message"),
    [
        (0, None, "at least 1, got 0"),
        (3, "flipp", "no square edit of the kind 'flipp'; did you mean 'flip'"),
        (3, ["place", "zzz"], "there are flip, place, remove"),
        (3, [], "no kind of square edit"),
    ],
)
def test_refusals(n, kinds, message):
    with pytest.raises(ValueError, match=message):
        Othello(4).square_edits(n, seed=0, kinds=kinds)


def test_gives_up_where_no_edit_can_be_found(monkeypatch):
    monkeypatch.setattr(othello_edits, "ROUNDS", 2)
    monkeypatch.setattr(othello_edits, "legal_moves", lambda own, opp, mask: np.zeros_like(own))
    with pytest.raises(RuntimeError, match="found no square edit of the kinds flip in 1024 games"):
        Othello(4).square_edits(1, seed=0, kinds="flip")


def _other_player(own, opp, mask, right=othello_edits.legal_moves):
    return right(opp, own, mask)


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        (othello_edits, "legal_moves", _other_player),
        (othello_edits, "MINE", 1),
        (othello_edits, "HISTORY", othello_edits.HISTORY - {"plane move", "move kind"}),
        (othello_edits, "popcount", lambda boards: square_edits.np.bitwise_count(boards).astype(np.int64) + 1),
    ],
    ids=["moves of the other player", "colours exchanged", "last move taken from the board", "parity"],
)
def test_a_broken_edit_is_noticed(monkeypatch, where, name, broken):
    monkeypatch.setattr(where, name, broken)
    world = Othello(6)
    if name == "HISTORY":
        with pytest.raises(AssertionError):
            test_what_the_moves_alone_can_tell_is_not_recomputed()
    else:
        with pytest.raises((AssertionError, IndexError)):
            check(world, world.square_edits(10, seed=0, kinds="place"))
