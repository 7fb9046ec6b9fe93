"""Add an SAE architecture: latents shrunk towards 0 from both sides; registered, trained, scored, read back from disk.

Loss          mean over x of |x - xh|^2 + c * sum over i of |f_i| |W_dec_i|, with z = W_enc (x - b_dec),
              f = sign(z) relu(|z| + b_enc) and xh = W_dec f + b_dec
Source        one step of the learnt ISTA of Gregor and LeCun 2010, Learning fast approximations of sparse coding
Differences from released code     there is none to compare with; the penalty is steered to the wanted L0

python examples/extending/architecture.py
"""

from dataclasses import dataclass

import fiducial as fd
import torch
from fiducial.models.training_recipes import Recipe
from sae_lens import (
    SAEConfig,
    StandardSAE,
    StandardSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    register_sae_class,
    register_sae_training_class,
)

NAME = "shrink"


def shrink(z: torch.Tensor, b_enc: torch.Tensor) -> torch.Tensor:
    """Soft thresholding at -b_enc; scaling z and b_enc scales the result, so decoder norms can be folded."""
    return z.sign() * torch.relu(z.abs() + b_enc)


@dataclass
class ShrinkConfig(StandardSAEConfig):
    """Of a trained one."""

    @classmethod
    def architecture(cls) -> str:
        """Its name in sae_lens's registry and in cfg.json."""
        return NAME


class Shrink(StandardSAE):
    """A trained SAE whose latents are shrunk."""

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [..., d_in] to latents [..., d_sae], which may be negative."""
        hidden_pre = self.hook_sae_acts_pre(self.process_sae_in(x) @ self.W_enc)
        return self.hook_sae_acts_post(shrink(hidden_pre, self.b_enc))


@dataclass
class ShrinkTrainingConfig(StandardTrainingSAEConfig):
    """Of one in training."""

    @classmethod
    def architecture(cls) -> str:
        """Its name in sae_lens's registry."""
        return NAME

    def get_inference_config_class(self) -> type[SAEConfig]:
        """What it is once trained."""
        return ShrinkConfig


class ShrinkTraining(StandardTrainingSAE):
    """The same in training: sae_lens's own loss, penalty and initial weights."""

    def encode_with_hidden_pre(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents, and what they were before they were shrunk."""
        hidden_pre = self.hook_sae_acts_pre(self.process_sae_in(x) @ self.W_enc)
        return self.hook_sae_acts_post(shrink(hidden_pre, self.b_enc)), hidden_pre


def register() -> None:
    """Make it known to sae_lens and to fiducial; a package names this function in its entry points."""
    register_sae_class(NAME, Shrink, ShrinkConfig)
    register_sae_training_class(NAME, ShrinkTraining, ShrinkTrainingConfig)
    how = "soft thresholding; the L1 penalty is steered to the wanted L0"
    recipe = Recipe(trainer=NAME, paper="this example", how=how, penalty="l1", coefficient=0.25)
    fd.register_architecture(NAME, recipe)


def main(folder: str = "shrink-sae", samples: int = 300_000) -> fd.Report:
    """Train it on a small world, read it back, and score it there."""
    register()
    bed = fd.testbed("hierarchy-toy", n_games=40)
    fd.train_sae(NAME, bed.world, n_latents=32, k=2, samples=samples, batch_size=256, out_dir=folder, progress=False)
    return fd.evaluate(fd.load_dictionary(folder), bed, ["coverage", "recovery_score", "l0"])


if __name__ == "__main__":
    print(main())
