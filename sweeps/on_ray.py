"""Workers that are actors of a Ray cluster, this machine's own or one at an address.

Each machine needs fiducial installed, in the version of the machine that asks. Files of SAEs travel with the tasks
where a machine has not got them, so that no disk need be shared. Reports come back to the machine that asked, which
alone writes them.
"""

import hashlib
import os
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..data.assets import path_sha256
from ..provenance import provenance
from ..report import Report
from .dispatch import Failed, Lost, Outcome, Ready
from .task import Task

OBJECT_STORE = 200 * 2**20  # of a cluster of this machine: reports are small, and SAEs do not travel there
STARTS = 3  # tries of an actor to come up, one after the other
PATIENCE = 600.0  # seconds without any worker, after which nobody will come
BESIDE = ("tests", "benchmarks", "examples", "docs")  # folders that an installation may lack
_FILES = ".safetensors", ".json", ".pt", ".pth", ".yaml"


class NotInstalledError(ImportError, ValueError):
    """An optional package is missing: bad input to a command, and an import that failed to a program."""


class RayPool:
    """Actors that each keep the testbed of their place; meets `Pool`.

    Args:
        size: actors; by default as many as the cluster has room for.
        address: of the cluster; None starts one on this machine, `auto` finds the one that runs here.
        threads: of each actor, which is as many CPUs.
        gpus: of each actor, may be a part of one; testbeds then run on cuda.
        shared: folder for what SAEs of one place share; actors that do not see it keep a folder of their machine's own.
        local_cpus: CPUs of a cluster that is started here; None counts them.
        score: what an actor does with a task, instead of scoring it.
        patience: seconds to wait while there is no worker at all.

    Raises:
        NotInstalledError: ray is missing.
        ConnectionError: no cluster at the address.
        ValueError: the cluster has no room for one actor.
    """

    def __init__(
        self,
        size: int | None = None,
        *,
        address: str | None = None,
        threads: int = 1,
        gpus: float = 0.0,
        shared: Path | None = None,
        local_cpus: int | None = None,
        score: Callable[[Task], Report] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if (size is not None and size < 1) or threads < 1 or gpus < 0:
            raise ValueError(
                f"at least one worker with one thread and no GPU less than none, got {size=}, {threads=}, {gpus=}"
            )
        try:
            self._ray: Any = import_module("ray")
        except ImportError:
            raise NotInstalledError("a cluster needs Ray: pip install 'fiducial[cluster]'") from None
        self._started = not self._ray.is_initialized()
        if self._started:
            start_ray(self._ray, address, local_cpus)
        self._patience, self._travel = patience, address is not None
        if shared is not None:
            shared.mkdir(parents=True, exist_ok=True)  # there, it tells an actor that it sees this disk
        self._actors: list[Any] = []
        self._running: dict[Any, tuple[int, Task | None]] = {}  # no task: it is being greeted
        self._up: set[int] = set()
        self._failed: Counter[int] = Counter()  # starts, since the last one that went well
        try:
            room = _room(self._ray.cluster_resources(), threads, gpus)
            remote = self._ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(Scorer)
            self._make = partial(remote.remote, threads, gpus > 0, shared, _secrets(), score)
            for worker in range(size or room):
                self._actors.append(None)
                self._hire(worker)
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Number of actors."""
        return len(self._actors)

    def pids(self) -> list[int]:
        """Process of each actor, once it is up."""
        return [one["pid"] for one in self._ray.get([actor.hello.remote() for actor in self._actors])]

    def ready(self, worker: int) -> bool:
        """Whether an actor has said that it is there."""
        return worker in self._up

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to an idle actor; its SAE's files with it where they may be missing."""
        self._give(worker, task, self._travel)

    def wait(self) -> tuple[int, Outcome]:
        """The next actor that has news.

        Raises:
            ConnectionError: the cluster is gone, no actor came up for a long time, or none can start.
            ValueError: an actor has another version of fiducial.
        """
        begun = time.monotonic()
        while True:
            try:
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1.0)
            except self._ray.exceptions.RayError as error:
                raise ConnectionError(f"the cluster is gone: {_line(error)}; run the sweep again to go on") from None
            if not ready and not self._up and time.monotonic() - begun > self._patience:
                have = self._ray.cluster_resources()
                raise ConnectionError(
                    f"no worker came up in {self._patience:.0f} seconds; the cluster has "
                    f"{have.get('CPU', 0):g} CPUs and {have.get('GPU', 0):g} GPUs, perhaps others use them"
                )
            if ready and (news := self._news(ready[0])) is not None:
                return news

    def close(self) -> None:
        """End all actors, and the cluster if it was started here."""
        for actor in self._actors:
            with suppress(Exception):  # of a cluster that is gone
                self._ray.kill(actor)
        self._actors, self._running = [], {}
        if self._started:
            self._ray.shutdown()

    def _news(self, ready: Any) -> tuple[int, Outcome] | None:
        worker, task = self._running.pop(ready)
        try:
            answer = self._ray.get(ready)
        except self._ray.exceptions.RayTaskError as error:  # not what it computed, which it reports itself
            return worker, Failed(_line(error), str(error))
        except self._ray.exceptions.RayError as error:  # the actor, its machine or its memory
            self._failed[worker] += task is None
            if self._failed[worker] < STARTS:
                self._hire(worker)
            else:  # it would go on like this for ever
                self._actors[worker] = None
                if not any(self._actors):
                    why = " ".join(str(error).split())[-300:]  # what Ray says ends with the cause
                    raise ConnectionError(f"no worker can start: {why or type(error).__name__}") from None
            return worker, Lost(_line(error))
        if task is None:
            if answer["version"] != (mine := _version()):
                raise ValueError(
                    f"the worker on {answer['host']} has fiducial {answer['version']}, this machine {mine}: "
                    "install one version everywhere"
                )
            if self._travel and answer["code"] != code_sha256():
                raise ValueError(
                    f"the worker on {answer['host']} has fiducial {mine} as this machine has, but other code under "
                    "that version: install one and the same everywhere"
                )
            self._up.add(worker)
            self._failed[worker] = 0
            return worker, Ready()
        if answer is None:  # it has not got the SAE
            if path_sha256(Path(task.sae)) != task.sha256:
                return worker, Failed(f"{task.sae} has changed or gone since the sweep began")
            self._give(worker, task, True)
            return None
        return worker, answer

    def _give(self, worker: int, task: Task, files: bool) -> None:
        unchanged = task.sha256 is None or path_sha256(Path(task.sae)) == task.sha256
        sent = packed(Path(task.sae)) if files and unchanged else None  # another SAE is never sent in its place
        self._running[self._actors[worker].score.remote(task, sent)] = worker, task

    def _hire(self, worker: int) -> None:
        """A new actor; it takes tasks when it has answered."""
        self._up.discard(worker)
        if self._actors[worker] is not None:
            self._ray.kill(self._actors[worker])
        self._actors[worker] = self._make()
        self._running[self._actors[worker].hello.remote()] = worker, None


