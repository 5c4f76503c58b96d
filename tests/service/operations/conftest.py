"""Time for services that run on a memory broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tidings.service.clock import ManualClock

Passing = Callable[[float, Callable[[], object]], Awaitable[None]]


@pytest.fixture
def passing(clock: ManualClock) -> Passing:
    """`await passing(0.1, condition)`: lets a tenth of a second pass at a time until it holds."""

    async def wait(seconds: float, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)
                clock.advance(seconds)

    return wait
