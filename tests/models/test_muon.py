import fiducial.models.muon as muon_module
import pytest
import torch
from fiducial.models.muon import Muon, orthogonalise

SHAPES = [(6, 6), (12, 5), (5, 12), (6, 6)]


def matrices(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def run(optimizer_class, steps=4, **fields):
    parameters = [torch.nn.Parameter(value) for value in matrices(0)]
    optimizer = optimizer_class(parameters, lr=0.1, momentum=0.9, weight_decay=0.05, **fields)
    for step in range(steps):
        for parameter, gradient in zip(parameters, matrices(step + 1), strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    return parameters


def check_against_torch():
    start = matrices(0)
    ours = run(Muon)
    theirs = run(torch.optim.Muon, nesterov=True, ns_steps=5, adjust_lr_fn="original")
    for before, a, b in zip(start, ours, theirs, strict=True):
        # torch iterates in bfloat16, which has 8 bits; the two must differ by far less than a step.
        difference, moved = (a - b).norm(), (b - before).norm()
        assert difference < 0.03 * moved, f"{difference} of {moved}"


def test_it_is_torchs_muon_to_bfloat16():
    check_against_torch()


def test_wrong_steps_would_be_noticed(monkeypatch):
    good = muon_module.orthogonalise
    for wrong in (lambda m: -good(m), lambda m: 1.1 * good(m), lambda m: m / m.norm(dim=(-2, -1), keepdim=True)):
        monkeypatch.setattr(muon_module, "orthogonalise", wrong)
        with pytest.raises(AssertionError):
            check_against_torch()


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 20), (20, 3), (64, 64)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    generator = torch.Generator().manual_seed(1)
    stack = torch.randn(5, *shape, generator=generator) * torch.tensor([1e-3, 0.1, 1, 10, 1e4])[:, None, None]
    result = orthogonalise(stack)
    assert result.shape == stack.shape
    u, s, v = torch.linalg.svd(stack.double(), full_matrices=False)
    strong = s > 0.05 * s[:, :1]  # five steps cannot lift what is far below the rest
    inside = (u.mT @ result.double() @ v.mT).diagonal(dim1=1, dim2=2)
    assert ((inside > 0.45) & (inside < 1.3))[strong].all()
    off = u.mT @ result.double() @ v.mT - torch.diag_embed(inside)
    assert off.abs().max() < 1e-4
    for one, together in zip(stack, result, strict=True):
        torch.testing.assert_close(orthogonalise(one[None])[0], together, rtol=1e-4, atol=1e-5)


def test_a_zero_gradient_is_no_step_and_no_nan():
    parameter = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = Muon([parameter], lr=0.1, weight_decay=0.0)
    parameter.grad = torch.zeros(3, 4)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.ones(3, 4))


def test_only_matrices_are_taken():
    with pytest.raises(ValueError, match=r"Muon takes matrices, got a parameter of shape \[3\]"):
        Muon([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
