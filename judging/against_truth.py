"""The judges judged: what scorers say of explanations whose truth is known because they can be executed.

For latents of shipped SAEs, of an SAE of the random twin, of a random dictionary and for planted ones, explanations of
varied quality are made: the best predicate, those found from a few examples, a ladder of corruptions, another latent's.
Each is executed at every reporting position (precision, recall, F1, IoU at natural prevalence), and put to every scorer
with every kind of negatives and with judges of known error. What is compared is in `result`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from ..data.hdf5 import partial_file
from ..metrics.llm.detection import detection
from ..metrics.llm.embedders import Encoder, hashing_encoder
from ..metrics.llm.embedding import embedding_by_facts
from ..metrics.llm.examples import fuzz
from ..metrics.llm.facts import Facts
from ..metrics.llm.fuzzing import fuzzing
from ..metrics.llm.natural import natural_f1, true_rates
from ..metrics.llm.nouns import NEGATIVES, Example, Explanation, Judge
from ..metrics.llm.predicate import evaluate, n_literals
from ..metrics.llm.predicate_judge import PredicateJudge
from ..metrics.llm.sampling import Sampler, shortage
from ..metrics.llm.simulation import simulation, top_and_random, windows
from ..metrics.llm.truth_counts import counts
from ..tasks.facts import facts_of, shows_games
from ..testbed_catalogue import AnyTestbed
from .more_columns import parse_then_execute, saebench, saebench_exams
from .populations import Population, populations
from .result import JudgesJudged
from .robustness import questions_and_failures, reseeds
from .sampling import by_sampling
from .variants import best, variants

ERRORS = (0.1, 0.2)  # share of wrong answers of the judges that err, either way
WINDOW = 6  # positions shown together for fuzzing and simulation
N_EXAMPLES = 50  # active, and as many silent
N_WINDOWS = 10
SCHEMA = 2


def judge_the_judges(
    bed: AnyTestbed,
    *,
    saes: Sequence[str] | None = None,
    n_latents: int = 24,
    judge: Judge | None = None,
    encoder: Encoder | None = None,
    n_examples: int = N_EXAMPLES,
    n_reseeds: int = 4,
    out: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> JudgesJudged:
    """Put explanations of known truth to every scorer.

    Args:
        bed: where; everything that ships with it is used.
        saes: names of shipped SAEs; all by default.
        n_latents: of each dictionary.
        judge: one more judge, such as a language model, beside those that execute predicates; it is asked the same.
        encoder: for the embedding score; by default words are hashed.
        n_examples: active examples of an exam, and as many silent ones.
        n_reseeds: exams drawn anew for the noise of the seed.
        out: folder where each dictionary's part is kept, so that an interrupted run goes on.
        seed: of everything that is drawn.
        say: told of each dictionary as it is done.

    Raises:
        KeyError: an SAE that does not ship.
        ValueError: kept parts of other settings.
    """
    facts = facts_of(bed)
    return judge_populations(
        populations(bed, facts, saes=saes, n=n_latents, seed=seed),
        facts,
        name=bed.name,
        judge=judge,
        encoder=encoder,
        windowed=shows_games(bed),
        n_examples=n_examples,
        n_reseeds=n_reseeds,
        out=out,
        seed=seed,
        say=say,
    )


def judge_populations(
    found: Sequence[Population],
    facts: Facts,
    *,
    name: str,
    judge: Judge | None = None,
    encoder: Encoder | None = None,
    windowed: bool = True,
    n_examples: int = N_EXAMPLES,
    n_reseeds: int = 4,
    out: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> JudgesJudged:
    """The same for latents of any origin.

    Args:
        found: latents of dictionaries with different names.
        facts: what is true at their positions.
        name: of the testbed.
        judge: see `judge_the_judges`, also for what is not said here.
        encoder: likewise.
        windowed: whether positions follow each other, so that fuzzing and simulation can be asked.
        n_examples: likewise.
        n_reseeds: likewise.
        out: likewise.
        seed: likewise.
        say: likewise.

    Raises:
        ValueError: two dictionaries of one name, or kept parts of other settings.
    """
    if len({population.name for population in found}) != len(found):
        raise ValueError(f"dictionaries need different names, got {[population.name for population in found]}")
    judges: dict[str, Judge] = {"": PredicateJudge(facts, seed=seed)}
    for e in ERRORS:
        judges[f"errs {e:g}"] = PredicateJudge(facts, e_pos=e, e_neg=e, seed=seed)
    if judge is not None:
        judges[judge.name] = judge
    used = hashing_encoder() if encoder is None else encoder
    settings = {
        "schema": SCHEMA,
        "testbed": name,
        "judges": list(judges),
        "encoder": used.name,
        "examples": n_examples,
        "reseeds": n_reseeds,
        "seed": seed,
        "facts": hashlib.sha256(facts.labels.tobytes() + facts.train.tobytes()).hexdigest()[:16],
    }
    parts: list[dict[str, Any]] = []
    for population in found:
        file = None if out is None else out / f"{population.name}.json"
        key = {**settings, "latents": sorted(population.latents), "fires": _digest(population)}
        part = _kept(file, key)
        if part is None:
            part = _part(population, facts, judges, used, n_examples, n_reseeds, windowed, seed)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                with partial_file(file) as partial:
                    partial.write_text(json.dumps({"settings": key, **part}) + "\n")
        parts.append(part)
        say(f"{population.name}: {len(population.latents)} latents, {len(part['records'])} explanations judged")
    return JudgesJudged.of(parts, settings)


def _part(
    population: Population,
    facts: Facts,
    judges: Mapping[str, Judge],
    encoder: Encoder,
    n_examples: int,
    n_reseeds: int,
    windowed: bool,
    seed: int,
) -> dict[str, Any]:
    """One dictionary, all of JSON types."""
    sampler = Sampler(facts, seed=seed, sae=population.name)
    known = best(population, facts)
    exams, short = exams_of(population, sampler, known, n_examples)
    inside = windowed_exams(population, facts, n_examples, seed) if windowed else ({}, {})
    fourteen = saebench_exams(population, facts, windowed=windowed, seed=seed)
    perfect = judges[""]
    records: list[dict[str, Any]] = []
    for variant, explanations in variants(population, facts, sampler, known, seed=seed).items():
        columns = scores(explanations, exams, inside, population, facts, judges, encoder, seed)
        columns |= saebench(explanations, fourteen, perfect, seed=seed)
        columns |= parse_then_execute(explanations, population, facts, seed=seed)
        records += [
            record(one, variant, population, facts, {name: values[i] for name, values in columns.items()})
            for i, one in enumerate(explanations)
            if not one.failure
        ]
    return {
        "records": records,
        "sampling": by_sampling(population, facts, perfect, n_examples=n_examples, seed=seed),
        "reseeds": reseeds(population, facts, known, judges, n=n_reseeds, n_examples=n_examples, seed=seed),
        "robustness": questions_and_failures(population, known, exams["random"], perfect, seed=seed),
        "about": {
            "name": population.name,
            "kind": population.kind,
            "latents": len(population.latents),
            "dropped": dict(population.dropped),
            "short": short,
        },
    }


def exams_of(
    population: Population, sampler: Sampler, known: Sequence[Explanation], n_examples: int
) -> tuple[dict[str, dict[int, tuple[Example, ...]]], dict[str, int]]:
    """Exams by kind of negatives and latent, and how many silent examples each kind lacks in all."""
    about = {one.latent: one.predicate for one in known}
    exams: dict[str, dict[int, tuple[Example, ...]]] = {}
    short: dict[str, int] = {}
    for kind in NEGATIVES:
        exams[kind], short[kind] = {}, 0
        for number, latent in population.latents.items():
            boundary = population.meaning.get(number, about.get(number))
            if kind == "one literal away" and boundary is None:
                exams[kind][number] = ()
                continue
            made = sampler.exam(
                latent,
                n_active=n_examples,
                n_silent=n_examples,
                negatives=kind,
                predicate=boundary,
                neighbours=population.neighbours[number],
            )
            exams[kind][number] = made
            short[kind] += shortage(made, n_examples, n_examples, kind)["silent"]
    return exams, short


def windowed_exams(
    population: Population, facts: Facts, n_examples: int, seed: int
) -> tuple[dict[int, tuple[Example, ...]], dict[int, tuple[Example, ...]]]:
    """Exams of several positions together, by latent: for fuzzing, and for simulation."""
    sampler = Sampler(facts, window=WINDOW, seed=seed, sae=population.name)
    pieces = windows(facts, WINDOW)
    marked: dict[int, tuple[Example, ...]] = {}
    simulated: dict[int, tuple[Example, ...]] = {}
    for number, latent in population.latents.items():
        plain = sampler.exam(latent, n_active=n_examples, n_silent=n_examples)
        marked[number] = fuzz(plain, latent, seed=seed, sae=population.name)
        simulated[number] = top_and_random(latent, pieces, n=N_WINDOWS, seed=seed)
    return marked, simulated


def scores(
    explanations: Sequence[Explanation],
    exams: Mapping[str, Mapping[int, Sequence[Example]]],
    inside: tuple[Mapping[int, Sequence[Example]], Mapping[int, Sequence[Example]]],
    population: Population,
    facts: Facts,
    judges: Mapping[str, Judge],
    encoder: Encoder,
    seed: int,
) -> dict[str, list[float]]:
    """What every scorer says, by name, one value an explanation; NaN where there is none."""
    found: dict[str, list[float]] = {}
    rows = facts.rows_of(False)
    rate = {number: float(latent.active()[rows].mean()) for number, latent in population.latents.items()}
    for label, judge in judges.items():
        tail = f" | {label}" if label else ""
        for kind in NEGATIVES if not label else ("random",):
            made = detection(explanations, exams[kind], judge, prevalence=rate, null=False, seed=seed)
            name = "detection" if kind == "random" else f"detection ({kind})"
            found[name + tail] = [one.balanced_accuracy for one in made]
            if kind == "random":
                found["natural F1" + tail] = [one.natural_f1 for one in made]
                if isinstance(judge, PredicateJudge) and label:
                    found["natural F1, corrected" + tail] = [
                        natural_f1(*true_rates(one.tpr, one.tnr, judge.e_pos, judge.e_neg), one.prevalence)
                        for one in made
                    ]
        marked, simulated = inside
        if marked:
            made = fuzzing(explanations, marked, judge, null=False, seed=seed)
            found["fuzzing" + tail] = [one.balanced_accuracy for one in made]
        if simulated:
            found["simulation" + tail] = [
                one.r for one in simulation(explanations, simulated, judge, null=False, seed=seed)
            ]
    found["embedding"] = [one.auroc for one in embedding_by_facts(explanations, exams["random"], facts, encoder)]
    return found


def record(
    one: Explanation, variant: str, population: Population, facts: Facts, said: Mapping[str, float]
) -> dict[str, Any]:
    """One explanation: its truth and every scorer's opinion."""
    rows = facts.rows_of(False)
    fires = population.latents[one.latent].active()[rows]
    truth = counts(evaluate(one.predicate, facts, rows), fires) if one.predicate is not None else {}
    return {
        "sae": population.name,
        "kind": population.kind,
        "latent": one.latent,
        "variant": variant,
        "text": one.text,
        "literals": 0 if one.predicate is None else n_literals(one.predicate),
        "rate": float(fires.mean()),
        "f1": _number(truth.get("exact_f1", nan)),
        **{name: _number(truth.get(name, nan)) for name in ("iou", "precision", "recall", "holds")},
        "scores": {name: _number(value) for name, value in said.items()},
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if isfinite(value) else None


def _digest(population: Population) -> str:
    found = hashlib.sha256()
    for latent in population.latents.values():
        found.update(latent.rows.tobytes() + latent.values.tobytes())
    return found.hexdigest()[:16]


def _kept(file: Path | None, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """A part that was finished with the same settings; None if there is none.

    Raises:
        ValueError: one of other settings.
    """
    if file is None or not file.is_file():
        return None
    try:
        found = json.loads(file.read_text())
        kept = found.pop("settings")
    except (json.JSONDecodeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} holds no part of this experiment: {error}; delete it") from error
    if kept != settings:
        differs = [name for name in settings if kept.get(name) != settings[name]]
        raise ValueError(f"{file} was made with another {', '.join(differs)}; give another folder, or delete it")
    return found
