"""Commands that make: games, activations, models, SAEs and the cards of what ships."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_app import Games, Out, Quiet, Seed, TestbedName, app, check_folder, hush, numbers, split

if TYPE_CHECKING:
    from .games.transcripts import Game
    from .shipping import Watcher


@app.command()
def sample(
    game: Annotated[str, typer.Argument(help="othello, othello-6x6, chess, chess-characters, ...")],
    games: Annotated[int, typer.Option("--games", "-n", help="How many games at most.", min=1)] = 100,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HDF5 file; without it one game is shown.")] = None,
    seed: Seed = 0,
    pgn: Annotated[list[Path] | None, typer.Option(help="Chess games from this PGN file; may be repeated.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="Chess games of a UCI engine: `stockfish`, or the path of another.")
    ] = None,
    nodes: Annotated[int, typer.Option(help="Positions that the engine looks at for a move.", min=1)] = 50,
    quiet: Quiet = False,
) -> None:
    """Games with the truth about every position: random ones, or those of a file or an engine."""
    hush(quiet)
    from .games import world

    place = world(game)
    if pgn or engine:
        transcripts = place.label(_given_games(place, games, seed, pgn, engine, nodes, progress=not quiet))
    else:
        transcripts = place.sample(games, seed)
    if out is None:
        moves = place.tokenizer.decode(transcripts.tokens[0].tolist())
        typer.echo(" ".join(moves))
        typer.echo(place.render(moves, len(moves)))
        if len(transcripts) > 1:
            typer.echo(f"the first of {len(transcripts)} games; -o FILE.h5 writes them all")
        return
    from .data.transcripts import save_transcripts

    save_transcripts(transcripts, out)
    typer.echo(
        f"wrote {len(transcripts)} games, {int(transcripts.scored.sum())} positions, "
        f"{len(transcripts.features)} features: {out}"
    )


def _given_games(
    place: "Game", games: int, seed: int, pgn: list[Path] | None, engine: str | None, nodes: int, *, progress: bool
) -> list[list[str]]:
    """Games of a PGN file or an engine, as the world's `label` takes them; damaged ones are reported."""
    from .games.chess import Chess

    if not isinstance(place, Chess):
        raise ValueError(f"--pgn and --engine bring chess games; {place.name} has none")
    if pgn and engine:
        raise ValueError("give --pgn or --engine, not both")
    if pgn:
        from .games.chess_pgn import read_pgn

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what was left out is told below, game by game
            read = read_pgn(pgn, max_games=games, plies=place.plies, progress=progress)
        for game, reason in read.damaged:
            typer.echo(f"game {game} left out: {reason}", err=True)
        typer.echo(f"read {len(read.moves)} games, left out {len(read.damaged)} damaged ones", err=True)
        if not read.moves:
            raise ValueError(f"no whole game in {', '.join(map(str, pgn))}")
        found = read.moves
    else:
        from .games.chess_engine import engine_games

        binary = None if engine == "stockfish" else engine
        found = engine_games(games, seed, nodes=nodes, plies=place.plies, binary=binary, progress=progress)
    return place.from_uci(found)


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
    hush(quiet)
    from .models.capture import capture as run
    from .synthetic_testbed import SyntheticTestbed
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED

    bed = make(testbed or DEFAULT_TESTBED, n_games=max(8, games), seed=seed)
    if isinstance(bed, SyntheticTestbed):
        from .data.synthetic import save_sample
        from .games.synthetic import Synthetic

        if not isinstance(bed.world, Synthetic):
            raise ValueError(f"{bed.name} is a toy model; only the samples of synthetic worlds are saved")
        if hook or twin:
            raise ValueError(f"{bed.name} is a world without a model: it has no --hook and no --twin")
        save_sample(bed.sample, bed.world, out)
        typer.echo(f"wrote {len(bed.x)} rows x {bed.d_in} with the magnitudes of all features: {out}")
        return
    model = bed.twin.model if twin else bed.model
    captured = run(
        model,
        bed.game.sample(games, seed),
        hook or bed.hook,
        model_name=f"random twin of {bed.name}" if twin else bed.name,
        path=out,
        progress=not quiet,
    )
    typer.echo(f"wrote {len(captured.game_id)} positions x {captured.activations.shape[1]}: {out}")


