"""Embeddings and echoed log-probabilities of an endpoint: order, batches, cache, faults."""

import math

import numpy as np
import pytest
from chat_server import ChatServer, toy_embedding
from fiducial.metrics.llm.client import Client
from fiducial.metrics.llm.errors import BudgetSpent, RequestFailed

from .chat_helpers import ask, quick

TEXTS = [f"{'a' * (i % 4)}{'b' * (i % 3)}{i}" for i in range(10)]


def test_in_order_whatever_the_server_sends_first(tmp_path):
    with ChatServer() as server:  # it sends the last of a batch first
        client = quick(server, cache=tmp_path / "c.sqlite", concurrency=1)
        found = client.embed(TEXTS, "e", per_request=4)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array([toy_embedding(text) for text in TEXTS], np.float32))
        assert server.count == 3
        assert [len(body["input"]) for body in server.bodies] == [4, 4, 2]
        assert all(body["encoding_format"] == "float" for body in server.bodies)
        # one new text: only it is sent; a text twice is one
        again = client.embed([TEXTS[3], "new", TEXTS[3], "new"], "e", per_request=4)
        np.testing.assert_array_equal(again, np.array([toy_embedding(t) for t in (TEXTS[3], "new") * 2], np.float32))
        assert server.bodies[3]["input"] == ["new"]
        client.embed(TEXTS, "another model")
        client.embed(TEXTS, "e", params={"dimensions": 3})
        assert server.count == 6
    with Client("m", base_url=server.url, cache=tmp_path / "c.sqlite", offline=True) as offline:
        np.testing.assert_array_equal(offline.embed(TEXTS, "e"), found)
        with pytest.raises(RequestFailed, match=r"1 of 11 texts have no embedding, .*not in the cache: 'unknown'"):
            offline.embed([*TEXTS, "unknown"], "e")


def test_no_texts_and_an_empty_one():
    with ChatServer() as server:
        assert quick(server).embed([]).shape == (0, 0)
        with pytest.raises(ValueError, match="text 1 is empty"):
            quick(server).embed(["a", ""])
        assert server.count == 0


@pytest.mark.parametrize("fault", ["500", "truncated", "error object", "429"])
def test_faults_pass(fault):
    with ChatServer(faults=[fault]) as server:
        assert quick(server, concurrency=1).embed(["aab"]).tolist() == [[2.0, 1.0, 0.0]]
        assert server.count == 2


def test_one_batch_that_fails_does_not_lose_the_others():
    with ChatServer(faults=lambda number, body: "400" if "bad" in body["input"] else "ok") as server:
        client = quick(server)
        with pytest.raises(RequestFailed, match="2 of 6 texts have no embedding, the first for status 400"):
            client.embed(["a", "b", "c", "d", "bad", "e"], per_request=2)
        assert client.usage.failures == {"status 400": 2}
        client.embed(["a", "b", "c", "d"], per_request=2)
        assert server.count == 3


@pytest.mark.parametrize(
    "data",
    [
        [],
        None,
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": "text"}, {"index": 1, "embedding": "text"}],
        [{"index": 0}, {"index": 1}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}],
    ],
)
def test_wrong_shapes_are_faults(data):
    with ChatServer() as server:
        server.http.RequestHandlerClass._reply = lambda self, body: {"data": data}
        with pytest.raises(RequestFailed, match="2 of 2"):
            quick(server, max_tries=2).embed(["a", "b"])
        assert server.count == 2


def test_embeddings_of_two_lengths_are_refused():
    with ChatServer() as server:
        server.http.RequestHandlerClass._reply = lambda self, body: {
            "data": [{"index": 0, "embedding": [1.0] * len(body["input"][0])}]
        }
        with pytest.raises(RequestFailed, match=r"differ in length: \[1, 2\]"):
            quick(server).embed(["a", "bb"], per_request=1)


def test_a_limit_counts_texts_that_are_left():
    with ChatServer() as server, pytest.raises(BudgetSpent) as caught:
        quick(server, max_requests=1, concurrency=1).embed(TEXTS, per_request=4)
    assert (caught.value.done, caught.value.left) == (4, 6)


def test_log_probabilities_of_a_text_after_a_prefix(tmp_path):
    with ChatServer() as server:
        client = quick(server, cache=tmp_path / "c.sqlite")
        first, second, third = client.echo_logprobs(["ab", "", "abc"], ["cd", "xyz", "d"])
        # characters are tokens, the log-probability of one is minus its place
        assert (first.tokens, first.logprobs, first.total) == (("c", "d"), (-2.0, -3.0), -5.0)
        assert second.tokens == ("x", "y", "z")
        assert math.isnan(second.logprobs[0])
        assert math.isnan(second.total)
        assert third.total == -3.0
        assert server.count == 2  # "abcd" is one prompt, cut at two places
        assert server.bodies[0]["max_tokens"] == 0
        assert server.bodies[0]["echo"] is True
        again = client.echo_logprobs(["ab"], ["cd"])[0]
        assert again.cached
        assert again.logprobs == first.logprobs
        assert server.count == 2


def test_endpoints_without_echo_say_so():
    with ChatServer(echo=False) as server:
        found = quick(server).echo_logprobs(["a"], ["b"])[0]
        assert found.failure.startswith("no echo")
        assert math.isnan(found.total)
        assert server.count == 1


def test_one_cache_holds_all_kinds(tmp_path):
    with ChatServer() as server:
        client = quick(server, cache=tmp_path / "c.sqlite")
        client.complete(ask(1))
        client.embed(["a"])
        client.echo_logprobs(["a"], ["b"])
        assert server.paths == ["/v1/chat/completions", "/v1/embeddings", "/v1/completions"]
        client.complete(ask(1))
        client.embed(["a"])
        client.echo_logprobs(["a"], ["b"])
        assert server.count == 3
