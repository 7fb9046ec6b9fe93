"""The command that makes one page of many results."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_app import Quiet, app, hush


@app.command()
def report(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Result files, or folders that are searched for them with all that is below."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, one HTML file.")] = Path("report.html"),
    quiet: Quiet = False,
) -> None:
    """One page of any number of results: chart, filters, every SAE, floors, ceilings, certificates and latents.

    Certificates (`fiducial certify`) and explained latents (`fiducial explain`) among the files are shown with them;
    JSON files of other programs are passed over.
    """
    hush(quiet)
    if out.is_dir():
        raise ValueError(f"--out takes the name of the page, such as {out / 'report.html'}; {out} is a folder")
    from .reporting.read import json_files

    files = json_files(paths)
    from tqdm.auto import tqdm

    from .reporting.page import write_html
    from .reporting.read import read

    with tqdm(total=len(files), desc="results", unit="file") as bar:

        def told(_: Path) -> None:
            bar.update()

        found = read(files, told=told)
    written = write_html(
        found.reports,
        out,
        explanations=found.explanations,
        certificates=found.certificates,
        sources=found.sources,
    )
    with_ = [f"{len(found.reports)} result(s) on {len({one.testbed for one in found.reports})} testbed(s)"]
    if found.certificates:
        with_.append(f"{len(found.certificates)} certificate(s)")
    if found.explanations:
        with_.append(f"{len(found.explanations)} explained latent(s)")
    left = [f"{len(found.foreign)} JSON file(s) of other programs passed over"] if found.foreign else []
    if found.broken:
        names = ", ".join(str(path) for path in found.broken[:3])
        left.append(f"{len(found.broken)} file(s) that are no whole JSON passed over ({names})")
    left += [f"{len(found.repeated)} result(s) that are there twice shown once"] if found.repeated else []
    typer.echo(f"wrote {written} ({written.stat().st_size / 1e6:.1f} MB): {', '.join([*with_, *left])}")
