"""The command line, run as a user runs it: exit codes, one line on stderr, whole files."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import assert_refused, shell
from fiducial import testbed_catalogue
from fiducial.cli import distinct_names
from fiducial.models import capture
from tiny import tiny_testbed


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((600, 4)) < 0.3
    latents = np.maximum(labels @ np.eye(4, 9) + 0.1 * rng.standard_normal((600, 9)), 0).astype(np.float32)
    path = tmp_path / "mine.npz"
    np.savez(path, latents=latents, labels=labels, game_id=np.repeat(np.arange(30), 20))
    return path


def test_help_and_version(tmp_path):
    done = shell("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("demo", "score", "score-arrays", "sample", "capture", "train-model", "train-sae", "features"):
        assert command in done.stdout
    assert shell("--version", cwd=tmp_path).stdout.startswith("fiducial ")


def test_lists(tmp_path, run):
    assert "othello-small" in run("testbeds").stdout
    assert "coverage" in run("metrics").stdout
    groups = run("features", "othello-6x6")
    assert "legal moves" in groups.stdout
    board = run("features", "othello-6x6", "--group", "board")
    assert "mine on c4: " in board.stdout


def test_typos_are_one_line_with_a_hint(tmp_path, run):
    assert_refused(run("features", "otello"), "otello", "othello")
    assert_refused(run("features", "othello", "--group", "bord"), "board")
    assert_refused(run("score", "x", "--testbed", "othello-smal"), "othello-small")
    assert_refused(run("score", "nowhere", "--metrics", "coverag"), "coverage")
    assert_refused(run("train-model", "othello-huge"), "othello-huge")
    assert_refused(run("scor"), "scor")
    assert_refused(run("score"), "Missing argument", "fiducial score --help")
    assert_refused(run("demo", "--games", "3"), "games")


def test_sample_to_screen_and_to_file(tmp_path, run):
    shown = run("sample", "othello-6x6", "-n", "1", "-s", "3")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == run("sample", "othello-6x6", "-n", "1", "-s", "3").stdout
    done = run("sample", "othello-6x6", "-n", "5", "-o", "games.h5")
    assert done.returncode == 0, done.stderr
    assert h5py.is_hdf5(tmp_path / "games.h5")


def test_score_arrays(tmp_path, arrays, run):
    done = shell("score-arrays", arrays, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "coverage" in done.stdout
    stored = json.loads((tmp_path / "out" / "mine.json").read_text())
    assert "coverage" in json.dumps(stored)
    assert not list((tmp_path / "out").glob("*partial*"))


def test_bad_array_files_are_refused(tmp_path, arrays, run):
    assert_refused(run("score-arrays", "none.npz"), "none.npz")
    (tmp_path / "cut.npz").write_bytes(arrays.read_bytes()[:200])
    assert_refused(run("score-arrays", "cut.npz"), "truncated or not a .npz")
    np.savez(tmp_path / "few.npz", latents=np.ones((4, 2)))
    assert_refused(run("score-arrays", "few.npz"), "lacks labels, game_id")
    (tmp_path / "text.npz").write_text("hello")
    assert_refused(run("score-arrays", "text.npz"), "truncated or not a .npz")
    (tmp_path / "notes.txt").write_text("hello")
    assert_refused(run("score-arrays", "notes.txt"), "expected a .npz or .h5")
    np.savez(tmp_path / "obj.npz", latents=np.array([{}], dtype=object), labels=np.ones(1), game_id=np.ones(1))
    assert_refused(run("score-arrays", "obj.npz"), "obj.npz")


def test_a_folder_that_is_no_sae_is_refused_before_any_work(tmp_path, run):
    (tmp_path / "empty").mkdir()
    done = run("score", "empty", "--games", "8")
    assert_refused(done, "empty")
    assert not (tmp_path / "fiducial-results").exists()


def test_bad_input_in_a_real_process(tmp_path):
    assert_refused(shell("score-arrays", "none.npz", cwd=tmp_path), "none.npz")


def test_ctrl_c_leaves_no_half_file(tmp_path, run, monkeypatch):
    monkeypatch.setattr(testbed_catalogue, "testbed", lambda name, **options: tiny_testbed(n_games=8))
    forward, calls = capture.model_activations, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return forward(*arguments)

    monkeypatch.setattr(capture, "model_activations", interrupted)
    done = run("capture", "-o", "acts.h5", "--games", "600")
    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/sae"], ["sae"]),
        (["x/sae", "y/sae", "y/sae"], ["x-sae", "y-sae"]),
        (["runs/a/topk", "runs/b/topk", "other/b/topk"], ["a-topk", "runs-b-topk", "other-b-topk"]),
        (["release/id", "gated"], ["id", "gated"]),
    ],
)
def test_no_two_saes_share_a_result_file(paths, names):
    assert list(distinct_names(paths).values()) == names


def test_an_output_folder_that_is_a_file_is_refused(tmp_path, run):
    (tmp_path / "taken").write_text("mine")
    assert_refused(run("demo", "-o", "taken"), "taken is a file")
    assert_refused(run("score-arrays", "x.npz", "-o", "taken"), "taken is a file")
    assert_refused(run("features", "othello", "--rung", "9"), "no feature has rung 9")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_pickle_with_code_in_it_is_refused_in_one_line(tmp_path, run):
    class Touch:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    folder = tmp_path / "sae"
    folder.mkdir()
    (folder / "ae.pt").write_bytes(pickle.dumps({"encoder.weight": Touch()}))
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoderNew"}}))
    assert_refused(run("score", "sae", "-m", "l0"), "sae/ae.pt", "could run code")
    assert not (tmp_path / "ran").exists()
