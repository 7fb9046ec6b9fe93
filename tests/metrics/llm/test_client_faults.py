"""Everything an endpoint does wrong: nothing is lost, nothing is made up, and requests are counted to the last."""

import asyncio
import logging

import pytest
from chat_server import ChatServer
from fiducial.metrics.llm.client import Client
from fiducial.metrics.llm.errors import BudgetSpent, ConnectionRefused
from fiducial.metrics.llm.plan import Prices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .chat_helpers import ask, quick

PASSING = ["408", "409", "500", "502", "503", "529", "429", "429 wait", "429 date", "truncated", "cut", "html"]
PASSING += ["null choices", "no choices", "null content", "error object", "reset"]
LASTING = ["400", "404", "413", "422", "401", "402", "403", "no credit", "error object 402"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_one_request_each_time(fault, tmp_path):
    with ChatServer(faults=[fault, "ok", fault, fault]) as server:
        client = quick(server, concurrency=1, cache=tmp_path / "c.sqlite")
        replies = client.complete(ask(1, 2))
        assert [reply.text for reply in replies] == ["said: number 1", "said: number 2"]
        assert server.count == 5
        assert client.usage.sent == 5
        assert sum(client.usage.faults.values()) == 3
        assert client.usage.failed == 0
        client.complete(ask(1, 2))
        assert server.count == 5


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_is_not_tried_again_and_fails_its_item_alone(fault, tmp_path):
    with ChatServer(faults=["ok", fault]) as server:
        client = quick(server, concurrency=1, cache=tmp_path / "c.sqlite")
        replies = client.complete(ask(1, 2, 3))
        assert [reply.text for reply in replies] == ["said: number 1", None, "said: number 3"]
        assert "status 4" in replies[1].failure
        assert server.count == 3
        assert client.usage.failed == 1
        client.complete(ask(1, 2, 3))  # what failed is not in the cache
        assert server.count == 4


@pytest.mark.parametrize("fault", ["500", "html", "null choices", "reset"])
def test_an_item_that_fails_for_good_says_so_and_the_others_are_answered(fault):
    def script(number, body):
        return fault if body["messages"][1]["content"] == "number 2" else "ok"

    with ChatServer(faults=script) as server:
        client = quick(server, max_tries=3)
        replies = client.complete(ask(1, 2, 3))
        assert [reply.text for reply in replies] == ["said: number 1", None, "said: number 3"]
        assert replies[1].failure
        assert server.count == 2 + 3
        assert client.usage.failed == 1


def test_a_refused_reply_and_a_withheld_one_are_failures():
    def odd(self, body, finish="stop"):
        withheld = body["messages"][1]["content"] == "number 1"
        message = {"content": None, "refusal": None if withheld else "I would rather not"}
        return {"choices": [{"message": message, "finish_reason": "content_filter" if withheld else "stop"}]}

    with ChatServer() as server:
        server.http.RequestHandlerClass._reply = odd
        replies = quick(server).complete(ask(1, 2))
        assert replies[0].failure.startswith("filtered")
        assert replies[1].failure == "refused to answer: I would rather not"
        assert server.count == 2


def test_replies_of_no_use_are_paid_for_and_count_against_the_budget():
    """A withheld reply costs 100 x 1,000 + 5 x 2,000 millionths = .11 USD; after two of them .2 USD allow no third."""

    def withheld(self, body, finish="stop"):
        usage = {"prompt_tokens": 100, "completion_tokens": 5}
        return {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}], "usage": usage}

    with ChatServer() as server:
        server.http.RequestHandlerClass._reply = withheld
        client = quick(server, concurrency=1, budget_usd=0.2, prices=Prices(input=1000.0, output=2000.0))
        with pytest.raises(BudgetSpent):
            client.complete(ask(*range(9)))
        assert server.count == client.usage.sent == 2
        assert client.usage.usd == pytest.approx(0.22)
        assert (client.usage.answered, client.usage.prompt_tokens, client.usage.completion_tokens) == (0, 200, 10)


