"""The schedule of p-annealing: a penalty S_p whose p falls from 1 towards 0 while its value stays continuous.

Penalty       S_p(f) = mean over x of sum_i f_i^p ("Lp^p"), or of (sum_i f_i^p)^(1/p) ("Lp")
Grid          p_j = linspace(p_start, p_end, n), at the steps s_j = floor(linspace(anneal_start, anneal_end, n))
Each step     the loss is taken with the p and multiplier a of before; if a next p is known, (S_p, S_next) of the batch
              join a queue of the last Q
At s_0        p <- p_0, next <- p_1
At s_j        a <- a * mean of the queue's S_{p_(j-1)} / mean of its S_{p_j}; p <- p_j; next <- p_(j+1), after the
              last p_end
Source        Karvonen et al., arXiv 2408.00113, section 4; `PAnnealTrainer` of dictionary_learning 0.1.0, which this
              follows step for step (the test compares it with a plain twin of that schedule)

If anneal_end is the length of the run, as published, s_(n-1) is never reached and the run ends with p_(n-2): 0.289 for
p from 1 to 0.2 in 10.

Differences from dictionary_learning:

1. The gradient of f^p at f = 0 is 0. There ReLU's own gradient hides an infinite one; here latents may be weighed by
   decoder norms, and infinity times 0 would be NaN.
2. If a window is shorter than its grid, later values of p wait for the steps after; there they are skipped.
3. The queue is emptied at an update. There it keeps ratios of earlier p where updates are closer than Q batches, which
   in the published runs, with 2,958 steps between them, they never are.
4. The state is in buffers, so that it is saved and read with the training SAE.
"""

import torch
from torch import nn

MODES = ("Lp^p", "Lp")


def power_sum(latents: torch.Tensor, p: float, mode: str = "Lp^p") -> torch.Tensor:
    """S_p of a batch, with a gradient that is finite wherever f is 0.

    Args:
        latents: float [N, L], >= 0.
        p: more than 0.
        mode: "Lp^p" or "Lp".

    Returns:
        A scalar; the mean over rows.
    """
    active = latents > torch.finfo(latents.dtype).tiny
    powers = torch.where(active, torch.where(active, latents, torch.ones_like(latents)).pow(p), 0.0)
    sums = powers.sum(-1)
    if mode == "Lp":
        some = sums > 0
        sums = torch.where(some, torch.where(some, sums, torch.ones_like(sums)).pow(1 / p), 0.0)
    return sums.mean()


def update_steps(start: int, end: int, n: int) -> list[int]:
    """The steps at which p changes, floor(linspace(start, end, n)) in whole numbers."""
    return [start + (end - start) * j // max(1, n - 1) for j in range(n)]


class PAnnealing(nn.Module):
    """p, the multiplier of the penalty, and the rule by which they change.

    Args:
        p_start: p before the first update and at it.
        p_end: the last p of the grid.
        n_updates: points of the grid.
        queue_length: how many of the last batches an update looks at.
        start: step of the first update.
        end: step of the last.
        mode: "Lp^p" or "Lp".

    Raises:
        ValueError: a p outside of (0, 1], fewer than 2 updates, an empty queue, an end before the start, unknown mode.
    """

    def __init__(
        self,
        *,
        p_start: float = 1.0,
        p_end: float = 0.2,
        n_updates: int = 10,
        queue_length: int = 10,
        start: int = 0,
        end: int = 1000,
        mode: str = "Lp^p",
    ) -> None:
        super().__init__()
        for name, value in (("p_start", p_start), ("p_end", p_end)):
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be more than 0 and at most 1, got {value}")
        if n_updates < 2 or queue_length < 1:
            raise ValueError(f"n_updates must be at least 2 and queue_length 1, got {n_updates} and {queue_length}")
        if not 0 <= start <= end:
            raise ValueError(f"annealing must start at step 0 or later and end after, got {start} to {end}")
        if mode not in MODES:
            raise ValueError(f"sparsity_mode must be {MODES[0]!r} or {MODES[1]!r}, got {mode!r}")
        self.mode = mode
        self.steps = update_steps(start, end, n_updates)
        self.grid = [p_start + (p_end - p_start) * j / (n_updates - 1) for j in range(n_updates)]
        self.register_buffer("multiplier", torch.tensor(1.0, dtype=torch.float64))
        self.register_buffer("n_done", torch.tensor(0))
        self.register_buffer("queue", torch.full((queue_length, 2), float("nan"), dtype=torch.float64))
        self.multiplier: torch.Tensor
        self.n_done: torch.Tensor
        self.queue: torch.Tensor

    @property
    def p(self) -> float:
        """Of the next batch."""
        return self.grid[max(0, int(self.n_done) - 1)]

    @property
    def next_p(self) -> float | None:
        """After the next update; None before the first, and p_end after the last."""
        done = int(self.n_done)
        return None if done == 0 else self.grid[min(done, len(self.grid) - 1)]

    def penalty(self, latents: torch.Tensor, step: int) -> torch.Tensor:
        """The multiplier times S_p of this batch; afterwards p and multiplier move on as the schedule says.

        Args:
            latents: float [N, L], >= 0.
            step: of training, from 0; each to be given once, in order.

        Returns:
            A scalar with gradient, before the coefficient.
        """
        s_p, next_p = power_sum(latents, self.p, self.mode), self.next_p
        value = float(self.multiplier) * s_p
        with torch.no_grad():
            if next_p is not None:
                s_next = power_sum(latents.detach(), next_p, self.mode)
                self.queue = torch.cat([self.queue[1:], torch.stack([s_p.detach(), s_next]).to(self.queue)[None]])
            done = int(self.n_done)
            if done < len(self.steps) and step >= self.steps[done]:
                self._update()
        return value

    def _update(self) -> None:
        seen = self.queue[~self.queue[:, 0].isnan()]
        if len(seen):
            old, new = seen.mean(0)
            if old > 0 and new > 0:  # batches without any activity say nothing about the ratio
                self.multiplier = self.multiplier * old / new
        self.queue = torch.full_like(self.queue, float("nan"))
        self.n_done = self.n_done + 1
