"""A clock that moves only when somebody sleeps, and requests by number."""

import asyncio

from fiducial.metrics.llm.client import Client
from fiducial.metrics.llm.nouns import Request


class Clock:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def ask(*numbers, **params):
    return [Request((("system", "Be short."), ("user", f"number {n}")), {"max_tokens": 8, **params}) for n in numbers]


def quick(server, **settings):
    """A client whose pauses take no time; its clock is `.clock`."""
    clock = Clock()
    client = Client("m", **{"base_url": server.url, "clock": clock, "sleep": clock.sleep, **settings})
    client.clock = clock
    return client
