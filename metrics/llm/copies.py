"""Positions that come again: a split by game does not keep a judge from being asked what the explainer has seen.

Games begin alike. Two windows are copies of each other if the same facts hold at all their positions, one after the
other; counters such as the ply are not compared. A latent of the opening can have an exam that holds nothing but copies
of what its explainer was shown, and then the exam says nothing about other boards.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .examples import Windows
from .facts import Facts
from .nouns import Example, Shown


def same_facts(facts: Facts) -> NDArray[np.int64]:
    """A number for every position, the same for positions at which the same facts hold, int64 [N]."""
    words = np.ascontiguousarray(facts.bits.words.T)
    whole = words.view(np.dtype((np.void, words.dtype.itemsize * max(words.shape[1], 1)))).ravel()
    return np.unique(whole, return_inverse=True)[1].astype(np.int64)


def same_windows(windows: Windows, kind: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for every window, the same for copies, int64 [W].

    Args:
        windows: of a sample.
        kind: int64 [N], of the positions, as `same_facts` numbers them.
    """
    longest = int((windows.stop - windows.start).max(initial=0))
    beside: NDArray[np.int64] = windows.start[:, None] + np.arange(longest)
    inside: NDArray[np.bool_] = beside < windows.stop[:, None]
    held = np.where(inside, kind[windows.order[np.where(inside, beside, 0)]], -1)
    return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def copied(shown: Shown, examples: Sequence[Example], kind: NDArray[np.int64]) -> tuple[int, int]:
    """How many examples of an exam are copies of what the explainer was shown.

    Args:
        shown: what the explainer saw.
        examples: of the exam, with windows of the same size.
        kind: int64 [N], as `same_facts` numbers the positions.

    Returns:
        Of the active examples, and of the silent ones.
    """
    seen = {tuple(kind[list(one.rows)].tolist()) for one in (*shown.positives, *shown.negatives)}
    again = [one.active for one in examples if tuple(kind[list(one.rows)].tolist()) in seen]
    return sum(again), len(again) - sum(again)
