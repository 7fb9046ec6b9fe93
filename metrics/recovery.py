"""Recovery: how much of a known dictionary did a dictionary find?

Equation      recovery = mean over true features g of s(i, g) * F1(act_i >= v; g)
              with i the latent matched to g, s the similarity of directions, max(0, cos), F1 on the held-out games, v
              the best threshold of the training games (above 0 where that takes all rows that fire), and the matching
              one-to-one with the largest sum of s(i, g) * F1 on the training games. Features without a latent score 0.
  recovery_f1_score, recovery_precision_score, recovery_recall_score   of the matched latents, without s
  mcc_score                    mean s of the one-to-one matching that is best by s alone; unmatched features score 0
  mmcs_true_score              mean over features of the largest s;  mmcs_latents_score: mean over latents of that
  direction_coverage_score     share of features with s >= `covered` for some latent
  activation_coverage_score    mean over features of F1 of the latent that is best by F1 on the training games
  uniqueness_score             different features that are nearest to a latent which fires, a latent
  magnitude_correlation_score  Pearson of matched latent and true size over the rows where the feature holds
  found_score ... dead_recovery_error   shares of the taxonomy, see `recovery_taxonomy.py`; they sum to 1
Chance        value = (raw - chance) / (1 - chance), where chance is the mean raw value of the random dictionaries in
              `nulls`, measured on the same rows in the same way. Uniqueness (chance may be near 1) and the shares
              of the taxonomy stay raw, with chance as floor.
Conventions   A latent fires where it is > 0; if some latent is negative, sizes and |cos| are taken. Features with fewer
              than `min_positives` positives on either side, or in fewer than `min_games` held-out games, are `rare`:
              in the table, and in the scores of directions alone. Features of several axes: see
              `recovery_matching.py`. Every feature counts alike; groups are shown beside.
Intervals     Activity: held-out games are resampled. Directions and taxonomy: true features (or latents) are. Recovery:
              both. Chance: each resample subtracts the nulls' mean under the same resample plus a draw of how far one
              more random dictionary may lie from it (t distribution, K - 1 degrees of freedom, spread times
              sqrt(1 + 1 / K) of K nulls). So a dictionary that is itself a random one has 0 in its interval.
References    MCC: O'Neill et al. 2024, arXiv 2411.13117. MMCS: Sharkey et al. 2022. Best-threshold F1: as in coverage.
              SynthSAEBench, arXiv 2602.14687, whose own figures are `protocol="synthsaebench"`.
Differences from published code
              1. Unmatched features score 0 in mcc_score; published, min(L, F) pairs are averaged: lower.
              2. A latent that points the other way does not count (unless latents are signed): lower.
              3. F1 is an average over features, at a best threshold chosen on other games: either direction.
              4. Chance is subtracted: lower.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .inputs import Labels, Latents
from .recovery_measure import Averaged, Measured, measure
from .recovery_records import PROPERTIES
from .recovery_sample import Sample
from .recovery_taxonomy import Rules, implications
from .score import Score, interval

if TYPE_CHECKING:
    from ..games.features import FeatureSet

PROTOCOLS = ("held-out", "synthsaebench")
SHARES = tuple(name for name, record in PROPERTIES.items() if record.low == 0.0)


def recovery(
    latents: Latents,
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_] | None = None,
    directions: Any,
    true_directions: Any,
    owner: NDArray[np.integer] | None = None,
    magnitudes: Any = None,
    nulls: Sequence[tuple[Latents, Any]] = (),
    features: "FeatureSet | None" = None,
    covered: float = 0.8,
    rules: Rules | None = None,
    min_positives: int = 10,
    min_games: int = 3,
    protocol: str = "held-out",
    x: Any = None,
    x_hat: Any = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """All scores of recovery of one dictionary.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        game_id: integer [N].
        train: bool [N], True where latents and thresholds are chosen, False where they are scored; no game on both
            sides. The published protocol uses all rows and may go without.
        directions: floating [L, d], what each latent writes.
        true_directions: floating [A, d], A >= F.
        owner: int [A], feature of each true direction; None where direction a is that of feature a.
        magnitudes: dense or scipy sparse [N, A], true sizes; None leaves magnitude_correlation_score out.
        nulls: (latents, directions) of random dictionaries of the same width and L0, on the same rows; three or more
            for an honest interval. Without any, no chance is subtracted, and the details say so.
        features: names and groups of the labels; features that are not reachable are left out.
        covered: similarity from which a direction is covered, 0 to 1.
        rules: thresholds of the taxonomy.
        min_positives: fewest positives on each side for a feature's activity to be scored.
        min_games: fewest held-out games, of those there are, in which it must hold as well.
        protocol: one of `PROTOCOLS`; "synthsaebench" gives the figures of that benchmark instead, by their names.
        x: floating [N, d], activations (published protocol only).
        x_hat: floating [N, d], their reconstructions (published protocol only).
        n_resamples: bootstrap resamples.
        seed: of all resamples.

    Returns:
        Name -> score. `recovery_score` has the table of every feature, and `feature_of_latent` in its details;
        `matched_latents_score` the kinds of latents and their nearest features.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: an unknown protocol, arrays that do not fit, a split inside a game, too few positives.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> labels, true = rng.random((400, 3)) < 0.3, np.eye(3)
        >>> games = np.repeat(np.arange(20), 20)
        >>> sample = dict(labels=labels, game_id=games, train=games < 10, true_directions=true)
        >>> scores = recovery(labels * 2.0, directions=true, **sample)  # a perfect dictionary
        >>> scores["recovery_score"].value, scores["found_score"].value
        (1.0, 1.0)
        >>> dead = recovery(np.zeros((400, 3)), directions=true, **sample)  # the true directions, always silent
        >>> dead["recovery_score"].value, dead["mcc_score"].value, dead["dead_recovery_error"].value
        (0.0, 1.0, 1.0)
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"recovery has no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if not 0 <= covered <= 1:
        raise ValueError(f"covered must be 0 to 1, got {covered}")
    if protocol == "synthsaebench":
        from .recovery_synthsaebench import synthsaebench_scores

        if owner is not None and not np.array_equal(owner, np.arange(len(true_directions))):
            raise ValueError("synthsaebench is defined for features of one axis each; owner says otherwise")
        return synthsaebench_scores(
            latents, labels, game_id=game_id, directions=directions, true_directions=true_directions, x=x, x_hat=x_hat,
            n_resamples=n_resamples, seed=seed,
        )  # fmt: skip
    if train is None:
        raise ValueError("train must say which games to choose on; only the published protocol goes without")
    truth = prepare(
        labels,
        game_id=game_id,
        train=train,
        true_directions=true_directions,
        owner=owner,
        magnitudes=magnitudes,
        features=features,
        covered=covered,
        rules=rules,
        min_positives=min_positives,
        min_games=min_games,
        n_resamples=n_resamples,
        seed=seed,
    )
    return recovery_from(truth, latents, directions, [truth.measure(*null) for null in nulls])


