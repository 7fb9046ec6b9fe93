"""The properties of every metric, as data: what it asks, which way is good, what chance scores."""

from dataclasses import dataclass
from math import inf
from typing import Literal

Direction = Literal["up", "down", "none"]
Symmetry = Literal[
    "latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order", "rotation"
]


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What is true of a metric, read by the tests, the command line and the report.

    Attributes:
        question: what it answers, in one sentence.
        direction: whether higher (`up`) or lower (`down`) is better, or neither.
        low: smallest value it can take.
        high: largest value.
        chance: what chance, or a dictionary that does nothing, scores.
        needs: arrays that it reads.
        symmetries: changes of the input that leave it as it is: latents in another order, each latent times a positive
            number, a latent twice, a latent that never fires, games in another order, activations and reconstructions
            rotated together.
        version: rises when its numbers change.
    """

    question: str
    direction: Direction
    low: float
    high: float
    chance: str
    needs: tuple[str, ...]
    symmetries: tuple[Symmetry, ...]
    version: int = 1


_LABELLED = ("latents", "labels", "game_id", "train")
_CODES = ("latents", "game_id")
_PAIRS = ("x", "x_hat", "game_id")
_BEHAVIOUR = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs", "allowed", "game_id")

METRICS: dict[str, Properties] = {
    "coverage": Properties(
        question="Does each true feature have a latent that fires when it holds?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="about the always-on F1 of 2p / (1 + p) for prevalence p, so read it beside its floors",
        needs=_LABELLED,
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
    ),
    "reconstruction": Properties(
        question="Can the true state be read back from the latents?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 for latents that predict nothing; a constant prediction scores the floor `best constant`",
        needs=_LABELLED,
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
    ),
    "l0": Properties(
        question="How many latents are active at a position?",
        direction="none",
        low=0.0,
        high=inf,
        chance="0 for a dead dictionary",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "dead latent", "game order"),
    ),
    "alive_latents_score": Properties(
        question="Which share of the latents fires at all?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 for a dead dictionary, near 1 for a random one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
    ),
    "dead_latents_error": Properties(
        question="Which share of the latents never fires?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="1 for a dead dictionary, near 0 for a random one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
    ),
    "dense_latents": Properties(
        question="Which share of the latents fires at more than a tenth of the positions?",
        direction="none",
        low=0.0,
        high=1.0,
        chance="0 for a dead dictionary, near 1 for a random ReLU one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
    ),
    "explained_variance_score": Properties(
        question="Which share of the variance of the activations does the reconstruction keep?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean everywhere",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "explained_variance_legacy_score": Properties(
        question="The same, averaged position by position as SAEBench reports it.",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean everywhere",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "mse_error": Properties(
        question="How large is the squared error of a position, summed over dimensions?",
        direction="down",
        low=0.0,
        high=inf,
        chance="the total variance for reconstructing the mean",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "cosine_score": Properties(
        question="Does the reconstruction point the same way as the activation?",
        direction="up",
        low=-1.0,
        high=1.0,
        chance="the cosine with the mean activation, which may be high",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "l2_ratio": Properties(
        question="How long is the reconstruction for the activation? 1 is ideal, less is shrinkage.",
        direction="none",
        low=0.0,
        high=inf,
        chance="0 for reconstructing zero",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "reconstruction_bias": Properties(
        question="Would a longer or shorter reconstruction be closer? 1 is ideal, less is shrinkage.",
        direction="none",
        low=-inf,
        high=inf,
        chance="undefined for reconstructing zero, 1 for the mean",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
    ),
    "ce_recovered_zero_score": Properties(
        question="How much of the cross-entropy lost to zero ablation does the dictionary recover?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for reconstructing zero, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "ce_recovered_mean_score": Properties(
        question="How much of the cross-entropy lost to mean ablation does the dictionary recover?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for reconstructing the mean, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "kl_recovered_zero_score": Properties(
        question="How much of the divergence caused by zero ablation does the dictionary avoid?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing zero, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "kl_recovered_mean_score": Properties(
        question="How much of the divergence caused by mean ablation does the dictionary avoid?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean, 1 for the activation itself",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "kl_error": Properties(
        question="How far, in nats, does the model's prediction move when the dictionary stands in?",
        direction="down",
        low=0.0,
        high=inf,
        chance="the divergence of zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "legal_top1_score": Properties(
        question="How often is the model's first choice a legal move when the dictionary stands in?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the rate under zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
    "legal_mass_score": Properties(
        question="How much probability does the model give to legal moves when the dictionary stands in?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the mass under zero or mean ablation, shown as floors",
        needs=_BEHAVIOUR,
        symmetries=("game order",),
    ),
}
