"""Core measures of behaviour: does the model still compute through the reconstruction?

Equations     p clean model, q model with the dictionary in place, z and m with the activation set to zero or to
              its mean; CE is the cross-entropy against the truth, KL(p || q) = sum p (log p - log q), E mean over
              positions
  ce_recovered_zero_score   (E CE_z - E CE_q) / (E CE_z - E CE_p); _mean_ with m for z
  kl_recovered_zero_score   1 - E KL(p || q) / E KL(p || z); _mean_ with m for z
  kl_error                  E KL(p || q), nats
  legal_top1_score          share of positions at which the most probable token under q is allowed
  legal_mass_score          E of the probability that q gives to allowed tokens
Conventions   The truth is the token that was played (`targets`), or, without them, the uniform distribution over the
              allowed tokens, which for random legal play is exact. Intervals resample games, ratios as ratios of sums.
              Where the ablation costs no cross-entropy (an untrained model), CE recovered is undefined: NaN, with the
              reason in the details; KL recovered stays defined.
References    SAEBench, evaluation `core`; SAE_BoardGameEval (frac recovered).
Differences from published code
              1. SAE_BoardGameEval takes the cross-entropy from 25 games: here from all positions given.
              2. Both ablations; the published ones use zero only, which is far from any activation: mean is lower.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from .core import finite_matrix
from .game_totals import GameTotals, sums_by_game
from .inputs import as_games
from .next_tokens import Predictions, Truth, as_truth, divergence_from, probabilities, read_predictions
from .properties import Properties
from .score import Score, stamped

_BEHAVIOUR = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs", "allowed", "game_id")
COLUMNS = (
    "rows",
    "moved",
    *(f"{what} {ablation}" for ablation in ("zero", "mean") for what in ("lost to", "won over", "moved by")),
    *(f"{what} {who}" for what in ("top1", "mass") for who in ("own", "zero", "mean", "model")),
)
_FAITHFUL = ("noise", "permuted decoder", "permuted encoder", "random", "frozen decoder", "half", "dead")
PROPERTIES: dict[str, Properties] = {
    "ce_recovered_zero_score": Properties(
        question="How much of the cross-entropy lost to zero ablation does the dictionary recover?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for reconstructing zero, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=_FAITHFUL,
        limits="Zero is far from any activation, so almost any reconstruction recovers most; blind to what carries it.",
    ),
    "ce_recovered_mean_score": Properties(
        question="How much of the cross-entropy lost to mean ablation does the dictionary recover?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for reconstructing the mean, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=_FAITHFUL,
        limits="Asks only whether the model still predicts as well; blind to which latents carry it.",
    ),
    "kl_recovered_zero_score": Properties(
        question="How much of the divergence caused by zero ablation does the dictionary avoid?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing zero, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=_FAITHFUL,
        limits="Zero is far from any activation, so almost any reconstruction recovers most; blind to what carries it.",
    ),
    "kl_recovered_mean_score": Properties(
        question="How much of the divergence caused by mean ablation does the dictionary avoid?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=_FAITHFUL,
        limits="Asks only whether the model still predicts the same; blind to which latents carry it.",
    ),
    "kl_error": Properties(
        question="How far, in nats, does the model's prediction move when the dictionary stands in?",
        direction="down",
        low=0.0,
        high=inf,
        chance="the divergence of zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=_FAITHFUL,
        limits="Asks only whether the model still predicts the same; blind to which latents carry it.",
    ),
    "legal_top1_score": Properties(
        question="How often is the model's first choice a legal move when the dictionary stands in?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the rate under zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=("random", "half", "dead"),
        limits="Coarse: a first choice can stay legal while most of the prediction is lost.",
    ),
    "legal_mass_score": Properties(
        question="How much probability does the model give to legal moves when the dictionary stands in?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the mass under zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
        notices=("random", "half", "dead"),
        limits="Coarse: legal mass can stay while the prediction among legal moves is lost.",
    ),
}


def core_behaviour(
    clean_logprobs: NDArray[np.floating],
    sae_logprobs: NDArray[np.floating],
    zero_logprobs: NDArray[np.floating],
    mean_logprobs: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    game_id: NDArray[np.integer],
    *,
    targets: NDArray[np.integer] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """What remains of the model's predictions with a dictionary in place.

    Args:
        clean_logprobs: floating [N, V], log-probabilities (nats) of the untouched model.
        sae_logprobs: the same with the reconstruction in place.
        zero_logprobs: the same with the activation set to zero.
        mean_logprobs: the same with the activation set to its mean.
        allowed: bool [N, V], tokens that are legal; at least one a row.
        game_id: integer [N].
        targets: integer [N], the tokens that were played; None scores against uniform play.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Returns:
        Scores by name, as in the module's equations, each with its floors and ceilings.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes or dtypes that do not fit, rows that are not log-probabilities, or fewer than two games.

    Examples:
        >>> import numpy as np
        >>> allowed = np.tile([[True, True, False, False], [False, False, True, True]], (10, 1))  # 20 rows, 4 tokens
        >>> clean = np.log(np.where(allowed, 0.45, 0.05))  # the model knows which tokens are allowed
        >>> blind = np.log(np.full((20, 4), 0.25))  # without the activation it does not
        >>> games = np.arange(20) // 2
        >>> faithful = core_behaviour(clean, clean, blind, blind, allowed, games)
        >>> useless = core_behaviour(clean, blind, blind, blind, allowed, games)
        >>> faithful["kl_recovered_mean_score"].value, useless["kl_recovered_mean_score"].value
        (1.0, 0.0)
        >>> useless["legal_top1_score"].value
        0.5
    """
    prepared = prepare_behaviour(clean_logprobs, zero_logprobs, mean_logprobs, allowed, game_id, targets=targets)
    return prepared.scores(sae_logprobs, n_resamples=n_resamples, seed=seed)


@dataclass(frozen=True)
class PreparedBehaviour:
    """What the scores need of the model without a dictionary, made once for many dictionaries.

    Attributes:
        probability: float32 [N, V], of the untouched model.
        truth: what is allowed and what is true at each position.
        games: int64 [N], numbered from 0.
        model: what the untouched predictions amount to.
        zero: the same with the activation set to zero.
        mean: the same with the activation set to its mean.
    """

    probability: NDArray[np.float32]
    truth: Truth
    games: NDArray[np.int64]
    model: Predictions
    zero: Predictions
    mean: Predictions

    def scores(self, sae_logprobs: NDArray[np.floating], *, n_resamples: int = 1000, seed: int = 0) -> dict[str, Score]:
        """Scores by name of one dictionary; arguments and errors as `core_behaviour`."""
        by_game = sums_by_game(self.columns(sae_logprobs), self.games)
        return behaviour_scores(GameTotals.over(COLUMNS, by_game, n_resamples, seed))

    def columns(self, sae_logprobs: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        """What each position adds to the sums that scores are made of, float64 [N] each, named as in `COLUMNS`."""
        mine = read_predictions(sae_logprobs, "sae_logprobs", self.probability, self.truth)
        found = {"rows": np.ones(len(self.games)), "moved": divergence_from(self.model, mine)}
        for ablation, without in (("zero", self.zero), ("mean", self.mean)):
            found[f"lost to {ablation}"] = without.cost - self.model.cost
            found[f"won over {ablation}"] = without.cost - mine.cost
            found[f"moved by {ablation}"] = divergence_from(self.model, without)
        for who, seen in (("own", mine), ("zero", self.zero), ("mean", self.mean), ("model", self.model)):
            found[f"top1 {who}"], found[f"mass {who}"] = seen.top1, seen.mass
        return {name: found[name] for name in COLUMNS}


def behaviour_scores(totals: GameTotals) -> dict[str, Score]:
    """Scores of `core_behaviour` from sums of `COLUMNS`."""
    scores: dict[str, Score] = {}
    for ablation in ("zero", "mean"):
        name = f"ce_recovered_{ablation}_score"
        lost = totals.mean_of(f"lost to {ablation}")
        if lost > 0:
            scores[name] = totals.ratio(name, f"won over {ablation}", f"lost to {ablation}")
        else:
            nan = float("nan")
            reason = f"{ablation} ablation costs no cross-entropy ({lost:.3g} nats), so none can be recovered"
            scores[name] = Score(name, nan, nan, nan, details={"undefined": reason})
        name = f"kl_recovered_{ablation}_score"
        scores[name] = totals.ratio(name, "moved", f"moved by {ablation}", offset=1.0, sign=-1.0)
        for full in (f"ce_recovered_{ablation}_score", name):
            scores[full] = scores[full].beside(floors={f"{ablation} ablation": 0.0}, ceilings={"model": 1.0})
    scores["kl_error"] = totals.ratio("kl_error", "moved").beside(
        floors={f"{ablation} ablation": totals.mean_of(f"moved by {ablation}") for ablation in ("zero", "mean")},
        ceilings={"model": 0.0},
    )
    for name, column in (("legal_top1_score", "top1"), ("legal_mass_score", "mass")):
        scores[name] = totals.ratio(name, f"{column} own").beside(
            floors={f"{ablation} ablation": totals.mean_of(f"{column} {ablation}") for ablation in ("zero", "mean")},
            ceilings={"model": totals.mean_of(f"{column} model")},
        )
    return stamped(scores, PROPERTIES)


def prepare_behaviour(
    clean_logprobs: NDArray[np.floating],
    zero_logprobs: NDArray[np.floating],
    mean_logprobs: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    game_id: NDArray[np.integer],
    *,
    targets: NDArray[np.integer] | None = None,
) -> PreparedBehaviour:
    """What `core_behaviour` needs besides the dictionary's predictions; its arguments and errors are the same."""
    given = {"clean_logprobs": clean_logprobs, "zero_logprobs": zero_logprobs, "mean_logprobs": mean_logprobs}
    found = {name: finite_matrix(values, name) for name, values in given.items()}
    clean = found["clean_logprobs"]
    if len({values.shape for values in found.values()}) > 1:
        shapes = {name: list(values.shape) for name, values in found.items()}
        raise ValueError(f"log-probabilities must have one shape [N, V], got {shapes}")
    truth = as_truth(allowed, targets, clean.shape)
    probability = probabilities(clean)
    games = as_games(game_id, len(clean))
    read = {name: read_predictions(values, name, probability, truth) for name, values in found.items()}
    return PreparedBehaviour(probability, truth, games, *read.values())
