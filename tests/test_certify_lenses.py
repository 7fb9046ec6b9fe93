"""The lenses are plain functions of numbers: each is held to an example worked out by hand or to scipy."""

import numpy as np
import pytest
from fiducial.certify_lenses import (
    Measured,
    agreement,
    agreement_within,
    beaten_by,
    gaming,
    leak,
    noise,
    order,
    spearman,
    worse_beyond_noise,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

RNG = np.random.default_rng(0)


def spread(value, sd, shared=None, n=500):
    """A score whose replicates share most of their noise with others of the same sample."""
    common = RNG.normal(size=n) if shared is None else shared
    return Measured(value, value + sd * common + 0.001 * RNG.normal(size=n))


def test_a_difference_counts_only_beyond_the_paired_interval():
    common = RNG.normal(size=500)
    low, high = spread(0.50, 0.1, common), spread(0.52, 0.1, common)  # paired: the noise cancels
    assert beaten_by(low, high) == pytest.approx(0.02, abs=0.005)
    assert worse_beyond_noise(high, low)
    assert beaten_by(high, low) == 0
    apart = Measured(0.52, 0.52 + 0.1 * RNG.normal(size=500))
    assert beaten_by(low, apart) == 0
    assert not worse_beyond_noise(apart, low)
    assert beaten_by(Measured(1.0), Measured(1.5)) == pytest.approx(0.5)


def test_equal_dictionaries_do_not_beat_each_other():
    one = spread(0.7, 0.1)
    assert beaten_by(one, Measured(one.value, one.replicates + 1e-12)) == 0
    assert beaten_by(Measured(0.3), Measured(0.3)) == 0


def test_a_ladder_in_order_and_one_that_misses_a_damage():
    damages, levels = ["none", "half", "half", "dead"], [0.0, 0.25, 0.5, 0.5]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2)]
    good = order([Measured(v) for v in (1.0, 0.8, 0.6, 0.5)], damages, levels, pairs, ("half", "dead"))
    assert (good.right, good.missed, good.noticed) == (1.0, (), ("half", "dead"))
    bad = order([Measured(v) for v in (1.0, 0.6, 0.8, 1.0)], damages, levels, pairs, ("half", "dead"))
    assert bad.right == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert bad.missed == ("dead",)
    blind = order([Measured(v) for v in (1.0, 0.6, 0.8, 1.0)], damages, levels, pairs, ("half",))
    assert (blind.missed, blind.blind) == ((), ("dead",))


def test_a_flipped_sign_turns_the_order_round():
    values = [1.0, 0.8, 0.6, 0.5]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2)]
    found = order(
        [Measured(-v) for v in values], ["none", "half", "half", "dead"], [0, 0.25, 0.5, 0.5], pairs, ("half",)
    )
    assert found.right == 0
    assert found.missed == ("half",)


def test_detectable_difference_of_known_noise():
    values = 0.5 + 0.01 * np.random.default_rng(1).normal(size=(3, 4000))
    found = noise(values)
    assert found.sd == pytest.approx(0.01, rel=0.03)
    assert found.sd_low < 0.01 < found.sd_high
    assert found.cv == pytest.approx(0.02, rel=0.03)
    assert found.detectable == pytest.approx(2.8016 * 0.01 * np.sqrt(2), rel=0.03)
    shared = values + 0.2 * np.random.default_rng(2).normal(size=4000)  # a hard sample is hard for all
    assert noise(shared).detectable == pytest.approx(found.detectable, rel=1e-6)
    with pytest.raises(ValueError, match=r"at least 2 dictionaries on 2 samples, got \[1, 5\]"):
        noise(np.zeros((1, 5)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12))
def test_spearman_is_scipys(pairs):
    a, b = np.array(pairs, float).T
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert float(spearman(a, b)) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert np.isnan(spearman(a, b))


def test_agreement_with_the_truth_and_against_it():
    truth = np.linspace(0, 1, 20)
    up = agreement(truth + 0.01 * RNG.normal(size=20), truth)
    assert up.low > 0.9
    assert agreement(-truth, truth).high < -0.9
    none = agreement(np.random.default_rng(5).normal(size=20), truth)
    assert none.low < 0 < none.high
    assert agreement(np.array([1.0, np.nan, 2.0, 3, 4, 5]), truth[:6]) is None  # five are too few
    hardly = agreement(np.array([0.0] * 17 + [1.0]), np.linspace(0, 1, 18))
    assert hardly.low <= 0 < hardly.value


def test_noise_seldom_passes_for_agreement():
    """Under pure noise the interval lies above 0 in a few cases of a hundred, not in a fifth."""
    rng = np.random.default_rng(3)
    found = [agreement(rng.normal(size=12), rng.normal(size=12), n_resamples=200, seed=i) for i in range(200)]
    assert np.mean([one.low > 0 for one in found]) < 0.07
    runs = [[(rng.normal(size=5), np.arange(5.0)) for _ in range(8)] for _ in range(200)]
    assert np.mean([agreement_within(one, n_resamples=200).low > 0 for one in runs]) < 0.1


def test_along_training_each_run_has_its_own_ranks():
    rising = [(np.array([1.0, 2, 3]) + 10 * i, np.array([0.1, 0.2, 0.3]) - i) for i in range(6)]
    found = agreement_within(rising)
    assert (found.value, found.low, found.n) == (1.0, 1.0, 6)
    assert agreement_within(rising[:5]) is None
    constant = agreement_within([(np.ones(3), np.arange(3.0))] * 5 + rising[:1])  # a run that says nothing counts 0
    assert constant.value == pytest.approx(1 / 6)
    assert constant.low == 0


def test_gaming_is_a_gain_without_truth():
    before = [Measured(0.5)] * 3
    found = gaming(before, [Measured(v) for v in (0.6, 0.9, 0.4)], [0.0, 0.3, 0.0], ["a", "true gain", "b"], span=0.5)
    assert (found.edit, found.gain) == ("a", pytest.approx(0.2))
    assert gaming(before, [Measured(0.5)] * 3, [0.0] * 3, ["a", "b", "c"], 0.5).edit == ""
    assert np.isnan(gaming(before, before, [0.0] * 3, ["a", "b", "c"], span=0.0).gain)


def test_a_leak_is_what_survives_without_labels():
    held_out = {"astray": 0.2, "tampered": 0.3, "unread": 0.1, "reads": True, "chooses": True}
    assert leak(1.0, 0.2, **held_out).kept == pytest.approx(0)
    assert leak(1.0, 0.2, **held_out | {"astray": 1.0}).kept == pytest.approx(1)
    assert leak(1.0, 0.2, **held_out | {"tampered": 1.0}).kept == 1  # the choosing labels do not matter to it
    assert leak(1.0, 0.2, **held_out | {"unread": 0.9, "reads": False}).moved == pytest.approx(0.1)
    assert np.isnan(leak(1.0, 1.0, **held_out).kept)
    assert np.isnan(leak(1.0, 0.2, **held_out | {"chooses": False}).kept)


def test_nan_is_not_better_and_not_worse():
    assert np.isnan(beaten_by(Measured(1.0), Measured(float("nan"))))
    assert not worse_beyond_noise(Measured(1.0), Measured(float("nan")))
