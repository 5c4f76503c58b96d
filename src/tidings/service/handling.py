"""Handling one record: decode it, call its handlers, send what they return, and know when it is finished."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import Any, NamedTuple

from tidings.errors import DeclarationError, TidingsError
from tidings.events import context as event_context
from tidings.events.declaration import EventType, event_type
from tidings.events.envelope import TYPE, Envelope
from tidings.events.ids import derived_id
from tidings.events.position import Position
from tidings.events.record import EventRecord, type_name_of
from tidings.events.serdes import DecodeError, EncodeError
from tidings.service.clock import Clock
from tidings.service.dead_letters import FAILED, REFUSED, UNDECODABLE, dead_letter
from tidings.service.dispatcher import InHand
from tidings.service.outlet import Outlet, Writer
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outcome, Outgoing, Received

log = logging.getLogger("tidings.service")

REFUSED_AGAIN_S = 30.0


class HandlerCancelledError(TidingsError):
    """A handler ended by being cancelled, though nobody asked for that here: a failure like any other."""


class Handled:
    """The handling that the running code is part of: what it emits is named after the record it answers."""

    __slots__ = ("handler", "item", "outlet", "record_id", "service")

    def __init__(self, service: str, item: InHand, record_id: str, handler: Handler, outlet: Outlet) -> None:
        self.service = service
        self.item = item
        self.record_id = record_id
        self.handler = handler
        self.outlet = outlet

    def next_id(self) -> str:
        """The id of the next event: the same one when the record is handled again."""
        index = self.item.emitted
        self.item.emitted += 1
        return derived_id(self.record_id, self.service, self.handler.name, index)


handled: ContextVar[Handled | None] = ContextVar("tidings_handled", default=None)


class Route(NamedTuple):
    """What a record is, and who handles it."""

    declared: EventType[Any] | None
    """None when it cannot be made out."""
    handlers: tuple[Handler, ...]


class Routes:
    """Which handlers a record is for."""

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self._by_type: dict[str, dict[bytes, Route]] = {}
        for handler in handlers:
            for declared in handler.reads:
                routes = self._by_type.setdefault(declared.stream, {})
                name = declared.name.encode()
                others = routes[name].handlers if name in routes else ()
                routes[name] = Route(declared, (*others, handler))
        self.streams = sorted(self._by_type)

    def find(self, received: Received) -> Route | None:
        """Where a record goes; None when nobody here wants it. One without a value is a deletion: for tables."""
        if received.value is None:
            return None
        routes = self._by_type.get(received.stream, {})
        for name, value in received.headers or ():
            if name == TYPE and value is not None:
                return routes.get(value)
        try:
            return routes.get(type_name_of(received.stream, None).encode())
        except DecodeError:
            return _UNKNOWN


_UNKNOWN = Route(None, ())


class Handling:
    """The work of a dispatcher."""

    def __init__(
        self,
        service: str,
        routes: Routes,
        writer: Writer,
        outlet: Outlet,
        clock: Clock,
        chance: Callable[[], float],
        threads: Executor,
    ) -> None:
        self._service = service
        self._routes = routes
        self._writer = writer
        self._outlet = outlet
        self._clock = clock
        self._chance = chance
        self._threads = threads
        self.finish: Callable[[InHand], None] = lambda item: None
        """Called when a record is finished: the dispatcher's."""

    async def __call__(self, item: InHand) -> float | None:
        """See `dispatcher.Work`."""
        received, route = item.received, item.route
        try:
            if route.declared is None:
                type_name_of(received.stream, None)
            event = route.declared.decode(received.value)
        except DecodeError as error:
            self._bury(item, UNDECODABLE, error)
            self._end(item)
            return None
        position = Position(received.stream, received.partition, received.offset)
        record = EventRecord(event, Envelope(received.headers), position, received.key, received.timestamp_ms)
        event_context.current.set(record.as_context())
        while item.step < len(route.handlers):
            handler = route.handlers[item.step]
            try:
                outputs = await self._call(item, handler, record)
            except asyncio.CancelledError as error:
                if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                    raise
                wait_s = self._failed(item, handler, HandlerCancelledError(str(error)))
                if wait_s is not None:
                    return wait_s
            except Exception as error:
                wait_s = self._failed(item, handler, error)
                if wait_s is not None:
                    return wait_s
            else:
                if outputs:
                    self._send(item, handler, outputs)
            item.step += 1
            item.attempts = item.emitted = 0
        self._end(item)
        return None

    def _end(self, item: InHand) -> None:
        """Nothing more will be begun for it: it is finished once all it led to is acknowledged."""
        item.over = True
        self._settle(item)

    def _settle(self, item: InHand) -> None:
        if item.over and not item.unacknowledged:
            self.finish(item)

    async def _call(self, item: InHand, handler: Handler, record: EventRecord[Any]) -> list[Outgoing]:
        """Run a handler; what it emits, ready to be written."""
        item.emitted = 0
        current = Handled(self._service, item, record.id, handler, self._outlet)
        handled.set(current)
        if not handler.is_async:
            returned = await self._call_in_thread(handler, record)
        elif handler.is_generator:
            returned = [one async for one in handler.call(record)]
        else:
            returned = await handler.call(record)
        if returned is None:
            return []
        return [self._output(current, one) for one in _each(returned) if one is not None]

    async def _call_in_thread(self, handler: Handler, record: EventRecord[Any]) -> Any:
        def call() -> Any:
            result = handler.call(record)
            return list(result) if handler.is_generator else result

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, contextvars.copy_context().run, call)

    def _output(self, current: Handled, event: Any) -> Outgoing:
        declared = event_type(type(event))
        if declared not in current.handler.emits:
            raise DeclarationError(
                f"{current.handler.name} returned a {declared.name}, which its return type does not declare"
            )
        return self._writer.outgoing(declared, event, current.next_id())

    def _send(self, item: InHand, handler: Handler, outputs: list[Outgoing]) -> None:
        item.unacknowledged += 1

        def acknowledged(outcomes: Sequence[Outcome]) -> None:
            item.unacknowledged -= 1
            refused = next((outcome for outcome in outcomes if isinstance(outcome, TidingsError)), None)
            if refused is not None:
                self._bury(item, REFUSED, refused, handler)
            self._settle(item)

        self._outlet.send(outputs, acknowledged)

    def _failed(self, item: InHand, handler: Handler, error: Exception) -> float | None:
        item.attempts += 1
        where = Position(*item.received[:3])
        mistake = isinstance(error, DeclarationError | EncodeError)  # the program's; another attempt makes the same
        wait_s = None if mistake else handler.retry.wait_s(item.attempts, error, self._chance)
        if wait_s is not None:
            log.warning(
                "%s: %s failed on %s (attempt %d of %d, next in %.1f s): %r",
                self._service, handler.name, where, item.attempts, handler.retry.attempts, wait_s, error,
            )  # fmt: skip
            return wait_s
        log.error("%s: %s gave up on %s: dead letter", self._service, handler.name, where, exc_info=error)
        self._bury(item, FAILED, error, handler)
        return None

    def _bury(self, item: InHand, reason: str, error: BaseException, handler: Handler | None = None) -> None:
        """Write a dead letter; the record is finished when that is acknowledged, and not before."""
        letter = dead_letter(
            self._service,
            item.received,
            reason,
            error,
            self._clock.now_ms(),
            handler=handler.name if handler else "",
            attempts=item.attempts,
        )
        if reason != FAILED:
            log.error("%s: %s is %s: dead letter: %s", self._service, Position(*item.received[:3]), reason, error)
        item.unacknowledged += 1

        def buried(outcomes: Sequence[Outcome]) -> None:
            if isinstance(outcomes[0], TidingsError):
                log.critical("%s: the dead letter itself is refused, trying on: %s", self._service, outcomes[0])
                self._clock.call_later(REFUSED_AGAIN_S, lambda: self._outlet.send([letter], buried))
                return
            item.unacknowledged -= 1
            self._settle(item)

        self._outlet.send([letter], buried)


def _each(returned: Any) -> Iterable[Any]:
    return returned if isinstance(returned, list | tuple) else (returned,)
