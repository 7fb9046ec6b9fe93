"""Scores of explained latents: means over latents with intervals, floors and tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

from ..score import Score
from .facts import Facts
from .nouns import Explanation, Latent
from .nulls import matched_prevalence, shares_of, shuffled
from .per_latent import LatentScore, mean_over_latents, pooled, quartiles, table
from .simulation import SimulationScore
from .truth_counts import exact_counts

Exact = Mapping[int, Mapping[str, float]]


def nothing(name: str, reason: str, details: Mapping[str, Any]) -> Score:
    """A score that could not be asked."""
    return Score(name, nan, nan, nan, details={**details, "undefined": reason})


def exact_score(
    explanations: Sequence[Explanation],
    exact: Exact,
    latents: Mapping[int, Latent],
    facts: Facts,
    details: Mapping[str, Any],
    *,
    null: bool,
    n_resamples: int,
    seed: int,
) -> Score:
    """Mean F1 of executed explanations, beside what shuffled, constant and random ones reach."""
    floors: dict[str, float] = {}
    rows, active = facts.rows_of(False), facts.rows_of(True)
    shares = {n: (one.active()[rows].mean(), one.active()[active].mean()) for n, one in latents.items()}
    always = [2 * p / (1 + p) for p, _ in shares.values()]
    if null:
        others = [exact_counts(one, latents[one.latent], facts) for one in shuffled(explanations, seed=seed)]
        known = shares_of(facts)
        random = [
            exact_counts(matched_prevalence(n, float(p), facts, shares=known, seed=seed), latents[n], facts)
            for n, (_, p) in shares.items()
        ]
        floors = {
            "shuffled explanations": _mean(one["exact_f1"] for one in others),
            "matched prevalence": _mean(one["exact_f1"] for one in random),
            "always true": _mean(always),
        }
    values = [exact[one.latent]["exact_f1"] for one in explanations]
    columns = {
        **_columns(explanations, exact),
        "prevalence": [float(shares[one.latent][0]) for one in explanations],
        "always_true": [2 * float(p) / (1 + float(p)) for p in (shares[one.latent][0] for one in explanations)],
    }
    why = "no explanation can be executed; translate free text into predicates first"
    return _score("explanation_f1_score", values, floors, columns, details, why, n_resamples, seed)


def judged_score(
    name: str,
    scores: Sequence[LatentScore],
    explanations: Sequence[Explanation],
    exact: Exact,
    details: Mapping[str, Any],
    *,
    n_resamples: int,
    seed: int,
) -> Score:
    """Mean balanced accuracy over latents, beside that of shuffled explanations."""
    values = [one.balanced_accuracy for one in scores]
    floors = {"shuffled explanations": _mean(one.null for one in scores), "always true": 0.5}
    columns = {**table(scores), **_columns(explanations, exact)}
    told: dict[str, Any] = {
        **details,
        **_known(quartiles(values)),
        "null_quartiles": _known(quartiles([one.null for one in scores])),
        "mean_auroc": number(_mean(one.auroc for one in scores)),
        "mean_precision": number(_mean(one.precision for one in scores)),
        "mean_corrected": number(_mean(one.corrected for one in scores)),
        "pooled": _known(pooled(scores)),
        "failed": dict(sum((Counter(one.failed) for one in scores), Counter[str]())),
        "without_score": _reasons(one.undefined for one in scores),
    }
    return _score(name, values, floors, columns, told, _first(told["without_score"]), n_resamples, seed)


def simulated_score(
    scores: Sequence[SimulationScore],
    explanations: Sequence[Explanation],
    exact: Exact,
    details: Mapping[str, Any],
    *,
    n_resamples: int,
    seed: int,
) -> Score:
    """Mean correlation over latents, beside that of shuffled explanations."""
    values = [one.r for one in scores]
    columns: dict[str, list[Any]] = {"latent": [one.latent for one in scores]}
    for field in ("r", "r_top", "r_random", "squared", "absolute", "null"):
        columns[field] = [float(getattr(one, field)) for one in scores]
    columns |= {"n_windows": [one.n_windows for one in scores], "undefined": [one.undefined for one in scores]}
    constant = [0.0 if "constant" in one.undefined else one.r for one in scores]
    told: dict[str, Any] = {
        **details,
        **_known(quartiles(values)),
        "mean_with_constants_as_0": number(_mean(constant)),
        "mean_squared": number(_mean(one.squared for one in scores)),
        "mean_absolute": number(_mean(one.absolute for one in scores)),
        "failed": dict(sum((Counter(one.failed) for one in scores), Counter[str]())),
        "without_score": _reasons(one.undefined for one in scores),
        "nulls_without_score": sum(not isfinite(one.null) for one in scores),
    }
    floors = {"shuffled explanations": _mean(one.null for one in scores)}
    columns |= _columns(explanations, exact)
    return _score("simulation_score", values, floors, columns, told, _first(told["without_score"]), n_resamples, seed)


def _score(
    name: str,
    values: Sequence[float],
    floors: Mapping[str, float],
    columns: Mapping[str, list[Any]],
    details: Mapping[str, Any],
    why: str,
    n_resamples: int,
    seed: int,
) -> Score:
    value, low, high, replicates = mean_over_latents(values, n_resamples, seed)
    n_scored = sum(isfinite(one) for one in values)
    told = {**details, "n_scored": n_scored}
    return Score(
        name,
        value,
        low,
        high,
        features=table_of(columns),
        floors={floor: at for floor, at in floors.items() if isfinite(at)},
        ceilings={"perfect": 1.0} if n_scored else {},
        details=told if n_scored else {**told, "undefined": why or "no latent has a score"},
        replicates=replicates if n_scored > 1 else None,
    )


def table_of(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Columns of a score's table; `feature` is the latent. Every NaN is the same, so that equal tables are equal."""
    same = {
        name: [nan if isinstance(value, float) and value != value else value for value in column]
        for name, column in columns.items()
    }
    return {"feature": same["latent"], **same}


def _columns(explanations: Sequence[Explanation], exact: Exact) -> dict[str, list[Any]]:
    """What was said of each latent, and how true it is."""
    columns: dict[str, list[Any]] = {
        "latent": [one.latent for one in explanations],
        "explanation": [one.text for one in explanations],
    }
    for name in ("exact_f1", "iou"):
        columns[name] = [exact[one.latent][name] for one in explanations]
    columns["exact_precision"] = [exact[one.latent]["precision"] for one in explanations]
    columns["exact_recall"] = [exact[one.latent]["recall"] for one in explanations]
    return columns


def _mean(values: Any) -> float:
    """Mean of those that are finite; NaN without any."""
    known = [float(value) for value in values if isfinite(value)]
    return sum(known) / len(known) if known else nan


def number(value: float) -> float | None:
    """For details, which are JSON and know no NaN."""
    return value if isfinite(value) else None


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: number(value) for name, value in values.items()}


def _reasons(undefined: Any) -> dict[str, int]:
    return dict(Counter(reason for reason in undefined if reason))


def _first(reasons: Mapping[str, int]) -> str:
    return max(sorted(reasons), key=lambda reason: reasons[reason]) if reasons else ""
