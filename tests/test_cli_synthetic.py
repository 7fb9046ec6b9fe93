"""Synthetic worlds, the zoo and certification on the command line."""

import h5py
import pytest
from command_line import assert_refused
from fiducial.certify_result import Certificate
from fiducial.testbed_catalogue import SECRET_VARIABLE


def test_lists_name_worlds_and_architectures(run):
    assert "synthsaebench-64" in run("testbeds").stdout
    assert "toy-sparse" in run("testbeds").stdout
    listed = run("architectures").stdout
    assert "arXiv 2410.08201" in listed
    assert "p_anneal" in listed
    shown = run("features", "hierarchy-toy")
    assert "root" in shown.stdout
    assert_refused(run("features", "hierarchy-toi"), "hierarchy-toy")


def test_capture_a_world(tmp_path, run):
    done = run("capture", "-t", "hierarchy-toy", "-n", "10", "-o", "rows.h5")
    assert done.returncode == 0, done.stderr
    assert h5py.is_hdf5(tmp_path / "rows.h5")
    assert_refused(run("capture", "-t", "hierarchy-toy", "-n", "10", "-o", "rows.h5", "--twin"), "--twin")
    assert_refused(run("capture", "-t", "toy-sparse", "-n", "10", "-o", "toy.h5"), "toy model")


def test_train_and_score_on_a_world(tmp_path, run):
    done = run(
        "train-sae", "-t", "hierarchy-toy", "--arch", "switch", "--latents", "32", "--k", "2", "--samples", "20000"
    )
    assert done.returncode == 0, done.stderr
    scored = run(
        "score", "runs/hierarchy-toy/switch", "-t", "hierarchy-toy", "-n", "20", "-m", "recovery_score,kl_error"
    )
    assert scored.returncode == 0, scored.stderr
    assert "recovery_score" in scored.stdout
    assert (tmp_path / "fiducial-results" / "report.html").exists()
    assert_refused(run("train-sae", "-t", "hierarchy-toy", "--samples", "20000", "--twin"), "no random twin")
    assert_refused(run("latents", "runs/hierarchy-toy/switch", "-t", "hierarchy-toy"), "no model")
    assert_refused(run("demo", "-t", "hierarchy-toy"), "no SAEs ship with hierarchy-toy")


def test_seal_and_verify(run, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    assert_refused(run("seal", "hierarchy-toy"), SECRET_VARIABLE)
    monkeypatch.setenv(SECRET_VARIABLE, "a secret of some length")
    commitment = run("seal", "hierarchy-toy").stdout.strip()
    assert len(commitment) == 64
    assert run("seal", "hierarchy-toy", "--verify", commitment).returncode == 0
    assert_refused(run("seal", "hierarchy-toy", "--verify", "0" * 64), "another world")
    assert_refused(run("seal", "othello-6x6"), "only synthetic worlds")
    monkeypatch.setenv(SECRET_VARIABLE, "short")
    assert_refused(run("seal", "hierarchy-toy"), "at least 8 characters")


def test_zoo_typos(run):
    assert_refused(run("zoo", "-t", "toy-sparse", "-a", "topk,p_aneal"), "did you mean p_anneal")
    assert_refused(run("zoo", "-t", "toy-sparse", "--l0", "1,x"), "--l0 takes numbers")
    assert_refused(run("zoo", "-t", "toy-spars"), "toy-sparse")


@pytest.mark.parametrize("world", ["hierarchy-toy"])
def test_certify(tmp_path, run, world):
    asked = ("certify", "-t", world, "-n", "12", "--samples", "2", "--rows", "10000", "-m", "recovery_score,mse_error")
    done = run(*asked, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "recovery_score: " in done.stdout
    found = Certificate.from_json(tmp_path / "out" / f"{world}.json")
    assert [row.metric for row in found.rows] == ["recovery_score", "mse_error"]
    assert "top" not in found.row("recovery_score").failed
    assert (tmp_path / "out" / f"{world}.svg").read_text().startswith("<?xml")
    assert (tmp_path / "out" / "certificate.csv").exists()
    again = run(*asked, "-o", "out")
    assert again.stdout.count("there already") == 12
    assert_refused(run("certify", "-t", world, "-m", "recovery_scor"), "recovery_score")
    assert_refused(run("certify", "-t", "hierarchy-toi"), "hierarchy-toy")
