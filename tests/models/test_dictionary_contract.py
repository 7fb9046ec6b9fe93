"""One contract, run over every kind of dictionary: trained, loaded, converted, control."""

import pytest
import torch
from fiducial.models.controls import (
    PermutedDictionary,
    identity_dictionary,
    neuron_dictionary,
    pca_dictionary,
    random_dictionary,
)
from fiducial.models.dictionary import Dictionary, encode_in_batches
from fiducial.models.sae_dictionary import SAEDictionary
from fiducial.models.training import train_sae

D, L, N = 8, 12, 40
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(N, D, generator=GENERATOR) @ torch.randn(D, D, generator=GENERATOR) + 1.0


def sae(architecture, **fields):
    from sae_lens import SAE

    made = SAE.from_dict({"architecture": architecture, "d_in": D, "d_sae": L, **fields})
    generator = torch.Generator().manual_seed(3)
    for value in made.parameters():
        value.data = value.data + 0.3 * torch.randn(value.shape, generator=generator)
    return SAEDictionary(made)


KINDS = {
    "standard": lambda: sae("standard"),
    "gated": lambda: sae("gated"),
    "topk": lambda: sae("topk", k=3),
    "topk, rescaled": lambda: sae("topk", k=3, rescale_acts_by_decoder_norm=True),
    "jumprelu": lambda: sae("jumprelu"),
    "abstopk": lambda: sae("abstopk", k=3),
    "layer norm": lambda: sae("standard", normalize_activations="layer_norm"),
    "constant norm": lambda: sae("standard", normalize_activations="constant_norm_rescale"),
    "random": lambda: random_dictionary(X, L, 3),
    "permuted decoder": lambda: PermutedDictionary(sae("topk", k=3), "decoder"),
    "permuted encoder": lambda: PermutedDictionary(sae("topk", k=3), "encoder"),
    "permuted layer norm": lambda: PermutedDictionary(sae("standard", normalize_activations="layer_norm"), "decoder"),
    "frozen decoder": lambda: train_sae(
        "topk", X.repeat(5, 1), n_latents=L, k=3, samples=320, batch_size=32, frozen_decoder=True, progress=False
    ),
    "neurons": lambda: neuron_dictionary(torch.randn(D, 5, generator=torch.Generator().manual_seed(1)), torch.ones(5)),
    "PCA": lambda: pca_dictionary(X),
    "PCA, sparse": lambda: pca_dictionary(X, n_components=4, k=2),
    "identity": lambda: identity_dictionary(D),
    "identity, signed": lambda: identity_dictionary(D, split=False),
}
SIGNED = {"abstopk", "identity, signed"}
SCALES_ROWS = {"layer norm", "constant norm", "permuted layer norm"}  # their decoders undo a scale per row


@pytest.fixture(scope="module", params=KINDS)
def made(request):
    return request.param, KINDS[request.param]()


def test_names_and_directions(made):
    _, dictionary = made
    assert isinstance(dictionary, Dictionary)
    assert isinstance(dictionary.name, str)
    assert dictionary.name
    assert dictionary.directions.dtype == torch.float32
    assert dictionary.directions.ndim == 2
    assert torch.isfinite(dictionary.directions).all()
    assert not dictionary.directions.requires_grad
    assert dictionary.latent_names is None or len(dictionary.latent_names) == len(dictionary.directions)


def test_latents(made):
    kind, dictionary = made
    before = X.clone()
    latents = dictionary.encode(X)
    assert torch.equal(X, before)
    assert latents.shape == (N, len(dictionary.directions))
    assert latents.dtype == torch.float32
    assert not latents.requires_grad
    assert torch.isfinite(latents).all()
    assert (latents > 0).any()
    assert bool((latents < 0).any()) == (kind in SIGNED)
    assert torch.equal(dictionary.encode(X), latents)


def test_a_row_does_not_depend_on_its_batch(made):
    _, dictionary = made
    latents, output = dictionary.encode(X), dictionary.decode(dictionary.encode(X))
    for rows in (slice(0, 1), slice(3, 20), slice(5, 5)):
        torch.testing.assert_close(dictionary.encode(X[rows]), latents[rows], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(dictionary.decode(latents[rows]), output[rows], rtol=1e-5, atol=1e-5)


def test_decoding_is_latents_times_directions(made):
    kind, dictionary = made
    latents = dictionary.encode(X)
    written = dictionary.decode(latents) - dictionary.decode(torch.zeros_like(latents))
    expected = latents @ dictionary.directions
    if kind in SCALES_ROWS:
        scale = (written * expected).sum(1, keepdim=True) / expected.square().sum(1, keepdim=True).clamp(min=1e-9)
        expected = expected * scale
    torch.testing.assert_close(written, expected, rtol=1e-4, atol=1e-4)


def test_half_precision_activations_are_computed_in_float32(made):
    _, dictionary = made
    latents = dictionary.encode(X.half())
    assert latents.dtype == torch.float32
    torch.testing.assert_close(latents, dictionary.encode(X.half().float()))


def test_wrong_input_is_refused_by_name(made):
    kind, dictionary = made
    with pytest.raises(ValueError, match=r"activations must be \[N, 8\], got \[40, 9\]"):
        dictionary.encode(torch.zeros(N, D + 1))
    with pytest.raises(ValueError, match=r"activations must be \[N, 8\], got \[8\]"):
        dictionary.encode(torch.zeros(D))
    with pytest.raises(ValueError, match="activations hold NaN or infinity"):
        dictionary.encode(torch.full((N, D), float("inf")))
    if not kind.startswith("permuted"):
        with pytest.raises(ValueError, match=r"latents must be \[N, "):
            dictionary.decode(torch.zeros(N, 3))


def test_codes_of_a_sample(made):
    _, dictionary = made
    codes = encode_in_batches(dictionary, X, batch_size=7)
    torch.testing.assert_close(torch.from_numpy(codes.to_dense()), dictionary.encode(X), rtol=1e-5, atol=1e-5)
