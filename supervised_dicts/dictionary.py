"""SupervisedDictionary: a dictionary whose latent i stands for feature i because it was fitted to."""

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch


@dataclass(frozen=True, eq=False)
class SupervisedDictionary:
    """A linear read-out of every feature, and a direction that each one writes.

        score = link(x @ weights.T + biases)            how much each feature seems to hold
        latent = score where score > cut, else 0        fires where the feature is said to hold
        decode(latents) = offset + latents @ directions

    It meets the Dictionary contract. The cut has the best F1 on the positions fitted on, so that a latent fires where
    its feature is predicted and L0 is the number of features predicted; `scores` has no cut.

    Attributes:
        name: short and readable.
        latent_names: feature of every latent.
        weights: float [F, d], what each latent reads.
        biases: float [F].
        cuts: float [F], at least 0.
        directions: float [F, d], what each latent writes.
        offset: float [d].
        link: "logistic" (score is a probability) or "identity".
        constant: bool [F], True where the labels fitted on held one value only. Such a latent is always 0.
        converged: bool [F], whether the fit met its tolerance.
        l2: float [F], the penalty used; NaN where there was none.
    """

    name: str
    latent_names: tuple[str, ...]
    weights: torch.Tensor
    biases: torch.Tensor
    cuts: torch.Tensor
    directions: torch.Tensor
    offset: torch.Tensor
    link: Literal["logistic", "identity"]
    constant: torch.Tensor
    converged: torch.Tensor
    l2: torch.Tensor

    def __repr__(self) -> str:
        n_latents, d_in = self.weights.shape
        return f"SupervisedDictionary({self.name}, {n_latents} latents on {d_in} dimensions)"

    def with_cuts(self, cuts: torch.Tensor) -> "SupervisedDictionary":
        """The same read-outs with other cuts, float [F]; zeros leave every score as it is."""
        return replace(self, cuts=cuts)

    def on(self, device: str | torch.device) -> "SupervisedDictionary":
        """The same dictionary on a device; itself where it is there already."""
        if self.weights.device == torch.device(device):
            return self
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{key: part.to(device) for key, part in parts.items() if isinstance(part, torch.Tensor)})

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """How much each feature seems to hold, float [N, F]; 0 for constant ones.

        Raises:
            ValueError: activations of another width.
        """
        if x.ndim != 2 or x.shape[1] != self.weights.shape[1]:
            raise ValueError(f"{self.name}: activations must be [N, {self.weights.shape[1]}], got {list(x.shape)}")
        linear = torch.addmm(self.biases, x.to(self.weights.dtype), self.weights.T)
        return (linear.sigmoid_() if self.link == "logistic" else linear).masked_fill_(self.constant, 0)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents [N, F], at least 0.

        Raises:
            ValueError: activations of another width.
        """
        scores = self.scores(x)
        return scores.masked_fill_(scores <= self.cuts, 0)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, F], or true labels as floats, to activations [N, d].

        Raises:
            ValueError: latents of another width.
        """
        if latents.ndim != 2 or latents.shape[1] != len(self.weights):
            raise ValueError(f"{self.name}: latents must be [N, {len(self.weights)}], got {list(latents.shape)}")
        return torch.addmm(self.offset, latents.to(self.directions.dtype), self.directions)
