"""Too narrow on correlated features: latents take in the partner of their feature (hedging).

    python examples/figures/hedging.py --out figures

"Feature Hedging" (arXiv 2505.11756): an SAE with fewer latents than features lowers its error by adding to each latent
the directions of features that correlate with its own; the narrower, the worse; and the inner prefixes of Matryoshka
are narrow SAEs. 24 orthogonal features in 12 pairs, one frequent and one rare in each, with copula correlation .8 or
without. 180 SAEs; 10 minutes on one core. An interrupted run goes on where it stopped.
"""

import numpy as np
import pandas as pd
from _figures import (
    COLOURS,
    Row,
    arguments,
    figure,
    line,
    mean_interval,
    measured,
    resume,
    sample_of,
    save,
    styled,
    told,
    training_rows,
    world_of,
)
from fiducial.games.synthetic_config import Correlation, SyntheticConfig
from fiducial.models.training import train_sae
from matplotlib.figure import Figure

PAIRS = 12
ARCHS = ("standard", "topk", "matryoshka")
WIDTHS = (6, 9, 12, 18, 24, 36)
ROWS = 8000


def world(correlation: float) -> SyntheticConfig:
    """Features 0..11 are frequent (.3 and less), feature i + 12 is the rare partner of i."""
    return SyntheticConfig(
        name=f"pairs {correlation:g}",
        n_features=2 * PAIRS,
        width=32,
        frequency="linear",
        p_max=0.3,
        p_min=0.06,
        correlation=Correlation(pairs=tuple((i, i + PAIRS, correlation) for i in range(PAIRS)))
        if correlation
        else None,
    )


def wanted_l0(config: SyntheticConfig, width: int, arch: str) -> float:
    """How many of the `width` most frequent features fire in a row: no SAE is too sparse for what it can hold.

    TopK needs a whole number, which is rounded up.
    """
    l0 = float(np.linspace(config.p_max, config.p_min, config.n_features)[:width].sum())
    return float(np.ceil(l0)) if arch == "topk" else l0


