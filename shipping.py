"""Make, or remake, what ships: models and SAEs with the recipes and seeds written here, each with its card."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .data.assets import ASSETS, list_assets, register_asset
from .evaluation import score_shipped
from .games.othello import Othello
from .games.transcripts import Game
from .metrics.score import Score
from .models.capture import model_activations
from .models.recipes import MODEL_RECIPES
from .models.train_transformer import train_transformer
from .models.training import train_sae
from .models.transformers import load_transformer, save_transformer
from .qualify import progress_line, qualify
from .testbed_catalogue import SPECS, Testbed, testbed

SAE_DATA_SEED = 10_000  # games that SAEs are trained on; scoring uses small seeds
ROWS_IN_MEMORY = 1_000_000


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
        name: a key of `MODEL_RECIPES`.
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
    """
    if name not in MODEL_RECIPES:
        raise KeyError(f"no model recipe named {name!r}; there are {', '.join(MODEL_RECIPES)}")
    made = MODEL_RECIPES[name]
    recipe = made.recipe if games is None else type(made.recipe)(**{**vars(made.recipe), "games": games})
    world = Othello(made.board)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        with (folder / "log.txt").open("a") as file:
            file.write(line + "\n")
        log(line)

    model = train_transformer(
        world,
        made.config,
        recipe,
        checkpoint=folder / "checkpoint.pt",
        evaluate=progress_line(world, made.config.n_layers, say),
        device=device,
        progress=progress,
    )
    path = folder / "model.safetensors"
    save_transformer(
        model, made.config, path, dtype=torch.float16, metadata={"game": world.name, "seed": str(recipe.seed)}
    )
    if ship:
        ship_model(name, path, games=recipe.games)
    return path


def ship_model(name: str, path: Path, *, games: int) -> None:
    """Copy a trained model among the assets, measure it from there, and write its card."""
    made = MODEL_RECIPES[name]
    world = Othello(made.board)
    target = ASSETS / name / "model.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    model, config = load_transformer(target)
    quality = qualify(model, world, config.n_layers)
    command = f"fiducial train-model {name}" + (f" --games {games}" if games != made.recipe.games else "")
    card = {
        "what": f"transformer that plays random legal {world.name} ({world.version})",
        "config": vars(config),
        "recipe": {**vars(made.recipe), "games": games},
        "command": f"{command} --ship",
        "go_on": f"fiducial train-model {name} --games {2 * games} --ship",
        "dtype": "float16 on disk, float32 in use",
        "quality": quality.to_dict(),
    }
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

    Returns:
        The last folder written.
    """
    bed = testbed(testbed_name)
    source = bed.twin if twin else bed
    data: Any
    if activations is not None:
        from .data.activations import LabelledActivations

        data = LabelledActivations.open(activations)
    else:
        rows = min(samples, ROWS_IN_MEMORY)
        data = training_rows(source.model, source.game, bed.hook, rows, SAE_DATA_SEED).float()
    folder = out
    for one in (name.strip() for name in arch.split(",")):
        short = ("twin-" if twin else "frozen-" if frozen_decoder else "") + one
        folder = out / testbed_name / short
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
        )
        if ship:
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


CARD_METRICS = ("coverage", "reconstruction")


def score_cards(name: str, *, n_games: int = 200, seed: int = 0) -> None:
    """Score what ships on a testbed and write it into the cards.

    Each SAE's card gets its coverage and reconstruction of the board; the model's card gets the order that makes the
    testbed worth anything: probes, its SAEs, the SAE of the random twin, the random dictionary.

    Args:
        name: of the testbed.
        n_games: games to score on.
        seed: of the games and the bootstrap.
    """
    reports = score_shipped(name, n_games=n_games, seed=seed, metrics=CARD_METRICS)
    cards = {asset_name: dict(entry["card"]) for asset_name, entry in list_assets(ASSETS).items()}
    known = {report.dictionary: _board(report.scores) for report in reports}
    spec = SPECS[name]
    by = f"fiducial score-cards --testbed {name} --games {n_games} --seed {seed}"
    for short, asset_name in spec.dictionaries.items():
        cards[asset_name]["board"] = {"command": by, **known[short]}
    controls = {control: _board(scores) for control, scores in reports[0].controls.items() if scores}
    cards[spec.model]["board"] = {"command": by, "saes": known, "references": controls}
    for asset_name in (spec.model, *spec.dictionaries.values()):
        entry = list_assets(ASSETS)[asset_name]
        register_asset(asset_name, ASSETS / entry["path"], kind=entry["kind"], card=cards[asset_name], root=ASSETS)


def _board(scores: dict[str, Score]) -> dict[str, list[float]]:
    """Value and interval of the group `board`, rounded, by metric."""
    return {
        metric: [round(value, 4) for value in (score.groups["board"], *score.group_intervals["board"])]
        for metric, score in scores.items()
        if "board" in score.groups
    }
