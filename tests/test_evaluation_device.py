"""Scoring on a testbed of another device gives the same report: no tensor of the CPU meets one from there."""

import pytest
import torch
from fiducial.data.assets import asset
from fiducial.evaluation import evaluate
from fiducial.models.controls import random_dictionary
from fiducial.models.devices import device_of
from fiducial.models.loading import load_dictionary
from fiducial.scoring import FAMILIES
from fiducial.testbed_catalogue import testbed
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


@pytest.mark.slow
@pytest.mark.parametrize("family", ["behaviour", "axes", "scr", "tpp", "ravel"])
def test_an_sae_on_prompts(monkeypatch, family):
    """What runs the model or decodes, on prompts that are read at one place, with an SAE that moves there."""
    plain_to = torch.nn.Module.to

    def to(module, *where, **more):
        away = [one for one in (*where, *more.values()) if isinstance(one, str | torch.device)]
        return (
            move_module(module) if away and torch.device(away[0]).type == "cuda" else plain_to(module, *where, **more)
        )

    names = FAMILIES[family].metrics[:1]
    sae = load_dictionary(asset("ioi-tiny/topk"), "sae_lens", name="topk")
    plain = evaluate(sae, testbed("ioi-tiny", n_games=24), names)
    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with OtherDevice():
        bed = testbed("ioi-tiny", n_games=24)
        bed.device = "cuda"
        move_module(bed.model)
        there = evaluate(sae, bed, names)
    for name in names:
        assert there.scores[name].value == pytest.approx(plain.scores[name].value, abs=1e-6, nan_ok=True)
