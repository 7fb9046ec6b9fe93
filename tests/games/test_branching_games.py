"""Games that part: every way through the moves preferred, found again by walking the tree one game at a time."""

import numpy as np
import pytest
from fiducial.games import Chess, Othello
from fiducial.games import branching_games as module
from fiducial.games.branching_games import branching_games
from fiducial.games.position_pairs import position_pairs, same_board_pairs


def shared(rows):
    """Tokens that all rows begin with."""
    same = (rows == rows[0]).all(axis=0)
    return len(same) if same.all() else int(np.argmin(same))


@pytest.mark.parametrize(("game", "n"), [(Othello(4), 40), (Othello(6), 12), (Chess(positions=14), 2)])
def test_a_tree_of_allowed_moves_from_every_beginning(game, n):
    made = branching_games(game, n, seed=1, ways=2, depth=3)
    whole, _ = game.next_moves(n, 1)
    tokens = made.transcripts.tokens
    assert len(np.unique(tokens, axis=0)) > 0.8 * len(tokens)
    assert sorted(set(made.beginning.tolist())) == list(range(n))
    allowed = game.allowed(tokens)
    for beginning in range(n):
        rows = np.flatnonzero(made.beginning == beginning)
        assert len(rows) <= 2**3
        cut = int((tokens[rows] != game.tokenizer.pad_id).sum(axis=1).max()) - 3
        if len(rows) == 8:  # no game ended early
            assert shared(np.concatenate([whole[beginning : beginning + 1], tokens[rows]])) >= cut >= 1
            assert len(np.unique(tokens[rows], axis=0)) == 8
            # Wherever two moves were allowed, two were taken, from every position of the tree.
            for depth in range(3):
                for prefix in np.unique(tokens[rows, : cut + depth], axis=0):
                    below = rows[(tokens[rows, : cut + depth] == prefix).all(axis=1)]
                    taken = set(tokens[below, cut + depth].tolist())
                    choices = set(np.flatnonzero(allowed[below[0], cut + depth - 1]).tolist())
                    assert taken <= choices
                    assert len(taken) == 2


def test_pairs_are_found_at_every_stage_of_a_game():
    game = Othello(6)
    made = branching_games(game, 60, seed=0)
    assert len(made.transcripts) < 60 * 81 + 1
    for pairs in (position_pairs(game, made.transcripts), same_board_pairs(game, made.transcripts)):
        assert len(pairs) > 150
        assert len(set((pairs.ply // 5).tolist())) >= 6
        siblings = made.beginning[pairs.base[:, 0]] == made.beginning[pairs.source[:, 0]]
        assert siblings[pairs.ply > 14].all()


def test_the_same_seed_gives_the_same_games():
    one, again, other = (branching_games(Othello(4), 5, seed=s).transcripts.tokens for s in (0, 0, 1))
    assert np.array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [{"n_beginnings": 0}, {"ways": 1}, {"depth": 0}, {"first": 0}, {"depth": 8, "first": 4}],
)
def test_refusals(options):
    with pytest.raises(ValueError, match="branching games need at least 1 beginning, 2 ways and depth 1"):
        branching_games(Othello(4), **({"n_beginnings": 3, "seed": 0} | options))


def test_moves_of_another_position_are_noticed(monkeypatch):
    """Mutation: what is allowed is asked one token too early."""
    right = module._allowed
    monkeypatch.setattr(module, "_allowed", lambda game, tokens, at: right(game, tokens, np.maximum(at - 1, 0)))
    with pytest.raises(ValueError, match=r"illegal|follows the end"):
        branching_games(Othello(6), 10, seed=0)
