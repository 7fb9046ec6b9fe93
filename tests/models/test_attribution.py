import dataclasses

import numpy as np
import pytest
import torch
from fiducial.games.othello import Othello
from fiducial.models.attribution import attribute, clean_scores, components, patch
from fiducial.models.nodes import CrossSection, Node, read_nodes, run_patched
from fiducial.models.patch_pairs import PatchPairs, pairs_of_counterfactuals
from fiducial.models.transformers import TransformerConfig, build_transformer
from scipy.special import log_softmax

CONFIG = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=24, n_ctx=9, d_vocab=13)
N, P = 10, 7


@pytest.fixture(scope="module")
def model():
    return build_transformer(CONFIG, seed=1).eval()


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    positions = [{"s2": rng.integers(1, 4, N), "end": rng.integers(4, P, N)} for _ in range(2)]
    towards = np.stack([rng.integers(0, 6, N), np.full(N, -1)], 1)
    away = rng.integers(6, 13, (N, 2))
    base, source = rng.integers(0, 13, (2, N, P))
    return PatchPairs(base, positions[0], source, positions[1], towards, away, "end", "test")


def test_score_by_hand(pairs):
    logits = np.random.default_rng(1).normal(size=(N, 13))
    logs = log_softmax(logits, axis=1)
    expected = [logs[i, pairs.towards[i, 0]] - logs[i, pairs.away[i]].mean() for i in range(N)]
    np.testing.assert_allclose(pairs.score(torch.from_numpy(logits)).numpy(), expected, rtol=1e-10)
    part = slice(3, 7)
    np.testing.assert_allclose(pairs.score(torch.from_numpy(logits[part]), part).numpy(), expected[part], rtol=1e-10)
    one_sided = dataclasses.replace(pairs, away=np.full((N, 1), -1))
    np.testing.assert_allclose(
        one_sided.score(torch.from_numpy(logits)).numpy(), logs[np.arange(N), pairs.towards[:, 0]], rtol=1e-10
    )


def test_components_are_all_there_is(model):
    nodes = components(model, ["s2", "end"])
    assert len(nodes) == len(set(nodes)) == 2 * 2 * (4 * 2 + 2)
    assert len(components(model, ["end"], roles=("z",), heads=False)) == 2
    assert all(node.hook in model.hook_dict for node in nodes)


def test_attribution_is_the_slope_of_patching(model, pairs):
    """A small step towards the source, patched truly, moves the score by the step times the attribution."""
    nodes = components(model, ["s2", "end"])
    effects = attribute(model, pairs, nodes, batch_size=4)
    base = read_nodes(model, pairs.base, pairs.base_positions, nodes)
    source = read_nodes(model, pairs.source, pairs.source_positions, nodes)
    step = 0.05
    for node in nodes:
        ends = []
        for sign in (1, -1):
            values = {node: base[node] + sign * step * (source[node] - base[node])}
            logits = run_patched(model, pairs.base, pairs.base_positions, values, at="end")
            ends.append(pairs.score(logits.double()).numpy())
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(effects[node], slope, atol=2e-3 + 0.02 * np.abs(slope).max(), err_msg=node.name)
    reversed_sign = -effects[Node.of("resid", 1, "end")]
    assert np.abs(reversed_sign - effects[Node.of("resid", 1, "end")]).max() > 0.05


def test_attribution_leaves_no_gradients_and_needs_none(model, pairs):
    expected = attribute(model, pairs, [Node.of("resid", 0, "end")])
    assert all(weight.grad is None for weight in model.parameters())
    frozen = build_transformer(CONFIG, seed=1).eval().requires_grad_(False)
    found = attribute(frozen, pairs, [Node.of("resid", 0, "end")])
    np.testing.assert_allclose(found[Node.of("resid", 0, "end")], expected[Node.of("resid", 0, "end")], rtol=1e-6)


def test_patching_everything_at_the_end_gives_the_source(model, pairs):
    last = Node.of("resid", 1, "end")
    effects = patch(model, pairs, [last, CrossSection("both", (last, Node.of("resid", 1, "s2")))], batch_size=3)
    clean, source = clean_scores(model, pairs, batch_size=3)
    np.testing.assert_allclose(effects["L1 resid@end"], source - clean, atol=1e-5)
    np.testing.assert_allclose(effects["both"], source - clean, atol=1e-5)
    same = dataclasses.replace(pairs, source=pairs.base, source_positions=pairs.base_positions)
    np.testing.assert_allclose(patch(model, same, [last])["L1 resid@end"], 0, atol=1e-6)
    for effect in attribute(model, same, [last]).values():
        np.testing.assert_allclose(effect, 0, atol=1e-6)


def test_pairs_of_a_board_game():
    game = Othello(6)
    found = game.counterfactuals(20, seed=1)
    pairs = pairs_of_counterfactuals(found)
    for row in range(20):
        gained = set(np.flatnonzero(found.allowed_after[row] & ~found.allowed_before[row]))
        lost = set(np.flatnonzero(found.allowed_before[row] & ~found.allowed_after[row]))
        assert set(pairs.towards[row]) - {-1} == gained
        assert set(pairs.away[row]) - {-1} == lost
    config = TransformerConfig(1, 16, 2, 16, game.n_positions, found.allowed_before.shape[1])
    board_model = build_transformer(config, seed=0).eval()
    effects = attribute(board_model, pairs, components(board_model, ["move"]))
    assert all(np.isfinite(effect).all() and effect.shape == (20,) for effect in effects.values())


def test_pairs_that_do_not_fit(pairs):
    with pytest.raises(ValueError, match="source must have 10 rows"):
        dataclasses.replace(pairs, source=pairs.source[:3])
    with pytest.raises(ValueError, match="same positions"):
        dataclasses.replace(pairs, at="start")
    with pytest.raises(ValueError, match="nothing should change in row 0"):
        dataclasses.replace(pairs, towards=np.full((N, 1), -1), away=np.full((N, 1), -1))
