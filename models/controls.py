"""Dictionaries that deserve no credit: the floors that a trained SAE has to clear.

| control | what a score above it shows |
|---|---|
| random dictionary | that directions were learnt at all: same shape, same L0, random unit directions |
| permuted decoder | that what a latent reads and what it writes belong together |
| permuted encoder | the same, seen from the directions: each direction, and its name, gets another latent's activity |
| frozen decoder | that learnt directions matter: `train_sae(..., frozen_decoder=True)` |
| neurons | that the SAE is better than the basis the model computes in |
| PCA | that sparsity is worth more than variance |
| identity | that a dictionary is worth more than the raw coordinates |

A basis has signed coordinates, but a latent fires where it is > 0. So each coordinate becomes two latents, its positive
and its negative half, whose directions are opposite; nothing is lost, and all latents are >= 0.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from .dictionary import Dictionary
from .seeds import generator_of


@dataclass(eq=False)
class LinearDictionary:
    """Latents are relu((x - centre) @ reading), perhaps only the k largest; they write latents @ directions + offset.

    Attributes:
        name: a column of the report.
        reading: float32 [d_in, n_latents].
        directions: float32 [n_latents, d_out], what each latent writes.
        centre: float32 [d_in].
        offset: float32 [d_out].
        k: how many latents a row keeps; None for all.
        signed: skip the relu, so that latents may be negative.
        latent_names: None; controls have no names.
    """

    name: str
    reading: torch.Tensor
    directions: torch.Tensor
    centre: torch.Tensor
    offset: torch.Tensor
    k: int | None = None
    signed: bool = False
    latent_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        (d_in, n_latents), (n_rows, d_out) = self.reading.shape, self.directions.shape
        if n_latents != n_rows or self.centre.shape != (d_in,) or self.offset.shape != (d_out,):
            shapes = {key: list(getattr(self, key).shape) for key in ("reading", "directions", "centre", "offset")}
            raise ValueError(f"{self.name}: the shapes do not fit together: {shapes}")
        if self.k is not None and not 0 < self.k <= n_latents:
            raise ValueError(f"{self.name}: k must be 1 to {n_latents}, got {self.k}")

    @property
    def d_in(self) -> int:
        """Width of an activation."""
        return len(self.reading)

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.directions)

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d_in] to latents float32 [N, n_latents].

        Raises:
            ValueError: another shape, or NaN or infinity.
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ValueError(f"{self.name}: activations must be [N, {self.d_in}], got {list(x.shape)}")
        if not torch.isfinite(x).all():
            raise ValueError(f"{self.name}: activations hold NaN or infinity")
        latents = (x.float() - self.centre) @ self.reading
        if not self.signed:
            latents = latents.relu()
        if self.k is None:
            return latents
        kept = latents.abs().topk(self.k, dim=1).indices
        return torch.zeros_like(latents).scatter(1, kept, latents.gather(1, kept))

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations float32 [N, d_out].

        Raises:
            ValueError: another shape.
        """
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise ValueError(f"{self.name}: latents must be [N, {self.n_latents}], got {list(latents.shape)}")
        return latents.float() @ self.directions + self.offset


class PermutedDictionary:
    """A dictionary whose latents and directions were shuffled against each other; no latent keeps its own.

    Args:
        base: what is permuted.
        side: "decoder" keeps every latent's activity (and name) and gives it another's direction; "encoder" keeps
            every direction (and name) and gives it another's activity. As sets of pairs the two are alike: they
            differ for metrics that go by the number or the name of a latent.
        seed: of the permutation.
        name: by default that of the base with the side.

    Raises:
        ValueError: unknown side, or fewer than 2 latents.
    """

    def __init__(
        self, base: Dictionary, side: Literal["decoder", "encoder"], *, seed: int = 0, name: str | None = None
    ) -> None:
        if side not in ("decoder", "encoder"):
            raise ValueError(f"side must be 'decoder' or 'encoder', got {side!r}")
        n_latents = len(base.directions)
        if n_latents < 2:
            raise ValueError(f"a permutation needs at least 2 latents, got {n_latents}")
        order = np.random.default_rng(seed).permutation(n_latents)
        other = np.empty(n_latents, np.int64)
        other[order] = np.roll(order, 1)  # one cycle through all latents, so that none is left in place
        self.base, self.side = base, side
        self.name = name or f"{base.name}, permuted {side}"
        self.latent_names = base.latent_names
        self._other = torch.from_numpy(other)  # latent i takes over what belonged to latent other[i]
        self._back = torch.from_numpy(np.argsort(other))

    @property
    def directions(self) -> torch.Tensor:
        """Float [n_latents, d_in]."""
        return self.base.directions[self._other] if self.side == "decoder" else self.base.directions

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d_in] to latents [N, n_latents]."""
        latents = self.base.encode(x)
        return latents if self.side == "decoder" else latents[:, self._other]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations [N, d_in]."""
        return self.base.decode(latents[:, self._back] if self.side == "decoder" else latents)


