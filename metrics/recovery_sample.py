"""The truth that dictionaries are compared with: checked arrays, split rows, and one set of resamples for all."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .grouping import Vocabulary, vocabulary
from .inputs import LabelBits, Labels, as_array, as_games, as_label_bits, as_split
from .recovery_matching import Truth
from .score import game_weights

if TYPE_CHECKING:
    from ..games.features import FeatureSet


@dataclass(frozen=True)
class Sample:
    """Rows with labels and true directions.

    Attributes:
        words: names and groups of the F features that can be scored.
        truth: their directions.
        rows: int64, training rows and held-out rows.
        bits: labels of both.
        all_bits: labels of all rows.
        games: int64, game of each held-out row, numbered from 0.
        magnitudes: scipy csc float64 [held-out rows, F], or None.
        scored: bool [F], features with enough positives.
        columns: float64 [F, 1 + groups], which features each mean is over; the first is over all.
        n_resamples: R.
        seed: of the resamples.
    """

    words: Vocabulary
    truth: Truth
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    bits: tuple[LabelBits, LabelBits]
    all_bits: LabelBits
    games: NDArray[np.int64]
    magnitudes: Any
    scored: NDArray[np.bool_]
    columns: NDArray[np.float64]
    n_resamples: int
    seed: int

    @classmethod
    def of(
        cls,
        labels: Labels,
        *,
        game_id: NDArray[np.integer],
        train: NDArray[np.bool_],
        true_directions: NDArray[np.floating],
        owner: NDArray[np.integer] | None,
        magnitudes: Any,
        features: "FeatureSet | None",
        min_positives: int,
        min_games: int,
        n_resamples: int,
        seed: int,
    ) -> "Sample":
        """Check what `recovery` was given.

        Raises:
            TypeError: arguments that are not arrays.
            ValueError: arrays that do not fit, or no feature with enough positives.
        """
        n_rows = len(game_id)
        axes = as_directions(true_directions, "true_directions")
        owners = _owners(owner, len(axes))
        n_features = len(features) if features is not None else int(owners.max()) + 1
        all_bits = as_label_bits(labels, n_rows, n_features)
        games = as_games(game_id, n_rows)
        split = as_split(train, games)
        words = vocabulary(n_features, features, None)
        truth = Truth.of(axes, owners, words.indices)
        all_bits = all_bits.select(words.indices)
        rows = (np.flatnonzero(split), np.flatnonzero(~split))
        bits = (all_bits.take(rows[0]), all_bits.take(rows[1]))
        held_games = np.unique(games[rows[1]], return_inverse=True)[1].astype(np.int64)
        n_games = int(held_games.max()) + 1
        enough = np.minimum(bits[0].positives, bits[1].positives) >= min_positives
        scored = enough & (_games_with(bits[1], held_games, n_games) >= min(min_games, n_games))
        if not scored.any():
            raise ValueError(
                f"no feature has {min_positives} positives on both sides in {min_games} held-out games; use more rows "
                "or a lower min_positives"
            )
        groups = [words.group_of == i for i in range(len(words.groups))] if len(words.groups) > 1 else []
        columns = np.stack([np.ones(len(words.names), np.bool_), *groups], 1).astype(np.float64)
        held = None if magnitudes is None else _magnitudes(magnitudes, axes, owners, words.indices, rows[1], n_rows)
        return cls(words, truth, rows, bits, all_bits, held_games, held, scored, columns, n_resamples, seed)

    @cached_property
    def game_weights(self) -> NDArray[np.float64]:
        """How often each held-out game is drawn, float64 [R, G]."""
        return game_weights(int(self.games.max()) + 1, self.n_resamples, self.seed)

    @cached_property
    def feature_weights(self) -> NDArray[np.float64]:
        """How often each feature is drawn, float64 [R, F]."""
        return drawn(len(self.words.names), self.n_resamples, [self.seed, 1])

    @cached_property
    def _latent_weights(self) -> dict[int, NDArray[np.float64]]:
        return {}

    def latent_weights(self, n_latents: int) -> NDArray[np.float64]:
        """How often each latent is drawn, float64 [R, n_latents]; the same for dictionaries of one width."""
        if n_latents not in self._latent_weights:
            self._latent_weights[n_latents] = drawn(n_latents, self.n_resamples, [self.seed, 2])
        return self._latent_weights[n_latents]

    def averaged(
        self,
        values: NDArray[np.float64],
        replicates: NDArray[np.float64] | None,
        among: NDArray[np.bool_],
        *,
        over_features: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean over features and inside every group, [C] with its replicates [R, C]; NaN for a group without features.

        Args:
            values: [F].
            replicates: [R, F], under resampled games; None if games play no part.
            among: bool [F], features that count.
            over_features: whether features are resampled too.
        """
        columns = self.columns * among[:, None]
        counts = columns.sum(0)
        values = np.where(among, values, 0.0)
        with np.errstate(invalid="ignore"):
            mean = (values @ columns) / counts
        spread = np.broadcast_to(values, (1, len(values))) if replicates is None else replicates
        if not over_features:
            tall = np.broadcast_to(np.where(among, spread, 0.0), (self.n_resamples, len(values)))
            with np.errstate(invalid="ignore"):
                return mean, (tall @ columns) / counts
        weights = self.feature_weights
        drawn_counts = weights @ columns
        sums = (weights * np.where(among, spread, 0.0)) @ columns
        return mean, np.where(drawn_counts > 0, sums / np.where(drawn_counts > 0, drawn_counts, 1.0), mean)


