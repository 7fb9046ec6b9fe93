"""Examples run, and use the public API only."""

import ast
import subprocess
import sys
from pathlib import Path

import fiducial
import pytest

EXAMPLES = sorted((Path(fiducial.__file__).parent / "examples").glob("*.py"))


def test_there_are_examples():
    assert "score_an_sae.py" in {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_use_no_private_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute | ast.alias):
            name = node.attr if isinstance(node, ast.Attribute) else node.name
            assert not name.split(".")[-1].startswith("_")


def test_score_an_sae_runs(tmp_path):
    script = next(path for path in EXAMPLES if path.name == "score_an_sae.py")
    command = [sys.executable, str(script), "20000"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "squares it sees least" in done.stdout
    assert "</svg>" in (tmp_path / "my-topk.html").read_text()


def test_the_documentation_lists_the_architectures_as_they_are_trained():
    script = next(path for path in EXAMPLES if path.name == "architectures_table.py")
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout.strip()
    page = (script.parent.parent / "docs" / "architectures.md").read_text()
    listed = page.split("<!-- architectures -->")[1].split("<!-- end of architectures -->")[0].strip()
    assert listed == printed, "print it anew with examples/architectures_table.py"
