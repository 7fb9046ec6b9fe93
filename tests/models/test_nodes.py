import numpy as np
import pytest
import torch
from fiducial.models.nodes import HEAD_ROLES, CrossSection, Node, frozen, patched_logits, read_nodes, run_patched
from fiducial.models.transformers import TransformerConfig, build_transformer

CONFIG = TransformerConfig(n_layers=3, d_model=16, n_heads=2, d_mlp=24, n_ctx=9, d_vocab=13)
N, P = 11, 7
NODES = [
    Node.of(role, layer, position, head)
    for role in ("z", "q", "k", "v")
    for layer in (0, 2)
    for position, head in (("s2", 1), ("end", None))
] + [Node.of(role, 1, "s2") for role in ("attn", "mlp", "neurons", "resid", "resid_pre")]


@pytest.fixture(scope="module")
def model():
    return build_transformer(CONFIG, seed=1).eval()


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(3)
    positions = {"s2": rng.integers(0, P - 1, N), "end": np.where(rng.random(N) < 0.5, P - 1, P - 2)}
    positions["s2"] = np.minimum(positions["s2"], positions["end"] - 1)
    return rng.integers(0, CONFIG.d_vocab, (N, P)), positions


def clean(model, tokens):
    with torch.no_grad():
        return model(torch.from_numpy(tokens), return_type="logits")


def test_reading_is_the_cache_at_each_rows_position(model, prompts):
    tokens, positions = prompts
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.from_numpy(tokens))
    values = read_nodes(model, tokens, positions, [*NODES, Node("hook_embed", "s2")], batch_size=4)
    assert list(values) == [*NODES, Node("hook_embed", "s2")]
    for node, found in values.items():
        assert found.shape[0] == N
        assert found.dtype == torch.float32
        for row in range(N):
            whole = cache[node.hook][row, positions[node.position][row]]
            expected = whole.flatten() if node.head is None else whole[node.head]
            torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("node", NODES, ids=str)
def test_patching_what_was_read_changes_nothing_and_something_else_does(model, prompts, node):
    tokens, positions = prompts
    expected = clean(model, tokens)[torch.arange(N), torch.from_numpy(positions["end"])]
    values = read_nodes(model, tokens, positions, [node])
    torch.testing.assert_close(run_patched(model, tokens, positions, values, batch_size=4), expected)
    noise = 10 * torch.randn(values[node].shape, generator=torch.Generator().manual_seed(0))
    changed = run_patched(model, tokens, positions, {node: values[node] + noise}, batch_size=4)
    reaches_end = not (node.layer == 2 and node.position == "s2" and node.role in ("z", "q"))
    assert torch.allclose(changed, expected, atol=1e-4) != reaches_end


def test_a_clean_run_is_the_model(model, prompts):
    tokens, positions = prompts
    expected = clean(model, tokens)
    for at in ("s2", "end"):
        found = run_patched(model, tokens, positions, {}, at=at, batch_size=3)
        torch.testing.assert_close(found, expected[torch.arange(N), torch.from_numpy(positions[at])])


def test_a_patch_is_the_run_written_by_hand(model, prompts):
    """Row by row, with one plain hook that sets one vector."""
    tokens, positions = prompts
    generator = torch.Generator().manual_seed(0)
    head, stream = Node.of("z", 1, "s2", 1), Node.of("resid", 0, "end")
    values = {head: torch.randn(N, 8, generator=generator), stream: torch.randn(N, 16, generator=generator)}
    found = run_patched(model, tokens, positions, values, batch_size=4)
    for row in range(N):
        s2, end = int(positions["s2"][row]), int(positions["end"][row])

        def set_head(value, hook, row=row, s2=s2):
            value[0, s2, 1] = values[head][row]
            return value

        def set_stream(value, hook, row=row, end=end):
            value[0, end] = values[stream][row]
            return value

        with torch.no_grad():
            logits = model.run_with_hooks(
                torch.from_numpy(tokens[row : row + 1]),
                fwd_hooks=[("blocks.1.attn.hook_z", set_head), ("blocks.0.hook_resid_post", set_stream)],
            )
        torch.testing.assert_close(found[row], logits[0, end])


@pytest.mark.parametrize("role", HEAD_ROLES)
def test_all_heads_one_by_one_are_the_whole(model, prompts, role):
    tokens, positions = prompts
    value = torch.randn(N, 16, generator=torch.Generator().manual_seed(5))
    whole = run_patched(model, tokens, positions, {Node.of(role, 1, "s2"): value})
    heads = {Node.of(role, 1, "s2", head): value[:, 8 * head : 8 * head + 8] for head in (0, 1)}
    torch.testing.assert_close(run_patched(model, tokens, positions, heads), whole)
    swapped = {Node.of(role, 1, "s2", 1 - head): value[:, 8 * head : 8 * head + 8] for head in (0, 1)}
    assert not torch.allclose(run_patched(model, tokens, positions, swapped), whole, atol=1e-5)


def test_last_batch_is_covered(model, prompts):
    tokens, positions = prompts
    node = Node.of("resid", 0, "end")
    whole = read_nodes(model, tokens, positions, [node])[node]
    for batch_size in (1, 4, 5, N, 100):
        torch.testing.assert_close(read_nodes(model, tokens, positions, [node], batch_size=batch_size)[node], whole)
        patched = run_patched(model, tokens, positions, {node: whole.flip(0)}, batch_size=batch_size)
        assert len(patched) == N
        torch.testing.assert_close(patched, run_patched(model, tokens, positions, {node: whole.flip(0)}))


