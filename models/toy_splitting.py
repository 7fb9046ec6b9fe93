"""The toy of over-splitting, without training: may many latents have less loss than the two that are true?

Rows are half N(+mu, I) and half N(-mu, I). The ideal dictionary has one latent for each half; the rival has a latent
for each of m rows drawn at random. Both have free scales and biases, chosen on a grid for the least total loss

    E ||x - xhat||^2 + lambda E ||f||_1

    ideal pair   decoders +-mu / ||mu||, encoders +-k mu, bias -gamma: f = ReLU(+-k x.mu - gamma)
    rival        decoders E_j / ||E_j||, encoders beta E_j, bias -gamma, E_j rows of the same distribution

After the appendix of Makelov, Lange and Nanda (arXiv 2405.08366). Where the rival has less loss than the ideal pair,
training that works can only split the attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .seeds import generator_of

GAMMAS = tuple(np.linspace(0, 5, 51).tolist())
KS = tuple(np.linspace(0.05, 2, 40).tolist())
BETAS = tuple(np.linspace(0.005, 0.1, 20).tolist())
RIVAL_GAMMAS = (1.0, 2.35)
PUBLISHED_GAMMAS = tuple(np.linspace(0, 5, 100).tolist())
PUBLISHED_KS = tuple(np.linspace(0, 2, 20).tolist())


@dataclass(frozen=True)
class LossGrid:
    """Error and sparsity of one family of dictionaries at every point of its grid.

    Attributes:
        scales: float64 [S], k of the ideal pair or beta of the rival.
        gammas: float64 [G].
        error: float64 [S, G], E ||x - xhat||^2.
        l1: float64 [S, G], E ||f||_1.
        l0: float64 [S, G], mean number of latents that fire.
        active: float64 [S, G], share of rows on which any latent fires.
        empty: loss of writing nothing at all, E ||x||^2.
    """

    scales: NDArray[np.float64]
    gammas: NDArray[np.float64]
    error: NDArray[np.float64]
    l1: NDArray[np.float64]
    l0: NDArray[np.float64]
    active: NDArray[np.float64]
    empty: float

    def best(self, penalty: float) -> dict[str, float]:
        """The point of least total loss.

        Args:
            penalty: lambda, of E ||f||_1.

        Returns:
            loss, error, l1, l0, active, scale and gamma there.
        """
        total = self.error + penalty * self.l1
        s, g = np.unravel_index(int(total.argmin()), total.shape)
        at = {name: float(getattr(self, name)[s, g]) for name in ("error", "l1", "l0", "active")}
        return {"loss": float(total[s, g]), **at, "scale": float(self.scales[s]), "gamma": float(self.gammas[g])}


def two_clusters(
    n: int, *, width: int = 100, distance: float = 2.0, seed: int = 0, purpose: str = "rows"
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """Rows of the toy.

    Args:
        n: rows.
        width: d.
        distance: ||mu||; mu lies along the first axis.
        seed: of the rows.
        purpose: name of the random stream, so that samples and rivals of one seed have no row in common.

    Returns:
        x, float32 [n, d], and the binary attribute, int64 [n]: 0 for +mu, 1 for -mu.
    """
    generator = generator_of(f"two clusters, {purpose}", seed)
    negative = torch.randint(2, (n,), generator=generator)
    x = torch.randn(n, width, generator=generator)
    x[:, 0] += distance * (1 - 2 * negative)
    return x, negative.numpy().astype(np.int64)


def ideal_pair(
    x: torch.Tensor, *, distance: float = 2.0, ks: Sequence[float] = KS, gammas: Sequence[float] = GAMMAS
) -> LossGrid:
    """Losses of the two true latents; only the coordinate along mu matters to them.

    Args:
        x: float [N, d], rows of `two_clusters`.
        distance: ||mu||.
        ks: scales of the encoders.
        gammas: of the bias.
    """
    along = x[:, 0].double()
    empty = float(x.double().square().sum(1).mean())
    shape = (len(ks), len(gammas))
    error, l1, active = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    thresholds = torch.tensor(gammas, dtype=torch.float64)[:, None]
    for i, k in enumerate(ks):
        f = (k * distance * along.abs() - thresholds).relu()  # [G, N]; the other latent is silent, as gamma >= 0
        error[i] = empty + (f.square() - 2 * f * along.abs()).mean(1).numpy()
        l1[i], active[i] = f.mean(1).numpy(), (f > 0).double().mean(1).numpy()
    return LossGrid(np.asarray(ks, float), np.asarray(gammas, float), error, l1, active, active, empty)


def random_rival(
    x: torch.Tensor,
    *,
    n_latents: int = 1000,
    distance: float = 2.0,
    betas: Sequence[float] = BETAS,
    gammas: Sequence[float] = RIVAL_GAMMAS,
    seed: int = 0,
) -> LossGrid:
    """Losses of a dictionary whose directions are fresh rows of the data.

    Args:
        x: float [N, d], rows of `two_clusters`.
        n_latents: m.
        distance: ||mu||.
        betas: scales of the encoders.
        gammas: of the bias.
        seed: of the rows that become latents.
    """
    centres, _ = two_clusters(n_latents, width=x.shape[1], distance=distance, seed=seed, purpose="rival")
    products = x @ centres.T  # [N, m]
    units = centres / centres.norm(dim=1, keepdim=True)
    shape = (len(betas), len(gammas))
    error, l1, l0, active = (np.zeros(shape) for _ in range(4))
    for i, beta in enumerate(betas):
        for j, gamma in enumerate(gammas):
            f = (beta * products - gamma).relu_()
            fires = f > 0
            error[i, j] = float((f @ units - x).square().sum(1).mean(dtype=torch.float64))
            l1[i, j] = float(f.sum(1).mean(dtype=torch.float64))
            l0[i, j] = float(fires.sum(1).double().mean())
            active[i, j] = float(fires.any(1).double().mean())
    empty = float(x.double().square().sum(1).mean())
    return LossGrid(np.asarray(betas, float), np.asarray(gammas, float), error, l1, l0, active, empty)


def crossing(penalties: Sequence[float], ideal: Sequence[float], rival: Sequence[float]) -> float:
    """The lambda at which the ideal pair overtakes the rival, by straight lines between the given ones.

    Args:
        penalties: lambdas, increasing.
        ideal: what the pair gains over writing nothing (`empty` less the best loss), at each of them.
        rival: the same of the rival. Gains, not losses: if the two are measured on different rows, ||x||^2 alone
            differs by more than what is compared.

    Returns:
        NaN if the rival is never first ahead and then behind.
    """
    lead = np.asarray(rival, float) - np.asarray(ideal, float)
    change = np.flatnonzero((lead[:-1] > 0) & (lead[1:] <= 0))
    if not len(change):
        return float("nan")
    i = int(change[0])
    return float(penalties[i] + (penalties[i + 1] - penalties[i]) * lead[i] / (lead[i] - lead[i + 1]))
