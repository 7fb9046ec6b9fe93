"""Judges for spurious correlation removal: which latents are asked about, and what their verdicts do to the score."""

import numpy as np
import pytest
from fiducial.explaining.rendering import renderer_of
from fiducial.metrics.llm.latents import latents_of
from fiducial.metrics.llm.nouns import Reply
from fiducial.metrics.llm.shift_judge import contexts
from fiducial.models.controls import PermutedDictionary
from fiducial.references import Candidate, References
from fiducial.subject import subject
from fiducial.tasks import scr, scr_judge
from fiducial.tasks.facts import facts_of
from fiducial.testbed_catalogue import testbed
from predicate_server import PredicateServer


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(scr, "MAX_PAIRS", 4)  # each has probes to fit


@pytest.fixture(scope="module")
def world():
    return testbed("hierarchical", n_games=60)


def about(bed, dictionary):
    return subject(Candidate("one", "tested", dictionary, bed.x), bed, n_resamples=20)


def test_latents_that_attribution_puts_first_are_asked_about(world):
    one = about(world, world.oracle)
    posed = scr.posed(one)
    asked = scr_judge.candidates(one, 5)
    concepts = {c for pair in posed.prepared.pairs for c in pair.concepts}
    assert {c for found in asked.values() for c in found} == concepts
    counts = [sum(c in found for found in asked.values()) for c in concepts]
    pairs = [sum(c in pair.concepts for pair in posed.prepared.pairs) for c in concepts]
    assert all(0 < n <= 5 * m for n, m in zip(counts, pairs, strict=True))
    fewer = scr_judge.candidates(one, 2)
    assert all(set(found) <= set(asked[latent]) for latent, found in fewer.items())


def test_predicates_judge_the_oracle_right_and_a_control_wrong(world):
    """The oracle's latents are the features: those of a concept are kept, and taking them out mends the probes."""
    right = about(world, world.oracle)
    judge = scr_judge.predicate_judge(right)
    assert not judge.failed
    for c, concept in enumerate(scr.posed(right).concepts):
        own = [i for i, name in enumerate(world.oracle.latent_names) if name == concept.name]
        assert all(judge(c)[own])
    judged = scr.measure(right, judge=judge)["scr_score"]
    assert judged.value > 0.8
    assert judged.details["judged"]
    wrong = about(world, PermutedDictionary(world.oracle, "decoder"))
    assert scr.measure(wrong, judge=scr_judge.predicate_judge(wrong))["scr_score"].value < 0.4


def test_a_chat_model_judges_latents_of_a_game():
    """The server replays the moves of the contexts and rates by what holds at the marked ones, as done here by hand."""
    bed = testbed("othello-6x6", n_games=30)
    one = about(bed, References(bed, 64, 8).floors()[0].dictionary)

    class Chat:
        model = "predicates"

        def __init__(self):
            self.server, self.requests = PredicateServer(bed.game), []

        def complete(self, requests):
            self.requests += requests
            return [Reply(self.server.answer(request.messages)) for request in requests]

    chat = Chat()
    renderer = renderer_of(bed)
    judge = scr_judge.llm_judge(one, chat, renderer, n=3)
    asked = scr_judge.candidates(one, 3)
    assert chat.requests == scr_judge.plan_requests(one, chat, renderer, n=3)
    assert len(chat.requests) == len(asked) == judge.n_asked
    facts = facts_of(one.bed, one.labels)
    names = [concept.name for concept in scr.posed(one).concepts]
    for number, concepts in asked.items():
        examples = contexts(latents_of(one.codes, [number])[number], facts)
        marked = [e.rows[i] for e in examples for i in e.marked]
        for c in concepts:
            assert judge.ratings[number, c] == 4 * int(facts.column(names[c], np.array(marked)).sum()) // len(marked)
    assert judge(0).shape == (64,)
    assert set(np.flatnonzero(judge(0))) == {i for (i, c), r in judge.ratings.items() if c == 0 and r > 2}


def test_a_judge_that_keeps_nothing_mends_nothing(world):
    one = about(world, world.oracle)
    judge = scr_judge.predicate_judge(one, threshold=1.0)  # nothing is above the whole scale
    assert scr.measure(one, judge=judge)["scr_score"].value == 0
