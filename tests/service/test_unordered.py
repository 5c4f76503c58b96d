"""Handlers for which the order of a key's events does not matter."""

from __future__ import annotations

import asyncio

import msgspec

from tidings import Service, World, event


@event("un-clicks", key="user")
class Clicked(msgspec.Struct, frozen=True):
    n: int
    user: str = "u"


async def test_events_of_one_key_are_handled_side_by_side() -> None:
    counting = Service("counting", workers=3)
    at_once = most = 0

    @counting.on(ordered=False)
    async def count(clicked: Clicked) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(1)
        at_once -= 1

    async with World(counting, seed=1) as world:
        for number in range(9):
            world.emit(Clicked(number))
        began_ms = world.clock.now_ms()
        await world.settled()
        assert world.clock.now_ms() - began_ms < 4_000
    assert most == 3


async def test_the_order_holds_as_long_as_one_handler_wants_it() -> None:
    counting = Service("counting", workers=3)
    seen: list[int] = []

    @counting.on(ordered=False)
    async def count(clicked: Clicked) -> None:
        await asyncio.sleep(1 / (clicked.n + 1))

    @counting.on
    async def follow(clicked: Clicked) -> None:
        seen.append(clicked.n)

    async with World(counting, seed=1) as world:
        for number in range(6):
            world.emit(Clicked(number))
        await world.settled()
    assert seen == list(range(6))
