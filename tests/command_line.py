"""The command line as tests run it: in a process of its own, and what a refusal looks like."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FIDUCIAL = Path(sys.executable).with_name("fiducial")


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def shell(*arguments, cwd, **options):
    """The real command in a process of its own."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [str(FIDUCIAL), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, **options)


def assert_refused(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
