"""Every format that `load_dictionary` reads, against the equations of its own code stated afresh; and damaged files."""

import json
import os
import pickle

import pytest
import torch
from fiducial.models.loading import load_dictionary
from fiducial.models.sae_dictionary import SAEDictionary, save_sae
from safetensors.torch import load_file, save_file

D, L, N = 6, 10, 50


def tensors(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


X = tensors((N, D), seed=99)[0]


# --- dictionary_learning: state dicts by hand, and what each class computes, written with loops and plain matmuls ---


def auto_encoder():
    enc, e, dec, b = tensors((L, D), (L,), (D, L), (D,))
    state = {"bias": b, "encoder.weight": enc, "encoder.bias": e, "decoder.weight": dec}
    norms = dec.norm(dim=0)  # its loader rescales the decoder to unit norm
    latents = torch.clamp((X - b) @ enc.T + e, min=0) * norms
    return state, {}, latents, latents @ (dec / norms).T + b


def auto_encoder_new():
    enc, e, dec, b = tensors((L, D), (L,), (D, L), (D,), seed=1)
    state = {"encoder.weight": enc, "encoder.bias": e, "decoder.weight": dec, "decoder.bias": b}
    latents = torch.clamp(X @ enc.T + e, min=0)
    return state, {}, latents, latents @ dec.T + b


def gated():
    enc, dec, b, r, gate, mag = tensors((L, D), (D, L), (D,), (L,), (L,), (L,), seed=2)
    state = {"decoder_bias": b, "encoder.weight": enc, "r_mag": r, "gate_bias": gate, "mag_bias": mag}
    state["decoder.weight"] = dec
    z = (X - b) @ enc.T
    latents = torch.where(z + gate > 0, torch.clamp(torch.exp(r) * z + mag, min=0), torch.zeros(()))
    return state, {}, latents, latents @ dec.T + b


def topk():
    enc, e, dec, b = tensors((L, D), (L,), (D, L), (D,), seed=3)
    state = {"encoder.weight": enc, "encoder.bias": e, "decoder.weight": dec, "b_dec": b}
    state |= {"k": torch.tensor(3), "threshold": torch.tensor(0.7)}
    full = torch.clamp((X - b) @ enc.T + e, min=0)
    latents = torch.zeros_like(full)
    for n in range(N):
        for i in sorted(range(L), key=lambda i: -full[n, i])[:3]:
            latents[n, i] = full[n, i]
    return state, {"k": 3}, latents, latents @ dec.T + b


def batch_topk():
    state, trainer, _, _ = topk()
    enc, e, dec, b = state["encoder.weight"], state["encoder.bias"], state["decoder.weight"], state["b_dec"]
    full = torch.clamp((X - b) @ enc.T + e, min=0)
    latents = full * (full > 0.7)
    return state, trainer, latents, latents @ dec.T + b


def matryoshka():
    enc, e, dec, b = tensors((D, L), (L,), (L, D), (D,), seed=4)
    state = {"W_enc": enc, "b_enc": e, "W_dec": dec, "b_dec": b, "k": torch.tensor(3), "threshold": torch.tensor(0.4)}
    state["group_sizes"] = torch.tensor([4, 6])
    full = torch.clamp((X - b) @ enc + e, min=0)
    latents = full * (full > 0.4)
    return state, {"k": 3}, latents, latents @ dec + b


def jump_relu():
    enc, e, dec, b, t = tensors((D, L), (L,), (L, D), (D,), (L,), seed=5)
    state = {"W_enc": enc, "b_enc": e, "W_dec": dec, "b_dec": b, "threshold": t.abs()}
    pre = X @ enc + e  # b_dec is not subtracted
    latents = torch.clamp(pre * (pre > t.abs()), min=0)
    return state, {}, latents, latents @ dec + b


CLASSES = {
    "AutoEncoder": auto_encoder,
    "AutoEncoderNew": auto_encoder_new,
    "GatedAutoEncoder": gated,
    "AutoEncoderTopK": topk,
    "BatchTopKSAE": batch_topk,
    "MatryoshkaBatchTopKSAE": matryoshka,
    "JumpReluAutoEncoder": jump_relu,
}


def write_dictionary_learning(folder, dict_class, state, trainer):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "ae.pt")
    config = {
        "dict_class": dict_class,
        "activation_dim": D,
        "dict_size": L,
        "layer": 5,
        "lm_name": "a model",
        **trainer,
    }
    (folder / "config.json").write_text(json.dumps({"trainer": config, "buffer": {"ctx_len": 59}}))
    return folder


