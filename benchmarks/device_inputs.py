"""Codes and labels of any size, made on a device: some latents dense, many equal values, features that latents read."""

import numpy as np
import torch
from fiducial.metrics.inputs import LabelBits
from fiducial.models.dictionary import Codes


def planted(n: int, n_latents: int, l0: int, n_features: int, device: str, seed: int = 0) -> tuple[Codes, LabelBits]:
    """A sample of n positions.

    Each row has one latent in each of `l0` slots, the first ones of a slot far more often than the last (of 256 in a
    slot the first is in 16 % of the rows, the median one in 0.2 %). Values are exponential and have the 11 bits of
    float16, so that many are equal. Half of the features hold where the latent of a slot is among its first, with
    errors; the others hold by chance, in 0.1 % to 50 % of the rows.

    Args:
        n: positions.
        n_latents: a multiple of l0.
        l0: latents a row.
        n_features: F.
        device: where it is made.
        seed: of all of it.
    """
    generator = torch.Generator(device).manual_seed(seed)
    slot = n_latents // l0

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, device=device)

    place = (uniform(n, l0) ** 3 * slot).int().clamp(max=slot - 1)
    indices = (place + slot * torch.arange(l0, dtype=torch.int32, device=device)).flatten()
    values = -uniform(n * l0).clamp(min=1e-6).log()
    values = values.half().float().clamp(min=2.0**-14)
    words = torch.zeros((n_features + 63) // 64, n, dtype=torch.int64, device=device)
    prevalence = np.geomspace(1e-3, 0.5, n_features)
    for f in range(n_features):
        if f % 2:
            held = uniform(n) < float(prevalence[f])
        else:
            held = (place[:, f % l0] < 1 + f % max(1, slot // 4)) ^ (uniform(n) < 0.02)
        words[f // 64] |= held.long() << (f % 64)
    codes = Codes(np.arange(n + 1, dtype=np.int64) * l0, indices.cpu().numpy(), values.cpu().numpy(), l0 * slot)
    return codes, LabelBits(words.cpu().numpy().view(np.uint64), n_features)


def awkward(seed: int = 0) -> tuple[Codes, LabelBits]:
    """Odd sizes, ties, signs, a dense latent, dead ones, labels that never vary."""
    rng = np.random.default_rng(seed)
    n, n_latents, n_features = 41, 6, 67
    dense = rng.integers(-2, 6, (n, n_latents)) * (rng.random((n, n_latents)) < 0.3)
    dense[:, 2], dense[:, 5] = 0, rng.integers(1, 4, n)
    held = rng.random((n, n_features)) < rng.uniform(0.02, 0.9, n_features)
    held[:, 3], held[:, 66], held[:, 10] = False, True, dense[:, 5] > 1
    packed = np.zeros((n, 16), np.uint8)
    packed[:, :9] = np.packbits(held, axis=1, bitorder="little")
    return Codes.from_dense(dense.astype(np.float32)), LabelBits(packed.view("<u8").T.copy(), n_features)
