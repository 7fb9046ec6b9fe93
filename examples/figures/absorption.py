"""Absorption against width and sparsity on trees of features, and what Matryoshka pays for less of it.

    python examples/figures/absorption.py --out figures

Absorption (arXiv 2409.14507): a parent's latent falls silent where a child fires, because the child's latent writes the
parent's direction as well. Two worlds of 8 trees of 13 features in 64 dimensions are used, one whose siblings are
independent and one whose siblings exclude each other; 32 of the 104 features are parents. Measured in two
ways:

- by the taxonomy: the share of parents that it calls absorbed;
- `silenced`, from activity alone: of the latent that detects a parent best on rows without its children, the recall on
  such rows less the recall on rows with a child, on the other half of the rows; mean over parents that have a latent.

Hedging is the opposite mixture: a parent's latent writes a bit of all of its children. Two mean cosines tell them
apart: `parent_in_child`, of latents matched to children with their parents' directions (absorption), and
`child_in_parent`, of parents' latents with the directions of their children (hedging). Both are about 0 for the true
dictionary.

See docs/absorption-and-architectures.md. With the defaults 84 SAEs, about 8 minutes on one free core.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from _architectures import COLOURS, differences, trained, true_l0
from _figures import Row, arguments, figure, half, line, measured, resume, sample_of, save, world_of
from fiducial.games.synthetic import SYNTHETIC_WORLDS
from fiducial.metrics import recovery
from fiducial.metrics.recovery_taxonomy import FEATURE_KINDS
from fiducial.models.dictionary import Codes, encode_in_batches
from fiducial.models.sae_dictionary import SAEDictionary
from matplotlib.figure import Figure

ARCHS = ("batchtopk", "standard", "matryoshka")
WORLDS: dict[str, int] = {"hierarchical": 4, "hierarchical-exclusive": 3}  # with the true L0, rounded down
FEATURES = 104
# (latents, L0): widths at about the true L0; on the first world also L0s with as many latents as features.
SHAPES: dict[str, tuple[tuple[int, int], ...]] = {
    "hierarchical": ((52, 4), (104, 4), (208, 4), (104, 2), (104, 6)),
    "hierarchical-exclusive": ((104, 3), (208, 3)),
}
DETECTED = 0.5  # F1 from which a latent is taken to be a parent's at all
NAME = "absorption"


def parents_latents(
    codes: Codes, holds: np.ndarray, parents: np.ndarray, chosen: np.ndarray
) -> tuple[dict[int, int], float]:
    """The latent of each parent, and how much less often these fire where a child holds.

    Args:
        codes: latents at N rows.
        holds: bool [N, F], which features hold.
        parents: int [F], parent of each feature, -1 for none.
        chosen: bool [N], rows on which latents and thresholds are chosen; the others report.

    Returns:
        Parent -> latent that detects it best where no child holds, for those that any detects; mean recall without a
        child less mean recall with one, NaN if no parent has a latent.
    """
    latents = np.zeros((codes.n_rows, codes.n_latents), np.float32)
    latents[codes.rows, codes.indices] = codes.values
    fires = latents > 0
    gaps: list[float] = []
    found: dict[int, int] = {}
    for parent in np.unique(parents[parents >= 0]).tolist():
        child = holds[:, parents == parent].any(1)
        rows = chosen & ~child
        y = holds[rows, parent]
        on = fires[rows]
        f1 = 2 * (on & y[:, None]).sum(0) / np.maximum(on.sum(0) + y.sum(), 1)
        candidates = (int(latent) for latent in np.argsort(-f1)[:5])
        best, threshold, latent = max((*best_threshold(latents[rows, one], y), one) for one in candidates)
        if best < DETECTED:
            continue
        found[parent] = latent
        detected = latents[:, latent] >= threshold
        alone, beside = ~chosen & holds[:, parent] & ~child, ~chosen & holds[:, parent] & child
        gaps.append(float(detected[alone].mean() - detected[beside].mean()))
    return found, (float(np.mean(gaps)) if gaps else float("nan"))


def best_threshold(activity: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The highest F1 of "activity >= threshold" for bool y, and that threshold, which is above 0."""
    order = np.argsort(-activity)
    hits, values = np.cumsum(y[order]), activity[order]
    f1 = 2 * hits / (np.arange(1, len(y) + 1) + max(int(y.sum()), 1))
    f1[(values <= 0) | np.append(values[1:] == values[:-1], False)] = 0.0
    at = int(f1.argmax())
    return float(f1[at]), float(max(values[at], np.finfo(np.float32).tiny))


