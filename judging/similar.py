"""Are SAEs trained independently alike? Latents matched, and what their explanations say beyond chance.

Latents of two dictionaries are matched without looking at labels: by decoder direction where both write to one
stream, by activations anywhere. Then it is asked of the matched pairs whether the explanations are alike (cosine of
embeddings), whether they hold at the same positions (exact overlap), and whether both latents stand for the same true
feature. Each answer has what pairs of other latents give taken off; an untrained dictionary says what is left of it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.embedders import Encoder
from ..metrics.llm.facts import Facts
from ..metrics.llm.latents import latents_of
from ..metrics.llm.nouns import Explanation, Latent
from ..metrics.llm.predicate import Predicate, evaluate
from ..metrics.llm.predicate_text import parse, to_text
from ..metrics.llm.seeds import generator_of
from ..metrics.llm.separation import auroc
from ..metrics.llm.similarity import LabelSimilarity, label_similarity, overlaps, same_concept
from ..metrics.llm.similarity_matching import Matching, activation_correlations, cosines, match
from ..models.dictionary import Codes
from .similar_result import PairCompared, SaesCompared

Explain = Callable[[Mapping[int, Latent]], Mapping[int, Explanation]]
CONCEPT_F1 = 0.5  # what a latent must reach on the reporting games to stand for a feature
DEAD = 10  # positions; a latent that fires in fewer is not matched


@dataclass(frozen=True, eq=False)
class Entrant:
    """A dictionary that takes part in the comparison.

    Attributes:
        name: unique.
        codes: its latents at the positions of the facts.
        directions: float [L, d], what each latent writes; None if no other dictionary writes to the same stream.
        stream: what the directions live in, such as the name of the model: only directions of one stream are compared.
        about: what it is, such as {"arch": "topk", "seed": 0, "layer": 1}; a pair is named after what differs.
    """

    name: str
    codes: Codes
    directions: NDArray[np.float32] | None = None
    stream: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def alive(self) -> NDArray[np.int64]:
        """Latents that fire in at least `DEAD` positions, int64, rising."""
        fires = np.bincount(self.codes.indices[self.codes.values > 0], minlength=self.codes.n_latents)
        return np.flatnonzero(fires >= DEAD)


def compare_saes(
    entrants: Sequence[Entrant],
    facts: Facts,
    *,
    pairs: Iterable[tuple[str, str]] | None = None,
    hows: Sequence[str] = ("decoder", "activation"),
    encoder: Encoder | None = None,
    explain: Explain | None = None,
    n_pairs: int = 128,
    n_resamples: int = 1000,
    keep: Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> SaesCompared:
    """Compare dictionaries pair by pair.

    Args:
        entrants: dictionaries, encoded at the positions of `facts`.
        facts: what is true there.
        pairs: names of the entrants to compare; all pairs by default.
        hows: ways to match latents: `decoder`, where both have directions in one stream, and `activation`.
        encoder: embeds explanations; without one their cosines are left out.
        explain: puts latents into words, from the choosing games; by default the best predicate.
        n_pairs: matched pairs whose labels are compared, drawn at random from all of them.
        n_resamples: bootstrap resamples over pairs.
        keep: folder where explanations are kept, so that an interrupted comparison goes on.
        seed: of draws and resamples.
        say: told of each pair as it is done.

    Raises:
        ValueError: fewer than two entrants, a name twice, or other positions than the facts have.
        KeyError: a pair that names no entrant, or an unknown way to match.
    """
    by_name = {one.name: one for one in entrants}
    if len(entrants) < 2 or len(by_name) != len(entrants):
        raise ValueError(f"at least two dictionaries of different names are compared, got {[e.name for e in entrants]}")
    for one in entrants:
        if one.codes.n_rows != facts.n_rows:
            raise ValueError(f"{one.name} is encoded at {one.codes.n_rows} positions, the facts hold {facts.n_rows}")
    wanted = list(combinations(by_name, 2)) if pairs is None else list(pairs)
    if unknown := [name for pair in wanted for name in pair if name not in by_name]:
        raise KeyError(f"no dictionary named {unknown[0]!r}; there are {', '.join(by_name)}")
    if wrong := [how for how in hows if how not in ("decoder", "activation")]:
        raise KeyError(f"latents are matched by decoder or activation, got {wrong[0]!r}")
    labels = {one.name: _Labels(one, facts, explain or best_predicates(facts), encoder, keep) for one in entrants}
    found: list[PairCompared] = []
    for first, second in wanted:
        a, b = by_name[first], by_name[second]
        for how in hows:
            matching = _matching(a, b, how)
            if matching is None:
                continue
            made = _compared(labels[first], labels[second], matching, how, n_pairs, n_resamples, seed)
            found.append(made)
            say(made.line())
    about = {
        "dictionaries": {one.name: {**one.about, "latents": one.codes.n_latents} for one in entrants},
        "positions": int((~facts.train).sum()),
        "n_pairs": n_pairs,
        "seed": seed,
        "encoder": "" if encoder is None else str(getattr(encoder, "name", type(encoder).__name__)),
    }
    return SaesCompared(tuple(found), about)


def best_predicates(facts: Facts) -> Explain:
    """Explains latents by the predicate with the best F1 on the choosing games."""

    def explain(latents: Mapping[int, Latent]) -> dict[int, Explanation]:
        from ..metrics.llm.nouns import Shown
        from ..metrics.llm.predicate_search import PredicateExplainer

        shown = [Shown(number, float(one.values.max(initial=0.0)), ()) for number, one in latents.items()]
        made = PredicateExplainer(facts, latents, rows="all").explain(shown)
        return {one.latent: one for one in made}

    return explain


def concepts(codes: Codes, facts: Facts, *, least: float = CONCEPT_F1) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The feature that each latent stands for.

    Args:
        codes: latents; one fires where it is > 0.
        facts: features. The best by F1 is chosen on the choosing games.
        least: F1 that it must reach on the others.

    Returns:
        Feature of each latent, int64 [L], -1 for none, and its F1 on the reporting games, float64 [L].
    """
    best = _f1(codes, facts, facts.rows_of(True)).argmax(1)
    seen = _f1(codes, facts, facts.rows_of(False))[np.arange(codes.n_latents), best]
    return np.where(seen >= least, best, -1), seen


