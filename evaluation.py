"""One dictionary on one testbed -> Report: every score with its interval, floors and ceilings."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from .data.assets import asset, path_sha256
from .metrics import METRICS
from .metrics.approximation import PROPERTIES as APPROXIMATION
from .metrics.catalogue import TASKS
from .metrics.score import Score
from .models.capture import model_sha256
from .models.controls import PermutedDictionary
from .models.devices import on_device
from .models.dictionary import Dictionary
from .models.loading import load_dictionary
from .provenance import provenance
from .references import Candidate, Null, References, nulls_for
from .report import Report
from .scoring import FAMILIES, Scores, check_metrics, score_subject, supported
from .subject import subject
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed, Testbed, testbed

AXES = FAMILIES["axes"].metrics
# They compare with the untouched activation.
FAITHFUL = tuple(name for family in ("fidelity", "behaviour", "board") for name in FAMILIES[family].metrics)


class KeptScores(Protocol):
    """Scores of floors and ceilings that outlive a process, such as those of other workers on the same testbed."""

    def order(self, names: Sequence[str]) -> Iterable[str]:
        """Floors and ceilings in the order in which they are best looked at, each once."""
        ...

    def scores(self, name: str, asked: Sequence[str], seed: int, make: Callable[[Sequence[str]], Scores]) -> Scores:
        """Scores of a floor or ceiling on metrics; what is not kept is made, all that is missing in one call."""
        ...


def evaluate(
    dictionary: Dictionary,
    bed: AnyTestbed,
    metrics: Sequence[str] | None = None,
    *,
    seed: int = 0,
    sha256: str | None = None,
    kept: KeptScores | None = None,
    floors: Sequence[Dictionary] = (),
    ceilings: Sequence[Dictionary] = (),
) -> Report:
    """Score a dictionary on a testbed, beside the testbed's floors and ceilings.

    Args:
        dictionary: what is scored; reads activations of the testbed's hook point, float [N, d_in].
        bed: where.
        metrics: names from `fiducial.metrics.METRICS`; by default all that the testbed can be asked.
        seed: of the bootstrap and the selection splits.
        sha256: checksum of the dictionary's file, for the record.
        kept: scores of floors and ceilings on this testbed; the testbed remembers its own for as long as it lives.
            Floors and ceilings of yours are not kept there: their name alone does not say what they are.
        floors: dictionaries of yours that deserve no credit, to stand beside the testbed's own.
        ceilings: references of yours, such as one fitted with labels in a new way; it is asked what was found and read
            back, not how faithful it is.

    Returns:
        The report; its `controls` hold the whole scores of every floor and ceiling.

    Raises:
        TypeError: something that is not a dictionary, such as a path.
        KeyError: an unknown metric.
        ValueError: metrics that the testbed cannot be asked, a dictionary of another width than the testbed, one whose
            latents are NaN or infinite, or a floor or ceiling of yours with the name of another.
    """
    wanted = supported(bed, metrics)
    if not isinstance(dictionary, Dictionary):
        raise TypeError(f"evaluate takes a dictionary, got {type(dictionary).__name__}; read one with load_dictionary")
    started = time.perf_counter()
    for one in (dictionary, *floors, *ceilings):
        _check_width(one, bed)
    dictionary = on_device(dictionary, bed.device)
    tested = Candidate(dictionary.name, "tested", dictionary, bed.x)
    n_latents = dictionary.directions.shape[0]
    references = References(bed, n_latents, tested.codes.l0)
    known = {"identity", "permuted decoder", *(c.name for c in (*references.floors(), *references.ceilings()))}
    mine = {one.name for one in (*floors, *ceilings)}
    below = [*references.floors(), *(_given(one, "floor", bed, known) for one in floors)]
    above = [*references.ceilings(), *(_given(one, "ceiling", bed, known) for one in ceilings)]
    scores = score_subject(subject(tested, bed, nulls=_nulls(tested, bed, wanted), null=True, seed=seed), wanted)
    bounds = {candidate.name: candidate for candidate in (*below, *above, references.identity())}
    made: dict[str, Scores] = {}
    for name in _progress(list(bounds) if kept is None else kept.order(list(bounds)), "controls", len(bounds)):
        made[name] = _control_scores(bounds[name], bed, wanted, seed, None if name in mine else kept)
    controls = {name: made[name] for name in bounds}
    if n_latents > 1:  # its own shuffled self: the same latents, each writing another's direction
        shuffled = PermutedDictionary(dictionary, "decoder", seed=seed, name="permuted decoder")
        below.append(Candidate(shuffled.name, "floor", shuffled, bed.x))
        asked = [
            name
            for name in wanted
            if name in (*FAITHFUL, *FAMILIES["recovery"].metrics, *TASKS)
            and "permuted decoder" in METRICS[name].notices  # to others it is the dictionary itself
        ]
        about = subject(below[-1], bed, nulls=_nulls(below[-1], bed, asked), null=False, seed=seed)
        controls[shuffled.name] = score_subject(about, asked)
    return Report(
        dictionary.name,
        bed.name,
        {name: _between(score, below, above, controls) for name, score in scores.items()},
        provenance(
            seed=seed,
            dictionary=_about(dictionary, sha256),
            testbed=_about_testbed(bed),
            times={"evaluate_s": round(time.perf_counter() - started, 2)},
        ),
        controls={name: by_metric for name, by_metric in controls.items() if by_metric},
    )


def score_shipped(
    name: str,
    *,
    n_games: int = 500,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    bed: AnyTestbed | None = None,
    done: Callable[[], None] = lambda: None,
) -> list[Report]:
    """Reports of all SAEs that ship with a testbed, in its order; `done` is called after each.

    Args:
        name: of the testbed.
        n_games: games to score on.
        seed: of games and bootstrap.
        metrics: names; all by default.
        bed: the testbed, if it is made already; then `n_games` is its own.
        done: called after each SAE.
    """
    wanted = None if metrics is None else check_metrics(metrics)
    bed = testbed(name, n_games=n_games, seed=seed) if bed is None else bed
    reports: list[Report] = []
    if not isinstance(bed, Testbed):
        raise ValueError(f"no SAEs ship with {name}; train some with `fiducial zoo -t {name}`")
    for short, where in _progress(list(bed.spec.dictionaries.items()), f"SAEs on {name}"):
        sae = load_dictionary(asset(where), "sae_lens", name=short)
        reports.append(evaluate(sae, bed, wanted, seed=seed, sha256=path_sha256(asset(where))))
        done()
    return reports


def _check_width(dictionary: Dictionary, bed: AnyTestbed) -> None:
    if not isinstance(dictionary, Dictionary):
        raise TypeError(f"floors and ceilings are dictionaries, got {type(dictionary).__name__}")
    width = dictionary.directions.shape[1]
    if width != bed.d_in:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads activations of width {width}; "
            f"{bed.name} has width {bed.d_in} at {bed.hook}"
        )


def _given(dictionary: Dictionary, role: Literal["floor", "ceiling"], bed: AnyTestbed, known: set[str]) -> Candidate:
    """A floor or ceiling of the caller's; its scores are kept for as long as it is the same object.

    Raises:
        ValueError: its name is taken.
    """
    name = dictionary.name
    if name in known:
        raise ValueError(f"a {role} needs a name of its own, and {name!r} is taken; the testbed has {', '.join(known)}")
    known.add(name)
    key = ("given", role, name)
    if key not in bed.cache or bed.cache[key][0] is not dictionary:
        for old in [one for one in bed.cache if isinstance(one, tuple) and one[0] == name]:
            del bed.cache[old]
        bed.cache[key] = dictionary, Candidate(name, role, on_device(dictionary, bed.device), bed.x)
    return bed.cache[key][1]


def _nulls(candidate: Candidate, bed: AnyTestbed, wanted: Sequence[str]) -> list[Null]:
    return nulls_for(candidate, bed) if any(name in FAMILIES["recovery"].metrics for name in wanted) else []


def _control_scores(
    candidate: Candidate, bed: AnyTestbed, wanted: Sequence[str], seed: int, kept: KeptScores | None
) -> Scores:
    """Scores of a floor or ceiling on the metrics that it bounds, kept with the testbed; without per-feature tables."""
    asked = [name for name in wanted if name in bounded_by(candidate.name)]
    missing = [name for name in asked if (candidate.name, name, seed) not in bed.cache]

    def make(names: Sequence[str]) -> Scores:
        about = subject(candidate, bed, nulls=_nulls(candidate, bed, names), null=False, seed=seed)
        return {name: replace(score, features={}) for name, score in score_subject(about, names).items()}

    if missing:
        found = make(missing) if kept is None else kept.scores(candidate.name, missing, seed, make)
        for name, score in found.items():
            bed.cache[candidate.name, name, seed] = score
    return {name: bed.cache[candidate.name, name, seed] for name in asked if (candidate.name, name, seed) in bed.cache}


def bounded_by(reference: str) -> list[str]:
    """Which metrics a floor or ceiling says something about, by its name.

    References fitted with the labels are ceilings of what can be found and read back, not of fidelity; the identity
    and PCA keep all of the activation by construction, so they are the ceiling of fidelity and behaviour. Mean codes
    say what the three axes and the tasks can reach; they are not asked what was found.
    """
    directed = [name for name, p in METRICS.items() if p.direction != "none" and name not in FAMILIES["codes"].metrics]
    if reference == "identity":
        return [name for name in directed if name in FAITHFUL]
    if reference == "mean codes":
        return [name for name in directed if name in AXES or name in TASKS]
    if reference.startswith(("random dictionary", "frozen-decoder", "oracle")):
        return directed
    if reference == "PCA":  # steers like any other dictionary
        return [name for name in directed if name not in FAITHFUL and name not in APPROXIMATION]
    return [name for name in directed if name not in FAITHFUL + AXES]


def _between(score: Score, floors: list[Candidate], ceilings: list[Candidate], controls: dict[str, Scores]) -> Score:
    def values(candidates: Iterable[str]) -> dict[str, float]:
        return {name: controls[name][score.metric].value for name in candidates if score.metric in controls[name]}

    return score.beside(
        floors=values(c.name for c in floors), ceilings=values([*(c.name for c in ceilings), "identity"])
    )


def _about(dictionary: Dictionary, sha256: str | None) -> dict[str, Any]:
    n_latents, d_in = dictionary.directions.shape
    return {"name": dictionary.name, "n_latents": n_latents, "d_in": d_in, "sha256": sha256}


def _about_testbed(bed: AnyTestbed) -> dict[str, Any]:
    scored = bed.features.take(bed.features.where(counterpart=False, reachable=True))
    if isinstance(bed, SyntheticTestbed):
        source = {"game": bed.world.name, "game_version": bed.world.version, "config": bed.config}
    else:
        if "sha256" not in bed.cache:
            bed.cache["sha256"] = model_sha256(bed.model)
        source = {"game": bed.game.name, "game_version": bed.game.version, "model_sha256": bed.cache["sha256"]}
    return {
        "name": bed.name,
        **source,
        "hook": bed.hook,
        "device": bed.device,
        "dtype": "float32",
        "seed": bed.seed,
        "games": bed.n_games,
        "positions": len(bed.activations.game_id),
        "reporting_positions": int((~bed.train).sum()),
        "vocabulary": {group: len(scored.where(group=group)) for group in scored.groups},
        "vocabulary_sha256": bed.features.digest,
    }


def _progress(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, total=total, disable=None, leave=False)
