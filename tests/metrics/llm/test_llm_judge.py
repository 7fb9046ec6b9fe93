"""A chat model judges. Over HTTP, one that executes predicates says exactly what the offline judge says.

The server sees the prompt alone: it replays the moves in it and labels the positions anew. So this tests texts, marks,
windows, prompts, client, reading and order at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from chat_server import ChatServer
from fiducial.explaining.rendering import GameRenderer
from fiducial.games import Chess, Othello
from fiducial.metrics.llm.detection import detection
from fiducial.metrics.llm.examples import fuzz
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.fuzzing import fuzzing
from fiducial.metrics.llm.llm_explainer import LLMExplainer
from fiducial.metrics.llm.llm_judge import LLMJudge
from fiducial.metrics.llm.nouns import Answer, Example, Explanation, Latent, Question, Reply, Request
from fiducial.metrics.llm.predicate import evaluate
from fiducial.metrics.llm.predicate_judge import PredicateJudge
from fiducial.metrics.llm.predicate_search import PredicateExplainer
from fiducial.metrics.llm.predicate_text import parse
from fiducial.metrics.llm.sampling import Sampler
from fiducial.metrics.llm.simulation import simulation, top_and_random, windows
from fiducial.metrics.llm.translator import Translator
from predicate_server import PredicateServer

OTHELLO = ("mine on c3 and not yours on d3", "yours on b2 or mine on e5 or ply >= 25", "at least 2 of (mine on c3; {})")
BEGINNING = ("white has a queen and not black pawn on e7", "white pawn on e2 or black pawn on d7")
CHESS = ("white has a queen and not black knight on f6", "white pawn on e2 or ply >= 40")


@dataclass(frozen=True)
class World:
    """Games as texts and as facts, and latents that fire nearly where a predicate holds."""

    game: Othello | Chess
    facts: Facts
    renderer: GameRenderer
    explanations: tuple[Explanation, ...]
    latents: tuple[Latent, ...]


@lru_cache
def world(name: str) -> World:
    game = {"othello": Othello(6), "chess": Chess(), "characters": Chess("characters", 90, "all")}[name]
    transcripts = game.sample(24 if name == "othello" else 6, 1)
    games, positions = np.nonzero(transcripts.scored)
    used = game.features.where(reachable=True, counterpart=False)
    facts = Facts(
        tuple(game.features[int(f)].name for f in used),
        np.packbits(
            game.features.unpack_columns(transcripts.labels[games, positions], used), axis=1, bitorder="little"
        ),
        games,
        positions,
        games % 2 == 0,
        {"ply": transcripts.ply[games, positions]},
    )
    texts = (OTHELLO[0], OTHELLO[1], OTHELLO[2].format("yours on d3; legal move at c2")) if name == "othello" else CHESS
    texts = BEGINNING if name == "characters" else texts
    rng = np.random.default_rng(0)
    made: list[Explanation] = []
    latents: list[Latent] = []
    for number, text in enumerate(texts):
        predicate = parse(text, facts.names)
        wrong = rng.random(facts.n_rows) < 0.15  # so that scores are not all 1
        rows = np.flatnonzero(evaluate(predicate, facts) ^ wrong)
        made.append(Explanation(number, text, predicate))
        latents.append(Latent(number, rows, rng.uniform(0.1, 3.0, len(rows)).astype(np.float32), facts.n_rows))
    return World(game, facts, GameRenderer(game, transcripts, games, positions), tuple(made), tuple(latents))


class Direct:
    """A chat model without a network in between."""

    model = "direct"

    def __init__(self, answers: Callable[[tuple[tuple[str, str], ...]], str | Reply]) -> None:
        self._answers = answers
        self.requests: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests += requests
        said = [self._answers(request.messages) for request in requests]
        return [one if isinstance(one, Reply) else Reply(one) for one in said]


@pytest.fixture(scope="module", params=["othello", "chess", "characters"])
def over_http(request: pytest.FixtureRequest) -> Iterator[tuple[World, LLMJudge]]:
    from fiducial.metrics.llm.client import Client

    here = world(request.param)
    with ChatServer(PredicateServer(here.game).answer) as server:
        yield here, LLMJudge(Client("predicates", base_url=server.url, progress=False, max_tries=1), here.renderer)


def exams(here: World, window: int, n: int = 6) -> dict[int, tuple[Example, ...]]:
    sampler = Sampler(here.facts, window=window)
    return {one.number: sampler.exam(one, n_active=n, n_silent=n) for one in here.latents}


@pytest.mark.parametrize("window", [1, 4])
def test_detection_over_http_is_the_offline_score(over_http: tuple[World, LLMJudge], window: int) -> None:
    here, judge = over_http
    asked = exams(here, window)
    online, offline = (
        detection(here.explanations, asked, one, per_question=5) for one in (judge, PredicateJudge(here.facts))
    )
    assert repr(online) == repr(offline)  # also where both are NaN
    assert all(0.5 < one.tpr <= 1 for one in online if window == 1)
    assert any(one.tpr < 1 or one.tnr < 1 for one in online)  # nothing was compared with a constant


def test_fuzzing_over_http_is_the_offline_score(over_http: tuple[World, LLMJudge]) -> None:
    here, judge = over_http
    asked = exams(here, 4)
    marked = {one.number: fuzz(asked[one.number], one) for one in here.latents}
    online, offline = (
        fuzzing(here.explanations, marked, one, null=False) for one in (judge, PredicateJudge(here.facts))
    )
    assert repr(online) == repr(offline)
    assert all(one.n_active and not one.failed for one in online)
    assert any(one.n_silent for one in online)


def test_fuzzing_of_squares_over_http_is_the_offline_score(over_http: tuple[World, LLMJudge]) -> None:
    here, judge = over_http
    asked = exams(here, 1)
    said = [one for one in here.explanations if "on" in one.text]
    marked = {
        one.latent: fuzz(
            asked[one.latent],
            here.latents[one.latent],
            marks="squares",
            predicate=one.predicate,
            occupied=here.renderer.occupied,
        )
        for one in said
    }
    online, offline = (fuzzing(said, marked, one, null=False) for one in (judge, PredicateJudge(here.facts)))
    assert repr(online) == repr(offline)
    assert any(one.tp for one in online)


def test_simulation_over_http_is_the_offline_score(over_http: tuple[World, LLMJudge]) -> None:
    here, judge = over_http
    pieces = windows(here.facts, 6)
    asked = {one.number: top_and_random(one, pieces, n=10) for one in here.latents}
    online, offline = (
        simulation(here.explanations, asked, one, null=False) for one in (judge, PredicateJudge(here.facts))
    )
    assert repr(online) == repr(offline)
    assert any(np.isfinite(one.r) for one in online)


def test_explanations_over_http_are_those_of_the_offline_explainer() -> None:
    here = world("othello")
    for window in (1, 3):
        sampler = Sampler(here.facts, window=window)
        shown = [sampler.shown(one, n=10, n_negative=10) for one in here.latents]
        chat = Direct(PredicateServer(here.game).answer)
        online = LLMExplainer(chat, here.renderer, words="predicate", names=here.facts.names).explain(shown)
        offline = PredicateExplainer(here.facts).explain(shown)
        assert [one.predicate for one in online] == [one.predicate for one in offline]
        assert all(one.text for one in online)


def test_a_server_that_forgets_the_last_move_is_noticed() -> None:
    here = world("othello")
    server = PredicateServer(here.game)

    def late(messages: tuple[tuple[str, str], ...]) -> str:
        role, text = messages[-1]
        lines = [
            line.rpartition(" ")[0] if line.count(" ") > 4 and "far:" in line else line for line in text.split("\n")
        ]
        return server.answer([(role, "\n".join(lines))])

    asked = exams(here, 1, 12)
    offline = detection(here.explanations, asked, PredicateJudge(here.facts))
    assert detection(here.explanations, asked, LLMJudge(Direct(server.answer), here.renderer)) == offline
    assert detection(here.explanations, asked, LLMJudge(Direct(late), here.renderer)) != offline


def question(n: int, mode: str = "detection") -> Question:
    examples = tuple(Example((row,), (0.0,), False) for row in range(n))
    if mode == "simulation":
        examples = (Example(tuple(range(n)), (0.0,) * n, False),)
    return Question(0, Explanation(0, "mine on c3"), examples, mode)  # type: ignore[arg-type]


def test_wrong_answers_are_asked_again_once_and_then_failures() -> None:
    renderer = world("othello").renderer
    for said, why in {
        "[1, 0]": "wrong length: 2 numbers instead of 3",
        "I cannot tell.": "no list",
        "[1, 0, 7]": "bad value",
    }.items():
        chat = Direct(lambda messages, said=said: said)  # type: ignore[misc]
        (found,) = LLMJudge(chat, renderer).answer([question(3)])
        assert found.values == (None, None, None)
        assert found.failure.startswith(why)
        assert found.asked == 2
        assert [request.replicate for request in chat.requests] == [0, 1]
    chat = Direct(lambda messages: Reply(None, "HTTP 500"))
    assert LLMJudge(chat, renderer).answer([question(3)]) == [Answer((None,) * 3, "HTTP 500", 1)]
    assert len(chat.requests) == 1


def test_only_unreadable_answers_are_asked_for_again() -> None:
    renderer = world("othello").renderer
    seen: list[int] = []

    def says(messages: tuple[tuple[str, str], ...]) -> str:
        n = messages[-1][1].count("### Text")
        seen.append(n)
        return "Hm." if n == 2 and seen.count(2) == 1 else str([1] * n)

    found = LLMJudge(Direct(says), renderer).answer([question(1), question(2), question(3)])
    assert [one.values for one in found] == [(1.0,), (1.0, 1.0), (1.0, 1.0, 1.0)]
    assert [one.asked for one in found] == [1, 2, 1]
    assert seen == [1, 2, 3, 2]
    assert LLMJudge(Direct(lambda m: "Hm."), renderer, reasks=0).answer([question(2)])[0].asked == 1
    with pytest.raises(ValueError, match="reasks"):
        LLMJudge(Direct(says), renderer, reasks=-1)


def test_nothing_is_asked_about_a_failed_explanation() -> None:
    chat = Direct(lambda messages: "[1]")
    judge = LLMJudge(chat, world("othello").renderer)
    failed = replace(question(2), explanation=Explanation(0, "", failure="cut off"))
    empty = replace(question(2), explanation=Explanation(0, " "))
    assert [one.failure for one in judge.answer([failed, empty])] == [
        "no explanation: cut off",
        "no explanation: empty text",
    ]
    assert chat.requests == []
    assert judge.requests([failed, empty, question(2)]) == judge.requests([question(2)])


def test_what_is_sent() -> None:
    judge = LLMJudge(Direct(lambda m: ""), world("othello").renderer, logprobs=True, structured=True, seed=5)
    detect, simulate = judge.requests([question(3), question(4, "simulation")])
    assert detect.params["temperature"] == 0
    assert detect.params["seed"] == 5
    assert detect.params["logprobs"] is True
    assert detect.params["top_logprobs"] == 5
    form = detect.params["response_format"]["json_schema"]["schema"]["properties"]["answers"]
    assert form == {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3}
    assert "logprobs" not in simulate.params
    form = simulate.params["response_format"]["json_schema"]["schema"]["properties"]["answers"]
    assert (form["items"], form["minItems"]) == ({"type": "number"}, 4)


def test_graded_answers_from_probabilities() -> None:
    logprobs = (
        ("[", {}),
        ("1", {"1": np.log(0.7), "0": np.log(0.3)}),
        (", ", {}),
        ("0", {"0": np.log(0.9)}),
        ("]", {}),
    )
    chat = Direct(lambda m: Reply("[1, 0]", logprobs=logprobs))
    (found,) = LLMJudge(chat, world("othello").renderer, logprobs=True).answer([question(2)])
    assert found.values == pytest.approx((0.7, 0.0))


def test_simulation_takes_numbers_up_to_ten() -> None:
    renderer = world("othello").renderer
    (found,) = LLMJudge(Direct(lambda m: "[0, 2.5, 10]"), renderer).answer([question(3, "simulation")])
    assert found.values == (0.0, 2.5, 10.0)
    (found,) = LLMJudge(Direct(lambda m: "[0, 2, 11]"), renderer).answer([question(3, "simulation")])
    assert found.failure.startswith("bad value")


def test_translation_by_the_server_gives_the_predicate_itself() -> None:
    here = world("othello")
    chat = Direct(PredicateServer(here.game).answer)
    bare = [replace(one, predicate=None) for one in here.explanations] + [Explanation(9, "a pretty board")]
    found = Translator(chat, here.facts.names).translate(bare)
    for one, true in zip(found, here.explanations, strict=False):
        assert one.predicate is not None
        assert true.predicate is not None
        np.testing.assert_array_equal(evaluate(one.predicate, here.facts), evaluate(true.predicate, here.facts))
    assert found[-1].predicate is None
