"""Reading in memory: where somebody stands in each of his partitions, and which ends he knows of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.service.transports.base import Batch, Place, Received

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker

BATCH_RECORDS_MAX = 500


class Cursor:
    def __init__(self, broker: MemoryBroker, positions: dict[Place, int]) -> None:
        self._broker = broker
        self.positions = positions
        """The offset that comes next."""
        self.paused: set[Place] = set()
        """Partitions that are not read for the time being."""
        self._told: dict[Place, int] = {}

    def begin(self, place: Place, offset: int) -> None:
        """Read a partition from here on."""
        self.positions[place] = offset
        self._told.pop(place, None)

    def leave(self, place: Place) -> None:
        self.positions.pop(place, None)

    def read(self) -> Batch | None:
        """What has come since the last time, and the ends that were reached; None if nothing is new."""
        records: list[Received] = []
        ends: dict[Place, int] = {}
        for place, offset in self.positions.items():
            partition = self._broker.partition(place)
            if partition is None or place in self.paused:
                continue
            more, offset = partition.readable(offset, BATCH_RECORDS_MAX - len(records))
            records += more
            self.positions[place] = offset
            if offset >= partition.last_stable:
                ends[place] = offset
        if not records and ends == self._told:
            return None
        self._told = ends
        return Batch(records, ends)


class MemoryReader:
    def __init__(self, broker: MemoryBroker, positions: dict[Place, int]) -> None:
        self._broker = broker
        self._cursor = Cursor(broker, positions)

    async def poll(self) -> Batch:
        while True:
            if not self._broker.away and (batch := self._cursor.read()) is not None:
                return batch
            await self._broker.change()

    async def close(self) -> None:
        pass
