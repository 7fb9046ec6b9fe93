"""A dictionary seen through an edit: what its latents say is rewritten, and so is what they write; the base stays.

Equation      latents = edit(base.encode(x), x)
              decoded = base.decode(fold(latents)) + latents @ (directions - fold(base directions)) + offset
              fold adds up, for every latent of the base, the latents that continue it, each times its gain.
So a latent that continues one of the base writes exactly what it did, whatever the base's decoder does besides, and
one whose direction was changed adds the difference. A base whose decoder undoes a scale per row (layer norm) is exact
for edits that leave the directions alone; changed directions are written without that scale.

Chance without a generator: an edit that has to "throw dice" for a row takes them from the bits of the row itself
(`row_uniforms`), in whole numbers, so that a row encodes the same in any batch and on any machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from .dictionary import Dictionary
from .seeds import generator_of

LatentEdit = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_GOLDEN = 0x9E3779B97F4A7C15  # constants of SplitMix64: Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_CACHED = 1 << 16  # numbers mixed at a time: what a cache holds
_CELLS = 1 << 20  # rows times latents that an edit works on at a time, so that a wide dictionary fits into memory


@dataclass(frozen=True, eq=False)
class EditedDictionary:
    """A base dictionary under an edit; meets the Dictionary contract and works on the CPU.

    Attributes:
        base: what is edited; only read.
        name: a column of the report.
        directions: float32 [M, d], what each latent writes.
        edit: base latents [N, L] and their activations [N, d] to latents [N, M]. It must treat every row by itself.
        source: int64 [M], the base latent that each latent continues; -1 for none, whose direction is written as is.
        gain: float32 [M], what the base's decoder receives for a latent of 1.
        offset: float32 [d], added to everything decoded; None for none.
        latent_names: [M] names, or None.
    """

    base: Dictionary
    name: str
    directions: torch.Tensor
    edit: LatentEdit
    source: torch.Tensor
    gain: torch.Tensor
    offset: torch.Tensor | None = None
    latent_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n_base, n_latents = len(self.base.directions), len(self.directions)
        if self.source.shape != (n_latents,) or self.gain.shape != (n_latents,):
            shapes = f"source {list(self.source.shape)} and gain {list(self.gain.shape)}"
            raise ValueError(f"{self.name}: {n_latents} directions need as many entries, got {shapes}")
        if n_latents == 0 or int(self.source.max()) >= n_base or int(self.source.min()) < -1:
            raise ValueError(f"{self.name}: sources must lie in -1 to {n_base - 1} and there must be at least one")
        if self.latent_names is not None and len(self.latent_names) != n_latents:
            raise ValueError(f"{self.name}: {n_latents} latents but {len(self.latent_names)} names")

    @property
    def d_in(self) -> int:
        """Width of an activation."""
        return self.directions.shape[1]

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.directions)

    @cached_property
    def _changed(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents whose direction is not the one that the base writes for them, and the difference."""
        known = torch.where((self.source >= 0)[:, None], directions_of(self.base)[self.source.clamp(min=0)], 0.0)
        extra = self.directions - self.gain[:, None] * known
        # a gain is rounded: what is left of a direction that did not change is no change
        rows = (extra.norm(dim=1) > 1e-6 * self.directions.norm(dim=1)).nonzero().flatten()
        return rows, extra[rows]

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents float32 [N, M].

        Raises:
            ValueError: what the base refuses.
        """
        latents = self.base.encode(x).detach().cpu().float()
        rows = max(1, _CELLS // max(latents.shape[1], self.n_latents))
        parts = [
            self.edit(*pair) for pair in zip(latents.split(rows), x.detach().cpu().float().split(rows), strict=True)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, M] to activations float32 [N, d].

        Raises:
            ValueError: another shape.
        """
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise ValueError(f"{self.name}: latents must be [N, {self.n_latents}], got {list(latents.shape)}")
        latents = latents.detach().cpu().float()
        base_directions = self.base.directions
        kept = (self.source >= 0).nonzero().flatten()
        folded = torch.zeros(len(latents), len(base_directions))
        folded.index_add_(1, self.source[kept], latents[:, kept] * self.gain[kept])
        written = self.base.decode(folded.to(base_directions.device)).detach().cpu().float()
        changed, extra = self._changed
        if len(changed):
            written = written + latents[:, changed] @ extra
        return written if self.offset is None else written + self.offset


def directions_of(base: Dictionary) -> torch.Tensor:
    """Directions as float32 on the CPU, [L, d]."""
    return base.directions.detach().cpu().float()


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Rows of norm 1; a row of zeros stays."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


def random_rows(n: int, d: int, seed: int) -> torch.Tensor:
    """Uniformly random unit rows, float32 [n, d], the same for the same seed."""
    return unit_rows(torch.randn(n, d, generator=generator_of("random rows", seed)))


def same(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The edit that leaves the latents alone."""
    del x
    return latents


def row_uniforms(x: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    """Pseudo-random numbers that each row carries in its own bits.

    Whole-number arithmetic from start to end: a fixed random projection of the 32-bit patterns of the row, modulo
    2^64, and then SplitMix64. Floating-point projections would not do: their last bits depend on the batch.

    Args:
        x: float [N, d]; read as float32.
        n: numbers a row.
        seed: of the projection.

    Returns:
        float32 [N, n], uniform in [0, 1), multiples of 2^-24; equal rows get equal numbers.
    """
    bits = (x.detach().cpu().float() + 0.0).contiguous().view(torch.int32).long()  # + 0.0: -0 becomes 0
    start = _mixed(torch.tensor(_signed(seed * _GOLDEN + _SECOND)))
    weights = _mixed(start + torch.arange(1, x.shape[1] + 1) * _signed(_GOLDEN)) | 1
    keys = _mixed((bits * weights).sum(1) + start)
    steps = torch.arange(1, n + 1) * _signed(_GOLDEN)
    dice = torch.empty(len(keys), n)
    for part, out in zip(keys.split(rows := max(1, _CACHED // n)), dice.split(rows), strict=True):
        out.copy_(_shifted(_mixed(part[:, None] + steps), 40))
    return dice.mul_(2.0**-24)


def _mixed(z: torch.Tensor) -> torch.Tensor:
    z = _shifted(z, 30).bitwise_xor_(z).mul_(_signed(_FIRST))
    z = _shifted(z, 27).bitwise_xor_(z).mul_(_signed(_SECOND))
    return _shifted(z, 31).bitwise_xor_(z)


def _shifted(z: torch.Tensor, by: int) -> torch.Tensor:
    """Shift right with zeros, which int64 does not do by itself."""
    return (z >> by).bitwise_and_((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    """A number modulo 2^64, as int64 holds it."""
    value %= 1 << 64
    return value - (1 << 64) if value >= 1 << 63 else value
