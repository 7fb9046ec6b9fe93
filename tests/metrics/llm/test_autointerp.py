"""Scores of whole dictionaries: planted latents named rightly, wrongly, by chance and not at all."""

import json
from math import isnan

import numpy as np
import pytest
from fiducial.metrics.llm.asking import Asked
from fiducial.metrics.llm.autointerp import SCORERS, autointerp
from fiducial.metrics.llm.autointerp_saebench import NONE, accuracy_of, autointerp_saebench, posed
from fiducial.metrics.llm.examples import windows_of
from fiducial.metrics.llm.exams import ExamSettings
from fiducial.metrics.llm.latents import latents_of
from fiducial.metrics.llm.nouns import NEGATIVES, Example, Explanation
from fiducial.metrics.llm.predicate import Atom
from fiducial.metrics.llm.truth_counts import counts, exact_counts, facts_from
from fiducial.models.dictionary import Codes
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from .judges import AtomExplainer, AtomJudge, facts_of

N_GAMES, LENGTH = 60, 20
GAMES = np.repeat(np.arange(N_GAMES), LENGTH)
POSITION = np.tile(np.arange(LENGTH), N_GAMES)
TRAIN = GAMES < N_GAMES // 2
LABELS = np.random.default_rng(4).random((len(GAMES), 8)) < np.linspace(0.05, 0.3, 8)
LATENTS = np.concatenate([LABELS * np.random.default_rng(5).uniform(1, 2, LABELS.shape), np.zeros((1200, 2))], 1)
NAMES = [f"fact {f}" for f in range(8)]
RIGHT = {f: f"fact {f}" for f in range(8)}


def arrays(**changed):
    return {"names": NAMES, "game_id": GAMES, "position": POSITION, "train": TRAIN, "n_resamples": 50, **changed}


def scored(latents=LATENTS, atoms=RIGHT, **changed):
    with_own = {"explainer": AtomExplainer(atoms), "judge": AtomJudge(LABELS), **changed}
    return autointerp(latents, LABELS, **arrays(**with_own))


FOUND = scored()


def test_right_names_are_perfect_but_for_strength():
    assert set(FOUND) == {"explanation_f1_score", *(f"{name}_score" for name in SCORERS)}
    for name in ("explanation_f1_score", "detection_score", "fuzzing_score"):
        assert (FOUND[name].value, FOUND[name].low, FOUND[name].high) == (1, 1, 1)
    assert 0.9 < FOUND["simulation_score"].value < 1  # on and off is all that a predicate knows
    for score in FOUND.values():
        assert score.details["n_latents"] == 8
        assert score.details["dropped"] == {"never fires": 2}
        assert score.details["intervals"] == "bootstrap over latents"
        assert {len(column) for column in score.features.values()} == {8}
        assert score.floors["shuffled explanations"] < score.value - 0.3
        json.dumps(dict(score.details), allow_nan=False)


def test_floors_are_chance():
    assert FOUND["detection_score"].floors["shuffled explanations"] == pytest.approx(0.5, abs=0.06)
    assert FOUND["simulation_score"].floors["shuffled explanations"] == pytest.approx(0, abs=0.1)
    shares = LABELS[~TRAIN].mean(0)
    assert FOUND["explanation_f1_score"].floors["always true"] == pytest.approx((2 * shares / (1 + shares)).mean())


def test_wrong_names_are_at_chance_and_the_truth_says_so():
    wrong = scored(atoms={f: f"fact {(f + 1) % 8}" for f in range(8)}, null=False)
    assert wrong["detection_score"].value == pytest.approx(0.5, abs=0.06)
    f1 = [f1_score(LABELS[~TRAIN, f], LABELS[~TRAIN, (f + 1) % 8]) for f in range(8)]
    assert wrong["explanation_f1_score"].value == pytest.approx(np.mean(f1))
    assert wrong["explanation_f1_score"].features["exact_f1"] == pytest.approx(f1)
    assert list(wrong["detection_score"].floors) == ["always true"]


