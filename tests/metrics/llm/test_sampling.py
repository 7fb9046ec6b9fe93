"""Samples of a latent: disjoint by game, equal tenths, whatever there is, and the same whatever else is sampled."""

from collections import Counter

import numpy as np
import pytest
from fiducial.metrics.llm.nouns import NEGATIVES, SAMPLINGS
from fiducial.metrics.llm.predicate import And, Atom
from fiducial.metrics.llm.sampling import Sampler, shortage
from hypothesis import given
from hypothesis import strategies as st

from .small_facts import facts_of, latent_of, random_facts, random_latent

FACTS = random_facts()
LATENT = random_latent(FACTS)
NEIGHBOURS = [random_latent(FACTS, number, rate=0.5) for number in (1, 2, 3)]
PREDICATE = And((Atom("fact 0"), Atom("fact 1")))
HARD = {"neighbours": NEIGHBOURS, "predicate": PREDICATE}


def rows_of(examples):
    return [row for example in examples for row in example.rows]


@pytest.mark.parametrize("negatives", NEGATIVES)
@pytest.mark.parametrize(("window", "layout"), [(1, "grid"), (4, "grid"), (4, "ending"), (3, "centre")])
def test_explainer_and_judge_never_see_the_same_game_and_no_row_comes_twice(negatives, window, layout):
    latent = random_latent(FACTS, rate=0.1)
    for sampling in SAMPLINGS:
        sampler = Sampler(FACTS, window=window, layout=layout)
        shown = sampler.shown(latent, sampling=sampling, n=20, n_negative=10, negatives=negatives, **HARD)
        exam = sampler.exam(latent, n_active=20, n_silent=10, sampling=sampling, negatives=negatives, **HARD)
        seen, asked = rows_of([*shown.positives, *shown.negatives]), rows_of(exam)
        assert seen
        assert asked
        assert FACTS.train[seen].all()
        assert not FACTS.train[asked].any()
        assert not set(FACTS.game_id[seen]) & set(FACTS.game_id[asked])
        assert len(set(seen)) == len(seen)
        assert len(set(asked)) == len(asked)
        dense = latent.dense()
        for example in [*shown.positives, *shown.negatives, *exam]:
            assert example.values == tuple(dense[list(example.rows)].tolist())
            assert example.active == any(value > 0 for value in example.values) == (example.quantile >= 0)
            assert example.source == (sampling if example.active else negatives)
            assert len(set(FACTS.game_id[list(example.rows)])) == 1


