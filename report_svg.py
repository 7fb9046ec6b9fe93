"""Charts of a report as inline SVG: bars between floor and ceiling, histograms, and heat maps on a board.

Colours and fonts come from the page's style sheet (`report_html.py`), so that dark mode needs no second drawing. Role
and side are told by shape as well as by colour.
"""

import html
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .report_compare import NAN, interval_text, number, printable

WIDTH = 400  # of a chart in its own units; the page scales it
_PAD, _ROW, _TOP = 10, 32, 8
_SQUARE = re.compile(r"\b([a-p])([1-9][0-9]?)\b")
_CELL, _MARGIN = 20, 14


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart; NaN for whatever is not known.

    Attributes:
        label: name of the dictionary or control.
        role: `dictionary` (a bar from its floor), `floor` or `ceiling` (a mark).
        value: of the metric.
        low: lower end of the interval.
        high: upper end.
        floor: best floor of this line.
        ceiling: best ceiling.
        normalised: 0 at the floor, 1 at the ceiling.
        mark: significance mark to print behind the value.
    """

    label: str
    role: str
    value: float
    low: float = NAN
    high: float = NAN
    floor: float = NAN
    ceiling: float = NAN
    normalised: float = NAN
    mark: str = ""


def escape(text: str) -> str:
    """Text as it may stand in HTML and XML, in elements and attributes."""
    return html.escape(printable(text), quote=True)


def shorten(text: str, width: int) -> str:
    """Text cut in the middle to at most `width` columns (wide characters count two)."""

    def columns(part: str) -> int:
        return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in part)

    width = max(width, 1)
    if columns(text) <= width:
        return text
    head, tail = text, text
    while columns(head) > (width - 1) // 2:
        head = head[:-1]
    while columns(tail) > width - 1 - (width - 1) // 2:
        tail = tail[1:]
    return f"{head}…{tail}"


def ticks(values: Iterable[float], n: int = 5) -> list[float]:
    """About `n` round numbers that span the `values` (all but NaN and the absurdly large); [0, 1] if there are none."""
    finite = [value if abs(value) > 1e-30 else 0.0 for value in values if abs(value) < 1e30]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-300):
        low, high = min(0.0, low), max(0.0, high) or 1.0
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def bar_chart(bars: Sequence[Bar], *, title: str, description: str, identifier: str, beside: Sequence[Bar] = ()) -> str:
    """Horizontal bars, one line each: the span from floor to ceiling, the value in it, and its interval.

    Args:
        bars: in the order in which they are drawn.
        title: what is measured.
        description: the chart in words, for those who cannot see it.
        identifier: unique on the page; a letter first.
        beside: bars of other charts that shall have the same axis.

    Returns:
        An `<svg>` element. Controls out of the range of the dictionaries become arrows at the edge.
    """
    own = [bar for bar in bars if bar.role == "dictionary"] or list(bars)
    described = not any(math.isfinite(bar.floor) for bar in own)  # without a floor, lengths count from zero
    scale = ticks([0.0] * described + _extent(bars, [*own, *beside]))
    first, last = scale[0], scale[-1]

    def x(value: float) -> str:
        inside = min(max((value - first) / (last - first), 0.0), 1.0)
        return f"{_PAD + inside * (WIDTH - 2 * _PAD):.1f}"

    bottom = _TOP + _ROW * len(bars)
    parts = [f'<path class="grid" d="M{x(tick)} {_TOP}V{bottom}"/>' for tick in scale]
    parts += [f'<text class="tick" x="{x(tick)}" y="{bottom + 13}">{number_short(tick)}</text>' for tick in scale]
    for i, bar in enumerate(bars):
        top = _TOP + _ROW * i
        value = f"{number(bar.value)}{bar.mark}"
        if math.isfinite(bar.normalised):
            value += f" ({bar.normalised:.2f})" if abs(bar.normalised) < 100 else f" ({number(bar.normalised)})"
        full = f"{bar.label}: {value} {interval_text(bar.low, bar.high)}"
        parts.append(f'<g class="{escape(bar.role)}"><title>{escape(full)}</title>')
        label = shorten(printable(bar.label), 58 - len(value))
        parts.append(f'<text x="{_PAD}" y="{top + 12}">{escape(label)}</text>')
        parts.append(f'<text class="number" x="{WIDTH - _PAD}" y="{top + 12}">{escape(value)}</text>')
        parts += [*_marks(bar, top + 22, x, (first, last), described), "</g>"]
    return _svg(WIDTH, bottom + 20, parts, title, description, identifier, "chart")


def _extent(bars: Sequence[Bar], own: Sequence[Bar]) -> list[float]:
    """Numbers that the axis must hold: all of the dictionaries', and of the controls those that are not far off."""
    held = [x for bar in own for x in (bar.value, bar.low, bar.high, bar.floor, bar.ceiling) if math.isfinite(x)]
    if not held:
        return []
    low, high = min(held), max(held)
    near = low - (high - low) / 2, high + (high - low) / 2
    others = [x for bar in bars for x in (bar.value, bar.low, bar.high)]
    return [*held, *(x for x in others if near[0] <= x <= near[1])]


