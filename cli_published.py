"""Commands about published work and single latents: reproduce, latents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_app import Quiet, Seed, TestbedName, app, check_folder, hush, show, split
from .cli_llm import EncoderName, encoder_of
from .suggestions import did_you_mean

PAPERS = ("karvonen2024", "makelov2024", "saebench", "paulo2024")


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help=", ".join(PAPERS))],
    testbed: Annotated[
        str | None, typer.Option("--testbed", "-t", help="Shipped testbeds, comma-separated; all by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model instead: path, or Hugging Face name; GPT-2 for makelov2024.")
    ] = None,
    saes: Annotated[Path | None, typer.Option(help="Folder with the model's SAEs, nested or not.")] = None,
    game: Annotated[str | None, typer.Option(help="chess or othello; which game the model plays.")] = None,
    twin: Annotated[str | None, typer.Option(help="The model with random weights: path or name.")] = None,
    twin_saes: Annotated[Path | None, typer.Option(help="Folder with SAEs of the twin.")] = None,
    layer: Annotated[int | None, typer.Option(help="Block that is read, from 0; else as the SAEs say.", min=0)] = None,
    games: Annotated[
        int | None,
        typer.Option(
            "--games", "-n", help="Games to score on, 400; prompts that report, 1,500, for makelov2024.", min=16
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="makelov2024: steps that each SAE is trained for, 3,000: short; 30,000 is fair.", min=1),
    ] = None,
    sae_seeds: Annotated[int | None, typer.Option(help="makelov2024: SAEs of each kind, 3.", min=1)] = None,
    positions: Annotated[
        str | None,
        typer.Option(help="`published`, the default (the first twenty with White to move, in chess), or `all`."),
    ] = None,
    encoder: EncoderName = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the numbers as JSON.")] = None,
    quiet: Quiet = False,
) -> None:
    """A paper's table for the checkpoints at hand, beside the published numbers.

    saebench trains a population of SAEs unless --saes names one, and takes about a quarter of an hour for its two
    testbeds; what it has measured is kept in --out, so that it goes on after an interruption. paulo2024 puts
    explanations whose truth is known to every scorer, offline, in a few minutes; it keeps its parts likewise.
    """
    hush(quiet)
    if paper not in PAPERS:
        raise KeyError(f"no paper named {paper!r}; {did_you_mean(paper, PAPERS)}")
    if out is not None:
        check_folder(out)
    if encoder is not None and paper != "paulo2024":
        raise ValueError(f"only paulo2024 has --encoder; {paper} embeds nothing")
    if paper == "makelov2024":
        others = {"--saes": saes, "--game": game, "--twin": twin, "--twin-saes": twin_saes, "--layer": layer}
        _refuse({**others, "--positions": positions}, "only karvonen2024 has {}; makelov2024 trains its own SAEs")
        from .reproduce_makelov2024 import reproduce_makelov2024

        shown: list[Any] = reproduce_makelov2024(
            testbeds=split(testbed),
            model=model,
            n_report=games or 1_500,
            sae_seeds=range(sae_seeds or 3),
            steps=steps or 3_000,
            seed=seed,
            device=device,
            progress=not quiet,
        )
        _tell(paper, shown, out)
        return
    if paper == "saebench":
        others = {"--model": model, "--game": game, "--twin": twin, "--twin-saes": twin_saes, "--layer": layer}
        others |= {"--positions": positions, "--steps": steps, "--sae-seeds": sae_seeds}
        _refuse(others, "saebench has no {}; it takes a testbed, and a folder of SAEs from `fiducial zoo`")
        _saebench(split(testbed), saes, games or 100, seed, out or Path("fiducial-saebench-zoo"), quiet)
        return
    if paper == "paulo2024":
        others = {"--model": model, "--game": game, "--twin": twin, "--twin-saes": twin_saes, "--layer": layer}
        others |= {"--saes": saes, "--positions": positions, "--steps": steps, "--sae-seeds": sae_seeds}
        _refuse(others, "paulo2024 has no {}; it explains what ships with a testbed")
        _paulo(split(testbed), games or 240, seed, out or Path("fiducial-paulo2024"), encoder)
        return
    _refuse({"--steps": steps, "--sae-seeds": sae_seeds}, "only makelov2024 has {}; karvonen2024 trains nothing")
    from .reproduce_karvonen2024 import reproduce_karvonen2024

    made = reproduce_karvonen2024(
        testbeds=split(testbed),
        model=model,
        saes=saes,
        game=game,
        twin=twin,
        twin_saes=twin_saes,
        layer=layer,
        n_games=games or 400,
        positions=positions or "published",
        seed=seed,
        device=device,
        progress=not quiet,
    )
    _tell(paper, made, out)


def _saebench(testbeds: Sequence[str] | None, zoo: Path | None, games: int, seed: int, out: Path, quiet: bool) -> None:
    """SAEBench's findings put to the test on populations of SAEs; table, numbers and figure of each testbed."""
    from .reproduce_saebench import reproduce_saebench

    for name in testbeds or ("synthsaebench-64", "othello-6x6"):
        made = reproduce_saebench(name, zoo, n_games=games, seed=seed, out=out, say=typer.echo, progress=not quiet)
        _tell("saebench", [made], out)
        made.plot(out / f"saebench-{made.name}.png")
        typer.echo(f"wrote {out / f'saebench-{made.name}.png'}")