@dataclass(frozen=True)
class Prepared:
    """The truth of a sample, checked and arranged once for many dictionaries.

    Attributes:
        sample: labels, directions and resamples.
        implied: features that each feature implies.
        covered: similarity from which a direction is covered.
        rules: thresholds of the taxonomy.
    """

    sample: Sample
    implied: list[NDArray[np.int64]]
    covered: float
    rules: Rules

    def measure(self, latents: Latents, directions: Any) -> Measured:
        """Raw figures of a dictionary; those of random ones are the chance level of `recovery_from`."""
        return measure(self.sample, latents, directions, covered=self.covered, rules=self.rules, implied=self.implied)


def prepare(
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    true_directions: Any,
    owner: NDArray[np.integer] | None = None,
    magnitudes: Any = None,
    features: "FeatureSet | None" = None,
    covered: float = 0.8,
    rules: Rules | None = None,
    min_positives: int = 10,
    min_games: int = 3,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Prepared:
    """What `recovery` does before it looks at a dictionary; arguments and errors as there."""
    sample = Sample.of(
        labels,
        game_id=np.asarray(game_id),
        train=train,
        true_directions=true_directions,
        owner=owner,
        magnitudes=magnitudes,
        features=features,
        min_positives=min_positives,
        min_games=min_games,
        n_resamples=n_resamples,
        seed=seed,
    )
    used = rules or Rules()
    return Prepared(sample, implications(sample.all_bits, used.implied), covered, used)


def recovery_from(truth: Prepared, latents: Latents, directions: Any, chance: list[Measured]) -> dict[str, Score]:
    """All scores of a dictionary from a prepared truth and measured random dictionaries, as `recovery` gives them."""
    found = truth.measure(latents, directions)
    return {name: _score(name, found, chance, truth.sample, truth.covered) for name in found.scores}


def _score(name: str, found: Measured, chance: list[Measured], sample: Sample, covered: float) -> Score:
    raw, spread = found.scores[name]
    details: dict[str, Any] = {
        "raw": float(raw[0]),
        "chance": None,
        "n_nulls": len(chance),
        "chance_corrected": bool(chance) and name not in SHARES,
        "signed": found.signed,
        "n_scored": int(sample.scored.sum()),
        "n_rare": int((~sample.scored).sum()),
    }
    if name == "direction_coverage_score":
        details["covered"] = covered
    if name == "recovery_score":
        details["feature_of_latent"] = found.feature_of_latent
    if name == "matched_latents_score":
        details |= {"kinds": found.latent_kinds, "own_feature": found.own}
    floors: dict[str, float] = {}
    value, replicates = raw, spread
    if chance:
        nulls = [null.scores[name] for null in chance]
        expected = np.mean([null[0] for null in nulls], axis=0)
        details["chance"] = float(expected[0])
        details["null_values"] = [float(null[0][0]) for null in nulls]
        if name in SHARES:
            floors["random dictionary"] = float(expected[0])
        else:
            value, replicates = _corrected((raw, spread), nulls, sample.seed)
            floors["random dictionary"] = 0.0
    if np.isnan(raw[0]):
        nan, reason = float("nan"), "the true sizes of all scored features are constant"
        return Score(name, nan, nan, nan, version=PROPERTIES[name].version, details={**details, "undefined": reason})
    groups = [i for i in range(1, len(value)) if not np.isnan(value[i])]
    intervals = [interval(replicates[:, i]) for i in range(len(value))]
    names = sample.words.groups
    return Score(
        metric=name,
        value=float(value[0]),
        low=min(intervals[0][0], float(value[0])),
        high=max(intervals[0][1], float(value[0])),
        groups={names[i - 1]: float(value[i]) for i in groups},
        group_intervals={names[i - 1]: intervals[i] for i in groups},
        features=found.features if name == "recovery_score" else {},
        floors=floors,
        ceilings={"true dictionary": 0.0 if name.endswith("_error") else 1.0},
        version=PROPERTIES[name].version,
        details=details,
        replicates=np.ascontiguousarray(replicates[:, 0]),
    )


def _corrected(found: Averaged, nulls: list[Averaged], seed: int) -> Averaged:
    """(raw - chance) / (1 - chance), value [C] and replicates [R, C]; 0 where chance is 1."""
    from scipy.stats import t

    values = np.stack([null[0] for null in nulls])
    chance = np.mean([null[1] for null in nulls], axis=0)
    if len(nulls) > 1:
        uniform = np.random.default_rng([seed, 3]).random(len(chance))
        draws = np.asarray(t.ppf(uniform, len(nulls) - 1), np.float64)
        chance = chance + draws[:, None] * values.std(0, ddof=1) * np.sqrt(1 + 1 / len(nulls))

    def correct(raw: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
        room = 1.0 - expected
        return np.where(room > 1e-9, (raw - expected) / np.where(room > 1e-9, room, 1.0), 0.0)

    # The t distribution of few nulls is so wide that a draw may leave the range of the scores, and a chance near 1
    # would make the quotient anything: half of the room above the mean chance is as far as a draw goes.
    highest = (1.0 + values.mean(0)) / 2
    return correct(found[0], values.mean(0)), correct(found[1], np.clip(chance, -1.0, highest))
