"""The script for a device runs whole on a CPU: every section, every check, and loud where a check fails."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "device.py"


def run(folder, *arguments, code=None, interpret=True):
    command = [sys.executable, str(SCRIPT)] if code is None else [sys.executable, "-c", code]
    where = {"TRITON_INTERPRET": "1"} if interpret else {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **where, "PYTHONPATH": str(SCRIPT.parent)}
    return subprocess.run(
        [*command, "--small", "--device", "cpu", "--out", str(folder), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=folder,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    found = run(folder)
    assert found.returncode == 0, found.stdout + found.stderr
    return folder, found.stdout


@pytest.mark.slow
def test_every_section_is_checked_and_timed(done):
    folder, _ = done
    content = json.loads((folder / "device.json").read_text())
    assert content["failures"] == []
    assert {row["section"] for row in content["rows"]} == {
        "encode", "probes", "concepts", "least squares", "greedy", "sort", "counts", "thresholds",
    }  # fmt: skip
    assert all(row["seconds"] > 0 for row in content["rows"])
    assert {"copy", "float32", "float64", "bfloat16"} <= set(content["rates"])
    assert len(content["checks"]) >= 20


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="NO TRITON: its kernels were not tried")
def test_triton_is_among_what_counts(done):
    content = json.loads((done[0] / "device.json").read_text())
    counted = [row for row in content["rows"] if "triton" in row["what"]]
    assert len(counted) >= 3
    assert all(row["operations"] > 0 and row["bytes"] > 0 for row in counted)
    assert any("triton" in check for check in content["checks"])


@pytest.mark.slow
def test_the_table_is_markdown(done):
    folder, printed = done
    text = (folder / "device.md").read_text()
    assert text in printed
    assert "Sizes of a test: no figures." in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1


def test_chosen_sections_and_a_failing_check_end_loudly(tmp_path):
    broken = (
        "import sys, device; device.find_package()\n"
        "import fiducial.metrics.control_greedy_plain as plain\n"
        "right = plain.greedy_edits_plain\n"
        "def wrong(*arguments):\n"
        "    edits = right(*arguments)\n"
        "    edits.feature[0, 0] += 1\n"
        "    return edits\n"
        "plain.greedy_edits_plain = wrong\n"
        "sys.exit(device.main(sys.argv[1:]))\n"
    )
    found = run(tmp_path, "--sections", "greedy", code=broken, interpret=False)
    assert found.returncode == 1
    assert "greedy edits, device and plain: NOT equal" in found.stderr
    assert "**FAILED**: greedy" in (tmp_path / "device.md").read_text()
    assert json.loads((tmp_path / "device.json").read_text())["rows"] == []


def test_full_sizes_want_a_device(tmp_path):
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--out", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "--small" in found.stderr
