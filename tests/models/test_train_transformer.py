import dataclasses
import math

import fiducial.models.train_transformer as train_module
import numpy as np
import pytest
import torch
from fiducial.games.othello import Othello
from fiducial.models.train_transformer import Recipe, exact_target_loss, train_transformer
from fiducial.models.transformers import TransformerConfig

GAME = Othello(4)
CONFIG = TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32, n_ctx=GAME.n_positions, d_vocab=13)
RECIPE = Recipe(games=64 * 12, warmup_steps=3, chunk=256)  # four steps a chunk, so that runs cross several


def train(recipe=RECIPE, config=CONFIG, **fields):
    return train_transformer(GAME, config, recipe, progress=False, **fields)


@pytest.fixture(scope="module")
def held_out():
    tokens, allowed = GAME.next_moves(200, 12345)
    return torch.from_numpy(tokens), torch.from_numpy(allowed)


def plain_loss(logits, allowed):
    total, count = 0.0, 0
    for row, legal in zip(logits.reshape(-1, logits.shape[-1]), allowed.reshape(-1, allowed.shape[-1]), strict=True):
        tokens = [i for i, yes in enumerate(legal.tolist()) if yes]
        if not tokens:
            continue
        values = [float(v) for v in row]
        log_norm = max(values) + math.log(sum(math.exp(v - max(values)) for v in values))
        q = 1 / len(tokens)
        total += sum(q * (math.log(q) - (values[i] - log_norm)) for i in tokens)
        count += 1
    return total / count


def check_loss(loss):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, 5, 7, generator=generator)
    allowed = torch.rand(4, 5, 7, generator=generator) < 0.4
    allowed[1, 2] = False
    assert float(loss(logits, allowed)) == pytest.approx(plain_loss(logits, allowed), rel=1e-5)


def test_loss_is_the_plain_divergence_and_zero_at_the_optimum():
    check_loss(exact_target_loss)
    allowed = torch.tensor([[[True, False, True, True]]])
    assert float(exact_target_loss(torch.where(allowed, 2.0, -1e4), allowed)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda logits, allowed: -exact_target_loss(logits, allowed),
        lambda logits, allowed: exact_target_loss(logits, ~allowed),
        lambda logits, allowed: exact_target_loss(logits.exp(), allowed),
    ],
)
def test_a_wrong_loss_would_be_noticed(wrong):
    with pytest.raises(AssertionError):
        check_loss(wrong)


def test_the_loss_falls_on_unseen_games(held_out):
    tokens, allowed = held_out
    losses = []
    for games in (0, 64 * 40):
        model = train(dataclasses.replace(RECIPE, games=games))
        with torch.no_grad():
            losses.append(float(exact_target_loss(model(tokens, return_type="logits"), allowed)))
    before, after = losses
    assert after < 0.8 * before


def states(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal_weights(a, b):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0, msg=name)


class Stop(Exception):
    pass


@pytest.mark.parametrize("failure", [KeyboardInterrupt, Stop])
@pytest.mark.parametrize("at", [4, 6])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, failure, at):
    whole = states(train())

    def stop(model, games):
        raise failure

    checkpoint = tmp_path / "c.pt"
    with pytest.raises(failure):
        train(checkpoint=checkpoint, evaluate=stop, evaluate_every=at)
    assert torch.load(checkpoint, weights_only=True)["step"] == at
    assert_equal_weights(states(train(checkpoint=checkpoint)), whole)
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_forgetting_the_optimiser_state_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", lambda self, state: None)
    with pytest.raises(AssertionError):
        test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, Stop, 4)


def test_seeds_matter_and_repeat():
    short = dataclasses.replace(RECIPE, games=64 * 2)
    assert_equal_weights(states(train(short)), states(train(short)))
    with pytest.raises(AssertionError):
        assert_equal_weights(states(train(short)), states(train(dataclasses.replace(short, seed=1))))


def test_no_game_comes_twice():
    seen = [tokens for tokens, _ in train_module._batches(GAME, dataclasses.replace(RECIPE, games=64 * 12), 0)]
    assert len(seen) == 12
    assert all((a != b).any() for i, a in enumerate(seen) for b in seen[:i])
    resumed = [tokens for tokens, _ in train_module._batches(GAME, RECIPE, 6)]
    for a, b in zip(resumed, seen[6:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = tmp_path / "c.pt"
    train(dataclasses.replace(RECIPE, games=128), checkpoint=checkpoint)
    with pytest.raises(ValueError, match="made with seed 0, this run has 1"):
        train(dataclasses.replace(RECIPE, seed=1), checkpoint=checkpoint)
    with pytest.raises(ValueError, match="made with batch_size 64, this run has 32"):
        train(dataclasses.replace(RECIPE, batch_size=32), checkpoint=checkpoint)
    with pytest.raises(ValueError, match="made with config"):
        train(config=dataclasses.replace(CONFIG, d_mlp=16), checkpoint=checkpoint)


@pytest.mark.parametrize("length", [0, 10, 1000, -1])
def test_a_damaged_checkpoint_is_refused(tmp_path, length):
    checkpoint = tmp_path / "c.pt"
    train(dataclasses.replace(RECIPE, games=64), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(ValueError, match="is damaged or not a checkpoint"):
        train(checkpoint=checkpoint)


def test_a_pickle_with_code_in_it_is_refused(tmp_path):
    torch.save({"step": 0, "thing": Recipe}, tmp_path / "c.pt")
    with pytest.raises(ValueError, match="is damaged or not a checkpoint"):
        train(checkpoint=tmp_path / "c.pt")


def test_a_loss_that_explodes_stops_the_run():
    with pytest.raises(FloatingPointError, match="not finite at step"):
        train(dataclasses.replace(RECIPE, adam_lr=float("inf")))


def test_evaluate_is_called_with_games_seen():
    calls = []
    train(dataclasses.replace(RECIPE, games=64 * 5), evaluate=lambda m, games: calls.append(games), evaluate_every=2)
    assert calls == [128, 256, 320]


def test_the_rate_warms_up_stays_and_falls():
    recipe = Recipe(games=6400, warmup_steps=10, decay_fraction=0.5, chunk=256)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:51] == [1.0] * 42
    assert rates[75] == pytest.approx(0.5)
    assert recipe.rate(100) == 0
