"""Absorption against width and sparsity on trees of features, and what Matryoshka pays for less of it.

    python examples/figure_absorption.py --out figures

Absorption (arXiv 2409.14507): a parent's latent falls silent where a child fires, because the child's latent writes the
parent's direction as well. Two worlds of 8 trees of 13 features in 64 dimensions are used, one whose siblings are
independent and one whose siblings exclude each other; 32 of the 104 features are parents. Measured in two ways:

- by the taxonomy: the share of parents that it calls absorbed;
- `silenced`, from activity alone: of the latent that detects a parent best on rows without its children, the recall on
  such rows less the recall on rows with a child, on the other half of the rows; mean over parents that have a latent.

See docs/absorption-and-architectures.md. With the defaults 90 SAEs, about 8 minutes on one free core.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _architectures import COLOURS, differences, trained, true_l0
from _figures import Row, arguments, figure, half, line, measured, resume, sample_of, save, world_of
from fiducial.games.synthetic import SYNTHETIC_WORLDS
from fiducial.metrics import recovery
from fiducial.models.dictionary import Codes, encode_in_batches
from fiducial.models.sae_dictionary import SAEDictionary
from matplotlib.figure import Figure

ARCHS = ("batchtopk", "standard", "matryoshka")
WORLDS: dict[str, int] = {"hierarchical": 4, "hierarchical-exclusive": 3}  # with the true L0, rounded down
WIDTHS = (52, 104, 208)
L0S = (2, 6)  # and the true one
FEATURES = 104
DETECTED = 0.5  # F1 from which a latent is taken to be a parent's at all
NAME = "absorption"


def silenced(codes: Codes, holds: np.ndarray, parents: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """How much less often parents' latents fire where a child holds.

    Args:
        codes: latents at N rows.
        holds: bool [N, F], which features hold.
        parents: int [F], parent of each feature, -1 for none.
        chosen: bool [N], rows on which latents and thresholds are chosen; the others report.

    Returns:
        Mean recall without a child less mean recall with one, NaN if no parent has a latent; share of parents with one.
    """
    latents = np.zeros((codes.n_rows, codes.n_latents), np.float32)
    latents[codes.rows, codes.indices] = codes.values
    fires = latents > 0
    gaps: list[float] = []
    inner = np.unique(parents[parents >= 0])
    for parent in inner:
        child = holds[:, parents == parent].any(1)
        rows = chosen & ~child
        y = holds[rows, parent]
        on = fires[rows]
        f1 = 2 * (on & y[:, None]).sum(0) / np.maximum(on.sum(0) + y.sum(), 1)
        candidates = (int(latent) for latent in np.argsort(-f1)[:5])
        best, threshold, latent = max((*best_threshold(latents[rows, one], y), one) for one in candidates)
        if best < DETECTED:
            continue
        detected = latents[:, latent] >= threshold
        alone, beside = ~chosen & holds[:, parent] & ~child, ~chosen & holds[:, parent] & child
        gaps.append(float(detected[alone].mean() - detected[beside].mean()))
    return (float(np.mean(gaps)) if gaps else float("nan")), len(gaps) / len(inner)


def best_threshold(activity: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The highest F1 of "activity >= threshold" for bool y, and that threshold, which is above 0."""
    order = np.argsort(-activity)
    hits, values = np.cumsum(y[order]), activity[order]
    f1 = 2 * hits / (np.arange(1, len(y) + 1) + max(int(y.sum()), 1))
    f1[(values <= 0) | np.append(values[1:] == values[:-1], False)] = 0.0
    at = int(f1.argmax())
    return float(f1[at]), float(max(values[at], np.finfo(np.float32).tiny))


def parents_kinds(sae: SAEDictionary, codes: Codes, world: str, seed: int, n_rows: int) -> dict[str, float]:
    """Share of parents of each kind in the taxonomy."""
    planted, sample = world_of(SYNTHETIC_WORLDS[world], seed), sample_of(SYNTHETIC_WORLDS[world], seed, n_rows)
    table = recovery(
        codes,
        sample.labels,
        game_id=sample.game_id,
        train=half(sample),
        directions=sae.directions.numpy(),
        true_directions=planted.directions.numpy(),
        features=planted.features,
        n_resamples=10,
    )["recovery_score"].features
    inner = {f"feature {parent}" for parent in planted.parents if parent >= 0}
    kinds = [kind for name, kind in zip(table["feature"], table["kind"], strict=True) if name in inner]
    return {f"parents_{kind}": kinds.count(kind) / len(inner) for kind in ("found", "absorbed", "merged", "missed")}


