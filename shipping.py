"""Make, or remake, what ships: models and SAEs with the recipes and seeds written here, each with its card."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .data.assets import ASSETS, register_asset
from .games import world
from .games.chess_engine import engine_games
from .games.transcripts import Game
from .model_testbed import TWIN_SEED
from .models.capture import capture, model_activations
from .models.dictionary import Dictionary
from .models.move_sources import Mixed, RandomPlay
from .models.nodes import read_nodes
from .models.recipes import MODEL_RECIPES, ModelRecipe
from .models.train_transformer import MoveSource, Recipe, train_transformer
from .models.training import train_sae
from .models.transformers import build_transformer, load_transformer, save_transformer
from .qualify import play, progress_line, qualify
from .shipping_ioi import IOI_MODELS, train_shipped_ioi
from .supervised_dicts.files import save_supervised
from .supervised_dicts.minibatch_probes import fit_probes_in_batches
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed, Testbed, testbed
from .testbed_specs import SPECS

SAE_DATA_SEED = 10_000  # games that SAEs are trained on; scoring uses small seeds
PROBE_SEED = 20_000  # games that probes are fitted on
ROWS_IN_MEMORY = 1_000_000
SITE_ROWS = 20_000  # prompts that SAEs of an IOI site see, again and again, as in the published comparison
ENGINE_PART = 250  # engine games a file
# From an architecture and its folder: more arguments of `train_sae`, and what is called with the SAE at the end.
Watcher = Callable[[str, Path], tuple[Mapping[str, Any], Callable[[Dictionary], object]]]


def train_shipped_model(
    name: str,
    out: Path,
    *,
    games: int | None = None,
    device: str = "cpu",
    ship: bool = False,
    log: Callable[[str], None] = print,
    progress: bool = True,
) -> Path:
    """Train a model by its recipe, or go on where the last run stopped.

    Args:
        name: a key of `MODEL_RECIPES` or of `IOI_MODELS`.
        out: folder for checkpoint, log and model.
        games: games to see in all; more than the recipe's to go on from a finished run.
        device: torch device.
        ship: replace the shipped asset, and write its card.
        log: prints a line.
        progress: show a bar.

    Returns:
        The model's file.

    Raises:
        KeyError: no recipe of that name.
        ValueError: a number of games for a model whose recipe counts steps.
    """
    if name in IOI_MODELS:
        if games is not None:
            raise ValueError(f"{name} is trained by steps until it is accurate; it takes no number of games")
        return train_shipped_ioi(name, out, device=device, ship=ship, log=log, progress=progress)
    if name not in MODEL_RECIPES:
        raise KeyError(f"no model recipe named {name!r}; there are {', '.join([*MODEL_RECIPES, *IOI_MODELS])}")
    made = MODEL_RECIPES[name]
    recipe = made.recipe if games is None else type(made.recipe)(**{**vars(made.recipe), "games": games})
    game = world(made.world)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        with (folder / "log.txt").open("a") as file:
            file.write(line + "\n")
        log(line)

    model = train_transformer(
        training_games(made, recipe, game, folder, progress=progress),
        made.config,
        recipe,
        checkpoint=folder / "checkpoint.pt",
        evaluate=progress_line(game, made.config.n_layers, say),
        device=device,
        progress=progress,
    )
    path = folder / "model.safetensors"
    save_transformer(
        model, made.config, path, dtype=torch.float16, metadata={"game": game.name, "seed": str(recipe.seed)}
    )
    if ship:
        ship_model(name, path, games=recipe.games)
    return path


def training_games(made: ModelRecipe, recipe: Recipe, game: Game, folder: Path, *, progress: bool = True) -> MoveSource:
    """What a recipe trains on: random games, and games of an engine if it asks for them.

    The engine's games are kept in `folder` in parts, so that an interrupted run does not play them again.

    Raises:
        FileNotFoundError: the recipe needs an engine that is not installed.
    """
    source = RandomPlay(game)
    if made.engine is None:
        return source
    share = made.engine
    games: list[list[str]] = []
    for part in range(-(-share.games // ENGINE_PART)):
        file = folder / "engine" / f"{share.seed + part}-{share.nodes}-{game.n_positions - 1}.json"
        if not file.exists():
            played = engine_games(
                ENGINE_PART, share.seed + part, nodes=share.nodes, plies=game.n_positions - 1, progress=progress
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(played))
            partial.replace(file)
        games += json.loads(file.read_text())
    first_step = round(share.after * recipe.steps)
    return Mixed(
        source,
        game.label(games[: share.games]).tokens,
        share.share,
        first_chunk=first_step // (recipe.chunk // recipe.batch_size),
        pad_id=game.tokenizer.pad_id,
    )


def ship_model(name: str, path: Path, *, games: int) -> None:
    """Copy a trained model among the assets, measure it from there, and write its card."""
    made = MODEL_RECIPES[name]
    game = world(made.world)
    target = ASSETS / name / "model.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    target.chmod(0o644)
    model, config = load_transformer(target)
    quality = qualify(model, game, config.n_layers)
    twin = qualify(build_transformer(config, TWIN_SEED).eval(), game, 1)
    command = f"fiducial train-model {name}" + (f" --games {games}" if games != made.recipe.games else "")
    card = {
        "what": f"transformer that plays random legal {game.name} ({game.version})",
        "config": config.to_dict(),
        "recipe": {**vars(made.recipe), "games": games},
        "engine_games": None if made.engine is None else vars(made.engine),
        "command": f"{command} --ship",
        "go_on": f"fiducial train-model {name} --games {2 * games} --ship",
        "dtype": "float16 on disk, float32 in use",
        "quality": quality.to_dict(),
        "random_twin": {"probe_f1_after_first_block": round(twin.probe_f1, 4), "always_on": round(twin.always_on, 4)},
    }
    if made.engine is not None:
        unseen = engine_games(
            200, made.engine.seed + 10_000, nodes=made.engine.nodes, plies=game.n_positions - 1, progress=False
        )
        legal, _ = play(model, game.label(unseen).tokens, game)
        card["legal_on_unseen_engine_games"] = round(legal, 4)
    register_asset(f"{name}/model", target, kind="transformer", card=card, root=ASSETS)


def training_rows(model: Any, game: Game, hook: str, n_rows: int, seed: int, device: str = "cpu") -> torch.Tensor:
    """Activations of fresh random games, float16 [n_rows, d], in the order of the games."""
    parts: list[torch.Tensor] = []
    have, chunk = 0, 0
    while have < n_rows:
        tokens, _ = game.next_moves(1024, [seed, chunk])
        for rows in torch.from_numpy(tokens).split(128):
            found = model_activations(model, rows.to(device), hook).cpu()
            part = found[rows != game.tokenizer.pad_id]
            parts.append(part.half())
            have += len(part)
        chunk += 1
    return torch.cat(parts)[:n_rows]


def site_rows(bed: Testbed, n_rows: int, seed: int) -> torch.Tensor:
    """Activations of fresh prompts at a testbed's site, float32 [n_rows, d], without the held-out pairs of names."""
    node = bed.bench.section.nodes[0]
    prompts = bed.bench.world.prompts(n_rows, seed, pairs="train")
    return read_nodes(bed.model, prompts.tokens, prompts.positions, [node])[node].cpu()


