"""One dictionary and the truth around it -> scores: which function answers which metric, and what it is handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from .behaviour import (
    board_rows,
    log_probs,
    prepared_behaviour,
    prepared_boards,
    reference_behaviour,
    with_dictionary,
    without_dictionary,
)
from .metrics import METRICS, Score, core_fidelity, core_sparsity, coverage, reconstruction
from .metrics.approximation_boards import PROPERTIES as BOARDS
from .metrics.catalogue import AXES
from .metrics.core import PROPERTIES as CORE
from .metrics.core_behaviour import PROPERTIES as BEHAVIOUR
from .metrics.core_behaviour import PreparedBehaviour, prepare_behaviour
from .metrics.properties import Properties
from .metrics.recovery import Prepared, prepare, recovery_from
from .metrics.recovery_records import PROPERTIES as RECOVERY
from .references import Candidate
from .sites.three_axes import BUDGET, three_axes
from .subject import Subject
from .suggestions import did_you_mean
from .synthetic_testbed import SyntheticTestbed
from .tasks.families import TASKS
from .testbed_catalogue import AnyTestbed, Testbed

Scores = dict[str, Score]
READ_OUT_LOGITS = 500_000  # of the reader that stands for a model; 2,000 rows of 256 tokens


def _labelled(about: Subject, metric: Callable[..., Score]) -> Scores:
    score = metric(
        about.codes,
        about.labels,
        game_id=about.game_id,
        train=about.train,
        features=about.features,
        null=about.null,
        n_resamples=about.n_resamples,
        seed=about.seed,
    )
    return {score.metric: score}


def _codes(about: Subject) -> Scores:
    test = np.flatnonzero(~about.train)
    return core_sparsity(about.codes.take(test), about.game_id[test], n_resamples=about.n_resamples, seed=about.seed)


def _fidelity(about: Subject) -> Scores:
    chosen = torch.from_numpy(~about.train)
    x, x_hat = about.candidate.x[chosen].numpy(), about.candidate.reconstruction[chosen].cpu().numpy()
    return core_fidelity(x, x_hat, about.game_id[~about.train], n_resamples=about.n_resamples, seed=about.seed)


def _behaviour(about: Subject) -> Scores:
    if isinstance(about.bed, SyntheticTestbed):
        return _read_out(about, about.bed)
    mine = _with_it(about, about.bed)[reference_behaviour(about.bed).kept]
    return prepared_behaviour(about.bed).scores(mine, n_resamples=about.n_resamples, seed=about.seed)


def _with_it(about: Subject, bed: Testbed) -> NDArray[np.float32]:
    """Log-probabilities with the reconstruction in place; run once a candidate."""
    if "log_probs" not in about.candidate.cache:
        about.candidate.cache["log_probs"] = log_probs(bed, with_dictionary(about.candidate.dictionary))
    return about.candidate.cache["log_probs"]


def _board(about: Subject) -> Scores:
    """Whether legal moves go through the dictionary, on the first positions of the reporting games."""
    assert isinstance(about.bed, Testbed)
    known, rows = reference_behaviour(about.bed), board_rows(about.bed)
    mean = about.bed.x[torch.from_numpy(about.bed.train)].mean(0).to(about.bed.device)
    n_games = len(np.unique(known.game_id[rows]))
    left = log_probs(about.bed, without_dictionary(about.candidate.dictionary, mean), n_games=n_games)
    left = left[known.kept[: len(left)]]
    mine = _with_it(about, about.bed)[known.kept][rows]
    return prepared_boards(about.bed).scores(mine, left[rows], n_resamples=about.n_resamples, seed=about.seed)


def _read_out(about: Subject, bed: SyntheticTestbed) -> Scores:
    """Behaviour of the reader that stands for a model, on the first 500 reporting rows, or more of a small world."""
    rows, prepared = about.kept(("read out",), lambda: _prepared_read_out(about, bed))
    mine = bed.read_out(about.candidate.reconstruction[torch.from_numpy(rows)].cpu()).log_softmax(1).numpy()
    return prepared.scores(mine, n_resamples=about.n_resamples, seed=about.seed)


def _prepared_read_out(about: Subject, bed: SyntheticTestbed) -> tuple[NDArray[np.int64], PreparedBehaviour]:
    """The rows, and what the reader says of them without a dictionary."""
    rows = np.flatnonzero(~about.train)[: max(500, READ_OUT_LOGITS // len(bed.true_directions))]
    assert about.magnitudes is not None
    written = np.asarray(about.magnitudes[rows].toarray() != 0)
    kept = written.any(1)  # nothing can be said of what is written where nothing is
    rows, written = rows[kept], written[kept]
    mean = bed.x[torch.from_numpy(about.train)].mean(0)
    x = bed.x[torch.from_numpy(rows)]
    seen = (x, torch.zeros_like(x), mean.expand_as(x))
    clean, zero, average = (bed.read_out(one).log_softmax(1).numpy() for one in seen)
    return rows, prepare_behaviour(clean, zero, average, written, about.game_id[rows])


def _recovery(about: Subject) -> Scores:
    """Recovery, with the truth of the testbed's own labels prepared once, and each random dictionary measured once."""
    assert about.true_directions is not None
    kept = about.labels is about.bed.activations.labels
    key = ("recovery", about.n_resamples, about.seed)
    truth: Prepared | None = about.bed.cache.get(key) if kept else None
    if truth is None:
        truth = prepare(
            about.labels,
            game_id=about.game_id,
            train=about.train,
            true_directions=about.true_directions,
            owner=about.owner,
            magnitudes=about.magnitudes,
            features=about.features,
            n_resamples=about.n_resamples,
            seed=about.seed,
        )
        if kept:
            about.bed.cache[key] = truth
    chance = []
    for codes, directions in about.nulls:
        mine = (*key, id(codes))  # the testbed keeps its random dictionaries, so that a number is never used again
        measured = about.bed.cache.get(mine) if kept else None
        if measured is None:
            measured = truth.measure(codes, directions)
            if kept:
                about.bed.cache[mine] = measured
        chance.append(measured)
    return recovery_from(truth, about.codes, about.directions, chance)


