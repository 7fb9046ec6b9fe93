"""Can the latents of a dictionary be named? Explanations, judges' scores, and the exact truth of the explanations.

Question      Somebody sees positions at which a latent fires and says what it fires on. On games that nobody has seen:
              does the explanation tell where it fires (detection), at which positions of a stretch (fuzzing), how
              strongly (simulation), and how often is it right (F1, executed)?
Equations     per latent, then the mean over latents:
  detection_score       (TPR + TNR) / 2 of a judge on active and silent positions
  fuzzing_score         (TPR + TNR) / 2 of a judge on rightly and wrongly marked stretches of a game
  simulation_score      Pearson's r of simulated and true activations over stretches of games
  explanation_f1_score  F1 of the explanation itself, executed at every reporting position, at natural prevalence
Conventions   A random sample of latents that fire often enough on both sides; how many are dropped, and why, is in the
              details. By default explanations are the best predicates of known facts (`PredicateExplainer` on all
              choosing positions) and the judge executes them: what remains is what the facts cannot say of a latent. A
              language model takes either place through the same interface. Intervals resample latents, not games: the
              sample of latents is what varies most. A latent that cannot be scored, such as one whose simulation is
              constant, is left out and counted. Positions that do not follow each other have neither fuzzing nor
              simulation.
Floors        `shuffled explanations`: those of other latents, put to the same judge about the same examples; `always
              true`: what holds everywhere; of F1 also `matched prevalence`: a random fact about as frequent.
References    Paulo et al. 2025 (2410.13928); Bills et al. 2023. Procedures and what differs: `detection`, `fuzzing`,
              `simulation`, `sampling`.
Differences from published code
              1. Balanced accuracy per latent, not one confusion matrix of all; the pooled one is in the details.
              2. Explanations are fitted and judged on different games; published splits share up to 40 % of examples.
              3. Beside every score stands what it cannot show: the null, and precision at natural prevalence. With
                 random silent examples an explanation that is right one time in four can score .96.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..inputs import Labels, Latents, as_codes
from ..score import Score, stamped
from .asking import Failures
from .autointerp_score import exact_score, judged_score, nothing, simulated_score
from .detection import detection
from .exams import Examiner, ExamSettings, best_predicates
from .facts import Facts
from .fuzzing import fuzzing
from .latents import eligible, latents_of, pick
from .nouns import Explainer, Judge
from .records import PROPERTIES
from .simulation import simulation
from .truth_counts import exact_counts, facts_from

__all__ = ["PROPERTIES", "SCORERS", "Scorer", "autointerp"]

Scorer = Literal["detection", "fuzzing", "simulation"]
SCORERS: tuple[Scorer, ...] = ("detection", "fuzzing", "simulation")


def autointerp(
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
    scorers: Sequence[Scorer] = SCORERS,
    n_latents: int = 64,
    min_active: int = 20,
    min_games: int = 5,
    exam: ExamSettings | None = None,
    per_question: int = 5,
    failures: Failures = "drop",
    rates: tuple[float, float] | None = None,
    null: bool = True,
    sae: str = "",
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Explain a sample of latents, have the explanations judged, and execute them.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        labels: bool [N, F] or packed uint8 [N, ceil(F / 8)], the facts.
        names: F names of the facts.
        game_id: integer [N].
        position: integer [N], order inside a game; None if positions of a game do not follow each other.
        train: bool [N], games that explainers see; judges are asked about the others.
        counters: integer [N] by name, such as `ply`, that predicates may compare.
        hidden: facts that a judge of texts cannot see.
        explainer: by default the best predicate of each latent on all choosing positions.
        judge: by default one that executes predicates.
        scorers: any of `detection`, `fuzzing`, `simulation`; F1 is always given.
        n_latents: how many latents are sampled, at most.
        min_active: a latent fires at so many positions on either side of the split, or is left out.
        min_games: likewise in so many games.
        exam: which examples explainers are shown and judges are asked about, and how many; `ExamSettings()` by default:
            50 active positions by tenths of their strength, 50 random silent ones, stretches of 4 positions to mark
            and of 8 to simulate.
        per_question: examples in one question.
        failures: what is done with examples that have no answer: `drop`, `wrong` (not of simulations) or `raise`.
        rates: the judge's (e_pos, e_neg), where they are known.
        null: also score shuffled explanations.
        sae: name of the dictionary; latents of different ones are then sampled independently.
        n_resamples: bootstrap resamples over latents.
        seed: of everything that is drawn.

    Returns:
        `explanation_f1_score` and one score for every scorer, with a table of latents each. What could not be asked is
        NaN, and its details say why under `undefined`.

    Raises:
        KeyError: an unknown scorer.
        RuntimeError: a failure, where `raise` was asked for.
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, a split inside a game, or options out of range.

    Examples:
        >>> import numpy as np
        >>> facts = np.random.default_rng(0).random((600, 3)) < 0.2  # 20 games of 30 positions, three facts
        >>> game, position = np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20)
        >>> about = dict(names=["a", "b", "c"], game_id=game, position=position, train=game < 10, n_resamples=20)
        >>> scores = autointerp(facts * 1.0, facts, **about)  # every latent fires where one fact holds
        >>> scores["explanation_f1_score"].value, scores["detection_score"].value
        (1.0, 1.0)
    """
    if unknown := [name for name in scorers if name not in SCORERS]:
        raise KeyError(f"no scorer named {unknown[0]!r}; there are {', '.join(SCORERS)}")
    settings = exam or ExamSettings()
    codes = as_codes(latents)
    facts = facts_from(labels, names, game_id, position, train, counters or {}, hidden)
    among = eligible(codes, facts, min_active=min_active, min_games=min_games)
    numbers = pick(codes, facts, n_latents, seed, sae=sae, among=among)
    chosen = latents_of(codes, numbers)
    details: dict[str, Any] = {
        "n_latents": len(numbers),
        "n_eligible": len(among.numbers),
        "dropped": {reason: count for reason, count in among.dropped.items() if count},
        "intervals": "bootstrap over latents",
    }
    if not chosen:
        wanted = ("explanation_f1_score", *(f"{name}_score" for name in scorers))
        return stamped({name: nothing(name, "no latent fires often enough", details) for name in wanted}, PROPERTIES)
    explainer, judge = explainer or best_predicates(facts, chosen), judge or executing_judge(facts, seed)
    details |= {"explainer": explainer.name, "judge": judge.name, **asdict(settings)}
    examiner = Examiner(facts, codes, chosen, settings, follow=position is not None, seed=seed, sae=sae)
    explanations = explainer.explain([examiner.shown(number) for number in chosen])
    details["explanations_failed"] = dict(Counter(one.failure for one in explanations if one.failure))
    exact = {one.latent: exact_counts(one, chosen[one.latent], facts) for one in explanations}
    bootstrap = {"n_resamples": n_resamples, "seed": seed}
    found = {"explanation_f1_score": exact_score(explanations, exact, chosen, facts, details, null=null, **bootstrap)}
    common: dict[str, Any] = {"failures": failures, "null": null, "seed": seed}
    binary: dict[str, Any] = {"per_question": per_question, "rates": rates, **common}
    if "detection" in scorers:
        exams = {number: examiner.positions(number) for number in chosen}
        prevalence = {number: float(among.rates[number]) for number in chosen}
        scores = detection(explanations, exams, judge, prevalence=prevalence, **binary)
        found["detection_score"] = judged_score("detection_score", scores, explanations, exact, details, **bootstrap)
    if examiner.apart:
        for name in ("fuzzing", "simulation"):
            if name in scorers:
                found[f"{name}_score"] = nothing(f"{name}_score", examiner.apart, details)
        return stamped(found, PROPERTIES)
    if "fuzzing" in scorers:
        marked = {number: examiner.marked(number) for number in chosen}
        scores = fuzzing(explanations, marked, judge, **binary)
        found["fuzzing_score"] = judged_score("fuzzing_score", scores, explanations, exact, details, **bootstrap)
    if "simulation" in scorers:
        tested = {number: examiner.stretches(number) for number in chosen}
        common["failures"] = "drop" if failures == "wrong" else failures
        simulated = simulation(explanations, tested, judge, **common)
        found["simulation_score"] = simulated_score(simulated, explanations, exact, details, **bootstrap)
    return stamped(found, PROPERTIES)


def executing_judge(facts: Facts, seed: int) -> Judge:
    """The default judge: it executes predicates, without errors."""
    from .predicate_judge import PredicateJudge

    return PredicateJudge(facts, seed=seed)
