"""How right an explanation is, exactly: its predicate executed on every reporting position.

Question      Where the explanation holds, does the latent fire, and the other way round, at natural prevalence?
Equation      precision = TP / holds, recall = TP / fires, F1 = 2 TP / (holds + fires), IoU = TP / (holds or fires)
Conventions   Reporting games only. Intervals are 95 % percentiles of a bootstrap over games; resamples in which a
              share is not defined are left out of its interval. A predicate that never holds has F1 and IoU 0 and no
              precision (NaN): it predicts nothing. A latent that never fires there has no recall, F1 or IoU.
References    The numbers beside which balanced accuracy on equally many positives and negatives has to be read.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..score import game_weights, interval
from .facts import Facts
from .nouns import Latent
from .predicate import Predicate, evaluate

Interval = tuple[float, float]


@dataclass(frozen=True)
class ExactScore:
    """A predicate against a latent.

    Attributes:
        precision: share of the positions where it holds at which the latent fires; NaN if it never holds.
        recall: share of the positions where the latent fires at which it holds.
        f1: harmonic mean of the two.
        iou: size of the intersection over that of the union.
        prevalence: share of positions at which the latent fires.
        predicate_prevalence: share of positions at which the predicate holds.
        precision_interval: 95 %, by bootstrap over games; the other intervals likewise.
        recall_interval: likewise.
        f1_interval: likewise.
        iou_interval: likewise.
        prevalence_interval: likewise.
        predicate_prevalence_interval: likewise.
        tp: positions with both.
        holds: positions at which the predicate holds.
        fires: positions at which the latent fires.
        n_rows: reporting positions.
        n_games: reporting games.
    """

    precision: float
    recall: float
    f1: float
    iou: float
    prevalence: float
    predicate_prevalence: float
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval
    iou_interval: Interval
    prevalence_interval: Interval
    predicate_prevalence_interval: Interval
    tp: int
    holds: int
    fires: int
    n_rows: int
    n_games: int


def exact(predicate: Predicate, latent: Latent, facts: Facts, *, n_resamples: int = 1000, seed: int = 0) -> ExactScore:
    """The truth about an explanation.

    Args:
        predicate: what the latent is said to fire on.
        latent: where it fires.
        facts: what is true at every position.
        n_resamples: of the intervals; 0 leaves them NaN.
        seed: of the intervals.

    Raises:
        ValueError: latent and facts of different samples, or no reporting positions.
        KeyError: an unknown fact.
    """
    if latent.n_rows != facts.n_rows:
        raise ValueError(f"the latent has {latent.n_rows} positions, the facts {facts.n_rows}; they must be the same")
    rows = facts.rows_of(False)
    if not len(rows):
        raise ValueError("no reporting positions: train is true everywhere")
    holds, fires = evaluate(predicate, facts, rows), latent.active()[rows]
    games = np.unique(facts.game_id[rows], return_inverse=True)[1]
    n_games = int(games.max()) + 1

    def by_game(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(games[flags], minlength=n_games).astype(np.float64)

    counts = np.stack([by_game(holds & fires), by_game(holds), by_game(fires), np.bincount(games)], axis=1)
    values: list[float] = shares(counts.sum(0, keepdims=True))[0].tolist()
    if n_resamples and n_games > 1:
        drawn = shares(game_weights(n_games, n_resamples, seed) @ counts)
    else:
        drawn = np.zeros((0, len(values)))
    ends = [interval(column[~np.isnan(column)]) for column in drawn.T]
    tp, n_holds, n_fires, n = (int(total) for total in counts.sum(0))
    precision, recall, f1, iou, prevalence, held = values
    return ExactScore(
        precision=precision,
        recall=recall,
        f1=f1,
        iou=iou,
        prevalence=prevalence,
        predicate_prevalence=held,
        precision_interval=ends[0],
        recall_interval=ends[1],
        f1_interval=ends[2],
        iou_interval=ends[3],
        prevalence_interval=ends[4],
        predicate_prevalence_interval=ends[5],
        tp=tp,
        holds=n_holds,
        fires=n_fires,
        n_rows=n,
        n_games=n_games,
    )


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision, recall, F1, IoU and both prevalences, float64 [..., 6]; NaN where one is not defined.

    Args:
        counts: float64 [..., 4]: positions with both, where the predicate holds, where the latent fires, in all.

    >>> shares(np.array([3.0, 4.0, 5.0, 10.0])).round(3).tolist()
    [0.75, 0.6, 0.667, 0.5, 0.5, 0.4]
    >>> shares(np.array([0.0, 0.0, 5.0, 10.0])).tolist()
    [nan, 0.0, 0.0, 0.0, 0.5, 0.0]
    """
    tp, holds, fires, n = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        dead = np.where(fires > 0, 0.0, np.nan)  # nothing can be recalled
        found = [tp / holds, tp / fires, 2 * tp / (holds + fires) + dead, tp / (holds + fires - tp) + dead]
        return np.stack([*found, fires / n, holds / n], axis=-1)


def overlap(p: Predicate, q: Predicate, facts: Facts, rows: NDArray[np.int64] | slice = slice(None)) -> float:
    """IoU of the sets of positions at which two predicates hold; 1 if both hold nowhere.

    Raises:
        KeyError: an unknown fact.
    """
    first, second = evaluate(p, facts, rows), evaluate(q, facts, rows)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0
