"""Wrong L0 on correlated features: SAEs that are too sparse beat the true dictionary on MSE and mix features.

    python examples/figures/true_l0.py --out figures

"Sparse but Wrong" (arXiv 2508.16560): below the true L0 an SAE mixes correlated features, which lowers its error under
that of the true dictionary with as many active features; the mean |cos| between its decoder rows is smallest at the
true L0. 120 SAEs of 32 latents; 8 minutes on one core. An interrupted run goes on where it stopped.
"""

import pandas as pd
import torch
from _figures import (
    COLOURS,
    Row,
    arguments,
    figure,
    half,
    line,
    measured,
    resume,
    sample_of,
    save,
    styled,
    told,
    world_of,
)
from fiducial.games.synthetic_config import Correlation, SyntheticConfig
from fiducial.models.controls import LinearDictionary
from fiducial.models.oracle_encoder import with_oracle_encoder
from fiducial.models.training import train_sae
from matplotlib.figure import Figure

# Fewer features than dimensions and orthogonal directions: nothing but correlation disturbs, and the true L0 is 8.
# Two hidden causes carry about .3 of the variance of the copula: correlations of pairs are about normal(0, .23).
WORLD = SyntheticConfig(
    name="correlated, orthogonal",
    n_features=32,
    width=40,
    frequency="linear",
    p_max=0.35,
    p_min=0.15,
    correlation=Correlation(rank=2, scale=0.4),
)
ARCHS = ("topk", "batchtopk")
L0S = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20)
ROWS = 8000


def true_mse(config: SyntheticConfig, seed: int, n_rows: int, k: int, arch: str) -> float:
    """Error of the true features with their true sizes, of which only the largest may be kept, like the SAE.

    TopK keeps k a row, BatchTopK k a row on average. The constant is the best one for what is kept.
    """
    world, sample = world_of(config, seed), sample_of(config, seed, n_rows)
    reported = ~half(sample)
    sizes = torch.from_numpy(sample.magnitudes.toarray()[reported])
    threshold = (
        sizes.topk(k, dim=1).values[:, -1:]
        if arch == "topk"
        else sizes.flatten().topk(min(k * len(sizes), sizes.numel())).values[-1]
    )
    rest = sample.activations[reported] - (sizes * (sizes >= threshold)) @ world.directions
    return float((rest - rest.mean(0)).square().sum(1).mean())


def coded_mse(config: SyntheticConfig, seed: int, n_rows: int, k: int) -> float:
    """Error of the true directions with the best code that matching pursuit finds for them, k a row."""
    world, sample = world_of(config, seed), sample_of(config, seed, n_rows)
    true = world.directions
    reading = LinearDictionary("true", true.T.contiguous(), true, world.bias, world.bias)
    x = sample.activations[~half(sample)][:1000]
    coder = with_oracle_encoder(reading, l0=k)
    rest = x - coder.decode(coder.encode(x))
    return float((rest - rest.mean(0)).square().sum(1).mean())


def decoder_cosine(directions: torch.Tensor) -> float:
    """Mean |cos| between different rows."""
    units = directions / directions.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cos = (units @ units.T).abs()
    n = len(cos)
    return float((cos.sum() - cos.diagonal().sum()) / (n * (n - 1)))


def run(
    config: SyntheticConfig = WORLD,
    *,
    seeds: int = 6,
    samples: int = 150_000,
    archs: tuple[str, ...] = ARCHS,
    l0s: tuple[int, ...] = L0S,
    n_rows: int = ROWS,
    **keeping: object,
) -> pd.DataFrame:
    """One row a trained SAE, as wide as there are features; `keeping` goes to `resume`."""

    def measure(cell: Row) -> Row:
        seed, k, arch = cell["seed"], cell["k"], cell["arch"]
        world, sample = world_of(config, seed), sample_of(config, seed, n_rows)
        sae = train_sae(
            arch, world, n_latents=config.n_features, k=k, samples=samples, batch_size=256, seed=seed, progress=False
        )
        return {
            **measured(sae, config, seed, n_rows),
            "decoder_cosine": decoder_cosine(sae.directions),
            "true_mse": true_mse(config, seed, n_rows, k, arch),
            "coded_mse": coded_mse(config, seed, n_rows, k),
            "true_l0": sample.true_l0,
            "true_cosine": decoder_cosine(world.directions),
        }

    cells = [
        {"world": config.name, "version": config.digest[:8], "samples": samples, "seed": seed, "k": k, "arch": arch}
        for seed in range(seeds)
        for k in l0s
        for arch in archs
    ]
    return resume(cells, measure, **keeping)


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """Error against the true dictionary's, recovery and decoder cosine against the L0."""
    fig, axes = figure(3)
    low = frame[frame["k"] < 0.999 * frame["true_l0"].mean()]  # above it the true dictionary has no error
    low = low.assign(ratio=low["mse"] / low["true_mse"])
    for colour, arch in zip(COLOURS, sorted(set(frame["arch"])), strict=False):
        part = frame[frame["arch"] == arch]
        line(axes[0, 0], low[low["arch"] == arch], "k", "ratio", label=arch, colour=colour)
        line(axes[0, 1], part, "k", "recovery_corrected", label=arch, colour=colour)
        line(axes[0, 2], part, "k", "decoder_cosine", label=arch, colour=colour)
    axes[0, 0].axhline(1, color="black", linestyle=":", linewidth=1, label="true dictionary")
    axes[0, 0].set_xlim(axes[0, 1].get_xlim())
    axes[0, 2].axhline(frame["true_cosine"].mean(), color="black", linestyle=":", linewidth=1, label="true dictionary")
    titles = ("squared error / truth's at that L0", "recovery score (less chance)", "mean |cos| of decoder rows")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.axvline(frame["true_l0"].mean(), color="grey", linewidth=0.8)
        ax.set(xlabel="L0 (grey: the true one)", title=title)
        ax.legend()
    fig.suptitle(f"{frame['seed'].nunique()} worlds and trainings a point; bands are 95 % t intervals", fontsize=8)
    return fig


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    lines = ["| arch | L0 | MSE | truth, MSE | SAE wins | recovery | F1 | merged | mean abs. cos |", "|---" * 9 + "|"]
    for (arch, k), part in frame.groupby(["arch", "k"]):
        wins = f"{int((part['mse'] < part['true_mse']).sum())} of {len(part)}"
        figures = [told(part[c]) for c in ("recovery_corrected", "recovery_f1_corrected", "merged", "decoder_cosine")]
        errors = [told(part["mse"]), told(part["true_mse"])]
        lines.append(f"| {arch} | {k} | " + " | ".join([*errors, wins, *figures]) + " |")
    best = frame.loc[frame.groupby(["arch", "seed"])["decoder_cosine"].idxmin()]
    for arch, part in best.groupby("arch"):
        lines.append(f"\n{arch}: decoder cosine smallest at L0 {sorted(part['k'])}, true {frame['true_l0'].mean():.2f}")
    return "\n".join(lines)


def main() -> None:
    """Train, draw, tell."""
    asked = arguments(__doc__, seeds=6, samples=150_000)
    tiny = {"l0s": (2, 6), "n_rows": 2000, "archs": ("batchtopk",)} if asked.quick else {}
    if asked.quick:
        asked.seeds, asked.samples = 1, 5000
    kept = asked.out / "true-l0.rows.csv"
    frame = run(seeds=asked.seeds, samples=asked.samples, kept=kept, say=print, **tiny)
    save(draw(frame), frame, asked.out, "true-l0")
    print(table(frame))


if __name__ == "__main__":
    main()
