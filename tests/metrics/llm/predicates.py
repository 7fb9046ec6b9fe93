"""Random predicates for hypothesis."""

from fiducial.metrics.llm.predicate import And, AtLeast, Atom, Compare, Not, Or
from hypothesis import strategies as st


def trees(names, counters=("ply",), max_leaves=8):
    """Predicates over some names and counters."""
    atoms = st.integers(0, len(names) - 1).map(lambda i: Atom(names[i]))
    counted = st.tuples(st.integers(0, len(counters) - 1), st.booleans(), st.integers(-3, 60))
    compared = counted.map(lambda some: Compare(counters[some[0]], ">=" if some[1] else "<=", some[2]))

    def grown(inner):
        some = st.lists(inner, min_size=2, max_size=4).map(tuple)
        at_least = some.flatmap(lambda parts: st.integers(1, len(parts)).map(lambda k: AtLeast(k, parts)))
        return st.one_of(inner.map(Not), some.map(And), some.map(Or), at_least)

    return st.recursive(st.one_of(atoms, compared), grown, max_leaves=max_leaves)
