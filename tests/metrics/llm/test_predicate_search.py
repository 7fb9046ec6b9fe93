"""The predicate explainer finds planted truths exactly, agrees with brute force, depends on nothing but its input."""

from itertools import combinations

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Latent, Shown
from fiducial.metrics.llm.predicate import And, Atom, Compare, Not, Or, canonical, evaluate, n_literals, order
from fiducial.metrics.llm.predicate_bits import atom_bits, count_both, pack, popcount
from fiducial.metrics.llm.predicate_fit import balanced_accuracy_of, f1_of, search
from fiducial.metrics.llm.predicate_search import PredicateExplainer
from fiducial.metrics.llm.predicate_text import parse, to_text

from .small_facts import latent_of

RNG = np.random.default_rng(5)
N, F = 2000, 40
BITS = RNG.random((N, F)) < RNG.uniform(0.05, 0.6, F)
BITS[:, 7] = False  # never
BITS[:, 8] = True  # always
BITS[:, 9] = RNG.random(N) < 0.008  # seldom
FACTS = Facts(
    tuple(f"fact {i}" for i in range(F)),
    np.packbits(BITS, axis=1, bitorder="little"),
    np.arange(N) // 20,
    np.arange(N) % 20,
    np.arange(N) // 20 % 2 == 0,
    {"ply": np.arange(N) % 20},
)
TRUTHS = [
    "fact 3",
    "not fact 5",
    "fact 3 and fact 11",
    "fact 3 and not fact 11",
    "fact 20 or fact 21",
    "fact 20 or fact 21 or fact 22",
    "fact 20 or (fact 21 and fact 22)",
    "fact 20 and (fact 21 or not fact 22)",
    "fact 0 and fact 1 and not fact 2",
    "ply >= 10",
]


def planted(text, number=0):
    return latent_of(evaluate(parse(text, FACTS.names), FACTS).astype(np.float32), number)


def shown_of(latent, n=40, n_negative=0, seed=0):
    rng = np.random.default_rng(seed)
    rows = latent.rows[FACTS.train[latent.rows]]
    silent = np.flatnonzero(~latent.active() & FACTS.train)
    taken = [rng.permutation(some)[:k].tolist() for some, k in ((rows, n), (silent, n_negative))]
    return Shown(
        latent.number,
        1.0,
        tuple(Example((row,), (1.0,), True, 0) for row in taken[0]),
        tuple(Example((row,), (0.0,), False) for row in taken[1]),
    )


@pytest.mark.parametrize("text", TRUTHS)
def test_planted_truths_are_found_exactly_on_all_rows(text):
    found = PredicateExplainer(FACTS, {0: planted(text)}, rows="all").explain([Shown(0, 1.0, ())])[0]
    assert found.predicate == canonical(parse(text, FACTS.names))
    assert found.text == to_text(found.predicate)
    assert (found.source, found.failure, found.meta["value"]) == ("predicate", "", 1.0)


@pytest.mark.parametrize("text", TRUTHS[:5])
@pytest.mark.parametrize("n_negative", [0, 200])
def test_short_truths_are_found_from_shown_examples(text, n_negative):
    explainer = PredicateExplainer(FACTS, {0: planted(text)}, n_background=200, max_literals=2)
    found = explainer.explain([shown_of(planted(text), 100, n_negative)])[0]
    assert found.predicate == canonical(parse(text, FACTS.names))
    assert found.meta["contrast"] == ("shown" if n_negative else "random, checked")


@pytest.mark.parametrize("objective", [f1_of, balanced_accuracy_of])
@pytest.mark.parametrize("seed", range(4))
def test_two_literals_are_the_best_there_are(objective, seed):
    """Against every literal and every pair of nine facts, scored one by one."""
    rng = np.random.default_rng(seed)
    names = tuple(f"fact {i}" for i in (0, 1, 2, 3, 10, 11, 20, 21, 22))
    rows = np.arange(0, 700)
    bits = atom_bits(FACTS, rows, names)
    fires = BITS[rows, 0] & BITS[rows, 20] | (rng.random(700) < 0.1)
    found = search(bits, fires, objective=objective, max_literals=2, pool=18)
    literals = [q for name in names for q in (Atom(name), Not(Atom(name)))]
    tried = literals + [kind(pair) for pair in combinations(literals, 2) for kind in (And, Or)]

    def paid(p):
        holds = evaluate(p, FACTS, rows)
        tp, fp = int((holds & fires).sum()), int((holds & ~fires).sum())
        fn = int(fires.sum()) - tp
        if objective is f1_of:
            value = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
        else:
            value = (tp / fires.sum() + 1 - fp / (~fires).sum()) / 2
        return value - 0.005 * n_literals(p)

    best = max(map(paid, tried))
    tied = [canonical(p) for p in tried if paid(p) > best - 1e-12]
    assert found.predicate == min(tied, key=order)
    assert found.value - 0.005 * n_literals(found.predicate) == pytest.approx(best, abs=1e-12)
    holds = evaluate(found.predicate, FACTS, rows)
    assert (found.tp, found.on) == (int((holds & fires).sum()), int(holds.sum()))


def test_a_longer_predicate_has_to_earn_its_length():
    """A second literal that lifts F1 by less than the penalty is not taken."""
    latent = {0: planted("fact 3 and not fact 9")}  # the second makes F1 1, the first alone more than .995
    assert PredicateExplainer(FACTS, latent, rows="all").explain([Shown(0, 1.0, ())])[0].predicate == Atom("fact 3")
    free = PredicateExplainer(FACTS, latent, rows="all", penalty=0.0).explain([Shown(0, 1.0, ())])[0]
    assert free.predicate == And((Atom("fact 3"), Not(Atom("fact 9"))))


