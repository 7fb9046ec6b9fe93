"""One SAE in training: sae_lens's trainer driven a step at a time, with what can be read off it on the way."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .training_recipes import Recipe
from .training_rows import Rows
from .training_sparsity import PenaltyController

CURVE_ROWS = 2048


@dataclass(frozen=True)
class Watch:
    """What to look at while an SAE trains; none of it changes the run.

    Attributes:
        curve: called as curve(steps done, figures).
        curve_every: steps between two calls.
        snapshots: numbers of steps done after which an inference SAE is made; 0 is before the first.
        on_snapshot: called as on_snapshot(steps done, SAEDictionary).
        snapshot_rows: held-out rows that a snapshot is finished on; None for all.
    """

    curve: Callable[[int, dict[str, float]], None] | None = None
    curve_every: int = 100
    snapshots: frozenset[int] = frozenset()
    on_snapshot: Callable[[int, Any], None] | None = None
    snapshot_rows: int | None = None


class Run:
    """One SAE and its trainer. To be built inside `torch.random.fork_rng`, under the seed of its weights.

    Args:
        settings: the sae_lens training config as a dict.
        recipe: of the architecture.
        rows: to train on.
        steps: length of the run.
        batch_size: rows a step.
        lr: peak learning rate.
        controller: steers the penalty; None for one that stays as it is.
        frozen_decoder: leave the decoder as it starts.
        seed: of the batches.

    Attributes:
        sae: the training SAE, in normalised units.
        trainer: sae_lens's.
        done: steps done.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        recipe: Recipe,
        rows: Rows,
        *,
        steps: int,
        batch_size: int,
        lr: float,
        controller: PenaltyController | None,
        frozen_decoder: bool,
        seed: int,
    ) -> None:
        from sae_lens import LoggingConfig, SAETrainer, TrainingSAE
        from sae_lens.config import SAETrainerConfig

        self.recipe, self.rows, self.steps, self.batch_size, self.lr = recipe, rows, steps, batch_size, lr
        self.controller, self.done = controller, 0
        self.sae: Any = TrainingSAE.from_dict(settings | {"device": rows.device})
        if frozen_decoder:
            with torch.no_grad():  # unit directions, since their norm cannot grow; the encoder still starts small
                self.sae.W_dec.data /= self.sae.W_dec.norm(dim=1, keepdim=True)
            self.sae.W_dec.requires_grad_(False)
        config = SAETrainerConfig(
            total_training_samples=steps * batch_size,
            train_batch_size_samples=batch_size,
            lr=lr,
            lr_end=lr,
            lr_warm_up_steps=min(100, steps // 10),
            lr_decay_steps=steps // 5,
            adam_beta1=recipe.beta1,
            device=rows.device,
            dead_feature_window=max(20, min(1000, steps // 10)),
            logger=LoggingConfig(log_to_wandb=False),
        )
        self.batches = rows.batches(batch_size, torch.Generator().manual_seed(seed))
        self.trainer = SAETrainer(config, self.sae, self.batches)

    def step(self) -> Any:
        """Train on one batch.

        Returns:
            sae_lens's TrainStepOutput.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        self._constrain(self.sae)
        output = self.trainer.step(next(self.batches))
        self.trainer.n_training_steps += 1
        loss = output.loss.item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"loss is {loss} at step {self.done}; try a lower lr than {self.lr}")
        if self.controller is not None and self.recipe.penalty is not None:
            l0 = float(output.feature_acts.count_nonzero()) / self.batch_size
            coefficient = self.controller.step(l0, self.done)
            self.trainer.coefficient_schedulers[self.recipe.penalty].final_value = coefficient
        self.done += 1
        return output

    @property
    def coefficient(self) -> float | None:
        """Of the penalty as it stands; None where there is none."""
        penalty = self.recipe.penalty
        return None if penalty is None else float(self.trainer.coefficient_schedulers[penalty].value)

    @property
    def n_dead(self) -> int:
        """Latents that have not fired for a while, by the trainer's count."""
        return int(self.trainer.dead_neurons.sum())

    @torch.no_grad()
    def figures(self, output: Any) -> dict[str, float]:
        """What a training curve shows, in normalised units (mean squared norm d).

        Returns:
            `loss` and its parts, and `l0` on the batch; `coefficient`, and `p` and `multiplier` where annealed;
            `held_out_l0` and `explained_variance` on up to 2,048 held-out rows, as the training class sees them (a
            batch-topk SAE chooses among all of them); `dead_share`; `lr`.
        """
        figures = {"loss": output.loss.item()}
        figures |= {name: float(value) for name, value in output.losses.items()}
        figures |= {name: float(_number(value)) for name, value in output.metrics.items()}
        figures["l0"] = float(output.feature_acts.count_nonzero()) / self.batch_size
        rows = (self.rows.held_out_rows()[:CURVE_ROWS] - self.rows.mean.to(self.rows.device)) * self.rows.scale
        latents = self.sae.encode(rows)
        error = float((self.sae.decode(latents) - rows).square().sum())
        variance = float((rows - rows.mean(0)).square().sum())
        figures["held_out_l0"] = float(latents.count_nonzero()) / len(rows)
        figures["explained_variance"] = 1 - error / variance if variance > 0 else float("nan")
        figures["dead_share"] = self.n_dead / self.sae.cfg.d_sae
        figures["lr"] = float(self.trainer.optimizer.param_groups[0]["lr"])
        if self.coefficient is not None:
            figures["coefficient"] = self.coefficient
        return figures

    @torch.no_grad()
    def in_own_units(self) -> Any:
        """A copy of the SAE on the CPU that reads and writes activations as they come; the run is left alone."""
        sae = copy.deepcopy(self.sae)
        self._constrain(sae)
        sae.fold_activation_norm_scaling_factor(self.rows.scale)
        for bias in getattr(sae, "input_biases", ("b_dec",)):
            getattr(sae, bias).data += self.rows.mean.to(sae.b_dec.device)
        return sae.to("cpu").requires_grad_(False)

    def _constrain(self, sae: Any) -> None:
        if self.recipe.unit_decoder:
            from .architectures.unit_norm import constrain

            constrain(sae)


def _number(metric: Any) -> Any:
    """A metric of sae_lens, which may be a number or what makes one."""
    return metric() if callable(metric) else metric
