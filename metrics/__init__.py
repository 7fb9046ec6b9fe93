"""Metrics: one question, one file; they see arrays, never a game.

`METRICS` holds the properties of each as data.
"""

from .approximation import approximation
from .approximation_boards import board_approximation
from .catalogue import METRICS, METRICS_BETWEEN
from .contingency import value_f1
from .control import control
from .control_isolation import isolation, off_manifold
from .core import core_fidelity, core_sparsity
from .core_behaviour import core_behaviour
from .counts import PairCounts, best_thresholds, counts_at, counts_by_game
from .coverage import coverage
from .interpretability import explained_latents, interpretability
from .meaning import meaning
from .occlusion import occlusion
from .properties import Properties
from .reconstruction import reconstruction
from .recovery import recovery
from .recovery_factors import recovery_factors
from .recovery_stability import pairwise_mcc, subspace_overlap
from .score import Score, game_weights, interval
from .splitting import splitting

__all__ = [
    "METRICS",
    "METRICS_BETWEEN",
    "PairCounts",
    "Properties",
    "Score",
    "approximation",
    "best_thresholds",
    "board_approximation",
    "control",
    "core_behaviour",
    "core_fidelity",
    "core_sparsity",
    "counts_at",
    "counts_by_game",
    "coverage",
    "explained_latents",
    "game_weights",
    "interpretability",
    "interval",
    "isolation",
    "meaning",
    "occlusion",
    "off_manifold",
    "pairwise_mcc",
    "reconstruction",
    "recovery",
    "recovery_factors",
    "splitting",
    "subspace_overlap",
    "value_f1",
]
