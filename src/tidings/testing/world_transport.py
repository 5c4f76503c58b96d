"""The transport on which faults happen: between any two steps of a service, as one seed decides.

A step is whatever a service does with its transport: reading, sending, hearing that something was written, committing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from tidings.service.clock import Clock
from tidings.service.transports.base import (
    Batch,
    Done,
    Mark,
    Outcome,
    Outgoing,
    Owner,
    Place,
    Producer,
    Reader,
    StreamSpec,
    StreamState,
)
from tidings.service.transports.memory import MemoryBroker, MemoryConsumer, MemoryTransport
from tidings.testing.world_faults import AGAIN_S, STAY_S, Fate
from tidings.testing.world_transactor import FaultyTransactor


class Life:
    """A service from its start to its crash: once that has come, nothing it does has an effect."""

    def __init__(self, broker: MemoryBroker, clock: Clock, fate: Fate, visits: set[asyncio.Task[None]]) -> None:
        self.broker = broker
        self.visits = visits
        """Of other members, in this and other groups; they outlive us."""
        self.clock = clock
        self.fate = fate
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.consumers: list[MemoryConsumer] = []
        self.on_the_way = 0
        """Sendings that are not acknowledged yet."""

    @property
    def alive(self) -> bool:
        return not self.over.done()

    def step(self) -> bool:
        """Whether it is still alive after a step that may be its last."""
        if self.alive and self.fate.crash():
            self.end()
        return self.alive

    async def live_on(self) -> None:
        """The same for who can wait: the dead wait for ever."""
        if not self.step():
            await asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Nobody is told; the records it was reading are for whoever comes next."""
        if self.alive:
            self.over.set_result(None)
            for consumer in self.consumers:
                consumer.crash()

    def transport(self) -> FaultyTransport:
        return FaultyTransport(self)


class FaultyTransport:
    """A memory transport for one life. The producer of those who wait for their answer is spared: nobody would come
    back to them."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._inner = MemoryTransport(life.broker)

    def producer(self, timeout_s: float | None) -> Producer:
        return FaultyProducer(self._life) if timeout_s is None else self._inner.producer(timeout_s)

    def consumer(self, group: str, streams: Collection[str], owner: Owner, *, together: bool = False) -> FaultyConsumer:
        inner = self._inner.consumer(group, streams, owner)
        self._life.consumers.append(inner)
        return FaultyConsumer(self._life, group, inner, together=together)

    def reader(self, stream: str, offsets: Mapping[int, int]) -> Reader:
        return FaultyReader(self._life, self._inner.reader(stream, offsets))

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        await self._life.live_on()
        await self._inner.ensure_streams(streams)

    async def stream_state(self, stream: str) -> StreamState:
        await self._life.live_on()
        return await self._inner.stream_state(stream)

    async def written_ends(self, stream: str) -> Mapping[int, int]:
        await self._life.live_on()
        return await self._inner.written_ends(stream)

    async def close(self) -> None:
        await self._inner.close()


class FaultyProducer:
    """What is sent is on its way for a while: it may be lost there, or written and never acknowledged."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._inner = life.broker.transport().producer(None)
        self._on_the_way: deque[tuple[Sequence[Outgoing], Done]] = deque()

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        if self._life.alive:
            self._life.on_the_way += 1
            self._on_the_way.append((records, done))
            if len(self._on_the_way) == 1:
                self._depart()

    def _depart(self) -> None:
        delay_s = self._life.fate.delay_s()
        if delay_s:
            self._life.clock.call_later(delay_s, self._arrive)
        else:
            asyncio.get_running_loop().call_soon(self._arrive)

    def _arrive(self) -> None:
        if not self._life.alive:
            return
        records, done = self._on_the_way.popleft()
        if not self._life.step():  # some of them may have been written by then
            records = records[: self._life.fate.pick(0, len(records))]
        if records:
            self._inner.send(records, lambda outcomes: self._acknowledge(outcomes, done))
        if self._on_the_way:
            self._depart()

    def _acknowledge(self, outcomes: list[Outcome], done: Done) -> None:
        delay_s = self._life.fate.delay_s()
        if delay_s:
            self._life.clock.call_later(delay_s, lambda: self._hear(outcomes, done))
        else:
            self._hear(outcomes, done)

    def _hear(self, outcomes: list[Outcome], done: Done) -> None:
        self._life.on_the_way -= 1
        if self._life.step():
            done(outcomes)

    async def close(self, flush_s: float) -> None:
        while self._life.alive and self._on_the_way:
            await self._life.broker.change()


