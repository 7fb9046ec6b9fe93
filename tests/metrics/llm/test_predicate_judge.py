"""The predicate judge: what it says by hand, its errors at their rates and in any order, the correction for them."""

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Explanation, Question
from fiducial.metrics.llm.predicate import And, Atom, Not
from fiducial.metrics.llm.predicate_judge import PredicateJudge, corrected_ba, error_rates, wilson
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

#                   row   0  1  2  3  4  5
BITS = np.array([[1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 1, 0]], bool).T
FACTS = Facts(
    ("mine on c4", "mine on d3"),
    np.packbits(BITS, axis=1, bitorder="little"),
    np.zeros(6, np.int64),
    np.arange(6),
    np.zeros(6, bool),
)
C4, D3 = Atom("mine on c4"), Atom("mine on d3")


def asked(predicate, examples, mode="detection", latent=0):
    return Question(latent, Explanation(latent, "said", predicate), tuple(examples), mode)


def window(*rows, marked=(), squares=()):
    return Example(rows, (0.0,) * len(rows), False, marked=marked, squares=squares)


def said(question, **options):
    return PredicateJudge(FACTS, **options).answer([question])[0]


def test_detection_is_yes_if_it_holds_somewhere():
    examples = [window(0), window(2), window(2, 3), window(3, 4, 5)]
    assert said(asked(C4, examples)).values == (1, 0, 0, 1)
    assert said(asked(And((C4, D3)), examples)).values == (0, 0, 0, 1)
    assert said(asked(Not(C4), examples)).values == (0, 1, 1, 1)


def test_fuzzing_is_yes_if_it_holds_at_everything_marked():
    examples = [window(0, 1, 2, marked=(0, 1)), window(0, 1, 2, marked=(1, 2)), window(2, 3, 4, marked=(2,))]
    assert said(asked(C4, examples, "fuzzing")).values == (1, 0, 1)


def test_fuzzing_by_squares_asks_whether_it_holds_and_speaks_of_them():
    last = [(1, ("c4",)), (1, ("C4",)), (1, ("e6",)), (1, ("c4", "d3")), (3, ("c4",))]
    examples = [window(0, row, squares=squares) for row, squares in last]
    assert said(asked(C4, examples, "fuzzing")).values == (1, 1, 0, 0, 0)
    assert said(asked(And((C4, D3)), examples, "fuzzing")).values == (1, 1, 0, 1, 0)


def test_simulation_is_ten_where_it_holds():
    assert said(asked(C4, [window(0, 1, 2, 3, 4)], "simulation")).values == (10, 10, 0, 0, 10)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (asked(None, [window(0), window(1)]), "no predicate: the explanation is free text"),
        (asked(Atom("mine on z9"), [window(0), window(1)]), "no predicate that can be executed: no fact named"),
        (asked(C4, [window(0), window(1)], "fuzzing"), "nothing is marked"),
        (asked(C4, [window(0, 1), window(1, 2)], "simulation"), "one example a question, got 2"),
    ],
)
def test_what_cannot_be_answered_fails_and_is_not_a_no(question, reason):
    answer = said(question)
    assert answer.values == (None, None)
    assert reason in answer.failure


def many(n=4000, mode="detection", latent=0):
    """A world where the only fact holds at every other row, and a question about each row."""
    bits = (np.arange(n) % 2 == 0)[:, None]
    facts = Facts(("f",), np.packbits(bits, axis=1, bitorder="little"), np.arange(n), np.zeros(n, int), bits[:, 0])
    marked = (0,) if mode == "fuzzing" else ()
    return facts, [asked(Atom("f"), [window(row, marked=marked)], mode, latent) for row in range(n)], bits[:, 0]


@pytest.mark.parametrize("mode", ["detection", "fuzzing", "simulation"])
def test_errors_come_at_their_rates(mode):
    facts, questions, truth = many(mode=mode)
    answers = PredicateJudge(facts, e_pos=0.1, e_neg=0.3, seed=3).answer(questions)
    yes = np.array([answer.values[0] for answer in answers]) > 0
    # SE of .1 at n = 2,000 is .0067, of .3 .0102
    assert (~yes)[truth].mean() == pytest.approx(0.1, abs=0.025)
    assert yes[~truth].mean() == pytest.approx(0.3, abs=0.035)


