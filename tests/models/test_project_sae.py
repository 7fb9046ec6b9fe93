from dataclasses import dataclass

import numpy as np
import pytest
import torch
from fiducial.models.nodes import Node, read_nodes
from fiducial.models.project_sae import project_sae, projection_figures
from fiducial.models.transformers import TransformerConfig, build_transformer

CONFIG = TransformerConfig(n_layers=3, d_model=16, n_heads=2, d_mlp=24, n_ctx=9, d_vocab=13)
N, P = 40, 7


@dataclass(frozen=True)
class Linear:
    """Latents are the positive and negative parts of coordinates in a basis; exact if the basis is whole."""

    basis: torch.Tensor
    bias: torch.Tensor
    name: str = "parts"
    latent_names: None = None

    @property
    def directions(self):
        return torch.cat([self.basis, -self.basis])

    def encode(self, x):
        parts = (x - self.bias) @ self.basis.T
        return torch.cat([parts.relu(), (-parts).relu()], 1)

    def decode(self, latents):
        return self.bias + latents @ self.directions


@pytest.fixture(scope="module")
def model():
    built = build_transformer(CONFIG, seed=1).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():  # layer norms whose weights and biases matter
        for name, weight in built.named_parameters():
            if ".ln" in name or name.endswith("bias"):
                weight.add_(0.5 * torch.randn(weight.shape, generator=generator))
    return built


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(0)
    return rng.integers(0, 13, (N, P)), {"end": rng.integers(3, P, N)}


def dictionary_of(rank, bias=0.0, seed=0):
    basis = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(seed)))[0]
    return Linear(basis[:rank], torch.full((16,), bias))


@pytest.mark.parametrize("role", ["q", "k", "v"])
@pytest.mark.parametrize("head", [None, 1])
def test_a_perfect_dictionary_stays_perfect(model, prompts, role, head):
    tokens, positions = prompts
    node = Node.of(role, 2, "end", head)
    found = projection_figures(model, dictionary_of(16, bias=0.3), tokens, positions, [node])[node]
    assert found.stream_variance == pytest.approx(1, abs=1e-5)
    assert found.node_variance == pytest.approx(1, abs=1e-4)
    assert found.l0 == pytest.approx(16, abs=0.1)
    assert "keeps 100.0%" in found.line()


def test_directions_add_up_to_the_reconstruction(model, prompts):
    tokens, positions = prompts
    node, before = Node.of("q", 2, "end", 0), Node.of("resid_pre", 2, "end")
    read = read_nodes(model, tokens, positions, [node, before])
    for bias in (0.0, 0.7):
        projected = project_sae(model, dictionary_of(9, bias), node, read[before])
        latents = projected.latents_of(read[before])
        exact = projected.reconstruct(read[before])
        assert projected.directions.shape == (18, 8)
        if bias == 0:
            torch.testing.assert_close(projected.decode(latents), exact, rtol=1e-4, atol=1e-4)
        else:  # a constant bias is what layer norm takes out, so it does not matter either
            torch.testing.assert_close(projected.decode(latents), exact, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(projected.truth(read[before]), read[node], rtol=1e-4, atol=1e-4)


def test_a_latent_moves_the_node_as_said(model, prompts):
    """Adding one latent's direction to the stream, with the layer norm's scale held, changes the query as written."""
    tokens, positions = prompts
    node, before = Node.of("q", 2, "end", 0), Node.of("resid_pre", 2, "end")
    stream = read_nodes(model, tokens, positions, [before])[before]
    projected = project_sae(model, dictionary_of(16), node, stream)
    block = model.blocks[2]
    weight, gain = model.W_Q[2, 0].detach(), block.ln1.weight.detach()
    for latent in (0, 5):
        direction = projected.source.directions[latent]
        scale = ((stream - stream.mean(1, keepdim=True)).square().mean(1) + CONFIG.eps).sqrt()
        moved = ((direction - direction.mean()) * gain) @ weight
        torch.testing.assert_close(projected.directions[latent], moved * (1 / scale).mean(), rtol=1e-4, atol=1e-5)


def test_what_the_dictionary_lacks_is_lost(model, prompts):
    tokens, positions = prompts
    node = Node.of("v", 1, "end")
    kept = [
        projection_figures(model, dictionary_of(rank), tokens, positions, [node])[node].node_variance
        for rank in (2, 8, 14, 16)
    ]
    assert kept[0] < kept[2] < kept[3]
    assert kept[0] < 0.7
    assert kept[3] > 0.999


def test_works_on_processed_gpt2(tmp_path):
    from fiducial.models.nodes_gpt2 import load_gpt2
    from transformers import GPT2Config, GPT2LMHeadModel

    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        small = GPT2LMHeadModel(GPT2Config(vocab_size=13, n_positions=9, n_embd=16, n_layer=3, n_head=2))
    with torch.no_grad():
        for weight in small.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    small.save_pretrained(tmp_path)
    model = load_gpt2(tmp_path)
    rng = np.random.default_rng(0)
    tokens, positions = rng.integers(0, 13, (N, P)), {"end": rng.integers(3, P, N)}
    nodes = [Node.of("q", 1, "end", 1), Node.of("v", 2, "end")]
    for found in projection_figures(model, dictionary_of(16), tokens, positions, nodes).values():
        assert found.node_variance == pytest.approx(1, abs=1e-3)


def test_wrong_inputs(model):
    stream = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="only q, k, v read"):
        project_sae(model, dictionary_of(16), Node.of("z", 1, "end"), stream)
    with pytest.raises(ValueError, match="width 16"):
        project_sae(model, dictionary_of(16), Node.of("q", 1, "end"), stream[:, :9])
    with pytest.raises(ValueError, match="2 heads"):
        project_sae(model, dictionary_of(16), Node.of("q", 1, "end", 2), stream)
