"""Every way of scoring an explanation, behind one call: what it needs, what it would ask, what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

from ..metrics.llm.asking import YES
from ..metrics.llm.detection import asked_about, detection
from ..metrics.llm.embedders import Encoder
from ..metrics.llm.embedding import embedding, embedding_by_facts
from ..metrics.llm.exams import Examiner
from ..metrics.llm.facts import Facts
from ..metrics.llm.fuzzing import fuzzing
from ..metrics.llm.nouns import Answer, Explanation, Judge, Mode, Question, Renderer
from ..metrics.llm.nulls import shuffled
from ..metrics.llm.per_latent import LatentScore
from ..metrics.llm.predicate import evaluate
from ..metrics.llm.separation import Separation
from ..metrics.llm.simulation import SimulationScore, simulation
from ..metrics.llm.surprisal import TextModel, surprisal
from .pushes import INTERVENTIONS, Pushes
from .unexplained import UNEXPLAINED, unexplained

JUDGED: tuple[Mode, ...] = ("detection", "fuzzing", "simulation")
SCORERS = (*JUDGED, "embedding", "embedding by facts", "surprisal", *INTERVENTIONS, *UNEXPLAINED)
Records = dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Tools:
    """Who answers.

    Attributes:
        judge: of detection, fuzzing and simulation.
        renderer: positions as text; None where there is none, as in synthetic worlds.
        encoder: of texts, for embedding.
        language_model: log-probabilities of texts, for surprisal.
        pushes: interventions on some of the latents, for those scorers; or why there are none.
        per_question: examples in one question.
        null: also score shuffled explanations.
        seed: of orders and shuffles.
    """

    judge: Judge
    renderer: Renderer | None = None
    encoder: Encoder | None = None
    language_model: TextModel | None = None
    pushes: Pushes | str = "no model to intervene in was given"
    per_question: int = 5
    null: bool = True
    seed: int = 0


def check_scorers(names: Sequence[str], tools: Tools, examiner: Examiner) -> dict[str, str]:
    """Which scorers cannot be asked here, and why.

    Raises:
        KeyError: an unknown scorer.
        ValueError: a scorer that lacks what only the user can give it, such as an encoder.
    """
    from difflib import get_close_matches

    reasons: dict[str, str] = {}
    for name in names:
        if name not in SCORERS:
            close = get_close_matches(name, SCORERS, n=1)
            raise KeyError(
                f"no scorer named {name!r}; {f'did you mean {close[0]}?' if close else ''} there are {SCORERS}"
            )
        if name.startswith("embedding") and tools.encoder is None:
            raise ValueError(f"{name} compares texts as vectors: give an encoder")
        if name == "example embedding" and tools.encoder is None:
            raise ValueError(f"{name} compares texts as vectors: give an encoder")
        if name.endswith("surprisal") and tools.language_model is None:
            raise ValueError(f"{name} needs a language model: give the folder of one")
        if name in ("fuzzing", "simulation") and examiner.apart:
            reasons[name] = examiner.apart
        if name in ("embedding", "surprisal", "example embedding") and tools.renderer is None:
            reasons[name] = "positions of this world have no text"
        if name in INTERVENTIONS and isinstance(tools.pushes, str):
            reasons[name] = tools.pushes
    return reasons


def exams_of(name: str, examiner: Examiner, numbers: Sequence[int]) -> dict[int, Any]:
    """Examples by latent for a scorer."""
    draw = {"fuzzing": examiner.marked, "simulation": examiner.stretches}.get(name, examiner.positions)
    return {number: draw(number) for number in numbers}


def questions_of(name: Mode, explanations: Sequence[Explanation], examiner: Examiner, tools: Tools) -> list[Question]:
    """All that a scorer would put to the judge, its null included; for plans."""
    exams = exams_of(name, examiner, [one.latent for one in explanations])
    per = 1 if name == "simulation" else tools.per_question
    found = asked_about(name, explanations, exams, per, tools.seed)
    if tools.null:
        found += asked_about(name, shuffled(explanations, seed=tools.seed), exams, per, tools.seed)
    return found


def score(
    name: str,
    explanations: Sequence[Explanation],
    examiner: Examiner,
    tools: Tools,
    prevalence: Mapping[int, float],
) -> Records:
    """One scorer on some latents: by latent, `value` and everything that stands beside it."""
    exams = exams_of(name, examiner, [one.latent for one in explanations])
    if name in JUDGED:
        watched = Watched(tools.judge, examiner.facts)
        common = {"null": tools.null, "seed": tools.seed}
        if name == "simulation":
            simulated = simulation(explanations, exams, watched, **common)
            return {one.latent: _simulated(one) for one in simulated}
        if name == "detection":
            scores = detection(
                explanations, exams, watched, per_question=tools.per_question, prevalence=prevalence, **common
            )
        else:
            scores = fuzzing(explanations, exams, watched, per_question=tools.per_question, **common)
        return {one.latent: {**_judged(one), "judge": watched.counts.get(one.latent, {})} for one in scores}

    if name in INTERVENTIONS:
        assert isinstance(tools.pushes, Pushes)
        return tools.pushes.records(name, explanations, null=tools.null)
    if name in UNEXPLAINED:
        return unexplained(name, exams, examiner.facts, tools.renderer, tools.encoder, seed=tools.seed)

    def measured(asked: Sequence[Explanation]) -> list[Separation]:
        if name == "surprisal":
            assert tools.language_model is not None
            assert tools.renderer is not None
            return surprisal(asked, exams, tools.renderer, tools.language_model)
        assert tools.encoder is not None
        if name == "embedding by facts":
            return embedding_by_facts(asked, exams, examiner.facts, tools.encoder)
        assert tools.renderer is not None
        return embedding(asked, exams, tools.renderer, tools.encoder)

    nulls = {one.latent: one.auroc for one in measured(shuffled(explanations, seed=tools.seed))} if tools.null else {}
    return {one.latent: _separated(one, nulls.get(one.latent, nan)) for one in measured(explanations)}


@dataclass
class Watched:
    """A judge whose answers are held against the executed explanation, which gives its own error rates.

    Attributes:
        judge: who answers.
        facts: on which explanations are executed.
        counts: by latent: how often the explanation was `true` or `false` of what was asked about, and how often the
            judge then said `no` or `yes` all the same. Only explanations that can be executed count.
    """

    judge: Judge
    facts: Facts
    counts: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The judge's."""
        return self.judge.name

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """What the judge says."""
        answers = self.judge.answer(questions)
        for question, answer in zip(questions, answers, strict=True):
            if question.mode != "simulation" and question.explanation.predicate is not None:
                self._count(question, answer)
        return answers

    def _count(self, question: Question, answer: Answer) -> None:
        import numpy as np

        mine = self.counts.setdefault(question.latent, {"true": 0, "no": 0, "false": 0, "yes": 0})
        assert question.explanation.predicate is not None
        for example, value in zip(question.examples, answer.values, strict=False):
            if value is None or example.squares:
                continue
            rows = np.array(example.rows, np.int64)
            holds = evaluate(question.explanation.predicate, self.facts, rows)
            true = bool(holds[list(example.marked)].all() if example.marked else holds.any())
            mine["true" if true else "false"] += 1
            if (value >= YES) != true:
                mine["no" if true else "yes"] += 1


