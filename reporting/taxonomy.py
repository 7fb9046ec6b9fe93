"""What became of every true feature and what every latent is, as shares that sum to 1: the stacked bars of a report."""

from collections.abc import Mapping

from ..metrics.recovery_taxonomy import FEATURE_KINDS, LATENT_KINDS
from ..metrics.score import Score

# The metric of each share; `recovery_taxonomy.py` defines the kinds.
_OF_FEATURES = dict(
    zip(
        FEATURE_KINDS,
        ("found_score", "missed_error", "split_error", "merged_error", "absorbed_error", "duplicated_error"),
        strict=True,
    )
)
_OF_LATENTS = dict(
    zip(LATENT_KINDS, ("matched_latents_score", "spurious_latents_error", "dead_recovery_error"), strict=True)
)
TAXONOMY = {**_OF_FEATURES, **_OF_LATENTS}
_ROUNDING = 1e-6

Share = tuple[str, float, float, float]


def taxonomy(scores: Mapping[str, Score]) -> list[Share] | None:
    """Kind, share and the low and high of its 95 % interval: of features (found, ...), then of latents (matched, ...).

    A side is there only as a whole, with shares that sum to 1.

    Returns:
        None without any, as on testbeds that do not know the true directions.
    """
    found: list[Share] = []
    for kinds in (_OF_FEATURES, _OF_LATENTS):
        shares = [(kind, scores[metric]) for kind, metric in kinds.items() if metric in scores]
        total = sum(score.value for _, score in shares)  # NaN passes no comparison
        if len(shares) == len(kinds) and abs(total - 1) <= _ROUNDING:
            found += [(kind, score.value, score.low, score.high) for kind, score in shares]
    return found or None
