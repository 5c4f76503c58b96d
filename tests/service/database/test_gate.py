"""The gate: work waits at it while the database is away, one asks after it, and all go on."""

from __future__ import annotations

import asyncio

from tidings.service.clock import ManualClock
from tidings.service.database.away import ASK_AGAIN_S, DatabaseAwayError, Gate


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_wait_while_one_asks_and_go_on_together() -> None:
    clock, asked, away = ManualClock(), 0, True

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if away:
            raise ConnectionRefusedError

    gate = Gate("the database", ask)
    waiting = [asyncio.create_task(gate.wait(clock, DatabaseAwayError(OSError("gone")))) for _ in range(20)]
    for pause_s in (*ASK_AGAIN_S, 1.0, 1.0):
        await turn()
        clock.advance(pause_s)
    await turn()
    assert (asked, any(task.done() for task in waiting)) == (7, False)
    away = False
    clock.advance(1.0)
    await asyncio.gather(*waiting)
    assert asked == 8


async def test_one_who_stops_waiting_leaves_the_others() -> None:
    clock = ManualClock()

    async def ask() -> None: ...

    gate = Gate("the database", ask)
    one, other = (asyncio.create_task(gate.wait(clock, DatabaseAwayError(OSError()))) for _ in range(2))
    await turn()
    one.cancel()
    await turn()
    clock.advance(0)
    await other
    assert one.cancelled()
