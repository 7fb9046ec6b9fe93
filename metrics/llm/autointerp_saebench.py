"""SAEBench's automated interpretability, by its own rules and mended.

Question      From the explanation of a latent, can a judge tell windows in which it fires, as SAEBench puts it?
Equation      accuracy of a judge on 14 windows of a latent: 2 of its strongest, 2 drawn by importance, 10 at random;
              the mean over latents.
Conventions   A window is a position with `buffer` positions of its game on both sides, cut off where the game ends: 10
              in contexts of 128 tokens, the same share of a game here unless told otherwise. 12 windows that do not
              overlap come from the top of all activations; 7 more are drawn with probability proportional to the
              squared activation among those below the top. 10 and 5 of them are explained, the others asked about,
              shuffled, in one question. A latent counts as active in a window above 1 % of its maximum.
Floor         `none`: who finds no window active is right about 10 of 14, .714.
References    SAEBench, evaluation `autointerp` (Karvonen et al. 2025).
Differences from published code (the mended form is in the details, as `mended`)
              1. Random windows are taken for silent there without a look. Their activity is counted here, and windows
                 of the mended form are silent throughout.
              2. Windows to explain and windows to ask about come from the same games there. The mended form splits.
              3. Plain accuracy with 4 active windows of 14 pays for saying no. The mended form is balanced.
              4. The published format shows an answer of exactly 4 windows, and so their number. Judges here answer
                 each window.
              5. An answer that cannot be read drops the latent there. It does here too, and is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs import Labels, Latents, as_codes
from ..properties import Properties
from ..score import Score, game_weights, interval, stamped
from .asking import YES, Asked, ask
from .autointerp import executing_judge
from .autointerp_score import nothing, number, table_of
from .detection import asked_about
from .examples import Windows, windows_of
from .facts import Facts
from .latents import latents_of
from .nouns import Example, Explainer, Explanation, Judge, Latent, Shown
from .nulls import shuffled
from .per_latent import mean_over_latents, score_latent
from .seeds import generator_of
from .truth_counts import facts_from

TOP, IMPORTANT, RANDOM = (10, 2), (5, 2), 10  # windows to explain and to ask about
CONTEXT, BUFFER = 128, 10
NONE = RANDOM / (RANDOM + TOP[1] + IMPORTANT[1])  # accuracy of who says no to everything
PROPERTIES: dict[str, Properties] = {
    "autointerp_saebench_score": Properties(
        question="As SAEBench asks it: from its explanation, can a judge tell windows in which a latent fires?",
        direction="up",
        low=0.0,
        high=1.0,
        chance=".714 for who always says no, and what shuffled explanations score, shown as floors",
        needs=("latents", "labels", "game_id", "position", "train"),
        symmetries=("positive rescaling", "dead latent"),
        notices=("noise", "random", "merged"),
        limits="Windows that count as silent are not looked at: where latents fire often, right answers are wrong; "
        "a random dictionary comes within .1 to .2 of the right one; splitting and absorption are not seen.",
    ),
}


@dataclass(frozen=True, eq=False)
class Posed:
    """Windows of one latent.

    Attributes:
        shown: to the explainer.
        exam: 14 windows to ask about; `active` as the published rules have it.
        mislabelled: random windows of the exam in which the latent fires after all.
    """

    shown: Shown
    exam: tuple[Example, ...]
    mislabelled: int


def autointerp_saebench(
    latents: Latents,
    labels: Labels,
    *,
    names: Sequence[str],
    game_id: NDArray[np.integer],
    position: NDArray[np.integer] | None,
    train: NDArray[np.bool_],
    counters: Mapping[str, NDArray[np.integer]] | None = None,
    hidden: Sequence[str] = (),
    explainer: Explainer | None = None,
    judge: Judge | None = None,
    n_latents: int = 64,
    more_than: int = 15,
    buffer: int | None = None,
    sae: str = "",
    protocol: str = "fiducial",
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """SAEBench's score of a sample of latents, with the mended form beside it.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        labels: bool [N, F] or packed uint8 [N, ceil(F / 8)], the facts.
        names: F names of the facts.
        game_id: integer [N].
        position: integer [N], order inside a game; None where positions do not follow each other: windows of one.
        train: bool [N]; read by the mended form only, the published one draws from all games.
        counters: integer [N] by name.
        hidden: facts that a judge of texts cannot see.
        explainer: by default the best predicate of what is shown.
        judge: by default one that executes predicates.
        n_latents: sampled among those that fire at more positions than `more_than`; SAEBench takes 1,000.
        more_than: see above.
        buffer: positions on both sides of a window's middle; None takes the share of a game that 10 has of 128.
        sae: name of the dictionary.
        protocol: `fiducial` names the score `autointerp_saebench_score`; `saebench` gives `autointerp_score` and
            `autointerp_std_dev` instead.
        n_resamples: bootstrap resamples over latents.
        seed: of everything that is drawn.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, an unknown protocol, or options out of range.

    Examples:
        >>> import numpy as np
        >>> facts = np.random.default_rng(0).random((3000, 2)) < 0.02  # 20 games of 150 positions, two rare facts
        >>> game, position = np.repeat(np.arange(20), 150), np.tile(np.arange(150), 20)
        >>> about = dict(names=["a", "b"], game_id=game, position=position, train=game < 10, buffer=2, n_resamples=20)
        >>> score = autointerp_saebench(facts * 1.0, facts, **about)["autointerp_saebench_score"]
        >>> 0.714 < score.value <= 1  # above who always says no
        True
    """
    if protocol not in ("fiducial", "saebench"):
        raise ValueError(f"protocol must be 'fiducial' or 'saebench', got {protocol!r}")
    codes = as_codes(latents)
    facts = facts_from(labels, names, game_id, position, train, counters or {}, hidden)
    near = buffer_of(facts, position, buffer)
    cut = windows_of(facts, 2 * near + 1, "centre")
    firing = np.bincount(codes.indices[codes.values > 0], minlength=codes.n_latents)
    enough = np.flatnonzero(firing > more_than)
    drawn = generator_of(seed, sae, "saebench latents").permutation(enough)[:n_latents]
    chosen = latents_of(codes, sorted(drawn.tolist()))
    every, sides = np.ones(facts.n_rows, np.bool_), (facts.train, ~facts.train)
    published = {n: posed(one, cut, (every, every), checked=False, seed=seed, sae=sae) for n, one in chosen.items()}
    mended = {n: posed(one, cut, sides, checked=True, seed=seed, sae=sae) for n, one in chosen.items()}
    judge = judge or executing_judge(facts, seed)
    explainer = explainer or _shown_predicates(facts, chosen, seed)
    told, answers, null = _ask(published, explainer, judge, seed)
    _, mended_answers, _ = _ask(mended, explainer, judge, seed)
    accuracy = [accuracy_of(answers[n]) if n in answers else nan for n in chosen]
    balanced = [score_latent(mended_answers[n]).balanced_accuracy if n in mended_answers else nan for n in chosen]
    value, low, high, replicates = mean_over_latents(accuracy, n_resamples, seed)
    again = mean_over_latents(balanced, n_resamples, seed)
    known = [one for one in accuracy if isfinite(one)]
    n_random = sum(sum(not example.active for example in one.exam) for one in published.values())
    details: dict[str, Any] = {
        "n_latents": len(chosen),
        "n_eligible": len(enough),
        "n_scored": len(known),
        "dropped": {f"fires at {more_than} positions or fewer": int(codes.n_latents - len(enough))},
        "unreadable_answers": sum(one.n_failed > 0 for one in answers.values()),
        "buffer": near,
        "mislabelled": sum(one.mislabelled for one in published.values()) / n_random if n_random else None,
        "mended": dict(zip(("value", "low", "high"), map(number, again[:3]), strict=True)),
        "explainer": explainer.name,
        "judge": judge.name,
        "intervals": "bootstrap over latents",
    }
    name = "autointerp_score" if protocol == "saebench" else "autointerp_saebench_score"
    if not known:
        return {name: nothing(name, "no latent fires often enough, or every answer failed", details)}
    floors = {"none": NONE, **({"shuffled explanations": null} if isfinite(null) else {})}
    columns: dict[str, list[Any]] = {
        "latent": list(chosen),
        "explanation": [told[n].text for n in chosen],
        "accuracy": accuracy,
        "mended": balanced,
        "mislabelled": [published[n].mislabelled for n in chosen],
    }
    score = Score(
        name,
        value,
        low,
        high,
        features=table_of(columns),
        floors=floors,
        ceilings={"perfect": 1.0},
        protocol="saebench",
        details=details,
        replicates=replicates if len(known) > 1 else None,
    )
    if protocol == "fiducial":
        return stamped({name: score}, PROPERTIES)
    return {name: score, "autointerp_std_dev": _spread(known, n_resamples, seed)}


def _spread(values: Sequence[float], n_resamples: int, seed: int) -> Score:
    """Standard deviation of the accuracy over latents, as published: divided by their number."""
    name, x = "autointerp_std_dev", np.array(values, np.float64)
    if len(x) < 2:
        return Score(name, 0.0, 0.0, 0.0, protocol="saebench")
    weights = game_weights(len(x), n_resamples, seed) / len(x)
    again = np.sqrt(np.maximum(weights @ x**2 - (weights @ x) ** 2, 0))
    low, high = interval(again)
    value = float(x.std())
    return Score(name, value, min(low, value), max(high, value), protocol="saebench", replicates=again)


def accuracy_of(asked: Asked) -> float:
    """Share of right answers as published: NaN if any example has none, for the answer then cannot be read."""
    if asked.n_failed or not asked.examples:
        return nan
    return float(np.mean([(value[0] >= YES) == example.active for example, value in asked.answered()]))


def posed(
    latent: Latent,
    cut: Windows,
    sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    *,
    checked: bool,
    seed: int = 0,
    sae: str = "",
) -> Posed:
    """Windows to explain and to ask about.

    Args:
        latent: where it fires.
        cut: windows around every position.
        sides: bool [N] each: rows that may be explained, rows that may be asked about. If they are the same, no window
            is used twice.
        checked: whether random windows have to be silent.
        seed: of the draws.
        sae: name of the dictionary.
    """
    dense = latent.dense()
    generator = generator_of(seed, sae, latent.number, "saebench", int(checked))
    if (sides[0] & sides[1]).any():
        both = _active(latent, cut, sides[0], sum(TOP), sum(IMPORTANT), generator)
        order = [generator.permutation(part).tolist() for part in both]
        asked = [part[: n[1]] for part, n in zip(order, (TOP, IMPORTANT), strict=True)]
        explained = [part[n[1] :] for part, n in zip(order, (TOP, IMPORTANT), strict=True)]
    else:
        explained = _active(latent, cut, sides[0], TOP[0], IMPORTANT[0], generator)
        asked = _active(latent, cut, sides[1], TOP[1], IMPORTANT[1], generator)
    fires = cut.touched(latent.rows)
    allowed = sides[1][cut.anchor] & ~(fires & checked)
    pool = generator.permutation(np.flatnonzero(allowed))[:RANDOM].tolist()
    maximum = float(latent.values[sides[0][latent.rows]].max(initial=0.0))
    made = [
        [
            _example(w, cut, dense, source, maximum)
            for source, part in zip(("top", "mixed"), parts, strict=True)
            for w in part
        ]
        for parts in (explained, asked)
    ]
    positives, exam = made
    exam += [replace(_example(w, cut, dense, "random", maximum), active=False, marked=()) for w in pool]
    shown = Shown(latent.number, maximum, tuple(sorted(positives, key=lambda one: (-max(one.values), one.rows))))
    return Posed(shown, tuple(exam), int(fires[pool].sum()) if pool else 0)


def _active(
    latent: Latent, cut: Windows, side: NDArray[np.bool_], n_top: int, n_important: int, generator: np.random.Generator
) -> list[list[int]]:
    """Windows around the strongest positions that do not overlap, and around some drawn by squared activation."""
    inside = side[latent.rows]
    rows, values = latent.rows[inside], latent.values[inside].astype(np.float64)
    order = np.lexsort((generator.permutation(len(rows)), -values))
    used = np.zeros(len(cut.order), np.bool_)
    top: list[int] = []
    lowest = np.inf
    for i in order.tolist():
        if len(top) == n_top:
            break
        window = int(cut.of_row[rows[i]])
        part = slice(cut.start[window], cut.stop[window])
        if not used[part].any():
            used[part] = True
            top.append(window)
            lowest = values[i]
    below = np.flatnonzero((values < lowest) & ~used[cut.place[rows]])
    if len(below) > n_important:
        p = values[below] ** 2
        below = generator.choice(below, n_important, replace=False, p=p / p.sum())
    return [top, [int(cut.of_row[row]) for row in rows[below]]]


def _example(window: int, cut: Windows, dense: NDArray[np.float32], source: str, maximum: float) -> Example:
    """A window; marked where the latent is above 1 % of its maximum, the one that explainers may know."""
    rows = cut.rows(window)
    values = tuple(float(value) for value in dense[rows])
    marked = tuple(i for i, value in enumerate(values) if value > 0 and value > 0.01 * maximum)
    return Example(tuple(rows.tolist()), values, bool(marked), source=source, marked=marked)


def buffer_of(facts: Facts, position: NDArray[np.integer] | None, asked: int | None) -> int:
    """Positions on both sides of a window's middle: as asked, or the share of a game that 10 has of 128.

    Raises:
        ValueError: a negative number.
    """
    if asked is not None:
        if asked < 0:
            raise ValueError(f"buffer must be at least 0, got {asked}")
        return asked
    longest = int(np.bincount(facts.game_id - facts.game_id.min()).max()) if position is not None else 1
    return min(BUFFER, round(BUFFER * longest / CONTEXT))


def _shown_predicates(facts: Facts, latents: Mapping[int, Latent], seed: int) -> Explainer:
    """The default explainer: the best predicate of what is shown, beside silent positions."""
    from .predicate_search import PredicateExplainer

    return PredicateExplainer(facts, latents, rows="shown", seed=seed)


def _ask(
    posed_by: Mapping[int, Posed], explainer: Explainer, judge: Judge, seed: int
) -> tuple[dict[int, Explanation], dict[int, Asked], float]:
    """Explanations, answers about the exams, and the accuracy of shuffled explanations."""
    explanations = explainer.explain([one.shown for one in posed_by.values()])
    exams = {number: tuple(replace(e, marked=()) for e in one.exam) for number, one in posed_by.items()}
    size = max((len(exam) for exam in exams.values()), default=1)
    answers = ask(judge, asked_about("detection", explanations, exams, max(1, size), seed))
    others = ask(judge, asked_about("detection", shuffled(explanations, seed=seed), exams, max(1, size), seed))
    nulls = [accuracy_of(one) for one in others.values()]
    known = [one for one in nulls if isfinite(one)]
    return {one.latent: one for one in explanations}, answers, sum(known) / len(known) if known else nan
