"""Bring every architecture to a wanted L0: steer a penalty while training, set a threshold afterwards."""

import math
from typing import Any

import torch


class PenaltyController:
    """Steers a penalty coefficient so that the L0 of the training batches settles at a target.

    An integral controller in log space. After a first tenth of the run, in which features are found at the starting
    coefficient, each step multiplies the coefficient by exp(gain * clip(log(L0 / target))), with L0 averaged over the
    last batches. The gain is measured per run, not per step: L0 answers to a coefficient only as fast as the SAE
    learns, and a coefficient that outruns it shrinks every latent to nothing. It replaces a sweep over coefficients by
    one run; where it ends is a property of the data and is stored with the SAE.

    Args:
        target: L0 wanted.
        start: coefficient at step 0.
        n_steps: length of the run.
        gain: by how many factors of e the coefficient may change over the whole run.
        lead: how far ahead of now log(L0) is taken, as a share of the run, along its present slope; 0 takes it as it
            is. Where L0 answers late, because thresholds have to move or p is annealed, a coefficient that looks at
            the present alone goes on rising until L0 has fallen past the target.
    """

    def __init__(self, target: float, start: float, n_steps: int, gain: float = 8.0, lead: float = 0.0) -> None:
        self.target = target
        self.coefficient = start
        self.n_steps = n_steps
        self.gain = gain
        self.lead = lead
        self._l0: float | None = None
        self._late: float | None = None

    def step(self, l0: float, step: int) -> float:
        """Take in the L0 of a batch; give the coefficient of the next."""
        self._l0 = l0 if self._l0 is None else 0.9 * self._l0 + 0.1 * l0
        if step >= self.n_steps // 10:
            error = math.log(max(self._l0, 1e-3) / self.target) + self._ahead()
            self.coefficient *= math.exp(self.gain / self.n_steps * min(1.0, max(-1.0, error)))
        return self.coefficient

    def _ahead(self) -> float:
        """The change of log(L0) over the lead: what it has changed since a slower average, times lead over lateness."""
        if self.lead == 0 or self._l0 is None:
            return 0.0
        span = max(10.0, self.n_steps / 20)
        now = math.log(max(self._l0, 1e-3))
        self._late = now if self._late is None else self._late + (now - self._late) / span
        return self.lead * self.n_steps / span * (now - self._late)


@torch.no_grad()
def threshold_for_l0(sae: Any, rows: torch.Tensor, l0: float) -> float:
    """The one threshold at which a JumpReLU SAE has a given mean L0 on some rows.

    A batch-topk trainer learns its threshold as a slow average from 0, which after a short run lets through several
    times too many latents; this sets it from the definition instead.

    Args:
        sae: a JumpReLU inference SAE; its own thresholds are ignored.
        rows: float [n, d].
        l0: wanted, more than 0 and less than the number of latents.

    Returns:
        A threshold halfway between the last value kept and the first dropped; 0 if fewer latents are ever positive.
    """
    pre_activations = sae.process_sae_in(rows) @ sae.W_enc + sae.b_enc
    values = pre_activations.relu().flatten()
    keep = round(l0 * len(rows))
    if keep >= len(values):
        return 0.0
    top = values.topk(keep + 1).values
    return float((top[keep - 1] + top[keep]) / 2)
