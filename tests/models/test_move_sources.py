"""Where training games come from."""

import numpy as np
import pytest
import torch
from fiducial.games import Chess, Othello
from fiducial.models.move_sources import Mixed, RandomPlay, played_targets
from fiducial.models.train_transformer import exact_target_loss

GAME = Chess(positions=12)


def test_random_play_hands_out_the_games_next_moves():
    for game in (GAME, Othello(4)):
        for ours, theirs in zip(RandomPlay(game).next_moves(5, [3, 1]), game.next_moves(5, [3, 1]), strict=True):
            assert np.array_equal(ours, theirs)


def test_characters_are_weighted_by_the_moves_that_begin_with_them():
    game = Chess(tokens="characters", positions=12)
    _, weights = RandomPlay(game).next_moves(4, 0)
    letters = {game.tokenizer.vocabulary[i]: int(n) for i, n in enumerate(weights[0, 2]) if n}
    assert letters == {**dict.fromkeys("bcdefg", 2), "a": 2, "h": 2, "N": 4}  # ";1." goes on with 20 moves


def test_played_targets_are_the_next_token_and_nothing_after_the_end():
    tokens = np.array([[1, 5, 7, 0], [1, 6, 8, 9]])
    targets = played_targets(tokens, 10)
    assert [np.flatnonzero(row).tolist() for row in targets[0]] == [[5], [7], [], []]
    assert [np.flatnonzero(row).tolist() for row in targets[1]] == [[6], [8], [9], []]


def test_given_games_are_mixed_in_at_their_share_from_their_chunk_on():
    given = GAME.sample(6, seed=77).tokens
    source = Mixed(RandomPlay(GAME), given, 0.25, first_chunk=2)
    for chunk in (0, 1):
        for ours, theirs in zip(source.next_moves(50, [0, chunk]), GAME.next_moves(50, [0, chunk]), strict=True):
            assert np.array_equal(ours, theirs)
    tokens, targets = source.next_moves(800, [0, 2])
    mixed = (tokens[:, None] == given).all(-1).any(-1)
    assert abs(mixed.mean() - 0.25) < 0.05
    assert (targets[mixed].sum(-1) <= 1).all()
    assert (targets[~mixed][:, 0].sum(-1) == 20).all()
    again = source.next_moves(800, [0, 2])
    assert np.array_equal(tokens, again[0])
    assert np.array_equal(targets, again[1])


@pytest.mark.parametrize(("tokens", "share", "message"), [(np.zeros((0, 5), int), 0.5, "got"), (None, 1.5, "1.5")])
def test_refusals(tokens, share, message):
    with pytest.raises(ValueError, match=message):
        Mixed(RandomPlay(GAME), GAME.sample(2, seed=0).tokens if tokens is None else tokens, share)


def test_loss_of_counts_is_the_divergence_from_their_distribution():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 6, generator=generator)
    counts = torch.randint(0, 4, (3, 4, 6), generator=generator)
    counts[0, 1] = 0
    seen = counts.sum(-1) > 0
    target = counts[seen] / counts[seen].sum(-1, keepdim=True)
    oracle = torch.nn.functional.kl_div(logits[seen].log_softmax(-1), target, reduction="batchmean")
    assert float(exact_target_loss(logits, counts)) == pytest.approx(float(oracle), rel=1e-5)
    perfect = torch.where(counts > 0, counts.float().log(), -1e4)
    assert float(exact_target_loss(perfect, counts)) == pytest.approx(0, abs=1e-6)
    assert float(exact_target_loss(logits, counts > 0)) != pytest.approx(float(oracle), rel=1e-3)
