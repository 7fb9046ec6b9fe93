"""Scoring every SAE of a command that trains several: a log and a figure beside each folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..models.dictionary import Dictionary
from ..testbed_catalogue import AnyTestbed
from .checkpoints import SNAPSHOT_ROWS, ScoreLog
from .plot import plot_curve, save_figure


def scored_along(
    bed: AnyTestbed,
    metrics: Sequence[str],
    every: int,
    made: Mapping[str, Any],
    say: Callable[[str], None] = lambda line: None,
) -> Callable[[str, Path], tuple[dict[str, Any], Callable[[Dictionary], None]]]:
    """What `train_shipped_sae` takes to score its SAEs while they train.

    Args:
        bed: the fixed sample to score on.
        metrics: names.
        every: steps between two points.
        made: the settings of the run, besides the architecture; `samples` among them.
        say: told how much of the time scoring took.

    Returns:
        From an architecture and its folder to arguments of `train_sae`, and what is to be called with the trained SAE.
        It writes FOLDER.scores.jsonl after every point, and FOLDER.scores.svg at the end.
    """

    def watch(arch: str, folder: Path) -> tuple[dict[str, Any], Callable[[Dictionary], None]]:
        folder.parent.mkdir(parents=True, exist_ok=True)
        log = ScoreLog(
            bed,
            metrics,
            every=every,
            path=folder.with_name(f"{folder.name}.scores.jsonl"),
            run=folder.name,
            made={"arch": arch, **made},
        )
        started = time.process_time()

        def done(dictionary: Dictionary) -> None:
            share = log.seconds / max(time.process_time() - started, 1e-9)
            found = log.finish(dictionary)
            save_figure(plot_curve(found), folder.with_name(f"{folder.name}.scores.svg"))
            say(f"scored {len(found.points)} times on the way, {share:.1%} of the CPU time: {log.path} and .svg")

        stops = log.stops(made["samples"] // log.batch_size)
        return {"snapshots": stops, "on_snapshot": log, "snapshot_rows": SNAPSHOT_ROWS}, done

    return watch
