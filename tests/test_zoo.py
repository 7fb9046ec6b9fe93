"""A zoo trains what is missing, keeps what is there, and every animal loads under its name."""

import json

import pytest
from fiducial.testbed_catalogue import testbed as make_testbed
from fiducial.zoo import Plan, train_zoo

PLAN = Plan(archs=("topk", "p_anneal"), l0s=(2.0,), n_latents=24, samples=20_000, batch_size=200, checkpoints=2)


@pytest.fixture(scope="module")
def bed():
    return make_testbed("toy-sparse", n_games=20)


@pytest.fixture(scope="module")
def place(bed, tmp_path_factory):
    out = tmp_path_factory.mktemp("zoo")
    said = []
    found = train_zoo(bed, out, PLAN, say=said.append, progress=False)
    return out, found, said


def test_every_run_with_its_checkpoints(place, bed):
    _, found, said = place
    assert [animal.name for animal in found] == [
        name for run in ("topk-l0-2-seed-0", "p_anneal-l0-2-seed-0") for name in (f"{run}@5", f"{run}@22", run)
    ]
    assert len(said) == 2
    assert all("explained variance" in line for line in said)
    for animal in found:
        sae = animal.load()
        assert sae.name == animal.name
        assert sae.encode(bed.x[:50]).shape == (50, 24)
    assert found[2].load().training["explained_variance"] > found[0].load().training["explained_variance"]


def test_curves_are_kept(place):
    out, _, _ = place
    curve = json.loads((out / "toy-sparse" / "p_anneal-l0-2-seed-0.curve.json").read_text())["curve"]
    assert curve[-1]["step"] == PLAN.steps
    assert {"loss", "l0", "explained_variance", "dead_share", "p"} <= set(curve[-1])
    assert curve[-1]["p"] < curve[0]["p"] == 1.0


def test_what_is_there_is_not_trained_again_and_what_is_missing_is(place, bed):
    out, found, _ = place
    before = {animal.name: (animal.folder / "sae_weights.safetensors").stat().st_mtime_ns for animal in found}
    (found[-1].folder / "sae_weights.safetensors").unlink()
    said = []
    again = train_zoo(bed, out, PLAN, say=said.append, progress=False)
    after = {animal.name: (animal.folder / "sae_weights.safetensors").stat().st_mtime_ns for animal in again}
    assert "there already" in said[0]
    assert "there already" not in said[1]
    assert after["topk-l0-2-seed-0"] == before["topk-l0-2-seed-0"]
    assert after["p_anneal-l0-2-seed-0"] > before["p_anneal-l0-2-seed-0"]


def test_another_plan_does_not_replace_what_is_there(place, bed):
    out, found, _ = place
    before = found[2].load().training
    longer = Plan(archs=("topk",), l0s=(2.0,), n_latents=24, samples=30_000, batch_size=200)
    with pytest.raises(ValueError, match="a zoo of other sizes, steps or world"):
        train_zoo(bed, out, longer, progress=False)
    assert found[2].load().training == before


def test_what_is_asked_twice_is_trained_once():
    assert Plan(archs=("topk", "topk"), l0s=(1.0, 1.0, 2.0), n_latents=24).l0s == (1.0, 2.0)


def test_wrong_plans_are_refused():
    with pytest.raises(KeyError, match="did you mean p_anneal"):
        Plan(archs=("p_aneal",))
    with pytest.raises(ValueError, match="needs architectures, L0s and seeds"):
        Plan(l0s=())
    with pytest.raises(ValueError, match="less than the width 24"):
        Plan(l0s=(32.0,), n_latents=24)
    with pytest.raises(ValueError, match="seeds at least 0"):
        Plan(seeds=(-1,))
