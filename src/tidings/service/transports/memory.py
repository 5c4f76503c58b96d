"""Streams in memory: real partitions, offsets and groups, and nothing that happens by chance. For tests.

One `MemoryBroker` is the broker; each service has a `MemoryTransport` to it. A broker may `go_away` and `come_back`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidings.errors import UnavailableError
from tidings.events.position import Position
from tidings.service.clock import Clock, SystemClock
from tidings.service.transports.base import (
    Batch,
    Done,
    Outcome,
    Outgoing,
    Owner,
    Place,
    Received,
    RefusedError,
    StreamSpec,
    StreamState,
)

BATCH_RECORDS_MAX = 500


@dataclass
class MemoryStream:
    id: str
    partitions: list[list[Received]]
    turn: int = 0
    """Records without a key go round."""


@dataclass
class MemoryGroup:
    members: list[MemoryConsumer] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryBroker:
    def __init__(self, clock: Clock | None = None, *, record_bytes_max: int = 1_048_576) -> None:
        self.clock = clock or SystemClock()
        self.streams: dict[str, MemoryStream] = {}
        self.groups: dict[str, MemoryGroup] = {}
        self.record_bytes_max = record_bytes_max
        self.away = False
        self._made = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held: deque[Callable[[], None]] = deque()

    def transport(self) -> MemoryTransport:
        return MemoryTransport(self)

    def create(self, name: str, partitions: int = 1) -> MemoryStream:
        self._made += 1
        self.streams[name] = MemoryStream(f"stream-{self._made}", [[] for _ in range(partitions)])
        self.wake()
        return self.streams[name]

    def delete(self, name: str) -> None:
        del self.streams[name]

    def append(self, record: Outgoing) -> Position:
        """Write one record, whoever it is from. Raises RefusedError."""
        if len(record.value or b"") > self.record_bytes_max:
            raise RefusedError(f"a record of {len(record.value or b'')} bytes is larger than {self.record_bytes_max}")
        stream = self.streams.get(record.stream) or self.create(record.stream)
        if record.key is None:
            stream.turn += 1
            index = stream.turn % len(stream.partitions)
        else:
            index = (murmur2(record.key) & 0x7FFFFFFF) % len(stream.partitions)
        partition = stream.partitions[index]
        position = Position(record.stream, index, len(partition))
        partition.append(
            Received(
                *position, self.clock.now_ms(), record.key, record.value, [*record.headers] if record.headers else None
            )
        )
        self.wake()
        return position

    def records(self, stream: str) -> list[Received]:
        """Everything in a stream, partition after partition."""
        found = self.streams.get(stream)
        return [record for partition in found.partitions for record in partition] if found else []

    def go_away(self) -> None:
        self.away = True

    def come_back(self) -> None:
        self.away = False
        while self._held:
            self._held.popleft()()
        self.wake()

    def hold(self, action: Callable[[], None]) -> None:
        """Keep for when the broker is back."""
        self._held.append(action)

    def wake(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)

    async def change(self) -> None:
        """Wait until something has happened."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def read(
        self, positions: dict[Place, int], paused: Collection[Place] = (), records_max: int = BATCH_RECORDS_MAX
    ) -> list[Received]:
        """Records from `positions` on, which move; those that are `paused` stay."""
        found: list[Received] = []
        for place, offset in positions.items():
            stream = self.streams.get(place[0])
            if stream is None or place in paused or len(found) >= records_max:
                continue
            if place[1] < len(stream.partitions):
                more = stream.partitions[place[1]][offset : offset + records_max - len(found)]
                positions[place] = offset + len(more)
                found += more
        return found


class MemoryTransport:
    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker

    def producer(self, timeout_s: float | None) -> MemoryProducer:
        return MemoryProducer(self.broker, patient=timeout_s is None)

    def consumer(self, group: str, streams: Collection[str], owner: Owner) -> MemoryConsumer:
        return MemoryConsumer(self.broker, self.broker.groups.setdefault(group, MemoryGroup()), streams, owner)

    def reader(self, stream: str, offsets: Mapping[int, int]) -> MemoryReader:
        return MemoryReader(self.broker, {(stream, partition): offset for partition, offset in offsets.items()})

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        self._check()
        for spec in streams:
            if spec.name not in self.broker.streams:
                self.broker.create(spec.name, spec.partitions)

    async def stream_state(self, stream: str) -> StreamState:
        self._check()
        found = self.broker.streams[stream]
        ends = {index: len(partition) for index, partition in enumerate(found.partitions)}
        return StreamState(found.id, dict.fromkeys(ends, 0), ends)

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.broker.away:
            raise UnavailableError("the broker is away")


