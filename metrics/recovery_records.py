"""The records of the recovery metrics: what each asks, and what it cannot tell."""

from math import inf

from .properties import Damage, Properties, Symmetry

_ALL = ("latents", "labels", "game_id", "train", "directions", "true_directions")
_BOTH = ("directions", "true_directions")
_ZERO = "0 after correction by random dictionaries of the same shape; without `nulls` the raw value, which is above 0"
_SAME: tuple[Symmetry, ...] = ("latent permutation", "positive rescaling", "game order", "rotation")
_QUIET: tuple[Symmetry, ...] = (*_SAME, "dead latent")
_CODES: tuple[Damage, ...] = ("noise", "permuted decoder", "permuted encoder", "random", "frozen decoder", "half")
_SPAN: tuple[Damage, ...] = ("noise", "random", "frozen decoder", "half")


def _score(
    question: str, needs: tuple[str, ...], symmetries: tuple[Symmetry, ...], notices: tuple[Damage, ...], limits: str
) -> Properties:
    return Properties(
        question=question,
        direction="up",
        low=-inf,
        high=1.0,
        chance=_ZERO,
        needs=needs,
        symmetries=symmetries,
        notices=notices,
        limits=limits,
    )


def _share(
    question: str,
    chance: str,
    notices: tuple[Damage, ...],
    limits: str,
    *,
    up: bool = False,
    symmetries: tuple[Symmetry, ...] = _QUIET,
) -> Properties:
    return Properties(
        question=question,
        direction="up" if up else "down",
        low=0.0,
        high=1.0,
        chance=chance,
        needs=_ALL,
        symmetries=symmetries,
        notices=notices,
        limits=limits,
    )


PROPERTIES: dict[str, Properties] = {
    "recovery_score": _score(
        "Does each true feature have one latent of its own, with its direction and its activity?",
        _ALL,
        _QUIET,
        (*_CODES, "split", "merged", "absorbed", "dead"),
        "Useless extra latents cost nothing, and copies of a latent that mixes features let it serve several of them.",
    ),
    "mcc_score": _score(
        "How well do the directions match the true ones, one to one?",
        _BOTH,
        _SAME,
        (*_SPAN, "merged", "absorbed"),
        "Reads directions only: a latent that fires for something else, or never, keeps its credit.",
    ),
    "mmcs_true_score": _score(
        "How near does the nearest latent come to each true direction?",
        _BOTH,
        (*_SAME, "duplicated latent"),
        (*_SPAN, "merged", "absorbed"),
        "Reads directions only; one latent may serve many features.",
    ),
    "mmcs_latents_score": _score(
        "How near does each latent come to a true direction?",
        _BOTH,
        _SAME,
        ("noise", "random", "frozen decoder", "merged", "absorbed"),
        "Reads directions only; missed features cost nothing.",
    ),
    "direction_coverage_score": _score(
        "Which share of the true directions has a latent near it?",
        _BOTH,
        (*_SAME, "duplicated latent"),
        (*_SPAN, "merged", "absorbed"),
        "Reads directions only, and all beyond its threshold are alike.",
    ),
    "activation_coverage_score": _score(
        "Does each true feature have a latent that fires when it holds?",
        ("latents", "labels", "game_id", "train"),
        (*_QUIET, "duplicated latent"),
        ("noise", "random", "half", "split", "merged", "absorbed", "dead"),
        "Reads activity only: wrong directions do not lower it.",
    ),
    "recovery_f1_score": _score(
        "How well does the latent matched to each true feature detect it?",
        _ALL,
        _QUIET,
        (*_CODES, "split", "merged", "absorbed", "dead"),
        "Direction only chooses the latent; how near it is does not count.",
    ),
    "recovery_precision_score": _score(
        "When the matched latent fires, does its feature hold?",
        _ALL,
        _QUIET,
        (*_CODES, "merged", "dead"),
        "A latent that fires on a part of its feature keeps its credit: split and absorbed features do.",
    ),
    "recovery_recall_score": _score(
        "When a feature holds, does its matched latent fire?",
        _ALL,
        _QUIET,
        (*_CODES, "split", "merged", "absorbed", "dead"),
        "A latent that fires everywhere has recall 1, so read it beside precision.",
    ),
    "uniqueness_score": Properties(
        question="How many different true features do the latents point at, a latent?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="about (n / m)(1 - exp(-m / n)) for m random latents and n features, which is near 1 for few latents",
        needs=("latents", *_BOTH),
        symmetries=_SAME,
        notices=("duplicated", "split", "dead"),
        limits="Random directions point at many features too; more latents than features cannot reach 1.",
    ),
    "magnitude_correlation_score": _score(
        "Where a feature holds, does its latent's size follow the true size?",
        (*_ALL, "magnitudes"),
        _QUIET,
        (*_CODES, "split", "merged", "absorbed", "dead"),
        "Blind to scale and offset; features of constant size are left out.",
    ),
    "found_score": _share(
        "Which share of the true features has one clean latent?",
        "0 for random dictionaries, shown as a floor",
        (*_CODES, "duplicated", "split", "merged", "absorbed", "dead"),
        "Depends on thresholds; beyond them all latents are alike.",
        up=True,
    ),
    "missed_error": _share(
        "Which share of the true features has no latent at all?",
        "1 for random dictionaries, shown as a floor",
        (*_CODES, "dead"),
        "A dictionary that splits or merges everything misses nothing.",
    ),
    "split_error": _share(
        "Which share of the true features is divided among latents?",
        "0 for random dictionaries, which have no features to split",
        ("split",),
        "Only what is found can be split: read it beside missed_error.",
    ),
    "merged_error": _share(
        "Which share of the true features shares a latent with another?",
        "near 0 for random dictionaries",
        ("merged",),
        "Blind to hedging by the decoder alone: a latent that fires for one feature and writes a part of another.",
    ),
    "absorbed_error": _share(
        "Which share of the true features gives way to latents of features that imply it?",
        "0 for random dictionaries",
        ("absorbed",),
        "Only features that another one implies can be absorbed: 0 in a world without hierarchy.",
    ),
    "duplicated_error": _share(
        "Which share of the true features has more than one full latent?",
        "0 for random dictionaries",
        ("duplicated",),
        "Copies with too poor an activity to find their feature do not count.",
    ),
    "matched_latents_score": _share(
        "Which share of the latents stands for true features?",
        "0 for random dictionaries, shown as a floor",
        ("noise", "permuted decoder", "permuted encoder", "random", "frozen decoder", "dead"),
        "Copies and parts of a feature are matched as well; missed features cost nothing.",
        up=True,
        symmetries=_SAME,
    ),
    "spurious_latents_error": _share(
        "Which share of the latents fires, but stands for no true feature?",
        "1 for random dictionaries, shown as a floor",
        ("noise", "permuted decoder", "permuted encoder", "random", "frozen decoder"),
        "Silent latents are not spurious: killing them lowers it.",
        symmetries=_SAME,
    ),
    "dead_recovery_error": _share(
        "Which share of the latents never fires on these rows?",
        "near 0 for random dictionaries",
        ("dead",),
        "Reads activity only.",
        symmetries=_SAME,
    ),
}
