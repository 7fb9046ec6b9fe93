"""What latents at a site of an IOI model stand for: F1 with attributes, and attributes that hide one another."""

import math
from collections.abc import Sequence

import numpy as np

from .drawing import SHORT, halo, levels
from .naming import SAE
from .style import FAINT, GREY, Drawn, below, grid, look, ordered, styled

ATTRIBUTES: dict[str, tuple[str, str]] = {  # colour, hatch
    "IO": ("#0072b2", ""),
    "S": ("#d55e00", "///"),
    "Pos": ("#009e73", "xxx"),
    "IO, Pos": ("#56b4e9", "..."),
    "S, Pos": ("#e69f00", "\\\\\\"),
    "other": ("#cc79a7", "ooo"),
    "none": ("#bdbdbd", ""),
}


@styled
def histograms(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """F1 of every latent with the value, pair or union that fits it best, on prompts that did not choose it."""
    from matplotlib.patches import Patch

    kept = [sae for sae in saes if sae.scores["interpretable_score"].features][:8]
    columns = min(4, max(2, len(kept)))
    fig, axes = grid(-(-len(kept) // columns), columns, size=(2.9, 2.3), extra=0.35)
    edges = np.linspace(0, 1, 21)
    seen: set[str] = set()
    told: list[str] = []
    for ax, sae in zip(axes.ravel(), kept, strict=False):
        score = sae.scores["interpretable_score"]
        table = score.features
        alive = [i for i, live in enumerate(table["live"]) if live]
        values: dict[str, list[float]] = {}
        for i in alive:
            attribute = table["attribute"][i]
            name = "none" if attribute is None else attribute if attribute in ATTRIBUTES else "other"
            values.setdefault(name, []).append(float(table["value"][i] or 0))
        names = [name for name in ATTRIBUTES if name in values]
        seen |= set(names)
        ax.hist(
            [values[name] for name in names], bins=edges, stacked=True, color=[ATTRIBUTES[name][0] for name in names],
            hatch=[ATTRIBUTES[name][1] for name in names], edgecolor="white", linewidth=0.3,
        )  # fmt: skip
        threshold = float(score.details.get("threshold", 0.8))
        ax.axvline(threshold, color="black", linestyle="--", linewidth=0.9)
        chance = levels([score], "floors").get("shuffled prompts", (math.nan, math.nan))[1]
        ceiling = levels([score], "ceilings").get("mean codes", (math.nan, math.nan))[1]
        share = f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
        ax.set_title(f"{sae.name}, L0 {sae.l0:.3g}: {share} at F1 ≥ {threshold:g}", loc="left", fontsize=7.5)
        told.append(
            f"{sae.name}: {len(alive)} live latents, share explained {share}, with shuffled prompts {chance:.3f}, "
            f"mean codes {ceiling:.3f}"
        )
        ax.set_xlabel("F1 with the best attribute value")
        ax.set_ylabel("live latents")
    for ax in axes.ravel()[len(kept) :]:
        ax.set_visible(False)
    handles = [
        Patch(
            facecolor=colour, hatch=hatch, edgecolor="white", label=name if name != "none" else "no explanation chosen"
        )
        for name, (colour, hatch) in ATTRIBUTES.items()
        if name in seen
    ]
    below(fig, handles)
    return Drawn(
        f"makelov2024-f1-{testbed}",
        fig,
        f"F1 of each live latent with the value, pair of values or union of up to ten values of an attribute that fits "
        f"it best, chosen on half of the prompts and measured on the other, on {testbed}. The dashed line is the "
        f"threshold of `interpretable_score`. {'; '.join(told)}.",
        "The paper has histograms of the same F1 for task and web-text SAEs, by attribute. There explanations "
        "are chosen and measured on the same prompts and unions may cover everything, so published F1s are higher; a "
        "shuffled control is not shown.",
    )


@styled
def occlusion(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """Share of an attribute's values that have a latent, against the variance with which it is written."""
    from matplotlib.lines import Line2D

    fig, axes = grid(1, 2, size=(3.2, 2.5), extra=0.35)
    left, right = axes[0]
    attributes: dict[str, float] = {}
    drawn: list[tuple[str, float, float, float, float, str, str]] = []
    for number, sae in enumerate(saes):
        score, about = sae.scores["found_values_score"], sae.scores["occlusion_error"].details
        attributes |= about["variance_shares"]
        _, colour, marker = look(sae.arch)
        for attribute in about["variance_shares"]:
            if attribute not in score.groups:
                continue
            value = score.groups[attribute]
            low, high = score.group_intervals.get(attribute, (value, value))
            shift = 0.12 * (number - (len(saes) - 1) / 2)
            drawn.append((attribute, shift, value, low, high, colour, marker))
    order = sorted(attributes, key=lambda name: attributes[name])
    for attribute, shift, value, low, high, colour, marker in drawn:
        x = order.index(attribute) + shift
        left.plot([x, x], [min(low, value), max(high, value)], color=colour, linewidth=0.9, zorder=2)
        left.plot([x], [value], color=colour, marker=marker, markersize=5.5, linestyle="none", zorder=3)
    for place, attribute in enumerate(order):
        groups = [one for sae in saes if (one := sae.group("found_values_score", attribute)) is not None]
        for kind, style in (("floors", ":"), ("ceilings", "--")):
            for _, high in levels(groups, kind).values():
                ends = [place - 0.32, place + 0.32]
                left.plot(ends, [high, high], color=GREY, linestyle=style, linewidth=1.0, zorder=1)
    left.set_xticks(range(len(order)), [f"{name}\n{attributes[name]:.1%}" for name in order])
    left.set_xlim(-0.5, len(order) - 0.5)
    left.set_ylim(-0.05, 1.08)
    left.set_xlabel("attribute, and the share of the variance it writes")
    left.set_ylabel("values with a latent of F1 > .5 ↑")
    names: list[str] = []
    for place, sae in enumerate(saes):
        score = sae.scores["occlusion_error"]
        _, colour, marker = look(sae.arch)
        right.errorbar(
            score.value,
            place,
            xerr=[[max(0, score.value - score.low)], [max(0, score.high - score.value)]],
            color=colour,
            marker=marker,
            markersize=5,
            elinewidth=1.1,
            zorder=3,
        )
        names.append(sae.name)
    bounds = [sae.scores["occlusion_error"] for sae in saes]
    for kind, style in (("floors", ":"), ("ceilings", "--")):
        for name, (low, _) in levels(bounds, kind).items():
            right.axvline(low, color=FAINT, linestyle=style, linewidth=0.9, zorder=0.5)
            note = right.annotate(
                SHORT.get(name, name),
                (low, 0.5),
                xycoords=("data", "axes fraction"),
                rotation=90,
                fontsize=6.3,
                color=GREY,
                ha="center",
                va="center",
            )
            halo(note)
    right.set_yticks(range(len(names)), names)
    right.set_ylim(-0.6, len(names) - 0.4)
    right.invert_yaxis()
    right.set_xlim(-0.03, 1.05)
    right.set_xlabel("occlusion: found less of the weaker attribute ←")
    handles = [
        Line2D([], [], linestyle="none", color=look(arch)[1], marker=look(arch)[2], label=look(arch)[0], markersize=5)
        for arch in ordered(sae.arch for sae in saes)
    ]
    handles += [
        Line2D([], [], color=GREY, linestyle=":", label="floors"),
        Line2D([], [], color=GREY, linestyle="--", label="ceilings"),
    ]
    below(fig, handles)
    return Drawn(
        f"makelov2024-occlusion-{testbed}",
        fig,
        "Left: share of an attribute's values that have a latent of their own, against the share of the variance "
        "that the "
        f"attribute writes, {len(saes)} SAEs of {testbed}; SAEs stand a little apart, for sight. Right: "
        "`occlusion_error`, "
        "how much less is found of the attribute written with less variance. Bars are 95 % intervals over prompts.",
        "The paper, and its toy model: of two attributes, an SAE learns the features of the one with the larger norm "
        "and "
        "misses those of the other, and IO occludes S in GPT-2 small. Ours is read off the trained SAEs; the toy is in "
        "docs/occlusion-and-over-splitting.md.",
    )
