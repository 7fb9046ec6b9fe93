"""Sweeps: read from a file, dealt to workers that may be lost, killed at any point and gone on with."""

import errno
import json
import os
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from fiducial.report import Report
from fiducial.sweeps.dispatch import Failed, Lost, Progress, dispatch
from fiducial.sweeps.plan import read_plan
from fiducial.sweeps.processes import ProcessPool
from fiducial.sweeps.run import LOCK, kept, locked, sweep
from fiducial.sweeps.table import Watch, compared
from fiducial.sweeps.task import Place, SweepPlan, Task

from .toy_scores import dies_always, dies_once, toy_score, versioned


def tasks(*names, seeds=(0, 1), testbed="othello-6x6"):
    return tuple(
        Task(Place(testbed, 8, seed), f"/nowhere/{name}", name, None, f"sha of {name}", ("coverage",))
        for seed in seeds
        for name in names
    )


def plan(out, *names, **more):
    return SweepPlan(tasks(*names, **more), out)


class Here:
    """A pool in this process; tasks end in any order, and workers are lost as a script says."""

    def __init__(self, size, script=(), seed=0):
        self.size, self.given, self.script = size, {}, list(script)
        self.random, self.seen, self.closed = random.Random(seed), [], False

    def ready(self, worker):
        return True

    def submit(self, worker, task):
        assert worker not in self.given
        self.given[worker] = task
        self.seen.append((worker, task))

    def wait(self):
        worker = self.random.choice(sorted(self.given))
        task = self.given.pop(worker)
        if self.script and self.script.pop(0) == "lost":
            return worker, Lost("gone")
        return worker, Report(task.name, task.place.testbed, {})

    def close(self):
        self.closed = True


@pytest.mark.parametrize("seed", range(5))
def test_each_task_once_and_workers_stay_at_their_place(seed):
    asked = tasks("a", "b", "c", "d", "e", seeds=(0, 1, 2))
    pool, progress = Here(2, seed=seed), Progress()
    done = [task for task, _ in dispatch(asked, pool, progress)]
    assert Counter(done) == Counter(asked)
    assert progress.done.total() == len(asked)
    moves = 0
    for worker in range(2):
        places = [task.place for number, task in pool.seen if number == worker]
        moves += sum(a != b for a, b in pairwise(places))
    assert moves <= 3  # three places, two workers: nobody goes back and forth


def test_lost_tasks_are_given_out_again_until_they_are_given_up():
    asked = tasks("a", seeds=(0,))
    progress = Progress()
    ((_, outcome),) = dispatch(asked, Here(1, ["lost", "lost"]), progress)
    assert isinstance(outcome, Report)
    assert progress.lost == 2
    ((_, outcome),) = dispatch(asked, Here(1, ["lost"] * 3), Progress())
    assert isinstance(outcome, Failed)
    assert "lost 3 times, the last time: gone" in outcome.reason
    assert list(dispatch((), Here(2), Progress())) == []


def test_results_are_kept_and_nothing_is_computed_twice(tmp_path):
    made = []

    def pool(n):
        made.append(n)
        return Here(2)

    first = sweep(plan(tmp_path, "a", "b"), pool)
    assert (first.computed, made) == (4, [4])
    again = sweep(plan(tmp_path, "a", "b"), pool)
    assert (again.computed, made) == (0, [4])
    assert again.reports == first.reports
    more = sweep(plan(tmp_path, "a", "b", "c"), pool)
    assert (more.computed, made) == (2, [4, 2])
    other = replace(first and plan(tmp_path, "a"), tasks=tuple(replace(t, sha256="new") for t in tasks("a")))
    assert sweep(other, pool).computed == 2  # the SAE is another one, so its results are


