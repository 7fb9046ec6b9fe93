"""Whether the model still computes through the reconstruction, over a sample that passes batch by batch.

Batches carry rows of predictions: see `BehaviourBatch`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..approximation import PROPERTIES as APPROXIMATION
from ..approximation import approximation_scores, checked_differences
from ..approximation_boards import PROPERTIES as BOARDS
from ..approximation_boards import board_scores, prepare_boards
from ..core_behaviour import COLUMNS, behaviour_scores, prepare_behaviour
from ..core_behaviour import PROPERTIES as BEHAVIOUR
from ..game_totals import GameTotals
from ..score import Score
from .batch import Batch
from .game_sums import GameSums
from .passing import Passing
from .rows import value_of

DIFFERENCES = {
    "clean": "clean_difference",
    "reconstructed": "reconstructed_difference",
    "mean_ablated": "mean_difference",
    "error_only": "error_difference",
}


class StreamedSums(Passing):
    """Metrics that are ratios of sums over positions; subclasses say what a position adds and what sums amount to."""

    def __init__(
        self, names: tuple[str, ...], needs: frozenset[str], columns: Sequence[str], n_resamples: int, seed: int
    ) -> None:
        super().__init__(names, needs)
        self._columns, self._n_resamples, self._seed = tuple(columns), n_resamples, seed
        self._games = GameSums(len(self._columns))

    def _add(self, batch: Batch, columns: dict[str, Any]) -> None:
        self._games.add(batch.game_id, np.stack([columns[name] for name in self._columns], 1))

    def _totals(self) -> GameTotals:
        return GameTotals.over(self._columns, self._games.table(), self._n_resamples, self._seed)


class StreamedBehaviour(StreamedSums):
    """`core_behaviour`: what remains of the model's predictions with a dictionary in place.

    Batches measure `clean_logprobs`, `sae_logprobs`, `zero_logprobs` and `mean_logprobs`, floating [n, V], and
    `allowed`, bool [n, V].

    Args:
        targets: whether batches measure `targets` too, integer [n], the tokens that were played.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """

    def __init__(self, *, targets: bool = False, n_resamples: int = 1000, seed: int = 0) -> None:
        read = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs", "allowed")
        needs = frozenset((*read, *(("targets",) if targets else ())))
        super().__init__(tuple(BEHAVIOUR), needs, COLUMNS, n_resamples, seed)

    def _take(self, batch: Batch) -> None:
        prepared = prepare_behaviour(
            value_of(batch, "clean_logprobs"),
            value_of(batch, "zero_logprobs"),
            value_of(batch, "mean_logprobs"),
            value_of(batch, "allowed"),
            batch.game_id,
            targets=value_of(batch, "targets") if "targets" in self.needs else None,
        )
        self._add(batch, prepared.columns(value_of(batch, "sae_logprobs")))

    def _scores(self) -> dict[str, Score]:
        return behaviour_scores(self._totals())


class StreamedBoards(StreamedSums):
    """`board_approximation`: do the model's moves go through what the dictionary writes?

    Batches measure `clean_logprobs`, `sae_logprobs`, `mean_logprobs` and `error_logprobs`, floating [n, V], and
    `allowed`, bool [n, V].

    Args:
        targets: whether batches measure `targets` too, integer [n], the tokens that were played.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """

    def __init__(self, *, targets: bool = False, n_resamples: int = 1000, seed: int = 0) -> None:
        read = ("clean_logprobs", "sae_logprobs", "mean_logprobs", "error_logprobs", "allowed")
        conditions = ("clean", "mean_ablated", "reconstructed", "error_only")
        columns = [f"{measure} of {name}" for measure in ("legal_move", "kl", "ce") for name in conditions]
        needs = frozenset((*read, *(("targets",) if targets else ())))
        super().__init__(tuple(BOARDS), needs, ("rows", "n_allowed", *columns), n_resamples, seed)

    def _take(self, batch: Batch) -> None:
        prepared = prepare_boards(
            value_of(batch, "clean_logprobs"),
            value_of(batch, "mean_logprobs"),
            value_of(batch, "allowed"),
            game_id=batch.game_id,
            targets=value_of(batch, "targets") if "targets" in self.needs else None,
        )
        rebuilt, left = value_of(batch, "sae_logprobs"), value_of(batch, "error_logprobs")
        self._add(batch, prepared.columns(rebuilt, left))

    def _scores(self) -> dict[str, Score]:
        return board_scores(self._totals())


class StreamedApproximation(StreamedSums):
    """`approximation`: sufficiency, faithfulness and necessity at a site, from logit differences.

    Batches measure `clean_difference`, `reconstructed_difference`, `mean_difference` and `error_difference`, floating
    [n], one value a prompt.

    Args:
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """

    def __init__(self, *, n_resamples: int = 1000, seed: int = 0) -> None:
        columns = ("rows", *DIFFERENCES)
        super().__init__(tuple(APPROXIMATION), frozenset(DIFFERENCES.values()), columns, n_resamples, seed)

    def _take(self, batch: Batch) -> None:
        given = {name: value_of(batch, field) for name, field in DIFFERENCES.items()}
        self._add(batch, {"rows": np.ones(len(batch)), **checked_differences(given)})

    def _scores(self) -> dict[str, Score]:
        return approximation_scores(self._totals())