def test_only_choosing_games_are_looked_at():
    """Reporting rows follow another fact; the explanation must not know."""
    fires = np.where(FACTS.train, BITS[:, 3], BITS[:, 4])
    latent = latent_of(fires.astype(np.float32))
    for rows in ("all", "shown"):
        explainer = PredicateExplainer(FACTS, {0: latent}, rows=rows, n_background=200)
        assert explainer.explain([shown_of(latent, 100)])[0].predicate == Atom("fact 3")


def test_neither_the_company_nor_the_order_of_latents_matters():
    latents = {i: planted(text, i) for i, text in enumerate(TRUTHS)}
    for rows in ("shown", "all"):
        explainer = PredicateExplainer(FACTS, latents, rows=rows)
        shown = [shown_of(latent) for latent in latents.values()]
        forth = explainer.explain(shown)
        back = explainer.explain(shown[::-1])[::-1]
        alone = [explainer.explain([one])[0] for one in shown]
        assert forth == back == alone


def test_the_order_of_facts_does_not_matter():
    turned = Facts(
        FACTS.names[::-1],
        np.packbits(BITS[:, ::-1], axis=1, bitorder="little"),
        FACTS.game_id,
        FACTS.position,
        FACTS.train,
        FACTS.counters,
    )
    rng = np.random.default_rng(0)
    latent = latent_of(np.where(BITS[:, 3] | (rng.random(N) < 0.3), 1.0, 0.0))
    said = [PredicateExplainer(f, {0: latent}, rows="all").explain([Shown(0, 1.0, ())])[0] for f in (FACTS, turned)]
    assert said[0] == said[1]


def test_windows_count_by_the_position():
    """Of a window with a firing and a silent position each is a position of its own kind."""
    latent = planted("fact 3")
    dense = latent.dense()
    starts = [row for row in range(0, N, 2) if FACTS.train[row] and dense[row : row + 2].any()][:60]
    shown = Shown(0, 1.0, tuple(Example((s, s + 1), tuple(dense[s : s + 2].tolist()), True, 0) for s in starts))
    found = PredicateExplainer(FACTS, {0: latent}, n_background=100).explain([shown])[0]
    assert found.predicate == Atom("fact 3")


def test_names_restrict_and_counters_can_be_left_out():
    latents = {0: planted("fact 3"), 1: planted("ply >= 10", 1)}
    shown = [Shown(0, 1.0, ()), Shown(1, 1.0, ())]
    named = PredicateExplainer(FACTS, latents, rows="all", names=("fact 1", "fact 2"), n_thresholds=0)
    for one in named.explain(shown):
        assert one.predicate is not None
        assert set(to_text(one.predicate).replace("not ", "").replace("(", "").replace(")", "").split(" and ")) <= {
            "fact 1",
            "fact 2",
            "fact 1 or fact 2",
        }
    assert PredicateExplainer(FACTS, latents, rows="all").explain(shown)[1].predicate == Compare("ply", ">=", 10)
    with pytest.raises(KeyError, match=r"no facts named \['fact 99'\] among 40"):
        PredicateExplainer(FACTS, latents, rows="all", names=("fact 99",)).explain(shown)


def test_what_cannot_be_explained_fails_with_a_reason():
    dead = Latent(0, np.zeros(0, np.int64), np.zeros(0, np.float32), N)
    always = latent_of(np.ones(N))
    explainer = PredicateExplainer(FACTS, {0: dead, 1: always}, rows="all")
    said = explainer.explain([Shown(0, 0.0, ()), Shown(1, 1.0, ())])
    assert [one.failure for one in said] == [
        "never fires on the choosing games",
        "no position at which it is silent",
    ]
    assert [(one.text, one.predicate) for one in said] == [("", None)] * 2
    assert PredicateExplainer(FACTS).explain([Shown(0, 0.0, ())])[0].failure == "no example at which it fires"
    with pytest.raises(KeyError, match="latent 5 is not among the 2"):
        explainer.explain([Shown(5, 1.0, ())])
    with pytest.raises(ValueError, match="rows='all' needs the latents"):
        PredicateExplainer(FACTS, rows="all")
    with pytest.raises(ValueError, match="rows must be shown or all, got 'some'"):
        PredicateExplainer(FACTS, rows="some")


def test_bits_are_those_of_the_facts():
    rows = RNG.permutation(N)[:333]
    bits = atom_bits(FACTS, rows, n_thresholds=4)
    assert bits.predicates == tuple(sorted(bits.predicates, key=order))
    assert len(bits.predicates) == F + 4
    for i, p in enumerate(bits.predicates):
        assert np.array_equal(bits.words[i], pack(evaluate(p, FACTS, rows)))
        assert bits.on[i] == evaluate(p, FACTS, rows).sum()
    both = count_both(bits.words[:5], bits.words)
    assert np.array_equal(both, [popcount(bits.words & bits.words[i]) for i in range(5)])


def test_a_search_without_negations_would_be_noticed():
    """Mutation: the planted `not` cannot be said by facts alone."""
    latent = planted("fact 3 and not fact 11")
    rows = FACTS.rows_of(True)
    bits = atom_bits(FACTS, rows)
    whole = search(bits, latent.active()[rows], max_literals=2)
    held = [evaluate(And((Atom(a), Atom(b))), FACTS, rows) for a, b in combinations(FACTS.names, 2)]
    fires = latent.active()[rows]
    best_without = max(2 * (h & fires).sum() / (h.sum() + fires.sum()) for h in held)
    assert whole.value == 1
    assert best_without < 0.9
