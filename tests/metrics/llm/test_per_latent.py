"""Scores of one latent by hand, against scikit-learn and scipy, and at their limits."""

from math import isnan, nan

import numpy as np
import pytest
from fiducial.metrics.llm.asking import Asked
from fiducial.metrics.llm.nouns import Example
from fiducial.metrics.llm.per_latent import (
    auroc,
    balanced_interval,
    mean_over_latents,
    natural_precision,
    pooled,
    quartiles,
    score_latent,
    table,
    unscored,
    wilson,
    without_judge_errors,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score


def asked(active, p, quantile=None, failed=None, mode="detection", latent=0):
    tenths = quantile or [-1] * len(active)
    made = tuple(Example((i,), (float(a),), bool(a), q) for i, (a, q) in enumerate(zip(active, tenths, strict=True)))
    values = tuple(None if x is None else (float(x),) for x in p)
    return Asked(latent, mode, made, values, failed or {})


def test_by_hand():
    # active .9 .8 .4 -> 2 of 3; silent .1 .6 .2 .3 -> 3 of 4 are no
    one = score_latent(
        asked([1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.4, 0.1, 0.6, 0.2, 0.3], [0, 0, 9, -1, -1, -1, -1]), prevalence=0.1
    )
    assert (one.tp, one.n_active, one.tn, one.n_silent) == (2, 3, 3, 4)
    assert (one.tpr, one.tnr) == (2 / 3, 3 / 4)
    assert one.balanced_accuracy == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert one.accuracy == pytest.approx(5 / 7)
    assert one.f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))  # one wrong yes, one missed
    # pairs won: .9 and .8 beat all 4; .4 beats .1 .2 .3 -> 11 of 12
    assert one.auroc == pytest.approx(11 / 12)
    assert one.by_quantile[0] == 1
    assert one.by_quantile[9] == 0
    assert all(isnan(share) for share in one.by_quantile[1:9])
    # .1 * 2/3 right, .9 * 1/4 wrong
    assert one.precision == pytest.approx((0.1 * 2 / 3) / (0.1 * 2 / 3 + 0.9 / 4))
    p = one.precision
    assert one.natural_f1 == pytest.approx(2 * p * (2 / 3) / (p + 2 / 3))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=4, max_size=60))
def test_against_scikit_learn(pairs):
    active = np.array([a for a, _ in pairs])
    p = np.array([x / 10 for _, x in pairs])
    if active.all() or not active.any():
        return
    one = score_latent(asked(active, p))
    assert one.balanced_accuracy == pytest.approx(balanced_accuracy_score(active, p >= 0.5))
    assert one.f1 == pytest.approx(f1_score(active, p >= 0.5, zero_division=0))
    assert one.auroc == pytest.approx(roc_auc_score(active, p))
    assert one.low <= one.balanced_accuracy <= one.high


@given(st.integers(1, 300), st.data())
def test_wilson_against_scipy(n, data):
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_interval_of_balanced_accuracy_covers():
    """Of 2000 exams of 50 and 50 with rates .8 and .7, about 95 % of the intervals hold .75."""
    rng = np.random.default_rng(0)
    tp, tn = rng.binomial(50, 0.8, 2000), rng.binomial(50, 0.7, 2000)
    ends = np.array([balanced_interval(a, 50, b, 50) for a, b in zip(tp.tolist(), tn.tolist(), strict=True)])
    covered = ((ends[:, 0] <= 0.75) & (ends[:, 1] >= 0.75)).mean()
    assert 0.93 <= covered <= 0.97


def test_limits():
    perfect = score_latent(asked([1] * 50 + [0] * 50, [1] * 50 + [0] * 50), prevalence=0.01)
    assert (perfect.balanced_accuracy, perfect.auroc, perfect.f1, perfect.precision) == (1, 1, 1, 1)
    assert perfect.high == 1
    assert 0.94 < perfect.low < 0.98
    always = score_latent(asked([1] * 5 + [0] * 5, [1] * 10), prevalence=0.25)
    assert (always.balanced_accuracy, always.auroc, always.precision) == (0.5, 0.5, 0.25)
    never = score_latent(asked([1] * 5 + [0] * 5, [0] * 10), prevalence=0.25)
    assert never.balanced_accuracy == 0.5
    assert isnan(never.precision)
    assert never.natural_f1 == 0
    inverted = score_latent(asked([1] * 5 + [0] * 5, [0] * 5 + [1] * 5))
    assert (inverted.balanced_accuracy, inverted.auroc) == (0, 0)


@pytest.mark.parametrize(("active", "why"), [([], "no examples"), ([1, 1], "no silent"), ([0, 0], "no active")])
def test_no_score_without_both_kinds(active, why):
    one = score_latent(asked(active, [1] * len(active)))
    assert why in one.undefined
    assert all(isnan(v) for v in (one.balanced_accuracy, one.auroc, one.f1, one.low, one.accuracy))