def _marks(bar: Bar, y: int, x: Callable[[float], str], span: tuple[float, float], described: bool) -> list[str]:
    """Everything of one line but its text."""
    parts: list[str] = []
    if bar.role == "dictionary":
        if math.isfinite(bar.floor) and math.isfinite(bar.ceiling):
            parts.append(_rect("span", x(bar.floor), x(bar.ceiling), y, 10))
        start = 0.0 if described else bar.floor
        if math.isfinite(bar.value) and math.isfinite(start):
            below = math.isfinite(bar.ceiling) and (bar.value - start) * (bar.ceiling - start) < 0
            parts.append(_rect("below" if below else "bar", x(start), x(bar.value), y, 10))
        for name, bound, hook in (("at-floor", bar.floor, 4), ("at-ceiling", bar.ceiling, -4)):
            if math.isfinite(bound):
                inward = hook if not bar.floor > bar.ceiling else -hook
                parts.append(f'<path class="{name}" d="M{x(bound)} {y - 6}m{inward} 0h{-inward}v12h{inward}"/>')
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        ends = "".join(f"M{x(end)} {y - 3}v6" for end in (bar.low, bar.high))
        parts.append(f'<path class="whisker" d="M{x(bar.low)} {y}H{x(bar.high)}{ends}"/>')
    if math.isfinite(bar.value):
        if not span[0] <= bar.value <= span[1]:
            toward = 6 if bar.value > span[1] else -6
            parts.append(f'<path class="dot" d="M{x(bar.value)} {y}l{-toward} -5v10z"/>')
        elif bar.role == "ceiling":
            parts.append(f'<path class="dot" d="M{x(bar.value)} {y - 5}l5 5l-5 5l-5 -5z"/>')
        elif bar.role == "floor":
            parts.append(f'<circle class="dot" cx="{x(bar.value)}" cy="{y}" r="4"/>')
        elif described or not math.isfinite(bar.floor):
            parts.append(f'<rect class="dot" x="{float(x(bar.value)) - 2:.1f}" y="{y - 5}" width="4" height="10"/>')
    return parts


def _rect(name: str, a: str, b: str, y: int, height: int) -> str:
    left, right = sorted((float(a), float(b)))
    return f'<rect class="{name}" x="{left:.1f}" y="{y - height // 2}" width="{right - left:.1f}" height="{height}"/>'


@dataclass(frozen=True)
class Histogram:
    """Counts of two kinds in the same bins, stacked.

    Attributes:
        edges: ends of the bins, one more than there are counts.
        others: the upper part of every column, in the second colour.
        counts: the lower part.
        limit: a value to mark by a dashed line, or None.
    """

    edges: Sequence[float]
    others: Sequence[int]
    counts: Sequence[int]
    limit: float | None = None


