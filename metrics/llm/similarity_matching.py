"""Which latent of one dictionary stands for which latent of another, trained independently?

Equation      decoder, encoder    cos(d_i, e_j) of the two latents' directions: only where both read one space
              activation          Pearson's r of the two latents' activations at the same positions
              one-to-one          the disjoint pairs with the largest sum of similarities (Hungarian)
              mutual nearest      pairs of which each is the other's most similar; the cheap form, fewer pairs
Conventions   A direction of length 0, and a latent that never or always fires alike, is similar to nothing (0). A pair
              whose similarity is not above `least` is no pair. Latents are paired by number, so that labels, truth and
              activations can follow.
Reference     scipy.optimize.linear_sum_assignment.
"""

# pyright: reportMissingTypeStubs=false
# scipy is not fully typed.

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..recovery_matching import assign, unit_rows

if TYPE_CHECKING:
    from ...models.dictionary import Codes

How = Literal["one-to-one", "mutual nearest"]


@dataclass(frozen=True, eq=False)
class Matching:
    """Pairs of latents, one of each dictionary.

    Attributes:
        a: int64 [P], latents of the first, rising.
        b: int64 [P], their partners; none twice.
        similarity: float64 [P], of each pair.
        n_a: latents of the first that could have been paired.
        n_b: latents of the second.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    similarity: NDArray[np.float64]
    n_a: int
    n_b: int

    def __len__(self) -> int:
        return len(self.a)

    @property
    def mean(self) -> float:
        """Sum of similarities over the larger number of latents: one without a partner counts 0."""
        return float(self.similarity.sum() / max(1, self.n_a, self.n_b))

    def above(self, least: float) -> "Matching":
        """Only the pairs with at least this similarity."""
        kept = self.similarity >= least
        return Matching(self.a[kept], self.b[kept], self.similarity[kept], self.n_a, self.n_b)


def cosines(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Cosine of every direction with every other, float64 [La, Lb].

    Args:
        a: [La, d], decoder or encoder directions, or embeddings of labels.
        b: [Lb, d].

    Raises:
        ValueError: not two axes, or different d.

    Examples:
        >>> cosines(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])).tolist()
        [[1.0, 0.0, 0.0]]
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"directions to compare must be [La, d] and [Lb, d], got {list(a.shape)} and {list(b.shape)}")
    found = unit_rows(a.astype(np.float64)) @ unit_rows(b.astype(np.float64)).T
    return np.clip(found, -1.0, 1.0)


def activation_correlations(a: "Codes", b: "Codes") -> NDArray[np.float64]:
    """Pearson's r of every latent's activations with every other's, float64 [La, Lb]; 0 for a constant latent.

    Args:
        a: latents at N positions.
        b: latents of the other dictionary at the same positions.

    Raises:
        ValueError: another number of positions.
    """
    if a.n_rows != b.n_rows:
        raise ValueError(f"activations are compared at the same positions, got {a.n_rows} and {b.n_rows}")
    n = a.n_rows
    first, second = _csr(a), _csr(b)
    mean_a, std_a = _moments(a)
    mean_b, std_b = _moments(b)
    joint = np.asarray((first.T @ second).toarray(), np.float64) / n - np.outer(mean_a, mean_b)
    scale = np.outer(std_a, std_b)
    found = np.divide(joint, scale, out=np.zeros_like(joint), where=scale > 0)
    return np.clip(found, -1.0, 1.0)


def match(
    similarity: NDArray[np.float64],
    how: How = "one-to-one",
    *,
    a: NDArray[np.int64] | None = None,
    b: NDArray[np.int64] | None = None,
    least: float = 0.0,
) -> Matching:
    """Pair the latents of two dictionaries.

    Args:
        similarity: [La, Lb].
        how: `one-to-one` or `mutual nearest`.
        a: int64, latents of the first that may be paired, such as those that fire; all by default.
        b: likewise of the second.
        least: what the similarity of a pair must exceed.

    Raises:
        ValueError: an unknown way, or a similarity that is not finite.

    Examples:
        >>> found = match(np.array([[0.9, 0.8], [0.7, 0.1]]))
        >>> found.a.tolist(), found.b.tolist()  # .8 + .7 is more than .9 + .1
        ([0, 1], [1, 0])
        >>> match(np.array([[0.9, 0.8], [0.7, 0.1]]), "mutual nearest").b.tolist()
        [0]
    """
    if similarity.ndim != 2 or not np.isfinite(similarity).all():
        raise ValueError(f"similarity must be finite [La, Lb], got {list(similarity.shape)}, perhaps with NaN")
    rows = _chosen(a, similarity.shape[0])
    columns = _chosen(b, similarity.shape[1])
    block = similarity[np.ix_(rows, columns)]
    if not block.size:
        empty = np.zeros(0, np.int64)
        return Matching(empty, empty, np.zeros(0), len(rows), len(columns))
    gain = np.maximum(block - least, 0.0)  # a pair that is not alike enough is worth as little as none
    if how == "one-to-one":
        partner = assign(gain.T)  # of every row: its column, or -1
    elif how == "mutual nearest":
        best = block.argmax(1)
        mutual = (block.argmax(0)[best] == np.arange(len(rows))) & (gain[np.arange(len(rows)), best] > 0)
        partner = np.where(mutual, best, -1)
    else:
        raise ValueError(f"latents are matched one-to-one or by mutual nearest neighbours, got {how!r}")
    paired = np.flatnonzero(partner >= 0)
    return Matching(rows[paired], columns[partner[paired]], block[paired, partner[paired]], len(rows), len(columns))


def _chosen(latents: NDArray[np.int64] | None, n: int) -> NDArray[np.int64]:
    """Numbers of the latents that may be paired, rising; all of n by default."""
    found: NDArray[np.int64] = np.arange(n, dtype=np.int64) if latents is None else np.unique(latents)
    return found


def _moments(codes: "Codes") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every latent over the positions."""
    values = codes.values.astype(np.float64)
    mean = np.bincount(codes.indices, values, codes.n_latents) / codes.n_rows
    square = np.bincount(codes.indices, values**2, codes.n_latents) / codes.n_rows
    variance = square - mean**2
    return mean, np.sqrt(np.where(variance > 1e-12 * np.maximum(square, 1e-300), variance, 0.0))


def _csr(codes: "Codes") -> Any:
    from scipy.sparse import csr_array

    values = codes.values.astype(np.float64)
    return csr_array((values, codes.indices, codes.indptr), shape=(codes.n_rows, codes.n_latents))
