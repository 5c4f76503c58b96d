"""Gives out producer ids, and claims a block of them in the catalog's log before the first of it is given."""

from __future__ import annotations

import asyncio

from tidings.broker.catalog.catalog import Catalog
from tidings.coordination.producer_ids import ProducerIds
from tidings.wire.messages.metadata_records import ProducerIdsRecord


class ProducerIdBlocks:
    def __init__(self, catalog: Catalog, node_id: int) -> None:
        last = catalog.producer_ids
        self._ids = ProducerIds(0 if last is None else last.next_producer_id)
        self._catalog = catalog
        self._node_id = node_id
        self._claiming = asyncio.Lock()

    async def next_id(self) -> int:
        """An id that nobody has or had. Raises DiskError if no block can be claimed."""
        await self.ensure()
        return self.take()

    async def ensure(self) -> None:
        """Returns when there is an id to `take`, for whoever does so before it awaits anything. Raises DiskError."""
        while not self._ids.remaining:
            async with self._claiming:
                if not self._ids.remaining:
                    await self._claim()

    def take(self) -> int:
        """An id that nobody has or had, once `ensure` has returned."""
        return self._ids.take()

    async def _claim(self) -> None:
        block = self._ids.wanted_block()
        record = ProducerIdsRecord(broker_id=self._node_id, broker_epoch=-1, next_producer_id=block.end)
        await self._catalog.write([record])
        self._ids.claimed(block)