def _axes(about: Subject) -> Scores:
    """Approximation, control and interpretability at a site of an IOI model."""
    assert isinstance(about.bed, Testbed)
    codes = about.bed.bench.mean_codes.values()
    dictionary = "supervised" if about.candidate.dictionary in codes else about.candidate.dictionary
    made = three_axes(
        dictionary, about.bed.bench, aware_budgets=(BUDGET,), n_resamples=about.n_resamples, seed=about.seed
    )
    return made.scores


@dataclass(frozen=True)
class Family:
    """Metrics that are computed together.

    Attributes:
        metrics: their names.
        measure: computes them.
        same_stream: whether it only makes sense for a dictionary that rebuilds the testbed's own activations.
        world: whether it needs the true directions of a synthetic world.
        site: whether it needs prompts whose attributes can be changed one by one.
        board: whether it needs a game, with a set of legal moves at every position.
        task: whether it is one of SAEBench's tasks, which are asked by name only.
        offered: on which testbeds a task can be posed; None for all.
    """

    metrics: tuple[str, ...]
    measure: Callable[[Subject], Scores]
    same_stream: bool = False
    world: bool = False
    site: bool = False
    board: bool = False
    task: bool = False
    offered: Callable[[AnyTestbed], bool] | None = None

    def fits(self, candidate: Candidate | None, bed: AnyTestbed) -> bool:
        """Whether it can be asked of a dictionary (of any, for None) on a testbed."""
        streams = candidate is None or candidate.same_stream or not self.same_stream
        if not streams or (self.offered is not None and not self.offered(bed)):
            return False
        if isinstance(bed, SyntheticTestbed):
            return not self.site and not self.board
        return not self.world and not (self.board if bed.spec.position else self.site)


def _reads(array: str, records: Mapping[str, Properties]) -> tuple[str, ...]:
    return tuple(name for name, record in records.items() if array in record.needs)


FAMILIES: dict[str, Family] = {
    "coverage": Family(("coverage",), partial(_labelled, metric=coverage)),
    "reconstruction": Family(("reconstruction",), partial(_labelled, metric=reconstruction)),
    "recovery": Family(tuple(RECOVERY), _recovery, same_stream=True, world=True),
    "codes": Family(_reads("latents", CORE), _codes),
    "fidelity": Family(_reads("x_hat", CORE), _fidelity, same_stream=True),
    "behaviour": Family(tuple(BEHAVIOUR), _behaviour, same_stream=True),
    "board": Family(tuple(BOARDS), _board, same_stream=True, board=True),
    "axes": Family(tuple(AXES), _axes, same_stream=True, site=True),
    **{
        name: Family(tuple(one.records), one.measure, same_stream=one.same_stream, task=True, offered=one.offered)
        for name, one in TASKS.items()
    },
}
FAMILY_OF: dict[str, str] = {metric: name for name, family in FAMILIES.items() for metric in family.metrics}


