"""Spurious correlation removal on testbeds: which two concepts are made to go together.

Games: states of two squares (and, of chess, castling and queens). Prompts: whether a name is in one half of the
alphabet, the order of the names, the template. Worlds: features of different trees. A concept may join several
features: it holds where one of them does. Pairs are nearly independent where rows are drawn, common enough that all
four combinations occur, and never values of one variable or parent and child.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics.ablated_probes import decodes_linearly
from ..metrics.score import Score
from ..metrics.scr import PreparedSCR, prepare_scr, scr_from
from ..metrics.scr_measure import Judge
from ..models.devices import decoder_of
from ..subject import Subject
from ..synthetic_testbed import SyntheticTestbed
from ..testbed_catalogue import AnyTestbed
from .truth import bits, scored_features, written

MAX_PAIRS = 12
MAX_CONCEPTS = 40  # among which pairs are looked for
FEWEST = 60  # rows of the rarest combination on each side
CORRELATION = 0.3  # of two concepts of a pair, at most
PREFERRED = (  # by name, where a testbed has them and they hold often enough
    ("white castling right", "black castling right"),
    ("white has a queen", "black has a queen"),
    ("white piece on d4", "black piece on c6"),
    ("mine on c3", "mine on f6"),
    ("mine on b2", "mine on e5"),
    ("yours on d3", "mine on f6"),
)
GROUPS = ("board", "colour", "empty", "occupied", "castling", "queens", "root", "depth 1", "alone")


@dataclass(frozen=True)
class Concept:
    """What a pair is made of.

    Attributes:
        name: readable.
        features: it holds where one of them does.
    """

    name: str
    features: tuple[int, ...]


@dataclass(frozen=True)
class Posed:
    """The task on one testbed.

    Attributes:
        concepts: that take part in a pair.
        prepared: pairs with their rows and probes.
    """

    concepts: tuple[Concept, ...]
    prepared: PreparedSCR


def offered(bed: AnyTestbed) -> bool:
    """Whether it can be asked: on every testbed."""
    del bed
    return True


def posed(about: Subject) -> Posed:
    """Pairs of the testbed with rows and probes; made once a testbed."""
    return about.kept(("tasks", "scr", about.n_resamples, about.seed), lambda: _posed(about))


def measure(about: Subject, judge: Judge | None = None) -> dict[str, Score]:
    """`scr_score`, `scr_labels_score` and `scr_saebench_score` of a dictionary.

    Args:
        about: the dictionary with the truth around it.
        judge: says which latents may be taken out for a concept, by its place in `posed(about).concepts`.
    """
    return _scored(about, "fiducial", judge)


def published(about: Subject) -> dict[str, Score]:
    """The published figures under SAEBench's names."""
    return _scored(about, "saebench", None)


def _scored(about: Subject, protocol: str, judge: Judge | None) -> dict[str, Score]:
    dictionary = about.candidate.dictionary
    sample = torch.from_numpy(about.codes.take(np.arange(min(256, about.codes.n_rows))).to_dense())
    linear = decodes_linearly(dictionary.decode, sample, dictionary.directions)
    return scr_from(
        posed(about).prepared,
        about.codes,
        about.directions,
        judge=judge,
        decode=None if linear else decoder_of(dictionary),
        protocol=protocol,
    )


def _posed(about: Subject) -> Posed:
    concepts = concepts_of(about)
    held = np.array([bits(about, one.features).any(1) for one in concepts], np.bool_).reshape(-1, len(about.train)).T
    pairs = pairs_of(about, concepts, held)
    used = sorted({c for pair in pairs for c in pair})
    place = {c: i for i, c in enumerate(used)}
    chosen = tuple(concepts[c] for c in used)
    truth = written(about)
    parts = [[truth.of(f) for f in one.features if f in truth.features] for one in chosen]
    known = len(parts) > 0 and all(parts)  # a name too rare to be scored has no direction
    return Posed(
        chosen,
        prepare_scr(
            about.bed.x.numpy(),
            held[:, used],
            [(place[a], place[b]) for a, b in pairs],
            game_id=about.game_id,
            train=about.train,
            names=[one.name for one in chosen],
            true_directions=np.stack([np.mean(one, axis=0) for one in parts]) if known else None,
            n_resamples=about.n_resamples,
            seed=about.seed,
            device=about.bed.device,
        ),
    )


