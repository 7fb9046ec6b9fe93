"""What an edit of a board brought about, edit by edit, and means over edits with intervals over games."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics.score import game_weights, interval
from .edits import BoardEdits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval over games.

    Attributes:
        value: NaN where it is not defined.
        low: lower end of the 95 % interval.
        high: upper end.
        replicates: float64 [n_resamples]; those of two estimates on the same games and seed are paired.
    """

    value: float
    low: float
    high: float
    replicates: Floats

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]" if np.isfinite(self.value) else "-"

    def to_dict(self) -> dict[str, float | None]:
        """JSON; None for NaN."""
        return {
            key: getattr(self, key) if np.isfinite(getattr(self, key)) else None for key in ("value", "low", "high")
        }


class Resampler:
    """Means and ratios over edits, with games resampled alike each time.

    Args:
        game_id: int [n].
        n_resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two games.
    """

    def __init__(self, game_id: NDArray[np.integer], n_resamples: int = 1000, seed: int = 0) -> None:
        self.games = np.unique(game_id, return_inverse=True)[1].reshape(-1)
        self.n_games = int(self.games.max()) + 1
        self.weights = game_weights(self.n_games, n_resamples, seed)

    def mean(self, values: NDArray[Any]) -> Estimate:
        """Mean of the values [n] that are not NaN."""
        known = np.isfinite(values)
        return self.ratio(np.where(known, values, 0.0), known.astype(np.float64))

    def ratio(self, top: NDArray[Any], bottom: NDArray[Any]) -> Estimate:
        """Ratio of the sums of two columns [n]; NaN where the lower one is 0."""
        above, below = (np.bincount(self.games, column, self.n_games) for column in (top, bottom))
        if not below.sum():
            return undefined(len(self.weights))
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = (self.weights @ above) / (self.weights @ below)
        known = replicates[np.isfinite(replicates)]
        return Estimate(float(above.sum() / below.sum()), *interval(known), replicates)


def undefined(n_resamples: int) -> Estimate:
    """An estimate of nothing."""
    nan = float("nan")
    return Estimate(nan, nan, nan, np.full(n_resamples, nan))


@dataclass(frozen=True)
class Outcome:
    """What the model predicts after an edit, against the moves of the edited board; one entry an edit, float64 [n].

    With L the moves allowed on the edited board, B those before it, and T the |L| most probable tokens:

    Attributes:
        error: |T - L| + |L - T|; the two are equal.
        legal: 1 where the most probable token is in L.
        gained: 1 where, of the moves in L or B but not in both, the most probable one is in L; NaN unless some were
            gained and some were lost.
        kept: share of the moves in L and B that are in T; NaN without any.
        changed: share of the moves in L or B but not in both that T has right.
        choice: the most probable token, int64 [n].
        top: T, bool [n, d_vocab].
    """

    error: Floats
    legal: Floats
    gained: Floats
    kept: Floats
    changed: Floats
    choice: NDArray[np.int64]
    top: NDArray[np.bool_]


def outcome(logits: torch.Tensor, edits: BoardEdits) -> Outcome:
    """Judge logits [n, d_vocab] by the moves before and after the edits."""
    return judge(logits.numpy(), edits.allowed_before, edits.allowed_after)


def judge(logits: NDArray[np.floating], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Outcome:
    """Judge logits by the moves allowed on both boards.

    Args:
        logits: float [n, d_vocab].
        before: bool [n, d_vocab], moves of the board that was played.
        after: bool [n, d_vocab], moves of the board it is edited into.

    Raises:
        ValueError: shapes that differ, or an edited board without a move.
    """
    if not logits.shape == before.shape == after.shape:
        raise ValueError(
            f"logits and moves must share one shape, got {[list(a.shape) for a in (logits, before, after)]}"
        )
    if not after.any(1).all():
        raise ValueError(f"the edited board of row {int(np.argmin(after.any(1)))} has no legal move")
    top = top_tokens(logits, after.sum(1))
    either = before ^ after
    both = before & after
    rows = np.arange(len(logits))
    best = np.where(either, logits, -np.inf).argmax(1)
    split = (after & ~before).any(1) & (before & ~after).any(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Outcome(
            error=(top ^ after).sum(1).astype(np.float64),
            legal=after[rows, logits.argmax(1)].astype(np.float64),
            gained=np.where(split, after[rows, best], np.nan).astype(np.float64),
            kept=(top & both).sum(1) / both.sum(1),
            changed=((top == after) & either).sum(1) / either.sum(1),
            choice=logits.argmax(1),
            top=top,
        )


def top_tokens(logits: NDArray[np.floating], counts: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The most probable tokens of every row, bool [n, d_vocab]; of equal ones the first."""
    order = np.argsort(-logits, axis=1, kind="stable")
    top = np.zeros(logits.shape, np.bool_)
    np.put_along_axis(top, order, np.arange(logits.shape[1]) < counts[:, None], 1)
    return top


def success(resampler: Resampler, error: Floats, null: Floats, floor: Floats) -> Estimate:
    """(null - error) / (null - floor), of mean errors: 0 for no edit, 1 for what the model achieves on real boards."""
    return resampler.ratio(null - error, null - floor)


def as_json(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    """Estimates by name, as JSON."""
    return {name: estimate.to_dict() for name, estimate in estimates.items()}
