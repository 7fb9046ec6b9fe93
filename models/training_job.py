"""What a training run needs, checked and resolved; and what becomes of the SAE when it ends."""

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from .loading_sae_lens import load_sae_lens_folder
from .sae_dictionary import DTYPES, SAEDictionary, inference_class, save_sae
from .training_recipes import Recipe, Sizes, find_recipe, training_settings
from .training_rows import ActivationStream, Rows, prepare_rows, prepare_stream
from .training_run import Run
from .training_sparsity import PenaltyController, threshold_for_l0


@dataclass(frozen=True)
class Job:
    """One architecture on one set of activations, ready to run with any seed.

    Attributes:
        arch: a key of `ARCHITECTURES`.
        recipe: its recipe.
        rows: to train on.
        settings: the sae_lens training config as a dict.
        k: L0 wanted.
        steps: length of the run.
        batch_size: rows a step.
        lr: peak learning rate.
        coefficient: of the penalty; None to steer it.
        lead: of the controller that steers it; None for the recipe's.
        frozen_decoder: leave the decoder as it starts.
        options: what the caller overrode.
        metadata: stored in cfg.json.
    """

    arch: str
    recipe: Recipe
    rows: Rows
    settings: dict[str, Any]
    k: float
    steps: int
    batch_size: int
    lr: float
    coefficient: float | None = None
    lead: float | None = None
    frozen_decoder: bool = False
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def start(self, seed: int) -> Run:
        """A run at step 0. To be called inside `torch.random.fork_rng`; sets the seed."""
        torch.manual_seed(seed)
        steered = self.recipe.penalty is not None and self.coefficient is None
        return Run(
            self.settings,
            self.recipe,
            self.rows,
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            controller=self._controller() if steered else None,
            frozen_decoder=self.frozen_decoder,
            seed=seed,
        )

    def _controller(self) -> PenaltyController:
        start = self.settings[f"{self.recipe.penalty}_coefficient"]
        return PenaltyController(self.k, start, self.steps, lead=self.recipe.lead if self.lead is None else self.lead)

    def finish(
        self,
        run: Run,
        seed: int,
        *,
        out_dir: str | Path | None = None,
        dtype: str = "float32",
        name: str | None = None,
        held_out_rows: int | None = None,
    ) -> SAEDictionary:
        """The SAE of a run as it stands: unit decoder, threshold set, rounded, measured, saved and read again.

        The run can go on afterwards as if nothing had happened.

        Args:
            run: to be finished.
            seed: it was started with.
            out_dir: where to save; nothing is kept by default.
            dtype: of the saved weights.
            name: of the dictionary; by default the architecture.
            held_out_rows: set the threshold and measure on about so many of the held-out rows, evenly spaced; all of
                them by default.

        Returns:
            The inference SAE, reloaded from what was saved.
        """
        inference: Any = inference_class(run.in_own_units())
        if self.recipe.penalty is not None:
            inference.fold_W_dec_norm()  # the topk kinds and switch are folded when they are saved
        inference = inference.to(getattr(torch, dtype)).to(torch.float32)
        held_out = self.rows.held_out_rows().cpu()
        if held_out_rows is not None:
            held_out = held_out[:: max(1, len(held_out) // held_out_rows)]
        if self.recipe.calibrated:
            threshold = torch.tensor(threshold_for_l0(inference, held_out, self.k)).to(getattr(torch, dtype)).float()
            inference.threshold.data.fill_(float(threshold))
        for key, value in self.metadata.items():
            setattr(inference.cfg.metadata, key, value)
        inference.cfg.metadata.fiducial = self._record(run, seed) | measure(SAEDictionary(inference), held_out)
        dictionary = SAEDictionary(inference, name or self.arch)
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(out_dir) if out_dir is not None else Path(scratch) / "sae"
            return load_sae_lens_folder(save_sae(dictionary, place, dtype=dtype), name or self.arch)

    def _record(self, run: Run, seed: int) -> dict[str, Any]:
        return {
            "arch": self.arch,
            "k": self.k,
            "samples": run.done * self.batch_size,
            "batch_size": self.batch_size,
            "lr": self.lr,
            "seed": seed,
            "coefficient": run.coefficient,
            "frozen_decoder": self.frozen_decoder,
            "options": self.options,
        } | ({} if self.lead is None else {"lead": self.lead})


def plan(
    arch: str,
    activations: Any,
    *,
    n_latents: int,
    k: float,
    samples: int,
    batch_size: int,
    lr: float | None = None,
    seed: int = 0,
    coefficient: float | None = None,
    lead: float | None = None,
    frozen_decoder: bool = False,
    options: dict[str, Any] | None = None,
    dtype: str = "float32",
    metadata: dict[str, Any] | None = None,
    device: str = "cpu",
) -> Job:
    """Check the arguments of `train_sae` and resolve them; `seed` is that of the held-out rows.

    Raises:
        KeyError, TypeError, ValueError: as `train_sae` says.
    """
    recipe = find_recipe(arch)
    _check(arch, recipe, n_latents, k, samples, batch_size, coefficient, lead, lr, dtype)
    steps = samples // batch_size
    source = getattr(activations, "attributes", {})
    kept = {to: source[key] for key, to in (("model", "model_name"), ("hook", "hook_name")) if key in source}
    rows: Rows
    if isinstance(activations, ActivationStream):
        rows = prepare_stream(activations, seed, device)
        kept |= {"world": getattr(activations, "name", type(activations).__name__)}
    else:
        rows = prepare_rows(activations, batch_size, seed, device)
    d_in = len(rows.mean)
    return Job(
        arch=arch,
        recipe=recipe,
        rows=rows,
        settings=training_settings(arch, Sizes(d_in, n_latents, k, steps), coefficient, options),
        k=k,
        steps=steps,
        batch_size=batch_size,
        lr=recipe.rate / math.sqrt(d_in) if lr is None else lr,
        coefficient=coefficient,
        lead=lead,
        frozen_decoder=frozen_decoder,
        options=options or {},
        metadata=kept | (metadata or {}),
    )


def _check(
    arch: str,
    recipe: Recipe,
    n_latents: int,
    k: float,
    samples: int,
    batch_size: int,
    coefficient: float | None,
    lead: float | None,
    lr: float | None,
    dtype: str,
) -> None:
    if n_latents < 2:
        raise ValueError(f"n_latents must be at least 2, got {n_latents}")
    if not 0 < k < n_latents:
        raise ValueError(f"k must be more than 0 and less than n_latents {n_latents}, got {k}")
    if recipe.whole_k and k != int(k):
        raise ValueError(f"{arch} keeps a whole number of latents, got k {k}")
    if batch_size < 1 or samples < batch_size:
        raise ValueError(f"samples must cover one batch of at least 1 row, got {samples} and batch_size {batch_size}")
    if coefficient is not None:
        if recipe.penalty is None:
            raise ValueError(f"{arch} has no sparsity penalty: k sets its L0, so coefficient must be None")
        if not (coefficient >= 0 and math.isfinite(coefficient)):
            raise ValueError(f"coefficient must be at least 0 and finite, got {coefficient}")
    if lead is not None:
        if recipe.penalty is None or coefficient is not None:
            raise ValueError(f"{arch} has no penalty that is steered here, so lead must be None")
        if not (lead >= 0 and math.isfinite(lead)):
            raise ValueError(f"lead must be at least 0 and finite, got {lead}")
    if lr is not None and not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr must be more than 0 and finite, got {lr}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, got {dtype!r}")


@torch.no_grad()
def measure(dictionary: SAEDictionary, rows: torch.Tensor) -> dict[str, Any]:
    """L0, explained variance about the mean and latents that never fire, on some rows; active is what is not 0."""
    active, error = 0, 0.0
    fired = torch.zeros(dictionary.n_latents, dtype=torch.bool)
    for batch in rows.split(2048):
        latents = dictionary.encode(batch)
        active += int(latents.count_nonzero())
        fired |= (latents != 0).any(0)
        error += float((dictionary.decode(latents) - batch).square().sum())
    variance = float((rows - rows.mean(0)).square().sum())
    return {
        "held_out_rows": len(rows),
        "l0": active / len(rows),
        "explained_variance": 1 - error / variance if variance > 0 else float("nan"),
        "never_fired": int((~fired).sum()),
    }
