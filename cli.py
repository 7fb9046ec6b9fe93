"""The command `fiducial`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    name="fiducial",
    help="A ground-truth testbed for sparse autoencoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Games = Annotated[int, typer.Option("--games", "-n", help="Games to score on; half choose, half report.", min=8)]
Seed = Annotated[int, typer.Option("--seed", "-s", help="Seed of games and bootstrap.", min=0)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
TestbedName = Annotated[str, typer.Option("--testbed", "-t", help="Name of a testbed; see `fiducial testbeds`.")]


def _hush(quiet: bool) -> None:
    if quiet or not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(renderable)


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _version(show: bool) -> None:
    if show:
        from . import __version__

        typer.echo(f"fiducial {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """A ground-truth testbed for sparse autoencoders."""


@app.command()
def demo(
    games: Games = 200,
    seed: Seed = 0,
    out: Out = Path("fiducial-demo"),
    testbed: Annotated[str | None, typer.Option("--testbed", "-t", help="Only this testbed.")] = None,
    quiet: Quiet = False,
) -> None:
    """The main job on what ships: score the shipped SAEs on the shipped testbeds; table and report.html."""
    _hush(quiet)
    _check_folder(out)
    from .evaluation import score_shipped
    from .testbed_catalogue import testbeds as names

    reports = [
        report
        for name in ([testbed] if testbed else names())
        for report in score_shipped(name, n_games=games, seed=seed)
    ]
    _finish(reports, out)


@app.command()
def testbeds() -> None:
    """The shipped testbeds."""
    from .testbed_catalogue import testbeds as names

    for name, summary in names().items():
        typer.echo(f"{name:16} {summary}")


@app.command()
def features(
    game: Annotated[str, typer.Argument(help="othello, othello-6x6, ...")],
    group: Annotated[str | None, typer.Option(help="Only this group, with definitions.")] = None,
    rung: Annotated[int | None, typer.Option(help="Only this rung: 0 token, 1 square, 2 relation, 3 tactic.")] = None,
) -> None:
    """What is known about every position of a game."""
    from .games import world

    known = world(game).features
    if group is None and rung is None:
        typer.echo(f"{len(known)} features in {len(known.groups)} groups; --group NAME lists one")
        for name in known.groups:
            rows = known.select(group=name)
            reachable = sum(feature.reachable for feature in rows)
            typer.echo(
                f"{name:28} rung {rows[0].rung}  {reachable:4d} reachable of {len(rows):4d}   e.g. {rows[0].name}"
            )
        return
    for feature in known.select(group=group, rung=rung):
        note = "" if feature.reachable else "  (cannot occur)"
        typer.echo(f"{feature.name}: {feature.definition}{note}")


@app.command()
def metrics() -> None:
    """What can be measured."""
    from .metrics import METRICS

    for name, properties in METRICS.items():
        typer.echo(f"{name:28} {properties.question}")


@app.command()
def score(
    saes: Annotated[list[str], typer.Argument(help="SAE folders, files or sae_lens releases.")],
    testbed: TestbedName = "",
    metrics: Annotated[
        str | None, typer.Option("--metrics", "-m", help="Names, comma-separated; all by default.")
    ] = None,
    games: Games = 500,
    seed: Seed = 0,
    out: Out = Path("fiducial-results"),
    kind: Annotated[
        str | None, typer.Option(help="sae_lens, dictionary_learning, openai, safetensors; else guessed.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Score SAEs on a testbed."""
    _hush(quiet)
    from .data.assets import path_sha256
    from .evaluation import check_metrics, evaluate
    from .models.loading import load_dictionary
    from .testbed_catalogue import DEFAULT_TESTBED, check_testbed
    from .testbed_catalogue import testbed as make

    wanted = check_metrics(_split(metrics))
    name = check_testbed(testbed or DEFAULT_TESTBED)
    _check_folder(out)
    names = distinct_names(saes)
    dictionaries = [load_dictionary(sae, kind, name=names[sae]) for sae in names]  # all are read before any is scored
    bed = make(name, n_games=games, seed=seed)
    reports = [
        evaluate(dictionary, bed, wanted, seed=seed, sha256=path_sha256(Path(sae)))
        for sae, dictionary in zip(names, dictionaries, strict=True)
    ]
    _finish(reports, out)


@app.command(name="score-arrays")
def score_arrays(
    file: Annotated[Path, typer.Argument(help=".npz or .h5 with `latents` [N, L], `labels` [N, F], `game_id` [N].")],
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for results.")] = None,
) -> None:
    """Score latents against labels that were made elsewhere."""
    from .arrays import evaluate_arrays

    if out is not None:
        _check_folder(out)
    report = evaluate_arrays(file, seed=seed)
    _print(report.table())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        report.to_json(out / f"{file.stem}.json")
        typer.echo(f"wrote {out / f'{file.stem}.json'}")


@app.command()
def sample(
    game: Annotated[str, typer.Argument(help="othello, othello-6x6, ...")],
    games: Annotated[int, typer.Option("--games", "-n", help="How many games.", min=1)] = 100,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HDF5 file; without it one game is shown.")] = None,
    seed: Seed = 0,
) -> None:
    """Random games with the truth about every position."""
    from .games import world

    place = world(game)
    transcripts = place.sample(games, seed)
    if out is None:
        moves = place.tokenizer.decode(transcripts.tokens[0].tolist())
        typer.echo(" ".join(moves))
        typer.echo(place.render(moves, len(moves)))
        return
    from .data.transcripts import save_transcripts

    save_transcripts(transcripts, out)
    typer.echo(
        f"wrote {games} games, {int(transcripts.scored.sum())} positions, {len(transcripts.features)} features: {out}"
    )


