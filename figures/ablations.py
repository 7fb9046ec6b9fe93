"""SHIFT, SCR and TPP: what is left of a concept when the latents chosen for it are ablated, and what else goes.

Marks et al. 2024 (arXiv 2403.19647) remove a spurious signal by ablating latents that a judge calls unrelated (SHIFT);
Karvonen et al. 2024 (arXiv 2411.18895) turn it into two scores without a judge, SCR and TPP.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..metrics.score import Score
from .drawing import against_l0, bounded, sparsity_axis, width_handles
from .naming import SAE
from .results import gather, names_of
from .style import GREY, SEQUENTIAL, Drawn, Gallery, grid, legend, look, ordered, styled

SOURCE = (
    "Marks et al.: Sparse Feature Circuits (SHIFT; 2024, arXiv 2403.19647), and Karvonen et al.: Evaluating Sparse "
    "Autoencoders on Targeted Concept Erasure Tasks (SCR and TPP; 2024, arXiv 2411.18895)"
)
TASKS = "fiducial saebench SAES... -t {testbed} --tasks scr,tpp -o results"
FORMS: dict[str, tuple[tuple[str, str, str], ...]] = {  # row -> metric, what it is, line style
    "SCR": (("scr_score", "by attribution", "-"), ("scr_labels_score", "by the labels", "--")),
    "TPP": (("tpp_score", "by attribution", "-"), ("tpp_labels_score", "by the labels", "--")),
}
MOST_ROWS = 26  # of the matrix of effects


def shift_tpp(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:
    """Draw the counterparts of the papers' figures from results at hand.

    Args:
        results: files, folders, reports, or what `gather` made of them.
        out: folder for the figures and `shift-tpp.md`, which says what they show.
        format: svg, pdf or png.
        command: that asked for it, for the captions.

    Returns:
        The files written.

    Raises:
        ValueError: nothing that could be drawn; says which command makes it.
    """
    found = gather(results)
    gallery = Gallery("shift-tpp", SOURCE)
    testbeds = list(dict.fromkeys([*found.testbeds("scr_score"), *found.testbeds("tpp_score")]))
    for testbed in testbeds:
        saes = [sae for sae in found.on(testbed) if sae.has("scr_score") or sae.has("tpp_score")]
        if (drawn := _ablated(testbed, saes)) is not None:
            gallery.add(drawn)
        else:
            gallery.lacks(
                f"scores by number of latents on {testbed}: results of an ordinary report, which keep them",
                TASKS.format(testbed=testbed),
            )
        if len([sae for sae in saes if not math.isnan(sae.l0)]) > 3:
            gallery.add(_sparsity(testbed, saes))
        else:
            gallery.lacks(
                f"SCR and TPP against L0 on {testbed}: {len(saes)} dictionaries, 4 are needed",
                TASKS.format(testbed=testbed),
            )
        effects = [sae for sae in saes if "tpp_score" in sae.scores and "intended" in sae.scores["tpp_score"].features]
        if effects:
            gallery.add(_effects(testbed, effects))
        else:
            gallery.lacks(f"intended and unintended effects on {testbed}", TASKS.format(testbed=testbed))
    if not testbeds:
        gallery.lacks("SCR and TPP of SAEs", TASKS.format(testbed="othello-6x6"))
    return gallery.write(out, format, command or f"fd.figures.shift_tpp(results, {str(out)!r})", found.told())


def _sweep(sae: SAE, metric: str) -> dict[int, float]:
    found = sae.scores[metric].details.get("sweep", {}) if metric in sae.scores else {}
    return {n: float(found[str(n)]) for n in sorted(map(int, found)) if found[str(n)] is not None}


def _middle(saes: Sequence[SAE]) -> list[SAE]:
    """Of every architecture and width the SAE whose L0 is nearest to the middle of all, so that few lines remain."""
    known = sorted(sae.l0 for sae in saes if not math.isnan(sae.l0))
    aim = known[len(known) // 2] if known else 1.0
    by_arch: dict[str, SAE] = {}
    widest = max((sae.width for sae in saes), default=0)
    for sae in sorted(
        saes, key=lambda one: (one.width != widest, abs(math.log(one.l0 / aim)) if one.l0 > 0 else 9.0, one.name)
    ):
        by_arch.setdefault(sae.arch, sae)
    return list(by_arch.values())


@styled
def _ablated(testbed: str, saes: Sequence[SAE]) -> Drawn | None:
    """Scores against the number of latents ablated."""
    from matplotlib.lines import Line2D

    chosen = _middle([sae for sae in saes if _sweep(sae, "scr_score") or _sweep(sae, "tpp_score")])
    if not chosen:
        return None
    fig, axes = grid(1, 2, size=(3.4, 2.7), extra=0.5)
    counts: set[int] = set()
    for ax, (title, forms) in zip(axes[0], FORMS.items(), strict=True):
        bounds: list[tuple[SAE, Score]] = []
        for sae in chosen:
            _, colour, marker = look(sae.arch)
            for metric, _, style in forms:
                sweep = _sweep(sae, metric)
                if not sweep:
                    continue
                counts |= set(sweep)
                main = style == "-"
                ax.plot(
                    list(sweep),
                    list(sweep.values()),
                    color=colour,
                    linestyle=style,
                    marker=marker if main else None,
                    markersize=4.5,
                    linewidth=1.2 if main else 0.9,
                    markeredgecolor="white",
                    markeredgewidth=0.4,
                    zorder=3 if main else 2,
                )
                if main:
                    bounds.append((sae, sae.scores[metric]))
        right = max(counts, default=50)
        for number, (sae, score) in enumerate(bounds):  # as reported: the number is chosen for each pair
            _, colour, marker = look(sae.arch)
            x = right * 1.6 * 1.12**number
            ax.errorbar(
                x,
                score.value,
                yerr=[[max(0, score.value - score.low)], [max(0, score.high - score.value)]],
                color=colour,
                marker=marker,
                markersize=4.5,
                markerfacecolor="white",
                elinewidth=1.0,
            )
        ax.set_xscale("log")
        ax.set_xticks([*sorted(counts), right * 2.1], [*map(str, sorted(counts)), "best n"])
        ax.minorticks_off()
        ax.axvline(right * 1.3, color="#dddddd", linewidth=0.8)
        everything = [
            Score(s.metric, v, s.low, s.high, floors=s.floors, ceilings=s.ceilings)
            for sae, s in bounds
            for v in [*_sweep(sae, s.metric).values(), s.value]
        ]
        bounded(ax, everything)
        ax.set_title(title, loc="left")
        ax.set_xlabel("latents ablated")
        ax.set_ylabel(f"{title} score ↑")
    more = [
        Line2D([], [], color=GREY, linestyle=cast(Any, style), label=f"latents chosen {words}")
        for _, words, style in FORMS["SCR"]
    ]
    more.append(
        Line2D(
            [],
            [],
            color=GREY,
            linestyle="none",
            marker="o",
            markerfacecolor="white",
            label="best n: chosen on training games",
        )
    )
    legend(fig, [sae.arch for sae in chosen], more=more)
    l0s = ", ".join(
        f"{look(sae.arch)[0]} {sae.l0:.3g}"
        for sae in sorted(chosen, key=lambda one: ordered([s.arch for s in chosen]).index(one.arch))
    )
    return Drawn(
        f"shift-tpp-latents-{testbed}",
        fig,
        "SCR and TPP against the number of latents ablated, one SAE of each architecture at about the same L0 "
        f"({l0s}), "
        f"on {testbed}: means over pairs and families, for which the results keep no interval. At the right edge "
        "stands "
        "the score that is reported, with the number of latents chosen on training games for each pair or family, "
        "and its "
        "95 % interval over games. Dotted: the best floor and the random dictionary; dashed: the best ceiling.",
        "The SCR and TPP paper has both scores against the number of ablated latents (2 to 500) for several "
        "dictionaries; single numbers of latents are read off, without intervals. Ours are normalised by what the true "
        "direction reaches, and add a choice of latents by the labels, which is what a judge as in SHIFT would "
        "estimate.",
    )


@styled
def _sparsity(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """Scores against L0."""
    metrics = [
        ("SCR", "scr_score"),
        ("TPP", "tpp_score"),
        ("SCR, published", "scr_saebench_score"),
        ("TPP, published", "tpp_saebench_score"),
    ]
    metrics = [(title, metric) for title, metric in metrics if sum(sae.has(metric) for sae in saes) > 1]
    fig, axes = grid(1, len(metrics), size=(2.6, 2.4), extra=0.4)
    widths = sorted({sae.width for sae in saes if sae.width})
    for ax, (title, metric) in zip(axes[0], metrics, strict=True):
        drawn = [sae for sae in saes if sae.has(metric) and not math.isnan(sae.l0)]
        scores = [sae.scores[metric] for sae in drawn]
        against_l0(ax, drawn, scores, widths=widths)
        sparsity_axis(ax, drawn, "L0")
        bounded(ax, scores, l0s=[sae.l0 for sae in drawn])
        ax.set_title(title, loc="left")
        ax.set_ylabel(f"{title.partition(',')[0]} ↑")
    legend(fig, [sae.arch for sae in saes], more=width_handles(widths))
    return Drawn(
        f"shift-tpp-l0-{testbed}",
        fig,
        f"SCR and TPP against L0 of {names_of(saes)}, on {testbed}, in the form that uses the truth and in the "
        "published "
        "one. Bars are 95 % intervals over games where the results have them. Dotted: the best floor and the random "
        "dictionary; dashed: the best ceiling.",
        "The SCR and TPP paper, and SAEBench, have the scores at 20 ablated latents (10 "
        "for TPP) against L0 by architecture; SCR peaks between an L0 of 20 and 200.",
    )


@styled
def _effects(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """What ablating the latents of a value does to it, and to the other values of the same variable."""
    kept = spread_out(saes, MOST_ROWS)
    columns = ("intended", "unintended", "oracle")
    table = np.array([[_mean(sae, name) for name in columns] for sae in kept])
    margins = np.array([[_margin(sae, name) for name in columns] for sae in kept])
    fig, axes = grid(1, 2, size=(3.3, max(3.2, 1.0 + 0.17 * len(kept))), extra=0.35)
    heat, cloud = axes[0]
    finite = table[np.isfinite(table)]
    image = heat.imshow(table, cmap=SEQUENTIAL, aspect="auto", vmin=0, vmax=max(float(finite.max()), 1e-6))
    middle = float(finite.max()) / 2
    for i in range(len(kept)):
        for j in range(len(columns)):
            if np.isfinite(table[i, j]):
                heat.text(
                    j,
                    i,
                    effect_text(table[i, j], margins[i, j]),
                    ha="center",
                    va="center",
                    fontsize=6.2,
                    color="white" if table[i, j] < middle else "black",
                )
    heat.set_xticks(range(len(columns)), ["intended ↑", "unintended ↓", "true\ndirection"])
    heat.xaxis.tick_top()
    heat.set_yticks(
        range(len(kept)),
        [f"{look(sae.arch)[0]}, L0 {sae.l0:.3g}" + (f", {sae.width}" if sae.width else "") for sae in kept],
        fontsize=6.5,
    )
    heat.tick_params(length=0)
    for side in ("left", "bottom"):
        heat.spines[side].set_visible(False)
    bar = fig.colorbar(image, ax=heat, location="bottom", shrink=0.8, aspect=26)
    bar.set_label("loss of the probe's logit margin")
    bar.outline.set_linewidth(0)
    chosen = _middle(saes)
    for sae in chosen:
        _, colour, marker = look(sae.arch)
        table_of = sae.scores["tpp_score"].features
        x, y = (
            np.array([np.nan if v is None else v for v in table_of[name]], float) for name in ("unintended", "intended")
        )
        cloud.plot(x, y, linestyle="none", marker=marker, markersize=3, color=colour, alpha=0.35, markeredgewidth=0)
        cloud.errorbar(
            np.nanmean(x),
            np.nanmean(y),
            xerr=_margin(sae, "unintended"),
            yerr=_margin(sae, "intended"),
            color=colour,
            marker=marker,
            markersize=7,
            elinewidth=1.2,
            markeredgecolor="black",
            markeredgewidth=0.6,
            zorder=4,
        )
    widest = max(v for sae in chosen for v in sae.scores["tpp_score"].features["unintended"] if v is not None)
    highest = cloud.get_ylim()[1]
    low, high = min(0.0, cloud.get_ylim()[0]), highest
    (floor,) = cloud.plot([low, high], [low, high], color=GREY, linestyle=":", linewidth=0.9, zorder=0.5)
    floor.set_label("as much damage as effect (floor)")
    cloud.set_xlim(min(-0.02, cloud.get_xlim()[0]), min(high, max(1.4 * widest, 0.3 * high)))
    cloud.set_ylim(low, high)
    cloud.axvline(0, color=GREY, linewidth=0.6, zorder=0.4)
    cloud.set_xlabel("unintended: mean over the other values ←")
    cloud.set_ylabel("intended: the value itself ↑")
    legend(fig, [sae.arch for sae in chosen], more=[floor])
    families = sorted({len(sae.scores["tpp_score"].features["family"]) for sae in kept})
    left_out = f" {len(saes) - len(kept)} further dictionaries are not in the matrix." if len(saes) > len(kept) else ""
    return Drawn(
        f"shift-tpp-effects-{testbed}",
        fig,
        f"Effect of ablating the latents chosen for each value of a variable on {testbed}, in units of the probe's "
        "logit "
        f"margin, mean over {' to '.join(map(str, families))} rows of families with 1.96 standard errors over them: "
        "on the "
        "value itself (intended), on the other values of the same variable (unintended), and what projecting out the "
        "true "
        f"direction reaches.{left_out} Right: one SAE of each architecture, small marks are families, large ones their "
        "means. Left of the dotted line an ablation hits its own value more than the others.",
        "The published score is a mean over a matrix of class ablated by class probed; results here keep "
        "for each family the mean of the diagonal and of the rest.",
    )


def _mean(sae: SAE, name: str) -> float:
    values = [v for v in sae.scores["tpp_score"].features[name] if v is not None]
    return float(np.mean(values)) if values else math.nan


def spread_out(saes: Sequence[SAE], most: int) -> list[SAE]:
    """At most so many dictionaries, of every architecture about as many, spread over its widths and L0s."""
    kept: list[SAE] = []
    archs = ordered([sae.arch for sae in saes])
    for number, arch in enumerate(archs):
        own = sorted((sae for sae in saes if sae.arch == arch), key=lambda sae: (sae.width, sae.l0, sae.name))
        room = (most - len(kept)) // (len(archs) - number)  # what one leaves over goes to the next
        if len(own) > room:
            own = [own[round(at)] for at in np.linspace(0, len(own) - 1, room)]
        kept += own
    return kept


def _margin(sae: SAE, name: str) -> float:
    values = [v for v in sae.scores["tpp_score"].features[name] if v is not None]
    return 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def effect_text(value: float, margin: float) -> str:
    """A cell of the matrix: zeros before the point are left out, and a margin that is not known is not zero.

    >>> effect_text(0.5, 0.1), effect_text(10.52, 0.08), effect_text(-0.25, float("nan"))
    ('.50 ± .10', '10.52 ± .08', '-.25')
    """
    known = f"{value:.2f}" if math.isnan(margin) else f"{value:.2f} ± {margin:.2f}"
    return re.sub(r"(?<!\d)0\.", ".", known)
