"""The client against a server on loopback: what is asked, what is kept, what is not sent again."""

import asyncio
import dataclasses
import io
import json
import sys

import fiducial.metrics.llm.client as client_module
import pytest
from chat_server import ChatServer
from fiducial.metrics.llm.cache import content_of
from fiducial.metrics.llm.client import Client
from fiducial.metrics.llm.errors import NotInCache
from fiducial.metrics.llm.nouns import Reply, Request
from fiducial.metrics.llm.plan import Prices
from fiducial.metrics.llm.replay import ScriptedChat

from .chat_helpers import ask, quick


def texts(replies):
    return [reply.text for reply in replies]


def test_replies_come_in_order_and_say_what_was_used():
    with ChatServer() as server:
        replies = quick(server).complete(ask(*range(20), temperature=0, seed=3))
        assert texts(replies) == [f"said: number {n}" for n in range(20)]
        # words: "Be short." 2 and "number 7" 2, in the reply "said: number 7" 3
        first = Reply("said: number 0", finish_reason="stop", prompt_tokens=4, completion_tokens=3)
        assert replies[0] == first
        assert server.count == 20
        body = min(server.bodies, key=lambda b: b["messages"][1]["content"])
        assert body == {
            "model": "m",
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "number 0"}],
            "max_tokens": 8,
            "temperature": 0,
            "seed": 3,
        }


def test_nothing_to_ask():
    with ChatServer() as server:
        assert quick(server).complete([]) == []
        assert server.count == 0


def test_equal_requests_are_sent_once_and_a_replicate_is_another_request(tmp_path):
    with ChatServer() as server:
        client = quick(server, cache=tmp_path / "c.sqlite")
        one = ask(1)[0]
        again = dataclasses.replace(one, replicate=1)
        replies = client.complete([one, again, one, ask(1, temperature=0)[0]])
        assert server.count == 3
        assert [reply.cached for reply in replies] == [False, False, True, False]
        assert client.usage.asked == 4
        assert client.usage.from_cache == 1


def test_a_second_run_sends_nothing_and_equals_the_first(tmp_path):
    with ChatServer(
        logprobs=lambda messages, text: [
            {"token": text, "logprob": -0.25, "top_logprobs": [{"token": "yes", "logprob": -1.5}]}
        ]
    ) as server:
        requests = ask(*range(7), logprobs=True, top_logprobs=1)
        with quick(server, cache=tmp_path / "c.sqlite") as client:
            first = client.complete(requests)
        assert first[2].logprobs == (("said: number 2", {"yes": -1.5, "said: number 2": -0.25}),)
        with quick(server, cache=tmp_path / "c.sqlite") as client:
            second = client.complete(requests)
            assert all(map(client.cached, requests))
            assert client.usage.sent == 0
        assert server.count == 7
        assert second == [dataclasses.replace(reply, cached=True) for reply in first]
    # no server any more, and the cache cannot be written to
    with Client("m", base_url=server.url, cache=tmp_path / "c.sqlite", offline=True) as client:
        assert client.complete(requests) == second


def test_offline_a_miss_names_the_request_and_a_wrong_cache_is_an_error(tmp_path):
    with ChatServer() as server, quick(server, cache=tmp_path / "c.sqlite") as client:
        client.complete(ask(1))
    offline = Client("m", base_url=server.url, cache=tmp_path / "c.sqlite", offline=True)
    hit, miss = offline.complete(ask(1, 2))
    assert hit.text == "said: number 1"
    assert miss.text is None
    assert "not in the cache" in miss.failure
    assert "number 2" in miss.failure
    assert offline.usage.failures == {"offline": 1}
    other = Client("another", base_url=server.url, cache=tmp_path / "c.sqlite", offline=True)
    with pytest.raises(NotInCache, match="holds replies of m, not of another"):
        other.complete(ask(1))
    with pytest.raises(FileNotFoundError, match="no cache of replies"):
        Client("m", base_url=server.url, cache=tmp_path / "none.sqlite", offline=True)
    with pytest.raises(ValueError, match="offline runs need a cache"):
        Client("m", offline=True)


def test_a_replay_needs_no_openai_and_a_run_says_what_to_install(tmp_path, monkeypatch):
    with ChatServer() as server, quick(server, cache=tmp_path / "c.sqlite") as client:
        client.complete(ask(1))
    monkeypatch.setitem(sys.modules, "openai", None)
    offline = Client("m", base_url=server.url, cache=tmp_path / "c.sqlite", offline=True)
    assert offline.complete(ask(1))[0].text == "said: number 1"
    with pytest.raises(ImportError, match=r"pip install 'fiducial\[llm\]'"):
        Client("m", base_url=server.url).complete(ask(1))


def test_it_works_inside_a_running_loop_and_more_than_once():
    async def notebook(client):
        return client.complete(ask(1, 2)), client.complete(ask(3))

    with ChatServer() as server:
        first, second = asyncio.run(notebook(quick(server)))
        assert texts(first + second) == [f"said: number {n}" for n in (1, 2, 3)]


def test_errors_inside_a_running_loop_are_raised(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)

    async def notebook():
        Client("m", base_url="https://api.openai.com/v1", key_variable="SOME_KEY").complete(ask(1))

    with pytest.raises(LookupError, match="set the environment variable SOME_KEY"):
        asyncio.run(notebook())


def test_concurrency_is_used_and_kept():
    with ChatServer(delay=0.05) as server:
        client = quick(server, concurrency=4)
        client.complete(ask(*range(20)))
        assert server.peak == client.peak == 4
        assert server.count == 20


