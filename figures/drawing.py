"""What several figures draw: points with intervals, floors and ceilings with their names, curves against L0."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..metrics import METRICS
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
CEILING = (6, 2, 0)  # an asterisk of six arms
DASHED = (0, (3, 1.5))
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
            short = re.sub(r" \(.*\)$", "", name)
            low, high = found.get(short, (value, value))
            found[short] = (min(low, value), max(high, value))
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
    if metric in METRICS and METRICS[metric].direction == "none":
        return
    shown: list[tuple[str, float, float, str]] = []
    for kind in ("floors", "ceilings"):
        there = levels(scores, kind)
        best = strongest(there, metric)
        wanted = [name for name in dict.fromkeys([best, *(also if kind == "floors" else ())]) if name in there]
        shown += [(name, *there[name], kind) for name in wanted if name is not None]
    values = [value for score in scores for value in (score.value, score.low, score.high) if not math.isnan(value)]
    low, high = min(values), max(values)
    span = max(high - low, 0.02 * max(abs(high), abs(low)), 1e-9)
    reach = (low - REACH * span, high + REACH * span)
    lower = lower_is_better(metric)
    near = [one for one in shown if reach[0] <= (one[1] if lower else one[2]) <= reach[1]]
    reached = [min(max(end, reach[0]), reach[1]) for one in near for end in one[1:3]]
    low, high = min([low, *reached]), max([high, *reached])
    pad = 0.06 * (high - low or span)
    ax.set_ylim(low - pad, high + pad)
    marks: list[tuple[float, str, float | None]] = []
    for name, bottom, top, kind in shown:
        short = SHORT.get(name, name)
        if (name, bottom, top, kind) not in near:
            below = bottom < low
            at = (bottom, top) if f"{bottom:.2f}" != f"{top:.2f}" else (top,)
            marks.append(
                (0.0 if below else 1.0, f"{'↓' if below else '↑'} {short} {' to '.join(map(_brief, at))}", None)
            )
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
        marks.append(((level - low + pad) / (high - low + 2 * pad), short, level))
    if names:
        write_levels(ax, marks)


def _follow(ax: Any, scores: Sequence[Score], l0s: Sequence[float], name: str, kind: str, style: str) -> float:
    """Draw a bound that depends on the L0, a line a width; the best value at a right end."""
    lower = lower_is_better(scores[0].metric)
    best = min if lower else max
    lines: dict[str, dict[float, float]] = {}
    for score, l0 in zip(scores, l0s, strict=True):
        if math.isnan(l0) or l0 <= 0:
            continue
        place = round(math.log2(l0) * 4) / 4
        for full, value in getattr(score, kind).items():
            if full.partition(" (")[0] == name and value is not None and math.isfinite(value):
                line = lines.setdefault(full.partition(" (")[2].partition(",")[0], {})
                line[place] = best(line.get(place, value), value)
    for line in lines.values():
        x = sorted(line)
        ax.plot([2**at for at in x], [line[at] for at in x], color=GREY, linestyle=style, linewidth=1.0, zorder=0.5)
    return best(line[max(line)] for line in lines.values())


def _brief(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def write_levels(ax: Any, marks: Sequence[tuple[float, str, float | None]]) -> None:
    """Names beside the panel, moved apart where they would overlap."""
    height = 0.068
    places = sorted(marks, key=lambda one: one[:2])
    at = [min(max(place, 0.0), 1.0) for place, _, _ in places]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + height)
    top = 1.0
    for i in reversed(range(len(at))):  # and down again from the upper edge
        at[i] = min(at[i], top)
        top = at[i] - height
    for y, (_, text, level) in zip(at, places, strict=True):
        note = ax.annotate(
            text, (1.015, y), xycoords="axes fraction", fontsize=6.5, color=GREY, va="center", annotation_clip=False
        )
        note.bound_at = level  # for an axis that is stretched later


def point(
    ax: Any,
    x: Score | float,
    y: Score,
    arch: str,
    *,
    size: float = 5.0,
    filled: bool = True,
    colour: Any = None,
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
    own = look(arch)[1]
    at = x.value if isinstance(x, Score) else x
    bar: dict[str, Any] = {"color": GREY if colour is not None else own, "linewidth": 0.8, "alpha": 0.75, "zorder": 2}
    if math.isfinite(y.low) and math.isfinite(y.high):
        ax.plot([at, at], [min(y.low, y.value), max(y.high, y.value)], **bar)
    if isinstance(x, Score) and math.isfinite(x.low) and math.isfinite(x.high):
        ax.plot([min(x.low, at), max(x.high, at)], [y.value, y.value], **bar)
    ax.plot([at], [y.value], linestyle="none", zorder=3, **mark(arch, size=size, filled=filled, colour=colour))


def mark(arch: str, *, size: float = 5.0, filled: bool = True, colour: Any = None) -> dict[str, Any]:
    """An architecture's mark, as `plot` takes it; areas of all shapes look alike."""
    _, own, shape = look(arch)
    thin = shape in ("P", "*", "X")  # a light edge would leave nothing of their arms
    edge = GREY if colour is not None else own if thin or not filled else "white"
    return {
        "marker": shape,
        "markersize": size * {"*": 1.45, "P": 1.2, "X": 1.2, "D": 0.9}.get(shape, 1.0),
        "markerfacecolor": (own if colour is None else colour) if filled else "white",
        "markeredgecolor": edge,
        "markeredgewidth": 0.5 if filled else 1.0,
    }


