"""Scorers over all latents: means with intervals, nulls, failures, the judge's own errors, agreement with the truth."""

from collections import Counter
from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from ..metrics.llm.per_latent import mean_over_latents, wilson, without_judge_errors
from .result import ExplainedLatent, Summary

_FEWEST = 5  # latents, for a correlation


def summaries(
    latents: Sequence[ExplainedLatent], scorers: Sequence[str], *, n_resamples: int = 1000, seed: int = 0
) -> tuple[Summary, ...]:
    """One for each scorer, in order."""
    return tuple(_summary(name, latents, n_resamples, seed) for name in scorers)


def _summary(name: str, latents: Sequence[ExplainedLatent], n_resamples: int, seed: int) -> Summary:
    from scipy.stats import spearmanr

    records = [one.scores[name] for one in latents]
    values = np.array([_float(record["value"]) for record in records])
    known = np.isfinite(values)
    failed = Counter(
        record["undefined"] or "no value"
        for record in records
        if record.get("asked", True) and not np.isfinite(_float(record["value"]))
    )
    f1 = np.array([_float(one.exact["f1"][0]) if one.exact else nan for one in latents])
    both = known & np.isfinite(f1)
    varied = both.sum() >= _FEWEST and np.ptp(values[both]) > 0 and np.ptp(f1[both]) > 0
    nulls = np.array([_float(record.get("null")) for record in records])
    mean, low, high, _ = mean_over_latents(values.tolist(), n_resamples, seed)
    quartiles = np.quantile(values[known], [0.25, 0.5, 0.75]).tolist() if known.any() else [nan] * 3
    return Summary(
        name,
        mean,
        low,
        high,
        quartiles[1],
        (quartiles[0], quartiles[2]),
        float(nulls[np.isfinite(nulls)].mean()) if np.isfinite(nulls).any() else nan,
        float(np.asarray(spearmanr(values[both], f1[both]))[0]) if varied else nan,
        int(known.sum()),
        dict(failed),
        _details(records, mean),
    )


def _details(records: Sequence[Any], mean: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    answers: Counter[str] = Counter()
    for record in records:
        answers.update(record["failed"])
    found["answers_failed"] = dict(answers)
    if left := sum(not record.get("asked", True) for record in records):
        found["not_asked"] = left
    precision = [p for p in (_float(record.get("precision")) for record in records) if np.isfinite(p)]
    if precision:
        found["natural_precision"] = float(np.mean(precision))
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.get("judge", {}))
    if totals["true"] and totals["false"]:
        e_pos, e_neg = totals["no"] / totals["true"], totals["yes"] / totals["false"]
        found["judge_errors"] = {
            "e_pos": [e_pos, *wilson(totals["no"], totals["true"])],
            "e_neg": [e_neg, *wilson(totals["yes"], totals["false"])],
            "n": [totals["true"], totals["false"]],
        }
        found["without_judge_errors"] = without_judge_errors(mean, e_pos, e_neg)
    return found


def _float(value: float | None) -> float:
    return nan if value is None else float(value)
