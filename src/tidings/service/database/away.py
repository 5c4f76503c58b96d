"""A database that is away: how that is told from a statement that failed, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tidings.errors import UnavailableError
from tidings.service.clock import Clock, sleep

log = logging.getLogger("tidings.service")

ASK_AGAIN_S = (0.0, 0.1, 0.2, 0.5, 1.0)
"""Between one attempt to reach the database and the next; the last goes on."""

_AWAY_STATES = ("08", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs, or their beginnings, of a PostgreSQL that stops, starts, or has no connection to give."""


class DatabaseAwayError(UnavailableError):
    """The database cannot be reached, or went away in the middle: what was begun there did not happen, or nobody was
    told that it did."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error).partition("\n")[0] or type(error).__name__)


def is_away(error: BaseException, connection: Connection | None = None) -> bool:
    """Whether `error` says nothing of what was asked, but that the database is not there to answer."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")
        if error.connection_invalidated or state.startswith(_AWAY_STATES) or "database is locked" in str(error.orig):
            return True
    return connection is not None and _is_gone(connection)


def _is_gone(connection: Connection) -> bool:
    if connection.closed or connection.invalidated:
        return connection.invalidated
    driver = connection.connection.driver_connection
    closed = getattr(driver, "is_closed", None) or getattr(driver, "closed", None)  # asyncpg; psycopg
    return bool(closed() if callable(closed) else closed)


class Gate:
    """Where work waits while the database is away. One asks after it; all go on when it answers."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None

    async def wait(self, clock: Clock, error: DatabaseAwayError) -> None:
        """Until the database answers. `error` is what was noticed of its absence."""
        if self._asking is None or self._asking.done():
            log.warning("%s does not answer, trying on: %s", self._name, error)
            self._asking = asyncio.create_task(self._keep_asking(clock))
        await asyncio.shield(self._asking)

    async def _keep_asking(self, clock: Clock) -> None:
        attempts = 0
        while True:
            await sleep(clock, ASK_AGAIN_S[min(attempts, len(ASK_AGAIN_S) - 1)])
            attempts += 1
            try:
                await self._ask()
            except Exception as error:  # whatever it is, it is no answer
                log.debug("%s does not answer: %s", self._name, error)
                continue
            log.warning("%s answers", self._name)
            return

    def close(self) -> None:
        """Nobody waits any more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
