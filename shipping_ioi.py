"""Make, or remake, the shipped IOI models: one recipe, several seeds, each with the sites that carry its answer."""

from collections.abc import Callable
from pathlib import Path

import torch

from .data.assets import ASSETS, register_asset
from .games.ioi import IOI
from .models.train_ioi import IOIFigures, IOIRecipe, held_out_prompts, ioi_config, ioi_figures, train_ioi
from .models.transformers import load_transformer, save_transformer
from .sites.qualification import SiteQualification, candidate_sections, qualify_sites

IOI_MODELS = {"ioi-tiny": 0, "ioi-tiny-1": 1, "ioi-tiny-3": 3}
"""Seed of every shipped model; seed 2 works as seed 0 does, the others in ways of their own."""
_CARD_PROMPTS = 2_000  # of each task, in the card's figures


def train_shipped_ioi(
    name: str,
    out: Path,
    *,
    device: str = "cpu",
    ship: bool = False,
    log: Callable[[str], None] = print,
    progress: bool = True,
) -> Path:
    """Train an IOI model by its recipe, or go on where the last run stopped.

    Args:
        name: a key of `IOI_MODELS`.
        out: folder for checkpoint, log and model.
        device: torch device.
        ship: replace the shipped asset, and write its card.
        log: prints a line.
        progress: show a bar.

    Returns:
        The model's file.

    Raises:
        ValueError: a checkpoint of another run, or a model that is not accurate enough to ship.
    """
    seed = IOI_MODELS[name]
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)

    def say(model: object, figures: IOIFigures) -> None:
        line = (
            f"step {figures.step}: loss {figures.loss:.3f}; held-out accuracy plain {figures.plain:.3f}, ordinal "
            f"{figures.ordinal:.3f}; logit difference {figures.plain_difference:.1f}, {figures.ordinal_difference:.1f}"
        )
        with (folder / "log.txt").open("a") as file:
            file.write(line + "\n")
        log(line)

    if (folder / "checkpoint.pt").exists():
        log(f"going on from {folder / 'checkpoint.pt'}")
    model, history = train_ioi(
        seed, checkpoint=folder / "checkpoint.pt", evaluate=say, device=device, progress=progress
    )
    if ship and not history[-1].accepted():
        raise ValueError(f"seed {seed} ended at {history[-1].plain} and {history[-1].ordinal}, too little to ship")
    path = folder / "model.safetensors"
    game = IOI()
    save_transformer(
        model, ioi_config(game), path, dtype=torch.float16, metadata={"game": game.name, "seed": str(seed)}
    )
    if ship:
        ship_ioi_model(name, path, steps=history[-1].step)
    return path


def ship_ioi_model(name: str, path: Path, *, steps: int) -> None:
    """Copy a trained model among the assets, measure it from there, and write its card."""
    target = ASSETS / name / "model.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    model, config = load_transformer(target)
    game = IOI()
    figures = ioi_figures(model, held_out_prompts(game, _CARD_PROMPTS, seed=1), step=steps)
    sites = qualify_sites(model, game, candidate_sections(model, game))
    card = {
        "what": f"attention-only transformer that answers IOI prompts ({game.name} {game.version})",
        "config": config.to_dict(),
        "recipe": {key: list(v) if isinstance(v, tuple) else v for key, v in vars(IOIRecipe(IOI_MODELS[name])).items()},
        "command": f"fiducial train-model {name} --ship",
        "dtype": "float16 on disk, float32 in use",
        "held_out": {key: round(value, 4) for key, value in figures.to_dict().items() if key != "loss"},
        "sites": [_site(one) for one in sites if one.qualified],
        "refused": [f"{one.section} for {one.attribute}: {one.reason}" for one in sites if not one.qualified],
    }
    register_asset(f"{name}/model", target, kind="transformer", card=card, root=ASSETS)


def _site(found: SiteQualification) -> dict[str, object]:
    """The figures of a site, rounded."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in found.to_dict().items()}
