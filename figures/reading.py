"""Reports read for figures: only what they draw, which takes a tenth of the time that the whole takes.

Hundreds of reports are read for a figure. Tables of features are kept for the few scores whose tables are drawn.
"""

import math
from collections.abc import Mapping
from typing import Any

from ..metrics.score import Score
from ..report import SCHEMA_VERSION
from .naming import SAE, described

TABLES = frozenset({"interpretable_score", "tpp_score", "scr_score"})
Key = tuple[Any, ...]


def read_report(content: Mapping[str, Any], source: str) -> tuple[Key, SAE]:
    """What a report says of its dictionary.

    Args:
        content: of the file, as JSON gives it.
        source: its name.

    Returns:
        What tells this dictionary, sample and seed from others, and the record.

    Raises:
        ValueError: a report of a later version, or one that lacks what every report has.
    """
    version = str(content.get("schema_version", ""))
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise ValueError(f"{source}: report schema {version}, this version reads {SCHEMA_VERSION.partition('.')[0]}.x")
    try:
        name, testbed = str(content["dictionary"]), str(content["testbed"])
        provenance: Mapping[str, Any] = content.get("provenance", {})
        controls = {control: scores_of(block) for control, block in content.get("controls", {}).items()}
        sae = described(name, testbed, scores_of(content), controls, provenance, source)
        return key_of(sae, provenance), sae
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{source}: a malformed fiducial report ({type(error).__name__}: {error})") from error


def key_of(sae: SAE, provenance: Mapping[str, Any]) -> Key:
    """What tells results of one dictionary on one sample from others; scores with the same key are put together."""
    about = provenance.get("dictionary") or {}
    return (sae.testbed, about.get("sha256") or sae.name, sae.step, sae.games, provenance.get("seed"))


def scores_of(block: Mapping[str, Any]) -> dict[str, Score]:
    """Scores from the flat keys of a report: `coverage`, `coverage/low`, `coverage/floors/PCA`, ..."""
    own: dict[str, dict[str, Any]] = {}
    parts: dict[str, dict[str, dict[str, float]]] = {}
    for flat, value in block["metrics"].items():
        key, *rest = flat.split("/", 2)
        if len(rest) == 2:
            parts.setdefault(key, {}).setdefault(rest[0], {})[rest[1]] = number(value)
        else:
            own.setdefault(key, {})[rest[0] if rest else "value"] = value
    order = block.get("order", {})
    details, tables = block.get("details", {}), block.get("features", {})
    found: dict[str, Score] = {}
    for key in dict.fromkeys([*(k for k in order.get("metrics", ()) if k in own), *own]):
        fields, named = own[key], parts.get(key, {})

        def of(part: str, key: str = key, named: Mapping[str, Any] = named) -> dict[str, float]:
            there = named.get(part, {})
            first = [name for name in order.get(f"{key}/{part}", ()) if name in there]
            return {name: there[name] for name in dict.fromkeys([*first, *there])}

        low, high = of("group_low"), of("group_high")
        found[key] = Score(
            metric=str(fields.get("metric", key)),
            value=number(fields["value"]),
            low=number(fields.get("low")),
            high=number(fields.get("high")),
            groups=of("groups"),
            group_intervals={name: (low[name], high.get(name, math.nan)) for name in low},
            features=tables.get(key, {}) if key in TABLES else {},
            floors=of("floors"),
            ceilings=of("ceilings"),
            protocol=str(fields.get("protocol", "held-out")),
            details=details.get(key, {}),
        )
    return found


def number(value: Any) -> float:
    """A number of a report: null is NaN, infinities are words.

    >>> number(None), number("Infinity"), number(0.5)
    (nan, inf, 0.5)
    """
    if value is None:
        return math.nan
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)