def cosines(directions: np.ndarray, fires: np.ndarray, true: np.ndarray) -> Row:
    """What latents that fire write of the partner of their nearest feature, and of a feature that is neither.

    Args:
        directions: float [L, d].
        fires: bool [L].
        true: float [F, d], unit rows; the partner of feature i is i + F / 2, modulo F.
    """
    live = directions[fires]
    cos = live @ true.T / np.maximum(np.linalg.norm(live, axis=1, keepdims=True), 1e-12)
    own = cos.argmax(1)
    rows, n = np.arange(len(own)), len(true)
    partner = cos[rows, (own + n // 2) % n]
    others = (cos.sum(1) - cos[rows, own] - partner) / (n - 2)
    return {
        "own_cosine": cos[rows, own].mean(),
        "partner_cosine": partner.mean(),
        "other_cosine": others.mean(),
        "mixed_latents": (partner >= 0.5).mean(),
    }


def partner_cosine(directions: np.ndarray, chosen: np.ndarray, true: np.ndarray) -> float:
    """`cosines` of some latents; NaN for none."""
    return float(cosines(directions, chosen, true)["partner_cosine"]) if chosen.any() else float("nan")


def predicted(config: SyntheticConfig, seed: int, n_rows: int) -> float:
    """Cosine with the partner that least squares gives a latent which is exactly its feature, without a rival.

    The size of a frequent feature predicts that of its partner with slope b; the best direction is own + b * partner.
    """
    sizes = sample_of(config, seed, n_rows).magnitudes.toarray().astype(float)
    covariance = np.cov(sizes.T)
    first = np.arange(PAIRS)
    slope = covariance[first, first + PAIRS] / covariance[first, first]
    return float((slope / np.sqrt(1 + slope**2)).mean())


def run(
    correlations: tuple[float, ...] = (0.0, 0.8),
    *,
    seeds: int = 5,
    samples: int = 120_000,
    archs: tuple[str, ...] = ARCHS,
    widths: tuple[int, ...] = WIDTHS,
    n_rows: int = ROWS,
    **keeping: object,
) -> pd.DataFrame:
    """One row a trained SAE; `keeping` goes to `resume`."""
    configs = {correlation: world(correlation) for correlation in correlations}

    def measure(cell: Row) -> Row:
        config, seed, width = configs[cell["correlation"]], cell["seed"], cell["width"]
        planted, sample = world_of(config, seed), sample_of(config, seed, n_rows)
        rows, k = training_rows(config, seed, samples), wanted_l0(config, width, cell["arch"])
        sae = train_sae(
            cell["arch"], rows, n_latents=width, k=k, samples=samples, batch_size=256, seed=seed, progress=False
        )
        fires = (sae.encode(sample.activations) > 0).any(0).numpy()
        inner = np.arange(width) < (width // 4 if cell["arch"] == "matryoshka" else 0)  # a narrow SAE of its own
        return {
            "k": k,
            **measured(sae, config, seed, n_rows),
            **cosines(sae.directions.numpy(), fires, planted.directions.numpy()),
            "inner_cosine": partner_cosine(sae.directions.numpy(), fires & inner, planted.directions.numpy()),
            "outer_cosine": partner_cosine(sae.directions.numpy(), fires & ~inner, planted.directions.numpy()),
            "predicted_cosine": predicted(config, seed, n_rows),
        }

    cells = [
        {
            "version": configs[correlation].digest[:8],
            "samples": samples,
            "seed": seed,
            "correlation": correlation,
            "width": width,
            "arch": arch,
        }
        for seed in range(seeds)
        for correlation in correlations
        for width in widths
        for arch in archs
    ]
    return resume(cells, measure, **keeping)


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """Cosine with the partner, merged share and recovery against the width; full lines with correlation."""
    fig, axes = figure(3)
    for colour, (arch, part) in zip(COLOURS, frame.groupby("arch"), strict=False):
        for correlation, cells in part.groupby("correlation"):
            style = {"linestyle": "-" if correlation else ":"}
            label = f"{arch}, correlation {correlation:g}"
            line(axes[0, 0], cells, "width", "partner_cosine", label=label, colour=colour, **style)
            line(axes[0, 1], cells, "width", "merged", label=None, colour=colour, **style)
            line(axes[0, 2], cells, "width", "recovery_corrected", label=None, colour=colour, **style)
    nested = frame[(frame["arch"] == "matryoshka") & (frame["correlation"] != 0)]
    if len(nested):
        label, style = "matryoshka, inner quarter, correlated", {"linestyle": "-.", "marker": "^"}
        line(axes[0, 0], nested, "width", "inner_cosine", label=label, colour=COLOURS[4], **style)
    expected, _ = mean_interval(frame.loc[frame["correlation"] != 0, "predicted_cosine"])
    axes[0, 0].axhline(expected, color="black", linestyle="--", linewidth=0.8)
    axes[0, 0].annotate("least squares", (0.02, expected), (0, -9), textcoords="offset points",
                        xycoords=("axes fraction", "data"), fontsize=7)  # fmt: skip
    titles = ("cosine with the partner's direction", "share of features merged", "recovery score (less chance)")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.axvline(2 * PAIRS, color="grey", linewidth=0.8)
        ax.set(xlabel="latents (grey: as many as features)", title=title)
    fig.legend(loc="outside lower center", ncols=4)
    fig.suptitle(f"{frame['seed'].nunique()} worlds and trainings a point; bands are 95 % t intervals", fontsize=8)
    return fig


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    columns = ("partner_cosine", "other_cosine", "mixed_latents", "merged", "found", "recovery_corrected")
    lines = ["| arch | correlation | width | " + " | ".join(columns) + " |", "|---" * (3 + len(columns)) + "|"]
    for (arch, correlation, width), part in frame.groupby(["arch", "correlation", "width"]):
        lines.append(f"| {arch} | {correlation:g} | {width} | " + " | ".join(told(part[c]) for c in columns) + " |")
    nested = frame[frame["arch"] == "matryoshka"]
    for (correlation, width), part in nested.groupby(["correlation", "width"]):
        inner, outer = told(part["inner_cosine"]), told(part["outer_cosine"])
        lines.append(f"\nmatryoshka, correlation {correlation:g}, width {width}: inner quarter {inner}, rest {outer}")
    for correlation, part in frame.groupby("correlation"):
        lines.append(f"\ncorrelation {correlation:g}: predicted cosine {told(part['predicted_cosine'])}")
    return "\n".join(lines)


def main() -> None:
    """Train, draw, tell."""
    asked = arguments(__doc__, seeds=5, samples=120_000)
    tiny = {"widths": (6, 24), "n_rows": 2000, "archs": ("topk",), "correlations": (0.8,)} if asked.quick else {}
    if asked.quick:
        asked.seeds, asked.samples = 1, 5000
    frame = run(seeds=asked.seeds, samples=asked.samples, kept=asked.out / "hedging.rows.csv", say=print, **tiny)
    save(draw(frame), frame, asked.out, "hedging")
    print(table(frame))


if __name__ == "__main__":
    main()
