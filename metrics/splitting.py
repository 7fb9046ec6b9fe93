"""Over-splitting: is a value of an attribute carried by one latent, or by many that each take a part of it?

Equations     a fragment of value v is a latent that fires on more than `min_frequency` of the rows and, where it fires,
              finds v with precision > `min_precision`
  fragments                  number of fragments of a value, mean over values; 1 is one latent for each value
  single_latent_f1_score     F1 of the best single latent of a value, mean over values
  fragment_union_f1_score    F1 of "any fragment of v fires", mean over values
  splitting_error            mean over values of max(0, union F1 - single F1): what only the fragments together find
Conventions   Fragments, whose number is reported, and best latents are chosen on the rows that choose; the F1s are
              those on the other rows. A latent fires where it is > 0. A value -1 means that the row has none; such rows
              count for frequency and against precision. Intervals resample games, with the chosen latents held. Values
              too rare on either side are left out.
References    Makelov, Lange, Nanda 2024 (arXiv 2405.08366), section on feature over-splitting.
Differences from published code
              The paper counts features by eye from their F1; the two conditions, and the scores, are ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .inputs import Latents, as_codes, as_games
from .occlusion import as_values, choose, contingency, detector_f1, fires_at, resampled_f1, split_rows
from .properties import Properties
from .score import Score, interval, stamped

if TYPE_CHECKING:
    from ..models.dictionary import Codes

_NEEDS = ("latents", "values", "game_id")
PROPERTIES: dict[str, Properties] = {
    "fragments": Properties(
        question="How many latents share the work for one value?",
        direction="none",
        low=0.0,
        high=float("inf"),
        chance="0 for a dead dictionary, and for random latents if no value holds on most rows",
        needs=_NEEDS,
        symmetries=("latent permutation", "positive rescaling", "dead latent", "game order"),
        notices=(),
        limits="Says nothing of quality: 0 where a value is not found, 1 where it is found by one latent.",
    ),
    "single_latent_f1_score": Properties(
        question="How well does the best single latent find a value?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="that of a latent that always fires, shown as a floor",
        needs=_NEEDS,
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=("permuted encoder", "random", "half", "dead"),
        limits="Low both where a value is split and where it is not found at all.",
    ),
    "fragment_union_f1_score": Properties(
        question="How well do the precise latents of a value find it together?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 where no latent is precise",
        needs=_NEEDS,
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=("random", "dead"),
        limits="High for one good latent and for a hundred fragments alike; read it beside the single F1.",
    ),
    "splitting_error": Properties(
        question="How much of a value do only several latents together find?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="0 for a dictionary that finds nothing: read single_latent_f1_score beside it",
        needs=_NEEDS,
        symmetries=("latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order"),
        notices=(),
        limits="Sees only fragments that are precise and not rarer than min_frequency.",
    ),
}


@dataclass(frozen=True)
class Fragments:
    """The latents that each take a part of a value.

    Attributes:
        value: int64 [K], the value of each fragment.
        latent: int64 [K].
        precision: float64 [K], on the rows that chose.
        frequency: float64 [K], share of those rows on which it fires.
    """

    value: NDArray[np.int64]
    latent: NDArray[np.int64]
    precision: NDArray[np.float64]
    frequency: NDArray[np.float64]

    def of(self, value: int) -> NDArray[np.int64]:
        """Latents that are fragments of a value."""
        return self.latent[self.value == value]


def fragments(
    codes: "Codes",
    values: NDArray[np.int64],
    rows: NDArray[np.bool_],
    *,
    min_precision: float = 0.9,
    min_frequency: float = 0.01,
) -> Fragments:
    """Latents that fire often enough and, where they fire, find one value precisely.

    Args:
        codes: latents of N rows.
        values: int64 [N], from 0; -1 where a row has none.
        rows: bool [N], those to look at.
        min_precision: to be exceeded; from .5 on, so that a latent belongs to one value only.
        min_frequency: to be exceeded.

    Raises:
        ValueError: limits out of range.
    """
    if not 0.5 <= min_precision < 1 or not 0 <= min_frequency < 1:
        raise ValueError(
            f"min_precision must lie in [.5, 1) and min_frequency in [0, 1), got {min_precision} and {min_frequency}"
        )
    table = contingency(codes, values, rows, int(values.max()) + 1)
    fires = table.sum(1)
    best = table[:, :-1].argmax(1)
    precision = table[np.arange(len(table)), best] / np.maximum(fires, 1)
    frequency = fires / max(1, int(rows.sum()))
    kept = np.flatnonzero((precision > min_precision) & (frequency > min_frequency))
    return Fragments(best[kept], kept, precision[kept], frequency[kept])


def splitting(
    latents: Latents,
    values: NDArray[np.integer],
    game_id: NDArray[np.integer],
    *,
    train: NDArray[np.bool_] | None = None,
    names: tuple[str, ...] | None = None,
    min_precision: float = 0.9,
    min_frequency: float = 0.01,
    min_positives: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: Literal["fiducial", "makelov2024"] = "fiducial",
) -> dict[str, Score]:
    """How the values of one attribute are spread over latents.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        values: of the attribute, integer [N], from 0; -1 where a row has none.
        game_id: integer [N]; prompts count as games.
        train: bool [N], rows that choose latents; needed by "fiducial", not read by "makelov2024".
        names: of the values; their numbers by default.
        min_precision: of a fragment, to be exceeded.
        min_frequency: of a fragment, to be exceeded.
        min_positives: rows that a value needs, on either side.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
        protocol: "fiducial", held out, or "makelov2024", in sample.

    Returns:
        Scores by name, as in the module's equations; groups are values. `splitting_error` has in its details the mean
        overlap (Jaccard) of the fragments of one value, near 0 where they divide it between them.

    Raises:
        ValueError: arrays that do not fit, no value frequent enough, or no `train` where it is needed.

    Examples:
        >>> import numpy as np
        >>> piece, half = np.arange(120) % 2, np.arange(120) // 2 % 2
        >>> latents = np.stack([piece == 1, (piece == 0) & (half == 0), (piece == 0) & (half == 1)], axis=1) * 1.0
        >>> scores = splitting(latents, piece, np.arange(120), train=np.arange(120) < 60)  # value 0 has two latents
        >>> scores["fragments"].value, round(scores["splitting_error"].value, 3)
        (1.5, 0.167)
    """
    codes = as_codes(latents)
    games = as_games(game_id, codes.n_rows)
    v = as_values(values, codes.n_rows, "the attribute")
    if names is not None and len(names) <= int(v.max()):
        raise ValueError(f"names must have one entry for each of {int(v.max()) + 1} values, got {len(names)}")
    choosing, reporting = split_rows(train, games, protocol)
    chosen = choose(codes, v, choosing, reporting, min_positives)
    scored = np.flatnonzero(chosen >= 0)
    parts = fragments(codes, v, choosing, min_precision=min_precision, min_frequency=min_frequency)
    single, singles = resampled_f1(codes, v, chosen, reporting, games, n_resamples, seed)
    union, unions = _union_f1(codes, v, parts, scored, reporting, games, n_resamples, seed)
    counts = np.array([len(parts.of(int(value))) for value in scored], np.float64)
    labels = [names[i] if names is not None else str(i) for i in scored.tolist()]
    overlaps = {
        label: overlap(fires_at(codes, parts.of(value))[reporting & (v == value)])
        for label, value in zip(labels, scored.tolist(), strict=True)
    }
    has = np.array([(v[reporting] == value).mean() for value in scored])
    always = float((2 * has / (1 + has)).mean())
    per_value = {
        "fragments": (counts, np.broadcast_to(counts, singles.shape)),
        "single_latent_f1_score": (single, singles),
        "fragment_union_f1_score": (union, unions),
        "splitting_error": ((union - single).clip(0), (unions - singles).clip(0)),
    }
    told = {"min_precision": min_precision, "min_frequency": min_frequency, "n_fragments": len(parts.latent)}
    columns = {
        "feature": labels,
        "latent": chosen[scored].tolist(),
        "f1": single.tolist(),
        "union_f1": union.tolist(),
        "fragments": counts.astype(int).tolist(),
    }
    scores: dict[str, Score] = {}
    for name, (value, replicates) in per_value.items():
        groups = dict(zip(labels, value.tolist(), strict=True))
        intervals = {label: interval(replicates[:, i]) for i, label in enumerate(labels)}
        whole = replicates.mean(1)
        scores[name] = Score(
            name,
            float(value.mean()),
            *interval(whole),
            groups=groups,
            group_intervals=intervals,
            features=columns,
            floors={"always on": always} if name == "single_latent_f1_score" else {},
            details=told | ({"overlap": overlaps} if name == "splitting_error" else {}),
            protocol="held-out" if protocol == "fiducial" else protocol,
            replicates=whole,
        )
    return stamped(scores, PROPERTIES)


def overlap(fires: NDArray[np.bool_]) -> float | None:
    """Mean Jaccard index of all pairs of columns of fires [N, K]: 0 for disjoint ones, 1 for equal ones.

    None with fewer than two columns.
    """
    n = fires.shape[1]
    if n < 2:
        return None
    both = fires.T.astype(np.float64) @ fires
    size = fires.sum(0)
    jaccard = both / np.maximum(size[:, None] + size - both, 1)
    return float((jaccard.sum() - np.trace(jaccard)) / (n * (n - 1)))


def similarity(first: NDArray[np.bool_], second: NDArray[np.bool_], *, seed: int = 0) -> dict[str, float]:
    """Are the fragments of two dictionaries the same subsets, more than chance makes them?

    Args:
        first: bool [N, K], where the fragments of one dictionary fire, on rows of one value.
        second: bool [N, L], those of another on the same rows.
        seed: of the shuffled rows that make chance.

    Returns:
        `similarity`, mean over the columns of `first` of the largest Jaccard index with a column of `second`; `chance`,
        the same with the rows of `second` shuffled; `excess`, (similarity - chance) / (1 - chance).

    Raises:
        ValueError: no fragment on a side, or other rows.
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or 0 in first.shape + second.shape:
        raise ValueError(
            f"fragments must be bool [N, K] and [N, L] on the same rows, got {first.shape} and {second.shape}"
        )
    shuffled = second[np.random.default_rng(seed).permutation(len(second))]
    found, chance = (_best_jaccard(first, other) for other in (second, shuffled))
    return {"similarity": found, "chance": chance, "excess": (found - chance) / (1 - chance) if chance < 1 else 0.0}


def _best_jaccard(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    both = first.T.astype(np.float64) @ second
    either = first.sum(0)[:, None] + second.sum(0) - both
    return float((both / np.maximum(either, 1)).max(1).mean())


def _union_f1(
    codes: "Codes",
    values: NDArray[np.int64],
    parts: Fragments,
    scored: NDArray[np.int64],
    reporting: NDArray[np.bool_],
    games: NDArray[np.int64],
    n_resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of "any fragment fires" for every scored value, float64 [K], and replicates [n_resamples, K]."""
    fires = np.stack([fires_at(codes, parts.of(value))[reporting].any(1) for value in scored.tolist()], 1)
    return detector_f1(fires, values[reporting, None] == scored[None], games[reporting], n_resamples, seed)
