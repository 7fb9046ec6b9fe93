"""p-annealing against what it anneals, at matched L0: coverage, reconstruction, recovery, explained variance.

    python examples/figures/p_annealing.py --out figures

Two pairs are published (arXiv 2408.00113): p_anneal against standard with a unit-norm decoder, gated_anneal against
gated. `standard` is today's, whose decoder is free. Each is steered to three levels of L0, .75, 1 and 1.25 times the
true one, with as many latents as there are features. See docs/absorption-and-architectures.md. With the defaults 90
SAEs, about 8 minutes on one free core. On a real model: p_annealing_othello.py.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _architectures import COLOURS, trained
from _figures import Row, arguments, figure, half, line, mean_interval, measured, resume, sample_of, save
from fiducial.games.synthetic import SYNTHETIC_WORLDS
from fiducial.metrics import coverage, reconstruction
from fiducial.models.dictionary import encode_in_batches
from matplotlib.figure import Figure

ARCHS = ("standard", "standard-unit-norm", "p_anneal", "gated", "gated_anneal")
PAIRS = (("p_anneal", "standard-unit-norm"), ("p_anneal", "standard"), ("gated_anneal", "gated"))
FIGURES = {
    "coverage": "coverage",
    "reconstruction": "reconstruction of labels",
    "recovery_corrected": "recovery, chance subtracted",
    "explained_variance": "explained variance",
}
WORLDS: dict[str, float] = {"correlated": 3.8, "hierarchical": 4.4}  # with the true L0
SHARES = (0.75, 1.0, 1.25)
NAME = "p-annealing"


def on_world(cell: Row, n_rows: int) -> Row:
    """Train on a synthetic world and score against what was planted."""
    config, seed = SYNTHETIC_WORLDS[cell["world"]], cell["seed"]
    sae, sample = trained(cell), sample_of(config, seed, n_rows)
    codes = encode_in_batches(sae, sample.activations)
    asked = {"game_id": sample.game_id, "train": half(sample), "features": sample.features}
    return {
        **measured(sae, config, seed, n_rows),
        "coverage": coverage(codes, sample.labels, **asked, null=False, n_resamples=10).value,
        "reconstruction": reconstruction(codes, sample.labels, **asked, null=False, n_resamples=10).value,
    }


def run(
    worlds: Sequence[str] = tuple(WORLDS),
    archs: Sequence[str] = ARCHS,
    shares: Sequence[float] = SHARES,
    seeds: Sequence[int] = range(3),
    samples: int = 300_000,
    *,
    n_rows: int = 20_000,
    kept: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """One row an SAE: world, architecture, L0 aimed at, seed; the L0 it has, and its figures."""
    cells = [
        {
            "world": world,
            "arch": arch,
            "n_latents": SYNTHETIC_WORLDS[world].n_features,
            "k": round(WORLDS[world] * share, 2),
            "seed": seed,
            "samples": samples,
        }
        for world in worlds
        for seed in seeds
        for share in shares
        for arch in archs
    ]
    return resume(cells, lambda cell: on_world(cell, n_rows), kept, say)


def draw(frame: pd.DataFrame) -> Figure:
    """Each figure against the L0 that the SAEs have; a line an architecture, bands are 95 % t intervals."""
    worlds = list(frame["world"].unique())
    fig, axes = figure(len(FIGURES), len(worlds), size=(2.7, 2.4))
    for row, world in enumerate(worlds):
        part = frame[frame["world"] == world]
        for column, (name, label) in enumerate(FIGURES.items()):
            ax = axes[row, column]
            if name not in part or part[name].isna().all():
                ax.set_axis_off()  # recovery is not defined where no true directions are known
                continue
            for arch, of_arch in part.groupby("arch", sort=False):
                placed = of_arch.assign(l0=of_arch.groupby("k")["l0"].transform("mean"))
                dash = "--" if arch.endswith("anneal") else "-"
                line(ax, placed, "l0", name, label=arch, colour=COLOURS[arch], linestyle=dash)
            ax.set_xlabel("L0")
            ax.set_ylabel(label)
        axes[row, 0].set_title(f"{world}, n = {part['seed'].nunique()} seeds", loc="left")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return fig


def at_equal_l0(frame: pd.DataFrame, columns: Sequence[str], pairs: Sequence[tuple[str, str]] = PAIRS) -> pd.DataFrame:
    """Differences of pairs at exactly the same L0: what the second has there is read off the line through its SAEs.

    SAEs of the first that are sparser or denser than all of the second of that seed are left out.

    Returns:
        A row a world, pair and figure: mean over seeds, half of its 95 % t interval, seeds and SAEs compared.
    """
    rows = []
    for (world, (first, second)), part in ((key, frame[frame["world"] == key[0]]) for key in product_of(frame, pairs)):
        for column in columns:
            by_seed, n_saes = [], 0
            for _, of_seed in part.groupby("seed"):
                line_of = of_seed[of_seed["arch"] == second].sort_values("l0")
                l0, value = (of_seed[of_seed["arch"] == first][name].to_numpy() for name in ("l0", column))
                inside = (l0 >= line_of["l0"].min()) & (l0 <= line_of["l0"].max())
                if inside.any():
                    there = np.interp(l0[inside], line_of["l0"], line_of[column])
                    by_seed.append(float((value[inside] - there).mean()))
                    n_saes += int(inside.sum())
            mean, margin = mean_interval(by_seed)
            found = {"mean": mean, "margin": margin, "seeds": len(by_seed), "SAEs": n_saes}
            rows.append({"world": world, "pair": f"{first} - {second}", "figure": column, **found})
    return pd.DataFrame(rows)


def product_of(frame: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, tuple[str, str]]]:
    """Every world with every pair of which both were trained."""
    present = set(frame["arch"])
    return [(world, pair) for world in frame["world"].unique() for pair in pairs if set(pair) <= present]


def main() -> None:
    options = arguments(__doc__, seeds=3, samples=300_000)
    kept = options.out / f"{NAME}.csv"
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    if options.quick:
        archs = ("standard-unit-norm", "p_anneal")
        frame = run(("correlated",), archs, (0.75, 1.25), range(2), 8_000, n_rows=4_000, kept=kept)
    else:
        frame = run(seeds=range(options.seeds), samples=options.samples, kept=kept, say=say)
    save(draw(frame), frame, options.out, NAME)
    print(at_equal_l0(frame, list(FIGURES)).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
