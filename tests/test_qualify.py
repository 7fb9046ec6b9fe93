import numpy as np
import pytest
import torch
from fiducial.games.othello import Othello
from fiducial.models.transformers import TransformerConfig, build_transformer
from fiducial.qualify import probe_f1, qualify


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    labels = rng.random((900, 6)) < 0.3
    game_id = np.repeat(np.arange(45), 20)
    x = torch.from_numpy(labels @ rng.normal(size=(6, 12)) + 0.05 * rng.normal(size=(900, 12))).float()
    return x, labels, game_id, game_id < 30


def test_planted_directions_are_read_back(planted):
    value, low, high, floor = probe_f1(*planted, seed=0)
    assert value == pytest.approx(1.0, abs=0.01)
    assert low <= value <= high
    prevalence = planted[1][~planted[3]].mean(0)
    assert floor == pytest.approx((2 * prevalence / (1 + prevalence)).mean())


def test_noise_reads_nothing_beyond_the_constant_prediction(planted):
    x, labels, game_id, train = planted
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    value, _, _, floor = probe_f1(noise, labels, game_id, train, seed=0)
    assert value < floor + 0.05


def test_it_is_scored_on_other_games_than_it_is_fitted_on(planted):
    """Labels that can be memorised but not generalised must not score."""
    x, labels, game_id, train = planted
    wide = torch.randn(len(x), 700, generator=torch.Generator().manual_seed(2))
    assert probe_f1(wide, labels, game_id, train, seed=0)[0] < 0.6


def test_an_untrained_model_plays_by_chance_and_shows_little_of_the_board():
    game = Othello(4)
    config = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=32, n_ctx=game.n_positions, d_vocab=13)
    quality = qualify(build_transformer(config, seed=0).eval(), game, 2, n_games=150)
    assert 0.05 < quality.legal < 0.6
    assert quality.excess_loss > 0.5
    assert len(quality.by_layer) == 2
    assert quality.probe_f1 == max(quality.by_layer) == quality.by_layer[quality.best_layer]
    assert quality.n_games == 50
    assert set(quality.to_dict()) >= {"legal", "probe_f1", "always_on", "by_layer"}
