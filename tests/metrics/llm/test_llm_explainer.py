"""A chat model explains; what it does not say is a failure."""

from collections.abc import Callable, Sequence

import pytest
from fiducial.metrics.llm.llm_explainer import LLMExplainer
from fiducial.metrics.llm.nouns import Example, Explanation, Reply, Request, Shown
from fiducial.metrics.llm.predicate import Atom, Not
from fiducial.metrics.llm.translator import Translator, patterns

NAMES = ("mine on c4", "mine on c5", "yours on d3", "legal move at d3", "at least 4 discs of mine", "b3 empty")


class Texts:
    style = "stub"
    legend = ""

    def example(self, example: Example) -> str:
        return f"rows {example.rows}"

    def lines(self, example: Example) -> list[str]:
        return [f"row {row}" for row in example.rows]


class Script:
    """A chat model that answers by a function of the request, and keeps all requests."""

    model = "script"

    def __init__(self, says: Callable[[Request], str | Reply]) -> None:
        self._says = says
        self.requests: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests += requests
        said = [self._says(request) for request in requests]
        return [one if isinstance(one, Reply) else Reply(one) for one in said]


def shown(latent: int) -> Shown:
    return Shown(latent, 2.0, (Example((latent,), (2.0,), True),))


def test_explanations_come_back_in_order() -> None:
    chat = Script(lambda r: f"EXPLANATION: {r.messages[-1][1].split('rows ')[1][:3]}")
    explainer = LLMExplainer(chat, Texts())
    found = explainer.explain([shown(3), Shown(5, 0.0, ()), shown(7)])
    assert [(one.latent, one.text) for one in found] == [(3, "(3,"), (5, ""), (7, "(7,")]
    assert found[1].failure.startswith("no examples")
    assert {one.source for one in found} == {"script"}
    assert chat.requests == explainer.requests([shown(3), Shown(5, 0.0, ()), shown(7)])
    assert dict(chat.requests[0].params) == {"temperature": 0, "max_tokens": 400, "seed": 0}


def test_an_unreadable_answer_is_asked_for_again_once_and_then_a_failure() -> None:
    chat = Script(lambda r: "EXPLANATION: a cup" if r.replicate and "(3," in r.messages[-1][1] else "Hm.")
    found = LLMExplainer(chat, Texts()).explain([shown(3), shown(7)])
    assert found[0].text == "a cup"
    assert found[0].meta["asked"] == 2
    assert found[1].text == ""
    assert found[1].failure.startswith("no answer line")
    assert [request.replicate for request in chat.requests] == [0, 0, 1, 1]


def test_what_never_came_is_not_asked_for_again() -> None:
    chat = Script(lambda r: Reply(None, "HTTP 500"))
    found = LLMExplainer(chat, Texts()).explain([shown(3)])
    assert found[0].failure == "HTTP 500"
    assert len(chat.requests) == 1


def test_predicates_can_be_executed() -> None:
    chat = Script(lambda r: "EXPLANATION: not mine on c4" if "(3," in r.messages[-1][1] else "EXPLANATION: a cup")
    explainer = LLMExplainer(chat, Texts(), words="predicate", names=NAMES)
    found = explainer.explain([shown(3), shown(7)])
    assert found[0].predicate == Not(Atom("mine on c4"))
    assert explainer.name == "script (predicates)"
    assert found[1].predicate is None
    assert found[1].failure.startswith("no predicate")
    assert "mine on c4" in chat.requests[0].messages[0][1]  # the language is shown


def test_parameters_and_wrong_settings() -> None:
    chat = Script(lambda r: "EXPLANATION: a cup")
    params = {"temperature": None, "max_tokens": 50}
    LLMExplainer(chat, Texts(), params=params, seed=3).explain([shown(3)])
    assert dict(chat.requests[0].params) == {"max_tokens": 50, "seed": 3}
    with pytest.raises(ValueError, match="'free' or 'predicate', got 'prose'"):
        LLMExplainer(chat, Texts(), words="prose")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="names"):
        LLMExplainer(chat, Texts(), words="predicate")


def test_translations_are_executed_or_reported() -> None:
    def says(request: Request) -> str | Reply:
        sentence = request.messages[-1][1].split("Sentence: ")[1].split("\n")[0]
        return {
            "my disc on C4": "It means:\nPREDICATE: mine on c4",
            "pretty": "PREDICATE: NONE",
            "odd": "PREDICATE: mine on z9",
            "lost": Reply(None, "timeout"),
        }[sentence]

    chat = Script(says)
    given = [
        Explanation(1, "my disc on C4", source="script"),
        Explanation(2, "pretty"),
        Explanation(3, "odd"),
        Explanation(4, "lost"),
        Explanation(5, "yours on d3", Atom("yours on d3")),
        Explanation(6, "", failure="no answer line"),
    ]
    translator = Translator(chat, NAMES)
    found = translator.translate(given)
    assert found[0].predicate == Atom("mine on c4")
    assert found[0].text == "my disc on C4"
    assert [one.predicate for one in found[1:4]] == [None] * 3
    assert [str(one.meta["untranslated"])[:12] for one in found[1:4]] == ["no predicate", "no predicate", "timeout"]
    assert found[4:] == given[4:]
    assert len(translator.requests(given)) == 4
    assert len(chat.requests) == 5  # `odd` is asked again; NONE is an answer, and what was lost was retried already
    assert found[2].meta["translation_asked"] == 2


def test_candidates_share_words_with_the_explanation() -> None:
    names = [f"{who} on {f}{r}" for who in ("mine", "yours") for f in "abcdef" for r in range(1, 7)]
    names += [f"legal move at {f}{r}" for f in "abcdef" for r in range(1, 7)] + ["x in check"]
    found = Translator(Script(lambda r: ""), names, n_candidates=20).candidates("my disc on C4, and a legal move at d3")
    assert {"mine on c4", "legal move at d3"} <= set(found[:4])
    assert {"yours on a1", "x in check"} <= set(found)  # every pattern is there, so that its naming is known
    assert len(found) <= 20
    assert patterns(["mine on c4", "mine on a1", "b3 empty", "ply 3"]) == ["mine on c4", "b3 empty", "ply 3"]


def test_a_request_cannot_change_the_parameters_of_others() -> None:
    given = {"top_p": 0.5}
    chat = Script(lambda r: "EXPLANATION: a cup")
    for asker, asked in (
        (LLMExplainer(chat, Texts(), params=given), [shown(1), shown(2)]),
        (Translator(chat, NAMES, params=given), [Explanation(i, "a cup") for i in (1, 2)]),
    ):
        first, second = asker.requests(asked)
        assert first.params["top_p"] == 0.5
        assert isinstance(first.params, dict)
        first.params["temperature"] = 2
        given["seed"] = 5
        for later in (second, *asker.requests(asked)):
            assert (later.params["temperature"], later.params["seed"]) == (0, 0)
