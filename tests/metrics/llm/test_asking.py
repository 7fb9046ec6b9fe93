"""Every example is asked about once, every answer finds its example, and what fails is counted."""

import numpy as np
import pytest
from fiducial.metrics.llm.asking import ask, collect, questions
from fiducial.metrics.llm.nouns import Answer, Example, Explanation
from hypothesis import given
from hypothesis import strategies as st

WORDS = Explanation(3, "fact 0")


def examples(n, width=1):
    return [Example((width * i,), (float(i % 2),), bool(i % 2)) for i in range(n)]


def echo(question):
    """The row of each example, so that it can be seen where an answer went."""
    return Answer(tuple(e.rows[0] / 1000 for e in question.examples))


@given(st.integers(0, 130), st.integers(1, 9), st.integers(0, 5), st.randoms(use_true_random=False))
def test_answers_come_back_to_their_examples_in_any_order(n, size, seed, random):
    asked = questions(WORDS, examples(n), "detection", per_question=size, seed=seed)
    assert len(asked) == -(-n // size)
    assert sorted(e.rows for q in asked for e in q.examples) == sorted(e.rows for e in examples(n))
    random.shuffle(asked)
    found = collect(asked, [echo(q) for q in asked])
    if n:
        one = found[3]
        assert not one.failed
        assert len(one.examples) == n
        assert all(value == (e.rows[0] / 1000,) for e, value in one.answered())


def test_the_last_question_holds_what_is_left():
    asked = questions(WORDS, examples(102), "detection", per_question=5)
    assert [len(q.examples) for q in asked] == [5] * 20 + [2]
    assert len(collect(asked, [echo(q) for q in asked])[3].answered()) == 102  # published code loses two


def test_order_depends_on_seed_latent_and_mode_alone():
    def order(latent, mode="detection", seed=0):
        asked = questions(Explanation(latent, "x"), examples(40), mode, seed=seed)
        return [e.rows for q in asked for e in q.examples]

    assert order(1) == order(1)
    assert len({tuple(o) for o in (order(1), order(2), order(1, "fuzzing"), order(1, seed=1))}) == 4
    assert order(1) != [e.rows for e in examples(40)]


def test_simulations_are_asked_one_at_a_time():
    asked = questions(WORDS, [Example((0, 1), (0.0, 1.0), True), Example((2, 3), (0.0, 0.0), False)], "simulation")
    assert [len(q.examples) for q in asked] == [1, 1]
    found = collect(asked, [Answer(tuple(float(row) for row in q.examples[0].rows)) for q in asked])[3]
    assert {e.rows: value for e, value in found.answered()} == {(0, 1): (0.0, 1.0), (2, 3): (2.0, 3.0)}


def test_failures_are_counted_by_reason_and_dropped():
    asked = questions(WORDS, examples(20), "detection", per_question=5, seed=1)
    answers = [
        Answer((), "timeout"),
        Answer((1.0, 0.0)),
        Answer((1.0, None, 0.0, 2.0, float("nan"))),
        Answer((1.0,) * 5, asked=2),
    ]
    found = collect(asked, answers)[3]
    assert found.failed == {
        "timeout": 5,
        "another number of values than asked for": 5,
        "no value": 1,
        "a value outside of 0 to 1": 2,
    }
    assert (found.n_failed, len(found.answered()), len(found.examples)) == (13, 7, 20)
    assert (found.n_questions, found.n_asked) == (4, 5)
    assert found.undefined.startswith("13 of 20 examples failed")


def test_failures_can_count_as_wrong_or_be_raised():
    asked = questions(WORDS, examples(4), "detection", per_question=4)
    wrong = collect(asked, [Answer((), "broken")], failures="wrong")[3]
    assert wrong.failed == {"broken": 4}
    assert {e.rows[0]: value for e, value in wrong.answered()} == {0: (1.0,), 1: (0.0,), 2: (1.0,), 3: (0.0,)}
    with pytest.raises(RuntimeError, match="latent 3, detection: broken"):
        collect(asked, [Answer((), "broken")], failures="raise")
    with pytest.raises(ValueError, match="neither right nor wrong"):
        collect(questions(WORDS, examples(1), "simulation"), [Answer((0.0,))], failures="wrong")


def test_a_simulation_with_one_missing_value_fails_whole():
    asked = questions(WORDS, [Example((0, 1), (0.0, 1.0), True)], "simulation")
    for answer, reason in (
        (Answer((3.0, None)), "no value"),
        (Answer((3.0,)), "another number of values than asked for"),
        (Answer((3.0, 11.0)), "a value outside of 0 to 10"),
    ):
        assert collect(asked, [answer])[3].failed == {reason: 1}


@pytest.mark.parametrize(("n_failed", "scored"), [(0, True), (5, True), (6, False)])
def test_above_one_failure_in_twenty_there_is_no_score(n_failed, scored):
    asked = questions(WORDS, examples(100), "detection", per_question=1)
    answers = [Answer((1.0,)) if i >= n_failed else Answer((), "slow") for i in range(100)]
    assert (collect(asked, answers)[3].undefined == "") == scored


def test_failed_explanations_have_no_questions():
    assert questions(Explanation(3, "", failure="unreadable"), examples(9), "detection") == []


def test_what_does_not_fit_is_refused():
    asked = questions(WORDS, examples(4), "detection")
    with pytest.raises(ValueError, match="1 questions need as many answers, got 0"):
        collect(asked, [])
    with pytest.raises(ValueError, match="mode must be one of"):
        questions(WORDS, examples(4), "guessing")
    with pytest.raises(ValueError, match="at least one example"):
        questions(WORDS, examples(4), "detection", per_question=0)
    both = [*asked, *questions(WORDS, examples(4), "fuzzing")]
    with pytest.raises(ValueError, match="of one mode"):
        collect(both, [echo(q) for q in both])
    with pytest.raises(ValueError, match="failures must be one of"):
        collect(asked, [echo(asked[0])], failures="ignore")


def test_a_mutation_is_noticed():
    """Answers given back in the order of the examples, not of the questions, come to the wrong ones."""
    asked = questions(WORDS, examples(10), "detection", per_question=5)
    broken = [e.rows[0] / 1000 for e in examples(10)]
    found = collect(asked, [Answer(tuple(broken[:5])), Answer(tuple(broken[5:]))])[3]
    assert any(value != (e.rows[0] / 1000,) for e, value in found.answered())


def test_ask_puts_everything_to_the_judge_at_once():
    class Judge:
        name = "once"
        calls = 0

        def answer(self, questions):
            self.calls += 1
            return [echo(question) for question in questions]

    judge = Judge()
    both = [q for n in (1, 2) for q in questions(Explanation(n, "x"), examples(7), "detection")]
    assert list(ask(judge, both)) == [1, 2]
    assert judge.calls == 1
    assert ask(judge, []) == {}
    assert np.isfinite([v[0] for v in ask(judge, both)[2].values if v]).all()


def test_an_even_probability_is_a_yes_wherever_answers_are_counted():
    """Scores, error rates and judges that are watched must agree on it, or corrections correct the wrong thing."""
    from fiducial.explaining.scorers import Watched
    from fiducial.judging.serialisation import judge_errors
    from fiducial.metrics.llm.per_latent import score_latent
    from fiducial.metrics.llm.predicate import Atom
    from fiducial.metrics.llm.predicate_judge import error_rates

    from .small_facts import facts_of

    class Undecided:
        name = "undecided"

        def answer(self, questions):
            return [Answer((0.5,) * len(one.examples)) for one in questions]

    class Plain:
        style, legend = "plain", ""

        def example(self, example):
            return str(example.rows)

    examples = [Example((row,), (float(row % 2),), row % 2 == 1) for row in range(20)]
    facts = facts_of((np.arange(40) % 2 == 1)[:, None], 10)
    asked = questions(Explanation(0, "fact 0", Atom("fact 0")), examples, "detection")
    score = score_latent(ask(Undecided(), asked)[0])
    assert (score.tpr, score.tnr) == (1, 0)
    rates = error_rates([0.5] * 20, [example.active for example in examples])
    assert (rates.e_pos, rates.e_neg) == (0, 1)
    watched = Watched(Undecided(), facts)
    watched.answer(asked)
    assert watched.counts[0] == {"true": 10, "no": 0, "false": 10, "yes": 10}
    (row,) = judge_errors(Undecided(), facts, Plain(), predicates={"facts": (Atom("fact 0"),)}).rows
    assert (row.e_pos, row.e_neg) == (0, 1)
