"""What a small sentence encoder reads off boards: next to nothing off whole boards, facts off their sentences."""

import importlib.util

import numpy as np
import pytest
from fiducial.explaining.rendering import renderer_of
from fiducial.metrics.llm import embedders
from fiducial.metrics.llm.embedding import embedding, embedding_by_facts, nearest_facts
from fiducial.metrics.llm.nouns import Example, Explanation
from fiducial.tasks.facts import facts_of
from fiducial.testbed_catalogue import testbed as a_testbed

TRUTHS = {"mine on c4": "mine on c4", "yours on e3": "yours on e3", "not c2 empty": "c2 empty"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(embedders.MINILM) is None, reason="the encoder's package is not installed")
def test_facts_are_found_boards_are_not_and_negation_is_upside_down():
    bed = a_testbed("othello-6x6", n_games=40)
    facts, encoder = facts_of(bed), embedders.minilm_encoder()
    rows = np.random.default_rng(0).choice(facts.rows_of(False), 80, replace=False)
    exams = {}
    for i, (text, name) in enumerate(TRUTHS.items()):
        holds = facts.column(name, rows) ^ text.startswith("not ")
        kinds = [rows[holds][:25], rows[~holds][:25]]
        exams[i] = tuple(
            Example((int(r),), (float(active),), active)
            for active, some in zip((True, False), kinds, strict=True)
            for r in some
        )
    explanations = [Explanation(i, text) for i, text in enumerate(TRUTHS)]
    by_facts = [one.auroc for one in embedding_by_facts(explanations, exams, facts, encoder)]
    assert by_facts == [1.0, 1.0, 0.0]
    whole = [one.auroc for one in embedding(explanations, exams, renderer_of(bed, "grid"), encoder)]
    assert max(whole[:2]) < 0.75  # explanations that are exactly right
    assert nearest_facts("my disc stands on c4", facts, encoder, n=5)[0][1] > 0.5
