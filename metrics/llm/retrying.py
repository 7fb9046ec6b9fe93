"""When may the next request go out, and when again? The one layer that retries.

Conventions   The number of requests in flight halves when the endpoint says that there are too many, and grows by one a
              full round of successes, up to the limit given (additive increase, multiplicative decrease). What the
              endpoint asks to wait holds for all requests. Other pauses are drawn evenly between 0 and a bound that
              doubles ("full jitter"), from a seeded generator.
References    Chiu and Jain 1989 (additive increase, multiplicative decrease); Brooker 2015, "Exponential backoff and
              jitter" (AWS architecture blog).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from .seeds import generator_of

BASE_S = 0.5
LONGEST_S = 60.0


class Pace:
    """How fast one endpoint is asked; kept over the calls of a client.

    Args:
        concurrency: requests in flight, at most.
        seed: of the pauses.
        clock: seconds that only rise.

    Attributes:
        limit: requests that may be in flight now.
        paused_until: on the clock; nothing goes out before.
        peak: the most that were in flight.
    """

    def __init__(self, concurrency: int, seed: int, clock: Callable[[], float]) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency}")
        self.most = concurrency
        self.limit = float(concurrency)
        self.paused_until = float("-inf")
        self.peak = 0
        self._random = generator_of(seed, "client", "jitter")
        self._clock = clock
        self._last_cut = float("-inf")
        self._in_a_row = 0

    def jitter(self, tries: int) -> float:
        """Seconds to wait after so many tries, at least 1."""
        bound = min(BASE_S * 2.0 ** min(tries - 1, 20), LONGEST_S)
        return float(self._random.uniform(0.0, bound))

    def pause(self, seconds: float) -> None:
        """Nobody sends for a while."""
        self.paused_until = max(self.paused_until, self._clock() + seconds)

    def too_many(self, sent_at: float, after_s: float | None) -> None:
        """The endpoint said so of a request that was sent at a time. Requests of one burst halve the limit once."""
        if sent_at >= self._last_cut:
            self.limit = max(1.0, self.limit / 2)
            self._last_cut = self._clock()
            self._in_a_row += 1
        self.pause(max(self.jitter(max(self._in_a_row, 1)), after_s or 0.0))  # "0 s", again and again, is no answer

    def went_well(self) -> None:
        """A reply came."""
        self._in_a_row = 0
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)


class Gate:
    """Lets requests of one event loop pass at a pace.

    Args:
        pace: kept over loops.
        clock: seconds that only rise.
        sleep: waits.
        allowed: whether money and requests are left for one more, given whether others are in flight; it may raise.
    """

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Coroutine[Any, Any, None]],
        allowed: Callable[[float, bool], bool],
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._allowed = allowed
        self._changed = asyncio.Condition()
        self._closing = asyncio.Event()
        self.in_flight = 0

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closing.is_set()

    async def rest(self, seconds: float) -> None:
        """Wait, but not longer than the gate is open."""
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._closing.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def enter(self, cost: float) -> bool:
        """Wait for a place.

        Args:
            cost: what the request may cost, USD; kept aside until it leaves.

        Returns:
            Whether there is one; none is given any more once the gate is closed.
        """
        while not self.closed:
            wait = self._pace.paused_until - self._clock()
            if wait > 0:
                await self.rest(wait)
                continue
            async with self._changed:
                if self.closed or self._pace.paused_until > self._clock():
                    continue
                free = self.in_flight < max(1, int(self._pace.limit))
                if free and self._allowed(cost, self.in_flight > 0):
                    self.in_flight += 1
                    self._pace.peak = max(self._pace.peak, self.in_flight)
                    return True
                await self._changed.wait()
        return False

    async def leave(self) -> None:
        """Give the place back."""
        async with self._changed:
            self.in_flight -= 1
            self._changed.notify_all()

    async def close(self) -> None:
        """Let nobody in any more; who is on the way comes back."""
        async with self._changed:
            self._closing.set()
            self._changed.notify_all()
