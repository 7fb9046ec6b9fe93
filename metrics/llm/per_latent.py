"""What a judge's answers say of one latent, and how latents are put together.

Equation      balanced accuracy = (TPR + TNR) / 2; yes is a probability of at least .5.
              precision at natural prevalence = pi TPR / (pi TPR + (1 - pi) (1 - TNR)), pi the share of positions at
              which the latent fires: an exam of as many active as silent examples says little about a rare latent.
              corrected balanced accuracy = 1/2 + (balanced accuracy - 1/2) / (1 - e_pos - e_neg), with the judge's own
              error rates on true and on false cases.
Conventions   The interval of balanced accuracy joins the Wilson intervals of both rates by Newcombe's square-and-add.
              AUROC counts ties as a half. F1 and accuracy are of the exam, so they depend on its shares.
References    Paulo et al. 2025 (2410.13928): balanced accuracy per latent, then median and quartiles over latents.
Differences from published code
              1. The released code pools all examples of all latents into one confusion matrix, so that there is no
                 score of a latent; `pooled` gives that form.
              2. Its count of failures is always 0. Here failures are counted by reason, and a latent with more than
                 5 % of them has no score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..score import game_weights, interval
from .asking import YES, Asked
from .natural import natural_f1
from .nouns import Mode
from .predicate_judge import corrected_ba as without_judge_errors
from .predicate_judge import wilson

__all__ = [
    "LatentScore",
    "auroc",
    "balanced_interval",
    "mean_over_latents",
    "natural_precision",
    "pooled",
    "quartiles",
    "score_latent",
    "table",
    "unscored",
    "wilson",
    "without_judge_errors",
]
N_QUANTILES = 10


@dataclass(frozen=True)
class LatentScore:
    """How well a judge tells active from silent examples of one latent by its explanation.

    Attributes:
        latent: its number.
        mode: what was asked.
        n_active: active examples with an answer.
        n_silent: silent ones.
        tp: active ones with a yes.
        tn: silent ones with a no.
        auroc: of the probabilities; NaN if a side is empty.
        by_quantile: share of yes by tenth of the active examples, strongest first; NaN where there is none.
        low: lower end of the 95 % interval of balanced accuracy.
        high: upper end.
        failed: examples by reason of failure.
        n_examples: all that were asked about.
        undefined: why there is no score; empty if there is one.
        prevalence: share of reporting positions at which the latent fires; NaN if it does not apply.
        null: balanced accuracy of another latent's explanation on the same examples; NaN if not asked.
        corrected: balanced accuracy without the judge's own errors; NaN if they are not known.
        null_rates: TPR and TNR of the other latent's explanation; NaN if not asked.
        random: whether all silent examples are random ones. How often harder ones get a yes says nothing about all
            positions, so that precision and F1 at natural prevalence are NaN then.
    """

    latent: int
    mode: Mode
    n_active: int
    n_silent: int
    tp: int
    tn: int
    auroc: float
    by_quantile: tuple[float, ...]
    low: float
    high: float
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    n_examples: int = 0
    undefined: str = ""
    prevalence: float = nan
    null: float = nan
    corrected: float = nan
    null_rates: tuple[float, float] = (nan, nan)
    random: bool = True

    @property
    def tpr(self) -> float:
        """Share of yes among active examples."""
        return self.tp / self.n_active if self.n_active and not self.undefined else nan

    @property
    def tnr(self) -> float:
        """Share of no among silent examples."""
        return self.tn / self.n_silent if self.n_silent and not self.undefined else nan

    @property
    def balanced_accuracy(self) -> float:
        """Mean of both rates."""
        return (self.tpr + self.tnr) / 2

    @property
    def accuracy(self) -> float:
        """Share of right answers; answering always no scores the share of silent examples."""
        return (self.tp + self.tn) / (self.n_active + self.n_silent) if not self.undefined else nan

    @property
    def f1(self) -> float:
        """Of yes, on the exam as it is."""
        total = self.tp + self.n_silent - self.tn + self.n_active
        return 2 * self.tp / total if total and not self.undefined else nan

    @property
    def precision(self) -> float:
        """At natural prevalence; NaN if nothing would be predicted."""
        return natural_precision(self.tpr, self.tnr, self.prevalence) if self.random else nan

    @property
    def precision_interval(self) -> tuple[float, float]:
        """Where precision at natural prevalence may lie if both rates lie in their 95 % Wilson intervals.

        Of a rare latent it is wide: that no silent example of 50 got a yes says little about thousands of positions.
        """
        if self.undefined or not self.random or not self.n_active or not self.n_silent:
            return nan, nan
        (low_a, high_a), (low_s, high_s) = wilson(self.tp, self.n_active), wilson(self.tn, self.n_silent)
        return natural_precision(low_a, low_s, self.prevalence), natural_precision(high_a, high_s, self.prevalence)

    @property
    def natural_f1(self) -> float:
        """F1 at natural prevalence, of recall TPR and the natural precision."""
        return natural_f1(self.tpr, self.tnr, self.prevalence) if self.random else nan


def score_latent(
    asked: Asked,
    *,
    prevalence: float = nan,
    null: float = nan,
    rates: tuple[float, float] | None = None,
) -> LatentScore:
    """Score one latent from the judge's answers to detection or fuzzing.

    Args:
        asked: examples with their answers.
        prevalence: share of positions at which the latent fires, in [0, 1].
        null: balanced accuracy of another latent's explanation on the same examples.
        rates: the judge's (e_pos, e_neg): how often it says no where the explanation holds, and yes where it does not.

    Raises:
        ValueError: a simulation, which has no yes and no.
    """
    if asked.mode == "simulation":
        raise ValueError("a simulation has no yes and no; use simulation.score_simulation")
    answered = asked.answered()
    active = np.array([example.active for example, _ in answered], np.bool_)
    p = np.array([value[0] for _, value in answered], np.float64)
    tenth = np.array([example.quantile for example, _ in answered], np.int64)
    yes = p >= YES
    undefined = asked.undefined
    if not undefined and (active.all() or not active.any()):
        undefined = "no silent example" if active.any() else "no active example"
    by_quantile = tuple(
        float(yes[active & (tenth == q)].mean()) if (active & (tenth == q)).any() else nan for q in range(N_QUANTILES)
    )
    n_active, n_silent = int(active.sum()), int((~active).sum())
    tp, tn = int((yes & active).sum()), int((~yes & ~active).sum())
    low, high = (nan, nan) if undefined else balanced_interval(tp, n_active, tn, n_silent)
    found = nan if undefined else (tp / n_active + tn / n_silent) / 2
    return LatentScore(
        asked.latent,
        asked.mode,
        n_active,
        n_silent,
        tp,
        tn,
        nan if undefined else auroc(p, active),
        by_quantile,
        low,
        high,
        asked.failed,
        len(asked.examples),
        undefined,
        prevalence,
        null,
        nan if rates is None else without_judge_errors(found, *rates),
        random=all(example.active or example.source == "random" for example in asked.examples),
    )


def unscored(latent: int, mode: Mode, reason: str) -> LatentScore:
    """A latent that could not be asked about, such as one without an explanation: no answer of it has failed."""
    tenths = (nan,) * N_QUANTILES
    return LatentScore(latent, mode, 0, 0, 0, 0, nan, tenths, nan, nan, {}, 0, reason)


def balanced_interval(tp: int, n_active: int, tn: int, n_silent: int) -> tuple[float, float]:
    """95 % interval of balanced accuracy from the Wilson intervals of its two independent shares.

    Newcombe's square-and-add: the distance of the mean to each end is half the root of the summed squared distances.
    """
    (low_a, high_a), (low_s, high_s) = wilson(tp, n_active), wilson(tn, n_silent)
    a, s = tp / n_active, tn / n_silent
    middle = (a + s) / 2
    low = middle - sqrt((a - low_a) ** 2 + (s - low_s) ** 2) / 2
    return max(0.0, low), min(1.0, middle + sqrt((high_a - a) ** 2 + (high_s - s) ** 2) / 2)


def auroc(p: NDArray[np.floating], active: NDArray[np.bool_]) -> float:
    """How often an active example has the higher probability, ties a half; NaN if a side is empty.

    >>> auroc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    above, below = np.sort(p[active]), np.sort(p[~active])
    if not len(above) or not len(below):
        return nan
    wins = np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum()
    return float(wins / (2 * len(above) * len(below)))


