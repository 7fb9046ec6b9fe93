import numpy as np
import pytest
import torch
from fiducial.models.nodes import ROLES, Node, read_nodes, run_patched
from fiducial.models.nodes_gpt2 import CIRCUIT_ATTRIBUTES, CIRCUIT_HEADS, circuit_sections, load_gpt2

N, P = 5, 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random GPT-2 of three layers, with weights large enough that every part matters."""
    from transformers import GPT2Config, GPT2LMHeadModel

    path = tmp_path_factory.mktemp("gpt2")
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        model = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=24, n_embd=24, n_layer=3, n_head=3))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3 + (weight == 1))
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def original(folder):
    from transformers import GPT2LMHeadModel

    return GPT2LMHeadModel.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(0)
    return rng.integers(0, 97, (N, P)), {"s2": rng.integers(1, 6, N), "end": rng.integers(7, P, N)}


@pytest.mark.parametrize("processed", [True, False])
def test_probabilities_are_those_of_transformers(folder, original, prompts, processed):
    tokens, positions = prompts
    model = load_gpt2(folder, processed=processed)
    with torch.no_grad():
        expected = original(torch.from_numpy(tokens)).logits[torch.arange(N), torch.from_numpy(positions["end"])]
    found = run_patched(model, tokens, positions, {}, batch_size=2)
    torch.testing.assert_close(found.log_softmax(-1), expected.log_softmax(-1), rtol=1e-4, atol=1e-4)


def test_processing_folds_and_centres(folder, prompts):
    tokens, positions = prompts
    raw, processed = load_gpt2(folder, processed=False), load_gpt2(folder)
    stream = Node.of("resid", 1, "s2")
    assert read_nodes(raw, tokens, positions, [stream])[stream].mean(1).abs().max() > 0.1
    assert read_nodes(processed, tokens, positions, [stream])[stream].mean(1).abs().max() < 1e-4


def test_attention_scores_survive_the_refactored_basis(folder, prompts):
    """q and k change basis, their products over heads do not."""
    tokens = torch.from_numpy(prompts[0])
    patterns = []
    for processed in (True, False):
        model = load_gpt2(folder, processed=processed)
        with torch.no_grad():
            _, cache = model.run_with_cache(tokens)
        patterns.append(cache["blocks.1.attn.hook_pattern"])
    torch.testing.assert_close(patterns[0], patterns[1], rtol=1e-3, atol=1e-4)


def test_nodes_read_and_patch(folder, prompts):
    tokens, positions = prompts
    model = load_gpt2(folder)
    nodes = [Node.of(role, 1, "s2") for role in ROLES] + [Node.of(role, 1, "s2", 2) for role in ("z", "q", "k", "v")]
    values = read_nodes(model, tokens, positions, nodes, batch_size=2)
    expected = run_patched(model, tokens, positions, {})
    for node in nodes:
        torch.testing.assert_close(run_patched(model, tokens, positions, {node: values[node]}), expected)
        shifted = {node: values[node].roll(1, 0) * 2 + 1}
        assert not torch.allclose(run_patched(model, tokens, positions, shifted), expected, atol=1e-4), node
    assert values[Node.of("z", 1, "s2", 2)].shape == (N, 8)
    torch.testing.assert_close(values[Node.of("z", 1, "s2")][:, 16:], values[Node.of("z", 1, "s2", 2)])


def test_circuit_has_the_published_sizes():
    sections = circuit_sections()
    assert list(sections) == list(CIRCUIT_ATTRIBUTES)
    sizes = {name: len(section.nodes) for name, section in sections.items()}
    assert sizes == {"(B)NM out": 10, "(B)NM qk": 30, "(B)NM q": 10, "S-I out": 4, "S-I v": 4, "Ind+DT out": 7}
    assert len({node for section in sections.values() for node in section.nodes}) == 55
    assert sum(len(heads) for heads in CIRCUIT_HEADS.values()) == 25
    assert len({head for heads in CIRCUIT_HEADS.values() for head in heads}) == 25


def test_circuit_is_refused_in_another_model(folder):
    with pytest.raises(ValueError, match="12 layers of 12 heads; this model has 3 of 3"):
        circuit_sections(load_gpt2(folder))


def test_circuit_fits_a_model_of_its_size(prompts, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        tiny = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=24, n_embd=24, n_layer=12, n_head=12))
    tiny.save_pretrained(tmp_path)
    model = load_gpt2(tmp_path)
    tokens, positions = prompts
    positions = {**positions, "io": np.full(N, 0), "s1": np.full(N, 6)}
    for section in circuit_sections(model).values():
        values = read_nodes(model, tokens, positions, section.nodes)
        assert {value.shape for value in values.values()} == {(N, 2)}
        expected = run_patched(model, tokens, positions, {})
        torch.testing.assert_close(run_patched(model, tokens, positions, values), expected)


def test_wrong_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load_gpt2(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(FileNotFoundError, match="holds no model"):
        load_gpt2(tmp_path)


def test_unreachable_name(monkeypatch):
    from transformer_lens.model_bridge import TransformerBridge

    def fail(*args, **kwargs):
        raise OSError("offline")

    monkeypatch.setattr(TransformerBridge, "boot_transformers", fail)
    with pytest.raises(ConnectionError, match="give the folder"):
        load_gpt2("gpt2")


def test_attribution_is_the_slope_of_patching(folder):
    from fiducial.models.attribution import attribute, components
    from fiducial.models.patch_pairs import PatchPairs

    model = load_gpt2(folder)
    rng = np.random.default_rng(0)
    positions = [{"s2": rng.integers(1, 4, N), "end": rng.integers(4, P, N)} for _ in range(2)]
    base, source = rng.integers(0, 97, (2, N, P))
    pairs = PatchPairs(base, positions[0], source, positions[1], np.full((N, 1), 3), np.full((N, 1), 60), "end", "test")
    nodes = components(model, ["s2", "end"])[::7]
    effects = attribute(model, pairs, nodes)
    before = read_nodes(model, base, positions[0], nodes)
    after = read_nodes(model, source, positions[1], nodes)
    for node in nodes:
        ends = []
        for step in (0.004, -0.004):
            moved = {node: before[node] + step * (after[node] - before[node])}
            ends.append(pairs.score(run_patched(model, base, positions[0], moved).double()).numpy())
        slope = (ends[0] - ends[1]) / 0.008
        np.testing.assert_allclose(effects[node], slope, atol=0.03 * (1 + np.abs(slope).max()), err_msg=node.name)
