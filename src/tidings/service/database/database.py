"""Saying where a service's database is.

billing = Service("billing", database="postgresql+asyncpg://…")     # a URL of SQLAlchemy's,
billing = Service("billing", database=engine)                       # an Engine or AsyncEngine of the program's,
billing = Service("billing", database=Database(engine, relay=False, schema="billing"))
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from tidings.errors import DeclarationError, OperatorError
from tidings.service.clock import Clock
from tidings.service.database.away import DatabaseAwayError, Gate
from tidings.service.database.engines import AsyncDoor, Door, ThreadDoor
from tidings.service.database.inbox import Inbox
from tidings.service.database.locks import Locks
from tidings.service.database.outbox import Outbox
from tidings.service.database.tables import add_tables

DIALECTS = ("postgresql", "sqlite")
REMEMBER_DAYS = 7.0


class Database:
    """Where a service keeps its inbox and its outbox: beside its own rows, so that all commit together.

    `place` is a URL of SQLAlchemy's, or an engine, which stays the program's to dispose of. An AsyncEngine, or a URL
    whose driver can be asynchronous, serves handlers with an AsyncSession; an Engine, handlers with a Session.

    The two tables are declared in `metadata`, among the program's own, if that is given, and in `schema`. All tables of
    `metadata` are created at the start, unless `create_tables` leaves that to migrations.
    `relay` publishes the outbox in the service's own process; turn it off where `tidings relay` does it.
    `remember_days` is how long an event is known for handled: longer than the broker may bring it again.

    Raises DeclarationError: for a database that is neither PostgreSQL nor SQLite, and for one in memory, which a
    service and its relay could not share.
    """

    def __init__(
        self,
        place: str | URL | Engine | AsyncEngine,
        *,
        metadata: MetaData | None = None,
        schema: str | None = None,
        create_tables: bool = True,
        relay: bool = True,
        remember_days: float = REMEMBER_DAYS,
    ) -> None:
        engine = _engine_at(place) if isinstance(place, str | URL) else place
        self.url = engine.url
        self.door: Door = AsyncDoor(engine) if isinstance(engine, AsyncEngine) else ThreadDoor(engine)
        if self.door.dialect not in DIALECTS:
            raise DeclarationError(f"an outbox is kept in PostgreSQL or SQLite, not in {self.door.dialect}")
        if isinstance(engine.pool, StaticPool | SingletonThreadPool):
            raise DeclarationError("a database in memory is one connection's alone: give a file for the outbox")
        self.has_relay = relay
        self.remember_ms = round(remember_days * 86_400_000)
        self.gate = Gate(repr(self), lambda: self.door.run(_ask))
        self._schema = schema
        self._metadata = MetaData() if metadata is None else metadata
        self._tables = add_tables(self._metadata, schema=schema)
        self._create_tables = create_tables
        self._is_ours = isinstance(place, str | URL)
        self._users = 0
        self._writing = asyncio.Lock()

    @property
    def engine(self) -> Engine | AsyncEngine:
        return self.door.engine

    def inbox(self) -> Inbox:
        return Inbox(self._tables, self.door.dialect)

    def outbox(self, service: str) -> Outbox:
        return Outbox(service, self._tables, self.door.dialect, self.locks(service))

    def locks(self, service: str) -> Locks:
        return Locks(service, self._schema)

    @asynccontextmanager
    async def turn_to_write(self) -> AsyncIterator[None]:
        """SQLite has one writer at a time: to wait for it here costs less, and is fairer, than to ask its lock."""
        if self.door.dialect != "sqlite":
            yield
            return
        async with self._writing:
            yield

    async def open(self, clock: Clock) -> None:
        """Create the tables, if that is wanted. Waits for the database if it is away. `close` has to follow."""
        self._users += 1
        wanted = self._create_tables
        while wanted:
            try:
                await self._create()
                wanted = False
            except DatabaseAwayError as error:
                await self.gate.wait(clock, error)

    async def _create(self) -> None:
        for _ in self._metadata.tables:
            try:
                return await self.door.run(self._metadata.create_all)
            except DBAPIError:  # perhaps somebody else created one just now: then it is there at the next attempt
                continue
        try:
            return await self.door.run(self._metadata.create_all)
        except DBAPIError as error:
            raise OperatorError(
                f"{self!r}: its tables cannot be created: {error.orig}",
                "Create them yourself, and say so: Database(…, create_tables=False).",
            ) from error

    async def close(self) -> None:
        """Let go of it, once all who opened it have. It may be opened again."""
        self._users -= 1
        if self._users > 0:
            return
        self.gate.close()
        if self._is_ours:
            await self.door.dispose()
        self.door.close()
        self._writing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string()}>"


def _engine_at(place: str | URL) -> Engine | AsyncEngine:
    """The engine of a URL: asynchronous wherever its driver can be."""
    try:
        url = make_url(place)
        dialect = url.get_dialect()
        is_async = dialect.is_async or dialect.get_async_dialect_cls(url).is_async
        engine = create_async_engine(url) if is_async else create_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise DeclarationError(f"this is no database that SQLAlchemy knows: {error}") from error
    except ModuleNotFoundError as error:
        raise DeclarationError(f"the driver of this database is not installed: pip install {error.name}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine if isinstance(engine, AsyncEngine) else engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: Any, record: object) -> None:
    """SQLite's readers and its writer then do not wait for each other, and a commit is one write to disk, not three."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _ask(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
