"""Commands that score along an axis: checkpoints of training, numbers of games."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_app import (
    Games,
    Out,
    Quiet,
    Seed,
    TestbedName,
    app,
    check_folder,
    dictionaries_of,
    hush,
    numbers,
    show,
    split,
)

if TYPE_CHECKING:
    import pandas as pd

    from .curves.result import Curve


@app.command()
def curve(
    places: Annotated[
        list[Path], typer.Argument(help="Folder with checkpoints, or logs (.jsonl) of `train-sae --score-every`.")
    ],
    testbed: TestbedName = "",
    metrics: Annotated[str, typer.Option("--metrics", "-m", help="Names, comma-separated.")] = "coverage",
    runs: Annotated[str | None, typer.Option(help="Only runs whose names hold one of these, comma-separated.")] = None,
    games: Games = 100,
    seed: Seed = 0,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap over games.", min=2)] = 200,
    out: Out = Path("fiducial-curve"),
    quiet: Quiet = False,
) -> None:
    """Scores against training: of stored checkpoints, or of what training logged; curve.jsonl, .csv, .svg, .png.

    Checkpoints are folders RUN@STEP and RUN, as `fiducial zoo --checkpoints` leaves them, or RUN/ROWS as sae_lens does.
    """
    hush(quiet)
    check_folder(out)
    from .curves.plot import plot_curve, save_figure
    from .curves.result import Curve, joined

    wanted = split(metrics) or []
    logs = [place for place in places if place.is_file()]
    if logs and len(logs) < len(places):
        raise ValueError("give a folder with checkpoints or logs of training, not both")
    if logs:
        if testbed:
            raise ValueError("logs of training say which testbed they were scored on; leave --testbed out")
        found = joined([Curve.read(log) for log in logs])
        wanted = list(found.metrics) if metrics == "coverage" else wanted
    else:
        if len(places) > 1:
            raise ValueError(f"give one folder with checkpoints, got {len(places)}")
        found = _scored(places[0], testbed, wanted, split(runs), games, seed, resamples, out, quiet)
    out.mkdir(parents=True, exist_ok=True)
    frame = found.frame()
    found.save(out / "curve.jsonl")
    _write_csv(frame, out / "curve.csv")
    drawn = plot_curve(found, wanted)
    for name in ("curve.svg", "curve.png"):
        save_figure(drawn, out / name)
    if logs:
        for run in found.runs:
            last = found.of(run)[-1]
            typer.echo(f"{run}: " + ", ".join(f"{name} {one.value:.3f}" for name, one in last.scores.items()))
    typer.echo(f"wrote {len(found.points)} points of {len(found.runs)} runs: {out / 'curve.jsonl'}, .csv, .svg, .png")


def _scored(
    folder: Path,
    testbed: str,
    metrics: list[str],
    only: list[str] | None,
    games: int,
    seed: int,
    resamples: int,
    out: Path,
    quiet: bool,
) -> "Curve":
    from .curves.checkpoints import find_checkpoints, score_checkpoints
    from .scoring import check_metrics
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    metrics = check_metrics(metrics)
    name = check_testbed(testbed or DEFAULT_TESTBED)
    found = find_checkpoints(folder)
    if only is not None:
        names = sorted({one.run for one in found})
        found = [one for one in found if any(part in one.run for part in only)]
        if not found:
            raise ValueError(f"no run in {folder} has {' or '.join(only)} in its name; there are {', '.join(names)}")
    out.mkdir(parents=True, exist_ok=True)
    return score_checkpoints(
        make(name, n_games=games, seed=seed),
        found,
        metrics,
        seed=seed,
        n_resamples=resamples,
        path=out / "curve.jsonl",
        progress=not quiet,
        say=typer.echo,
    )


@app.command(name="sample-efficiency")
def sample_efficiency(
    saes: Annotated[list[str] | None, typer.Argument(help="SAE folders or files; the shipped ones by default.")] = None,
    testbed: TestbedName = "",
    metrics: Annotated[
        str, typer.Option("--metrics", "-m", help="Of rows with labels; names, comma-separated.")
    ] = "coverage,reconstruction,explained_variance_score",
    games: Annotated[int, typer.Option("--games", "-n", help="All games, that samples are taken from.", min=16)] = 2000,
    sizes: Annotated[
        str | None, typer.Option(help="Games of a sample, comma-separated; 25, 50, 100, ... to half of all by default.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Disjoint samples of a size, at most.", min=1)] = 8,
    seed: Seed = 0,
    out: Out = Path("fiducial-efficiency"),
    kind: Annotated[str | None, typer.Option(help="Of the files, if it is not to be guessed.")] = None,
    quiet: Quiet = False,
) -> None:
    """How many games it takes until the rank of SAEs is stable; efficiency.json, .csv, .svg, .png."""
    hush(quiet)
    check_folder(out)
    from .curves.efficiency import SIZES
    from .curves.efficiency import sample_efficiency as measure
    from .curves.plot import plot_efficiency, save_figure
    from .scoring import check_metrics
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    wanted = check_metrics(split(metrics) or [])
    name = check_testbed(testbed or DEFAULT_TESTBED)
    chosen = [n for n in SIZES if n <= games // 2] or [games // 2] if sizes is None else numbers(sizes, "--sizes", int)
    dictionaries = [dictionary for dictionary, _ in dictionaries_of(saes or [], name, kind)]
    found = measure(
        make(name, n_games=games, seed=seed),
        dictionaries,
        wanted,
        sizes=chosen,
        repeats=repeats,
        seed=seed,
        progress=not quiet,
    )
    out.mkdir(parents=True, exist_ok=True)
    frame = found.frame()
    found.save(out / "efficiency.json")
    _write_csv(frame, out / "efficiency.csv")
    drawn = plot_efficiency(found)
    for file in ("efficiency.svg", "efficiency.png"):
        save_figure(drawn, out / file)
    _show_efficiency(frame, f"{len(dictionaries)} SAEs on {name}, {games} games")
    for metric in found.metrics:
        size = found.stable_from(metric)
        typer.echo(
            f"{metric}: tau with all games stays at 0.9 or more from {size} games on"
            if size is not None
            else f"{metric}: tau with all games does not stay at 0.9 at {found.sizes[-1]} games"
        )
    typer.echo(f"wrote {out / 'efficiency.json'}, .csv, .svg, .png")


def _show_efficiency(frame: "pd.DataFrame", title: str) -> None:
    from rich.table import Table

    table = Table(title=title)
    for heading in ("metric", "games", "samples", "tau with all games", "between samples", "bias", "detectable"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for row in frame.to_dict("records"):
        table.add_row(
            str(row["metric"]),
            str(row["games"]),
            str(row["samples"]),
            f"{row['tau']:.3f} [{row['tau_low']:.3f}, {row['tau_high']:.3f}]",
            f"{row['tau_between']:.3f} [{row['tau_between_low']:.3f}, {row['tau_between_high']:.3f}]",
            f"{row['bias']:+.4f}",
            f"{row['detectable']:.4f}",
        )
    show(table)


def _write_csv(frame: "pd.DataFrame", path: Path) -> None:
    from .data.hdf5 import partial_file

    with partial_file(path) as partial:
        frame.to_csv(partial, index=False, float_format="%.6g")
