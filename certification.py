"""Certification: the metrics themselves, put to the test on dictionaries whose quality is known.

Each metric scores a ladder of dictionaries made from one that is right (the oracle of a synthetic world; where there is
none, a supervised dictionary stands in and is called that), SAEs along their training, and gamed copies of them. Then
eight questions are asked of it, each with a limit:

| check | question | passes if |
|---|---|---|
| top | is the right dictionary on top? | nothing else is better, beyond the paired interval, by over 2 % of the range |
| order | is the ladder in order? | every declared damage is noticed, and 90 % of the known pairs are in order |
| range | is there room between chance and right? | it is wider than the smallest detectable difference |
| noise | is the reseed noise small? | the smallest detectable difference is at most a tenth of the range |
| truth | does it rank trained SAEs as the truth does? | Spearman's rho has an interval above 0 |
| training | does it follow the truth along training? | the mean rho within a run has an interval above 0 |
| gaming | can it be raised without raising the truth? | random edits raise it by at most 5 % of the range, or noise |
| labels | does it read labels that it should not? | with nothing to choose by, at most half of the range is left |

The range is the distance from a random dictionary of the same L0 to the right one; for a diagnosis, which looks for one
kind of damage and is not asked about truth and training, from the worst dose of that damage. The truth is
`recovery_score` on rows of the same world that no metric sees; it is not asked how it ranks by itself. An edit counts
as raising the truth only if some feature also got a better detector or direction, for copies can raise a one-to-one
matching without either. Chance is taken off with one random dictionary whose L0 is the nearest power of two. Reseed
noise, correlation with the truth and discriminability are the lenses of "Are SAE Benchmarks Reliable?" (arXiv
2605.18229); graded damages, gaming and the labels check are added here. Metrics of several dictionaries together
(`METRICS_BETWEEN`) do not climb a ladder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .certify_lenses import Measured, agreement, agreement_within, beaten_by, gaming, leak, noise, order
from .certify_measure import Bench, Newcomer, shuffled_choosing_labels, shuffled_labels, signed, watched
from .certify_population import TRUTH, Gamed, Trained, choosing_rows, gamed, reseeded, shipped, truths
from .certify_result import Certificate, Row
from .metrics import METRICS
from .metrics.properties import Properties
from .models.dictionary import Dictionary
from .models.edits import EDITS, edit_named
from .models.ladder import Rung, known_order, ladder
from .models.threads import threads_for
from .provenance import provenance
from .references import References
from .scoring import FAMILIES, supported
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed, testbed


def certify(
    bed: AnyTestbed | str,
    *,
    metrics: Sequence[str] | None = None,
    newcomers: Mapping[str, Newcomer] | None = None,
    trained: Sequence[Trained] | None = None,
    n_games: int = 100,
    n_samples: int = 5,
    n_resamples: int = 200,
    edits: Sequence[str] | None = None,
    seed: int = 0,
    folder: Path | None = None,
) -> Certificate:
    """Put metrics to the test on one testbed.

    Args:
        bed: a testbed, or its name.
        metrics: names from the catalogue, or of families; by default all but SAEBench's tasks, which are measured when
            asked for, and on a testbed without an oracle those that a supervised dictionary is a standard of: it finds
            and reads back what has a label, and writes nothing else.
        newcomers: further metrics by name, with their records: certify your own before you trust it.
        trained: SAEs, with checkpoints, in any order; by default those that ship with a testbed, and none on a world:
            then noise, truth, training and gaming are not asked, and the verdict says so. `certify_zoo.small_zoo`
            trains some, as `fiducial certify` does.
        n_games: games or blocks of rows, if `bed` is a name.
        n_samples: fresh samples for the reseed noise.
        n_resamples: of each bootstrap.
        edits: names from `EDITS` that try to game the metrics; all by default, none for an empty list.
        seed: of the ladder, the edits and every bootstrap.
        folder: where measurements are kept, so that an interrupted run goes on.

    Raises:
        KeyError: an unknown testbed, metric or edit.
        TypeError: a newcomer that is none, or that returns something else than a Score.
        ValueError: metrics that the testbed cannot be asked, a newcomer that has the name of a metric or scores outside
            of what its record declares, or two trained SAEs of one name.
    """
    place = testbed(bed, n_games=n_games, seed=seed) if isinstance(bed, str) else bed
    newcomers = dict(newcomers or {})
    for name, new in newcomers.items():
        if not isinstance(new, Newcomer):
            raise TypeError(f"newcomer {name!r} must be a Newcomer(record, measure), got {type(new).__name__}")
    if doubled := sorted(set(newcomers) & set(METRICS)):
        raise ValueError(f"a newcomer needs a name of its own, {doubled[0]!r} is in the catalogue")
    nothing = metrics is not None and not metrics and newcomers
    names = [] if nothing else supported(place, _standard(place) if metrics is None else metrics)
    records = {name: METRICS[name] for name in names} | {name: new.record for name, new in newcomers.items()}
    chosen = [edit_named(name).name for name in (EDITS if edits is None else edits)]
    if trained is not None and len({sae.name for sae in trained}) < len(trained):
        raise ValueError("trained SAEs need names of their own, and these share some")
    saes = shipped(place) if trained is None else list(trained)
    bench = Bench(place, names, newcomers, n_resamples, seed, folder)
    with threads_for(place.d_in * len(place.features)):
        return _certified(place, saes, chosen, bench, records, n_samples)


def _certified(
    place: AnyTestbed,
    saes: Sequence[Trained],
    edits: Sequence[str],
    bench: Bench,
    records: Mapping[str, Properties],
    n_samples: int,
) -> Certificate:
    seed = bench.seed
    base, base_kind = _base(place)
    choosing = choosing_rows(place)
    rungs = ladder(base, choosing, parents=place.features if isinstance(place, SyntheticTestbed) else None, seed=seed)
    climbed = [
        signed(bench.measure(f"rung {rung.name}", lambda rung=rung: rung.dictionary, identity=base_kind), records)
        for rung in watched(rungs, f"{place.name}: ladder")
    ]
    # A family may have a score less on some testbeds: RAVEL through the model, say, where there is no model.
    records = {name: record for name, record in records.items() if name in climbed[0]}
    astray = next(rung.dictionary for rung in rungs if rung.damage == "permuted decoder")
    tampered = {
        key: signed(bench.measure(f"labels: {key}", lambda one=one: one, identity=base_kind, tamper=how), records)
        for key, one, how in (
            ("tampered", base, shuffled_choosing_labels),
            ("astray", astray, shuffled_choosing_labels),
            ("unread", base, shuffled_labels),
        )
    }
    ranked = [
        signed(bench.measure(f"sae {sae.name}", sae.load, identity=sae.identity), records)
        for sae in watched(saes, f"{place.name}: SAEs")
    ]
    finals = [i for i, sae in enumerate(saes) if sae.step is None]
    again = reseeded(place, [saes[i] for i in finals], bench, records, n_samples)
    known = truths(place, saes, bench)
    games = gamed(place, [saes[i] for i in finals], edits, bench, records)

    rows = [
        _row(
            name,
            record,
            place.name,
            rungs,
            [one[name] for one in climbed],
            {key: one[name].value for key, one in tampered.items()},
            [(sae, one[name]) for sae, one in zip(saes, ranked, strict=True)],
            [[one[name].value for one in sample] for sample in again],
            known,
            games,
            seed,
        )
        for name, record in records.items()
    ]
    return Certificate(
        tuple(rows),
        provenance(
            seed=seed,
            testbed=place.name,
            base=base_kind,
            games=place.n_games,
            samples=n_samples,
            resamples=bench.n_resamples,
            rungs=[rung.name for rung in rungs],
            trained=[sae.name for sae in saes],
            edits=list(edits) if games else [],
        ),
    )


def _row(
    name: str,
    record: Properties,
    place: str,
    rungs: Sequence[Rung],
    climbed: Sequence[Measured],
    tampered: Mapping[str, float],
    ranked: Sequence[tuple[Trained, Measured]],
    reseeded: Sequence[Sequence[float]],
    truths: Sequence[float],
    games: Sequence[Gamed],
    seed: int,
) -> Row:
    sign = -1.0 if record.direction == "down" else 1.0
    held_to = record.held_to
    role = "description" if record.direction == "none" else "quality" if "random" in held_to else "diagnosis"
    wanted = ["random"] if role == "quality" else held_to
    asked = role != "diagnosis" or any(rung.damage in held_to for rung in rungs)
    asked = asked and any(np.isfinite(one.value) for one in climbed)  # fuzzing, say, needs positions that follow
    lowest = [i for i, rung in enumerate(rungs) if rung.damage in wanted and (role != "quality" or rung.level == 1)]
    bottom = min(lowest or [0], key=lambda i: climbed[i].value)
    ceiling, floor = climbed[0].value, climbed[bottom].value
    rivals = [
        (rung.name, beaten_by(climbed[0], one))
        for rung, one in zip(rungs[1:], climbed[1:], strict=True)
        if role == "quality" or rung.damage in held_to  # another damage need not lower a diagnosis
    ]
    rivals += [(sae.name, beaten_by(climbed[0], one)) for sae, one in ranked if role == "quality"]
    rival, margin = max(rivals, key=lambda item: -1.0 if np.isnan(item[1]) else item[1], default=("", 0.0))
    scores = np.array([one.value for _, one in ranked])
    true = np.array(truths)
    finals = np.array([sae.step is None for sae, _ in ranked], dtype=bool)
    runs = sorted({sae.run for sae, _ in ranked})
    along = [
        (scores[mine], true[mine])
        for run in runs
        if (mine := np.array([sae.run == run for sae, _ in ranked])).sum() >= 3 and len(true)
    ]
    return Row(
        metric=name,
        testbed=place,
        role=role if asked else "not asked",
        direction=record.direction,
        limits=record.limits,
        ceiling=sign * ceiling,
        floor=sign * floor,
        floor_name=rungs[bottom].name,
        rival=rival if margin > 0 else "",
        margin=margin,
        order=order(
            climbed,
            [rung.damage for rung in rungs],
            [rung.level for rung in rungs],
            known_order(rungs, notices=held_to),
            held_to,
        ),
        noise=noise(np.array(reseeded).T) if len(reseeded) > 1 and len(reseeded[0]) > 1 else None,
        truth=agreement(scores[finals], true[finals], seed=seed) if len(true) and name != TRUTH else None,
        training=agreement_within(along, seed=seed) if along else None,
        gaming=gaming(
            [game.before[name] for game in games],
            [game.after[name] for game in games],
            [game.truth_change for game in games],
            [game.name for game in games],
            ceiling - floor,
        )
        if games
        else None,
        leak=leak(
            ceiling,
            floor,
            astray=tampered["astray" if "directions" in record.needs else "tampered"],
            tampered=tampered["tampered"],
            unread=tampered["unread"],
            reads=bool({"labels", "allowed"} & {*record.needs}),
            chooses="train" in record.needs,
        ),
    )


def _standard(place: AnyTestbed) -> list[str] | None:
    """What the base is a standard of: everything, if it is an oracle; no fidelity, if it was fitted to labels only."""
    if isinstance(place, SyntheticTestbed):
        return None
    return [name for family in ("coverage", "reconstruction", "codes") for name in FAMILIES[family].metrics]


def _base(place: AnyTestbed) -> tuple[Dictionary, str]:
    """The dictionary that the ladder is made from, and what it is."""
    if isinstance(place, SyntheticTestbed):
        return place.oracle, "oracle"
    name = "mean codes" if place.spec.position else "least squares"  # of prompts, attributes are all there is to write
    fitted = next(one for one in References(place, 1, 1).ceilings() if one.name == name)
    return fitted.dictionary, f"supervised dictionary ({name})"
