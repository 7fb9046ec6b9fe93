"""Natural F1 by hand: prevalence put back in, the judge's errors taken out."""

from math import isnan

import numpy as np
import pytest
from fiducial.explaining.natural import judge_errors, why_no_natural_f1, with_natural_f1
from fiducial.explaining.result import ExplainedLatent
from fiducial.metrics.llm.natural import natural_f1, true_rates
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

SHARE = st.floats(0.05, 0.95)


def detected(latent, tpr, tnr, rate, *, counts=None, undefined=""):
    """A latent with a detection of 50 active and 50 silent examples."""
    record = {"value": (tpr + tnr) / 2, "tpr": tpr, "tnr": tnr, "null_tpr": 0.1, "null_tnr": 0.9, "n_active": 50}
    record |= {"n_silent": 50, "judge": counts or {}, "undefined": undefined, "failed": {}}
    return ExplainedLatent(latent, rate, "x", "x", "given", scores={"detection": record})


def test_f1_is_that_of_the_confusion_matrix_at_natural_prevalence():
    # 1,000 positions, 100 fire: 80 of them found; of 900 silent ones 90 are taken for active
    true = np.r_[np.ones(100), np.zeros(900)]
    said = np.r_[np.ones(80), np.zeros(20), np.ones(90), np.zeros(810)]
    assert natural_f1(0.8, 0.9, 0.1) == pytest.approx(f1_score(true, said))
    assert natural_f1(0.0, 1.0, 0.1) == 0.0
    assert isnan(natural_f1(float("nan"), 1.0, 0.1))
    assert isnan(natural_f1(0.0, 1.0, 0.0))


@given(tpr=SHARE, tnr=SHARE, e_pos=st.floats(0, 0.4), e_neg=st.floats(0, 0.4))
def test_errors_put_in_are_taken_out(tpr, tnr, e_pos, e_neg):
    seen = tpr * (1 - e_pos) + (1 - tpr) * e_neg, tnr * (1 - e_neg) + (1 - tnr) * e_pos
    np.testing.assert_allclose(true_rates(*seen, e_pos, e_neg), (tpr, tnr), atol=1e-9)
    assert all(map(isnan, true_rates(tpr, tnr, 0.5, 0.5)))


def test_rates_of_all_latents_correct_each():
    # e_pos = 20 / 200 = .1, e_neg = 40 / 200 = .2; latent 1: TPR (.75 - .2) / .7 = .7857, TNR (.7 - .1) / .7 = .8571
    counts = [{"true": 150, "no": 20, "false": 50, "yes": 10}, {"true": 50, "no": 0, "false": 150, "yes": 30}]
    latents = [detected(i, 0.75, 0.7, 0.05, counts=one) for i, one in enumerate(counts)]
    assert judge_errors([one.scores["detection"] for one in latents]) == (0.1, 0.2)
    record = with_natural_f1(latents)[1].scores["natural F1"]
    assert record["recall"] == pytest.approx(0.55 / 0.7)
    # 2 * .05 * .785714 / (.05 * .785714 + .95 * .142857 + .05) = .078571 / .225 = .349206
    assert record["value"] == pytest.approx(0.3492063)
    assert record["as seen"] == pytest.approx(2 * 0.0375 / (0.0375 + 0.95 * 0.3 + 0.05))
    assert record["low"] < record["value"] < record["high"]
    assert record["null"] == 0.0  # (.1 - .2) / .7 is cut off at 0
    assert list(with_natural_f1(latents)[0].scores) == ["natural F1", "detection"]


def test_unknown_errors_take_nothing_out_and_undefined_stays_so():
    free = with_natural_f1([detected(0, 0.8, 0.9, 0.1)])[0].scores["natural F1"]
    assert free["value"] == free["as seen"]
    assert not free["errors taken out"]
    none = with_natural_f1([detected(0, float("nan"), float("nan"), 0.1, undefined="no examples")])[0]
    assert isnan(none.scores["natural F1"]["value"])
    assert none.scores["natural F1"]["undefined"] == "no examples"
    coin = {"true": 10, "no": 5, "false": 10, "yes": 5}
    lost = with_natural_f1([detected(0, 0.5, 0.5, 0.1, counts=coin)])[0].scores["natural F1"]
    assert "say nothing" in lost["undefined"]


def test_harder_silent_examples_say_nothing_of_all_positions():
    assert "nearest board" in why_no_natural_f1(["detection"], "nearest board")
    assert "not asked" in why_no_natural_f1(["fuzzing"], "random")
    assert not why_no_natural_f1(["detection"], "random")
