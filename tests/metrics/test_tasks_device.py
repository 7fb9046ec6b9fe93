"""Probes of SCR and TPP fitted on a device are those fitted on the CPU, and so are the scores."""

import numpy as np
import pytest
from fiducial.metrics.scr import prepare_scr
from fiducial.metrics.scr_pairs import Rules as PairRules
from fiducial.metrics.tpp import prepare_tpp
from fiducial.metrics.tpp_families import Rules as FamilyRules
from other_device import OtherDevice

from .scr_inputs import PAIRS
from .test_properties import inputs
from .tpp_inputs import FAMILIES


def prepared(task, device):
    arrays = inputs()
    known = {name: arrays[name] for name in ("game_id", "train")}
    if task == "scr":
        rules = PairRules((0.9, 1.0), (1, 2), 2)
        return prepare_scr(arrays["x_hat"], arrays["labels"], PAIRS, **known, rules=rules, device=device)
    rules = FamilyRules((1, 2), 2)
    return prepare_tpp(arrays["x_hat"], arrays["labels"], FAMILIES, **known, rules=rules, device=device)


@pytest.mark.parametrize(("task", "parts"), [("scr", "pairs"), ("tpp", "families")])
def test_probes_of_the_task(task, parts):
    plain = prepared(task, "cpu")
    with OtherDevice():
        made = prepared(task, "cuda")
    assert made.refused == plain.refused
    for field in (parts, "published"):
        assert len(getattr(plain, field)) > 0
        for one, other in zip(getattr(made, field), getattr(plain, field), strict=True):
            assert one.strength == other.strength
            np.testing.assert_allclose(one.probes, other.probes, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(one.base, other.base, rtol=1e-5, atol=1e-6)
