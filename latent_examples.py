"""What single latents respond to: their best-matching features, top positions and spread of activations.

A feature matches a latent by F1 with the exactly best threshold, chosen on the testbed's training games. Matches are
ranked there by how far F1 rises above that of predicting the feature everywhere, 2p / (1 + p), as a share of what is
left up to 1; else features that nearly always hold would match every latent. All numbers and all positions shown are
of the other games.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .metrics.counts import best_thresholds, f1_score, sort_codes
from .metrics.inputs import LabelBits, as_label_bits
from .models.dictionary import Codes, Dictionary, encode_in_batches

if TYPE_CHECKING:
    from .testbed_catalogue import Testbed

_BLOCK = 512  # latents ranked together; every feature of every latent at once would fill the memory
_SPREAD = (0.9, 0.65, 0.4, 0.15)  # quantiles of the positive activations that stand for ordinary positions


@dataclass(frozen=True)
class Match:
    """A feature beside a latent; counts are of the held-out games.

    Attributes:
        feature: its name.
        group: its group.
        index: its number in the world's features.
        threshold: the latent predicts the feature where its activation is at least this; chosen on the other games.
        f1: of that prediction, in [0, 1].
        precision: share of the predictions that are right; 0 without predictions.
        recall: share of the positives that are predicted.
        floor: F1 of predicting the feature everywhere.
        positives: positions at which it holds.
    """

    feature: str
    group: str
    index: int
    threshold: float
    f1: float
    precision: float
    recall: float
    floor: float
    positives: int


@dataclass(frozen=True)
class Example:
    """One held-out position.

    Attributes:
        game: number among the testbed's games.
        position: token of that game.
        ply: moves made there.
        activation: of the latent.
        holds: whether the latent's best match holds there, or what was given in its place; None without either.
    """

    game: int
    position: int
    ply: int
    activation: float
    holds: bool | None


@dataclass(frozen=True)
class LatentExamples:
    """Everything shown about one latent.

    Attributes:
        latent: its number in the dictionary.
        n_positions: held-out positions.
        n_firing: those with an activation above 0.
        maximum: largest activation there; 0 if it never fires.
        matches: best features first; empty if it never fires, or if every feature is rare.
        top: the strongest positions, strongest first; one a game at most, and no two after the same tokens.
        spread: ordinary positions: those nearest to some quantiles of the activations above 0.
        edges: float64 [bins + 1], of the histogram of activations above 0.
        counts: int64 [2, bins], positions at which the best match (or `truth`) does not hold, and at which it does.
    """

    latent: int
    n_positions: int
    n_firing: int
    maximum: float
    matches: tuple[Match, ...]
    top: tuple[Example, ...]
    spread: tuple[Example, ...]
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


def latent_examples(
    dictionary: Dictionary,
    bed: "Testbed",
    latents: Sequence[int] | None = None,
    *,
    best: int = 12,
    groups: Sequence[str] | None = None,
    n_matches: int = 5,
    n_top: int = 8,
    n_spread: int = 4,
    n_bins: int = 24,
    min_positives: int = 20,
    truth: Mapping[int, NDArray[np.bool_]] | None = None,
) -> list[LatentExamples]:
    """Look at some latents of a dictionary.

    Args:
        dictionary: reads activations of the testbed's hook point.
        bed: where.
        latents: numbers, in the order in which they come back; None takes the best.
        best: how many, if `latents` is None: those whose best match rises highest above its floor (training games),
            one for every feature before a second one for any.
        groups: only features of these groups; all by default.
        n_matches: features a latent.
        n_top: strongest positions a latent, at most one a game.
        n_spread: ordinary positions a latent, at most 4.
        n_bins: of the histogram.
        min_positives: a feature must hold at this many positions of the training games and of the others.
        truth: by latent, bool [N], what examples and histogram tell in place of its best match, such as where its
            explanation holds.

    Raises:
        KeyError: an unknown group.
        TypeError: something that is not a dictionary.
        ValueError: a dictionary of another width than the testbed, latents that it does not have, or nothing asked for.
    """
    if not isinstance(dictionary, Dictionary):
        raise TypeError(f"latents are shown of a dictionary, got {type(dictionary).__name__}")
    n_latents, width = dictionary.directions.shape
    if width != bed.d_in:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads activations of width {width}; "
            f"{bed.name} has width {bed.d_in} at {bed.hook}"
        )
    for name, value in (("best", best), ("n_top", n_top), ("n_bins", n_bins)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    asked = None if latents is None else list(dict.fromkeys(int(latent) for latent in latents))
    if asked is not None and (not asked or min(asked) < 0 or max(asked) >= n_latents):
        raise ValueError(f"latents of {dictionary.name!r} must be numbers from 0 to {n_latents - 1}, got {asked}")
    codes = encode_in_batches(dictionary, bed.x)
    sides = np.flatnonzero(bed.train), np.flatnonzero(~bed.train)
    features = bed.transcripts.features
    known = features.where(group=groups, reachable=True, counterpart=False)
    bits = as_label_bits(bed.activations.labels, codes.n_rows, len(features)).select(known)
    by_side = [bits.take(rows) for rows in sides]
    common = np.minimum(*(side.positives for side in by_side)) >= min_positives
    scored = np.flatnonzero(common)
    bits_scored = [side.select(scored) for side in by_side]
    numbers = np.arange(n_latents) if asked is None else np.array(asked)
    chosen = _ranked(_columns(codes, numbers).take(sides[0]), bits_scored[0], n_matches)
    if asked is None:
        numbers = _best(chosen)[:best]
        chosen = _Ranked(chosen.features[numbers], chosen.thresholds[numbers], chosen.lift[numbers])
    held_out = codes.take(sides[1])
    view = _View(bed, sides[1], bits_scored[1], known[scored], n_top, n_spread, n_bins, truth or {})
    return [
        view.of(int(latent), _column(held_out, int(latent)), chosen.features[i], chosen.thresholds[i])
        for i, latent in enumerate(numbers)
    ]


@dataclass(frozen=True)
class _Ranked:
    """Best features of every latent: indices and thresholds (infinite: no match) and rise above the floor, [L, k]."""

    features: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    lift: NDArray[np.float64]


def _ranked(codes: Codes, bits: LabelBits, k: int) -> _Ranked:
    if not bits.n_features:
        empty = np.zeros((codes.n_latents, 0))
        return _Ranked(empty.astype(np.int64), empty.astype(np.float32), empty)
    pairs = best_thresholds(sort_codes(codes), bits)
    everywhere = f1_score(pairs.positives, np.full(bits.n_features, codes.n_rows), pairs.positives)
    k = min(k, bits.n_features)
    features = np.zeros((codes.n_latents, k), np.int64)
    lifts = np.zeros((codes.n_latents, k))
    for start in range(0, codes.n_latents, _BLOCK):
        part = slice(start, start + _BLOCK)
        f1 = f1_score(pairs.tp[part], pairs.on[part], pairs.positives)
        lift = (f1 - everywhere) / np.maximum(1 - everywhere, 1e-12)
        features[part] = np.argsort(-lift, axis=1, kind="stable")[:, :k]
        lifts[part] = np.take_along_axis(lift, features[part], 1)
    return _Ranked(features, pairs.threshold_at(np.arange(codes.n_latents)[:, None], features), lifts)


def _best(chosen: _Ranked) -> NDArray[np.int64]:
    """All latents by how far their first match rises; those whose feature was named before come after the others."""
    if not chosen.lift.shape[1]:
        return np.arange(len(chosen.lift))
    order = np.argsort(-chosen.lift[:, 0], kind="stable")
    _, first = np.unique(chosen.features[order, 0], return_index=True)
    again = np.ones(len(order), np.bool_)
    again[first] = False
    return order[np.argsort(again, kind="stable")]


def _columns(codes: Codes, latents: NDArray[np.int64]) -> Codes:
    """Codes of some latents only, numbered from 0 in the given order."""
    if np.array_equal(latents, np.arange(codes.n_latents)):
        return codes
    dense = np.stack([_column(codes, int(latent)) for latent in latents], axis=1)
    return Codes.from_dense(dense)


def _column(codes: Codes, latent: int) -> NDArray[np.float32]:
    """Activations of one latent, float32 [N]."""
    found = np.zeros(codes.n_rows, np.float32)
    mine = codes.indices == latent
    found[codes.rows[mine]] = codes.values[mine]
    return found


@dataclass(frozen=True)
class _View:
    """The held-out side of a testbed.

    Attributes:
        bed: the testbed.
        rows: int64 [n], its held-out positions.
        bits: labels there of the features that are common enough.
        features: int64 [F], their numbers in the world's features.
        n_top: see `latent_examples`.
        n_spread: likewise.
        n_bins: likewise.
        truth: likewise.
    """

    bed: "Testbed"
    rows: NDArray[np.int64]
    bits: LabelBits
    features: NDArray[np.int64]
    n_top: int
    n_spread: int
    n_bins: int
    truth: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict[int, NDArray[np.bool_]])

    def of(
        self, latent: int, values: NDArray[np.float32], features: NDArray[np.int64], thresholds: NDArray[np.float32]
    ) -> LatentExamples:
        """What there is to say about one latent with activations `values` [n]."""
        firing = values > 0
        pairs = zip(features.tolist(), thresholds.tolist(), strict=True)
        matches = tuple(self._match(f, v, values) for f, v in pairs if np.isfinite(v))
        best = self._label(int(features[0])) if matches else None
        if latent in self.truth:
            best = self.truth[latent][self.rows]
        strongest = np.flatnonzero(firing)[np.argsort(-values[firing], kind="stable")]
        top = self._unlike(strongest)
        ordinary = [strongest[int((1 - q) * len(strongest))] for q in _SPREAD[: self.n_spread] if len(strongest)]
        spread = [row for row in dict.fromkeys(ordinary) if row not in set(top)]
        edges = np.linspace(0.0, float(values.max(initial=0.0)) or 1.0, self.n_bins + 1)
        holds = np.zeros(len(values), np.bool_) if best is None else best
        counts = np.stack([np.histogram(values[firing & side], edges)[0] for side in (~holds, holds)])
        return LatentExamples(
            latent,
            len(values),
            int(firing.sum()),
            float(values.max(initial=0.0)),
            matches,
            tuple(self._example(int(row), values, best) for row in top),
            tuple(self._example(int(row), values, best) for row in spread),
            edges,
            counts,
        )

    def _label(self, feature: int) -> NDArray[np.bool_]:
        return self.bits.select(np.array([feature])).to_dense()[:, 0]

    def _match(self, feature: int, threshold: float, values: NDArray[np.float32]) -> Match:
        label, on = self._label(feature), values >= np.float32(threshold)
        tp, n_on, positives = int((on & label).sum()), int(on.sum()), int(label.sum())
        number = int(self.features[feature])
        about = self.bed.transcripts.features[number]
        return Match(
            about.name,
            about.group,
            number,
            threshold,
            2 * tp / (n_on + positives),
            tp / max(n_on, 1),
            tp / positives,
            2 * positives / (len(values) + positives),
            positives,
        )

    def _unlike(self, rows: NDArray[np.int64]) -> list[int]:
        """The first rows of different games and different beginnings, in order; as many as `n_top`."""
        found: list[int] = []
        seen: set[int | bytes] = set()
        for row in rows.tolist():
            game, position = self._place(row)
            start = self.bed.transcripts.tokens[game, : position + 1].tobytes()
            if game not in seen and start not in seen:
                found.append(row)
                seen |= {game, start}
            if len(found) == self.n_top:
                break
        return found

    def _place(self, row: int) -> tuple[int, int]:
        """Game and position of a row."""
        at = int(self.rows[row])
        return int(self.bed.activations.game_id[at]), int(self.bed.activations.position[at])

    def _example(self, row: int, values: NDArray[np.float32], best: NDArray[np.bool_] | None) -> Example:
        game, position = self._place(row)
        ply = int(self.bed.transcripts.ply[game, position])
        return Example(game, position, ply, float(values[row]), None if best is None else bool(best[row]))
