"""A handler that is given a session: that it handled an event, what it wrote, and what it emits are one transaction.

    begin
    insert into tidings_inbox …         there already: handled before, nothing more to do
    the handler, with the session       which is inside a savepoint: its commit() is not yet the end of it
    insert into tidings_outbox …        what it emitted and returned
    commit

Whatever is raised on the way undoes all of it, and is dealt with as for any handler. That the database is away is no
failure of the handler: it waits, and begins again. If it is not known whether a commit was done, the inbox tells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from tidings.errors import DeclarationError
from tidings.events.declaration import event_type
from tidings.service.clock import Clock
from tidings.service.commit.delivery import Delivery
from tidings.service.database.away import DatabaseAwayError
from tidings.service.database.database import Database
from tidings.service.database.engines import AsyncDoor, ThreadDoor
from tidings.service.database.parameters import SessionWanted
from tidings.service.handled import Handled, handled
from tidings.service.lanes import InHand
from tidings.service.outlet import Writer
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outgoing


class Around:
    """What a transaction takes from the service around it, which may be in other surroundings by then."""

    def __init__(
        self, service: str, writer: Callable[[], Writer], clock: Callable[[], Clock], wake: Callable[[], None]
    ) -> None:
        self.service = service
        self.writer = writer
        self.clock = clock
        self.wake = wake
        """Tells the relay of this process, if there is one."""


class Transactional:
    """What a handler's function becomes."""

    def __init__(
        self, handler: Handler, parameter: str, session: SessionWanted, database: Database, around: Around
    ) -> None:
        self._handler = handler
        self._parameter = parameter
        self._session_class = session.cls
        self._database = database
        self._inbox = database.inbox()
        self._outbox = database.outbox(around.service)
        self._around = around

    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        current = handled()
        assert current is not None, "only a service calls its handlers"
        before = len(current.item.outputs)
        while True:
            try:
                async with self._database.turn_to_write():
                    emitted = await self._run(current, args, kwargs)
            except DatabaseAwayError as error:
                _take_back(current.item, before)
                await self._database.gate.wait(self._around.clock(), error)
                continue
            if emitted:
                self._around.wake()
            return

    async def _run(self, current: Handled, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """The whole transaction; whether it left something in the outbox."""
        door = self._database.door
        if isinstance(door, AsyncDoor):
            return await self._run_async(door, current, args, kwargs)
        return await door.in_thread(lambda: self._run_in_thread(door, current, args, kwargs))

    async def _run_async(
        self, door: AsyncDoor, current: Handled, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bool:
        async with door.begin() as connection:
            if not await connection.run_sync(self._enter, current):
                return False
            before = len(current.item.outputs)
            async with self._open_session(connection) as session:
                returned = self._handler.function(*args, **kwargs, **{self._parameter: session})
                returned = [one async for one in returned] if self._handler.is_generator else await returned
                await session.commit()
            outputs = self._outputs(current, before, returned)
            await connection.run_sync(self._put, outputs)
        return bool(outputs)

    def _run_in_thread(
        self, door: ThreadDoor, current: Handled, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bool:
        with door.begin() as connection:
            if not self._enter(connection, current):
                return False
            before = len(current.item.outputs)
            with self._open_session(connection) as session:
                returned = self._handler.function(*args, **kwargs, **{self._parameter: session})
                returned = list(returned) if self._handler.is_generator else returned
                session.commit()
            outputs = self._outputs(current, before, returned)
            self._put(connection, outputs)
        return bool(outputs)

    def _open_session(self, connection: Any) -> Any:
        """A session whose own commits and rollbacks reach as far as its savepoint, and no further."""
        return self._session_class(bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint")

    def _enter(self, connection: Connection, current: Handled) -> bool:
        now_ms = self._around.clock().now_ms()
        return self._inbox.enter(connection, self._around.service, self._handler.name, current.as_record(), now_ms)

    def _put(self, connection: Connection, outputs: list[Outgoing]) -> None:
        if outputs:
            self._outbox.put(connection, outputs, self._around.clock().now_ms())

    def _outputs(self, current: Handled, before: int, returned: Any) -> list[Outgoing]:
        """What the handler emitted, then what it returned. The record in hand leads to nothing else by it."""
        emitted = current.item.outputs[before:]
        del current.item.outputs[before:]
        events: Iterable[Any] = returned if isinstance(returned, list | tuple) else (returned,)
        current.elsewhere = emitted + [self._record(current, event) for event in events if event is not None]
        return list(current.elsewhere)

    def _record(self, current: Handled, event: Any) -> Outgoing:
        declared = event_type(type(event))
        if declared not in self._handler.emits:
            raise DeclarationError(
                f"{self._handler.name} returned a {declared.name}, which its return type does not declare"
            )
        return self._around.writer().outgoing(declared, event, current.next_id())


def _take_back(item: InHand, before: int) -> None:
    """What an attempt led to that did not happen."""
    del item.outputs[before:]
    item.emitted = 0


def transactional(handler: Handler, database: Database, around: Around) -> Handler:
    """`handler` with a transaction around it. Raises DeclarationError if it and the database do not go together."""
    wanted = {name: given for name, given in handler.injected.items() if isinstance(given, SessionWanted)}
    if len(wanted) != 1:
        raise DeclarationError(f"{handler.name}: one parameter is the session, not {', '.join(wanted)}")
    ((parameter, session),) = wanted.items()
    _check(handler, session, database)
    return dataclasses.replace(
        handler,
        function=Transactional(handler, parameter, session, database, around),
        injected={name: given for name, given in handler.injected.items() if name != parameter},
        is_async=True,
        is_generator=False,
        delivery=Delivery.WITH_THE_DATABASE,
    )


def _check(handler: Handler, session: SessionWanted, database: Database) -> None:
    if session.is_async != handler.is_async:
        raise DeclarationError(
            f"{handler.name}: an `async def` is given an AsyncSession, and a `def` a Session, not "
            f"{session.cls.__name__}"
        )
    if session.is_async != isinstance(database.door, AsyncDoor):
        kind, makes = ("AsyncSession", "create_async_engine") if session.is_async else ("Session", "create_engine")
        raise DeclarationError(f"{handler.name}: for a {kind} its database must be of an engine that {makes} made")