def training_data(bed: AnyTestbed, samples: int) -> Any:
    """What SAEs of a testbed are trained on.

    Returns:
        Float32 [n, d]: fresh rows of a world, or activations of fresh games. A world itself for more rows than are kept
        in memory, which then makes them anew for each SAE.
    """
    n_rows = min(samples, ROWS_IN_MEMORY)
    if isinstance(bed, SyntheticTestbed):
        return next(bed.world.batches(n_rows, SAE_DATA_SEED)) if samples <= ROWS_IN_MEMORY else bed.world
    if bed.spec.position:
        return site_rows(bed, min(n_rows, SITE_ROWS), SAE_DATA_SEED)
    return training_rows(bed.model, bed.game, bed.hook, n_rows, SAE_DATA_SEED, bed.device).float()


def saved_activations(path: Path) -> Any:
    """What `fiducial capture` wrote: labelled activations of a model, or the rows of a world.

    Raises:
        FileNotFoundError: no such file.
        ValueError: neither.
    """
    from .data.activations import LabelledActivations
    from .data.hdf5 import kind_of
    from .data.synthetic import KIND, load_sample

    return load_sample(path).activations if kind_of(path) == KIND else LabelledActivations.open(path)


def train_shipped_sae(
    arch: str,
    testbed_name: str,
    out: Path,
    *,
    activations: Path | None = None,
    n_latents: int = 1024,
    k: int = 32,
    samples: int = 2_000_000,
    seed: int = 0,
    twin: bool = False,
    frozen_decoder: bool = False,
    ship: bool = False,
    progress: bool = True,
    watch: Watcher | None = None,
) -> Path:
    """Train an SAE on a testbed's activations and save it as a sae_lens folder.

    Args:
        arch: architecture, or several separated by commas, which then share the activations.
        testbed_name: where.
        out: parent of the folder written.
        activations: HDF5 file to train on instead of fresh games.
        n_latents: width.
        k: latents active a position, or the L0 aimed at.
        samples: rows seen in all.
        seed: of the SAE.
        twin: on the randomly initialised twin.
        frozen_decoder: control whose decoder stays random.
        ship: replace the shipped assets, and write their cards.
        progress: show a bar.
        watch: looks at each SAE on its way, such as `curves.checkpoints.ScoreLog`.

    Returns:
        The last folder written.

    Raises:
        ValueError: a twin or a shipped SAE of a world that has no model.
    """
    bed = testbed(testbed_name)
    if twin and not isinstance(bed, Testbed):
        raise ValueError(f"{bed.name} is a world without a model, so it has no random twin")
    if ship and not isinstance(bed, Testbed):
        raise ValueError(f"SAEs ship with the models of {', '.join(SPECS)}, not with {bed.name}")
    source = bed.twin if twin and isinstance(bed, Testbed) else bed
    data = training_data(source, samples) if activations is None else saved_activations(activations)
    folder = out
    for one in (name.strip() for name in arch.split(",")):
        short = ("twin-" if twin else "frozen-" if frozen_decoder else "") + one
        folder = out / bed.name / short
        looks, done = ({}, lambda made: made) if watch is None else watch(one, folder)
        dictionary = train_sae(
            one,
            data,
            n_latents=n_latents,
            k=k,
            samples=samples,
            seed=seed,
            frozen_decoder=frozen_decoder,
            out_dir=folder,
            dtype="float16",
            name=short,
            metadata={"model_name": source.name, "hook_name": bed.hook},
            progress=progress,
            **looks,
        )
        done(dictionary)
        if ship and isinstance(bed, Testbed):
            flags = (" --twin" if twin else "") + (" --frozen-decoder" if frozen_decoder else "")
            command = (
                f"fiducial train-sae --arch {one} --testbed {testbed_name} --latents {n_latents} --k {k} "
                f"--samples {samples} --seed {seed}{flags} --ship"
            )
            ship_sae(bed, short, folder, {"command": command, "training": dictionary.training})
    return folder


