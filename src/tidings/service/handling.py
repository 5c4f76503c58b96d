"""Handling one record: decode it, call its handlers, and gather all that they lead to."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from tidings.errors import DeclarationError, TidingsError
from tidings.events import context as event_context
from tidings.events.declaration import event_type
from tidings.events.position import Position
from tidings.events.serdes import DecodeError, EncodeError
from tidings.service.batch import Batch
from tidings.service.clock import Clock
from tidings.service.dead_letters import BEHIND, FAILED, REFUSED, UNDECODABLE
from tidings.service.dispatcher import Dispatcher
from tidings.service.gathering import Gathering
from tidings.service.handled import Handled, handled
from tidings.service.lanes import InHand
from tidings.service.operations.log_fields import fields_of
from tidings.service.operations.observer import CANCELLED, HANDLED, RETRIED, Observer
from tidings.service.outlet import Writer
from tidings.service.parking.turns import Turns
from tidings.service.processes import Processes
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outgoing

log = logging.getLogger("tidings.service")


class HandlerCancelledError(TidingsError):
    """A handler ended by being cancelled, though nobody asked for that here: a failure like any other."""


class Handling:
    """The work of a dispatcher."""

    def __init__(
        self,
        service: str,
        writer: Writer,
        clock: Clock,
        chance: Callable[[], float],
        threads: Executor,
        observer: Observer | None = None,
        processes: Processes | None = None,
    ) -> None:
        """`processes` are for handlers that want one of their own; without them they run in a thread, too."""
        self._service = service
        self._writer = writer
        self._clock = clock
        self._chance = chance
        self._threads = threads
        self._processes = processes
        self._gatherings: dict[str, Gathering] = {}
        self._observer = observer
        self.turns: Turns
        """What parking has to say."""
        self.complete: Callable[[InHand], None] = lambda item: None
        """Called when a record's handling is over, with all it led to in its `outputs`: the committer's."""

    def gather(self, handlers: Iterable[Handler], dispatcher: Dispatcher, workers: int) -> None:
        """Have the records of those handlers that take batches gathered."""
        for handler in handlers:
            if handler.batch_max:
                gathering = self._gatherings[handler.name] = Gathering(handler, self, dispatcher, self._clock, workers)
                dispatcher.aside.append(gathering)

    async def __call__(self, item: InHand) -> float | None:
        """See `dispatcher.Work`."""
        if self.turns.needs_look(item) and not await self.turns.admits(item):
            if item.outputs and self._observer is not None:
                self._observer.buried(item, BEHIND)
            self.complete(item)
            return None
        route = item.route
        try:
            if route.declared is None:
                raise DecodeError(route.problem)
            event = route.declared.decode(item.received.value)
        except DecodeError as error:
            self._bury(item, UNDECODABLE, error)
            self.turns.over(item)
            self.complete(item)
            return None
        handlers, observer = route.handlers, self._observer
        item.emitted = 0
        while item.step < len(handlers):
            handler = handlers[item.step]
            current = Handled(self._service, item, event, handler)
            if handler.batch_max:
                self._gatherings[handler.name].add(current)
                return None
            before = len(item.outputs)
            begun = None if observer is None else observer.began(current)
            event_context.source.set(current)
            try:
                if handler.is_async and not handler.is_generator:
                    returned = await handler.call(event, current.as_record)
                else:
                    returned = await self._call(current)
                if returned is not None:
                    self._collect(current, returned)
            except asyncio.CancelledError as error:
                if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                    if observer is not None:
                        observer.ended(current, begun, CANCELLED)
                    raise
                wait_s = self._failed(current, begun, before, HandlerCancelledError(str(error)))
                if wait_s is not None:
                    return wait_s
            except Exception as error:
                wait_s = self._failed(current, begun, before, error)
                if wait_s is not None:
                    return wait_s
            else:
                if observer is not None:
                    observer.ended(current, begun, HANDLED, item.outputs[before:])
            finally:
                current.is_over = True
            item.parts += (len(item.outputs),)
            item.step += 1
            item.attempts = item.emitted = 0
        self.turns.over(item)
        self.complete(item)
        return None

    async def _call(self, current: Handled) -> Any:
        """Run a handler that is more than a coroutine; what it returns."""
        handler = current.handler
        if handler.is_async:
            return [one async for one in handler.call(current.event, current.as_record)]
        if handler.in_process and self._processes is not None:
            arguments = handler.arguments(current.event, current.as_record)
            return await self._processes.run(handler.function, arguments)
        return await self._call_in_thread(current)

    def _collect(self, current: Handled, returned: Any) -> None:
        """What a handler returned goes to the outputs."""
        outputs = current.item.outputs
        if isinstance(returned, list | tuple):
            outputs += [self._output(current, one) for one in returned if one is not None]
        else:
            outputs.append(self._output(current, returned))

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
        if event_context.source.get() is current and event_context.running_span is None:
            return self._writer.answer(declared, event, current.next_id(), current.answers)
        return self._writer.outgoing(declared, event, current.next_id())

    # Many at once: see `gathering.Hands`.

    async def admitted(self, batch: Sequence[Handled]) -> Sequence[Handled]:
        admitted = []
        for one in batch:
            item = one.item
            if item.letter is None and self.turns.needs_look(item) and not await self.turns.admits(item):
                self.complete(item)
            else:
                admitted.append(one)
        return admitted

    async def attempt(self, batch: Sequence[Handled]) -> Exception | None:
        parts = [Handled(self._service, one.item, one.event, one.handler) for one in batch]
        before = [len(part.item.outputs) for part in parts]
        begun = [None if self._observer is None else self._observer.began(part) for part in parts]
        for part in parts:
            part.item.emitted = 0
        failure: Exception | None = None
        ending = CANCELLED
        try:
            await self._call_with_many(parts[0], Batch(parts))
            ending = HANDLED
        except asyncio.CancelledError as error:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            failure, ending = HandlerCancelledError(str(error)), RETRIED
        except Exception as error:
            failure, ending = error, RETRIED
        finally:
            for part, length, beginning in zip(reversed(parts), reversed(before), reversed(begun), strict=True):
                part.is_over = True
                if ending != HANDLED:
                    del part.item.outputs[length:]
                if self._observer is not None:
                    self._observer.ended(part, beginning, ending, part.item.outputs[length:], failure)
        return failure

    async def _call_with_many(self, first: Handled, batch: Batch[Any]) -> None:
        """Run a handler; what it returns goes to the outputs of what it answers."""
        event_context.source.set(first)
        handler = first.handler
        if handler.is_async and handler.is_generator:
            async for one in handler.call(batch, first.as_record):
                self._collect_for(handled() or first, one)
        elif handler.is_async:
            self._collect_for(first, await handler.call(batch, first.as_record))
        elif handler.in_process and self._processes is not None:
            arguments = handler.arguments(batch, first.as_record)
            self._collect_for(first, await self._processes.run(handler.function, arguments))
        else:
            loop = asyncio.get_running_loop()
            call = contextvars.copy_context().run
            for answered, one in await loop.run_in_executor(self._threads, call, _answers, first, batch):
                self._collect_for(answered, one)

    def _collect_for(self, answered: Handled, returned: Any) -> None:
        if returned is not None:
            event_context.source.set(answered)
            self._collect(answered, returned)

    def again_in_s(self, batch: Sequence[Handled], attempts: int, error: Exception) -> float | None:
        handler = batch[0].handler
        wait_s = self._wait_s(handler, attempts, error)
        log.warning(
            "%s: %s failed on %d events from %s on (attempt %d of %d, %s): %r",
            self._service, handler.name, len(batch), batch[0].as_record().position, attempts, handler.retry.attempts,
            "now in halves" if wait_s is None else f"next in {wait_s:.1f} s", error,
            extra=fields_of(self._service, batch[0].item.received, handler.name),
        )  # fmt: skip
        return wait_s

    def give_up(self, one: Handled, attempts: int, error: Exception) -> None:
        one.item.attempts = attempts
        if self._observer is not None:
            self._observer.ended(one, self._observer.began(one), FAILED, error=error)
        self._give_up(one.item, one.handler, error)

    def go_on(self, batch: Sequence[Handled]) -> None:
        together = any(one.item.outputs for one in batch)
        for one in batch:
            item = one.item
            item.parts += (len(item.outputs),)
            item.step += 1
            item.attempts = item.emitted = 0
            if item.step < len(item.route.handlers):
                handler = item.route.handlers[item.step]
                self._gatherings[handler.name].add(Handled(self._service, item, one.event, handler))
                continue
            if together:
                item.committed.append(_with_the_others)
            self.turns.over(item)
            self.complete(item)

    # What fails.

    def _failed(self, current: Handled, begun: Any, before: int, error: Exception) -> float | None:
        """An attempt failed: what it led to is taken back. The seconds until the next, or None if it was the last."""
        wait_s = self._tried(current.item, before, current.handler, error)
        if self._observer is not None:
            self._observer.ended(current, begun, FAILED if wait_s is None else RETRIED, error=error)
        return wait_s

    def _tried(self, item: InHand, before: int, handler: Handler, error: Exception) -> float | None:
        del item.outputs[before:]
        item.attempts += 1
        where = Position(*item.received[:3])
        wait_s = self._wait_s(handler, item.attempts, error)
        if wait_s is not None:
            log.warning(
                "%s: %s failed on %s (attempt %d of %d, next in %.1f s): %r",
                self._service, handler.name, where, item.attempts, handler.retry.attempts, wait_s, error,
                extra=fields_of(self._service, item.received, handler.name),
            )  # fmt: skip
            return wait_s
        self._give_up(item, handler, error)
        return None

    def _wait_s(self, handler: Handler, attempts: int, error: Exception) -> float | None:
        mistake = isinstance(error, DeclarationError | EncodeError)  # the program's; another attempt makes the same
        return None if mistake else handler.retry.wait_s(attempts, error, self._chance)

    def _give_up(self, item: InHand, handler: Handler, error: Exception) -> None:
        where, fields = Position(*item.received[:3]), fields_of(self._service, item.received, handler.name)
        log.error("%s: %s gave up on %s: dead letter", self._service, handler.name, where, exc_info=error, extra=fields)
        self._bury(item, FAILED, error, handler)

    def _bury(self, item: InHand, reason: str, error: BaseException, handler: Handler | None = None) -> None:
        """The record's dead letter is what it leads to."""
        self._tell_of_letter(item, reason, error, handler)
        if handler is None:
            self.turns.give_up(item, reason, error)
        else:
            self.turns.give_up(item, reason, error, handler.name, parks=handler.parks)

    def _refused(self, item: InHand, error: TidingsError, handler: Handler) -> Outgoing:
        self._tell_of_letter(item, REFUSED, error, handler)
        return self.turns.refused(item, error, handler.name, parks=handler.parks)

    def _tell_of_letter(self, item: InHand, reason: str, error: BaseException, handler: Handler | None) -> None:
        if reason != FAILED:
            fields = fields_of(self._service, item.received, handler.name if handler else "")
            where = Position(*item.received[:3])
            log.error("%s: %s is %s: dead letter: %s", self._service, where, reason, error, extra=fields)
        if self._observer is not None:
            self._observer.buried(item, reason)

    def refuse(self, item: InHand, refused: Mapping[int, TidingsError]) -> bool:
        """See `committer.Refuse`."""
        if any(self.turns.is_ours(item.outputs[index]) for index in refused):
            error = next(iter(refused.values()))
            log.critical("%s: the dead letter itself is refused, trying on: %s", self._service, error)
            return False
        outputs: list[Outgoing] = []
        parts: list[int] = []
        begin = 0
        for step, end in enumerate(item.parts):
            errors = [error for index, error in refused.items() if begin <= index < end]
            if errors:
                outputs.append(self._refused(item, errors[0], item.route.handlers[step]))
            else:
                outputs += item.outputs[begin:end]
            parts.append(len(outputs))
            begin = end
        item.outputs, item.parts = outputs + item.outputs[begin:], tuple(parts)
        return True


def _with_the_others() -> None:
    """What a batch led to stands with some of its events; this has the others wait until that is committed."""


def _answers(first: Handled, batch: Batch[Any]) -> list[tuple[Handled, Any]]:
    """What a handler that is not async returns, each with what it answers. In a thread."""
    result = first.handler.call(batch, first.as_record)
    if first.handler.is_generator:
        return [(handled() or first, one) for one in result]
    return [(first, result)]
