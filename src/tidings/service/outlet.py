"""The way out: events become records here, and records are handed to the transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from tidings.errors import TidingsError, UnavailableError
from tidings.events.context import current
from tidings.events.declaration import EventType
from tidings.events.envelope import Answers, headers_for, source_of
from tidings.events.ids import NewId, new_id
from tidings.service.clock import Clock
from tidings.service.transports.base import Done, Outcome, Outgoing, Producer, StreamSpec, Transport

log = logging.getLogger("tidings.service")

PARTITIONS = 6
"""Of a stream that a service creates. Six divides evenly among one, two, three and six processes, and in one process
keys run side by side whatever the number; fewer cannot be had later, more would move keys between partitions."""

KEPT = {"retention.ms": "-1"}
"""Streams are kept until somebody says otherwise: a service that is added in a year reads from the start."""

SEND_AGAIN_S = 1.0


class Writer:
    """Turns a service's events into records."""

    def __init__(self, service: str, clock: Clock, make_id: NewId = new_id) -> None:
        self._source = source_of(service)
        self._clock = clock
        self._make_id = make_id
        self._source_bytes = self._source.encode()
        self._types: dict[EventType[Any], bytes] = {}

    def outgoing(self, declared: EventType[Any], event: Any, event_id: str | None = None) -> Outgoing:
        """The record of an event, in the context of the running code. Raises EncodeError."""
        now_ms = self._clock.now_ms()
        headers = headers_for(event_id or self._make_id(now_ms), self._source, declared.name, now_ms, current())
        return Outgoing(declared.stream, declared.key_of(event), declared.encode(event), headers)

    def answer(self, declared: EventType[Any], event: Any, event_id: str, answers: Answers) -> Outgoing:
        """The record of an event that answers another one and has nothing from its surroundings. Raises EncodeError."""
        type_name = self._types.get(declared)
        if type_name is None:
            type_name = self._types[declared] = declared.name.encode()
        headers = answers.headers(event_id, self._source_bytes, type_name, self._clock.now_ms())
        return Outgoing(declared.stream, declared.key_of(event), declared.encode(event), headers)


class Outlet:
    """Sends what has to arrive: as long as the broker is away it waits, in order, and goes on by itself."""

    def __init__(self, producer: Producer, clock: Clock) -> None:
        self._producer = producer
        self._clock = clock

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        """`done` gets a Position or a RefusedError for each."""

        def known(outcomes: list[Outcome]) -> None:
            again = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, UnavailableError)]
            if not again:
                done(outcomes)
                return

            def merge(later: list[Outcome]) -> None:
                for index, outcome in zip(again, later, strict=True):
                    outcomes[index] = outcome
                done(outcomes)

            self._clock.call_later(SEND_AGAIN_S, lambda: self.send([records[index] for index in again], merge))

        self._producer.send(records, known)


async def send_and_wait(send: Callable[[Sequence[Outgoing], Done], None], record: Outgoing) -> Outcome:
    """Send one record by `send` and wait for what becomes of it."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def known(outcomes: list[Outcome]) -> None:
        if not outcome.done():
            outcome.set_result(outcomes[0])

    send([record], known)
    return await outcome


class Streams:
    """The streams that are known to exist."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: set[str] = set()

    async def ensure(self, streams: Collection[str], specs: Collection[StreamSpec] = ()) -> None:
        """Create those that are not there. Raises UnavailableError."""
        wanted = [*specs, *(StreamSpec(name, PARTITIONS, KEPT) for name in streams)]
        missing = [spec for spec in wanted if spec.name not in self._known]
        if missing:
            await self._transport.ensure_streams(missing)
            self._known.update(spec.name for spec in missing)

    def knows(self, stream: str) -> bool:
        return stream in self._known


class NotSentError(UnavailableError):
    """The broker did not acknowledge an event in time. `event` is what was not sent.

    It may yet have arrived: an answer can be lost as well as a question.
    """

    def __init__(self, event: object, reason: TidingsError) -> None:
        super().__init__(f"{type(event).__name__} was not acknowledged: {reason}")
        self.event = event
