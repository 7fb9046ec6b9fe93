"""What the attribute dictionaries share: checked inputs, sums over values, and the read-out of values.

The read-out is linear discriminant analysis in every block: with m_v the mean of the rows that have value v, W the
covariance about those means and n_v their number, the score of v is m_v' W^-1 a - m_v' W^-1 m_v / 2 + log n_v.
"No value" is one more class where rows without one occur.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from .attribute_blocks import Attributes, Block, blocks_of, latents_of, starts_of
from .attributes import AttributeDictionary

_ROWS = 4096  # at a time
SHRINK = 1e-4  # of the mean variance, added to W so that noise-free activations have a read-out


@dataclass(frozen=True, eq=False)
class Sums:
    """Everything that the fits need of the rows.

    Attributes:
        blocks: of the parametrisation.
        mean: float64 [d], of the activations.
        scatter: float64 [d, d], centred.
        gram: float64 [H, H], rows that have both latents; its diagonal are the counts.
        cross: float64 [H, d], sum of the centred activations that have a latent.
        n: rows.
    """

    blocks: tuple[Block, ...]
    mean: torch.Tensor
    scatter: torch.Tensor
    gram: torch.Tensor
    cross: torch.Tensor
    n: int

    @property
    def counts(self) -> torch.Tensor:
        """Rows of every latent, float64 [H]."""
        return self.gram.diagonal()

    @property
    def complete(self) -> bool:
        """Whether every row has a latent of every block."""
        return int(self.counts.sum()) == self.n * len(self.blocks)

    @property
    def slices(self) -> list[slice]:
        """Latents of every block."""
        starts = starts_of(self.blocks).tolist()
        return [slice(s, s + len(b.latent_names)) for s, b in zip(starts, self.blocks, strict=True)]


def gather(
    activations: torch.Tensor,
    attributes: Attributes,
    values: Mapping[str, Sequence[str]],
    which: Sequence[str],
    parametrisation: str | Sequence[Sequence[str]],
) -> Sums:
    """Check the inputs of a fit and sum them up, a few thousand rows at a time.

    Raises:
        TypeError: activations that are no tensor.
        KeyError: unknown attribute.
        ValueError: wrong shapes, types or values, fewer than 2 rows, NaN or infinity.
    """
    check_activations(activations)
    blocks = blocks_of(values, which, parametrisation)
    active = latents_of(blocks, attributes)
    if len(active) != len(activations):
        raise ValueError(f"got {len(activations)} activations and {len(active)} values of the attributes")
    n, d = activations.shape
    n_latents = sum(len(block.latent_names) for block in blocks)
    device = activations.device
    mean = activations.double().mean(0)
    scatter = mean.new_zeros(d, d)
    gram, cross = mean.new_zeros(n_latents, n_latents), mean.new_zeros(n_latents, d)
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        x = activations[rows].double() - mean
        index = torch.where(active[rows] < 0, n_latents, active[rows]).to(device)
        # float32 counts are exact below 2^24, far above the rows of a chunk.
        codes = torch.zeros(len(x), n_latents + 1, device=device).scatter_(1, index, 1.0)[:, :-1]
        gram += (codes.T @ codes).double()
        cross += codes.double().T @ x
        scatter += x.T @ x
    return Sums(blocks, mean, scatter, gram, cross, n)


def check_activations(activations: torch.Tensor) -> None:
    """Whether activations can be fitted on.

    Raises:
        TypeError: no tensor.
        ValueError: not floating [N, d] with two rows or more, or NaN or infinity.
    """
    if not isinstance(activations, torch.Tensor):
        raise TypeError(f"activations must be a torch tensor, got {type(activations).__name__}")
    if activations.ndim != 2 or not activations.is_floating_point() or len(activations) < 2:
        raise ValueError(
            f"activations must be floating [N, d] with N >= 2, got {activations.dtype} {list(activations.shape)}"
        )
    if not activations.isfinite().all():
        row = int((~activations.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"activations of row {row} are not finite")


def value_means(sums: Sums) -> torch.Tensor:
    """Mean activation of every latent's rows minus the mean of all, float64 [H, d]; 0 for a latent without rows."""
    return sums.cross / sums.counts.clamp(min=1)[:, None]


def read_outs(sums: Sums) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights float64 [H + B, d] and biases [H + B] of the scores, on activations minus their mean."""
    means, counts = value_means(sums), sums.counts
    d = len(sums.mean)
    reads, biases = sums.mean.new_zeros(len(means) + len(sums.blocks), d), None
    biases = reads.new_full((len(reads),), -torch.inf)
    shrink = SHRINK * (sums.scatter.diagonal().mean() / sums.n).clamp(min=1e-30)
    for i, part in enumerate(sums.slices):
        absent = sums.n - counts[part].sum()
        n_class = torch.cat([counts[part], absent[None]])
        # The centred activations sum to 0, so rows without a value sum to minus the rest.
        m = torch.cat([means[part], (-sums.cross[part].sum(0) / absent.clamp(min=1))[None]])
        m[-1] *= absent > 0
        within = (sums.scatter - (n_class[:, None] * m).T @ m) / sums.n
        within.diagonal().add_(shrink)
        # Rounding can leave a noise-free covariance with eigenvalues a little below 0.
        factor, trouble = torch.linalg.cholesky_ex(within)
        if trouble:
            eigenvalues, basis = torch.linalg.eigh(within)
            weights = (m @ basis) / eigenvalues.clamp(min=float(shrink)) @ basis.T
        else:
            weights = torch.cholesky_solve(m.T, factor).T
        bias = (n_class / sums.n).log() - 0.5 * (weights * m).sum(1)
        place = torch.cat([torch.arange(part.start, part.stop), torch.tensor([len(means) + i])]).to(reads.device)
        reads[place], biases[place] = weights, bias
    return reads, biases


def assemble(name: str, sums: Sums, directions: torch.Tensor, rank: int | None = None) -> AttributeDictionary:
    """A dictionary with the read-outs of the rows; the rank of the codes is computed if it is not given."""
    reads, biases = read_outs(sums)
    if rank is None:
        rank = rank_of(sums.gram)
    return AttributeDictionary(
        name=name,
        blocks=sums.blocks,
        directions=directions.float(),
        offset=sums.mean.float(),
        reads=reads.float(),
        read_biases=biases.float(),
        counts=sums.counts.round().long(),
        rank=rank,
    )


def rank_of(gram: torch.Tensor) -> int:
    """Rank of codes with this Gram matrix of counts, float64 [H, H]."""
    eigenvalues = torch.linalg.eigvalsh(gram)
    return int((eigenvalues > cutoff(eigenvalues)).sum())


def cutoff(eigenvalues: torch.Tensor) -> torch.Tensor:
    """Below this, ascending eigenvalues of a Gram matrix are rounding."""
    largest = eigenvalues[-1:].sum()  # 0 where there are none
    return largest.clamp(min=1e-300) * len(eigenvalues) * 1e-13
