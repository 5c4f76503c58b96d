"""Puts the group coordinator together with what this broker has: its catalog, its clock, its disk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic import Topic
from tidings.broker.catalog.topic_names import GROUP_OFFSETS
from tidings.broker.clock import Clock
from tidings.broker.coordinators.coordinator_log import End, Entry
from tidings.broker.coordinators.runtime import CoordinatorRuntime
from tidings.broker.durability import Done, Durability
from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.coordinator import GroupCoordinator
from tidings.coordination.groups.refusals import refusal
from tidings.coordination.outcome import Producer
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID


class GroupRuntime(CoordinatorRuntime[GroupCoordinator]):
    what = "consumer groups"

    def __init__(self, coordinator: GroupCoordinator, durability: Durability, clock: Clock) -> None:
        super().__init__(coordinator, refusal, durability, clock)

    def write_end(self, producer: Producer, *, commit: bool, done: Done) -> None:
        """The producer's transaction is over: what it committed counts from now on, or never.

        `done` is called when that is safe. Raises ApiError, DiskError.
        """
        if self._log is None:
            raise ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        partition = self._log.partition
        size_bytes = self._log.append_end(producer, self._clock.now_ms(), commit=commit)
        self.coordinator.replay_end(producer.producer_id, commit=commit)
        self._settle(partition, size_bytes)
        self._durability.settle(partition, 0, done)

    def _replay(self, entry: Entry | End) -> None:
        if isinstance(entry, End):
            self.coordinator.replay_end(entry.producer_id, commit=entry.commit)
        else:
            self.coordinator.replay(*entry)

    def topics_deleted(self, names: Iterable[str]) -> None:
        """What was committed for these topics is forgotten."""
        if self._log is not None:
            self._run(self.coordinator.topics_deleted(names))


class CatalogTopics:
    """The catalog as the coordinator sees it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def partition_count(self, name: str) -> int:
        topic = self._catalog.topics.get(name)
        return 0 if topic is None else len(topic.partitions)

    def topic_id(self, name: str) -> bytes:
        topic = self._catalog.topics.get(name)
        return NULL_UUID if topic is None else topic.id

    def topic_name(self, topic_id: bytes) -> str | None:
        topic = self._catalog.topic_by_id(topic_id)
        return None if topic is None else topic.name

    def names(self) -> Iterable[str]:
        return self._catalog.topics

    @property
    def revision(self) -> int:
        return self._catalog.revision


async def open_groups(
    catalog: Catalog, durability: Durability, clock: Clock, config: GroupConfig | None = None
) -> GroupRuntime:
    """The coordinator, with all that is in its log. Without one yet, it is made now."""
    coordinator = GroupCoordinator(
        config=config or GroupConfig(),
        new_id=lambda: str(uuid.uuid4()),
        topics=CatalogTopics(catalog),
        own_setting=lambda group_id, name: catalog.groups.get(group_id, {}).get(name),
    )
    groups = GroupRuntime(coordinator, durability, clock)
    with suppress(ApiError):  # if it cannot be made, it cannot be found either, and `start` says so
        await catalog.internal_log(GROUP_OFFSETS)
    groups.start(lambda: catalog.partition(GROUP_OFFSETS, 0))

    def forget(topic: Topic) -> None:
        groups.topics_deleted([topic.name])

    catalog.deleted.append(forget)
    return groups
