"""What several figures draw: points with intervals, floors and ceilings with their names, curves against L0."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..metrics.score import Score
from .naming import SAE
from .style import FAINT, GREY, look

REACH = 0.9  # a bound further from the data than this share of their span is named at the edge instead
SHORT = {
    "random dictionary": "random dict.",
    "random-model SAE": "random model",
    "frozen-decoder SAE": "frozen decoder",
    "permuted decoder": "permuted",
}
Levels = dict[str, tuple[float, float]]


def lower_is_better(metric: str) -> bool:
    """Whether small values of the metric are good."""
    return metric.endswith("_error")


def levels(scores: Iterable[Score], kind: str) -> Levels:
    """Lowest and highest value of every floor or ceiling; names that differ in brackets only are one.

    Args:
        scores: of one metric.
        kind: `floors` or `ceilings`.

    >>> a = Score("x", 1, 1, 1, floors={"random dictionary (8, L0 2)": 0.2, "PCA": 0.5})
    >>> b = Score("x", 1, 1, 1, floors={"random dictionary (8, L0 4)": 0.3})
    >>> levels([a, b], "floors")
    {'random dictionary': (0.2, 0.3), 'PCA': (0.5, 0.5)}
    """
    found: Levels = {}
    for score in scores:
        for name, value in getattr(score, kind).items():
            if value is None or math.isnan(value):
                continue
            name = re.sub(r" \(.*\)$", "", name)
            low, high = found.get(name, (value, value))
            found[name] = (min(low, value), max(high, value))
    return found


def strongest(found: Levels, metric: str) -> str | None:
    """The name of the best level in the metric's direction."""
    if not found:
        return None
    if lower_is_better(metric):
        return min(found, key=lambda name: (found[name][0], name))
    return max(found, key=lambda name: (found[name][1], name))


def bounded(
    ax: Any,
    scores: Sequence[Score],
    *,
    also: Sequence[str] = ("random dictionary",),
    l0s: Sequence[float] | None = None,
    names: bool = True,
) -> None:
    """Draw the best floor, the floors named and the best ceiling; their names stand beside the panel.

    Call it when the data are drawn: bounds close to them widen the axis, those far away are named at its edge with an
    arrow. A bound that depends on the dictionary, such as a random one of its L0, follows the L0 where that is the
    other axis, and is a band elsewhere.

    Args:
        ax: the panel.
        scores: of one metric, all that are drawn.
        also: floors that are shown beside the best one, where there are such.
        l0s: L0 of each score, if that is the other axis.
        names: write the names.
    """
    if not scores:
        return
    metric = scores[0].metric
    shown: list[tuple[str, float, float, str]] = []
    for kind in ("floors", "ceilings"):
        there = levels(scores, kind)
        best = strongest(there, metric)
        wanted = [name for name in dict.fromkeys([best, *(also if kind == "floors" else ())]) if name in there]
        shown += [(name, *there[name], kind) for name in wanted if name is not None]
    values = [value for score in scores for value in (score.value, score.low, score.high) if not math.isnan(value)]
    low, high = min(values), max(values)
    span = max(high - low, 0.02 * max(abs(high), abs(low)), 1e-9)
    near = [one for one in shown if one[2] >= low - REACH * span and one[1] <= high + REACH * span]
    reached = [min(max(end, low - REACH * span), high + REACH * span) for one in near for end in one[1:3]]
    low, high = min([low, *reached]), max([high, *reached])
    pad = 0.06 * (high - low or span)
    ax.set_ylim(low - pad, high + pad)
    marks: list[tuple[float, str]] = []
    for name, bottom, top, kind in shown:
        short = SHORT.get(name, name)
        if (name, bottom, top, kind) not in near:
            below = bottom < low
            at = (bottom, top) if f"{bottom:.2f}" != f"{top:.2f}" else (top,)
            marks.append((0.0 if below else 1.0, f"{'↓' if below else '↑'} {short} {' to '.join(map(_brief, at))}"))
            continue
        level = bottom if lower_is_better(metric) else top
        style = ":" if kind == "floors" else "--"
        if top - bottom > 0.015 * (high - low):
            if l0s is not None:
                level = _follow(ax, scores, l0s, name, kind, style)
            else:
                ax.axhspan(bottom, top, color=FAINT, alpha=0.13, linewidth=0, zorder=0)
                ax.axhline(level, color=GREY, linestyle=style, linewidth=0.9, zorder=0.5)
        else:
            ax.axhline(level, color=GREY, linestyle=style, linewidth=0.9, zorder=0.5)
        marks.append(((level - low + pad) / (high - low + 2 * pad), short))
    if names:
        _write(ax, marks)


def _follow(ax: Any, scores: Sequence[Score], l0s: Sequence[float], name: str, kind: str, style: str) -> float:
    """Draw a bound that depends on the L0, the best of several widths; its value at the right end."""
    found: dict[float, float] = {}
    lower = lower_is_better(scores[0].metric)
    for score, l0 in zip(scores, l0s, strict=True):
        here = levels([score], kind).get(name)
        if here is None or math.isnan(l0) or l0 <= 0:
            continue
        place = round(math.log2(l0) * 4) / 4
        value = here[0] if lower else here[1]
        found[place] = (min if lower else max)(found.get(place, value), value)
    x = sorted(found)
    ax.plot([2**at for at in x], [found[at] for at in x], color=GREY, linestyle=style, linewidth=1.0, zorder=0.5)
    return found[x[-1]]


