"""Occlusion: of two attributes written at one place, when is the weaker one found, and is it late or never?

After Makelov, Lange and Nanda (arXiv 2405.08366), where dictionaries of every size found the 216 names of the indirect
object and hardly any of the subject, although both matter to the model. Here: their toy (216 + 216 directions in 64
dimensions), one attribute `ratio` times as large as the other; TopK (1024 latents) and L1 SAEs (512); and a curve of
the found share against the steps of training for every ratio, so that what is found late is not taken for what is
never found.

    python examples/figures/occlusion.py --out figures
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _figures import COLOURS, Row, arguments, figure, line, resume, save, styled, told
from fiducial.metrics.occlusion import best_f1
from fiducial.models.dictionary import encode_in_batches
from fiducial.models.small_saes import SmallSAE, train_small_saes
from fiducial.models.toy_occlusion import TwoAttributes, two_attributes
from matplotlib.figure import Figure

VERSION = 1  # raised when the same cell comes to mean other figures
SIZES = {"topk": (1024, 1024), "l1": (512, 512)}  # latents and rows a step; L1 needs many more steps
SCORED_SEED = 1_000_000  # rows that are scored; never those of training
SNAPSHOTS = (100, 200, 300, 500, 1000, 2000, 4000, 8000, 16_000)
SHOWN = {"topk": (300, 500, 1000, 4000, 16_000), "l1": (1000, 2000, 4000, 8000, 16_000)}  # as curves over the ratio
TABLE = (300, 500, 1000, 4000)
STEPS = {1.0: 4000, 1.25: 4000, 1.5: 16_000, 2.0: 16_000, 3.0: 16_000}  # where more steps could still tell
LONG_SEEDS = 2  # trained that long; the others to 1000 steps
L1_STEPS = {1.0: 16_000, 1.5: 16_000, 2.0: 16_000}


def sae_kwargs(kind: str, setting: float) -> dict[str, Any]:
    """What `train_small_saes` is given in this experiment."""
    sparsity = {"k": int(setting)} if kind == "topk" else {"l1": setting}
    n_latents, batch_size = SIZES[kind]
    return {"kind": kind, "n_latents": n_latents, "batch_size": batch_size, "mean_norm": 1.0, **sparsity}


def found(sae: SmallSAE, rows: TwoAttributes) -> Row:
    """Share of each attribute's values whose best latent has F1 > .5 and > .9, and the L0."""
    codes = encode_in_batches(sae, rows.x)
    row: Row = {"l0": codes.l0}
    for name, values in rows.attributes.items():
        f1 = best_f1(codes, values)
        row |= {name: float((f1 > 0.5).mean()), f"{name}_90": float((f1 > 0.9).mean())}
    return row


def run(
    *,
    cells: list[Row],
    n: int = 40_000,
    n_scored: int = 20_000,
    kept: Path | None = None,
    say: Any = lambda line: None,
) -> pd.DataFrame:
    """One row a training, with columns such as `high@300`; then one row a snapshot.

    Args:
        cells: `kind`, `setting`, `ratio`, `steps` and `seed` of each training.
        n: rows of training data.
        n_scored: rows that are scored.
        kept: finished trainings.
        say: told of each.
    """

    def measure(cell: Row) -> Row:
        started = time.perf_counter()
        data = two_attributes(cell["ratio"], n=n)
        scored = two_attributes(cell["ratio"], n=n_scored, rows_seed=SCORED_SEED)
        at = [step for step in SNAPSHOTS if step < cell["steps"]]
        saes = train_small_saes(
            data.x,
            seeds=[cell["seed"]],
            steps=cell["steps"],
            snapshots=at,
            **sae_kwargs(cell["kind"], cell["setting"]),
        )
        row: Row = {}
        for sae in saes:
            row |= {f"{name}@{sae.steps}": value for name, value in found(sae, scored).items()}
        return row | {"seconds": time.perf_counter() - started}

    return by_step(resume([{"version": VERSION, **cell} for cell in cells], measure, kept, say))


