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

from math import inf

import numpy as np
from numpy.typing import NDArray

from .core import checked_matrix, mean_score, ratio_score
from .inputs import as_games
from .properties import Properties
from .score import Score, stamped

_BEHAVIOUR = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs", "allowed", "game_id")
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
    """
    given = {
        "clean_logprobs": clean_logprobs,
        "sae_logprobs": sae_logprobs,
        "zero_logprobs": zero_logprobs,
        "mean_logprobs": mean_logprobs,
    }
    checked = {name: _log_probabilities(values, name) for name, values in given.items()}
    clean, sae, zero, mean = checked.values()
    if len({values.shape for values in checked.values()}) > 1:
        shapes = {name: list(values.shape) for name, values in checked.items()}
        raise ValueError(f"log-probabilities must have one shape [N, V], got {shapes}")
    allowed = np.asarray(allowed)
    if allowed.dtype != np.bool_ or allowed.shape != clean.shape:
        raise ValueError(f"allowed must be bool {list(clean.shape)}, got {allowed.dtype} {list(allowed.shape)}")
    if not allowed.any(1).all():
        raise ValueError(f"allowed has no token at row {int(np.argmin(allowed.any(1)))}; leave such positions out")
    games = as_games(game_id, len(clean))
    truth = _truth(targets, allowed)

    cost = {name: -(truth * values).sum(1) for name, values in zip("pqzm", (clean, sae, zero, mean), strict=True)}
    probability = np.exp(clean)
    divergence = {
        name: (probability * (clean - values)).sum(1) for name, values in zip("qzm", (sae, zero, mean), strict=True)
    }
    scores: dict[str, Score] = {}
    for ablation, key in (("zero", "z"), ("mean", "m")):
        name = f"ce_recovered_{ablation}_score"
        lost = cost[key] - cost["p"]
        if lost.mean() > 0:
            scores[name] = ratio_score(name, cost[key] - cost["q"], lost, games, n_resamples, seed)
        else:
            nan = float("nan")
            reason = f"{ablation} ablation costs no cross-entropy ({lost.mean():.3g} nats), so none can be recovered"
            scores[name] = Score(name, nan, nan, nan, details={"undefined": reason})
        name = f"kl_recovered_{ablation}_score"
        ratio = ratio_score(name, divergence["q"], divergence[key], games, n_resamples, seed, offset=1.0, sign=-1.0)
        scores[name] = ratio
        for full_name in (f"ce_recovered_{ablation}_score", name):
            scores[full_name] = scores[full_name].beside(floors={f"{ablation} ablation": 0.0}, ceilings={"model": 1.0})
    scores["kl_error"] = mean_score("kl_error", divergence["q"], games, n_resamples, seed).beside(
        floors={"zero ablation": float(divergence["z"].mean()), "mean ablation": float(divergence["m"].mean())},
        ceilings={"model": 0.0},
    )
    for name, judge in (("legal_top1_score", _top1), ("legal_mass_score", _mass)):
        scores[name] = mean_score(name, judge(sae, allowed), games, n_resamples, seed).beside(
            floors={
                "zero ablation": float(judge(zero, allowed).mean()),
                "mean ablation": float(judge(mean, allowed).mean()),
            },
            ceilings={"model": float(judge(clean, allowed).mean())},
        )
    return stamped(scores, PROPERTIES)


def _log_probabilities(values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    """Checked log-probabilities; rows must sum to 1 within 1 %, and are then made to."""
    found = checked_matrix(values, name)
    top = found.max(1, keepdims=True)
    total = top + np.log(np.exp(found - top).sum(1, keepdims=True))
    worst = int(np.abs(total[:, 0]).argmax())
    if abs(total[worst, 0]) > 0.01:
        raise ValueError(
            f"{name} must be log-probabilities; row {worst} sums to {np.exp(min(total[worst, 0], 700)):.4g}, not 1 "
            "(are these logits? take log_softmax first)"
        )
    return found - total


def _truth(targets: NDArray[np.integer] | None, allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The true next-token distribution, float64 [N, V]."""
    if targets is None:
        return allowed / allowed.sum(1, keepdims=True)
    played = np.asarray(targets)
    if not np.issubdtype(played.dtype, np.integer) or played.shape != (len(allowed),):
        raise ValueError(f"targets must be integers [{len(allowed)}], got {played.dtype} {list(played.shape)}")
    if played.min() < 0 or played.max() >= allowed.shape[1]:
        found = f"{played.min()} to {played.max()}"
        raise ValueError(f"targets must lie in 0 to {allowed.shape[1] - 1}, got {found}")
    truth = np.zeros(allowed.shape)
    truth[np.arange(len(played)), played] = 1.0
    return truth


def _top1(logprobs: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 where the most probable token is allowed, float64 [N]."""
    return allowed[np.arange(len(logprobs)), logprobs.argmax(1)].astype(np.float64)


def _mass(logprobs: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability of the allowed tokens, float64 [N]."""
    return (np.exp(logprobs) * allowed).sum(1)
