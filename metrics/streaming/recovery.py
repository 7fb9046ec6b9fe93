"""Recovery of a sample that passes batch by batch, on a bounded number of its positions.

Matching and taxonomy compare sets of rows: where a latent fires without its feature, where another fires in its stead,
how sizes go together over the rows of one feature. Such sets grow with the sample, so whole games are kept up to
`most_rows` positions, chosen by a seed, and the function on whole arrays is called on them. A sample that is no larger
is kept whole: its scores are those of the whole. Of a larger one the details of every score say how much was kept.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..inputs import Latents
from ..recovery import recovery
from ..recovery_records import PROPERTIES
from ..score import Score
from .batch import Batch
from .gather import MOST_ROWS, Gathered
from .rows import value_of

if TYPE_CHECKING:
    from ...games.features import FeatureSet

Encoder = Callable[[NDArray[np.float32]], Latents]


class StreamedRecovery(Gathered):
    """`recovery` of a bounded sample of whole games.

    Args:
        n_latents: width of the dictionary.
        directions: floating [L, d], what each latent writes.
        true_directions: floating [A, d].
        features: names and groups of the labels.
        nulls: (encoder, directions) of random dictionaries; an encoder takes activations float32 [n, d] of the kept
            positions to latents, so batches must hold `x` then.
        most_rows: positions to keep at most.
        budget_bytes: memory for what is kept of them and for measuring it.
        seed: of the choice of games and of all resamples.
        **options: further arguments of `recovery`, such as `owner`, `covered` and `n_resamples`. True sizes come with
            the batches, as what is measured under the name `magnitudes`.

    Raises:
        ValueError: directions of another number of latents.
    """

    def __init__(
        self,
        n_latents: int,
        *,
        directions: Any,
        true_directions: Any,
        features: "FeatureSet | None" = None,
        nulls: Sequence[tuple[Encoder, Any]] = (),
        most_rows: int = MOST_ROWS,
        budget_bytes: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if len(directions) != n_latents:
            raise ValueError(f"directions must be one for each of {n_latents} latents, got {len(directions)}")
        self._given: dict[str, Any] = {
            "directions": directions, "true_directions": true_directions, "features": features, "seed": seed, **options
        }  # fmt: skip
        self._nulls = list(nulls)
        super().__init__(
            self._recovered,
            {"codes", "labels", *(["x"] if nulls else [])},
            most_rows,
            seed,
            names=PROPERTIES,
            most_bytes=None if budget_bytes is None else max(1, budget_bytes // 8),  # rows are copied while measured
        )

    def accumulate(self, batch: Batch) -> None:
        """Take the next positions; the first batch decides whether true sizes are read.

        Raises:
            ValueError: a batch that lacks something or does not follow the last one.
        """
        if self._next is None:
            if value_of(batch, "magnitudes") is not None:
                self._needs |= {"magnitudes"}
            else:
                self._names = tuple(name for name in self._names if name != "magnitude_correlation_score")
        super().accumulate(batch)

    def _recovered(self, kept: Batch) -> dict[str, Score]:
        assert kept.codes is not None
        assert kept.labels is not None
        nulls = [(encode(kept.x), directions) for encode, directions in self._nulls if kept.x is not None]
        return recovery(
            kept.codes, kept.labels, game_id=kept.game_id, train=kept.train, nulls=nulls,
            magnitudes=value_of(kept, "magnitudes"), **self._given,
        )  # fmt: skip
