"""One service's share of a database: the transactions of its handlers, its outbox, and its relay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.events.position import Position
from tidings.service.clock import Clock
from tidings.service.connection import Connection
from tidings.service.database import emitting
from tidings.service.database.database import Database
from tidings.service.database.outbox import Waiting
from tidings.service.database.relay import Relay
from tidings.service.database.transactional import Around, transactional
from tidings.service.handled import UNKNOWN
from tidings.service.outlet import Writer
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outgoing

DatabasePlace = str | URL | Engine | AsyncEngine | Database
"""How a program says where a service's database is."""


class Share:
    def __init__(
        self, place: DatabasePlace, service: str, writer: Callable[[], Writer], clock: Callable[[], Clock]
    ) -> None:
        """Raises DeclarationError for a database that will not do."""
        self.database = place if isinstance(place, Database) else Database(place)
        self.relay: Relay | None = None
        """While the service runs, if it has one."""
        self._is_open = False
        self._service = service
        self._outbox = self.database.outbox(service)
        self._clock = clock
        self._around = Around(service, writer, clock, self.wake)

    def with_transaction(self, handler: Handler) -> Handler:
        """`handler`, which wants a session, in a transaction. Raises DeclarationError."""
        return transactional(handler, self.database, self._around)

    async def put(self, db: Any, record: Outgoing) -> Position:
        """Write a record into the outbox, in the transaction of `db`. Nobody knows yet where it will stand."""
        await emitting.put(db, self._outbox, record, self._clock().now_ms(), self.wake)
        return Position(record.stream, UNKNOWN, UNKNOWN)

    def put_sync(self, db: Any, record: Outgoing) -> Position:
        """The same in code that is not async."""
        emitting.put_sync(db, self._outbox, record, self._clock().now_ms(), self.wake)
        return Position(record.stream, UNKNOWN, UNKNOWN)

    def wake(self) -> None:
        """Tell the relay, if it is in this process, that something was committed. From any thread."""
        if self.relay is not None:
            self.relay.wake()

    async def waiting(self) -> Waiting:
        """How much waits in the outbox. Raises DatabaseAwayError."""
        return await self.database.door.run(self._outbox.waiting)

    # While the service runs.

    async def start(self, connection: Connection, *, relay: bool | None = None) -> None:
        """Create the tables, and start the relay, unless that is done elsewhere. Waits for the database."""
        self._is_open = True
        await self.database.open(self._clock())
        if self.database.has_relay if relay is None else relay:
            streams = connection.streams
            self.relay = Relay(self._service, self.database, connection.outlet.send, streams.ensure, self._clock())
            self.relay.start()

    async def run_relay(self, connection: Connection) -> None:
        """The relay alone, until cancelled."""
        try:
            await self.start(connection, relay=True)
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Publish what is there, if that does not take long, and let go."""
        if self.relay is not None:
            await self.relay.stop()
        await self._let_go()

    async def halt(self) -> None:
        """Let go of everything as it is."""
        if self.relay is not None:
            await self.relay.halt()
        await self._let_go()

    async def _let_go(self) -> None:
        self.relay = None
        if self._is_open:
            self._is_open = False
            await self.database.close()
