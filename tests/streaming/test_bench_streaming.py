"""The benchmark of scoring in bounded memory runs, and finds what it planted."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fiducial.data.codes_file import LabelledCodes

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "streaming.py"


def test_what_is_planted_is_in_the_file(tmp_path):
    spec = importlib.util.spec_from_file_location("bench_streaming", SCRIPT)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    bench.make(tmp_path / "a.h5", 40_000, 300, 50, 8, 3)
    file = LabelledCodes.open(tmp_path / "a.h5")
    assert (len(file), file.n_latents, len(file.features)) == (40_000, 300, 50)
    assert file.n_entries / len(file) == pytest.approx(8, rel=0.1)
    fires, holds, both = np.zeros(300), np.zeros(50), np.zeros(50)
    for block in file.batches():
        dense = np.zeros((len(block.game_id), 300), bool)
        dense[np.repeat(np.arange(len(dense)), np.diff(block.indptr)), block.indices] = True
        truth = file.features.unpack(block.labels)
        fires, holds, both = fires + dense.sum(0), holds + truth.sum(0), both + (dense[:, :50] & truth).sum(0)
    assert np.allclose(holds / len(file), bench.PREVALENCE, atol=0.01)
    assert (both > 0.8 * holds).all()  # latent f follows feature f
    assert (both < fires[:50]).all()


def test_the_script_prints_its_figures(tmp_path):
    shape = ["--rows", "3000", "--latents", "40", "--features", "30", "--l0", "4", "--resamples", "10"]
    command = [sys.executable, SCRIPT, *shape, "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["left_in_scratch"] == 0
    assert 0 < figures["peak_anonymous_MB"] < 2000
    assert figures["scores"]["l0"] == pytest.approx(4, rel=0.1)
    assert {"games and split", "passes and scores", "coverage: keep", "coverage: compute"} <= set(figures["stages_s"])
    assert not list(tmp_path.iterdir())
