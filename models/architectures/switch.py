"""The Switch SAE: a router sends each row to one of E experts, each a small TopK SAE of its own.

Loss          mean over x of |x - xh|^2 + alpha d E sum over e of frac_e Pbar_e, with z = relu(W_enc (x - b_dec)),
              P = softmax(W_router (x - b_router)), e = argmax P, f_i = P_e z_i for the latents of e and 0 for others,
              the k largest kept, xh = W_dec f + b_dec, and |W_dec_i| = 1; expert e owns d_sae / E consecutive latents.
              frac_e is the share of the batch sent to e (no gradient), Pbar_e the mean of P_e; E times their sum is 1
              when all experts get alike.
Source        Mudide et al., "Efficient Dictionary Learning with Switch Sparse Autoencoders", arXiv 2410.08201, and its
              released code

Differences from the released code:

1. b_dec and b_router are two parameters. There both are made from one tensor, share its storage and move together.
2. Both start at 0, where rows are centred, in place of the geometric median of the first batch.
3. The encoder starts as a tenth of the decoder's transpose, as sae_lens starts all, not the decoder as that of the
   encoder.
4. All experts are computed and all but one set to 0: this is meant for comparison at sizes where that is cheap, so it
   saves no work. The result is the same.
5. The gradient's parallel part is taken out before it is clipped (see `unit_norm`).
"""

from dataclasses import dataclass
from typing import Any

import torch
from sae_lens import SAE, SAEConfig, TrainingSAE, TrainingSAEConfig, register_sae_class, register_sae_training_class
from sae_lens.saes.sae import TrainCoefficientConfig, TrainStepInput, TrainStepOutput
from torch import nn

from .unit_norm import constrain, renormalise


@dataclass
class SwitchSAEConfig(SAEConfig):
    """Of a trained Switch SAE.

    Attributes:
        k: latents a row keeps.
        n_experts: E; divides d_sae.
        heaviside: leave latents of the chosen expert as they are instead of multiplying them by P_e.
    """

    k: int = 32
    n_experts: int = 4
    heaviside: bool = False

    @classmethod
    def architecture(cls) -> str:
        """Its name in the registry."""
        return "switch"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_experts(self.d_sae, self.n_experts, self.k)


@dataclass
class SwitchTrainingSAEConfig(TrainingSAEConfig):
    """Of a Switch SAE in training.

    Attributes:
        k: latents a row keeps.
        n_experts: E; divides d_sae.
        heaviside: leave latents of the chosen expert as they are instead of multiplying them by P_e. The router then
            learns from the balance alone.
        balance_coefficient: alpha.
    """

    k: int = 32
    n_experts: int = 4
    heaviside: bool = False
    balance_coefficient: float = 0.01

    @classmethod
    def architecture(cls) -> str:
        """Its name in the registry."""
        return "switch"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_experts(self.d_sae, self.n_experts, self.k)


def check_experts(d_sae: int, n_experts: int, k: int) -> None:
    """Whether d_sae latents can be dealt to that many experts of at least k.

    Raises:
        ValueError: they cannot.
    """
    if n_experts < 1 or d_sae % n_experts:
        raise ValueError(f"n_experts must divide the number of latents {d_sae}, got {n_experts}")
    if not 0 < k <= d_sae // n_experts:
        raise ValueError(f"k must be 1 to {d_sae // n_experts}, the latents of one of {n_experts} experts, got {k}")


def _router_weights(sae: Any) -> None:
    d_in, n_experts = sae.cfg.d_in, sae.cfg.n_experts
    weights = torch.empty(d_in, n_experts, dtype=sae.dtype, device=sae.device)
    nn.init.uniform_(weights, -(d_in**-0.5), d_in**-0.5)
    sae.W_router = nn.Parameter(weights)
    sae.b_router = nn.Parameter(torch.zeros(d_in, dtype=sae.dtype, device=sae.device))


def _route(sae: Any, x: torch.Tensor) -> torch.Tensor:
    """P of each row, float [N, E]."""
    return torch.softmax((x - sae.b_router) @ sae.W_router, -1)


