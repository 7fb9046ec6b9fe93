"""The package as a whole: quick to import, complete in a wheel, true to its README."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import fiducial
import pytest

ROOT = Path(fiducial.__file__).parent


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


def test_importing_is_light(tmp_path):
    heavy = "torch", "sae_lens", "transformer_lens", "sklearn", "matplotlib", "pandas", "numba", "scipy.stats"
    code = f"import sys, fiducial, fiducial.cli, fiducial.metrics; print([m for m in {heavy!r} if m in sys.modules])"
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_public_names_resolve():
    for name in fiducial.__all__:
        assert getattr(fiducial, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fiducial.nonsense


def test_every_folder_with_code_is_packaged():
    declared = set(re.findall(r'"(fiducial(?:\.\w+)*)",', (ROOT / "pyproject.toml").read_text()))
    found = {"fiducial"}
    for init in ROOT.rglob("__init__.py"):
        parts = init.parent.relative_to(ROOT).parts
        if parts and not parts[0].startswith((".", "build", "tests", "benchmarks", "examples", "runs")):
            found.add(".".join(("fiducial", *parts)))
    assert found <= declared


def test_the_wheel_holds_code_and_assets(tmp_path):
    left_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "runs", "fiducial-*")
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=left_out)
    command = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source))
    done = python(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("fiducial-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"fiducial/__init__.py", "fiducial/__main__.py", "fiducial/py.typed", "fiducial/cli.py"}
    expected |= {"fiducial/metrics/coverage.py", "fiducial/suggestions.py", "fiducial/games/contract.py"}
    for pattern in ("reporting/web/*.js", "reporting/web/*.css", "data/certificates/*.json"):
        assert list(ROOT.glob(pattern)), pattern
        expected |= {f"fiducial/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob(pattern)}
    assert expected <= names
    for asset in (ROOT / "data" / "assets").rglob("*"):
        if asset.is_file():
            assert f"fiducial/{asset.relative_to(ROOT).as_posix()}" in names
    assert not [
        name for name in names if name.split("/")[1] in ("tests", "benchmarks", "examples", "docs", "docs_site")
    ]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")  # what pip does with a wheel of pure Python, entry points aside
    code = (
        "import fiducial, fiducial.data.assets as assets\n"
        "folder = assets.asset('othello-6x6/topk')\n"
        "print(fiducial.__file__, folder, (folder / 'cfg.json').is_file())"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = python("-c", code, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "installed" / "fiducial"
    assert done.stdout.split() == [str(home / "__init__.py"), str(home / "data/assets/othello-6x6/topk"), "True"]
    done = python("-m", "fiducial", "testbeds", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "othello-6x6" in done.stdout


def test_readme_arrays_example_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    example = next(block for block in blocks if "rng.standard_normal" in block)
    done = python("-c", example, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("coverage ")


def test_readme_holds_the_two_commands():
    text = (ROOT / "README.md").read_text()
    for marker, last in (("main-job", "fiducial demo"), ("tests", "pytest")):
        block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```", text, re.S)
        assert block is not None
        assert last in block[1].splitlines()[-1]


def test_names_stay_callable_whatever_was_imported_first(tmp_path):
    code = "import fiducial.evaluation, fiducial.testbed_catalogue, fiducial.cli, fiducial as fd; "
    code += "assert callable(fd.evaluate); assert callable(fd.evaluate); assert 'othello-small' in fd.testbeds(); "
    code += "assert callable(fd.testbed); assert callable(fd.load_dictionary)"
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_module_hides_a_public_name():
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert not modules & (set(fiducial.__all__) - {"games", "metrics"})
