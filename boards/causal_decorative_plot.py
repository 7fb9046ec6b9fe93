"""The picture of what is decodable, represented and used: one numbered point a feature group."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.hdf5 import partial_file

if TYPE_CHECKING:
    from .causal_decorative import CausalDecorative
    from .scores import Estimate

MARKS = {
    "used": "o",
    "weakly used": "^",
    "used in company": "s",
    "undecided": "D",
    "decorative": "X",
    "not decodable": "P",
}


def plot(result: "CausalDecorative", path: str | Path) -> None:
    """Write it: across what a probe reads, up what the model uses (log scale), shade what the dictionary represents.

    Points are numbered from the most used group on; the names stand beside, with the verdict as the mark.

    Args:
        result: of one testbed.
        path: file to write; its ending says the format (.svg, .png, .pdf).

    Raises:
        ValueError: an ending that matplotlib does not know.
        FileNotFoundError: no such folder.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    known = FigureCanvasAgg.get_supported_filetypes()
    kind = path.suffix.lstrip(".")
    if kind not in known:
        raise ValueError(f"a plot's name must end in one of {', '.join(sorted(known))}, got {path.name!r}")
    figure = Figure(figsize=(11, 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes, legend = figure.subplots(1, 2, width_ratios=[3.2, 1])
    points = _points(axes, result)
    figure.colorbar(points, ax=axes, label=f"represented by {result.dictionary}", location="left", shrink=0.6)
    _legend(legend, result)
    axes.set_title(f"{result.testbed}: what can be read, and what is used", fontsize=11, loc="left")
    metadata = {"Date": None} if kind == "svg" else None  # the same result, the same bytes
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fiducial"}), partial_file(path) as partial:
        figure.savefig(partial, format=kind, metadata=metadata, dpi=120)


def _points(axes: Any, result: "CausalDecorative") -> Any:
    """Points, error bars, numbers; what the colour bar is made from."""
    names = _drawn(result)
    rows = [result.groups[name] for name in names]
    across = np.array([row["decodable"].value for row in rows])
    up = np.array([max(row["used"].value, 1e-2) for row in rows])
    shade = np.array([row["represented"].value for row in rows])
    axes.axhline(1, color="#888888", linewidth=0.8, linestyle="--")
    axes.text(0.995, 1, "a random change", transform=axes.get_yaxis_transform(), fontsize=7, ha="right", va="bottom",
              color="#666666")  # fmt: skip
    bars: dict[str, Any] = {"fmt": "none", "ecolor": "#cccccc", "elinewidth": 0.8, "zorder": 1}
    axes.errorbar(across, up, xerr=_spread([row["decodable"] for row in rows], across), **bars)
    lengths = _spread([row["used"] for row in rows], up)
    lengths[0] = np.minimum(lengths[0], 0.99 * up)  # a log scale has no zero
    axes.errorbar(across, up, yerr=lengths, **bars)
    points: Any = None
    for verdict, mark in MARKS.items():
        mine = np.array([result.verdict(name) == verdict for name in names], np.bool_)
        if mine.any() or points is None:
            points = axes.scatter(
                across[mine], up[mine], c=shade[mine], cmap="viridis", vmin=0, vmax=1, s=46, zorder=2, marker=mark,
                edgecolor="white", linewidth=0.5,
            )  # fmt: skip
    axes.set(yscale="log", xlabel="decodable: probe F1 above base", ylabel="used: divergence over a random change's")
    low, high = up.min() if len(up) else 0.5, up.max() if len(up) else 2.0
    axes.set_ylim(min(0.4, 0.7 * low), max(4.0, 1.6 * high))
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if min(0.4, 0.7 * low) <= tick <= 1.6 * high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    for number, (x, y) in enumerate(_apart(across, np.log(up)), 1):
        axes.annotate(
            str(number), (across[number - 1], up[number - 1]), xytext=(x, np.exp(y)), fontsize=7.5, va="center",
            textcoords="data", zorder=3,
        )  # fmt: skip
    return points


def _legend(axes: Any, result: "CausalDecorative") -> None:
    """Numbers, marks and names, verdict by verdict."""
    axes.set_axis_off()
    names = _drawn(result)
    parts = [(verdict, [n for n in names if result.verdict(n) == verdict]) for verdict in MARKS]
    lines = sum(len(part) + 2 for _, part in parts if part)
    height = 1 / max(lines, 24)
    at = 1.0
    for verdict, part in parts:
        if not part:
            continue
        axes.scatter(
            [0.02], [at], marker=MARKS[verdict], s=30, color="#555555", transform=axes.transAxes, clip_on=False
        )
        axes.text(0.07, at, verdict, fontsize=8.5, weight="bold", va="center", transform=axes.transAxes)
        for name in part:
            at -= height
            axes.text(0.07, at, f"{names.index(name) + 1}  {name}", fontsize=8, va="center", transform=axes.transAxes)
        at -= 1.7 * height


def _drawn(result: "CausalDecorative") -> list[str]:
    """Groups with both figures, the most used first."""
    return [
        name
        for name in result.order
        if np.isfinite([result.groups[name]["decodable"].value, result.groups[name]["used"].value]).all()
    ]


def _spread(estimates: "list[Estimate]", centre: np.ndarray) -> np.ndarray:
    """Lengths of error bars below and above, float [2, n]."""
    ends = np.array([[estimate.low, estimate.high] for estimate in estimates]).reshape(-1, 2).T
    return np.nan_to_num(np.clip([centre - ends[0], ends[1] - centre], 0, None))


def _apart(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Places of numbers, right of their points, or else where around them no other number or point lies."""
    if not len(x):
        return []
    wide, high = (max(float(np.ptp(v)), 0.5) for v in (x, y))
    step = np.array([0.013 * wide, 0.026 * high])
    taken = [np.array([a, b]) for a, b in zip(x, y, strict=True)]
    found: list[tuple[float, float]] = []
    tries = [(1.0, 0.0), (1.0, 1.0), (1.0, -1.0), (-2.4, 0.0), (-0.6, 1.2), (-0.6, -1.2), (-2.4, 1.0), (-2.4, -1.0)]
    for a, b in zip(x, y, strict=True):
        places = [np.array([a, b]) + step * np.array(shift) for shift in tries]
        free = [place for place in places if _clear(place, taken, np.array([a, b]), step)]
        place = free[0] if free else places[0]
        taken.append(place)
        found.append((float(place[0]), float(place[1])))
    return found


def _clear(place: np.ndarray, taken: list[np.ndarray], own: np.ndarray, step: np.ndarray) -> bool:
    """Whether nothing but its own point is near."""
    return not any((abs(place - other) < step * np.array([1.9, 0.9])).all() for other in taken if (other != own).any())