class Scorer:
    """An actor: scores tasks one after the other.

    Args:
        threads: of torch and of other libraries.
        cuda: score on a GPU.
        shared: folder for what SAEs of one place share, if this machine sees it.
        environment: variables that it needs, such as the secret of sealed worlds.
        score: what to do with a task, instead of scoring it.
    """

    def __init__(
        self,
        threads: int = 1,
        cuda: bool = False,
        shared: Path | None = None,
        environment: Mapping[str, str] | None = None,
        score: Callable[[Task], Report] | None = None,
    ) -> None:
        from threadpoolctl import threadpool_limits

        os.environ.update({"TQDM_DISABLE": "1", **(environment or {})})
        threadpool_limits(threads)
        if shared is not None and not shared.is_dir():
            shared = own_folder() / hashlib.sha256(str(shared).encode()).hexdigest()[:16]
        self._score = score or _scoring(threads, shared, cuda)

    def hello(self) -> dict[str, Any]:
        """Who it is."""
        import platform

        return {"pid": os.getpid(), "version": _version(), "code": code_sha256(), "host": platform.node()}

    def score(self, task: Task, files: dict[str, bytes] | None) -> Report | Failed | None:
        """The report of a task; what goes wrong is said. None if the SAE is not here."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                if task.sha256 is not None and path_sha256(Path(task.sae)) != task.sha256:
                    if files is None:
                        return None
                    task = replace(task, sae=str(unpacked(files, Path(folder), task)))
                return self._score(task)
            except Exception as error:  # said, and the sweep goes on with the others
                return Failed(f"{type(error).__name__}: {error}", traceback.format_exc())


def _secrets() -> dict[str, str]:
    from ..testbed_catalogue import SECRET_VARIABLE

    return {name: value for name in (SECRET_VARIABLE,) if (value := os.environ.get(name)) is not None}


def _scoring(threads: int, shared: Path | None, cuda: bool) -> Callable[[Task], Report]:
    """Scores on this machine; a GPU that was asked for has to be there.

    Raises:
        RuntimeError: it is not.
    """
    import torch

    from .work import Scoring

    torch.set_num_threads(threads)
    if cuda and not torch.cuda.is_available():
        raise RuntimeError("Ray gave this worker a GPU, but torch finds no CUDA device: is it a build for CPUs?")
    return Scoring(shared, "cuda" if cuda else "cpu", check=False)  # actors have looked themselves


def _version() -> str:
    return provenance(seed=0)["versions"]["fiducial"]


@cache
def code_sha256() -> str:
    """Checksum of the package's own code, so that two states of one version are told apart."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in sorted(part for part in root.iterdir() if part.is_dir() and part.name not in BESIDE):
        if (folder / "__init__.py").is_file():
            for file in sorted(folder.rglob("*.py")):
                digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    for file in sorted(root.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def own_folder() -> Path:
    """A folder of this user for files that workers of this machine share.

    Raises:
        PermissionError: it is there, and somebody else's.
    """
    folder = Path(tempfile.gettempdir()) / f"fiducial-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is not this user's, so scores cannot be shared there: remove it or set TMPDIR")
    return folder


