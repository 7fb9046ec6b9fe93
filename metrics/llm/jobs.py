"""What goes over the wire for a chat, an embedding or an echo, and what is kept of what comes back.

A value that is kept has JSON types only and no trace of the request but its key.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .budget import Tokens
from .cache import content_of, key_of
from .nouns import Reply, Request
from .plan import CHARACTERS_A_TOKEN, estimate
from .transport import Fault, Kind, fields_of

_OURS = frozenset({"model", "messages", "stream", "n", "api_key", "extra_headers", "extra_body", "extra_query"})
_ROLES = frozenset({"system", "developer", "user", "assistant"})


@dataclass(frozen=True, eq=False)
class Job:
    """One request over the wire; it may answer several keys.

    Attributes:
        keys: in the cache.
        kind: which of the endpoint's addresses.
        model: that is asked.
        body: as JSON.
        expected: tokens of prompt and, at most, reply.
        read: values to keep, one a key; raises Fault.
    """

    keys: tuple[str, ...]
    kind: Kind
    model: str
    body: Mapping[str, Any]
    expected: tuple[int, int]
    read: Callable[[dict[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Echoed:
    """How likely a text is after a prefix.

    Attributes:
        tokens: of the text; one that began in the prefix belongs to the prefix.
        logprobs: natural logarithms, one a token; NaN for the very first token of a prompt, which has none.
        failure: why there is nothing; empty if there is.
        cached: whether no request was sent for it.
    """

    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    failure: str = ""
    cached: bool = False

    @property
    def total(self) -> float:
        """Log-probability of the whole text; NaN if there is none."""
        return math.nan if self.failure else sum(self.logprobs)


def chat_job(endpoint: str, model: str, request: Request, key: str = "") -> Job:
    """A chat request.

    Raises:
        ValueError: no messages, an unknown role, or a parameter that is not the request's to set.
        TypeError: parameters that are not JSON types.
    """
    roles = {role for role, _ in request.messages}
    if not request.messages or roles - _ROLES:
        raise ValueError(f"messages must be (role, text) with roles {', '.join(sorted(_ROLES))}, got roles {roles}")
    if wrong := _OURS & set(request.params):
        raise ValueError(f"params may not set {', '.join(sorted(wrong))}: the client does, or it is not supported")
    body = {
        "model": model,
        "messages": [{"role": role, "content": text} for role, text in request.messages],
        **request.params,
    }
    key = key or content_of(endpoint, model, request)
    return Job((key,), "chat", model, body, estimate(request), _read_chat)


def _read_chat(reply: dict[str, Any]) -> list[dict[str, Any]]:
    choice = fields_of(reply["choices"][0])
    said = fields_of(choice.get("message"))
    finish = str(choice.get("finish_reason") or "")
    text: Any = said.get("content")
    if isinstance(text, list):  # some gateways send parts
        text = "".join(str(fields_of(part).get("text") or "") for part in cast("list[Any]", text))
    if finish == "content_filter":
        raise Fault("filtered", "the endpoint withheld the reply", "never")
    if said.get("refusal"):
        raise Fault("refused to answer", str(said["refusal"])[:200], "never")
    if text is None and finish == "length":
        text = ""  # all of the output was thought
    if not isinstance(text, str):
        raise Fault("empty reply", "no content", "again")
    return [
        {
            "text": text,
            "finish_reason": finish,
            "logprobs": _read_logprobs(choice.get("logprobs")),
            "tokens": _counted(reply),
            "system_fingerprint": reply.get("system_fingerprint"),
            "model": reply.get("model"),
        }
    ]


def _read_logprobs(found: Any) -> list[tuple[str, dict[str, float]]] | None:
    """One entry an output token: the token, and the likeliest tokens there, itself among them."""
    content: Any = fields_of(found).get("content")
    if not isinstance(content, list):
        return None
    entries: list[tuple[str, dict[str, float]]] = []
    try:
        for place in cast("list[dict[str, Any]]", content):
            top = cast("list[dict[str, Any]]", place.get("top_logprobs") or [])
            likely = {str(t["token"]): float(t["logprob"]) for t in top}
            likely.setdefault(str(place["token"]), float(place["logprob"]))
            entries.append((str(place["token"]), likely))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Fault("broken reply", f"log-probabilities cannot be read: {error!r}", "again") from None
    return entries


def _counted(reply: Mapping[str, Any]) -> list[int] | None:
    """Tokens of prompt, of reply, and of the prompt those that the endpoint had kept."""
    counts = fields_of(reply.get("usage"))
    if not counts:
        return None
    kept = fields_of(counts.get("prompt_tokens_details")).get("cached_tokens")
    try:
        return [int(counts.get(k) or 0) for k in ("prompt_tokens", "completion_tokens")] + [int(kept or 0)]
    except (TypeError, ValueError):
        return None


def tokens_of(values: Sequence[Mapping[str, Any]]) -> Tokens:
    """What a job's reply used; its first value carries the count."""
    return _tokens(values[0].get("tokens"))


