"""Paulo et al. 2024 (arXiv 2410.13928): do scorers of explanations agree, and what do they say of nulls?"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..explaining.result import Explained
from ..judging.agreement import PUBLISHED, PUBLISHED_NAMES
from ..judging.paulo2024 import MEDIANS
from ..judging.result import BARE, FOUND, JudgesJudged
from .benchmark_matrix import rank_matrix
from .paulo_examples import REPRODUCE, examples
from .results import gather
from .style import DIVERGING, GREY, Drawn, Gallery, below, grid, styled

SOURCE = (
    "Paulo et al.: Automatically Interpreting Millions of Features in Large Language Models (2024, arXiv 2410.13928)"
)
EXPLAIN = "fiducial explain topk -t othello-6x6 -o results"
TRUE = "true F1"
SCORERS = ("detection", "fuzzing", "simulation", "embedding", "natural F1")
CASES: dict[str, tuple[str, str, str]] = {  # kind, variant, colour
    "shuffled\nexplanations": ("trained", "shuffled", "#7f7f7f"),
    "random\ndictionary": ("random dictionary", FOUND, "#e69f00"),
    "random\nmodel": ("random model", FOUND, "#56b4e9"),
    "trained\nSAEs": ("trained", FOUND, "#0072b2"),
    "planted\nlatents": ("planted", FOUND, "#009e73"),
}


def paulo2024(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:
    """Draw the counterparts of the paper's figures from results at hand.

    Args:
        results: files, folders, explanations, judged judges, or what `gather` made of them.
        out: folder for the figures and `paulo2024.md`, which says what they show.
        format: svg, pdf or png.
        command: that asked for it, for the captions.

    Returns:
        The files written.

    Raises:
        ValueError: nothing that could be drawn; says which command makes it.
    """
    found = gather(results)
    gallery = Gallery("paulo2024", SOURCE)
    for number, made in enumerate(found.judged):
        name = str(made.about.get("testbed", "judges")) + (f"-{number + 1}" if number else "")
        gallery.add(_agreement(name, made))
        gallery.add(_distributions(name, made))
        gallery.add(examples(name, made))
    if not found.judged:
        gallery.lacks("scorers against each other, against nulls, and by number and kind of examples", REPRODUCE)
    if found.explained:
        gallery.add(_explained(found.explained))
    else:
        gallery.lacks("scores of explanations by SAE, beside shuffled ones", EXPLAIN)
    return gallery.write(out, format, command or f"fd.figures.paulo2024(results, {str(out)!r})", found.told())


@styled
def _agreement(name: str, made: JudgesJudged) -> Drawn:
    """Rank correlations: ours below the diagonal, published above; the truth is the first row and column."""
    scorers = [one for one in SCORERS if one in made.scorers]
    rows = made.some(lambda row: row["kind"] in BARE and row["variant"] == FOUND)
    names = [TRUE, *scorers]
    columns = [made.column("f1" if one == TRUE else one, rows) for one in names]
    values = np.stack(columns, axis=1)
    kept = values[np.isfinite(values).all(1)]
    rho, low, high = rank_matrix(kept)
    fig, axes = grid(1, 2, size=(3.0, 2.9))
    _matrix(axes[0][0], names, rho, (low > 0) | (high < 0), f"{name}: {len(kept)} explanations")
    published = [one for one in PUBLISHED_NAMES if one in scorers] + [
        one for one in PUBLISHED_NAMES if one not in scorers
    ]
    at = [PUBLISHED_NAMES.index(one) for one in published]
    image = _matrix(
        axes[0][1],
        published,
        PUBLISHED[np.ix_(at, at)],
        np.ones((len(at), len(at)), bool),
        "published, Gemma 2 9B",
    )
    bar = fig.colorbar(image, ax=list(axes[0]), location="bottom", shrink=0.5, aspect=30)
    bar.set_label("Spearman's rho; bold: its 95 % interval leaves 0 out (here); published without interval", color=GREY)
    bar.outline.set_linewidth(0)
    return Drawn(
        f"paulo2024-agreement-{name}",
        fig,
        "Rank correlations between scorers, and with the F1 of each explanation when it is executed on every "
        "position, "
        f"over {len(kept)} explanations found for as many latents of trained SAEs and planted dictionaries of "
        f"{name}; the "
        "judge executes explanations, so that only the procedure can be wrong. Bold: the 95 % interval over latents "
        "leaves 0 out.",
        "The paper has the correlations on the right, over 800 explanations of latents of Gemma 2 9B judged by "
        "Llama 3.1 70B. Nothing there stands for the truth. Surprisal needs a language model and was not asked here.",
    )


def _matrix(ax: Any, names: Sequence[str], rho: NDArray[np.float64], sure: NDArray[np.bool_], title: str) -> Any:
    n = len(names)
    image = ax.imshow(
        np.ma.masked_invalid(np.where(np.eye(n, dtype=bool), np.nan, rho)), cmap=DIVERGING, vmin=-1, vmax=1
    )
    ax.set_facecolor("#e6e6e6")
    for i in range(n):
        for j in range(n):
            if i != j and np.isfinite(rho[i, j]):
                ax.text(
                    j,
                    i,
                    f"{rho[i, j]:.2f}".replace("0.", "."),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if abs(rho[i, j]) > 0.62 else "black",
                    fontweight="bold" if sure[i, j] else "normal",
                )
    ax.set_xticks(range(n), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n), names)
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_title(title, loc="left")
    return image


@styled
def _distributions(name: str, made: JudgesJudged) -> Drawn:
    """What scorers, and the truth, say of nulls and of latents of trained SAEs."""
    from matplotlib.lines import Line2D

    scorers = [TRUE, *(one for one in SCORERS if one in made.scorers)]
    fig, axes = grid(1, len(scorers), size=(1.75, 2.6), extra=0.3)
    paper = {
        "shuffled\nexplanations": "shuffled explanations",
        "random\ndictionary": "random dictionary",
        "trained\nSAEs": "explanations found",
    }
    counts: dict[str, int] = {}
    for ax, scorer in zip(axes[0], scorers, strict=True):
        there: list[str] = []
        for case, (kind, variant, colour) in CASES.items():
            rows = made.some(lambda row, kind=kind, variant=variant: row["kind"] == kind and row["variant"] == variant)
            values = made.column("f1" if scorer == TRUE else scorer, rows)
            values = values[np.isfinite(values)]
            if not len(values):
                continue
            counts[case.replace("\n", " ")] = max(len(values), counts.get(case.replace("\n", " "), 0))
            at = len(there)
            there.append(case)
            _box(ax, at, values, colour)
            published = MEDIANS.get(paper.get(case, ""), {}).get(scorer)
            if published is not None:
                ax.plot([at - 0.36, at + 0.36], [published[0]] * 2, color="#d55e00", linewidth=1.4, zorder=5)
        if scorer in ("detection", "fuzzing", "embedding"):
            ax.axhline(0.5, color=GREY, linestyle=":", linewidth=0.9, zorder=0.5)
        ax.axhline(1.0, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
        ax.set_xticks(
            range(len(there)),
            [case.replace("\n", " ") for case in there],
            rotation=55,
            ha="right",
            rotation_mode="anchor",
        )
        ax.tick_params(axis="x", length=0)
        ax.set_ylim((-0.35 if scorer == "simulation" else -0.04), 1.05)
        ax.set_title(scorer, loc="left")
    axes[0][0].set_ylabel("score of an explanation ↑")
    handles = [
        Line2D([], [], color="black", linewidth=1.4, label="median; box: quartiles; dots: latents"),
        Line2D([], [], color="#d55e00", linewidth=1.4, label="published median"),
        Line2D([], [], color=GREY, linestyle=":", label="chance (floor)"),
        Line2D([], [], color=GREY, linestyle="--", label="perfect (ceiling)"),
    ]
    below(fig, handles)
    return Drawn(
        f"paulo2024-distributions-{name}",
        fig,
        f"Scores of explanations of latents of {name}: {', '.join(f'{case}: {n}' for case, n in counts.items())}. "
        "Boxes "
        "are quartiles with the median, dots latents. Detection, fuzzing and embedding have a chance level of .5. The "
        "first panel is the truth: the F1 of the explanation, executed on every position.",
        "The paper has medians and quartiles of fuzzing, detection and embedding for random explanations (.51), a "
        "random "
        "TopK SAE (.54 to .55) and the default pipeline (.67 to .76). The truth is not known there. A random "
        "dictionary "
        "of a board model is no null as theirs is: its latents follow the model's own directions.",
    )


def _box(ax: Any, at: int, values: NDArray[np.float64], colour: str) -> None:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle((at - 0.3, low), 0.6, max(high - low, 0.004), facecolor=colour, alpha=0.35, linewidth=0, zorder=2)
    )
    ax.plot([at - 0.3, at + 0.3], [middle, middle], color="black", linewidth=1.4, zorder=4)
    spread = (np.argsort(np.argsort(values, kind="stable")) * 0.618034 % 1 - 0.5) * 0.5  # apart, and always alike
    ax.plot(at + spread, values, ".", color=colour, markersize=2.6, alpha=0.8, zorder=3)


@styled
def _explained(sets: Sequence[Explained]) -> Drawn:
    """Scores of explanations by SAE, beside the same scorers on shuffled explanations."""
    scorers = list(dict.fromkeys(scorer for one in sets for latent in one.latents for scorer in latent.scores))
    scorers = [TRUE, *scorers][:6]
    fig, axes = grid(1, len(scorers), size=(max(1.7, 0.55 + 0.62 * len(sets)), 2.6), extra=0.3)
    from matplotlib.lines import Line2D

    for ax, scorer in zip(axes[0], scorers, strict=True):
        for at, one in enumerate(sets):
            for shift, key, colour in ((-0.2, "null", "#7f7f7f"), (0.2, "value", "#0072b2")):
                values = _values(one, scorer, key)
                if len(values):
                    _slim(ax, at + shift, values, colour)
        if scorer not in ("intervention", "surprisal"):  # those have no upper end
            ax.axhline(1.0, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
        if scorer in ("detection", "fuzzing", "embedding"):
            ax.axhline(0.5, color=GREY, linestyle=":", linewidth=0.9, zorder=0.5)
        ax.set_xticks(range(len(sets)), [f"{one.dictionary}\n{one.testbed}" for one in sets], fontsize=6.5)
        ax.set_xlim(-0.6, len(sets) - 0.4)
        ax.set_title(scorer, loc="left")
    axes[0][0].set_ylabel("score of an explanation ↑")
    handles = [
        Line2D(
            [], [], color="#0072b2", marker=".", linestyle="none", label="explanations (median, quartiles, latents)"
        ),
        Line2D([], [], color="#7f7f7f", marker=".", linestyle="none", label="shuffled explanations (floor)"),
        Line2D([], [], color=GREY, linestyle=":", label="chance"),
        Line2D([], [], color=GREY, linestyle="--", label="perfect (ceiling)"),
    ]
    below(fig, handles)
    told = "; ".join(
        f"{one.dictionary} on {one.testbed}: {len(one.latents)} latents, by {one.settings.get('explainer', '?')}"
        for one in sets
    )
    return Drawn(
        "paulo2024-explained",
        fig,
        f"Scores of explanations of {told}. The first panel is the F1 of the explanation executed on every reporting "
        "position, the others are scorers; grey are shuffled explanations, the floor of each scorer.",
        "The paper has such distributions for SAEs of Gemma 2 9B and Llama 3.1 8B, without the truth.",
    )


def _values(one: Explained, scorer: str, key: str) -> NDArray[np.float64]:
    found: list[float] = []
    for latent in one.latents:
        if scorer == TRUE:
            value: Any = latent.exact["f1"][0] if key == "value" and "f1" in latent.exact else None
        else:
            value = latent.scores.get(scorer, {}).get(key)
        if value is not None and math.isfinite(value):
            found.append(float(value))
    return np.array(found)


def _slim(ax: Any, at: float, values: NDArray[np.float64], colour: str) -> None:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    ax.plot([at, at], [low, high], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt", zorder=2)
    ax.plot([at - 0.15, at + 0.15], [middle, middle], color="black", linewidth=1.3, zorder=4)
    spread = (np.argsort(np.argsort(values, kind="stable")) * 0.618034 % 1 - 0.5) * 0.24
    ax.plot(at + spread, values, ".", color=colour, markersize=2.4, alpha=0.7, zorder=3)
