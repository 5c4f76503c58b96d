"""Services: what users write.

shipping = Service("shipping")
customers = shipping.table(CustomerChanged)

@shipping.on(retry=Retry(5, backoff="1s..5m"))
async def dispatch(order: OrderReceived) -> OrderShipped:
    ...
"""

from __future__ import annotations

import asyncio
import sys
import typing
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tidings.errors import DeclarationError
from tidings.events.declaration import STREAM_NAME, EventType, event_type
from tidings.events.position import Position
from tidings.events.record import EventRecord
from tidings.service.clock import Clock, SystemClock
from tidings.service.commit.delivery import Delivery, delivery_of
from tidings.service.connection import Connection, OpenTransport
from tidings.service.database.parameters import session_wanted, wants_session
from tidings.service.dead_letters import dead_letters_of
from tidings.service.description import Description, describe
from tidings.service.handled import Handled, handled
from tidings.service.link import Link, on_its_loop
from tidings.service.manner import Manner
from tidings.service.operations.observer import observer_of
from tidings.service.operations.receipts import Receipts, receipts_spec
from tidings.service.operations.tally import Tally
from tidings.service.operations.telemetry import tracing_of
from tidings.service.outlet import Writer
from tidings.service.retry import Retry
from tidings.service.running import Running
from tidings.service.subscription import Handler, Provide, read_handler
from tidings.service.surroundings import Surroundings
from tidings.service.tables.declared import Declared
from tidings.service.tables.state import State
from tidings.service.tables.table import Table
from tidings.service.transports.base import Outgoing, Place, Transport
from tidings.service.url import broker_url

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from tidings.service.database.share import DatabasePlace, Share

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

WORKERS = 32
EMIT_TIMEOUT_S = 10.0
START_WAIT_S = 10.0
"""How long a web application's start waits for its service; after that it serves, and the service goes on starting."""


