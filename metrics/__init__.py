"""Metrics: one question, one file; they see arrays, never a game.

`METRICS` holds the properties of each as data.
"""

from .catalogue import METRICS
from .core import core_fidelity, core_sparsity
from .core_behaviour import core_behaviour
from .counts import PairCounts, best_thresholds, counts_at, counts_by_game
from .coverage import coverage
from .properties import Properties
from .reconstruction import reconstruction
from .score import Score, game_weights, interval

__all__ = [
    "METRICS",
    "PairCounts",
    "Properties",
    "Score",
    "best_thresholds",
    "core_behaviour",
    "core_fidelity",
    "core_sparsity",
    "counts_at",
    "counts_by_game",
    "coverage",
    "game_weights",
    "interval",
    "reconstruction",
]
