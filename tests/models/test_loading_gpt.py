"""Published GPT formats against GPT-2 stated afresh, and everything that can be wrong with such files."""

import json
import pickle

import plain_gpt as plain
import pytest
import torch
from fiducial.games.othello import Othello
from fiducial.models.capture import model_activations
from fiducial.models.loading_gpt import load_model
from fiducial.models.transformers import TransformerConfig, build_transformer, load_transformer, save_transformer
from safetensors.torch import load_file, save_file

D, D_VOCAB, N_CTX, N_LAYERS = plain.D, plain.D_VOCAB, plain.N_CTX, plain.N_LAYERS
TOKENS = (torch.arange(3 * N_CTX).reshape(3, N_CTX) * 5) % D_VOCAB
MODEL_ARGS = {"n_layer": N_LAYERS, "n_head": plain.HEADS, "n_embd": D, "block_size": N_CTX, "vocab_size": D_VOCAB}
HF_CONFIG = {
    "model_type": "gpt2",
    "n_layer": N_LAYERS,
    "n_head": plain.HEADS,
    "n_embd": D,
    "n_positions": N_CTX,
    "vocab_size": D_VOCAB,
    "n_inner": None,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
}


def logits(model, tokens=TOKENS):
    with torch.no_grad():
        return model(tokens, return_type="logits")


def assert_computes(model, w, **how):
    """Logits and the stream after every block are the reference's."""
    expected, streams = plain.forward(w, TOKENS, **how)
    torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)
    for i, stream in enumerate(streams):
        got = model_activations(model, TOKENS, f"blocks.{i}.hook_out")
        torch.testing.assert_close(got, stream, rtol=1e-5, atol=1e-5)


def nanogpt(path, w, *, prefix="", bias=True, **more):
    state = plain.as_gpt2(w, transposed=False)
    if not bias:
        state = {key: value for key, value in state.items() if not key.endswith(".bias")}
    state = {prefix + key: value for key, value in state.items()}
    content = {"model": state, "model_args": {**MODEL_ARGS, "bias": bias, "dropout": 0.0}, "iter_num": 600_000, **more}
    torch.save(content, path)
    return path


def huggingface(folder, w, *, name="model.safetensors", drop=(), **config):
    folder.mkdir(exist_ok=True)
    state = {key: value for key, value in plain.as_gpt2(w, transposed=True).items() if key not in drop}
    save_file(state, folder / name, metadata={"format": "pt"}) if name.endswith("tensors") else torch.save(
        state, folder / name
    )
    (folder / "config.json").write_text(json.dumps(HF_CONFIG | config))
    return folder


