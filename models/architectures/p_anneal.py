"""The p-annealed SAE: ReLU, unit-norm decoder, and a penalty that goes from L1 towards L0 while training.

Loss          mean over x of |x - xh|^2 + c a_t S_{p_t}(f), with f = relu(W_enc (x - b_dec) + b_enc),
              xh = W_dec f + b_dec and |W_dec_i| = 1; S, a_t and p_t as in `annealing`
Source        Karvonen et al., arXiv 2408.00113, section 4; `PAnnealTrainer` of dictionary_learning 0.1.0

Differences from dictionary_learning: those of `annealing` and `unit_norm`. With `unit_norm_decoder=False` latents are
weighed by decoder norms instead, w_i = f_i |W_dec_i|, as sae_lens's standard SAE does.
"""

from dataclasses import dataclass
from typing import Any

import torch
from sae_lens import StandardSAEConfig, StandardTrainingSAE, TrainingSAEConfig, register_sae_training_class
from sae_lens.saes.sae import SAEConfig, TrainCoefficientConfig, TrainStepInput, TrainStepOutput

from .annealing import PAnnealing
from .unit_norm import constrain, renormalise


@dataclass
class AnnealedConfig(TrainingSAEConfig):
    """What the annealed architectures have in common.

    Attributes:
        lp_coefficient: c.
        lp_warm_up_steps: over which c rises from 0.
        p_start: p before annealing.
        p_end: the last p of the grid.
        n_sparsity_updates: points of the grid.
        sparsity_queue_length: batches that an update of a looks at.
        anneal_start: step of the first update.
        anneal_end: step of the last; the length of the run as published.
        sparsity_mode: "Lp^p" or "Lp".
        unit_norm_decoder: keep decoder rows at norm 1.
    """

    lp_coefficient: float = 0.1
    lp_warm_up_steps: int = 0
    p_start: float = 1.0
    p_end: float = 0.2
    n_sparsity_updates: int = 10
    sparsity_queue_length: int = 10
    anneal_start: int = 10_000
    anneal_end: int = 36_621
    sparsity_mode: str = "Lp^p"
    unit_norm_decoder: bool = True

    def annealing(self) -> PAnnealing:
        """The schedule that these numbers ask for."""
        return PAnnealing(
            p_start=self.p_start,
            p_end=self.p_end,
            n_updates=self.n_sparsity_updates,
            queue_length=self.sparsity_queue_length,
            start=self.anneal_start,
            end=self.anneal_end,
            mode=self.sparsity_mode,
        ).to(self.device)


@dataclass
class PAnnealTrainingSAEConfig(AnnealedConfig):
    """The fields of `AnnealedConfig`, with the settings of the board-game paper."""

    @classmethod
    def architecture(cls) -> str:
        """Its name in the registry."""
        return "p_anneal"

    def get_inference_config_class(self) -> type[SAEConfig]:
        """Once trained it is a standard SAE."""
        return StandardSAEConfig


class PAnnealTrainingSAE(StandardTrainingSAE):
    """See the module."""

    cfg: PAnnealTrainingSAEConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, cfg: PAnnealTrainingSAEConfig, use_error_term: bool = False) -> None:
        super().__init__(cfg, use_error_term)  # pyright: ignore[reportArgumentType]
        self.annealing = cfg.annealing()

    def get_coefficients(self) -> dict[str, float | TrainCoefficientConfig]:
        """The coefficient c, warmed up by the trainer."""
        return {"lp": TrainCoefficientConfig(self.cfg.lp_coefficient, self.cfg.lp_warm_up_steps)}

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """One forward pass; it also moves p and the multiplier on."""
        if self.cfg.unit_norm_decoder:
            constrain(self)
        p, multiplier = self.annealing.p, float(self.annealing.multiplier)
        output = super().training_forward_pass(step_input)
        output.metrics |= {"p": p, "multiplier": multiplier}
        return output

    def calculate_aux_loss(
        self,
        step_input: TrainStepInput,
        feature_acts: torch.Tensor,
        hidden_pre: torch.Tensor,
        sae_out: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The annealed penalty."""
        weighed = feature_acts if self.cfg.unit_norm_decoder else feature_acts * self.W_dec.norm(dim=1)
        penalty = self.annealing.penalty(weighed, step_input.n_training_steps)
        return {"lp_loss": step_input.coefficients["lp"] * penalty}

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """As everywhere, after the last step's rows have been brought to norm 1."""
        if self.cfg.unit_norm_decoder:
            renormalise(self)
        super().fold_activation_norm_scaling_factor(scaling_factor)

    def process_state_dict_for_saving_inference(self, state_dict: dict[str, Any]) -> None:
        """The schedule is of no use once trained."""
        super().process_state_dict_for_saving_inference(state_dict)
        drop_annealing(state_dict)


def drop_annealing(state_dict: dict[str, Any]) -> None:
    """Take the buffers of the schedule out of a state dict."""
    for key in [key for key in state_dict if key.startswith("annealing.")]:
        del state_dict[key]


def register() -> None:
    """Make the architecture known to sae_lens."""
    register_sae_training_class(PAnnealTrainingSAEConfig.architecture(), PAnnealTrainingSAE, PAnnealTrainingSAEConfig)
