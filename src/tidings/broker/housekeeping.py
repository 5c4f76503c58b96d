"""What the broker does now and then: let old records go, hang up on connections that fell silent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tidings.errors import DiskError
from tidings.wire.error_codes import ApiError

if TYPE_CHECKING:
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)


class Housekeeping:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._retain()), asyncio.create_task(self._reap())]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _retain(self) -> None:
        """Remove old segments, roll and sync those due, a partition at a time: clients are served in between."""
        broker = self._broker
        while True:
            await asyncio.sleep(broker.config.retention_check_interval_ms / 1000)
            for topic, replica in list(broker.catalog.replicas()):
                if not broker.catalog.is_used(topic, replica):
                    continue
                try:
                    partition = broker.catalog.partition(topic.name, replica.index)
                    partition.retain(broker.clock.now_ms())
                    partition.roll_if_due(broker.clock.now_ms())
                    if partition.has_unsynced_segments:
                        await asyncio.to_thread(partition.sync)
                except (ApiError, DiskError) as error:
                    log.warning("old records of %s-%d could not be looked after: %s", topic.name, replica.index, error)
                await asyncio.sleep(0)

    async def _reap(self) -> None:
        """Close connections that said nothing for as long as they may be silent, or up to half as long again."""
        broker = self._broker
        while True:
            await asyncio.sleep(broker.config.connection_idle_ms_max / 2000)
            for connection in list(broker.connections):
                connection.quiet_rounds += 1
                if connection.quiet_rounds > 2 and not connection.awaits_reply:
                    connection.abort()
