"""The deterministic explainer: the predicate that fits best what a latent does.

Question      Which short predicate says where the latent fires? No language model is asked.
Equation      shown   (TPR + TNR) / 2 - penalty x literals, over the positions that were shown
              all     2 TP / (fires + holds) - penalty x literals, over every choosing position, at natural prevalence
Conventions   First every literal, then and/or of two out of the union of the 40 best and the 40 that hold most often
              where the latent fires, then the best of these with one more literal, and so on. Equal values: canonical
              order. `shown` is what an explainer of the published procedures could know; `all` is close to the best
              label that this language can give, which is a ceiling, not a procedure. It is greedy beyond two literals.
References    Paulo et al., Automatically Interpreting Millions of Features in Large Language Models, 2024
              (arXiv:2410.13928): examples in, explanation out.
Differences   Published explainers see examples that the scorers see again; here only positions of choosing games are
              looked at. Contrast examples are checked to be silent wherever the latents are given. A latent without
              examples gets no explanation, not a placeholder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .facts import Facts
from .nouns import Explanation, Latent, Shown
from .predicate import And, Not, Or, Predicate, canonical, literals, n_literals, negated, order
from .predicate_bits import AtomBits, atom_bits, pack, popcount
from .predicate_text import to_text
from .seeds import generator_of

Objective: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64], int, int], NDArray[np.float64]]
_EQUAL = 1e-12


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Attributes:
        predicate: canonical.
        value: of the objective, without the penalty.
        tp: rows at which it holds and the latent fires.
        on: rows at which it holds.
    """

    predicate: Predicate
    value: float
    tp: int
    on: int


