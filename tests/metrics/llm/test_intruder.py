"""Measures without explanations: intruders and example embedding, with pickers that know, guess and fail."""

import numpy as np
import pytest
from fiducial.metrics.llm.embedders import FunctionEncoder, hashing_encoder
from fiducial.metrics.llm.example_embedding import example_embedding
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.intruder import chat_picker, encoder_picker, facts_picker, intruder, lineups
from fiducial.metrics.llm.nouns import Example, Reply

from .stub import WordRenderer, exam

WORDS = [f"red thing {i}" for i in range(20)] + [f"blue item {i}" for i in range(20)]
EXAMS = {3: exam(range(20), range(20, 40))}


def test_lineups_show_one_intruder_among_one_tenth():
    made = lineups(EXAMS, n_tests=60, seed=1)[3]
    assert len(made) == 60
    places = {test.intruder for test in made}
    assert places == set(range(5))
    for test in made:
        assert [not e.active for e in test.examples] == [i == test.intruder for i in range(5)]
        assert len({e.quantile for e in test.examples if e.active}) == 1
        assert len({e.rows for e in test.examples}) == 5
    assert lineups(EXAMS, n_tests=60, seed=1)[3] == made
    assert lineups({9: (), **EXAMS}, n_tests=60, seed=1)[3] == made  # other latents change nothing
    assert lineups(EXAMS, n_tests=60, seed=2)[3] != made


def test_intruders_have_as_many_marks_and_not_always_the_same():
    positives = [Example((i, i + 1, i + 2, i + 3), (1.0,) * 4, True, 0, marked=(3,)) for i in range(0, 40, 4)]
    negatives = [Example((i, i + 1, i + 2, i + 3), (0.0,) * 4, False) for i in range(40, 80, 4)]
    made = lineups({0: (*positives, *negatives)}, n_tests=40)[0]
    marks = [test.examples[test.intruder].marked for test in made]
    assert {len(m) for m in marks} == {1}
    assert {m[0] for m in marks} == {0, 1, 2, 3}  # a mark drawn once for all would give the intruder away


def test_pickers_that_know_guess_and_fail():
    tests = lineups(EXAMS, n_tests=40)
    knows = intruder(tests, lambda all_: [t.intruder for t in all_])[0]
    assert (knows.accuracy, knows.n_answered, knows.n_failed, knows.chance) == (1, 40, 0, 0.2)
    assert knows.low < 1 == knows.high
    assert intruder(tests, lambda all_: [(t.intruder + 1) % 5 for t in all_])[0].accuracy == 0
    rng = np.random.default_rng(0)
    guesses = intruder(lineups(EXAMS, n_tests=2000), lambda all_: [int(rng.integers(5)) for _ in all_])[0]
    assert abs(guesses.accuracy - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2000)
    half = intruder(tests, lambda all_: [t.intruder if i % 2 else None for i, t in enumerate(all_)])[0]
    assert (half.accuracy, half.n_answered, half.n_failed) == (1, 20, 20)
    mute = intruder(tests, lambda all_: [None] * len(all_))[0]
    assert np.isnan(mute.accuracy)
    with pytest.raises(ValueError, match="once a test"):
        intruder(tests, lambda all_: [])
    with pytest.raises(ValueError, match="named place 5 of 5"):
        intruder(tests, lambda all_: [5] * len(all_))


def test_too_few_examples_say_so():
    found = intruder(lineups({0: exam([0, 1, 2], [4])}), lambda all_: [])[0]
    assert found.failure
    assert np.isnan(found.accuracy)
    with pytest.raises(ValueError, match="n_shown at least 3"):
        lineups(EXAMS, n_shown=2)


def test_encoder_picks_the_blue_one():
    tests = lineups(EXAMS, n_tests=20)
    assert intruder(tests, encoder_picker(hashing_encoder(), WordRenderer(WORDS)))[0].accuracy == 1
    same = FunctionEncoder("constant", lambda ts: np.ones((len(ts), 2)))
    constant = intruder(tests, encoder_picker(same, WordRenderer(WORDS)))[0]
    assert constant.accuracy == np.mean([t.intruder == 0 for t in tests[3]])  # ties go to the first


def test_facts_pick_the_one_without_what_the_others_share():
    rng = np.random.default_rng(0)
    holds = rng.random((40, 12)) < 0.2
    holds[:, 0] = np.arange(40) < 20  # the latent's fact
    facts = Facts(
        tuple(f"f{i}" for i in range(12)),
        np.packbits(holds, axis=1, bitorder="little"),
        np.arange(40),
        np.zeros(40, np.int64),
        np.zeros(40, bool),
    )
    assert intruder(lineups(EXAMS, n_tests=40), facts_picker(facts))[0].accuracy > 0.8
    from dataclasses import replace

    blind = intruder(lineups(EXAMS, n_tests=200), facts_picker(replace(facts, hidden=frozenset({"f0"}))))[0]
    assert blind.low < 0.2 < blind.high


class Script:
    """Answers what it is told to, and keeps what it was asked."""

    model = "script"

    def __init__(self, texts):
        self.texts, self.asked = texts, []

    def complete(self, requests):
        self.asked += requests
        return [Reply(text) for text in self.texts[: len(requests)]]


def test_chat_reads_one_number_or_none():
    tests = lineups(EXAMS, n_tests=6)
    right = [t.intruder + 1 for t in tests[3]]
    texts = [str(right[0]), f"Passage {right[1]}.", "6", "1 or 2", None, ""]
    chat = Script(texts)
    found = intruder(tests, chat_picker(chat, WordRenderer(WORDS)))[0]
    assert (found.accuracy, found.n_answered, found.n_failed) == (1, 2, 4)
    system, user = (text for _, text in chat.asked[0].messages)
    assert "each line is one passage" in system
    assert user.count("Passage ") == 5
    assert chat.asked[0].params["temperature"] == 0


def test_example_embedding_by_hand_and_in_the_limits():
    # red texts share one vector, blue ones another at right angles: cosines 1 inside a kind, 0 between
    encoder = FunctionEncoder("toy", lambda ts: np.array([[("red" in t) * 1.0, ("blue" in t) * 1.0] for t in ts]))
    found = example_embedding(EXAMS, WordRenderer(WORDS), encoder)[0]
    # delta+ = 1 - 0, delta- = 0 - 1
    assert (found.delta_plus, found.delta_minus, found.score, found.low, found.high) == (1, -1, 2, 2, 2)
    alike = {0: exam(range(0, 10), range(10, 20))}  # red against red
    nothing = example_embedding(alike, WordRenderer(WORDS), encoder)[0]
    assert (nothing.delta_plus, nothing.delta_minus) == (0, 0)
    assert example_embedding({5: exam(range(4), [9]), **EXAMS}, WordRenderer(WORDS), encoder)[1] == found
    short = example_embedding({5: exam(range(4), [9])}, WordRenderer(WORDS), encoder)[0]
    assert short.failure.startswith("1 silent examples")
    assert np.isnan(short.score)
    with pytest.raises(ValueError, match="at least 1"):
        example_embedding(EXAMS, WordRenderer(WORDS), encoder, n_draws=0)


def test_random_contexts_are_at_chance():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 64))
    encoder = FunctionEncoder("noise", lambda ts: vectors[[WORDS.index(t) for t in ts]])
    found = example_embedding(EXAMS, WordRenderer(WORDS), encoder, n_draws=200)[0]
    assert abs(found.score) < 0.1
    assert found.low < 0 < found.high
