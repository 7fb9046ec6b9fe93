"""SAEs that ship with a testbed; in your own suite these would be paths to yours."""

import pytest
from fiducial.testing import assert_not_worse, assert_recovers

pytestmark = pytest.mark.fiducial(testbed="othello-6x6")


@pytest.mark.parametrize("shipped_sae", ["topk", "batchtopk", "jumprelu"], indirect=True)
def test_reads_the_board(shipped_sae, fiducial_testbed):
    assert_recovers(shipped_sae, fiducial_testbed, coverage=0.35, groups={"board": 0.3}, features=["mine on b2"])


def test_another_architecture_costs_nothing(fiducial_testbed):
    assert_not_worse("batchtopk", "topk", fiducial_testbed, "coverage", tolerance=0.05)