def _judged(one: LatentScore) -> dict[str, Any]:
    return {
        "value": one.balanced_accuracy,
        "low": one.low,
        "high": one.high,
        "null": one.null,
        "null_tpr": one.null_rates[0],
        "null_tnr": one.null_rates[1],
        "auroc": one.auroc,
        "f1": one.f1,
        "tpr": one.tpr,
        "tnr": one.tnr,
        "precision": one.precision,
        "n_active": one.n_active,
        "n_silent": one.n_silent,
        "by_quantile": list(one.by_quantile),
        "failed": dict(one.failed),
        "undefined": one.undefined,
    }


def _simulated(one: SimulationScore) -> dict[str, Any]:
    return {
        "value": one.r,
        "null": one.null,
        "r_top": one.r_top,
        "r_random": one.r_random,
        "squared": one.squared,
        "absolute": one.absolute,
        "n_windows": one.n_windows,
        "failed": dict(one.failed),
        "undefined": one.undefined,
    }


def _separated(one: Separation, null: float) -> dict[str, Any]:
    return {
        "value": one.auroc,
        "null": null,
        "n_active": one.n_active,
        "n_silent": one.n_silent,
        "failed": {"no value": one.n_missing} if one.n_missing else {},
        "undefined": one.failure or ("" if not isnan(one.auroc) else "one side is empty"),
    }
