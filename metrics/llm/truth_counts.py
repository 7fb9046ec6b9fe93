"""How often an explanation is right, executed at every reporting position; and facts from arrays."""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from ..inputs import LabelBits, Labels, as_array, as_games, as_split
from .facts import Facts
from .nouns import Explanation, Latent
from .predicate import evaluate
from .truth import shares

_NAMES = ("precision", "recall", "exact_f1", "iou", "holds")


def facts_from(
    labels: Labels,
    names: Sequence[str],
    game_id: NDArray[np.integer],
    position: NDArray[np.integer] | None,
    train: NDArray[np.bool_],
    counters: Mapping[str, NDArray[np.integer]] | None = None,
    hidden: Sequence[str] = (),
) -> Facts:
    """Facts from the arrays that metrics are handed.

    Args:
        labels: bool [N, F] or packed uint8 [N, ceil(F / 8)].
        names: of F facts.
        game_id: integer [N].
        position: integer [N], order inside a game; None where there is none, and rows count as they stand.
        train: bool [N], split by game.
        counters: integer [N] by name.
        hidden: facts that a judge of texts cannot see.

    Raises:
        TypeError: labels that are no array.
        ValueError: shapes that do not fit, or a split inside a game.
    """
    if isinstance(labels, LabelBits):
        packed = np.packbits(labels.to_dense(), axis=1, bitorder="little")
    else:
        array = as_array(labels, "labels", "bool [N, F] or packed uint8 [N, ceil(F / 8)]")
        packed = np.packbits(array, axis=1, bitorder="little") if array.dtype == np.bool_ else array
    games = as_games(game_id, len(packed))
    split = as_split(train, games)
    places = np.arange(len(packed)) if position is None else np.asarray(position)
    counted = {name: np.asarray(array).astype(np.int64) for name, array in (counters or {}).items()}
    return Facts(tuple(names), packed, games, places.astype(np.int64), split, counted, frozenset(hidden))


def exact_counts(explanation: Explanation, latent: Latent, facts: Facts) -> dict[str, float]:
    """Precision, recall, F1 and IoU of an explanation on all reporting positions, and how often it holds.

    Everything is NaN where there is no predicate to execute; see `truth` for what else is.
    """
    if explanation.predicate is None or explanation.failure:
        return dict.fromkeys(_NAMES, nan)
    rows = facts.rows_of(False)
    return counts(evaluate(explanation.predicate, facts, rows), latent.active()[rows])


def counts(holds: NDArray[np.bool_], fires: NDArray[np.bool_]) -> dict[str, float]:
    """The same from where a predicate holds and where a latent fires, bool [n] each.

    >>> found = counts(np.array([True, True, False, False]), np.array([True, False, True, False]))
    >>> found["precision"], found["recall"], found["exact_f1"], round(found["iou"], 3), found["holds"]
    (0.5, 0.5, 0.5, 0.333, 0.5)
    """
    found = shares(np.array([(holds & fires).sum(), holds.sum(), fires.sum(), len(holds)], np.float64)).tolist()
    return dict(zip(_NAMES, [*found[:4], found[5]], strict=True))