@app.command(name="train-model")
def train_model(
    name: Annotated[
        str,
        typer.Argument(
            help="othello-small, othello-6x6, chess-small, chess-pgn-small, ioi-tiny, ioi-tiny-1, ioi-tiny-3"
        ),
    ],
    out: Out = Path("runs"),
    games: Annotated[
        int | None, typer.Option("--games", "-n", help="Games to see in all; the recipe's by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    ship: Annotated[bool, typer.Option(help="Also replace the shipped asset and its card.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a shipped model from its recipe; continues from the checkpoint in the output folder."""
    hush(quiet)
    from .shipping import train_shipped_model

    path = train_shipped_model(name, out, games=games, device=device, ship=ship, log=typer.echo, progress=not quiet)
    typer.echo(f"wrote {path}")


@app.command(name="train-sae")
def train_sae(
    arch: Annotated[
        str, typer.Option(help="One of `fiducial architectures`, or several separated by commas.")
    ] = "topk",
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
    score_every: Annotated[
        int, typer.Option(help="Score it on its way, every so many steps of 1,024 rows; 0 does not.", min=0)
    ] = 0,
    score_metrics: Annotated[str, typer.Option(help="What is scored on the way, comma-separated.")] = "coverage",
    score_games: Annotated[int, typer.Option(help="Games that are scored on the way, none trained on.", min=8)] = 100,
    quiet: Quiet = False,
) -> None:
    """Train an SAE with sae_lens on activations with known truth."""
    hush(quiet)
    check_folder(out)
    from .models.training_recipes import find_recipe

    for one in split(arch) or []:
        find_recipe(one)  # before the activations are made, which takes minutes
    from .models.loading_sae_lens import load_sae_lens_folder
    from .shipping import train_shipped_sae
    from .testbed_specs import DEFAULT_TESTBED
    from .zoo import told

    made = {
        "latents": latents,
        "k": k,
        "samples": samples,
        "seed": seed,
        "twin": twin,
        "frozen_decoder": frozen_decoder,
        "activations": None if activations is None else str(activations),
    }
    name = testbed or DEFAULT_TESTBED
    watch = _score_along(name, score_metrics, score_games, score_every, made) if score_every else None
    path = train_shipped_sae(
        arch,
        name,
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
        watch=watch,
    )
    training = load_sae_lens_folder(path, path.name).training
    typer.echo(f"wrote {path}: {told(training, k)}")


def _score_along(testbed: str, metrics: str, games: int, every: int, made: dict[str, Any]) -> "Watcher":
    """What scores each SAE of `train-sae` on its way."""
    from .curves.along import scored_along
    from .model_testbed import Testbed
    from .scoring import check_metrics
    from .testbed_catalogue import check_testbed
    from .testbed_catalogue import testbed as make

    wanted = check_metrics(split(metrics) or [])
    bed = make(check_testbed(testbed), n_games=games)
    return scored_along(bed.twin if made["twin"] and isinstance(bed, Testbed) else bed, wanted, every, made, typer.echo)


@app.command()
def seal(
    world: Annotated[str, typer.Argument(help="A synthetic world; see `fiducial testbeds`.")],
    verify: Annotated[str | None, typer.Option(help="A commitment to compare with.")] = None,
) -> None:
    """Commit to a synthetic world that nobody can tune to; its secret is read from FIDUCIAL_SECRET.

    Publish the commitment before scores, and the secret after them. `-t sealed:WORLD` is the testbed.
    """
    from .synthetic_testbed import SyntheticTestbed
    from .testbed_catalogue import SEALED
    from .testbed_catalogue import testbed as make

    bed = make(f"{SEALED}{world}")
    assert isinstance(bed, SyntheticTestbed)
    commitment: str = bed.world.commitment  # type: ignore[attr-defined] - a sealed world
    if verify is not None and verify != commitment:
        raise ValueError(f"this secret makes another world: its commitment is {commitment}")
    typer.echo(commitment if verify is None else "the secret is that of the commitment")


@app.command()
def architectures() -> None:
    """SAE architectures that can be trained, with their paper and how they are trained here."""
    from .models.training_recipes import ARCHITECTURES

    for name, recipe in ARCHITECTURES.items():
        typer.echo(f"{name:20} {recipe.paper}\n{'':20} {recipe.how}")


@app.command()
def zoo(
    testbed: TestbedName = "",
    archs: Annotated[
        str | None, typer.Option("--archs", "-a", help="Names, comma-separated; all of `fiducial architectures`.")
    ] = None,
    l0: Annotated[
        str | None,
        typer.Option(help="L0 to aim at, comma-separated; by default half, once and twice the true one, or 16,32,64."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the SAEs, comma-separated.")] = "0",
    latents: Annotated[int, typer.Option(help="Width of the dictionaries.", min=2)] = 1024,
    samples: Annotated[int, typer.Option(help="Activations that each is trained on.", min=1)] = 1_000_000,
    checkpoints: Annotated[int, typer.Option(help="Times that each is saved on its way.", min=0)] = 0,
    out: Out = Path("runs"),
    quiet: Quiet = False,
) -> None:
    """Train every architecture at several sparsities on a testbed; run it again to go on where it stopped."""
    hush(quiet)
    from .models.training_recipes import ARCHITECTURES, find_recipe
    from .testbed_catalogue import testbed as make
    from .testbed_specs import DEFAULT_TESTBED
    from .zoo import Plan, l0s_for, train_zoo

    chosen = split(archs)
    for one in chosen or []:
        find_recipe(one)
    wanted = None if l0 is None else tuple(numbers(l0, "--l0", float))
    bed = make(testbed or DEFAULT_TESTBED)
    plan = Plan(
        l0s=l0s_for(bed) if wanted is None else wanted,
        seeds=tuple(numbers(seeds, "--seeds", int)),
        n_latents=latents,
        samples=samples,
        checkpoints=checkpoints,
        archs=tuple(ARCHITECTURES if chosen is None else chosen),
    )
    found = train_zoo(bed, out, plan, say=typer.echo, progress=not quiet)
    typer.echo(
        f"{len(found)} SAEs in {out / bed.name}; score them with `fiducial score {out / bed.name}/*/ -t {bed.name}`"
    )


@app.command(name="train-probes")
def train_probes(
    testbed: TestbedName = "",
    out: Out = Path("runs"),
    games: Annotated[int, typer.Option("--games", "-n", help="Games to fit on.", min=50)] = 6000,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the games; scoring uses others.", min=0)] = 20_000,
    ship: Annotated[bool, typer.Option(help="Also replace the shipped asset and its card.")] = False,
    quiet: Quiet = False,
) -> None:
    """Fit linear probes for all features of a testbed on many games: the ceiling where features are seldom."""
    hush(quiet)
    from .shipping import train_shipped_probes
    from .testbed_catalogue import check_testbed
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    path = train_shipped_probes(name, out, games=games, seed=seed, ship=ship, progress=not quiet)
    typer.echo(f"wrote {path}")


@app.command(name="score-cards")
def score_cards(testbed: TestbedName = "", games: Games = 200, seed: Seed = 0, quiet: Quiet = False) -> None:
    """Score the shipped SAEs again and write it into the cards of what ships."""
    hush(quiet)
    from .shipping_cards import score_cards as write
    from .testbed_catalogue import check_testbed
    from .testbed_specs import DEFAULT_TESTBED

    name = check_testbed(testbed or DEFAULT_TESTBED)
    write(name, n_games=games, seed=seed)
    typer.echo(f"wrote the cards of {name}")