class MemoryProducer:
    def __init__(self, broker: MemoryBroker, *, patient: bool) -> None:
        self._broker = broker
        self._patient = patient

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        if not self._broker.away:
            outcomes = [self._write(record) for record in records]
            asyncio.get_running_loop().call_soon(done, outcomes)
        elif self._patient:
            self._broker.hold(lambda: self.send(records, done))
        else:
            away: list[Outcome] = [UnavailableError("the broker is away") for _ in records]
            asyncio.get_running_loop().call_soon(done, away)

    def _write(self, record: Outgoing) -> Outcome:
        try:
            return self._broker.append(record)
        except RefusedError as error:
            return error

    async def close(self, flush_s: float) -> None:
        pass


class MemoryConsumer:
    def __init__(self, broker: MemoryBroker, group: MemoryGroup, streams: Collection[str], owner: Owner) -> None:
        self._broker = broker
        self._group = group
        self.streams = frozenset(streams)
        self.owner = owner
        self.positions: dict[Place, int] = {}
        self.paused: set[Place] = set()
        self._joined = False
        self._crashed = False

    async def poll(self) -> Batch:
        while True:
            if not self._broker.away and not self._crashed:
                await self.join()
                if records := self._broker.read(self.positions, self.paused):
                    return Batch(records)
            await self._broker.change()

    async def join(self) -> None:
        """Become a member of the group, if it is not one yet."""
        if not self._joined:
            self._joined = True
            self._group.members.append(self)
            await _rebalance(self._broker, self._group)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        if self._broker.away:
            self._broker.hold(lambda: self.commit(offsets))
        elif self._joined:
            self._group.offsets.update({place: offset for place, offset in offsets.items() if place in self.positions})
            self._broker.wake()

    async def close(self, offsets: Mapping[Place, int]) -> None:
        self.commit(offsets)
        if self._joined:
            self._joined = False
            self._group.members.remove(self)
            await _rebalance(self._broker, self._group)

    def crash(self) -> None:
        """Be gone without a word: nothing is finished, nothing committed."""
        self._crashed = True
        if self._joined:
            self._joined = False
            self._group.members.remove(self)
        self.owner.lost(list(self.positions))
        self.positions.clear()


async def _rebalance(broker: MemoryBroker, group: MemoryGroup) -> None:
    """Deal the partitions out anew, each member keeping what it still should have (as cooperative assignors do)."""
    async with group.changing:
        wanted = _deal(broker, group.members)
        for member in wanted:
            if going := [place for place in member.positions if place not in wanted[member]]:
                member.commit(await member.owner.revoked(going))
                for place in going:
                    member.positions.pop(place, None)
        for member in [member for member in wanted if member in group.members]:  # some may be gone since
            if coming := [place for place in wanted[member] if place not in member.positions]:
                member.positions.update((place, group.offsets.get(place, 0)) for place in coming)
                member.owner.assigned(coming)
    broker.wake()


def _deal(broker: MemoryBroker, members: Iterable[MemoryConsumer]) -> dict[MemoryConsumer, list[Place]]:
    hands: dict[MemoryConsumer, list[Place]] = {member: [] for member in members}
    for stream in sorted(broker.streams):
        takers = [member for member in hands if stream in member.streams]
        for index in range(len(broker.streams[stream].partitions) if takers else 0):
            hands[takers[index % len(takers)]].append((stream, index))
    return hands


class MemoryReader:
    def __init__(self, broker: MemoryBroker, positions: dict[Place, int]) -> None:
        self._broker = broker
        self._positions = positions
        self._told: dict[Place, int] = {}

    async def poll(self) -> Batch:
        while True:
            if not self._broker.away:
                records = self._broker.read(self._positions)
                ends = {place: offset for place, offset in self._positions.items() if self._at_end(place, offset)}
                if records or ends != self._told:
                    self._told = ends
                    return Batch(records, ends)
            await self._broker.change()

    def _at_end(self, place: Place, offset: int) -> bool:
        stream = self._broker.streams.get(place[0])
        return stream is not None and offset >= len(stream.partitions[place[1]])

    async def close(self) -> None:
        pass


def murmur2(data: bytes) -> int:
    """The hash by which Kafka's Java client, and so everybody who is careful, picks the partition of a key."""
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * 0x5BD1E995 & 0xFFFFFFFF
        k = (k ^ k >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        h = h * 0x5BD1E995 & 0xFFFFFFFF ^ k
    if whole != len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15
