"""Natural F1 beside detection: what the same answers say of all positions, the judge's own errors taken out.

Balanced accuracy on as many active as silent examples likes explanations that are too broad. The two rates behind it,
put back at the share of positions at which the latent fires, do not, and cost no further question.

Of a rare latent it flatters: 50 silent examples seldom show that an explanation holds at 1 % of the silent positions,
and if the latent fires at 1 % too, that is half of its precision. The interval says so, and so does the exam's part in
`two_by_two`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan, nan
from typing import Any

from ..metrics.llm.natural import natural_f1, true_rates
from ..metrics.llm.per_latent import natural_precision, wilson
from .result import ExplainedLatent

NATURAL_F1 = "natural F1"


def why_no_natural_f1(scorers: Sequence[str], negatives: str) -> str:
    """Why natural F1 cannot be said; empty if it can."""
    if "detection" not in scorers:
        return "it is made of detection, which was not asked"
    if negatives != "random":
        return f"silent examples of kind {negatives!r} do not say how often an explanation holds; random ones do"
    return ""


def judge_errors(records: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The judge's (e_pos, e_neg) over all latents of a scorer; NaN where it was never held against an execution."""
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.get("judge") or {})
    if not (totals["true"] and totals["false"]):
        return nan, nan
    return totals["no"] / totals["true"], totals["yes"] / totals["false"]


def with_natural_f1(latents: Sequence[ExplainedLatent]) -> tuple[ExplainedLatent, ...]:
    """Latents with natural F1 as their first score, made of their detection.

    The judge's error rates are those of all latents together; where they are not known, nothing is taken out.
    """
    e_pos, e_neg = judge_errors([one.scores["detection"] for one in latents])
    known = not (isnan(e_pos) or isnan(e_neg))
    rates = (e_pos, e_neg) if known else (0.0, 0.0)
    return tuple(
        replace(one, scores={NATURAL_F1: _of_detection(one.scores["detection"], one.rate, rates, known), **one.scores})
        for one in latents
    )


def _of_detection(record: Mapping[str, Any], rate: float, errors: tuple[float, float], known: bool) -> dict[str, Any]:
    """One latent's record."""
    tpr, tnr = _float(record["tpr"]), _float(record["tnr"])
    n_active, n_silent = int(record["n_active"]), int(record["n_silent"])
    seen = natural_f1(tpr, tnr, rate)
    recall, silence = true_rates(tpr, tnr, *errors)
    value = natural_f1(recall, silence, rate)
    low, high = nan, nan
    if not isnan(value):
        (low_a, high_a), (low_s, high_s) = (
            wilson(round(share * n), n) for share, n in ((tpr, n_active), (tnr, n_silent))
        )
        low = natural_f1(*true_rates(low_a, low_s, *errors), rate)
        high = natural_f1(*true_rates(high_a, high_s, *errors), rate)
    undefined = str(record["undefined"] or "")
    if isnan(value) and not undefined:
        undefined = "the judge errs so often that its answers say nothing"
    return {
        "value": value,
        "low": low,
        "high": high,
        "null": natural_f1(*true_rates(_float(record["null_tpr"]), _float(record["null_tnr"]), *errors), rate),
        "as seen": seen,
        "errors taken out": known,
        "recall": recall,
        "precision": natural_precision(recall, silence, rate),
        "failed": {},
        "undefined": undefined,
    }


def _float(value: float | None) -> float:
    return nan if value is None else float(value)