@pytest.mark.parametrize("dict_class", CLASSES)
def test_dictionary_learning_classes_compute_their_published_equations(tmp_path, dict_class):
    state, trainer, latents, output = CLASSES[dict_class]()
    dictionary = load_dictionary(write_dictionary_learning(tmp_path / "some_sae", dict_class, state, trainer))
    torch.testing.assert_close(dictionary.encode(X), latents, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dictionary.decode(latents), output, rtol=1e-5, atol=1e-5)
    assert dictionary.name == "some_sae"
    assert dictionary.sae.cfg.metadata.model_name == "a model"
    assert dictionary.architecture == dict_class
    # the same through sae_lens's own format
    again = load_dictionary(save_sae(dictionary, tmp_path / "again"))
    assert torch.equal(again.encode(X), dictionary.encode(X))


def test_the_oracle_would_notice_a_wrong_bias(tmp_path):
    """Mutation check: swap which classes subtract the decoder bias, and the comparison above must fail."""
    state, trainer, latents, _ = batch_topk()
    dictionary = load_dictionary(write_dictionary_learning(tmp_path / "x", "BatchTopKSAE", state, trainer))
    dictionary.sae.cfg.apply_b_dec_to_input = False
    assert not torch.allclose(dictionary.encode(X), latents, rtol=1e-5, atol=1e-5)


def test_identity_dict_has_signed_coordinates(tmp_path):
    dictionary = load_dictionary(write_dictionary_learning(tmp_path / "i", "IdentityDict", {}, {}))
    assert torch.equal(dictionary.encode(X), X)
    assert torch.equal(dictionary.decode(X), X)
    assert dictionary.name == "i"


def test_full_class_paths_and_file_paths_are_read_too(tmp_path):
    state, trainer, latents, _ = auto_encoder_new()
    folder = write_dictionary_learning(tmp_path / "x", "dictionary_learning.dictionary.AutoEncoderNew", state, trainer)
    torch.testing.assert_close(load_dictionary(folder / "ae.pt").encode(X), latents)


# --- openai and bare safetensors ---


def test_openai_relu_and_topk(tmp_path):
    enc, e, dec, b = tensors((L, D), (L,), (D, L), (D,), seed=7)
    state = {"pre_bias": b, "encoder.weight": enc, "latent_bias": e, "decoder.weight": dec}
    state["stats_last_nonzero"] = torch.zeros(L, dtype=torch.long)
    torch.save(state | {"activation": "ReLU"}, tmp_path / "relu.pt")
    relu = load_dictionary(tmp_path / "relu.pt")
    latents = torch.clamp((X - b) @ enc.T + e, min=0)
    torch.testing.assert_close(relu.encode(X), latents)
    torch.testing.assert_close(relu.decode(latents), latents @ dec.T + b)

    torch.save(
        state | {"activation": "TopK", "activation_state_dict": {"k": 2, "postact_fn": "ReLU"}}, tmp_path / "t.pt"
    )
    dictionary = load_dictionary(tmp_path / "t.pt")
    mean, std = X.mean(1, keepdim=True), X.std(1, keepdim=True)  # these files normalise every row, and undo it
    pre = ((X - mean) / (std + 1e-5) - b) @ enc.T + e
    latents = torch.zeros_like(pre)
    for n in range(N):
        for i in pre[n].argsort(descending=True)[:2]:
            latents[n, i] = max(pre[n, i], 0)
    torch.testing.assert_close(dictionary.encode(X), latents, rtol=1e-5, atol=1e-5)
    expected = (latents @ dec.T + b) * std + mean
    torch.testing.assert_close(dictionary.decode(latents), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dictionary.decode(latents), expected, rtol=1e-5, atol=1e-5)  # and once more
    with pytest.raises(ValueError, match="needs the rows that were encoded last: got 3 rows after encoding 50"):
        dictionary.decode(latents[:3])
    torch.save(state | {"activation": "Tanh"}, tmp_path / "tanh.pt")
    with pytest.raises(ValueError, match="activation must be 'ReLU' or 'TopK'"):
        load_dictionary(tmp_path / "tanh.pt")


