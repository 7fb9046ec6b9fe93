"""Two explainers, two judges, the same examples: how much of a score's shortfall from 1 is whose.

Equation      1 - score = (1 - exact) + (exact - exam) + (exam - score)
              exact: the explanation executed at every reporting position; exam: executed on the exam's examples, which
              is what a judge without errors says; score: what the judge says of the same examples
              So the parts are the explanation's error, the exam's and the judge's; they add up for every latent.
Conventions   Two scores of detection: balanced accuracy, and F1 at natural prevalence. Silent examples other than
              random ones put into the exam's part what they are harder by. A part may be negative: an exam may flatter.
              All cells are of the same latents, those whose explanations can all be executed and whose questions were
              all answered; the others are counted by reason. Intervals are bootstraps over latents.
              Beside the mean of a part stands its root mean square: what it does to a single latent.
References    The idea of crossing explainers with judges is ours; judges that execute explanations make it exact.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics.llm.detection import asked_about, detection
from ..metrics.llm.exams import best_predicates
from ..metrics.llm.natural import natural_f1
from ..metrics.llm.nouns import Example, Explainer, Explanation, Judge, Request
from ..metrics.llm.per_latent import LatentScore, mean_over_latents
from ..metrics.llm.predicate import evaluate
from ..metrics.llm.predicate_judge import PredicateJudge
from ..metrics.llm.predicate_search import PredicateExplainer
from ..report import plain, write_atomically
from .run import Run, Sample, translated

SCHEMA = "fiducial two by two 1"
MEASURES = ("balanced accuracy", "natural F1")
PARTS = ("explanation", "exam", "judge")


@dataclass(frozen=True)
class Part:
    """A number over latents.

    Attributes:
        mean: over latents.
        low: lower end of its 95 % interval.
        high: upper end.
        rms: root of the mean square over latents.
    """

    mean: float
    low: float
    high: float
    rms: float


@dataclass(frozen=True)
class Cell:
    """One explainer before one judge.

    Attributes:
        explainer: its name.
        judge: its name.
        measure: `balanced accuracy` or `natural F1`.
        score: what the judge says.
        parts: of 1 - score, by `PARTS`.
    """

    explainer: str
    judge: str
    measure: str
    score: Part
    parts: Mapping[str, Part]


@dataclass(frozen=True)
class TwoByTwo:
    """Explainers crossed with judges.

    Attributes:
        dictionary: whose latents.
        testbed: where.
        cells: by measure, explainer and judge.
        latents: one record a latent that is in all cells: `latent`, and by measure and explainer `exact`, `exam` and
            the score of every judge.
        left_out: other latents, counted by reason.
        settings: how it was asked.
    """

    dictionary: str
    testbed: str
    cells: tuple[Cell, ...]
    latents: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def cell(self, explainer: str, judge: str, measure: str = "natural F1") -> Cell:
        """One cell.

        Raises:
            KeyError: no such cell.
        """
        for one in self.cells:
            if (one.explainer, one.judge, one.measure) == (explainer, judge, measure):
                return one
        there = sorted({(one.explainer, one.judge) for one in self.cells})
        raise KeyError(f"no {measure} of {explainer!r} before {judge!r}; there are {there}")

    def table(self) -> Any:
        """For terminals; see `two_by_two_table.table`."""
        from .two_by_two_table import table

        return table(self)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write everything; `from_json` reads it back."""
        content = {"schema": SCHEMA, **plain(asdict(self), "two by two")}
        return write_atomically(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "TwoByTwo":
        """Read what `to_json` wrote.

        Raises:
            ValueError: another kind of file.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} holds no whole JSON: {error}") from None
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise ValueError(f"{path} holds no explainers crossed with judges: its schema is not {SCHEMA!r}")
        cells = tuple(
            Cell(
                **{
                    **one,
                    "score": _part(one["score"]),
                    "parts": {name: _part(part) for name, part in one["parts"].items()},
                }
            )
            for one in content.pop("cells")
        )
        return cls(cells=cells, latents=tuple(content.pop("latents")), **content)


def two_by_two(
    sample: Sample,
    run: Run,
    *,
    testbed: str = "",
    against: Explainer | None = None,
    per_question: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
) -> TwoByTwo:
    """Cross a run's explainer and judge with those that execute predicates.

    What a run with the same seed has already asked a language model is asked again in the same words, so that a client
    with a cache sends only the questions about the other explainer's explanations.

    Args:
        sample: of latents.
        run: its explainer, judge and translator.
        testbed: name of where it is, for the record.
        against: the other explainer; by default the best predicates, and where those are the run's own, predicates that
            fit the examples that an explainer is shown. The other judge executes predicates, without errors.
        per_question: examples in one question.
        n_resamples: bootstrap resamples over latents.
        seed: of orders and bootstrap.

    Raises:
        ValueError: two explainers of one name.
    """
    examiner = sample.examiner
    facts, numbers = examiner.facts, sample.numbers
    perfect = PredicateJudge(facts)
    explainers = _explainers(sample, run, against)
    judges: list[Judge] = [perfect] if run.judge is None or run.judge.name == perfect.name else [run.judge, perfect]
    shown = [examiner.shown(number) for number in numbers]
    exams = {number: examiner.positions(number) for number in numbers}
    prevalence = {number: float(sample.eligible.rates[number]) for number in numbers}
    told: dict[str, list[Explanation]] = {}
    exact: dict[str, dict[int, tuple[float, float]]] = {}
    scored: dict[tuple[str, str], list[LatentScore]] = {}
    for explainer in explainers:
        explanations = explainer.explain(shown)
        if run.translator is not None:
            explanations = translated(explanations, run.translator)
        told[explainer.name] = explanations
        exact[explainer.name] = {one.latent: _exact_rates(one, sample) for one in explanations}
        for judge in judges:
            scored[explainer.name, judge.name] = detection(
                explanations, exams, judge, per_question=per_question, prevalence=prevalence, null=False, seed=seed
            )
    left_out: Counter[str] = Counter()
    records: list[dict[str, Any]] = []
    for i, number in enumerate(numbers):
        why = _why_out(number, i, told, scored)
        if why:
            left_out[why] += 1
            continue
        record: dict[str, Any] = {"latent": number, "rate": prevalence[number]}
        record["explanations"] = {name: told[name][i].text for name in told}
        for measure in MEASURES:
            record[measure] = {
                name: {
                    "exact": _value(measure, *exact[name][number], prevalence[number]),
                    "exam": _of(measure, scored[name, perfect.name][i]),
                    "scores": {judge.name: _of(measure, scored[name, judge.name][i]) for judge in judges},
                }
                for name in told
            }
        records.append(record)
    cells = tuple(
        _cell(records, measure, explainer.name, judge.name, n_resamples, seed)
        for measure in MEASURES
        for explainer in explainers
        for judge in judges
    )
    settings = {
        "explainers": [one.name for one in explainers],
        "judges": [one.name for one in judges],
        "translator": run.translator.name if run.translator else "",
        "negatives": examiner.settings.negatives,
        "per_question": per_question,
        "seed": seed,
    }
    return TwoByTwo(sample.dictionary, testbed, cells, tuple(records), dict(left_out), settings)


def extra_requests(
    sample: Sample, run: Run, *, against: Explainer | None = None, per_question: int = 5, seed: int = 0
) -> list[Request]:
    """What crossing would ask a language model beyond what the run itself asks; for plans."""
    judge: Any = run.judge
    if judge is None or not hasattr(judge, "requests"):
        return []
    examiner = sample.examiner
    first, second = _explainers(sample, run, against)
    other = first if run.explainer is None else second  # the run has asked about its own explanations itself
    explanations = other.explain([examiner.shown(number) for number in sample.numbers])
    exams: dict[int, Sequence[Example]] = {number: examiner.positions(number) for number in sample.numbers}
    return list(judge.requests(asked_about("detection", explanations, exams, per_question, seed)))


def _explainers(sample: Sample, run: Run, against: Explainer | None) -> list[Explainer]:
    """The run's explainer and another one; the best predicates come last."""
    facts, latents = sample.examiner.facts, sample.examiner.latents
    best = best_predicates(facts, latents)
    if run.explainer is None:
        found = [against or PredicateExplainer(facts, latents, rows="shown"), best]
    else:
        found = [run.explainer, against or best]
    if found[0].name == found[1].name:
        raise ValueError(f"both explainers are named {found[0].name!r}: there is nothing to compare")
    return found


def _exact_rates(one: Explanation, sample: Sample) -> tuple[float, float]:
    """TPR and TNR of an explanation at every reporting position."""
    if one.predicate is None or one.failure:
        return nan, nan
    facts = sample.examiner.facts
    rows = facts.rows_of(False)
    holds, fires = evaluate(one.predicate, facts, rows), sample.examiner.latents[one.latent].active()[rows]
    return float(holds[fires].mean()), float((~holds[~fires]).mean())


def _why_out(
    number: int,
    i: int,
    told: Mapping[str, Sequence[Explanation]],
    scored: Mapping[tuple[str, str], Sequence[LatentScore]],
) -> str:
    for name, explanations in told.items():
        one = explanations[i]
        if one.failure:
            return f"{name} gave no explanation: {one.failure}"
        if one.predicate is None:
            return f"what {name} says cannot be executed"
    for (_, judge), scores in scored.items():
        if scores[i].undefined:
            return f"{judge} gave no score: {scores[i].undefined}"
    return ""


def _of(measure: str, score: LatentScore) -> float:
    return _value(measure, score.tpr, score.tnr, score.prevalence)


def _value(measure: str, tpr: float, tnr: float, prevalence: float) -> float:
    return (tpr + tnr) / 2 if measure == "balanced accuracy" else natural_f1(tpr, tnr, prevalence)


def _cell(
    records: Sequence[Mapping[str, Any]], measure: str, explainer: str, judge: str, n_resamples: int, seed: int
) -> Cell:
    mine = [record[measure][explainer] for record in records]
    exact = np.array([one["exact"] for one in mine], np.float64)
    exam = np.array([one["exam"] for one in mine], np.float64)
    score = np.array([one["scores"][judge] for one in mine], np.float64)
    numbers = dict(zip(PARTS, (1 - exact, exact - exam, exam - score), strict=True))
    parts = {name: _over(values.tolist(), n_resamples, seed) for name, values in numbers.items()}
    return Cell(explainer, judge, measure, _over(score.tolist(), n_resamples, seed), parts)


def _over(values: Sequence[float], n_resamples: int, seed: int) -> Part:
    mean, low, high, _ = mean_over_latents(values, n_resamples, seed)
    return Part(mean, low, high, float(np.sqrt(np.mean(np.square(values)))) if len(values) else nan)


def _part(content: Mapping[str, float | None]) -> Part:
    return Part(**{name: nan if value is None else float(value) for name, value in content.items()})
