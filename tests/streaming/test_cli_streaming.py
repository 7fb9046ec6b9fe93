import os
import signal
import subprocess
import time

import numpy as np
import pytest
from command_line import FIDUCIAL, assert_refused
from fiducial.data.activations import LabelledActivations
from fiducial.data.assets import asset
from fiducial.models.loading import load_dictionary
from fiducial.report import Report
from fiducial.streaming import sample as sample_module
from fiducial.testbed_specs import SPECS

from .samples import ABOUT, FEATURES, codes_file, columns, dense_file


@pytest.fixture(scope="module")
def sae():
    return asset(next(iter(SPECS["othello-6x6"].dictionaries.values())))


@pytest.fixture(scope="module")
def sample(sae, tmp_path_factory):
    width = load_dictionary(sae, "sae_lens", name="x").directions.shape[1]
    path = tmp_path_factory.mktemp("sample") / "sample.h5"
    _, labels, games, position = columns(600)
    x = np.random.default_rng(0).normal(size=(600, width)).astype(np.float32)
    LabelledActivations(x, FEATURES.pack(labels), games, position, FEATURES, ABOUT).save(path)
    return path


def test_an_sae_is_scored_on_a_file(sae, sample, tmp_path, run):
    (tmp_path / "scratch").mkdir()
    done = run("score", sae, "--sample", sample, "-m", "coverage,mse_error", "--no-references", "--scratch", "scratch")
    assert done.returncode == 0, done.stderr
    assert "coverage" in done.stdout
    (result,) = (tmp_path / "fiducial-results").glob("*.json")
    report = Report.from_json(result)
    assert list(report.scores) == ["coverage", "mse_error"]
    assert report.provenance["sample"]["positions"] == 600
    assert not list((tmp_path / "scratch").iterdir())


def test_shipped_saes_go_by_name_with_files_of_their_testbed(tmp_path, run):
    made = run("capture", "-t", "othello-6x6", "-n", "40", "-o", "mine.h5", "-q")
    assert made.returncode == 0, made.stderr
    done = run("score", "topk", "--sample", "mine.h5", "-m", "mse_error,mdl", "--no-references", "-q")
    assert done.returncode == 0, done.stderr
    report = Report.from_json(tmp_path / "fiducial-results" / "topk-sample-in-mine.h5.json")
    assert list(report.scores) == ["mse_error", "mdl_bits", "mdl_score", "mdl_saebench_error"]
    assert report.provenance["dictionary"]["sha256"]
    assert_refused(run("score", "topkk", "--sample", "mine.h5"), "no SAE of that name ships with othello-6x6")
    assert_refused(run("score", "topk", "--sample", "mine.h5", "-m", "kl_error"), "asks the model", "-t othello-6x6")


def test_refusals_are_one_line(sae, sample, tmp_path, run):
    assert_refused(run("score", sae, "--sample", "none.h5"), "no file none.h5")
    assert_refused(run("score", "topk", "--sample", sample), "no file or folder topk", "captured from their testbed")
    assert_refused(run("score", sae, "--sample", sample, "-t", "othello-6x6", "--layer", "1"), "--testbed, --layer")
    assert_refused(run("score", sae, "--sample", sample, "--memory", "lots"), "memory must look like 2GB")
    assert_refused(run("score", sae, "--sample", sample, "--memory", "1MB"), "too little", "give at least")
    assert_refused(run("score", sae, "--sample", sample, "--scratch", "none"), "scratch files need a folder")
    assert_refused(run("score", sae, "--sample", sample, "-m", "recovery_score"), "cannot be scored from sample.h5")
    assert_refused(run("score", sae, "--sample", codes_file(tmp_path / "c.h5")), "holds latents already")
    assert_refused(run("score-arrays", sample), "holds activations; give the dictionary")


def test_dense_arrays_give_the_same_result_either_way(tmp_path, run, monkeypatch):
    path = dense_file(tmp_path / "mine.h5", n=1000)
    assert run("score-arrays", path, "-o", "whole").returncode == 0
    monkeypatch.setattr(sample_module, "fits_in_memory", lambda path, memory: False)
    done = run("score-arrays", path, "-o", "streamed")
    assert done.returncode == 0, done.stderr
    whole, streamed = (Report.from_json(tmp_path / name / "mine.json") for name in ("whole", "streamed"))
    assert whole.scores == streamed.scores
    assert (whole.dictionary, whole.testbed) == (streamed.dictionary, streamed.testbed)


def test_files_of_codes_are_always_streamed(tmp_path, run):
    done = run("score-arrays", codes_file(tmp_path / "codes.h5"), "-o", "out")
    assert done.returncode == 0, done.stderr
    report = Report.from_json(tmp_path / "out" / "codes.json")
    assert report.dictionary == "planted"
    assert "reconstruction" in report.scores


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_request_to_stop_leave_no_scratch_files(tmp_path, number):
    codes_file(tmp_path / "codes.h5", n=60_000, size=10_000)
    (tmp_path / "scratch").mkdir()
    command = [FIDUCIAL, "score-arrays", "codes.h5", "--scratch", "scratch", "-o", "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as child:
        until = time.monotonic() + 120
        while not list((tmp_path / "scratch").glob("*/*")):
            assert child.poll() is None, child.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.01)
        child.send_signal(number)
        assert child.wait(60) == 130
        assert child.stderr.read().count("interrupted") == 1
    assert not list((tmp_path / "scratch").iterdir())
    assert not (tmp_path / "out").exists()
