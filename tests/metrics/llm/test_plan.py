"""Counted before sending, and stopped in time."""

import pytest
from chat_server import ChatServer
from fiducial.metrics.llm.budget import Budget, Tokens, Usage
from fiducial.metrics.llm.errors import BudgetSpent
from fiducial.metrics.llm.nouns import Request
from fiducial.metrics.llm.plan import UNKNOWN_OUTPUT, Plan, Prices, estimate, plan

from .chat_helpers import ask, quick

PRICES = Prices(input=2.0, output=10.0)


def test_a_plan_counted_by_hand():
    requests = [Request((("system", "a" * 8), ("user", "b" * 9)), {"max_tokens": 5}), Request((("user", "c"),))]
    # ceil(8 / 4) + 4 + ceil(9 / 4) + 4 = 13 and 5; ceil(1 / 4) + 4 = 5 and the unknown output
    assert [estimate(request) for request in requests] == [(13, 5), (5, UNKNOWN_OUTPUT)]
    found = plan([*requests, requests[0]], prices=PRICES)
    assert found == Plan(2, 0, 18, 5 + UNKNOWN_OUTPUT, (18 * 2 + 261 * 10) / 1e6, "characters / 4")
    half = plan(requests, cached=lambda request: request == requests[1], prices=PRICES)
    assert half == Plan(2, 1, 13, 5, (13 * 2 + 5 * 10) / 1e6, "characters / 4")
    words = plan(requests[:1], count_tokens=lambda text: len(text.split()))
    assert words == Plan(1, 0, 10, 5, None, "tokenizer")
    assert (found + half).requests == 4
    assert (found + words).usd is None
    assert "no prices given" in words.table()
    assert "to send" in half.table()
    assert plan([]).requests == 0


def test_newer_name_of_the_limit():
    assert estimate(Request((("user", ""),), {"max_completion_tokens": 7}))[1] == 7


def test_prices():
    assert Prices(3, 6, 1).usd(1e6, 1e6, 5e5) == pytest.approx(0.5 * 3 + 0.5 * 1 + 6)
    with pytest.raises(ValueError, match="price of output tokens"):
        Prices(1, -1)
    with pytest.raises(ValueError, match="price of input tokens"):
        Prices(float("nan"), 1)


def test_the_estimate_is_near_what_the_server_counts():
    """The server counts words; English prose has about 4/3 tokens a word."""
    prose = "The latent fires where a white knight stands on the square and the side to move is in check. " * 20
    with ChatServer() as server:
        client = quick(server)
        request = Request((("user", prose),), {"max_tokens": 400})
        client.complete([request])
        assert 0.9 < client.usage.estimated_prompt_tokens / (client.usage.prompt_tokens * 4 / 3) < 1.1


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_limit_on_requests_is_exact_and_a_rerun_sends_the_rest(tmp_path, concurrency):
    with ChatServer(delay=0.01) as server:
        settings = {"cache": tmp_path / "c.sqlite", "concurrency": concurrency}
        with pytest.raises(BudgetSpent, match="max_requests of 5 are sent; 5 requests are answered and kept, 7"):
            quick(server, max_requests=5, **settings).complete(ask(*range(12)))
        assert server.count == 5
        replies = quick(server, **settings).complete(ask(*range(12)))
        assert server.count == 12
        assert sum(reply.cached for reply in replies) == 5


def test_every_try_counts():
    with ChatServer(faults=["500", "500"]) as server:
        client = quick(server, max_requests=4, concurrency=1)
        with pytest.raises(BudgetSpent) as caught:
            client.complete(ask(1, 2, 3))
        assert server.count == 4
        assert (caught.value.done, caught.value.left) == (2, 1)
        # without a file, replies last as long as the client
        assert client.plan(ask(1, 2, 3)).to_send == 1


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_budget_in_usd_is_never_passed(concurrency):
    # a request is reckoned at 14 * 1000 / 1e6 + 8 * 2000 / 1e6 = .030 USD and costs (4 * 1000 + 3 * 2000) / 1e6 = .010
    with ChatServer(delay=0.01) as server:
        client = quick(server, prices=Prices(1000, 2000), budget_usd=0.105, concurrency=concurrency)
        with pytest.raises(BudgetSpent, match=r"0\.105 USD"):
            client.complete(ask(*range(10, 40)))
        # the eighth may go while .07 are spent (.07 + .03 <= .105), the ninth may not (.08 + .03 > .105)
        assert server.count == 8
        assert client.usage.usd == pytest.approx(0.08)
        with pytest.raises(BudgetSpent):
            client.complete(ask(100))
        assert server.count == 8
        assert client.plan(ask(*range(10, 40))).cached == 8


def test_a_budget_of_nothing_still_reads_the_cache(tmp_path):
    with ChatServer() as server:
        quick(server, cache=tmp_path / "c.sqlite").complete(ask(1))
        client = quick(server, cache=tmp_path / "c.sqlite", max_requests=0)
        assert client.complete(ask(1))[0].text == "said: number 1"
        with pytest.raises(BudgetSpent, match="1 requests are answered and kept, 1 are left"):
            client.complete(ask(1, 2))


def test_kept_tokens_are_charged_at_their_price():
    budget = Budget(None, None, Prices(input=10.0, output=20.0, cached=1.0))
    budget.charge(Tokens(1000, 100, 600, counted=True), (900, 200))
    assert budget.usage.usd == pytest.approx((400 * 10 + 600 * 1 + 100 * 20) / 1e6)
    assert budget.usage.kept_tokens == 600


def test_what_is_on_the_way_is_set_aside():
    budget = Budget(1.0, None, PRICES)
    assert not budget.why_not(0.6)
    budget.take(0.6)
    assert budget.why_not(0.6)
    budget.give_back(0.6)
    assert not budget.why_not(0.6)


def test_a_table_of_nothing():
    assert "requests sent" in Usage().table()
