"""Sweeps on a real Ray cluster of this machine: two workers, one of which is killed midway."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from fiducial.data.assets import path_sha256
from fiducial.sweeps import on_ray
from fiducial.sweeps.dispatch import Lost, Ready
from fiducial.sweeps.on_ray import NotInstalledError, RayPool, Scorer, packed, unpacked
from fiducial.sweeps.processes import ProcessPool
from fiducial.sweeps.run import sweep
from fiducial.sweeps.task import Place, SweepPlan, Task

from . import toy_scores
from .toy_scores import dies_always, toy_score, weighs

ray = pytest.importorskip("ray", reason="NO RAY: sweeps on a cluster were not tested")


def plan(out, *names, seeds=(0, 1), sae="/nowhere", sha="sha of {}"):
    return SweepPlan(
        tuple(
            Task(Place("othello-6x6", 8, seed), f"{sae}/{name}", name, None, sha and sha.format(name), ("coverage",))
            for seed in seeds
            for name in names
        ),
        out,
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two CPUs; workers find the environment of the moment in which it starts."""
    log = tmp_path_factory.mktemp("ray") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_LOG", str(log))
        patch.setenv("TOY_SECONDS", "0.4")
        on_ray.start_ray(ray, None, 2)
    ray.cloudpickle.register_pickle_by_value(toy_scores)
    yield log
    ray.shutdown()


def test_a_worker_killed_midway_is_replaced_and_results_are_the_same(cluster, tmp_path, monkeypatch):
    killed = []

    def pool(n):
        made = RayPool(2, score=toy_score)
        assert made.size == 2
        return made

    def kill(task, outcome):
        if killed:
            return
        (*_, last) = [line.split() for line in cluster.read_text().splitlines()]
        os.kill(int(last[0]), signal.SIGKILL)
        killed.append(last)

    made = sweep(plan(tmp_path / "ray", *"abcd", sha=None), pool, told=kill)
    assert killed
    assert made.lost == 1
    assert not made.failures
    monkeypatch.setenv("TOY_SECONDS", "0")
    whole = sweep(plan(tmp_path / "whole", *"abcd", sha=None), lambda n: ProcessPool(1, score=toy_score))
    assert whole.computed == 8
    one, other = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*.json")} for f in (tmp_path / "ray", tmp_path / "whole")
    )
    assert one == other
    again = [line.split()[1:] for line in cluster.read_text().splitlines()]
    assert again.count(killed[0][1:]) <= 2  # the lost one twice, and nothing else
    assert len(again) <= 9


def test_what_always_kills_its_worker_is_given_up_and_the_rest_is_done(cluster, tmp_path):
    made = sweep(
        plan(tmp_path, "a", "mortal", "b", "bad", seeds=(0,), sha=None),
        lambda n: RayPool(2, score=dies_always),
        retries=1,
    )
    reasons = {task.name: one.reason for task, one in made.failures.items()}
    assert set(reasons) == {"mortal", "bad"}
    assert "lost 2 times" in reasons["mortal"]
    assert reasons["bad"] == "ValueError: this one cannot be read"
    assert {task.name for task in made.reports} == {"a", "b"}


def test_saes_travel_where_they_are_missing(cluster, tmp_path, monkeypatch):
    """A relative path means nothing to the worker, which is elsewhere: the files of this machine come after it."""
    folder = tmp_path / "saes" / "one"
    (folder / "deep").mkdir(parents=True)
    (folder / "cfg.json").write_text("{}")
    (folder / "deep" / "weights.safetensors").write_bytes(bytes(1000))
    monkeypatch.chdir(tmp_path)
    (task,) = plan(tmp_path / "out", "one", seeds=(0,), sae="saes", sha=path_sha256(folder)).tasks
    shared = tmp_path / "out" / ".shared"
    made = sweep(SweepPlan((task,), tmp_path / "out"), lambda n: RayPool(1, score=weighs, shared=shared))
    assert shared.is_dir()  # before the first actor asks whether it sees it
    assert made.reports[task].scores["coverage"].value == 1002
    (folder / "cfg.json").write_text("{ }")
    made = sweep(SweepPlan((task,), tmp_path / "again"), lambda n: RayPool(1, score=weighs))
    assert "saes/one has changed or gone since the sweep began" in made.failures[task].reason
    assert packed(Path("release/of-the-hub")) is None


def test_what_lies_at_the_path_but_is_another_sae_is_not_scored(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "cfg.json").write_text("{}")
    (task,) = plan(tmp_path, "one", seeds=(0,), sae=str(tmp_path), sha=path_sha256(folder)).tasks
    actor = Scorer(score=weighs)
    assert actor.score(task, None).scores["coverage"].value == 2
    files = packed(folder)
    (folder / "cfg.json").write_text("[1, 2]")
    assert actor.score(task, None) is None
    assert actor.score(task, files).scores["coverage"].value == 2


