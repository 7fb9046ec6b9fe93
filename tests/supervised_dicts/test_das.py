import dataclasses

import numpy as np
import pytest
import torch
from fiducial.supervised_dicts.das import Subspace, fit_das

D, N, V = 16, 600, 4
GENERATOR = torch.Generator().manual_seed(3)
ROTATION = torch.linalg.qr(torch.randn(D, D, generator=GENERATOR)).Q
PLANTED, OTHER = ROTATION[:2], ROTATION[2:4]
HEADS = 3 * torch.randn(2, 2, V, generator=GENERATOR)


def model(activations, rows):
    """Tokens say two things at once, each read from a plane of its own; the other twelve dimensions say nothing."""
    first, second = activations @ PLANTED.T @ HEADS[0], activations @ OTHER.T @ HEADS[1]
    return (first[:, :, None] + second[:, None, :]).flatten(1)


def pairs(seed):
    generator = torch.Generator().manual_seed(seed)
    base, source = torch.randn(2, N, D, generator=generator)
    wanted = model(base + (source - base) @ PLANTED.T @ PLANTED, None).argmax(1)
    return base, source, wanted


def agreement(subspace, base, source, wanted):
    return float((model(subspace.swap(base, source), None).argmax(1) == wanted).float().mean())


@pytest.fixture(scope="module")
def found():
    return fit_das(model, *pairs(10), k=2, steps=300)


def check(subspace):
    """Held-out success near 1, where the floor is about a third; and the planted plane itself."""
    held = pairs(11)
    assert agreement(subspace, *held) > 0.9
    assert torch.linalg.svdvals(subspace.basis @ PLANTED.T).min() > 0.97


def test_the_planted_plane_is_found(found):
    held = pairs(11)
    assert agreement(Subspace("nothing", torch.zeros(0, D), torch.zeros(1)), *held) < 0.45
    check(found)
    torch.testing.assert_close(found.basis @ found.basis.T, torch.eye(2), atol=1e-5, rtol=0)
    assert found.losses.shape == (300,)
    assert found.losses[-20:].mean() < found.losses[:20].mean() / 2
    assert "2 of 16 dimensions" in repr(found)


def test_broken_fits_would_be_noticed(found):
    base, source, wanted = pairs(10)
    broken = [
        fit_das(model, base, source, wanted[torch.randperm(N, generator=GENERATOR)], k=2, steps=60),
        fit_das(model, source, base, wanted, k=2, steps=60),
        dataclasses.replace(found, basis=ROTATION[4:6]),
        dataclasses.replace(found, basis=found.basis * 2),
    ]
    for wrong in broken:
        with pytest.raises(AssertionError):
            check(wrong)


def test_one_dimension_is_not_enough_and_too_many_do_not_help():
    held = pairs(11)
    one = agreement(fit_das(model, *pairs(10), k=1), *held)
    four = agreement(fit_das(model, *pairs(10), k=4), *held)
    assert 0.4 < one < 0.9
    assert four > 0.9
    full = fit_das(model, *pairs(10), k=D, steps=2)
    torch.testing.assert_close(full.swap(held[0], held[1]), held[1], atol=1e-5, rtol=0)


def test_a_boundless_fit_finds_a_width_and_a_high_price_a_smaller_one():
    held = pairs(11)
    cheap = fit_das(model, *pairs(10), boundless=True)
    dear = fit_das(model, *pairs(10), width_price=50.0)
    assert agreement(cheap, *held) > 0.9
    assert 2 <= len(cheap.basis) <= 8
    assert torch.linalg.svdvals(cheap.basis @ PLANTED.T).min() > 0.95
    assert len(dear.basis) < len(cheap.basis)
    torch.testing.assert_close(cheap.basis @ cheap.basis.T, torch.eye(len(cheap.basis)), atol=1e-5, rtol=0)


def test_seeds_repeat_and_differ_and_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    first, again, other = (fit_das(model, *pairs(10), k=2, steps=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.basis, again.basis)
    assert not torch.allclose(first.basis, other.basis)


def test_every_row_is_seen_once_an_epoch_the_last_ones_too():
    seen = []

    def forward(activations, rows):
        assert len(activations) == len(rows)
        seen.append(rows)
        return model(activations, rows)

    base, source, wanted = (part[:70] for part in pairs(10))
    fit_das(forward, base, source, wanted, k=1, steps=6, batch_size=32)
    assert [len(rows) for rows in seen] == [32, 32, 6, 32, 32, 6]
    for epoch in (seen[:3], seen[3:]):
        np.testing.assert_array_equal(torch.cat(epoch).sort().values, np.arange(70))


def test_through_a_small_transformer():
    from fiducial.models.nodes import Node, patched_logits, read_nodes
    from fiducial.models.transformers import TransformerConfig, build_transformer

    net = build_transformer(TransformerConfig(d_vocab=11, n_ctx=5, d_model=16, n_layers=2, n_heads=2, d_mlp=32), seed=0)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 11, (60, 5), generator=generator)
    sources = torch.randint(1, 11, (60, 5), generator=generator)
    positions = {"end": np.full(60, 4)}
    node = Node("blocks.0.hook_out", "end")
    base = read_nodes(net, tokens, positions, [node])[node]
    source = read_nodes(net, sources, positions, [node])[node]

    def forward(activations, rows):
        return patched_logits(net, tokens[rows], {"end": positions["end"][rows.numpy()]}, {node: activations})

    full = forward(source, torch.arange(60)).detach()
    found = fit_das(forward, base, source, full.argmax(1), k=4, steps=40, batch_size=60)
    assert found.losses[-1] < found.losses[0]
    assert all(parameter.grad is None for parameter in net.parameters())


def test_wrong_inputs_are_named():
    base, source, wanted = pairs(10)
    cases = {
        "alike": (base, source[:, :3], wanted, {"k": 1}),
        "target must be int64": (base, source, wanted.float(), {"k": 1}),
        "must be finite": (base * torch.nan, source, wanted, {"k": 1}),
        "either k or boundless": (base, source, wanted, {"k": 1, "boundless": True}),
        "got k=None and boundless=False": (base, source, wanted, {"boundless": False}),
        "from 1 to 16, got 17": (base, source, wanted, {"k": 17}),
        "above 0": (base, source, wanted, {"k": 1, "steps": 0}),
    }
    for message, (a, b, c, settings) in cases.items():
        with pytest.raises(ValueError, match=message):
            fit_das(model, a, b, c, **settings)
    found = fit_das(model, base, source, wanted, k=1, steps=1)
    with pytest.raises(ValueError, match="base and source must be"):
        found.swap(base, source[:3])
