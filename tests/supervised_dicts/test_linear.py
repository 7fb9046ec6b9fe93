import numpy as np
import pytest
import torch
from fiducial.supervised_dicts import linear
from fiducial.supervised_dicts.linear import best_cuts, check_fit_inputs, regress
from hypothesis import given
from hypothesis import strategies as st


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_regress_is_numpys_least_squares():
    inputs, targets = normal(60, 5), normal(60, 3, seed=1)
    expected = np.linalg.lstsq(np.c_[np.ones(60), inputs.numpy()], targets.numpy(), rcond=None)[0]
    offset, coefficients = regress(inputs, targets)
    np.testing.assert_allclose(offset, expected[0], atol=1e-5)
    np.testing.assert_allclose(coefficients, expected[1:], atol=1e-5)


def test_ridge_is_scikit_learns():
    from sklearn.linear_model import Ridge

    inputs, targets = normal(60, 5) * torch.arange(1.0, 6.0), normal(60, 3, seed=1)
    total = float(inputs.var(0, correction=0).mean()) * 60
    expected = Ridge(alpha=0.3 * total).fit(inputs.numpy(), targets.numpy())
    offset, coefficients = regress(inputs, targets, ridge=0.3)
    np.testing.assert_allclose(coefficients.T, expected.coef_, atol=1e-5)
    np.testing.assert_allclose(offset, expected.intercept_, atol=1e-5)


def test_collinear_inputs_share_and_fit_as_well():
    inputs, targets = normal(60, 4), normal(60, 3, seed=1)
    plain = regress(inputs, targets)
    copies = torch.cat([inputs, inputs, 1 - inputs, torch.ones(60, 2)], 1)
    offset, coefficients = regress(copies, targets)
    torch.testing.assert_close(offset + copies @ coefficients, plain[0] + inputs @ plain[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(coefficients[:4], coefficients[4:8], atol=1e-4, rtol=0)
    torch.testing.assert_close(coefficients[:4], -coefficients[8:12], atol=1e-4, rtol=0)
    assert coefficients[12:].abs().max() < 1e-5
    _, nothing = regress(torch.ones(60, 2), targets)
    assert nothing.abs().max() == 0
    with pytest.raises(ValueError, match="ridge must be at least 0"):
        regress(inputs, targets, -1.0)


def f1(predicted, truth):
    hits = int((predicted & truth).sum())
    return 2 * hits / max(1, int(predicted.sum()) + int(truth.sum()))


def check_cuts(cuts):
    @given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
    def inner(pairs):
        scores = torch.tensor([[p[0] / 8] for p in pairs])
        truth = torch.tensor([[p[1]] for p in pairs])
        cut = cuts(scores, truth)
        options = [-1.0, *scores[:, 0].tolist()]
        best = max(f1(scores > max(0.0, option), truth) for option in options)
        if truth.any():
            assert f1(scores > cut, truth) == pytest.approx(best)
        assert (cut >= 0).all()

    inner()


def test_cuts_have_the_best_f1_with_ties():
    check_cuts(best_cuts)


def test_a_wrong_cut_would_be_noticed():
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        check_cuts(lambda scores, truth: best_cuts(scores, truth) + 0.13)


def test_cuts_do_not_depend_on_the_block():
    scores, truth = torch.rand(40, 300, generator=torch.Generator().manual_seed(1)), normal(40, 300) > 0.5
    whole = best_cuts(scores, truth)
    torch.testing.assert_close(whole[200:], best_cuts(scores[:, 200:], truth[:, 200:]))


def test_inputs_are_checked_at_the_door():
    x, y, names = normal(10, 3), np.zeros((10, 9), bool), [str(i) for i in range(9)]
    packed = np.packbits(y, axis=1, bitorder="little")
    for labels in (y, packed, torch.from_numpy(y), torch.from_numpy(packed)):
        assert check_fit_inputs(x, labels, names)[1].shape == (10, 9)
    with pytest.raises(TypeError, match="must be a torch tensor, got ndarray"):
        check_fit_inputs(x.numpy(), y, names)
    for labels in (y.astype(int), y[:9], y[:, :8], y.astype(np.uint8), y.astype(float)):
        with pytest.raises(ValueError, match=r"labels must be bool \[10, 9\] or packed uint8 \[10, 2\]"):
            check_fit_inputs(x, labels, names)
    with pytest.raises(ValueError, match="feature_names must be unique"):
        check_fit_inputs(x, y, ["a"] * 9)
    with pytest.raises(ValueError, match=r"floating \[N, d\] with N >= 2"):
        check_fit_inputs(x[:1], y[:1], names)
    broken = x.clone()
    broken[4, 1] = float("nan")
    with pytest.raises(ValueError, match="row 4 are not finite"):
        check_fit_inputs(broken, y, names)


def test_scores_are_put_in_order_as_torch_sorts_them():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 321, generator=generator)
    scores[:10] = (3 * scores[:10]).round() / 3  # ties, zeros of both signs
    scores[10, :5] = torch.tensor([torch.finfo(torch.float32).max, 1e-45, -1e-45, -torch.finfo(torch.float32).max, 0])
    truth = scores + torch.randn(40, 321, generator=generator) > 0.5
    ordered, labels = linear._ordered(scores, truth)
    assert torch.equal(ordered, scores.sort(1, descending=True)[0])
    for f in range(40):
        for value in scores[f].unique():  # labels keep their scores
            assert labels[f, ordered[f] == value].sum() == truth[f, scores[f] == value].sum()
