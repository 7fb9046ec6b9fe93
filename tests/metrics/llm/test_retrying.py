"""How fast requests go out: limits, pauses and their random part."""

import asyncio

import pytest
from fiducial.metrics.llm.retrying import BASE_S, LONGEST_S, Gate, Pace
from fiducial.metrics.llm.transport import retry_after

from .chat_helpers import Clock


def test_halves_once_a_burst_and_grows_by_one_a_round():
    clock = Clock()
    pace = Pace(8, 0, clock)
    clock.now = 1.0
    for _ in range(5):  # all of one burst, sent at 0
        pace.too_many(0.5, 0.0)
        clock.now += 0.1
    assert pace.limit == 8 / 2
    pace.too_many(clock.now, 0.0)
    assert pace.limit == 2
    pace.went_well()
    pace.went_well()
    # 2 + 1/2 + 1/2.5 = 2.9
    assert pace.limit == pytest.approx(2.9)
    for _ in range(100):
        pace.went_well()
    assert pace.limit == 8
    for _ in range(10):
        clock.now += 1
        pace.too_many(clock.now, 0.0)
    assert pace.limit == 1


def test_random_part_is_even_seeded_and_bounded():
    pace, same, other = Pace(1, 7, Clock()), Pace(1, 7, Clock()), Pace(1, 8, Clock())
    for tries in (1, 3, 60):
        bound = min(BASE_S * 2 ** (tries - 1), LONGEST_S)
        drawn = [pace.jitter(tries) for _ in range(500)]
        assert drawn == [same.jitter(tries) for _ in range(500)]
        assert drawn != [other.jitter(tries) for _ in range(500)]
        assert 0 <= min(drawn) < 0.05 * bound
        assert 0.95 * bound < max(drawn) <= bound
        assert 0.4 * bound < sum(drawn) / 500 < 0.6 * bound


def test_a_longer_pause_is_not_cut_short_by_a_shorter_one():
    clock = Clock()
    pace = Pace(2, 0, clock)
    pace.too_many(0.0, 30.0)
    pace.too_many(0.0, 5.0)
    assert pace.paused_until == 30.0


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def test_nobody_passes_during_a_pause_and_all_after_it():
    async def main():
        clock = Clock()
        pace = Pace(3, 0, clock)
        gate = Gate(pace, clock, clock.sleep, lambda cost, others: True)
        pace.pause(12.0)
        assert await asyncio.gather(*(gate.enter(0.0) for _ in range(3))) == [True] * 3
        assert clock.now >= 12.0

    run(main())


def test_a_closed_gate_lets_nobody_in_and_wakes_who_waits():
    async def main():
        clock = Clock()
        pace = Pace(1, 0, clock)
        gate = Gate(pace, clock, asyncio.sleep, lambda cost, others: True)
        assert await gate.enter(0.0)
        waiting = asyncio.ensure_future(gate.enter(0.0))
        resting = asyncio.ensure_future(gate.rest(1000.0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await gate.close()
        assert not await waiting
        await resting
        await gate.leave()
        assert gate.in_flight == 0

    run(main())


def test_who_may_not_pay_yet_waits_for_the_others():
    async def main():
        clock = Clock()
        asked = []

        def allowed(cost, others):
            asked.append(others)
            return not others

        gate = Gate(Pace(4, 0, clock), clock, clock.sleep, allowed)
        assert await gate.enter(1.0)
        second = asyncio.ensure_future(gate.enter(1.0))
        await asyncio.sleep(0.01)
        assert not second.done()
        await gate.leave()
        assert await second
        assert asked == [False, True, False]

    run(main())


def test_an_error_about_money_reaches_who_asked_and_leaves_the_gate_whole():
    async def main():
        clock = Clock()

        def allowed(cost, others):
            raise RuntimeError("spent")

        gate = Gate(Pace(4, 0, clock), clock, clock.sleep, allowed)
        with pytest.raises(RuntimeError, match="spent"):
            await gate.enter(1.0)
        await gate.close()
        assert gate.in_flight == 0

    run(main())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 90.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
    ],
)
def test_what_an_endpoint_asks_to_wait(headers, seconds):
    assert retry_after(headers) == seconds
