"""The scripts of the papers' figures run on results, and use public names only."""

import ast
import runpy
import sys
from pathlib import Path

import fiducial
import pytest

from . import made_results as made

FOLDER = Path(fiducial.__file__).parent / "examples" / "figures"
SCRIPTS = [FOLDER / f"{name.replace('-', '_')}.py" for name in fiducial.figures.PAPERS]


def test_there_is_one_for_each_paper():
    assert [path for path in SCRIPTS if not path.is_file()] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_public_names_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            assert set(names) <= {"sys", "fiducial", "numpy", "matplotlib"}, names
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


def test_one_runs(tmp_path, monkeypatch, capsys):
    made.ioi_report().to_json(tmp_path / "results" / "a.json")
    script = next(path for path in SCRIPTS if path.stem == "makelov2024")
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "results"), str(tmp_path / "out")])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert "ioi-tiny, topk, IO: edit_success_score 0.700 [0.600, 0.800]" in said
    assert (tmp_path / "out" / "makelov2024.md").exists()
