"""Whether the broker answers is found out by asking, and not too often."""

from __future__ import annotations

import asyncio

from tidings.errors import UnavailableError
from tidings.service.operations.reach import FRESH_S, Reach


async def test_an_answer_holds_for_a_while_and_then_is_asked_for_again() -> None:
    now_s, asked = 100.0, 0

    async def answer() -> None:
        nonlocal asked
        asked += 1

    reach = Reach(answer, lambda: now_s)
    assert [await reach.problem() for _ in range(3)] == ["", "", ""]
    assert asked == 1
    now_s += FRESH_S
    assert await reach.problem() == ""
    assert asked == 2


async def test_a_broker_that_is_away_is_said_to_be_and_asked_each_time() -> None:
    async def fail() -> None:
        raise UnavailableError("nobody there")

    reach = Reach(fail)
    assert await reach.problem() == "nobody there"
    assert await reach.problem() == "nobody there"


async def test_a_question_that_stays_open_is_not_asked_twice() -> None:
    answered = asyncio.Event()
    asked = 0

    async def answer() -> None:
        nonlocal asked
        asked += 1
        await answered.wait()

    reach = Reach(answer)
    assert await reach.problem(wait_s=0.01) == "not within 0.01 s"
    assert await reach.problem(wait_s=0.01) == "not within 0.01 s"
    answered.set()
    assert await reach.problem() == ""
    assert asked == 1


async def test_closing_gives_up_the_open_question() -> None:
    reach = Reach(asyncio.Event().wait)
    await reach.problem(wait_s=0)
    async with asyncio.timeout(5):
        await reach.close()