class FaultyConsumer:
    def __init__(self, life: Life, group: str, inner: MemoryConsumer, *, together: bool) -> None:
        self._life = life
        self._together = together
        self._group = life.broker.group(group)
        self._inner = inner

    async def poll(self) -> Batch:
        while True:
            await self._life.live_on()
            if self._life.fate.rebalance():
                self._invite()
            batch = self._hold_back(await self._inner.poll())
            await self._life.live_on()
            if batch.records and self._life.fate.duplicate():
                self._life.clock.call_later(self._life.fate.between(AGAIN_S), self._rewind)
            if batch.records or batch.ends:
                return batch

    def _rewind(self) -> None:
        """One of the partitions is lost, and given back at once, from the group's mark on: a member that was not heard
        of for too long, and is back. A mark that a transaction is about to move is waited for, as Kafka does: such a
        partition is left alone."""
        if self._group.changing.locked():
            return
        offsets = self._group.offsets
        places = [
            place
            for place, position in self._inner.positions.items()
            if offsets.get(place, 0) < position and self._group.is_decided(place)
        ]
        if places:
            chosen = places[self._life.fate.pick(0, len(places) - 1)]
            same = [place for place in self._inner.positions if place[1] == chosen[1]] if self._together else [chosen]
            if all(self._group.is_decided(place) for place in same):
                for place in same:
                    self._inner.lose_and_take(place)
            self._life.broker.wake()

    def _hold_back(self, batch: Batch) -> Batch:
        delay_s = self._life.fate.delay_s()
        if not delay_s or not batch.records:
            return batch
        first = batch.records[self._life.fate.pick(0, len(batch.records) - 1)]
        place = first.stream, first.partition
        if place not in self._inner.positions:
            return batch
        self._inner.positions[place] = first.offset
        self._inner.paused.add(place)
        self._life.clock.call_later(delay_s, lambda: self._release(place))
        return Batch(
            [one for one in batch.records if one[:2] != place or one.offset < first.offset],
            {known: end for known, end in batch.ends.items() if known != place},
        )

    def _release(self, place: Place) -> None:
        self._inner.paused.discard(place)
        self._life.broker.wake()

    def _invite(self) -> None:
        visitor = MemoryConsumer(self._life.broker, self._group, self._inner.streams, _Bystander())
        stay_s = self._life.fate.between(STAY_S)
        task = asyncio.get_running_loop().create_task(_visit(visitor, stay_s))
        self._life.visits.add(task)
        task.add_done_callback(self._life.visits.discard)

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        if self._life.step():
            self._inner.commit(marks)
            self._life.step()

    def transactor(self) -> FaultyTransactor:
        return FaultyTransactor(self._life, self._inner)

    async def close(self, marks: Mapping[Place, Mark]) -> None:
        if self._life.step():
            await self._inner.close(marks)


class _Bystander:
    """Owns partitions and does nothing with them."""

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        pass

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        return {}

    def lost(self, places: Collection[Place]) -> None:
        pass


async def _visit(visitor: MemoryConsumer, stay_s: float) -> None:
    await visitor.join()
    await asyncio.sleep(stay_s)
    await visitor.close({})


class FaultyReader:
    def __init__(self, life: Life, inner: Reader) -> None:
        self._life = life
        self._inner = inner

    async def poll(self) -> Batch:
        await self._life.live_on()
        delay_s = self._life.fate.delay_s()
        if delay_s:
            await asyncio.sleep(delay_s)
        batch = await self._inner.poll()
        await self._life.live_on()
        return batch

    async def close(self) -> None:
        await self._inner.close()
