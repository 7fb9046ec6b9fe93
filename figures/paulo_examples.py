"""What examples do to explanations and their scores: those that are shown, those that are asked about, how many."""

import math
from typing import Any

import numpy as np

from ..judging.result import JudgesJudged
from .drawing import empty
from .style import GREY, Drawn, below, grid, styled

REPRODUCE = "fiducial reproduce paulo2024 -t othello-6x6 -o results"


@styled
def examples(name: str, made: JudgesJudged) -> Drawn:
    """Truth and detection by what the explainer sees, by the negatives, and by examples in a question."""
    fig, axes = grid(1, 3, size=(2.75, 2.6), extra=0.25)
    left, middle, right = axes[0]
    missing: list[tuple[str, str]] = []
    from matplotlib.lines import Line2D

    styles = {"f1": ("#0072b2", "o", "true F1"), "detection": ("#d55e00", "s", "detection")}
    settings = [one for one in made.samplings() if not one["leak"]]
    for key, (colour, marker, _) in styles.items():
        for shift, contrast in ((-0.09, False), (0.09, True)):
            rows = [one for one in settings if one["contrast"] == contrast]
            for at, one in enumerate(rows):
                _figure_point(left, at + shift, one[key], colour, marker, filled=not contrast)
    kinds = list(dict.fromkeys(one["sampling"] for one in settings))
    left.set_xticks(range(len(kinds)), kinds)
    left.set_xlabel("examples that the explainer sees")
    left.set_ylabel("mean over latents ↑")
    negatives = made.negatives()
    for at, one in enumerate(negatives):
        _figure_point(middle, at, one["agreement"], "#0072b2", "o")
        low, high = _wilson(one["overrated"], one["n"])
        middle.plot([at, at], [low, high], color="#e69f00", linewidth=1.0)
        middle.plot([at], [one["overrated"]], marker="D", color="#e69f00", markersize=4.5, linestyle="none")
    middle.set_xticks(
        range(len(negatives)), [one["negatives"] for one in negatives], rotation=30, ha="right", rotation_mode="anchor"
    )
    middle.set_xlabel("silent examples that detection shows")
    middle.set_ylabel("rho with the truth ↑")
    asked = [
        row
        for row in made.robustness
        if row["what"] == "examples a question" and row["kind"] == "trained" and row["detection"] is not None
    ]
    numbers = sorted({int(str(row["setting"]).partition(",")[0]) for row in asked})
    for colour, marker, repeats in (("#d55e00", "s", False), ("#d55e00", "s", True)):
        found: dict[int, list[float]] = {}
        for row in asked:
            if ("repeats" in row["setting"]) == repeats:
                found.setdefault(int(str(row["setting"]).partition(",")[0]), []).append(row["detection"])
        if not found:
            continue
        x = sorted(found)
        mean = [float(np.mean(found[n])) for n in x]
        half = [
            1.96 * float(np.std(found[n], ddof=1)) / math.sqrt(len(found[n])) if len(found[n]) > 1 else 0.0 for n in x
        ]
        right.errorbar(
            np.array(x) * (1.04 if repeats else 0.96),
            mean,
            yerr=half,
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=1.0,
            linestyle="--" if repeats else "-",
            markerfacecolor="white" if repeats else colour,
        )
    if numbers:
        right.set_xscale("log")
        right.set_xticks(numbers, list(map(str, numbers)))
        right.minorticks_off()
        right.set_xlabel("examples in a question")
        right.set_ylabel("detection, trained SAEs ↑")
    else:
        empty(right, "no examples by number in these results", REPRODUCE)
        missing.append(("detection by examples in a question", REPRODUCE))
    handles = [
        Line2D([], [], linestyle="none", color=colour, marker=marker, markersize=5, label=label)
        for colour, marker, label in styles.values()
    ]
    handles += [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            color=GREY,
            markerfacecolor="white",
            label="open: with contrast examples",
        ),
        Line2D(
            [], [], linestyle="none", marker="D", color="#e69f00", label="share of wrong explanations scored ≥ .8 ↓"
        ),
        Line2D([], [], color="#d55e00", linestyle="--", label="judge that repeats an answer in 20 %"),
    ]
    below(fig, handles)
    return Drawn(
        f"paulo2024-examples-{name}",
        fig,
        f"On {name}. Left: mean over {max((one['n'] for one in settings), default=0)} latents of the true F1 of what "
        "an "
        "explainer finds and of its detection score, by how the examples it sees are drawn (open: with silent examples "
        "as a contrast). Middle: by the silent examples that detection shows, its rank correlation with the truth, and "
        "the share of explanations with a true F1 of at most .5 that score .8 or more. Right: detection by the "
        "number of "
        "examples in a question, mean over trained SAEs. Bars are 95 % intervals over latents, right over SAEs.",
        "The paper varies what the explainer sees (top, quantiles, random), how many examples, and their length: "
        "top examples give narrow explanations, more examples help little. Scores are fuzzing and detection there; "
        "here "
        "also the truth, and the kind of silent examples, which the paper holds fixed.",
        tuple(missing),
    )


def _wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n cases; NaN without any.

    >>> [round(end, 3) for end in _wilson(0.5, 100)]
    [0.404, 0.596]
    """
    if not n or not math.isfinite(share):
        return math.nan, math.nan
    z2 = 1.96**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.96 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return middle - half, middle + half


def _figure_point(ax: Any, at: float, found: Any, colour: str, marker: str, *, filled: bool = True) -> None:
    if not math.isfinite(found.value):
        return
    low = found.low if math.isfinite(found.low) else found.value
    high = found.high if math.isfinite(found.high) else found.value
    ax.errorbar(
        at, found.value, yerr=[[max(0, found.value - low)], [max(0, high - found.value)]], color=colour, marker=marker,
        markersize=4.5, elinewidth=1.0, markerfacecolor=colour if filled else "white", zorder=3,
    )  # fmt: skip
