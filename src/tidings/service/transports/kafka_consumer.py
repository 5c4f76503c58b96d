"""Reading through librdkafka: a thread polls, and hands whole batches to the loop, by one wake-up each."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tidings.service.transports.base import Batch, Owner, Place, Received
from tidings.service.transports.kafka_errors import Outage, translate

log = logging.getLogger("tidings.service")

T = TypeVar("T")

BATCH_RECORDS_MAX = 1000
BATCHES_AHEAD_MAX = 2
"""Batches that are handed over before the loop has asked for them."""
POLL_S = 0.2
HOLD_S = 1.0
"""How long a consumer whose batches nobody takes stands still before it pauses its partitions and polls on: a group
wants to see a member poll, and rebalances wait for it."""


class _Poller:
    """The thread of one consumer, and the hand-over of its batches to the loop.

    Only this thread calls the consumer: confluent-kafka lets one thread in at a time, and a second one waits for as
    long as the first goes on polling.
    """

    def __init__(self, consumer: Consumer, loop: asyncio.AbstractEventLoop, outage: Outage, name: str) -> None:
        self.consumer = consumer
        self._loop = loop
        self._outage = outage
        self._batches: deque[Batch] = deque()
        self._asked: asyncio.Future[None] | None = None
        self._room = threading.Semaphore(BATCHES_AHEAD_MAX)
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        self._paused: list[TopicPartition] = []
        self._complained: set[int] = set()
        self._to_commit: dict[Place, int] = {}
        self._committing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    # On the loop.

    async def take(self) -> Batch:
        while not self._batches:
            if self._failure is not None:
                raise self._failure
            self._asked = self._loop.create_future()
            await self._asked
        self._room.release()
        return self._batches.popleft()

    def forget(self, places: Collection[Place]) -> None:
        """Drop what was read of partitions that go, from batches that nobody has taken."""
        gone = frozenset(places)
        for index, batch in enumerate(self._batches):
            kept = [record for record in batch.records if (record.stream, record.partition) not in gone]
            self._batches[index] = Batch(kept, batch.ends)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        with self._committing:
            self._to_commit.update(offsets)

    async def close(self) -> None:
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._wake()

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._wake()

    def _wake(self) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)

    # In the thread.

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._commit(wait=False)
                if self._room.acquire(timeout=0 if self._paused else HOLD_S):
                    self._resume()
                    batch = self._read()
                    if batch is None:
                        self._room.release()
                    else:
                        self._loop.call_soon_threadsafe(self._hand_over, batch)
                else:
                    self._stand_still()
        except Exception as error:
            self._loop.call_soon_threadsafe(self._fail, error)
        finally:
            self._commit(wait=True)
            self.consumer.close()

    def _commit(self, *, wait: bool) -> None:
        with self._committing:
            offsets, self._to_commit = self._to_commit, {}
        if offsets:
            self.commit_here(offsets, wait=wait)

    def commit_here(self, offsets: Mapping[Place, int], *, wait: bool) -> None:
        if wait and self._outage.away:  # it would wait for as long as the session lasts, and fail
            log.warning("could not commit while the broker is away, so some events will come again")
            return
        try:
            self.consumer.commit(offsets=topic_partitions(offsets), asynchronous=not wait)
        except KafkaException as error:
            log.warning("could not commit, so some events may come again: %s", error.args[0].str())

    def _read(self) -> Batch | None:
        first = self.consumer.poll(POLL_S)
        if first is None:
            return None
        # What has come meanwhile, without waiting for more: `consume` with a timeout would wait for a full batch.
        messages = [first, *self.consumer.consume(BATCH_RECORDS_MAX - 1, 0)]
        records, ends = [], {}
        for message in messages:
            error = message.error()
            if error is None:
                records.append(
                    Received(
                        message.topic(), message.partition(), message.offset(), message.timestamp()[1],
                        message.key(), message.value(), message.headers(),
                    )
                )  # fmt: skip
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[message.topic(), message.partition()] = message.offset()
            else:
                self._complain(error)
        return Batch(records, ends) if records or ends else None

    def _complain(self, error: KafkaError) -> None:
        if error.fatal():
            raise translate(error)
        if error.code() not in self._complained:
            self._complained.add(error.code())
            log.warning("consuming: %s (%s); trying on", error.str(), error.name())

    def _stand_still(self) -> None:
        """Nobody takes what was read: read no more, but go on polling, so that the group knows us alive."""
        assigned = self.consumer.assignment()
        if assigned != self._paused:  # at first, and when the group deals anew meanwhile
            self.consumer.pause(assigned)
            self._paused = assigned
        message = self.consumer.poll(POLL_S)
        if message is not None and message.error() is None:  # it came before the pause took hold
            self.consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))

    def _resume(self) -> None:
        if self._paused:
            ours = {(place.topic, place.partition) for place in self.consumer.assignment()}
            paused, self._paused = self._paused, []
            self.consumer.resume([place for place in paused if (place.topic, place.partition) in ours])


class KafkaGroupConsumer:
    def __init__(
        self,
        config: dict[str, Any],
        streams: Collection[str],
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        outage: Outage,
    ) -> None:
        self._owner = owner
        self._loop = loop
        self._outage = outage
        self._consumer = Consumer({**config, "on_commit": self._committed})
        self._consumer.subscribe(
            list(streams), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._poller = _Poller(self._consumer, loop, outage, f"tidings-consumer-{config['group.id']}")

    async def poll(self) -> Batch:
        batch = await self._poller.take()
        self._outage.over()
        return batch

    def commit(self, offsets: Mapping[Place, int]) -> None:
        self._poller.commit(offsets)

    def _committed(self, error: KafkaError | None, _places: list[TopicPartition]) -> None:
        if error is not None and error.code() != KafkaError._NO_OFFSET:
            log.warning("could not commit, so some events may come again: %s", error.str())

    async def close(self, offsets: Mapping[Place, int]) -> None:
        self._poller.commit(offsets)
        await self._poller.close()

    # Called by librdkafka in the poller's thread, which stands still meanwhile.

    def _on_assign(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        async def assign() -> None:
            self._owner.assigned(_places(places))

        self._on_loop(assign())

    def _on_revoke(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        async def revoke() -> Mapping[Place, int]:
            self._poller.forget(_places(places))
            return await self._owner.revoked(_places(places))

        if offsets := self._on_loop(revoke()):
            self._poller.commit_here(offsets, wait=True)

    def _on_lost(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        log.warning("the group gave %d partitions to others while we were not heard of", len(places))

        async def lose() -> None:
            self._poller.forget(_places(places))
            self._owner.lost(_places(places))

        self._on_loop(lose())

    def _on_loop(self, action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result()


def _places(places: list[TopicPartition]) -> list[Place]:
    return [(place.topic, place.partition) for place in places]


def topic_partitions(offsets: Mapping[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(stream, partition, offset) for (stream, partition), offset in offsets.items()]


class KafkaReader:
    def __init__(
        self, config: dict[str, Any], offsets: Mapping[Place, int], loop: asyncio.AbstractEventLoop, outage: Outage
    ) -> None:
        consumer = Consumer(config)
        consumer.assign(topic_partitions(offsets))
        self._poller = _Poller(consumer, loop, outage, "tidings-reader")

    async def poll(self) -> Batch:
        return await self._poller.take()

    async def close(self) -> None:
        await self._poller.close()
