"""What a service has open towards the broker, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidings.errors import TidingsError, UnavailableError
from tidings.events.position import Position
from tidings.service.clock import Clock
from tidings.service.outlet import NotSentError, Outlet, Streams, send_and_wait
from tidings.service.transports.base import Outcome, Outgoing, Producer, Transport

OpenTransport = Callable[[], Transport]

FLUSH_S = 10.0
LATE_S = 2.0
"""How much later than its time a producer may report that a record timed out: librdkafka looks once a second."""


class Connection:
    """Two producers, each opened when first needed: one for what handlers emit, which waits as long as the broker is
    away and so keeps its order; one for everybody else, who is told after `timeout_s`."""

    def __init__(self, open_transport: OpenTransport, clock: Clock, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = open_transport()
        self.streams = Streams(self.transport)
        self._clock = clock
        self._timeout_s = timeout_s
        self._patient: Producer | None = None
        self._impatient: Producer | None = None

    @property
    def outlet(self) -> Outlet:
        if self._patient is None:
            self._patient = self.transport.producer(None)
        return Outlet(self._patient, self._clock)

    def warm(self) -> Producer:
        """The producer that `emit` uses. Its first record waits half a second for an identity from the broker, so a
        service that only emits has it made at its start."""
        if self._impatient is None:
            self._impatient = self.transport.producer(self._timeout_s)
        return self._impatient

    async def emit(self, event: object, record: Outgoing) -> Position:
        """Write the record of an event. Raises NotSentError, RefusedError."""
        try:
            if not self.streams.knows(record.stream):
                async with asyncio.timeout(self._timeout_s):
                    await self.streams.ensure([record.stream])
            async with asyncio.timeout(self._timeout_s + LATE_S):
                outcome: Outcome = await send_and_wait(self.warm().send, record)
        except TimeoutError:
            outcome = UnavailableError(f"no answer within {self._timeout_s:g} s")
        except TidingsError as error:
            outcome = error
        return _position(event, outcome)

    async def emit_patiently(self, event: object, record: Outgoing) -> Position:
        """The same for a handler: in order with what it returns, and as long as it takes. Raises RefusedError."""
        await self.streams.ensure([record.stream])
        return _position(event, await send_and_wait(self.outlet.send, record))

    async def close(self) -> None:
        producers = [producer for producer in (self._patient, self._impatient) if producer is not None]
        await asyncio.gather(*(producer.close(FLUSH_S) for producer in producers))
        self._patient = self._impatient = None
        await self.transport.close()


def _position(event: object, outcome: Outcome) -> Position:
    if isinstance(outcome, UnavailableError):
        raise NotSentError(event, outcome)
    if isinstance(outcome, TidingsError):
        raise outcome
    return outcome
