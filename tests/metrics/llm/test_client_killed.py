"""Processes that are stopped in the middle: what came back is kept, a rerun sends the rest."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from chat_server import ChatServer
from fiducial.metrics.llm.cache import Cache

from .chat_helpers import ask, quick

SECRET = "sk-never-on-disk-987654321"
SCRIPT = """
import signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell started in the background
import fiducial
# the client needs no other metric: without them (and torch) the process starts in a fraction of the time
metrics = sys.modules["fiducial.metrics"] = types.ModuleType("fiducial.metrics")
metrics.__path__ = [fiducial.__path__[0] + "/metrics"]
from fiducial.metrics.llm.client import Client
from fiducial.metrics.llm.nouns import Request
client = Client("m", base_url=sys.argv[1], cache=sys.argv[2], concurrency=int(sys.argv[3]))
requests = [Request((("system", "Be short."), ("user", f"number {n}")), {"max_tokens": 8}) for n in range(40)]
print("begin", flush=True)
replies = client.complete(requests)
print("end", len(replies), flush=True)
"""


@pytest.fixture
def interrupts():
    """Python's own handler: in a shell's background process interrupts are ignored, and so in all it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(server, cache, concurrency):
    environment = {**os.environ, "OPENAI_API_KEY": SECRET, "OPENAI_LOG": "debug"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url, str(cache), str(concurrency)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("how", "concurrency"),
    [
        (signal.SIGKILL, 4),
        pytest.param(signal.SIGKILL, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 4, marks=pytest.mark.slow),
    ],
)
def test_resume_is_exact(tmp_path, how, concurrency):
    path = tmp_path / "c.sqlite"
    with ChatServer(delay=0.03) as server:
        process = start(server, path, concurrency)
        until(lambda: server.count >= 12)
        process.send_signal(how)
        output, errors = process.communicate(timeout=60)
        assert "end" not in output
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert "KeyboardInterrupt" in errors
        sent = server.count
        cache = Cache(path)
        kept = cache.count()["m"]
        cache.close()
        # all but what was on the way
        assert sent - concurrency <= kept <= sent < 40
        client = quick(server, cache=path, concurrency=concurrency)
        assert client.plan(ask(*range(40))).to_send == 40 - kept
        replies = client.complete(ask(*range(40)))
        assert server.count == sent + 40 - kept
        assert [reply.text for reply in replies] == [f"said: number {n}" for n in range(40)]
        assert sum(reply.cached for reply in replies) == kept
        assert client.plan(ask(*range(40))).to_send == 0
        assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
        assert SECRET not in output + errors
        for file in Path(tmp_path).rglob("*"):
            assert SECRET.encode() not in file.read_bytes()


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_keeps_what_came_back(tmp_path):
    main = threading.main_thread().ident

    with ChatServer(delay=0.03) as server:

        def interrupt():
            until(lambda: server.count >= 12)
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with quick(server, cache=tmp_path / "c.sqlite", concurrency=4) as client:
            with pytest.raises(KeyboardInterrupt):
                client.complete(ask(*range(200)))
            thread.join()
            sent, kept = server.count, client.usage.answered
            assert sent - 4 <= kept < 200
            assert client.plan(ask(*range(200))).cached == kept
            # the client still works
            assert client.complete(ask(500))[0].text == "said: number 500"


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_inside_a_running_loop_stops_the_thread_of_the_requests():
    main = threading.main_thread().ident

    def interrupt(server):
        until(lambda: server.count >= 8)
        signal.pthread_kill(main, signal.SIGINT)

    async def notebook(client):
        # asyncio.run turns the first interrupt into a cancellation; notebooks have Python's own handler
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            client.complete(ask(*range(200)))

    with ChatServer(delay=0.03) as server:
        client = quick(server, concurrency=4)
        thread = threading.Thread(target=interrupt, args=(server,))
        thread.start()
        asyncio.run(notebook(client))
        thread.join()
        assert not any(t.name == "requests" for t in threading.enumerate())
        assert 4 <= client.usage.answered < 200
        assert client.plan(ask(*range(200))).cached == client.usage.answered


@pytest.mark.slow
def test_two_processes_fill_one_cache(tmp_path):
    path = tmp_path / "c.sqlite"
    with ChatServer(delay=0.01) as server:
        both = [start(server, path, 2) for _ in range(2)]
        for process in both:
            output, errors = process.communicate(timeout=60)
            assert "end 40" in output, errors
        assert quick(server, cache=path).plan(ask(*range(40))).to_send == 0