def histogram(of: Histogram, *, title: str, description: str, identifier: str) -> str:
    """Columns from left to right; heights as square roots, so that rare large values stay visible beside common ones.

    Args:
        of: what is drawn.
        title: what is counted.
        description: the chart in words.
        identifier: unique on the page; a letter first.

    Returns:
        An `<svg>` element.
    """
    low, high = of.edges[0], of.edges[-1]
    most = max([1, *(a + b for a, b in zip(of.counts, of.others, strict=True))])
    bottom, tall, left = 136, 120, 34

    def x(value: float) -> float:
        return left + (value - low) / ((high - low) or 1.0) * (WIDTH - left - _PAD)

    def y(count: float) -> float:
        return bottom - tall * math.sqrt(count / most)

    levels = sorted({level for level in (1, most // 16, most // 4, most) if level >= 1})
    parts = [f'<path class="grid" d="M{left} {y(level):.1f}H{WIDTH - _PAD}"/>' for level in levels]
    above = math.inf
    for level in levels:  # no two numbers of the axis may meet
        if above - y(level) >= 11 or above == math.inf:
            parts.append(f'<text class="tick" x="{left // 2}" y="{y(level) + 4:.1f}">{number_short(level)}</text>')
            above = y(level)
    for i, (lower, upper) in enumerate(zip(of.counts, of.others, strict=True)):
        start, end = x(of.edges[i]), x(of.edges[i + 1])
        said = f"{number(of.edges[i])} to {number(of.edges[i + 1])}: {lower} and {upper}"
        parts.append(f"<g><title>{escape(said)}</title>")
        for name, count, base in (("bar", lower, 0), ("other", upper, lower)):
            if count:
                height = y(base) - y(base + count)
                where = f'x="{start + 0.5:.1f}" y="{y(base + count):.1f}" width="{max(end - start - 1, 0.5):.1f}"'
                parts.append(f'<rect class="{name}" {where} height="{height:.1f}"/>')
        parts.append("</g>")
    scale = [tick for tick in ticks([low, high]) if low <= tick <= high]
    parts += [f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 14}">{number_short(tick)}</text>' for tick in scale]
    if of.limit is not None:
        parts.append(f'<path class="limit" d="M{x(min(max(of.limit, low), high)):.1f} {bottom - tall}V{bottom}"/>')
    return _svg(WIDTH, bottom + 20, parts, title, description, identifier, "chart")


def square(name: str) -> tuple[int, int] | None:
    """File and rank, from 0, of the one square that a feature name such as `mine on c4` mentions; None otherwise."""
    found = set(_SQUARE.findall(name))
    if len(found) != 1:
        return None
    file, rank = found.pop()
    return ord(file) - ord("a"), int(rank) - 1


def board(
    values: Mapping[tuple[int, int], float],
    *,
    size: int,
    first_rank_on_top: bool,
    title: str,
    description: str,
    identifier: str,
    limits: tuple[float, float] = (0.0, 1.0),
) -> str:
    """A heat map: the stronger the colour, the higher the value.

    Args:
        values: (file, rank) from 0 -> value; squares that are missing or NaN are crossed out.
        size: of the board.
        first_rank_on_top: as Othello is drawn; chess has its first rank below.
        title: what is shown.
        description: the map in words.
        identifier: unique on the page; a letter first.
        limits: values of the weakest and the strongest colour.

    Returns:
        An `<svg>` element.
    """
    parts: list[str] = []
    for rank in range(size):
        top = _MARGIN + _CELL * (rank if first_rank_on_top else size - 1 - rank)
        for file in range(size):
            left, value = _MARGIN + _CELL * file, values.get((file, rank), NAN)
            name = f"{chr(ord('a') + file)}{rank + 1}"
            where = f'x="{left}" y="{top}" width="{_CELL}" height="{_CELL}"'
            if math.isnan(value):
                parts.append(f'<rect class="none" {where}><title>{name}: no value</title></rect>')
                parts.append(f'<path class="cross" d="M{left + 6} {top + 6}l8 8m0 -8l-8 8"/>')
            else:
                shade = min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)
                title_element = f"<title>{name}: {number(value)}</title>"
                parts.append(f'<rect class="heat" {where} fill-opacity="{shade:.2f}">{title_element}</rect>')
        parts.append(f'<text class="tick" x="{_MARGIN // 2}" y="{top + 14}">{rank + 1}</text>')
    for file in range(size):
        parts.append(
            f'<text class="tick" x="{_MARGIN + _CELL * file + _CELL // 2}" y="10">{chr(ord("a") + file)}</text>'
        )
    side = _MARGIN + _CELL * size + 1
    return _svg(side, side, parts, title, description, identifier, "board")


def number_short(value: float) -> str:
    """A number for an axis."""
    return f"{value:g}" if abs(value) < 1e5 else f"{value:.1e}"


def _svg(
    width: int, height: int, parts: Sequence[str], title: str, description: str, identifier: str, name: str
) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="{identifier}-t {identifier}-d"><title id="{identifier}-t">{escape(title)}</title>'
        f'<desc id="{identifier}-d">{escape(description)}</desc>{"".join(parts)}</svg>'
    )
