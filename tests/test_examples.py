"""Examples run, and use the public API only."""

import ast
import subprocess
import sys
from pathlib import Path

import fiducial
import pytest

EXAMPLES = sorted((Path(fiducial.__file__).parent / "examples").rglob("*.py"))


def test_there_are_examples():
    assert "score_an_sae.py" in {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_examples_use_no_private_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "fiducial":
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names = [node.attr]  # what an example's own class keeps for itself is its own
        else:
            continue
        private = [name for name in names if name.startswith("_") and not name.startswith("__")]
        assert private == []


def test_score_an_sae_runs(tmp_path):
    script = next(path for path in EXAMPLES if path.name == "score_an_sae.py")
    command = [sys.executable, str(script), "6000", "40"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "squares it sees least" in done.stdout
    assert "my topk" in (tmp_path / "my-topk.html").read_text()


def test_the_documentation_lists_the_architectures_as_they_are_trained():
    script = next(path for path in EXAMPLES if path.name == "architectures_table.py")
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout.strip()
    page = (script.parent.parent / "docs" / "architectures.md").read_text()
    listed = page.split("<!-- architectures -->")[1].split("<!-- end of architectures -->")[0].strip()
    assert listed == printed, "print it anew with examples/architectures_table.py"
