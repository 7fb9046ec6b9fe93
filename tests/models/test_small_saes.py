"""Small SAEs: gradients against autograd, training against a plain loop, stacks against single members."""

import math

import pytest
import torch
from fiducial.models.dictionary import Dictionary, encode_in_batches
from fiducial.models.seeds import generator_of
from fiducial.models.small_saes import Stack, gradients, initial, train_small_saes

N, D, H = 400, 6, 16
X = torch.randn(N, D, generator=torch.Generator().manual_seed(5)) * 3 + 1
KINDS = {"topk": {"kind": "topk", "k": 2}, "l1": {"kind": "l1", "l1": 0.3}}


def trained(kind="topk", x=X, **given):
    given = {"n_latents": H, "steps": 30, "batch_size": 32, **KINDS[kind], **given}
    return train_small_saes(x, **given)


def plain_loss(parameters, x, k, l1):
    """The equations of the module, one member at a time."""
    losses = []
    for encoder, encoder_bias, decoder, bias, rows in zip(*parameters, x, strict=True):
        f = torch.relu((rows - bias) @ encoder + encoder_bias)
        if k is not None:
            least = f.sort(dim=1, descending=True).values[:, k - 1 : k]
            f = f * (f >= least)
        error = rows - (f @ decoder + bias)
        losses.append(error.square().sum(1).mean() + l1 * f.sum(1).mean())
    return torch.stack(losses)


