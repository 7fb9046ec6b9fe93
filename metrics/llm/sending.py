"""Many jobs to one endpoint: sent side by side, tried again, paid for, kept; one that fails does not stop the others.

What ends a whole run: money or requests are spent, the endpoint refuses again and again, or it cannot be reached. Then
nothing more is sent, and what is on the way is waited for, since it is paid for.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .budget import Budget
from .cache import Cache
from .errors import ConnectionRefused
from .jobs import Job, tokens_of, used_by
from .retrying import Gate, Pace
from .transport import Fault, Transport


class OutOfBudget(Exception):
    """Why no more may be sent; becomes BudgetSpent once it is known how much was done."""


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Attributes:
        timeout_s: for one try.
        max_tries: of one job, apart from those that were told to come later.
        max_minutes: of one job, and the longest pause that is accepted.
        refusals: in a row that end the run.
    """

    timeout_s: float = 120.0
    max_tries: int = 6
    max_minutes: float = 10.0
    refusals: int = 5

    def __post_init__(self) -> None:
        for name in ("timeout_s", "max_tries", "max_minutes", "refusals"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


class Sender:
    """State that outlives one call: how fast to send, what was spent, how often it was refused.

    Args:
        endpoint: host and path, for messages.
        connect: makes a transport inside the event loop.
        cache: of replies.
        budget: what may be spent.
        pace: how fast.
        limits: when to give up.
        clock: seconds that only rise.
        sleep: waits.
    """

    def __init__(
        self,
        endpoint: str,
        connect: Callable[[], Transport],
        cache: Cache,
        budget: Budget,
        pace: Pace,
        limits: Limits,
        clock: Callable[[], float],
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._cache = cache
        self._budget = budget
        self._pace = pace
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._refused = self._rejected = self._unreached = self._given_up = 0
        self._last_reply = float("-inf")

    async def send_all(self, jobs: Sequence[Job], report: Callable[[int], None]) -> dict[str, dict[str, Any] | Fault]:
        """Send.

        Args:
            jobs: with different keys.
            report: called with 1 after each, and with 0 after a try that failed.

        Returns:
            A value, or a fault, for every key.

        Raises:
            OutOfBudget: money or requests are spent.
            ConnectionRefused: the endpoint refuses or does not answer.
        """
        found: dict[str, dict[str, Any] | Fault] = {}
        ends: list[Exception] = []
        gate = Gate(self._pace, self._clock, self._sleep, self._allowed)
        async with self._connect() as transport:
            rest = iter(jobs)
            n_workers = min(self._pace.most, len(jobs))
            await asyncio.gather(*(self._work(rest, transport, gate, found, ends, report) for _ in range(n_workers)))
        if ends:
            raise ends[0]
        return found

    async def _work(
        self,
        jobs: Iterator[Job],
        transport: Transport,
        gate: Gate,
        found: dict[str, dict[str, Any] | Fault],
        ends: list[Exception],
        report: Callable[[int], None],
    ) -> None:
        """One job after the other until there is none, or the run ends."""
        for job in jobs:
            try:
                values = await self._one(job, transport, gate, lambda: report(0))
            except Exception as error:  # ends the run; the others finish what they have sent
                ends.append(error)
                await gate.close()
                return
            if values is None:
                return
            if isinstance(values, Fault):
                found.update(dict.fromkeys(job.keys, values))
            else:
                found.update(zip(job.keys, values, strict=True))
            report(1)

    async def _one(
        self, job: Job, transport: Transport, gate: Gate, failed: Callable[[], None]
    ) -> list[dict[str, Any]] | Fault | None:
        """Values of a job, why there are none, or None if the run has ended."""
        first, tries = float("inf"), 0
        cost = self._budget.cost(*job.expected)
        while await gate.enter(cost):
            sent_at = self._clock()
            first = min(first, sent_at)  # waiting for a place is not the request's own time
            reply: dict[str, Any] | None = None
            try:
                reply = await transport.send(job.kind, job.body)
                values = job.read(reply)
                self._keep(job, values)
                return values
            except Fault as fault:
                told = fault
                if reply is not None:  # withheld, refused, of the wrong length: of no use, but paid for
                    used = used_by(reply)
                    self._budget.charge(used, job.expected, answered=False)
            finally:
                self._budget.give_back(cost)
                await gate.leave()
            self._budget.usage.faults[told.reason] += 1
            failed()
            tries += told.severity == "again"
            if (pause := self._after(told, first, sent_at, tries)) is None:
                return told
            if pause:
                await gate.rest(pause)
        return None

    def _keep(self, job: Job, values: list[dict[str, Any]]) -> None:
        """Write down what came before anything else can happen."""
        for key, value in zip(job.keys, values, strict=True):
            self._cache.put(key, job.kind, job.model, value, time.time())
        self._budget.charge(tokens_of(values), job.expected)
        self._pace.went_well()
        self._refused = self._rejected = self._unreached = self._given_up = 0
        self._last_reply = self._clock()

    def _after(self, fault: Fault, first: float, sent_at: float, tries: int) -> float | None:
        """Seconds to wait before a job is tried again; None if it is not.

        Raises:
            ConnectionRefused: it is no use to go on with any job.
        """
        limits, where = self._limits, self._endpoint
        seconds = limits.max_minutes * 60
        if fault.severity == "refused":
            self._refused += 1
            if self._refused >= limits.refusals:
                raise ConnectionRefused(f"{where} refused {self._refused} requests in a row, the last with {fault}")
            return None
        if fault.severity == "never":
            self._rejected += 1
            if self._rejected >= 5 * limits.refusals and self._last_reply == float("-inf"):
                raise ConnectionRefused(f"{where} accepted none of {self._rejected} requests, the last gave {fault}")
            return None
        if fault.after_s is not None and fault.after_s > seconds:
            raise ConnectionRefused(
                f"{where} asks to wait {fault.after_s:g} s, {limits.max_minutes:g} minutes are allowed"
            )
        late = self._clock() - first >= seconds
        if fault.severity == "wait":
            self._pace.too_many(sent_at, fault.after_s)
            if late and self._last_reply < first:
                raise ConnectionRefused(f"{where} has not answered for {limits.max_minutes:g} minutes: {fault}")
            return None if late else 0.0
        if late or tries >= limits.max_tries:
            self._given_up += 1
            if self._given_up >= 5 * limits.refusals and self._last_reply == float("-inf"):
                raise ConnectionRefused(
                    f"{where} gave no reply that can be used to {self._given_up} requests, the last time: {fault}"
                )
            self._unreached += fault.reason == "connection"
            if self._unreached >= limits.refusals:
                raise ConnectionRefused(f"{where} cannot be reached, {tries} tries of the last request gave {fault}")
            return None
        if fault.after_s is not None:
            self._pace.pause(fault.after_s)
            return 0.0
        return self._pace.jitter(tries)

    def _allowed(self, cost: float, others: bool) -> bool:
        """Whether one more may go out; with others on the way it is worth waiting for what they really cost."""
        if why := self._budget.why_not(cost):
            sent_out = self._budget.requests is not None and self._budget.usage.sent >= self._budget.requests
            if others and not sent_out:
                return False
            raise OutOfBudget(why)
        self._budget.take(cost)
        return True
