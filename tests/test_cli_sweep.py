"""`fiducial sweep` from its file to its table: plans, results, resuming, and what is wrong with files."""

import json
from pathlib import Path

import pytest

TOML = """
out = "results"
games = 8
seeds = [0, 1]
metrics = ["coverage", "l0"]

[[testbed]]
name = "synthsaebench-64"
saes = ["saes/*"]
"""


@pytest.fixture
def file(tmp_path):
    """A sweep of two small SAEs, one of which is damaged."""
    from fiducial.data.assets import asset

    for name in ("good", "bad"):
        folder = tmp_path / "saes" / name
        folder.mkdir(parents=True)
        for part in asset("othello-6x6/topk").iterdir():
            (folder / part.name).write_bytes(part.read_bytes())
    (tmp_path / "saes" / "bad" / "sae_weights.safetensors").write_bytes(b"torn")
    path = tmp_path / "sweep.toml"
    path.write_text(TOML.replace("synthsaebench-64", "othello-6x6"))
    return path


def test_a_sweep_from_plan_to_page(run, file, tmp_path):
    planned = run("sweep", file, "--plan")
    assert planned.returncode == 0
    assert "othello-6x6, 8 games of seed 0: 2 SAEs x 2 metrics, 0 results are there" in planned.stdout
    assert not (tmp_path / "results").exists()
    first = run("sweep", file, "--workers", "1", "-q")
    assert first.returncode == 1  # one SAE cannot be read; the others are scored
    assert "2 results in " in first.stdout
    assert "2 of them new" in first.stdout
    assert first.stderr.count("fiducial: bad on othello-6x6, 8 games of seed") == 2
    assert "Traceback" not in first.stderr
    assert len(json.loads((tmp_path / "results" / "failures.json").read_text())) == 2
    assert "good" in (tmp_path / "results" / "report.html").read_text()
    paths = sorted((tmp_path / "results" / "othello-6x6").glob("good-seed-*.json"))
    assert len(paths) == 2
    assert json.loads(paths[0].read_text())["provenance"]["testbed"]["seed"] == 0
    file.write_text(file.read_text().replace("saes/*", "saes/good"))
    again = run("sweep", file, "--workers", "1")
    assert again.returncode == 0
    assert "2 of 2 results are there already" in again.stdout
    assert "0 of them new" in again.stdout
    assert not (tmp_path / "results" / "failures.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("coverage", "coverag"), "did you mean coverage"),
        (("name =", "nam ="), "did you mean name"),
        (("othello-6x6", "othelo-6x6"), "did you mean othello-6x6"),
        (("saes/*", "saes/go*d2"), "nothing at saes/go*d2"),
        (("seeds = [0, 1]", "seeds = 3"), "seeds must be a list of int, got 3"),
        (("games = 8", "games = '8'"), "games must be int, got '8'"),
        (("[[testbed]]", "[[testbed]"), "is no TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run, file, change, words):
    file.write_text(file.read_text().replace(*change))
    done = run("sweep", file)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_of_a_cluster_need_one(run, file, monkeypatch):
    done = run("sweep", file, "--gpus", "1")
    assert done.returncode == 2
    assert "--ray" in done.stderr
    from fiducial.sweeps import on_ray

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(on_ray, "import_module", missing)
    done = run("sweep", file, "--ray")
    assert done.returncode == 2
    assert "pip install 'fiducial[cluster]'" in done.stderr
    done = run("sweep", Path("nowhere.toml"))
    assert done.returncode == 2
    assert "no file nowhere.toml" in done.stderr
    done = run("sweep", file, "--columns", "l0,l1", "--plan")
    assert done.returncode == 2
    assert "which l1 is not" in done.stderr