def test_the_published_form_lets_the_judge_ask_what_the_explainer_saw():
    leaky = Sampler(FACTS, split=False)
    n = len(LATENT.rows)
    seen, asked = (
        rows_of(leaky.shown(LATENT, n=n // 2).positives),
        rows_of(leaky.exam(LATENT, n_active=n // 2, n_silent=0)),
    )
    shared = len(set(seen) & set(asked))
    assert abs(shared - n / 4) < 4 * (n / 16) ** 0.5  # half of half; variance of a hypergeometric is n / 16


def test_tenths_hold_equal_counts_by_rank():
    # 1,000 positions that all fire, 500 on each side with all different values: 50 a tenth, 5 of them drawn.
    rng = np.random.default_rng(0)
    latent = latent_of(rng.permutation(FACTS.n_rows) + 1.0)
    exam = Sampler(FACTS).exam(latent, n_active=50, n_silent=5)
    assert Counter(e.quantile for e in exam) == dict.fromkeys(range(10), 5)  # no silent window is left
    ranked = np.sort(latent.values[~FACTS.train[latent.rows]])[::-1].tolist()
    for example in exam:
        assert example.quantile == ranked.index(example.values[0]) // 50
    values = [e.values[0] for e in exam]
    assert values == sorted(values, reverse=True)
    odd = Sampler(FACTS).exam(latent, n_active=13, n_silent=0)
    assert Counter(e.quantile for e in odd) == {**dict.fromkeys(range(3), 2), **dict.fromkeys(range(3, 10), 1)}


def test_top_takes_the_strongest_and_mixed_a_fifth_of_them():
    values = np.sort(LATENT.values[FACTS.train[LATENT.rows]])[::-1]
    top = Sampler(FACTS).shown(LATENT, sampling="top", n=10)
    assert [e.values[0] for e in top.positives] == values[:10].tolist()
    assert top.maximum == values[0]
    mixed = Sampler(FACTS).shown(LATENT, sampling="mixed", n=20)
    assert [e.values[0] for e in mixed.positives[:4]] == values[:4].tolist()
    assert len(mixed.positives) == 20
    assert min(e.values[0] for e in mixed.positives) < values[len(values) * 8 // 10]  # weak ones too


def test_every_active_window_is_equally_likely_when_all_tenths_are():
    drawn = Counter(row for seed in range(200) for row in rows_of(Sampler(FACTS, seed=seed).exam(LATENT, n_silent=0)))
    n = int((~FACTS.train[LATENT.rows]).sum())
    share = 50 / n
    spread = (200 * share * (1 - share)) ** 0.5
    assert len(drawn) == n
    assert max(abs(count - 200 * share) for count in drawn.values()) < 5 * spread


def test_ties_are_broken_by_seed_and_not_by_the_order_of_games():
    binary = latent_of(LATENT.active())
    games = [
        {
            int(FACTS.game_id[row])
            for row in rows_of(Sampler(FACTS, seed=seed).exam(binary, n_active=10, sampling="top", n_silent=0))
        }
        for seed in range(5)
    ]
    assert all(max(found) > 20 for found in games)  # the first rows would be of games 1 and 3
    assert len({frozenset(found) for found in games}) > 1


def test_what_there_is_comes_back_and_the_rest_is_counted():
    # 3 firings in reporting game 1 and one in choosing game 0, of four games of 5 positions.
    facts = facts_of(np.zeros((20, 2)), 5)
    values = np.zeros(20)
    values[[5, 6, 8, 0]] = 3, 1, 2, 9
    latent = latent_of(values)
    for sampling in SAMPLINGS:
        exam = Sampler(facts).exam(latent, sampling=sampling, negatives="same game")
        assert [e.rows for e in exam[:3]] == [(5,), (8,), (6,)]
        assert [e.quantile for e in exam] == [0, 3, 6, -1, -1]
        assert {e.rows for e in exam[3:]} == {(7,), (9,)}
        assert shortage(exam, 50, 50, "same game") == {"active": 47, "silent": 48, "filled": 0}
    filled = Sampler(facts).exam(latent, n_silent=6, negatives="same game", fill=True)
    assert Counter(e.source for e in filled) == {"quantile": 3, "same game": 2, "random": 4}
    assert shortage(filled, 3, 6, "same game") == {"active": 0, "silent": 4, "filled": 4}
    assert len(set(rows_of(filled))) == 9
    shown = Sampler(facts).shown(latent)
    assert [e.rows for e in shown.positives] == [(0,)]
    assert shown.maximum == 9


def test_a_dead_latent_and_one_that_always_fires():
    dead, on = latent_of(np.zeros(FACTS.n_rows)), latent_of(np.ones(FACTS.n_rows))
    for negatives in NEGATIVES:
        exam = Sampler(FACTS).exam(dead, negatives=negatives, **HARD)
        assert not any(e.active for e in exam)
        assert not [e for e in Sampler(FACTS).exam(on, negatives=negatives, **HARD) if not e.active]
    shown = Sampler(FACTS).shown(dead)
    assert (shown.positives, shown.maximum) == ((), 0.0)
    assert Sampler(FACTS).exam(dead, n_active=0, n_silent=0) == ()


@given(st.permutations(range(4)), st.integers(0, 3))
def test_other_latents_change_nothing(order, seed):
    latents = [random_latent(FACTS, number) for number in range(4)]
    sampler = Sampler(FACTS, seed=seed)
    together = {latents[i].number: (sampler.shown(latents[i]), sampler.exam(latents[i])) for i in order}
    alone = Sampler(FACTS, seed=seed)
    assert together[2] == (alone.shown(latents[2]), alone.exam(latents[2]))


def test_seed_dictionary_and_number_change_the_draw():
    first = Sampler(FACTS).exam(LATENT)
    assert first == Sampler(FACTS).exam(LATENT)
    assert first != Sampler(FACTS, seed=1).exam(LATENT)
    assert first != Sampler(FACTS, sae="other").exam(LATENT)
    renamed = latent_of(LATENT.dense(), 7)
    assert first != Sampler(FACTS).exam(renamed)


def test_positives_do_not_depend_on_the_negatives():
    exams = [Sampler(FACTS).exam(LATENT, negatives=negatives, **HARD) for negatives in NEGATIVES]
    assert len({exam[:50] for exam in exams}) == 1
    assert len({exam[50:] for exam in exams}) == len(NEGATIVES)


def test_the_order_of_rows_changes_only_their_numbers():
    """The same sample with its games in another order: tenths and strengths stay what they are."""
    values = LATENT.dense()
    turned = FACTS.n_rows - 1 - np.arange(FACTS.n_rows)
    facts = facts_of(np.zeros((FACTS.n_rows, 1)), 25)
    again = type(facts)(facts.names, facts.labels, facts.game_id[turned], facts.position[turned], facts.train[turned])
    top = [
        [e.values for e in Sampler(f).exam(latent_of(v), sampling="top", n_silent=0)]
        for f, v in ((facts, values), (again, values[turned]))
    ]
    assert top[0] == top[1]


def test_windows_shown_to_explainers_carry_marks_and_exams_do_not():
    sampler = Sampler(FACTS, window=4)
    shown, exam = sampler.shown(LATENT, n_negative=5), sampler.exam(LATENT)
    for example in shown.positives:
        highest = max(example.values)
        assert example.marked == tuple(i for i, v in enumerate(example.values) if v >= 0.3 * highest)
    assert not any(example.marked for example in (*shown.negatives, *exam))
    assert not any(example.marked for example in Sampler(FACTS).shown(LATENT).positives)


def test_wrong_arguments_are_refused():
    sampler = Sampler(FACTS)
    with pytest.raises(ValueError, match="one of top, quantile, mixed, random, got 'best'"):
        sampler.exam(LATENT, sampling="best")
    with pytest.raises(ValueError, match="one literal away, got 'hard'"):
        sampler.exam(LATENT, negatives="hard")
    with pytest.raises(ValueError, match="got -1 active"):
        sampler.exam(LATENT, n_active=-1)
    with pytest.raises(ValueError, match="of 3 positions, the facts of 1000"):
        sampler.exam(latent_of([1, 0, 1]))
    with pytest.raises(ValueError, match="neighbours="):
        sampler.exam(LATENT, negatives="neighbour latent")
    with pytest.raises(ValueError, match="predicate="):
        sampler.exam(LATENT, negatives="one literal away")
    with pytest.raises(ValueError, match="both sides"):
        Sampler(facts_of(np.zeros((4, 1)), 2, train=[True, False, False, False]))
    with pytest.raises(ValueError, match="nearest"):
        Sampler(FACTS, nearest=0)
    with pytest.raises(ValueError, match="negatives must be"):
        shortage((), 1, 1, "easy")
