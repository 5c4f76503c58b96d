"""All tables of a service that runs: each follows its stream from the service's start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from tidings.errors import UnavailableError
from tidings.service.clock import Clock, sleep
from tidings.service.lanes import InHand
from tidings.service.outlet import Streams
from tidings.service.tables.copartitioning import copartition
from tidings.service.tables.following import InThread, Means, OnUndecodable
from tidings.service.tables.ownership import Ownership
from tidings.service.tables.state import Changes, State
from tidings.service.tables.table import Table
from tidings.service.transports.base import Transport

log = logging.getLogger("tidings.service")

AGAIN_S = 1.0


class Keeping:
    def __init__(
        self,
        service: str,
        tables: Sequence[Table[Any]],
        transport: Transport,
        on_undecodable: OnUndecodable,
        clock: Clock,
        in_thread: InThread,
    ) -> None:
        self._service = service
        self._tables = tables
        self._transport = transport
        self._on_undecodable = on_undecodable
        self._clock = clock
        self._in_thread = in_thread
        self.ownership: Ownership | None = None
        """For the intake to tell which partitions are the service's own; None if no table wants to know."""
        self.work: list[asyncio.Task[None]] = []
        """What keeps the tables: it ends by failing only."""
        self.caught_up: dict[Table[Any], asyncio.Event] = {}
        """Set when a table has all that stood in its stream at first. Not of those that go with the service's own
        partitions: for what is handled there waits until their rows are there."""

    async def begin(self, read: Collection[str], streams: Streams) -> None:
        """`read` are the streams of the service's handlers. Returns at once, but for the broker's answers.

        Raises what `copartition` does; while the broker is away, waits for it.
        """
        told = False
        while True:
            try:
                self.ownership = await copartition(self._transport, streams, read, self._tables)
                break
            except UnavailableError as error:
                if not told:
                    log.warning("%s waits for the broker: %s", self._service, error)
                    told = True
                await sleep(self._clock, AGAIN_S)
        for table in self._tables:
            if table.partitioned:
                await self._in_thread(table.hide)
            caught_up = asyncio.Event()
            self.work.append(asyncio.create_task(self._keep(table, caught_up)))
            if not table.copartitioned:
                self.caught_up[table] = caught_up

    async def _keep(self, table: Table[Any], caught_up: asyncio.Event) -> None:
        ownership = self.ownership if table.copartitioned else None
        means = Means(self._transport, self._on_undecodable, self._in_thread, self._clock.now_ms, ownership)
        told = False
        while True:
            try:
                await table.follow(means, caught_up)
            except UnavailableError as error:
                if not told:
                    log.warning("%s: %r waits for the broker: %s", self._service, table, error)
                    told = True
                await sleep(self._clock, AGAIN_S)

    def completing(self, complete: Callable[[InHand], None]) -> Callable[[InHand], None]:
        """The same, for records whose handlers may have changed the service's state."""
        states = [table for table in self._tables if isinstance(table, State)]
        if not states:
            return complete
        changes = Changes(states)

        def handled_and_complete(item: InHand) -> None:
            changes.handled(item)
            complete(item)

        return handled_and_complete

    def room(self, room: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """The same, for records that come another way than through `Ownership.admit`: they too wait for their rows."""
        ownership = self.ownership
        if ownership is None:
            return room

        async def room_and_rows() -> None:
            await room()
            while await ownership.until_complete():
                await room()

        return room_and_rows

    @property
    def has_state(self) -> bool:
        """Whether some table is the service's own."""
        return any(isinstance(table, State) for table in self._tables)

    async def end(self) -> None:
        """Let go of everything."""
        for task in self.work:
            task.cancel()
        await asyncio.gather(*self.work, return_exceptions=True)
        for table in self._tables:
            table.close()
