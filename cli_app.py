"""What all commands share: the application, options used by several, how results are printed and written."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_help import WELCOME, HelpfulGroup

if TYPE_CHECKING:
    from .models.dictionary import Dictionary

app = typer.Typer(
    name="fiducial",
    cls=HelpfulGroup,
    help="A ground-truth testbed for sparse autoencoders.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Games = Annotated[int, typer.Option("--games", "-n", help="Games to score on; half choose, half report.", min=8)]
Seed = Annotated[int, typer.Option("--seed", "-s", help="Seed of games and bootstrap.", min=0)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
TestbedName = Annotated[
    str, typer.Option("--testbed", "-t", help="Name of a testbed; see `fiducial testbeds`. [default: othello-6x6]")
]


def hush(quiet: bool) -> None:
    """No progress bars when asked for, or where nobody watches."""
    if quiet or not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"


def show(renderable: Any, most: int | None = None) -> None:
    """Print a table, as wide as the terminal or as `most`."""
    from rich.console import Console

    console = Console()
    width = console.width if console.is_terminal else 240  # a file has no edge to wrap at; tables take what they need
    Console(width=width if most is None else min(width, most)).print(renderable)


def split(names: str | None) -> list[str] | None:
    """Names that are written apart by commas; None for none given."""
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def numbers(text: str, option: str, kind: Callable[[str], Any]) -> list[Any]:
    """Numbers that are written apart by commas.

    Raises:
        ValueError: something that is not such a number, or nothing.
    """
    try:
        found = [kind(part) for part in split(text) or []]
    except ValueError:
        raise ValueError(f"{option} takes numbers apart by commas, got {text!r}") from None
    if not found:
        raise ValueError(f"{option} needs at least one number")
    return found


def _version(show: bool) -> None:
    if show:
        from . import __version__

        typer.echo(f"fiducial {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """A ground-truth testbed for sparse autoencoders."""
    if context.invoked_subcommand is None:
        typer.echo(WELCOME, nl=False)


COLUMNS = (
    "recovery_score",
    "found_score",
    "edit_success_score",
    "necessity_score",
    "found_values_score",
    "coverage",
    "reconstruction",
    "explained_variance_score",
    "kl_recovered_mean_score",
    "legal_top1_score",
    "l0",
)


def finish(reports: Sequence[Any], out: Path, *, extra: str = "") -> None:
    """Write the results and the page (with more of it, as HTML), and print a table a testbed."""
    from .report_table import compare
    from .reporting.page import write_html
    from .reporting.read import latents_in

    out.mkdir(parents=True, exist_ok=True)
    for report in reports:
        report.to_json(out / f"{file_name(report)}.json")
    write_html(reports, out / "report.html", explanations=latents_in(out), extra=extra)
    for name in dict.fromkeys(report.testbed for report in reports):
        here = [report for report in reports if report.testbed == name]
        shown = [metric for metric in COLUMNS if metric in here[0].scores]
        show(here[0].table() if len(here) == 1 else compare(here, metrics=shown or None))
    typer.echo(f"wrote {len(reports)} result file(s) and {out / 'report.html'}")


def distinct_names(paths: Sequence[str]) -> dict[str, str]:
    """A short name for every path: its last part, with as many parents as it takes to tell them apart.

    >>> distinct_names(["a/topk", "b/topk", "b/gated"])
    {'a/topk': 'a-topk', 'b/topk': 'b-topk', 'b/gated': 'gated'}
    """
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        parts = Path(path).parts
        others = [Path(other).parts for other in dict.fromkeys(paths) if other != path]
        depth = 1
        while depth < len(parts) and any(other[-depth:] == parts[-depth:] for other in others):
            depth += 1
        found[path] = "-".join(part.strip("/") for part in parts[-depth:] if part != "/")
    return found


def dictionaries_of(saes: list[str], testbed: str, kind: str | None) -> "list[tuple[Dictionary, str | None]]":
    """Dictionaries and the checksums of their files: those named, or those that ship with a testbed.

    Raises:
        FileNotFoundError: neither a path nor a shipped SAE.
        ValueError: none named and none shipped.
    """
    from .data.assets import asset, path_sha256
    from .models.loading import load_dictionary
    from .startup import no_such_sae
    from .testbed_specs import SPECS

    shipped = SPECS[testbed].dictionaries if testbed in SPECS else {}
    if not saes and not shipped:
        raise ValueError(f"no SAEs ship with {testbed}; name yours, or train some with `fiducial zoo -t {testbed}`")
    found: list[tuple[Dictionary, str | None]] = []
    for sae, name in distinct_names(saes or list(shipped)).items():
        if sae in shipped and not Path(sae).exists():
            where = asset(shipped[sae])
            found.append((load_dictionary(where, "sae_lens", name=sae), path_sha256(where)))
        elif "/" not in sae and not Path(sae).exists():
            raise no_such_sae(sae, testbed)
        else:
            found.append((load_dictionary(sae, kind, name=name), path_sha256(Path(sae))))
    return found


def check_folder(out: Path) -> None:
    """Refuse, before the work, an output folder that is a file.

    Raises:
        ValueError: it is.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"results go into a folder, but {out} is a file")


def file_name(report: Any) -> str:
    """A name for the file of a report, without characters that files cannot have."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{report.dictionary}@{report.testbed}")
    return safe.strip("-.")
