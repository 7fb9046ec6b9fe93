"""The search of the deterministic explainer: literals, pairs of literals, longer predicates by a beam."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .predicate import And, Or, Predicate, canonical, n_literals, negated, order
from .predicate_bits import AtomBits, count_both, pack, popcount

Ints: TypeAlias = NDArray[np.int64]
Objective: TypeAlias = Callable[[Ints, Ints, int, int], NDArray[np.float64]]
_EQUAL = 1e-12
_SPLIT, _SPLIT_POOL = 3, 20  # literals that are set apart, and others paired beside each


def balanced_accuracy_of(tp: Ints, on: Ints, n_fires: int, n_rows: int) -> NDArray[np.float64]:
    """(TPR + TNR) / 2 of predictions."""
    return 0.5 * (tp / n_fires + 1 - (on - tp) / (n_rows - n_fires))


def f1_of(tp: Ints, on: Ints, n_fires: int, n_rows: int) -> NDArray[np.float64]:
    """2 TP / (fires + holds)."""
    return 2 * tp / (on + n_fires)


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


@dataclass(frozen=True, eq=False)
class _Kept:
    """A predicate that may be extended, with the numbers of its atoms."""

    predicate: Predicate
    words: NDArray[np.uint64]
    tp: int
    on: int
    value: float
    atoms: frozenset[int]


def search(
    bits: AtomBits,
    fires: NDArray[np.bool_],
    *,
    objective: Objective = f1_of,
    penalty: float = 0.005,
    max_literals: int = 3,
    pool: int = 40,
    beam: int = 16,
    wide: bool = False,
) -> Found:
    """The best predicate for a latent.

    Args:
        bits: where facts hold on R rows.
        fires: bool [R], at least one of each.
        objective: `f1_of` or `balanced_accuracy_of`; at most 1.
        penalty: for every literal.
        max_literals: at least 1.
        pool: how many best literals are paired; as many frequent ones join them.
        beam: how many predicates of each length are extended by a further literal.
        wide: whether these are joined with every literal, or only with the pool.

    Raises:
        ValueError: another number of rows, or a latent that always or never fires.
    """
    if fires.shape != (bits.n_rows,) or fires.all() or not fires.any():
        raise ValueError(f"fires must be [{bits.n_rows}] with both values, got {list(fires.shape)}, {int(fires.sum())}")
    fit = _Fit(bits.predicates, bits.words, bits.valid, pack(fires), objective, beam)
    best = fit.literals(fit.ranked(fit.values))
    chosen = fit.pool(pool)
    paired = np.unique(chosen % fit.n_atoms)
    everything, size = list(best), 1
    while size < max_literals and _most(everything, penalty) < 1 - penalty * (size + 1) - _EQUAL:
        size += 1
        longer = fit.extended(fit.literals(chosen), paired) if size == 2 else []
        if wide or size > 2:
            longer += fit.extended(best[:beam], np.arange(fit.n_atoms) if wide else paired)
        distinct = {one.predicate: one for one in longer}.values()
        best = sorted(distinct, key=lambda one: (-one.value, order(one.predicate)))
        if wide and size == 3 and _most(best, penalty) < 1 - penalty * size - _EQUAL:
            best += [joined for one in fit.literals(fit.ranked(fit.values)[:_SPLIT]) for joined in fit.split(one)]
        everything += best
    most = _most(everything, penalty)
    tied = [one for one in everything if one.value - penalty * n_literals(one.predicate) >= most - _EQUAL]
    first = min(tied, key=lambda one: order(one.predicate))
    return Found(first.predicate, first.value, first.tp, first.on)


def _most(found: Sequence[_Kept], penalty: float) -> float:
    return max((one.value - penalty * n_literals(one.predicate) for one in found), default=-np.inf)


class _Fit:
    """One latent against all atoms. Literal i < A is atom i, literal A + i its negation."""

    def __init__(
        self,
        predicates: tuple[Predicate, ...],
        atoms: NDArray[np.uint64],
        valid: NDArray[np.uint64],
        fires: NDArray[np.uint64],
        objective: Objective,
        beam: int,
    ) -> None:
        self.predicates, self.atoms, self.valid, self.fires = predicates, atoms, valid, fires
        self.objective, self.beam, self.n_atoms = objective, beam, len(predicates)
        self.n_rows, self.n_fires = int(popcount(valid)), int(popcount(fires))
        self.firing = np.flatnonzero(fires)  # in all other words it is silent
        self.latent = fires[self.firing]
        self.fired = atoms[:, self.firing]
        tp, on = count_both(self.latent[None], self.fired)[0], count_both(valid[None], atoms)[0]
        self.tp = np.concatenate([tp, self.n_fires - tp])
        self.on = np.concatenate([on, self.n_rows - on])
        self.values = objective(self.tp, self.on, self.n_fires, self.n_rows)
        self.accuracy = balanced_accuracy_of(self.tp, self.on, self.n_fires, self.n_rows)

    def pool(self, size: int) -> Ints:
        """Literals to be paired: the best by value, by balanced accuracy, and by rate where the latent fires."""
        by_value = np.argsort(-self.values, kind="stable")[:size]
        by_accuracy = np.argsort(-self.accuracy, kind="stable")[:size]
        by_rate = np.lexsort((-self.accuracy, -self.tp))[:size]
        return np.unique(np.concatenate([by_value, by_accuracy, by_rate]))

    def ranked(self, values: NDArray[np.float64]) -> Ints:
        """Places of the best values: the first few in order, and all that equal the very best."""
        best = values.max()
        least = np.partition(values, -self.beam)[-self.beam] if len(values) > self.beam else -np.inf
        close = np.flatnonzero(values >= min(least, best - _EQUAL))
        first = close[np.argsort(-values[close], kind="stable")]
        return first[: max(self.beam, int((values >= best - _EQUAL).sum()))]

    def literal(self, i: int) -> Predicate:
        atom = self.predicates[i % self.n_atoms]
        return atom if i < self.n_atoms else negated(atom)

    def words(self, i: int) -> NDArray[np.uint64]:
        found = self.atoms[i % self.n_atoms]
        return found if i < self.n_atoms else found ^ self.valid

    def literals(self, places: Ints) -> list[_Kept]:
        return [
            _Kept(
                self.literal(i),
                self.words(i),
                int(self.tp[i]),
                int(self.on[i]),
                float(self.values[i]),
                frozenset({i % self.n_atoms}),
            )
            for i in places.tolist()
        ]

    def split(self, one: _Kept) -> list[_Kept]:
        """A literal or two others together, and a literal and one of two others.

        Where a literal holds, the rest of an `or` does not matter, and where it fails, that of an `and`. The two others
        are therefore searched at the other positions alone, where they may stand out although they do not at all.
        """
        found: list[_Kept] = []
        for kind, inner in ((Or, And), (And, Or)):
            mask = self.valid & ~one.words if kind is Or else one.words
            tp, on = (one.tp, one.on) if kind is Or else (0, 0)

            def moved(more_tp: Ints, more_on: Ints, n: int, rows: int, tp: int = tp, on: int = on) -> NDArray[Any]:
                return self.objective(more_tp + tp, more_on + on, self.n_fires, self.n_rows)

            fires = self.fires & mask
            if not fires.any() or np.array_equal(fires, mask):
                continue
            part = _Fit(self.predicates, self.atoms & mask, mask, fires, moved, self.beam)
            chosen = part.pool(_SPLIT_POOL)
            for pair in part.extended(part.literals(chosen), np.unique(chosen % self.n_atoms), one.value):
                if isinstance(pair.predicate, inner):
                    predicate = canonical(kind((one.predicate, pair.predicate)))
                    words = pair.words | one.words if kind is Or else pair.words & one.words
                    numbers = pair.tp + tp, pair.on + on, pair.value
                    found.append(_Kept(predicate, words, *numbers, pair.atoms | one.atoms))
        return found

    def extended(self, base: Sequence[_Kept], among: Ints, above: float = -np.inf) -> list[_Kept]:
        """The best of every base joined by and / by or with some atoms and their negations, if above a value."""
        m, a = len(among), self.n_atoms
        if not m or not base:
            return []
        joined_words = np.stack([one.words for one in base])
        both_on = count_both(joined_words, self.atoms[among])
        both_tp = count_both(joined_words[:, self.firing] & self.latent, self.fired[among])
        base_tp = np.array([one.tp for one in base])[:, None]
        base_on = np.array([one.on for one in base])[:, None]
        literals = np.concatenate([among, among + a])
        and_tp = np.concatenate([both_tp, base_tp - both_tp], axis=1)  # [B, 2 m]
        and_on = np.concatenate([both_on, base_on - both_on], axis=1)
        tp = np.stack([and_tp, base_tp + self.tp[literals] - and_tp])  # [and / or, B, 2 m]
        on = np.stack([and_on, base_on + self.on[literals] - and_on])
        values = self.objective(tp, on, self.n_fires, self.n_rows)
        for i, one in enumerate(base):
            used = np.searchsorted(among, sorted(one.atoms))
            used = used[[place < m and int(among[place]) in one.atoms for place in used.tolist()]]
            values[:, i, used] = values[:, i, used + m] = -np.inf
        flat = values.reshape(-1)
        found: list[_Kept] = []
        flat[flat <= above + _EQUAL] = -np.inf
        if not np.isfinite(flat.max()):
            return []
        places: list[int] = self.ranked(flat).tolist()
        for place in places:
            kind, i, j = place // (len(base) * 2 * m), place // (2 * m) % len(base), place % (2 * m)
            if not np.isfinite(values[kind, i, j]):
                continue
            literal = int(literals[j])
            predicate = canonical((Or if kind else And)((base[i].predicate, self.literal(literal))))
            other = self.words(literal)
            joined = base[i].words | other if kind else base[i].words & other
            numbers = int(tp[kind, i, j]), int(on[kind, i, j]), float(values[kind, i, j])
            found.append(_Kept(predicate, joined, *numbers, base[i].atoms | {literal % a}))
        return found
