"""Judged judges as a picture: agreement with the truth, which negatives mislead, dose response, scorers together."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.hdf5 import partial_file

if TYPE_CHECKING:
    from .result import JudgesJudged

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000", "#8c564b", "#bcbd22",
           "#7b3294", "#17becf")  # fmt: skip
GREY = "#7f7f7f"


def plot(made: "JudgesJudged", path: str | Path) -> None:
    """Write the picture.

    Args:
        made: what came of judging the judges.
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
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fiducial", "font.size": 8}):
        figure = Figure(figsize=(13, 9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 2)
        _agreement(axes[0, 0], made)
        _ladder(axes[0, 1], made)
        _doses(axes[1, 0], made)
        _heat(figure, axes[1, 1], made)
        figure.suptitle(
            f"{made.about['testbed']}: what scorers say of explanations whose truth is known", x=0.01, ha="left"
        )
        metadata = {"Date": None} if kind == "svg" else {"Software": None} if kind == "png" else None
        with partial_file(path) as partial:
            figure.savefig(partial, format=kind, metadata=metadata, dpi=120)


def _bare(made: "JudgesJudged") -> list[str]:
    return [name for name in made.scorers if " | " not in name]


def _agreement(axes: Any, made: "JudgesJudged") -> None:
    found = made.agreement()
    names = [name for name in found if np.isfinite(found[name]["all"].value)]
    y = np.arange(len(names))
    for shift, key, label, colour in (
        (-0.15, "all", "all explanations", COLOURS[0]),
        (0.15, "found", "found ones only", COLOURS[1]),
    ):
        figures = [found[name][key] for name in names]
        axes.hlines(y + shift, [f.low for f in figures], [f.high for f in figures], color=colour, linewidth=1.2)
        axes.plot([f.value for f in figures], y + shift, "o", color=colour, markersize=4, label=label)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(y, names)
    axes.invert_yaxis()
    axes.set(xlim=(-0.45, 1.02), xlabel="Spearman's rho with the true F1, 95 % interval over latents")
    axes.set_title("A. Does a score rank explanations as the truth does?", loc="left", fontsize=9)
    axes.legend(frameon=True, framealpha=0.9, loc="lower left", fontsize=7)
    _plain(axes)


def _ladder(axes: Any, made: "JudgesJudged") -> None:
    rows = sorted(made.ladder(), key=lambda row: -row["f1"])
    names = [name for name in _bare(made) if name.startswith("detection")] or _bare(made)
    y = np.arange(len(rows))
    axes.barh(y, [row["f1"] for row in rows], color="#d9d9d9", height=0.8, label="true F1")
    for colour, name in zip(COLOURS, names, strict=False):
        axes.plot([row["scores"][name].value for row in rows], y, "o", color=colour, markersize=4, label=name)
    axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_yticks(y, [f"{row['variant']} ({row['n']})" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.02), xlabel="mean over latents; dotted: chance of detection")
    axes.set_title("B. Known corruptions: truth (bars) and detection by kind of negatives", loc="left", fontsize=9)
    axes.legend(frameon=True, framealpha=0.9, loc="lower right", fontsize=6.5)
    _plain(axes)


def _doses(axes: Any, made: "JudgesJudged") -> None:
    rows = made.doses()
    x = np.array([row["share"] for row in rows])
    axes.plot(x, [row["f1"].value for row in rows], "-", color="black", linewidth=2.5, label="true F1")
    for colour, name in zip(COLOURS, _bare(made), strict=False):
        values = np.array([row["scores"][name].value for row in rows])
        if np.isfinite(values).any():
            axes.plot(x, values, "o-", color=colour, markersize=3, linewidth=1, label=name)
    axes.set(xlabel="dose: IoU with the best explanation, lost", ylabel="mean over latents of trained SAEs")
    axes.set_ylim(-0.05, 1.02)
    axes.set_title("C. Dose and response", loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=6.5, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.12))
    _plain(axes)


def _heat(figure: Any, axes: Any, made: "JudgesJudged") -> None:
    names, rho = made.between_scorers()
    shown = np.ma.masked_invalid(rho)
    image = axes.imshow(shown, cmap="RdBu", vmin=-1, vmax=1)
    for i in range(len(names)):
        for j in range(len(names)):
            if np.isfinite(rho[i, j]):
                colour = "white" if abs(rho[i, j]) > 0.6 else "black"
                axes.text(j, i, f"{rho[i, j]:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.tick_params(length=0)
    axes.set_title("D. Scorers among themselves (rho)", loc="left", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.7)


def _plain(axes: Any) -> None:
    axes.grid(axis="x", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