def test_bare_safetensors(tmp_path):
    enc, e, dec, b, t = tensors((D, L), (L,), (L, D), (D,), (L,), seed=8)
    weights = {"W_enc": enc, "b_enc": e, "W_dec": dec, "b_dec": b}
    save_file(weights, tmp_path / "relu.safetensors")
    relu = torch.clamp((X - b) @ enc + e, min=0)
    torch.testing.assert_close(load_dictionary(tmp_path / "relu.safetensors").encode(X), relu)
    save_file(weights | {"threshold": t.abs()}, tmp_path / "jump.safetensors")
    pre = X @ enc + e
    torch.testing.assert_close(load_dictionary(tmp_path / "jump.safetensors").encode(X), pre * (pre > t.abs()))
    save_file(weights, tmp_path / "k.safetensors", {"k": "1", "apply_b_dec_to_input": "False"})
    best = torch.zeros_like(pre).scatter(1, pre.argmax(1, keepdim=True), pre.amax(1, keepdim=True).clamp(min=0))
    torch.testing.assert_close(load_dictionary(tmp_path / "k.safetensors").encode(X), best)

    save_file(weights | {"W_enc": enc.T.contiguous()}, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match=r"W_enc must be \[6, 10\] by its biases, got \[10, 6\]; it is transposed"):
        load_dictionary(tmp_path / "bad.safetensors")
    save_file({"W_enc": enc}, tmp_path / "few.safetensors")
    with pytest.raises(ValueError, match="missing b_enc, W_dec, b_dec; it holds W_enc"):
        load_dictionary(tmp_path / "few.safetensors")
    save_file(weights, tmp_path / "k0.safetensors", {"k": "0"})
    with pytest.raises(ValueError, match="header k must be 1 to 10"):
        load_dictionary(tmp_path / "k0.safetensors")


# --- sae_lens folders ---


