"""A population is trained, scored, kept and found again; the result is written, read back and drawn."""

import json
import sys
from pathlib import Path

import fiducial
import numpy as np
import pytest
from fiducial.certify_measure import Bench
from fiducial.reproduce_saebench import reproduce_saebench
from fiducial.reproduce_saebench_population import Laboratory, PopulationPlan, read_population, train_population
from fiducial.reproduce_saebench_result import SAEBenchReproduction
from fiducial.testbed_catalogue import testbed as make_testbed
from rich.console import Console

PLAN = PopulationPlan(
    archs=("topk", "matryoshka"), l0s=(2.0, 3.0), widths=(12, 24), samples=6_000, batch_size=100, checkpoints=1
)
METRICS = ("coverage", "recovery_score", "mcc_score", "absorbed_error", "dead_latents_error")


@pytest.fixture(scope="module")
def bed():
    return make_testbed("hierarchy-toy", n_games=12)


@pytest.fixture(scope="module")
def made(bed, tmp_path_factory):
    out = tmp_path_factory.mktemp("saebench")
    said = []
    found = reproduce_saebench(
        bed, metrics=METRICS, plan=PLAN, n_resamples=20, out=out, say=said.append, progress=False
    )
    return out, found, said


def test_every_sae_by_every_metric(made):
    _, found, said = made
    assert len(said) == 8
    assert found.metrics == ("l0", "explained_variance_score", *METRICS)
    finals = [one for one in found.saes if one["step"] is None]
    assert (len(finals), len(found.saes)) == (8, 16)
    assert {(one["arch"], one["l0_wanted"], one["width"]) for one in finals} == {
        (arch, l0, width) for arch in PLAN.archs for l0 in PLAN.l0s for width in PLAN.widths
    }
    assert all(set(one["scores"]) == set(found.metrics) for one in finals)
    assert all(np.isfinite(one["truth"]) for one in found.saes)
    assert len(found.to_frame()) == 16


def test_the_right_dictionary_is_known_and_not_beaten(made):
    _, found, _ = made
    assert found.about["right"] == "oracle"
    assert found.references["oracle"]["mcc_score"] == pytest.approx(1)
    assert found.references["random dictionary"]["mcc_score"] < 0.4
    assert found.beaten["mcc_score"] == 0
    assert "l0" not in found.beaten  # neither end is better


def test_the_truth_is_measured_on_other_rows(made):
    _, found, _ = made
    finals = [one for one in found.saes if one["step"] is None]
    same = [one["scores"]["recovery_score"] == one["truth"] for one in finals]
    assert not all(same)
    assert found.matrix.of("recovery_score", "truth")[0] > 0.8


def test_it_goes_on_where_it_stopped(made, bed, monkeypatch):
    out, found, _ = made
    monkeypatch.setattr(Bench, "_subject", lambda *_: pytest.fail("measured again"))
    said = []
    again = reproduce_saebench(
        bed, metrics=METRICS, plan=PLAN, n_resamples=20, out=out, say=said.append, progress=False
    )
    assert all("there already" in line for line in said)
    assert repr(again.saes) == repr(found.saes)
    assert repr(again.directions) == repr(found.directions)  # NaN is not equal to itself


def test_another_metric_leaves_the_others_measured(made, bed):
    out, _, _ = made
    member = read_population(bed, out)[0]
    folder = out / "measured" / bed.name
    few = Laboratory(Bench(bed, ("l0", "explained_variance_score"), {}, 20, 0, folder))
    few.measure(f"sae {member.name}", member.load, member.identity)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    more = Laboratory(Bench(bed, ("l0", "explained_variance_score", "reconstruction"), {}, 20, 0, folder))
    assert "reconstruction" in more.measure(f"sae {member.name}", member.load, member.identity)
    after = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(after) == len(before) + 1
    assert all(after[path] == stamp for path, stamp in before.items())


