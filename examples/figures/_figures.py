"""What the figures share: resumable tables, one set of measurements for a dictionary, intervals over seeds, saving."""

import argparse
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from fiducial.games.synthetic import Synthetic, SyntheticConfig
from fiducial.games.synthetic_rows import SyntheticSample
from fiducial.metrics.recovery import recovery
from fiducial.models.controls import random_dictionary
from fiducial.models.dictionary import Codes, Dictionary, encode_in_batches
from matplotlib.figure import Figure
from scipy import stats

Row = dict[str, Any]
SAMPLE_SEED = 1_000_000  # far from the seeds of training
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fiducial",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
styled = mpl.rc_context(STYLE)  # a decorator: what draws a figure does so in the common style
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")


def resume(
    cells: Iterable[Row],
    measure: Callable[[Row], Row],
    kept: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """One row a cell; those that a csv has already are taken from it, and each new one is written at once.

    Args:
        cells: what identifies each row: plain values, all with the same keys.
        measure: a cell to its figures.
        kept: the csv; None keeps nothing.
        say: told of each row.
    """
    wanted = list(cells)
    keys = list(wanted[0])
    known: dict[str, Row] = {}
    if kept is not None and kept.exists():
        old = pd.read_csv(kept)
        if set(keys) <= set(old.columns):
            known = {_key(row, keys): row for row in old.to_dict("records")}
    rows: list[Row] = []
    for number, cell in enumerate(wanted, 1):
        old_row = known.get(_key(cell, keys))
        rows.append(old_row if old_row is not None else {**cell, **measure(cell)})
        if old_row is None:
            say(f"{number}/{len(wanted)} {', '.join(f'{k} {v}' for k, v in cell.items())}")
            if kept is not None:
                # Rows that are not asked for now may be asked for again, and those not reached yet are as good as done.
                done = {_key(row, keys) for row in rows}
                write_csv(pd.DataFrame(rows + [row for key, row in known.items() if key not in done]), kept)
    return pd.DataFrame(rows)


def _key(row: Mapping[str, Any], keys: list[str]) -> str:
    return json.dumps([f"{row[k]:g}" if isinstance(row[k], int | float) else str(row[k]) for k in keys])


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """All or nothing, six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    frame.to_csv(partial, index=False, float_format="%.6g")
    os.replace(partial, path)


@functools.lru_cache(maxsize=4)
def world_of(config: SyntheticConfig, seed: int) -> Synthetic:
    """A world of this kind for each seed, so that intervals over seeds are over worlds too."""
    return Synthetic(config, seed=config.seed + seed)


@functools.lru_cache(maxsize=4)
def sample_of(config: SyntheticConfig, seed: int, n_rows: int) -> SyntheticSample:
    """The frozen rows that all dictionaries of a world are measured on."""
    return world_of(config, seed).sample(n_rows, SAMPLE_SEED)


@functools.lru_cache(maxsize=4)
def training_rows(config: SyntheticConfig, seed: int, samples: int) -> Any:
    """Rows that all SAEs of a world are trained on, drawn once; never those of the frozen sample."""
    return next(world_of(config, seed).batches(samples, seed))


def measured(dictionary: Dictionary, config: SyntheticConfig, seed: int, n_rows: int, *, chance: bool = True) -> Row:
    """Figures of a dictionary on the frozen rows of a world: half of them choose, the other half report.

    Args:
        dictionary: what is measured.
        config: kind of world.
        seed: which of its worlds.
        n_rows: of the sample.
        chance: subtract what random dictionaries of this width and L0 score.
    """
    world, sample = world_of(config, seed), sample_of(config, seed, n_rows)
    codes = encode_in_batches(dictionary, sample.activations)
    reported = ~half(sample)
    x = sample.activations[reported]
    error = x - dictionary.decode(dictionary.encode(x))
    mse = float(error.square().sum(1).mean())
    variance = float((x - x.mean(0)).square().sum(1).mean())
    raw = raw_recovery(codes, dictionary.directions.detach().numpy(), world, sample)
    row: Row = {"l0": codes.l0, "mse": mse, "explained_variance": 1 - mse / variance}
    row |= {name: raw[name] for name in raw}
    if chance:
        floor = chance_level(config, seed, n_rows, codes.n_latents, max(1, min(codes.n_latents, round(codes.l0))))
        for name in ("recovery", "recovery_f1", "mcc"):
            row[f"{name}_corrected"] = (raw[name] - floor[name]) / (1 - floor[name])
    return row


def half(sample: SyntheticSample) -> np.ndarray:
    """Rows on which latents and thresholds are chosen: every second block."""
    return sample.game_id % 2 == 0


def raw_recovery(codes: Codes, directions: np.ndarray, world: Synthetic, sample: SyntheticSample) -> Row:
    """Scores of recovery before chance is subtracted, and the shares of the taxonomy."""
    scores = recovery(
        codes,
        sample.labels,
        game_id=sample.game_id,
        train=half(sample),
        directions=directions,
        true_directions=world.directions.numpy(),
        owner=world.owner,
        features=world.features,
        n_resamples=10,  # intervals of figures are over seeds
    )
    return {
        name.removesuffix("_score").removesuffix("_error"): float(score.details["raw"])
        for name, score in scores.items()
    }


@functools.lru_cache(maxsize=256)
def chance_level(config: SyntheticConfig, seed: int, n_rows: int, width: int, k: int) -> Row:
    """Mean scores of two random dictionaries of a width and L0."""
    world, sample = world_of(config, seed), sample_of(config, seed, n_rows)
    found: list[Row] = []
    for number in range(2):
        null = random_dictionary(sample.activations, width, k, seed=number)
        codes = encode_in_batches(null, sample.activations)
        found.append(raw_recovery(codes, null.directions.numpy(), world, sample))
    return {name: float(np.mean([row[name] for row in found])) for name in found[0]}


def mean_interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half of its 95 % t interval; 0 for one value."""
    v = np.asarray([value for value in values if not np.isnan(value)], float)
    if len(v) == 0:
        return float("nan"), 0.0
    half_width = stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else 0.0
    return float(v.mean()), float(half_width)


def told(values: Iterable[float], digits: int = 3) -> str:
    """Mean with its interval, for tables."""
    mean, margin = mean_interval(values)
    return f"{mean:.{digits}f} ± {margin:.{digits}f}"


def line(ax: Any, frame: pd.DataFrame, x: str, y: str, *, label: str | None, colour: str, **style: Any) -> None:
    """Means over seeds with their 95 % intervals."""
    grouped = [(value, *mean_interval(part[y])) for value, part in frame.groupby(x, sort=True)]
    at, mean, margin = (np.array(column) for column in zip(*grouped, strict=True))
    ax.plot(at, mean, color=colour, label=label, **({"marker": "o", "markersize": 3, "linewidth": 1.3} | style))
    ax.fill_between(at, mean - margin, mean + margin, color=colour, alpha=0.15, linewidth=0)


@styled
def figure(columns: int, rows: int = 1, *, size: tuple[float, float] = (3.4, 2.9)) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes [rows, columns]; what is drawn into it belongs into a `styled` function."""
    fig = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return fig, fig.subplots(rows, columns, squeeze=False)


def save(fig: Figure, frame: pd.DataFrame, out: Path, name: str) -> list[Path]:
    """NAME.csv, NAME.svg and NAME.png, the same bytes for the same content."""
    out.mkdir(parents=True, exist_ok=True)
    write_csv(frame, out / f"{name}.csv")
    with mpl.rc_context(STYLE):
        fig.savefig(out / f"{name}.svg", metadata={"Date": None})
        fig.savefig(out / f"{name}.png", dpi=110, metadata={"Software": None})
    return [out / f"{name}.{suffix}" for suffix in ("csv", "svg", "png")]


def arguments(text: str | None, *, seeds: int, samples: int) -> argparse.Namespace:
    """The options that all figures have."""
    import torch

    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for .csv, .svg and .png")
    parser.add_argument("--seeds", type=int, default=seeds, help=f"worlds and trainings (default {seeds})")
    parser.add_argument("--samples", type=int, default=samples, help=f"rows each SAE sees (default {samples:,})")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows nothing, for tests")
    torch.set_num_threads(1)  # small products are not faster on more
    return parser.parse_args()