def concepts_of(about: Subject) -> list[Concept]:
    """Concepts that may take part: single features, or halves of the values of a variable with many."""
    features = about.features
    if isinstance(about.bed, SyntheticTestbed) or not about.bed.spec.position:
        return _frequent(about)
    found: list[Concept] = []
    for variable, values in features.variables.items():
        known = [f for f in values if features[f].reachable]
        if variable not in ("IO", "S", "Pos", "template", "first name", "place"):
            continue
        half = known[: len(known) // 2] if len(known) > 3 else known[:1]
        name = f"{variable} in the first half" if len(half) > 1 else features[half[0]].name
        found.append(Concept(name, tuple(half)))
    return found


def _frequent(about: Subject) -> list[Concept]:
    """Features named in `PREFERRED`, and a seeded choice of other common ones."""
    scored = scored_features(about, min_positives=FEWEST)
    rate = bits(about, scored).mean(0)
    common = [int(f) for f, share in zip(scored, rate, strict=True) if 0.05 <= share <= 0.95]
    preferred = [f for f in common if any(about.features[f].name in pair for pair in PREFERRED)]
    asked = {about.features[f].group for f in common}
    asked = asked & set(GROUPS) or asked  # worlds without trees have groups of their own
    others = [f for f in common if f not in preferred and about.features[f].group in asked]
    if isinstance(about.bed, SyntheticTestbed):  # few are common there: take the commonest
        others = sorted(others, key=lambda f: -float(rate[np.searchsorted(scored, f)]))
    else:
        others = [others[i] for i in np.random.default_rng(about.bed.seed).permutation(len(others))]
    return [Concept(about.features[f].name, (f,)) for f in (preferred + others)[:MAX_CONCEPTS]]


def pairs_of(about: Subject, concepts: Sequence[Concept], held: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Nearly independent pairs, preferred ones first, then those whose rarest combination is commonest."""
    train = about.train
    found: list[tuple[int, tuple[int, int]]] = []
    names = [one.name for one in concepts]
    for a, b in combinations(range(len(concepts)), 2):
        if _related(about, concepts[a], concepts[b]):
            continue
        cell = 2 * held[:, a] + held[:, b]
        rarest = min(int(np.bincount(cell[side], minlength=4).min()) for side in (train, ~train))
        correlated = float(np.corrcoef(held[train, a], held[train, b])[0, 1]) if rarest else 1.0
        if rarest >= FEWEST and abs(correlated) <= CORRELATION:
            first = any({names[a], names[b]} == set(pair) for pair in PREFERRED)
            found.append((rarest + (about.bed.n_games * 10_000 if first else 0), (a, b)))
    ordered = [pair for _, pair in sorted(found, key=lambda one: (-one[0], one[1]))]
    taken: list[tuple[int, int]] = []
    for most in (2, 3, len(concepts)):  # so that no concept is in every pair
        for pair in ordered:
            uses = [sum(c in one for one in taken) for c in pair]
            if len(taken) < MAX_PAIRS and pair not in taken and max(uses) < most:
                taken.append(pair)
    return taken


def _related(about: Subject, one: Concept, other: Concept) -> bool:
    """Whether they are values of one variable, parent and child, or of one tree."""
    first, second = ({_root(about, f) for f in c.features} | set(c.features) for c in (one, other))
    variables = [{about.features[f].variable for f in c.features} - {None} for c in (one, other)]
    return bool(first & second) or bool(variables[0] & variables[1])


def _root(about: Subject, feature: int) -> int:
    names = set(about.features.names) if about.features[feature].parents else set[str]()
    while parents := [name for name in about.features[feature].parents if name in names]:
        feature = about.features.index(parents[0])
    return feature
