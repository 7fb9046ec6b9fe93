import dataclasses

import fiducial.models.capture as capture_module
import numpy as np
import pytest
import torch
from fiducial.games.othello import Othello
from fiducial.models.capture import (
    capture,
    model_activations,
    model_sha256,
    neuron_hook,
    resolve_hook,
    run_with_replacement,
)
from fiducial.models.transformers import TransformerConfig, build_transformer

CONFIG = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=24, n_ctx=11, d_vocab=13)
HOOKS = {  # canonical name, legacy name, width
    "embed.hook_out": ("hook_embed", 16),
    "blocks.0.hook_out": ("blocks.0.hook_resid_post", 16),
    "blocks.1.hook_out": ("blocks.1.hook_resid_post", 16),
    "blocks.0.ln2.hook_in": ("blocks.0.hook_resid_mid", 16),
    "blocks.1.mlp.hook_out": ("blocks.1.hook_mlp_out", 16),
    "blocks.1.mlp.out.hook_in": ("blocks.1.mlp.hook_post", 24),
    "blocks.0.attn.o.hook_in": ("blocks.0.attn.hook_z", 16),
}


@pytest.fixture(scope="module")
def model():
    return build_transformer(CONFIG, seed=1).eval()


@pytest.fixture(scope="module")
def games():
    sampled = Othello(4).sample(13, seed=4)
    # Positions that do not count, a whole game of them included, must not shift the others.
    scored = sampled.scored & (np.random.default_rng(0).random(sampled.scored.shape) < 0.7)
    scored[5] = False
    return dataclasses.replace(sampled, scored=scored)


@pytest.mark.parametrize("hook", HOOKS)
def test_capture_is_run_with_cache_at_scored_positions(model, games, hook):
    legacy, width = HOOKS[hook]
    captured = capture(model, games, legacy, batch_size=4, progress=False)
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.from_numpy(games.tokens))
    expected = cache[hook].flatten(2).numpy()
    labels = games.bool_labels()
    assert captured.width == width
    assert captured.attributes["hook"] == hook
    row = 0
    for game in range(len(games)):
        for position in range(games.tokens.shape[1]):
            if games.scored[game, position]:
                np.testing.assert_allclose(captured.activations[row], expected[game, position], atol=1e-6)
                assert (captured.game_id[row], captured.position[row]) == (game, position)
                np.testing.assert_array_equal(captured.labels_bool([row])[0], labels[game, position])
                row += 1
    assert row == len(captured)


def test_file_equals_memory_to_float16(model, games, tmp_path):
    memory = capture(model, games, "blocks.0.hook_out", progress=False, model_name="toy")
    file = capture(
        model, games, "blocks.0.hook_resid_post", path=tmp_path / "a.h5", batch_size=3, progress=False, model_name="toy"
    )
    np.testing.assert_allclose(file.activations, memory.activations, rtol=2**-10, atol=2**-14)
    for name in ("labels", "game_id", "position"):
        np.testing.assert_array_equal(getattr(file, name), getattr(memory, name))
    assert dict(file.attributes) == dict(memory.attributes)
    assert file.attributes["model_sha256"] == model_sha256(model)
    assert file.attributes["seed"] == games.seed
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("after", [0, 2])
def test_an_interrupted_capture_leaves_no_file(model, games, tmp_path, monkeypatch, failure, after):
    calls = []
    forward = capture_module.model_activations

    def interrupted(*args):
        calls.append(1)
        if len(calls) > after:
            raise failure
        return forward(*args)

    monkeypatch.setattr(capture_module, "model_activations", interrupted)
    with pytest.raises(failure):
        capture(model, games, "blocks.0.hook_out", path=tmp_path / "a.h5", batch_size=3, progress=False)
    assert not list(tmp_path.iterdir())


def test_an_interrupt_inside_the_model_leaves_no_file_and_no_hook(model, games, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    before = model_activations(model, games.tokens, "blocks.1.hook_out")
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "gelu", interrupted)
        patch.setattr(torch.nn.functional, "softmax", interrupted)
        with pytest.raises(KeyboardInterrupt):
            capture(model, games, "blocks.1.hook_out", path=tmp_path / "a.h5", progress=False)
    assert not list(tmp_path.iterdir())
    torch.testing.assert_close(model_activations(model, games.tokens, "blocks.1.hook_out"), before, rtol=0, atol=0)


