"""Two more ways of judging an explanation whose truth is known: translated and executed, and as SAEBench asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..metrics.llm.asking import ask
from ..metrics.llm.autointerp_saebench import accuracy_of, buffer_of, posed
from ..metrics.llm.corruption import corruptions
from ..metrics.llm.detection import asked_about
from ..metrics.llm.examples import windows_of
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import Example, Explanation, Judge
from ..metrics.llm.per_latent import score_latent
from ..metrics.llm.predicate_text import to_text
from ..metrics.llm.seeds import generator_of
from ..metrics.llm.truth_counts import exact_counts
from .populations import Population

WRONG = (0.1, 0.3)  # share of translations that say something else
SAEBENCH, MENDED = "SAEBench", "SAEBench, mended"
_KINDS = ("other polarity", "other side", "neighbour square", "too broad", "too narrow", "one meaning")
Exams = Mapping[int, Sequence[Example]]


@dataclass(frozen=True)
class ScriptedTranslator:
    """A translator that gets a known share of the explanations wrong: another side, a square beside, a part forgotten.

    Attributes:
        facts: of the positions.
        wrong: share of the translations that are wrong, in [0, 1].
        seed: which ones, and how.
    """

    facts: Facts
    wrong: float
    seed: int = 0

    @property
    def name(self) -> str:
        """Short."""
        return f"translator, {self.wrong:g} wrong"

    def translate(self, explanations: Sequence[Explanation]) -> list[Explanation]:
        """The same explanations, some with another predicate than they should have."""
        return [self._read(one) for one in explanations]

    def _read(self, one: Explanation) -> Explanation:
        if one.predicate is None or one.failure:
            return one
        said = to_text(one.predicate)
        generator = generator_of(self.seed, "translation", one.latent, said)
        if generator.random() >= self.wrong:
            return one
        ways = corruptions(one.predicate, self.facts, seed=self.seed)
        there = [kind for kind in _KINDS if kind in ways]
        return replace(one, predicate=ways[there[int(generator.integers(len(there)))]]) if there else one


def parse_then_execute(
    explanations: Sequence[Explanation], population: Population, facts: Facts, *, seed: int = 0
) -> dict[str, list[float]]:
    """F1 of what translators make of explanations, executed at every reporting position; by share of wrong ones."""
    found: dict[str, list[float]] = {}
    for wrong in WRONG:
        told = ScriptedTranslator(facts, wrong, seed).translate(explanations)
        found[f"parse-then-execute | wrong {wrong:g}"] = [
            exact_counts(one, population.latents[one.latent], facts)["exact_f1"] for one in told
        ]
    return found


def saebench_exams(
    population: Population, facts: Facts, *, windowed: bool = True, seed: int = 0
) -> tuple[Exams, Exams]:
    """Fourteen windows a latent by SAEBench's rules, and mended: silent ones looked at, of reporting games.

    Args:
        population: whose latents.
        facts: of the positions.
        windowed: whether positions follow each other; else a window is one position.
        seed: of the draws.
    """
    cut = windows_of(facts, 2 * buffer_of(facts, facts.position if windowed else None, None) + 1, "centre")
    every, sides = np.ones(facts.n_rows, np.bool_), (facts.train, ~facts.train)
    made: list[Exams] = []
    for side, checked in (((every, every), False), (sides, True)):
        exams: dict[int, Sequence[Example]] = {}
        for number, latent in population.latents.items():
            windows = posed(latent, cut, side, checked=checked, seed=seed, sae=population.name).exam
            exams[number] = tuple(replace(one, marked=()) for one in windows)
        made.append(exams)
    return made[0], made[1]


def saebench(
    explanations: Sequence[Explanation], exams: tuple[Exams, Exams], judge: Judge, *, seed: int = 0
) -> dict[str, list[float]]:
    """Accuracy as SAEBench counts it, and balanced accuracy on the mended windows; NaN where there is no answer."""
    size = max((len(exam) for some in exams for exam in some.values()), default=1)
    published, mended = (ask(judge, asked_about("detection", explanations, some, max(1, size), seed)) for some in exams)
    nan = float("nan")
    numbers = [one.latent for one in explanations]
    return {
        SAEBENCH: [accuracy_of(published[n]) if n in published else nan for n in numbers],
        MENDED: [score_latent(mended[n]).balanced_accuracy if n in mended else nan for n in numbers],
    }