def check_metrics(names: Sequence[str] | None, known: Mapping[str, Properties] = METRICS) -> list[str]:
    """Metric names, checked; for None all that are scored without being asked for, which SAEBench's tasks are not.

    Args:
        names: of metrics, of families of metrics such as `tpp`, or `tasks` for all tasks.
        known: what may be asked.

    Raises:
        KeyError: an unknown name; close names are suggested.
        ValueError: an empty list.
    """
    if names is None:
        return [name for name in known if not FAMILIES[FAMILY_OF[name]].task]
    if isinstance(names, str):
        return check_metrics([names], known)
    if not names:
        raise ValueError(f"no metric named; there are {', '.join(known)}")
    several = {name: family.metrics for name, family in FAMILIES.items() if set(family.metrics) <= set(known)}
    several["tasks"] = tuple(name for family in FAMILIES.values() if family.task for name in family.metrics)
    found: list[str] = []
    for name in names:
        if name not in known and name not in several:
            raise KeyError(f"no metric named {name!r}; {did_you_mean(name, {**known, **several})}")
        found += [name] if name in known else several[name]
    return list(dict.fromkeys(found))


def register_metric(
    name: str,
    record: Properties,
    measure: Callable[[Subject], Score],
    *,
    same_stream: bool = False,
    world: bool = False,
    asked: bool = False,
) -> None:
    """Make a metric of yours one of the catalogue, in this process.

    From then on `evaluate` scores it beside its floors and ceilings, reports and pages show it, and `certify` puts it
    to the test. Certify it as a newcomer first (`fiducial.certify`), which needs no registration.

    Args:
        name: ends in `_error` if and only if lower is better.
        record: what it declares.
        measure: takes a `fiducial.subject.Subject`; gives the `Score` of that name.
        same_stream: whether it only makes sense for a dictionary that rebuilds the testbed's own activations.
        world: whether it needs the true directions of a synthetic world.
        asked: whether it is measured only when asked for by name.

    Raises:
        TypeError: a record or a function that is none.
        ValueError: a name that is taken, or that contradicts the record's direction.
    """
    if not isinstance(record, Properties) or not callable(measure):
        raise TypeError(
            f"register_metric takes a Properties and a function of a Subject, got {type(record).__name__} and "
            f"{type(measure).__name__}"
        )
    if name in FAMILIES or name in FAMILY_OF:
        raise ValueError(f"there is a metric or a family of metrics named {name!r} already; take a name of its own")
    if (record.direction == "down") != name.endswith("_error") or (
        name.endswith("_score") and record.direction != "up"
    ):
        raise ValueError(
            f"metric {name!r} says that {record.direction!r} is good; names end in _error where lower is better, and "
            "in _score only where higher is"
        )

    def measured(about: Subject) -> Scores:
        score = measure(about)
        if not isinstance(score, Score) or score.metric != name:
            raise TypeError(f"metric {name!r} must give a Score of that name, got {type(score).__name__}")
        return {name: score}

    METRICS[name] = record
    FAMILIES[name] = Family((name,), measured, same_stream=same_stream, world=world, task=asked)
    FAMILY_OF[name] = name


def supported(bed: AnyTestbed, names: Sequence[str] | None) -> list[str]:
    """Metric names, checked, less those that a testbed cannot be asked; all that it can for None.

    Raises:
        KeyError: an unknown name.
        ValueError: none of the names makes sense on this testbed.
    """
    checked = check_metrics(names)
    found = [name for name in checked if FAMILIES[FAMILY_OF[name]].fits(None, bed)]
    if not found:
        needs = {FAMILY_OF[name] for name in checked}
        what = " and ".join(
            reason
            for family, reason in {
                "recovery": "the true directions of a synthetic world",
                "board": "a game with legal moves",
                "axes": "prompts whose attributes can be changed one by one, as in ioi-tiny",
            }.items()
            if family in needs
        )
        raise ValueError(f"{', '.join(checked)} need {what}, which {bed.name} has not")
    return found


def score_subject(about: Subject, wanted: Sequence[str]) -> Scores:
    """The wanted metrics of one dictionary, in their order; what it cannot be asked is left out."""
    found: Scores = {}
    for family in FAMILIES.values():
        if any(name in family.metrics for name in wanted) and family.fits(about.candidate, about.bed):
            found |= family.measure(about)
    return {name: found[name] for name in wanted if name in found}
