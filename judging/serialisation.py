"""How often a judge errs, by how positions are written and by what it is asked.

Question      Given a fact and a position as text, does the judge see whether the fact holds?
Equation      e+ = P(no | the predicate holds), e- = P(yes | it does not); a balanced accuracy of BA then reads
              1/2 + (1 - e+ - e-) (BA - 1/2)
Conventions   Predicates are exact labels, so every question has a right answer. Positions are of reporting games, half
              with the predicate and half without. Yes is a probability of at least 1/2. What is not answered is
              counted by its reason and is in neither share. Intervals are Wilson's at 95 %, as if answers were
              independent; answers to one predicate are not, so differences between groups of few predicates mean less.
Use           The shares correct scores of latents (`corrected` in per_latent.py) whose explanations are of this kind.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..games.features import FeatureSet
from ..metrics.llm.asking import YES, ask, questions
from ..metrics.llm.facts import Facts
from ..metrics.llm.nouns import Example, Explanation, Judge, Mode, Renderer
from ..metrics.llm.per_latent import wilson
from ..metrics.llm.predicate import And, Atom, Not, Or, Predicate, evaluate
from ..metrics.llm.predicate_text import to_text
from ..metrics.llm.seeds import generator_of
from .serialisation_result import CHARACTERS_A_TOKEN, JudgeError, JudgeErrors, gathered

__all__ = [
    "JudgeError",
    "JudgeErrors",
    "examples_of",
    "gathered",
    "judge_errors",
    "judge_errors_by_style",
    "predicates_by_group",
]


def judge_errors(
    judge: Judge,
    facts: Facts,
    renderer: Renderer,
    *,
    predicates: Mapping[str, Sequence[Predicate]],
    n_per_predicate: int = 20,
    per_question: int = 5,
    mode: Mode = "detection",
    seed: int = 0,
    count_tokens: Callable[[str], int] | None = None,
) -> JudgeErrors:
    """Error rates of one judge in one style.

    Args:
        judge: who is asked; all questions at once.
        facts: decide what is right.
        renderer: how the judge sees positions; here for the name of the style and the length of the texts.
        predicates: by kind, such as `predicates_by_group` gives.
        n_per_predicate: positions, half of them with the predicate, as far as there are.
        per_question: positions in a question.
        mode: `detection`, or `fuzzing` of the one marked move.
        seed: of the positions and their order.
        count_tokens: of a text; None takes a quarter of the characters.

    Raises:
        ValueError: no predicates, a simulation, or fewer than 2 positions a predicate.
    """
    if mode == "simulation":
        raise ValueError("a simulation is neither right nor wrong; errors are of detection or fuzzing")
    if n_per_predicate < 2:
        raise ValueError(f"a predicate needs 2 positions at least, got n_per_predicate={n_per_predicate}")
    listed = [(kind, p) for kind, some in predicates.items() for p in some]
    if not listed:
        raise ValueError("no predicates were given")
    exams = [examples_of(p, facts, n_per_predicate, seed, mode) for _, p in listed]
    asked = [
        question
        for i, ((_, p), exam) in enumerate(zip(listed, exams, strict=True))
        for question in questions(Explanation(i, to_text(p), p), exam, mode, per_question=per_question, seed=seed)
    ]
    answered = ask(judge, asked)
    counted = (lambda text: len(text) / CHARACTERS_A_TOKEN) if count_tokens is None else count_tokens
    rows: list[JudgeError] = []
    for kind in predicates:
        of_kind = [i for i, (name, _) in enumerate(listed) if name == kind]
        found = [answered[i] for i in of_kind if i in answered]
        pairs = [(e.active, value[0] >= YES) for one in found for e, value in one.answered()]
        unanswered: Counter[str] = Counter()
        for one in found:
            unanswered.update(one.failed)
        n_true = sum(truth for truth, _ in pairs)
        n_false = len(pairs) - n_true
        missed = sum(truth and not yes for truth, yes in pairs)
        invented = sum(yes and not truth for truth, yes in pairs)
        texts = [renderer.example(e) for i in of_kind for e in exams[i]]
        rows.append(
            JudgeError(
                judge.name,
                renderer.style,
                kind,
                len(of_kind),
                n_true,
                n_false,
                missed / n_true if n_true else math.nan,
                *wilson(missed, n_true),
                invented / n_false if n_false else math.nan,
                *wilson(invented, n_false),
                dict(unanswered),
                float(np.mean([len(text) for text in texts])) if texts else math.nan,
                float(np.mean([counted(text) for text in texts])) if texts else math.nan,
            )
        )
    return JudgeErrors(tuple(rows))


def judge_errors_by_style(
    judge_of: Callable[[Renderer], Judge],
    facts: Facts,
    renderers: Iterable[Renderer],
    *,
    predicates: Mapping[str, Sequence[Predicate]],
    n_per_predicate: int = 20,
    per_question: int = 5,
    mode: Mode = "detection",
    seed: int = 0,
    count_tokens: Callable[[str], int] | None = None,
) -> JudgeErrors:
    """Error rates of a judge in several styles, on the same positions.

    Args:
        judge_of: makes the judge that reads a renderer's texts.
        facts: see `judge_errors`, also for the others.
        renderers: one a style.
        predicates: see there.
        n_per_predicate: see there.
        per_question: see there.
        mode: see there.
        seed: see there.
        count_tokens: see there.
    """
    found = JudgeErrors(())
    for renderer in renderers:
        found += judge_errors(
            judge_of(renderer),
            facts,
            renderer,
            predicates=predicates,
            n_per_predicate=n_per_predicate,
            per_question=per_question,
            mode=mode,
            seed=seed,
            count_tokens=count_tokens,
        )
    return found


def examples_of(
    p: Predicate, facts: Facts, n: int, seed: int, mode: Mode = "detection", *, train: bool = False
) -> list[Example]:
    """Positions half of which fit a predicate, drawn for this predicate alone; as many as there are.

    Args:
        p: the predicate; `active` says whether it holds.
        facts: where.
        n: positions.
        seed: of the draw.
        mode: in `fuzzing` the position is marked.
        train: positions of choosing games instead of reporting ones.
    """
    rows = facts.rows_of(train)
    held = evaluate(p, facts, rows)
    generator = generator_of(seed, "errors of judges", to_text(p))
    found: list[Example] = []
    for truth, wanted in ((True, n // 2), (False, n - n // 2)):
        some: NDArray[np.int64] = generator.permutation(rows[held == truth])[:wanted]
        marked = (0,) if mode == "fuzzing" else ()
        found += [Example((int(row),), (float(truth),), truth, marked=marked) for row in some.tolist()]
    return found


def predicates_by_group(
    features: FeatureSet,
    facts: Facts,
    *,
    n_per_group: int = 4,
    min_rows: int = 20,
    composed: bool = True,
    seed: int = 0,
) -> dict[str, tuple[Predicate, ...]]:
    """Single facts of every group of features, and, from all of them, negations and pairs.

    Args:
        features: what the facts are; those that are hidden are left out.
        facts: where; a predicate must hold, and fail, at `min_rows` reporting positions.
        n_per_group: predicates of each kind, fewer if there are not as many.
        min_rows: see `facts`.
        composed: add the kinds `not`, `and`, `or`.
        seed: of the draw.
    """
    rows = facts.rows_of(False)

    def varies(p: Predicate) -> bool:
        n = int(evaluate(p, facts, rows).sum())
        return min_rows <= n <= len(rows) - min_rows

    groups: dict[str, list[str]] = {}
    for feature in features:
        if feature.name in facts.index and feature.name not in facts.hidden:
            groups.setdefault(feature.group, []).append(feature.name)
    found: dict[str, tuple[Predicate, ...]] = {}
    for group, names in groups.items():
        order = generator_of(seed, "predicates of", group).permutation(len(names)).tolist()
        fitting = (Atom(names[i]) for i in order if varies(Atom(names[i])))
        if some := tuple(p for _, p in zip(range(n_per_group), fitting, strict=False)):
            found[group] = some
    if composed and found:
        single = [p for some in found.values() for p in some]
        found["not"] = tuple(Not(p) for p in _drawn(single, n_per_group, seed, "not"))
        for kind, join in (("and", And), ("or", Or)):
            order = generator_of(seed, "predicates of", kind).integers(len(single), size=(50 * n_per_group, 2)).tolist()
            pairs = (join((single[a], single[b])) for a, b in order if a != b)
            fitting = (p for p in pairs if varies(p))
            found[kind] = tuple(p for _, p in zip(range(n_per_group), fitting, strict=False))
    return {kind: some for kind, some in found.items() if some}


def _drawn(some: Sequence[Predicate], n: int, seed: int, what: str) -> list[Predicate]:
    order = generator_of(seed, "predicates of", what).permutation(len(some)).tolist()
    return [some[i] for i in order[:n]]