@dataclass(frozen=True)
class PredicateExplainer:
    """Explains latents by search; meets `Explainer`.

    Attributes:
        facts: what is true at every position.
        latents: where they fire; needed for `all`, and for checked contrast positions of `shown`.
        rows: `shown` looks at the shown positions only, `all` at every choosing position.
        max_literals: of a predicate.
        penalty: for every literal.
        names: of the facts that may be used; all by default.
        n_thresholds: numbers that each counter may be compared with.
        n_background: contrast positions drawn for `shown`, if none were shown.
        pool: how many best literals are paired; as many frequent ones join them.
        beam: how many predicates are extended by a further literal.
        seed: of the contrast positions.
    """

    facts: Facts
    latents: Mapping[int, Latent] | None = None
    rows: Literal["shown", "all"] = "shown"
    max_literals: int = 3
    penalty: float = 0.005
    names: tuple[str, ...] | None = None
    n_thresholds: int = 9
    n_background: int = 50
    pool: int = 40
    beam: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rows not in ("shown", "all"):
            raise ValueError(f"rows must be shown or all, got {self.rows!r}")
        if self.rows == "all" and self.latents is None:
            raise ValueError("rows='all' needs the latents: PredicateExplainer(facts, latents, rows='all')")
        if self.max_literals < 1 or self.penalty < 0:
            raise ValueError(f"expected max_literals >= 1 and penalty >= 0, got {self.max_literals}, {self.penalty}")

    @property
    def name(self) -> str:
        """Which of the two."""
        return f"predicate ({self.rows})"

    @cached_property
    def _everywhere(self) -> AtomBits:
        """Facts on the choosing rows; those that never change there say nothing."""
        found = atom_bits(self.facts, self.facts.rows_of(True), self.names, n_thresholds=self.n_thresholds)
        keep = np.flatnonzero((found.on > 0) & (found.on < found.n_rows))
        return AtomBits(tuple(found.predicates[i] for i in keep), found.words[keep], found.n_rows)

    def explain(self, shown: Sequence[Shown]) -> list[Explanation]:
        """One explanation for each, in order; a failed one says why.

        Raises:
            KeyError: a latent that was not given, with `all`.
        """
        return [self._explain(one) for one in shown]

    def _explain(self, shown: Shown) -> Explanation:
        latent = None if self.latents is None else self.latents.get(shown.latent)
        if self.rows == "all":
            if latent is None:
                raise KeyError(f"latent {shown.latent} is not among the {len(self.latents or ())} that were given")
            fires = latent.active()[self.facts.rows_of(True)]
            bits, objective = self._everywhere, f1_of
        else:
            rows, fires = self._shown_rows(shown, latent)
            bits = atom_bits(self.facts, rows, self.names, n_thresholds=self.n_thresholds)
            objective = balanced_accuracy_of
        if not fires.any():
            failure = "never fires on the choosing games" if self.rows == "all" else "no example at which it fires"
            return Explanation(shown.latent, "", None, "predicate", failure)
        if fires.all():
            return Explanation(shown.latent, "", None, "predicate", "no position at which it is silent")
        found = search(
            bits,
            fires,
            objective=objective,
            penalty=self.penalty,
            max_literals=self.max_literals,
            pool=self.pool,
            beam=self.beam,
        )
        meta = {
            "rows": self.rows,
            "objective": "F1" if self.rows == "all" else "balanced accuracy",
            "value": found.value,
            "n_positive": int(fires.sum()),
            "n_negative": int((~fires).sum()),
            "contrast": "every silent position" if self.rows == "all" else self._contrast(shown, latent),
        }
        return Explanation(shown.latent, to_text(found.predicate), found.predicate, "predicate", "", meta)

    def _contrast(self, shown: Shown, latent: Latent | None) -> str:
        if shown.negatives:
            return "shown"
        return "random, checked" if latent is not None else "random, not checked"

    def _shown_rows(self, shown: Shown, latent: Latent | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows that were shown, int64 [R] rising, and whether the latent fires there, bool [R]."""
        fires: dict[int, bool] = {}
        for example in (*shown.positives, *shown.negatives):
            fires |= {row: value > 0 for row, value in zip(example.rows, example.values, strict=True)}
        if not shown.negatives:
            silent = self.facts.train.copy()
            silent[list(fires)] = False
            if latent is not None:
                silent[latent.rows] = False
            candidates = np.flatnonzero(silent)
            generator = generator_of(self.seed, shown.latent, "contrast positions")
            n = min(self.n_background, len(candidates))
            fires |= dict.fromkeys(generator.choice(candidates, n, replace=False).tolist(), False)
        rows = np.array(sorted(fires), np.int64)
        return rows, np.array([fires[row] for row in rows.tolist()], np.bool_)


def balanced_accuracy_of(
    tp: NDArray[np.int64], on: NDArray[np.int64], n_fires: int, n_rows: int
) -> NDArray[np.float64]:
    """(TPR + TNR) / 2 of predictions."""
    return 0.5 * (tp / n_fires + 1 - (on - tp) / (n_rows - n_fires))


def f1_of(tp: NDArray[np.int64], on: NDArray[np.int64], n_fires: int, n_rows: int) -> NDArray[np.float64]:
    """2 TP / (fires + holds)."""
    return 2 * tp / (on + n_fires)


@dataclass(frozen=True, eq=False)
class _Kept:
    """A predicate that may be extended."""

    predicate: Predicate
    words: NDArray[np.uint64]
    tp: int
    on: int
    value: float


def search(
    bits: AtomBits,
    fires: NDArray[np.bool_],
    *,
    objective: Objective = f1_of,
    penalty: float = 0.005,
    max_literals: int = 3,
    pool: int = 40,
    beam: int = 16,
) -> Found:
    """The best predicate for a latent.

    Args:
        bits: where facts hold on R rows.
        fires: bool [R], at least one of each.
        objective: `f1_of` or `balanced_accuracy_of`.
        penalty: for every literal.
        max_literals: at least 1.
        pool: how many best literals are paired; as many frequent ones join them.
        beam: how many predicates are extended by a further literal.
    """
    latent, n_fires, n = pack(fires), int(fires.sum()), bits.n_rows
    firing = np.flatnonzero(latent)  # words in which it fires at all
    tp_atom = popcount(bits.words[:, firing] & latent[firing])
    tp = np.concatenate([tp_atom, n_fires - tp_atom])
    on = np.concatenate([bits.on, n - bits.on])
    values = objective(tp, on, n_fires, n)
    accuracy = balanced_accuracy_of(tp, on, n_fires, n)

    def literal(i: int) -> Predicate:
        a = len(bits.predicates)
        return bits.predicates[i] if i < a else negated(bits.predicates[i - a])

    def words_of(i: NDArray[np.int64]) -> NDArray[np.uint64]:
        a = len(bits.predicates)
        flip = np.where(i >= a, bits.valid[:, None], np.uint64(0)).T
        return bits.words[i % a] ^ flip

    best = [
        _Kept(literal(int(i)), words_of(np.array([i]))[0], int(tp[i]), int(on[i]), float(values[i]))
        for i in _tied_or_first(values, beam)
    ]
    kept = {1: best}
    chosen = _pool(values, accuracy, tp, pool)
    words = words_of(chosen)
    predicates = [literal(int(i)) for i in chosen]
    singles = [_Kept(p, w, int(tp[i]), int(on[i]), 0.0) for p, w, i in zip(predicates, words, chosen, strict=True)]
    for size in range(2, max_literals + 1):
        base = singles if size == 2 else kept[size - 1]
        kept[size] = _extended(
            base, predicates, words, tp[chosen], on[chosen], latent, firing, n_fires, n, objective, beam, size == 2
        )
    everything = [one for group in kept.values() for one in group]
    paid = np.array([one.value - penalty * n_literals(one.predicate) for one in everything])
    tied = [everything[i] for i in np.flatnonzero(paid >= paid.max() - _EQUAL)]
    first = min(tied, key=lambda one: order(one.predicate))
    return Found(first.predicate, first.value, first.tp, first.on)


def _pool(
    values: NDArray[np.float64], accuracy: NDArray[np.float64], tp: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Literals to be paired: the best by value, by balanced accuracy, and by rate where the latent fires."""
    by_value = np.argsort(-values, kind="stable")[:size]
    by_accuracy = np.argsort(-accuracy, kind="stable")[:size]
    by_rate = np.lexsort((-accuracy, -tp))[:size]
    return np.unique(np.concatenate([by_value, by_accuracy, by_rate]))


def _tied_or_first(values: NDArray[np.float64], beam: int) -> NDArray[np.int64]:
    """The places of the best values: the first `beam` in order, and all that equal the very best."""
    ranked = np.argsort(-values, kind="stable")
    n_tied = int(np.searchsorted(-values[ranked], -(values[ranked[0]] - _EQUAL), "right"))
    return ranked[: max(beam, n_tied)]


def _extended(
    base: Sequence[_Kept],
    predicates: Sequence[Predicate],
    words: NDArray[np.uint64],
    tp: NDArray[np.int64],
    on: NDArray[np.int64],
    latent: NDArray[np.uint64],
    firing: NDArray[np.int64],
    n_fires: int,
    n: int,
    objective: Objective,
    beam: int,
    pairs: bool,
) -> list[_Kept]:
    """The best of every base joined with every literal by and / by or."""
    m = len(predicates)
    both_tp, both_on = np.zeros((len(base), m), np.int64), np.zeros((len(base), m), np.int64)
    for i, one in enumerate(base):
        later = i + 1 if pairs else 0  # a pair is looked at once
        both_on[i, later:] = popcount(words[later:] & one.words)
        both_tp[i, later:] = popcount(words[later:, firing] & (one.words & latent)[firing])
    base_tp = np.array([one.tp for one in base])[:, None]
    base_on = np.array([one.on for one in base])[:, None]
    values = np.stack(
        [
            objective(both_tp, both_on, n_fires, n),
            objective(base_tp + tp - both_tp, base_on + on - both_on, n_fires, n),
        ]
    )
    bare = [{_bare(leaf) for leaf in literals(one.predicate)} for one in base]
    for i in range(len(base)):
        used = np.array([j <= i if pairs else False for j in range(m)]) | np.array(
            [_bare(predicate) in bare[i] for predicate in predicates]
        )
        values[:, i, used] = -np.inf
    flat = values.reshape(-1)
    found: dict[Predicate, _Kept] = {}
    for place in _tied_or_first(flat, beam):
        if not np.isfinite(flat[place]):
            continue
        kind, i, j = np.unravel_index(int(place), values.shape)
        one = base[i]
        predicate = canonical((Or if kind else And)((one.predicate, predicates[j])))
        joined = one.words | words[j] if kind else one.words & words[j]
        held = base_tp[i, 0] + tp[j] - both_tp[i, j] if kind else both_tp[i, j]
        total = base_on[i, 0] + on[j] - both_on[i, j] if kind else both_on[i, j]
        found.setdefault(predicate, _Kept(predicate, joined, int(held), int(total), float(flat[place])))
    return list(found.values())


def _bare(p: Predicate) -> Predicate:
    """The literal without its sign."""
    if isinstance(p, Not):
        return p.part
    flipped = negated(p)
    return p if isinstance(flipped, Not) or order(p) >= order(flipped) else flipped
