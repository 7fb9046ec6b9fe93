"""Over-splitting: when do many latents have less loss than the two true ones, and what does training find?

After the toy of Makelov, Lange and Nanda (arXiv 2405.08366): two clusters at distance 4 in 100 dimensions, so one
binary attribute. Above: total loss of the ideal pair of latents against that of 1000 random rows used as latents, by
the weight of sparsity; what each gains over writing nothing is compared, on the same rows. Below: trained L1 SAEs,
their loss beside the pair's, and how well their best latent finds its cluster.

    python examples/figures/over_splitting.py --out figures
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _figures import COLOURS, Row, arguments, figure, line, resume, save, styled
from fiducial.metrics.occlusion import best_f1
from fiducial.metrics.splitting import splitting
from fiducial.models.dictionary import encode_in_batches
from fiducial.models.small_saes import train_small_saes
from fiducial.models.toy_splitting import crossing, ideal_pair, random_rival, two_clusters
from matplotlib.figure import Figure

VERSION = 1  # raised when the same cell comes to mean other figures
PENALTIES = tuple(np.round(np.arange(0.5, 10.01, 0.25), 2).tolist())
TABLE = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
FINE = (1.0, 2.35, 3.0, 3.5, 4.0, 4.5)  # gammas of a rival that may choose
WIDTH, BATCH = 1000, 512
SCORED_SEED = 1_000_000


def losses(
    *, seeds: int, n: int, n_latents: int = 1000, kept: Path | None = None, say: Any = lambda line: None
) -> pd.DataFrame:
    """Best losses for every penalty: columns `pair@0.5`, `rival@0.5`, `free@0.5` (the rival with more biases)."""

    def measure(cell: Row) -> Row:
        x, _ = two_clusters(n, seed=cell["seed"])
        grids = {
            "pair": ideal_pair(x),
            "rival": random_rival(x, n_latents=n_latents, seed=cell["seed"]),
            "free": random_rival(x, n_latents=n_latents, seed=cell["seed"], gammas=FINE),
        }
        row: Row = {"empty": grids["pair"].empty}
        for name, grid in grids.items():
            for penalty in PENALTIES:
                best = grid.best(penalty)
                row |= {f"{name}@{penalty}": best["loss"], f"{name}_l0@{penalty}": best["l0"]}
                row[f"{name}_gain@{penalty}"] = grid.empty - best["loss"]  # of its own: a csv rounds to six digits
        return row

    return resume([{"version": VERSION, "n": n, "seed": seed} for seed in range(seeds)], measure, kept, say)


def trained(
    *,
    penalties: tuple[float, ...],
    seeds: int,
    steps: int,
    n: int = 40_000,
    n_scored: int = 10_000,
    n_latents: int = WIDTH,
    kept: Path | None = None,
    say: Any = lambda line: None,
) -> pd.DataFrame:
    """L1 SAEs on the toy: loss on fresh rows, fragments, F1 of the best latent and of the union."""

    def measure(cell: Row) -> Row:
        started = time.perf_counter()
        x, _ = two_clusters(n, seed=cell["seed"], purpose="training")
        fresh, values = two_clusters(n_scored, seed=SCORED_SEED)
        at = [step for step in (500, 1000, 2000, 4000, 8000) if step < cell["steps"]]
        kwargs: Row = {"kind": "l1", "l1": cell["penalty"], "n_latents": n_latents, "batch_size": BATCH}
        row: Row = {}
        for sae in train_small_saes(x, steps=cell["steps"], snapshots=at, seeds=[cell["seed"]], **kwargs):
            codes = encode_in_batches(sae, fresh)
            error = float((fresh - sae.decode(sae.encode(fresh))).square().sum(1).mean())
            rows = np.arange(n_scored)
            scores = splitting(codes, values, rows, train=rows % 2 == 0, n_resamples=2, min_frequency=0.001)
            row |= {
                f"loss@{sae.steps}": error + cell["penalty"] * float(codes.values.sum()) / n_scored,
                f"empty@{sae.steps}": float(fresh.square().sum(1).mean()),
                f"l0@{sae.steps}": codes.l0,
                f"fragments@{sae.steps}": scores["fragments"].value,
                f"single@{sae.steps}": scores["single_latent_f1_score"].value,
                f"union@{sae.steps}": scores["fragment_union_f1_score"].value,
            }
        return row | {"seconds": time.perf_counter() - started}

    cells = [
        {"version": VERSION, "latents": n_latents, "steps": steps, "seed": seed, "penalty": penalty}
        for seed in range(seeds)
        for penalty in penalties
    ]
    return by_step(resume(cells, measure, kept, say))


def by_step(wide: pd.DataFrame) -> pd.DataFrame:
    """A row for each training and snapshot."""
    rows: list[Row] = []
    for record in wide.to_dict("records"):
        for step in sorted({int(c.split("@")[1]) for c in record if "@" in str(c)}):
            values = {str(c).split("@")[0]: v for c, v in record.items() if str(c).endswith(f"@{step}")}
            rows.append({"seed": record["seed"], "penalty": record["penalty"], "step": step, **values})
    return pd.DataFrame(rows)


def by_penalty(wide: pd.DataFrame) -> pd.DataFrame:
    """A row for each seed, penalty and dictionary: its gain over writing nothing, and its L0."""
    return pd.DataFrame(
        [
            {
                "seed": record["seed"],
                "penalty": penalty,
                "dictionary": name,
                "loss": record[f"{name}@{penalty}"],
                "gain": record[f"{name}_gain@{penalty}"],
                "l0": record[f"{name}_l0@{penalty}"],
            }
            for record in wide.to_dict("records")
            for penalty in PENALTIES
            for name in ("pair", "rival", "free")
        ]
    )


def crossings(frame: pd.DataFrame, rival: str) -> list[float]:
    """For each seed, the penalty at which the pair's gain overtakes the rival's; NaN if it does not."""
    found: list[float] = []
    for _, part in frame.groupby("seed"):
        gain = part.pivot_table(index="penalty", columns="dictionary", values="gain")
        found.append(crossing(gain.index.tolist(), gain["pair"].tolist(), gain[rival].tolist()))
    return found


def pair_f1(penalty: float, n: int = 20_000) -> float:
    """F1 of the ideal pair's latents, at the scale and bias of least loss."""
    x, values = two_clusters(n, seed=SCORED_SEED)
    best = ideal_pair(x).best(penalty)
    along = 2 * best["scale"] * x[:, 0].numpy() - best["gamma"]
    opposed = -2 * best["scale"] * x[:, 0].numpy() - best["gamma"]
    return float(best_f1(np.stack([along, opposed], 1), values).mean())


