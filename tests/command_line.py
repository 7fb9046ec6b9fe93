"""The command line as tests run it: in a process of its own or inside, and what a refusal looks like."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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


def inside(*words, cwd, **environment):
    """The command in this process, which saves the imports: what it says, and its exit code."""
    from fiducial.cli import main

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(cwd)
        patch.setenv("COLUMNS", "200")
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
    return Done(end.value.code, out.getvalue(), err.getvalue())


def assert_refused(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
