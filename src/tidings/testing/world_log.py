"""The broker of a world: it remembers the order in which records came, over all streams."""

from __future__ import annotations

from tidings.events.envelope import Envelope
from tidings.events.position import Position
from tidings.service.clock import Clock
from tidings.service.transports.base import Outgoing, Received
from tidings.service.transports.memory import MemoryBroker


class WorldLog(MemoryBroker):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.log: list[tuple[str | None, Received]] = []
        """Each record with the workflow it belongs to."""

    def append(self, record: Outgoing) -> Position:
        position = super().append(record)
        envelope = Envelope(record.headers)
        received = self.streams[position.stream].partitions[position.partition][position.offset]
        self.log.append((envelope.correlation_id or envelope.id, received))
        return position