def _encode(sae: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents and what they were before all but k were dropped, float [N, L]; P, float [N, E]."""
    z = torch.relu(sae.hook_sae_acts_pre(sae.process_sae_in(x) @ sae.W_enc))
    shares = _route(sae, x)
    chosen = shares.argmax(-1, keepdim=True)
    gate = torch.zeros_like(shares)
    gate = gate.scatter(-1, chosen, torch.ones_like(shares) if sae.cfg.heaviside else shares.gather(-1, chosen))
    dense = z * gate.repeat_interleave(sae.cfg.d_sae // sae.cfg.n_experts, -1)
    top = dense.topk(sae.cfg.k, dim=-1)
    latents = torch.zeros_like(dense).scatter(-1, top.indices, top.values)
    return sae.hook_sae_acts_post(latents), dense, shares


@torch.no_grad()
def _fold_scale(sae: Any, scaling_factor: float) -> None:
    sae.W_router.data *= scaling_factor
    sae.b_router.data /= scaling_factor


class SwitchSAE(SAE[SwitchSAEConfig]):
    """A trained Switch SAE."""

    W_router: nn.Parameter
    b_router: nn.Parameter

    def initialize_weights(self) -> None:
        """Those of every SAE, and the router's."""
        super().initialize_weights()
        _router_weights(self)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [..., d_in] to latents [..., d_sae], at most k of them more than 0."""
        return _encode(self, x)[0]

    def decode(self, feature_acts: torch.Tensor) -> torch.Tensor:
        """Latents [..., d_sae] to activations [..., d_in]."""
        return self.hook_sae_recons(feature_acts @ self.W_dec + self.b_dec)

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """Take a factor on the activations into the weights."""
        super().fold_activation_norm_scaling_factor(scaling_factor)
        _fold_scale(self, scaling_factor)

    def fold_W_dec_norm(self) -> None:
        """Bring decoder rows to norm 1 where they all have one norm, so that the k largest latents stay the same.

        Raises:
            NotImplementedError: they have not.
        """
        norms = self.W_dec.data.norm(dim=1)
        if not torch.allclose(norms, norms[:1], rtol=1e-3):
            raise NotImplementedError("decoder rows differ in norm, so folding it would change which latents are kept")
        super().fold_W_dec_norm()


class SwitchTrainingSAE(TrainingSAE[SwitchTrainingSAEConfig]):
    """See the module. `input_biases` names what has to move when the origin of the activations does."""

    W_router: nn.Parameter
    b_router: nn.Parameter
    input_biases = ("b_dec", "b_router")

    def initialize_weights(self) -> None:
        """Those of every SAE, and the router's."""
        super().initialize_weights()
        _router_weights(self)

    def get_coefficients(self) -> dict[str, float | TrainCoefficientConfig]:
        """None that change while training."""
        return {}

    def encode_with_hidden_pre(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents, and what they were before all but k were dropped."""
        latents, dense, _ = _encode(self, x)
        return latents, dense

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """One forward pass with unit decoder rows."""
        constrain(self)
        return super().training_forward_pass(step_input)

    def calculate_aux_loss(
        self,
        step_input: TrainStepInput,
        feature_acts: torch.Tensor,
        hidden_pre: torch.Tensor,
        sae_out: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """What an uneven use of the experts costs; alpha d when they are used alike."""
        shares, n_experts = _route(self, step_input.sae_in), self.cfg.n_experts
        used = torch.bincount(shares.argmax(-1), minlength=n_experts) / len(shares)
        uneven = n_experts * (used * shares.mean(0)).sum()
        return {"balance_loss": self.cfg.balance_coefficient * self.cfg.d_in * uneven}

    def fold_activation_norm_scaling_factor(self, scaling_factor: float) -> None:
        """Take a factor on the activations into the weights, after the last step's rows have been normalised."""
        renormalise(self)
        super().fold_activation_norm_scaling_factor(scaling_factor)
        _fold_scale(self, scaling_factor)

    def process_state_dict_for_saving_inference(self, state_dict: dict[str, Any]) -> None:
        """Bring decoder rows to norm 1 by one factor for all, so that the k largest latents stay the same."""
        super().process_state_dict_for_saving_inference(state_dict)
        norm = self.W_dec.detach().norm(dim=1).mean()
        state_dict["W_enc"], state_dict["W_dec"] = state_dict["W_enc"] * norm, state_dict["W_dec"] / norm


def register() -> None:
    """Make the architecture known to sae_lens."""
    register_sae_class(SwitchSAEConfig.architecture(), SwitchSAE, SwitchSAEConfig)
    register_sae_training_class(SwitchTrainingSAEConfig.architecture(), SwitchTrainingSAE, SwitchTrainingSAEConfig)
