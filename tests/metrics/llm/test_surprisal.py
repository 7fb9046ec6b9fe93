"""Surprisal and the AUROC below it: by hand, against scikit-learn, in the limits, and when things fail."""

import numpy as np
import pytest
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.per_latent import auroc
from fiducial.metrics.llm.separation import beside_null, separation, summary
from fiducial.metrics.llm.surprisal import NOTHING, prompt, surprisal
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from .stub import WordRenderer, exam

WORDS = ["red house", "red door", "red tree", "blue sea", "blue sky", "a red sky"]


def reader(prefixes, texts):
    """Every word costs 2 nats, or half if the note names it; the base costs differ by text and must cancel."""
    notes = [p.rsplit("Note: ", 1)[1].removesuffix("\nPassage:") for p in prefixes]
    return np.array(
        [sum(-0.5 if w in n.split() else -2.0 for w in t.split()) - len(t) for n, t in zip(notes, texts, strict=True)]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_auroc_against_scikit_learn(pairs):
    values, active = np.array([float(v) for v, _ in pairs]), np.array([a for _, a in pairs])
    if active.all() or not active.any():
        assert np.isnan(auroc(values, active))
    else:
        assert auroc(values, active) == pytest.approx(roc_auc_score(active, values))


def test_gain_and_auroc_by_hand():
    # gain of "red": one word at 1.5 nats where it stands, 0 elsewhere.
    # active rows 0, 1, 3 gain 1.5, 1.5, 0; silent rows 4, 5 gain 0, 1.5.
    # pairs: (1.5 > 0) 1, (1.5 = 1.5) 1/2, again 1 and 1/2, (0 = 0) 1/2, (0 < 1.5) 0: 3.5 of 6
    found = surprisal([Explanation(7, "red")], {7: exam([0, 1, 3], [4, 5])}, WordRenderer(WORDS), reader)[0]
    np.testing.assert_allclose(found.values, [1.5, 1.5, 0, 0, 1.5])
    assert found.auroc == pytest.approx(3.5 / 6)
    assert (found.latent, found.n_active, found.n_silent, found.n_missing, found.failure) == (7, 3, 2, 0, "")


def test_limits():
    exams = {0: exam([0, 1, 2], [3, 4])}
    score = lambda text: surprisal([Explanation(0, text)], exams, WordRenderer(WORDS), reader)[0].auroc  # noqa: E731
    assert score("red") == 1
    assert score("blue") == 0
    assert score("green") == 0.5
    assert score(NOTHING) == 0.5


def test_marks_are_not_shown_and_the_base_is_asked_once_a_text():
    asked = []

    def listening(prefixes, texts):
        asked.append((list(prefixes), list(texts)))
        return reader(prefixes, texts)

    exams = {0: exam([0, 1], [3], marked=(0,)), 1: exam([0, 3], [4])}
    explanations = [Explanation(0, "red"), Explanation(1, "blue")]
    surprisal(explanations, exams, WordRenderer(WORDS), listening)
    assert not any("<<" in text for _, texts in asked for text in texts)
    assert asked[0][1] == [" red house", " red door", " blue sea", " blue sky"]
    assert set(asked[0][0]) == {prompt(NOTHING)}
    assert asked[1][0] == [prompt("red")] * 3 + [prompt("blue")] * 3


def test_failures_are_counted_and_never_scored():
    exams = {i: exam([0, 1, 2], [3, 4]) for i in range(4)}
    explanations = [
        Explanation(0, "red"),
        Explanation(1, "", failure="unreadable"),
        Explanation(2, "  "),
        Explanation(3, "red"),
    ]

    def forgetful(prefixes, texts):
        found = reader(prefixes, texts)
        found[-1] = np.nan  # the last text of the last latent; in the base call, that text is missing for all
        return found

    found = surprisal(explanations, exams, WordRenderer(WORDS), reader)
    assert [one.failure for one in found] == [
        "",
        "no explanation: unreadable",
        "no explanation: its text is empty",
        "",
    ]
    assert np.isnan(found[1].auroc)
    said = summary(found)
    assert said["n"] == 2
    assert said["failed"] == {"no explanation: unreadable": 1, "no explanation: its text is empty": 1}
    assert said["median"] == 1
    missing = surprisal(explanations[:1], exams, WordRenderer(WORDS), forgetful)[0]
    assert missing.failure == "1 of 5 examples have no value"
    with pytest.raises(KeyError, match="latent 9 is explained"):
        surprisal([Explanation(9, "red")], exams, WordRenderer(WORDS), reader)
    with pytest.raises(ValueError, match="one number a text"):
        surprisal(explanations[:1], exams, WordRenderer(WORDS), lambda p, t: np.zeros(1))


def test_order_of_latents_and_nulls():
    exams = {0: exam([0, 1, 2], [3, 4]), 1: exam([3, 4], [0, 1])}
    both = [Explanation(0, "red"), Explanation(1, "blue")]
    found = surprisal(both, exams, WordRenderer(WORDS), reader)
    assert surprisal(both[::-1], exams, WordRenderer(WORDS), reader) == found[::-1]
    swapped = surprisal([Explanation(0, "blue"), Explanation(1, "red")], exams, WordRenderer(WORDS), reader)
    assert [(one.auroc, one.null) for one in beside_null(found, swapped)] == [(1, 0), (1, 0)]
    with pytest.raises(ValueError, match="same latents"):
        beside_null(found, swapped[::-1])


def test_a_real_model_tells_what_it_was_made_to_repeat(tmp_path):
    """A tiny random model knows nothing: scores must be finite, the same twice, and its own z0 at exactly 1/2."""
    from fiducial.metrics.llm.causal_lm import CausalLM

    from .small_lms import save

    lm = CausalLM.from_folder(save(tmp_path, "llama", context=512))
    exams = {0: exam([0, 1, 2], [3, 4])}
    explanations = [Explanation(0, "red"), Explanation(0, NOTHING)]
    first, nothing = surprisal(explanations, exams, WordRenderer(WORDS), lm)
    assert first == surprisal(explanations[:1], exams, WordRenderer(WORDS), lm)[0]
    assert 0 <= first.auroc <= 1
    assert np.abs(nothing.values).max() < 1e-4  # the same prompt twice


def test_one_kind_alone_has_no_score():
    assert separation(0, exam([0], []), np.zeros(1)).failure.startswith("1 active and 0 silent")
