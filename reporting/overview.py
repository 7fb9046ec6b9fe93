"""What the page says without its scripts: the headline, and a table of the main scores of each testbed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..report_compare import ABSENT, interval_text, number
from ..report_svg import escape

_COLUMNS = 6
_FIRST = ("l0", "coverage", "reconstruction", "recovery_score", "edit_success_score", "explained_variance_score")


def sentences(headline: Sequence[str]) -> str:
    """The headline: its first sentence, then the others as a list if there are several."""
    if len(headline) < 3:
        return f'<p class="headline">{escape(" ".join(headline))}</p>'
    items = "".join(f"<li>{_item(sentence)}</li>" for sentence in headline[1:])
    return f'<p class="headline">{escape(headline[0])}</p><ul class="headline">{items}</ul>'


def _item(sentence: str) -> str:
    """A sentence about a testbed, whose name stands out."""
    place, colon, rest = sentence.partition(": ")
    return f"<b>{escape(place)}</b>: {escape(rest)}" if colon else escape(sentence)


def overview(data: Mapping[str, Any]) -> str:
    """One table a testbed: value, interval, best floor and best ceiling of the main metrics of each result."""
    parts: list[str] = []
    for place in data["testbeds"]:
        results = [one for one in data["results"] if one["testbed"] == place]
        known = list(dict.fromkeys(metric for one in results for metric in one["metrics"]))
        metrics = [*(name for name in _FIRST if name in known), *(name for name in known if name not in _FIRST)]
        metrics = metrics[:_COLUMNS]
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *metrics))
        rows = "".join(
            f'<tr><th scope="row">{escape(one["name"])}</th>'
            + "".join(f"<td>{_cell(data, one, metric)}</td>" for metric in metrics)
            + "</tr>"
            for one in results
        )
        parts.append(
            f'<section><h2>{escape(place)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></section>"
        )
    return "".join(parts)


def _cell(data: Mapping[str, Any], result: Mapping[str, Any], metric: str) -> str:
    if metric not in result["metrics"]:
        return ABSENT
    value, low, high = (math.nan if x is None else float(x) for x in result["metrics"][metric])
    lines = [number(value), f"<small>{escape(interval_text(low, high))}</small>"]
    bounds = data["bounds"][result["bounds"]].get(metric, {})
    down = data["metrics"][metric]["direction"] == "down"
    for role in ("floor", "ceiling"):
        known = {name: at[0] for name, at in bounds.get(f"{role}s", {}).items() if at[0] is not None}
        if known:
            name = (min if down else max)(known, key=lambda one: known[one])
            lines.append(f'<small class="{role}">{role} {number(known[name])} {escape(name)}</small>')
    return "<br>".join(lines)
