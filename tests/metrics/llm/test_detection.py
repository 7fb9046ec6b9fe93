"""Detection and fuzzing of planted latents: right, wrong, noisy and missing explanations, beside their nulls."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from fiducial.metrics.llm.detection import asked_about, detection
from fiducial.metrics.llm.fuzzing import fuzzing
from fiducial.metrics.llm.nouns import Answer, Example, Explanation
from fiducial.metrics.llm.nulls import always_true, derangement, matched_prevalence, shuffled
from fiducial.metrics.llm.predicate import Atom, evaluate

from .judges import AtomJudge, facts_of

RNG = np.random.default_rng(0)
N = 4000
LABELS = RNG.random((N, 6)) < np.array([0.3, 0.2, 0.1, 0.4, 0.25, 0.02])


def exam(fires, n=40, seed=0):
    rng = np.random.default_rng(seed)
    on, off = (rng.permutation(np.flatnonzero(fires == side))[:n] for side in (True, False))
    rows = [*on.tolist(), *off.tolist()]
    return [Example((r,), (float(fires[r]),), bool(fires[r]), i % 10 if fires[r] else -1) for i, r in enumerate(rows)]


EXAMS = {f: exam(LABELS[:, f], seed=f) for f in range(4)}
RIGHT = [Explanation(f, f"fact {f}", Atom(f"fact {f}")) for f in range(4)]


def test_right_explanations_are_perfect_and_others_are_at_chance():
    found = detection(RIGHT, EXAMS, AtomJudge(LABELS), prevalence=dict(enumerate(LABELS.mean(0))))
    assert [one.latent for one in found] == [0, 1, 2, 3]
    for f, one in enumerate(found):
        assert (one.balanced_accuracy, one.auroc, one.precision) == (1, 1, 1)
        assert one.null == pytest.approx(0.5, abs=0.2)
        assert one.prevalence == LABELS[:, f].mean()
        assert one.by_quantile == (1.0,) * 10
    assert np.mean([one.null for one in found]) == pytest.approx(0.5, abs=0.1)


def test_too_broad_an_explanation_looks_good_and_its_natural_precision_does_not():
    """Fires on fact 3 and fact 2; said to be fact 3: precision P(2 | 3) = .1 where random silent positions hide it."""
    fires = LABELS[:, 3] & LABELS[:, 2]
    pi = fires.mean()
    one = detection([RIGHT[3]], {3: exam(fires, 100)}, AtomJudge(LABELS), prevalence={3: pi}, null=False)[0]
    assert one.tpr == 1
    # a silent position holds fact 3 with (.4 - .04) / .96 = .375
    assert one.balanced_accuracy == pytest.approx((1 + 0.625) / 2, abs=0.06)
    truth = fires.sum() / LABELS[:, 3].sum()
    assert one.precision == pytest.approx(truth, abs=0.03)
    assert isnan(one.null)


class Flipping(AtomJudge):
    """Errs one time in ten, by the row."""

    def one(self, question):
        flip = [np.random.default_rng([7, *e.rows]).random() < 0.1 for e in question.examples]
        return Answer(tuple(1 - v if f else v for v, f in zip(super().one(question).values, flip, strict=True)))


def test_hard_negatives_say_nothing_of_natural_precision():
    """Boards that are near get a wrong yes more often than all boards do."""
    hard = {
        number: [one if one.active else replace(one, source="nearest board") for one in exam]
        for number, exam in EXAMS.items()
    }
    rates = dict.fromkeys(EXAMS, 0.1)
    for one in detection(RIGHT, hard, AtomJudge(LABELS), prevalence=rates):
        assert one.balanced_accuracy == 1
        assert np.isnan([one.precision, *one.precision_interval, one.natural_f1]).all()
    for one in detection(RIGHT, EXAMS, AtomJudge(LABELS), prevalence=rates):
        assert one.precision == one.natural_f1 == 1


def test_judges_errors_are_seen_and_taken_out():
    exams = {0: exam(LABELS[:, 0], 900)}
    one = detection([RIGHT[0]], exams, Flipping(LABELS), rates=(0.1, 0.1), null=False)[0]
    assert one.balanced_accuracy == pytest.approx(0.9, abs=0.025)
    assert one.corrected == pytest.approx(1.0, abs=0.03)
    assert one.low < 0.9 < one.high


def test_failed_explanations_have_no_score_and_no_null():
    said = [RIGHT[0], Explanation(1, "", failure="unreadable"), RIGHT[2]]
    judge = AtomJudge(LABELS)
    found = detection(said, EXAMS, judge)
    assert isnan(found[1].balanced_accuracy)
    assert found[1].undefined == "no explanation: unreadable"
    assert isnan(found[1].null)
    assert found[1].failed == {}  # nothing was asked, so no answer failed
    assert found[0].balanced_accuracy == found[2].balanced_accuracy == 1
    assert judge.asked["detection"] == 2 * 2 * 80 / 5  # two latents, each with its own and the other's explanation


def test_every_question_is_known_before_it_is_asked():
    judge = AtomJudge(LABELS)
    detection(RIGHT, EXAMS, judge, null=False, per_question=7)
    assert len(asked_about("detection", RIGHT, EXAMS, 7, 0)) == judge.asked["detection"] == 4 * 12  # ceil(80 / 7)


def test_scores_of_a_latent_do_not_depend_on_the_others():
    alone = detection([RIGHT[2]], EXAMS, Flipping(LABELS), null=False)[0]
    among = detection(RIGHT[::-1], EXAMS, Flipping(LABELS), null=False)[1]
    assert alone == among


def test_what_does_not_fit_is_refused():
    with pytest.raises(KeyError, match=r"no exam for latents \[9\]"):
        detection([Explanation(9, "fact 0")], EXAMS, AtomJudge(LABELS))
    with pytest.raises(ValueError, match=r"there are several of \[0\]"):
        detection([RIGHT[0], RIGHT[0]], EXAMS, AtomJudge(LABELS))


def stretches(fires, n=60, width=4):
    """Active stretches marked where the latent fires, silent ones with a random mark."""
    rng = np.random.default_rng(1)
    made = []
    for start in range(0, width * n, width):
        rows = tuple(range(start, start + width))
        values = tuple(float(fires[r]) for r in rows)
        on = tuple(i for i, v in enumerate(values) if v)
        made.append(Example(rows, values, bool(on), marked=on or (int(rng.integers(width)),)))
    return made


def test_fuzzing_asks_whether_all_marks_fit():
    exams = {f: stretches(LABELS[:, f]) for f in range(4)}
    found = fuzzing(RIGHT, exams, AtomJudge(LABELS))
    assert [one.balanced_accuracy for one in found] == [1] * 4
    assert all(one.mode == "fuzzing" and isnan(one.precision) for one in found)
    assert np.mean([one.null for one in found]) == pytest.approx(0.5, abs=0.12)
    with pytest.raises(ValueError, match="80 examples of latent 0 have none"):
        fuzzing(RIGHT, EXAMS, AtomJudge(LABELS))


def test_fuzzing_tells_a_place_from_its_surroundings_and_detection_does_not():
    """A latent on single positions of stretches, explained by what holds all over the same stretches."""
    place = np.zeros(240, np.bool_)
    place[1:120:4] = True
    around = np.arange(240) < 120
    labels = np.stack([place, around], 1)
    wrong_marks = [
        Example((r, r + 1, r + 2, r + 3), (0.0, 1.0, 0.0, 0.0), False, marked=(2,)) for r in range(0, 120, 4)
    ]
    rightly = [Example(e.rows, e.values, True, marked=(1,)) for e in wrong_marks]
    exams = {0: [*rightly, *wrong_marks]}
    good = fuzzing([Explanation(0, "fact 0")], exams, AtomJudge(labels), null=False)[0]
    vague = fuzzing([Explanation(0, "fact 1")], exams, AtomJudge(labels), null=False)[0]
    assert (good.balanced_accuracy, vague.balanced_accuracy) == (1, 0.5)
    silent = [Example((r, r + 1, r + 2, r + 3), (0.0,) * 4, False) for r in range(120, 240, 4)]
    seen = detection([Explanation(0, "fact 1")], {0: [*rightly, *silent]}, AtomJudge(labels), null=False)[0]
    assert seen.balanced_accuracy == 1


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_nothing_keeps_its_place(n):
    order = derangement(n, seed=3)
    assert sorted(order) == list(range(n))
    assert all(i != j for i, j in enumerate(order))
    at, seen = 0, set()
    while at not in seen:
        seen.add(at)
        at = order[at]
    assert len(seen) == n  # one cycle
    assert n == 2 or derangement(101, seed=1) != derangement(101, seed=2)


def test_shuffled_explanations():
    said = [*RIGHT, Explanation(8, "", failure="unreadable")]
    found = shuffled(said)
    assert [one.latent for one in found] == [0, 1, 2, 3, 8]
    assert found[4] == said[4]
    assert sorted(one.text for one in found[:4]) == [one.text for one in RIGHT]
    assert all(a.text != b.text and a.source == "shuffled" for a, b in zip(found[:4], RIGHT, strict=True))
    alone = shuffled([RIGHT[0]])
    assert alone[0].failure == "no other latent to take one from"
    assert isnan(detection([RIGHT[0]], EXAMS, AtomJudge(LABELS))[0].null)
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1)


def test_always_true_and_matched_prevalence():
    facts = facts_of(LABELS, np.arange(N) // 20, np.arange(N) < N // 2)
    assert evaluate(always_true(0, facts).predicate, facts).all()
    one = detection([Explanation(0, "always")], EXAMS, AtomJudge(LABELS), null=False)[0]
    assert (one.balanced_accuracy, one.auroc) == (0.5, 0.5)
    assert matched_prevalence(0, 0.02, facts, nearest=1).text == "fact 5"
    drawn = {matched_prevalence(n, 0.23, facts, nearest=2).text for n in range(30)}
    assert drawn == {"fact 1", "fact 4"}
