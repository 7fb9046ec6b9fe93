"""Paulo et al. 2024 (arXiv 2410.13928): do scorers of explanations agree, what do they say of nulls, and of examples?"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..explaining.result import Explained
from ..judging.agreement import PUBLISHED, PUBLISHED_NAMES
from ..judging.paulo2024 import MEDIANS
from ..judging.result import BARE, FOUND, JudgesJudged
from .benchmark_matrix import rank_matrix
from .results import Results, gather
from .style import DIVERGING, GREY, Drawn, Gallery, grid, styled

SOURCE = "Paulo, Mallen, Juang, Belrose: Automatically Interpreting Millions of Features in Large Language Models (ICML 2025, arXiv 2410.13928)"
REPRODUCE = "fiducial reproduce paulo2024 -t othello-6x6 -o results"
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


def paulo2024(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:  # noqa: A002
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
        gallery.add(_examples(name, made))
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
        "published: 800 explanations, Gemma 2 9B",
    )
    bar = fig.colorbar(image, ax=list(axes[0]), location="bottom", shrink=0.5, aspect=30)
    bar.set_label("Spearman's ρ; bold: its 95 % interval leaves 0 out (here); published without interval", color=GREY)
    bar.outline.set_linewidth(0)
    return Drawn(
        f"paulo2024-agreement-{name}",
        fig,
        f"Rank correlations between scorers, and with the F1 of each explanation when it is executed on every position, "
        f"over {len(kept)} explanations found for as many latents of trained SAEs and planted dictionaries of {name}; the "
        "judge executes explanations, so that only the procedure can be wrong. Bold: the 95 % interval over latents "
        "leaves 0 out.",
        "Table 2 has the correlations on the right, over 800 explanations of latents of Gemma 2 9B judged by "
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
                ax.text(j, i, f"{rho[i, j]:.2f}".replace("0.", "."), ha="center", va="center", fontsize=7,
                        color="white" if abs(rho[i, j]) > 0.62 else "black", fontweight="bold" if sure[i, j] else "normal")  # fmt: skip
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
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return Drawn(
        f"paulo2024-distributions-{name}",
        fig,
        f"Scores of explanations of latents of {name}: {', '.join(f'{case}: {n}' for case, n in counts.items())}. Boxes "
        "are quartiles with the median, dots latents. Detection, fuzzing and embedding have a chance level of .5. The "
        "first panel is the truth: the F1 of the explanation, executed on every position.",
        "Figure 3 has medians and quartiles of fuzzing, detection and embedding for random explanations (.51), a random "
        "TopK SAE (.54 to .55) and the default pipeline (.67 to .76). The truth is not known there. A random dictionary "
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
def _examples(name: str, made: JudgesJudged) -> Drawn:
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
        middle.plot([at], [one["overrated"]], marker="D", color="#e69f00", markersize=4.5, linestyle="none")
    middle.set_xticks(
        range(len(negatives)), [one["negatives"] for one in negatives], rotation=30, ha="right", rotation_mode="anchor"
    )
    middle.set_xlabel("silent examples that detection shows")
    middle.set_ylabel("ρ with the truth ↑ · share overrated ↓")
    asked = [
        row
        for row in made.robustness
        if row["what"] == "examples a question" and row["kind"] == "trained" and "repeats" not in row["setting"]
    ]
    by_number: dict[int, list[float]] = {}
    for row in asked:
        if row["detection"] is not None:
            by_number.setdefault(int(row["setting"]), []).append(row["detection"])
    for colour, marker, repeats in (("#d55e00", "s", False), ("#d55e00", "s", True)):
        found: dict[int, list[float]] = {}
        for row in made.robustness:
            if (
                row["what"] == "examples a question"
                and row["kind"] == "trained"
                and ("repeats" in row["setting"]) == repeats
                and row["detection"] is not None
            ):
                found.setdefault(int(str(row["setting"]).partition(",")[0]), []).append(row["detection"])
        if not found:
            continue
        x = sorted(found)
        mean = [float(np.mean(found[n])) for n in x]
        half = [
            1.96 * float(np.std(found[n], ddof=1)) / math.sqrt(len(found[n])) if len(found[n]) > 1 else 0.0 for n in x
        ]
        right.errorbar(np.array(x) * (1.04 if repeats else 0.96), mean, yerr=half, color=colour, marker=marker, markersize=4.5, linewidth=1.0,
                       linestyle="--" if repeats else "-", markerfacecolor="white" if repeats else colour)  # fmt: skip
    if by_number:
        right.set_xscale("log")
        right.set_xticks(sorted(by_number), [str(n) for n in sorted(by_number)])
        right.minorticks_off()
        right.set_xlabel("examples in a question")
        right.set_ylabel("detection, trained SAEs ↑")
    else:
        from .drawing import empty

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
        Line2D([], [], linestyle="none", marker="D", color="#e69f00", label="wrong explanations scored ≥ .8"),
        Line2D([], [], color="#d55e00", linestyle="--", label="judge repeats itself, 20 %"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=5)
    return Drawn(
        f"paulo2024-examples-{name}",
        fig,
        f"On {name}. Left: mean over {max((one['n'] for one in settings), default=0)} latents of the true F1 of what an "
        "explainer finds and of its detection score, by how the examples it sees are drawn (open: with silent examples "
        "as a contrast). Middle: by the silent examples that detection shows, its rank correlation with the truth, and "
        "the share of explanations with a true F1 of at most .5 that score .8 or more. Right: detection by the number of "
        "examples in a question, mean over trained SAEs. Bars are 95 % intervals over latents, right over SAEs.",
        "Figures 4 to 6 vary what the explainer sees (top, quantiles, random), how many examples, and their length: "
        "top examples give narrow explanations, more examples help little. Scores are fuzzing and detection there; here "
        "also the truth, and the kind of silent examples, which the paper holds fixed.",
        tuple(missing),
    )


def _figure_point(ax: Any, at: float, found: Any, colour: str, marker: str, *, filled: bool = True) -> None:
    if not math.isfinite(found.value):
        return
    low = found.low if math.isfinite(found.low) else found.value
    high = found.high if math.isfinite(found.high) else found.value
    ax.errorbar(
        at, found.value, yerr=[[max(0, found.value - low)], [max(0, high - found.value)]], color=colour, marker=marker,
        markersize=4.5, elinewidth=1.0, markerfacecolor=colour if filled else "white", zorder=3,
    )  # fmt: skip


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
    fig.legend(handles=handles, loc="outside lower center", ncols=4 if fig.get_figwidth() > 7 else 2)
    told = "; ".join(
        f"{one.dictionary} on {one.testbed}: {len(one.latents)} latents, by {one.settings.get('explainer', '?')}"
        for one in sets
    )
    return Drawn(
        "paulo2024-explained",
        fig,
        f"Scores of explanations of {told}. The first panel is the F1 of the explanation executed on every reporting "
        "position, the others are scorers; grey are shuffled explanations, the floor of each scorer.",
        "Figure 3 and table 1 of the paper have the same distributions for SAEs of Gemma 2 9B and Llama 3.1 8B, without "
        "the truth.",
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


__all__ = ["Mapping", "Results", "paulo2024"]