def test_the_key_is_sent_but_a_local_server_needs_none(monkeypatch):
    with ChatServer() as server:
        monkeypatch.setenv("MY_KEY", "sk-test-123456789")
        quick(server, key_variable="MY_KEY").complete(ask(1))
        monkeypatch.delenv("MY_KEY")
        quick(server, key_variable="MY_KEY").complete(ask(2))
        assert [h["Authorization"] for h in server.headers] == ["Bearer sk-test-123456789", "Bearer none"]


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ChatServer() as server:
        assert quick(server).complete(ask(1))[0].text == "said: number 1"


def test_the_address_may_come_from_the_environment(monkeypatch):
    with ChatServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        client = Client("m", progress=False)
        assert client.complete(ask(1))[0].text == "said: number 1"
        assert client.endpoint == server.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ""}, "model must be a name"),
        ({"base_url": "localhost:8000"}, "base_url must be like"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"max_tries": 0}, "max_tries must be above 0"),
        ({"budget_usd": 1.0}, "needs prices"),
        ({"max_requests": -1}, "max_requests must be at least 0"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        Client(**{"model": "m", **settings})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(()), "messages must be"),
        (Request((("judge", "x"),)), "roles"),
        (Request((("user", "x"),), {"stream": True}), "params may not set stream"),
        (Request((("user", "x"),), {"model": "other"}), "params may not set model"),
    ],
)
def test_requests_that_cannot_be_sent(request_, message):
    with ChatServer() as server, pytest.raises(ValueError, match=message):
        quick(server).complete([*ask(1), request_])
    assert server.count == 0


def test_parameters_must_be_json():
    with pytest.raises(TypeError, match="JSON types, got set"):
        Client("m", base_url="http://localhost:1/v1").complete([Request((("user", "x"),), {"stop": {"a"}})])


def test_a_bar_with_a_terminal_shows_cost_and_faults(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with ChatServer(faults=["ok", "500"]) as server:
        # what fails is shown at once, what comes back at most ten times a second
        quick(server, prices=Prices(1000, 2000), concurrency=1).complete(ask(1, 2))
        shown = sys.stderr.getvalue()
        # (4 * 1000 + 3 * 2000) / 1e6 = .01 USD for the first reply
        assert "0.0100 USD, 1 faults" in shown
        monkeypatch.setattr(sys, "stderr", Terminal())
        quick(server, progress=False).complete(ask(1, 2))
        assert sys.stderr.getvalue() == ""


def test_a_key_that_forgets_something_is_noticed(monkeypatch):
    """A client that takes requests for equal that differ in what is left out sends too few."""

    def forgetful(endpoint, model, request):
        return content_of(endpoint, model, dataclasses.replace(request, replicate=0))

    monkeypatch.setattr(client_module, "content_of", forgetful)
    with ChatServer() as server:
        one = ask(1)[0]
        quick(server).complete([one, dataclasses.replace(one, replicate=1)])
        assert server.count == 1  # the right client sends 2, as the test of replicates asserts


def test_no_bar_without_a_terminal(capfd):
    with ChatServer() as server:
        quick(server).complete(ask(1, 2))
    assert capfd.readouterr() == ("", "")


def test_a_reply_cut_at_the_limit_is_kept_as_such(tmp_path):
    with ChatServer(faults=["length"]) as server:
        client = quick(server, cache=tmp_path / "c.sqlite")
        first = client.complete(ask(1))[0]
        assert (first.finish_reason, first.failure) == ("length", "")
        assert client.complete(ask(1))[0] == dataclasses.replace(first, cached=True)
        assert server.count == 1


def test_usage_beside_the_estimate():
    with ChatServer() as server:
        client = quick(server, prices=Prices(input=1000.0, output=2000.0))
        requests = ask(1, 2)
        planned = client.plan(requests)
        client.complete(requests)
        u = client.usage
        # a request: 4 + 4 words asked, 3 words replied; estimate ceil(9 / 4) + 4 + ceil(8 / 4) + 4 = 13 and 8
        assert (u.prompt_tokens, u.completion_tokens) == (8, 6)
        assert u.usd == pytest.approx((8 * 1000 + 6 * 2000) / 1e6)
        assert (u.estimated_prompt_tokens, u.estimated_completion_tokens) == (26, 16)
        assert planned.usd == pytest.approx(u.estimated_usd)
        assert planned.usd == pytest.approx((26 * 1000 + 16 * 2000) / 1e6)
        assert client.plan(requests).to_send == 0
        assert "26" in u.table()


def test_replies_without_a_count_are_charged_as_estimated():
    with ChatServer(usage=False) as server:
        client = quick(server, prices=Prices(input=1000.0, output=2000.0))
        client.complete(ask(1))
        assert client.usage.uncounted == 1
        assert client.usage.usd == pytest.approx((13 * 1000 + 8 * 2000) / 1e6)


def test_scripted_chat_answers_and_fails_in_place():
    chat = ScriptedChat(lambda messages: str(1 / (int(messages[-1][1].split()[-1]) - 2)))
    replies = chat.complete(ask(1, 2, 4))
    assert texts(replies) == ["-1.0", None, "0.5"]
    assert replies[1].failure == "ZeroDivisionError: division by zero"
    assert len(chat.requests) == 3


def test_the_same_function_answers_offline_and_over_http():
    def answer(messages):
        return json.dumps([len(text) for _, text in messages])

    with ChatServer(answer=answer) as server:
        assert texts(quick(server).complete(ask(1, 22))) == texts(ScriptedChat(answer).complete(ask(1, 22)))
