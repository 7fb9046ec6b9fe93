"""All shipped SAEs on several testbeds at once: a process for each testbed, as many side by side as there are cores.

Of each testbed the SAE with the highest coverage also has some of its latents put into words and held against the
truth.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from .data.assets import asset
from .evaluation import score_shipped
from .explaining.latent_blocks import latents_of_page
from .explaining.result import Explained
from .explaining.run import explain, sample_of
from .models.loading import load_dictionary
from .report import Report
from .testbed_catalogue import testbed
from .testbed_specs import SPECS

N_EXPLAINED = 40  # latents of one SAE a testbed
N_SHOWN = 12  # of these, with positions
MOST = 4  # each process holds up to 2 GB
_scored: Any = None  # in a worker: how many SAEs are done, shared by all


@dataclass(frozen=True)
class Shipped:
    """What is known of the SAEs that ship with a testbed.

    Attributes:
        reports: one an SAE, in the testbed's order.
        explained: latents of the SAE with the highest coverage, in words.
        latents: the same for the report page, with positions: content of a file, see `reporting.latents`.
    """

    reports: tuple[Report, ...]
    explained: Explained
    latents: Mapping[str, Any]


def score_all_shipped(
    names: Sequence[str], *, n_games: int = 500, seed: int = 0, workers: int | None = None, progress: bool = True
) -> list[Shipped]:
    """Reports of all SAEs that ship with some testbeds, and latents in words, in the order of the names.

    Args:
        names: of testbeds, such as `othello-6x6`.
        n_games: games to score on.
        seed: of games and bootstrap.
        workers: processes; by default one a core, no more than testbeds and no more than four.
        progress: show a bar.

    Raises:
        KeyError: an unknown testbed.
        ValueError: fewer than 8 games.
    """
    from tqdm.auto import tqdm

    n_workers = min(len(names), os.cpu_count() or 1, MOST) if workers is None else workers
    if n_workers < 2:
        return [_score(name, n_games, seed) for name in names]
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    counter = context.Value("i", 0)
    total = sum(len(SPECS[name].dictionaries) for name in names)
    # Chess takes longest, so it goes first.
    order = sorted(names, key=lambda name: "chess" not in name)
    with ProcessPoolExecutor(n_workers, context, _alone, (counter,)) as pool:
        try:
            futures = {name: pool.submit(_score, name, n_games, seed) for name in order}
            with tqdm(total=total, desc="SAEs", disable=None if progress else True, leave=False) as bar:
                waiting = set(futures.values())
                while waiting:
                    done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
                    for one in done:
                        one.result()  # what went wrong is said at once
                    bar.update(counter.value - bar.n)
            return [futures[name].result() for name in names]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
                child.join()
            raise


def _alone(counter: Any) -> None:
    """What a worker does first: one thread each, no bars, and Ctrl-C is its parent's business, with whom it ends."""
    global _scored  # noqa: PLW0603 - a process of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TQDM_DISABLE"] = "1"
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    _scored = counter


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(name: str, n_games: int, seed: int) -> Shipped:
    bed = testbed(name, n_games=n_games, seed=seed)
    reports = score_shipped(name, seed=seed, bed=bed, done=_count)
    best = max(reports, key=lambda report: report.scores["coverage"].value).dictionary
    sae = load_dictionary(asset(SPECS[name].dictionaries[best]), "sae_lens", name=best)
    found = explain(sample_of(sae, bed, n_latents=N_EXPLAINED, seed=seed), bed, seed=seed)
    return Shipped(tuple(reports), found, latents_of_page(sae, bed, found, most=N_SHOWN))


def _count() -> None:
    if _scored is not None:
        with _scored.get_lock():
            _scored.value += 1
