"""Handling one record: decode it, call its handlers, send what they return, and know when it is finished."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

from tidings.errors import DeclarationError, TidingsError
from tidings.events import context as event_context
from tidings.events.declaration import event_type
from tidings.events.position import Position
from tidings.events.serdes import DecodeError, EncodeError
from tidings.service.clock import Clock
from tidings.service.dead_letters import FAILED, REFUSED, UNDECODABLE, dead_letter
from tidings.service.dispatcher import InHand
from tidings.service.handled import Handled
from tidings.service.outlet import Outlet, Writer
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outcome, Outgoing

log = logging.getLogger("tidings.service")

REFUSED_AGAIN_S = 30.0


class HandlerCancelledError(TidingsError):
    """A handler ended by being cancelled, though nobody asked for that here: a failure like any other."""


class Handling:
    """The work of a dispatcher."""

    def __init__(
        self,
        service: str,
        writer: Writer,
        outlet: Outlet,
        clock: Clock,
        chance: Callable[[], float],
        threads: Executor,
    ) -> None:
        self._service = service
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
                raise DecodeError(route.problem)
            event = route.declared.decode(received.value)
        except DecodeError as error:
            self._bury(item, UNDECODABLE, error)
            self._end(item)
            return None
        while item.step < len(route.handlers):
            handler = route.handlers[item.step]
            try:
                outputs = await self._call(Handled(self._service, item, event, handler))
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
        if not item.unacknowledged:
            self.finish(item)

    def _settle(self, item: InHand) -> None:
        if item.over and not item.unacknowledged:
            self.finish(item)

    async def _call(self, current: Handled) -> list[Outgoing] | None:
        """Run a handler; what it emits, ready to be written."""
        current.item.emitted = 0
        event_context.source.set(current)
        handler = current.handler
        if not handler.is_async:
            returned = await self._call_in_thread(current)
        elif handler.is_generator:
            returned = [one async for one in handler.call(current.event, current.as_record)]
        else:
            returned = await handler.call(current.event, current.as_record)
        if returned is None:
            return None
        return [self._output(current, one) for one in _each(returned) if one is not None]

    async def _call_in_thread(self, current: Handled) -> Any:
        def call() -> Any:
            result = current.handler.call(current.event, current.as_record)
            return list(result) if current.handler.is_generator else result

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