def sae_lens_sae(architecture="standard", **fields):
    from sae_lens import SAE

    sae = SAE.from_dict({"architecture": architecture, "d_in": D, "d_sae": L, **fields})
    generator = torch.Generator().manual_seed(3)
    for value in sae.parameters():
        value.data = torch.randn(value.shape, generator=generator).abs() if value.ndim == 1 else value.data
        value.data += 0.3 * torch.randn(value.shape, generator=generator)
    return sae


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("standard", {}),
        ("gated", {}),
        ("topk", {"k": 3}),
        ("topk", {"k": 3, "rescale_acts_by_decoder_norm": True}),
        ("jumprelu", {}),
        ("abstopk", {"k": 3}),
        ("standard", {"normalize_activations": "layer_norm"}),
        ("standard", {"normalize_activations": "constant_norm_rescale"}),
        ("standard", {"apply_b_dec_to_input": False}),
    ],
)
def test_a_saved_folder_is_the_same_sae_as_in_memory(tmp_path, architecture, fields):
    sae = sae_lens_sae(architecture, **fields)
    sae.save_model(tmp_path / "saved")
    memory, disk = SAEDictionary(sae), load_dictionary(tmp_path / "saved")
    latents = memory.encode(X)
    assert torch.equal(disk.encode(X), latents)
    with torch.no_grad():
        expected = sae(X)
    torch.testing.assert_close(disk.decode(latents), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(memory.decode(latents), expected, rtol=1e-5, atol=1e-5)
    assert disk.signed == (architecture == "abstopk") == bool((latents < 0).any())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_size_folders_compute_in_float32(tmp_path, dtype):
    from sae_lens import SAE

    dictionary = SAEDictionary(sae_lens_sae())
    folder = save_sae(dictionary, tmp_path / "half", dtype=dtype)
    again = load_dictionary(folder)
    assert {value.dtype for value in load_file(folder / "sae_weights.safetensors").values()} == {getattr(torch, dtype)}
    assert again.encode(X).dtype == torch.float32
    torch.testing.assert_close(again.encode(X), dictionary.encode(X), rtol=0.02, atol=0.1)
    plain = SAE.load_from_disk(folder)
    assert plain.dtype == getattr(torch, dtype)
    assert sorted(os.listdir(folder.parent)) == ["half"]


def test_hook_z_saes_take_flat_activations():
    dictionary = SAEDictionary(
        sae_lens_sae(reshape_activations="hook_z", metadata={"hook_name": "blocks.0.attn.hook_z"})
    )
    assert dictionary.decode(dictionary.encode(X)).shape == (N, D)


def test_the_callers_sae_is_left_alone():
    sae = sae_lens_sae("topk", k=3).train()
    before = {key: value.clone() for key, value in sae.state_dict().items()}
    dictionary = SAEDictionary(sae)
    assert sae.training
    assert sae.W_enc.requires_grad
    assert all(torch.equal(before[key], value) for key, value in sae.state_dict().items())
    assert not dictionary.sae.training
    assert not dictionary.encode(X).requires_grad


def test_training_objects_are_scored_through_their_inference_class(tmp_path):
    from sae_lens import TrainingSAE

    torch.manual_seed(0)
    sae = TrainingSAE.from_dict({"architecture": "batchtopk", "d_in": D, "d_sae": L, "k": 2.0})
    sae.topk_threshold.fill_(0.02)
    before = sae.W_dec.detach().clone()
    memory = SAEDictionary(sae)
    assert memory.sae.cfg.architecture() == "jumprelu"
    assert memory.architecture == "batchtopk"
    assert torch.equal(sae.W_dec, before)
    assert torch.equal(memory.encode(X[:1]), memory.encode(X)[:1])
    sae.save_model(tmp_path / "checkpoint")  # a training checkpoint, read back
    assert torch.equal(load_dictionary(tmp_path / "checkpoint").encode(X), memory.encode(X))


def test_what_is_not_a_dictionary_is_refused():
    from sae_lens import SAE

    with pytest.raises(TypeError, match="must be a sae_lens SAE, got Linear"):
        SAEDictionary(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="does not rebuild the activation it reads"):
        SAEDictionary(
            SAE.from_dict(
                {"architecture": "transcoder", "d_in": D, "d_sae": L, "d_out": D, "apply_b_dec_to_input": False}
            )
        )
    broken = sae_lens_sae()
    broken.W_enc.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="weight W_enc of this standard SAE holds NaN"):
        SAEDictionary(broken)
    with pytest.warns(UserWarning, match="statistics are not in its file"):
        SAEDictionary(sae_lens_sae(normalize_activations="expected_average_only_in"))


def test_saving_refuses_what_it_would_spoil(tmp_path):
    dictionary = SAEDictionary(sae_lens_sae())
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files \(notes.txt\)"):
        save_sae(dictionary, tmp_path)
    with pytest.raises(ValueError, match="dtype must be float32, float16 or bfloat16, got 'int8'"):
        save_sae(dictionary, tmp_path / "x", dtype="int8")
    dictionary.sae.W_enc[0, 0] = 1e30
    with pytest.raises(ValueError, match="weight W_enc does not fit in float16"):
        save_sae(dictionary, tmp_path / "x", dtype="float16")
    assert sorted(os.listdir(tmp_path)) == ["notes.txt"]


# --- everything that can be wrong with a file ---


@pytest.fixture
def folder(tmp_path):
    sae_lens_sae().save_model(tmp_path / "sae")
    return tmp_path / "sae"