def by_step(wide: pd.DataFrame) -> pd.DataFrame:
    """A row for each training and snapshot."""
    cell = ["kind", "setting", "ratio", "seed"]
    rows: list[Row] = []
    for record in wide.to_dict("records"):
        for step in sorted({int(c.split("@")[1]) for c in record if "@" in str(c)}):
            values = {str(c).split("@")[0]: v for c, v in record.items() if str(c).endswith(f"@{step}")}
            if not any(np.isnan(v) for v in values.values()):
                rows.append({**{c: record[c] for c in cell}, "step": step, **values})
    # A short training is the beginning of a long one.
    return pd.DataFrame(rows).drop_duplicates([*cell, "step"], ignore_index=True)


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """Found share against the norm ratio and against training, TopK above and L1 below."""
    kinds = [kind for kind in ("topk", "l1") if (frame["kind"] == kind).any()]
    colour_of = dict(zip(sorted(set(frame["ratio"])), COLOURS, strict=False))
    fig, axes = figure(3, len(kinds), size=(3.4, 2.7))
    for row, kind in zip(axes, kinds, strict=True):
        part = frame[frame["kind"] == kind]
        setting = part["setting"].iloc[0]
        name = f"TopK {setting:.0f}" if kind == "topk" else f"L1 {setting:g}"
        steps = [s for s in SHOWN[kind] if (part["step"] == s).any()] or sorted(set(part["step"]))
        for colour, step in zip(COLOURS, steps, strict=False):
            curve(row[0], part[part["step"] == step], "ratio", "low", label=f"{step:,} steps", colour=colour)
        last = part[part["step"] == steps[-1]]
        curve(row[0], last, "ratio", "high", label=f"high, {steps[-1]:,}", colour="black", linestyle=":")
        row[0].set(xlabel="norm of high / norm of low", title=f"{name}: low values found (F1 > .5)")
        row[0].legend(loc="lower left" if kind == "topk" else "upper right", fontsize=7)
        for ratio, cells in part.groupby("ratio"):
            given = {"colour": colour_of[ratio], "marker": ""}
            for ax, suffix in ((row[1], ""), (row[2], "_90")):
                curve(ax, cells, "step", f"low{suffix}", label=f"ratio {ratio:g}", colour=colour_of[ratio])
                curve(ax, cells, "step", f"high{suffix}", label=None, linestyle=":", **given)
        row[1].set(xlabel="steps of training", xscale="log", title=f"{name}: found, F1 > .5 (dotted: high)")
        row[2].set(xlabel="steps of training", xscale="log", title=f"{name}: found, F1 > .9 (dotted: high)")
        row[2].legend(fontsize=7)
        for ax in row:
            ax.set_ylim(-0.04, 1.04)
    fig.suptitle(f"share of 216 values of each attribute; {counted(frame)}; bands are 95 % t intervals", fontsize=8)
    return fig


def curve(ax: Any, frame: pd.DataFrame, x: str, y: str, **style: Any) -> None:
    """Means over SAEs, with intervals where there are at least three."""
    many = frame.groupby(x)["seed"].transform("nunique") >= 3
    line(ax, frame.assign(**{y: frame[y].where(many, frame.groupby(x)[y].transform("mean"))}), x, y, **style)


def counted(frame: pd.DataFrame) -> str:
    """How many SAEs stand behind a point."""
    told_of: list[str] = []
    for kind, part in frame.groupby("kind", sort=False):
        seeds = part.groupby(["ratio", "step"])["seed"].nunique()
        some = " or ".join(str(n) for n in sorted(set(seeds), reverse=True))
        told_of.append(f"{'TopK' if kind == 'topk' else 'L1'}: {some} SAE{'s' if some != '1' else ''} a point")
    return ", ".join(told_of)


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    lines = [
        "| SAE | ratio | SAEs | "
        + " | ".join(f"{s:,} steps: high / low" for s in TABLE)
        + " | last: low, > .5 / > .9 |"
    ]
    lines.append("|---" * (4 + len(TABLE)) + "|")
    for (kind, setting, ratio), part in frame.groupby(["kind", "setting", "ratio"], sort=False):
        cells = []
        for step in TABLE:
            at = part[part["step"] == step]
            cells.append(f"{told(at['high'], 2)} / {told(at['low'], 2)}" if len(at) else "-")
        last = part[part["step"] == part["step"].max()]
        cells.append(f"{told(last['low'], 2)} / {told(last['low_90'], 2)} at {int(last['step'].iloc[0]):,}")
        lines.append(f"| {kind} {setting:g} | {ratio:g} | {part['seed'].nunique()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cells_of(kind: str, setting: float, steps: dict[float, int], seeds: Iterable[int]) -> list[Row]:
    """All ratios of one seed before the next seed."""
    return [
        {"kind": kind, "setting": setting, "ratio": ratio, "steps": n, "seed": seed}
        for seed in seeds
        for ratio, n in steps.items()
    ]


def main() -> None:
    """Train, draw, tell."""
    asked = arguments(__doc__, seeds=5, samples=40_000)
    long, short = range(LONG_SEEDS), range(LONG_SEEDS, asked.seeds)
    cells = cells_of("topk", 2, STEPS, long) + cells_of("topk", 2, dict.fromkeys(STEPS, 1000), short)
    cells += cells_of("l1", 0.4, L1_STEPS, range(1))
    n_scored = 20_000
    if asked.quick:
        cells = cells_of("topk", 2, {1.0: 110, 2.0: 30}, [0]) + cells_of("l1", 0.4, {1.0: 30}, [0])
        asked.samples, n_scored = 2000, 2000
    torch.set_num_threads(1)
    sizes = {"n": asked.samples, "n_scored": n_scored}
    frame = pd.concat(
        [
            run(cells=part, kept=asked.out / f"occlusion-{kind}.rows.csv", say=print, **sizes)
            for kind in ("topk", "l1")
            if (part := [cell for cell in cells if cell["kind"] == kind])
        ],
        ignore_index=True,
    )
    save(draw(frame), frame, asked.out, "occlusion")
    print(table(frame))


if __name__ == "__main__":
    main()
