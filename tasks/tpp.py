"""Targeted probe perturbation on testbeds: whose classes are taken away.

A family is the values of one variable: the state of a square, what stands on it, the name of a role in a prompt, the
children of one parent in a world. Variables with many values are dealt into families of `MAX_CLASSES`.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ..metrics.ablated_probes import decodes_linearly
from ..metrics.score import Score
from ..metrics.tpp import PreparedTPP, prepare_tpp, tpp_from
from ..models.devices import decoder_of
from ..subject import Subject
from ..testbed_catalogue import AnyTestbed
from .truth import bits, scored_features, written

MAX_FAMILIES = 20
MAX_CLASSES = 5
FEWEST = 40  # rows of a class on each side, alone among its family
SKIPPED = ("colour of", "colour on")  # two values, and the third is told by another variable


def offered(bed: AnyTestbed) -> bool:
    """Whether it can be asked: where a variable has values, or a parent children."""
    return bool(bed.features.variables) or any(feature.parents for feature in bed.features)


def posed(about: Subject) -> PreparedTPP:
    """Families of the testbed with rows and probes; made once a testbed."""
    return about.kept(("tasks", "tpp", about.n_resamples, about.seed), lambda: _posed(about))


def measure(about: Subject) -> dict[str, Score]:
    """`tpp_score`, `tpp_accuracy_score`, `tpp_labels_score` and `tpp_saebench_score` of a dictionary."""
    return _scored(about, "fiducial")


def published(about: Subject) -> dict[str, Score]:
    """The published figures under SAEBench's names."""
    return _scored(about, "saebench")


def _scored(about: Subject, protocol: str) -> dict[str, Score]:
    dictionary = about.candidate.dictionary
    sample = torch.from_numpy(about.codes.take(np.arange(min(256, about.codes.n_rows))).to_dense())
    linear = decodes_linearly(dictionary.decode, sample, dictionary.directions)
    decode = None if linear else decoder_of(dictionary)
    return tpp_from(posed(about), about.codes, about.directions, decode=decode, protocol=protocol)


def _posed(about: Subject) -> PreparedTPP:
    families = families_of(about)
    used = sorted({f for family in families for f in family})
    place = {f: i for i, f in enumerate(used)}
    truth = written(about)
    known = bool(used) and truth.exact and all(f in truth.features for f in used)
    return prepare_tpp(
        about.bed.x.numpy(),
        bits(about, used),
        [[place[f] for f in family] for family in families],
        game_id=about.game_id,
        train=about.train,
        names=[about.features[f].name for f in used],
        true_directions=np.stack([truth.of(f) for f in used]) if known else None,
        n_resamples=about.n_resamples,
        seed=about.seed,
        device=about.bed.device,
    )


def families_of(about: Subject) -> list[tuple[int, ...]]:
    """Families with rows enough in every class; a seeded choice where there are more than `MAX_FAMILIES`."""
    scored = {int(f) for f in scored_features(about, min_positives=FEWEST)}
    groups = [
        [f for f in values if f in scored]
        for name, values in about.features.variables.items()
        if not name.startswith(SKIPPED)
    ]
    groups += _siblings(about, scored)
    draw = np.random.default_rng(about.bed.seed)
    found: list[tuple[int, ...]] = []
    for group in groups:
        mixed = [group[i] for i in draw.permutation(len(group))] if len(group) > MAX_CLASSES else group
        for start in range(0, len(mixed), MAX_CLASSES):
            family = _with_rows(about, mixed[start : start + MAX_CLASSES])
            if len(family) >= 3 and family not in found:
                found.append(family)
    if len(found) <= MAX_FAMILIES:
        return found
    return [found[i] for i in sorted(draw.permutation(len(found))[:MAX_FAMILIES])]


def _siblings(about: Subject, scored: set[int]) -> list[list[int]]:
    """Children of one parent, in sets that have no variables."""
    if about.features.variables:
        return []
    children: dict[str, list[int]] = {}
    for f in sorted(scored):
        for parent in about.features[f].parents:
            children.setdefault(parent, []).append(f)
    return list(children.values())


def _with_rows(about: Subject, family: Sequence[int]) -> tuple[int, ...]:
    """The classes that hold often enough alone; what is left out frees rows of the others."""
    kept = list(family)
    while len(kept) > 1:
        held = bits(about, kept)
        alone = held & (held.sum(1, keepdims=True) == 1)
        fewest = np.minimum(alone[about.train].sum(0), alone[~about.train].sum(0))
        if fewest.min() >= FEWEST:
            break
        kept.pop(int(fewest.argmin()))
    return tuple(kept)
