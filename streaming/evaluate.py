"""A sample on disk -> Report: the scores of `fiducial.evaluate` in bounded memory, however long the sample is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..evaluation import FAITHFUL, bounded_by
from ..metrics import METRICS
from ..metrics.catalogue import TASKS
from ..metrics.score import Score
from ..metrics.streaming.accumulator import stream
from ..metrics.streaming.registry import accumulators
from ..models.controls import PermutedDictionary
from ..models.devices import on_device
from ..models.dictionary import Dictionary
from ..provenance import provenance
from ..report import Report
from ..scoring import Scores
from .bounded import Bounded, bounded, posed_scores
from .controls import FIT_ROWS, controls_of
from .memory import budget_of, check_disk, check_folder, scratch_folder
from .offers import askable, streamed
from .sample import GameSplit, Sample, open_sample, split_of
from .source import Tally, batches_of, check_fit, encoded, needs_of

SCRATCH_ENTRY = 24  # bytes on disk of a latent that fires, at the worst: as it came, and sorted
MOST_IN_FLIGHT = 400_000_000  # bytes of batches; more does not make reading faster


@dataclass(frozen=True)
class Settings:
    """How a sample is scored, for the dictionary under test and its references alike.

    Attributes:
        budget: bytes to work in.
        scratch: folder for files that nobody needs afterwards.
        seed: of the bootstrap and the shuffles.
        n_resamples: of the bootstrap.
        device: where dictionaries work.
        progress: show bars.
    """

    budget: int
    scratch: Path
    seed: int
    n_resamples: int
    device: str
    progress: bool


def evaluate_file(
    dictionary: Dictionary | None,
    path: str | Path,
    metrics: Sequence[str] | None = None,
    *,
    memory: str | int = "2GB",
    seed: int = 0,
    folder: str | Path | None = None,
    controls: bool = True,
    fit_rows: int = FIT_ROWS,
    n_resamples: int = 1000,
    device: str = "cpu",
    progress: bool = True,
    sha256: str | None = None,
    known: dict[Any, Any] | None = None,
) -> Report:
    """Score a dictionary, or stored latents, on a sample that may be larger than memory.

    Args:
        dictionary: encodes the activations in the file; None where the file holds latents.
        path: activations of `fiducial capture`, latents of `fiducial.data.codes_file`, or an HDF5 file with dense
            `latents`, `labels` and `game_id`.
        metrics: names; by default coverage, reconstruction and sparsity, with a dictionary fidelity too, all over the
            whole sample. SAEBench's tasks and what latents mean are scored when they are asked for, such as `tpp` or
            `tasks`, on at most 30,000 positions.
        memory: of the whole process, without mapped files; such as "2GB".
        seed: of the split by game, the bootstrap, the shuffles and the references.
        folder: for scratch files, about 24 bytes for every active latent and a bit for every label; None is the
            system's folder for temporary files. They are removed, whatever happens.
        controls: score floors and ceilings too, each over the whole sample.
        fit_rows: training positions that references are fitted on at most.
        n_resamples: of the bootstrap.
        device: where the dictionary works.
        progress: show bars.
        sha256: checksum of the dictionary's file, for the record.
        known: what calls on one file share, so that dictionaries of one width and L0 have their references scored
            once and tasks are posed once; extended.

    Returns:
        The report, with scores equal to those of the same sample scored whole.

    Raises:
        FileNotFoundError: no such file or folder.
        KeyError: an unknown metric.
        ValueError: a file that does not fit, metrics that it cannot be asked, too little memory or disk, or latents
            that are NaN or infinite.
    """
    started = time.perf_counter()
    sample = open_sample(path)
    check_fit(sample, dictionary)
    wanted = askable(metrics, sample)
    over_all = [metric for metric in wanted if metric in streamed(sample)]
    posed = [metric for metric in wanted if metric not in over_all]
    check_folder(folder)
    budget = budget_of(memory)
    split = split_of(sample, seed=seed)
    _check_disk(sample, dictionary, wanted, folder)
    shared: dict[Any, Any] = {} if known is None else known
    roles: dict[str, str] = {}
    bounds: dict[str, Scores] = {}
    fitted: dict[str, int] = {}
    with scratch_folder(folder) as scratch:
        settings = Settings(budget, scratch, seed, n_resamples, device, progress)
        tally = Tally()
        name = _name(dictionary, sample)
        scores = _streamed(sample, dictionary, split, over_all, settings, tally=tally)
        l0 = tally.l0
        if posed and not over_all:
            scores, l0 = _posed(sample, dictionary, split, posed, settings, shared, name=name)
        beside: list[_Beside] = []
        if dictionary is not None and controls:
            n_latents = len(dictionary.directions)
            references, fitted = controls_of(
                sample, split, n_latents=n_latents, l0=l0, fit_rows=fit_rows, seed=seed, progress=progress
            )
            beside = [
                _Beside(one.name, one.role, cache(one.make), [m for m in wanted if m in bounded_by(one.name)])
                for one in references
            ]
            if n_latents > 1:  # its own shuffled self: the same latents, each writing another's direction
                shuffled = PermutedDictionary(dictionary, "decoder", seed=seed, name="permuted decoder")
                told = [m for m in wanted if m in (*FAITHFUL, *TASKS) and "permuted decoder" in METRICS[m].notices]
                beside.append(_Beside(shuffled.name, "floor", lambda: shuffled, told, own=True))
        asked_here = (seed, n_resamples, fit_rows, str(device))

        def with_references(names: list[str], make: Callable[[_Beside, list[str]], Scores]) -> None:
            for one in beside:
                if not (asked := [metric for metric in one.asked if metric in names]):
                    continue
                key = (sample.path.resolve(), one.name, *asked, *asked_here)
                if one.own or key not in shared:
                    found = make(one, asked)
                    found = found if one.own else {m: replace(score, features={}) for m, score in found.items()}
                    if not one.own:
                        shared[key] = found
                else:
                    found = shared[key]
                bounds.setdefault(one.name, {}).update(found)
                roles[one.name] = one.role

        with_references(over_all, lambda one, asked: _streamed(sample, one.make(), split, asked, settings, null=False))
        if posed and over_all:  # after all passes, whose memory is free again
            scores |= _posed(sample, dictionary, split, posed, settings, shared, name=name)[0]
        with_references(
            posed,
            lambda one, asked: _posed(sample, one.make(), split, asked, settings, shared, name=one.name, null=False)[0],
        )
    return Report(
        name,
        f"arrays in {sample.path.name}" if dictionary is None else f"sample in {sample.path.name}",
        {metric: _beside(scores[metric], bounds, roles) for metric in wanted if metric in scores},
        provenance(
            seed=seed,
            sample=_about(sample, split),
            **({"dictionary": _about_dictionary(dictionary, sha256)} if dictionary is not None else {}),
            **({"references_fitted_on": fitted} if fitted else {}),
            times={"evaluate_s": round(time.perf_counter() - started, 2)},
        ),
        controls={name: {m: found[m] for m in wanted if m in found} for name, found in bounds.items()},
    )


@dataclass(frozen=True)
class _Beside:
    """A floor or ceiling, made when it is first asked.

    Attributes:
        name: of the column.
        role: floor or ceiling.
        make: fits it.
        asked: metrics that it says something about.
        own: whether it belongs to one dictionary only, so that its scores are never shared.
    """

    name: str
    role: str
    make: Callable[[], Dictionary]
    asked: list[str]
    own: bool = False


def _posed(
    sample: Sample,
    dictionary: Dictionary | None,
    split: GameSplit,
    wanted: list[str],
    settings: Settings,
    shared: dict[Any, Any],
    *,
    name: str,
    null: bool = True,
) -> tuple[Scores, float]:
    """Scores of one dictionary that are posed on a bounded sample, which is read once; and its L0 there."""
    key = ("bounded", sample.path.resolve(), settings.seed, settings.device)
    if key not in shared:
        shared[key] = bounded(sample, split, budget=settings.budget, seed=settings.seed, device=settings.device)
    kept: Bounded = shared[key]
    return posed_scores(
        kept,
        dictionary if dictionary is None or settings.device == "cpu" else on_device(dictionary, settings.device),
        wanted,
        name=name,
        null=null,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
        progress=settings.progress,
    )


def _streamed(
    sample: Sample,
    dictionary: Dictionary | None,
    split: GameSplit,
    wanted: Sequence[str],
    settings: Settings,
    *,
    null: bool = True,
    tally: Tally | None = None,
) -> Scores:
    """The wanted scores of one dictionary over the whole sample, in their order."""
    if not wanted:
        return {}
    n_latents = sample.n_latents if dictionary is None else len(dictionary.directions)
    assert n_latents is not None  # a sample holds latents, or a dictionary makes them
    in_flight = min(settings.budget // 4, MOST_IN_FLIGHT)
    shown = {"progress": None if settings.progress else False}  # None: where somebody watches
    awake = accumulators(
        wanted,
        options=dict.fromkeys(("coverage", "reconstruction"), shown),
        n_latents=n_latents,
        features=sample.features,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
        budget_bytes=settings.budget - in_flight,
        folder=settings.scratch,
        null=null,
    )
    batches = batches_of(
        sample,
        dictionary,
        split,
        needs_of(awake),
        budget_bytes=in_flight,
        device=settings.device,
        progress=_name(dictionary, sample) if settings.progress else None,
        tally=tally,
    )
    found = stream(awake, batches)
    return {name: found[name] for name in wanted if name in found}


def _check_disk(
    sample: Sample, dictionary: Dictionary | None, wanted: Sequence[str], folder: str | Path | None
) -> None:
    """Refuse a disk that is too small, by the L0 of the first rows."""
    if not {"coverage", "reconstruction"} & set(wanted):
        return
    rows = next(sample.rows(512, frozenset({"x"} if dictionary is not None else {"codes"})))
    codes = rows.codes
    if dictionary is not None:
        assert rows.x is not None
        codes, _ = encoded(dictionary, rows.x, rebuilt=False)
    assert codes is not None
    check_disk(folder, scratch_bytes(sample.n_rows, codes.l0, len(sample.features)))


def scratch_bytes(n_rows: int, l0: float, n_features: int) -> int:
    """About how much disk the scratch files of a sample take: latents as they come and sorted, labels twice."""
    return int(n_rows * (SCRATCH_ENTRY * l0 + 2 * 8 * ((n_features + 63) // 64) + 32))


def _beside(score: Score, bounds: dict[str, Scores], roles: dict[str, str]) -> Score:
    def values(role: str) -> dict[str, float]:
        return {
            name: bounds[name][score.metric].value
            for name, mine in roles.items()
            if mine == role and score.metric in bounds[name]
        }

    return score.beside(floors=values("floor"), ceilings=values("ceiling"))


def _name(dictionary: Dictionary | None, sample: Sample) -> str:
    return dictionary.name if dictionary is not None else str(sample.facts.get("dictionary", sample.path.stem))


def _about(sample: Sample, split: GameSplit) -> dict[str, Any]:
    scored = sample.features.take(sample.features.where(counterpart=False, reachable=True))
    return {
        "file": sample.path.name,
        **sample.facts,
        "positions": sample.n_rows,
        "games": len(split.ids),
        "reporting_positions": int(split.n_rows[~split.train].sum()),
        "vocabulary": {group: len(scored.where(group=group)) for group in scored.groups},
        "vocabulary_sha256": sample.features.digest,
    }


def _about_dictionary(dictionary: Dictionary, sha256: str | None) -> dict[str, Any]:
    n_latents, d_in = dictionary.directions.shape
    return {"name": dictionary.name, "n_latents": n_latents, "d_in": d_in, "sha256": sha256}