@app.command()
def capture(
    out: Annotated[Path, typer.Option("--out", "-o", help="HDF5 file to write.")],
    testbed: TestbedName = "",
    games: Annotated[int, typer.Option("--games", "-n", help="How many games.", min=1)] = 500,
    seed: Seed = 0,
    hook: Annotated[str | None, typer.Option(help="Hook point; the testbed's by default.")] = None,
    twin: Annotated[bool, typer.Option(help="Capture the randomly initialised twin instead.")] = False,
    quiet: Quiet = False,
) -> None:
    """Activations of a testbed's model with the truth about every position."""
    _hush(quiet)
    from .models.capture import capture as run
    from .testbed_catalogue import DEFAULT_TESTBED
    from .testbed_catalogue import testbed as make

    bed = make(testbed or DEFAULT_TESTBED, n_games=max(8, games), seed=seed)
    model = bed.twin.model if twin else bed.model
    captured = run(model, bed.game.sample(games, seed), hook or bed.hook, path=out, progress=not quiet)
    typer.echo(f"wrote {len(captured.game_id)} positions x {captured.activations.shape[1]}: {out}")


@app.command(name="train-model")
def train_model(
    name: Annotated[str, typer.Argument(help="othello-small, othello-6x6")],
    out: Out = Path("runs"),
    games: Annotated[
        int | None, typer.Option("--games", "-n", help="Games to see in all; the recipe's by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    ship: Annotated[bool, typer.Option(help="Also replace the shipped asset and its card.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a shipped model from its recipe; continues from the checkpoint in the output folder."""
    _hush(quiet)
    from .shipping import train_shipped_model

    path = train_shipped_model(name, out, games=games, device=device, ship=ship, log=typer.echo, progress=not quiet)
    typer.echo(f"wrote {path}")


@app.command(name="train-sae")
def train_sae(
    arch: Annotated[str, typer.Option(help="standard, topk, batchtopk, jumprelu, gated, matryoshka")] = "topk",
    testbed: TestbedName = "",
    activations: Annotated[
        Path | None, typer.Option(help="HDF5 file of `fiducial capture` instead of fresh games.")
    ] = None,
    out: Out = Path("runs"),
    latents: Annotated[int, typer.Option(help="Width of the dictionary.", min=1)] = 1024,
    k: Annotated[int, typer.Option(help="Latents active a position, or the L0 to aim at.", min=1)] = 32,
    samples: Annotated[int, typer.Option(help="Activations to train on.", min=1)] = 2_000_000,
    seed: Seed = 0,
    twin: Annotated[bool, typer.Option(help="On the randomly initialised twin.")] = False,
    frozen_decoder: Annotated[bool, typer.Option(help="Control: the decoder stays random.")] = False,
    ship: Annotated[bool, typer.Option(help="Also replace the shipped asset and its card.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train an SAE with sae_lens on activations with known truth."""
    _hush(quiet)
    from .shipping import train_shipped_sae
    from .testbed_catalogue import DEFAULT_TESTBED

    path = train_shipped_sae(
        arch,
        testbed or DEFAULT_TESTBED,
        out,
        activations=activations,
        n_latents=latents,
        k=k,
        samples=samples,
        seed=seed,
        twin=twin,
        frozen_decoder=frozen_decoder,
        ship=ship,
        progress=not quiet,
    )
    typer.echo(f"wrote {path}")


@app.command(name="score-cards")
def score_cards(testbed: TestbedName = "", games: Games = 200, seed: Seed = 0, quiet: Quiet = False) -> None:
    """Score the shipped SAEs again and write it into the cards of what ships."""
    _hush(quiet)
    from .shipping import score_cards as write
    from .testbed_catalogue import DEFAULT_TESTBED, check_testbed

    name = check_testbed(testbed or DEFAULT_TESTBED)
    write(name, n_games=games, seed=seed)
    typer.echo(f"wrote the cards of {name}")


INTERRUPTED = 130  # what a shell reports for Ctrl-C, and what typer turns it into
COLUMNS = (
    "coverage",
    "reconstruction",
    "explained_variance_score",
    "kl_recovered_mean_score",
    "legal_top1_score",
    "l0",
)


def _finish(reports: Sequence[Any], out: Path) -> None:
    from .report_html import write_html
    from .report_table import compare

    out.mkdir(parents=True, exist_ok=True)
    for report in reports:
        report.to_json(out / f"{_file_name(report)}.json")
    write_html(reports, out / "report.html")
    for name in dict.fromkeys(report.testbed for report in reports):
        here = [report for report in reports if report.testbed == name]
        shown = [metric for metric in COLUMNS if metric in here[0].scores]
        _print(here[0].table() if len(here) == 1 else compare(here, metrics=shown or None))
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


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"results go into a folder, but {out} is a file")


def _file_name(report: Any) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{report.dictionary}@{report.testbed}")
    return safe.strip("-.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: 0 done, 2 bad input with one line on stderr, 1 anything else, 130 interrupted."""
    try:
        code = app(args=arguments, standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except typer.Exit as end:
        code = end.exit_code
    except (ValueError, KeyError, OSError) as error:
        _refuse(error.args[0] if isinstance(error, KeyError) and error.args else error)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's own complaints about arguments have it
            raise
        _refuse(f"{error.format_message()}; see `fiducial --help`")  # type: ignore[attr-defined]
    if code == INTERRUPTED:
        print("fiducial: interrupted; files already finished are whole, nothing else was written", file=sys.stderr)
    raise SystemExit(code)


def _refuse(message: object) -> NoReturn:
    print(f"fiducial: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(2)