def test_failures_leave_no_trace_in_the_rates():
    one = score_latent(asked([1] * 20 + [0] * 20, [None] + [1] * 19 + [0] * 20, failed={"timeout": 1}))
    assert (one.tpr, one.tnr, one.n_active, one.failed) == (1, 1, 19, {"timeout": 1})
    many = score_latent(asked([1] * 20 + [0] * 20, [None] * 3 + [1] * 17 + [0] * 20, failed={"timeout": 3}))
    assert isnan(many.balanced_accuracy)
    assert "3 of 40" in many.undefined


def test_a_rare_latent_with_a_broad_label():
    """The published pitfall: TPR 1 and TNR .92 score .96, and one prediction in nine is right at 1 %."""
    assert natural_precision(1, 0.92, 0.01) == pytest.approx(0.01 / (0.01 + 0.99 * 0.08))
    assert isnan(natural_precision(0, 1, 0.5))


def test_no_yes_among_fifty_silent_examples_says_little_about_a_rare_latent():
    one = score_latent(asked([1] * 50 + [0] * 50, [1] * 50 + [0] * 50), prevalence=0.01)
    low, high = one.precision_interval
    # Wilson: 0 of 50 may be 7.1 %, 50 of 50 may be 92.9 %: .01 x .929 against .99 x .071
    assert low == pytest.approx(0.01 * 0.9286 / (0.01 * 0.9286 + 0.99 * 0.0714), rel=0.01)
    assert (one.precision, high) == (1, 1)
    assert all(isnan(end) for end in score_latent(asked([1], [1]), prevalence=0.1).precision_interval)


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(0, 0.4))
def test_judge_errors_are_taken_out_exactly(truth, e_pos, e_neg):
    seen = 0.5 + (1 - e_pos - e_neg) * (truth - 0.5)
    assert without_judge_errors(seen, e_pos, e_neg) == pytest.approx(truth, abs=1e-9)


def test_a_judge_at_chance_cannot_be_corrected():
    assert isnan(without_judge_errors(0.5, 0.5, 0.5))
    one = score_latent(asked([1] * 10 + [0] * 10, [1] * 9 + [0] + [0] * 9 + [1]), rates=(0.1, 0.1))
    assert one.corrected == pytest.approx(1)


def test_auroc_without_a_side():
    assert isnan(auroc(np.array([0.5]), np.array([True])))


def test_aggregates():
    values = [0.5, 0.7, nan, 0.9, 0.6]
    assert quartiles(values) == pytest.approx({"median": 0.65, "lower_quartile": 0.575, "upper_quartile": 0.75})
    mean, low, high, replicates = mean_over_latents(values, 500, 0)
    assert mean == pytest.approx(0.675)
    assert low < mean < high
    assert replicates.shape == (500,)
    assert replicates.std() == pytest.approx(np.std([0.5, 0.7, 0.9, 0.6]) / 2, rel=0.15)
    alone = mean_over_latents([0.4, nan], 10, 0)
    assert alone[0] == 0.4
    assert np.isnan(alone[1:3]).all()  # one latent has no interval, least of all one of width 0
    unsampled = mean_over_latents(values, 0, 0)
    assert unsampled[0] == pytest.approx(0.675)
    assert np.isnan(unsampled[1:3]).all()
    assert isnan(mean_over_latents([nan], 10, 0)[0])
    assert isnan(quartiles([])["median"])


def test_pooled_is_the_released_form_and_another_number():
    large = score_latent(asked([1] * 90 + [0] * 10, [1] * 90 + [0] * 10), prevalence=0.3)  # perfect
    small = score_latent(asked([1] * 2 + [0] * 8, [0] * 2 + [1] * 8, latent=1), prevalence=0.1)  # all wrong
    found = pooled([large, small, unscored(2, "detection", "no explanation")])
    assert found["balanced_accuracy"] == pytest.approx((90 / 92 + 10 / 18) / 2)
    assert found["f1"] == pytest.approx(2 * 90 / (90 + 8 + 92))
    assert found["weighted_f1"] == pytest.approx(0.3 / 0.4)
    assert np.mean([large.balanced_accuracy, small.balanced_accuracy]) == 0.5
    assert isnan(pooled([])["f1"])


def test_table_has_columns_of_one_length():
    columns = table([score_latent(asked([1, 0], [1, 0])), unscored(7, "detection", "no explanation: unreadable")])
    assert {len(column) for column in columns.values()} == {2}
    assert columns["undefined"] == ["", "no explanation: unreadable"]
    assert columns["latent"] == [0, 7]


def test_simulations_have_another_score():
    with pytest.raises(ValueError, match="no yes and no"):
        score_latent(asked([1, 0], [1, 0], mode="simulation"))
