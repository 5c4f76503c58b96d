"""The broker in memory: streams, groups, transactions, and who waits for something to happen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from tidings.events.position import Position
from tidings.service.clock import Clock, SystemClock
from tidings.service.transports.base import Outgoing, Place, Received, RefusedError
from tidings.service.transports.memory.group import MemoryGroup
from tidings.service.transports.memory.stream import MemoryPartition, MemoryStream
from tidings.service.transports.memory.transactions import Transaction, Transactions
from tidings.service.transports.memory.transport import MemoryTransport


class MemoryBroker:
    def __init__(self, clock: Clock | None = None, *, record_bytes_max: int = 1_048_576) -> None:
        self.clock = clock or SystemClock()
        self.streams: dict[str, MemoryStream] = {}
        self.groups: dict[str, MemoryGroup] = {}
        self.transactions = Transactions(self.clock, self._ended)
        self.record_bytes_max = record_bytes_max
        self.away = False
        self._made = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held: deque[Callable[[], object]] = deque()

    def transport(self) -> MemoryTransport:
        return MemoryTransport(self)

    # Streams and groups.

    def create(self, name: str, partitions: int = 1) -> MemoryStream:
        self._made += 1
        self.streams[name] = MemoryStream(f"stream-{self._made}", [MemoryPartition() for _ in range(partitions)])
        self.wake()
        return self.streams[name]

    def delete(self, name: str) -> None:
        del self.streams[name]

    def partition(self, place: Place) -> MemoryPartition | None:
        stream = self.streams.get(place[0])
        return stream.partitions[place[1]] if stream is not None and place[1] < len(stream.partitions) else None

    def group(self, name: str) -> MemoryGroup:
        """The group of this name; it is there as soon as somebody asks for it."""
        return self.groups.setdefault(name, MemoryGroup(name))

    # Records.

    def append(self, record: Outgoing, transaction: Transaction | None = None) -> Position:
        """Write one record, whoever it is from. Raises RefusedError, and FencedError if its transaction is over."""
        if transaction is not None:
            transaction.check()
        if len(record.value or b"") > self.record_bytes_max:
            raise RefusedError(f"a record of {len(record.value or b'')} bytes is larger than {self.record_bytes_max}")
        stream = self.streams.get(record.stream) or self.create(record.stream)
        index = stream.choose(record.key)
        partition = stream.partitions[index]
        position = Position(record.stream, index, partition.end)
        headers = [*record.headers] if record.headers else None
        written = Received(*position, self.clock.now_ms(), record.key, record.value, headers)
        partition.append(written, transaction)
        if transaction is None:
            self.counts([written])
            self.wake()
        else:
            transaction.records.append(written)
        return position

    def _ended(self, transaction: Transaction) -> None:
        if transaction.is_committed:
            self.counts(transaction.records)
        self.wake()

    def counts(self, records: Sequence[Received]) -> None:
        """Told of records when it is certain that they count. Nothing to do, but for who keeps a log of all streams."""

    def records(self, stream: str) -> list[Received]:
        """Everything in a stream that counts, partition after partition."""
        found = self.streams.get(stream)
        return [record for partition in found.partitions for record in partition.committed()] if found else []

    # Being away.

    def go_away(self) -> None:
        self.away = True

    def come_back(self) -> None:
        self.away = False
        while self._held:
            self._held.popleft()()
        self.wake()

    def when_there(self, action: Callable[[], object]) -> None:
        """Do it now, or as soon as the broker is back."""
        if self.away:
            self._held.append(action)
        else:
            action()

    # Waiting.

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
