"""The broker of a world: it remembers the order in which records came to count, over all streams."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.events.envelope import Envelope
from tidings.service.clock import Clock
from tidings.service.transports.base import Received
from tidings.service.transports.memory import MemoryBroker


class WorldLog(MemoryBroker):
    """What belongs to a transaction is in the log when that is committed, and never if it is not."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.log: list[tuple[str | None, Received]] = []
        """Each record with the workflow it belongs to."""

    def counts(self, records: Sequence[Received]) -> None:
        for record in records:
            envelope = Envelope(record.headers)
            self.log.append((envelope.correlation_id or envelope.id, record))
