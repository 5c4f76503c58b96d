"""A service's connection, opened when it is first needed, on the loop of who needs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tidings.service.connection import Connection

T = TypeVar("T")


class Link:
    """At most one connection at a time. One whose loop was closed without a word is as good as none."""

    def __init__(self, service: str, connect: Callable[[], Connection]) -> None:
        """`connect` opens one on the running loop."""
        self._service = service
        self._connect = connect
        self._connection: Connection | None = None
        self._opening = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.loop.is_closed()

    def open(self) -> Connection:
        """The open connection, or a new one on the running loop."""
        connection = self._connection
        if connection is None or connection.loop.is_closed():
            connection = self._connection = self._connect()
        return connection

    def open_in_background(self) -> Connection:
        """The open connection, or a new one on a loop of its own, in a thread of its own."""
        with self._opening:
            if self._connection is not None and self.is_open:
                return self._connection
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name=f"tidings-{self._service}-emit", daemon=True).start()

            async def connect() -> Connection:
                return self.open()

            return asyncio.run_coroutine_threadsafe(connect(), loop).result()

    def forget(self) -> None:
        """Leave it as it is, as a crash would."""
        self._connection = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.loop.is_closed():
            await on_its_loop(connection, connection.close())


async def on_its_loop(connection: Connection, work: Coroutine[Any, Any, T]) -> T:
    """Do something with a connection, which may be another loop's than that of who asks."""
    if connection.loop is asyncio.get_running_loop():
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, connection.loop))
