"""What became of every true feature, and what every latent is: exactly one kind each, so that the shares sum to 1.

A latent's own feature is the one it detects best (F1 at the best threshold, training rows) of those whose direction
it carries (similarity >= `mixed`). It fires above the threshold of that pair. All further counts are from held-out
rows. The kind of a feature is the first of these that applies:

  duplicated  two latents or more find it: each carries its direction (>= `direction`) and detects it (>= `activity`).
  split       Its own latents together detect it (>= `activity`), better by `gain` or more than the best of them alone.
  absorbed    On a share >= `lost` of its rows, its own latents are silent and an absorber fires: a latent that finds
              another feature, which implies this one, and carries more of this direction (by `excess`) than that other
              feature explains. And on the absorbers' rows its own latents fire at most half as often as on the rest.
  merged      A latent carries its direction and another's (each >= `mixed`, the other by `excess` more than the two
              true directions overlap) and fires on half or more of the rows where either holds alone.
  found       One latent finds it, and is no merged one.
  missed      Otherwise.

Where a feature implies others (a knight on e4 implies a piece on e4), its latent may write their directions as well: it
carries its direction if the span of all of these holds `direction` of it. Where a feature never holds alone, all of its
rows stand for that.

A latent is dead if it never fires, matched if it takes part in any line but the last, spurious otherwise.

The default 0.7 for `activity` is the least round number above 2/3: the F1 of a latent that fires on half of a feature,
or on a feature and another of equal frequency.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .recovery_matching import Truth, Units, fitted_thresholds, unit_rows

if TYPE_CHECKING:
    from .counts import PairCounts, SortedCodes
    from .inputs import LabelBits

FEATURE_KINDS = ("found", "missed", "split", "merged", "absorbed", "duplicated")
LATENT_KINDS = ("matched", "spurious", "dead")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds of the taxonomy, all from 0 to 1.

    Attributes:
        direction: similarity at which a latent carries a feature's direction.
        activity: F1 at which a latent detects a feature.
        mixed: similarity below which a latent has nothing to do with a feature.
        excess: how much more of a foreign direction a latent must carry than its own feature's overlap explains.
        gain: by how much several latents must detect a feature better than the best one.
        lost: share of a feature's rows that must be lost to count as absorbed.
        implied: share of a feature's rows on which another must hold for the one to imply the other.
    """

    direction: float = 0.8
    activity: float = 0.7
    mixed: float = 0.5
    excess: float = 0.3
    gain: float = 0.1
    lost: float = 0.1
    implied: float = 0.95

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise ValueError(f"{field.name} must be 0 to 1, got {value}")


@dataclass(frozen=True)
class Taxonomy:
    """Kinds of features and latents.

    Attributes:
        features: int8 [F], index into FEATURE_KINDS.
        latents: int8 [L], index into LATENT_KINDS.
        own: int64 [L], own feature of each latent; -1 for none.
    """

    features: NDArray[np.int8]
    latents: NDArray[np.int8]
    own: NDArray[np.int64]


