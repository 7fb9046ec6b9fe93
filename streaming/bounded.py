"""What is posed on a bounded sample of a file: whole games in a seeded order, in memory, with the tasks of testbeds.

SAEBench's tasks, and what latents mean, are asked of at most 30,000 positions, as many as a testbed of 500 games. The
games are the longest beginning of a seeded order that fits, so that short games are not favoured; all of a sample that
fits. Tasks are posed by the functions that pose them on testbeds; every score says under `sampled` how much was kept
of how much.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics.score import Score
from ..metrics.sparse_probing import sparse_probing_from
from ..metrics.streaming.gather import seeded_places
from ..models.dictionary import Codes, Dictionary
from ..references import Candidate
from ..sample_testbed import SamplePlace, SampleRows, SampleTestbed
from ..scoring import Scores
from ..subject import Subject
from ..tasks.families import TASKS
from ..tasks.sparse_probing import probed
from ..testbed_catalogue import AnyTestbed
from .meanings import MEANINGS
from .sample import GameSplit, Sample
from .source import CHUNK_ROWS, rows_within

MOST_ROWS = 30_000
HELD = 64  # bytes that tasks hold for every number of an activation: float64 of several turns of it
NEED_A_MODEL = ("ravel_model_score",)
PROMPTS = "ioi"  # begins the names of games whose activations stand at one place of a prompt


class Stored(Candidate):
    """Latents that were read from a file; the dictionary that made them is not at hand.

    Args:
        name: of the report.
        codes: at the kept rows.
    """

    def __init__(self, name: str, codes: Codes) -> None:
        for key, value in {"name": name, "role": "tested", "cache": {}, "_codes": codes}.items():
            object.__setattr__(self, key, value)

    @property
    def codes(self) -> Codes:  # type: ignore[override]
        """Latents at every kept position."""
        return self._codes  # type: ignore[attr-defined, no-any-return]


@dataclass(frozen=True)
class Bounded:
    """A bounded sample in memory.

    Attributes:
        bed: its positions as a testbed.
        codes: their latents, where the file holds latents.
        about: how much was kept of how much; empty where all was.
    """

    bed: SampleTestbed
    codes: Codes | None
    about: Mapping[str, int]


def bounded(
    sample: Sample, split: GameSplit, *, budget: int, most_rows: int = MOST_ROWS, seed: int = 0, device: str = "cpu"
) -> Bounded:
    """Read whole games, as many as fit.

    Args:
        sample: where from.
        split: which games choose.
        budget: bytes to work in.
        most_rows: positions at most.
        seed: of the order of games.
        device: where dictionaries work.

    Raises:
        ValueError: no game fits, or none of one side.
    """
    width = sample.d_in or 0
    n_rows = min(most_rows, budget // (HELD * width + 8 * sample.row_bytes))
    kept = kept_games(split, n_rows, seed)
    sides = int((kept & split.train).sum()), int((kept & ~split.train).sum())
    if min(sides) < 1:
        raise ValueError(
            f"tasks need whole games that choose and others that report; of {sample.path.name} {sum(sides)} fit into "
            f"{n_rows} positions, {sides[0]} of them to choose; give more memory"
        )
    parts = frozenset({"labels", "x", "position"} if sample.d_in else {"labels", "codes", "position"})
    rows = read_games(sample, split, kept, parts)
    position = rows["position"]
    known = position is not None
    place = "prompt" if str(sample.facts.get("game")).startswith(PROMPTS) else "" if known else "unknown"
    n = len(rows["game_id"])
    bed = SampleTestbed(
        sample.path.name,
        sample.features,
        SampleRows(rows["labels"], rows["game_id"], position if known else np.zeros(n, np.int64)),
        torch.zeros(n, 0) if rows["x"] is None else rows["x"].to(device),
        split.train_rows(rows["game_id"]),
        SamplePlace(place),
        seed,
        device,
        sample.facts,
    )
    whole = len(split.ids)
    about = {"rows": n, "of_rows": sample.n_rows, "games": int(kept.sum()), "of_games": whole, "seed": seed}
    return Bounded(bed, rows["codes"], {} if kept.all() else about)


def kept_games(split: GameSplit, most_rows: int, seed: int) -> NDArray[np.bool_]:
    """The longest beginning of a seeded order of games with at most so many positions, bool [G]."""
    order = np.argsort(seeded_places(split.ids, seed), kind="stable")
    kept = np.zeros(len(split.ids), np.bool_)
    kept[order[np.cumsum(split.n_rows[order]) <= most_rows]] = True
    return kept


def read_games(sample: Sample, split: GameSplit, kept: NDArray[np.bool_], parts: frozenset[str]) -> dict[str, Any]:
    """All positions of some games, in order: `game_id`, `position`, packed `labels`, `x` and `codes`; None if not read.

    Args:
        sample: where from.
        split: its games.
        kept: bool [G], the games.
        parts: what to read besides games.
    """
    left = int(split.n_rows[kept].sum())
    found: dict[str, list[Any]] = {name: [] for name in ("game_id", "position", "labels", "x", "codes")}
    for rows in sample.rows(min(CHUNK_ROWS, rows_within(1 << 27, sample)), parts):
        here = np.flatnonzero(kept[np.searchsorted(split.ids, rows.game_id)])
        if not len(here):
            continue
        found["game_id"].append(rows.game_id[here])
        if rows.position is not None:
            found["position"].append(rows.position[here])
        if rows.labels is not None:
            held = rows.labels.take(here).to_dense()
            found["labels"].append(np.packbits(held, axis=1, bitorder="little"))
        if rows.x is not None:
            found["x"].append(rows.x[torch.from_numpy(here)])
        if rows.codes is not None:
            found["codes"].append(rows.codes.take(here))
        left -= len(here)
        if not left:
            break
    join: dict[str, Callable[[list[Any]], Any]] = {"x": torch.cat, "codes": Codes.concatenate}
    return {name: join.get(name, np.concatenate)(parts) if parts else None for name, parts in found.items()}


def posed_scores(
    sample: Bounded,
    dictionary: Dictionary | None,
    wanted: list[str],
    *,
    name: str,
    null: bool = True,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> tuple[Scores, float]:
    """Scores of what is posed on a bounded sample, and the L0 there.

    Args:
        sample: the rows.
        dictionary: encodes them; None where the file holds latents.
        wanted: names of metrics.
        name: of the dictionary.
        null: whether metrics compute their own shuffled floors.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.
        progress: show a bar.
    """
    from tqdm.auto import tqdm

    bed = sample.bed
    if dictionary is None:
        assert sample.codes is not None
        candidate: Candidate = Stored(name, sample.codes)
    else:
        candidate = Candidate(name, "tested", dictionary, bed.x)
    about = Subject(
        candidate,
        cast(AnyTestbed, bed),  # offers what is read of one
        bed.activations.labels,
        bed.activations.game_id,
        bed.train,
        bed.features,
        null=null,
        n_resamples=n_resamples,
        seed=seed,
    )
    families = FROM_STORED if dictionary is None else POSED
    asked = [one for one in families.values() if any(metric in one.metrics for metric in wanted)]
    found: Scores = {}
    for one in tqdm(asked, desc=f"tasks of {name}", leave=False, disable=None if progress else True):
        found |= one.measure(about)
    scores = {metric: found[metric] for metric in wanted if metric in found}
    if sample.about:
        told = {"sampled": dict(sample.about)}
        scores = {metric: replace(one, details={**one.details, **told}) for metric, one in scores.items()}
    return scores, candidate.codes.l0


@dataclass(frozen=True)
class Posed:
    """Metrics that are posed together on a bounded sample.

    Attributes:
        metrics: their names.
        measure: computes them.
        offered: whether a sample's vocabulary has what is asked about.
        lacks: what is said where it has not.
    """

    metrics: tuple[str, ...]
    measure: Callable[[Subject], Scores]
    offered: Callable[[Any], bool] = lambda bed: True
    lacks: str = ""


def _probing_of_latents(about: Subject) -> Scores:
    """Sparse probing without activations to compare with, and without directions."""
    tasks = probed(about)
    if tasks is None:
        nan, why = float("nan"), {"undefined": "no feature holds, and fails, at enough rows of both sides"}
        return {name: Score(name, nan, nan, nan, details=why) for name in TASKS["probing"].records}
    return sparse_probing_from(tasks, about.codes, n_resamples=about.n_resamples, seed=about.seed)


_LACKS = {
    "tpp": "no variable of its vocabulary has values and no feature a parent",
    "absorption": "no feature of its vocabulary is implied by two others",
}
POSED: dict[str, Posed] = {
    **{
        name: Posed(
            tuple(metric for metric in task.records if metric not in NEED_A_MODEL),
            task.measure,
            task.offered,
            _LACKS.get(name, ""),
        )
        for name, task in TASKS.items()
        if name != "unlearning"  # the model answers its questions
    },
    **{
        name: Posed(one.metrics, one.measure, one.offered, "no variable of its vocabulary has values")
        for name, one in MEANINGS.items()
    },
}
FROM_STORED: dict[str, Posed] = {
    **{name: POSED[name] for name in ("interpretability", "splitting", "autointerp")},
    "probing": replace(POSED["probing"], measure=_probing_of_latents),
}
