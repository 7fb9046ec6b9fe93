"""What the page says of a metric: its record in the catalogue, and the family under which it stands."""

import math
from dataclasses import asdict
from typing import Any

from ..metrics import catalogue
from ..metrics.properties import Properties
from ..metrics.score import Score

# In the order in which a newcomer meets them.
_FAMILIES: dict[str, tuple[dict[str, Properties], ...]] = {
    "features found": (catalogue.COVERAGE,),
    "state read back": (catalogue.RECONSTRUCTION, catalogue.BOARDS),
    "recovery of the truth": (catalogue.RECOVERY, catalogue.STABILITY),
    "sparsity and fidelity": (catalogue.CORE, catalogue.CORE_BEHAVIOUR),
    "computing through it": (catalogue.APPROXIMATION,),
    "steering": (catalogue.CONTROL, catalogue.ISOLATION),
    "meaning of latents": (
        catalogue.INTERPRETABILITY,
        catalogue.MEANING,
        catalogue.OCCLUSION,
        catalogue.SPLITTING,
        catalogue.AUTOINTERP,
        catalogue.AUTOINTERP_SAEBENCH,
    ),
    "SAEBench's tasks": (catalogue.TASKS,),
}
OTHER = "other"


def family(metric: str) -> str:
    """Under which heading a metric stands."""
    return next((name for name, records in _FAMILIES.items() if any(metric in of for of in records)), OTHER)


def metric_record(key: str, score: Score) -> dict[str, Any]:
    """Question, direction, range, chance and limits of a metric of a report, as JSON types.

    Args:
        key: under which the report has the score.
        score: it says which metric it is, if the key is another name.
    """
    known = {**catalogue.METRICS, **catalogue.METRICS_BETWEEN}
    named = key if key in known else score.metric
    record = known.get(named)
    if record is None:  # a user's own
        down = score.metric.endswith("_error")
        about = {"question": "", "direction": "down" if down else "up" if score.floors else "none", "chance": ""}
        return {**about, "low": None, "high": None, "limits": "", "version": score.version, "family": OTHER}
    told = {name: asdict(record)[name] for name in ("question", "direction", "low", "high", "chance", "limits")}
    told |= {name: told[name] if math.isfinite(told[name]) else None for name in ("low", "high")}
    return {**told, "version": score.version, "family": family(named)}
