"""Makelov, Lange and Nanda 2024 (arXiv 2405.08366): approximation, control and interpretability on the IOI task."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics.score import Score
from ..reporting.identity import architecture
from .drawing import CEILING, SHORT, beside, empty, levels, write_levels
from .makelov_latents import histograms, occlusion
from .naming import SAE
from .results import gather
from .style import GREY, Drawn, Gallery, below, grid, look, ordered, styled

SOURCE = (
    "Makelov, Lange, Nanda: Towards Principled Evaluations of Sparse Autoencoders for Interpretability and Control "
    "(arXiv 2405.08366)"
)
REPRODUCE = "fiducial reproduce makelov2024 -t ioi-tiny -o results"
SCORE = "fiducial score SAES... -t ioi-tiny -n 200 -o results"
Interval = tuple[float, float, float]
SUPERVISED, DAS = "supervised", "DAS"
KINDS: dict[str, tuple[str, str]] = {  # of the reproduction: colour, marker
    SUPERVISED: ("#000000", "h"),
    DAS: ("#7f7f7f", "X"),
    "TopK 3": ("#0072b2", "^"),
    "L1 .5": ("#e69f00", "s"),
    "L1 2": ("#d55e00", "D"),
    "TopK 3, frozen decoder": ("#56b4e9", "v"),
    "L1 .5, frozen decoder": ("#cc79a7", "P"),
}


def makelov2024(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:
    """Draw the counterparts of the paper's figures from results at hand.

    Args:
        results: files, folders, reports, or what `gather` made of them.
        out: folder for the figures and `makelov2024.md`, which says what they show.
        format: svg, pdf or png.
        command: that asked for it, for the captions.

    Returns:
        The files written.

    Raises:
        ValueError: nothing that could be drawn; says which command makes it.
    """
    found = gather(results)
    gallery = Gallery("makelov2024", SOURCE)
    for made in found.makelov:
        gallery.add(_three_axes(made))
        gallery.add(_edits(made))
    if not found.makelov:
        gallery.lacks("dictionaries of several kinds and seeds along the three axes, edits by budget", REPRODUCE)
    sites = found.testbeds("sufficiency_score", "necessity_score")
    for testbed in sites:
        saes = found.on(testbed, "sufficiency_score", "necessity_score")
        gallery.add(_shipped(testbed, saes))
    for testbed in found.testbeds("interpretable_score"):
        gallery.add(histograms(testbed, found.on(testbed, "interpretable_score")))
    for testbed in found.testbeds("found_values_score", "occlusion_error"):
        gallery.add(occlusion(testbed, found.on(testbed, "found_values_score", "occlusion_error")))
    if not sites:
        gallery.lacks("sufficiency, necessity, F1 of latents and occlusion of SAEs at a site of an IOI model", SCORE)
    return gallery.write(out, format, command or f"fd.figures.makelov2024(results, {str(out)!r})", found.told())


@styled
def _three_axes(made: Mapping[str, Any]) -> Drawn:
    """Sufficiency against necessity: a panel a section and attribute."""
    rows = made["rows"]
    places = list(dict.fromkeys((row["section"], row["attribute"]) for row in rows))
    columns = min(4, max(2, len(places)))
    lines = -(-len(places) // columns)
    fig, axes = grid(lines, columns, size=(2.6, 2.5), extra=0.45)
    for ax, (section, attribute) in zip(axes.ravel(), places, strict=False):
        here = [row for row in rows if (row["section"], row["attribute"]) == (section, attribute)]
        for row in here:
            if row["dictionary"] != DAS:
                _cross(ax, row["necessity"], row["sufficiency"], *_kind(row["dictionary"]))
        ax.axhline(1, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
        ax.axvline(1, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
        for line in (ax.axhline, ax.axvline):
            line(0, color=GREY, linestyle=":", linewidth=0.9, zorder=0.5)
        ax.set_xlim(
            min(-0.06, *(_ends(row["necessity"])[0] - 0.05 for row in here)),
            max(1.1, *(_ends(row["necessity"])[1] + 0.04 for row in here)),
        )
        ax.set_ylim(
            min(-0.06, *(_ends(row["sufficiency"])[0] - 0.05 for row in here)),
            max(1.12, *(_ends(row["sufficiency"])[1] + 0.04 for row in here)),
        )
        ax.set_title(f"{attribute} at {section}", loc="left")
        ax.set_xlabel("necessity →")
        ax.set_ylabel("sufficiency ↑")
    for ax in axes.ravel()[len(places) :]:
        ax.set_visible(False)
    _legend(fig, [row["dictionary"] for row in rows if row["dictionary"] != DAS])
    seeds = max(row["n_seeds"] for row in rows)
    return Drawn(
        f"makelov2024-approximation-{made['name']}",
        fig,
        "Sufficiency (share of the logit difference that the reconstruction brings back) against necessity (share "
        "that "
        f"is lost where only the reconstruction's error is left) on {made['name']}, {len(places)} pairs of section and "
        f"attribute that carry the task, {len(rows)} rows, SAEs with {seeds} seeds of "
        f"{made['about'].get('steps', '?')} "
        "steps. Bars are 95 % intervals over prompts and seeds; dashed is the activation itself (1), dotted mean "
        "ablation (sufficiency) and no reconstruction (necessity). An arrow at an axis says which way is better.",
        "The paper shows the same two scores for supervised dictionaries, task SAEs and web-text SAEs "
        "at cross-sections of GPT-2 small: supervised ones are near 1 in both, task SAEs worse, web-text SAEs much "
        "worse. There one seed, no intervals, no frozen decoders, and recovery without its sign.",
    )


@styled
def _edits(made: Mapping[str, Any]) -> Drawn:
    """Success of edits against the number of latents that may change."""
    rows = made["rows"]
    places = list(dict.fromkeys((row["section"], row["attribute"]) for row in rows))
    columns = min(4, max(2, len(places)))
    lines = -(-len(places) // columns)
    fig, axes = grid(lines, columns, size=(2.6, 2.3), extra=0.6)
    for ax, (section, attribute) in zip(axes.ravel(), places, strict=False):
        here = [row for row in rows if (row["section"], row["attribute"]) == (section, attribute)]
        for number, row in enumerate(here):
            colour, marker = _kind(row["dictionary"])
            for key, style, shift in (("success", "-", 1.0), ("aware", (0, (3, 1.5)), 1.0)):
                by_budget = {int(k): v for k, v in row[key].items() if v[0] is not None}
                if not by_budget:
                    continue
                x = np.array(sorted(by_budget)) * (1 + 0.018 * (number - len(here) / 2)) * shift
                y, low, high = np.array(
                    [[np.nan if e is None else e for e in by_budget[k]] for k in sorted(by_budget)]
                ).T
                solid = key == "success"
                ax.errorbar(
                    x,
                    y,
                    yerr=[np.maximum(0, y - low), np.maximum(0, high - y)],
                    color=colour,
                    marker=marker,
                    linestyle=style,
                    markersize=4,
                    linewidth=1.1 if solid else 0.8,
                    elinewidth=0.8,
                    alpha=0.95,
                    markerfacecolor=colour if solid else "white",
                    markeredgewidth=0.8,
                    zorder=3 if solid else 2,
                )
        floor = max(row["no_edit"] for row in here if row["no_edit"] is not None)
        ax.axhline(floor, color=GREY, linestyle=":", linewidth=0.9, zorder=0.5)
        ax.axhline(1, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
        ax.set_xscale("log")
        budgets = sorted({int(k) for row in here for k in row["success"]})
        ax.set_xticks(budgets, [str(b) for b in budgets])
        ax.minorticks_off()
        ax.set_ylim(-0.04, 1.06)
        ax.set_title(f"{attribute} at {section}", loc="left")
        ax.set_xlabel("latents that may change")
        ax.set_ylabel("edits that succeed ↑")
    for ax in axes.ravel()[len(places) :]:
        ax.set_visible(False)
    from matplotlib.lines import Line2D

    more = [
        Line2D([], [], color=GREY, linestyle="-", marker="o", markersize=4, label="greedy edit"),
        Line2D(
            [],
            [],
            color=GREY,
            linestyle=(0, (3, 1.5)),
            marker="o",
            markerfacecolor="white",
            markersize=4,
            label="edit by meaning",
        ),
    ]
    _legend(fig, [row["dictionary"] for row in rows], more)
    return Drawn(
        f"makelov2024-edits-{made['name']}",
        fig,
        f"Share of prompts of {made['name']} in which an edit of at most so many latents makes the model answer as the "
        "full patch of the counterfactual does. Solid: latents chosen greedily towards the counterfactual activation; "
        "dashed: those whose meaning is the old and the new value. Bars are 95 % intervals over prompts and seeds; "
        "dashed line: the full patch, dotted line: no edit. Points of a budget stand a little apart, for sight.",
        "The paper has edit accuracy for IO, Pos and S against the number of features, and the weight removed; "
        "supervised edits agree with the ground-truth patch in more than 80 %. There an edit always takes its whole "
        "budget and may take a feature twice; here it stops where nothing helps.",
    )


@styled
def _shipped(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """The same axes for dictionaries that were scored one by one: approximation, and edits by budget."""
    fig, axes = grid(1, 3, size=(2.75, 2.5), extra=0.4)
    left, middle, right = axes[0]
    for sae in saes:
        _cross(
            left, _triple(sae.scores["necessity_score"]), _triple(sae.scores["sufficiency_score"]), *look(sae.arch)[1:]
        )
    _bounds(left, saes, "necessity_score", "sufficiency_score")
    left.set_xlabel("necessity →")
    left.set_ylabel("sufficiency ↑")
    missing: list[tuple[str, str]] = []
    for ax, attribute in ((middle, "IO"), (right, "Pos")):
        drawn = 0
        for sae in saes:
            if not sae.has("minimal_edit_error"):
                continue
            about = sae.scores["minimal_edit_error"].details.get("by attribute", {}).get(attribute)
            if not about:
                continue
            drawn += 1
            shares = {int(k): v for k, v in about["share_by_budget"].items()}
            colour, marker = look(sae.arch)[1:]
            ax.plot(list(shares), list(shares.values()), color=colour, marker=marker, markersize=4, linewidth=1.1)
            success = sae.group("edit_success_score", attribute)
            if success is not None:
                _bar(ax, 2, success, colour)
        if not drawn:
            empty(ax, f"no edits of {attribute} in these results", SCORE)
            missing.append((f"edits of {attribute}", SCORE))
            continue
        ax.set_xscale("log")
        budgets = sorted(
            {
                int(k)
                for sae in saes
                if sae.has("minimal_edit_error")
                for k in sae.scores["minimal_edit_error"]
                .details.get("by attribute", {})
                .get(attribute, {})
                .get("share_by_budget", {})
            }
        )
        ax.set_xticks(budgets, [str(b) for b in budgets])
        ax.minorticks_off()
        scores = [score for sae in saes if (score := sae.group("edit_success_score", attribute)) is not None]
        marks: list[tuple[float, str, float | None]] = []
        for kind, style in (("floors", ":"), ("ceilings", "--")):
            for name, (_, high) in levels(scores, kind).items():
                if name in ("PCA", "random dictionary", "mean codes"):
                    ax.axhline(high, color=GREY, linestyle=style, linewidth=0.8, zorder=0.5)
                    marks.append(((high + 0.04) / 1.1, SHORT.get(name, name), high))
        write_levels(ax, marks)
        ax.set_ylim(-0.04, 1.06)
        ax.set_title(attribute, loc="left")
        ax.set_xlabel("latents that may change")
        ax.set_ylabel("edits that succeed ↑")
    _legend(fig, [look(arch)[0] for arch in ordered(sae.arch for sae in saes)])
    return Drawn(
        f"makelov2024-axes-{testbed}",
        fig,
        f"Left: sufficiency against necessity of {len(saes)} SAEs of {testbed}, with 95 % intervals over prompts; "
        "crosses "
        "are floors, asterisks the ceilings. Middle and right: share of prompts in which an edit of at most so many "
        "latents has the answer of the full patch, for the name (IO) and the order of the names (Pos); the interval "
        "at 2 "
        "latents is of the score that is reported, the other budgets have none. Lines: floors dotted, ceilings dashed.",
        "The same axes in the paper, on GPT-2 small; it has none of these floors.",
        tuple(missing),
    )


def _cross(ax: Any, x: Interval, y: Interval, colour: str, marker: str) -> None:
    (xv, xl, xh), (yv, yl, yh) = (_clean(v) for v in (x, y))
    if math.isnan(xv) or math.isnan(yv):
        return
    ax.errorbar(
        xv,
        yv,
        xerr=[[max(0, xv - xl)], [max(0, xh - xv)]],
        yerr=[[max(0, yv - yl)], [max(0, yh - yv)]],
        color=colour,
        marker=marker,
        markersize=5,
        elinewidth=0.9,
        markeredgecolor=colour if marker in ("P", "*", "X") else "white",
        markeredgewidth=0.5,
        zorder=3,
    )


def _bar(ax: Any, x: float, score: Score, colour: str) -> None:
    ax.errorbar(
        x,
        score.value,
        yerr=[[max(0, score.value - score.low)], [max(0, score.high - score.value)]],
        color=colour,
        elinewidth=1.4,
        fmt="none",
        zorder=4,
    )


def _bounds(ax: Any, saes: Sequence[SAE], x: str, y: str) -> None:
    """Floors as crosses and ceilings as asterisks, where both scores know them; lines at the activation itself."""
    names: list[tuple[str, float, float]] = []
    for kind, marker, colour in (("floors", "x", GREY), ("ceilings", CEILING, "black")):
        at_x, at_y = (levels([sae.scores[name] for sae in saes], kind) for name in (x, y))
        for name in at_x:
            if name in at_y:
                place = (max(at_x[name]), max(at_y[name]))
                ax.plot(*place, marker=marker, color=colour, markersize=5, linestyle="none", zorder=2)
                names.append((SHORT.get(name, name), *place))
    ax.axhline(1, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
    ax.axvline(1, color=GREY, linestyle="--", linewidth=0.9, zorder=0.5)
    ends = [end for sae in saes for end in _ends(_triple(sae.scores[x]))] + [place for _, place, _ in names]
    ax.set_xlim(min(-0.06, min(ends) - 0.04), max(1.15, max(ends) + 0.04))
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    beside(ax, names, [(sae.scores[x].value, sae.scores[y].value) for sae in saes])


def _triple(score: Score) -> Interval:
    return score.value, score.low, score.high


def _clean(values: Any) -> Interval:
    value, low, high = (math.nan if v is None else float(v) for v in values)
    return value, value if math.isnan(low) else low, value if math.isnan(high) else high


def _ends(values: Any) -> tuple[float, float]:
    value, low, high = _clean(values)
    return (0.0, 0.0) if math.isnan(value) else (low, high)


def _kind(name: str) -> tuple[str, str]:
    if name in KINDS:
        return KINDS[name]
    arch = architecture(name)
    return look(arch)[1:]


def _legend(fig: Any, names: Sequence[str], more: Sequence[Any] = ()) -> None:
    """Kinds of dictionaries of the reproduction, or architectures, in one line or two."""
    from matplotlib.lines import Line2D

    known = {
        label: (colour, marker)
        for label, colour, marker in map(
            look, ("standard", "gated", "topk", "batchtopk", "jumprelu", "p_anneal", "matryoshka", "gated_anneal")
        )
    }
    handles: list[Any] = []
    for name in dict.fromkeys(names):
        colour, marker = KINDS.get(name) or known.get(name) or _kind(name)
        handles.append(Line2D([], [], linestyle="none", color=colour, marker=marker, markersize=5, label=name))
    handles += list(more)
    below(fig, handles)