def ship_sae(bed: Testbed, short: str, folder: Path, card: dict[str, Any]) -> None:
    """Copy an SAE folder among the assets and write its card."""
    target = ASSETS / bed.name / short
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    card = {"what": f"{short} SAE on {bed.hook} of {bed.name}", **card}
    register_asset(f"{bed.name}/{short}", target, kind="sae_lens", card=json.loads(json.dumps(card)), root=ASSETS)


def train_shipped_probes(
    testbed_name: str,
    out: Path,
    *,
    games: int = 6000,
    seed: int = PROBE_SEED,
    ship: bool = False,
    progress: bool = True,
) -> Path:
    """Fit probes for all reachable features on fresh games and save them.

    Args:
        testbed_name: where.
        out: parent of the file written.
        games: to fit on; scoring uses other seeds.
        seed: of the games and of the order of positions.
        ship: replace the shipped asset, and write its card.
        progress: show a bar.

    Returns:
        The file.
    """
    bed = testbed(testbed_name)
    if not isinstance(bed, Testbed):
        raise ValueError(f"{bed.name} needs no probes: its oracle is exact")
    transcripts = bed.game.sample(games, seed)
    captured = capture(bed.model, transcripts, bed.hook, progress=progress)
    features = transcripts.features
    columns = features.where(counterpart=False, reachable=True)
    made = fit_probes_in_batches(
        torch.from_numpy(np.asarray(captured.activations, dtype=np.float32)),
        np.asarray(captured.labels),
        feature_names=features.take(columns).names,
        columns=columns,
        seed=seed,
        progress=progress,
    )
    path = out / testbed_name / "probes.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_supervised(made, path, dtype=torch.float16)
    if ship:
        target = ASSETS / testbed_name / path.name
        shutil.copyfile(path, target)
        card = {
            "what": f"linear probes for {len(columns)} features on {bed.hook} of {testbed_name}",
            "command": f"fiducial train-probes --testbed {testbed_name} --games {games} --seed {seed} --ship",
            "games": games,
            "positions": len(captured.game_id),
            "dtype": "float16 on disk, float32 in use",
        }
        register_asset(f"{testbed_name}/probes", target, kind="supervised", card=card, root=ASSETS)
    return path