def classify(
    units: Units,
    directions: NDArray[np.float64],
    truth: Truth,
    pairs: "PairCounts",
    held_out: tuple["SortedCodes", "LabelBits"],
    dead: NDArray[np.bool_],
    implied: list[NDArray[np.int64]],
    rules: Rules,
) -> Taxonomy:
    """The taxonomy by the table above.

    Args:
        units: of the dictionary.
        directions: [L, d].
        truth: of F features.
        pairs: best thresholds of every unit for every feature on the training rows.
        held_out: the units' activity on the held-out rows, and the labels there.
        dead: bool [L], latents that never fire.
        implied: features that hold wherever each feature does, by `implications`.
        rules: thresholds.
    """
    n_units, n_features = units.similarity.shape
    ranked = np.where(units.similarity >= rules.mixed, pairs.f1, 0.0)
    own: NDArray[np.int64] = np.where(ranked.max(1) > 0, ranked.argmax(1), -1).astype(np.int64)
    alive: list[int] = np.flatnonzero(own >= 0).tolist()
    thresholds = fitted_thresholds(pairs, np.arange(n_units, dtype=np.int64), own)
    rows = _Rows(*held_out)
    firing = [rows.firing(u, thresholds[u]) if own[u] >= 0 else rows.none for u in range(n_units)]
    detects = np.array([rows.f1(firing[u], own[u]) if own[u] >= 0 else 0.0 for u in range(n_units)])
    merged = {u: _mixed_with(u, int(own[u]), firing[u], units, truth, rows, rules) for u in alive}

    finds = np.zeros(n_units, np.bool_)
    for u in alive:
        if detects[u] < rules.activity:
            continue
        carried = float(units.similarity[u, own[u]])
        if carried < rules.direction and u < len(directions) and len(implied[own[u]]):
            carried = _within(directions[u], [int(own[u]), *implied[own[u]].tolist()], truth)
        finds[u] = carried >= rules.direction and not merged[u]

    kinds = np.full(n_features, FEATURE_KINDS.index("missed"), np.int8)
    used = np.zeros(n_units, np.bool_)
    finders: list[list[int]] = [[] for _ in range(n_features)]
    parts: list[list[int]] = [[] for _ in range(n_features)]
    for u in alive:
        if merged[u]:
            kinds[[own[u], *merged[u]]] = FEATURE_KINDS.index("merged")
            used[u] = True
        else:
            parts[own[u]].append(u)
        if finds[u]:
            finders[own[u]].append(u)
    implying: list[list[int]] = [[] for _ in range(n_features)]
    for child, parents in enumerate(implied):
        for parent in parents.tolist():
            implying[parent] += finders[child]

    for f in range(n_features):
        precise = [u for u in parts[f] if rows.precision(firing[u], f) >= 0.5]
        precise.sort(key=lambda u: -detects[u])
        together, union = _best_union(precise, firing, f, rows)
        if len(finders[f]) >= 2:
            kind, members = "duplicated", finders[f]
        elif len(together) >= 2 and union >= max(rules.activity, detects[together].max() + rules.gain):
            kind, members = "split", together
        elif _is_absorbed(f, precise, implying[f], own, firing, units, truth, rows, rules):
            kind, members = "absorbed", precise
        elif finders[f]:
            kind, members = "found", finders[f]
        else:
            continue
        kinds[f] = FEATURE_KINDS.index(kind)
        used[members] = True
    latents = np.where(used[units.unit_of], LATENT_KINDS.index("matched"), LATENT_KINDS.index("spurious"))
    latents[dead] = LATENT_KINDS.index("dead")
    return Taxonomy(kinds, latents.astype(np.int8), own[units.unit_of])


def implications(bits: "LabelBits", share: float) -> list[NDArray[np.int64]]:
    """Features that hold on at least a share of the rows of each feature, itself left out.

    A feature that holds on that share of all rows is implied by nothing: it says nothing that it holds here too.

    Args:
        bits: labels of all rows.
        share: from 0 to 1.
    """
    from scipy.sparse import csr_array

    n = bits.n_features
    few = n <= 4096  # counts of all pairs fit into memory
    together: Any = np.zeros((n, n)) if few else csr_array((n, n), dtype=np.int64)
    for start in range(0, bits.n_rows, 4096):
        block = bits.to_dense(slice(start, start + 4096))
        # float32 counts up to 4096 exactly
        part: Any = block.astype(np.float32) if few else csr_array(block.astype(np.int64))
        together = together + part.T @ part
    positives = bits.positives
    common = positives >= share * bits.n_rows
    found: list[NDArray[np.int64]] = []
    for f in range(n):
        row: NDArray[np.float64] = together[f] if few else together[[f]].toarray()[0]
        others = np.flatnonzero((row > 0) & (row >= share * positives[f]) & ~common)
        found.append(others[others != f])
    return found


