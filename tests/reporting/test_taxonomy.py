import math

import pytest
from fiducial.metrics.catalogue import RECOVERY
from fiducial.metrics.recovery_taxonomy import FEATURE_KINDS, LATENT_KINDS
from fiducial.metrics.score import Score
from fiducial.reporting.taxonomy import TAXONOMY, taxonomy

SHARES = dict(zip(TAXONOMY, [0.4, 0.3, 0.1, 0.1, 0.1, 0.0, 0.5, 0.25, 0.25], strict=True))


def scores(shares):
    return {TAXONOMY[kind]: Score(TAXONOMY[kind], share, share / 2, 1.0) for kind, share in shares.items()}


def test_every_kind_has_a_metric_of_the_catalogue():
    assert tuple(TAXONOMY) == FEATURE_KINDS + LATENT_KINDS
    assert set(TAXONOMY.values()) <= set(RECOVERY)


def test_both_sides_stand_in_their_order_and_sum_to_one():
    found = taxonomy(scores(SHARES))
    assert [kind for kind, *_ in found] == list(TAXONOMY)
    assert sum(share for _, share, _, _ in found) == pytest.approx(2)
    assert found[0] == ("found", 0.4, 0.2, 1.0)


@pytest.mark.parametrize("wrong", [None, 0.9, math.nan])
def test_a_side_that_is_no_whole_is_left_out(wrong):
    shares = {**SHARES, "missed": wrong} if wrong is not None else {k: v for k, v in SHARES.items() if k != "missed"}
    assert [kind for kind, *_ in taxonomy(scores(shares))] == list(LATENT_KINDS)
    assert taxonomy({"coverage": Score("coverage", 0.5, 0.4, 0.6)}) is None