def random_dictionary(
    activations: torch.Tensor, n_latents: int, k: int, *, seed: int = 0, name: str = "random dictionary"
) -> LinearDictionary:
    """Random unit directions; the k with the largest projections on the centred activation are active.

    One number is fitted to the activations besides their mean: a gain on all latents, least squares, because the sum
    of k overlapping projections overshoots.

    Args:
        activations: float [N, d], of training games.
        n_latents: width, that of the SAE it is compared with.
        k: L0, that of the SAE it is compared with.
        seed: of the directions.
        name: a column of the report.

    Raises:
        ValueError: wrong shape, NaN or infinity, or k out of range.
    """
    x = _checked(activations)
    directions = torch.randn(n_latents, x.shape[1], generator=generator_of("random dictionary", seed))
    directions = directions / directions.norm(dim=1, keepdim=True)
    mean = x.mean(0)
    plain = LinearDictionary(name, directions.T.contiguous(), directions, mean, mean, k)
    inner = square = 0.0
    for batch in x.split(4096):
        written = plain.decode(plain.encode(batch)) - mean
        inner += float(((batch - mean) * written).sum())
        square += float(written.square().sum())
    gain = inner / square if square > 0 else 1.0
    return LinearDictionary(name, plain.reading * gain, directions, mean, mean, k)


def pca_dictionary(
    activations: torch.Tensor, *, n_components: int | None = None, k: int | None = None, name: str = "PCA"
) -> LinearDictionary:
    """Principal components, fitted on training activations, each split into its two halves.

    Args:
        activations: float [N, d], of training games.
        n_components: how many; all d by default.
        k: keep the k largest latents of a row, to match the L0 of an SAE; None keeps all.
        name: a column of the report.

    Raises:
        ValueError: wrong shape, NaN or infinity, n_components or k out of range.
    """
    x = _checked(activations)
    mean = x.double().mean(0)
    covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    for batch in x.split(65536):
        centred = batch.double() - mean
        covariance += centred.T @ centred
    return pca_from_covariance(mean, covariance, n_components=n_components, k=k, name=name)


def pca_from_covariance(
    mean: torch.Tensor,
    covariance: torch.Tensor,
    *,
    n_components: int | None = None,
    k: int | None = None,
    name: str = "PCA",
) -> LinearDictionary:
    """`pca_dictionary` where the moments are known, for samples that are never held whole.

    Args:
        mean: float64 [d].
        covariance: float64 [d, d], to any scale.
        n_components: how many; all d by default.
        k: as there.
        name: as there.

    Raises:
        ValueError: n_components or k out of range.
    """
    d = len(mean)
    n_components = d if n_components is None else n_components
    if not 0 < n_components <= d:
        raise ValueError(f"n_components must be 1 to {d}, got {n_components}")
    basis = torch.linalg.eigh(covariance).eigenvectors.flip(1).T[:n_components]  # rows, largest variance first
    largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
    basis = (basis * largest.sign()).float()  # an eigenvector's sign is arbitrary; fix it
    return _two_halves(name, basis.T, basis, mean.float(), mean.float(), k)


def identity_dictionary(
    d_in: int, *, split: bool = True, k: int | None = None, name: str = "identity"
) -> LinearDictionary:
    """The coordinates themselves.

    Args:
        d_in: width of an activation.
        split: two latents a coordinate, its positive and negative half; False leaves one signed latent each.
        k: keep the k largest latents of a row; None keeps all.
        name: a column of the report.

    Raises:
        ValueError: d_in or k out of range.
    """
    if d_in < 1:
        raise ValueError(f"d_in must be at least 1, got {d_in}")
    eye, zero = torch.eye(d_in), torch.zeros(d_in)
    if split:
        return _two_halves(name, eye, eye, zero, zero, k)
    return LinearDictionary(name, eye, eye, zero, zero, k, signed=True)


def neuron_dictionary(
    w_out: torch.Tensor, b_out: torch.Tensor, *, k: int | None = None, name: str = "neurons"
) -> LinearDictionary:
    """The neurons of one MLP: reads their activations, writes the output of the MLP.

    It works on another activation than an SAE of the residual stream: encode the values at
    `blocks.i.mlp.out.hook_in`, [N, d_mlp]; what it decodes is the value at `blocks.i.mlp.hook_out`, [N, d_model].
    GELU neurons go slightly below 0, so each is split into its two halves like every signed basis.

    Args:
        w_out: float [d_mlp, d_model], what each neuron writes.
        b_out: float [d_model].
        k: keep the k largest latents of a row, to match the L0 of an SAE; None keeps all.
        name: a column of the report.

    Raises:
        ValueError: shapes that do not fit, or k out of range.
    """
    w_out, eye = w_out.detach().cpu().float(), torch.eye(len(w_out))
    return _two_halves(name, eye, w_out, torch.zeros(len(w_out)), b_out.detach().cpu().float(), k)


def neurons_of(model: Any, layer: int, *, k: int | None = None, name: str | None = None) -> LinearDictionary:
    """`neuron_dictionary` of a layer of a TransformerBridge.

    Raises:
        ValueError: no such layer.
    """
    if not 0 <= layer < len(model.blocks):
        raise ValueError(f"layer must be 0 to {len(model.blocks) - 1}, got {layer}")
    mlp = model.blocks[layer].mlp
    return neuron_dictionary(mlp.W_out, mlp.b_out, k=k, name=name or f"neurons of layer {layer}")


def _two_halves(
    name: str,
    reading: torch.Tensor,
    directions: torch.Tensor,
    centre: torch.Tensor,
    offset: torch.Tensor,
    k: int | None,
) -> LinearDictionary:
    reading, directions = torch.cat([reading, -reading], 1), torch.cat([directions, -directions])
    return LinearDictionary(name, reading.contiguous(), directions, centre, offset, k)


def _checked(activations: torch.Tensor) -> torch.Tensor:
    if activations.ndim != 2 or 0 in activations.shape or not activations.is_floating_point():
        raise ValueError(f"activations must be floating [N, d], got {activations.dtype} {list(activations.shape)}")
    if not torch.isfinite(activations).all():
        raise ValueError("activations hold NaN or infinity")
    return activations.detach().cpu().float()
