"""What the figures that compare architectures share: how an SAE is trained for them, colours, paired differences."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from _figures import Row, mean_interval, sample_of, world_of
from fiducial.games.synthetic import SYNTHETIC_WORLDS
from fiducial.metrics.recovery import recovery
from fiducial.models.dictionary import encode_in_batches
from fiducial.models.sae_dictionary import SAEDictionary
from fiducial.models.training import train_sae

BATCH = 512
POOL = 200_000  # different rows that an SAE sees, at most; longer runs see them again, in another order
COLOURS = {
    "matryoshka": "#0072b2",
    "batchtopk": "#e69f00",
    "topk": "#009e73",
    "standard": "#d55e00",
    "standard-unit-norm": "#7f7f7f",
    "p_anneal": "#0072b2",
    "gated": "#56b4e9",
    "gated_anneal": "#cc79a7",
    "jumprelu": "#cc79a7",
    "matching_pursuit": "#000000",
}


@lru_cache(maxsize=1)
def training_rows(world: str, seed: int, n_rows: int) -> torch.Tensor:
    """Fresh rows of a named world, none of them scored; float32 [n_rows or a few more, d]."""
    batches = world_of(SYNTHETIC_WORLDS[world], seed).batches(4096, seed=seed)
    return torch.cat([next(batches) for _ in range(-(-n_rows // 4096))])


def trained(cell: Row, **options: Any) -> SAEDictionary:
    """The SAE of a cell: world, arch, n_latents, k (the L0 aimed at), seed (of world and training), samples."""
    return train_sae(
        cell["arch"],
        training_rows(cell["world"], cell["seed"], min(POOL, cell["samples"])),
        n_latents=cell["n_latents"],
        k=cell["k"],
        samples=cell["samples"],
        batch_size=BATCH,
        seed=cell["seed"],
        progress=False,
        **options,
    )


def true_l0(world: str, seed: int, n_rows: int) -> float:
    """Features that fire a row, on the scored rows."""
    sample = sample_of(SYNTHETIC_WORLDS[world], seed, n_rows)
    return sample.magnitudes.nnz / n_rows


def published(sae: SAEDictionary, world: str, seed: int, n_rows: int) -> Row:
    """The figures of SynthSAEBench, by their own names and definitions, on all scored rows."""
    planted, sample = world_of(SYNTHETIC_WORLDS[world], seed), sample_of(SYNTHETIC_WORLDS[world], seed, n_rows)
    scores = recovery(
        encode_in_batches(sae, sample.activations),
        sample.labels,
        game_id=sample.game_id,
        directions=sae.directions.numpy(),
        true_directions=planted.directions.numpy(),
        x=sample.activations.numpy(),
        x_hat=sae.decode(sae.encode(sample.activations)).numpy(),
        protocol="synthsaebench",
        n_resamples=10,
    )
    return {f"published_{name}": score.value for name, score in scores.items()}


def paired_difference(frame: pd.DataFrame, column: str, first: str, second: str) -> tuple[float, float, int]:
    """Mean of a figure of one architecture less that of another: mean, half of its 95 % interval, number of seeds.

    Differences are taken between SAEs that agree in all else, and averaged over those of one seed: the seeds are what
    is independent.
    """
    like = [name for name in ("world", "n_latents", "k", "seed") if name in frame]
    wide = frame.pivot_table(index=like, columns="arch", values=column)
    by_seed = (wide[first] - wide[second]).dropna().groupby("seed").mean()
    return (*mean_interval(by_seed), len(by_seed))


def differences(frame: pd.DataFrame, columns: Sequence[str], pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Paired differences as a table, a row a pair and figure, with whether the interval leaves 0 out."""
    rows = []
    for first, second in pairs:
        for column in columns:
            mean, margin, n = paired_difference(frame, column, first, second)
            clear = bool(n > 1 and np.abs(mean) > margin)
            rows.append(
                {
                    "pair": f"{first} - {second}",
                    "figure": column,
                    "mean": mean,
                    "margin": margin,
                    "n": n,
                    "clear": clear,
                }
            )
    return pd.DataFrame(rows)
