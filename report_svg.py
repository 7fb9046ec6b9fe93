"""Histograms of the static pages as inline SVG, and the texts and ticks of such charts.

Colours and fonts come from the page's style sheet (`report_css.py`), so that dark mode needs no second drawing.
"""

import html
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .report_compare import number, printable

WIDTH = 400  # of a chart in its own units; the page scales it
_PAD = 10


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