@pytest.mark.parametrize("fault", ["timeout", "trickle"])
def test_late_replies_are_given_up_and_asked_again(fault):
    with ChatServer(faults=[fault], stall=1.5) as server:
        client = quick(server, timeout_s=0.3)
        assert client.complete(ask(1))[0].text == "said: number 1"
        assert server.count == 2
        assert client.usage.faults == {"timeout": 1}


@pytest.mark.parametrize("status", ["401", "402", "403", "404", "no credit"])
def test_refusals_in_a_row_end_the_run_and_what_came_before_is_kept(status, tmp_path):
    with ChatServer(faults=lambda number, body: "ok" if number < 3 else status) as server:
        client = quick(server, concurrency=1, refusals=4, cache=tmp_path / "c.sqlite")
        with pytest.raises(ConnectionRefused, match="refused 4 requests in a row"):
            client.complete(ask(*range(30)))
        assert server.count == 3 + 4
        server.faults = ()
        client.complete(ask(*range(30)))
        assert server.count == 7 + 27


def test_refusals_between_replies_do_not_end_the_run():
    with ChatServer(faults=lambda number, body: "401" if number % 2 else "ok") as server:
        replies = quick(server, concurrency=1, refusals=2).complete(ask(*range(10)))
        assert sum(reply.failure != "" for reply in replies) == 5


def test_an_endpoint_that_only_talks_nonsense_ends_the_run():
    with ChatServer(faults=lambda number, body: "truncated") as server:
        with pytest.raises(ConnectionRefused, match="gave no reply that can be used to 10 requests"):
            quick(server, concurrency=1, refusals=2, max_tries=3).complete(ask(*range(40)))
        assert server.count == 10 * 3
    with ChatServer(faults=lambda number, body: "truncated" if number else "ok") as server:  # it once made sense
        replies = quick(server, concurrency=1, refusals=2, max_tries=3).complete(ask(*range(12)))
        assert sum(reply.failure != "" for reply in replies) == 11


def test_an_endpoint_that_accepts_nothing_ends_the_run():
    with ChatServer(faults=lambda number, body: "400") as server:
        with pytest.raises(ConnectionRefused, match="accepted none of 10 requests"):
            quick(server, concurrency=1, refusals=2).complete(ask(*range(100)))
        assert server.count == 10


def test_an_endpoint_that_is_not_there_ends_the_run():
    with ChatServer() as server:
        pass
    client = quick(server, refusals=2, max_tries=2, concurrency=1)
    with pytest.raises(ConnectionRefused, match="cannot be reached"):
        client.complete(ask(*range(50)))
    assert client.usage.sent == 4


def test_seconds_to_wait_are_waited_by_all():
    with ChatServer(faults=["429 wait"], delay=0.01) as server:
        server.retry_after = "40"
        client = quick(server, concurrency=1)
        client.complete(ask(1, 2))
        assert client.clock.slept == [40.0]
        assert server.count == 3


def test_a_date_to_wait_for_is_waited_for():
    with ChatServer(faults=["429 date"]) as server:
        server.retry_after = "40"
        client = quick(server, concurrency=1)
        client.complete(ask(1))
        assert len(client.clock.slept) == 1
        assert 38 <= client.clock.slept[0] <= 41  # dates are whole seconds


def test_a_real_clock_waits_too():
    import time

    with ChatServer(faults=["429 wait"]) as server:
        server.retry_after = "0.4"
        start = time.monotonic()
        Client("m", base_url=server.url).complete(ask(1, 2, 3))
        assert 0.4 <= time.monotonic() - start < 10


def test_an_endpoint_that_asks_to_come_back_at_once_is_not_hammered():
    with ChatServer(faults=["429 wait"] * 12) as server:
        server.retry_after = "0"
        client = quick(server, concurrency=1)
        assert client.complete(ask(1))[0].text == "said: number 1"
        # pauses are even between 0 and .5, 1, 2, ... 60 s: their mean sum over 12 is 213 s
        assert 60 < client.clock.now < 400


