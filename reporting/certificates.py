"""Certificates of metrics, small enough for a report page: what passes, what fails, and why, check by check.

Certificates come as the JSON that `fiducial certify` writes.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

# What each check asks, as a heading's explanation.
CHECKS = {
    "top": "Does nothing score better than the right dictionary?",
    "order": "Does more damage score worse, for every damage that the metric says it notices?",
    "range": "Is the right dictionary further from a worthless one than noise?",
    "noise": "Is the smallest difference that can be told below a tenth of the range?",
    "truth": "Does it rank trained SAEs as the known truth does?",
    "training": "Does it rank snapshots of one training run in their order?",
    "gaming": "Do edits that leave the truth as it is fail to raise it?",
    "labels": "With shuffled labels, is its credit gone (or does it read none)?",
}
_SCHEMA = 1
_EXACT = 1e-9  # a difference below this is rounding


def is_certificate(content: Any) -> bool:
    """Whether JSON content looks like a certificate."""
    return (
        isinstance(content, Mapping)
        and {"schema", "provenance", "rows"} <= set(content)
        and isinstance(content["rows"], list)
        and all(isinstance(row, Mapping) and {"metric", "testbed", "verdict"} <= set(row) for row in content["rows"])
    )


def certificate_block(content: Any, source: str = "certificate") -> dict[str, Any]:
    """What a page needs of one certificate.

    Args:
        content: JSON of a certificate.
        source: where it is from, for errors.

    Returns:
        `testbed`, `about` (a sentence) and `rows`: `metric`, `role`, `verdict`, `advice`, `checks` (check -> True,
        False, or None for not asked) and `why` (check -> the figure behind it in words).

    Raises:
        ValueError: not a certificate, or of another schema.
    """
    if not is_certificate(content):
        raise ValueError(f"{source} is not a certificate: no rows with metric, testbed and verdict")
    if content["schema"] != _SCHEMA:
        raise ValueError(f"{source}: a certificate of schema {_SCHEMA} was expected, got {content['schema']!r}")
    try:
        rows = [_row(row) for row in content["rows"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{source} is not a whole certificate: {type(error).__name__} {error}") from error
    provenance = content["provenance"]
    name = provenance.get("testbed") or next((row["testbed"] for row in content["rows"]), "")
    return {"testbed": str(name), "about": _about(provenance), "rows": rows}


def certificate_blocks(contents: Iterable[Any]) -> list[dict[str, Any]]:
    """Blocks of several certificates, by testbed; of two on one testbed the later one counts, metric by metric."""
    found: dict[str, dict[str, Any]] = {}
    for content in contents:
        block = certificate_block(content)
        before = found.get(block["testbed"])
        if before is not None:
            rows = {row["metric"]: row for row in (*before["rows"], *block["rows"])}
            block = {**block, "rows": list(rows.values())}
        found[block["testbed"]] = block
    return list(found.values())


def default_certificates() -> list[dict[str, Any]]:
    """The certificates that ship with the package, as JSON content; none if it has none."""
    folder = files("fiducial") / "data" / "certificates"
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".json"))
    contents = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    return [content for content in contents if is_certificate(content)]


def _about(provenance: Mapping[str, Any]) -> str:
    """What was done, in a sentence."""
    parts: list[str] = []
    if provenance.get("games"):
        parts.append(f"{provenance['games']} games")
    if rungs := provenance.get("rungs"):
        parts.append(f"{len(rungs)} dictionaries of known damage")
    if trained := provenance.get("trained"):
        parts.append(f"{len(trained)} trained SAEs and snapshots")
    if provenance.get("samples"):
        parts.append(f"{provenance['samples']} fresh samples")
    top = f"; on top should be: {provenance['base']}" if provenance.get("base") else ""
    return ", ".join(parts) + top


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    checks = {name: row["checks"].get(name) for name in CHECKS}
    return {
        "metric": str(row["metric"]),
        "role": str(row["role"]),
        "verdict": str(row["verdict"]),
        "advice": str(row["advice"]),
        "checks": checks,
        "why": {name: reason for name in CHECKS if (reason := _why(name, row)) and checks[name] is not None},
    }


def _why(check: str, row: Mapping[str, Any]) -> str:
    """The figure behind a check in words; empty where it was not asked."""
    floor, ceiling = _number(row["floor"]), _number(row["ceiling"])
    span = 0.0 if row["floor"] is None or row["ceiling"] is None else abs(row["ceiling"] - row["floor"])
    if check == "top":
        if not row["rival"]:
            return f"Nothing beats the right dictionary, which scores {ceiling}."
        over = f" by {_share(row['margin'] / span)} of the range" if span and row["margin"] is not None else ""
        return f"{row['rival']} scores better than the right dictionary{over}."
    if check == "order":
        order = row["order"]
        shared = (
            "" if order["right"] is None else f"{_share(order['right'])} of {order['n_pairs']} known pairs in order"
        )
        return _sentence(shared, _listed("does not notice", order["missed"]), _listed("blind to", order["blind"]))
    if check == "range":
        return f"From {floor} ({row['floor_name']}) to {ceiling} (the right dictionary)."
    return _with_figures(check, row, span)


def _with_figures(check: str, row: Mapping[str, Any], span: float) -> str:
    if check == "labels":
        moved, kept = row["leak"]["moved"], row["leak"]["kept"]
        if moved is not None:
            return "Reads no labels." if row["checks"].get("labels") else f"Moved by {moved:.2g} with shuffled labels."
        if kept is None:
            return ""
        return (
            f"{_share(kept)} of the credit is left with shuffled labels." if kept > 0 else "Shuffled labels: none left."
        )
    figures = row[check]
    if figures is None:
        return ""
    if check == "noise":
        least, fresh = figures["detectable"], f"{figures['n_samples']} fresh samples"
        if least is not None and least < _EXACT:
            return f"The same on {fresh}."
        share = f", {_share(least / span)} of the range" if span and least else ""
        return f"Differences below {_number(least)} are noise{share} ({fresh})."
    if check in ("truth", "training"):
        asked = "the true recovery" if check == "truth" else "the order of training"
        between = f"[{_number(figures['low'])}, {_number(figures['high'])}]"
        return f"Rank correlation with {asked} {_number(figures['value'])} {between} over {figures['n']} SAEs or runs."
    if figures["gain"] is None:
        return "It has no range to gain in."
    if not figures["edit"]:
        return f"None of {figures['n_edits']} edits raised it."
    return f"{figures['edit']} raises it by {_share(figures['gain'])} of the range, best of {figures['n_edits']} edits."


def _listed(verb: str, names: list[str]) -> str:
    return f"{verb} {', '.join(names)}" if names else ""


def _sentence(*parts: str) -> str:
    text = "; ".join(part for part in parts if part)
    return text[:1].upper() + text[1:] + "." if text else ""


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