def used_by(reply: Mapping[str, Any]) -> Tokens:
    """What a reply used that cannot be read."""
    return _tokens(_counted(reply))


def _tokens(counts: Sequence[int] | None) -> Tokens:
    return Tokens() if not counts or not any(counts) else Tokens(*counts, counted=True)


def reply_of(value: Mapping[str, Any], cached: bool) -> Reply:
    """What was kept, as the reply it was."""
    logprobs, counts = value.get("logprobs"), value.get("tokens") or (0, 0, 0)
    return Reply(
        value["text"],
        finish_reason=value["finish_reason"],
        logprobs=None if logprobs is None else tuple((token, dict(likely)) for token, likely in logprobs),
        prompt_tokens=counts[0],
        completion_tokens=counts[1],
        cached=cached,
    )


@dataclass(frozen=True)
class _EmbeddingReader:
    n: int

    def __call__(self, reply: dict[str, Any]) -> list[dict[str, Any]]:
        data = cast("list[dict[str, Any]]", reply["data"])
        if len(data) != self.n:
            raise Fault("wrong length", f"{len(data)} embeddings of {self.n} texts", "again")
        try:
            places = [int(item.get("index", i)) for i, item in enumerate(data)]
            arrays = [np.asarray(item["embedding"], "<f4") for item in data]
        except (KeyError, TypeError, ValueError) as error:
            raise Fault("broken reply", f"embeddings cannot be read: {error!r}", "again") from None
        if sorted(places) != list(range(self.n)) or any(a.ndim != 1 or not len(a) for a in arrays):
            raise Fault("broken reply", f"embeddings numbered {places[:5]}...", "again")
        values = [dict[str, Any]() for _ in arrays]
        for place, array in zip(places, arrays, strict=True):
            values[place] = {"embedding": base64.b64encode(array.tobytes()).decode()}
        values[0]["tokens"] = _counted(reply)
        return values


def embedding_key(endpoint: str, model: str, text: str, params: Mapping[str, Any]) -> str:
    """Key of one text's embedding."""
    return key_of(endpoint, "embedding", model, {"text": text, "params": params})


def embedding_job(model: str, keys: Sequence[str], texts: Sequence[str], params: Mapping[str, Any]) -> Job:
    """Embeddings of several texts by one request."""
    body = {"model": model, "input": list(texts), **params}
    expected = (sum(-(-len(text) // CHARACTERS_A_TOKEN) for text in texts), 0)
    return Job(tuple(keys), "embedding", model, body, expected, _EmbeddingReader(len(texts)))


def embedding_of(value: Mapping[str, Any]) -> NDArray[np.float32]:
    """What was kept, float32 [d]."""
    return np.frombuffer(base64.b64decode(value["embedding"]), "<f4").astype(np.float32)


@dataclass(frozen=True)
class _EchoReader:
    prompt: str = field(repr=False)

    def __call__(self, reply: dict[str, Any]) -> list[dict[str, Any]]:
        choice = fields_of(reply["choices"][0])
        if not str(choice.get("text") or "").startswith(self.prompt):
            raise Fault("no echo", "the endpoint does not repeat the prompt with its reply", "never")
        found = fields_of(choice.get("logprobs"))
        try:
            places = list(zip(found["tokens"], found["token_logprobs"], found["text_offset"], strict=True))
            kept = [(str(token), None if v is None else float(v), int(offset)) for token, v, offset in places]
        except (KeyError, TypeError, ValueError) as error:
            raise Fault("no echo", f"log-probabilities of the prompt cannot be read: {error!r}", "never") from None
        return [{"echo": kept, "tokens": _counted(reply)}]


def echo_job(endpoint: str, model: str, prompt: str, params: Mapping[str, Any]) -> Job:
    """Log-probabilities of a prompt's own tokens, by the older completions address."""
    body = {"model": model, "prompt": prompt, "echo": True, "max_tokens": 0, "logprobs": 1, "temperature": 0, **params}
    key = key_of(endpoint, "echo", model, {"prompt": prompt, "params": params})
    expected = (-(-len(prompt) // CHARACTERS_A_TOKEN), int(body["max_tokens"]))
    return Job((key,), "echo", model, body, expected, _EchoReader(prompt))


def echo_of(value: Mapping[str, Any], start: int, stop: int, cached: bool) -> Echoed:
    """Tokens that begin at characters start to stop of the prompt."""
    inside = [(t, v) for t, v, offset in value["echo"] if start <= offset < stop]
    return Echoed(tuple(t for t, _ in inside), tuple(math.nan if v is None else v for _, v in inside), cached=cached)
