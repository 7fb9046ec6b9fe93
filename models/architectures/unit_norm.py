"""Decoder rows of unit norm, and the ReLU SAE that has them: what papers before April 2024 call "standard".

Loss          mean over x of |x - xh|^2 + c * sum over i of f_i, with f = relu(W_enc (x - b_dec) + b_enc),
              xh = W_dec f + b_dec and |W_dec_i| = 1
Source        Bricken et al., "Towards Monosemanticity" (2023), appendix on training; the `StandardTrainer` of
              dictionary_learning 0.1.0, which the board-game paper (arXiv 2408.00113) and SAEBench train as Standard
Constraint    The part of the gradient along a row, which would only change its norm, is taken out before the step, and
              the row is brought back to norm 1 after it.

Differences from dictionary_learning:

1. sae_lens's trainer clips the gradient to norm 1, after the parallel part is gone; the released trainer does not clip.
2. Rows are brought back to norm 1 when the next forward pass begins, not when the step ends: sae_lens's trainer has no
   place of its own after a step. Every loss is computed with unit rows, as there.
3. No resampling of dead latents, which is off by default there too.
"""

from dataclasses import dataclass
from typing import Any

import torch
from sae_lens import (
    StandardSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TrainingSAE,
    register_sae_training_class,
)
from sae_lens.saes.sae import SAEConfig, TrainStepInput, TrainStepOutput


def constrain(sae: TrainingSAE[Any]) -> None:
    """Bring decoder rows to norm 1, and take the parallel part out of every later gradient of them; repeatable.

    To be called before each forward pass. The hook sits on the parameter, so it is renewed when a copy of the SAE, or
    one read from disk, has another.
    """
    renormalise(sae)
    rows = sae.W_dec
    if rows.requires_grad and not getattr(rows, "is_on_the_sphere", False):
        rows.register_hook(lambda gradient: without_parallel(gradient, rows.detach()))
        rows.is_on_the_sphere = True  # pyright: ignore[reportAttributeAccessIssue]; not copied with the parameter


@torch.no_grad()
def renormalise(sae: TrainingSAE[Any]) -> None:
    """Bring decoder rows to norm 1."""
    sae.W_dec.data /= sae.W_dec.data.norm(dim=1, keepdim=True).clamp_min(1e-8)


def without_parallel(gradient: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """A gradient less its part along each row.

    Args:
        gradient: float [L, d].
        rows: float [L, d] of unit norm.

    Returns:
        float [L, d], row by row orthogonal to `rows`.
    """
    return gradient - (gradient * rows).sum(1, keepdim=True) * rows


@dataclass
class StandardUnitNormTrainingSAEConfig(StandardTrainingSAEConfig):
    """As sae_lens's standard SAE."""

    @classmethod
    def architecture(cls) -> str:
        """Its name in the registry."""
        return "standard-unit-norm"

    def get_inference_config_class(self) -> type[SAEConfig]:
        """Once trained it is a standard SAE."""
        return StandardSAEConfig


class StandardUnitNormTrainingSAE(StandardTrainingSAE):
    """A ReLU SAE whose decoder rows stay on the unit sphere; see the module."""

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """One forward pass with unit decoder rows."""
        constrain(self)
        return super().training_forward_pass(step_input)

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """As everywhere, after the last step's rows have been brought to norm 1."""
        renormalise(self)
        super().fold_activation_norm_scaling_factor(scaling_factor)


def register() -> None:
    """Make the architecture known to sae_lens."""
    config = StandardUnitNormTrainingSAEConfig
    register_sae_training_class(config.architecture(), StandardUnitNormTrainingSAE, config)