@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
@pytest.mark.parametrize("bias", [True, False])
def test_nanogpt(tmp_path, prefix, bias):
    w = plain.weights(seed=1, bias=bias)
    best = torch.tensor(0.29)
    model, config = load_model(nanogpt(tmp_path / "ckpt.pt", w, prefix=prefix, bias=bias, best_val_loss=best))
    assert config == TransformerConfig(N_LAYERS, D, plain.HEADS, plain.D_MLP, N_CTX, D_VOCAB)
    assert not model.training
    assert_computes(model, w)
    same, _ = load_model(tmp_path)  # the folder that nanoGPT writes to
    torch.testing.assert_close(logits(same), logits(model), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_gpt2_folder(tmp_path, name):
    w = plain.weights(seed=2)
    folder = huggingface(tmp_path / "gpt", w, name=name)
    model, config = load_model(folder)
    assert config.act_fn == "gelu_new"
    assert_computes(model, w, tanh=True)
    assert (logits(model) - plain.forward(w, TOKENS)[0]).abs().max() > 1e-4  # the two activations can be told apart
    torch.testing.assert_close(logits(load_model(folder / name)[0]), logits(model), rtol=0, atol=0)


def test_gpt2_options(tmp_path):
    w = plain.weights(seed=3)
    exact = huggingface(tmp_path / "a", w, activation_function="gelu", layer_norm_epsilon=1e-2)
    assert_computes(load_model(exact)[0], w, eps=1e-2)
    tied = huggingface(tmp_path / "b", w, drop=["lm_head.weight"])  # safetensors leave a shared tensor out
    assert_computes(load_model(tied)[0], w, tanh=True)
    untied = huggingface(tmp_path / "c", w, drop=["lm_head.weight"], tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"lm_head.weight is missing"):
        load_model(untied)


def test_gpt2_as_transformers_saves_it(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    settings = GPT2Config(
        n_layer=2,
        n_head=4,
        n_embd=32,
        n_positions=11,
        vocab_size=13,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=0,
    )
    theirs = GPT2LMHeadModel(settings).eval()
    theirs.save_pretrained(tmp_path / "lm")
    theirs.transformer.save_pretrained(tmp_path / "bare")
    with torch.no_grad():
        expected = theirs(TOKENS).logits
    for name in ("lm", "bare"):
        torch.testing.assert_close(logits(load_model(tmp_path / name)[0]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_transformer_lens(tmp_path, fold, ending):
    w = plain.weights(seed=4)
    w["head.b"] = torch.linspace(-1, 1, D_VOCAB)
    w["head.w"] = w["head.w"] * 0.7  # never tied
    path = tmp_path / f"synthetic_model{ending}"
    state = plain.as_transformer_lens(w, fold=fold)
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    model, config = load_model(path)
    assert config.normalization == ("LNPre" if fold else "LN")
    assert_computes(model, w)


def test_transformer_lens_as_hooked_transformer_saves_it(tmp_path):
    lens = pytest.importorskip("transformer_lens")
    if not hasattr(lens, "HookedTransformer"):
        pytest.skip("this transformer_lens has no HookedTransformer any more")
    sizes = {"n_layers": 2, "d_model": 32, "n_heads": 4, "d_head": 8, "d_mlp": 128, "n_ctx": 11, "d_vocab": 13}
    for kind in ("LN", "LNPre"):
        with pytest.warns(DeprecationWarning, match="HookedTransformer"):
            theirs = lens.HookedTransformer(
                lens.HookedTransformerConfig(**sizes, act_fn="gelu", normalization_type=kind, seed=1)
            )
        for value in theirs.parameters():
            torch.nn.init.normal_(value, std=0.3)
        torch.save(theirs.state_dict(), tmp_path / f"{kind}.pth")
        with torch.no_grad():
            expected = theirs(TOKENS)
        model, _ = load_model(tmp_path / f"{kind}.pth")
        torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)


def test_transformer_lens_config_beside_it_must_agree(tmp_path):
    w = plain.weights(seed=4)
    torch.save({"state_dict": plain.as_transformer_lens(w, fold=True)}, tmp_path / "m.pth")
    (tmp_path / "config.json").write_text(
        json.dumps({"act_fn": "gelu_new", "normalization_type": "LNPre", "n_ctx": N_CTX})
    )
    model, config = load_model(tmp_path / "m.pth")
    assert config.act_fn == "gelu_new"
    assert_computes(model, w, tanh=True)
    for key, value in (("n_heads", 2), ("attn_only", True), ("act_fn", "solu_ln"), ("normalization_type", "LN")):
        (tmp_path / "config.json").write_text(json.dumps({key: value}))
        with pytest.raises(ValueError, match=f"{key}|activation"):
            load_model(tmp_path / "m.pth")


@pytest.mark.parametrize("normalization", ["LN", "LNPre"])
def test_what_was_loaded_can_be_saved_as_ours(tmp_path, normalization):
    w = plain.weights(seed=5)
    torch.save(plain.as_transformer_lens(w, fold=normalization == "LNPre"), tmp_path / "m.pth")
    model, config = load_model(tmp_path / "m.pth")
    save_transformer(model, config, tmp_path / "ours.safetensors")
    again, same = load_model(tmp_path / "ours.safetensors")
    assert same == config
    torch.testing.assert_close(logits(again), logits(model), rtol=0, atol=0)
    with pytest.raises(ValueError, match="of kind 'fiducial', not 'gpt2'"):
        load_model(tmp_path / "ours.safetensors", kind="gpt2")


def test_files_from_before_there_was_a_choice_still_load(tmp_path):
    config = TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_mlp=16, n_ctx=5, d_vocab=6)
    assert sorted(config.to_dict()) == ["d_mlp", "d_model", "d_vocab", "n_ctx", "n_heads", "n_layers"]
    save_transformer(build_transformer(config, 0), config, tmp_path / "m.safetensors")
    assert load_transformer(tmp_path / "m.safetensors")[1] == config


@pytest.mark.parametrize(
    ("change", "message"),
    [({"act_fn": "tanh"}, "act_fn must be one of gelu"), ({"normalization": "RMS"}, "LNPre"), ({"eps": 0}, "eps must")],
)
def test_bad_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(1, 8, 2, 16, 5, 6, **change)


# --- what can be wrong ---


def test_missing_left_over_and_misshapen_weights(tmp_path):
    state = plain.as_gpt2(plain.weights(), transposed=False)
    key = "transformer.h.1.mlp.c_proj.weight"
    cases = {
        f"{key} is missing": {k: v for k, v in state.items() if k != key},
        "no place for transformer.h.2.ln_1.weight": state | {"transformer.h.2.ln_1.weight": torch.ones(D)},
        rf"{key} has shape \[3, 3\]": state | {key: torch.zeros(3, 3)},
        f"{key} must be a floating tensor": state | {key: torch.zeros(3, 3, dtype=torch.int64)},
        f"{key} holds a NaN": state | {key: state[key] * float("nan")},
        "tied in this format, but differ": state | {"lm_head.weight": state["lm_head.weight"] + 1},
    }
    for message, changed in cases.items():
        torch.save({"model": changed, "model_args": MODEL_ARGS}, tmp_path / "ckpt.pt")
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "ckpt.pt")


def test_weights_the_other_way_round_are_noticed(tmp_path):
    """Mutation check: [in, out] for [out, in] has another shape wherever the two differ."""
    state = plain.as_gpt2(plain.weights(), transposed=True)
    torch.save({"model": state, "model_args": MODEL_ARGS}, tmp_path / "ckpt.pt")
    with pytest.raises(ValueError, match=r"c_attn.weight has shape \[32, 96\]"):
        load_model(tmp_path / "ckpt.pt")


def test_the_reference_would_notice_a_square_matrix_the_wrong_way_round(tmp_path):
    """Mutation check: the output projection is square, so only the logits can tell."""
    w = plain.weights(seed=6)
    w["0.o.w"] = w["0.o.w"].T
    model, _ = load_model(nanogpt(tmp_path / "ckpt.pt", w))
    w["0.o.w"] = w["0.o.w"].T
    assert (logits(model) - plain.forward(w, TOKENS)[0]).abs().max() > 1e-2


def test_model_args_that_do_not_fit(tmp_path):
    state = plain.as_gpt2(plain.weights(), transposed=False)
    for change, message in (
        ({"n_layer": 3}, "transformer.h.2.ln_1.weight is missing"),
        ({"n_layer": 1}, "no place for transformer.h.1"),
        ({"n_embd": 64}, "the sizes of the model say"),
        ({"n_head": 5}, "n_heads must divide d_model"),
        ({"block_size": "11"}, "block_size must be a positive integer"),
        ({"bias": False}, "no place for transformer.h.0.attn.c_attn.bias"),
    ):
        torch.save({"model": state, "model_args": MODEL_ARGS | change}, tmp_path / "ckpt.pt")
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "ckpt.pt")
    torch.save({"model": state}, tmp_path / "ckpt.pt")
    with pytest.raises(ValueError, match="holds model and model_args"):
        load_model(tmp_path / "ckpt.pt")
    torch.save({f"_orig_mod.{key}": value for key, value in state.items()}, tmp_path / "ckpt.pt")
    with pytest.raises(ValueError, match="nanoGPT without model_args"):
        load_model(tmp_path / "ckpt.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "expected model_type 'gpt2', got 'llama'"),
        ({"activation_function": "swish"}, "activation 'swish' is not supported"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True is not supported"),
        ({"n_inner": 64}, r"c_fc.weight has shape \[32, 128\]"),
        ({"n_positions": None}, "n_positions must be a positive integer"),
    ],
)
def test_gpt2_configs_that_mean_something_else(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load_model(huggingface(tmp_path / "gpt", plain.weights(), **change))


def test_gpt2_without_config(tmp_path):
    folder = huggingface(tmp_path / "gpt", plain.weights())
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no config.json lies beside it"):
        load_model(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        load_model(folder)


def test_transformer_lens_weights_that_are_something_else(tmp_path):
    state = plain.as_transformer_lens(plain.weights(), fold=False)
    rms = {key: value for key, value in state.items() if not key.endswith(("ln1.b", "ln2.b", "ln_final.b"))}
    odd = {key: value[..., :4] if key.endswith(("W_Q", "b_Q")) else value for key, value in state.items()}
    half = {key: value for key, value in state.items() if key != "blocks.0.ln1.w"}
    for changed, message in (
        (rms, r"blocks.0.ln1.b is missing"),
        (odd, "4 heads of width 4 do not make up d_model 32"),
        (half, "no place for blocks.0.ln1.b"),
        ({"embed.W_E": state["embed.W_E"]}, r"blocks.0.attn.W_Q is missing"),
    ):
        torch.save(changed, tmp_path / "m.pth")
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "m.pth")


class Payload:
    def __reduce__(self):
        return (print, ("this code ran",))


@pytest.mark.parametrize("content", [Payload(), {"model": Payload(), "model_args": MODEL_ARGS}])
def test_code_in_a_pickle_is_refused_in_one_line(tmp_path, content, capsys):
    torch.save(content, tmp_path / "ckpt.pt")
    with pytest.raises(ValueError, match="more than tensors and plain values") as caught:
        load_model(tmp_path / "ckpt.pt")
    assert "\n" not in str(caught.value)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"more than tensors|damaged"):
        load_model(tmp_path / "plain.pt")
    assert "this code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 10, 1000, -1])
