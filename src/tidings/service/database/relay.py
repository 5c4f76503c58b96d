"""The relay: publishes what stands in a service's outbox, in its order, for as long as it runs.

It reads rows, has them acknowledged, deletes them, and reads again. If it dies in between, whoever comes next
publishes some of them once more, with the same ids: a reader with an inbox of its own handles each once. The first
time that each is seen, they come in their order, also when a relay that was thought dead goes on for a while, since
both go through the same rows in the same order.

A broker or a database that is away is waited for. No transaction is open while the relay waits for the broker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from tidings.errors import TidingsError
from tidings.service.clock import Clock, sleep
from tidings.service.database.bell import LISTENING_DRIVERS, Bell, Listening, Polling, Rest
from tidings.service.database.database import Database
from tidings.service.database.engines import Held
from tidings.service.database.inbox import ROWS_AT_ONCE
from tidings.service.database.outbox import Row
from tidings.service.database.turns import turn_of
from tidings.service.dead_letters import REFUSED, dead_letter, dead_letter_spec
from tidings.service.transports.base import Done, Outcome, Outgoing, Received, RefusedError, StreamSpec

log = logging.getLogger("tidings.service")

ROWS_MAX = 500
"""Published at a time."""
AGAIN_S = 1.0
STANDBY_S = 1.0
"""How long a relay waits that finds another one at work, before it asks again whether that is still so."""
FORGET_EVERY_S = 600.0
DRAIN_S = 5.0
"""How long a relay that is stopped may take to publish what is there. What is left is for the next one."""

Send = Callable[[Sequence[Outgoing], Done], None]
"""Writes records, for as long as that takes; each outcome is a Position or a RefusedError."""

Ensure = Callable[[Collection[str], Collection[StreamSpec]], Awaitable[object]]
"""Creates the streams that are not there: those of these names, and those specified. Raises UnavailableError, and
RefusedError for what the broker will never create."""


@dataclass
class RelayState:
    """What a relay has to say of itself."""

    published: int = 0
    """Records, since it was started."""
    refused: int = 0
    """Records that the broker would not take: they are dead letters."""
    is_at_work: bool = False
    """It has the turn; otherwise another relay does, or the database is away."""
    is_at_rest: bool = False
    """It found nothing when it last looked, and nobody has rung since."""


class Relay:
    def __init__(self, service: str, database: Database, send: Send, ensure: Ensure, clock: Clock) -> None:
        locks = database.locks(service)
        self.state = RelayState()
        self._service = service
        self._database = database
        self._outbox = database.outbox(service)
        self._inbox = database.inbox()
        self._turn = turn_of(service, database.url, locks)
        self._send = send
        self._ensure = ensure
        self._clock = clock
        self._bell = Bell(clock)
        listens = database.engine.dialect.driver in LISTENING_DRIVERS
        self._rest: Rest = Listening(self._bell, locks) if listens else Polling(self._bell)
        self._published: list[int] = []
        """Acknowledged, and not yet deleted."""
        self._stuck: set[int] = set()
        """Refused, and their dead letters as well. They are left where they are."""
        self._forget_ms = 0
        """When the inbox is next to be looked through."""
        self._stopping = False
        self._main: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        self._main = asyncio.create_task(self.run(), name=f"tidings-{self._service}-relay")
        return self._main

    def wake(self) -> None:
        """Something was committed. From any thread."""
        self.state.is_at_rest = False
        self._bell.ring()

    async def stop(self) -> None:
        """Publish what is there, if that does not take long."""
        if self._main is None:
            return
        self._stopping = True
        self._bell.ring()
        await asyncio.wait((self._main,), timeout=DRAIN_S if self.state.is_at_work else 0)
        await self.halt()

    async def halt(self) -> None:
        """Stop here and now."""
        if self._main is not None:
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)

    async def run(self) -> None:
        """Until it is stopped or cancelled. Whatever goes wrong is told, and tried again."""
        told = ""
        while not self._stopping:
            try:
                async with self._database.door.hold() as held:
                    await self._take_turn(held)
                    told = ""
                    await self._work(held)
            except Exception as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("%s: its outbox waits, trying on: %s: %s", self._service, type(error).__name__, told)
                await sleep(self._clock, AGAIN_S)
            finally:
                self.state.is_at_work = False
                self._turn.give_back()

    async def _take_turn(self, held: Held) -> None:
        while not await self._turn.take(held):
            if self._stopping:
                return
            self.state.is_at_rest = True  # it is somebody else's work
            await sleep(self._clock, STANDBY_S)
        self.state.is_at_work = True
        await self._rest.begin(held)

    async def _work(self, held: Held) -> None:
        """Until it is stopped and there is nothing left."""
        await self._remove(held)
        while self.state.is_at_work:
            self._bell.silence()
            await self._forget(held)
            if rows := await self._read(held):
                await self._publish(rows)
                await self._remove(held)
            elif self._stopping:
                return
            else:
                await self._rest.until_rung(held, lambda: self._is_quiet(held))

    async def _read(self, held: Held) -> list[Row]:
        return await held.run(lambda connection: self._outbox.read(connection, ROWS_MAX, self._stuck))

    async def _is_quiet(self, held: Held) -> bool:
        self.state.is_at_rest = not await self._read(held) and self._bell.is_silent and not self._stopping
        return self.state.is_at_rest

    # Publishing.

    async def _publish(self, rows: Sequence[Row]) -> None:
        """Have rows acknowledged, or make dead letters of them."""
        self.state.is_at_rest = False
        refused = await self._refused_streams({row.record.stream for row in rows})
        outcomes = iter(await self._outcomes([row.record for row in rows if row.record.stream not in refused]))
        for row in rows:
            outcome = refused.get(row.record.stream) or next(outcomes)
            if not isinstance(outcome, TidingsError) or await self._bury(row, outcome):
                self._published.append(row.id)
        self.state.published += len(rows)

    async def _refused_streams(self, streams: Collection[str]) -> dict[str, RefusedError]:
        """Create those that are not there; those that the broker will not make. Raises UnavailableError."""
        refused = {}
        for stream in sorted(streams):
            try:
                await self._ensure([stream], ())
            except RefusedError as error:
                refused[stream] = error
        return refused

    async def _outcomes(self, records: Sequence[Outgoing]) -> list[Outcome]:
        if not records:
            return []
        known: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

        def done(outcomes: list[Outcome]) -> None:
            if not known.done():
                known.set_result(outcomes)

        self._send(records, done)
        return await known

    async def _bury(self, row: Row, error: TidingsError) -> bool:
        """Make a dead letter of a record that the broker will not take. It has stood nowhere: its partition is -1, its
        offset the row's id."""
        stream, key, value, headers = row.record
        record = Received(stream, -1, row.id, row.written_ms, key, value, headers)
        log.error("%s: a record of its outbox for %s is refused: dead letter: %s", self._service, stream, error)
        letter = dead_letter(self._service, record, REFUSED, error, self._clock.now_ms())
        await self._ensure((), [dead_letter_spec(self._service)])
        self.state.refused += 1
        (outcome,) = await self._outcomes([letter])
        if isinstance(outcome, TidingsError):
            log.critical("%s: the dead letter is refused too; row %d stays: %s", self._service, row.id, outcome)
            self._stuck.add(row.id)
            return False
        return True

    async def _remove(self, held: Held) -> None:
        """Delete what was acknowledged. Kept in mind until that is done, over an outage of the database as well."""
        if published := list(self._published):
            await held.run(lambda connection: self._outbox.remove(connection, published))
            del self._published[: len(published)]

    # The inbox.

    async def _forget(self, held: Held) -> None:
        """Now and then, delete from the inbox what is so old that the broker will not bring it again."""
        now_ms = self._clock.now_ms()
        if now_ms < self._forget_ms:
            return
        self._forget_ms = now_ms + round(FORGET_EVERY_S * 1000)
        before_ms = now_ms - self._database.remember_ms
        forgotten = ROWS_AT_ONCE
        while forgotten == ROWS_AT_ONCE:
            forgotten = await held.run(lambda connection: self._inbox.forget(connection, self._service, before_ms))
