"""Time, passed in: what waits in a service waits on one of these."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that will happen, unless it is called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` run on the event loop after `delay_s` seconds."""


async def sleep(clock: Clock, delay_s: float) -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ring() -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_later(delay_s, ring)
    try:
        await over
    finally:
        timer.cancel()


class SystemClock:
    """The machine's own."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(delay_s, callback)


class ManualClock:
    """Stands still until it is told to advance: for tests."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = now_ms
        self._timers: list[_ManualTimer] = []
        self._made = 0

    def now_ms(self) -> int:
        return self._now_ms

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """As an event loop's: `callback` runs in the context it was given in, not in that of `advance`."""
        self._made += 1
        run = contextvars.copy_context().run
        timer = _ManualTimer(self._now_ms + max(0, round(delay_s * 1000)), self._made, lambda: run(callback))
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def next_ms(self) -> int | None:
        """When the next timer is due; None when nothing waits."""
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0].due_ms if self._timers else None

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen, in its order."""
        until_ms = self._now_ms + round(seconds * 1000)
        while (due_ms := self.next_ms) is not None and due_ms <= until_ms:
            timer = heapq.heappop(self._timers)
            self._now_ms = max(self._now_ms, due_ms)
            if timer.callback is not None:
                timer.callback()
        self._now_ms = until_ms


class _ManualTimer:
    def __init__(self, due_ms: int, made: int, callback: Callable[[], object]) -> None:
        self.due_ms = due_ms
        self.made = made
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: _ManualTimer) -> bool:
        return (self.due_ms, self.made) < (other.due_ms, other.made)