def test_truncated_files(tmp_path, length):
    for path in (
        nanogpt(tmp_path / "ckpt.pt", plain.weights()),
        huggingface(tmp_path / "gpt", plain.weights()) / "model.safetensors",
    ):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(ValueError, match=r"damaged|truncated"):
            load_model(path)


def test_places_without_a_model(tmp_path):
    for name in (tmp_path / "none.pt", "none", "./a/b"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            load_model(name)
    with pytest.raises(FileNotFoundError, match=r"holds no weights.*nothing"):
        load_model(tmp_path)
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="not a model of a kind that is known"):
        load_model(tmp_path)
    torch.save({}, tmp_path / "y.pth")
    with pytest.raises(ValueError, match=r"several files of weights, name one: x.pt, y.pth"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ValueError, match="split over several files"):
        load_model(tmp_path)


def test_kinds(tmp_path):
    path = nanogpt(tmp_path / "ckpt.pt", plain.weights())
    load_model(path, kind="nanogpt")
    with pytest.raises(ValueError, match="of kind 'nanogpt', not 'gpt2'"):
        load_model(path, kind="gpt2")
    with pytest.raises(ValueError, match="did you mean 'nanogpt'"):
        load_model(path, kind="nanogtp")


def test_models_of_another_game_are_refused(tmp_path):
    game = Othello(4)  # 13 tokens, 11 positions
    path = nanogpt(tmp_path / "ckpt.pt", plain.weights())
    load_model(path, game=game)
    with pytest.raises(ValueError, match="knows 13 tokens, othello-6x6 has 33"):
        load_model(path, game=Othello(6))
    short = plain.weights()
    short["wpe"] = short["wpe"][:5]
    state = plain.as_gpt2(short, transposed=False)
    torch.save({"model": state, "model_args": MODEL_ARGS | {"block_size": 5}}, path)
    with pytest.raises(ValueError, match="reads 5 tokens, a transcript of othello-4x4 has 11"):
        load_model(path, game=game)