def drawn(n: int, n_resamples: int, seed: list[int]) -> NDArray[np.float64]:
    """Bootstrap weights of n things, float64 [n_resamples, n]."""
    # The counts of n draws, which is what a multinomial draw gives, many times faster for thousands of things.
    picked = np.random.default_rng(seed).integers(n, size=(n_resamples, n)) + np.arange(n_resamples)[:, None] * n
    return np.bincount(picked.ravel(), minlength=n * n_resamples).reshape(n_resamples, n).astype(np.float64)


def as_directions(directions: Any, name: str, n_rows: int | None = None, width: int | None = None) -> NDArray[Any]:
    """Directions as finite float64 of two axes.

    Raises:
        TypeError: not an array or tensor.
        ValueError: another shape, NaN or infinity.
    """
    array = as_array(directions, name, "floating [directions, d]")
    asked = ["any" if n is None else str(n) for n in (n_rows, width)]
    fits = array.ndim == 2 and all(n in (None, m) for n, m in zip((n_rows, width), array.shape, strict=True))
    if not fits or 0 in array.shape or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} must be floating [{', '.join(asked)}], got {array.dtype} {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold NaN or infinity")
    return array.astype(np.float64)


def _owners(owner: NDArray[np.integer] | None, n_axes: int) -> NDArray[np.int64]:
    if owner is None:
        return np.arange(n_axes)
    owners = np.asarray(owner)
    if owners.shape != (n_axes,) or not np.issubdtype(owners.dtype, np.integer) or owners.min() < 0:
        raise ValueError(
            f"owner must be {n_axes} feature numbers, one a true direction, got {owners.dtype} {owners.shape}"
        )
    return owners.astype(np.int64)


def _games_with(bits: LabelBits, games: NDArray[np.int64], n_games: int) -> NDArray[np.int64]:
    """In how many games each feature holds, int64 [F]."""
    from .counts_numba import bits_by_game

    return (bits_by_game(bits.words, bits.n_features, games, n_games) > 0).sum(0)


def _magnitudes(
    magnitudes: Any, axes: NDArray[np.float64], owners: NDArray[np.int64], features: NDArray[np.int64],
    rows: NDArray[np.int64], n_rows: int,
) -> Any:  # fmt: skip
    """Length of what every feature truly writes on some rows, scipy csc [rows, F]."""
    from scipy.sparse import csc_array, csr_array, hstack

    matrix: Any = csr_array(magnitudes)
    if matrix.shape != (n_rows, len(owners)):
        raise ValueError(f"magnitudes must be [{n_rows}, {len(owners)}], rows by axes, got {list(matrix.shape)}")
    matrix = matrix[rows].astype(np.float64).tocsc()
    first, counts = np.unique(owners, return_index=True)[1], np.bincount(owners)
    position = np.cumsum(counts > 0) - 1  # of each feature among those that own an axis
    found: Any = abs(matrix[:, first[position[features]]])
    several = np.flatnonzero(counts[features] > 1)
    if not len(several):
        return found
    columns: list[Any] = [found[:, [i]] for i in range(len(features))]
    for i in several.tolist():
        own = np.flatnonzero(owners == features[i])
        columns[i] = csc_array(np.linalg.norm(matrix[:, own] @ axes[own], axis=1)[:, None])
    return hstack(columns, format="csc")
