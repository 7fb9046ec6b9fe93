"""Latents rated for concepts: by hand, by a script, by executed predicates."""

import json
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Latent, Reply, Request
from fiducial.metrics.llm.predicate import And, Atom, Not
from fiducial.metrics.llm.shift_judge import LLMRater, Rated, contexts, rated_by_predicates, settled

NAMES = ("fog", "rain")


def facts(fog: Sequence[int], rain: Sequence[int], games: Sequence[int], train: Sequence[int]) -> Facts:
    bits = np.array([fog, rain], np.bool_).T
    place = np.array([list(games[:i]).count(g) for i, g in enumerate(games)])
    return Facts(NAMES, np.packbits(bits, axis=1, bitorder="little"), np.array(games), place, np.array(train, np.bool_))


# Ten rows of five games, two each; the last game reports.
FACTS = facts(
    fog=[1, 1, 1, 0, 0, 0, 0, 0, 1, 1],
    rain=[1, 0, 0, 0, 1, 1, 0, 0, 1, 1],
    games=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
    train=[1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
)
HELD = np.array([[1, 1, 1, 0, 0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 1, 1, 0, 0, 1, 1]], np.bool_).T


def latent(number: int, **values: float) -> Latent:
    rows = np.array([int(name[1:]) for name in values])
    return Latent(number, rows, np.array(list(values.values()), np.float32), FACTS.n_rows)


class Texts:
    style = "stub"
    legend = ""

    def example(self, example: Example) -> str:
        return " ".join(f"<<r{r}>>" if i in example.marked else f"r{r}" for i, r in enumerate(example.rows))

    def lines(self, example: Example) -> list[str]:
        return [f"r{row}" for row in example.rows]


class Script:
    model = "script"

    def __init__(self, says: Callable[[Request], str | Reply]) -> None:
        self._says = says
        self.requests: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests += requests
        said = [self._says(request) for request in requests]
        return [one if isinstance(one, Reply) else Reply(one) for one in said]


def test_how_far_a_predicate_settles_a_concept() -> None:
    # Choosing rows 0..7: fog at 0, 1, 2 (P = 3/8), rain at 0, 4, 5 (P = 3/8).
    assert settled(Atom("fog"), HELD[:, 0], FACTS) == pytest.approx(1.0)
    assert settled(Not(Atom("fog")), HELD[:, 0], FACTS) == pytest.approx(1.0)  # it implies the absence
    assert settled(And((Atom("fog"), Atom("rain"))), HELD[:, 0], FACTS) == pytest.approx(1.0)  # narrower, but implied
    # P(fog | rain) = 1/3 < 3/8: (3/8 - 1/3) / (3/8) = 1/9.
    assert settled(Atom("rain"), HELD[:, 0], FACTS) == pytest.approx(1 / 9)
    assert settled(And((Atom("fog"), Not(Atom("fog")))), HELD[:, 0], FACTS) == 0.0  # holds nowhere
    assert settled(Atom("fog"), np.ones(10, np.bool_), FACTS) == 0.0  # a concept that always holds


def test_contexts_are_of_choosing_games_one_a_game_and_marked() -> None:
    one = latent(7, r0=1.0, r1=4.0, r3=2.0, r5=0.5, r9=9.0)
    found = contexts(one, FACTS, n=2, window=2)
    assert found == (
        Example((0, 1), (1.0, 4.0), True, 0, "top", (1,)),  # 1.0 < .3 x 4
        Example((2, 3), (0.0, 2.0), True, 0, "top", (1,)),
    )
    assert [e.rows for e in contexts(one, FACTS, n=9, window=1)] == [(1,), (3,), (5,)]  # row 9 reports
    assert contexts(latent(7, r9=9.0), FACTS) == ()


def test_ratings_above_half_of_the_scale_are_kept() -> None:
    rated = Rated(4, {(0, 0): 2.0, (1, 0): 3.0, (2, 1): 4.0, (3, 0): 2.5})
    np.testing.assert_array_equal(rated(0), [False, True, False, True])
    np.testing.assert_array_equal(rated(1), [False, False, True, False])
    np.testing.assert_array_equal(rated(5), [False] * 4)
    np.testing.assert_array_equal(Rated(4, rated.ratings, threshold=0.75)(0), [False] * 4)


def test_a_chat_model_rates() -> None:
    def says(request: Request) -> str:
        text = request.messages[-1][1]
        rates = {"fog": 4 if "<<r1>>" in text else 0, "rain": 3 if "<<r5>>" in text else 1}
        return json.dumps({name: rates[name] for name in re.split("Concepts:\n", text)[1].split("\n\n")[0].split("\n")})

    chat = Script(says)
    latents = {2: latent(2, r1=1.0), 5: latent(5, r5=2.0), 6: latent(6, r8=1.0)}
    asked = {2: (0, 1), 5: (1,), 6: (0,)}
    rater = LLMRater(chat, Texts(), promoted=lambda number: [f"token {number}"])
    found = rater.rate(asked, latents, NAMES, FACTS, n_latents=8)
    assert found.ratings == {(2, 0): 4.0, (2, 1): 1.0, (5, 1): 3.0}
    assert found.failed == {"no context on the choosing games": 1}
    assert found.n_asked == 2
    assert chat.requests == rater.requests(asked, latents, NAMES, FACTS)
    assert "token 5" in chat.requests[1].messages[-1][1]
    assert found(0).nonzero()[0].tolist() == [2]
    assert found(1).nonzero()[0].tolist() == [5]


def test_ratings_that_cannot_be_read_are_asked_for_again_counted_and_not_kept() -> None:
    def says(request: Request) -> str | Reply:
        text = request.messages[-1][1]
        if "<<r1>>" in text:
            return '{"fog": 4, "rain": 4}' if request.replicate else "Let me think."
        return "no" if "<<r5>>" in text else Reply(None, "HTTP 500")

    latents = {2: latent(2, r1=1.0), 5: latent(5, r5=2.0), 6: latent(6, r7=1.0)}
    chat = Script(says)
    found = LLMRater(chat, Texts()).rate(dict.fromkeys(latents, (0, 1)), latents, NAMES, FACTS, n_latents=8)
    assert found.ratings == {(2, 0): 4.0, (2, 1): 4.0}
    assert found.failed == {"HTTP 500": 2, "no ratings: no JSON object in the answer": 2}
    assert found.n_asked == 5  # three, and two of them again
    assert found(0).nonzero()[0].tolist() == [2]


def test_executed_predicates_rate() -> None:
    asked = {0: (0, 1), 1: (0,), 2: (1,)}
    said = {0: Atom("fog"), 1: None, 2: Not(Atom("rain"))}
    found = rated_by_predicates(asked, said, HELD, FACTS, n_latents=3)
    assert found.ratings == {(0, 0): 4.0, (0, 1): pytest.approx(4 / 9), (2, 1): 4.0}
    assert found.failed == {"no predicate": 1}
    np.testing.assert_array_equal(found(0), [True, False, False])
    np.testing.assert_array_equal(found(1), [False, False, True])
