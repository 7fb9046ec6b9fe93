"""Sparse encoding: equal to the dense latents, whatever rows and latents are cut into."""

import copy

import numpy as np
import pytest
import torch
from fiducial.models.controls import LinearDictionary, PermutedDictionary, identity_dictionary, random_dictionary
from fiducial.models.devices import checked_device, device_of, encoded, on_device, rebuilt
from fiducial.models.dictionary import Codes, encode_in_batches
from fiducial.models.encoders import linear_encoder
from fiducial.models.encoding import compact, encode_sparse, encoded_batches
from fiducial.models.sae_dictionary import SAEDictionary
from fiducial.models.training import ARCHITECTURES, train_sae
from hypothesis import given, settings
from hypothesis import strategies as st
from other_device import OtherDevice, move_module

D, L, K = 12, 37, 5
GENERATOR = torch.Generator().manual_seed(1)
X = torch.randn(203, D, generator=GENERATOR) @ torch.randn(D, D, generator=GENERATOR) + 1.0
NOT_CUT = ("switch", "matching_pursuit", "temporal")  # a router, or steps that follow each other


def sae(architecture, n_latents=L, **fields):
    from sae_lens import SAE

    made = SAE.from_dict({"architecture": architecture, "d_in": D, "d_sae": n_latents, **fields})
    generator = torch.Generator().manual_seed(3)
    for value in made.parameters():
        value.data = value.data + 0.3 * torch.randn(value.shape, generator=generator)
    return SAEDictionary(made)


KNOWN = {
    "standard": lambda: sae("standard"),
    "no decoder bias": lambda: sae("standard", apply_b_dec_to_input=False),
    "gated": lambda: sae("gated"),
    "topk": lambda: sae("topk", k=K),
    "topk of all": lambda: sae("topk", k=L),
    "topk, rescaled": lambda: sae("topk", k=K, rescale_acts_by_decoder_norm=True),
    "jumprelu": lambda: sae("jumprelu"),
    "abstopk": lambda: sae("abstopk", k=K),
    "layer norm": lambda: sae("standard", normalize_activations="layer_norm"),
    "constant norm": lambda: sae("topk", k=K, normalize_activations="constant_norm_rescale"),
    "random": lambda: random_dictionary(X, L, K),
    "identity": lambda: identity_dictionary(D),
    "identity, signed": lambda: identity_dictionary(D, split=False),
}


def assert_same_latents(codes, dense):
    """Latents equal to float32 rounding; none may lie near a threshold in these cases."""
    assert codes.n_latents == dense.shape[1]
    np.testing.assert_allclose(codes.to_dense(), dense.numpy(), rtol=2e-5, atol=2e-5)
    for start, stop in zip(codes.indptr[:-1], codes.indptr[1:], strict=True):
        assert (np.diff(codes.indices[start:stop]) > 0).all()


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("elements", [1, 50, 7 * 11, 256 * 5, 1 << 24])
def test_cut_by_latents_it_equals_the_dictionary(kind, elements):
    dictionary = KNOWN[kind]()
    x = X[:31] if elements == 1 else X
    assert linear_encoder(dictionary) is not None
    assert_same_latents(encode_sparse(dictionary, x, elements=elements, tiled=True), dictionary.encode(x))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_that_is_trained_here(arch):
    made = train_sae(arch, X, n_latents=32, k=4, samples=600, batch_size=50, progress=False)
    assert (linear_encoder(made) is None) == (arch in NOT_CUT)
    for elements in (32, 400, 1 << 20):
        assert_same_latents(encode_sparse(made, X, elements=elements, tiled=True), made.encode(X))


def test_every_architecture_of_the_registry():
    from fiducial.models import architectures
    from sae_lens.registry import SAE_CLASS_REGISTRY

    architectures.register()
    cut = set()
    for name in SAE_CLASS_REGISTRY:
        if "transcoder" in name or name == "temporal":
            continue  # no dictionaries
        made = sae(name, 160)  # some keep 100 by default
        if linear_encoder(made) is not None:
            cut.add(name)
        assert_same_latents(encode_sparse(made, X, elements=700, tiled=True), made.encode(X))
    assert cut == {"standard", "gated", "topk", "abstopk", "jumprelu"}


