"""Which features are scored, and how their values become group values and one headline value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .score import compact_game_weights, game_weights, interval

if TYPE_CHECKING:
    from ..games.features import FeatureSet


SMALL = 1 << 23
"""Weights of a bootstrap (resamples times games) that may be held as floats at once."""


@dataclass(frozen=True)
class Vocabulary:
    """The features that a score is about.

    Attributes:
        indices: int64 [F], columns of the labels.
        names: of every feature.
        group_of: int64 [F], index into `groups`.
        groups: names of the groups, in order of first appearance.
        variable_of: int64 [F], number of the categorical variable; features without one stand alone.
    """

    indices: NDArray[np.int64]
    names: tuple[str, ...]
    group_of: NDArray[np.int64]
    groups: tuple[str, ...]
    variable_of: NDArray[np.int64]

    def members(self, group: str) -> NDArray[np.int64]:
        """Positions in this vocabulary of the features of one group."""
        return np.flatnonzero(self.group_of == self.groups.index(group))

    @property
    def group_names(self) -> list[str]:
        """Group of every feature."""
        return [self.groups[i] for i in self.group_of]


def vocabulary(
    n_features: int, features: "FeatureSet | None", groups: Sequence[str] | None, *, published: bool = False
) -> Vocabulary:
    """Choose what is scored.

    Args:
        n_features: columns of the labels.
        features: their names and groups; None makes one group `all` of features named by number.
        groups: score only these; a group of published counterparts is scored only if named here.
        published: keep unreachable features, as the published denominators do.

    Raises:
        KeyError: an unknown group.
        ValueError: features and labels disagree, groups without features, or nothing to score.
    """
    if features is None:
        if groups is not None:
            raise ValueError(f"groups {list(groups)} were asked for, but without features there are no groups")
        indices = np.arange(n_features)
        names = tuple(f"feature {i}" for i in indices)
        return Vocabulary(indices, names, np.zeros(n_features, np.int64), ("all",), indices)
    if len(features) != n_features:
        raise ValueError(f"labels have {n_features} features but the feature set {len(features)}")
    if isinstance(groups, str):
        raise ValueError(f"groups must be a sequence of names, got the string {groups!r}; use [{groups!r}]")
    reachable = None if published else True
    indices = features.where(group=groups, reachable=reachable, counterpart=None if groups else False)
    if not len(indices):
        raise ValueError("no feature is left to score: all are unreachable or counterparts")
    chosen = [features[int(i)] for i in indices]
    order = tuple(dict.fromkeys(feature.group for feature in chosen))
    variables: dict[str, int] = {}
    variable_of = [
        variables.setdefault(
            f"name:{feature.name}" if feature.variable is None else f"is:{feature.variable}", len(variables)
        )
        for feature in chosen
    ]
    return Vocabulary(
        indices,
        tuple(feature.name for feature in chosen),
        np.array([order.index(feature.group) for feature in chosen], np.int64),
        order,
        np.array(variable_of, np.int64),
    )


@dataclass(frozen=True)
class Averages:
    """Means inside groups, then over groups, of values that end in a feature axis.

    Args of `of`: float64 [..., F]. A group without a scored feature takes no part.

    Attributes:
        groups: the groups that take part.
        weights: float64 [n_groups, F], rows are means.
    """

    groups: tuple[str, ...]
    weights: NDArray[np.float64]

    @classmethod
    def over(
        cls, words: Vocabulary, scored: NDArray[np.bool_], denominators: Mapping[str, float] | None = None
    ) -> "Averages":
        """Averages over the scored features of every group.

        Args:
            words: the vocabulary.
            scored: bool [F].
            denominators: what to divide the sum of a group by, where it is not the number of its scored features.

        Raises:
            KeyError: a denominator for a group that is not scored.
            ValueError: no feature is scored, or a denominator that is not positive.
        """
        given = dict(denominators or {})
        if unknown := sorted(set(given) - set(words.groups)):
            raise KeyError(f"denominators name {unknown}, but the scored groups are {list(words.groups)}")
        rows: list[NDArray[np.float64]] = []
        groups: list[str] = []
        for i, group in enumerate(words.groups):
            members = (words.group_of == i) & scored
            if not members.any():
                continue
            denominator = given.get(group, int(members.sum()))
            if not denominator > 0:
                raise ValueError(f"the denominator of {group!r} must be positive, got {denominator}")
            rows.append(members / float(denominator))
            groups.append(group)
        if not groups:
            raise ValueError("no feature has enough positives to be scored; use more games or a lower min_positives")
        return cls(tuple(groups), np.stack(rows))

    def by_group(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Group means [..., n_groups] of values [..., F]."""
        return values @ self.weights.T

    def of(self, values: NDArray[np.float64]) -> float:
        """Headline value of values [F]."""
        return float(self.by_group(values).mean())


@dataclass(frozen=True)
class Resampled:
    """Bootstrap replicates of a score over games.

    Attributes:
        replicates: float64 [n_resamples], of the headline value.
        low: lower end of its 95 % interval.
        high: upper end.
        group_intervals: (low, high) of every group.
    """

    replicates: NDArray[np.float64]
    low: float
    high: float
    group_intervals: dict[str, tuple[float, float]]


def resampled(groups: Sequence[str], by_group: NDArray[np.float64]) -> Resampled:
    """Intervals from replicates of group values [n_resamples, n_groups]."""
    replicates = by_group.mean(-1)
    intervals = {group: interval(by_group[:, i]) for i, group in enumerate(groups)}
    return Resampled(replicates, *interval(replicates), intervals)


def resampled_sums(counts: NDArray[np.integer], n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Sums over resampled games, float64 [n_resamples, ...], of counts [G, ...] per game.

    For many games neither the weights nor the counts are ever held as floats as a whole. The weights are the same,
    and sums of integers are exact, so that nothing in the result tells which way they were added; sums of floats may
    differ in their last bits.
    """
    if n_resamples * len(counts) <= SMALL:
        weights = game_weights(len(counts), n_resamples, seed)
        return np.tensordot(weights, counts.astype(np.float64), 1)
    weights = compact_game_weights(len(counts), n_resamples, seed)
    flat = counts.reshape(len(counts), -1)
    sums = np.zeros((n_resamples, flat.shape[1]))
    step = max(1, SMALL // (8 * max(n_resamples, flat.shape[1])))
    for start in range(0, len(counts), step):
        part = slice(start, start + step)
        sums += weights[:, part].astype(np.float64) @ flat[part].astype(np.float64)
    return sums.reshape(n_resamples, *counts.shape[1:])


def shuffled_games(games: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Row whose labels each row gets when games swap labels, int64 [N]: what selection alone would score.

    Games are put in a random order; the k-th position of each game gets the labels of the k-th position of the next
    game in that order (of those that are long enough). So labels keep their course through a game and their dependence
    on the position, and lose what belongs to this game.
    """
    n = len(games)
    by_game = np.argsort(games, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(games[by_game]) > 0])
    position = np.empty(n, np.int64)
    position[by_game] = np.arange(n) - np.repeat(starts, np.diff(np.r_[starts, n]))
    place = np.random.default_rng(seed).permutation(int(games.max()) + 1)
    order = np.lexsort((place[games], position))
    first = np.flatnonzero(np.r_[True, np.diff(position[order]) > 0])
    following = np.roll(order, -1)
    following[np.r_[first[1:], n] - 1] = order[first]
    source = np.empty(n, np.int64)
    source[order] = following
    return source
