"""How well one number an example separates where a latent fires from where it does not: AUROC, a latent at a time.

Equation      AUROC = P(v(active) > v(silent)) + P(v(active) = v(silent)) / 2, over all pairs of one latent's examples
Conventions   Ties count half, so that a constant v scores 1/2. A latent without examples of both kinds, and one whose
              explanation failed, has no AUROC: it is NaN with a reason, and counted. Examples without a value are left
              out and counted; a latent that loses more than 5 % of its examples has no AUROC either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .nouns import Example, Explanation
from .per_latent import auroc

MOST_MISSING = 0.05  # of a latent's examples
Exams = Mapping[int, Sequence[Example]]


@dataclass(frozen=True)
class Separation:
    """What one scorer says of one explanation.

    Attributes:
        latent: its number.
        auroc: in [0, 1]; NaN if there is none.
        n_active: examples with a value at which the latent fires.
        n_silent: examples with a value at which it does not.
        n_missing: examples without a value.
        values: one an example, in the order of the exam; NaN where there is none.
        failure: why there is no AUROC; empty if there is one.
        null: AUROC of another latent's explanation on the same examples; NaN if it was not asked for.
    """

    latent: int
    auroc: float
    n_active: int
    n_silent: int
    n_missing: int
    values: tuple[float, ...]
    failure: str = ""
    null: float = float("nan")


def separation(
    latent: int, examples: Sequence[Example], values: NDArray[np.floating[Any]], failure: str = ""
) -> Separation:
    """AUROC of one latent's examples.

    Args:
        latent: its number.
        examples: of its exam.
        values: floating [n], one an example; NaN where there is none.
        failure: why no value counts, such as an explanation that failed.
    """
    there = np.isfinite(values)
    active = np.array([example.active for example in examples], np.bool_)
    n_active, n_silent = int((active & there).sum()), int((~active & there).sum())
    n_missing = len(active) - n_active - n_silent
    if not failure and n_missing > MOST_MISSING * len(active):
        failure = f"{n_missing} of {len(active)} examples have no value"
    if not failure and not (n_active and n_silent):
        failure = f"{n_active} active and {n_silent} silent examples, where both kinds are needed"
    found = float("nan") if failure else auroc(values[there].astype(np.float64), active[there])
    return Separation(latent, found, n_active, n_silent, n_missing, tuple(float(v) for v in values), failure)


def why_not(explanation: Explanation) -> str:
    """Why an explanation cannot be scored; empty if it can."""
    if explanation.failure:
        return f"no explanation: {explanation.failure}"
    return "" if explanation.text.strip() else "no explanation: its text is empty"


def exam_of(exams: Exams, latent: int) -> Sequence[Example]:
    """The examples of a latent.

    Raises:
        KeyError: an explained latent without an exam.
    """
    if latent not in exams:
        raise KeyError(f"latent {latent} is explained, but has no examples to be asked about")
    return exams[latent]


def beside_null(found: Sequence[Separation], null: Sequence[Separation]) -> list[Separation]:
    """The same with the AUROCs of shuffled explanations beside them.

    Args:
        found: one a latent.
        null: the same latents in the same order, each scored with another latent's explanation.

    Raises:
        ValueError: other latents.
    """
    if [one.latent for one in found] != [one.latent for one in null]:
        raise ValueError("the null must hold the same latents in the same order")
    return [replace(one, null=other.auroc) for one, other in zip(found, null, strict=True)]


def summary(found: Sequence[Separation]) -> dict[str, Any]:
    """Median and quartiles over the latents, as published, their mean, the null's median, and failures by reason.

    Returns:
        `n`, `median`, `low` and `high` quartile, `mean`, `null` (median); NaN without any; `failed`: counts by reason.
    """
    good = np.array([one.auroc for one in found if not one.failure])
    null = np.array([one.null for one in found if np.isfinite(one.null)])
    low, median, high = (float(q) for q in np.quantile(good, [0.25, 0.5, 0.75])) if len(good) else (float("nan"),) * 3
    failed: dict[str, int] = {}
    for one in found:
        if one.failure:
            failed[one.failure] = failed.get(one.failure, 0) + 1
    return {
        "n": len(good),
        "median": median,
        "low": low,
        "high": high,
        "mean": float(good.mean()) if len(good) else float("nan"),
        "null": float(np.median(null)) if len(null) else float("nan"),
        "failed": failed,
    }