def test_rows_that_do_not_follow_each_other_have_no_stretches():
    found = scored(position=None)
    assert found["detection_score"].value == 1
    for name in ("fuzzing_score", "simulation_score"):
        assert isnan(found[name].value)
        assert found[name].details["undefined"] == "positions of this sample do not follow each other"
    alone = autointerp(
        LATENTS, LABELS, **arrays(game_id=np.arange(1200), explainer=AtomExplainer(RIGHT), judge=AtomJudge(LABELS))
    )
    assert alone["fuzzing_score"].details["undefined"] == "no reporting game has two positions"
    assert alone["detection_score"].value == 1


def test_dead_dictionary_and_missing_explanations():
    dead = scored(latents=np.zeros((1200, 3)))
    assert all(isnan(score.value) for score in dead.values())
    assert dead["detection_score"].details["dropped"] == {"never fires": 3}

    class Mute(AtomExplainer):
        def explain(self, shown):
            return [Explanation(s.latent, "", failure="unreadable") for s in shown]

    mute = scored(explainer=Mute(RIGHT))
    assert all(isnan(score.value) and score.details["undefined"] for score in mute.values())
    assert mute["detection_score"].details["explanations_failed"] == {"unreadable": 8}

    class FreeText(AtomExplainer):
        def explain(self, shown):
            return [Explanation(s.latent, self.atoms[s.latent]) for s in shown]

    free = scored(explainer=FreeText(RIGHT))
    assert free["detection_score"].value == 1
    assert "translate" in free["explanation_f1_score"].details["undefined"]


def test_scores_are_deterministic_and_do_not_see_dead_latents_or_scale():
    assert scored() == FOUND
    more = scored(latents=np.concatenate([LATENTS, np.zeros((1200, 5))], 1))
    louder = scored(latents=LATENTS * 4.0 ** np.arange(-5, 5))
    for name, score in FOUND.items():
        assert more[name].value == score.value
        assert louder[name].value == pytest.approx(score.value, rel=1e-9)
    assert scored(seed=1)["simulation_score"].value != FOUND["simulation_score"].value


def test_explainers_see_choosing_games_only_and_judges_the_others():
    seen: dict[str, set[int]] = {"explainer": set(), "judge": set()}

    class Explainer(AtomExplainer):
        def explain(self, shown):
            seen["explainer"] |= {row for s in shown for e in (*s.positives, *s.negatives) for row in e.rows}
            return super().explain(shown)

    class Judge(AtomJudge):
        def answer(self, questions):
            seen["judge"] |= {row for q in questions for e in q.examples for row in e.rows}
            return super().answer(questions)

    scored(explainer=Explainer(RIGHT), judge=Judge(LABELS))
    assert all(TRAIN[list(seen["explainer"])])
    assert not any(TRAIN[list(seen["judge"])])


@pytest.mark.parametrize("negatives", [kind for kind in NEGATIVES if kind != "one literal away"])
def test_every_kind_of_negative(negatives):
    found = scored(exam=ExamSettings(negatives=negatives), scorers=("detection",))["detection_score"]
    assert found.value == 1
    assert found.details["negatives"] == negatives


def test_a_random_sample_of_latents():
    some = scored(n_latents=3)["detection_score"]
    assert len(some.features["latent"]) == 3
    assert some.details["n_eligible"] == 8
    with pytest.raises(KeyError, match="no scorer named 'surprisal'"):
        scored(scorers=("surprisal",))


def planted():
    """Latents that fire on a conjunction, a disjunction, a negation and at random."""
    a, b, c, d = (LABELS[:, f] for f in (7, 6, 5, 4))
    noise = np.random.default_rng(9).random(1200) < 0.1
    return np.stack([a & b, c | d, b & ~a, noise], 1) * np.random.default_rng(8).uniform(1, 2, (1200, 4))


def test_explainer_and_judge_by_default_name_what_was_planted():
    found = autointerp(planted(), LABELS, **arrays(min_active=10))
    exact = found["explanation_f1_score"]
    texts = ["fact 6 and fact 7", "fact 4 or fact 5", "fact 6 and not fact 7"]
    assert exact.features["explanation"][:3] == texts
    assert exact.features["exact_f1"][:3] == [1, 1, 1]
    assert exact.features["exact_f1"][3] < 0.35
    for name in ("detection_score", "fuzzing_score"):
        assert found[name].features["balanced_accuracy"][:3] == [1, 1, 1]
        assert found[name].features["balanced_accuracy"][3] < 0.7
    assert exact.details["explainer"] == "predicate (all)"
    assert autointerp(planted(), LABELS, **arrays(min_active=10)) == found


