# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Ablated probes: what does a linear probe say once a set of latents is taken out of the activation?

Equation      x' = x - (decode(f) - decode(f with the set at 0)), so that the reconstruction error stays.
              Where decode is linear with rows W_i:  w . x' + b = w . x + b - sum over i in the set of f_i (w . W_i)
Conventions   One pass over the codes serves all probes and all nested sets: the sets of a ranking are its beginnings,
              and what each adds is one product. Means over the positions of a text are linear too: `pooled` latents in,
              logits of pooled activations out.
References    SAEBench, evaluations `scr` and `tpp`.
Differences from published code
              1. The released code encodes and decodes again for every set, size and judged probe. This is exact, and
                 that is `ablated_probe_logits_plain`.
              2. The released code marks padding by zero vectors and does not mask it again after ablating, so that what
                 latents write on a zero vector leaks into the mean. Here positions that do not count are never given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .inputs import Latents, as_codes

if TYPE_CHECKING:
    import torch

    from ..models.dictionary import Codes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Coder = Callable[["torch.Tensor"], "torch.Tensor"]
DENSE = 16_000_000  # numbers that are held dense, 64 MB
LINEAR_TOLERANCE = 1e-4  # relative; float32 decoders of thousands of latents stay below a tenth of it


class Removal(Protocol):
    """What taking latents out does to the logits of linear probes, at some rows."""

    def from_logits(
        self, ranking: Ints, sizes: Sequence[int], weights: Floats, resting: Floats | None = None
    ) -> Floats:
        """What the first n latents of a ranking add to the logits of probes, for every n.

        Args:
            ranking: latents, most important first.
            sizes: ascending numbers of latents; beyond the end of the ranking all of it is taken.
            weights: float64 [P, d], of the probes.
            resting: float64 [L], what latents are set to instead of 0.

        Returns:
            float64 [sizes, P, rows].
        """
        ...


@dataclass(frozen=True)
class LinearRemoval:
    """The exact shortcut, for a linear decoder.

    Attributes:
        latents: values of latents at the rows, [L, rows]; sparse where that would not fit.
        directions: float64 [L, d].
    """

    latents: NDArray[np.float32] | csr_array
    directions: Floats

    def from_logits(
        self, ranking: Ints, sizes: Sequence[int], weights: Floats, resting: Floats | None = None
    ) -> Floats:
        """See `Removal`."""
        chosen = ranking[: sizes[-1]]
        picked = self.latents[chosen]
        dense = picked if isinstance(picked, np.ndarray) else picked.toarray()
        values = dense.astype(np.float64)  # [k, rows]
        if resting is not None:
            values -= resting[chosen][:, None]
        effects = weights @ self.directions[chosen].T  # [P, k]
        total = np.zeros((len(sizes), len(weights), values.shape[1]))
        before = 0
        for i, size in enumerate(sizes):
            now = min(size, len(chosen))
            total[i] = (total[i - 1] if i else 0.0) + effects[:, before:now] @ values[before:now]
            before = now
        return total


@dataclass(frozen=True)
class DecodedRemoval:
    """For a decoder of any kind: it decodes again for every size.

    Attributes:
        latents: values of latents at the rows, [rows, L].
        decode: latents [rows, L] to activations.
    """

    latents: csr_array
    decode: Coder

    def from_logits(
        self, ranking: Ints, sizes: Sequence[int], weights: Floats, resting: Floats | None = None
    ) -> Floats:
        """See `Removal`."""
        import torch  # over a second to import, and the shortcut does without

        dense = torch.from_numpy(self.latents.toarray().astype(np.float32))
        total = np.zeros((len(sizes), len(weights), len(dense)))
        with torch.no_grad():
            whole = self.decode(dense)
            for i, size in enumerate(sizes):
                chosen = ranking[:size]
                rest = dense.clone()
                rest[:, torch.from_numpy(chosen)] = torch.from_numpy(
                    np.zeros(len(chosen), np.float32) if resting is None else resting[chosen].astype(np.float32)
                )
                total[i] = weights @ (whole - self.decode(rest)).double().numpy().T
        return total


def removal(codes: "Codes", directions: Floats, rows: Ints, decode: Coder | None = None) -> Removal:
    """What taking latents out does at some rows: by the shortcut, or by a decoder that is not linear."""
    part = codes.take(rows)
    matrix = csr_array((part.values, part.indices, part.indptr), shape=(part.n_rows, part.n_latents))
    if decode is not None:
        return DecodedRemoval(matrix, decode)
    small = part.n_rows * part.n_latents <= DENSE
    return LinearRemoval(np.ascontiguousarray(part.to_dense().T) if small else matrix.T.tocsr(), directions)