def of_parents(sae: SAEDictionary, world: str, seed: int, n_rows: int) -> Row:
    """What became of the parents: kinds in the taxonomy, silence where children hold, mixtures of directions."""
    planted, sample = world_of(SYNTHETIC_WORLDS[world], seed), sample_of(SYNTHETIC_WORLDS[world], seed, n_rows)
    codes = encode_in_batches(sae, sample.activations)
    holds = planted.features.unpack_columns(sample.labels, np.arange(len(planted.features)))
    own, gap = parents_latents(codes, holds, planted.parents, half(sample))
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
    inner = sorted({int(parent) for parent in planted.parents if parent >= 0})
    kind = dict(zip(table["feature"], table["kind"], strict=True))
    kinds = [kind[f"feature {parent}"] for parent in inner]
    of_child = {
        int(name.split()[1]): latent
        for name, latent, f1 in zip(table["feature"], table["latent"], table["f1"], strict=True)
        if latent is not None and f1 >= DETECTED
    }
    units = sae.directions / sae.directions.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosine = (units @ planted.directions.T).numpy()
    pairs = [(child, int(parent)) for child, parent in enumerate(planted.parents) if parent >= 0]
    upward = [cosine[of_child[child], parent] for child, parent in pairs if child in of_child]
    downward = [cosine[own[parent], child] for child, parent in pairs if parent in own]
    return {
        "silenced": gap,
        "parents_read": len(own) / len(inner),
        "parent_in_child": float(np.mean(upward)) if upward else float("nan"),
        "child_in_parent": float(np.mean(downward)) if downward else float("nan"),
        **{f"parents_{name}": kinds.count(name) / len(inner) for name in FEATURE_KINDS},
    }


def run(
    shapes: Mapping[str, Sequence[tuple[int, int]]] = SHAPES,
    archs: Sequence[str] = ARCHS,
    seeds: Sequence[int] = range(4),
    samples: int = 200_000,
    *,
    n_rows: int = 20_000,
    kept: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """One row an SAE: world, architecture, width, L0 aimed at and seed; what became of the parents, and all scores."""
    cells = [
        {"world": world, "arch": arch, "n_latents": width, "k": k, "seed": seed, "samples": samples}
        for seed in seeds
        for world in shapes
        for width, k in shapes[world]
        for arch in archs
    ]

    def measure(cell: Row) -> Row:
        sae, place = trained(cell), (cell["world"], cell["seed"], n_rows)
        scores = measured(sae, SYNTHETIC_WORLDS[cell["world"]], cell["seed"], n_rows)
        return {"true_l0": true_l0(*place), **of_parents(sae, *place), **scores}

    return resume(cells, measure, kept, say)


def draw(frame: pd.DataFrame) -> Figure:
    """Absorption and hedging, against width at the true L0 and against L0 at the true width."""
    worlds = list(frame["world"].unique())
    fig, axes = figure(4, len(worlds), size=(2.7, 2.5))
    for row, world in enumerate(worlds):
        part = frame[frame["world"] == world]
        by_width, by_l0 = part[part["k"] == WORLDS[world]], part[part["n_latents"] == FEATURES]
        panels = [
            (by_width, "n_latents", "parents_absorbed", "parents absorbed"),
            (by_width, "n_latents", "child_in_parent", "cosine of parents' latents\nwith children (hedging)"),
            (by_l0, "l0", "parents_absorbed", "parents absorbed"),
            (by_l0, "l0", "child_in_parent", "cosine of parents' latents\nwith children (hedging)"),
        ]
        if by_l0["k"].nunique() < 2:
            panels = panels[:2]
            for ax in axes[row, 2:]:
                ax.set_axis_off()
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
            ax.axhline(0.0, color="#999999", linewidth=0.5)
            if y == "parents_absorbed":
                ax.set_ylim(-0.03, 1.03)  # a share, whatever its interval
            ax.set_ylabel(label)
            ax.set_xlabel("latents" if x == "n_latents" else "L0")
        axes[row, 0].set_title(f"{world}, n = {part['seed'].nunique()} seeds", loc="left")
    hidden = [ax for ax in axes.flat if not ax.axison]
    handles, labels = axes[0, 0].get_legend_handles_labels()
    (hidden or [axes[0, 0]])[0].legend(handles, labels, loc="center", frameon=False)
    return fig


def main() -> None:
    options = arguments(__doc__, seeds=4, samples=200_000)
    kept = options.out / f"{NAME}.csv"
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    if options.quick:
        shapes, archs = {"hierarchical": ((52, 4), (104, 4))}, ("batchtopk", "matryoshka")
        frame = run(shapes, archs, range(2), 8_000, n_rows=4_000, kept=kept)
    else:
        frame = run(seeds=range(options.seeds), samples=options.samples, kept=kept, say=say)
    save(draw(frame), frame, options.out, NAME)
    columns = ["parents_absorbed", "silenced", "parent_in_child", "child_in_parent", "merged", "recovery_corrected"]
    for world, part in frame.groupby("world", sort=False):
        table = differences(part, columns, [("matryoshka", "batchtopk")])
        print(f"\n{world}\n{table.to_string(index=False, float_format='%.3f')}")


if __name__ == "__main__":
    main()
