"""One way to work with an Engine and an AsyncEngine: the work is written once, as a function of a plain Connection.

SQLAlchemy runs such a function on an AsyncConnection itself (`run_sync`); on an Engine it runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidings.service.database.away import DatabaseAwayError, is_away

T = TypeVar("T")
Work = Callable[[Connection], T]

THREADS_MAX = 15
"""As many as an Engine has connections, if nobody said otherwise."""


class Held(Protocol):
    """A connection that is kept. Each statement is a transaction of its own."""

    @property
    def driver(self) -> Any:
        """The connection as the database's driver has it."""

    async def run(self, work: Work[T]) -> T: ...


class AsyncDoor:
    """To a database by an AsyncEngine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction. Raises DatabaseAwayError, also in place of what its statements raise for that reason."""
        connection = await self._connect()
        try:
            yield connection
            await connection.commit()
        except Exception as error:
            if is_away(error, connection.sync_connection):
                raise DatabaseAwayError(error) from error
            raise
        finally:
            await connection.close()  # which rolls back what was not committed

    async def run(self, work: Work[T]) -> T:
        """Do `work` in a transaction of its own. Raises as `begin`."""
        async with self.begin() as connection:
            return await connection.run_sync(work)

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Held]:
        """A connection for a long time. It is closed at the end, and not given to others. Raises DatabaseAwayError."""
        connection = await self._connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            raw = await connection.get_raw_connection()
            yield _AsyncHeld(connection, raw.driver_connection)
        finally:
            await connection.invalidate()  # what the server keeps for it, locks above all, ends with it
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        try:
            return await self.engine.connect()
        except Exception as error:  # drivers let out what they please
            raise DatabaseAwayError(error) from error

    async def dispose(self) -> None:
        await self.engine.dispose()

    def close(self) -> None: ...


class _AsyncHeld:
    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        self._connection = connection
        self.driver = driver

    async def run(self, work: Work[T]) -> T:
        """Not cut off in the middle by a cancellation: SQLite keeps the lock of a query that was not read to its end
        until the garbage collector comes by."""
        working = asyncio.ensure_future(self._connection.run_sync(work))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait((working,))
            raise


class ThreadDoor:
    """To a database by an Engine: what is done there is done in threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._threads: ThreadPoolExecutor | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, for one who is in a thread. Raises DatabaseAwayError, as `AsyncDoor.begin`."""
        connection = self._connect()
        try:
            yield connection
            connection.commit()
        except Exception as error:
            if is_away(error, connection):
                raise DatabaseAwayError(error) from error
            raise
        finally:
            connection.close()  # which rolls back what was not committed

    async def run(self, work: Work[T]) -> T:
        """Do `work` in a transaction of its own. Raises as `begin`."""

        def run() -> T:
            with self.begin() as connection:
                return work(connection)

        return await self.in_thread(run)

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Held]:
        """A connection for a long time. It is closed at the end, and not given to others. Raises DatabaseAwayError."""
        connection = await self.in_thread(lambda: self._connect().execution_options(isolation_level="AUTOCOMMIT"))
        try:
            yield _ThreadHeld(self, connection)
        finally:
            await asyncio.shield(self.in_thread(lambda: _throw_away(connection)))

    def _connect(self) -> Connection:
        try:
            return self.engine.connect()
        except Exception as error:
            raise DatabaseAwayError(error) from error

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread, with the context variables of here."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="tidings-database")
        run = contextvars.copy_context().run
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, function)

    async def dispose(self) -> None:
        await self.in_thread(self.engine.dispose)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None


class _ThreadHeld:
    def __init__(self, door: ThreadDoor, connection: Connection) -> None:
        self._door = door
        self._connection = connection

    @property
    def driver(self) -> Any:
        return self._connection.connection.driver_connection

    async def run(self, work: Work[T]) -> T:
        return await self._door.in_thread(lambda: work(self._connection))


def _throw_away(connection: Connection) -> None:
    connection.invalidate()
    connection.close()


Door = AsyncDoor | ThreadDoor