def test_json_and_back(made, tmp_path):
    _, found, _ = made
    found.to_json(tmp_path / "one.json")
    again = SAEBenchReproduction.from_json(tmp_path / "one.json")
    again.to_json(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert again.verdicts() == found.verdicts()
    (tmp_path / "one.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(ValueError, match="schema 1 was expected, got 99"):
        SAEBenchReproduction.from_json(tmp_path / "one.json")
    (tmp_path / "one.json").write_text("[]")
    with pytest.raises(ValueError, match="not a reproduction"):
        SAEBenchReproduction.from_json(tmp_path / "one.json")


def test_tables_and_picture(made, tmp_path):
    _, found, _ = made
    console = Console(width=200, record=True, file=open(tmp_path / "nothing", "w"))  # noqa: SIM115
    console.print(found.table())
    text = console.export_text()
    assert "do the metrics rank SAEs as the truth does?" in text
    assert "R1a" in text
    found.plot(tmp_path / "one.svg")
    found.plot(tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    drawn = (tmp_path / "one.svg").read_text()
    assert "absorbed_error (-)" in drawn
    assert "rho with the truth" in drawn
    with pytest.raises(ValueError, match="a plot's name must end in"):
        found.plot(tmp_path / "one.txt")


def test_a_folder_of_saes_is_found_in_any_depth(made, bed):
    out, found, _ = made
    members = read_population(bed, out)
    assert {one.name for one in members} == {one["name"] for one in found.saes}
    assert [one.step is None for one in members[:2]] == [False, True]  # a run's checkpoint, then its end
    assert members[0].load().encode(bed.x[:3]).shape == (3, 12)


def test_what_belongs_to_another_world_or_is_not_whole_is_left_out(made, bed, tmp_path):
    out, _, _ = made
    assert read_population(make_testbed("independent", n_games=12), out) == []
    with pytest.raises(ValueError, match="holds no whole run of independent"):
        reproduce_saebench("independent", out, n_games=12, out=tmp_path, progress=False)
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_population(bed, tmp_path / "nowhere")
    (tmp_path / "some.curve.json").write_text("{")  # cut off
    assert read_population(bed, tmp_path) == []


def test_two_saes_of_one_name_are_refused(made, bed, tmp_path):
    out, _, _ = made
    (tmp_path / "a").symlink_to(out / "zoo" / "width-12")
    small = PopulationPlan(archs=("topk",), l0s=(2.0,), widths=(12,), samples=3_000, batch_size=100, checkpoints=0)
    train_population(bed, tmp_path / "b", small, progress=False)
    train_population(bed, tmp_path / "c", small, progress=False)
    with pytest.raises(ValueError, match="are both topk-l0-2-width-12-seed-0"):
        read_population(bed, tmp_path)


def test_the_figure_by_its_command(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(fiducial.__file__).parent / "examples" / "figures"))
    import saebench_directions

    monkeypatch.setattr(sys, "argv", ["saebench_directions.py", "--quick", "--out", str(tmp_path)])
    saebench_directions.main()
    told = capsys.readouterr().out
    assert "| `mcc_score` |" in told
    assert "| R1a |" in told
    assert {path.suffix for path in tmp_path.glob("saebench-hierarchy-toy.*")} == {".json", ".csv", ".svg", ".png"}
    assert "mcc_score" in (tmp_path / "saebench-hierarchy-toy-truth.csv").read_text()


def test_saes_of_a_random_model_are_scored_on_its_own_activations(tmp_path):
    bed = make_testbed("othello-6x6", n_games=8)
    plan = PopulationPlan(
        archs=("topk",), l0s=(4.0,), widths=(16,), samples=1_000, batch_size=50, checkpoints=0, twins=("topk",)
    )
    made = reproduce_saebench(bed, metrics=("coverage",), plan=plan, n_resamples=10, out=tmp_path, progress=False)
    mine, twin = made.saes
    assert (mine["twin"], twin["twin"]) == (False, True)
    (member,) = read_population(bed.twin, tmp_path, twin=True)
    lab = Laboratory(Bench(bed.twin, ("explained_variance_score",), {}, 10, 0, None))
    there = lab.measure("sae", member.load, member.identity)["explained_variance_score"].value
    elsewhere = lab.at(bed).measure("sae", member.load, member.identity)["explained_variance_score"].value
    assert twin["scores"]["explained_variance_score"] == pytest.approx(there)
    assert there > elsewhere
    (row,) = [one for one in made.directions if (one.claim, one.metric) == ("R7a", "truth")]
    assert row.difference == pytest.approx(mine["truth"] - twin["truth"])
    assert row.verdict == "not resolvable"  # one pair has no interval
    assert made.about["truth_metric"] == "coverage"
    assert made.about["right"] == "least squares"
