"""One request over the wire, once: what came back as JSON, or a fault that says whether to try again.

Conventions   The `openai` package does the HTTP; its own retries are switched off, since retries of retries multiply.
              Proxies and other settings of the environment are not read, only the key. Broken JSON, HTML, an empty
              `choices` and an error object under status 200 are faults like any other: the package lets them through.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, cast

from .cache import endpoint_of
from .errors import NoKey, NotInstalled

OPENAI = "https://api.openai.com/v1"
Kind = Literal["chat", "embedding", "echo"]
Severity = Literal["wait", "again", "never", "refused"]
_AGAIN = frozenset({408, 409, 425})
_REFUSED = frozenset({401, 402, 403, 404})
_NO_CREDIT = ("insufficient_quota", "billing", "credit")


@dataclass(eq=False)
class Fault(Exception):
    """Why a request gave nothing.

    Attributes:
        reason: short, the same for the same kind of fault, so that faults can be counted.
        detail: what the endpoint said, shortened, without the key.
        severity: `wait`: too many requests, ask later. `again`: may pass. `never`: this request will not do.
            `refused`: no request will.
        after_s: seconds that the endpoint asks to wait; None if it does not.
    """

    reason: str
    detail: str
    severity: Severity
    after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Transport:
    """A connection to one endpoint; made inside the event loop that uses it.

    Args:
        base_url: of the endpoint.
        key_variable: environment variable that holds the key.
        timeout_s: for a whole request, so that a reply that trickles in ends too.

    Raises:
        NotInstalled: `openai` is not installed.
        NoKey: no key, and the endpoint is not one that may do without.
    """

    def __init__(self, base_url: str, key_variable: str, timeout_s: float) -> None:
        self._secret = secret_of(base_url, key_variable)
        import openai

        self._openai = openai
        self._timeout_s = timeout_s
        self._client = openai.AsyncOpenAI(
            api_key=self._secret or "none",  # servers of one's own often want no key, the package wants one
            base_url=base_url,
            timeout=timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        )

    async def __aenter__(self) -> "Transport":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def send(self, kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send once.

        Args:
            kind: which of the endpoint's addresses.
            body: as JSON.

        Returns:
            The reply, checked to have what its kind needs: `choices` or `data`, not empty.

        Raises:
            Fault: anything else came.
        """
        try:
            status, headers, text = await asyncio.wait_for(self._post(kind, body), self._timeout_s)
        except (TimeoutError, self._openai.APITimeoutError):
            raise Fault("timeout", f"nothing within {self._timeout_s:g} s", "again") from None
        except self._openai.APIStatusError as error:
            status, headers, text = error.status_code, error.response.headers, _text_of(error)
        except Exception as error:  # the connection: refused, reset, cut in the middle, not decodable
            ours = not isinstance(error, (self._openai.OpenAIError, OSError))
            if ours and not type(error).__module__.startswith(("httpx", "httpcore", "h11")):
                raise
            cause = error.__cause__ or error
            raise Fault("connection", self._clean(f"{type(cause).__name__} {cause}"), "again") from None
        return self._read(kind, status, headers, self._clean(text, shorten=False))

    async def _post(self, kind: Kind, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text. Everything but what the package insists on goes as it is, in its extra body."""
        model, extra = body["model"], {k: v for k, v in body.items() if k != "model"}
        if kind == "chat":
            raw = await self._client.chat.completions.with_raw_response.create(
                model=model, messages=extra.pop("messages"), extra_body=extra
            )
        elif kind == "embedding":
            given = {"encoding_format": "float", **extra}
            raw = await self._client.embeddings.with_raw_response.create(
                model=model, input=given.pop("input"), encoding_format="float", extra_body=given
            )
        else:
            raw = await self._client.completions.with_raw_response.create(
                model=model, prompt=extra.pop("prompt"), extra_body=extra
            )
        return raw.status_code, raw.headers, raw.text

    def _read(self, kind: Kind, status: int, headers: Mapping[str, str], text: str) -> dict[str, Any]:
        """The reply as JSON, or a fault."""
        try:
            found: Any = json.loads(text)
        except ValueError:
            found = None
        if status >= 400:
            raise self._fault(status, found, headers, text)
        if not isinstance(found, dict):
            what = "not a JSON object" if found is not None else "not JSON"
            raise Fault("broken reply", f"{what}: {self._clean(text)!r}", "again")
        reply = cast("dict[str, Any]", found)
        if reply.get("error"):
            raise self._fault(_code_of(reply["error"]), reply, headers, text)
        items = reply.get("data" if kind == "embedding" else "choices")
        if not isinstance(items, list) or not items or not isinstance(items[0], dict):
            name = "data" if kind == "embedding" else "choices"
            raise Fault("empty reply", f"{name} are {self._clean(json.dumps(items))}", "again")
        return reply

    def _fault(self, status: int, found: Any, headers: Mapping[str, str], text: str) -> Fault:
        """What a status means for this request and for all others."""
        whole = fields_of(found)
        error = fields_of(whole.get("error")) or whole
        detail = self._clean(str(error.get("message") or whole.get("error") or text))
        after = retry_after(headers)
        if status == 429:
            if any(word in str(error.get("code")) for word in _NO_CREDIT):
                return Fault("status 429, no credit", detail, "refused")
            return Fault("status 429", detail, "wait", after)
        if status in _AGAIN or status >= 500:
            return Fault(f"status {status}", detail, "again", after)
        return Fault(f"status {status}", detail, "refused" if status in _REFUSED else "never")

    def _clean(self, text: str, shorten: bool = True) -> str:
        """Without the key, which some endpoints repeat when they refuse it."""
        if len(self._secret) >= 8:
            text = text.replace(self._secret, "(key)")
        text = " ".join(text.split()) if shorten else text
        return text if not shorten or len(text) <= 200 else text[:197] + "..."


def secret_of(base_url: str, key_variable: str) -> str:
    """The key for an endpoint; empty if there is none and the endpoint may do without.

    Raises:
        NotInstalled: `openai` is not installed.
        NoKey: no key, and the endpoint is not one that may do without.
    """
    try:
        import openai  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise NotInstalled("language models need the package openai: pip install 'fiducial[llm]'") from None
    found = os.environ.get(key_variable, "").strip()
    if not found and endpoint_of(base_url) == endpoint_of(OPENAI):
        raise NoKey(f"no key: set the environment variable {key_variable}")
    return found


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an endpoint asks to wait, from `retry-after-ms` or `Retry-After` in seconds or as a date.

    A date counts from the endpoint's own `Date`, so that clocks that differ do no harm; without one it is not used.

    Examples:
        >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after": "soon"})
        (2.5, None)
        >>> date = "Wed, 21 Oct 2026 07:28:{} GMT"
        >>> retry_after({"retry-after": date.format("30"), "date": date.format("00")})
        30.0
    """
    lower = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(lower[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        gap = parsedate_to_datetime(lower["retry-after"]) - parsedate_to_datetime(lower["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(gap.total_seconds(), 0.0)


def fields_of(value: object) -> dict[str, Any]:
    """A JSON object as it is; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _code_of(error: object) -> int:
    """Status that an error object under status 200 names; 500 if it names none."""
    code: Any = fields_of(error).get("code")
    try:
        status = int(str(code))
    except ValueError:
        return 429 if code in ("rate_limit_exceeded", "insufficient_quota") else 500
    return status if 400 <= status < 600 else 500


def _text_of(error: Any) -> str:
    try:
        return str(error.response.text)
    except Exception:  # the body of the error was cut
        return str(error.message)
