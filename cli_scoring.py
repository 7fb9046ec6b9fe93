"""Commands that score: demo, score, score-arrays, and what there is to score on and by."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_app import (
    COLUMNS,
    Games,
    Out,
    Quiet,
    Seed,
    TestbedName,
    app,
    check_folder,
    dictionaries_of,
    file_name,
    finish,
    hush,
    show,
    split,
)

if TYPE_CHECKING:
    from .models.dictionary import Dictionary
    from .report import Report
    from .streaming.sample import Sample

_STORY = 110  # columns that can be read as prose
Memory = Annotated[str, typer.Option(help="Most memory to take for a file that is scored piece by piece, such as 2GB.")]
Scratch = Annotated[Path | None, typer.Option(help="Folder for its scratch files; the system's by default.")]


@app.command()
def demo(
    games: Games = 200,
    seed: Seed = 0,
    out: Out = Path("fiducial-demo"),
    testbed: Annotated[str | None, typer.Option("--testbed", "-t", help="Only this testbed.")] = None,
    tables: Annotated[bool, typer.Option(help="The whole table of every testbed, too.")] = False,
    quiet: Quiet = False,
) -> None:
    """The main job on what ships: score the shipped SAEs and tell what was found, in the terminal and on a page."""
    hush(quiet)
    check_folder(out)
    from .demo_story import shipped_certificates, story
    from .report_table import compare
    from .reporting.latents import SUFFIX, latents_from, write_latents_file
    from .reporting.page import write_html
    from .shipped_scores import score_all_shipped
    from .testbed_catalogue import check_testbed
    from .testbed_specs import SPECS

    if testbed and (check_testbed(testbed) not in SPECS or not SPECS[testbed].dictionaries):
        raise ValueError(
            f"no SAEs ship with {testbed}; train some, or score yours with `fiducial score SAE -t {testbed}`"
        )
    names = [testbed] if testbed else [name for name, spec in SPECS.items() if spec.dictionaries]
    found = score_all_shipped(names, n_games=games, seed=seed, progress=not quiet)
    reports = [report for one in found for report in one.reports]
    out.mkdir(parents=True, exist_ok=True)
    for report in reports:
        report.to_json(out / f"{file_name(report)}.json")
    for one in found:
        write_latents_file(one.latents, out / f"{file_name(one.explained)}{SUFFIX}")
    blocks = [block for one in found for block in latents_from(one.latents)]
    page = write_html(reports, out / "report.html", explanations=blocks)
    halves = f"half of {games} games (seed {seed}) choose, the others report"
    typer.echo(f"{len(reports)} SAEs on {len(found)} testbed(s); {halves}")
    if tables:
        for one in found:
            shown = [metric for metric in COLUMNS if metric in one.reports[0].scores]
            show(compare(one.reports, metrics=shown or None))
    for part in story(reports, [one.explained for one in found], shipped_certificates(), page):
        show(part, most=_STORY)


@app.command()
def testbeds() -> None:
    """The testbeds: models that ship, synthetic worlds, toy models."""
    from .testbed_catalogue import testbeds as names

    for name, summary in names().items():
        typer.echo(f"{name:22} {summary}")


@app.command()
def features(
    game: Annotated[str, typer.Argument(help="othello, othello-6x6, chess, synthsaebench-64, ...")],
    group: Annotated[str | None, typer.Option(help="Only this group, with definitions.")] = None,
    rung: Annotated[int | None, typer.Option(help="Only this rung: 0 token, 1 square, 2 relation, 3 tactic.")] = None,
) -> None:
    """What is known about every position of a game."""
    from .games import known_features
    from .models.toy_superposition import TOY_MODELS
    from .testbed_catalogue import testbed as make

    known = make(game).features if game in TOY_MODELS else known_features(game)
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
def metrics(
    name: Annotated[
        str | None, typer.Argument(help="Metric, such as coverage: its whole page. Without one: all, in a line each.")
    ] = None,
) -> None:
    """What can be measured; with a name, all about one metric: equation, floors, ceilings, trust, how to call it."""
    if name is None:
        from .metrics import METRICS

        for known, properties in METRICS.items():
            typer.echo(f"{known:28} {properties.question}")
        typer.echo("`fiducial metrics NAME` tells all about one")
        return
    from .metric_page import metric_page
    from .page_blocks import to_text

    typer.echo(to_text(metric_page(name)), nl=False)


@app.command()
def score(
    saes: Annotated[list[str], typer.Argument(help="SAE folders, files, releases, or shipped ones such as topk.")],
    testbed: TestbedName = "",
    metrics: Annotated[
        str | None, typer.Option("--metrics", "-m", help="Names, comma-separated; all by default, but for tasks.")
    ] = None,
    games: Games = 500,
    seed: Seed = 0,
    out: Out = Path("fiducial-results"),
    kind: Annotated[
        str | None, typer.Option(help="sae_lens, dictionary_learning, openai, safetensors; else guessed.")
    ] = None,
    game: Annotated[
        str | None, typer.Option(help="Then --testbed is a model's path or hub name, and this the game it plays.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Block of that model that is read, from 0.", min=0)] = None,
    site: Annotated[
        str | None, typer.Option(help="Where an IOI model is read, such as `L1 z@end`; see `fiducial find-sites`.")
    ] = None,
    device: Annotated[str, typer.Option(help="What computes: cpu, cuda, cuda:1.")] = "cpu",
    sample: Annotated[
        Path | None,
        typer.Option(help="Score on this HDF5 file of `fiducial capture`, however large, instead of on a testbed."),
    ] = None,
    memory: Memory = "2GB",
    scratch: Scratch = None,
    references: Annotated[
        bool, typer.Option("--references/--no-references", help="With --sample: score floors and ceilings too.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Score SAEs on a testbed, or on a sample in a file."""
    hush(quiet)
    if sample is not None:
        given = {"--testbed": testbed, "--game": game, "--layer": layer, "--site": site}
        if clash := [option for option, value in given.items() if value not in (None, "")]:
            raise ValueError(f"--sample says what is scored on; leave out {', '.join(clash)}")
        _score_sample(
            saes, sample, split(metrics), seed, out, kind, memory, scratch, references, device, progress=not quiet
        )
        return
    from .startup import check_saes, import_libraries, known_metrics, sampled
    from .testbed_specs import DEFAULT_TESTBED, SPECS

    name, wanted, transcripts = testbed or DEFAULT_TESTBED, split(metrics), None
    check_folder(out)
    elsewhere = game is not None or layer is not None or site is not None
    if name in SPECS and not elsewhere and known_metrics(wanted):  # else only the libraries tell what to refuse
        check_saes(saes, name, kind)
        transcripts = sampled(name, games, seed)
        import_libraries()
    from .evaluation import check_metrics, evaluate
    from .models.devices import checked_device
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make

    device = str(checked_device(device))
    wanted = check_metrics(wanted)
    name = name if game and testbed else check_testbed(name)
    dictionaries = dictionaries_of(saes, name, kind)  # all are read before any is scored
    bed = make(
        name, game=game, layer=layer, site=site, n_games=games, seed=seed, device=device, transcripts=transcripts
    )
    finish([evaluate(dictionary, bed, wanted, seed=seed, sha256=sha256) for dictionary, sha256 in dictionaries], out)


