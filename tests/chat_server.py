"""An endpoint on loopback that speaks OpenAI's protocol and misbehaves as a script says.

    with ChatServer(answer=lambda messages: "yes", faults=["429", "ok", "500"]) as server:
        Client("m", base_url=server.url)

`answer` takes the messages, (role, text) in order, and gives the reply's text. A script is a list by order of arrival
(`ok` after its end), or a function of (number of the request, body) that gives the name of a fault or `ok`.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Sequence[str] | Callable[[int, dict[str, Any]], str]
ERROR = {"error": {"message": "scripted", "type": "test", "code": None}}


class ChatServer:
    """A server in a thread; `url` is its base URL.

    Attributes:
        bodies: of all requests, in order of arrival.
        headers: likewise.
        paths: likewise.
        peak: the most requests at one time.
    """

    def __init__(self, answer=None, faults: Script = (), *, delay=0.0, stall=2.0, logprobs=None, usage=True, echo=True):
        self.answer = answer or (lambda messages: f"said: {messages[-1][1]}")
        self.faults = faults
        self.delay, self.stall, self.logprobs, self.usage, self.echo = delay, stall, logprobs, usage, echo
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.peak = self.now = 0
        self.retry_after = "1"
        self.lock = threading.Lock()

    @property
    def count(self) -> int:
        return len(self.bodies)

    def __enter__(self) -> "ChatServer":
        owner = self

        class Handler(_Handler):
            server_state = owner

        self.http = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def fault(self, number: int, body: dict[str, Any]) -> str:
        if callable(self.faults):
            return self.faults(number, body)
        return self.faults[number] if number < len(self.faults) else "ok"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server_state: ChatServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            number = len(state.bodies)
            state.bodies.append(body)
            state.headers.append({name.title(): value for name, value in self.headers.items()})
            state.paths.append(self.path)
            state.now += 1
            state.peak = max(state.peak, state.now)
        try:
            if state.delay:
                time.sleep(state.delay)
            self._misbehave(state.fault(number, body), body)
        finally:
            with state.lock:
                state.now -= 1

    def _misbehave(self, fault: str, body: dict[str, Any]) -> None:
        state = self.server_state
        if fault == "ok":
            self._send(200, self._reply(body))
        elif fault == "length":
            self._send(200, self._reply(body, finish="length"))
        elif fault == "429 wait":
            self._send(429, ERROR, {"Retry-After": state.retry_after})
        elif fault == "429 date":
            self._send(429, ERROR, {"Retry-After": formatdate(time.time() + float(state.retry_after), usegmt=True)})
        elif fault == "no credit":
            self._send(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
        elif fault == "echo key":
            self._send(401, {"error": {"message": f"Incorrect API key provided: {self.headers['Authorization']}"}})
        elif fault.isdigit():
            self._send(int(fault), ERROR)
        elif fault == "timeout":
            time.sleep(state.stall)
            self._send(200, self._reply(body))
        elif fault == "trickle":  # a byte now and then: no single read is late, the reply is
            text = json.dumps(self._reply(body)).encode()
            self._head(200, len(text))
            for i in range(len(text)):
                self.wfile.write(text[i : i + 1])
                self.wfile.flush()
                time.sleep(state.stall / 10)
        elif fault == "truncated":  # whole by its length, but not whole as JSON
            self._raw(200, json.dumps(self._reply(body))[:-20].encode())
        elif fault == "cut":  # the connection ends inside the reply
            text = json.dumps(self._reply(body)).encode()
            self._head(200, len(text))
            self.wfile.write(text[: len(text) // 2])
            self.wfile.flush()
            self.close_connection = True
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "html":
            self._raw(200, b"<html><body>gateway</body></html>", "text/html")
        elif fault == "null choices":
            self._send(200, {"id": "x", "choices": None})
        elif fault == "no choices":
            self._send(200, {"id": "x", "choices": []})
        elif fault == "error object":
            self._send(200, ERROR)
        elif fault == "error object 402":
            self._send(200, {"error": {"message": "no credit", "code": 402}})
        elif fault == "null content":
            reply = self._reply(body)
            reply["choices"][0]["message"]["content"] = None
            self._send(200, reply)
        else:
            raise ValueError(f"no fault named {fault!r}")

    def _reply(self, body: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
        state = self.server_state
        if self.path.endswith("/embeddings"):
            data = [{"index": i, "embedding": toy_embedding(text)} for i, text in enumerate(body["input"])]
            return {"data": data[::-1], "usage": {"prompt_tokens": sum(len(t.split()) for t in body["input"])}}
        if self.path.endswith("/chat/completions"):
            messages = tuple((m["role"], m["content"]) for m in body["messages"])
            text = state.answer(messages)
            choice: dict[str, Any] = {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish,
            }
            if state.logprobs is not None and body.get("logprobs"):
                choice["logprobs"] = {"content": state.logprobs(messages, text)}
            words = sum(len(text.split()) for _, text in messages)
        else:
            text = body["prompt"] if state.echo else ""
            choice = {"text": text, "finish_reason": "length", "logprobs": toy_logprobs(text)}
            words = len(text.split())
        reply = {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice]}
        if state.usage:
            reply["usage"] = {"prompt_tokens": words, "completion_tokens": len(text.split())}
        return reply

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(body).encode(), headers=headers)

    def _raw(
        self, status: int, body: bytes, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        self._head(status, len(body), kind, headers)
        self.wfile.write(body)

    def _head(
        self, status: int, length: int, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def toy_embedding(text: str) -> list[float]:
    """Counts of three letters."""
    return [float(text.count(letter)) for letter in "abc"]


def toy_logprobs(text: str) -> dict[str, Any]:
    """Characters as tokens; the log-probability of a character is minus its place, the first has none."""
    return {
        "tokens": list(text),
        "token_logprobs": [None if i == 0 else -float(i) for i in range(len(text))],
        "text_offset": list(range(len(text))),
    }
