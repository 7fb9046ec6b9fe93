"""Scoring on a testbed of another device gives the same report: no tensor of the CPU meets one from there."""

import pytest
import torch
from fiducial.evaluation import evaluate
from fiducial.models.controls import random_dictionary
from fiducial.models.devices import device_of
from other_device import OtherDevice, move_module
from tiny import tiny_testbed


@pytest.fixture(scope="module")
def reports():
    bed = tiny_testbed(n_games=40)
    plain = evaluate(random_dictionary(bed.x, 40, 5), bed)
    with pytest.MonkeyPatch.context() as patch, OtherDevice():
        patch.setattr(torch.cuda, "is_available", lambda: True)
        bed = tiny_testbed(n_games=40)
        bed.device = "cuda"
        move_module(bed.model)
        there = evaluate(random_dictionary(bed.x, 40, 5), bed)
        placed = {
            name: device_of(bed.cache[f"reference {name}"].dictionary).type
            for name in ("PCA", "probes", "least squares")
        }
    return plain, there, placed


def test_the_same_scores(reports):
    plain, there, _ = reports
    assert set(there.scores) == set(plain.scores)
    assert len(plain.scores) > 20
    for name, score in plain.scores.items():
        assert there.scores[name].value == pytest.approx(score.value, abs=1e-9, nan_ok=True), name
        assert set(there.scores[name].floors) == set(score.floors)
        for floor, value in score.floors.items():
            assert there.scores[name].floors[floor] == pytest.approx(value, abs=1e-6, nan_ok=True), (name, floor)


def test_references_compute_where_the_testbed_is(reports):
    plain, there, placed = reports
    assert set(placed.values()) == {"cuda"}
    assert (plain.provenance["testbed"]["device"], there.provenance["testbed"]["device"]) == ("cpu", "cuda")
