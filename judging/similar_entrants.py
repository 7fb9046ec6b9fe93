"""Dictionaries of a testbed as entrants of a comparison: shipped ones, random ones, SAEs of other layers and seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.assets import asset
from ..models.capture import capture
from ..models.controls import random_dictionary
from ..models.dictionary import Dictionary, encode_in_batches
from ..models.loading import load_dictionary
from ..models.loading_sae_lens import load_sae_lens_folder
from ..models.sae_dictionary import CONFIG_FILE, WEIGHTS_FILE
from ..models.training import train_sae
from ..testbed_catalogue import Testbed
from .similar import Entrant

ROWS = 150_000  # seen again and again beyond that
DATA_SEED = 30_000  # games that SAEs compared here are trained on; scoring uses small seeds


def entrant(
    dictionary: Dictionary, x: torch.Tensor, *, name: str = "", stream: str = "", about: Mapping[str, Any] | None = None
) -> Entrant:
    """A dictionary that reads `x`, float [N, d], at the positions of the facts."""
    codes = encode_in_batches(dictionary, x)
    directions = dictionary.directions.detach().cpu().float().numpy()
    return Entrant(name or dictionary.name, codes, directions, stream, {**(about or {}), "width": len(directions)})


def shipped(bed: Testbed, names: Sequence[str] | None = None) -> list[Entrant]:
    """SAEs that ship with a testbed, and one of its random twin, which writes to another model's stream.

    Args:
        bed: where.
        names: of the shipped SAEs; all by default.
    """
    found = [
        entrant(
            load_dictionary(asset(where), "sae_lens", name=name),
            bed.x,
            stream=bed.name,
            about={"arch": name, "layer": bed.spec.layer, "seed": 0, "model": "trained"},
        )
        for name, where in bed.spec.dictionaries.items()
        if names is None or name in names
    ]
    for short, where in bed.spec.twin_dictionaries.items():
        arch = short.removeprefix("twin-")
        found.append(
            entrant(
                load_dictionary(asset(where), "sae_lens", name=short),
                bed.twin.x,
                stream=bed.twin.name,
                about={"arch": arch, "layer": bed.spec.layer, "seed": 0, "model": "random"},
            )
        )
    return found


def untrained(bed: Testbed, n_latents: int, k: int, *, seed: int = 0) -> Entrant:
    """A random dictionary at the testbed's hook point: what is left of likeness without training."""
    made = random_dictionary(bed.x[torch.from_numpy(np.asarray(bed.train))], n_latents, k, seed=seed)
    about = {"arch": "random", "layer": bed.spec.layer, "seed": seed, "model": "trained"}
    return entrant(made, bed.x, name=f"untrained-{seed}", stream=bed.name, about=about)


def from_folder(bed: Testbed, folder: Path, *, about: Mapping[str, Any] | None = None) -> list[Entrant]:
    """SAEs in a folder of sae_lens folders, such as a zoo's, trained at the testbed's hook point.

    Raises:
        FileNotFoundError: no SAE there.
    """
    places = sorted(p.parent for p in folder.glob(f"*/{CONFIG_FILE}") if (p.parent / WEIGHTS_FILE).is_file())
    if not places:
        raise FileNotFoundError(f"{folder} holds no folders with {CONFIG_FILE} and {WEIGHTS_FILE}")
    found: list[Entrant] = []
    for place in places:
        arch, _, rest = place.name.partition("-l0-")
        l0, _, seed = rest.partition("-seed-")
        known = {"arch": arch, "l0": l0, "seed": seed, "layer": bed.spec.layer, "model": "trained", **(about or {})}
        found.append(entrant(load_sae_lens_folder(place, place.name), bed.x, stream=bed.name, about=known))
    return found


def trained_here(
    bed: Testbed,
    out: Path,
    *,
    layers: Sequence[int],
    seeds: Sequence[int] = (0, 1),
    arch: str = "topk",
    n_latents: int = 256,
    k: int = 16,
    samples: int = 300_000,
    batch_size: int = 512,
    say: Callable[[str], None] = lambda line: None,
) -> list[Entrant]:
    """Small SAEs after several blocks of the testbed's model, trained on fresh games; those that are there are read.

    Args:
        bed: a game; prompts are read at one position only.
        out: folder of the SAEs.
        layers: blocks whose output is read, from 0.
        seeds: of weights and batches.
        arch: architecture.
        n_latents: width.
        k: active latents a position.
        samples: rows seen by each.
        batch_size: rows a step.
        say: told of each SAE.

    Raises:
        ValueError: a testbed of prompts, or a layer that the model does not have.
    """
    if bed.spec.position:
        raise ValueError(f"{bed.name} is read at one position of a prompt; layers are compared on games")
    if wrong := [layer for layer in layers if not 0 <= layer < bed.config.n_layers]:
        raise ValueError(f"{bed.name} has {bed.config.n_layers} blocks, from 0; there is no {wrong[0]}")
    found: list[Entrant] = []
    for layer in layers:
        hook = f"blocks.{layer}.hook_out"
        rows: Any = None
        x = torch.from_numpy(
            np.asarray(capture(bed.model, bed.transcripts, hook, progress=False).activations, np.float32)
        )
        for seed in seeds:
            name = f"{arch}-layer-{layer}-seed-{seed}"
            place = out / bed.name / f"{name}-{n_latents}-k{k}-{samples}"
            if not ((place / CONFIG_FILE).is_file() and (place / WEIGHTS_FILE).is_file()):
                rows = _rows(bed, hook, samples) if rows is None else rows
                train_sae(
                    arch,
                    rows,
                    n_latents=n_latents,
                    k=k,
                    samples=samples,
                    batch_size=batch_size,
                    seed=seed,
                    out_dir=place,
                    name=name,
                    metadata={"model_name": bed.name, "hook_name": hook},
                    progress=False,
                )
            about = {"arch": arch, "layer": layer, "seed": seed, "model": "trained"}
            found.append(entrant(load_sae_lens_folder(place, name), x, name=name, stream=bed.name, about=about))
            say(f"{name}: L0 {found[-1].codes.l0:.1f}, {len(found[-1].alive)} of {n_latents} latents fire")
    return found


def _rows(bed: Testbed, hook: str, samples: int) -> torch.Tensor:
    """Activations of fresh games, float32 [about min(samples, ROWS), d]."""
    a_game = len(bed.x) / bed.n_games
    games = bed.game.sample(math.ceil(min(samples, ROWS) / a_game), DATA_SEED)
    return torch.from_numpy(np.asarray(capture(bed.model, games, hook, progress=False).activations, np.float32))