def test_negatives_one_literal_away_show_what_random_ones_hide():
    """`fact 7` for a latent on `fact 6 and fact 7`: silent boards nearby hold fact 7 more often than others."""
    one = planted()[:, :1]
    asked = {"explainer": AtomExplainer({0: "fact 7"}), "scorers": ("detection",), "min_active": 10}
    found = {
        kind: autointerp(one, LABELS, **arrays(exam=ExamSettings(negatives=kind), **asked))["detection_score"]
        for kind in ("random", "one literal away")
    }
    random, near = (found[kind].features for kind in ("random", "one literal away"))
    assert random["tpr"] == near["tpr"] == [1]
    # random: P(7 | not both) = (p7 - p6 p7) / (1 - p6 p7); nearby: one of both holds, p7 (1 - p6) of p7 + p6 - 2 p6 p7
    p6, p7 = LABELS[:, 6].mean(), LABELS[:, 7].mean()
    assert random["tnr"][0] == pytest.approx(1 - p7 * (1 - p6) / (1 - p6 * p7), abs=0.15)
    assert near["tnr"][0] == pytest.approx(1 - p7 * (1 - p6) / (p7 + p6 - 2 * p6 * p7), abs=0.15)
    assert near["balanced_accuracy"][0] < random["balanced_accuracy"][0] - 0.1


def test_a_judge_that_errs_is_corrected_by_its_rates():
    from fiducial.metrics.llm.predicate_judge import PredicateJudge

    facts = facts_of(LABELS, GAMES, TRAIN, POSITION)
    judge = PredicateJudge(facts, e_pos=0.2, e_neg=0.1)
    found = scored(judge=judge, rates=(0.2, 0.1), scorers=("detection",))["detection_score"]
    assert found.value == pytest.approx(0.85, abs=0.03)
    assert found.details["mean_corrected"] == pytest.approx(1, abs=0.04)


def test_executed_truth_against_scikit_learn():
    facts = facts_of(LABELS, GAMES, TRAIN, POSITION)
    one = latents_of(Codes.from_dense(LATENTS), [0])[0]
    found = exact_counts(Explanation(0, "", Atom("fact 7")), one, facts)
    y, p = LABELS[~TRAIN, 0], LABELS[~TRAIN, 7]
    for name, oracle in (
        ("precision", precision_score), ("recall", recall_score), ("exact_f1", f1_score), ("iou", jaccard_score),
    ):  # fmt: skip
        assert found[name] == pytest.approx(oracle(y, p))
    assert found["holds"] == p.mean()
    assert all(isnan(v) for v in exact_counts(Explanation(0, "free text"), one, facts).values())
    never = counts(np.zeros(4, np.bool_), np.array([True, False, False, False]))
    assert isnan(never["precision"])
    assert never["exact_f1"] == 0


def test_executed_truth_is_that_of_the_other_count():
    from fiducial.metrics.llm.truth import exact

    facts = facts_of(LABELS, GAMES, TRAIN, POSITION)
    one = latents_of(Codes.from_dense(planted()), [3])[3]
    mine, other = exact_counts(Explanation(3, "", Atom("fact 7")), one, facts), exact(Atom("fact 7"), one, facts)
    assert (mine["precision"], mine["recall"], mine["exact_f1"], mine["iou"]) == pytest.approx(
        (other.precision, other.recall, other.f1, other.iou)
    )


def test_facts_from_any_labels():
    packed = np.packbits(LABELS, axis=1, bitorder="little")
    for labels in (LABELS, packed):
        facts = facts_from(labels, NAMES, GAMES + 7, None, TRAIN, {"ply": POSITION})
        np.testing.assert_array_equal(facts.column("fact 3"), LABELS[:, 3])
        np.testing.assert_array_equal(facts.counters["ply"], POSITION)
    with pytest.raises(ValueError, match="both sides"):
        facts_from(LABELS, NAMES, GAMES, None, POSITION < 10)


