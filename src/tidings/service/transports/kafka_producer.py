"""Writing through librdkafka. Its delivery reports come on the thread that polls, and cross to the loop in batches."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from tidings.errors import TidingsError, UnavailableError
from tidings.events.position import Position
from tidings.service.transports.base import Done, Outgoing
from tidings.service.transports.kafka_errors import Outage, translate

log = logging.getLogger("tidings.service")

POLL_S = 0.2


class _Sending:
    """Records that were sent together, until the last one's outcome is known."""

    __slots__ = ("done", "outcomes", "unknown")

    def __init__(self, size: int, done: Done) -> None:
        self.outcomes: list[Any] = [None] * size
        self.unknown = size
        self.done = done


class KafkaProducer:
    def __init__(self, config: dict[str, Any], loop: asyncio.AbstractEventLoop, outage: Outage) -> None:
        self._config = config
        self._loop = loop
        self._outage = outage
        self._producer = Producer(config)
        self._reports: deque[_Sending] = deque()
        """One entry for each outcome that became known: filled by the polling thread, emptied by the loop."""
        self._queue: deque[tuple[Outgoing, _Sending, int]] = deque()
        """What librdkafka had no room for; the loop's alone."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="tidings-producer", daemon=True)
        self._thread.start()

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        sending = _Sending(len(records), done)
        for index, record in enumerate(records):
            if self._queue or not self._produce(record, sending, index):
                self._queue.append((record, sending, index))

    def _produce(self, record: Outgoing, sending: _Sending, index: int) -> bool:
        """Hand a record to librdkafka; False if it has no room."""

        def report(error: KafkaError | None, message: Any) -> None:
            sending.outcomes[index] = (
                Position(record.stream, message.partition(), message.offset())
                if error is None
                else self._failure(error)
            )
            self._reports.append(sending)

        try:
            self._producer.produce(record.stream, record.value, record.key, headers=record.headers, on_delivery=report)
        except BufferError:
            return False
        except KafkaException as error:
            sending.outcomes[index] = self._failure(error.args[0])
            self._reports.append(sending)
            self._loop.call_soon(self._deliver)
        return True

    def _failure(self, error: KafkaError) -> TidingsError:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._renew(self._producer)
            return UnavailableError(f"the producer had to begin anew: {error.str()}")
        return translate(error)

    def _renew(self, failed: Producer) -> None:
        """An idempotent producer that lost count cannot go on; a new one gets a new identity from the broker."""
        if self._producer is failed:
            log.warning("the producer lost its place with the broker and begins anew")
            self._producer = Producer(self._config)

    def _poll(self) -> None:
        while not self._closing.is_set():
            producer = self._producer
            producer.poll(POLL_S)
            try:
                if self._reports:
                    self._loop.call_soon_threadsafe(self._deliver)
                if self._queue:
                    self._loop.call_soon_threadsafe(self._send_queued)
            except RuntimeError:
                return  # the loop was closed without a word to us

    def _deliver(self) -> None:
        reports = self._reports
        for _ in range(len(reports)):
            sending = reports.popleft()
            sending.unknown -= 1
            if not sending.unknown:
                if isinstance(sending.outcomes[0], Position):
                    self._outage.over()
                sending.done(sending.outcomes)

    def _send_queued(self) -> None:
        while self._queue and self._produce(*self._queue[0]):
            self._queue.popleft()

    async def close(self, flush_s: float) -> None:
        await asyncio.to_thread(self._producer.flush, flush_s)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)
        self._deliver()
        self._producer.purge()
        await asyncio.to_thread(self._producer.flush, 1)
        self._deliver()