def sparsity_axis(ax: Any, saes: Iterable[SAE], label: str = "L0, latents active a position") -> None:
    """A logarithmic axis with powers of two as its ticks, which L0s are mostly aimed at."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    known = sorted(sae.l0 for sae in saes if math.isfinite(sae.l0) and sae.l0 > 0)
    if not known:
        return
    low, high = known[0], known[-1]
    ax.set_xscale("log")
    ticks = [2.0**e for e in range(-3, 14) if low / 1.3 <= 2.0**e <= high * 1.3]
    if len(ticks) < 2:
        ticks = [
            m * 10.0**e for e in range(-2, 5) for m in (1, 1.5, 2, 3, 4, 6) if low / 1.4 <= m * 10.0**e <= high * 1.4
        ]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlim(min(low, *ticks) / 1.18, max(high, *ticks) * 1.18)
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
        near: dict[float, list[tuple[float, float]]] = {}  # trainings at about the same L0 are averaged
        for sae, score in members:
            place = round(math.log2(sae.l0) * 3) / 3 if sae.l0 > 0 else -9.0
            near.setdefault(place, []).append((sae.l0, score.value))
        centres = [[sum(column) / len(column) for column in zip(*group, strict=True)] for group in near.values()]
        ax.plot(
            [x for x, _ in centres],
            [y for _, y in centres],
            color=look(arch)[1],
            linewidth=1.1 if last else 0.8,
            linestyle="-" if last else DASHED,
            alpha=0.85,
            zorder=1.5,
        )
        for sae, score in members:
            point(ax, sae.l0, score, arch, size=4.5 if last else 4.0, filled=last)


def width_handles(widths: Sequence[int]) -> list[Any]:
    """What the legend says of widths; nothing for a single one."""
    from matplotlib.lines import Line2D

    if len(widths) < 2:
        return []
    return [
        Line2D(
            [],
            [],
            color=GREY,
            linestyle="-" if width == widths[-1] else DASHED,
            marker="o",
            markersize=4,
            markerfacecolor=GREY if width == widths[-1] else "white",
            label=f"{width} latents",
        )
        for width in widths
    ]


def arrow(metric: str) -> str:
    """Which way is good, in a sign; nothing for a metric that only describes."""
    if metric in METRICS and METRICS[metric].direction == "none":
        return ""
    return "↓" if lower_is_better(metric) else "↑"


def empty(ax: Any, what: str, command: str) -> None:
    """A panel that says what is missing and what makes it."""
    import textwrap

    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    text = "\n".join(textwrap.wrap(what, 30)) + "\n\n" + "\n".join(textwrap.wrap(command, 30))
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=6.5, color=GREY)


def beside(ax: Any, names: Sequence[tuple[str, float, float]], taken: Sequence[tuple[float, float]]) -> None:
    """Write names beside their points, where they hide least; call when the limits are set.

    Args:
        ax: the panel.
        names: text, x and y of each.
        taken: x and y of everything else that should stay in sight.
    """
    box = ax.get_position()
    width = box.width * ax.figure.get_figwidth() * 0.8  # of the panel, inches, once names beside it have their room
    height = box.height * ax.figure.get_figheight() * 0.8
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()

    def inches(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left) * width, (y - low) / (high - low) * height

    points = [inches(x, y) for x, y in [*taken, *((x, y) for _, x, y in names)]]
    placed: list[tuple[float, float, float, float]] = []
    for text, x, y in names:
        at = inches(x, y)
        wide, tall = 0.043 * len(text) + 0.02, 0.09
        best: tuple[float, int, tuple[float, float, float, float], tuple[float, float], str] | None = None
        for number, (dx, dy, side) in enumerate(_AROUND):
            x0 = at[0] + dx - (0 if side == "left" else wide if side == "right" else wide / 2)
            rectangle = (x0, at[1] + dy - tall / 2, x0 + wide, at[1] + dy + tall / 2)
            cost = sum(_inside(point, rectangle) for point in points) + 20.0 * sum(_cross(rectangle, o) for o in placed)
            cost += 4.0 * (rectangle[0] < 0 or rectangle[2] > width or rectangle[1] < 0 or rectangle[3] > height)
            if best is None or cost < best[0]:
                best = (cost, number, rectangle, (dx, dy), side)
        assert best is not None
        placed.append(best[2])
        note = ax.annotate(
            text,
            (x, y),
            xytext=(best[3][0] * 72, best[3][1] * 72),
            textcoords="offset points",
            fontsize=6,
            color="#333333",
            ha=best[4],
            va="center",
            zorder=1.9,  # marks stay whole
        )
        halo(note)


_AROUND = tuple(
    (dx * reach, dy * reach, side)
    for reach in (1.0, 1.9, 2.8)
    for dx, dy, side in (
        (0.06, 0.0, "left"), (-0.06, 0.0, "right"), (0.0, 0.09, "center"), (0.0, -0.09, "center"),
        (0.05, 0.08, "left"), (0.05, -0.08, "left"), (-0.05, 0.08, "right"), (-0.05, -0.08, "right"),
    )
)  # fmt: skip


def _inside(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    edge = 0.05  # half of a mark, and a little
    return box[0] - edge < point[0] < box[2] + edge and box[1] - edge < point[1] < box[3] + edge


def _cross(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def halo(text: Any) -> None:
    """A white rim, so that text can be read on lines and bars."""
    from matplotlib.patheffects import Normal, Stroke

    text.set_path_effects([Stroke(linewidth=1.8, foreground="white"), Normal()])
