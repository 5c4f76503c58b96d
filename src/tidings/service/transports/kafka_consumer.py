"""Reading through librdkafka: a thread polls, and hands whole batches to the loop, by one wake-up each."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, TypeVar

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from tidings.service.transports.base import Batch, Mark, Owner, Place, Received, Transactor
from tidings.service.transports.kafka_errors import Outage, translate
from tidings.service.transports.kafka_marks import (
    Membership,
    committed_marks,
    membership_of,
    topic_partitions,
)

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

    def __init__(self, consumer: Consumer, loop: asyncio.AbstractEventLoop, outage: Outage, *, joins: bool) -> None:
        """`joins`: the consumer is a member of a group."""
        self.consumer = consumer
        self.membership: Membership | None = None
        """What the consumer was when it last polled."""
        self._joins = joins
        self._loop = loop
        self._outage = outage
        self._batches: deque[Batch] = deque()
        self._asked: asyncio.Future[None] | None = None
        self._room = threading.Semaphore(BATCHES_AHEAD_MAX)
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        self._paused: list[TopicPartition] = []
        self._ends: dict[Place, int] = {}
        """Ends that were reached and not handed over yet."""
        self._complained: set[int] = set()
        self._to_commit: dict[Place, Mark] = {}
        self._committing = threading.Lock()
        self._on_the_way = 0
        """Commits that were sent and not answered."""
        self.settled = threading.Event()
        """No commit is waiting or on its way."""
        self.settled.set()
        self.polled_s = time.monotonic()
        """When its thread last came around."""
        self._thread: threading.Thread | None = None

    def start(self, name: str) -> None:
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
            self._batches[index] = Batch(kept, {place: end for place, end in batch.ends.items() if place not in gone})

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        with self._committing:
            self._to_commit.update(marks)
            self.settled.clear()

    async def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
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

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self.polled_s = time.monotonic()
                self._commit(wait=False)
                self.look_around()
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
            self.settled.set()
            self.consumer.close()

    def look_around(self) -> None:
        """Learn which member of the group we are."""
        if self._joins:
            self.membership = membership_of(self.consumer)

    def _commit(self, *, wait: bool) -> None:
        with self._committing:
            marks, self._to_commit = self._to_commit, {}
            if marks and not wait:
                self._on_the_way += 1
        if marks and not self.commit_here(marks, wait=wait) and not wait:
            self.answered()

    def commit_here(self, marks: Mapping[Place, Mark], *, wait: bool) -> bool:
        """False when it failed already."""
        if wait and self._outage.away:  # it would wait for as long as the session lasts, and fail
            log.warning("could not commit while the broker is away, so some events will come again")
            return False
        try:
            self.consumer.commit(offsets=topic_partitions(marks), asynchronous=not wait)
        except KafkaException as error:
            log.warning("could not commit, so some events may come again: %s", error.args[0].str())
            return False
        return True

    def answered(self) -> None:
        """What became of a commit is known."""
        with self._committing:
            self._on_the_way = max(0, self._on_the_way - 1)
            if not self._on_the_way and not self._to_commit:
                self.settled.set()

    def _read(self) -> Batch | None:
        first = self.consumer.poll(0 if self._ends else POLL_S)
        # What has come meanwhile, without waiting for more: `consume` with a timeout would wait for a full batch.
        messages = [] if first is None else [first, *self.consumer.consume(BATCH_RECORDS_MAX - 1, 0)]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(
                    Received(
                        message.topic(), message.partition(), message.offset(), message.timestamp()[1],
                        message.key(), message.value(), message.headers(),
                    )
                )  # fmt: skip
            else:
                self._note(message, error)
        ends, self._ends = self._ends, {}
        return Batch(records, ends) if records or ends else None

    def _note(self, message: Any, error: KafkaError) -> None:
        """What comes and is no record."""
        if error.code() == KafkaError._PARTITION_EOF:
            self._ends[message.topic(), message.partition()] = message.offset()
        elif error.fatal():
            raise translate(error)
        elif error.code() not in self._complained:
            self._complained.add(error.code())
            log.warning("consuming: %s (%s); trying on", error.str(), error.name())

    def leave(self, places: Collection[Place]) -> None:
        for place in places:
            self._ends.pop(place, None)

    def _stand_still(self) -> None:
        """Nobody takes what was read: read no more, but go on polling, so that the group knows us alive."""
        assigned = self.consumer.assignment()
        if assigned != self._paused:  # at first, and when the group deals anew meanwhile
            self.consumer.pause(assigned)
            self._paused = assigned
        message = self.consumer.poll(POLL_S)
        if message is None:
            return
        error = message.error()
        if error is None:  # it came before the pause took hold
            self.leave([(message.topic(), message.partition())])
            self.consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))
        else:
            self._note(message, error)

    def _resume(self) -> None:
        if self._paused:
            ours = {(place.topic, place.partition) for place in self.consumer.assignment()}
            paused, self._paused = self._paused, []
            self.consumer.resume([place for place in paused if (place.topic, place.partition) in ours])


OpenTransactor = Callable[[_Poller], Transactor]


class KafkaGroupConsumer:
    def __init__(
        self,
        config: dict[str, Any],
        streams: Collection[str],
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        outage: Outage,
        open_transactor: OpenTransactor,
    ) -> None:
        self._owner = owner
        self._loop = loop
        self._outage = outage
        self._open_transactor = open_transactor
        self._consumer = Consumer({**config, "on_commit": self._committed})
        self._poller = _Poller(self._consumer, loop, outage, joins=True)
        eager = config.get("partition.assignment.strategy") == "range"
        self._assign = self._consumer.assign if eager else self._consumer.incremental_assign
        self._consumer.subscribe(
            list(streams), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._poller.start(f"tidings-consumer-{config['group.id']}")

    @property
    def polled_s(self) -> float:
        """When it last asked for records, by `time.monotonic`."""
        return self._poller.polled_s

    async def poll(self) -> Batch:
        batch = await self._poller.take()
        self._outage.over()
        return batch

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        self._poller.commit(marks)

    def _committed(self, error: KafkaError | None, _places: list[TopicPartition]) -> None:
        self._poller.answered()
        if error is not None and error.code() != KafkaError._NO_OFFSET:
            log.warning("could not commit, so some events may come again: %s", error.str())

    def transactor(self) -> Transactor:
        return self._open_transactor(self._poller)

    async def close(self, marks: Mapping[Place, Mark]) -> None:
        self._poller.commit(marks)
        await self._poller.close()

    # Called by librdkafka in the poller's thread, which stands still meanwhile.

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        places = _places(assigned)
        marks = committed_marks(consumer, places, lambda: self._poller.is_closing) if places else {}
        if marks is None:
            return
        self._poller.look_around()

        async def assign() -> None:
            self._owner.assigned(marks)

        self._on_loop(assign())
        begin = [(place, mark.offset if (mark := marks[place]) is not None else OFFSET_INVALID) for place in places]
        self._assign([TopicPartition(*place, offset) for place, offset in begin])

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        places = _places(revoked)
        self._poller.look_around()
        self._poller.leave(places)

        async def revoke() -> Mapping[Place, Mark]:
            self._poller.forget(places)
            return await self._owner.revoked(places)

        if marks := self._on_loop(revoke()):
            self._poller.commit_here(marks, wait=True)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        log.warning("the group gave %d partitions to others while we were not heard of", len(lost))
        places = _places(lost)
        self._poller.leave(places)

        async def lose() -> None:
            self._poller.forget(places)
            self._owner.lost(places)

        self._on_loop(lose())

    def _on_loop(self, action: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(action, self._loop).result()
        finally:
            action.close()  # the loop may be closed already, without a word to us


def _places(places: list[TopicPartition]) -> list[Place]:
    return [(place.topic, place.partition) for place in places]


class KafkaReader:
    def __init__(
        self, config: dict[str, Any], offsets: Mapping[Place, int], loop: asyncio.AbstractEventLoop, outage: Outage
    ) -> None:
        consumer = Consumer(config)
        consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
        self._poller = _Poller(consumer, loop, outage, joins=False)
        self._poller.start("tidings-reader")

    async def poll(self) -> Batch:
        return await self._poller.take()

    async def close(self) -> None:
        await self._poller.close()
