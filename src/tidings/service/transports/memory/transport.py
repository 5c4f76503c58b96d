"""A service's way to the broker in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from tidings.errors import UnavailableError
from tidings.service.transports.base import Owner, StreamSpec, StreamState
from tidings.service.transports.memory.consumer import MemoryConsumer
from tidings.service.transports.memory.cursor import MemoryReader
from tidings.service.transports.memory.producer import MemoryProducer

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker


class MemoryTransport:
    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker

    def producer(self, timeout_s: float | None) -> MemoryProducer:
        return MemoryProducer(self.broker, patient=timeout_s is None)

    def consumer(self, group: str, streams: Collection[str], owner: Owner, *, together: bool = False) -> MemoryConsumer:
        return MemoryConsumer(self.broker, self.broker.group(group), streams, owner)

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
        ends = {index: partition.last_stable for index, partition in enumerate(found.partitions)}
        return StreamState(found.id, dict.fromkeys(ends, 0), ends)

    async def written_ends(self, stream: str) -> Mapping[int, int]:
        self._check()
        return {index: partition.end for index, partition in enumerate(self.broker.streams[stream].partitions)}

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.broker.away:
            raise UnavailableError("the broker is away")
