"""The picture of what is decodable, represented and used: one point a feature group."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.hdf5 import partial_file

if TYPE_CHECKING:
    from .causal_decorative import CausalDecorative
    from .scores import Estimate


def plot(result: "CausalDecorative", path: str | Path) -> None:
    """Write it: across what a probe reads, up what the model uses (log scale), shade what the dictionary represents.

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
    names = [g for g, row in result.groups.items() if np.isfinite([row["decodable"].value, row["used"].value]).all()]
    rows = [result.groups[name] for name in names]
    across = np.array([row["decodable"].value for row in rows])
    up = np.array([max(row["used"].value, 1e-2) for row in rows])
    shade = np.array([row["represented"].value for row in rows])
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axhline(1, color="#888888", linewidth=0.8, linestyle="--")
    bars: dict[str, Any] = {"fmt": "none", "ecolor": "#bbbbbb", "elinewidth": 0.8, "zorder": 1}
    axes.errorbar(across, up, xerr=_spread([row["decodable"] for row in rows], across), **bars)
    lengths = _spread([row["used"] for row in rows], up)
    lengths[0] = np.minimum(lengths[0], 0.99 * up)  # a log scale has no zero
    axes.errorbar(across, up, yerr=lengths, **bars)
    points = axes.scatter(
        across, up, c=shade, cmap="viridis", vmin=0, vmax=1, s=40, zorder=2, edgecolor="white", linewidth=0.5
    )
    figure.colorbar(points, ax=axes, label=f"represented by {result.dictionary}")
    for (x, y), name in zip(_apart(across, np.log(up)), names, strict=True):
        axes.text(x, np.exp(y), f" {name}", fontsize=7, va="center")
    axes.set(yscale="log", xlabel="decodable: probe F1 above base", ylabel="used: divergence over a random direction's")
    axes.set_title(
        f"{result.testbed}: above the dashed line the model uses what the group says", fontsize=10, loc="left"
    )
    metadata = {"Date": None} if kind == "svg" else None  # the same result, the same bytes
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fiducial"}), partial_file(path) as partial:
        figure.savefig(partial, format=kind, metadata=metadata, dpi=120)


def _spread(estimates: "list[Estimate]", centre: np.ndarray) -> np.ndarray:
    """Lengths of error bars below and above, float [2, n]."""
    ends = np.array([[estimate.low, estimate.high] for estimate in estimates]).reshape(-1, 2).T
    return np.nan_to_num(np.clip([centre - ends[0], ends[1] - centre], 0, None))


def _apart(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Places of labels, moved up where one would lie on another."""
    if not len(x):
        return []
    wide = 0.16 * max(float(np.ptp(x)), 1e-9)
    high = 0.026 * max(float(np.ptp(y)), 1e-9)
    placed: list[tuple[float, float]] = []
    found: list[tuple[float, float]] = [(0.0, 0.0)] * len(x)
    for i in np.argsort(y, kind="stable").tolist():
        here = float(y[i])
        while any(abs(x[i] - other) < wide and abs(here - level) < high for other, level in placed):
            here += high / 2
        placed.append((float(x[i]), here))
        found[i] = (float(x[i]), here)
    return found