@pytest.mark.parametrize(("k", "l1"), [(1, 0.0), (3, 0.0), (None, 0.4), (None, 0.0), (H, 0.0)])
def test_gradients_are_those_of_autograd(k, l1):
    g = torch.Generator().manual_seed(1)
    shapes = ((3, D, H), (3, 1, H), (3, H, D), (3, 1, D))
    parameters = [torch.randn(s, generator=g, dtype=torch.float64).requires_grad_() for s in shapes]
    x = torch.randn(3, 50, D, generator=g, dtype=torch.float64)
    loss = plain_loss(parameters, x, k, l1)
    wanted = torch.autograd.grad(loss.sum(), parameters)
    with torch.no_grad():
        ours, found = gradients(Stack(*parameters), x, k=k, l1=l1)
    torch.testing.assert_close(ours, loss.detach(), rtol=1e-12, atol=1e-12)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_a_plain_loop_of_adam(kind):
    (sae,) = trained(kind, seeds=[4], steps=8)
    stack = initial(X[None], torch.ones(1), H, [4])
    parameters = [p.requires_grad_() for p in stack.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3)
    rows = generator_of("rows of small SAEs", 4)
    for _ in range(8):
        batch = X[torch.randint(N, (32,), generator=rows)][None]
        optimiser.zero_grad()
        plain_loss(parameters, batch, KINDS[kind].get("k"), KINDS[kind].get("l1", 0.0)).sum().backward()
        optimiser.step()
        with torch.no_grad():
            stack.decoder /= stack.decoder.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(sae.directions, stack.decoder[0].detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sae.encoder, stack.encoder[0].detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_is_the_same_in_any_stack(kind):
    together = trained(kind, seeds=[3, 0, 7])
    for sae in together:
        (alone,) = trained(kind, seeds=[sae.seed])
        torch.testing.assert_close(sae.directions, alone.directions, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(together[0].directions, together[1].directions, atol=0.1)


def test_members_may_have_data_of_their_own():
    a, b = trained(x=torch.stack([X, X.flip(1)]), seeds=[0, 1])
    torch.testing.assert_close(a.directions, trained(seeds=[0])[0].directions, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(b.directions, trained(x=X.flip(1), seeds=[1])[0].directions, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_of_training_is_folded_back(kind):
    factor = math.sqrt(D) / float(X.norm(dim=1).mean())
    (folded,) = trained(kind, mean_norm=math.sqrt(D))
    (scaled,) = trained(kind, x=X * factor)
    torch.testing.assert_close(folded.encode(X) * factor, scaled.encode(X * factor), rtol=1e-3, atol=1e-4)
    ours, theirs = folded.decode(folded.encode(X)), scaled.decode(scaled.encode(X * factor)) / factor
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert folded.loss < 0.5 * trained(kind)[0].loss  # in scaled units, so it is not without effect


@pytest.mark.parametrize("kind", KINDS)
def test_contract_and_sparsity(kind):
    saes = trained(kind, seeds=[0, 1], steps=60, snapshots=[20])
    assert [(s.steps, s.seed) for s in saes] == [(20, 0), (20, 1), (60, 0), (60, 1)]
    assert len({s.name for s in saes}) == 4
    assert saes[-1].name == f"{'topk 2' if kind == 'topk' else 'l1 0.3'} seed 1"
    for sae in saes:
        assert isinstance(sae, Dictionary)
        f = sae.encode(X)
        assert f.shape == (N, H)
        assert float(f.min()) >= 0
        assert sae.decode(f).shape == X.shape
        torch.testing.assert_close(sae.directions.norm(dim=1), torch.ones(H))
        assert encode_in_batches(sae, X).l0 <= (2 if kind == "topk" else H)
        assert not sae.directions.requires_grad
    torch.testing.assert_close(saes[0].directions, trained(kind, steps=20)[0].directions)  # a snapshot is a short run
    torch.testing.assert_close(saes[2].directions, trained(kind, steps=60)[0].directions, rtol=1e-3, atol=1e-3)
    assert saes[2].loss < saes[0].loss


def test_training_reconstructs_and_l1_makes_sparse():
    variance = float((X - X.mean(0)).square().sum(1).mean())
    (dense,) = trained("l1", l1=0.05, steps=600, lr=1e-2)
    (sparse,) = trained("l1", l1=3.0, steps=600, lr=1e-2)
    assert float((X - dense.decode(dense.encode(X))).square().sum(1).mean()) < 0.05 * variance
    assert encode_in_batches(sparse, X).l0 < 0.8 * encode_in_batches(dense, X).l0


def test_frozen_decoder_stays_and_the_encoder_learns():
    (frozen,) = trained(frozen_decoder=True)
    start = initial(X[None], torch.ones(1), H, [0])
    assert torch.equal(frozen.directions, start.decoder[0])
    assert not torch.allclose(frozen.encoder, start.encoder[0], atol=1e-3)
    assert frozen.name == "topk 2 frozen decoder seed 0"


def test_repeats_bit_for_bit_and_leaves_the_global_stream_alone():
    state = torch.random.get_rng_state()
    first, second = trained(seeds=[0, 1]), trained(seeds=[0, 1])
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(a.encoder, b.encoder) for a, b in zip(first, second, strict=True))


def test_progress_is_told():
    told = []
    trained(steps=250, seeds=[0, 1], progress=lambda step, loss: told.append((step, tuple(loss.shape))))
    assert told == [(100, (2,)), (200, (2,))]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": 0}, "k from 1 to n_latents"),
        ({"k": H + 1}, "k from 1 to n_latents"),
        ({"l1": 0.1}, "no l1"),
        ({"kind": "l1", "k": None}, "l1 >= 0"),
        ({"kind": "gated"}, "'topk' or 'l1'"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, "each once"),
        ({"steps": 0}, "at least 1"),
        ({"snapshots": [31]}, "1 to steps = 30"),
        ({"x": X[0]}, "floating"),
        ({"x": X.long()}, "floating"),
        ({"x": torch.full((4, D), math.nan)}, "finite"),
        ({"x": torch.stack([X, X]), "seeds": [0]}, "2 members"),
    ],
)
def test_errors_say_what_came(given, says):
    fitting = {"x": X, "kind": "topk", "k": 2, "n_latents": H, "steps": 30, "batch_size": 32}
    with pytest.raises(ValueError, match=says):
        train_small_saes(**(fitting | given))