def run(
    worlds: Sequence[str] = tuple(WORLDS),
    archs: Sequence[str] = ARCHS,
    widths: Sequence[int] = WIDTHS,
    l0s: Sequence[int] = L0S,
    seeds: Sequence[int] = range(3),
    samples: int = 200_000,
    *,
    n_rows: int = 20_000,
    kept: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """One row an SAE: every width at the true L0, and every L0 at as many latents as there are features."""
    shapes = {world: [*((w, WORLDS[world]) for w in widths), *((FEATURES, k) for k in l0s)] for world in worlds}
    cells = [
        {"world": world, "arch": arch, "n_latents": width, "k": k, "seed": seed, "samples": samples}
        for seed in seeds
        for world in worlds
        for width, k in shapes[world]
        for arch in archs
    ]

    def measure(cell: Row) -> Row:
        world, seed = cell["world"], cell["seed"]
        sae, sample = trained(cell), sample_of(SYNTHETIC_WORLDS[world], seed, n_rows)
        codes = encode_in_batches(sae, sample.activations)
        planted = world_of(SYNTHETIC_WORLDS[world], seed)
        holds = planted.features.unpack_columns(sample.labels, np.arange(len(planted.features)))
        gap, read = silenced(codes, holds, planted.parents, half(sample))
        return {
            "true_l0": true_l0(world, seed, n_rows),
            "silenced": gap,
            "parents_read": read,
            **parents_kinds(sae, codes, world, seed, n_rows),
            **measured(sae, SYNTHETIC_WORLDS[world], seed, n_rows),
        }

    return resume(cells, measure, kept, say)


def draw(frame: pd.DataFrame) -> Figure:
    """Absorbed and merged shares, against width at the true L0 and against L0 at the true width."""
    worlds = list(frame["world"].unique())
    fig, axes = figure(4, len(worlds), size=(2.7, 2.5))
    for row, world in enumerate(worlds):
        part = frame[frame["world"] == world]
        by_width, by_l0 = part[part["k"] == WORLDS[world]], part[part["n_latents"] == FEATURES]
        panels = [
            (by_width, "n_latents", "parents_absorbed", "parents absorbed"),
            (by_width, "n_latents", "merged", "features merged"),
            (by_l0, "l0", "parents_absorbed", "parents absorbed"),
            (by_l0, "l0", "merged", "features merged"),
        ]
        for column, (shown, x, y, label) in enumerate(panels):
            ax = axes[row, column]
            for arch, of_arch in shown.groupby("arch", sort=False):
                # Steered SAEs miss their L0 a little, each by another bit: a point stands at the mean of its seeds.
                placed = of_arch.assign(**{x: of_arch.groupby("k")[x].transform("mean")}) if x == "l0" else of_arch
                line(ax, placed, x, y, label=arch, colour=COLOURS[arch])
            truth = FEATURES if x == "n_latents" else part["true_l0"].mean()
            ax.axvline(truth, color="#999999", linewidth=0.8, linestyle=":")
            if x == "n_latents":
                ax.set_xscale("log", base=2)
                ax.set_xticks(sorted(shown[x].unique()), [f"{w:g}" for w in sorted(shown[x].unique())])
                ax.minorticks_off()
            ax.set_ylim(bottom=-0.02)
            ax.set_ylabel(label)
            ax.set_xlabel("latents" if x == "n_latents" else "L0")
        axes[row, 0].set_title(f"{world}, n = {part['seed'].nunique()} seeds", loc="left")
    axes[0, 0].legend()
    return fig


def main() -> None:
    options = arguments(__doc__, seeds=3, samples=200_000)
    kept = options.out / f"{NAME}.csv"
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    if options.quick:
        frame = run(
            ("hierarchical",), ("batchtopk", "matryoshka"), (52, 104), (), range(2), 8_000, n_rows=4_000, kept=kept
        )
    else:
        frame = run(seeds=range(options.seeds), samples=options.samples, kept=kept, say=say)
    save(draw(frame), frame, options.out, NAME)
    columns = ["parents_absorbed", "silenced", "merged", "recovery_corrected"]
    for world, part in frame.groupby("world", sort=False):
        table = differences(part, columns, [("matryoshka", "batchtopk")])
        print(f"\n{world}\n{table.to_string(index=False, float_format='%.3f')}")


if __name__ == "__main__":
    main()
