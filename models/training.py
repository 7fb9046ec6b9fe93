"""Fit an SAE on captured activations with sae_lens's trainer, and score what comes back from disk.

Six architectures, one recipe each, all brought to about the same L0 so that they can be compared:

- `topk` keeps the k largest latents of each row; `batchtopk` and `matryoshka` the k N largest of a batch of N. The
  last two are saved as JumpReLU with one threshold, which is set on held-out rows so that the mean L0 is k.
- `standard`, `gated` and `jumprelu` pay for activity. Their coefficient is steered during training until the L0 is k,
  unless a coefficient is given.

Rows are centred and scaled to mean squared norm d before training and the change of units is folded into the weights
afterwards. Decoder directions are saved with unit norm, so a latent is measured in the units of the activations.
"""

import difflib
import math
import tempfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from .loading_sae_lens import load_sae_lens_folder
from .sae_dictionary import DTYPES, SAEDictionary, inference_class, save_sae
from .training_rows import TrainingRows, prepare_rows
from .training_sparsity import PenaltyController, threshold_for_l0


@dataclass(frozen=True)
class Recipe:
    """How an architecture is trained by default; measured on planted dictionaries (see `train_sae`).

    Attributes:
        trainer: name in sae_lens's registry.
        rate: peak learning rate times sqrt(d): the entries of a direction in d dimensions are about 1 / sqrt(d).
        penalty: name of the coefficient that sets the sparsity; None where k does.
        coefficient: its value at the start, in units of the latents that k active ones would need to write a row:
            sqrt(d / k) for an L1 penalty, d / k for L0.
        options: further fields of the sae_lens training config.
    """

    trainer: str
    rate: float = 0.035
    penalty: str | None = None
    coefficient: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)


ARCHITECTURES: dict[str, Recipe] = {
    "standard": Recipe("standard", penalty="l1", coefficient=0.25),
    "topk": Recipe("topk"),
    "batchtopk": Recipe("batchtopk"),
    "jumprelu": Recipe(
        "jumprelu", penalty="l0", coefficient=0.05, options={"jumprelu_bandwidth": 0.5, "jumprelu_init_threshold": 0.3}
    ),
    "gated": Recipe("gated", penalty="l1", coefficient=0.25),
    "matryoshka": Recipe("matryoshka_batchtopk"),
}


