"""A plan looks at what a cache holds, and sends nothing, not even a second ask after an answer it cannot read."""

from types import SimpleNamespace

import pytest
from fiducial.explaining.planning import requests_of
from fiducial.explaining.run import Run
from fiducial.metrics.llm.llm_explainer import LLMExplainer
from fiducial.metrics.llm.nouns import Example, Reply, Shown
from fiducial.metrics.llm.replay import UNSENT, CachedChat
from fiducial.metrics.llm.translator import Translator

NAMES = ("mine on c4", "mine on c5", "yours on d3")


class Texts:
    style, legend = "stub", ""

    def example(self, example):
        return f"rows {example.rows}"

    def lines(self, example):
        return [f"row {row}" for row in example.rows]


class Model:
    """Explains latents 1 and 2; of 2 only when asked again, of 3 nobody has asked. Whatever is sent is an error."""

    model = "m"

    def __init__(self, known):
        self.known = known

    def cached(self, request):
        return self._key(request) in self.known

    def complete(self, requests):
        assert all(map(self.cached, requests)), "a request was sent"
        return [Reply(self.known[self._key(request)], cached=True) for request in requests]

    def _key(self, request):
        kind = "predicate" if "Sentence: " in request.messages[-1][1] else "explain"
        said = request.messages[-1][1]
        about = said.split("Sentence: ")[1].splitlines()[0] if kind == "predicate" else said.split("rows (")[1][0]
        return kind, about, request.replicate


def planned(known):
    model = Model(known)
    shown = {n: Shown(n, 1.0, (Example((n,), (1.0,), True),)) for n in (1, 2, 3)}
    examiner = SimpleNamespace(facts=None, latents=None, shown=shown.__getitem__)
    sample = SimpleNamespace(examiner=examiner, numbers=(1, 2, 3), chunks=lambda: iter([(1, 2, 3)]))
    run = Run(LLMExplainer(model, Texts()), translator=Translator(model, NAMES), cached=model.cached)
    found = requests_of(sample, run, null=False, per_question=5, seed=0)
    sentences = [request.messages[-1][1].split("Sentence: ")[1].splitlines()[0] for request in found["translations"]]
    return len(found["explanations"]), sentences


@pytest.mark.parametrize("again", [{}, {("explain", "2", 1): "EXPLANATION: my c5"}])
def test_known_answers_are_used_and_nothing_is_sent(again):
    n, sentences = planned({("explain", "1", 0): "EXPLANATION: my c4", ("explain", "2", 0): "Hm.", **again})
    assert n == 3
    assert len(sentences) == 3
    assert sentences[0] == "my c4"
    assert sentences[1].startswith("my c5" if again else "it fires at positions like these")
    assert sentences[2].startswith("it fires at positions like these")


def test_nothing_known():
    n, sentences = planned({})
    assert (n, len(sentences)) == (3, 3)


def test_a_cache_alone_answers_in_order():
    model = Model({("explain", "2", 0): "two"})
    explainer = LLMExplainer(model, Texts())
    asked = explainer.requests([Shown(n, 1.0, (Example((n,), (1.0,), True),)) for n in (1, 2, 3)])
    replies = CachedChat(model, model.cached).complete(asked)
    assert [reply.text for reply in replies] == [None, "two", None]
    assert [reply.failure for reply in replies] == [UNSENT, "", UNSENT]
