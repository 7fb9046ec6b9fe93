"""The oracle: the true dictionary of a synthetic world with the true magnitudes, the ceiling of every score."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from ..games.synthetic_rows import PlantedWorld, SyntheticSample


class OracleDictionary:
    """Latents are the true magnitudes of the rows of one sample, found by the bytes of the row.

    The axes of a plane or circle have signed coordinates, so each becomes two latents, its positive and its negative
    half, whose directions are opposite. A line feature is one latent.

    Args:
        sample: rows that can be encoded.
        world: where the sample is from.
        name: a column of the report.

    Attributes:
        latent_owner: int64 [n_latents], the feature that each latent belongs to.

    Raises:
        ValueError: the sample is of another world, or two of its rows are alike but their truth is not.
    """

    def __init__(self, sample: SyntheticSample, world: PlantedWorld, name: str = "oracle") -> None:
        if (sample.world, sample.version) != (world.name, world.version):
            raise ValueError(
                f"the sample is of {sample.world} {sample.version}, the world is {world.name} {world.version}"
            )
        self.name = name
        self._rows = sample.activations
        two_dims = np.bincount(world.owner)[world.owner] > 1
        axis = np.repeat(np.arange(len(world.owner)), np.where(two_dims, 2, 1))
        sign = np.ones(len(axis), np.float32)
        sign[1:][axis[1:] == axis[:-1]] = -1
        self._axis, self._sign = axis, sign
        self._magnitudes = sparse.csr_array(sample.magnitudes)
        self.latent_owner: NDArray[np.int64] = world.owner[axis]
        self.latent_names: tuple[str, ...] | None = tuple(world.features.names[i] for i in self.latent_owner)
        self._directions = world.directions[torch.from_numpy(axis)] * torch.from_numpy(sign)[:, None]
        self._bias = world.bias
        keys = _keys(self._rows)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._refuse_doubles()

    @property
    def d_in(self) -> int:
        """Width of an activation."""
        return self._directions.shape[1]

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self._directions)

    @property
    def directions(self) -> torch.Tensor:
        """Float32 [n_latents, d_in], the true directions."""
        return self._directions

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Rows of the sample [N, d_in], in any order, to their true magnitudes float32 [N, n_latents].

        Raises:
            ValueError: another shape, or a row that is not in the sample.
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ValueError(f"{self.name}: activations must be [N, {self.d_in}], got {list(x.shape)}")
        x = x.detach().cpu().float()
        place = np.minimum(np.searchsorted(self._sorted, _keys(x)), len(self._sorted) - 1)
        row = self._order[place]
        unknown = (self._rows[torch.from_numpy(row)] != x).any(1).nonzero().flatten()
        if len(unknown):
            raise ValueError(
                f"{self.name}: row {int(unknown[0])} ({len(unknown)} of {len(x)} rows) is not in the sample that the "
                "oracle knows. It looks rows up by their float32 bytes and cannot encode others: give it the "
                "activations of that very sample, not rounded to float16, not normalised, not from `batches`"
            )
        dense = self._magnitudes[row].toarray()[:, self._axis] * self._sign
        return torch.from_numpy(np.maximum(dense, 0))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations float32 [N, d_in].

        Raises:
            ValueError: another shape.
        """
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise ValueError(f"{self.name}: latents must be [N, {self.n_latents}], got {list(latents.shape)}")
        return latents.float() @ self._directions + self._bias

    def _refuse_doubles(self) -> None:
        """Equal rows must have equal truth, and different rows different keys (2 ** -64 a pair that they have not)."""
        doubles = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        for start in range(0, len(doubles), 1024):
            a, b = self._order[doubles[start : start + 1024]], self._order[doubles[start : start + 1024] + 1]
            alike = (self._rows[torch.from_numpy(a)] == self._rows[torch.from_numpy(b)]).all(1).numpy()
            truth = abs(self._magnitudes[a] - self._magnitudes[b]).sum(1) == 0
            bad = np.flatnonzero(~(alike & truth))
            if bad.size:
                raise ValueError(
                    f"{self.name}: rows {a[bad[0]]} and {b[bad[0]]} of the sample cannot be told apart by their bytes"
                )


def oracle_dictionary(sample: SyntheticSample, world: PlantedWorld, name: str = "oracle") -> OracleDictionary:
    """The exact oracle of a sample; see OracleDictionary.

    Raises:
        ValueError: the sample is of another world, or two of its rows are alike but their truth is not.
    """
    return OracleDictionary(sample, world, name)


def _keys(x: torch.Tensor) -> NDArray[np.uint64]:
    """A 64-bit key of every row, from its float32 bytes: a multilinear hash with fixed odd multipliers."""
    bits = (x.contiguous() + 0.0).numpy().view(np.uint32).astype(np.uint64)  # + 0.0 makes -0 and 0 one number
    factors = np.random.default_rng(0x5EED).integers(0, 2**63, bits.shape[1], dtype=np.uint64) * 2 + 1
    keys = np.zeros(len(bits), np.uint64)
    for start in range(0, len(bits), 65536):  # the products of all rows at once would be twice the sample
        block = bits[start : start + 65536]
        mixed = (block ^ (block >> np.uint64(15))) * factors
        keys[start : start + 65536] = ((mixed ^ (mixed >> np.uint64(29))) * factors).sum(1, dtype=np.uint64)
    return keys
