"""One dictionary on one testbed -> Report: every score with its interval, floors and ceilings."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch

from .behaviour import log_probs, reference_behaviour, with_dictionary
from .data.assets import asset, path_sha256
from .metrics import METRICS, core_behaviour, core_fidelity, core_sparsity, coverage, reconstruction
from .metrics.score import Score
from .models.capture import model_sha256
from .models.controls import PermutedDictionary
from .models.dictionary import Dictionary
from .models.loading import load_dictionary
from .provenance import provenance
from .references import Candidate, References
from .report import Report
from .testbed_catalogue import Testbed, testbed

Scores = dict[str, Score]

FAMILIES = {
    "labels": [name for name, p in METRICS.items() if "labels" in p.needs],
    "codes": [name for name, p in METRICS.items() if "latents" in p.needs and "labels" not in p.needs],
    "fidelity": [name for name, p in METRICS.items() if "x_hat" in p.needs],
    "behaviour": [name for name, p in METRICS.items() if "sae_logprobs" in p.needs],
}


def check_metrics(names: Sequence[str] | None) -> list[str]:
    """Metric names, checked; all of them for None.

    Raises:
        KeyError: an unknown name; close names are suggested.
        ValueError: an empty list.
    """
    if names is None:
        return list(METRICS)
    if isinstance(names, str):
        return check_metrics([names])
    if not names:
        raise ValueError(f"no metric named; there are {', '.join(METRICS)}")
    for name in names:
        if name not in METRICS:
            close = get_close_matches(name, METRICS, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(METRICS)}"
            raise KeyError(f"no metric named {name!r}{hint}")
    return list(names)


def evaluate(
    dictionary: Dictionary,
    bed: Testbed,
    metrics: Sequence[str] | None = None,
    *,
    seed: int = 0,
    sha256: str | None = None,
) -> Report:
    """Score a dictionary on a testbed, beside the testbed's floors and ceilings.

    Args:
        dictionary: what is scored; reads activations of the testbed's hook point, float [N, d_in].
        bed: where.
        metrics: names from `fiducial.metrics.METRICS`; all by default.
        seed: of the bootstrap and the selection splits.
        sha256: checksum of the dictionary's file, for the record.

    Returns:
        The report; its `controls` hold the whole scores of every floor and ceiling.

    Raises:
        TypeError: something that is not a dictionary, such as a path.
        KeyError: an unknown metric.
        ValueError: a dictionary of another width than the testbed, or one whose latents are NaN or infinite.
    """
    wanted = check_metrics(metrics)
    if not isinstance(dictionary, Dictionary):
        raise TypeError(f"evaluate takes a dictionary, got {type(dictionary).__name__}; read one with load_dictionary")
    started = time.perf_counter()
    width = dictionary.directions.shape[1]
    if width != bed.d_in:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads activations of width {width}; "
            f"{bed.name} has width {bed.d_in} at {bed.hook}"
        )
    tested = Candidate(dictionary.name, "tested", dictionary, bed.x)
    n_latents = dictionary.directions.shape[0]
    references = References(bed, n_latents, tested.codes.l0)
    floors = references.floors()
    ceilings = references.ceilings()
    scores = _scores(tested, bed, wanted, seed, null=True)
    controls: dict[str, Scores] = {}
    for candidate in _progress([*floors, *ceilings, references.identity()], "controls"):
        controls[candidate.name] = _control_scores(candidate, bed, wanted, seed)
    if n_latents > 1:  # its own shuffled self: the same latents, each writing another's direction
        shuffled = PermutedDictionary(dictionary, "decoder", seed=seed, name="permuted decoder")
        floors.append(Candidate(shuffled.name, "floor", shuffled, bed.x))
        asked = [name for name in wanted if name in FAMILIES["fidelity"] + FAMILIES["behaviour"]]
        controls[shuffled.name] = {
            name: score
            for name, score in _scores(floors[-1], bed, asked, seed, null=False).items()
            if METRICS[name].direction != "none"
        }
    return Report(
        dictionary.name,
        bed.name,
        {name: _between(score, floors, ceilings, controls) for name, score in scores.items()},
        provenance(
            seed=seed,
            dictionary=_about(dictionary, sha256),
            testbed=_about_testbed(bed),
            times={"evaluate_s": round(time.perf_counter() - started, 2)},
        ),
        controls={name: by_metric for name, by_metric in controls.items() if by_metric},
    )


def score_shipped(
    name: str, *, n_games: int = 500, seed: int = 0, metrics: Sequence[str] | None = None
) -> list[Report]:
    """Reports of all SAEs that ship with a testbed, in its order."""
    wanted = check_metrics(metrics)
    bed = testbed(name, n_games=n_games, seed=seed)
    reports: list[Report] = []
    for short, where in _progress(list(bed.spec.dictionaries.items()), f"SAEs on {name}"):
        sae = load_dictionary(asset(where), "sae_lens", name=short)
        reports.append(evaluate(sae, bed, wanted, seed=seed, sha256=path_sha256(asset(where))))
    return reports


def _scores(candidate: Candidate, bed: Testbed, wanted: Sequence[str], seed: int, *, null: bool) -> Scores:
    """The wanted metrics of one dictionary; what it cannot be asked is left out."""
    games, test = np.asarray(bed.activations.game_id), ~bed.train
    found: Scores = {}
    labelled: dict[str, Callable[..., Score]] = {"coverage": coverage, "reconstruction": reconstruction}
    for name in FAMILIES["labels"]:
        if name in wanted:
            found[name] = labelled[name](
                candidate.codes,
                bed.activations.labels,
                game_id=games,
                train=bed.train,
                features=bed.transcripts.features,
                null=null,
                seed=seed,
            )
    if _any(wanted, "codes"):
        found |= core_sparsity(candidate.codes.take(np.flatnonzero(test)), games[test], seed=seed)
    if _any(wanted, "fidelity") and candidate.same_stream:
        chosen = torch.from_numpy(test)
        x, x_hat = candidate.x[chosen].numpy(), candidate.reconstruction[chosen].numpy()
        found |= core_fidelity(x, x_hat, games[test], seed=seed)
    if _any(wanted, "behaviour") and candidate.same_stream:
        known = reference_behaviour(bed)
        mine = log_probs(bed, with_dictionary(candidate.dictionary))[known.kept]
        found |= core_behaviour(known.clean, mine, known.zero, known.mean, known.allowed, known.game_id, seed=seed)
    return {name: found[name] for name in wanted if name in found}


def _control_scores(candidate: Candidate, bed: Testbed, wanted: Sequence[str], seed: int) -> Scores:
    """Scores of a floor or ceiling on the metrics that it bounds, kept with the testbed; without per-feature tables."""
    asked = [name for name in wanted if name in _bounded(candidate)]
    missing = [name for name in asked if (candidate.name, name, seed) not in bed.cache]
    if missing:
        for name, score in _scores(candidate, bed, missing, seed, null=False).items():
            bed.cache[candidate.name, name, seed] = replace(score, features={})
    return {name: bed.cache[candidate.name, name, seed] for name in asked if (candidate.name, name, seed) in bed.cache}


def _bounded(candidate: Candidate) -> list[str]:
    """Which metrics a floor or ceiling says something about.

    References fitted with the labels are ceilings of what can be found and read back, not of fidelity; the identity
    and PCA keep all of the activation by construction, so they are the ceiling of fidelity and behaviour.
    """
    directed = [name for name, p in METRICS.items() if p.direction != "none" and name not in FAMILIES["codes"]]
    faithful = FAMILIES["fidelity"] + FAMILIES["behaviour"]
    if candidate.name == "identity":
        return [name for name in directed if name in faithful]
    if candidate.name.startswith(("random dictionary", "frozen-decoder")):
        return directed
    return [name for name in directed if name in FAMILIES["labels"]]


def _between(score: Score, floors: list[Candidate], ceilings: list[Candidate], controls: dict[str, Scores]) -> Score:
    def values(candidates: Iterable[str]) -> dict[str, float]:
        return {name: controls[name][score.metric].value for name in candidates if score.metric in controls[name]}

    return score.beside(
        floors=values(c.name for c in floors), ceilings=values([*(c.name for c in ceilings), "identity"])
    )


def _any(wanted: Sequence[str], family: str) -> bool:
    return any(name in FAMILIES[family] for name in wanted)


def _about(dictionary: Dictionary, sha256: str | None) -> dict[str, Any]:
    n_latents, d_in = dictionary.directions.shape
    return {"name": dictionary.name, "n_latents": n_latents, "d_in": d_in, "sha256": sha256}


def _about_testbed(bed: Testbed) -> dict[str, Any]:
    features = bed.transcripts.features
    scored = features.take(features.where(counterpart=False, reachable=True))
    if "sha256" not in bed.cache:
        bed.cache["sha256"] = model_sha256(bed.model)
    return {
        "name": bed.name,
        "game": bed.game.name,
        "game_version": bed.game.version,
        "model_sha256": bed.cache["sha256"],
        "hook": bed.hook,
        "device": bed.device,
        "dtype": "float32",
        "seed": bed.seed,
        "games": bed.n_games,
        "positions": len(bed.activations.game_id),
        "reporting_positions": int((~bed.train).sum()),
        "vocabulary": {group: len(scored.where(group=group)) for group in scored.groups},
        "vocabulary_sha256": features.digest,
    }


def _progress(items: Sequence[Any], what: str) -> Iterable[Any]:
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, disable=None, leave=False)