def test_files_are_packed_and_unpacked(tmp_path):
    (task,) = plan(tmp_path, "one.safetensors", seeds=(0,)).tasks
    file = tmp_path / "one.safetensors"
    file.write_bytes(b"weights")
    target = tmp_path / "there"
    target.mkdir()
    assert unpacked(packed(file), target, task).read_bytes() == b"weights"
    folder = tmp_path / "sae"
    folder.mkdir()
    (folder / "cfg.json").write_text("{}")
    (folder / "notes.txt").write_text("stays at home")
    (task,) = plan(tmp_path, "sae", seeds=(0,)).tasks
    made = unpacked(packed(folder), target, task)
    assert [p.name for p in made.iterdir()] == ["cfg.json"]


def test_what_the_cluster_cannot_give_is_said(cluster, monkeypatch):
    with pytest.raises(ValueError, match="asks for 1 CPUs and 1 GPUs; the cluster has 2 and 0"):
        RayPool(1, gpus=1)
    with pytest.raises(ValueError, match="at least one worker"):
        RayPool(0)
    late = RayPool(3, score=toy_score, patience=60)  # there is room for two: the third comes when one of them goes
    assert late.wait()[1] == Ready()
    monkeypatch.setattr(on_ray, "_version", lambda: "9.9")
    with pytest.raises(ValueError, match=r"fiducial .*, this machine 9\.9: install one version"):
        late.wait()
    assert sum(late.ready(worker) for worker in range(3)) == 1
    late.close()


def test_an_actor_with_other_code_under_the_same_version_is_refused(monkeypatch):
    news = {"pid": 1, "version": on_ray.provenance(seed=0)["versions"]["fiducial"], "code": "other", "host": "far"}
    pool = object.__new__(RayPool)
    vars(pool).update(_running={"hello": (0, None)}, _up=set(), _travel=True, _failed=Counter(), _ray=SimpleNamespace(
        get=lambda ready: news, exceptions=ray.exceptions))  # fmt: skip
    with pytest.raises(ValueError, match=r"far has fiducial .* other code under that version"):
        pool._news("hello")
    vars(pool).update(_running={"hello": (0, None)}, _travel=False)  # this machine's own cluster: one installation
    assert pool._news("hello") == (0, Ready())


def test_actors_that_can_never_start_end_the_sweep():
    def dead(ready):
        raise ray.exceptions.RayActorError

    hired = []

    def make():
        hired.append(1)
        return SimpleNamespace(hello=SimpleNamespace(remote=lambda: len(hired)))

    pool = object.__new__(RayPool)
    fake = SimpleNamespace(get=dead, kill=lambda actor: None, exceptions=ray.exceptions)
    vars(pool).update(_ray=fake, _make=make, _actors=[None, None], _running={}, _up=set(), _failed=Counter())
    for worker in range(2):
        pool._hire(worker)
    for _ in range(2 * on_ray.STARTS - 1):
        assert isinstance(pool._news(next(iter(pool._running)))[1], Lost)
    with pytest.raises(ConnectionError, match="no worker can start"):
        pool._news(next(iter(pool._running)))
    assert len(hired) == 2 * on_ray.STARTS


def test_without_ray_the_extra_is_named(monkeypatch):
    original = importlib.import_module

    def missing(name, *rest):
        if name == "ray":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(on_ray, "import_module", missing)
    with pytest.raises(NotInstalledError, match=r"pip install 'fiducial\[cluster\]'"):
        RayPool(1)


@pytest.mark.slow
def test_no_process_stays_behind_however_the_sweep_ends(tmp_path):
    """A cluster that was started for a sweep goes with it: at its end, at Ctrl-C, and after SIGKILL."""
    script = tmp_path / "run.py"
    script.write_text(
        f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fiducial.sweeps.on_ray import RayPool
from fiducial.sweeps.run import sweep
from fiducial.sweeps.task import Place, SweepPlan, Task
import ray, toy_scores
ray.cloudpickle.register_pickle_by_value(toy_scores)
tasks = tuple(Task(Place("othello-6x6", 8, 0), "/nowhere", n, None, None, ("coverage",)) for n in "abcdefgh")
try:
    sweep(SweepPlan(tasks, Path(sys.argv[1])), lambda n: RayPool(2, local_cpus=2, score=toy_scores.toy_score))
except KeyboardInterrupt:
    sys.exit(130)
"""
    )
    marker = f"swept-{os.getpid()}"
    environment = {**os.environ, "TOY_LOG": str(tmp_path / "log"), "TOY_SECONDS": "0.3", "FIDUCIAL_MARKER": marker}
    for how, code in ((None, 0), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        (tmp_path / "log").write_text("")
        out = tmp_path / str(how)
        process = subprocess.Popen(
            [sys.executable, str(script), str(out)], env=environment, cwd=tmp_path, start_new_session=True
        )
        if how is not None:
            begun = time.monotonic()
            while len((tmp_path / "log").read_text().splitlines()) < 3 and time.monotonic() - begun < 90:
                time.sleep(0.05)
            process.send_signal(how)
        assert process.wait(timeout=90) == code
        begun = time.monotonic()  # after SIGKILL Ray's own agents look now and then whether they are alone
        while (left := marked(marker)) and time.monotonic() - begun < 150:
            time.sleep(0.2)
        assert not left, (how, left)


def marked(marker):
    """Processes with a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"FIDUCIAL_MARKER={marker}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ")[:80])
        except OSError:
            continue
    return found
