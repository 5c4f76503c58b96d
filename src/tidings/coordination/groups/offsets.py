"""Committed offsets: how far each group has come in each partition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

NO_OFFSET = -1
NO_EPOCH = -1
NO_EXPIRY = -1


class Committed(NamedTuple):
    """One committed offset. Dates are milliseconds since 1970."""

    offset: int
    leader_epoch: int
    metadata: str
    committed_wall_ms: int
    expires_wall_ms: int
    """Only for requests that name their own retention (up to version 4), else NO_EXPIRY."""
    topic_id: bytes


NOTHING = Committed(NO_OFFSET, NO_EPOCH, "", NO_EXPIRY, NO_EXPIRY, bytes(16))
"""What is told of a partition in which a group has committed nothing."""

Partitions = dict[int, Committed]


class Offsets:
    """By group, topic and partition. Only `replay` of the coordinator changes it."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, Partitions]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, group_id: str) -> bool:
        return group_id in self._groups

    def put(self, group_id: str, topic: str, partition: int, committed: Committed) -> None:
        partitions = self._groups.setdefault(group_id, {}).setdefault(topic, {})
        self._count += partition not in partitions
        partitions[partition] = committed

    def remove(self, group_id: str, topic: str, partition: int) -> None:
        topics = self._groups.get(group_id, {})
        partitions = topics.get(topic, {})
        if partitions.pop(partition, None) is None:
            return
        self._count -= 1
        if not partitions:
            del topics[topic]
        if not topics:
            del self._groups[group_id]

    def get(self, group_id: str, topic: str, partition: int) -> Committed | None:
        return self._groups.get(group_id, {}).get(topic, {}).get(partition)

    def groups(self) -> list[str]:
        return list(self._groups)

    def topics(self, group_id: str) -> dict[str, Partitions]:
        """For reading only."""
        return self._groups.get(group_id, {})

    def of_group(self, group_id: str) -> Iterator[tuple[str, int, Committed]]:
        for topic, partitions in self.topics(group_id).items():
            for partition, committed in partitions.items():
                yield topic, partition, committed
