import os

import pytest
import torch
from fiducial.models.transformers import TransformerConfig, build_transformer, load_transformer, save_transformer

CONFIG = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=24, n_ctx=9, d_vocab=7)
TOKENS = torch.arange(18).reshape(2, 9) % 7


def logits(model):
    with torch.no_grad():
        return model(TOKENS, return_type="logits")


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_transformer(CONFIG, seed=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    torch.testing.assert_close(logits(build_transformer(CONFIG, seed=1)), logits(one), rtol=0, atol=0)
    assert (logits(build_transformer(CONFIG, seed=2)) - logits(one)).abs().max() > 1e-3


def test_the_model_is_causal_and_has_the_given_shape():
    model = build_transformer(CONFIG, seed=0)
    changed = TOKENS.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 7
    with torch.no_grad():
        before, after = logits(model), model(changed, return_type="logits")
    assert before.shape == (2, 9, 7)
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=1e-6)
    assert (before[:, 5:] - after[:, 5:]).abs().max() > 1e-3


def test_saved_and_loaded_is_the_same(tmp_path):
    model = build_transformer(CONFIG, seed=3)
    save_transformer(model, CONFIG, tmp_path / "m.safetensors", metadata={"note": "hello"})
    again, config = load_transformer(str(tmp_path / "m.safetensors"))
    assert config == CONFIG
    assert not again.training
    torch.testing.assert_close(logits(again), logits(model.eval()), rtol=0, atol=0)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_half_precision_files_are_half_as_big_and_nearly_the_same(tmp_path):
    model = build_transformer(CONFIG, seed=3).eval()
    save_transformer(model, CONFIG, tmp_path / "full.safetensors")
    save_transformer(model, CONFIG, tmp_path / "half.safetensors", dtype=torch.float16)
    again, _ = load_transformer(tmp_path / "half.safetensors")
    assert all(parameter.dtype == torch.float32 for parameter in again.parameters())
    torch.testing.assert_close(logits(again), logits(model), rtol=0.02, atol=0.01)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.75 * sizes[0]


@pytest.mark.parametrize("length", [0, 5, 8, 200, -1])
def test_truncated_files_are_refused(tmp_path, length):
    path = tmp_path / "m.safetensors"
    save_transformer(build_transformer(CONFIG, seed=0), CONFIG, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="truncated or not a safetensors file"):
        load_transformer(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(FileNotFoundError, match="no model file at"):
        load_transformer(tmp_path / "none.safetensors")
    save_file({"w": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no transformer saved by fiducial"):
        load_transformer(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layers": 0}, "n_layers must be a positive integer, got 0"),
        ({"d_model": 16.0}, "d_model must be a positive integer"),
        ({"n_heads": 3}, "n_heads must divide d_model, got 3 and 16"),
    ],
)
def test_bad_shapes_are_refused(change, message):
    from dataclasses import asdict

    with pytest.raises(ValueError, match=message):
        TransformerConfig(**{**asdict(CONFIG), **change})
