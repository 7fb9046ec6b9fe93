"""What latents mean, asked of a file: attributes are the variables of its vocabulary, such as the state of a square.

On prompts of a testbed these metrics belong to the three axes, beside edits that need the model. Here a row's values
are read off its labels. An attribute takes part where at least two of its values hold often enough on both sides; of
more than 32 those take part whose values are most even, the same for every dictionary. The variance share of an
attribute is that of its values' mean activations, on the choosing rows; no effect on a model is known, so
`occlusion_error` takes all as used.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.interpretability import PROPERTIES as INTERPRETABILITY
from ..metrics.interpretability import interpretability
from ..metrics.occlusion import PROPERTIES as OCCLUSION
from ..metrics.occlusion import occlusion
from ..metrics.score import Score
from ..metrics.splitting import PROPERTIES as SPLITTING
from ..metrics.splitting import splitting
from ..scoring import Scores
from ..subject import Subject
from ..tasks.truth import bits

MAX_ATTRIBUTES = 32
MIN_ROWS = 40  # of a value on each side


@dataclass(frozen=True)
class Attributes:
    """Attributes of all rows.

    Attributes:
        values: by name, int64 [N]; -1 where none of the known values holds, or several do.
        names: by name, of the values.
    """

    values: dict[str, NDArray[np.int64]]
    names: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Meaning:
    """Metrics that are computed together.

    Attributes:
        metrics: their names.
        measure: computes them.
        offered: whether a sample's vocabulary has variables.
    """

    metrics: tuple[str, ...]
    measure: Callable[[Subject], Scores]
    offered: Callable[[Any], bool]


def attributes_of(about: Subject) -> Attributes:
    """Attributes that may be asked about; found once a sample."""
    return about.kept(("meanings", "attributes"), lambda: _attributes_of(about))


def _attributes_of(about: Subject) -> Attributes:
    found: dict[str, tuple[NDArray[np.int64], tuple[str, ...]]] = {}
    evenness: dict[str, float] = {}
    for name, features in about.features.variables.items():
        held = bits(about, features)
        often = np.minimum(held[about.train].sum(0), held[~about.train].sum(0)) >= MIN_ROWS
        if often.sum() < 2:
            continue
        share = held[:, often].mean(0)
        evenness[name] = float(-(share * np.log(share)).sum())
        kept = held[:, often]
        values = np.where(kept.sum(1) == 1, kept.argmax(1), -1).astype(np.int64)
        names = tuple(about.features[f].name for f, enough in zip(features, often.tolist(), strict=True) if enough)
        found[name] = (values, names)
    chosen = set(sorted(found, key=lambda name: -evenness[name])[:MAX_ATTRIBUTES])
    kept_names = [name for name in found if name in chosen]
    return Attributes({n: found[n][0] for n in kept_names}, {n: found[n][1] for n in kept_names})


def variance_share(x: NDArray[np.floating[Any]], values: NDArray[np.int64]) -> float:
    """Share of the variance of x that the means of an attribute's values make up.

    Args:
        x: activations, floating [n, d].
        values: int64 [n], from 0; rows without a value, -1, count as one more.
    """
    centred = x - x.mean(0, dtype=np.float64)
    total = float(np.square(centred).sum())
    if not total > 0:
        return float("nan")
    between = 0.0
    for value in np.unique(values):
        mine = centred[values == value]
        between += len(mine) * float(np.square(mine.mean(0)).sum())
    return between / total


def _interpretability(about: Subject) -> Scores:
    known = attributes_of(about)
    if not known.values:
        return _undefined(tuple(INTERPRETABILITY))
    return interpretability(about.codes, known.values, known.names, null=about.null, **_split(about))


def _occlusion(about: Subject) -> Scores:
    known = attributes_of(about)
    if not known.values:
        return _undefined(tuple(OCCLUSION))
    x = about.bed.x.cpu().numpy()[about.train]
    shares = about.kept(
        ("meanings", "variance"),
        lambda: {name: variance_share(x, values[about.train]) for name, values in known.values.items()},
    )
    given = _split(about)
    return occlusion(about.codes, known.values, given.pop("game_id"), variance_shares=shares, **given)


def _splitting(about: Subject) -> Scores:
    """Of the attribute with the most values, the first of equal ones."""
    known = attributes_of(about)
    if not known.values:
        return _undefined(tuple(SPLITTING))
    name = max(known.values, key=lambda one: len(known.names[one]))
    given = _split(about)
    found = splitting(about.codes, known.values[name], given.pop("game_id"), names=known.names[name], **given)
    return {metric: replace(score, details={**score.details, "attribute": name}) for metric, score in found.items()}


def _split(about: Subject) -> dict[str, Any]:
    return {
        "game_id": about.game_id,
        "train": about.train,
        "n_resamples": about.n_resamples,
        "seed": about.seed,
    }


def _undefined(names: tuple[str, ...]) -> Scores:
    nan, why = float("nan"), {"undefined": "no variable takes two values often enough on both sides; take more games"}
    return {name: Score(name, nan, nan, nan, details=why) for name in names}


def _has_variables(bed: Any) -> bool:
    return bool(bed.features.variables)


MEANINGS: dict[str, Meaning] = {
    "interpretability": Meaning(tuple(INTERPRETABILITY), _interpretability, _has_variables),
    "occlusion": Meaning(tuple(OCCLUSION), _occlusion, _has_variables),
    "splitting": Meaning(tuple(SPLITTING), _splitting, _has_variables),
}