@pytest.mark.parametrize("hook", HOOKS)
def test_replacement_by_the_same_changes_nothing_and_by_zeros_something(model, games, hook):
    clean = model(torch.from_numpy(games.tokens), return_type="logits").detach()
    seen = []

    def keep(x):
        seen.append(x)
        return x.clone()

    same = run_with_replacement(model, games.tokens, hook, keep)
    torch.testing.assert_close(same, clean, rtol=0, atol=0)
    torch.testing.assert_close(seen[0], model_activations(model, games.tokens, hook), rtol=0, atol=0)
    zeros = run_with_replacement(model, games.tokens, hook, torch.zeros_like)
    assert (zeros - clean).abs().max() > 1e-3
    # Nothing stays behind.
    torch.testing.assert_close(model(torch.from_numpy(games.tokens), return_type="logits"), clean, rtol=0, atol=0)


def test_the_last_residual_carries_the_logits(model, games):
    x = model_activations(model, games.tokens, "blocks.1.hook_out")
    swapped = run_with_replacement(model, games.tokens, "blocks.1.hook_out", lambda _: x.flip(0))
    torch.testing.assert_close(swapped, model(torch.from_numpy(games.tokens), return_type="logits").flip(0))


def test_a_replacement_that_is_ignored_would_be_noticed(model, games, monkeypatch):
    def ignored(model, tokens, hook, replace):
        replace(model_activations(model, tokens, hook))
        return model(torch.as_tensor(tokens), return_type="logits").detach()

    monkeypatch.setitem(globals(), "run_with_replacement", ignored)
    with pytest.raises(AssertionError):
        test_replacement_by_the_same_changes_nothing_and_by_zeros_something(model, games, "blocks.0.hook_out")


def test_capturing_unscored_positions_would_be_noticed(model, games, monkeypatch):
    forward = capture_module.model_activations
    monkeypatch.setattr(capture_module, "model_activations", lambda *args: forward(*args).roll(1, 1))
    with pytest.raises(AssertionError):
        test_capture_is_run_with_cache_at_scored_positions(model, games, "blocks.0.hook_out")


def test_the_hash_sees_every_weight(model):
    other = build_transformer(CONFIG, seed=1)
    assert model_sha256(other) == model_sha256(model)
    with torch.no_grad():
        next(other.parameters())[0, 0] += 1e-3
    assert model_sha256(other) != model_sha256(model)
    assert model_sha256(build_transformer(CONFIG, seed=2)) != model_sha256(model)


def test_bad_input(model, games):
    with pytest.raises(KeyError, match=r"no hook point 'blocks\.1\.hook_resid_pots'.*blocks\.1\.hook_resid_post"):
        resolve_hook(model, "blocks.1.hook_resid_pots")
    with pytest.raises(KeyError, match="no hook point"):
        capture(model, games, "blocks.2.hook_out", progress=False)
    with pytest.raises(ValueError, match=r"must hold \[batch, positions, ...\] = \[13, 11\]"):
        model_activations(model, games.tokens, "blocks.0.attn.hook_pattern")
    with pytest.raises(ValueError, match="tokens have 12 positions, the model takes at most 11"):
        model_activations(model, np.zeros((1, 12), int), "blocks.0.hook_out")
    with pytest.raises(ValueError, match=r"tokens must lie in 0\.\.12, got 0\.\.13"):
        model_activations(model, np.array([[0, 13]]), "blocks.0.hook_out")
    with pytest.raises(ValueError, match=r"integer \[batch, positions\]"):
        model_activations(model, torch.zeros(2, 3), "blocks.0.hook_out")
    with pytest.raises(
        ValueError, match=r"replacement at blocks\.0\.hook_out must be \[13, 11, 16\], got \[13, 11, 15\]"
    ):
        run_with_replacement(model, games.tokens, "blocks.0.hook_out", lambda x: x[..., :15])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        capture(model, games, "blocks.0.hook_out", batch_size=0)
    nothing = dataclasses.replace(games, scored=np.zeros_like(games.scored))
    with pytest.raises(ValueError, match="none of the 13 transcripts has a scored position"):
        capture(model, nothing, "blocks.0.hook_out")
    with pytest.raises(ValueError, match="use_attn_result"):
        model_activations(model, games.tokens, "blocks.0.attn.hook_result")


def test_a_model_gone_wrong_is_refused(games, tmp_path):
    broken = build_transformer(CONFIG, seed=1)
    with torch.no_grad():
        next(broken.parameters())[2] = float("nan")
    for path in (None, tmp_path / "a.h5"):
        with pytest.raises(ValueError, match="activation nan in row"):
            capture(broken, games, "blocks.0.hook_out", path=path, progress=False)
    assert not list(tmp_path.iterdir())


def test_neuron_hook_holds_the_neurons(model, games):
    assert resolve_hook(model, "blocks.1.mlp.hook_post") == neuron_hook(1)
    assert model_activations(model, games.tokens, neuron_hook(1)).shape[-1] == CONFIG.d_mlp