def _score_sample(
    saes: list[str],
    sample: Path,
    metrics: list[str] | None,
    seed: int,
    out: Path,
    kind: str | None,
    memory: str,
    scratch: Path | None,
    references: bool,
    device: str,
    *,
    progress: bool,
) -> None:
    """Score SAEs on a sample in a file, one after the other; each result is written as soon as it is there."""
    from .streaming.memory import parse_memory, stopped_like_interrupted

    parse_memory(memory)
    check_folder(out)
    from .models.devices import checked_device
    from .streaming.evaluate import evaluate_file
    from .streaming.offers import askable
    from .streaming.sample import open_sample

    device = str(checked_device(device))
    opened = open_sample(sample)
    askable(metrics, opened)
    dictionaries = _for_sample(saes, opened, kind)  # all are read before any is scored
    reports: list[Report] = []
    known: dict[Any, Any] = {}  # references of one width and L0 are scored once, tasks posed once
    with stopped_like_interrupted():
        for dictionary, sha256 in dictionaries:
            report = evaluate_file(
                dictionary,
                sample,
                metrics,
                memory=memory,
                seed=seed,
                folder=scratch,
                controls=references,
                device=device,
                progress=progress,
                sha256=sha256,
                known=known,
            )
            out.mkdir(parents=True, exist_ok=True)
            report.to_json(out / f"{file_name(report)}.json")
            reports.append(report)
    finish(reports, out)


def _for_sample(saes: list[str], sample: "Sample", kind: str | None) -> "list[tuple[Dictionary, str | None]]":
    """Dictionaries for a file; shipped ones by name where it was captured from their testbed, at their place.

    Raises:
        FileNotFoundError: neither a path nor a shipped SAE.
    """
    from .testbed_specs import SPECS

    model, hook = sample.facts.get("model"), sample.facts.get("hook")
    if model in SPECS and SPECS[model].hook == hook:
        return dictionaries_of(saes, model, kind)
    if unknown := [sae for sae in saes if "/" not in sae and not Path(sae).exists()]:
        raise FileNotFoundError(
            f"no file or folder {unknown[0]}; shipped SAEs go by name with files captured from their testbed, "
            f"and {sample.path.name} is of {model} at {hook}"
        )
    return dictionaries_of(saes, "", kind)


@app.command(name="score-arrays")
def score_arrays(
    file: Annotated[
        Path,
        typer.Argument(
            help=".npz or .h5 with `latents` [N, L], `labels` [N, F], `game_id` [N]; or a file of labelled codes."
        ),
    ],
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for results.")] = None,
    memory: Memory = "2GB",
    scratch: Scratch = None,
    quiet: Quiet = False,
) -> None:
    """Score latents against labels that were made elsewhere; an .h5 file may be larger than memory."""
    hush(quiet)
    from .streaming.memory import parse_memory, stopped_like_interrupted
    from .streaming.sample import fits_in_memory

    most = parse_memory(memory)
    if out is not None:
        check_folder(out)
    if fits_in_memory(file, most):
        from .arrays import evaluate_arrays

        report = evaluate_arrays(file, seed=seed)
    else:
        from .streaming.evaluate import evaluate_file

        with stopped_like_interrupted():
            report = evaluate_file(None, file, memory=memory, seed=seed, folder=scratch, progress=not quiet)
    show(report.table())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        report.to_json(out / f"{file.stem}.json")
        typer.echo(f"wrote {out / f'{file.stem}.json'}")
