"""The command that draws the papers' figures from results at hand."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_app import Quiet, app, check_folder, hush

PAPERS = ("karvonen2024", "makelov2024", "saebench", "paulo2024", "shift-tpp")
ALL = "all"


@app.command()
def figures(
    paper: Annotated[str, typer.Argument(help=f"{', '.join(PAPERS)}, or all that the results can show.")],
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Result files and folders: reports, explanations, curves, what `fiducial reproduce` wrote."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for figures and captions.")] = Path("figures"),
    kind: Annotated[str, typer.Option("--format", help="svg, pdf or png.")] = "svg",
    quiet: Quiet = False,
) -> None:
    """The main figures of a paper, drawn from your results, with captions that say what differs."""
    hush(quiet)
    check_folder(out)
    from difflib import get_close_matches

    from .figures import PAPERS as DRAWERS
    from .figures import gather
    from .figures.style import FORMATS

    if paper not in (*PAPERS, ALL):
        close = get_close_matches(paper.lower(), [*PAPERS, ALL], n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise KeyError(f"no figures of {paper!r}{hint} There are {', '.join((*PAPERS, ALL))}")
    if kind not in FORMATS:
        raise ValueError(f"--format is {', '.join(FORMATS)}, got {kind!r}")
    found = gather(results, say=(lambda line: None) if quiet else lambda line: typer.echo(line, err=True))
    typer.echo(f"read {found.told()}")
    given = " ".join(map(str, results))
    drawn, refused = 0, {}
    for name in PAPERS if paper == ALL else (paper,):
        command = f"fiducial figures {name} {given} -o {out}" + ("" if kind == "svg" else f" --format {kind}")
        try:
            paths = DRAWERS[name](found, out, format=kind, command=command)
        except ValueError as error:
            if paper != ALL:
                raise
            refused[name] = str(error)
            continue
        drawn += len(paths) - 1
        for path in paths:
            typer.echo(f"wrote {path}")
    for name, why in refused.items():
        typer.echo(f"left out {name}: {why}", err=True)
    if not drawn:
        raise ValueError("; ".join(refused.values()))
