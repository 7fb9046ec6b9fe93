"""The command that scores many SAEs on many testbeds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .cli_app import Quiet, app, hush, show, split


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="TOML file: testbeds, SAEs, metrics, seeds; see the README.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of results, instead of the file's.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one a core and at most four by default; with --ray actors.", min=1)
    ] = None,
    threads: Annotated[int, typer.Option(help="Of each process.", min=1)] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Run on a Ray cluster; one on this machine by default.")] = False,
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster; `auto` for the one that runs here.")] = None,
    gpus: Annotated[float, typer.Option(help="GPUs of each Ray actor; may be a part of one.", min=0)] = 0.0,
    retries: Annotated[int, typer.Option(help="How often a task is tried again whose worker was lost.", min=0)] = 2,
    columns: Annotated[str | None, typer.Option(help="Metrics in the table at the end, comma-separated.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be scored, and what is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Score SAEs on testbeds with several seeds; what is there is not computed again, after whatever interruption."""
    hush(quiet)
    from .reporting.page import write_html
    from .sweeps.plan import read_plan
    from .sweeps.processes import ProcessPool, default_workers
    from .sweeps.run import SHARED, kept
    from .sweeps.run import sweep as run_sweep
    from .sweeps.table import Watch, by_place, compared
    from .sweeps.work import Scoring

    if (address is not None or gpus) and not ray:
        raise ValueError("--address and --gpus are of a Ray cluster: say --ray too")
    found = read_plan(file, out)
    shown = split(columns)
    asked = {name for task in found.tasks for name in task.metrics}
    if unknown := sorted(set(shown or []) - asked):
        raise ValueError(f"--columns takes metrics that {file} asks for, which {', '.join(unknown)} is not")
    if plan:
        for place, tasks in found.places.items():
            there = sum(kept(found.out / task.file, task) is not None for task in tasks)
            typer.echo(f"{place}: {len(tasks)} SAEs x {len(tasks[0].metrics)} metrics, {there} results are there")
        return

    shared = (found.out / SHARED).absolute()

    def pool(n_tasks: int) -> "object":
        if ray:
            from .sweeps.on_ray import RayPool

            return RayPool(
                workers and min(workers, n_tasks), address=address, threads=threads, gpus=gpus, shared=shared
            )
        return ProcessPool(min(workers or default_workers(), n_tasks), threads, Scoring(shared))

    with Watch(not quiet and sys.stderr.isatty(), typer.echo) as watch:
        made = run_sweep(found, pool, retries=retries, started=watch.started, told=watch.told)  # type: ignore[arg-type]
    if made.reports:
        show(compared(made.reports, shown))
        write_html(by_place(made.reports), found.out / "report.html")
    lost = f", {made.lost} workers were lost on the way" if made.lost else ""
    typer.echo(f"{len(made.reports)} results in {found.out}, {made.computed} of them new{lost}")
    if made.failures:
        for task, one in made.failures.items():
            typer.echo(f"fiducial: {task.name} on {task.place}: {one.reason}", err=True)
        typer.echo(f"fiducial: {len(made.failures)} failed; {found.out / 'failures.json'} says where", err=True)
        raise typer.Exit(1)
