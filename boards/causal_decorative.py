"""Causal or decorative: what can be read from the activations, what an SAE represents, and what the model uses.

Question      For every group of features: can a probe read them, does the dictionary have latents for them, and does
              the model's prediction depend on their directions?
Equations     decodable, represented   (F1 - base) / (1 - base), F1 of the probes, or of the dictionary's best latents,
                                       base = 2p / (1 + p) of predicting the feature everywhere; means over the group
              used                     how far changing the features moves the predictions, over a random change of
                                       equal size (feature_use.py); `natural`: over the direction between two
                                       activations; 1 for a change like any other
              with company             the same for the difference of means, with whatever goes along with a feature
Conventions   A verdict is on all groups at once: p values of log ratios (normal, bootstrap error over games) are
              corrected by Holm's procedure for the number of groups, at 5 %. Decodable and represented below 0 mean
              worse than predicting the feature everywhere. Intervals are of 95 % each and resample games; base and
              choice of features are held.
References    Kantamneni et al. 2025 (arXiv 2502.16681) on probes as baselines; Makelov, Lange and Nanda 2024
              (arXiv 2405.08366) on features that are decodable and not used; Holm 1979, Scandinavian Journal of
              Statistics 6, 65-70.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.assets import asset
from ..metrics.coverage import coverage
from ..metrics.score import Score
from ..models.dictionary import Dictionary
from ..models.loading import load_dictionary
from ..references import Candidate, References
from ..testbed_catalogue import Testbed
from .feature_use import use_of_features
from .scores import Estimate, as_json, undefined
from .table import as_text, cell

COLUMNS = {
    "decodable": "decodable",
    "represented": "represented",
    "used": "used",
    "natural": "used, to natural",
    "company": "with company",
    "moves": "moves changed",
    "random_moves": "by random",
}
WITH_INTERVAL = ("used", "natural")  # in the table; all have one in the JSON
LEVEL = 0.05  # of all verdicts together
MARGIN = 1.5  # of a random change's effect: what stays surely below it is called decorative


@dataclass(frozen=True)
class CausalDecorative:
    """Decodable, represented and used, group by group.

    Attributes:
        testbed: name.
        dictionary: name of the one that represents.
        groups: estimates by the names in `COLUMNS`, and `natural company`, by group.
        n_features: features whose use was measured, by group.
        details: counts.
    """

    testbed: str
    dictionary: str
    groups: Mapping[str, Mapping[str, Estimate]]
    n_features: Mapping[str, int]
    details: Mapping[str, Any]

    def verdict(self, group: str) -> str:
        """In a word or three, corrected for the number of groups.

        `used` is above both controls, `weakly used` above the random one only; `used in company` holds for the
        difference of means alone; `decorative` can be read, and its effect is surely below `MARGIN` times a random
        change's; `undecided` can be read, and its effect is neither surely above 1 nor surely below `MARGIN`; else
        `not decodable`.
        """
        p = self.corrected[group]
        if p["used"] < LEVEL:
            return "used" if p["used, both"] < LEVEL else "weakly used"
        if p["company, both"] < LEVEL:
            return "used in company"
        if p["decodable"] >= LEVEL:
            return "not decodable"
        return "decorative" if p["decorative"] < LEVEL else "undecided"

    @cached_property
    def corrected(self) -> dict[str, dict[str, float]]:
        """The p values after Holm's correction over the groups, by group and question."""
        raw: dict[str, dict[str, float]] = {}
        for group, row in self.groups.items():
            above = {name: p_above(row[name]) for name in ("used", "natural", "company", "natural company")}
            raw[group] = {
                "used": above["used"],
                "used, both": max(above["used"], above["natural"]),
                "company, both": max(above["company"], above["natural company"]),
                "decorative": 1 - p_above(row["used"], MARGIN),
                "decodable": _p_positive(row["decodable"]),
            }
        questions = ("used", "used, both", "company, both", "decorative", "decodable")
        held = {question: holm({group: p[question] for group, p in raw.items()}) for question in questions}
        return {group: {question: held[question][group] for question in questions} for group in raw}

    def table(self) -> str:
        """The groups as text, the most used first."""
        lines = [["group", "n", *COLUMNS.values(), "p", ""]]
        for group in self.order:
            cells = [cell(self.groups[group][key], key in WITH_INTERVAL) for key in COLUMNS]
            value = self.corrected[group]["used, both"]
            p = f"{value:.1g}" if value >= 1e-4 else "< 1e-4"
            lines.append([group, str(self.n_features[group]), *cells, p, self.verdict(group)])
        title = f"{self.testbed}: decodable by probes, represented by {self.dictionary}, used by the model"
        note = f"p: used more than both controls, corrected for {len(self.groups)} groups (Holm)"
        return f"{title}\n{as_text(lines)}\n{note}"

    @property
    def order(self) -> list[str]:
        """The groups, the most used first."""
        return sorted(self.groups, key=lambda group: -np.nan_to_num(self.groups[group]["used"].value, nan=-1.0))

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "testbed": self.testbed,
            "dictionary": self.dictionary,
            "groups": {
                group: {
                    **as_json(row),
                    "n_features": self.n_features[group],
                    "corrected_p": self.corrected[group],
                    "verdict": self.verdict(group),
                }
                for group, row in self.groups.items()
            },
            "details": dict(self.details),
        }

    def plot(self, path: Any) -> None:
        """Write the picture; see causal_decorative_plot.py."""
        from .causal_decorative_plot import plot

        plot(self, path)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Correct p values for how many there are: the i-th smallest times (n - i), at least as large as those before."""
    found: dict[str, float] = {}
    largest = 0.0
    for i, name in enumerate(sorted(p, key=lambda name: p[name])):
        largest = max(largest, min(1.0, (len(p) - i) * p[name]))
        found[name] = largest
    return found


def p_above(ratio: Estimate, bound: float = 1.0) -> float:
    """One-sided p value of a ratio being no larger than a bound: its log is taken as normal; 1 where undefined."""
    from scipy.stats import norm

    logs = np.log(np.maximum(ratio.replicates, 1e-300))
    logs = logs[np.isfinite(ratio.replicates)]
    if not np.isfinite(ratio.value) or ratio.value <= 0 or len(logs) < 2:
        return 1.0
    return float(norm.sf((np.log(ratio.value) - np.log(bound)) / max(float(logs.std(ddof=1)), 1e-12)))


def _p_positive(estimate: Estimate) -> float:
    """One-sided p value of an estimate being no larger than 0, from its 95 % interval."""
    from scipy.stats import norm

    if not np.isfinite([estimate.value, estimate.low, estimate.high]).all():
        return 1.0
    return float(norm.sf(estimate.value / max((estimate.high - estimate.low) / (2 * norm.ppf(0.975)), 1e-12)))


def causal_decorative(
    bed: Testbed,
    *,
    dictionary: Dictionary | None = None,
    groups: Sequence[str] | None = None,
    per_group: int = 24,
    n_positions: int = 48,
    n_resamples: int = 1000,
    seed: int = 0,
) -> CausalDecorative:
    """Measure all three for every feature group of a testbed.

    Args:
        bed: a testbed on a game with a board.
        dictionary: of the testbed's hook point; None for the TopK SAE that ships with it, or else the first one.
        groups: of features; None for all that have features often enough.
        per_group: features of a group whose use is measured, at most.
        n_positions: positions a feature, at most.
        n_resamples: of the bootstrap.
        seed: of the features, positions, controls and the bootstrap.

    Raises:
        KeyError: an unknown group.
        ValueError: a testbed without a board, or without a dictionary if none is given.
    """
    if dictionary is None:
        if not bed.spec.dictionaries:
            raise ValueError(f"no dictionary ships with {bed.name}; give one")
        name = "topk" if "topk" in bed.spec.dictionaries else next(iter(bed.spec.dictionaries))
        dictionary = load_dictionary(asset(bed.spec.dictionaries[name]), "sae_lens", name=name)
    candidate = Candidate(dictionary.name, "tested", dictionary, bed.x)
    probes = References(bed, candidate.codes.n_latents, candidate.codes.l0).ceilings()[0]
    read, held = (_covered(bed, c, groups, n_resamples, seed) for c in (probes, candidate))
    features = _chosen(bed, read, per_group, seed)
    used = use_of_features(bed, features, n_positions, n_resamples, seed)
    rows: dict[str, Mapping[str, Estimate]] = {}
    for group, use in used.items():
        rows[group] = {
            "decodable": _above_base(read, group),
            "represented": _above_base(held, group),
            **use,
        }
    counts = {group: len(features[group]) for group in rows}
    details = {"per_group": per_group, "n_positions": n_positions, "seed": seed, "n_games": bed.n_games}
    return CausalDecorative(bed.name, dictionary.name, rows, counts, details)


def _covered(bed: Testbed, candidate: Candidate, groups: Sequence[str] | None, n_resamples: int, seed: int) -> Score:
    return coverage(
        candidate.codes,
        np.asarray(bed.activations.labels),
        game_id=np.asarray(bed.activations.game_id),
        train=bed.train,
        features=bed.features,
        groups=groups,
        null=False,
        n_resamples=n_resamples,
        seed=seed,
    )


def _chosen(bed: Testbed, score: Score, per_group: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Features of every group to measure the use of; rare ones, and those that nearly always hold, are left out."""
    found: dict[str, list[int]] = {}
    table = score.features
    most = 0.98 * score.details["n_test_positions"]
    columns = zip(table["feature"], table["group"], table["rare"], table["positives"], strict=True)
    for name, group, rare, positives in columns:
        if not rare and positives < most:
            found.setdefault(group, []).append(bed.features.index(name))
    generator = np.random.default_rng(seed)
    return {group: np.sort(generator.permutation(indices)[:per_group]) for group, indices in found.items()}


def _above_base(score: Score, group: str) -> Estimate:
    """(F1 - base) / (1 - base) of a group; the base is held in the interval."""
    if group not in score.groups:
        return undefined(0)
    base = score.details["group_floors"][group]
    low, high = score.group_intervals[group]
    value, low, high = ((v - base) / max(1 - base, 1e-9) for v in (score.groups[group], low, high))
    return Estimate(value, low, high, np.empty(0))
