"""Time that is passed in."""

from __future__ import annotations

import asyncio

from tidings.service.clock import ManualClock, SystemClock, sleep


def test_manual_clock_makes_things_happen_in_their_order_and_no_earlier() -> None:
    clock = ManualClock(now_ms=1000)
    happened: list[tuple[str, int]] = []
    clock.call_later(2, lambda: happened.append(("b", clock.now_ms())))
    clock.call_later(1, lambda: happened.append(("a", clock.now_ms())))
    clock.call_later(9, lambda: happened.append(("never", 0))).cancel()
    clock.advance(0.999)
    assert happened == []
    clock.advance(10)
    assert happened == [("a", 2000), ("b", 3000)]
    assert clock.now_ms() == 11_999


def test_what_is_set_while_time_passes_happens_if_it_is_due() -> None:
    clock = ManualClock()
    happened: list[int] = []

    def again() -> None:
        happened.append(clock.now_ms())
        clock.call_later(1, again)

    begin = clock.now_ms()
    clock.call_later(1, again)
    clock.advance(3)
    assert happened == [begin + 1000, begin + 2000, begin + 3000]
    assert clock.next_ms == begin + 4000


async def test_sleeper_wakes_when_its_time_has_come() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(sleep(clock, 5))
    await asyncio.sleep(0)
    clock.advance(4)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(1)
    await sleeper


async def test_sleeper_that_is_cancelled_leaves_nothing_behind() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(sleep(clock, 5))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    assert clock.next_ms is None


async def test_system_clock_sleeps_for_real() -> None:
    clock = SystemClock()
    before = clock.now_ms()
    await sleep(clock, 0.01)
    assert clock.now_ms() >= before + 9
