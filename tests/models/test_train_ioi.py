import math
from dataclasses import replace

import fiducial.models.train_ioi as module
import numpy as np
import pytest
import torch
from fiducial.games.ioi import IOI
from fiducial.models.capture import model_sha256
from fiducial.models.train_ioi import (
    IOIFigures,
    IOIRecipe,
    held_out_prompts,
    initial_ioi_model,
    ioi_config,
    ioi_figures,
    last_logits,
    train_ioi,
)
from fiducial.models.transformers import TransformerConfig, build_transformer, load_transformer, save_transformer

GAME = IOI()
SHORT = IOIRecipe(steps=6, batch_size=16, evaluate_every=2, n_test=30, warmup_steps=2, earliest_stop=4)


def weights(model):
    return model_sha256(model)


def test_the_model_is_the_one_described():
    model = initial_ioi_model(ioi_config(GAME), IOIRecipe(seed=3))
    assert sum(parameter.numel() for parameter in model.parameters()) == 65_453
    for name, parameter in model.named_parameters():
        value = parameter.detach()
        if value.ndim == 2:
            assert float(value.std()) == pytest.approx(0.1, rel=0.06), name
            assert abs(float(value.mean())) < 0.01, name
        elif name.endswith("bias"):
            assert not value.any(), name
        else:
            assert (value == 1).all(), name
    assert not any("mlp" in name for name, _ in model.named_parameters())
    assert weights(initial_ioi_model(ioi_config(GAME), IOIRecipe(seed=3))) == weights(model)
    assert weights(initial_ioi_model(ioi_config(GAME), IOIRecipe(seed=4))) != weights(model)


def test_attention_only_models_are_saved_and_older_files_read(tmp_path):
    config = ioi_config(GAME)
    assert config.to_dict()["attn_only"] is True
    assert config.to_dict()["d_mlp"] == 0
    model = initial_ioi_model(config, IOIRecipe())
    save_transformer(model, config, tmp_path / "m.safetensors")
    again, read = load_transformer(tmp_path / "m.safetensors")
    assert read == config
    tokens = torch.from_numpy(GAME.prompts(8, 0).tokens)
    torch.testing.assert_close(last_logits(again, tokens), last_logits(model.eval(), tokens), rtol=0, atol=0)
    usual = TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=16, n_ctx=5, d_vocab=7)
    assert "attn_only" not in usual.to_dict()  # files written before there was a choice hold the same
    assert any("mlp" in name for name, _ in build_transformer(usual, 0).named_parameters())


@pytest.mark.parametrize(("attn_only", "d_mlp"), [(True, 16), (False, 0), (1, 0)])
def test_a_contradictory_shape_is_refused(attn_only, d_mlp):
    with pytest.raises(ValueError, match="d_mlp"):
        TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=d_mlp, n_ctx=5, d_vocab=7, attn_only=attn_only)


def test_the_rate_warms_up_and_falls_to_a_twentieth():
    recipe = IOIRecipe()
    assert recipe.rate(0) == pytest.approx(0.01)
    assert recipe.rate(99) == pytest.approx(1 - 99 / 1600)
    assert recipe.rate(800) == pytest.approx(0.5)
    assert recipe.rate(1599) == recipe.rate(1550) == 0.05


def test_training_prompts_are_half_ordinal_never_held_out_and_never_twice():
    recipe = replace(SHORT, steps=2 * module.CHUNK)
    batches = list(module._batches(GAME, recipe, 0))
    assert len(batches) == recipe.steps
    prompts = GAME.parse(torch.cat([tokens for tokens, _ in batches]).numpy())
    assert np.array_equal(prompts.target, torch.cat([target for _, target in batches]).numpy())
    assert not GAME.held_out[prompts.attributes["IO"], prompts.attributes["S"]].any()
    assert prompts.attributes["task"].mean() == pytest.approx(0.5, abs=0.04)
    assert len({row.tobytes() for row in prompts.tokens}) > 0.99 * len(prompts)
    later = next(module._batches(GAME, recipe, 70))  # a batch is a function of seed and step alone
    assert torch.equal(later[0], batches[70][0])
    test = held_out_prompts(GAME, 500, seed=0)
    assert all(GAME.held_out[p.attributes["IO"], p.attributes["S"]].all() for p in test.values())
    assert {int(v) for task, p in test.items() for v in p.attributes["task"] if task == "ordinal"} == {1}


@pytest.mark.parametrize("wrong", [False, True])
def test_figures_are_those_of_a_plain_loop_and_cover_the_last_batch(monkeypatch, wrong):
    model = initial_ioi_model(ioi_config(GAME), replace(IOIRecipe(seed=1), init_std=0.5)).eval()
    prompts = held_out_prompts(GAME, 1000, seed=0)  # batches of 512: one and a part
    if wrong:  # a batch left out would be noticed
        monkeypatch.setattr(module, "last_logits", lambda m, t: last_logits(m, t[:512]).repeat(2, 1)[: len(t)])
    figures = ioi_figures(model, prompts, step=5, loss=1.0)
    right, differences = {}, {}
    with torch.no_grad():
        for task, some in prompts.items():
            logits = model(torch.from_numpy(some.tokens), return_type="logits")[:, -1].double().numpy()
            right[task] = float(np.mean([row.argmax() == t for row, t in zip(logits, some.target, strict=True)]))
            rows = zip(logits, some.target, some.other, strict=True)
            differences[task] = float(np.mean([row[t] - row[o] for row, t, o in rows]))
    near = [
        figures.plain == pytest.approx(right["plain"]),
        figures.ordinal == pytest.approx(right["ordinal"]),
        figures.plain_difference == pytest.approx(differences["plain"], abs=1e-5),
        figures.ordinal_difference == pytest.approx(differences["ordinal"], abs=1e-5),
    ]
    assert all(near) != wrong


