"""Embedding scores and encoders: by hand, in the limits, blind spots, and files that are not what they should be."""

import importlib.util
import sys

import numpy as np
import pytest
from fiducial.metrics.llm import embedders
from fiducial.metrics.llm.embedders import FunctionEncoder, check_files, hashing_encoder, minilm_encoder, unit
from fiducial.metrics.llm.embedding import embedding, embedding_by_facts, nearest_facts
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Explanation

from .stub import WordRenderer, exam

NAMES = ("mine on c4", "mine on d3", "legal move at d3", "in check")
HOLDS = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)


def facts(**more):
    return Facts(
        NAMES,
        np.packbits(HOLDS, axis=1, bitorder="little"),
        np.arange(5) // 2,
        np.arange(5) % 2,
        np.zeros(5, bool),
        **more,
    )


def toy_encoder():
    """Two dimensions: colour red, colour blue."""
    return FunctionEncoder(
        "toy", lambda ts: np.array([[t.count("red"), t.count("blue")] for t in ts], np.float32) + 0.5
    )


def test_cosine_and_auroc_by_hand():
    # e("red") = (1.5, .5). Contexts red (1.5, .5): cos 1; both (1.5, 1.5): (2.25 + .75) / (1.5811 * 2.1213) = .8944;
    # blue (.5, 1.5): (.75 + .75) / 2.5 = .6
    renderer = WordRenderer(["red", "red blue", "blue"])
    found = embedding([Explanation(0, "red")], {0: exam([0, 2], [1])}, renderer, toy_encoder())[0]
    np.testing.assert_allclose(found.values, [1, 0.6, 0.8944], atol=1e-4)
    assert found.auroc == 0.5


def test_marks_and_instruction():
    asked = []
    encoder = FunctionEncoder("listening", lambda ts: asked.extend(ts) or np.ones((len(ts), 2), np.float32))
    found = embedding(
        [Explanation(0, "red")],
        {0: exam([0], [1], marked=(0,))},
        WordRenderer(["red", "blue"]),
        encoder,
        instruction="Q: ",
    )[0]
    assert asked == ["Q: red", "red", "blue"]
    assert found.auroc == 0.5


def test_by_facts_finds_the_fact_in_any_row_of_the_example():
    exams = {0: (Example((0, 1), (0.0, 1.0), True), Example((2, 3), (0.0, 0.0), False))}
    found = embedding_by_facts([Explanation(0, "mine on c4")], exams, facts(), hashing_encoder())[0]
    assert found.auroc == 1
    assert found.values[0] == pytest.approx(1, abs=1e-6)


def test_by_facts_is_blind_to_negation():
    """`not mine on c4` is nearest where mine is on c4: the score is upside down."""
    exams = {0: exam([2, 3], [0, 1])}
    found = embedding_by_facts([Explanation(0, "not mine on c4")], exams, facts(), hashing_encoder())[0]
    assert found.auroc == 0


def test_hidden_facts_and_rows_without_facts():
    exams = {0: exam([0, 1], [2, 4])}
    found = embedding_by_facts([Explanation(0, "mine on c4")], exams, facts(), hashing_encoder())[0]
    assert np.isnan(found.values[3])
    assert found.failure == "1 of 4 examples have no value"
    hidden = facts(hidden=frozenset({"mine on c4"}))
    # row 0 now holds nothing that can be seen
    blind = embedding_by_facts([Explanation(0, "mine on c4")], exams, hidden, hashing_encoder())[0]
    assert np.isnan(blind.values[0])


def test_sentences_and_look_up():
    found = nearest_facts(
        "the king is in check", facts(), hashing_encoder(), n=2, sentence=lambda n: f"the king is {n}"
    )
    assert found[0][0] == "in check"
    assert found[0][1] > found[1][1]
    with pytest.raises(ValueError, match="at least 1"):
        nearest_facts("x", facts(), hashing_encoder(), n=0)


def test_failures_have_no_score():
    found = embedding([Explanation(0, "", failure="late")], {0: exam([0], [1])}, WordRenderer("ab"), toy_encoder())[0]
    assert found.failure == "no explanation: late"
    assert np.isnan(found.auroc)


def test_hashing_is_the_same_everywhere_and_knows_words():
    encoder = hashing_encoder(256)
    vectors = encoder.encode(["legal move at d3", "Legal move at D3.", "queens are off", ""])
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 256)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.3
    assert not vectors[3].any()
    # recorded: which buckets the first text fills, on every machine and in every process
    assert np.flatnonzero(hashing_encoder(16).encode(["mine on c4"])[0]).tolist() == RECORDED
    with pytest.raises(ValueError, match="at least 1"):
        hashing_encoder(0)


RECORDED = [1, 6, 8, 15]


def test_an_encoder_computes_each_text_once_and_checks_what_comes():
    calls = []
    encoder = FunctionEncoder("counted", lambda ts: calls.append(list(ts)) or np.ones((len(ts), 3)))
    assert encoder.encode(["a", "b", "a"]).shape == (3, 3)
    encoder.encode(["b", "c"])
    assert calls == [["a", "b"], ["c"]]
    with pytest.raises(ValueError, match="at least one text"):
        encoder.encode([])
    with pytest.raises(ValueError, match="one finite vector for each of 1 texts"):
        FunctionEncoder("bad", lambda ts: np.full((1, 2), np.nan)).encode(["a"])
    np.testing.assert_allclose(np.linalg.norm(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), axis=1), [1, 0], atol=1e-6)


def test_files_are_checked_before_they_are_read(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config\.json is not the file that is meant"):
        check_files(tmp_path, {"config.json": "0" * 64})
    with pytest.raises(ValueError, match=r"holds no model\.safetensors"):
        check_files(tmp_path, {"model.safetensors": "0" * 64})


def test_a_changed_package_is_refused_and_a_missing_one_said(tmp_path, monkeypatch):
    package = tmp_path / embedders.MINILM
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in embedders.MINILM_FILES:
        (package / "model" / name).write_bytes(b"changed")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, embedders.MINILM, raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="sha256"):
        minilm_encoder()
    monkeypatch.setattr(embedders, "MINILM", "gt_no_such_package")
    with pytest.raises(ImportError, match=r"fiducial\[embed\]"):
        minilm_encoder()


@pytest.mark.skipif(importlib.util.find_spec(embedders.MINILM) is None, reason="the encoder's package is not installed")
def test_the_real_encoder():
    encoder = minilm_encoder()
    vectors = encoder.encode(["the white knight stands on f3", "a knight of White on f3", "queens have been exchanged"])
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.8 > 0.5 > vectors[0] @ vectors[2]
    alone = minilm_encoder(batch_size=1).encode(["queens have been exchanged"])
    np.testing.assert_allclose(alone[0], vectors[2], atol=1e-5)  # batches do not change it