def test_damaged_results_are_computed_anew(tmp_path):
    sweep(plan(tmp_path, "a", seeds=(0,)), lambda n: Here(1))
    (task,) = tasks("a", seeds=(0,))
    path = tmp_path / task.file
    whole = path.read_text()
    for damage in ("", whole[: len(whole) // 2], "{}", json.dumps({"schema": "9.0"})):
        path.write_text(damage)
        assert kept(path, task) is None
        assert sweep(plan(tmp_path, "a", seeds=(0,)), lambda n: Here(1)).computed == 1
        assert path.read_text() == whole


def test_two_sweeps_of_one_folder_are_refused(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match=f"another sweep is at work .* process {os.getpid()}"):
        sweep(plan(tmp_path, "a"), lambda n: Here(1))
    assert sweep(plan(tmp_path, "a"), lambda n: Here(1)).computed == 2
    assert (tmp_path / LOCK).exists()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        sweep(plan(file, "a"), lambda n: Here(1))


def test_processes_score_and_what_fails_is_said(tmp_path):
    lines = []
    with Watch(False, lines.append) as watch:
        made = sweep(
            plan(tmp_path, "a", "bad", "abc"),
            lambda n: ProcessPool(2, score=toy_score),
            started=watch.started,
            told=watch.told,
        )
    assert len(made.reports) == 4
    assert {task.name for task in made.failures} == {"bad"}
    failures = json.loads((tmp_path / "failures.json").read_text())
    assert failures[0]["reason"] == "ValueError: this one cannot be read"
    assert "toy_scores" in failures[0]["details"]
    assert len(lines) == 7  # the first says what is there
    assert sum("failed: ValueError" in line for line in lines) == 2
    assert compared(made.reports).row_count == 2
    mended = sweep(plan(tmp_path, "a", "abc"), lambda n: ProcessPool(1, score=toy_score))
    assert mended.computed == 0
    assert not (tmp_path / "failures.json").exists()


def test_a_killed_worker_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_FOLDER", str(tmp_path))
    made = sweep(plan(tmp_path / "out", "a", "mortal", "b"), lambda n: ProcessPool(2, score=dies_once))
    assert len(made.reports) == 6
    assert made.lost == 2
    given_up = sweep(
        plan(tmp_path / "again", "a", "mortal", seeds=(0,)), lambda n: ProcessPool(1, score=dies_always), retries=1
    )
    assert [task.name for task in given_up.failures] == ["mortal"]
    assert "lost 2 times" in next(iter(given_up.failures.values())).reason
    assert len(given_up.reports) == 1


def test_plans_are_read(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "cfg.json").write_text("{}")
    (tmp_path / "runs" / "one.curve.json").write_text("{}")
    file = tmp_path / "sweep.toml"
    file.write_text(
        """
        metrics = ["coverage", "tpp"]
        games = 16
        seeds = [0, 1]
        [[testbed]]
        name = "othello-6x6"
        saes = ["topk", "runs/*"]
        [[testbed]]
        name = "synthsaebench-64"
        saes = ["runs/one"]
        games = 50
        metrics = ["l0"]
        seeds = [3]
        """
    )
    found = read_plan(file)
    assert found.out == tmp_path / "sweep-results"
    assert [(t.place.testbed, t.place.games, t.place.seed, t.name) for t in found.tasks] == [
        ("othello-6x6", 16, 0, "topk"),
        ("othello-6x6", 16, 0, "one"),
        ("othello-6x6", 16, 0, "two"),
        ("othello-6x6", 16, 1, "topk"),
        ("othello-6x6", 16, 1, "one"),
        ("othello-6x6", 16, 1, "two"),
        ("synthsaebench-64", 50, 3, "one"),
    ]
    assert "tpp_score" in found.tasks[0].metrics
    assert found.tasks[-1].metrics == ("l0",)
    assert len({task.key for task in found.tasks}) == 7
    assert len(found.places) == 3


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("metrics = [", ValueError, "is no TOML"),
        ("games = 16", ValueError, "names no testbed"),
        ("testbed = ['othello-6x6']", ValueError, r"at least one \[\[testbed\]\]"),
        ("out = 3\n[[testbed]]\nname = 'othello-6x6'\nsaes = ['topk']", ValueError, "out must be str, got 3"),
        ("[[testbed]]\nname = 'othello-6x7'\nsaes = ['topk']", KeyError, "othello-6x6"),
        ("[[testbed]]\nname = 'othello-6x6'\nsaes = ['tpok']", FileNotFoundError, "did you mean topk"),
        ("[[testbed]]\nname = 'othello-6x6'", ValueError, "names no saes; shipped with it: standard, topk"),
        ("seed = [1]\n[[testbed]]\nname = 'othello-6x6'\nsaes = ['topk']", KeyError, "did you mean seeds"),
        ("[[testbed]]\nname = 'othello-6x6'\nsaes = 'topk'", ValueError, "must be a list of str"),
        ("[[testbed]]\nname = 'othello-6x6'\nsaes = ['topk']\ngames = 3", ValueError, "at least 8"),
        ("[[testbed]]\nname = 'othello-6x6'\nsaes = ['topk']\nseeds = [-1]", ValueError, "none below 0"),
        ("[[testbed]]\nname = 'othello-6x6'\nsaes = ['topk']\nmetrics = ['coverag']", KeyError, "coverage"),
    ],
)
def test_wrong_plans_are_refused(tmp_path, text, error, message):
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    with pytest.raises(error, match=message):
        read_plan(file)