def edit(folder, **changes):
    config = json.loads((folder / "cfg.json").read_text()) | changes
    (folder / "cfg.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def damage(folder, how):
    weights = folder / "sae_weights.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-20])
    elif how == "empty":
        weights.write_bytes(b"")
    elif how == "foreign":
        weights.write_text("hello, I am a text file")
    elif how == "not json":
        (folder / "cfg.json").write_text('{"d_in": 6,')
    elif how == "a list":
        (folder / "cfg.json").write_text("[1]")
    elif how == "key missing":
        save_file({k: v for k, v in load_file(weights).items() if k != "b_enc"}, weights)
    elif how == "key too many":
        save_file(load_file(weights) | {"extra": torch.zeros(1)}, weights)
    elif how == "nan":
        save_file(load_file(weights) | {"b_enc": torch.full((L,), float("nan"))}, weights)
    elif how == "no weights":
        weights.unlink()
    elif how == "no config":
        (folder / "cfg.json").unlink()
    else:
        edit(folder, **json.loads(how))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("truncated", ValueError, "is truncated or not a safetensors file"),
        ("empty", ValueError, "is truncated or not a safetensors file"),
        ("foreign", ValueError, "is truncated or not a safetensors file"),
        ("not json", ValueError, "cfg.json is not JSON"),
        ("a list", ValueError, "must hold a JSON object, got list"),
        ("key missing", ValueError, "b_enc"),
        ("key too many", ValueError, "extra"),
        ("nan", ValueError, "weight b_enc of this standard SAE holds NaN"),
        (
            "no weights",
            FileNotFoundError,
            r"looks like a sae_lens folder \(cfg.json\), but sae_weights.safetensors is mis",
        ),
        ("no config", FileNotFoundError, "but cfg.json is missing"),
        ('{"architecture": "sparkle"}', ValueError, "unknown architecture 'sparkle'"),
        ('{"architecture": "transcoder", "d_out": 6}', ValueError, "not a whole sae_lens dictionary"),
        ('{"d_sae": 11}', ValueError, r"has shape \[.*\], but the sizes in cfg.json say"),
        ('{"d_in": 7}', ValueError, "the sizes in cfg.json say"),
        ('{"d_in": "6"}', ValueError, "d_in and d_sae must be positive integers"),
        ('{"normalize_activations": "sometimes"}', ValueError, "normalize_activations"),
    ],
)
def test_damaged_sae_lens_folders_say_what_is_wrong(folder, how, error, message):
    damage(folder, how)
    with pytest.raises(error, match=message):
        load_dictionary(folder)


