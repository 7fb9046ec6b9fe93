"""Metrics: one question, one file; they see arrays, never a game.

`METRICS` holds the properties of each as data.
"""

from .catalogue import METRICS, METRICS_BETWEEN
from .core import core_fidelity, core_sparsity
from .core_behaviour import core_behaviour
from .counts import PairCounts, best_thresholds, counts_at, counts_by_game
from .coverage import coverage
from .properties import Properties
from .reconstruction import reconstruction
from .recovery import recovery
from .recovery_factors import recovery_factors
from .recovery_stability import pairwise_mcc, subspace_overlap
from .score import Score, game_weights, interval

__all__ = [
    "METRICS",
    "METRICS_BETWEEN",
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
    "pairwise_mcc",
    "reconstruction",
    "recovery",
    "recovery_factors",
    "subspace_overlap",
]
