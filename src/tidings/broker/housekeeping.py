"""What the broker does now and then: let old records go, compact, hang up on connections that fell silent.

Whatever touches the disk runs in a thread, a partition at a time, and clients are served meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tidings.broker.pace import Pace, quick_switches
from tidings.broker.settings.broker_configs import CLEANER_BACKOFF_MS, CLEANER_BYTES_PER_S
from tidings.broker.settings.topic_configs import DELIVERED, RETENTION
from tidings.coordination.share_state.delivered import delivered_to
from tidings.errors import DiskError
from tidings.log.compaction import Stopped
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError

if TYPE_CHECKING:
    from tidings.broker.catalog.topic import Topic
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)

T = TypeVar("T")


class Housekeeping:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self) -> None:
        config = self._broker.config
        self._tasks = [
            asyncio.create_task(self._every(lambda: config.retention_check_interval_ms, self.retain)),
            asyncio.create_task(self._every(lambda: self._setting(CLEANER_BACKOFF_MS), self.compact)),
            asyncio.create_task(self._every(lambda: config.purge_interval_ms, self.purge)),
            asyncio.create_task(self._every(lambda: config.connection_idle_ms_max / 2, self.reap)),
        ]

    async def stop(self) -> None:
        """Returns when no thread is at work any more."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def retain(self) -> None:
        """Remove old segments, roll and sync those due."""
        broker = self._broker
        for topic, replica in list(broker.catalog.replicas()):
            if not broker.catalog.is_used(topic, replica):
                continue
            try:
                partition = broker.catalog.partition(topic.name, replica.index)
                await _in_thread(partial(self._look_after, partition))
            except (ApiError, DiskError) as error:
                log.warning("old records of %s-%d could not be looked after: %s", topic.name, replica.index, error)

    async def compact(self) -> None:
        """Compact what is due, and all of it: of a partition with very many keys, a part at a time.

        The broker's own logs are kept short by those who write them.
        """
        for topic, replica in list(self._broker.catalog.replicas()):
            partition = replica.log
            if partition is not None and partition.config.compacts and not topic.is_internal:
                try:
                    await _in_thread(partial(self._compact, partition))
                except (ApiError, DiskError) as error:
                    log.warning("%s could not be compacted: %s", partition.path, error)

    async def purge(self) -> None:
        """Of store-backed streams, delete what was delivered to every group that reads them."""
        broker = self._broker
        for topic in list(broker.catalog.topics.values()):
            if topic.configs.get(RETENTION) != DELIVERED:
                continue
            for index, offset in enumerate(self._delivered(topic)):
                if not offset or not broker.catalog.is_used(topic, topic.partitions[index]):
                    continue
                try:
                    partition = broker.catalog.partition(topic.name, index)
                    if offset > partition.log_start_offset:
                        await _in_thread(partial(partition.purge, offset))
                except (ApiError, DiskError) as error:
                    log.warning("%s-%d could not be purged: %s", topic.name, index, error)

    def _delivered(self, topic: Topic) -> list[int | None]:
        """For each partition the offset to which all is delivered; None if that cannot be told, or nobody reads it."""
        groups, shared = self._broker.groups, self._broker.share_state
        if not (groups.is_available and shared.is_available):
            return []
        states = ((place, shared.summary(*place)) for place in shared.all_places() if place.topic_id == topic.id)
        by_groups = groups.coordinator.delivered(topic.name)
        by_share_groups = delivered_to(states, len(topic.partitions))
        return [
            min((offset for offset in offsets if offset is not None), default=None)
            for offsets in zip(by_groups, by_share_groups, strict=True)
        ]

    async def reap(self) -> None:
        """Close connections that said nothing for as long as they may be silent, or up to half as long again."""
        for connection in list(self._broker.connections):
            connection.quiet_rounds += 1
            if connection.quiet_rounds > 2 and not connection.awaits_reply:
                connection.abort()

    def _setting(self, name: str) -> float:
        return float(self._broker.catalog.settings.of_broker(name)[0].value)

    async def _every(self, interval_ms: Callable[[], float], work: Callable[[], Coroutine[None, None, None]]) -> None:
        while True:
            await asyncio.sleep(interval_ms() / 1000)
            await work()

    def _look_after(self, partition: Partition) -> None:
        partition.retain(self._broker.clock.now_ms())
        partition.roll_if_due(self._broker.clock.now_ms())
        if partition.has_unsynced_segments:
            partition.sync()

    def _compact(self, partition: Partition) -> None:
        pace = Pace(self._setting(CLEANER_BYTES_PER_S))

        def pause(bytes: int) -> None:
            if self._is_stopping:
                raise Stopped
            pace(bytes)

        with quick_switches():
            while done := partition.compact(self._broker.clock.now_ms(), pause=pause):
                log.info(
                    "compacted %s up to offset %d: %d of %d bytes are left",
                    partition.path, done.clean_to, done.bytes_after, done.bytes_before,
                )  # fmt: skip


async def _in_thread(work: Callable[[], T]) -> T:
    """As asyncio.to_thread, but when cancelled it waits for the thread before it gives up."""
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