NAMES = {"pair": "two true latents", "rival": "1000 random rows, bias 1 or 2.35", "free": "1000 random rows, any bias"}


@styled
def draw(frame: pd.DataFrame, saes: pd.DataFrame) -> Figure:
    """Losses, gains, and what trained SAEs do."""
    fig, axes = figure(2, 2, size=(3.9, 2.8))
    for colour, name in zip(COLOURS, ("pair", "rival"), strict=False):
        part = frame[frame["dictionary"] == name]
        line(axes[0, 0], part, "penalty", "loss", label=NAMES[name], colour=colour, marker="")
        line(axes[0, 1], part, "penalty", "gain", label=NAMES[name], colour=colour, marker="")
    axes[0, 0].set(xlabel="λ, weight of ‖f‖₁", title="total loss")
    axes[0, 1].set(xlabel="λ, weight of ‖f‖₁", yscale="log", title="total loss below that of writing nothing")
    axes[0, 1].set_ylim(1e-4, 100)
    mean = frame.pivot_table(index="penalty", columns="dictionary", values="gain")
    at = crossing(mean.index.tolist(), mean["pair"].tolist(), mean["rival"].tolist())
    axes[0, 1].axvline(at, color="grey", linestyle=":", linewidth=1, label=f"crossing of the means, {at:.1f}")
    pair = frame[frame["dictionary"] == "pair"].groupby("penalty")["loss"].mean()
    for colour, (penalty, part) in zip(COLOURS, saes.groupby("penalty"), strict=False):
        line(axes[1, 0], part, "step", "loss", label=f"λ {penalty:g}", colour=colour)
        axes[1, 0].axhline(pair[penalty], color=colour, linestyle=":", linewidth=1)
        line(axes[1, 1], part, "step", "single", label=f"λ {penalty:g}", colour=colour)
        axes[1, 1].axhline(pair_f1(penalty), color=colour, linestyle=":", linewidth=1)
    axes[1, 0].set(xlabel="steps", title="trained, 1000 latents: loss (dotted: the pair)")
    axes[1, 1].set(xlabel="steps", title="best latent's F1 (dotted: the pair)", ylim=(0, 1.03))
    for ax in axes.flat:
        ax.legend(fontsize=7)
    fig.suptitle(
        f"two clusters in 100 dimensions; {frame['seed'].nunique()} samples and rivals, "
        f"{saes['seed'].nunique()} SAEs a λ; bands are 95 % t intervals",
        fontsize=8,
    )
    return fig


def table(frame: pd.DataFrame, saes: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    lines = ["| λ | two true latents (rows active) | 1000 random rows (L0) | any bias (L0) |", "|---|---|---|---|"]
    for penalty in TABLE:
        at = frame[frame["penalty"] == penalty].groupby("dictionary")[["loss", "l0"]].mean()
        if len(at):
            cells = [f"{at.loc[name, 'loss']:.2f} ({at.loc[name, 'l0']:.2f})" for name in NAMES]
            lines.append(f"| {penalty:g} | " + " | ".join(cells) + " |")
    for rival in ("rival", "free"):
        lines.append(f"\ncrossing with {NAMES[rival]}: {[round(c, 2) for c in crossings(frame, rival)]}")
    last = saes[saes["step"] == saes["step"].max()]
    lines.append(f"\ntrained, {int(last['step'].iloc[0]):,} steps:\n")
    lines.append(last.groupby("penalty")[["loss", "empty", "l0", "fragments", "single", "union"]].mean().to_string())
    return "\n".join(lines)


def main() -> None:
    """Measure, train, draw, tell."""
    asked = arguments(__doc__, seeds=5, samples=40_000)
    sizes: Row = {"penalties": (1.0, 2.0, 3.0, 4.0), "seeds": max(1, asked.seeds - 2), "steps": 4000}
    n, n_latents = 4000, 1000
    if asked.quick:
        asked.seeds, asked.samples, n, n_latents = 1, 2000, 500, 50
        sizes = {"penalties": (1.0,), "seeds": 1, "steps": 60, "n_latents": 50, "n_scored": 500}
    wide = losses(
        seeds=asked.seeds, n=n, n_latents=n_latents, kept=asked.out / "over-splitting-losses.rows.csv", say=print
    )
    saes = trained(n=asked.samples, kept=asked.out / "over-splitting-saes.rows.csv", say=print, **sizes)
    frame = by_penalty(wide)
    save(draw(frame, saes), pd.concat([frame, saes], ignore_index=True), asked.out, "over-splitting")
    print(table(frame, saes))


if __name__ == "__main__":
    main()