def test_dictionary_learning_folders_that_contradict_themselves(tmp_path):
    state, trainer, _, _ = batch_topk()
    cases = [
        ("BatchTopKSea", state, {}, "unknown dict_class 'BatchTopKSea'.*did you mean 'BatchTopKSAE'"),
        ("BatchTopKSAE", state | {"threshold": torch.tensor(-1.0)}, {}, "threshold is -1.0, so it was never set"),
        ("BatchTopKSAE", state | {"threshold": torch.zeros(L)}, {}, r"threshold must be one number, got shape \[10\]"),
        ("BatchTopKSAE", state, {"dict_size": 11}, "but config.json says dict_size 11"),
        ("BatchTopKSAE", state, {"activation_dim": 7}, "but config.json says activation_dim 7"),
        ("BatchTopKSAE", state | {"b_dec": torch.zeros(7)}, {}, r"b_dec has shape \[7\]"),
        ("BatchTopKSAE", state | {"encoder.bias": "x"}, {}, "encoder.bias must be a floating tensor"),
        ("AutoEncoderTopK", state | {"k": torch.tensor(11)}, {}, "k must be between 1 and 10, got 11"),
        ("GatedAutoEncoder", state, {}, "missing gate_bias, mag_bias, r_mag, decoder_bias; it holds b_dec"),
        ("IdentityDict", {}, {"activation_dim": None}, "activation_dim must be a positive integer"),
    ]
    for i, (dict_class, weights, changes, message) in enumerate(cases):
        folder = write_dictionary_learning(tmp_path / str(i), dict_class, weights, trainer | changes)
        with pytest.raises(ValueError, match=message):
            load_dictionary(folder)
    folder = write_dictionary_learning(tmp_path / "x", "BatchTopKSAE", state, trainer)
    (folder / "config.json").write_text('{"trainer": {}}')
    with pytest.raises(ValueError, match=r"expected the class of the dictionary at trainer.dict_class"):
        load_dictionary(folder)
    (folder / "ae.pt").write_bytes((folder / "ae.pt").read_bytes()[:300])
    (folder / "config.json").write_text('{"trainer": {"dict_class": "BatchTopKSAE"}}')
    with pytest.raises(ValueError, match=r"ae.pt is damaged or not a torch file"):
        load_dictionary(folder)
    torch.save([1, 2], folder / "ae.pt")
    with pytest.raises(ValueError, match="must hold a state dict, got list"):
        load_dictionary(folder)
    (folder / "ae.pt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"looks like a dictionary_learning folder \(config.json\), but ae.pt is"
    ):
        load_dictionary(folder)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, writer):
    state, trainer, _, _ = batch_topk()
    folder = write_dictionary_learning(tmp_path / "x", "BatchTopKSAE", state, trainer)
    content = state | {"surprise": Bomb(tmp_path / "exploded")}
    if writer == "torch":
        torch.save(content, folder / "ae.pt")
    else:
        (folder / "ae.pt").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match="was not loaded: loading it could run code"):
        load_dictionary(folder)
    assert not (tmp_path / "exploded").exists()
    torch.load(folder / "ae.pt", weights_only=False) if writer == "torch" else pickle.loads(
        (folder / "ae.pt").read_bytes()
    )
    assert (tmp_path / "exploded").exists()  # the bomb was real


def test_where_to_look(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="nothing-here does not exist"):
        load_dictionary("nothing-here")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_dictionary(tmp_path / "nothing" / "here")
    with pytest.raises(FileNotFoundError, match="sae_lens lists no release 'nothing'"):
        load_dictionary("nothing/here")
    with pytest.raises(ValueError, match=r"release 'gpt2-small-res-jb' has no SAE 'here'; it has blocks.0"):
        load_dictionary("gpt2-small-res-jb/here")
    with pytest.raises(ValueError, match=r"unknown kind 'sae-lens', expected one of .*did you mean sae_lens"):
        load_dictionary(tmp_path, "sae-lens")
    with pytest.raises(ValueError, match=r"is not a dictionary folder: .* found nothing"):
        load_dictionary(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot guess the kind of a .npz file"):
        load_dictionary(tmp_path / "weights.npz")
    with pytest.raises(ValueError, match=r"is one file, .* is a folder"):
        load_dictionary(tmp_path, "openai")
    state, trainer, _, _ = topk()
    folder = write_dictionary_learning(tmp_path / "both", "AutoEncoderTopK", state, trainer)
    sae_lens_sae().save_model(folder)
    with pytest.raises(ValueError, match="holds both a sae_lens and a dictionary_learning dictionary; give kind"):
        load_dictionary(folder)
    assert load_dictionary(folder, "dictionary_learning").architecture == "AutoEncoderTopK"
    assert load_dictionary(folder, "sae_lens").architecture == "standard"
    assert load_dictionary(folder / "cfg.json", name="mine").name == "mine"


def test_a_release_without_network_is_one_clear_error(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="not in the local cache, and the Hugging Face hub cannot be reached"):
        load_dictionary("gpt2-small-res-jb/blocks.3.hook_resid_pre")


def test_a_slip_in_a_path_is_not_a_release(tmp_path):
    (tmp_path / "switch").mkdir()
    with pytest.raises(FileNotFoundError, match=r"swich does not exist; did you mean .*switch\?"):
        load_dictionary(tmp_path / "swich")
