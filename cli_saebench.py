"""The command that poses SAEBench's tasks where the truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_app import Games, Out, Quiet, Seed, TestbedName, app, check_folder, dictionaries_of, finish, hush, show, split


@app.command()
def saebench(
    saes: Annotated[
        list[str] | None,
        typer.Argument(help="SAE folders, files or sae_lens releases, or names of shipped SAEs; those by default."),
    ] = None,
    testbed: TestbedName = "",
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            help="core, probing, scr, tpp, absorption, ravel, unlearning, mdl, meta, autointerp; comma-separated.",
        ),
    ] = None,
    games: Games = 200,
    beside: Annotated[
        Path | None, typer.Option(help="Result file of SAEBench, or a folder of them, to set beside.")
    ] = None,
    seed: Seed = 0,
    out: Out = Path("fiducial-saebench"),
    kind: Annotated[str | None, typer.Option(help="As for `fiducial score`.")] = None,
    quiet: Quiet = False,
) -> None:
    """SAEBench's tasks, posed where the truth is known; the published figures beside, in SAEBench's own files."""
    hush(quiet)
    check_folder(out)
    from .report_html import beside_section
    from .saebench import check_tasks, score_tasks
    from .saebench_files import beside as table_beside
    from .saebench_files import read_saebench, side_by_side
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    others = None if beside is None else read_saebench(beside)
    dictionaries = dictionaries_of(saes or [], name, kind)
    bed = make(name, n_games=games, seed=seed)
    wanted = check_tasks(split(tasks), bed)
    runs = []
    for dictionary, sha256 in dictionaries:
        run = score_tasks(dictionary, bed, wanted, seed=seed, sha256=sha256)
        files = run.write(out / "saebench")
        typer.echo(f"{dictionary.name}: wrote {len(files)} file(s) in SAEBench's form to {out / 'saebench'}")
        runs.append(run)
    extra = ""
    if others is not None:
        for run in runs:
            show(table_beside(others, run.results()))
            extra += beside_section(run.report, side_by_side(others, run.results()))
    finish([run.report for run in runs], out, extra=extra)
