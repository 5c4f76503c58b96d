"""A service while it runs: its tables follow their streams, its handlers theirs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tidings.errors import TidingsError, UnavailableError
from tidings.events.serdes import DecodeError
from tidings.service.clock import sleep
from tidings.service.commit.at_least_once import AtLeastOnce, Sending
from tidings.service.commit.committer import Committer
from tidings.service.commit.delivery import Delivery
from tidings.service.commit.exactly_once import ExactlyOnce
from tidings.service.connection import Connection
from tidings.service.dead_letters import TABLE, UNDECODABLE, dead_letter
from tidings.service.dispatcher import Dispatcher
from tidings.service.handling import Handling
from tidings.service.intake import Intake
from tidings.service.operations.observer import Observer
from tidings.service.outlet import Writer, send_and_wait
from tidings.service.parking.letters import LetterId
from tidings.service.parking.office import Office, office_specs
from tidings.service.parking.turns import Turns
from tidings.service.processes import Processes
from tidings.service.routes import Route, Routes
from tidings.service.subscription import Handler
from tidings.service.surroundings import Surroundings
from tidings.service.tables.keeping import Keeping
from tidings.service.tables.state import State
from tidings.service.tables.table import Table
from tidings.service.transports.base import Consumer, Outgoing, Received, StreamSpec, Transport

if TYPE_CHECKING:
    from tidings.service.database.share import Share

log = logging.getLogger("tidings.service")

AGAIN_S = 1.0


class Running:
    def __init__(
        self,
        service: str,
        connection: Connection,
        writer: Writer,
        handlers: Sequence[Handler],
        tables: Collection[Table[Any]],
        surroundings: Surroundings,
        workers: int,
        observer: Observer | None = None,
        streams: Sequence[StreamSpec] = (),
        share: Share | None = None,
    ) -> None:
        """`streams` are those that it writes to besides its handlers' and its tables'."""
        self._service = service
        self._observer = observer
        self._streams = [*office_specs(service), *streams]
        self._connection = connection
        self._writer = writer
        self._handlers = handlers
        self._tables = tables
        self._clock = surroundings.clock
        self._chance = surroundings.chance
        self._workers = workers
        self._share = share
        self._ready = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"tidings-{service}")
        self._processes = Processes() if surroundings.processes else None
        self._intake: Intake | None = None
        self._keeping = Keeping(
            service,
            list(tables),
            connection.transport,
            self._undecodable,
            surroundings.clock,
            surroundings.in_thread,
        )
        self._main = asyncio.create_task(self._live(), name=f"tidings-{service}")

    async def until_ready(self) -> None:
        """Until the tables have caught up and the handlers have begun. Raises what prevents it for good."""
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((ready, self._main), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._main.done():
            self._main.result()

    async def until_failed(self) -> None:
        """Returns when the service was stopped; raises what went wrong if it fell over."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(self._main)

    async def _live(self) -> None:
        if self._share is not None:
            await self._share.start(self._connection)
        if not self._handlers:
            self._connection.warm()
        if self._handlers or self._tables:
            await self._ensure_streams()
        reads = {declared.stream for handler in self._handlers for declared in handler.reads}
        await self._keeping.begin(reads, self._connection.streams)
        work = [*self._keeping.work]
        for event in self._keeping.caught_up.values():
            await _first(event.wait(), work)
        if self._handlers:
            intake = self._intake = self._open_intake()
            work.append(asyncio.create_task(intake.run()))
        self._ready.set()
        try:
            await _first(asyncio.Event().wait(), work)
        finally:
            for task in work[len(self._keeping.work) :]:
                task.cancel()

    async def _ensure_streams(self) -> None:
        streams = {declared.stream for handler in self._handlers for declared in (*handler.reads, *handler.emits)}
        streams |= {table.declared.stream for table in self._tables if not isinstance(table, State)}
        told = False
        while True:
            try:
                return await self._connection.streams.ensure(sorted(streams), self._streams)
            except UnavailableError as error:
                if not told:
                    log.warning("%s waits for the broker: %s", self._service, error)
                    told = True
                await sleep(self._clock, AGAIN_S)

    def _open_intake(self) -> Intake:
        routes = Routes(self._handlers)
        handling = Handling(
            self._service, self._writer, self._clock, self._chance, self._threads, self._observer, self._processes
        )
        unordered = any(not handler.ordered for handler in self._handlers)
        together = self._keeping.ownership is not None and len(routes.streams) > 1
        dispatcher = Dispatcher(
            handling, routes.find, self._clock, self._workers, unordered=unordered, together=together
        )
        handling.gather(self._handlers, dispatcher, self._workers)

        def open_committer(consumer: Consumer) -> Committer:
            sending = Sending(lambda: self._connection.outlet, dispatcher, self._clock, handling.refuse)
            committer = self._committer(consumer, dispatcher, handling, sending)
            handling.complete = self._keeping.completing(committer.complete)
            return committer

        office = self._open_office(routes, dispatcher)
        ordered = {one.stream for handler in self._handlers if handler.parks for one in handler.reads}
        handling.turns = Turns(self._service, office, self._clock, ordered)
        return Intake(
            self._connection.transport,
            self._service,
            routes.streams,
            dispatcher,
            office,
            open_committer,
            self._keeping.ownership,
        )

    def _open_office(self, routes: Routes, dispatcher: Dispatcher) -> Office:
        def send(record: Outgoing) -> None:
            self._connection.outlet.send([record], lambda outcomes: None)

        def deliver(record: Received, letter: LetterId) -> bool:
            route = routes.find(record) or Route(None, (), "no handler here is for it")
            return dispatcher.bring(record, route, letter)

        room = self._keeping.room(dispatcher.room)
        return Office(self._service, self._connection.transport, self._clock, send, room, deliver)

    def _committer(self, consumer: Consumer, dispatcher: Dispatcher, handling: Handling, sending: Sending) -> Committer:
        atomic = [handler for handler in self._handlers if handler.delivery == Delivery.EXACTLY_ONCE]
        if not atomic:
            return AtLeastOnce(sending, consumer, dispatcher, self._clock)
        return ExactlyOnce(
            consumer,
            dispatcher,
            self._clock,
            handling.refuse,
            self._connection.streams.ensure,
            sending.complete,
            writes=any(handler.emits for handler in atomic) or self._keeping.has_state,
            written=None if self._observer is None else self._observer.committed,
        )

    async def _undecodable(self, record: Received, error: DecodeError) -> None:
        letter = dead_letter(self._service, record, UNDECODABLE, error, self._clock.now_ms(), handler=TABLE)
        outcome = await send_and_wait(self._connection.outlet.send, letter)
        if isinstance(outcome, TidingsError):
            log.critical(
                "%s: a record of a table is undecodable, and its dead letter refused: %s", self._service, outcome
            )

    @property
    def ready(self) -> bool:
        return self._ready.is_set() and not self._main.done()

    @property
    def caught_up(self) -> dict[Table[Any], asyncio.Event]:
        """Its tables that are waited for, and whether each has come to the end that its stream had at first."""
        return self._keeping.caught_up

    @property
    def begun(self) -> bool:
        """Whether its handlers have begun, or it has none."""
        return self._ready.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What it fell over."""
        return self._main.exception() if self._main.done() and not self._main.cancelled() else None

    @property
    def transport(self) -> Transport:
        return self._connection.transport

    @property
    def intakes(self) -> list[Intake]:
        """Its memberships in its group."""
        return [] if self._intake is None else [self._intake]

    @property
    def in_hand(self) -> int:
        return 0 if self._intake is None else self._intake.in_hand

    @property
    def at_work(self) -> int:
        return 0 if self._intake is None else self._intake.at_work

    async def stop(self) -> None:
        """Finish what is in hand, commit, let go."""
        self._main.cancel()
        await asyncio.gather(self._main, return_exceptions=True)
        if self._intake is not None:
            await self._intake.stop()
        if self._share is not None:
            await self._share.stop()
        await self._let_go()

    async def halt(self) -> None:
        """Let go of everything as it is."""
        self._main.cancel()
        if self._intake is not None:
            await self._intake.halt()
        await asyncio.gather(self._main, return_exceptions=True)
        if self._share is not None:
            await self._share.halt()
        await self._let_go()

    async def _let_go(self) -> None:
        await self._keeping.end()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()


async def _first(wanted: object, work: Sequence[asyncio.Task[None]]) -> None:
    """Wait for `wanted`, unless some of the `work`, which never ends of itself, fails before; then raise that."""
    waiting = asyncio.ensure_future(wanted)  # type: ignore[call-overload]
    try:
        done, _ = await asyncio.wait((waiting, *work), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        waiting.cancel()