def ablated_probe_logits(
    latents: Latents,
    x: NDArray[np.floating],
    directions: NDArray[np.floating],
    weights: NDArray[np.floating],
    bias: NDArray[np.floating],
    ranking: NDArray[np.integer],
    sizes: Sequence[int],
) -> Floats:
    """Logits of probes after the first n latents of a ranking are taken out, for every n: the exact shortcut.

    Args:
        latents: Codes or floating [N, L] of a dictionary whose decoder is linear.
        x: activations, floating [N, d].
        directions: what each latent writes, floating [L, d].
        weights: of the probes, floating [P, d].
        bias: of the probes, floating [P].
        ranking: integer, latents in the order in which they are taken out, each at most once.
        sizes: ascending numbers of latents; beyond the end of the ranking all of it is taken.

    Returns:
        float64 [sizes, N, P].

    Raises:
        TypeError: latents that are not an array.
        ValueError: shapes that do not fit, sizes that do not rise, a latent twice or unknown.

    Examples:
        >>> import numpy as np
        >>> f, W = np.array([[2.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])
        >>> ablated_probe_logits(f, f @ W, W, np.array([[1.0, 1.0]]), np.array([0.5]), np.array([1, 0]), (1, 2)).ravel()
        array([2.5, 0.5])
    """
    codes = as_codes(latents)
    x, directions, weights = (np.asarray(array, np.float64) for array in (x, directions, weights))
    order = check_ranking(ranking, sizes, codes.n_latents)
    d = x.shape[-1]
    if x.shape != (codes.n_rows, d) or directions.shape != (codes.n_latents, d) or weights.shape[1:] != (d,):
        raise ValueError(
            f"latents [{codes.n_rows}, {codes.n_latents}] go with x [N, d], directions [L, d] and weights [P, d], got "
            f"{list(x.shape)}, {list(directions.shape)} and {list(weights.shape)}"
        )
    before = x @ weights.T + np.asarray(bias, np.float64)
    change = removal(codes, directions, np.arange(codes.n_rows)).from_logits(order, sizes, weights)
    return before - change.transpose(0, 2, 1)


def ablated_probe_logits_plain(
    encode: Coder,
    decode: Coder,
    x: "torch.Tensor",
    weights: "torch.Tensor",
    bias: "torch.Tensor",
    ranking: NDArray[np.integer],
    sizes: Sequence[int],
) -> "torch.Tensor":
    """The same by encoding and decoding again for every set and every probe; right for decoders of any kind.

    Args:
        encode: activations [N, d] to latents [N, L].
        decode: latents to activations.
        x: float [N, d].
        weights: float [P, d].
        bias: float [P].
        ranking: integer, latents in the order in which they are taken out.
        sizes: ascending numbers of latents.

    Returns:
        float [sizes, N, P].
    """
    import torch

    logits = torch.zeros(len(sizes), len(x), len(weights))
    with torch.no_grad():
        for i, size in enumerate(sizes):
            for p in range(len(weights)):
                latents = encode(x)
                error = x - decode(latents)
                latents = latents.clone()
                latents[:, torch.as_tensor(np.asarray(ranking[:size], np.int64))] = 0.0
                logits[i, :, p] = (decode(latents) + error) @ weights[p] + bias[p]
    return logits


def check_ranking(ranking: NDArray[np.integer], sizes: Sequence[int], n_latents: int) -> Ints:
    """The ranking as int64.

    Raises:
        ValueError: not integers, a latent twice or unknown, or sizes that are empty, negative or do not rise.
    """
    order = np.asarray(ranking)
    if order.ndim != 1 or not (np.issubdtype(order.dtype, np.integer) or order.size == 0):
        raise ValueError(f"ranking must be integers of one axis, got {order.dtype} {list(order.shape)}")
    if len(np.unique(order)) != len(order) or (len(order) and not 0 <= order.min() <= order.max() < n_latents):
        raise ValueError(f"ranking must name each of its latents once, from 0 to {n_latents - 1}")
    if not sizes or sizes[0] < 0 or any(b <= a for a, b in pairwise(sizes)):
        raise ValueError(f"sizes must be at least one number, from 0 on and rising, got {tuple(sizes)}")
    return order.astype(np.int64)


def decodes_linearly(
    decode: Coder, latents: "torch.Tensor", directions: "torch.Tensor", *, n_sets: int = 4, seed: int = 0
) -> bool:
    """Whether taking latents out of a decoder takes away just what their directions say: what the shortcut needs.

    Args:
        decode: latents [N, L] to activations [N, d].
        latents: float [N, L], a sample.
        directions: float [L, d], where the decoder computes.
        n_sets: random halves of the latents that are tried.
        seed: of the halves.
    """
    import torch

    draw = np.random.default_rng(seed)
    latents = latents.to(directions.device)
    with torch.no_grad():
        whole = decode(latents).double()
        size = max(float((latents.double() @ directions.double()).abs().max()), 1e-12)
        for _ in range(n_sets):
            out = torch.from_numpy(draw.random(latents.shape[1]) < 0.5).to(latents.device)
            rest = decode(torch.where(out, 0.0, latents)).double()
            expected = (latents.double() * out) @ directions.double()
            if float((whole - rest - expected).abs().max()) > LINEAR_TOLERANCE * size:
                return False
    return True


def pooled(latents: Latents, sample: NDArray[np.integer]) -> "Codes":
    """Mean latents of each sample of rows, such as the counted positions of a text; samples are numbered from 0.

    Args:
        latents: Codes or floating [N, L]; only rows that count.
        sample: integer [N], the sample of each row; every number from 0 to the largest has a row.
    """
    from ..models.dictionary import Codes

    codes = as_codes(latents)
    sample = np.asarray(sample, np.int64)
    counts = np.bincount(sample)
    if len(sample) != codes.n_rows or (counts == 0).any():
        raise ValueError(f"sample must give each of {codes.n_rows} rows a number, and leave none of the numbers out")
    average = csr_array((1 / counts[sample], (sample, np.arange(codes.n_rows))), shape=(len(counts), codes.n_rows))
    shape = (codes.n_rows, codes.n_latents)
    mean = csr_array(average @ csr_array((codes.values.astype(np.float64), codes.indices, codes.indptr), shape=shape))
    mean.eliminate_zeros()
    mean.sort_indices()
    return Codes(
        mean.indptr.astype(np.int64), mean.indices.astype(np.int32), mean.data.astype(np.float32), codes.n_latents
    )
