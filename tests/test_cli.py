"""The command line, run as a user runs it: exit codes, one line on stderr, whole files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

FIDUCIAL = Path(sys.executable).with_name("fiducial")


def run(*arguments, cwd, **options):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [str(FIDUCIAL), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, **options)


def assert_refused(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((600, 4)) < 0.3
    latents = np.maximum(labels @ np.eye(4, 9) + 0.1 * rng.standard_normal((600, 9)), 0).astype(np.float32)
    path = tmp_path / "mine.npz"
    np.savez(path, latents=latents, labels=labels, game_id=np.repeat(np.arange(30), 20))
    return path


def test_help_and_version(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("demo", "score", "score-arrays", "sample", "capture", "train-model", "train-sae", "features"):
        assert command in done.stdout
    assert run("--version", cwd=tmp_path).stdout.startswith("fiducial ")


def test_lists(tmp_path):
    assert "othello-small" in run("testbeds", cwd=tmp_path).stdout
    assert "coverage" in run("metrics", cwd=tmp_path).stdout
    groups = run("features", "othello-6x6", cwd=tmp_path)
    assert "legal moves" in groups.stdout
    board = run("features", "othello-6x6", "--group", "board", cwd=tmp_path)
    assert "mine on c4: " in board.stdout


def test_typos_are_one_line_with_a_hint(tmp_path):
    assert_refused(run("features", "otello", cwd=tmp_path), "otello", "othello")
    assert_refused(run("features", "othello", "--group", "bord", cwd=tmp_path), "board")
    assert_refused(run("score", "x", "--testbed", "othello-smal", cwd=tmp_path), "othello-small")
    assert_refused(run("score", "nowhere", "--metrics", "coverag", cwd=tmp_path), "coverage")
    assert_refused(run("train-model", "othello-huge", cwd=tmp_path), "othello-huge")


def test_sample_to_screen_and_to_file(tmp_path):
    shown = run("sample", "othello-6x6", "-n", "1", "-s", "3", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == run("sample", "othello-6x6", "-n", "1", "-s", "3", cwd=tmp_path).stdout
    done = run("sample", "othello-6x6", "-n", "5", "-o", "games.h5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert h5py.is_hdf5(tmp_path / "games.h5")


def test_score_arrays(tmp_path, arrays):
    done = run("score-arrays", arrays, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "coverage" in done.stdout
    stored = json.loads((tmp_path / "out" / "mine.json").read_text())
    assert "coverage" in json.dumps(stored)
    assert not list((tmp_path / "out").glob("*partial*"))


def test_bad_array_files_are_refused(tmp_path, arrays):
    assert_refused(run("score-arrays", "none.npz", cwd=tmp_path), "none.npz")
    (tmp_path / "cut.npz").write_bytes(arrays.read_bytes()[:200])
    assert_refused(run("score-arrays", "cut.npz", cwd=tmp_path), "truncated or not a .npz")
    np.savez(tmp_path / "few.npz", latents=np.ones((4, 2)))
    assert_refused(run("score-arrays", "few.npz", cwd=tmp_path), "lacks labels, game_id")
    (tmp_path / "notes.txt").write_text("hello")
    assert_refused(run("score-arrays", "notes.txt", cwd=tmp_path), "expected a .npz or .h5")
    np.savez(tmp_path / "obj.npz", latents=np.array([{}], dtype=object), labels=np.ones(1), game_id=np.ones(1))
    assert_refused(run("score-arrays", "obj.npz", cwd=tmp_path), "obj.npz")


def test_a_folder_that_is_no_sae_is_refused_before_any_work(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("score", "empty", "--games", "8", cwd=tmp_path)
    assert_refused(done, "empty")
    assert not (tmp_path / "fiducial-results").exists()