def _paulo(testbeds: Sequence[str] | None, games: int, seed: int, out: Path, encoder: str | None) -> None:
    """Scorers of explanations against each other and the truth; table, numbers and figure of each testbed."""
    from .judging.paulo2024 import reproduce_paulo2024

    check_folder(out)
    encodes = None if encoder is None else encoder_of(encoder)
    for made in reproduce_paulo2024(testbeds, n_games=games, encoder=encodes, out=out, seed=seed, say=typer.echo):
        _tell("paulo2024", [made], out)
        made.made.plot(out / f"paulo2024-{made.name}.png")
        typer.echo(f"wrote {out / f'paulo2024-{made.name}.png'}")


def _refuse(options: dict[str, Any], message: str) -> None:
    """Refuse options that another paper has.

    Raises:
        ValueError: one of them is given.
    """
    if wrong := [name for name, value in options.items() if value is not None]:
        raise ValueError(message.format(", ".join(wrong)))


def _tell(paper: str, made: Sequence[Any], out: Path | None) -> None:
    """Show the tables, and write them to a folder."""
    for one in made:
        show(one.table())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for one in made:
            path = out / f"{paper}-{one.name}.json"
            one.to_json(path)
            typer.echo(f"wrote {path}")


@app.command()
def latents(
    sae: Annotated[str, typer.Argument(help="SAE folder, file or sae_lens release; or the name of a shipped SAE.")],
    testbed: TestbedName = "",
    latent: Annotated[
        list[int] | None, typer.Option("--latent", "-l", help="A latent's number; may be repeated.")
    ] = None,
    best: Annotated[int, typer.Option(help="Without --latent: how many, the best matched ones.", min=1)] = 12,
    group: Annotated[str | None, typer.Option(help="Match features of these groups only, comma-separated.")] = None,
    games: Annotated[int, typer.Option("--games", "-n", help="Games to search.", min=8)] = 200,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path("latents.html"),
    kind: Annotated[str | None, typer.Option(help="As for `fiducial score`.")] = None,
    quiet: Quiet = False,
) -> None:
    """A page with the top positions of latents, drawn as boards, and the features that fit them best.

    The same latents go into a file beside it, NAME.latents.json, which `fiducial report` shows with the results.
    """
    hush(quiet)
    from .data.assets import asset
    from .explaining.latent_blocks import latents_shown
    from .latent_examples import latent_examples
    from .models.loading import load_dictionary
    from .report import write_atomically
    from .report_latents import examples_page
    from .reporting.latents import SUFFIX, write_latents_file
    from .testbed_catalogue import check_testbed, with_model
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED, SPECS

    name = check_testbed(testbed or DEFAULT_TESTBED)
    bed = with_model(make(name, n_games=games, seed=seed))
    shipped = SPECS[name].dictionaries.get(sae)
    if shipped is None and "/" not in sae and not Path(sae).exists():
        known = ", ".join(SPECS[name].dictionaries) or "none"
        raise FileNotFoundError(
            f"no file or folder {sae}, and no SAE of that name ships with {name}: there are {known}"
        )
    dictionary = load_dictionary(asset(shipped) if shipped else sae, kind, name=Path(sae).name)
    shown = latent_examples(dictionary, bed, latent or None, best=best, groups=split(group))
    typer.echo(f"wrote {write_atomically(out, examples_page(shown, dictionary, bed))}")
    blocks = write_latents_file(latents_shown(shown, dictionary, bed), out.with_name(out.stem + SUFFIX))
    typer.echo(f"wrote {blocks}, which `fiducial report` shows beside results")
