"""Figures of scores along training and of sample efficiency."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.hdf5 import partial_file
from .efficiency import Efficiency
from .result import Bounds, Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "fiducial",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_LABELS = 12
LABEL_HEIGHT = 0.042  # of a panel
SIZE = (4.2, 3.2)


def plot_curve(
    curve: Curve,
    metrics: Sequence[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    runs: Sequence[str] | None = None,
) -> "Figure":
    """Scores against rows seen: a line a run with its intervals, between floors and ceilings; in a last panel the L0.

    Early in training the L0 of many architectures is far from the one aimed at, and scores depend on it. The axis of
    rows is logarithmic; what is scored before the first step stands at its left edge.

    Args:
        curve: what is drawn.
        metrics: names, one panel each; all by default.
        labels: another name of runs.
        runs: which, in this order; all by default.

    Raises:
        KeyError: an unknown metric or run.
    """
    wanted = list(curve.metrics if metrics is None else metrics)
    shown = list(curve.runs if runs is None else runs)
    if unknown := [*(m for m in wanted if m not in curve.metrics), *(run for run in shown if run not in curve.runs)]:
        raise KeyError(f"the curve has no {', '.join(unknown)}; it has {', '.join([*curve.metrics, *curve.runs])}")
    fig, axes = _figure(len(wanted) + 1)
    import matplotlib as mpl

    frame: Any = curve.frame()  # pandas types what a mask selects too widely
    with mpl.rc_context(STYLE):
        for metric, ax in zip(wanted, axes, strict=False):
            mine = frame[frame["metric"] == metric]
            _draw_runs(ax, mine, "value", shown, labels or {}, intervals=True)
            _draw_bounds(ax, [curve.bounds[run][metric] for run in shown if metric in curve.bounds.get(run, {})])
            ax.set_ylabel(metric.replace("_", " "))
        _draw_runs(axes[-1], frame[frame["metric"] == wanted[0]], "l0", shown, labels or {})
        axes[-1].set_ylabel("L0 on the scored positions")
        axes[-1].set_yscale("log")
        if len(shown) <= MOST_LABELS:
            lines = -(-len(shown) // (3 * len(axes)))  # three names below a panel, as many in every line
            columns = -(-len(shown) // lines)
            fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
        fig.suptitle(f"{curve.about['testbed']}, {curve.about['games']} games, 95 % intervals over games", fontsize=9)
    return fig


def _draw_runs(
    ax: Any,
    frame: Any,
    column: str,
    runs: Sequence[str],
    labels: Mapping[str, str],
    *,
    intervals: bool = False,
) -> None:
    seen = frame["rows"][frame["rows"] > 0]
    left = seen.min() / 2 if len(seen) else 1.0  # where a logarithmic axis can show the untrained
    for number, run in enumerate(runs):
        mine = frame[frame["run"] == run]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]
        x = mine["rows"].clip(lower=left)
        ax.plot(x, mine[column], color=colour, marker=marker, markersize=3, linewidth=1.3, label=labels.get(run, run))
        if intervals:
            ax.fill_between(x, mine["low"], mine["high"], color=colour, alpha=0.15, linewidth=0)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(lambda value, _: "")
    ax.set_xlabel("activations seen (left edge: untrained)" if (frame["rows"] == 0).any() else "activations seen")


def _draw_bounds(ax: Any, bounds: Sequence[Bounds]) -> None:
    """Floors dotted, ceilings dashed, their names beside the panel, moved apart where they would overlap."""
    levels = [
        (sum(values) / len(values), name, style)
        for kind, style in (("floors", ":"), ("ceilings", "--"))
        for name, values in _levels([getattr(one, kind) for one in bounds]).items()
    ]
    for level, _, style in levels:
        ax.axhline(level, color="0.55", linestyle=style, linewidth=0.8, zorder=0)
    low, high = ax.get_ylim()
    last = -1.0
    for level, name, _ in sorted(levels):
        last = max((level - low) / (high - low), last + LABEL_HEIGHT)
        ax.annotate(name, (1.01, last), xycoords="axes fraction", fontsize=6, color="0.35", va="center")


def _levels(found: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Values by name; names that differ in a width or an L0 in brackets are one, since they are drawn as one line."""
    levels: dict[str, list[float]] = {}
    for one in found:
        for name, value in one.items():
            levels.setdefault(name.partition(" (")[0], []).append(value)
    return levels


def plot_efficiency(found: Efficiency, *, among: Mapping[str, Sequence[str]] | None = None) -> "Figure":
    """Against games of a sample: rank correlation with all games, between samples, and the detectable difference.

    Args:
        found: what is drawn.
        among: sets of dictionaries by name, each with a row of panels of its own; all dictionaries by default.
    """
    import matplotlib as mpl
    from matplotlib.ticker import LogLocator

    sets = among or {f"{len(found.dictionaries)} dictionaries": found.dictionaries}
    fig, axes = _figure(3, len(sets))
    with mpl.rc_context(STYLE):
        for row, (title, names) in enumerate(sets.items()):
            frame = found.frame(names)
            left, middle, right = axes[3 * row : 3 * row + 3]
            for number, metric in enumerate(found.metrics):
                mine, colour = frame[frame["metric"] == metric], COLOURS[number % len(COLOURS)]
                style: dict[str, Any] = {"color": colour, "marker": MARKERS[number], "markersize": 3, "linewidth": 1.3}
                for ax, column in ((left, "tau"), (middle, "tau_between")):
                    ax.plot(mine["games"], mine[column], label=metric.replace("_", " "), **style)
                    low, high = mine[f"{column}_low"], mine[f"{column}_high"]
                    ax.fill_between(mine["games"], low, high, color=colour, alpha=0.12, linewidth=0)
                right.plot(mine["games"], mine["detectable"], **style)
            left.set_ylabel(f"Kendall's tau with all {found.about['games']} games")
            middle.set_ylabel("tau between disjoint samples")
            right.set_ylabel("detectable difference, 80 % power")
            right.set_yscale("log")
            right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            right.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            right.yaxis.set_minor_formatter(lambda value, _: "")
            left.set_title(title, loc="left")
            for ax in (left, middle):
                ax.axhline(0.9, color="0.6", linestyle=":", linewidth=0.8)
                ax.set_ylim(top=1.02)
            for ax in (left, middle, right):
                ax.set_xscale("log")
                ax.set_xticks(found.sizes, [str(size) for size in found.sizes])
                ax.minorticks_off()
                ax.set_xlabel(f"games of a sample, {found.testbed}")
            left.legend(loc="lower right")
    return fig


def save_figure(fig: "Figure", path: str | Path) -> Path:
    """Write an SVG or a PNG, by the ending of its name; the same bytes for the same content, whole or not at all.

    Raises:
        ValueError: another ending.
    """
    import matplotlib as mpl

    path = Path(path)
    kind = path.suffix.removeprefix(".")
    if kind not in ("svg", "png"):
        raise ValueError(f"a figure is written as .svg or .png, got {path.name}")
    with mpl.rc_context(STYLE), partial_file(path) as partial:
        if fig.get_layout_engine() is not None:  # laid out once: layout after layout differs a bit
            fig.draw_without_rendering()
            fig.set_layout_engine("none")
        fig.savefig(partial, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return path


def _figure(columns: int, rows: int = 1) -> "tuple[Figure, list[Any]]":
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(SIZE[0] * columns, SIZE[1] * rows), layout="constrained")
        return fig, list(fig.subplots(rows, columns, squeeze=False).ravel())
