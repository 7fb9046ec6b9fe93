"""Interventions on arrays: KL and its tuning, the score and the change of rate by hand, and what has no value."""

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.intervention import Written, change_of_rate, effect, intervention, statement
from fiducial.metrics.llm.intervention_tuning import kl, tuned_strength
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.predicate import And, Atom, Not
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 5))
def test_kl_against_scipy(seed, width, n):
    rng = np.random.default_rng(seed)
    p, q = (log_softmax(rng.normal(size=(n, width)) * 3, axis=1) for _ in range(2))
    assert kl(p, q) == pytest.approx(rel_entr(np.exp(p), np.exp(q)).sum(1).mean())
    assert kl(p, p) == 0


def test_kl_of_what_never_happens():
    with np.errstate(divide="ignore"):
        p, q = np.log([[1.0, 0.0]]), np.log([[0.5, 0.5]])
    assert kl(p, q) == pytest.approx(np.log(2))
    assert kl(q, p) == np.inf
    with pytest.raises(ValueError, match="must be log-probabilities"):
        kl(np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="alike"):
        kl(p, np.zeros((2, 2)))


def pusher(direction, runs):
    """Logits of 6 prompts that move along a direction: what a latent's direct effect on the output looks like."""
    logits = np.random.default_rng(3).normal(size=(6, 10))

    def run(c):
        runs.append(c)
        return log_softmax(logits + c * direction, axis=1)

    return run


@pytest.mark.parametrize("target", [0.1, 0.33, 1.0, 3.0])
@pytest.mark.parametrize("size", [1e-3, 0.05, 1.0, 40.0])
def test_strengths_reach_the_target_within_a_tenth(target, size):
    direction = np.random.default_rng(7).normal(size=10)
    runs = []
    run = pusher(size * direction / np.linalg.norm(direction), runs)
    found = tuned_strength(run, run(0.0), target)
    assert not found.failure
    assert found.kl == pytest.approx(target, rel=0.1)
    assert found.kl == pytest.approx(kl(run(0.0), run(found.c)))
    assert found.n_runs <= 12
    assert len(runs) == found.n_runs + 3


def test_a_scaled_latent_is_pushed_as_hard():
    """c is in the latent's own units: a direction ten times longer takes a tenth of it."""
    direction = np.linspace(-1, 1, 10)
    one, ten = pusher(direction, []), pusher(10 * direction, [])
    c = [tuned_strength(run, run(0.0), 0.5, tolerance=0.01).c for run in (one, ten)]
    assert c[0] / c[1] == pytest.approx(10, rel=0.05)


def test_latents_that_cannot_reach_it_say_so():
    run = pusher(np.zeros(10), [])
    found = tuned_strength(run, run(0.0), 0.1)
    assert found.failure == "even c = 1e4 reaches a KL of 0 only"
    assert found.n_runs == 2
    strong = pusher(1e6 * np.linspace(-1, 1, 10), [])
    assert tuned_strength(strong, strong(0.0), 0.1).failure.startswith("already c = 1e-3")
    steep = lambda c: strong(0.0) if c < 100 else strong(1.0)  # noqa: E731 - a jump over the target
    assert "after 10 steps" in tuned_strength(steep, strong(0.0), 0.1).failure
    for wrong in ({"target": 0.0}, {"target": 1.0, "low": 5.0}, {"target": 1.0, "tolerance": 0.0}):
        with pytest.raises(ValueError, match="target must be above 0"):
            tuned_strength(run, run(0.0), **wrong)


def reader(prefixes, texts):
    """Log-probability of a word: its count in the passage, less 10."""
    return np.array([p.split("\n\n")[0].split().count(t.strip()) - 10.0 for p, t in zip(prefixes, texts, strict=True)])


def test_score_by_hand():
    # prompts: c4 once more, c4 twice more, no change: mean (1 + 2 + 0) / 3
    text = Written(4, ("a b", "a b", "c4"), ("a b c4", "c4 a c4", "c4"))
    found = intervention([Explanation(4, "c4")], {4: text}, reader, n_resamples=50)[0]
    assert found.values == (1.0, 2.0, 0.0)
    assert found.value == pytest.approx(1)
    assert found.low <= 1 <= found.high
    # the other way round it is negative; another explanation is worth nothing
    back = Written(4, text.pushed, text.clean)
    assert intervention([Explanation(4, "c4")], {4: back}, reader)[0].value == pytest.approx(-1)
    assert intervention([Explanation(4, "d3")], {4: text}, reader)[0].value == 0
    assert statement(" a b ").startswith("a b\n")


def test_no_push_is_exactly_nothing_and_failures_have_no_score():
    same = Written(0, ("a c4",) * 4, ("a c4",) * 4)
    none = Written(1, (), (), failure="even c = 1e4 reaches a KL of 0 only")
    explanations = [Explanation(0, "c4"), Explanation(1, "c4"), Explanation(0, "", failure="late")]
    first, second, third = intervention(explanations, {0: same, 1: none}, reader)
    assert (first.value, first.low, first.high) == (0, 0, 0)
    assert second.failure == none.failure
    assert third.failure == "no explanation: late"
    assert np.isnan(second.value)
    with pytest.raises(KeyError, match="latent 7"):
        intervention([Explanation(7, "c4")], {}, reader)
    with pytest.raises(ValueError, match="one number a text"):
        intervention(explanations[:1], {0: same}, lambda p, t: np.zeros(3))


def facts(rows):
    """Rows of (prompt, a holds, b holds)."""
    table = np.array(rows, np.int64).reshape(-1, 3)
    bits = np.packbits(table[:, 1:].astype(bool), axis=1, bitorder="little")
    games = table[:, 0]
    return Facts(("a", "b"), bits, games, np.arange(len(games)), np.zeros(len(games), bool))


def test_change_of_rate_by_hand():
    clean = facts([(0, 1, 0), (0, 0, 0), (1, 0, 1), (2, 1, 1)])
    pushed = facts([(0, 1, 0), (0, 1, 0), (1, 1, 1), (1, 0, 1)])  # prompt 2 has nothing after it
    # a: prompt 0 from 1/2 to 1, prompt 1 from 0 to 1/2; prompt 2 is left out
    found = change_of_rate(9, Atom("a"), clean, pushed, n_prompts=3, n_resamples=50)
    assert found.value == pytest.approx(0.5)
    assert found.n == 2
    assert np.isnan(found.values[2])
    assert change_of_rate(9, Not(Atom("a")), clean, pushed, n_prompts=3).value == pytest.approx(-0.5)
    # a and b: prompt 0 never, prompt 1 from 0 to 1/2
    assert change_of_rate(9, And((Atom("a"), Atom("b"))), clean, pushed, n_prompts=3).value == pytest.approx(0.25)
    assert change_of_rate(9, Atom("a"), clean, clean, n_prompts=3).value == 0
    nothing = facts([])
    assert change_of_rate(9, Atom("a"), nothing, nothing, n_prompts=3).failure == "no prompt has a value"


def test_one_prompt_has_no_interval():
    found = effect(0, np.array([2.0, np.nan]))
    assert (found.value, found.n) == (2.0, 1)
    assert np.isnan(found.low)
