"""fiducial curve, sample-efficiency and train-sae --score-every, as they are typed."""

import json

import fiducial.cli_curves  # noqa: F401 - brings its commands
import pandas as pd
import pytest
from command_line import assert_refused, inside
from fiducial.curves.efficiency import Efficiency
from fiducial.curves.result import Curve


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two SAEs of a toy world, scored while they train."""
    place = tmp_path_factory.mktemp("curves")
    words = "train-sae -t independent --arch topk,standard --latents 64 --k 4 --samples 40960 --score-every 16"
    done = inside(*words.split(), "--score-games", "20", "-o", "runs", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    return place, done


def test_training_logs_scores(trained):
    place, done = trained
    lines = [line for line in done.stdout.splitlines() if line.startswith("scored 4 times on the way")]
    assert len(lines) == 2
    assert "% of the CPU time" in lines[0]
    for arch in ("topk", "standard"):
        log = place / "runs" / "independent" / f"{arch}.scores.jsonl"
        curve = Curve.read(log)
        assert [point.step for point in curve.of(arch)] == [0, 16, 32, 40]
        assert curve.runs[arch]["samples"] == 40960
        assert "</svg>" in log.with_suffix(".svg").read_text()


def test_the_same_training_again_keeps_its_log_and_another_is_refused(trained):
    place, _ = trained
    log = place / "runs" / "independent" / "topk.scores.jsonl"
    before = log.read_text()
    words = "train-sae -t independent --arch topk --latents 64 --k 4 --score-every 16 --score-games 20 -o runs -q"
    assert inside(*words.split(), "--samples", "40960", cwd=place).returncode == 0
    assert log.read_text() == before
    assert_refused(inside(*words.split(), "--samples", "20480", cwd=place), "another run named topk", "samples")


def test_logs_are_drawn_together(trained):
    place, _ = trained
    logs = [f"runs/independent/{arch}.scores.jsonl" for arch in ("topk", "standard")]
    done = inside("curve", *logs, "-o", "drawn", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "wrote 8 points of 2 runs" in done.stdout
    frame = pd.read_csv(place / "drawn" / "curve.csv")
    assert len(frame) == 8
    assert (frame["floor"] < frame["ceiling"]).all()
    assert (place / "drawn" / "curve.png").stat().st_size > 1000
    assert_refused(inside("curve", *logs, "-t", "independent", cwd=place), "leave --testbed out")
    assert_refused(inside("curve", *logs, "runs", cwd=place), "not both")


def test_checkpoints_of_a_folder(trained):
    place, _ = trained
    words = ("curve", "runs/independent", "-t", "independent", "-n", "20", "-m", "coverage,l0", "-o", "scored", "-q")
    done = inside(*words, "--runs", "topk", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("topk: coverage")
    curve = Curve.read(place / "scored" / "curve.jsonl")
    logged = Curve.read(place / "runs" / "independent" / "topk.scores.jsonl")
    assert curve.at("topk", 40960).scores["coverage"] == logged.at("topk", 40960).scores["coverage"]
    assert_refused(inside(*words, "--runs", "gated", cwd=place), "no run in", "there are standard, topk")
    assert_refused(inside(*words, "--seed", "3", cwd=place), "scored otherwise", "seed")
    assert_refused(inside("curve", "nowhere", cwd=place), "no folder at nowhere")
    assert_refused(inside("curve", "runs", "scored", cwd=place), "one folder")


def test_sample_efficiency(trained):
    place, _ = trained
    saes = [f"runs/independent/{arch}" for arch in ("topk", "standard")]
    words = ("sample-efficiency", *saes, "-t", "independent", "-n", "64", "--repeats", "3", "-o", "eff", "-q")
    done = inside(*words, "--sizes", "8,16", "-m", "coverage", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "2 SAEs on independent, 64 games" in done.stdout
    found = Efficiency.read(place / "eff" / "efficiency.json")
    assert found.dictionaries == ("topk", "standard")
    assert found.sizes == (8, 16)
    assert json.loads((place / "eff" / "efficiency.json").read_text())["about"]["games"] == 64
    assert_refused(inside(*words, "--sizes", "8,x", cwd=place), "--sizes takes numbers")
    assert_refused(inside(*words, "-m", "recovery_score", cwd=place), "rows with labels do not suffice")
