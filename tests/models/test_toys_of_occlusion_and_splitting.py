"""Regression experiments A and B: the published toys at fixed steps and seeds, within the ranges that were measured."""

import numpy as np
import pytest
import torch
from fiducial.metrics.occlusion import best_f1
from fiducial.models import small_saes
from fiducial.models.small_saes import train_small_saes
from fiducial.models.toy_occlusion import two_attributes, weakened
from fiducial.models.toy_splitting import crossing, ideal_pair, random_rival, two_clusters
from scipy import integrate, stats

SETTINGS = {"kind": "topk", "k": 2, "n_latents": 1024, "batch_size": 1024, "mean_norm": 1.0}
# Found share of low, (least, most), at 300, 500 and 1000 steps; wider by .05 than what five seeds gave.
LOW = {
    1.0: ((0.89, 1.0), (0.93, 1.0), (0.95, 1.0)),
    1.25: ((0.55, 0.78), (0.84, 0.98), (0.90, 1.0)),
    1.5: ((0.06, 0.26), (0.65, 0.83), (0.88, 1.0)),
    2.0: ((0.0, 0.02), (0.0, 0.06), (0.57, 0.83)),
    3.0: ((0.0, 0.0), (0.0, 0.0), (0.0, 0.02)),
}


def found(sae, rows, limit=0.5):
    f = sae.encode(rows.x).numpy()
    return {name: float((best_f1(f, values) > limit).mean()) for name, values in rows.attributes.items()}


def check(ratio, steps, seeds=(0,)):
    at = (300, 500, 1000)[: (300, 500, 1000).index(steps) + 1]
    scored = two_attributes(ratio, n=20_000, rows_seed=9)
    data = two_attributes(ratio)
    for sae in train_small_saes(data.x, seeds=seeds, steps=steps, snapshots=at[:-1], **SETTINGS):
        share = found(sae, scored)
        least, most = LOW[ratio][at.index(sae.steps)]
        assert least <= share["low"] <= most, (ratio, sae.name, share)
        assert share["high"] >= (0.87 if ratio == 1 else 0.99), (ratio, sae.name, share)


@pytest.mark.parametrize("ratio", [1.5, 2.0])
def test_occlusion_after_300_steps(ratio):
    check(ratio, 300)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", LOW)
def test_occlusion_is_mostly_order_of_learning(ratio):
    check(ratio, 1000, seeds=(0, 1))


def test_the_trap_an_sae_that_starts_at_the_truth(monkeypatch):
    """One generator seed for directions and SAE would make the decoder start at the truth; it would be seen."""
    given = {"n_values": 40, "width": 32, "seed": 3}
    rows = two_attributes(2.0, n=8000, **given)
    settings = {**SETTINGS, "n_latents": 80, "batch_size": 256, "seeds": [3], "steps": 20}
    (ours,) = train_small_saes(rows.x, **settings)
    truth = torch.cat([rows.directions["high"] / 2, rows.directions["low"]])
    assert float((ours.directions @ truth.T).max()) < 0.9
    assert found(ours, rows)["low"] < 0.3
    start = small_saes.initial

    def at_the_truth(*args):
        stack = start(*args)
        stack.decoder[0], stack.encoder[0] = truth, truth.T
        return stack

    monkeypatch.setattr(small_saes, "initial", at_the_truth)
    (trapped,) = train_small_saes(rows.x, **settings)
    assert found(trapped, rows)["low"] > 0.9


def test_rows_of_two_attributes():
    rows = two_attributes(1.7, n=500, n_values=20, width=8, seed=2, rows_seed=4)
    torch.testing.assert_close(rows.directions["high"].norm(dim=1), torch.full((20,), 1.7))
    high, low = (rows.directions[a][torch.as_tensor(rows.attributes[a])] for a in ("high", "low"))
    torch.testing.assert_close(rows.x, high + low)
    assert sum(rows.variance_shares.values()) == pytest.approx(1)
    assert rows.variance_shares["high"] > 0.65
    other = two_attributes(3.4, n=500, n_values=20, width=8, seed=2, rows_seed=5)
    torch.testing.assert_close(other.directions["high"], 2 * rows.directions["high"])  # same world, other ratio
    assert not np.array_equal(other.attributes["low"], rows.attributes["low"])
    assert not np.array_equal(rows.attributes["high"], rows.attributes["low"])  # streams of their own
    same = two_attributes(1.7, n=500, n_values=20, width=8, seed=2, rows_seed=4)
    assert torch.equal(same.x, rows.x)


def test_weakened_takes_a_share_of_one_attribute():
    rows = two_attributes(2.0, n=300, n_values=10, width=8)
    high, values = rows.directions["high"], rows.attributes["high"].copy()
    half = weakened(rows.x, high, values, 0.5)
    torch.testing.assert_close(half, two_attributes(1.0, n=300, n_values=10, width=8).x)
    assert torch.equal(weakened(rows.x, high, values, 0.0), rows.x)
    values[:5] = -1
    assert torch.equal(weakened(rows.x, high, values, 1.0)[:5], rows.x[:5])
    with pytest.raises(ValueError, match="-1 to 9"):
        weakened(rows.x, high, np.full(300, 10), 0.5)
    with pytest.raises(ValueError, match=r"values \[N\]"):
        weakened(rows.x, high, values[:4], 0.5)
    with pytest.raises(ValueError, match="ratio"):
        two_attributes(0.0)


