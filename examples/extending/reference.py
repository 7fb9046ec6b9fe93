"""Add a reference: linear discriminants, one latent a feature, as a ceiling beside the testbed's own.

Equation      w_g = (S + r I)^-1 (mean of x where g holds - mean of x where it does not), S the covariance within both
              latent_g = w_g x + b_g where that is more than 0, with b_g halfway between the two means, shifted by the
              log of the odds; direction_g = the difference of the means
Conventions   a feature that always or never holds has a latent that never fires
Source        Fisher 1936, The use of multiple measurements in taxonomic problems, with the usual ridge

python examples/extending/reference.py
"""

from collections.abc import Sequence
from dataclasses import dataclass

import fiducial as fd
import torch


@dataclass(frozen=True)
class Discriminants:
    """A dictionary whose latent i stands for feature i: five names make it one.

    Attributes:
        name: a row of the report.
        latent_names: feature of every latent.
        reads: float [F, d], what each latent reads.
        biases: float [F].
        directions: float [F, d], what each latent writes.
        offset: float [d].
    """

    name: str
    latent_names: tuple[str, ...]
    reads: torch.Tensor
    biases: torch.Tensor
    directions: torch.Tensor
    offset: torch.Tensor

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents [N, F], at least 0."""
        return torch.relu(x @ self.reads.T + self.biases)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, F] to activations [N, d]: a latent that fires adds its direction once."""
        return self.offset + (latents > 0).to(self.directions.dtype) @ self.directions


def fit(x: torch.Tensor, labels: torch.Tensor, names: Sequence[str], ridge: float = 1e-2) -> Discriminants:
    """Fit on choosing rows only.

    Args:
        x: float [N, d].
        labels: bool [N, F].
        names: of the features.
        ridge: share of the mean variance that is added to the covariance.
    """
    truth, offset = labels.to(x.dtype), x.mean(0)
    centred = x - offset
    count = truth.sum(0)
    varies = (count > 0) & (count < len(x))
    mean_on = truth.T @ centred / count.clamp_min(1)[:, None]
    mean_off = (1 - truth).T @ centred / (len(x) - count).clamp_min(1)[:, None]
    difference = (mean_on - mean_off) * varies[:, None]
    total = centred.T @ centred / len(x)
    ridged = ridge * total.diagonal().mean() * torch.eye(x.shape[1], dtype=x.dtype)
    rate = (count / len(x)).clamp(1e-6, 1 - 1e-6)
    reads = []
    for gap, share in zip(difference, rate, strict=True):  # within = total - what the two means explain
        reads.append(torch.linalg.solve(total - share * (1 - share) * torch.outer(gap, gap) + ridged, gap))
    weights = torch.stack(reads)
    halfway = (weights * (mean_on + mean_off) / 2).sum(1)
    biases = torch.where(varies, rate.logit() - halfway - weights @ offset, torch.tensor(-1.0, dtype=x.dtype))
    return Discriminants("discriminants", tuple(names), weights, biases, difference, offset)


def main(testbed: str = "othello-6x6", sae: str = "othello-6x6/topk", n_games: int = 60) -> fd.Report:
    """Fit it on the choosing half of a testbed's games, and put it beside the testbed's own ceilings."""
    bed = fd.testbed(testbed, n_games=n_games)
    features = bed.features
    wanted = features.where(group="board", reachable=True)
    choosing = torch.from_numpy(bed.train)
    labels = torch.from_numpy(features.unpack_columns(bed.activations.labels[bed.train], wanted))
    reference = fit(bed.x[choosing], labels, features.take(wanted).names)
    return fd.evaluate(fd.load_dictionary(sae), bed, ["coverage"], ceilings=[reference])


if __name__ == "__main__":
    print(main())
