"""A chat model behind any endpoint that speaks OpenAI's protocol: planned, cached, paced, paid for, resumed.

    client = Client("a-model", base_url="http://localhost:8000/v1", cache="replies.sqlite", max_requests=2000)
    print(client.plan(requests).table())
    replies = client.complete(requests)
    print(client.usage.table())

Conventions   The key comes from an environment variable and stays there: it is in no file, message or representation.
              A request whose reply is in the cache is not sent. Every reply is in the cache before the next thing
              happens, so that a run that was stopped, by whatever, goes on where it was when it is started again. What
              fails for one request is said in its reply; `errors` holds what ends a run.
              Calls block. Inside a running event loop, as in notebooks, they work in a thread of their own.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .budget import Budget, Usage
from .cache import Cache, content_of, endpoint_of
from .errors import BudgetSpent, NotInCache, RequestFailed
from .jobs import Echoed, Job, chat_job, echo_job, echo_of, embedding_job, embedding_key, embedding_of, reply_of
from .nouns import Reply, Request
from .plan import Plan, Prices, plan
from .retrying import Pace
from .sending import Limits, OutOfBudget, Sender
from .transport import OPENAI, Fault, Transport, secret_of

T = TypeVar("T")


class Client:
    """A model at an endpoint; meets `Chat`.

    Args:
        model: as the endpoint knows it.
        base_url: of the endpoint, such as `http://localhost:8000/v1`; `OPENAI_BASE_URL` or OpenAI's if None.
        key_variable: environment variable that holds the key. Endpoints other than OpenAI's may do without.
        cache: file of replies; None keeps them for the life of the client.
        offline: nothing is sent; what the cache does not hold fails.
        concurrency: requests in flight, at most; fewer while the endpoint says that there are too many.
        timeout_s: for one try.
        max_tries: of one request. Tries that were told to come later do not count.
        max_minutes: that one request may take with all its tries, and the longest pause that is accepted.
        refusals: 401, 402, 403 or 404 in a row that end the run.
        budget_usd: at most; needs prices. What is on the way is reckoned with at its estimate.
        max_requests: that may be sent, every try counted.
        prices: USD per million tokens.
        progress: a bar over requests; never without a terminal.
        seed: of the pauses between tries.
        clock: seconds that only rise.
        sleep: waits.

    Raises:
        ValueError: settings that do not fit.
        FileNotFoundError: offline without a cache.
        CacheUnreadable: the file is no cache.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        cache: Path | str | None = None,
        offline: bool = False,
        concurrency: int = 8,
        timeout_s: float = 120.0,
        max_tries: int = 6,
        max_minutes: float = 10.0,
        refusals: int = 5,
        budget_usd: float | None = None,
        max_requests: int | None = None,
        prices: Prices | None = None,
        progress: bool = True,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        if not model:
            raise ValueError("model must be a name that the endpoint knows")
        if offline and cache is None:
            raise ValueError("offline runs need a cache that was filled before")
        self._url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        self._endpoint = endpoint_of(self._url)
        self._model = model
        self._key_variable = key_variable
        self._offline = offline
        self._progress = progress
        self._budget = Budget(budget_usd, max_requests, prices)
        self._pace = Pace(concurrency, seed, clock)
        self._timeout_s = timeout_s
        limits = Limits(timeout_s, max_tries, max_minutes, refusals)
        self._cache = Cache(cache, read_only=offline)
        self._sender = Sender(
            self._endpoint, self._connect, self._cache, self._budget, self._pace, limits, clock, sleep
        )
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        how = ", offline" if self._offline else ""
        return f"Client({self._model!r} at {self._endpoint}{how})"

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the cache's file. What was written is safe without it too."""
        self._cache.close()

    @property
    def model(self) -> str:
        """Its name, as the endpoint knows it."""
        return self._model

    @property
    def endpoint(self) -> str:
        """Host and path."""
        return self._endpoint

    @property
    def prices(self) -> Prices | None:
        """USD per million tokens, as the user gave them."""
        return self._budget.prices

    @property
    def usage(self) -> Usage:
        """What was asked, sent and spent so far."""
        return self._budget.usage

    @property
    def peak(self) -> int:
        """The most requests that were in flight."""
        return self._pace.peak

    def check(self) -> None:
        """Whether anything could be sent, before the work; nothing is sent.

        Raises:
            NoKey: no key in the environment, and the endpoint needs one.
            NotInstalled: the package openai is not installed.
        """
        if not self._offline:
            secret_of(self._url, self._key_variable)

    def cached(self, request: Request) -> bool:
        """Whether a chat request would be answered without being sent."""
        return bool(self._cache.get([content_of(self._endpoint, self._model, request)]))

    def plan(self, requests: Sequence[Request], count_tokens: Callable[[str], int] | None = None) -> Plan:
        """What `complete` would send and cost; nothing is sent.

        Args:
            requests: chat requests.
            count_tokens: of a text; characters / 4 if None.
        """
        return plan(requests, self.cached, self._budget.prices, count_tokens)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply to each request, in order; equal ones are sent once.

        Raises:
            BudgetSpent: money or requests are spent; what came is kept.
            ConnectionRefused: the endpoint refuses again and again, or cannot be reached.
            NoKey: no key in the environment, and the endpoint needs one.
            ImportError: the package openai is not installed.
            NotInCache: offline, and the cache holds nothing of this model.
            ValueError: a request that cannot be sent.
        """
        keys = [content_of(self._endpoint, self._model, request) for request in requests]
        request_of = dict(zip(keys, requests, strict=True))

        def jobs(missing: list[str]) -> list[Job]:
            return [chat_job(self._endpoint, self._model, request_of[key], key) for key in missing]

        found, fresh = self._answer(keys, jobs, self._model)
        replies: list[Reply] = []
        for key in keys:
            value = found[key]
            replies.append(
                Reply(None, failure=str(value)) if isinstance(value, Fault) else reply_of(value, key not in fresh)
            )
            fresh.discard(key)  # a copy of an equal request was not sent
        return replies

    def embed(
        self,
        texts: Sequence[str],
        model: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        per_request: int = 64,
    ) -> NDArray[np.float32]:
        """Embeddings by the endpoint, float32 [n, d]; equal texts are sent once.

        They are charged at this client's prices: a model with others wants a client of its own.

        Args:
            texts: n of them, none empty.
            model: the client's if None.
            params: such as `dimensions`; JSON types.
            per_request: texts that are sent together.

        Raises:
            RequestFailed: some have none after all tries, or they differ in length; the others are kept.
            BudgetSpent: as in `complete`.
            ConnectionRefused: as in `complete`.
        """
        model, params = model or self._model, dict(params or {})
        if any(not text for text in texts):
            raise ValueError(f"text {next(i for i, t in enumerate(texts) if not t)} is empty: it has no embedding")
        if not texts:
            return np.zeros((0, 0), np.float32)
        keys = [embedding_key(self._endpoint, model, text, params) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))

        def jobs(missing: list[str]) -> list[Job]:
            parts = [missing[start : start + per_request] for start in range(0, len(missing), per_request)]
            return [embedding_job(model, part, [text_of[key] for key in part], params) for part in parts]

        found, _ = self._answer(keys, jobs, model)
        wrong = [value for value in found.values() if isinstance(value, Fault)]
        if wrong:
            raise RequestFailed(f"{len(wrong)} of {len(found)} texts have no embedding, the first for {wrong[0]}")
        arrays = [embedding_of(value) for value in (found[key] for key in keys) if not isinstance(value, Fault)]
        if len({len(array) for array in arrays}) > 1:
            raise RequestFailed(f"embeddings differ in length: {sorted({len(array) for array in arrays})}")
        return np.stack(arrays)

    def echo_logprobs(
        self, prefixes: Sequence[str], texts: Sequence[str], *, params: Mapping[str, Any] | None = None
    ) -> list[Echoed]:
        """How likely texts are after prefixes, where the endpoint echoes prompts (the older completions address).

        Args:
            prefixes: one a text.
            texts: whose tokens are counted.
            params: over `max_tokens` 0, `logprobs` 1 and `temperature` 0; for servers that want at least one new token.

        Returns:
            One each, in order; what fails says why.
        """
        params = dict(params or {})
        prompts = [prefix + text for prefix, text in zip(prefixes, texts, strict=True)]
        made = [echo_job(self._endpoint, self._model, prompt, params) for prompt in prompts]
        keys = [job.keys[0] for job in made]
        job_of = dict(zip(keys, made, strict=True))
        found, fresh = self._answer(keys, lambda keys: [job_of[key] for key in keys], self._model)
        echoes: list[Echoed] = []
        for key, prefix, prompt in zip(keys, prefixes, prompts, strict=True):
            value = found[key]
            if isinstance(value, Fault):
                echoes.append(Echoed(failure=str(value)))
            else:
                echoes.append(echo_of(value, len(prefix), len(prompt), key not in fresh))
            fresh.discard(key)
        return echoes

    def _answer(
        self, keys: Sequence[str], make: Callable[[list[str]], list[Job]], model: str
    ) -> tuple[dict[str, dict[str, Any] | Fault], set[str]]:
        """A value or a fault for every key, and the keys that were sent."""
        with self._turn:
            different = list(dict.fromkeys(keys))
            held = self._cache.get(different)
            found: dict[str, dict[str, Any] | Fault] = {**held}
            missing = [key for key in different if key not in held]
            jobs = make(missing)
            self.usage.asked += len(keys)
            self.usage.from_cache += len(keys) - len(missing)
            if jobs and self._offline:
                self._check_model(model)
                found |= {key: _not_in_cache(key, job) for job in jobs for key in job.keys}
            elif jobs:
                try:
                    found |= self._send(jobs, len(held))
                except OutOfBudget as error:
                    done = len(self._cache.get(different))
                    raise BudgetSpent(str(error), done, len(different) - done) from None
            for key in keys:
                if isinstance(fault := found[key], Fault):
                    self.usage.failures[fault.reason] += 1
            return found, set(missing)

    def _send(self, jobs: Sequence[Job], n_cached: int) -> dict[str, dict[str, Any] | Fault]:
        from tqdm.auto import tqdm

        name = f"{self._model} ({n_cached} cached)" if n_cached else self._model
        quiet = None if self._progress else True
        with tqdm(total=len(jobs), desc=name, unit="request", disable=quiet, leave=False) as bar:

            def report(n: int) -> None:
                spent = f"{self.usage.usd:.4f} USD, " if self._budget.prices else ""
                bar.set_postfix_str(f"{spent}{sum(self.usage.faults.values())} faults", refresh=not n)
                bar.update(n)

            return _blocking(lambda: self._sender.send_all(jobs, report))

    def _connect(self) -> Transport:
        return Transport(self._url, self._key_variable, self._timeout_s)

    def _check_model(self, model: str) -> None:
        held = self._cache.count()
        if model not in held:
            names = ", ".join(sorted(held)) or "nothing"
            raise NotInCache(f"offline: {self._cache.path} holds replies of {names}, not of {model}")


def _not_in_cache(key: str, job: Job) -> Fault:
    messages: Any = job.body.get("messages")
    texts: Any = job.body.get("input")  # one a key
    text = texts[job.keys.index(key)] if texts else messages[-1]["content"] if messages else job.body.get("prompt")
    words = " ".join(str(text).split())
    return Fault("offline", f"request {key[:12]} is not in the cache: {words[:80]!r}", "never")


def _blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, in a thread of its own where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    results: list[T] = []
    errors: list[BaseException] = []
    done, stopping = threading.Event(), threading.Event()
    cancel: list[Callable[[], object]] = []

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            cancel.append(lambda: loop.call_soon_threadsafe(task.cancel))
            if stopping.is_set():  # before there was anything to cancel
                raise asyncio.CancelledError
        return await make()

    def work() -> None:
        try:
            results.append(asyncio.run(main()))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="requests")
    thread.start()
    try:
        done.wait()  # a join that is interrupted takes the thread for ended
    except KeyboardInterrupt:
        stopping.set()
        for stop in cancel:
            stop()
        done.wait()
        raise
    finally:
        thread.join()
    if errors:
        raise errors[0]
    return results[0]
