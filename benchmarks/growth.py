"""How the cost of counting grows in rows, latents, features, L0 and prevalence: doubled one at a time, slopes fitted.

    python benchmarks/growth.py [--large] [--out DIR]

The task is the exact best threshold and AUROC of every pair (`best_thresholds`, sorting included) and the whole of
`coverage`. CPU time, the least of three; the exponent is the slope of log time over log size, by least squares over all
sizes of an axis, with its 95 % interval. Below a few milliseconds fixed costs flatten it. Writes growth.csv and
growth.png. `--large` begins eight times as large.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from fiducial.metrics.counts import best_thresholds
from fiducial.metrics.coverage import coverage
from fiducial.models.dictionary import Codes
from scipy import stats

AXES = ("rows", "latents", "features", "l0", "prevalence")
ROWS_PER_GAME = 40


@dataclass(frozen=True)
class Size:
    """What is counted: rows N, latents L, features F, active latents a row, share of rows at which a feature holds."""

    rows: int = 20_000
    latents: int = 1024
    features: int = 256
    l0: int = 16
    prevalence: float = 0.04


def sample(size, seed=0):
    """Codes whose latents are equally frequent, and packed labels."""
    rng = np.random.default_rng(seed)
    n = size.rows * size.l0
    # Distinct latents in a row without sorting all of them: one out of each of l0 equal ranges.
    width = size.latents // size.l0
    indices = (np.arange(size.l0) * width + rng.integers(0, width, (size.rows, size.l0))).astype(np.int32)
    packed = np.empty((size.rows, size.features // 8), np.uint8)
    for start in range(0, size.rows, 4096):
        rows = slice(start, min(start + 4096, size.rows))
        packed[rows] = np.packbits(
            rng.random((rows.stop - rows.start, size.features), dtype=np.float32) < size.prevalence,
            axis=1,
            bitorder="little",
        )
    values = rng.exponential(size=n).astype(np.float32)
    return Codes(np.arange(0, n + 1, size.l0), indices.ravel(), values, size.latents), packed


def seconds(work, rounds=3):
    """Least CPU time of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def exponent(sizes, times):
    """Slope of log time over log size, and half of its 95 % interval; NaN for two sizes."""
    found = stats.linregress(np.log(sizes), np.log(times))
    margin = stats.t.ppf(0.975, len(sizes) - 2) * found.stderr if len(sizes) > 2 else float("nan")
    return float(found.slope), float(margin)


def measure(start, doublings, axes=AXES):
    """A row a size: the axis, its value, seconds of both tasks."""
    seconds(
        lambda: coverage_of(*sample(replace(start, rows=max(2000, round(200 / start.prevalence)))), start), 1
    )  # compile first
    rows = []
    for axis in axes:
        for i in range(doublings + 1):
            size = replace(start, **{axis: getattr(start, axis) * 2**i})
            codes, packed = sample(size)
            counts = seconds(lambda c=codes, p=packed, s=size: best_thresholds(c, p, n_features=s.features))
            whole = seconds(lambda c=codes, p=packed, s=size: coverage_of(c, p, s), 1)
            rows.append({"axis": axis, "size": getattr(size, axis), "counts_s": counts, "coverage_s": whole})
            print(f"{axis:10} {getattr(size, axis):>9g}  counts {counts:.4f} s  coverage {whole:.4f} s", flush=True)
    return pd.DataFrame(rows)


def coverage_of(codes, packed, size):
    games = np.arange(codes.n_rows) // ROWS_PER_GAME
    return coverage(
        codes, packed, game_id=games, train=games % 2 == 0, n_features=size.features, null=False, n_resamples=100
    )


def slopes(frame):
    """A row an axis: the exponents of both tasks."""
    rows = []
    for axis, part in frame.groupby("axis", sort=False):
        row = {"axis": axis, "from": part["size"].min(), "to": part["size"].max()}
        for task in ("counts_s", "coverage_s"):
            slope, margin = exponent(part["size"], part[task])
            row |= {task.replace("_s", " exponent"): f"{slope:.2f} ± {margin:.2f}"}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(frame, path):
    """Time over size, a panel an axis, both logarithmic, with a dotted line of slope 1."""
    from matplotlib.figure import Figure

    axes = list(dict.fromkeys(frame["axis"]))
    fig = Figure(figsize=(2.6 * len(axes), 2.6), layout="constrained")
    for ax, axis in zip(fig.subplots(1, len(axes), sharey=True, squeeze=False)[0], axes, strict=True):
        part = frame[frame["axis"] == axis]
        for task, colour, marker in (("counts_s", "#0072b2", "o"), ("coverage_s", "#d55e00", "s")):
            ax.loglog(part["size"], part[task], color=colour, marker=marker, markersize=3, label=task[:-2])
        first = part.iloc[0]
        linear = first["counts_s"] * part["size"] / first["size"]
        ax.loglog(part["size"], linear, color="0.6", linestyle=":", linewidth=0.8, label="linear")
        ax.set_xticks(part["size"], [f"{size:g}" for size in part["size"]], rotation=45, fontsize=7)
        ax.minorticks_off()
        ax.set_xlabel(axis)
    fig.axes[0].set_ylabel("seconds of CPU")
    fig.axes[0].legend(frameon=False, fontsize=7)
    fig.savefig(path, dpi=110, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    start = Size(rows=80_000, latents=2048, features=512) if options.large else Size()
    frame = measure(start, 4 if options.large else 3)
    options.out.mkdir(parents=True, exist_ok=True)
    frame.to_csv(options.out / "growth.csv", index=False, float_format="%.4g")
    draw(frame, options.out / "growth.png")
    print(slopes(frame).to_string(index=False))


if __name__ == "__main__":
    main()
