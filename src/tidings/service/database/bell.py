"""What wakes a relay: a commit in its own process rings, PostgreSQL rings (LISTEN), and time does if nobody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select

from tidings.service.clock import Clock
from tidings.service.database.engines import Held
from tidings.service.database.locks import Locks

LOOK_AGAIN_S = 0.25
"""How long a relay that nobody can wake from another process waits before it looks again."""
SOON_S = 0.02
"""How long one waits that could not go to sleep: a transaction is under way which will not ring."""
ASLEEP_S = 10.0
"""How long one sleeps that would be told: then it looks whether its connection is still there."""


class Bell:
    """Anybody may ring, from any thread. Who waits is woken once, however often it rang."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._rung.set)

    def silence(self) -> None:
        """What has rung until now is being seen to."""
        self._rung.clear()

    @property
    def is_silent(self) -> bool:
        return not self._rung.is_set()

    async def wait(self, timeout_s: float) -> None:
        """Until it rings, or this time has passed."""
        timer = self._clock.call_later(timeout_s, self._rung.set)
        try:
            await self._rung.wait()
        finally:
            timer.cancel()


Look = Callable[[], Awaitable[bool]]
"""Looks a last time; whether there is nothing."""


class Polling:
    """The rest of a relay on SQLite, and by drivers that do not tell of notifications."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    async def begin(self, held: Held) -> None:
        """The relay has its turn, by the connection `held`."""

    async def until_rung(self, held: Held, look: Look) -> None:
        if await look():
            await self._bell.wait(LOOK_AGAIN_S)


LISTENING_DRIVERS = ("asyncpg", "psycopg", "psycopg_async")
"""Those of PostgreSQL that tell of a notification when it comes."""


class Listening:
    """The rest of a relay on PostgreSQL.

    Writers notify only a relay that sleeps (see `outbox`), which it says by holding a lock that they share for as long
    as their transactions last. So it cannot fall asleep while there is one that found it awake; and when it has, each
    one after that will wake it.
    """

    def __init__(self, bell: Bell, locks: Locks) -> None:
        self._bell = bell
        self._channel = locks.channel
        key = bindparam("key", locks.asleep, BigInteger)
        self._lock = select(func.pg_try_advisory_lock(key))
        self._unlock = select(func.pg_advisory_unlock(key))

    async def begin(self, held: Held) -> None:
        driver = held.driver
        if hasattr(driver, "add_listener"):  # asyncpg, which says LISTEN itself
            await driver.add_listener(self._channel, lambda *notification: self._bell.ring())
            driver.add_termination_listener(lambda connection: self._bell.ring())
            return
        await held.run(lambda connection: connection.exec_driver_sql(f"LISTEN {self._channel}").close())
        driver.add_notify_handler(lambda notification: self._bell.ring())  # psycopg

    async def until_rung(self, held: Held, look: Look) -> None:
        if not await held.run(lambda connection: connection.execute(self._lock).scalar()):
            await self._bell.wait(SOON_S)
            return
        if await look():
            with self._hearing(held.driver):
                await self._bell.wait(ASLEEP_S)
        await held.run(lambda connection: connection.execute(self._unlock).close())

    @contextmanager
    def _hearing(self, driver: Any) -> Iterator[None]:
        """Ring when something comes on a connection that nobody uses now, which psycopg would not notice.

        What came with the answer to a query it has noticed.
        """
        if hasattr(driver, "add_listener"):
            yield
            return
        loop, socket = asyncio.get_running_loop(), driver.fileno()

        def hear() -> None:
            loop.remove_reader(socket)
            self._bell.ring()

        loop.add_reader(socket, hear)
        try:
            yield
        finally:
            loop.remove_reader(socket)


Rest = Polling | Listening
