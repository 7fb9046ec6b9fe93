"""Exact truth of explanations: by hand, against scikit-learn, and its limits."""

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.predicate import And, Atom, Not, Or
from fiducial.metrics.llm.truth import exact, overlap
from fiducial.metrics.llm.truth_counts import exact_counts
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from .small_facts import facts_of, latent_of


def test_by_hand():
    """Ten positions of game 0 choose; game 1 reports: the fact holds at 4, the latent fires at 3 of these and 2 more.

    Precision 3/4, recall 3/5, F1 6/9, IoU 3/6, prevalence 5/10 and 4/10.
    """
    holds = np.array([1] * 10 + [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
    fires = np.array([0] * 10 + [1, 1, 1, 0, 1, 1, 0, 0, 0, 0], float)
    score = exact(Atom("fact 0"), latent_of(fires), facts_of(holds[:, None], 10))
    assert (score.precision, score.recall, score.iou) == (3 / 4, 3 / 5, 1 / 2)
    assert score.f1 == pytest.approx(2 / 3, abs=1e-12)
    assert (score.prevalence, score.predicate_prevalence) == (0.5, 0.4)
    assert (score.tp, score.holds, score.fires, score.n_rows, score.n_games) == (3, 4, 5, 10, 1)
    assert np.isnan(score.f1_interval).all()  # one game has no interval


def sample(seed=0, n_games=60, per_game=20):
    rng = np.random.default_rng(seed)
    bits = rng.random((n_games * per_game, 2)) < (0.3, 0.5)
    fires = np.where(rng.random(len(bits)) < 0.8, bits[:, 0], ~bits[:, 0])
    return facts_of(bits, per_game), latent_of(fires.astype(np.float32)), bits, fires


def test_it_agrees_with_scikit_learn_on_reporting_rows_only():
    facts, latent, bits, fires = sample()
    score = exact(Atom("fact 0"), latent, facts, n_resamples=50)
    y, p = fires[~facts.train], bits[~facts.train, 0]
    expected = [precision_score(y, p), recall_score(y, p), f1_score(y, p), jaccard_score(y, p)]
    assert [score.precision, score.recall, score.f1, score.iou] == pytest.approx(expected, abs=1e-12)
    changed = latent_of(np.where(facts.train, 1.0, fires))
    assert exact(Atom("fact 0"), changed, facts, n_resamples=50) == score


def test_intervals_cover_the_value_and_shrink_with_games():
    facts, latent, _, _ = sample()
    wide = exact(Atom("fact 0"), latent, facts, n_resamples=300, seed=1)
    for name in ("precision", "recall", "f1", "iou", "prevalence", "predicate_prevalence"):
        low, high = getattr(wide, f"{name}_interval")
        assert low < getattr(wide, name) < high
    assert wide == exact(Atom("fact 0"), latent, facts, n_resamples=300, seed=1)
    facts, latent, _, _ = sample(n_games=960)
    narrow = exact(Atom("fact 0"), latent, facts, n_resamples=300, seed=1)
    ratio = np.diff(narrow.f1_interval)[0] / np.diff(wide.f1_interval)[0]
    assert 0.15 < ratio < 0.4  # sqrt(60 / 960) = .25
    assert np.isnan(exact(Atom("fact 0"), latent, facts, n_resamples=0).iou_interval).all()


def test_limits():
    facts, latent, bits, fires = sample()
    perfect = exact(Atom("fact 0"), latent_of(bits[:, 0].astype(float)), facts, n_resamples=50)
    assert (perfect.precision, perfect.recall, perfect.f1, perfect.iou) == (1, 1, 1, 1)
    assert perfect.f1_interval == (1, 1)
    never = exact(And((Atom("fact 0"), Not(Atom("fact 0")))), latent, facts, n_resamples=50)
    assert (never.recall, never.f1, never.iou, never.holds) == (0, 0, 0, 0)
    assert np.isnan([never.precision, *never.precision_interval]).all()  # it predicts nothing
    always = exact(Or((Atom("fact 0"), Not(Atom("fact 0")))), latent, facts, n_resamples=50)
    pi = fires[~facts.train].mean()
    assert (always.precision, always.recall, always.iou) == pytest.approx((pi, 1, pi))
    assert always.f1 == pytest.approx(2 * pi / (1 + pi))
    dead = exact(Atom("fact 0"), latent_of(np.zeros(len(bits))), facts, n_resamples=50)
    assert dead.precision == 0  # it predicts, and is always wrong
    assert np.isnan([dead.recall, dead.f1, dead.iou, *dead.f1_interval]).all()


def test_resamples_in_which_it_never_holds_do_not_pull_precision_to_0():
    """It holds in one of four reporting games, always rightly; a resample misses that game .75^4 = 32 % of the time."""
    holds = np.repeat([0, 0, 0, 0, 1, 0, 0, 0], 5).astype(bool)
    facts = Facts(
        ("f",), holds[:, None].astype(np.uint8), np.repeat(np.arange(8), 5), np.tile(np.arange(5), 8),
        np.repeat(np.arange(8) < 4, 5),
    )  # fmt: skip
    score = exact(Atom("f"), latent_of(np.ones(40)), facts, n_resamples=200)
    assert (score.precision, score.precision_interval) == (1, (1, 1))
    assert score.recall_interval[0] == 0  # where nothing of the latent is found, recall is 0 all the same


def test_every_count_of_the_truth_is_the_same():
    """Also where nothing holds or nothing fires."""
    facts, latent, bits, _ = sample()
    nowhere = And((Atom("fact 0"), Not(Atom("fact 0"))))
    for predicate in (Atom("fact 0"), nowhere):
        for one in (latent, latent_of(np.zeros(len(bits)))):
            mine = exact(predicate, one, facts, n_resamples=0)
            other = exact_counts(Explanation(0, "x", predicate), one, facts)
            names = {"exact_f1": "f1", "holds": "predicate_prevalence"}
            for name, value in other.items():
                np.testing.assert_equal(value, getattr(mine, names.get(name, name)))


def test_overlap():
    facts, _, bits, _ = sample()
    a, b = Atom("fact 0"), Atom("fact 1")
    assert overlap(a, b, facts) == pytest.approx(jaccard_score(bits[:, 0], bits[:, 1]))
    assert overlap(a, a, facts) == overlap(a, Not(Not(a)), facts) == 1
    assert overlap(a, Not(a), facts) == 0
    nowhere = And((a, Not(a)))
    assert overlap(nowhere, nowhere, facts) == 1
    rows = np.arange(7)
    assert overlap(a, b, facts, rows) == pytest.approx(jaccard_score(bits[:7, 0], bits[:7, 1]))


def test_errors_teach():
    facts, latent, bits, _ = sample()
    with pytest.raises(ValueError, match="the latent has 3 positions, the facts 1200"):
        exact(Atom("fact 0"), latent_of([0, 1, 0]), facts)
    alone = Facts(facts.names, facts.labels, facts.game_id, facts.position, np.ones(len(bits), bool))
    with pytest.raises(ValueError, match="no reporting positions"):
        exact(Atom("fact 0"), latent, alone)
    with pytest.raises(KeyError, match="no fact named 'fact 9'"):
        exact(Atom("fact 9"), latent, facts)
