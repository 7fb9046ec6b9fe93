"""The last lines of a test run: scores that tests asked for, what the cache was good for, and the page about them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def score_lines(scores: Sequence[Mapping[str, Any]], most: int, every: bool = False) -> list[str]:
    """A table of scores, those that stand lowest between floor and ceiling first.

    Args:
        scores: records as mappings, with the `outcome` of their test.
        most: rows shown.
        every: show all.
    """
    if not scores:
        return []
    from ..report_compare import interval_text, number, printable

    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for one in scores:
        key = (one["dictionary"], one["testbed"], one["metric"], repr(one["value"]))
        if key not in found or one["outcome"] == "failed":
            found[key] = one
    ordered = sorted(found.values(), key=lambda one: (one["outcome"] != "failed", _place(one)))
    shown = ordered if every else ordered[:most]
    rows: list[tuple[str, ...]] = [("", "dictionary", "testbed", "metric", "value", "95 %", "floor", "ceiling", "0-1")]
    for one in shown:
        floor, ceiling = (
            f"{number(one[f'{side}_value'])} {one[side]}" if one[side] else "\N{EN DASH}"
            for side in ("floor", "ceiling")
        )
        rows.append(
            (
                "F" if one["outcome"] == "failed" else " ",
                *(printable(one[key])[:40] for key in ("dictionary", "testbed", "metric")),
                number(one["value"]),
                interval_text(one["low"], one["high"]),
                floor,
                ceiling,
                number(one["place"]),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(ordered) > len(shown):
        lines.append(f"   and {len(ordered) - len(shown)} more; -v shows all")
    return lines


def gain_lines(gains: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the cache was good for, in a line or two, over all workers."""
    if not gains:
        return []
    sums = {
        key: sum(gain[key] for gain in gains)
        for key in ("made", "made_s", "read", "read_s", "spared_s", "damaged", "unkept")
    }
    folder = gains[0]["folder"]
    lasting = all(gain["lasting"] for gain in gains)
    if not sums["made"] and not sums["read"]:
        return []
    parts = []
    if sums["read"]:
        spared = sums["spared_s"] - sums["read_s"]
        parts.append(
            f"{sums['read']} entries read in {sums['read_s']:.1f} s"
            + (f", {spared:.1f} s spared" if spared > 0 else "")
        )
    if sums["made"]:
        parts.append(f"{sums['made']} made in {sums['made_s']:.1f} s")
    if sums["damaged"]:
        parts.append(f"{sums['damaged']} damaged and made anew")
    lines = [f"cache: {'; '.join(parts)}" + (f" ({folder})" if lasting else "")]
    if not lasting and any(gain["readable"] for gain in gains):
        lines.append(f"cache: {folder} cannot be written, so what was made is lost with this run")
    if sums["unkept"]:
        lines.append(f"cache: {sums['unkept']} entries could not be written; is the disk full?")
    return lines


def write_page(folder: Path | None, page: Path) -> str:
    """Write the page about all reports that were left in a folder; says what came of it."""
    from ..report import Report

    reports: list[Report] = []
    for path in sorted(folder.glob("*.json")) if folder is not None else []:
        try:
            reports.append(Report.from_json(path))
        except ValueError:  # of a worker that was killed while writing; files are whole, so this is a surprise
            continue
    if not reports:
        return f"no page written to {page}: no test asked for a score"
    from ..reporting.page import write_html

    try:
        write_html(reports, page)
    except OSError as error:
        return f"no page written to {page}: {error}"
    return f"wrote {page}: {len(reports)} dictionaries on {len({report.testbed for report in reports})} testbeds"


def _place(one: Mapping[str, Any]) -> float:
    place = float(one["place"])
    return math.inf if math.isnan(place) else place