def _f1(codes: Codes, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of "the latent fires" against every feature, float64 [L, F]."""
    from scipy.sparse import csr_array

    some = codes.take(rows)
    fires = csr_array(
        ((some.values > 0).astype(np.float32), some.indices, some.indptr), shape=(len(rows), codes.n_latents)
    )
    n_facts = len(facts.names)
    both, holds = np.zeros((codes.n_latents, n_facts)), np.zeros(n_facts)
    for start in range(0, len(rows), 1 << 14):
        labels = np.unpackbits(facts.labels[rows[start : start + (1 << 14)]], axis=1, count=n_facts, bitorder="little")
        both += fires[start : start + (1 << 14)].T @ labels.astype(np.float32)
        holds += labels.sum(0)
    either = np.asarray(fires.sum(0)).reshape(-1, 1) + holds[None, :]
    return np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0)


class _Labels:
    """What an entrant's latents are said to fire on: made when asked for, kept in memory and on disk."""

    def __init__(
        self, entrant: Entrant, facts: Facts, explain: Explain, encoder: Encoder | None, keep: Path | None
    ) -> None:
        self.entrant, self.facts, self.explain, self.encoder = entrant, facts, explain, encoder
        self.rows = facts.rows_of(False)
        self.file = None if keep is None else keep / f"labels-{_slug(entrant, facts)}.jsonl"
        self.known: dict[int, tuple[str, Predicate | None]] = self._read()

    @cached_property
    def concepts(self) -> NDArray[np.int64]:
        return concepts(self.entrant.codes, self.facts)[0]

    def of(self, numbers: NDArray[np.int64]) -> tuple[list[str], NDArray[np.bool_], NDArray[np.bool_]]:
        """Texts, truth sets bool [n, rows], and whether there is a label, bool [n]."""
        missing = [int(n) for n in numbers if int(n) not in self.known]
        if missing:
            self._add(self.explain(latents_of(self.entrant.codes, missing)))
        texts = [self.known.get(int(n), ("", None))[0] for n in numbers]
        truths = np.zeros((len(numbers), len(self.rows)), np.bool_)
        for i, number in enumerate(numbers):
            predicate = self.known.get(int(number), ("", None))[1]
            if predicate is not None:
                truths[i] = evaluate(predicate, self.facts, self.rows)
        return texts, truths, np.array([bool(text) for text in texts], np.bool_)

    def _add(self, made: Mapping[int, Explanation]) -> None:
        lines: list[str] = []
        for number, one in made.items():
            self.known[number] = (one.text, one.predicate)
            said = "" if one.predicate is None else to_text(one.predicate)
            # The line break comes first: a record that was cut off then spoils no other.
            lines.append("\n" + json.dumps({"latent": number, "text": one.text, "predicate": said}))
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as file:
                file.writelines(lines)

    def _read(self) -> dict[int, tuple[str, Predicate | None]]:
        found: dict[int, tuple[str, Predicate | None]] = {}
        if self.file is not None and self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                try:
                    one = json.loads(line)
                except json.JSONDecodeError:  # an empty line, or one that was cut off
                    continue
                said = one["predicate"]
                found[one["latent"]] = (
                    one["text"],
                    parse(said, self.facts.names, tuple(self.facts.counters)) if said else None,
                )
        return found


def _slug(entrant: Entrant, facts: Facts) -> str:
    """Names labels by what they are made from: activations, facts and choosing rows."""
    codes, found = entrant.codes, hashlib.sha256()
    for array in (codes.indptr, codes.indices, codes.values, facts.labels, facts.train):
        found.update(np.ascontiguousarray(array).tobytes())
    found.update("\n".join(facts.names).encode())
    return found.hexdigest()[:16]


def _matching(a: Entrant, b: Entrant, how: str) -> Matching | None:
    if how == "activation":
        return match(activation_correlations(a.codes, b.codes), a=a.alive, b=b.alive)
    if a.directions is None or b.directions is None or a.stream != b.stream:
        return None
    return match(cosines(a.directions, b.directions), a=a.alive, b=b.alive)


def _compared(
    a: _Labels, b: _Labels, matching: Matching, how: str, n_pairs: int, n_resamples: int, seed: int
) -> PairCompared:
    drawn = np.arange(len(matching))
    if len(matching) > n_pairs:
        generator = generator_of(seed, a.entrant.name, b.entrant.name, how)
        drawn = np.sort(generator.choice(len(matching), n_pairs, replace=False))
    some = Matching(matching.a[drawn], matching.b[drawn], matching.similarity[drawn], matching.n_a, matching.n_b)
    texts_a, truth_a, labelled_a = a.of(some.a)
    texts_b, truth_b, labelled_b = b.of(some.b)
    n = len(some)
    diagonal = Matching(np.arange(n), np.arange(n), some.similarity, n, n)
    prevalence = truth_b.mean(1) if n else np.zeros(0)

    def alike(table: NDArray[np.float64], within: bool = False) -> LabelSimilarity:
        return label_similarity(
            diagonal,
            table,
            labelled_a=labelled_a,
            labelled_b=labelled_b,
            prevalence=prevalence if within else None,
            n_resamples=n_resamples,
            seed=seed,
        )

    exact = overlaps(truth_a, truth_b)
    same = same_concept(a.concepts[some.a], b.concepts[some.b])
    labels = {"overlap": alike(exact), "overlap within prevalence": alike(exact, True), "same concept": alike(same)}
    told = {"overlap": float("nan"), "cosine": float("nan")}
    both = labelled_a & labelled_b & (a.concepts[some.a] >= 0)  # where the first has a concept, the second may have it
    told["overlap"] = auroc(np.diagonal(exact)[both], np.diagonal(same)[both] > 0)
    if a.encoder is not None and b.encoder is not None and n:
        table = cosines(a.encoder.encode(texts_a), b.encoder.encode(texts_b))
        labels["cosine"] = alike(table)
        labels["cosine within prevalence"] = alike(table, True)
        told["cosine"] = auroc(np.diagonal(table)[both], np.diagonal(same)[both] > 0)
    told["direction"] = auroc(some.similarity[both], np.diagonal(same)[both] > 0)
    differs = sorted(
        k for k in {*a.entrant.about, *b.entrant.about} if a.entrant.about.get(k) != b.entrant.about.get(k)
    )
    return PairCompared(
        a.entrant.name, b.entrant.name, ", ".join(differs), how, len(matching), n, matching.mean, labels, told
    )
