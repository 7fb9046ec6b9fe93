"""Which latent stands for which true feature: similarity of directions, and the one-to-one assignment.

Equation      similarity of latent i and feature g = max(0, cos(d_i, t_g)), where d_i is the direction of i, t_g that of
              g; |cos| if some latent is negative (the sign of a signed latent's direction is arbitrary).
              Assignment: the set of disjoint pairs with the largest sum of weights (Hungarian); pairs of weight 0 are
              no pairs.
Subspaces     A feature of m > 1 axes spans a subspace. A latent is one of its own if the feature is its nearest and its
              projection onto that subspace has length >= `claimed` for a unit direction. All of a feature's own latents
              together are one unit: its direction is the subspace of their m leading directions, its similarity the
              mean cosine of the principal angles with the true one, its activity the length of what they write inside
              the true one. A single latent beside that covers one axis of m, so its projection counts 1 / m.
Reference     Hungarian matching: scipy.optimize.linear_sum_assignment. Principal angles: Bjorck and Golub 1973,
              Mathematics of Computation 27.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..models.dictionary import Codes
    from .counts import PairCounts


@dataclass(frozen=True)
class Truth:
    """True directions as orthonormal bases, one a feature.

    Attributes:
        lines: float64 [F, d], unit direction of every feature of one axis; rows of other features are 0.
        bases: feature -> float64 [d, m] of every feature of several axes.
    """

    lines: NDArray[np.float64]
    bases: dict[int, NDArray[np.float64]]

    @classmethod
    def of(cls, true_directions: NDArray[np.float64], owner: NDArray[np.int64], features: NDArray[np.int64]) -> "Truth":
        """Bases of some features.

        Args:
            true_directions: [A, d].
            owner: int64 [A], feature of each axis.
            features: int64 [F], the features wanted, in order.

        Raises:
            ValueError: a feature without an axis, a direction of length 0, axes of a feature that are dependent.
        """
        axes: dict[int, list[int]] = {int(f): [] for f in features}
        for axis, feature in enumerate(owner.tolist()):
            if feature in axes:
                axes[feature].append(axis)
        if missing := [f for f, found in axes.items() if not found]:
            raise ValueError(f"features {missing[:5]} own no axis of true_directions; owner must name each of them")
        lines = np.zeros((len(features), true_directions.shape[1]))
        bases: dict[int, NDArray[np.float64]] = {}
        lengths = np.linalg.norm(true_directions, axis=1)
        for row, found in enumerate(axes.values()):
            if not lengths[found].all():
                raise ValueError(f"the true direction of feature {int(features[row])} is 0; mark it as not reachable")
            if len(found) == 1:
                lines[row] = true_directions[found[0]] / lengths[found[0]]
                continue
            u, s, _ = np.linalg.svd((true_directions[found] / lengths[found, None]).T, full_matrices=False)
            if s[-1] < 1e-6 * s[0]:
                raise ValueError(f"the {len(found)} true directions of feature {int(features[row])} are dependent")
            bases[row] = u
        return cls(lines, bases)

    def projections(self, directions: NDArray[np.float64], signed: bool) -> NDArray[np.float64]:
        """Length in every feature's span of unit directions, float64 [L, F]; a line's opposite counts 0 unless signed.

        Args:
            directions: [L, d]; a row of 0 projects to 0.
            signed: whether a direction stands for its opposite too.
        """
        units = unit_rows(directions)
        cos = units @ self.lines.T
        cos = np.abs(cos) if signed else np.maximum(cos, 0.0)
        for feature, basis in self.bases.items():
            cos[:, feature] = np.linalg.norm(units @ basis, axis=1)
        return np.minimum(cos, 1.0)

    def overlap(self, feature: int, other: int, signed: bool) -> float:
        """Largest similarity of a direction of one feature with another feature."""
        first = self.bases[feature] if feature in self.bases else self.lines[feature][:, None]
        second = self.bases[other] if other in self.bases else self.lines[other][:, None]
        if first.shape[1] == second.shape[1] == 1:
            cos = float(first[:, 0] @ second[:, 0])
            return abs(cos) if signed else max(0.0, cos)
        return float(np.linalg.svd(first.T @ second, compute_uv=False)[0])


@dataclass(frozen=True)
class Units:
    """What is matched: latents, and for each feature of several axes all of its own latents as one.

    Attributes:
        codes: values >= 0, [N, U]; unit i < L is latent i, silent if it is part of a larger unit.
        similarity: float64 [U, F] in 0 to 1.
        unit_of: int64 [L], the unit of each latent.
        signed: whether some latent is negative.
    """

    codes: "Codes"
    similarity: NDArray[np.float64]
    unit_of: NDArray[np.int64]
    signed: bool


def as_units(codes: "Codes", directions: NDArray[np.float64], truth: Truth, *, claimed: float = 0.8) -> Units:
    """Units of a dictionary.

    Args:
        codes: of N rows.
        directions: [L, d].
        truth: of F features.
        claimed: how much of a unit direction must lie in a subspace to be part of it.
    """
    from ..models.dictionary import Codes

    signed = bool((codes.values < 0).any())
    similarity = truth.projections(directions, signed)
    unit_of = np.arange(codes.n_latents)
    if not truth.bases:
        absolute = Codes(codes.indptr, codes.indices, np.abs(codes.values), codes.n_latents) if signed else codes
        return Units(absolute, similarity, unit_of, signed)
    nearest = similarity.argmax(1)
    written = _csr(codes)
    columns: list[NDArray[np.float32]] = []
    joint: list[NDArray[np.float64]] = []
    for feature, basis in truth.bases.items():
        own = np.flatnonzero((nearest == feature) & (similarity[:, feature] >= claimed))
        similarity[:, feature] /= basis.shape[1]
        if not len(own):
            continue
        unit_of[own] = codes.n_latents + len(columns)
        columns.append(np.linalg.norm(written[:, own] @ (directions[own] @ basis), axis=1).astype(np.float32))
        alike = np.zeros(similarity.shape[1])
        alike[feature] = principal_cosine(directions[own], basis)
        joint.append(alike)
    if columns:
        similarity = np.concatenate([similarity, np.stack(joint)])
        similarity[: codes.n_latents][unit_of >= codes.n_latents] = 0.0
    kept = unit_of[codes.indices] < codes.n_latents
    rows = np.concatenate([codes.rows[kept], *(np.flatnonzero(c) for c in columns)])
    indices = np.concatenate(
        [codes.indices[kept], *(np.full(np.count_nonzero(c), codes.n_latents + i) for i, c in enumerate(columns))]
    )
    values = np.concatenate([np.abs(codes.values[kept]), *(c[c != 0] for c in columns)])
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=codes.n_rows))]).astype(np.int64)
    merged = Codes(indptr, indices[order].astype(np.int32), values[order], codes.n_latents + len(columns))
    return Units(merged, similarity, unit_of, signed)


def assign(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Unit of every feature in the one-to-one matching of largest total weight, int64 [F]; -1 for none.

    Args:
        weights: [U, F], >= 0; a pair of weight 0 is never matched.

    Examples:
        >>> assign(np.array([[0.9, 0.8], [0.7, 0.0], [0.0, 0.0]])).tolist()
        [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = cast("tuple[NDArray[np.int64], NDArray[np.int64]]", linear_sum_assignment(weights, maximize=True))
    found = np.full(weights.shape[1], -1, np.int64)
    real = weights[rows, columns] > 0
    found[columns[real]] = rows[real]
    return found


def fitted_thresholds(
    pairs: "PairCounts", units: NDArray[np.int64], features: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Best thresholds of some pairs, compared as activity >= threshold.

    Where the best is to take every row that fires, the threshold is "above 0" and not the smallest value seen in
    training: a perfect latent would otherwise miss the few held-out rows that lie below.

    Args:
        pairs: counted on the training rows.
        units: [F], -1 for none (any threshold).
        features: [F].
    """
    found = pairs.threshold_at(units, features)
    everything = pairs.on[units, features] == pairs.ordered.n_firing[units]
    return np.where(everything & np.isfinite(found), np.float32(np.finfo(np.float32).tiny), found)


def unit_rows(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; rows of 0 stay."""
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions / np.where(lengths > 0, lengths, 1.0)


def principal_cosine(directions: NDArray[np.float64], basis: NDArray[np.float64]) -> float:
    """Mean cosine of the principal angles between the leading directions and a subspace; a missing one counts 0.

    Args:
        directions: [k, d], not all 0.
        basis: [d, m], orthonormal.
    """
    m = basis.shape[1]
    _, s, leading = np.linalg.svd(unit_rows(directions), full_matrices=False)
    leading = leading[:m][s[:m] > 1e-6 * s[0]]
    cosines = np.linalg.svd(leading @ basis, compute_uv=False)
    return float(np.minimum(cosines, 1.0).sum() / m)


def _csr(codes: "Codes"):  # noqa: ANN202 - scipy ships no types
    from scipy.sparse import csr_array

    return csr_array((codes.values, codes.indices, codes.indptr), shape=(codes.n_rows, codes.n_latents))