def test_a_wait_that_is_too_long_ends_the_run():
    with ChatServer(faults=["ok", "429 wait"]) as server:
        server.retry_after = "3600"
        client = quick(server, concurrency=1)
        with pytest.raises(ConnectionRefused, match="asks to wait 3600 s"):
            client.complete(ask(1, 2, 3))
        assert server.count == 2


def test_an_endpoint_that_is_always_too_busy_ends_the_run_after_max_minutes():
    with ChatServer(faults=lambda number, body: "429") as server:
        client = quick(server, concurrency=2, max_minutes=5)
        with pytest.raises(ConnectionRefused, match="has not answered for 5 minutes"):
            client.complete(ask(1, 2, 3))
        assert client.clock.now >= 300


def test_fewer_requests_at_once_when_there_are_too_many():
    class Busy(ChatServer):
        def fault(self, number, body):
            return "429" if self.now > 2 else "ok"

    with Busy(delay=0.02) as server:
        client = quick(server, concurrency=8)
        replies = client.complete(ask(*range(40)))
        assert all(reply.text for reply in replies)
        faults = client.usage.faults["status 429"]
        assert server.count == 40 + faults
        assert faults < 40  # eight at once for ever would fail three times of four
        assert server.peak <= 8


def test_the_key_is_not_repeated(tmp_path, monkeypatch, caplog, capfd):
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("MY_KEY", secret)
    caplog.set_level(logging.DEBUG)
    with ChatServer(faults=["echo key", "ok", "500", "echo key"]) as server:
        client = quick(server, key_variable="MY_KEY", cache=tmp_path / "c.sqlite", concurrency=1)
        replies = client.complete(ask(1, 2, 3))
        assert "(key)" in replies[0].failure
        server.faults = lambda number, body: "echo key"
        with pytest.raises(ConnectionRefused) as caught:
            client.complete(ask(*range(10, 30)))
        assert all(header["Authorization"] == f"Bearer {secret}" for header in server.headers)
        shown = [repr(client), str(vars(client)), repr(replies), str(caught.value), caplog.text, *capfd.readouterr()]
        assert not any(secret in text for text in shown)
        for file in tmp_path.rglob("*"):
            assert secret.encode() not in file.read_bytes()
        assert client.usage.failures


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["ok", *PASSING, *LASTING[:4]]), max_size=12), st.integers(1, 6))
def test_whatever_happens_every_request_is_accounted_for(faults, concurrency):
    with ChatServer(faults=faults) as server:
        client = quick(server, concurrency=concurrency, refusals=100, max_tries=30)
        replies = client.complete(ask(*range(8)))
        assert len(replies) == 8
        for n, reply in enumerate(replies):
            assert (reply.text == f"said: number {n}") != bool(reply.failure)
        lasting = sum(fault in LASTING for fault in faults[: server.count])
        assert sum(bool(reply.failure) for reply in replies) == client.usage.failed == lasting
        assert server.count == client.usage.sent == client.usage.answered + sum(client.usage.faults.values())
        assert server.peak <= concurrency
        assert client.usage.answered == 8 - lasting


def test_a_server_that_hangs_up_often_loses_nothing_side_by_side():
    with ChatServer(faults=lambda number, body: "reset" if number % 3 == 0 else "ok") as server:
        replies = quick(server, concurrency=8, max_tries=50).complete(ask(*range(60)))
        assert [reply.text for reply in replies] == [f"said: number {n}" for n in range(60)]


def test_programming_errors_are_not_taken_for_faults(monkeypatch):
    from fiducial.metrics.llm.transport import Transport

    async def broken(self, kind, body):
        await asyncio.sleep(0)
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Transport, "_post", broken)
    with ChatServer() as server, pytest.raises(ZeroDivisionError):
        quick(server).complete(ask(1, 2))
