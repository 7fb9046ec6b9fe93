"""Sweeps that end before they are done: killed, interrupted, out of disk. The next one goes on from there."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fiducial.report import Report
from fiducial.sweeps import run as run_module
from fiducial.sweeps.processes import ProcessPool
from fiducial.sweeps.run import sweep
from fiducial.sweeps.task import Place, SweepPlan, Task

from .toy_scores import toy_score

NAMES = "abcdefgh"
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from fiducial.sweeps.processes import ProcessPool
from fiducial.sweeps.run import sweep
from fiducial.sweeps.task import Place, SweepPlan, Task
from toy_scores import toy_score

if __name__ == "__main__":
    tasks = tuple(
        Task(Place("othello-6x6", 8, seed), f"/nowhere/{{name}}", name, None, f"sha of {{name}}", ("coverage",))
        for seed in (0, 1)
        for name in {names!r}
    )
    try:
        sweep(SweepPlan(tasks, Path(sys.argv[1])), lambda n: ProcessPool(2, score=toy_score))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """A sweep of its own process, by the folder of its results."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(here=str(Path(__file__).parent), names=NAMES))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lambda folder: [sys.executable, str(script), str(tmp_path / folder)]


def log(tmp_path):
    path = tmp_path / "log"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def results(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.json"))}


def names_of(folder):
    found = set()
    for path in results(folder):
        name, _, seed = Path(path).stem.rsplit("-", 3)[:3]
        found.add((name, seed))
    return found


def wait_until(true, seconds=30.0):
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "waited in vain"
        time.sleep(0.01)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("times", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_a_sweep_killed_many_times_ends_as_one_never_killed(tmp_path, command, times):
    """SIGKILL at random points; a task that has a result is never computed again, and nobody stays behind."""
    generator = random.Random(0)
    killed, given = tmp_path / "killed", []
    for _ in range(times):
        there, before = names_of(killed), len(log(tmp_path))
        process = subprocess.Popen(command("killed"), cwd=tmp_path)
        after = generator.randrange(3)  # tasks that begin in this run; of none, somewhere on its way there
        if after:
            wait_until(lambda n=before + after, p=process: len(log(tmp_path)) >= n or p.poll() is not None)
            time.sleep(generator.uniform(0, 0.15))
        else:
            time.sleep(generator.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        mine = log(tmp_path)[before:]
        wait_until(lambda mine=mine: not any(alive(pid) for pid, *_ in mine))
        assert not there & {(name, seed) for _, name, seed in log(tmp_path)[before:]}
        assert there <= names_of(killed)
        given.append(len(log(tmp_path)) - before)
    assert sum(bool(n) for n in given) >= times // 2  # the kills came in the middle of work
    there, before = names_of(killed), len(log(tmp_path))
    assert len(there) < 16
    subprocess.run(command("killed"), cwd=tmp_path, check=True)
    last = Counter((name, seed) for _, name, seed in log(tmp_path)[before:])
    assert set(last) == {(name, seed) for name in NAMES for seed in "01"} - there
    assert set(last.values()) == {1}
    subprocess.run(command("whole"), cwd=tmp_path, check=True)
    assert results(killed) == results(tmp_path / "whole")
    assert len(results(killed)) == 16
    assert not list(tmp_path.rglob("*.tmp"))


def test_ctrl_c_ends_workers_and_keeps_what_is_done(tmp_path, command):
    process = subprocess.Popen(command("out"), cwd=tmp_path, start_new_session=True)
    wait_until(lambda: len(log(tmp_path)) >= 3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    assert process.wait(timeout=20) == 130
    assert results(tmp_path / "out")
    assert not any(alive(pid) for pid, *_ in log(tmp_path))


def small(out, *names):
    return SweepPlan(
        tuple(
            Task(Place("othello-6x6", 8, 0), f"/nowhere/{name}", name, None, f"sha of {name}", ("coverage",))
            for name in names
        ),
        out,
    )


class Here:
    """One worker in this process."""

    size = 1

    def ready(self, worker):
        return True

    def submit(self, worker, task):
        self.task = task

    def wait(self):
        return 0, toy_score(self.task)

    def close(self):
        pass


@pytest.mark.parametrize("step", ["flush", "fsync", "replace"])
def test_a_power_cut_at_any_step_of_writing_leaves_no_torn_file(tmp_path, monkeypatch, step):
    """The process ends at each step between the first byte and the new name; what has the name is whole."""
    monkeypatch.setenv("TOY_SECONDS", "0")

    class Ended(BaseException):
        pass

    calls = []

    def ends(*arguments, **options):
        calls.append(step)
        raise Ended

    with monkeypatch.context() as patch:
        if step == "flush":
            original = Path.open

            def opened(path, *arguments, **options):
                file = original(path, *arguments, **options)
                if str(path).endswith(".tmp"):
                    file.flush = ends
                return file

            patch.setattr(Path, "open", opened)
        else:
            patch.setattr(os, step, ends)
        patch.setattr(Path, "unlink", lambda *arguments, **options: None)  # the dead do not tidy up
        with pytest.raises(Ended):
            sweep(small(tmp_path, "a"), lambda n: Here())
    assert calls
    assert list(tmp_path.rglob(".*.tmp"))
    assert not results(tmp_path)
    assert sweep(small(tmp_path, "a"), lambda n: Here()).computed == 1
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_full_disk_is_said_and_earlier_results_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0")
    original = Report.to_json

    def full(report, path):
        if "b-" in Path(path).name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(report, path)

    monkeypatch.setattr(Report, "to_json", full)
    closed = []

    class Closing(Here):
        def close(self):
            closed.append(True)

    with pytest.raises(OSError, match="the disk is full; all earlier results are whole"):
        sweep(small(tmp_path, "a", "b", "c"), lambda n: Closing())
    assert closed
    monkeypatch.undo()
    assert sweep(small(tmp_path, "a", "b", "c"), lambda n: Here()).computed == 2


def test_damaged_results_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0")
    plan = small(tmp_path, "a", "b")
    assert sweep(plan, lambda n: Here()).damaged == ()
    path = tmp_path / plan.tasks[0].file
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    again = sweep(plan, lambda n: Here())
    assert again.damaged == (path,)
    assert again.computed == 1
    assert path.read_bytes() == whole


def test_a_worker_that_dies_while_it_is_idle_harms_nobody(tmp_path):
    """With fewer tasks than workers; the dead one is started anew only for a task."""

    class Killing(ProcessPool):
        def submit(self, worker, task):
            super().submit(worker, task)
            for number in range(self.size):
                if number != worker and self.pids[number] is not None:
                    os.kill(self.pids[number], signal.SIGKILL)

    made = sweep(small(tmp_path, "a"), lambda n: Killing(2, score=toy_score))
    assert made.computed == 1
    assert made.lost <= 1
    assert json.loads((tmp_path / made_file(made)).read_text())["dictionary"] == "a"


def made_file(made):
    return next(iter(made.reports)).file


def test_the_lock_of_a_killed_sweep_is_no_lock(tmp_path):
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from fiducial.sweeps.run import locked\n"
            f"with locked(Path({str(tmp_path)!r})):\n    print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert held.stdout.readline() == b"held\n"
    with pytest.raises(ValueError, match=f"another sweep is at work .* process {held.pid}"):
        sweep(small(tmp_path, "a"), lambda n: Here())
    held.kill()
    held.wait()
    assert sweep(small(tmp_path, "a"), lambda n: Here()).computed == 1
    assert run_module.LOCK in os.listdir(tmp_path)