def test_gradients_are_finite_differences(prompts):
    model = build_transformer(CONFIG, seed=1).double().eval()
    tokens, positions = prompts
    nodes = [Node.of("z", 1, "s2", 0), Node.of("resid", 0, "end"), Node.of("q", 2, "end")]
    values = {
        node: value.double().requires_grad_() for node, value in read_nodes(model, tokens, positions, nodes).items()
    }
    weights = torch.randn(N, CONFIG.d_vocab, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.nn.Module.zero_grad(model)
    (patched_logits(model, tokens, positions, values) * weights).sum().backward()
    assert all(weight.grad is None for weight in model.parameters())
    assert all(weight.requires_grad for weight in model.parameters())
    step = 1e-3
    for node in nodes:
        direction = torch.randn(values[node].shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            moved = {n: v.detach() for n, v in values.items()}
            moved[node] = moved[node] + sign * step * direction
            ends.append((run_patched(model, tokens, positions, moved).double() * weights).sum())
        slope = (values[node].grad * direction).sum()
        torch.testing.assert_close(slope, (ends[0] - ends[1]) / (2 * step), rtol=2e-3, atol=1e-3)


def test_frozen_gives_weights_back_after_an_error(model, prompts):
    tokens, positions = prompts
    with frozen(model):
        assert not any(weight.requires_grad for weight in model.parameters())
    wrong = {Node.of("resid", 0, "s2"): torch.zeros(N, 3)}
    with pytest.raises(ValueError, match="must be"):
        patched_logits(model, tokens, positions, wrong)
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("name", ["L1 z@end", "L9H6 q@end", "L0 resid@s2", "L3 neurons@s1+1", "embed.hook_out@s2"])
def test_names_are_read_back(name):
    node = Node.parse(name)
    assert node.name == name == str(node)
    assert Node.parse(node.name) == node


def test_legacy_hooks_are_the_same_node():
    assert Node("blocks.0.hook_resid_post", "move") == Node("blocks.0.hook_out", "move") == Node.parse("L0 resid@move")
    assert Node("blocks.9.attn.hook_q", "end", 6).name == "L9H6 q@end"


def test_nodes_sort_by_layer_as_a_number():
    nodes = [Node.parse(name) for name in ("L10 z@end", "L2H1 z@end", "L2 z@end", "embed.hook_out@end")]
    assert [n.name for n in sorted(nodes)] == ["embed.hook_out@end", "L2 z@end", "L2H1 z@end", "L10 z@end"]


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: Node.parse("z of layer 1"), ValueError, "names no node"),
        (lambda: Node.parse("L1 zz@end"), ValueError, "no role 'zz'"),
        (lambda: Node.of("queries", 0, "end"), KeyError, "no role"),
        (lambda: Node.of("resid", 0, "end", 1), ValueError, "has no heads"),
        (lambda: Node.of("z", 0, "end", -1), ValueError, "at least 0"),
        (lambda: CrossSection("twice", (Node.of("z", 0, "end"),) * 2), ValueError, "different nodes"),
        (lambda: CrossSection("none", ()), ValueError, "different nodes"),
    ],
)
def test_wrong_nodes(bad, error, message):
    with pytest.raises(error, match=message):
        bad()


def test_errors_name_what_came(model, prompts):
    tokens, positions = prompts
    z = Node.of("z", 0, "end")
    with pytest.raises(KeyError, match=r"no semantic position .ent.; did you mean end"):
        read_nodes(model, tokens, positions, [Node.of("z", 0, "ent")])
    with pytest.raises(KeyError, match="no hook point"):
        read_nodes(model, tokens, positions, [Node.of("z", 9, "end")])
    with pytest.raises(ValueError, match="2 heads"):
        read_nodes(model, tokens, positions, [Node.of("z", 0, "end", 2)])
    with pytest.raises(ValueError, match=r"\[N, 16\], got \[N, 15\]"):
        run_patched(model, tokens, positions, {z: torch.zeros(N, 15)})
    with pytest.raises(ValueError, match="one row a prompt"):
        run_patched(model, tokens, positions, {z: torch.zeros(1, 16)})
    with pytest.raises(ValueError, match="same place of row 0"):
        run_patched(model, tokens, positions, {z: torch.zeros(N, 16), Node.of("z", 0, "end", 1): torch.zeros(N, 8)})
    with pytest.raises(ValueError, match=r"0\.\.6, got"):
        read_nodes(model, tokens, {"end": np.full(N, 7)}, [z])
    with pytest.raises(ValueError, match=r"integer \[11\]"):
        read_nodes(model, tokens, {"end": np.full(N - 1, 1)}, [z])
    with pytest.raises(ValueError, match="batch_size"):
        run_patched(model, tokens, positions, {}, batch_size=0)


def test_patching_the_wrong_row_or_position_is_noticed(model, prompts):
    """The equality tests above can fail: another position, or rows out of order, give other logits."""
    tokens, positions = prompts
    node = Node.of("resid", 1, "s2")
    values = read_nodes(model, tokens, positions, [node])
    right = run_patched(model, tokens, positions, values)
    assert not torch.allclose(run_patched(model, tokens, positions, {node: values[node].roll(1, 0)}), right, atol=1e-4)
    moved = {**positions, "s2": np.maximum(positions["s2"] - 1, 0)}
    assert not torch.allclose(run_patched(model, tokens, moved, values), right, atol=1e-4)