def natural_precision(tpr: float, tnr: float, prevalence: float) -> float:
    """Share of right ones among the predictions where the latent fires as often as it does; NaN without predictions.

    >>> round(natural_precision(1.0, 0.92, 0.01), 3)
    0.112
    """
    right, wrong = prevalence * tpr, (1 - prevalence) * (1 - tnr)
    return right / (right + wrong) if right + wrong > 0 else nan


def table(scores: Sequence[LatentScore]) -> dict[str, list[Any]]:
    """Columns of the per-latent table, all of one length."""
    columns: dict[str, list[Any]] = {
        "latent": [one.latent for one in scores],
        "n_active": [one.n_active for one in scores],
        "n_silent": [one.n_silent for one in scores],
    }
    for name in ("balanced_accuracy", "low", "high", "tpr", "tnr", "auroc", "f1"):
        columns[name] = [float(getattr(one, name)) for one in scores]
    for name in ("prevalence", "precision", "null", "corrected"):
        columns[name] = [float(getattr(one, name)) for one in scores]
    columns["precision_low"] = [one.precision_interval[0] for one in scores]
    columns["precision_high"] = [one.precision_interval[1] for one in scores]
    columns["tpr_by_decile"] = [list(one.by_quantile) for one in scores]
    columns["failed"] = [sum(one.failed.values()) for one in scores]
    columns["undefined"] = [one.undefined for one in scores]
    return columns


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles over latents that have a value, as the paper gives them; NaN without any."""
    known = np.array([value for value in values if np.isfinite(value)], np.float64)
    ends: list[float] = np.quantile(known, [0.25, 0.5, 0.75]).tolist() if len(known) else [nan] * 3
    return {"median": ends[1], "lower_quartile": ends[0], "upper_quartile": ends[2]}


def mean_over_latents(
    values: Sequence[float], n_resamples: int, seed: int
) -> tuple[float, float, float, NDArray[np.float64]]:
    """Mean over latents that have a value: value, 95 % interval by bootstrap over latents, and the replicates.

    NaN without a value. One latent has a mean but no interval, and neither has a mean without resamples: NaN.
    """
    known = np.array([value for value in values if np.isfinite(value)], np.float64)
    if len(known) < 2:
        return float(known[0]) if len(known) else nan, nan, nan, np.full(n_resamples, nan)
    replicates = game_weights(len(known), n_resamples, seed) @ known / len(known)
    value = float(known.mean())
    low, high = interval(replicates)
    return value, value if low > value else low, value if high < value else high, replicates


def pooled(scores: Sequence[LatentScore]) -> dict[str, float]:
    """The form of the released code: one confusion matrix of all examples of all latents.

    Returns:
        `balanced_accuracy`, `accuracy`, `precision` and `recall` (on the exams), `f1`, and `weighted_f1`: the mean F1
        weighted by how often latents fire.
    """
    known = [one for one in scores if not one.undefined]
    tp, n_active = sum(one.tp for one in known), sum(one.n_active for one in known)
    tn, n_silent = sum(one.tn for one in known), sum(one.n_silent for one in known)
    if not n_active or not n_silent:
        return dict.fromkeys(("balanced_accuracy", "accuracy", "precision", "recall", "f1", "weighted_f1"), nan)
    fp, weights = n_silent - tn, sum(one.prevalence for one in known)
    return {
        "balanced_accuracy": (tp / n_active + tn / n_silent) / 2,
        "accuracy": (tp + tn) / (n_active + n_silent),
        "precision": tp / (tp + fp) if tp + fp else nan,
        "recall": tp / n_active,
        "f1": 2 * tp / (tp + fp + n_active),
        "weighted_f1": sum(one.prevalence * one.f1 for one in known) / weights if weights > 0 else nan,
    }
