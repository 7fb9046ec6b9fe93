"""Feature-aligned SAEs: several trained in parallel, each pulled towards directions that the others have found too.

Loss          of each SAE: its own + c d (1 - mean over the other SAEs of MMCS(own decoder, other decoder)), where
              MMCS(A, B) = (mean over i of max over j of cos(A_i, B_j) + mean over j of max over i of the same) / 2
Idea          what a seed finds alone is noise more often than what all find (see also the stability scores)
Source        Marks, Paren, Krueger, Barez, "Enhancing Neural Network Interpretability with Feature-Aligned Sparse
              Autoencoders", arXiv 2411.01220 (mutual feature regularisation). The form of the penalty is from memory
              of the paper, which uses TopK SAEs and the mean maximal cosine of their decoders; its released code
              also tries hidden states and reconstructions.

Differences from the paper: any architecture of `training.ARCHITECTURES`; MMCS is taken both ways; the scale of c is d,
the variance of the normalised rows; latents that seldom fire are not started anew.

All SAEs take a step before any sees what the others have become, so that their order does not matter.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .sae_dictionary import SAEDictionary
from .training_job import plan
from .training_run import Run


def train_feature_aligned(
    arch: str,
    activations: Any,
    *,
    n_saes: int = 2,
    penalty: float = 0.1,
    n_latents: int = 1024,
    k: float = 32,
    samples: int = 2_500_000,
    batch_size: int = 1024,
    lr: float | None = None,
    seed: int = 0,
    coefficient: float | None = None,
    options: dict[str, Any] | None = None,
    out_dir: str | Path | None = None,
    dtype: str = "float32",
    metadata: dict[str, Any] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> list[SAEDictionary]:
    """Train SAEs that differ in their seed alone, and reward them for agreeing.

    Args:
        arch: a key of `ARCHITECTURES`.
        activations: as for `train_sae`; held-out rows are the same for all.
        n_saes: how many; SAE i has seed `seed` + i for weights and batches.
        penalty: c, at least 0; with 0 each SAE is what `train_sae` makes of the same rows.
        n_latents: width of each.
        k: mean number of active latents a row.
        samples: rows that each sees.
        batch_size: rows a step.
        lr: peak learning rate; by default 0.035 / sqrt(d).
        seed: of the first SAE and of the held-out rows.
        coefficient: of the sparsity penalty; steered by default.
        options: fields of the sae_lens training config that override the recipe's.
        out_dir: where to save them, as 0, 1, ...; nothing is kept by default.
        dtype: of the saved weights.
        metadata: stored in cfg.json.
        device: torch device to train on.
        progress: show a bar.

    Returns:
        The inference SAEs in the order of their seeds, named after architecture and seed.

    Raises:
        KeyError: unknown architecture.
        TypeError: activations that are not floating numbers.
        ValueError: fewer than 2 SAEs, a negative penalty, or as `train_sae` says.
        FloatingPointError: a loss is no longer finite.
    """
    from tqdm.auto import tqdm

    if n_saes < 2:
        raise ValueError(f"n_saes must be at least 2, one alone has none to agree with; got {n_saes}")
    if not 0 <= penalty < float("inf"):
        raise ValueError(f"penalty must be at least 0 and finite, got {penalty}")
    job = plan(
        arch,
        activations,
        n_latents=n_latents,
        k=k,
        samples=samples,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        coefficient=coefficient,
        options=options,
        dtype=dtype,
        metadata={"feature_aligned": {"n_saes": n_saes, "penalty": penalty}} | (metadata or {}),
        device=device,
    )
    seeds = [seed + i for i in range(n_saes)]
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        runs = [job.start(one) for one in seeds]
        others: list[torch.Tensor] = []
        if penalty > 0:
            for place, run in enumerate(runs):
                _reward(run, place, others, penalty)
        description = f"train {n_saes} aligned {arch}"
        with tqdm(total=job.steps, disable=None if progress else True, unit="step", desc=description) as bar:
            for _ in range(job.steps):
                others[:] = [run.sae.W_dec.detach().clone() for run in runs]
                for run in runs:
                    run.step()
                bar.update()
        return [
            job.finish(
                run,
                one,
                out_dir=None if out_dir is None else Path(out_dir) / str(place),
                dtype=dtype,
                name=f"{arch} aligned, seed {one}",
            )
            for place, (run, one) in enumerate(zip(runs, seeds, strict=True))
        ]


def _reward(run: Run, place: int, decoders: list[torch.Tensor], penalty: float) -> None:
    """Add the penalty to what the SAE of a run returns from its forward pass; `decoders` is refilled every step."""
    forward: Callable[[Any], Any] = run.sae.training_forward_pass
    weight = penalty * run.sae.cfg.d_in

    def rewarded(step_input: Any) -> Any:
        output = forward(step_input)
        agreement = [mmcs(run.sae.W_dec, rows) for i, rows in enumerate(decoders) if i != place]
        output.losses["alignment_loss"] = weight * (1 - torch.stack(agreement).mean())
        output.loss = output.loss + output.losses["alignment_loss"]
        return output

    run.sae.training_forward_pass = rewarded


def mmcs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean maximal cosine between the rows of two matrices, both ways; 1 if each has the directions of the other.

    Args:
        a: float [L, d].
        b: float [M, d].

    Returns:
        A scalar in [-1, 1], with gradient. Rows of zeros have cosine 0 with all others.
    """
    cosines = torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T
    return (cosines.amax(1).mean() + cosines.amax(0).mean()) / 2