class Service:
    """One service. Its name is its consumer group, and the CloudEvents source of what it emits.

    `workers` is how many events it handles at a time, each of another key. `url` is by default $TIDINGS_URL, and that
    by default kafka://127.0.0.1:9092. `timeout_s` is how long `emit` waits for the broker. `delivery` is what handlers
    promise that do not say themselves: "exactly_once" or "at_least_once" (see `on`). With `receipts` it writes down who
    handled which event and when (see `operations.receipts`). `database` is where handlers that want one have a session:
    a URL or an engine of SQLAlchemy's, or a `Database`. `transport` and `clock` take the places of Kafka and of time
    in tests.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        workers: int = WORKERS,
        retry: Retry | None = None,
        timeout_s: float = EMIT_TIMEOUT_S,
        delivery: str = Delivery.EXACTLY_ONCE,
        receipts: bool = False,
        database: DatabasePlace | None = None,
        transport: OpenTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        if name in ("", ".", "..") or not STREAM_NAME.fullmatch(dead_letters_of(name)):
            raise DeclarationError(f"{name!r} cannot name a service: letters, digits, '.', '_' and '-', 236 at most")
        self.name = name
        self.retry = retry or Retry()
        self.delivery = delivery_of(delivery)
        self.handlers: list[Handler] = []
        self._declared = Declared(name, self._state_folder)
        self._emitted: dict[EventType[Any], None] = {}
        self.share = None if database is None else self._share_of(database)
        """Its share of a database: where handlers have their sessions, and its outbox is."""
        self._url = url
        self.workers = workers
        self._receipts = Receipts(name) if receipts else None
        self.tally: Tally | None = None
        """What it has done, if somebody wants to know (see `operations`). To be set before it is started."""
        self._timeout_s = timeout_s
        self._link = Link(name, self._connect)
        self._running: Running | None = None
        self._settle_in(Surroundings(transport or self._open_kafka, clock or SystemClock()))

    def _settle_in(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._writer = Writer(self.name, surroundings.clock, surroundings.new_id)

    def _share_of(self, place: DatabasePlace) -> Share:
        try:
            from tidings.service.database.share import Share
        except ModuleNotFoundError as error:
            raise DeclarationError("a database needs SQLAlchemy: pip install 'tidings[sqlalchemy]'") from error
        return Share(place, self.name, lambda: self._writer, lambda: self._surroundings.clock)

    def move(self, surroundings: Surroundings) -> Surroundings:
        """Put the service, while it does not run, into other surroundings; returns those it was in.

        Raises DeclarationError if it runs, or has emitted and was not stopped.
        """
        if self._running is not None or self._link.is_open:
            raise DeclarationError(f"{self.name} is in use: stop it before it is moved")
        before = self._surroundings
        for table in self.tables:
            table.close()
        self._settle_in(surroundings)
        return before

    # Declaring.

    @overload
    def on(self, handler: F, /) -> F: ...
    @overload
    def on(
        self,
        /,
        *,
        retry: Retry | None = None,
        delivery: str | None = None,
        batch: int | None = None,
        linger: str | None = None,
        ordered: bool = True,
        process: bool = False,
    ) -> Callable[[F], F]: ...
    def on(
        self,
        handler: F | None = None,
        /,
        *,
        retry: Retry | None = None,
        delivery: str | None = None,
        batch: int | None = None,
        linger: str | None = None,
        ordered: bool = True,
        process: bool = False,
    ) -> F | Callable[[F], F]:
        """Declare a handler: `@service.on`, or `@service.on(retry=Retry(5, backoff="1s..5m"))`.

        `delivery` says what is promised about what it leads to. "exactly_once": all of that is written together with
        the mark that the event is done, once the handler is over, or none of it. "at_least_once": it is written, then
        the mark moves; `emit` in the handler writes at once, and returns the position. A handler with a session among
        its parameters needs no word: what it leads to is committed with the session.

        A handler of a `Batch` gets `batch` events at most (500 unless told), and what there is once the first of them
        has waited for `linger` ("100ms"). With `ordered=False` events of one key are handled side by side, too. With
        `process=True` a function that is not async, and stands at the top of its module, runs in a process of its own.

        Its hints say the rest (see `subscription`). Raises DeclarationError.
        """
        manner = Manner(batch, linger, ordered, process)
        if handler is not None:
            self._add_handler(handler, retry, delivery, manner, sys._getframe(1).f_locals)
            return handler

        def declare(handler: F) -> F:
            self._add_handler(handler, retry, delivery, manner, sys._getframe(1).f_locals)
            return handler

        return declare

    def _add_handler(
        self,
        function: Callable[..., Any],
        retry: Retry | None,
        delivery: str | None,
        manner: Manner,
        names: Mapping[str, Any],
    ) -> None:
        promised = self.delivery if delivery is None else delivery_of(delivery)
        handler = read_handler(function, retry or self.retry, self._provider_of, names, promised, manner)
        if any(other.name == handler.name for other in self.handlers):
            raise DeclarationError(f"{self.name} has a handler {handler.name} already")
        if wants_session(handler):
            if handler.batch_max or handler.in_process:
                raise DeclarationError(f"{handler.name}: a session is given to a handler of one event, in this process")
            handler = self._own_share().with_transaction(handler)
        self.handlers.append(handler)

    def _own_share(self) -> Share:
        if self.share is None:
            raise DeclarationError(f'{self.name} has no database yet: Service("{self.name}", database=…)')
        return self.share

    def _provider_of(self, hint: Any) -> Provide | None:
        if wanted := session_wanted(hint):
            self._own_share()
            return wanted
        origin = typing.get_origin(hint) or hint
        if origin is EventRecord:
            return lambda record: record
        if origin is Table and typing.get_args(hint):
            table = self.table(typing.get_args(hint)[0])
            return lambda record: table
        if origin is State and typing.get_args(hint):
            state = self._declared.state_of(typing.get_args(hint)[0])
            return lambda record: state
        return None

    def table(
        self, cls: type[T], *, indexes: Collection[str] = (), history: int = 1, partitioned: bool = False
    ) -> Table[T]:
        """A local replica of the latest event of each key; the same one for the same type.

        `indexes` names fields that `where` is to find rows by without looking at all of them; `history` says how many
        versions of each key are kept. With `partitioned` a process keeps those partitions only that it owns of the
        service's own streams. Raises DeclarationError, also for a table that was declared otherwise before.
        """
        return self._declared.table(cls, indexes, history, partitioned=partitioned)

    def state(
        self, cls: type[T], *, name: str | None = None, indexes: Collection[str] = (), standby: bool = False
    ) -> State[T]:
        """What the service keeps for itself, by key: rows of a struct, dataclass or model. One for each name.

        Handlers change it (see `State`). `name` is by default that of the class; `indexes` are those of `table`. With
        `standby` each process keeps the rows of all partitions, not of its own only. Raises DeclarationError.
        """
        return self._declared.state(cls, name, indexes, standby=standby)

    @property
    def tables(self) -> list[Table[Any]]:
        """Those it keeps: what others say, and its own state."""
        return list(self._declared)

    def tables_app(self) -> Starlette:
        """An ASGI application that shows the tables while the service runs, and changes nothing (see `tables.app`)."""
        from tidings.service.tables.app import tables_app

        return tables_app(lambda: self.tables)

    def _state_folder(self) -> Path:
        return self._surroundings.state_folder() / self.name

    def describe(self) -> Description:
        """What it reads, emits and keeps."""
        kept = [table.declared for table in self._declared]
        return describe(self.name, self.handlers, self._emitted, kept, self.delivery)

    # Emitting.

    async def emit(self, event: object, *, db: Any = None) -> Position:
        """Write an event to its stream; returns where it stands once the broker has acknowledged it.

        In a handler that is delivered exactly once, the event is kept and written with all else that the handler leads
        to, when it is over, or not at all if it raises; its position is not known before, and so has -1 for partition
        and offset.

        With `db`, a session or connection of SQLAlchemy's, the event goes into the outbox of the service's database, in
        the transaction of `db`: it is published once that has committed, and not at all if it is rolled back.

        What is known of the request or the event being answered goes with it. Raises DeclarationError for what is no
        event, EncodeError for one that cannot be written, RefusedError for one the broker will not take, and
        NotSentError (an UnavailableError) when it does not acknowledge in time.
        """
        if db is not None:
            return await self._own_share().put(db, self._outgoing(event, _current()))
        send = self._sending(event)
        if isinstance(send, Position):
            return send
        connection = self._link.open()
        return await on_its_loop(connection, send(connection))

    def emit_sync(self, event: object, *, db: Any = None) -> Position:
        """`emit` for code that is not async: in a sync handler, in a thread, in a script."""
        if db is not None:
            return self._own_share().put_sync(db, self._outgoing(event, _current()))
        send = self._sending(event)
        if isinstance(send, Position):
            return send
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not None:
            raise RuntimeError("emit_sync would stop the event loop: write await emit(...)")
        connection = self._link.open_in_background()
        return asyncio.run_coroutine_threadsafe(send(connection), connection.loop).result()

    def _sending(self, event: object) -> Position | Callable[[Connection], Coroutine[Any, Any, Position]]:
        """What is left to do for an event: its record must be made here and now, where its context is.

        A position when there is nothing left to do."""
        current = _current()
        record = self._outgoing(event, current)
        if current is not None and current.service != self.name:
            current = None
        if current is not None and current.handler.delivery != Delivery.AT_LEAST_ONCE:
            return current.collect(record)  # also while the service stops: what has begun is finished as it began
        ours = current is not None and self._running is not None

        def send(connection: Connection) -> Coroutine[Any, Any, Position]:
            return connection.emit_patiently(event, record) if ours else connection.emit(event, record)

        return send

    def _outgoing(self, event: object, current: Handled | None) -> Outgoing:
        declared = event_type(type(event))
        self._emitted[declared] = None
        return self._writer.outgoing(declared, event, None if current is None else current.next_id())

    def _connect(self) -> Connection:
        return Connection(self._surroundings.open_transport, self._surroundings.clock, self._timeout_s)

    # Running.

    async def start(self, *, wait_s: float | None = None) -> None:
        """Start tables and handlers; returns when tables have caught up and handlers have begun, after `wait_s` at the
        latest: it goes on starting then. Raises what prevents it for good (OperatorError, DiskError)."""
        if self._running is not None:
            raise DeclarationError(f"{self.name} runs already")
        await self._link.close()
        self._running = Running(
            self.name,
            self._link.open(),
            self._writer,
            self.handlers,
            self.tables,
            self._surroundings,
            self.workers,
            observer_of(self._surroundings.clock, self.tally, tracing_of(self.name), self._receipts),
            [receipts_spec(self.name)] if self._receipts is not None else [],
            self.share,
        )
        try:
            async with asyncio.timeout(wait_s):
                await self._running.until_ready()
        except TimeoutError:
            pass
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop reading, finish what is in hand, commit it, and flush what was emitted."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
        await self._link.close()

    async def halt(self) -> None:
        """Stop dead, as a crash would: what is in hand is dropped, nothing more is committed or flushed. For tests."""
        running, self._running = self._running, None
        self._link.forget()
        if running is not None:
            await running.halt()

    @property
    def workers(self) -> int:
        """How many events it handles at a time. Setting it counts from the next start; raises DeclarationError."""
        return self._workers

    @workers.setter
    def workers(self, workers: int) -> None:
        if workers < 1:
            raise DeclarationError(f"Service({self.name!r}, workers={workers}): there is at least one worker")
        self._workers = workers

    @property
    def running(self) -> Running | None:
        """Its running parts, from its start to its stop."""
        return self._running

    @property
    def partitions(self) -> list[Place]:
        """Those that its group has dealt it."""
        return [place for intake in (self._running.intakes if self._running else ()) for place in intake.done()]

    async def relay(self) -> None:
        """Publish what stands in its outbox, and do nothing else, until cancelled: for `Database(…, relay=False)`."""
        try:
            await self._own_share().run_relay(self._link.open())
        finally:
            await self._link.close()

    @property
    def ready(self) -> bool:
        """Whether it runs, its tables have caught up, and its handlers have begun."""
        return self._running is not None and self._running.ready

    @property
    def in_hand(self) -> int:
        """How many records were taken in and are not finished: being handled, waiting for another attempt or behind
        one that does, or for the broker to acknowledge what they led to."""
        return 0 if self._running is None else self._running.in_hand

    @property
    def at_work(self) -> int:
        """How many workers have a record in their hands at this moment."""
        return 0 if self._running is None else self._running.at_work

    async def until_failed(self) -> None:
        """Returns once it is stopped; raises what it fell over."""
        if self._running is not None:
            await self._running.until_failed()

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """For ASGI applications: `FastAPI(lifespan=orders.lifespan)` runs the service with the application."""
        await self.start(wait_s=START_WAIT_S)
        try:
            yield
        finally:
            await self.stop()

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    def run(self, *, port: int | None = None) -> None:
        """Run until SIGINT or SIGTERM. `port` is where `/live`, `/ready` and `/metrics` are, for this machine."""
        from tidings.service.runner import run

        run([self], listen=None if port is None else ("127.0.0.1", port))

    def _open_kafka(self) -> Transport:
        from tidings.service.transports.kafka import KafkaTransport

        return KafkaTransport(
            broker_url(self._url), client_id=self.name, instances=lambda: self._state_folder() / "instances"
        )

    def __repr__(self) -> str:
        return f"<Service {self.name}>"


def _current() -> Handled | None:
    """What is being handled; not in a task that the handler left behind."""
    current = handled()
    return None if current is None or current.is_over else current
