"""Fit an SAE on captured activations with sae_lens's trainer, and score what comes back from disk.

Twelve architectures, one recipe each (`training_recipes`), all brought to about the same L0 so that they can be
compared:

- `topk` keeps the k largest latents of each row, `abstopk` those of largest size, `switch` the k largest of one expert,
  `matching_pursuit` picks k one after the other; `batchtopk` and `matryoshka` keep the k N largest of a batch of N. The
  last two are saved as JumpReLU with one threshold, which is set on held-out rows so that the mean L0 is k.
- `standard`, `standard-unit-norm`, `p_anneal`, `gated`, `gated_anneal` and `jumprelu` pay for activity. Their
  coefficient is steered during training until the L0 is k, unless a coefficient is given.

Rows are centred and scaled to mean squared norm d before training and the change of units is folded into the weights
afterwards. Decoder directions are saved with unit norm, so a latent is measured in the units of the activations.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from .sae_dictionary import SAEDictionary
from .threads import threads_for
from .training_job import Job, measure, plan
from .training_recipes import ARCHITECTURES, Recipe
from .training_run import Run, Watch

__all__ = ["ARCHITECTURES", "Recipe", "measure", "train_sae"]


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
    lead: float | None = None,
    frozen_decoder: bool = False,
    options: dict[str, Any] | None = None,
    out_dir: str | Path | None = None,
    dtype: str = "float32",
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    device: str = "cpu",
    progress: bool = True,
    curve: Callable[[int, dict[str, float]], None] | None = None,
    curve_every: int = 100,
    snapshots: Sequence[int] = (),
    on_snapshot: Callable[[int, SAEDictionary], None] | None = None,
    snapshot_rows: int | None = None,
) -> SAEDictionary:
    """Train an SAE; the same arguments and seed give the same weights.

    Args:
        arch: a key of `ARCHITECTURES`.
        activations: floating [N, d], or LabelledActivations. About 5 % of the rows (whole games where games are
            known) are held out, to set thresholds and to measure. Or an endless source, with `batches(batch_size,
            seed)` and `sample(n_rows, seed)`, such as a synthetic world: every batch is then fresh.
        n_latents: width of the dictionary.
        k: mean number of active latents a row, more than 0 and less than `n_latents`; whole for topk, abstopk, switch
            and matching_pursuit.
        samples: rows seen in all; each pass over the activations is newly shuffled.
        batch_size: rows a step.
        lr: peak learning rate; by default 0.035 / sqrt(d).
        seed: of weights, batches and held-out rows. The caller's random state is left alone. On a synthetic world take
            another number than the world's seed: both draw their first directions from the same stream.
        coefficient: of the sparsity penalty of the architectures that have one, in normalised units; by
            default it is steered until the L0 is k. One that is given stays as it is after a warm-up over a tenth of
            the run, and then k only records what was aimed at.
        lead: how far the steering looks ahead, as a share of the run (see `PenaltyController`); by default 0.2 where p
            is annealed and 0 elsewhere. In short runs, of hundreds of steps, jumprelu ends below the wanted L0 unless
            it is about 0.5.
        frozen_decoder: leave the decoder at its random initial directions and train the rest: a control that shows
            how much of a score needs learnt directions.
        options: fields of the sae_lens training config that override the recipe's.
        out_dir: where to save; nothing is kept by default.
        dtype: of the saved weights; "float16" halves the file.
        name: of the dictionary; by default the architecture.
        metadata: stored in cfg.json; `model_name` and `hook_name` are taken from LabelledActivations.
        device: torch device to train on. The result is on the CPU.
        progress: show a bar.
        curve: called as curve(steps done, figures) every `curve_every` steps and after the last; the figures are those
            of `Run.figures`: loss parts, L0, explained variance on held-out rows, dead share, coefficient, p.
        curve_every: steps between two calls.
        snapshots: numbers of steps done after which the SAE is looked at as it would be if training ended there: 0 is
            the untrained one, `samples // batch_size` the last.
        on_snapshot: called as on_snapshot(steps done, SAEDictionary) for each. Neither changes the run.
        snapshot_rows: about how many held-out rows the threshold and the figures of a snapshot are made on; all of them
            by default. Few make snapshots cheap enough to be scored every hundred steps (`curves.checkpoints`).

    Returns:
        The inference SAE, reloaded from what was saved.

    Raises:
        KeyError: unknown architecture.
        TypeError: activations that are not floating numbers.
        ValueError: an argument out of range, activations that are NaN, too few or constant.
        FloatingPointError: the loss is no longer finite.
    """
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
        lead=lead,
        frozen_decoder=frozen_decoder,
        options=options,
        dtype=dtype,
        metadata=metadata,
        device=device,
    )
    watch = _watch(job, curve, curve_every, snapshots, on_snapshot, snapshot_rows)
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), threads_for(len(job.rows.mean) * n_latents):
        run = job.start(seed)
        _train(job, run, watch, seed, f"train {name or arch}", progress)
        return job.finish(run, seed, out_dir=out_dir, dtype=dtype, name=name)


def _watch(
    job: Job,
    curve: Callable[[int, dict[str, float]], None] | None,
    curve_every: int,
    snapshots: Sequence[int],
    on_snapshot: Callable[[int, SAEDictionary], None] | None,
    snapshot_rows: int | None,
) -> Watch:
    if curve_every < 1:
        raise ValueError(f"curve_every must be at least 1 step, got {curve_every}")
    if bool(snapshots) != (on_snapshot is not None):
        raise ValueError("snapshots and on_snapshot go together: the steps, and what to call at each")
    wrong = [step for step in snapshots if not 0 <= step <= job.steps]
    if wrong:
        raise ValueError(f"snapshots must be 0 to {job.steps}, the number of steps of this run; got {wrong[0]}")
    if snapshot_rows is not None and snapshot_rows < 1:
        raise ValueError(f"snapshot_rows must be at least 1 row, got {snapshot_rows}")
    return Watch(curve, curve_every, frozenset(snapshots), on_snapshot, snapshot_rows)


def _train(job: Job, run: Run, watch: Watch, seed: int, description: str, progress: bool) -> None:
    from tqdm.auto import tqdm

    def look() -> None:
        if run.done in watch.snapshots and watch.on_snapshot is not None:
            name = f"{job.arch} at step {run.done}"
            watch.on_snapshot(run.done, job.finish(run, seed, name=name, held_out_rows=watch.snapshot_rows))

    look()
    with tqdm(total=run.steps, disable=None if progress else True, unit="step", desc=description) as bar:
        while run.done < run.steps:
            output = run.step()
            if watch.curve is not None and (run.done % watch.curve_every == 0 or run.done == run.steps):
                watch.curve(run.done, run.figures(output))
            look()
            bar.update()
            if run.done % 50 == 1:
                bar.set_postfix(loss=f"{output.loss.item():.2f}", dead=run.n_dead, refresh=False)