def test_errors_depend_on_the_example_alone():
    facts, questions, _ = many(300)
    judge = PredicateJudge(facts, e_pos=0.4, e_neg=0.4, seed=1)
    alone = [judge.answer([question])[0].values[0] for question in questions]
    assert [answer.values[0] for answer in judge.answer(questions[::-1])][::-1] == alone
    together = asked(Atom("f"), [question.examples[0] for question in questions])
    assert list(judge.answer([together])[0].values) == alone
    for other in (
        PredicateJudge(facts, e_pos=0.4, e_neg=0.4, seed=2).answer(questions),
        judge.answer([asked(Atom("f"), question.examples, latent=1) for question in questions]),
        judge.answer([asked(Atom("f"), [window(*q.examples[0].rows, marked=(0,))], "fuzzing") for q in questions]),
    ):
        assert 0.3 < np.mean(np.array([answer.values[0] for answer in other]) == alone) < 0.8


def test_a_score_and_its_null_meet_errors_of_their_own():
    """Two explanations that hold at the same positions: shared errors would make both wrong at the same examples.

    Either is wrong at 40 % of 2,000 examples, both at .4 x .4 = 16 % if the errors are their own (SE .8 %).
    """
    facts, questions, truth = many(2000)
    judge = PredicateJudge(facts, e_pos=0.4, e_neg=0.4, seed=1)
    others = [asked(And((Atom("f"), Atom("f"))), question.examples) for question in questions]
    wrong = [np.array([answer.values[0] for answer in judge.answer(some)]) != truth for some in (questions, others)]
    assert (wrong[0] & wrong[1]).mean() == pytest.approx(0.16, abs=0.03)


def test_limits_of_error_rates():
    facts, questions, truth = many(50)
    wrong = PredicateJudge(facts, e_pos=1.0, e_neg=1.0).answer(questions)
    assert [answer.values[0] == 0 for answer in wrong] == truth.tolist()
    with pytest.raises(ValueError, match=r"error rates must lie in 0 to 1, got e_pos=1\.5"):
        PredicateJudge(facts, e_pos=1.5)
    names = {PredicateJudge(facts).name, PredicateJudge(facts, e_pos=0.1).name}
    assert names == {"predicate", "predicate (e+ 0.1, e- 0)"}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.45), st.floats(0, 0.45))
def test_the_correction_undoes_the_errors(tpr, tnr, e_pos, e_neg):
    """A yes comes from a true one that is kept or a false one that is flipped; e+ and e- act on both classes."""
    seen_tpr = tpr * (1 - e_pos) + (1 - tpr) * e_neg
    seen_tnr = tnr * (1 - e_neg) + (1 - tnr) * e_pos
    assert corrected_ba((seen_tpr + seen_tnr) / 2, e_pos, e_neg) == pytest.approx((tpr + tnr) / 2, abs=1e-9)


def test_a_judge_without_information_cannot_be_corrected():
    assert np.isnan(corrected_ba(0.5, 0.5, 0.5))
    assert np.isnan(corrected_ba(0.7, 0.9, 0.3))
    assert corrected_ba(0.8, 0.0, 0.0) == 0.8


def test_error_rates_by_hand():
    """True: yes, no, .5 counts as yes, failed. False: no, no, yes."""
    found = error_rates([1.0, 0.0, 0.5, None, 0.2, 0.0, 0.9], [True, True, True, True, False, False, False])
    assert (found.e_pos, found.e_neg) == (1 / 3, 1 / 3)
    assert (found.n_pos, found.n_neg, found.n_failed) == (3, 3, 1)
    assert found.e_pos_interval == wilson(1, 3)
    empty = error_rates([], [])
    assert np.isnan([empty.e_pos, empty.e_neg, *empty.e_pos_interval]).all()
    with pytest.raises(ValueError, match="a truth for each of 1 answers, got 2"):
        error_rates([1.0], [True, False])


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 10), (37, 200)])
def test_wilson_is_that_of_scipy(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
