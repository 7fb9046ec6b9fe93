"""Turning one disc over: the moves allowed afterwards are those of the plain rules on the edited board."""

import numpy as np
import pytest
from fiducial.games import Othello, othello_counterfactuals

from . import plain_othello as plain


def check(world, pairs):
    vocabulary = world.tokenizer.vocabulary
    for i in range(len(pairs.base)):
        name = world.features[int(pairs.feature[i])].name
        side, square = name.split(" on ")
        ply = int(pairs.base_position[i])
        assert pairs.source_position[i] == ply
        moves = world.tokenizer.decode(pairs.base[i, : ply + 1])
        position = plain.play(world.size, moves)[-1]
        me, spot = position.player, plain.square_of(square)
        assert position.board[spot] == (plain.OTHER[me] if side == "mine" else me)
        for allowed, board in (
            (pairs.allowed_before[i], position.board),
            (pairs.allowed_after[i], {**position.board, spot: plain.OTHER[position.board[spot]]}),
        ):
            expected = {plain.name(s) for s in plain.moves(board, me, world.size)}
            assert {vocabulary[t] for t in np.flatnonzero(allowed)} == expected
        shown = plain.play(world.size, world.tokenizer.decode(pairs.source[i, : ply + 1]))[-1]
        assert shown.board[spot] == (shown.player if side == "mine" else plain.OTHER[shown.player])
        assert not np.array_equal(pairs.base[i], pairs.source[i])


@pytest.mark.parametrize(("size", "n"), [(4, 60), (6, 40), (8, 30)])
def test_against_plain_python(size, n):
    world = Othello(size)
    pairs = world.counterfactuals(n, seed=1)
    assert len(pairs.base) == n
    check(world, pairs)


def test_squares_and_plies_are_spread():
    pairs = Othello(6).counterfactuals(1500, seed=0)
    assert len(np.unique(pairs.feature)) > 60
    assert set(np.unique(pairs.base_position)) >= set(range(1, 30))
    mine = (pairs.feature < 36).mean()
    assert 0.3 < mine < 0.7


def test_a_longer_draw_begins_with_the_shorter_one():
    world = Othello(6)
    few, many = world.counterfactuals(10, seed=2), world.counterfactuals(1000, seed=2)
    assert np.array_equal(few.base, many.base[:10])
    assert np.array_equal(few.allowed_after, many.allowed_after[:10])


def test_an_edit_that_forgets_a_colour_is_noticed(monkeypatch):
    """Mutation: legal moves computed for the other player."""
    right = othello_counterfactuals.legal_moves
    monkeypatch.setattr(othello_counterfactuals, "legal_moves", lambda own, opp, mask: right(opp, own, mask))
    world = Othello(6)
    with pytest.raises(AssertionError):
        check(world, world.counterfactuals(5, seed=0))