@pytest.mark.parametrize("kind", KNOWN)
def test_by_default_bit_for_bit_what_the_dictionary_says(kind):
    dictionary = KNOWN[kind]()
    batches = list(X.split(50))
    whole = Codes.concatenate([Codes.from_dense(dictionary.encode(batch)) for batch in batches])
    for codes in (encode_in_batches(dictionary, X, batch_size=50), encode_in_batches(dictionary, iter(batches))):
        for name in ("indptr", "indices", "values"):
            np.testing.assert_array_equal(getattr(codes, name), getattr(whole, name))


class Wide:
    """Says how many latents were asked for at a time."""

    name, latent_names = "wide", None
    directions = torch.zeros(1000, D)

    def __init__(self):
        self.asked = []

    def encode(self, x):
        self.asked.append(len(x))
        return torch.zeros(len(x), 1000)

    def decode(self, latents):
        return latents @ self.directions


def test_rows_are_bounded_by_elements_and_an_iterator_is_read_as_it_comes():
    wide = Wide()
    drawn = []

    def source():
        for i, batch in enumerate(X.split(60)):
            drawn.append(i)
            yield batch

    parts = encoded_batches(wide, source(), elements=25_000)
    first = next(parts)
    assert first.n_rows == 25
    assert drawn == [0]
    assert len(first.values) == 0
    assert sum(part.n_rows for part in parts) == len(X) - 25
    assert max(wide.asked) == 25


def test_of_equal_values_any_are_kept_but_never_too_many():
    ones = torch.ones(D, 40)
    dictionary = LinearDictionary("ties", ones, ones.T, torch.zeros(D), torch.zeros(D), k=6)
    codes = encode_sparse(dictionary, torch.ones(3, D), elements=30, tiled=True)
    assert np.diff(codes.indptr).tolist() == [6, 6, 6]
    assert set(codes.values.tolist()) == {float(D)}


def test_dead_latents_few_positives_and_more_kept_than_a_slice_holds():
    reading = -torch.ones(D, 20)
    reading[:, 7] = 1.0
    for k in (None, 1, 13, 20):
        dictionary = LinearDictionary("almost dead", reading, reading.T, torch.zeros(D), torch.zeros(D), k=k)
        codes = encode_sparse(dictionary, torch.ones(4, D), elements=9, tiled=True)
        assert codes.indices.tolist() == [7] * 4
    dead = LinearDictionary("dead", -reading.abs(), reading.T, torch.zeros(D), torch.zeros(D), k=3)
    assert len(encode_sparse(dead, torch.ones(4, D), elements=9, tiled=True).values) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 23), st.integers(1, 23), st.integers(1, 60), st.booleans(), st.integers(0, 10**6)
)
def test_running_k_largest_are_the_k_largest(n, n_latents, k, elements, signed, seed):
    rng = np.random.default_rng(seed)
    values = rng.permutation(n * n_latents).reshape(n, n_latents) - n * n_latents // 2  # all different
    if signed:
        values = 2 * values + 1  # and no two of one magnitude
    # one-hot rows read their own latents exactly
    reading = torch.from_numpy(values).float()
    made = LinearDictionary(
        "given", reading, reading.T, torch.zeros(n), torch.zeros(n), min(k, n_latents), signed=signed
    )
    if signed:
        made.reading = reading + 0.25
    codes = encode_sparse(made, torch.eye(n), elements=elements, tiled=True)
    np.testing.assert_array_equal(codes.to_dense(), made.encode(torch.eye(n)).numpy())


def test_a_broken_merge_would_be_noticed(monkeypatch):
    import fiducial.models.encoding as module

    whole = module._largest
    monkeypatch.setattr(module, "_largest", lambda e, x, tiles, k, row: whole(e, x, tiles[:-1], k, row))
    dictionary = random_dictionary(X, L, K)
    with pytest.raises(AssertionError):
        assert_same_latents(encode_sparse(dictionary, X, elements=256, tiled=True), dictionary.encode(X))