def train_sae(
    arch: str,
    activations: Any,
    *,
    n_latents: int = 1024,
    k: float = 32,
    samples: int = 2_500_000,
    batch_size: int = 1024,
    lr: float | None = None,
    seed: int = 0,
    coefficient: float | None = None,
    frozen_decoder: bool = False,
    options: dict[str, Any] | None = None,
    out_dir: str | Path | None = None,
    dtype: str = "float32",
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> SAEDictionary:
    """Train an SAE; the same arguments and seed give the same weights.

    Args:
        arch: a key of `ARCHITECTURES`.
        activations: floating [N, d], or LabelledActivations. About 5 % of the rows (whole games where games are
            known) are held out, to set thresholds and to measure.
        n_latents: width of the dictionary.
        k: mean number of active latents a row, more than 0 and less than `n_latents`; whole for topk.
        samples: rows seen in all; each pass over the activations is newly shuffled.
        batch_size: rows a step.
        lr: peak learning rate; by default 0.035 / sqrt(d).
        seed: of weights, batches and held-out rows. The caller's random state is left alone.
        coefficient: of the sparsity penalty of standard, gated (L1) and jumprelu (L0), in normalised units; by
            default it is steered until the L0 is k. One that is given stays as it is after a warm-up over a tenth of
            the run, and then k only records what was aimed at.
        frozen_decoder: leave the decoder at its random initial directions and train the rest: a control that shows
            how much of a score needs learnt directions.
        options: fields of the sae_lens training config that override the recipe's.
        out_dir: where to save; nothing is kept by default.
        dtype: of the saved weights; "float16" halves the file.
        name: of the dictionary; by default the architecture.
        metadata: stored in cfg.json; `model_name` and `hook_name` are taken from LabelledActivations.
        device: torch device to train on. The result is on the CPU.
        progress: show a bar.

    Returns:
        The inference SAE, reloaded from what was saved.

    Raises:
        KeyError: unknown architecture.
        TypeError: activations that are not floating numbers.
        ValueError: an argument out of range, activations that are NaN, too few or constant.
        FloatingPointError: the loss is no longer finite.
    """
    recipe = _recipe(arch)
    steps = _check(arch, recipe, n_latents, k, samples, batch_size, coefficient, lr, dtype)
    rows = prepare_rows(activations, batch_size, seed, device)
    d_in = int(rows.activations.shape[1])
    peak = recipe.rate / math.sqrt(d_in) if lr is None else lr
    settings = _settings(arch, recipe, d_in, n_latents, k, steps, coefficient, options)
    source = getattr(activations, "attributes", {})
    kept = {to: source[key] for key, to in (("model", "model_name"), ("hook", "hook_name")) if key in source}
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        sae, final = _fit(
            settings,
            rows,
            steps=steps,
            batch_size=batch_size,
            lr=peak,
            controller=None
            if recipe.penalty is None or coefficient is not None
            else PenaltyController(k, settings[f"{recipe.penalty}_coefficient"], steps),
            penalty=recipe.penalty,
            frozen_decoder=frozen_decoder,
            seed=seed,
            description=f"train {name or arch}",
            progress=progress,
        )
    record = {
        "arch": arch,
        "k": k,
        "samples": steps * batch_size,
        "batch_size": batch_size,
        "lr": peak,
        "seed": seed,
        "coefficient": final,
        "frozen_decoder": frozen_decoder,
        "options": options or {},
    }
    return _finish(sae, rows, arch, k, record, out_dir, dtype, name, kept | (metadata or {}))


def _recipe(arch: str) -> Recipe:
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    near = difflib.get_close_matches(arch, ARCHITECTURES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise KeyError(f"unknown architecture {arch!r}, expected one of {', '.join(ARCHITECTURES)}{hint}")


def _check(
    arch: str,
    recipe: Recipe,
    n_latents: int,
    k: float,
    samples: int,
    batch_size: int,
    coefficient: float | None,
    lr: float | None,
    dtype: str,
) -> int:
    if n_latents < 2:
        raise ValueError(f"n_latents must be at least 2, got {n_latents}")
    if not 0 < k < n_latents:
        raise ValueError(f"k must be more than 0 and less than n_latents {n_latents}, got {k}")
    if arch == "topk" and k != int(k):
        raise ValueError(f"topk keeps a whole number of latents, got k {k}")
    if batch_size < 1 or samples < batch_size:
        raise ValueError(f"samples must cover one batch of at least 1 row, got {samples} and batch_size {batch_size}")
    if coefficient is not None:
        if recipe.penalty is None:
            raise ValueError(f"{arch} has no sparsity penalty: k sets its L0, so coefficient must be None")
        if not (coefficient >= 0 and math.isfinite(coefficient)):
            raise ValueError(f"coefficient must be at least 0 and finite, got {coefficient}")
    if lr is not None and not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr must be more than 0 and finite, got {lr}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, got {dtype!r}")
    return samples // batch_size


def _settings(
    arch: str,
    recipe: Recipe,
    d_in: int,
    n_latents: int,
    k: float,
    steps: int,
    coefficient: float | None,
    options: dict[str, Any] | None,
) -> dict[str, Any]:
    """The sae_lens training config as a dict."""
    settings: dict[str, Any] = {"architecture": recipe.trainer, "d_in": d_in, "d_sae": n_latents}
    if recipe.penalty is None:
        settings["k"] = int(k) if arch == "topk" else float(k)
    else:
        start = recipe.coefficient * (d_in / k) ** (0.5 if recipe.penalty == "l1" else 1.0)
        settings[f"{recipe.penalty}_coefficient"] = start if coefficient is None else coefficient
        settings[f"{recipe.penalty}_warm_up_steps"] = 0 if coefficient is None else steps // 10
    if arch == "matryoshka":
        settings["matryoshka_widths"] = sorted({max(1, n_latents // 16), max(1, n_latents // 4), n_latents})
    from sae_lens.registry import get_sae_training_class

    known = {f.name for f in fields(get_sae_training_class(recipe.trainer)[1])} - {"d_in", "d_sae", "k", "metadata"}
    for option in options or {}:
        if option not in known:
            raise ValueError(f"{arch} has no option {option!r}, expected some of {', '.join(sorted(known))}")
    return settings | recipe.options | (options or {})


def _fit(
    settings: dict[str, Any],
    rows: TrainingRows,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    controller: PenaltyController | None,
    penalty: str | None,
    frozen_decoder: bool,
    seed: int,
    description: str,
    progress: bool,
) -> tuple[Any, float | None]:
    """The training SAE in the activations' own units, and the last penalty coefficient."""
    from sae_lens import LoggingConfig, SAETrainer, TrainingSAE
    from sae_lens.config import SAETrainerConfig
    from tqdm.auto import tqdm

    sae = TrainingSAE.from_dict(settings | {"device": rows.device})
    if frozen_decoder:
        with torch.no_grad():  # unit directions, since their norm cannot grow; the encoder still starts small
            sae.W_dec.data /= sae.W_dec.norm(dim=1, keepdim=True)
        sae.W_dec.requires_grad_(False)
    config = SAETrainerConfig(
        total_training_samples=steps * batch_size,
        train_batch_size_samples=batch_size,
        lr=lr,
        lr_end=lr,
        lr_warm_up_steps=min(100, steps // 10),
        lr_decay_steps=steps // 5,
        device=rows.device,
        dead_feature_window=max(20, min(1000, steps // 10)),
        logger=LoggingConfig(log_to_wandb=False),
    )
    batches = rows.batches(batch_size, torch.Generator().manual_seed(seed))
    trainer = SAETrainer(config, sae, batches)
    with tqdm(total=steps, disable=None if progress else True, unit="step", desc=description) as bar:
        for step in range(steps):
            output = trainer.step(next(batches))
            trainer.n_training_steps += 1
            loss = output.loss.item()
            if not math.isfinite(loss):
                raise FloatingPointError(f"loss is {loss} at step {step}; try a lower lr than {lr}")
            if controller is not None and penalty is not None:
                l0 = float(output.feature_acts.count_nonzero()) / batch_size
                trainer.coefficient_schedulers[penalty].final_value = controller.step(l0, step)
            bar.update()
            if step % 50 == 0:
                bar.set_postfix(loss=f"{loss:.2f}", dead=int(trainer.dead_neurons.sum()), refresh=False)
    final = float(trainer.coefficient_schedulers[penalty].value) if penalty else None
    with torch.no_grad():
        sae.fold_activation_norm_scaling_factor(rows.scale)
        sae.b_dec.data += rows.mean.to(sae.b_dec.device)
    return sae.to("cpu").requires_grad_(False), final


def _finish(
    sae: Any,
    rows: TrainingRows,
    arch: str,
    k: float,
    record: dict[str, Any],
    out_dir: str | Path | None,
    dtype: str,
    name: str | None,
    metadata: dict[str, Any],
) -> SAEDictionary:
    """Inference class, unit decoder, calibrated threshold, rounded to the saved dtype, measured, saved, reloaded."""
    inference: Any = inference_class(sae)
    if ARCHITECTURES[arch].penalty is not None:
        inference.fold_W_dec_norm()  # the topk kinds are folded when they are saved
    inference = inference.to(getattr(torch, dtype)).to(torch.float32)
    held_out = rows.held_out_rows().cpu()
    if arch in ("batchtopk", "matryoshka"):
        threshold = torch.tensor(threshold_for_l0(inference, held_out, k)).to(getattr(torch, dtype)).float()
        inference.threshold.data.fill_(float(threshold))
    for key, value in metadata.items():
        setattr(inference.cfg.metadata, key, value)
    inference.cfg.metadata.fiducial = record | measure(SAEDictionary(inference), held_out)
    dictionary = SAEDictionary(inference, name or arch)
    with tempfile.TemporaryDirectory() as scratch:
        folder = save_sae(dictionary, Path(out_dir) if out_dir is not None else Path(scratch) / arch, dtype=dtype)
        return load_sae_lens_folder(folder, name or arch)


@torch.no_grad()
def measure(dictionary: SAEDictionary, rows: torch.Tensor) -> dict[str, Any]:
    """L0, explained variance about the mean and latents that never fire, on some rows."""
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