def saebench(latents=LATENTS, atoms=RIGHT, **changed):
    own = {"explainer": AtomExplainer(atoms), "judge": AtomJudge(LABELS), **changed}
    return autointerp_saebench(latents, LABELS, **arrays(**own))


def test_saebench_windows():
    facts = facts_of(LABELS, GAMES, TRAIN, POSITION)
    one = latents_of(Codes.from_dense(LATENTS), [4])[4]
    cut = windows_of(facts, 5, "centre")
    everywhere = np.ones(1200, np.bool_)
    made = posed(one, cut, (everywhere, everywhere), checked=False)
    assert len(made.shown.positives) == 15
    assert [e.active for e in made.exam] == [True] * 4 + [False] * 10
    assert made.mislabelled == sum(any(v > 0 for v in e.values) for e in made.exam[4:])
    top = [e for e in (*made.shown.positives, *made.exam[:4]) if e.source == "top"]
    rows = [row for e in top for row in e.rows]
    assert len(top) == 12
    assert len(rows) == len(set(rows))  # windows of the top do not overlap
    assert not {e.rows for e in made.shown.positives} & {e.rows for e in made.exam[:4]}
    mended = posed(one, cut, (TRAIN, ~TRAIN), checked=True)
    assert mended.mislabelled == 0
    assert all(not any(e.values) for e in mended.exam[4:])
    assert all(TRAIN[e.rows[0]] for e in mended.shown.positives)
    assert not any(TRAIN[e.rows[0]] for e in mended.exam)
    louder = latents_of(Codes.from_dense(np.where(TRAIN[:, None], LATENTS, 1000 * LATENTS)), [4])[4]
    assert posed(louder, cut, (TRAIN, ~TRAIN), checked=True).shown == mended.shown  # marks too are of choosing games


def test_saebench_pays_for_saying_no_and_for_looking_away():
    """A perfect judge of a perfect label is wrong wherever a random window holds a firing: rate 1 - (1 - d)^w."""
    found = saebench(buffer=2)["autointerp_saebench_score"]
    density = LABELS[:, found.features["latent"]].mean(0)
    expected = (1 - (1 - density) ** 5).mean()  # windows at the edges of games are shorter: a little less
    assert found.details["mislabelled"] == pytest.approx(expected, abs=0.08)
    assert found.value == pytest.approx(1 - 10 / 14 * found.details["mislabelled"])
    assert found.floors["none"] == NONE == 10 / 14
    assert found.details["mended"] == {"value": 1, "low": 1, "high": 1}
    assert found.value < 0.8

    class No(AtomJudge):
        def holds(self, text, row):
            return False

    assert saebench(judge=No(LABELS))["autointerp_saebench_score"].value == pytest.approx(10 / 14)
    assert saebench(judge=No(LABELS))["autointerp_saebench_score"].details["mended"]["value"] == 0.5


def test_saebench_names_and_buffer():
    found = saebench(protocol="saebench")
    assert list(found) == ["autointerp_score", "autointerp_std_dev"]
    accuracy = found["autointerp_score"].features["accuracy"]
    assert found["autointerp_std_dev"].value == pytest.approx(np.std(accuracy))
    assert found["autointerp_score"].details["buffer"] == 2  # 10 of 128 is 1.6 of 20
    assert saebench(position=None)["autointerp_saebench_score"].details["buffer"] == 0
    with pytest.raises(ValueError, match="protocol must be"):
        saebench(protocol="delphi")
    dead = saebench(latents=np.zeros((1200, 2)))["autointerp_saebench_score"]
    assert isnan(dead.value)
    assert dead.details["undefined"]


def test_an_unreadable_answer_drops_the_latent_and_is_counted():
    exam = tuple(Example((i,), (1.0,), True) for i in range(2))
    assert isnan(accuracy_of(Asked(0, "detection", exam, ((1.0,), None), {"no value": 1})))
    assert accuracy_of(Asked(0, "detection", exam, ((1.0,), (0.0,)))) == 0.5