def test_files_of_a_checkpoint_are_their_folder_and_names_may_hold_brackets(tmp_path):
    """A checksum of the weights alone would serve the results of another configuration."""
    home = tmp_path / "runs [1]"
    for name in ("one [k=2]", "two"):
        (home / name).mkdir(parents=True)
        for part in ("cfg.json", "sae_weights.safetensors"):
            (home / name / part).write_text("{}")
    file = home / "sweep.toml"
    saes = ["two/sae_weights.safetensors", "one [k=2]", "t*"]
    file.write_text(f"[[testbed]]\nname = 'othello-6x6'\ngames = 8\nmetrics = ['l0']\nsaes = {saes}")
    found = read_plan(file).tasks
    assert [(task.name, task.sae) for task in found] == [(n, str(home / n)) for n in ("two", "one [k=2]")]
    (home / "two" / "cfg.json").write_text('{"k": 2}')
    again = read_plan(file).tasks
    assert [a.key == b.key for a, b in zip(found, again, strict=True)] == [False, True]
    file.write_text(file.read_text() + "\nkind = 'safetensors'")
    assert read_plan(file).tasks[0].sae.endswith("sae_weights.safetensors")


def test_two_saes_of_one_name_at_a_place_are_refused(tmp_path):
    block = "[[testbed]]\nname = 'othello-6x6'\nmetrics = ['l0']\nsaes = ['{}/one']\ngames = {}\n"
    for folder in "ab":
        (tmp_path / folder / "one").mkdir(parents=True)
        (tmp_path / folder / "one" / "cfg.json").write_text(folder)
    file = tmp_path / "sweep.toml"
    file.write_text(block.format("a", 8) + block.format("b", 8))
    with pytest.raises(ValueError, match="two SAEs named one on othello-6x6, 8 games of seed 0"):
        read_plan(file)
    file.write_text(block.format("a", 8) + block.format("b", 9))
    made = sweep(read_plan(file), lambda n: Here(1))
    assert compared(made.reports).row_count == 2  # other games are no other seed
    file.write_text(block.format("a", 8) + block.format("a", 8).replace("l0", "coverage"))
    made = sweep(read_plan(file), lambda n: Here(1))
    assert len(made.reports) == 2
    table = compared(made.reports)
    assert [list(column.cells) for column in table.columns][2] == ["1"]  # nor are other metrics


def test_results_of_other_versions_are_kept_and_told(tmp_path):
    sweep(plan(tmp_path, "a", "b", seeds=(0,)), lambda n: ProcessPool(1, score=versioned))
    said = []
    with Watch(False, said.append) as watch:
        made = sweep(plan(tmp_path, "a", "b", seeds=(0,)), lambda n: Here(1), started=watch.started)
    assert made.computed == 0
    assert [path.name[0] for path in made.older] == ["b"]
    assert "1 results were made with other versions" in said[0]


def test_a_disk_without_locks_is_told_from_a_second_sweep(tmp_path, monkeypatch):
    import fcntl

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(ValueError, match="file system without locks"):
        sweep(plan(tmp_path, "a"), lambda n: Here(1))


def test_a_long_name_makes_no_file_that_no_disk_takes(tmp_path):
    made = sweep(plan(tmp_path, "a" * 240, "a" * 241, seeds=(0,)), lambda n: Here(1))
    assert made.computed == 2
    assert len({task.file for task in made.reports}) == 2
    assert sweep(plan(tmp_path, "a" * 240, "a" * 241, seeds=(0,)), lambda n: Here(1)).computed == 0
