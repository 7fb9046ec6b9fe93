"""The gated SAE with p-annealing: which latents fire is paid for with a penalty that goes from L1 towards L0.

Loss          mean over x of |x - xh|^2 + |x - xh_gate|^2 + c a_t S_{p_t}(g), with pi = W_enc (x - b_dec) + b_gate,
              g = relu(pi), f = [pi > 0] relu(exp(r_mag) W_enc (x - b_dec) + b_mag), xh = W_dec f + b_dec,
              xh_gate = g W_dec + b_dec with decoder and bias held fixed, and |W_dec_i| = 1
Source        Rajamanoharan et al., arXiv 2404.16014, for the gate; Karvonen et al., arXiv 2408.00113, for the
              annealing; `GatedAnnealTrainer` of dictionary_learning 0.1.0, with Adam betas (0, 0.999)

Differences from dictionary_learning: those of `annealing` and `unit_norm`. From sae_lens's gated SAE: the decoder of
xh_gate is held fixed here, as in the paper; there it learns from that term too.
"""

from dataclasses import dataclass
from typing import Any

import torch
from sae_lens import GatedSAEConfig, GatedTrainingSAE, register_sae_training_class
from sae_lens.saes.sae import SAEConfig, TrainCoefficientConfig, TrainStepInput, TrainStepOutput

from .p_anneal import AnnealedConfig, drop_annealing
from .unit_norm import constrain, renormalise


@dataclass
class GatedAnnealTrainingSAEConfig(AnnealedConfig):
    """The fields of `AnnealedConfig`, with the settings of the board-game paper."""

    @classmethod
    def architecture(cls) -> str:
        """Its name in the registry."""
        return "gated_anneal"

    def get_inference_config_class(self) -> type[SAEConfig]:
        """Once trained it is a gated SAE."""
        return GatedSAEConfig


class GatedAnnealTrainingSAE(GatedTrainingSAE):
    """See the module."""

    cfg: GatedAnnealTrainingSAEConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, cfg: GatedAnnealTrainingSAEConfig, use_error_term: bool = False) -> None:
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
        """The annealed penalty on the gate, and the reconstruction from the gate alone."""
        gate = torch.relu(self.process_sae_in(step_input.sae_in) @ self.W_enc + self.b_gate)
        weighed = gate if self.cfg.unit_norm_decoder else gate * self.W_dec.norm(dim=1)
        penalty = self.annealing.penalty(weighed, step_input.n_training_steps)
        via_gate = gate @ self.W_dec.detach() + self.b_dec.detach()
        return {
            "lp_loss": step_input.coefficients["lp"] * penalty,
            "auxiliary_reconstruction_loss": (via_gate - step_input.sae_in).square().sum(-1).mean(),
        }

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """As everywhere, after the last step's rows have been brought to norm 1."""
        if self.cfg.unit_norm_decoder:
            renormalise(self)
        super().fold_activation_norm_scaling_factor(scaling_factor)

    def process_state_dict_for_saving_inference(self, state_dict: dict[str, Any]) -> None:
        """The schedule is of no use once trained."""
        super().process_state_dict_for_saving_inference(state_dict)
        drop_annealing(state_dict)


def register() -> None:
    """Make the architecture known to sae_lens."""
    config = GatedAnnealTrainingSAEConfig
    register_sae_training_class(config.architecture(), GatedAnnealTrainingSAE, config)
