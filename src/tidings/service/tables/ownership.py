"""Which partitions a process owns, and from when on the rows that go with them are here.

Tables that are kept by partition (partitioned replicas, and a service's own state) hold the rows of those partitions
that the group has dealt to this process. No record of a partition is handled before all of its rows are here: `admit`
holds it back, and with it what comes behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from tidings.service.transports.base import Batch, Place


class Keeper(Protocol):
    """A table that is kept by partition."""

    def released(self, places: Collection[Place]) -> None:
        """These are somebody else's from now on: what was in hand of them is committed, or will never be."""

    @property
    def is_behind(self) -> bool:
        """It has so much to catch up with that no more should be handled."""


class Ownership:
    """Told by the intake what comes and goes, asked by tables what to keep. Used on one event loop."""

    def __init__(self, partitions: int, keepers: Sequence[Keeper]) -> None:
        self.count = partitions
        """How many partitions each of the streams has."""
        self.deal = 0
        """Another number whenever partitions have come or gone."""
        self._keepers = keepers
        self._places: dict[Place, int] = {}
        """What is ours, and the deal that brought it."""
        self._missing: dict[int, set[Keeper]] = {}
        """The partitions that are not complete, and who has rows of them to restore."""
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def partitions(self) -> frozenset[int]:
        """Those of which at least one stream's is ours."""
        return frozenset(partition for _, partition in self._places)

    @property
    def complete(self) -> frozenset[int]:
        """Those of them whose rows are all here."""
        return self.partitions.difference(self._missing)

    def assigned(self, places: Collection[Place]) -> None:
        self.deal += 1
        for place in places:
            self._places[place] = self.deal
            if self._keepers:
                self._missing[place[1]] = set(self._keepers)
        self.tell()

    def released(self, places: Collection[Place]) -> None:
        """What was in hand of them is finished, or given up."""
        self.deal += 1
        for place in places:
            self._places.pop(place, None)
        ours = self.partitions
        for _, partition in places:
            if partition not in ours:
                self._missing.pop(partition, None)
            elif self._keepers:  # through another stream
                self._missing[partition] = set(self._keepers)
        for keeper in self._keepers:
            keeper.released(places)
        self.tell()

    def restored(self, keeper: Keeper, deal: int) -> None:
        """`keeper` has all rows of the partitions that were ours at that deal. Of an earlier deal it means nothing."""
        if deal != self.deal:
            return
        for partition, missing in list(self._missing.items()):
            missing.discard(keeper)
            if not missing:
                del self._missing[partition]
        self.tell()

    async def admit(self, batch: Batch) -> Batch:
        """The batch, once the rows for its records are here; without what was dealt anew meanwhile, which comes again.

        Everything behind it waits: a consumer that is not asked for more stops fetching, and stays in its group.
        """
        if not self._missing and not self._is_behind():
            return batch
        places = {(record.stream, record.partition) for record in batch.records} | set(batch.ends)
        deals = {place: self._places.get(place) for place in places}
        ours = places
        while True:
            ours = {place for place in ours if deals[place] == self._places.get(place, -1)}
            if not self._is_behind() and not any(place[1] in self._missing for place in ours):
                break
            await self._change()
        records = [record for record in batch.records if (record.stream, record.partition) in ours]
        return Batch(records, {place: end for place, end in batch.ends.items() if place in ours})

    def _is_behind(self) -> bool:
        return any(keeper.is_behind for keeper in self._keepers)

    async def until_complete(self) -> bool:
        """Wait until all rows of all partitions that are ours are here. Whether that was not so at once."""
        waits = bool(self._missing)
        while self._missing:
            await self._change()
        return waits

    async def dealt_anew(self, deal: int) -> None:
        """Returns once it is not that deal any more."""
        while deal == self.deal:
            await self._change()

    async def _change(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def tell(self) -> None:
        """Something has changed that somebody may wait for."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