def test_what_is_not_finite_is_refused_with_its_place():
    dense = torch.zeros(4, 6)
    dense[2, 3] = float("nan")
    with pytest.raises(ValueError, match="nan at row 12, latent 3"):
        compact(dense, 10)
    dense[2, 3] = float("inf")
    with pytest.raises(ValueError, match="inf at row 2, latent 3"):
        compact(dense)
    bad = X.clone()
    bad[150, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity"):
        encode_sparse(random_dictionary(X, L, K), bad, tiled=True)
    with pytest.raises(ValueError, match="floating"):
        compact(torch.zeros(2, 2, dtype=torch.int64))


def test_what_cannot_be_encoded_says_so():
    dictionary = random_dictionary(X, L, K)
    with pytest.raises(ValueError, match="no batch"):
        encode_sparse(dictionary, [])
    with pytest.raises(ValueError, match="elements"):
        encode_sparse(dictionary, X, elements=0)
    with pytest.raises(ValueError, match="must be \\[N, 12\\]"):
        encode_sparse(dictionary, X[:, :3], tiled=True)
    with pytest.raises(ValueError, match="torch knows"):
        encode_sparse(dictionary, X, device="gpu0")


def test_a_hook_or_a_class_from_elsewhere_is_not_cut():
    hooked = sae("standard")
    hooked.sae.hook_sae_acts_post.add_hook(lambda value, hook: value * 2)
    assert linear_encoder(hooked) is None
    other = sae("standard")
    other.sae.__class__ = type("Other", (type(other.sae),), {"__module__": "elsewhere"})
    assert linear_encoder(other) is None
    assert linear_encoder(PermutedDictionary(sae("topk", k=K), "encoder")) is None


def test_a_copy_on_another_device_leaves_the_first_alone():
    """The device without numbers stands for one that this machine lacks."""
    for make in (
        lambda: sae("gated"),
        lambda: sae("standard", normalize_activations="layer_norm"),
        KNOWN["random"],
    ):
        made = make()
        before = copy.deepcopy(made.directions)
        moved = on_device(made, "meta")
        assert device_of(moved).type == "meta"
        tensors = list(moved.sae.parameters()) if isinstance(made, SAEDictionary) else [moved.reading, moved.centre]
        assert all(tensor.is_meta for tensor in tensors)
        assert torch.equal(made.directions, before)
        assert on_device(made, "cpu") is made
    edited = PermutedDictionary(sae("topk", k=K), "decoder")
    assert on_device(edited, "meta") is edited
    assert torch.equal(rebuilt(edited, X), edited.decode(edited.encode(X)))
    assert torch.equal(encoded(edited, X), edited.encode(X))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_cuda_without_a_device_says_so():
    with pytest.raises(ValueError, match="no CUDA device"):
        checked_device("cuda")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", KNOWN)
def test_on_a_cuda_device(kind):
    dictionary = KNOWN[kind]()
    for tiled in (False, True):
        codes = encode_sparse(dictionary, X, device="cuda", elements=1000, tiled=tiled)
        np.testing.assert_allclose(codes.to_dense(), dictionary.encode(X).numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["gated", "topk, rescaled", "jumprelu", "abstopk", "layer norm", "constant norm"])
def test_an_sae_moves_with_all_that_it_reads(monkeypatch, kind):
    """On a device that refuses the CPU's tensors; the first SAE stays as it was."""
    made, plain_to = KNOWN[kind](), torch.nn.Module.to

    def to(module, *where, **more):
        away = [one for one in (*where, *more.values()) if isinstance(one, str | torch.device)]
        return (
            move_module(module) if away and torch.device(away[0]).type == "cuda" else plain_to(module, *where, **more)
        )

    plain = made.encode(X)
    again = made.decode(plain)
    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with OtherDevice():
        moved = on_device(made, "cuda")
        assert device_of(moved).type == "cuda"
        assert torch.equal(rebuilt(moved, X), again)
        assert encoded(moved, X).device.type == "cuda"
        for tiled in (False, True):
            codes = encode_sparse(made, X, device="cuda", elements=300, tiled=tiled)
            assert_same_latents(codes, plain)
    assert device_of(made).type == "cpu"
    assert torch.equal(made.decode(made.encode(X)), again)