# lambda: loss of the pair, share of rows it is active on; loss of 1000 random rows
LOSSES = {
    0.5: (99.9, 0.96, 63.5),
    1: (100.7, 0.94, 73.4),
    2: (102.0, 0.85, 86.9),
    3: (102.9, 0.69, 95.7),
    4: (103.5, 0.50, 100.7),
    5: (103.8, 0.30, 102.9),
    6: (103.91, 0.16, 103.85),
    7: (103.96, 0.07, 104.09),
}


PENALTIES = np.arange(0.5, 10, 0.25)


def check_losses(n, seed):
    x, _ = two_clusters(n, seed=seed)
    pair, rival = ideal_pair(x), random_rival(x, seed=seed)
    assert pair.empty == rival.empty == pytest.approx(104, abs=6 * 14.3 / np.sqrt(n))
    for penalty, (ideal, active, random) in LOSSES.items():
        ours, theirs = pair.best(penalty), rival.best(penalty)
        # ||x||^2 alone moves every loss by its sampling error: compare what is gained over writing nothing.
        assert pair.empty - ours["loss"] == pytest.approx(103.99 - ideal, rel=0.1, abs=0.12)
        assert ours["active"] == pytest.approx(active, abs=0.03)
        assert rival.empty - theirs["loss"] == pytest.approx(103.99 - random, rel=0.05, abs=0.35)
    ours, theirs = np.array([[g.empty - g.best(p)["loss"] for p in PENALTIES] for g in (pair, rival)])
    assert (theirs > 1.2 * ours)[PENALTIES <= 6.5].all()  # the rival wins
    assert (np.maximum(ours, theirs) < 0.03)[PENALTIES >= 8].all()  # until neither gains anything
    assert rival.best(1)["l0"] == pytest.approx(60, abs=12)
    assert rival.best(6)["l0"] == pytest.approx(1.4, abs=0.6)
    return ours, theirs


def test_over_splitting_has_less_loss_until_nothing_is_active():
    check_losses(2000, 0)


@pytest.mark.slow
def test_over_splitting_at_the_stated_size():
    gains = np.mean([check_losses(4000, seed) for seed in range(4)], axis=0)
    assert 7 <= crossing(PENALTIES, *gains) <= 9  # of one sample the tails are too noisy to say


@pytest.mark.parametrize(("k", "gamma"), [(0.3, 0.5), (0.5, 2.0), (1.0, 4.0)])
def test_the_pair_against_the_integral(k, gamma):
    x, _ = two_clusters(200_000, width=2, seed=7)
    grid = ideal_pair(x, ks=[k], gammas=[gamma])

    def mean(what):
        def density(p):
            return (stats.norm.pdf(p, 2) + stats.norm.pdf(p, -2)) / 2

        return integrate.quad(lambda p: what(p) * density(p), -10, 10, limit=200)[0]

    def f(p):
        return max(0.0, 2 * k * abs(p) - gamma)

    assert grid.l1[0, 0] == pytest.approx(mean(f), rel=0.02)
    assert grid.active[0, 0] == pytest.approx(mean(lambda p: f(p) > 0), rel=0.02)
    gain = mean(lambda p: 2 * f(p) * abs(p) - f(p) ** 2)
    assert grid.empty - grid.error[0, 0] == pytest.approx(gain, rel=0.03, abs=0.02)


def test_losses_against_the_dictionaries_written_out():
    x, values = two_clusters(300, width=5, seed=3)
    assert ((x[:, 0] > 0).numpy() == (values == 0)).mean() > 0.95
    mu = torch.tensor([2.0, 0, 0, 0, 0])
    encoder, decoder = 0.4 * torch.stack([mu, -mu]), torch.stack([mu, -mu]) / 2
    f = torch.relu(x @ encoder.T - 0.6)
    grid = ideal_pair(x, ks=[0.4], gammas=[0.6])
    assert grid.error[0, 0] == pytest.approx(float((f @ decoder - x).square().sum(1).mean()), rel=1e-5)
    assert grid.l1[0, 0] == pytest.approx(float(f.sum(1).mean()), rel=1e-5)
    rows, _ = two_clusters(9, width=5, seed=3, purpose="rival")
    f = torch.relu(0.2 * x @ rows.T - 0.6)
    rival = random_rival(x, n_latents=9, betas=[0.2], gammas=[0.6], seed=3)
    error = (f @ (rows / rows.norm(dim=1, keepdim=True)) - x).square().sum(1).mean()
    assert rival.best(2.0)["loss"] == pytest.approx(float(error + 2 * f.sum(1).mean()), rel=1e-5)
    assert rival.l0[0, 0] == pytest.approx(float((f > 0).sum(1).float().mean()))


def test_crossing():
    assert crossing([1, 2, 3], [1, 1, 1], [2, 1.5, 0.5]) == pytest.approx(2.5)
    assert np.isnan(crossing([1, 2, 3], [1, 1, 1], [2, 2, 2]))
    assert np.isnan(crossing([1, 2], [1, 1], [0, 2]))