# --- the hub ---


def test_offline_is_one_clear_error():
    with pytest.raises(ConnectionError, match=r"someone/some-model: .*not in the local cache") as caught:
        load_model("someone/some-model")
    assert "\n" not in str(caught.value)


class Hub:
    """A hub in a folder: repository names are folders."""

    def __init__(self, root, monkeypatch):
        import huggingface_hub

        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda _self, name: self.files(name))
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)
        self.root, self.downloaded = root, []

    def files(self, name):
        return [
            path.relative_to(self.root / name).as_posix() for path in (self.root / name).rglob("*") if path.is_file()
        ]

    def download(self, name, file):
        self.downloaded.append(file)
        return str(self.root / name / file)


def test_names_on_the_hub(tmp_path, monkeypatch):
    w = plain.weights(seed=7)
    (tmp_path / "someone").mkdir()
    folder = huggingface(tmp_path / "someone" / "gpt2-one", w)
    (folder / "training.bin").write_bytes(b"other")
    hub = Hub(tmp_path, monkeypatch)
    assert_computes(load_model("someone/gpt2-one")[0], w, tanh=True)
    assert hub.downloaded == ["config.json", "model.safetensors"]

    lens = tmp_path / "someone" / "lens"
    lens.mkdir()
    torch.save(plain.as_transformer_lens(w, fold=True), lens / "synthetic_model.pth")
    assert_computes(load_model("someone/lens")[0], w)
    torch.save({}, lens / "championship_model.pth")
    with pytest.raises(ValueError, match=r"name one, such as someone/lens/championship_model.pth"):
        load_model("someone/lens")
    assert_computes(load_model("someone/lens/synthetic_model.pth")[0], w)

    (tmp_path / "someone" / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        load_model("someone/empty")


def test_the_saved_shape_of_a_published_model_is_kept(tmp_path):
    """What was converted has exactly the weights of our own format."""
    model, config = load_model(nanogpt(tmp_path / "ckpt.pt", plain.weights()))
    save_transformer(model, config, tmp_path / "m.safetensors")
    ours = {key: value.shape for key, value in build_transformer(config, 0).state_dict().items()}
    assert {key: value.shape for key, value in load_file(tmp_path / "m.safetensors").items()} == ours
