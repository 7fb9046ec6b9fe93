"""Latents of a dictionary on a testbed: explained, executed, judged."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..metrics.llm.exams import Examiner, ExamSettings, best_predicates
from ..metrics.llm.latents import Eligible, eligible, latents_of, pick
from ..metrics.llm.nouns import Explainer, Explanation, Judge, Request
from ..metrics.llm.predicate_judge import PredicateJudge
from ..metrics.llm.truth import exact
from ..model_testbed import Testbed
from ..models.dictionary import Codes, Dictionary, encode_in_batches
from ..provenance import provenance
from ..tasks.facts import facts_of, shows_games
from ..testbed_catalogue import AnyTestbed
from .kept import Kept
from .natural import NATURAL_F1, why_no_natural_f1, with_natural_f1
from .pushes import INTERVENTIONS, N_PUSHED, Pushes, spread, why_no_pushes
from .result import Explained, ExplainedLatent
from .scorers import JUDGED, Tools, check_scorers, score
from .summary import summaries

MEASURES = ("precision", "recall", "f1", "iou")
CHUNK = 25  # latents between two times that results are written; explanations are shuffled inside


class Translates(Protocol):
    """Whoever turns words into predicates."""

    @property
    def name(self) -> str:
        """Short."""
        ...

    def translate(self, explanations: Sequence[Explanation]) -> list[Explanation]:
        """The same explanations, with a predicate where one could be read."""
        ...


@dataclass(frozen=True)
class Sample:
    """What is going to be explained.

    Attributes:
        dictionary: its name.
        codes: of all positions.
        examiner: draws the examples.
        numbers: latents, rising.
        eligible: which latents could have been drawn, and how many could not, by reason.
        source: the dictionary itself, for interventions; None makes them impossible.
    """

    dictionary: str
    codes: Codes
    examiner: Examiner
    numbers: tuple[int, ...]
    eligible: Eligible
    source: Dictionary | None = None

    @property
    def digest(self) -> str:
        """Of everything that the latents do on these positions."""
        parts = (self.codes.indptr, self.codes.indices, self.codes.values)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]

    def chunks(self) -> Iterator[tuple[int, ...]]:
        """Latents that are taken together; never a single one, whose explanation could not be shuffled."""
        starts = list(range(0, len(self.numbers), CHUNK))
        if len(starts) > 1 and len(self.numbers) - starts[-1] < 2:
            starts.pop()
        for start, stop in zip(starts, [*starts[1:], len(self.numbers)], strict=True):
            yield self.numbers[start:stop]


def sample_of(
    dictionary: Dictionary,
    bed: AnyTestbed,
    latents: Sequence[int] | None = None,
    *,
    n_latents: int = 200,
    settings: ExamSettings | None = None,
    seed: int = 0,
) -> Sample:
    """Choose latents and prepare their examples.

    Args:
        dictionary: reads activations of the testbed's hook point, float [N, d_in].
        bed: where.
        latents: numbers; None draws from those that fire often enough on both halves of the games.
        n_latents: how many are drawn, at most.
        settings: how they are shown and asked about.
        seed: of all draws.

    Raises:
        TypeError: something that is not a dictionary, such as a path.
        ValueError: a dictionary of another width, numbers that it does not have or that fire nowhere, or none left.
    """
    if not isinstance(dictionary, Dictionary):
        raise TypeError(f"latents are those of a dictionary, got {type(dictionary).__name__}; use load_dictionary")
    n, width = dictionary.directions.shape
    if width != bed.d_in:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads activations of width {width}; "
            f"{bed.name} has width {bed.d_in} at {bed.hook}"
        )
    if n_latents < 1:
        raise ValueError(f"at least one latent is explained, got n_latents={n_latents}")
    facts = facts_of(bed)
    codes = encode_in_batches(dictionary, bed.x)
    among = eligible(codes, facts)
    if latents is None:
        numbers = sorted(pick(codes, facts, n_latents, seed, sae=dictionary.name, among=among))
        if not numbers:
            raise ValueError(f"no latent of {dictionary.name!r} fires often enough to be explained: {among.summary()}")
    else:
        numbers = sorted({int(number) for number in latents})
        wrong = [number for number in numbers if not 0 <= number < n]
        if wrong or not numbers:
            raise ValueError(f"latents of {dictionary.name!r} must be numbers from 0 to {n - 1}, got {wrong[:5]}")
        silent = [number for number in numbers if number not in set(among.numbers.tolist())]
        if silent:
            raise ValueError(
                f"latents {', '.join(map(str, silent[:5]))} of {dictionary.name!r} fire too rarely, or too often, to "
                f"be explained and judged on different games; {among.summary()}"
            )
    chosen = latents_of(codes, numbers)
    examiner = Examiner(facts, codes, chosen, settings, follow=shows_games(bed), seed=seed, sae=dictionary.name)
    return Sample(dictionary.name, codes, examiner, tuple(numbers), among, dictionary)


@dataclass(frozen=True)
class Run:
    """Who explains and who judges.

    Attributes:
        explainer: None takes the best predicate of each latent on all choosing positions.
        judge: None takes one that executes predicates.
        translator: turns words into predicates, so that they can be executed.
        scorers: see `scorers.SCORERS`.
        tools: more of what scorers need: renderer, encoder, language model.
        n_pushed: latents of a dictionary on which interventions are made, at most.
        cached: whether a request to the language model would be answered without being sent; None without a cache.
    """

    explainer: Explainer | None = None
    judge: Judge | None = None
    translator: Translates | None = None
    scorers: tuple[str, ...] = JUDGED
    tools: Mapping[str, Any] = field(default_factory=dict)
    cached: Callable[[Request], bool] | None = None
    n_pushed: int = N_PUSHED


def explain(
    sample: Sample,
    bed: AnyTestbed,
    run: Run | None = None,
    *,
    null: bool = True,
    per_question: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
    kept: str | PathLike[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Explained:
    """Explain latents, execute the explanations on all reporting positions, and have them judged.

    Args:
        sample: of latents, from `sample_of`.
        bed: where they are from.
        run: who does it; predicates by default, which needs no language model.
        null: also score shuffled explanations.
        per_question: examples in one question to a judge.
        n_resamples: bootstrap resamples.
        seed: of orders, shuffles and bootstrap.
        kept: file of finished latents; a run that finds some goes on after them. What a language model behind a cache
            failed to answer is asked again.
        about: facts for the provenance, such as the checksum of the dictionary.

    Raises:
        KeyError: an unknown scorer.
        ValueError: a scorer that lacks something, or a file of another run.
    """
    who = run or Run()
    explainer, tools, asked, settings, store = _prepared(
        sample, bed, who, null=null, per_question=per_question, n_resamples=n_resamples, seed=seed, kept=kept
    )
    bar = _bar(len(sample.numbers))
    for chunk in sample.chunks():
        if not _finished(chunk, store, who):
            store.add(_chunk(chunk, sample, explainer, who, tools, asked, n_resamples, seed))
        bar.update(len(chunk))
    bar.close()
    latents = tuple(store.latents[number] for number in sample.numbers)
    first: list[str] = []  # what is to be trusted most
    if "detection" in asked and NATURAL_F1 not in settings["not asked"]:
        first, latents = [NATURAL_F1], with_natural_f1(latents)
    return Explained(
        sample.dictionary,
        bed.name,
        latents,
        summaries(latents, [*first, *asked], n_resamples=n_resamples, seed=seed),
        {reason: count for reason, count in sample.eligible.dropped.items() if count},
        settings,
        provenance(seed=seed, testbed={"name": bed.name, "n_games": bed.n_games, "seed": bed.seed}, **(about or {})),
    )


def unfinished(
    sample: Sample,
    bed: AnyTestbed,
    run: Run,
    *,
    null: bool = True,
    per_question: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
    kept: str | PathLike[str] | None = None,
) -> tuple[tuple[int, ...], ...]:
    """Latents that `explain` with the same arguments has still to work on, as it takes them together.

    Raises:
        ValueError: as in `explain`, before anything is asked.
    """
    if kept is None or not Path(kept).exists():
        return tuple(sample.chunks())
    *_, store = _prepared(
        sample, bed, run, null=null, per_question=per_question, n_resamples=n_resamples, seed=seed, kept=kept
    )
    return tuple(chunk for chunk in sample.chunks() if not _finished(chunk, store, run))


def _prepared(
    sample: Sample,
    bed: AnyTestbed,
    who: Run,
    *,
    null: bool,
    per_question: int,
    n_resamples: int,
    seed: int,
    kept: str | PathLike[str] | None,
) -> tuple[Explainer, Tools, list[str], dict[str, Any], Kept]:
    """Who explains, what scorers need, which of them are asked, the settings, and what is finished already."""
    examiner, facts = sample.examiner, sample.examiner.facts
    explainer = who.explainer or best_predicates(facts, examiner.latents)
    judge = who.judge or PredicateJudge(facts, seed=seed)
    tools = Tools(judge, per_question=per_question, null=null, seed=seed, **who.tools)
    if set(INTERVENTIONS) & set(who.scorers):
        tools = replace(tools, pushes=_pushes(sample, bed, tools, who.n_pushed, seed))
    missing = check_scorers(who.scorers, tools, examiner)
    asked = [name for name in who.scorers if name not in missing]
    if "detection" in asked and (reason := why_no_natural_f1(asked, examiner.settings.negatives)):
        missing[NATURAL_F1] = reason
    settings: dict[str, Any] = {
        **asdict(examiner.settings),
        "explainer": explainer.name,
        "judge": judge.name,
        "translator": who.translator.name if who.translator else "",
        "scorers": list(asked),
        "not asked": missing,
        "serialisation": tools.renderer.style if tools.renderer else "",
        "encoder": tools.encoder.name if tools.encoder else "",
        "per_question": per_question,
        "null": null,
        "seed": seed,
    }
    if isinstance(tools.pushes, Pushes):
        settings |= {"pushed": sorted(tools.pushes.chosen), "push_target": tools.pushes.target}
    identity = {
        **settings,
        "dictionary": sample.dictionary,
        "latents": list(sample.numbers),
        "activations": sample.digest,
        "testbed": bed.name,
        "games": bed.n_games,
        "games_seed": bed.seed,
        "n_resamples": n_resamples,
        "chunk": CHUNK,  # shuffled explanations depend on it
        "language_model": getattr(tools.language_model, "name", ""),
        "how": {
            role: dict(getattr(one, "about", {}))
            for role, one in (("explainer", explainer), ("judge", judge), ("translator", who.translator))
        },
    }
    return explainer, tools, asked, settings, Kept(kept, identity)


def _pushes(sample: Sample, bed: AnyTestbed, tools: Tools, n: int, seed: int) -> Pushes | str:
    reason = why_no_pushes(bed) or ("" if sample.source is not None else "the dictionary itself is not at hand")
    if reason:
        return reason
    assert isinstance(bed, Testbed)
    assert sample.source is not None
    chosen = spread(sample.numbers, n)
    return Pushes(bed, sample.source, sample.examiner.latents, chosen, tools.language_model, seed=seed)


def _finished(chunk: Sequence[int], store: Kept, who: Run) -> bool:
    """Whether nothing has to be asked again: with a cache, what failed is, as all that came costs nothing then."""
    there = [store.latents[number] for number in chunk if number in store.latents]
    lacking = any(one.failure or any(score.get("failed") for score in one.scores.values()) for one in there)
    return len(there) == len(chunk) and not (lacking and who.cached is not None)


def _chunk(
    numbers: Sequence[int],
    sample: Sample,
    explainer: Explainer,
    who: Run,
    tools: Tools,
    scorers: Sequence[str],
    n_resamples: int,
    seed: int,
) -> list[ExplainedLatent]:
    examiner = sample.examiner
    explanations = explainer.explain([examiner.shown(number) for number in numbers])
    if who.translator is not None:
        explanations = translated(explanations, who.translator)
    prevalence = {number: float(sample.eligible.rates[number]) for number in numbers}
    found = {name: score(name, explanations, examiner, tools, prevalence) for name in scorers}
    return [
        ExplainedLatent.of(
            replace(one, meta={**one.meta, "copied": examiner.copied(one.latent)}),
            prevalence[one.latent],
            exact=_executed(one, sample, n_resamples, seed),
            scores={name: records[one.latent] for name, records in found.items()},
        )
        for one in explanations
    ]


def translated(explanations: Sequence[Explanation], translator: Translates) -> list[Explanation]:
    """Explanations, those in words with a predicate where the translator finds one."""
    waiting = [i for i, one in enumerate(explanations) if one.predicate is None and not one.failure]
    found = list(explanations)
    for i, one in zip(waiting, translator.translate([explanations[i] for i in waiting]), strict=True):
        found[i] = replace(one, meta={**one.meta, "translated": one.predicate is not None})
    return found


def _executed(one: Explanation, sample: Sample, n_resamples: int, seed: int) -> dict[str, tuple[float, float, float]]:
    if one.predicate is None or one.failure:
        return {}
    truth = exact(
        one.predicate,
        sample.examiner.latents[one.latent],
        sample.examiner.facts,
        n_resamples=n_resamples,
        seed=seed,
    )
    return {name: (getattr(truth, name), *getattr(truth, f"{name}_interval")) for name in MEASURES}


def _bar(total: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="latents", disable=None, leave=False)