def test_accepted_needs_both_tasks():
    figures = IOIFigures(step=1, loss=0.0, plain=0.995, ordinal=0.995, plain_difference=1.0, ordinal_difference=1.0)
    assert figures.accepted()
    assert not replace(figures, ordinal=0.994).accepted()
    assert not replace(figures, plain=0.99).accepted()


def test_a_step_is_adamw_on_the_last_word_alone():
    recipe = replace(SHORT, steps=1, evaluate_every=1)
    trained, _ = train_ioi(2, game=GAME, recipe=recipe, progress=False)
    recipe = replace(recipe, seed=2)
    model = initial_ioi_model(ioi_config(GAME), recipe)
    tokens, target = next(module._batches(GAME, recipe, 0))
    logits = model(tokens, return_type="logits")
    loss = -logits[torch.arange(16), 18].log_softmax(-1)[torch.arange(16), target].mean()
    loss.backward()
    norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
    rate = recipe.lr * recipe.rate(0)
    expected = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad * torch.clamp(1 / (norm + 1e-6), max=1.0)
        # Adam's first step has size rate in the direction of the sign, up to its epsilon
        step = gradient / (gradient.abs() + 1e-8)
        expected[name] = (parameter * (1 - rate * recipe.weight_decay) - rate * step).detach()
    for name, parameter in trained.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_an_interrupted_run_goes_on_to_the_same_weights_and_figures(tmp_path, monkeypatch):
    whole, figures = train_ioi(1, game=GAME, recipe=SHORT, progress=False)
    assert [figure.step for figure in figures] == [2, 4, 6]
    step = module._step

    def interrupted(model, optimizer, recipe, number, batch):
        if number == 3:
            raise KeyboardInterrupt
        return step(model, optimizer, recipe, number, batch)

    path = tmp_path / "run.pt"
    monkeypatch.setattr(module, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path)
    monkeypatch.setattr(module, "_step", step)
    again, resumed = train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path)
    assert weights(again) == weights(whole)
    assert resumed == figures
    third, finished = train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path)  # already complete
    assert weights(third) == weights(whole)
    assert finished == figures


def test_a_run_interrupted_while_it_was_tested_makes_the_test_good(tmp_path):
    seen = []

    def stop(model, figures):
        raise KeyboardInterrupt

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path, evaluate=stop)
    _, figures = train_ioi(
        1, game=GAME, recipe=SHORT, progress=False, checkpoint=path, evaluate=lambda m, f: seen.append(f)
    )
    assert [figure.step for figure in figures] == [2, 4, 6]
    assert seen == figures[1:]


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="was made with recipe"):
        train_ioi(2, game=GAME, recipe=SHORT, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="was made with pairs 0, this run has 1"):
        train_ioi(1, game=IOI(split_seed=1), recipe=SHORT, progress=False, checkpoint=path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="damaged or not a checkpoint"):
        train_ioi(1, game=GAME, recipe=SHORT, progress=False, checkpoint=path)


def test_training_stops_as_soon_as_both_are_accurate_and_not_before(monkeypatch):
    good = IOIFigures(0, 0.0, 1.0, 1.0, 1.0, 1.0)
    monkeypatch.setattr(module, "ioi_figures", lambda model, prompts, *, step, loss: replace(good, step=step))
    _, figures = train_ioi(0, game=GAME, recipe=SHORT, progress=False)
    assert [figure.step for figure in figures] == [2, 4]  # earliest stop 4, at most 6
    half = replace(good, ordinal=0.5)
    monkeypatch.setattr(module, "ioi_figures", lambda model, prompts, *, step, loss: replace(half, step=step))
    assert train_ioi(0, game=GAME, recipe=SHORT, progress=False)[1][-1].step == 6


def test_a_loss_that_explodes_stops_the_run():
    with pytest.raises(FloatingPointError, match="not finite at step"):
        train_ioi(0, game=GAME, recipe=replace(SHORT, init_std=1e30), progress=False)


def test_global_random_state_plays_no_part():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, _ = train_ioi(1, game=GAME, recipe=replace(SHORT, steps=2), progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    two, _ = train_ioi(1, game=GAME, recipe=replace(SHORT, steps=2), progress=False)
    assert weights(one) == weights(two)


@pytest.mark.slow
def test_seed_1_learns_both_tasks_on_pairs_it_never_saw():
    _, figures = train_ioi(1, progress=False)
    last = figures[-1]
    assert last.accepted()
    assert last.step <= 1200
    assert math.isfinite(last.loss)
    assert 10 < last.plain_difference < 25
    assert 5 < last.ordinal_difference < 20
    assert figures[0].ordinal < 0.99
