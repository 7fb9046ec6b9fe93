"""Workers that are actors of a Ray cluster, this machine's own or one at an address.

Files of SAEs travel with the tasks, so that the machines need not share a disk; each needs fiducial installed. Reports come
back to the machine that asked, which alone writes them.
"""

import shutil
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..report import Report
from .dispatch import Failed, Lost
from .plan import Task

_FILES = ".safetensors", ".json", ".pt", ".yaml"


class RayPool:
    """Actors that each keep the testbed of their place; meets `Pool`.

    Args:
        size: actors; by default one for every CPU of the cluster.
        address: of the cluster; None starts one on this machine, `auto` finds the one that runs here.
        gpus: of each actor, may be a part of one; testbeds then run on cuda.
        local_cpus: CPUs of a cluster that is started here; None counts them.

    Raises:
        ImportError: ray is not installed.
        ConnectionError: no cluster at the address.
    """

    def __init__(
        self, size: int | None = None, *, address: str | None = None, gpus: float = 0.0, local_cpus: int | None = None
    ) -> None:
        try:
            import ray
        except ImportError:
            raise ImportError("a cluster needs Ray: pip install 'fiducial[cluster]'") from None
        self._ray: Any = ray
        self._started = not ray.is_initialized()
        if self._started:
            options: dict[str, Any] = {"address": address} if address else {"num_cpus": local_cpus}
            ray.init(**options, include_dashboard=False, log_to_driver=False, configure_logging=False)
        n = int(ray.cluster_resources().get("CPU", 1)) if size is None else size
        self._actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1)(Scorer)
        self._actors = [self._actor.remote(gpus > 0) for _ in range(max(1, n))]
        self._running: dict[Any, int] = {}

    @property
    def size(self) -> int:
        """Number of actors."""
        return len(self._actors)

    def pids(self) -> list[int]:
        """Process of each actor, once it is up."""
        return self._ray.get([actor.pid.remote() for actor in self._actors])

    def submit(self, worker: int, task: Task) -> None:
        """Give a task to an idle actor, its SAE's files with it."""
        self._running[self._actors[worker].score.remote(task, packed(Path(task.sae)))] = worker

    def wait(self) -> tuple[int, Report | Failed | Lost]:
        """The next actor that is done, and with what."""
        (ready, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        worker = self._running.pop(ready)
        try:
            return worker, self._ray.get(ready)
        except self._ray.exceptions.RayActorError as error:
            return worker, Lost(" ".join(str(error).split())[:200])

    def close(self) -> None:
        """End all actors, and the cluster if it was started here."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._started:
            self._ray.shutdown()


class Scorer:
    """An actor: scores tasks one after the other."""

    def __init__(self, cuda: bool = False) -> None:
        import os

        import torch

        os.environ["TQDM_DISABLE"] = "1"
        torch.set_num_threads(1)
        self._cuda = cuda

    def pid(self) -> int:
        """Its process."""
        import os

        return os.getpid()

    def score(self, task: Task, files: dict[str, bytes] | None) -> Report | Failed:
        """The report of a task; what goes wrong is said."""
        from .work import score_task

        with tempfile.TemporaryDirectory() as folder:
            try:
                if files is not None and not Path(task.sae).exists():
                    task = replace(task, sae=str(unpacked(files, Path(folder), task)))
                return score_task(task, device="cuda" if self._cuda else "cpu")
            except Exception as error:  # said, and the sweep goes on with the others
                return Failed(f"{type(error).__name__}: {error}", traceback.format_exc())


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
    if len(files) == 1 and Path(task.sae).name in files:
        place.write_bytes(files[place.name])
        return place
    shutil.rmtree(place, ignore_errors=True)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place