def _brief(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _write(ax: Any, marks: Sequence[tuple[float, str]]) -> None:
    """Names beside the panel, moved apart where they would overlap."""
    height = 0.068
    places = sorted(marks)
    at = [min(max(place, 0.0), 1.0) for place, _ in places]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + height)
    top = 1.0
    for i in reversed(range(len(at))):  # and down again from the upper edge
        at[i] = min(at[i], top)
        top = at[i] - height
    for y, (_, text) in zip(at, places, strict=True):
        ax.annotate(
            text, (1.015, y), xycoords="axes fraction", fontsize=6.5, color=GREY, va="center", annotation_clip=False
        )


def point(
    ax: Any, x: Score | float, y: Score, arch: str, *, size: float = 5.0, filled: bool = True, colour: Any = None
) -> None:
    """One dictionary: its interval and its mark.

    Args:
        ax: the panel.
        x: a score with an interval, or a number.
        y: a score.
        arch: says shape and colour.
        size: of the mark, points.
        filled: or only its outline.
        colour: instead of the architecture's.
    """
    _, own, marker = look(arch)
    shade = own if colour is None else colour
    at = x.value if isinstance(x, Score) else x
    ax.errorbar(
        at, y.value, yerr=_spread(y), xerr=_spread(x) if isinstance(x, Score) else None, fmt="none",
        ecolor=GREY if colour is not None else own, elinewidth=0.8, alpha=0.75, zorder=2,
    )  # fmt: skip
    edge = "white" if filled and colour is None else GREY if colour is not None else own
    face = shade if filled else "white"
    wide = 1.35 if marker == "*" else 1.0
    ax.plot(
        [at], [y.value], marker=marker, markersize=size * wide, markerfacecolor=face, markeredgecolor=edge,
        markeredgewidth=0.5 if filled else 1.0, linestyle="none", zorder=3,
    )  # fmt: skip


def _spread(score: Score) -> Any:
    """Lengths of the error bars [2, 1]; None without an interval."""
    if math.isnan(score.low) or math.isnan(score.high):
        return None
    return [[max(0.0, score.value - score.low)], [max(0.0, score.high - score.value)]]


def sparsity_axis(ax: Any, saes: Iterable[SAE], label: str = "L0, latents active a position") -> None:
    """A logarithmic axis with the L0s that were aimed at as its ticks."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    known = sorted(sae.l0 for sae in saes if not math.isnan(sae.l0) and sae.l0 > 0)
    if not known:
        return
    low, high = known[0], known[-1]
    ax.set_xscale("log")
    steps = [m * 10.0**e for e in range(-2, 5) for m in ((1, 1.5, 2, 3, 4, 6) if high < 4 * low else (1, 2, 5))]
    powers = [2.0**e for e in range(-3, 14)]
    ticks = [p for p in powers if low / 1.3 <= p <= high * 1.3]
    if len(ticks) < 2:
        ticks = [s for s in steps if low / 1.3 <= s <= high * 1.3]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlim(min(low, *ticks) / 1.18 if ticks else low / 1.2, max(high, *ticks) * 1.18 if ticks else high * 1.2)
    ax.set_xlabel(label)


def against_l0(ax: Any, saes: Sequence[SAE], scores: Sequence[Score], *, widths: Sequence[int]) -> None:
    """Scores against L0: a line an architecture and width; the widest is filled and solid, others open and dashed.

    Args:
        ax: the panel.
        saes: dictionaries.
        scores: one for each.
        widths: of all that the figure shows, the widest last.
    """
    lines: dict[tuple[str, int], list[tuple[SAE, Score]]] = {}
    for sae, score in zip(saes, scores, strict=True):
        lines.setdefault((sae.arch, sae.width), []).append((sae, score))
    for (arch, width), members in sorted(lines.items()):
        last = not widths or width == widths[-1]
        members.sort(key=lambda one: (one[0].l0, one[0].name))
        colour = look(arch)[1]
        by_l0: dict[float, list[float]] = {}
        for sae, score in members:
            by_l0.setdefault(round(sae.l0, 3), []).append(score.value)
        ax.plot(
            list(by_l0), [sum(v) / len(v) for v in by_l0.values()], color=colour, linewidth=1.1 if last else 0.8,
            linestyle="-" if last else (0, (3, 1.5)), alpha=0.85, zorder=1.5,
        )  # fmt: skip
        for sae, score in members:
            point(ax, sae.l0, score, arch, size=4.5 if last else 4.0, filled=last)


def arrow(metric: str) -> str:
    """Which way is good, in a sign."""
    return "↓" if lower_is_better(metric) else "↑"


def empty(ax: Any, what: str, command: str) -> None:
    """A panel that says what is missing and what makes it."""
    import textwrap

    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    text = "\n".join(textwrap.wrap(what, 34)) + "\n\n" + "\n".join(textwrap.wrap(command, 34))
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=7, color=GREY)


def group_levels(saes: Sequence[SAE], metric: str, group: str) -> Mapping[str, Any]:
    """Scores of a feature group of all dictionaries that have it."""
    return {sae.name: score for sae in saes if (score := sae.group(metric, group)) is not None}