class _Rows:
    """Held-out rows as sorted arrays, and how well they fit a feature."""

    none = np.zeros(0, np.int64)

    def __init__(self, codes: "SortedCodes", bits: "LabelBits") -> None:
        self._codes, self._bits = codes, bits
        self.n = bits.n_rows

    def firing(self, unit: int, threshold: float) -> NDArray[np.int64]:
        start, stop = self._codes.colptr[unit], self._codes.negative[unit]
        count = np.searchsorted(-self._codes.values[start:stop], -np.float32(threshold), "right")
        return np.sort(self._codes.rows[start : start + count]).astype(np.int64)

    def holds(self, rows: NDArray[np.int64], feature: int) -> NDArray[np.bool_]:
        word = self._bits.words[feature // 64, rows]
        return ((word >> np.uint64(feature % 64)) & np.uint64(1)).astype(np.bool_)

    @cached_property
    def _of(self) -> dict[int, NDArray[np.int64]]:
        return {}

    def of(self, feature: int) -> NDArray[np.int64]:
        """Rows where a feature holds."""
        if feature not in self._of:
            word = self._bits.words[feature // 64]
            self._of[feature] = np.flatnonzero((word >> np.uint64(feature % 64)) & np.uint64(1))
        return self._of[feature]

    def f1(self, rows: NDArray[np.int64], feature: int) -> float:
        total = len(rows) + int(self._bits.positives[feature])
        return 2.0 * int(self.holds(rows, feature).sum()) / total if total else 0.0

    def precision(self, rows: NDArray[np.int64], feature: int) -> float:
        return float(self.holds(rows, feature).mean()) if len(rows) else 0.0

    def share(self, firing: NDArray[np.int64], rows: NDArray[np.int64]) -> float:
        """Share of some rows that fire; 0 without rows."""
        return float(np.isin(rows, firing, assume_unique=True).mean()) if len(rows) else 0.0

    def alone(self, feature: int, other: int) -> NDArray[np.int64]:
        """Rows of a feature without another; all of them where fewer than 5 are left."""
        rows = self.of(feature)
        left = rows[~self.holds(rows, other)]
        return left if len(left) >= 5 else rows


def _mixed_with(
    unit: int, own: int, firing: NDArray[np.int64], units: Units, truth: Truth, rows: _Rows, rules: Rules
) -> list[int]:
    """Other features that a latent stands for as much as for its own."""
    found: list[int] = []
    for g in np.flatnonzero(units.similarity[unit] >= rules.mixed).tolist():
        if g == own or units.similarity[unit, g] - truth.overlap(own, g, units.signed) < rules.excess:
            continue
        if rows.share(firing, rows.alone(g, own)) >= 0.5 and rows.share(firing, rows.alone(own, g)) >= 0.5:
            found.append(g)
    return found


def _best_union(
    candidates: list[int], firing: list[NDArray[np.int64]], feature: int, rows: _Rows
) -> tuple[list[int], float]:
    """Latents that detect a feature best together, taken one by one, best first, while F1 rises."""
    chosen: list[int] = []
    union, best = rows.none, 0.0
    for unit in candidates:
        wider = np.union1d(union, firing[unit])
        if (value := rows.f1(wider, feature)) > best:
            chosen, union, best = [*chosen, unit], wider, value
    return chosen, best


def _is_absorbed(
    feature: int,
    own_latents: list[int],
    implying: list[int],
    own: NDArray[np.int64],
    firing: list[NDArray[np.int64]],
    units: Units,
    truth: Truth,
    rows: _Rows,
    rules: Rules,
) -> bool:
    """Whether latents of features that imply this one fire in its stead and write its direction."""
    absorbers = [
        v
        for v in implying
        if units.similarity[v, feature] - truth.overlap(int(own[v]), feature, units.signed) >= rules.excess
    ]
    positives = rows.of(feature)
    if not absorbers or not len(positives):
        return False
    absorbed = np.isin(positives, np.concatenate([firing[v] for v in absorbers]))
    kept = np.isin(positives, np.concatenate([rows.none, *(firing[u] for u in own_latents)]))
    inside = kept[absorbed].mean() if absorbed.any() else 1.0
    outside = kept[~absorbed].mean() if (~absorbed).any() else 1.0
    return bool((absorbed & ~kept).mean() >= rules.lost and inside <= 0.5 * outside)


def _within(direction: NDArray[np.float64], features: list[int], truth: Truth) -> float:
    """Length of a unit direction's projection onto the span of some features."""
    spans = [truth.bases[f].T if f in truth.bases else truth.lines[[f]] for f in features]
    _, s, basis = np.linalg.svd(np.concatenate(spans), full_matrices=False)
    return float(np.linalg.norm(basis[s > 1e-6 * s[0]] @ unit_rows(direction[None])[0]))