def packed(path: Path) -> dict[str, bytes] | None:
    """The files of an SAE by name; None for a release."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    if not path.is_dir():
        return None
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.suffix in _FILES
    }


def unpacked(files: dict[str, bytes], folder: Path, task: Task) -> Path:
    """Those files below a folder, under the name of the SAE; a single file stays one."""
    place = folder / Path(task.sae).name
    if set(files) == {place.name}:
        place.write_bytes(files[place.name])
        return place
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def start_ray(ray: Any, address: str | None, local_cpus: int | None) -> None:
    """Connect to a cluster, or start one on this machine, which ends with this process.

    Args:
        ray: the module.
        address: of the cluster; None starts one.
        local_cpus: CPUs of one that is started; None counts them.

    Raises:
        ConnectionError: no cluster at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody
    here = {"num_cpus": local_cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    try:
        ray.init(**({"address": address} if address else here), log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster at {address or 'this machine'}: {_line(error)}") from None


def _room(have: dict[str, float], threads: int, gpus: float) -> int:
    """How many actors there is room for."""
    room = int(have.get("CPU", 0) / threads)
    if gpus:
        room = min(room, int(have.get("GPU", 0) / gpus) if gpus < 1 else int(have.get("GPU", 0) // gpus))
    if room < 1:
        raise ValueError(
            f"a worker asks for {threads} CPUs and {gpus:g} GPUs; "
            f"the cluster has {have.get('CPU', 0):g} and {have.get('GPU', 0):g}"
        )
    return room


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
